/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Just enough of RFC 1035 to answer one question. */
#include "dns_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DNS_HEADER = 12, DNS_MESSAGE = 512, DNS_NXDOMAIN = 3 };
enum { DNS_A = 1, DNS_AAAA = 28, DNS_SRV = 33, DNS_NAPTR = 35 };

/* An answer that waits for its time. */
struct reply {
	struct ev_timer timer;
	struct dns_server *server;
	struct sockaddr_storage to;
	socklen_t to_size;
	uint8_t octets[DNS_MESSAGE];
	size_t length;
};

/* The labels at `at` as dotted text; returns the octets they take, 0: bad. */
static size_t read_name(const uint8_t *at, size_t length, char out[256])
{
	size_t used = 0, written = 0;
	while (used < length && at[used] != 0) {
		size_t label = at[used];
		if (label > 63 || used + 1 + label >= length || written + label + 2 > 256)
			return 0;
		if (written)
			out[written++] = '.';
		memcpy(out + written, at + used + 1, label);
		written += label;
		used += 1 + label;
	}
	out[written] = '\0';
	return used < length ? used + 1 : 0;
}

static const struct dns_name *find_name(const struct dns_server *server, const char *name)
{
	for (const struct dns_name *at = server->names; at->name; at++)
		if (strcasecmp(at->name, name) == 0)
			return at;
	return NULL;
}

static void put_records(struct reply *reply, const char *const *addresses, uint8_t type)
{
	uint8_t size = type == DNS_A ? 4 : 16;
	for (size_t i = 0; i < DNS_ADDRESSES && addresses[i]; i++) {
		uint8_t *at = reply->octets + reply->length;
		uint8_t fixed[] = {0xc0, DNS_HEADER, 0, type, 0, 1, 0, 0, 0, 60, 0, size};
		memcpy(at, fixed, sizeof(fixed));
		inet_pton(type == DNS_A ? AF_INET : AF_INET6, addresses[i], at + sizeof(fixed));
		reply->length += sizeof(fixed) + size;
		reply->octets[7]++; /* ANCOUNT */
	}
}

static void put_text(struct reply *reply, const char *text)
{
	size_t length = strlen(text);
	reply->octets[reply->length++] = (uint8_t)length;
	memcpy(reply->octets + reply->length, text, length);
	reply->length += length;
}

/* A name as labels. */
static void put_name(struct reply *reply, const char *name)
{
	while (*name) {
		size_t length = strcspn(name, ".");
		reply->octets[reply->length++] = (uint8_t)length;
		memcpy(reply->octets + reply->length, name, length);
		reply->length += length;
		name += length + (name[length] == '.');
	}
	reply->octets[reply->length++] = 0;
}

/* Everything before RDATA; its length follows with end_record. */
static size_t begin_record(struct reply *reply, uint8_t type)
{
	uint8_t fixed[] = {0xc0, DNS_HEADER, 0, type, 0, 1, 0, 0, 0, 60, 0, 0};
	memcpy(reply->octets + reply->length, fixed, sizeof(fixed));
	reply->length += sizeof(fixed);
	reply->octets[7]++; /* ANCOUNT */
	return reply->length;
}

static void end_record(struct reply *reply, size_t begun)
{
	reply->octets[begun - 1] = (uint8_t)(reply->length - begun);
}

static void put_srv(struct reply *reply, const struct dns_srv *srv)
{
	for (size_t i = 0; i < DNS_ADDRESSES && srv[i].target; i++) {
		size_t begun = begin_record(reply, DNS_SRV);
		uint8_t fixed[] = {0, srv[i].priority, 0, srv[i].weight,
			(uint8_t)(srv[i].port >> 8), (uint8_t)srv[i].port};
		memcpy(reply->octets + reply->length, fixed, sizeof(fixed));
		reply->length += sizeof(fixed);
		put_name(reply, srv[i].target);
		end_record(reply, begun);
	}
}

static void put_naptr(struct reply *reply, const struct dns_naptr *naptr)
{
	for (size_t i = 0; i < DNS_ADDRESSES && naptr[i].service; i++) {
		size_t begun = begin_record(reply, DNS_NAPTR);
		uint8_t fixed[] = {0, naptr[i].order, 0, naptr[i].preference};
		memcpy(reply->octets + reply->length, fixed, sizeof(fixed));
		reply->length += sizeof(fixed);
		put_text(reply, naptr[i].flags);
		put_text(reply, naptr[i].service);
		put_text(reply, "");
		put_name(reply, naptr[i].replacement);
		end_record(reply, begun);
	}
}

static void on_reply_due(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)events;
	struct reply *reply = timer->data;
	ev_timer_stop(loop, timer);
	sendto(reply->server->io.fd, reply->octets, reply->length, 0, (struct sockaddr *)&reply->to,
		reply->to_size);
	free(reply);
}

static void answer(struct dns_server *server, struct reply *reply)
{
	char name[256];
	size_t taken = read_name(reply->octets + DNS_HEADER, reply->length - DNS_HEADER, name);
	if (taken == 0 || DNS_HEADER + taken + 4 > reply->length) {
		free(reply);
		return;
	}
	uint8_t type = reply->octets[DNS_HEADER + taken + 1];
	const struct dns_name *found = find_name(server, name);
	if (found && found->silent) {
		free(reply);
		return;
	}
	reply->length = DNS_HEADER + taken + 4;
	reply->octets[2] |= 0x80; /* QR */
	reply->octets[3] = (uint8_t)(0x80 | (found ? found->rcode : DNS_NXDOMAIN));
	memset(reply->octets + 6, 0, 6); /* no records but the question */
	unsigned after = 0;
	if (found && found->rcode == 0 && type == DNS_SRV) {
		put_srv(reply, found->srv);
	} else if (found && found->rcode == 0 && type == DNS_NAPTR) {
		put_naptr(reply, found->naptr);
	} else if (found && found->rcode == 0) {
		put_records(reply, type == DNS_A ? found->ipv4 : found->ipv6, type);
		after = type == DNS_A ? found->ipv4_after : found->ipv6_after;
	}
	ev_timer_init(&reply->timer, on_reply_due, after / 1e3, 0.);
	reply->timer.data = reply;
	reply->server = server;
	ev_timer_start(server->loop, &reply->timer);
}

static void on_query(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop, (void)events;
	struct dns_server *server = io->data;
	struct reply *reply = calloc(1, sizeof(*reply));
	reply->to_size = sizeof(reply->to);
	ssize_t length = recvfrom(io->fd, reply->octets, DNS_MESSAGE / 2, 0,
		(struct sockaddr *)&reply->to, &reply->to_size);
	if (length < DNS_HEADER) {
		free(reply);
		return;
	}
	server->queries++;
	reply->length = (size_t)length;
	answer(server, reply);
}

int dns_server_open(struct dns_server *server, struct ev_loop *loop, const struct dns_name *names)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(53)};
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0)
		return -errno;
	*server = (struct dns_server){.loop = loop, .names = names};
	ev_io_init(&server->io, on_query, fd, EV_READ);
	server->io.data = server;
	ev_io_start(loop, &server->io);
	return 0;
}

void dns_server_close(struct dns_server *server)
{
	ev_io_stop(server->loop, &server->io);
	close(server->io.fd);
}
