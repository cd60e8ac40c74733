/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One client at a time is enough for a probe. */
#include "probe_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"

static const char portal[] = "HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n";

static struct sockaddr_storage loopback(int family, socklen_t *size)
{
	struct sockaddr_storage here = {.ss_family = (sa_family_t)family};
	struct sockaddr_in *sin = (void *)&here;
	struct sockaddr_in6 *sin6 = (void *)&here;
	*size = family == AF_INET6 ? sizeof(*sin6) : sizeof(*sin);
	if (family == AF_INET6)
		sin6->sin6_addr = in6addr_loopback;
	else
		sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return here;
}

/* --- answers ----------------------------------------------------------- */

/* The request's own fields under a status line. */
static size_t sip_answer(struct probe_server *server, const char *status)
{
	char *rest = memmem(server->last, server->last_length, "\r\n", 2);
	int length = snprintf((char *)server->answer, sizeof(server->answer), "SIP/2.0 %s%.*s",
		status, (int)(server->last_length - (size_t)(rest - (char *)server->last)), rest);
	return (size_t)length;
}

static size_t stun_answer(struct probe_server *server, const struct sockaddr_storage *to)
{
	uint8_t *out = server->answer;
	memcpy(out, server->last, STUN_HEADER);
	if (server->manner == MANNER_ERROR) {
		static const uint8_t error[] = {0, 9, 0, 8, 0, 0, 5, 0, 'O', 'o', 'p', 's'};
		put_u16(out, 0x0111);
		put_u16(out + 2, sizeof(error));
		memcpy(out + STUN_HEADER, error, sizeof(error));
		return STUN_HEADER + sizeof(error);
	}
	const struct sockaddr_in *sin = (const void *)to;
	const struct sockaddr_in6 *sin6 = (const void *)to;
	bool is_ipv6 = to->ss_family == AF_INET6;
	size_t size = is_ipv6 ? 16 : 4;
	put_u16(out, 0x0101);
	put_u16(out + 2, (uint16_t)(8 + size));
	put_u32(out + STUN_HEADER, 0x00200000 | (uint32_t)(4 + size));
	out[STUN_HEADER + 4] = 0;
	out[STUN_HEADER + 5] = is_ipv6 ? 2 : 1;
	memcpy(out + STUN_HEADER + 6, is_ipv6 ? &sin6->sin6_port : &sin->sin_port, 2);
	memcpy(out + STUN_HEADER + 8,
		is_ipv6 ? (const void *)&sin6->sin6_addr : (const void *)&sin->sin_addr, size);
	for (size_t i = 0; i < 2; i++)
		out[STUN_HEADER + 6 + i] ^= out[4 + i];
	for (size_t i = 0; i < size; i++)
		out[STUN_HEADER + 8 + i] ^= out[4 + i];
	return STUN_HEADER + 8 + size;
}

static void make_honest(struct probe_server *server, const struct sockaddr_storage *to)
{
	server->answer_length = server->protocol == PROBE_STUN ? stun_answer(server, to)
				: server->manner == MANNER_ERROR
					? sip_answer(server, "503 Service Unavailable")
					: sip_answer(server, "401 Unauthorized");
}

static void make_foreign(struct probe_server *server)
{
	uint8_t *branch = memmem(server->answer, server->answer_length, SIP_BRANCH_COOKIE, 7);
	if (server->protocol == PROBE_STUN)
		server->answer[8] ^= 1;
	else
		branch[7] = branch[7] == '0' ? '1' : '0';
}

/* What goes out for the request in `last`; nothing: answer_length 0. */
static void make_answer(struct probe_server *server, const struct sockaddr_storage *to)
{
	make_honest(server, to);
	switch (server->manner) {
	case MANNER_SILENT:
	case MANNER_CLOSE:
	case MANNER_RESET:
		server->answer_length = 0;
		break;
	case MANNER_LOSSY:
		if (server->requests % 3 != 0)
			server->answer_length = 0;
		break;
	case MANNER_FOREIGN:
		make_foreign(server);
		break;
	case MANNER_FOREIGN_THEN_HONEST: {
		size_t one = server->answer_length;
		uint8_t honest[2048];
		memcpy(honest, server->answer, one);
		make_foreign(server);
		memcpy(server->answer + one, honest, one);
		server->answer_length = 2 * one;
		break;
	}
	case MANNER_REFLECT:
		memcpy(server->answer, server->last, server->last_length);
		server->answer_length = server->last_length;
		break;
	case MANNER_GARBAGE:
		memcpy(server->answer, portal, sizeof(portal));
		server->answer_length = sizeof(portal) - 1;
		break;
	case MANNER_HALF:
		server->answer_length /= 2;
		break;
	case MANNER_ENDLESS:
		memset(server->answer, 'a', sizeof(server->answer));
		memcpy(server->answer, "SIP/2.0 200 OK\r\nX: ", 19);
		server->answer_length = sizeof(server->answer);
		break;
	case MANNER_HONEST:
	case MANNER_ERROR:
	case MANNER_DRIP:
		break;
	}
}

static void note_request(struct probe_server *server, size_t length)
{
	server->last_length = length;
	if (server->requests < 16)
		server->at[server->requests] = clock_now();
	server->requests++;
}

/* --- UDP --------------------------------------------------------------- */

static void on_datagram(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop, (void)events;
	struct probe_server *server = io->data;
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	ssize_t got = recvfrom(
		io->fd, server->last, sizeof(server->last), 0, (struct sockaddr *)&from, &size);
	if (got <= 0)
		return;
	note_request(server, (size_t)got);
	make_answer(server, &from);
	size_t part = server->manner == MANNER_FOREIGN_THEN_HONEST ? server->answer_length / 2
								   : server->answer_length;
	for (size_t at = 0; at < server->answer_length; at += part)
		sendto(io->fd, server->answer + at, part, 0, (struct sockaddr *)&from, size);
}

/* --- streams ----------------------------------------------------------- */

static void drop_client(struct probe_server *server)
{
	if (server->client_io.fd < 0)
		return;
	ev_io_stop(server->loop, &server->client_io);
	ev_timer_stop(server->loop, &server->drip);
	tls_free(server->tls);
	server->tls = NULL;
	close(server->client_io.fd);
	server->client_io.fd = -1;
}

static void put(struct probe_server *server, const uint8_t *octets, size_t length)
{
	if (server->tls) {
		tls_write(server->tls, octets, length);
		tls_flush(server->tls);
	} else if (send(server->client_io.fd, octets, length, MSG_NOSIGNAL) < 0) {
		server->answer_length = 0; /* the probe has gone */
	}
}

static void on_drip(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)events;
	struct probe_server *server = timer->data;
	if (server->dripped == server->answer_length)
		ev_timer_stop(loop, timer);
	else
		put(server, server->answer + server->dripped++, 1);
}

static void answer_stream(struct probe_server *server)
{
	struct linger now = {.l_onoff = 1};
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);
	getpeername(server->client_io.fd, (struct sockaddr *)&peer, &size);
	make_answer(server, &peer);
	if (server->manner == MANNER_RESET)
		setsockopt(server->client_io.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	if (server->manner == MANNER_DRIP) {
		ev_timer_start(server->loop, &server->drip);
		return;
	}
	size_t times = server->manner == MANNER_ENDLESS ? 256 : 1;
	for (size_t i = 0; i < times && server->answer_length > 0; i++) {
		put(server, server->answer, server->answer_length);
		if (server->manner == MANNER_ENDLESS)
			memset(server->answer, 'a', sizeof(server->answer));
	}
	if (server->manner == MANNER_CLOSE || server->manner == MANNER_RESET ||
		server->manner == MANNER_HALF)
		drop_client(server);
}

static void on_stream(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop, (void)events;
	struct probe_server *server = io->data;
	size_t got = 0;
	if (server->tls) {
		enum tls_result result = tls_handshake(server->tls);
		if (result == TLS_OK)
			result = tls_read(server->tls, server->last, sizeof(server->last), &got);
		if (result == TLS_FAILED || result == TLS_CLOSED) {
			drop_client(server);
			return;
		}
	} else {
		ssize_t length = recv(io->fd, server->last, sizeof(server->last), 0);
		if (length <= 0) {
			drop_client(server);
			return;
		}
		got = (size_t)length;
	}
	if (got == 0)
		return;
	note_request(server, got);
	answer_stream(server);
}

static void on_client(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)events;
	struct probe_server *server = io->data;
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	drop_client(server);
	if (fd < 0)
		return;
	ev_io_init(&server->client_io, on_stream, fd, EV_READ);
	server->client_io.data = server;
	server->dripped = 0;
	/* Over TLS, silence begins before the handshake. */
	if (server->manner == MANNER_SILENT && server->transport == OVER_TLS)
		return;
	if (server->transport == OVER_TLS)
		tls_new(&server->tls, server->context, fd, NULL, NULL);
	ev_io_start(loop, &server->client_io);
}

/* --- both -------------------------------------------------------------- */

int probe_server_open(struct probe_server *server, struct ev_loop *loop, int family,
	enum probe_protocol protocol, enum transport transport, enum manner manner,
	struct tls_context *context)
{
	socklen_t size;
	bool is_udp = transport == OVER_UDP;
	struct sockaddr_storage here = loopback(family, &size);
	int fd = socket(
		family, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, size) < 0 ||
		(!is_udp && listen(fd, 8) < 0))
		return -errno;
	getsockname(fd, (struct sockaddr *)&here, &size);
	*server = (struct probe_server){.loop = loop,
		.protocol = protocol,
		.transport = transport,
		.manner = manner,
		.context = context,
		.port = ntohs(((struct sockaddr_in *)&here)->sin_port)};
	server->client_io.fd = -1;
	ev_timer_init(&server->drip, on_drip, 0.1, 0.1);
	server->drip.data = server;
	ev_io_init(&server->io, is_udp ? on_datagram : on_client, fd, EV_READ);
	server->io.data = server;
	ev_io_start(loop, &server->io);
	return 0;
}

void probe_server_close(struct probe_server *server)
{
	drop_client(server);
	ev_io_stop(server->loop, &server->io);
	close(server->io.fd);
}
