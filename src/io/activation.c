/* SPDX-License-Identifier: GPL-3.0-or-later */
/* $LISTEN_FDS, without libsystemd. */
#include "io/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST = 3, COUNT_MAX = 1024 };

/* -1 when it is no number from 0 to `most`. */
static long read_number(const char *name, long most)
{
	const char *text = getenv(name);
	char *end;
	if (!text || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	long value = strtol(text, &end, 10);
	return errno || *end || value > most ? -1 : value;
}

void activation_take(struct activation *activation)
{
	long count = read_number("LISTEN_FDS", COUNT_MAX);
	bool ours = read_number("LISTEN_PID", 0x7fffffff) == getpid();

	activation->count = 0;
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	for (long i = 0; ours && i < count; i++) {
		int fd = FIRST + (int)i, flags = fcntl(fd, F_GETFL);
		if (flags < 0)
			continue;
		if (activation->count == ACTIVATION_MAX) {
			close(fd);
			continue;
		}
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
		activation->fds[activation->count++] = fd;
	}
}

static bool is_listening_stream(int fd)
{
	int type = 0, listens = 0;
	socklen_t size = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

static bool is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;
	if (a->ss_family != b->ss_family || a4->sin_port != b4->sin_port)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a->ss_family == AF_INET6 &&
	       memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0;
}

int activation_find(const struct activation *activation, const struct sockaddr_storage *address)
{
	for (size_t i = 0; i < activation->count; i++) {
		struct sockaddr_storage bound = {0};
		socklen_t size = sizeof(bound);
		int fd = activation->fds[i];
		if (is_listening_stream(fd) &&
			getsockname(fd, (struct sockaddr *)&bound, &size) == 0 &&
			is_same(&bound, address))
			return fd;
	}
	return -1;
}

void activation_close(struct activation *activation)
{
	for (size_t i = 0; i < activation->count; i++)
		close(activation->fds[i]);
	activation->count = 0;
}
