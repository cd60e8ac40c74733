/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Moves known octets both ways at once and compares every one of them with
 * what was sent: a checksum says only that something broke, this says where.
 *
 *	transfer serve ADDRESS PORT
 *	transfer tcp ADDRESS PORT OCTETS [WRITE-SIZE]
 *	transfer udp ADDRESS PORT COUNT SIZE [SEGMENT]
 *
 * `serve` takes one TCP connection after the other, sends back as much as the
 * client sends, and gives every datagram back that arrives whole.  `udp` sends
 * COUNT datagrams of SIZE octets (with SEGMENT, as one UDP GSO send that the
 * kernel cuts into datagrams of SEGMENT octets) and waits until all of them
 * have come back.  Exit status 0 when every octet is as it was. */
#include <endian.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { CHUNK = 65536, DATAGRAM_MAX = 65507, SILENCE_MS = 5000, UP = 1, DOWN = 2 };

static void fail(const char *what)
{
	fprintf(stderr, "transfer: %s: %s\n", what, errno ? strerror(errno) : "end of stream");
	exit(1);
}

/* The octet at any place of a stream, different in each direction: no period
 * that a lost, doubled or swapped segment could fall into. */
static uint8_t octet_at(uint64_t place, unsigned seed)
{
	uint64_t x = (place >> 3) + ((uint64_t)seed << 56);
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (uint8_t)((x ^ x >> 31) >> 8 * (place & 7));
}

static void fill(uint8_t *octets, size_t length, uint64_t place, unsigned seed)
{
	for (size_t i = 0; i < length; i++)
		octets[i] = octet_at(place + i, seed);
}

static void compare(const uint8_t *octets, size_t length, uint64_t place, unsigned seed)
{
	for (size_t i = 0; i < length; i++)
		if (octets[i] != octet_at(place + i, seed)) {
			fprintf(stderr, "transfer: octet %llu is not what was sent\n",
				(unsigned long long)(place + i));
			exit(1);
		}
}

static struct addrinfo *resolve(const char *host, const char *port, int type)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = type};
	struct addrinfo *found;
	int error = getaddrinfo(host, port, &hints, &found);
	if (error) {
		fprintf(stderr, "transfer: %s port %s: %s\n", host, port, gai_strerror(error));
		exit(2);
	}
	return found;
}

/* --- TCP ----------------------------------------------------------------- */

static void write_all(int fd, const void *octets, size_t length)
{
	const uint8_t *at = octets;
	while (length) {
		ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);
		if (sent < 0)
			fail("send");
		at += sent;
		length -= (size_t)sent;
	}
}

static void write_stream(int fd, uint64_t total, unsigned seed, size_t chunk)
{
	uint8_t *octets = malloc(chunk);
	if (!octets)
		fail("malloc");
	for (uint64_t place = 0; place < total;) {
		size_t length = total - place < chunk ? (size_t)(total - place) : chunk;
		fill(octets, length, place, seed);
		write_all(fd, octets, length);
		place += length;
	}
	free(octets);
}

static void read_stream(int fd, uint64_t total, unsigned seed)
{
	static uint8_t octets[CHUNK];
	for (uint64_t place = 0; place < total;) {
		size_t room = total - place < CHUNK ? (size_t)(total - place) : CHUNK;
		errno = 0;
		ssize_t got = recv(fd, octets, room, 0);
		if (got <= 0)
			fail("recv");
		compare(octets, (size_t)got, place, seed);
		place += (uint64_t)got;
	}
}

/* Both directions at once; false when either was wrong. */
static bool exchange(int fd, uint64_t total, unsigned out, unsigned in, size_t chunk)
{
	pid_t writer = fork();
	if (writer < 0)
		fail("fork");
	if (writer == 0) {
		write_stream(fd, total, out, chunk);
		_exit(0);
	}
	read_stream(fd, total, in);
	int status;
	return waitpid(writer, &status, 0) == writer && status == 0;
}

static int run_tcp(const char *host, const char *port, uint64_t total, size_t chunk)
{
	struct addrinfo *to = resolve(host, port, SOCK_STREAM);
	int fd = socket(to->ai_family, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen) < 0)
		fail("connect");
	uint64_t announced = htobe64(total);
	write_all(fd, &announced, sizeof(announced));
	if (!exchange(fd, total, UP, DOWN, chunk))
		return 1;
	/* Its end of the connection ends when it has read all of ours. */
	uint8_t none;
	return recv(fd, &none, sizeof(none), 0) == 0 ? 0 : 1;
}

/* In a process of its own. */
_Noreturn static void serve_connection(int fd)
{
	uint64_t announced;
	errno = 0;
	if (recv(fd, &announced, sizeof(announced), MSG_WAITALL) != sizeof(announced))
		fail("recv");
	exit(exchange(fd, be64toh(announced), DOWN, UP, CHUNK) ? 0 : 1);
}

/* --- UDP ----------------------------------------------------------------- */

/* Every datagram begins with its number, which its octets depend on. */
static void fill_datagram(uint8_t *octets, size_t size, uint32_t number)
{
	fill(octets, size, (uint64_t)number << 20, UP);
	number = htobe32(number);
	memcpy(octets, &number, sizeof(number));
}

static void send_datagrams(int fd, const uint8_t *octets, size_t length, size_t segment)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(uint16_t))];
	} control = {0};
	struct iovec piece = {(void *)octets, length};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	uint16_t size = (uint16_t)segment;
	if (segment < length) {
		message.msg_control = control.room;
		message.msg_controllen = sizeof(control.room);
		control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(size)),
			.cmsg_level = IPPROTO_UDP,
			.cmsg_type = UDP_SEGMENT};
		memcpy(CMSG_DATA(&control.header), &size, sizeof(size));
	}
	if (sendmsg(fd, &message, 0) < 0)
		fail("sendmsg");
}

/* Waits for the echoes of datagrams `first` to `last`, in any order. */
static void await_datagrams(int fd, uint32_t first, uint32_t last, size_t size)
{
	static uint8_t octets[DATAGRAM_MAX], wanted[DATAGRAM_MAX];
	for (uint32_t missing = last - first; missing > 0; missing--) {
		struct pollfd poller = {.fd = fd, .events = POLLIN};
		uint32_t number;
		if (poll(&poller, 1, SILENCE_MS) <= 0) {
			fprintf(stderr, "transfer: %u of %u datagrams are lost\n", missing,
				last - first);
			exit(1);
		}
		ssize_t got = recv(fd, octets, sizeof(octets), 0);
		if (got < 0)
			fail("recv");
		memcpy(&number, octets, sizeof(number));
		number = be32toh(number);
		fill_datagram(wanted, size, number);
		if ((size_t)got != size || number < first || number >= last ||
			memcmp(octets, wanted, size) != 0) {
			fprintf(stderr,
				"transfer: datagram %u of %zd octets is not what was sent\n",
				number, got);
			exit(1);
		}
	}
}

static int run_udp(const char *host, const char *port, uint32_t count, size_t size, size_t segment)
{
	static uint8_t octets[DATAGRAM_MAX];
	struct addrinfo *to = resolve(host, port, SOCK_DGRAM);
	int fd = socket(to->ai_family, SOCK_DGRAM, 0);
	uint32_t each = (uint32_t)(size / segment);
	if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen) < 0)
		fail("connect");
	for (uint32_t sent = 0; sent < count; sent++) {
		for (uint32_t i = 0; i < each; i++)
			fill_datagram(octets + i * segment, segment, sent * each + i);
		send_datagrams(fd, octets, each * segment, segment);
		await_datagrams(fd, sent * each, (sent + 1) * each, segment);
	}
	return 0;
}

static void echo_datagram(int fd)
{
	static uint8_t octets[DATAGRAM_MAX], wanted[DATAGRAM_MAX];
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);
	uint32_t number;
	ssize_t got = recvfrom(fd, octets, sizeof(octets), 0, (struct sockaddr *)&from, &length);
	if (got < (ssize_t)sizeof(number))
		return;
	memcpy(&number, octets, sizeof(number));
	fill_datagram(wanted, (size_t)got, be32toh(number));
	if (memcmp(octets, wanted, (size_t)got) != 0)
		return;
	(void)sendto(fd, octets, (size_t)got, 0, (struct sockaddr *)&from, length);
}

/* --- the server ---------------------------------------------------------- */

static int listen_at(const char *host, const char *port, int type)
{
	struct addrinfo *at = resolve(host, port, type);
	int on = 1, room = 4 * 1024 * 1024;
	int fd = socket(at->ai_family, type, 0);
	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(fd, at->ai_addr, at->ai_addrlen) < 0)
		fail("bind");
	if (type == SOCK_STREAM && listen(fd, 16) < 0)
		fail("listen");
	return fd;
}

_Noreturn static void serve(const char *host, const char *port)
{
	struct pollfd pollers[] = {
		{.fd = listen_at(host, port, SOCK_DGRAM), .events = POLLIN},
		{.fd = listen_at(host, port, SOCK_STREAM), .events = POLLIN},
	};
	for (;;) {
		if (poll(pollers, 2, -1) < 0)
			fail("poll");
		if (pollers[0].revents)
			echo_datagram(pollers[0].fd);
		if (!pollers[1].revents)
			continue;
		int fd = accept(pollers[1].fd, NULL, NULL);
		pid_t child = fd < 0 ? -1 : fork();
		if (child == 0)
			serve_connection(fd);
		close(fd);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

static size_t number(const char *text)
{
	return (size_t)strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[1] : "";
	if (strcmp(what, "serve") == 0)
		serve(argv[2], argv[3]);
	if (strcmp(what, "tcp") == 0 && argc > 4)
		return run_tcp(
			argv[2], argv[3], number(argv[4]), argc > 5 ? number(argv[5]) : CHUNK);
	if (strcmp(what, "udp") == 0 && argc > 5 && number(argv[5]) <= DATAGRAM_MAX)
		return run_udp(argv[2], argv[3], (uint32_t)number(argv[4]), number(argv[5]),
			number(argv[argc > 6 ? 6 : 5]));
	fputs("usage: transfer serve ADDRESS PORT | tcp ADDRESS PORT OCTETS [WRITE-SIZE] |\n"
	      "                udp ADDRESS PORT COUNT SIZE [SEGMENT]\n",
		stderr);
	return 2;
}
