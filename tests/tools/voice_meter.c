/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One end of a call's media: sends an RTP stream and judges the one that comes
 * back, as a listener would: delay, loss, what a play-out buffer makes of them,
 * and the rating by the E-model.
 *
 *	voice_meter [--codec g711|opus|amr-wb] [--seed N]
 *	            [--from ADDRESS] [--trace FILE] PORT PEER-ADDRESS PEER-PORT SECONDS
 *
 * Both ends must have the same codec, seed and length: so each knows what the
 * other sends.  Payloads carry the sender's monotonic clock:
 * with both ends on one machine the delay is the true one-way delay.  Prints one
 * line of JSON; exits 1 if the stream could not be sent.  The trace has a line for
 * each packet: seconds since the first one, delay in ms ("lost" if there is none). */
#include <err.h>
#include <netdb.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "playout.h"
#include "rtp_peer.h"
#include "voice_shape.h"

enum {
	MARK = RTP_HEADER + 20,   /* our part of the payload, which is at least that long */
	GREETING_MS = 3000,       /* longest wait for the other end to appear */
	DRAIN_MS = 1000,          /* the stream has ended when it was silent that long */
	SLOTS_MAX = 60 * 60 * 50, /* an hour */
	FIXED_DEPTH_US = 60000,
	QUANTILES = 21, /* of the delay: 0, 5, .. 100 % */
};

static const struct {
	const char *name;
	enum emodel_codec codec;
	uint8_t payload_type; /* static, or the dynamic one that phones like */
	uint32_t clock;       /* RTP ticks per slot */
} codecs[] = {
	{"g711", EMODEL_G711, 0, 160},
	{"opus", EMODEL_OPUS, 111, 960},
	{"amr-wb", EMODEL_AMR_WB, 98, 320},
};

struct meter {
	struct rtp_peer peer;
	unsigned codec; /* index into codecs */
	uint32_t seed, ssrc;
	uint32_t slots;
	struct voice_packet shape[SLOTS_MAX];
	size_t count; /* to send */
	/* By sequence number; arrived 0: not yet. */
	struct playout_packet heard[SLOTS_MAX];
	uint32_t received, duplicates, out_of_order;
	int64_t highest; /* sequence number received, -1: none */
	uint64_t last_arrival;
	uint64_t longest_gap; /* us */
};

static void refuse(const char *what, const char *which)
{
	fprintf(stderr,
		"voice_meter: %s: %s\n"
		"usage: voice_meter [--codec g711|opus|amr-wb] [--seed N] "
		"[--from ADDRESS] [--trace FILE] PORT PEER-ADDRESS PEER-PORT SECONDS\n",
		what, which);
	exit(2);
}

/* Behind the RTP header: the sequence number, which does not wrap, the clock,
 * and what both ends of a call must agree upon, seed and length. */
static void send_packet(struct meter *m)
{
	const struct voice_packet *shape = &m->shape[m->peer.sent];
	uint8_t packet[RTP_HEADER + 160];
	size_t size = RTP_HEADER + (size_t)shape->size;
	memset(packet, 0xff, sizeof(packet)); /* silence in PCMU */
	packet[0] = RTP_VERSION;
	packet[1] = codecs[m->codec].payload_type;
	packet[2] = (uint8_t)(m->peer.sent >> 8);
	packet[3] = (uint8_t)m->peer.sent;
	rtp_put32(packet + 4, shape->slot * codecs[m->codec].clock);
	rtp_put32(packet + 8, m->ssrc);
	rtp_put32(packet + 12, m->peer.sent);
	uint64_t clock = rtp_now();
	rtp_put32(packet + 16, (uint32_t)(clock >> 32));
	rtp_put32(packet + 20, (uint32_t)clock);
	rtp_put32(packet + 24, m->seed);
	rtp_put32(packet + 28, m->slots);
	rtp_send(&m->peer, packet, size > MARK ? size : MARK);
}

/* -------------------------------------------------------------- receiving */

/* The longest silence; a pause of the speaker is none. */
static void count_gap(struct meter *m, uint32_t sequence, uint64_t now)
{
	if (m->highest >= 0 && sequence > m->highest) {
		uint64_t gap = now - m->last_arrival, pauses = 0;
		for (size_t i = (size_t)m->highest; i < sequence; i++)
			pauses += m->shape[i + 1].slot - m->shape[i].slot - 1;
		pauses *= VOICE_SLOT_US;
		if (gap > pauses && gap - pauses > m->longest_gap)
			m->longest_gap = gap - pauses;
	}
	m->last_arrival = now;
}

static bool is_of_call(const struct meter *m, const uint8_t *packet)
{
	return rtp_get32(packet + 24) == m->seed && rtp_get32(packet + 28) == m->slots &&
	       rtp_get32(packet + 12) < m->count;
}

static void count_packet(void *user, const uint8_t *packet)
{
	struct meter *m = user;
	uint64_t now = rtp_now();
	uint32_t sequence = rtp_get32(packet + 12);
	if (!is_of_call(m, packet))
		return;
	struct playout_packet *heard = &m->heard[sequence];
	if (heard->arrived) {
		m->duplicates++;
		return;
	}
	heard->sent = (uint64_t)rtp_get32(packet + 16) << 32 | rtp_get32(packet + 20);
	heard->arrived = now;
	m->received++;
	count_gap(m, sequence, now);
	if (sequence < m->highest)
		m->out_of_order++;
	else
		m->highest = sequence;
}

static void run(struct meter *m)
{
	rtp_greet(&m->peer, GREETING_MS * 1000);
	uint64_t start = rtp_now();
	while (m->peer.sent < m->count) {
		rtp_receive_until(&m->peer,
			start + (uint64_t)m->shape[m->peer.sent].slot * VOICE_SLOT_US, false);
		send_packet(m);
	}
	rtp_receive_until(&m->peer, start + (uint64_t)m->slots * VOICE_SLOT_US, false);
	while (rtp_receive_until(&m->peer, rtp_now() + DRAIN_MS * 1000, true))
		;
}

/* -------------------------------------------------------------- the report */

/* What was sent and not received was sent in its slot, as seen from the first
 * packet that was. */
static void reckon_lost(struct meter *m, size_t count)
{
	size_t known = 0;
	while (known < count && !m->heard[known].arrived)
		known++;
	uint64_t start = known < count ? m->heard[known].sent -
						 (uint64_t)m->shape[known].slot * VOICE_SLOT_US
				       : 0;
	for (size_t i = 0; i < count; i++)
		if (!m->heard[i].arrived)
			m->heard[i] = (struct playout_packet){
				start + (uint64_t)m->shape[i].slot * VOICE_SLOT_US, PLAYOUT_NEVER};
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Fills `delays` in ascending order; how many. */
static size_t sort_delays(const struct meter *m, size_t count, uint64_t *delays)
{
	size_t known = 0;
	for (size_t i = 0; i < count; i++)
		if (m->heard[i].arrived != PLAYOUT_NEVER)
			delays[known++] = m->heard[i].arrived - m->heard[i].sent;
	qsort(delays, known, sizeof(delays[0]), by_size);
	return known;
}

static double quantile_ms(const uint64_t *delays, size_t known, unsigned permille)
{
	return known ? (double)delays[(known - 1) * permille / 1000] / 1000 : 0;
}

static void report_delays(const uint64_t *delays, size_t known)
{
	printf("\"delay_ms\": {\"min\": %.2f, \"p50\": %.2f, \"p99\": %.2f, \"max\": %.2f, "
	       "\"quantiles\": [",
		quantile_ms(delays, known, 0), quantile_ms(delays, known, 500),
		quantile_ms(delays, known, 990), quantile_ms(delays, known, 1000));
	for (unsigned i = 0; i < QUANTILES; i++)
		printf("%s%.2f", i ? ", " : "",
			quantile_ms(delays, known, i * 1000 / (QUANTILES - 1)));
	printf("]}");
}

static void report_verdict(const char *name, const struct playout_verdict *v)
{
	printf(", \"%s\": {\"buffer_ms\": %.1f, \"mouth_to_ear_ms\": %.1f, \"lost\": %zu, "
	       "\"late\": %zu, \"loss_percent\": %.3f, \"burst_ratio\": %.2f, \"r\": %.2f, "
	       "\"mos\": %.2f}",
		name, v->buffer_ms, v->mouth_to_ear_ms, v->lost, v->late, v->loss_percent,
		v->burst_ratio, v->rating, v->mos);
}

/* A stream that ended too soon: silence until it should have. */
static void count_last_gap(struct meter *m, size_t count)
{
	size_t last = m->highest < 0 ? 0 : (size_t)m->highest;
	uint64_t gap = (count - 1 - last) * VOICE_SLOT_US;
	if (gap > m->longest_gap)
		m->longest_gap = gap;
}

static void write_trace(const struct meter *m, size_t count, const char *path)
{
	FILE *file = fopen(path, "w");
	if (!file)
		err(1, "%s", path);
	for (size_t i = 0; i < count; i++) {
		const struct playout_packet *heard = &m->heard[i];
		fprintf(file, "%.3f ", (double)(heard->sent - m->heard[0].sent) / 1e6);
		if (heard->arrived == PLAYOUT_NEVER)
			fprintf(file, "lost\n");
		else
			fprintf(file, "%.1f\n", (double)(heard->arrived - heard->sent) / 1000);
	}
	fclose(file);
}

/* Only speech counts: comfort noise that is lost goes on as it was. */
static size_t keep_speech(struct meter *m, size_t count)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (m->shape[i].is_speech)
			m->heard[kept++] = m->heard[i];
	return kept;
}

static void report(struct meter *m, const char *trace)
{
	static uint64_t delays[SLOTS_MAX];
	char from[NI_MAXHOST] = "";
	if (m->received)
		getnameinfo((struct sockaddr *)&m->peer.from, sizeof(m->peer.from), from,
			sizeof(from), NULL, 0, NI_NUMERICHOST);
	size_t count = m->count;
	count_last_gap(m, count);
	reckon_lost(m, count);
	size_t known = sort_delays(m, count, delays);
	printf("{\"codec\": \"%s\", \"sent\": %u, \"refused\": %u, \"expected\": %zu, "
	       "\"received\": %u, \"lost\": %zu, \"duplicates\": %u, \"out_of_order\": %u, "
	       "\"from\": \"%s\", \"longest_gap_ms\": %.1f, ",
		codecs[m->codec].name, m->peer.sent, m->peer.refused, count, m->received,
		count - m->received, m->duplicates, m->out_of_order, from,
		(double)m->longest_gap / 1000);
	report_delays(delays, known);
	if (trace)
		write_trace(m, count, trace);
	size_t speech = keep_speech(m, count);
	struct playout_verdict verdict;
	playout_fixed(codecs[m->codec].codec, m->heard, speech, FIXED_DEPTH_US, &verdict);
	report_verdict("fixed", &verdict);
	playout_adaptive(codecs[m->codec].codec, m->heard, speech, &verdict);
	report_verdict("adaptive", &verdict);
	printf("}\n");
}

/* ----------------------------------------------------------------- options */

static unsigned find_codec(const char *name)
{
	for (unsigned i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++)
		if (strcmp(name, codecs[i].name) == 0)
			return i;
	refuse("no such codec", name);
	return 0;
}

static void set_duration(struct meter *m, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);
	if (end == text || *end || !(seconds > 0 && seconds * 50 <= SLOTS_MAX))
		refuse("bad duration", text);
	m->slots = (uint32_t)(seconds * 50);
}

/* It must not be late because what it measures is busy. */
static void be_punctual(void)
{
	struct sched_param two = {.sched_priority = 2};
	prctl(PR_SET_TIMERSLACK, 1);
	(void)sched_setscheduler(0, SCHED_FIFO, &two);
}

int main(int argc, char **argv)
{
	static struct meter meter = {.highest = -1,
		.seed = 1,
		.peer = {.shortest = MARK, .take = count_packet, .user = &meter}};
	const char *from = NULL, *trace = NULL;
	int at = 1;
	for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
		if (strcmp(argv[at], "--codec") == 0)
			meter.codec = find_codec(argv[at + 1]);
		else if (strcmp(argv[at], "--seed") == 0)
			meter.seed = (uint32_t)strtoul(argv[at + 1], NULL, 10);
		else if (strcmp(argv[at], "--from") == 0)
			from = argv[at + 1];
		else if (strcmp(argv[at], "--trace") == 0)
			trace = argv[at + 1];
		else
			refuse("unknown option", argv[at]);
	}
	if (argc - at != 4)
		refuse("wants four arguments", argc > at ? argv[at] : "none");
	set_duration(&meter, argv[at + 3]);
	meter.count = voice_shape(codecs[meter.codec].codec, meter.seed, meter.slots, meter.shape);
	meter.ssrc = (uint32_t)getpid() * 2654435761u;
	rtp_open(&meter.peer, from, argv[at], argv[at + 1], argv[at + 2]);
	be_punctual();
	run(&meter);
	report(&meter, trace);
	close(meter.peer.fd);
	return meter.peer.refused == meter.count ? 1 : 0;
}
