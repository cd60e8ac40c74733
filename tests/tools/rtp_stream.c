/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One end of a voice call's media: sends an RTP stream (PCMU, a packet every
 * 20 ms) and counts the stream that comes back, so that "a call works" is a
 * number for each direction and not an impression.
 *
 *	rtp_stream PORT PEER-ADDRESS PEER-PORT SECONDS
 *
 * The kernel chooses the source address, as it does for any app.  Both ends
 * greet each other until they hear each other (at most GREETING_MS, so that a
 * blocked path ends too): nothing is lost only because one started first.
 * The payload carries the sender's monotonic clock; with both ends on one
 * machine the delay that is measured is the true one-way delay.
 *
 * Prints one line of JSON and exits 0 unless the stream could not be sent. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	RTP_HEADER = 12,
	RTP_VERSION = 0x80, /* version 2, no padding, extension or CSRC */
	RTP_PACKET = RTP_HEADER + 160,
	INTERVAL_MS = 20,
	GREETING_MS = 2000, /* longest wait for the other end to appear */
	DRAIN_MS = 600,     /* the stream has ended when it was silent that long */
	COUNT_MAX = 60 * 60 * 50,
	DSCP_EF = 46,
};

struct stream {
	int fd;
	struct sockaddr_storage peer;
	socklen_t peer_size;
	uint32_t ssrc;
	unsigned count;         /* how many to send */
	unsigned sent, refused; /* refused: the kernel or the network said no */
	unsigned received, duplicates, out_of_order;
	int32_t highest;           /* sequence number received, -1: none */
	bool seen[COUNT_MAX];      /* by sequence number */
	uint32_t delay[COUNT_MAX]; /* us, by order of arrival */
	uint64_t arrived;          /* us, the last packet; 0: none yet */
	uint64_t longest_gap;      /* us between two packets, or after the last one */
	struct sockaddr_storage from;
};

static uint64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void fail(const char *what)
{
	fprintf(stderr, "rtp_stream: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void put32(uint8_t *to, uint32_t value)
{
	value = htonl(value);
	memcpy(to, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *from)
{
	uint32_t value;
	memcpy(&value, from, sizeof(value));
	return ntohl(value);
}

static void stream_open(struct stream *s, const char *port, const char *host, const char *peer_port)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *peer, *local;
	int error = getaddrinfo(host, peer_port, &hints, &peer);
	if (error) {
		fprintf(stderr, "rtp_stream: %s port %s: %s\n", host, peer_port,
			gai_strerror(error));
		exit(1);
	}
	memcpy(&s->peer, peer->ai_addr, peer->ai_addrlen);
	s->peer_size = peer->ai_addrlen;
	hints.ai_flags |= AI_PASSIVE;
	hints.ai_family = peer->ai_family;
	error = getaddrinfo(NULL, port, &hints, &local);
	if (error) {
		fprintf(stderr, "rtp_stream: port %s: %s\n", port, gai_strerror(error));
		exit(1);
	}
	s->fd = socket(peer->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		fail("socket");
	int tos = DSCP_EF << 2;
	if (peer->ai_family == AF_INET6)
		setsockopt(s->fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	else
		setsockopt(s->fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	if (bind(s->fd, local->ai_addr, local->ai_addrlen) < 0)
		fail("bind");
	freeaddrinfo(peer);
	freeaddrinfo(local);
}

/* A greeting is one octet: too short for anybody's RTP. */
static void send_octets(struct stream *s, const void *octets, size_t size)
{
	if (sendto(s->fd, octets, size, 0, (struct sockaddr *)&s->peer, s->peer_size) < 0)
		s->refused++;
}

static void send_greeting(struct stream *s)
{
	send_octets(s, "", 1);
}

static void send_packet(struct stream *s)
{
	uint8_t packet[RTP_PACKET];
	memset(packet, 0xff, sizeof(packet)); /* silence in PCMU */
	packet[0] = RTP_VERSION;
	packet[1] = 0; /* payload type 0: PCMU */
	packet[2] = (uint8_t)(s->sent >> 8);
	packet[3] = (uint8_t)s->sent;
	put32(packet + 4, s->sent * 160);
	put32(packet + 8, s->ssrc);
	/* Behind the header: the whole sequence number, which does not wrap, and the clock. */
	uint64_t clock = now_us();
	put32(packet + 12, s->sent);
	put32(packet + 16, (uint32_t)(clock >> 32));
	put32(packet + 20, (uint32_t)clock);
	s->sent++;
	send_octets(s, packet, sizeof(packet));
}

static void note_gap(struct stream *s, uint64_t now)
{
	if (s->arrived && now - s->arrived > s->longest_gap)
		s->longest_gap = now - s->arrived;
}

static void count_packet(struct stream *s, const uint8_t *packet)
{
	uint32_t sequence = get32(packet + 12);
	uint64_t clock = (uint64_t)get32(packet + 16) << 32 | get32(packet + 20);
	uint64_t now = now_us();
	if (sequence >= COUNT_MAX)
		return;
	note_gap(s, now);
	s->arrived = now;
	if (s->seen[sequence]) {
		s->duplicates++;
		return;
	}
	s->seen[sequence] = true;
	s->delay[s->received++] = (uint32_t)(now - clock);
	if ((int32_t)sequence < s->highest)
		s->out_of_order++;
	else
		s->highest = (int32_t)sequence;
}

/* Takes in all that is there.  Returns true when the peer was heard; a peer
 * that still greets is answered. */
static bool receive(struct stream *s)
{
	bool heard = false;
	for (;;) {
		uint8_t packet[2048];
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		ssize_t length =
			recvfrom(s->fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &size);
		if (length < 0)
			return heard;
		if (length == 1) {
			if (!heard && s->sent == 0)
				send_greeting(s);
			heard = true;
		} else if (length == RTP_PACKET && packet[0] == RTP_VERSION) {
			s->from = from;
			heard = true;
			count_packet(s, packet);
		}
	}
}

/* Waits for packets until `deadline`; true when the peer was heard. */
static bool receive_until(struct stream *s, uint64_t deadline, bool until_heard)
{
	bool heard = false;
	for (uint64_t now = now_us(); now < deadline; now = now_us()) {
		struct pollfd pollfd = {.fd = s->fd, .events = POLLIN};
		uint64_t left = deadline - now;
		struct timespec timeout = {.tv_sec = (time_t)(left / 1000000),
			.tv_nsec = (long)(left % 1000000 * 1000)};
		if (ppoll(&pollfd, 1, &timeout, NULL) > 0 && receive(s)) {
			heard = true;
			if (until_heard)
				break;
		}
	}
	return heard;
}

static void greet(struct stream *s)
{
	uint64_t deadline = now_us() + GREETING_MS * 1000;
	while (now_us() < deadline) {
		send_greeting(s);
		if (receive_until(s, now_us() + INTERVAL_MS * 1000, true)) {
			send_greeting(s);
			break;
		}
	}
	s->refused = 0;
}

static void run(struct stream *s)
{
	greet(s);
	uint64_t next = now_us();
	while (s->sent < s->count) {
		send_packet(s);
		next += INTERVAL_MS * 1000;
		receive_until(s, next, false);
	}
	note_gap(s, now_us());
	while (receive_until(s, now_us() + DRAIN_MS * 1000, true))
		;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static double percentile_ms(const struct stream *s, unsigned permille)
{
	if (s->received == 0)
		return 0;
	return s->delay[(uint64_t)(s->received - 1) * permille / 1000] / 1000.0;
}

static void report(struct stream *s)
{
	char from[NI_MAXHOST] = "";
	if (s->received)
		getnameinfo((struct sockaddr *)&s->from, sizeof(s->from), from, sizeof(from), NULL,
			0, NI_NUMERICHOST);
	qsort(s->delay, s->received, sizeof(s->delay[0]), by_size);
	printf("{\"sent\": %u, \"refused\": %u, \"received\": %u, \"duplicates\": %u, "
	       "\"out_of_order\": %u, \"longest_gap_ms\": %.1f, \"from\": \"%s\", "
	       "\"delay_ms\": {\"p50\": %.2f, \"p99\": %.2f, \"max\": %.2f}}\n",
		s->sent, s->refused, s->received, s->duplicates, s->out_of_order,
		(double)s->longest_gap / 1000., from, percentile_ms(s, 500), percentile_ms(s, 990),
		percentile_ms(s, 1000));
}

int main(int argc, char **argv)
{
	static struct stream stream = {.highest = -1};
	if (argc != 5) {
		fprintf(stderr, "usage: rtp_stream PORT PEER-ADDRESS PEER-PORT SECONDS\n");
		return 2;
	}
	double seconds = strtod(argv[4], NULL);
	if (!(seconds > 0 && seconds * 1000 / INTERVAL_MS <= COUNT_MAX)) {
		fprintf(stderr, "rtp_stream: bad duration: %s\n", argv[4]);
		return 2;
	}
	stream.count = (unsigned)(seconds * 1000 / INTERVAL_MS);
	stream.ssrc = (uint32_t)getpid() * 2654435761U;
	stream_open(&stream, argv[1], argv[2], argv[3]);
	run(&stream);
	report(&stream);
	close(stream.fd);
	return stream.refused == stream.count ? 1 : 0;
}
