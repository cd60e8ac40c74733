/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One end of a voice call's media: sends an RTP stream (PCMU, a packet every
 * 20 ms) and counts the stream that comes back, so that "a call works" is a
 * number for each direction and not an impression.
 *
 *	rtp_stream PORT PEER-ADDRESS PEER-PORT SECONDS
 *
 * The kernel chooses the source address, as it does for any app.  The payload
 * carries the sender's monotonic clock; with both ends on one machine the delay
 * that is measured is the true one-way delay.
 *
 * Prints one line of JSON and exits 0 unless the stream could not be sent. */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rtp_peer.h"

enum {
	RTP_PACKET = RTP_HEADER + 160,
	INTERVAL_MS = 20,
	GREETING_MS = 2000, /* longest wait for the other end to appear */
	LATE_US = 250000,   /* 150 ms in a queue, and a path of 100: an old packet */
	DRAIN_MS = 600,     /* the stream has ended when it was silent that long */
	COUNT_MAX = 60 * 60 * 50,
};

struct stream {
	struct rtp_peer peer;
	uint32_t ssrc;
	unsigned count; /* how many to send */
	unsigned received, duplicates, out_of_order;
	int32_t highest;           /* sequence number received, -1: none */
	bool seen[COUNT_MAX];      /* by sequence number */
	uint32_t delay[COUNT_MAX]; /* us, by order of arrival */
	uint64_t arrived;          /* us, the last packet; 0: none yet */
	uint64_t longest_gap;      /* us between two packets, or after the last one */
	unsigned late;             /* packets older than LATE_US */
	uint64_t spoke;            /* us, the last packet that was not; 0: none yet */
	uint64_t longest_silence;  /* us between two that were not */
};

static void send_packet(struct stream *s)
{
	uint8_t packet[RTP_PACKET];
	memset(packet, 0xff, sizeof(packet)); /* silence in PCMU */
	packet[0] = RTP_VERSION;
	packet[1] = 0; /* payload type 0: PCMU */
	packet[2] = (uint8_t)(s->peer.sent >> 8);
	packet[3] = (uint8_t)s->peer.sent;
	rtp_put32(packet + 4, s->peer.sent * 160);
	rtp_put32(packet + 8, s->ssrc);
	/* Behind the header: the whole sequence number, which does not wrap, and the clock. */
	uint64_t clock = rtp_now();
	rtp_put32(packet + 12, s->peer.sent);
	rtp_put32(packet + 16, (uint32_t)(clock >> 32));
	rtp_put32(packet + 20, (uint32_t)clock);
	rtp_send(&s->peer, packet, sizeof(packet));
}

static void note_gap(struct stream *s, uint64_t now)
{
	if (s->arrived && now - s->arrived > s->longest_gap)
		s->longest_gap = now - s->arrived;
}

static void note_age(struct stream *s, uint64_t age, uint64_t now)
{
	if (age > LATE_US) {
		s->late++;
		return;
	}
	if (s->spoke && now - s->spoke > s->longest_silence)
		s->longest_silence = now - s->spoke;
	s->spoke = now;
}

static void count_packet(void *user, const uint8_t *packet)
{
	struct stream *s = user;
	uint32_t sequence = rtp_get32(packet + 12);
	uint64_t clock = (uint64_t)rtp_get32(packet + 16) << 32 | rtp_get32(packet + 20);
	uint64_t now = rtp_now();
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
	note_age(s, now - clock, now);
	if ((int32_t)sequence < s->highest)
		s->out_of_order++;
	else
		s->highest = (int32_t)sequence;
}

static void run(struct stream *s)
{
	rtp_greet(&s->peer, GREETING_MS * 1000);
	uint64_t next = rtp_now();
	while (s->peer.sent < s->count) {
		send_packet(s);
		next += INTERVAL_MS * 1000;
		rtp_receive_until(&s->peer, next, false);
	}
	note_gap(s, rtp_now());
	while (rtp_receive_until(&s->peer, rtp_now() + DRAIN_MS * 1000, true))
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
		getnameinfo((struct sockaddr *)&s->peer.from, sizeof(s->peer.from), from,
			sizeof(from), NULL, 0, NI_NUMERICHOST);
	qsort(s->delay, s->received, sizeof(s->delay[0]), by_size);
	printf("{\"sent\": %u, \"refused\": %u, \"received\": %u, \"duplicates\": %u, "
	       "\"out_of_order\": %u, \"longest_gap_ms\": %.1f, \"longest_silence_ms\": %.1f, "
	       "\"late\": %u, \"from\": \"%s\", "
	       "\"delay_ms\": {\"p50\": %.2f, \"p99\": %.2f, \"max\": %.2f}}\n",
		s->peer.sent, s->peer.refused, s->received, s->duplicates, s->out_of_order,
		(double)s->longest_gap / 1000., (double)s->longest_silence / 1000., s->late, from,
		percentile_ms(s, 500), percentile_ms(s, 990), percentile_ms(s, 1000));
}

int main(int argc, char **argv)
{
	static struct stream stream = {.highest = -1,
		.peer = {.shortest = RTP_PACKET, .take = count_packet, .user = &stream}};
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
	rtp_open(&stream.peer, NULL, argv[1], argv[2], argv[3]);
	run(&stream);
	report(&stream);
	close(stream.peer.fd);
	return stream.peer.refused == stream.count ? 1 : 0;
}
