/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An app that does not give up: it sends to each target, by UDP every 20 ms and
 * by a new TCP connection every 100 ms, whatever the network says, and counts
 * what the kernel says.  A test that finds nothing on the wire can so show that
 * somebody tried.
 *
 *	insist ADDRESS PORT [ADDRESS PORT]...
 *
 * Prints the counts since its start as one line of JSON every 100 ms:
 *
 *	{"udp":{"sent":9,"unreachable":0,"failed":0},
 *	 "tcp":{"connected":1,"waiting":1,"unreachable":0,"failed":0}}
 *
 * `unreachable` is what an app should get while there is no way: EHOSTUNREACH,
 * ENETUNREACH or EACCES.  Ends when it is killed. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TARGETS_MAX = 16, ROUND_MS = 20, ROUNDS_PER_LINE = 5 };

struct counts {
	unsigned done, unreachable, failed;
};

struct target {
	struct addrinfo *to;
	int udp, tcp; /* tcp: -1 when none is being made */
};

static void fail(const char *what)
{
	fprintf(stderr, "insist: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void count(struct counts *counts, int error)
{
	if (error == 0)
		counts->done++;
	else if (error == EHOSTUNREACH || error == ENETUNREACH || error == EACCES)
		counts->unreachable++;
	else
		counts->failed++;
}

static void open_target(struct target *target, const char *host, const char *port)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM};
	int error = getaddrinfo(host, port, &hints, &target->to);
	if (error) {
		fprintf(stderr, "insist: %s port %s: %s\n", host, port, gai_strerror(error));
		exit(2);
	}
	target->tcp = -1;
	target->udp = socket(target->to->ai_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (target->udp < 0)
		fail("socket");
}

/* An unconnected socket: the kernel looks for a way each time. */
static void send_datagram(struct target *target, struct counts *counts)
{
	static const char text[] = "IMS";
	ssize_t sent = sendto(target->udp, text, sizeof(text), MSG_NOSIGNAL, target->to->ai_addr,
		target->to->ai_addrlen);
	count(counts, sent < 0 ? errno : 0);
}

static void finish(struct target *target, struct counts *counts, int error)
{
	count(counts, error);
	close(target->tcp);
	target->tcp = -1;
}

/* Whether the connection that was begun has come about. */
static void look_after(struct target *target, struct counts *counts)
{
	struct pollfd poller = {.fd = target->tcp, .events = POLLOUT};
	int error = 0;
	socklen_t size = sizeof(error);
	if (target->tcp < 0 || poll(&poller, 1, 0) <= 0)
		return;
	if (getsockopt(target->tcp, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	finish(target, counts, error);
}

/* One at a time, so that a silent network fills no table. */
static void begin_connection(struct target *target, struct counts *counts)
{
	if (target->tcp >= 0)
		return;
	target->tcp = socket(target->to->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (target->tcp < 0)
		fail("socket");
	if (connect(target->tcp, target->to->ai_addr, target->to->ai_addrlen) == 0)
		finish(target, counts, 0);
	else if (errno != EINPROGRESS)
		finish(target, counts, errno);
}

/* Once a second, lest one lost packet makes TCP wait for longer and longer. */
static void give_up(struct target *target)
{
	if (target->tcp >= 0)
		close(target->tcp);
	target->tcp = -1;
}

static void print_line(const struct target *targets, unsigned target_count,
	const struct counts *udp, const struct counts *tcp)
{
	unsigned waiting = 0;
	for (unsigned i = 0; i < target_count; i++)
		waiting += targets[i].tcp >= 0;
	printf("{\"udp\":{\"sent\":%u,\"unreachable\":%u,\"failed\":%u},"
	       "\"tcp\":{\"connected\":%u,\"waiting\":%u,\"unreachable\":%u,\"failed\":%u}}\n",
		udp->done, udp->unreachable, udp->failed, tcp->done, waiting, tcp->unreachable,
		tcp->failed);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct timespec pause = {.tv_nsec = ROUND_MS * 1000000l};
	struct target targets[TARGETS_MAX];
	struct counts udp = {0}, tcp = {0};
	unsigned target_count = (unsigned)(argc - 1) / 2;
	if (argc < 3 || argc % 2 == 0 || target_count > TARGETS_MAX) {
		fputs("usage: insist ADDRESS PORT [ADDRESS PORT]...\n", stderr);
		return 2;
	}
	for (unsigned i = 0; i < target_count; i++)
		open_target(&targets[i], argv[1 + 2 * i], argv[2 + 2 * i]);
	for (unsigned round = 0;; round++) {
		for (unsigned i = 0; i < target_count; i++) {
			send_datagram(&targets[i], &udp);
			look_after(&targets[i], &tcp);
			if (round % (10 * ROUNDS_PER_LINE) == 0)
				give_up(&targets[i]);
			if (round % ROUNDS_PER_LINE == 0)
				begin_connection(&targets[i], &tcp);
		}
		if (round % ROUNDS_PER_LINE == 0)
			print_line(targets, target_count, &udp, &tcp);
		nanosleep(&pause, NULL);
	}
}
