/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A download or an upload: one TCP connection that takes what it gets, and how
 * much that was.
 *
 *	bulk sink PORT                    prints "SECONDS OCTETS", ten times a second:
 *	                                  monotonic clock, octets received until then
 *	bulk source ADDRESS PORT [FROM]   sends until the connection ends
 *
 * Both run until they are killed. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 1 << 18, EVERY_US = 100000 };

static uint8_t chunk[CHUNK];

static void fail(const char *what)
{
	fprintf(stderr, "bulk: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static struct sockaddr_in address_of(const char *address, const char *port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1) {
		fprintf(stderr, "bulk: not an IPv4 address: %s\n", address);
		exit(2);
	}
	return to;
}

static int new_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fail("socket");
	return fd;
}

static int accept_one(const char *port)
{
	struct sockaddr_in local = address_of("0.0.0.0", port);
	int listener = new_socket();
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(listener, (struct sockaddr *)&local, sizeof(local)) < 0 || listen(listener, 1) < 0)
		fail("listen");
	int fd = accept(listener, NULL, NULL);
	if (fd < 0)
		fail("accept");
	close(listener);
	return fd;
}

static void sink(const char *port)
{
	int fd = accept_one(port);
	uint64_t octets = 0, next = now_us();
	for (;;) {
		uint64_t now = now_us();
		if (now >= next) {
			printf("%.6f %lu\n", (double)now / 1e6, octets);
			fflush(stdout);
			next += EVERY_US;
			continue;
		}
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};
		if (poll(&pollfd, 1, (int)((next - now) / 1000) + 1) <= 0)
			continue;
		ssize_t got = read(fd, chunk, sizeof(chunk));
		if (got <= 0)
			break;
		octets += (uint64_t)got;
	}
	close(fd);
}

static void source(const char *address, const char *port, const char *from)
{
	struct sockaddr_in to = address_of(address, port);
	int fd = new_socket();
	if (from) {
		struct sockaddr_in local = address_of(from, "0");
		if (bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0)
			fail(from);
	}
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("connect");
	while (write(fd, chunk, sizeof(chunk)) > 0)
		;
	close(fd);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "sink") == 0)
		sink(argv[2]);
	else if ((argc == 4 || argc == 5) && strcmp(argv[1], "source") == 0)
		source(argv[2], argv[3], argv[4]);
	else {
		fprintf(stderr, "usage: bulk sink PORT | bulk source ADDRESS PORT [FROM]\n");
		return 2;
	}
	return 0;
}
