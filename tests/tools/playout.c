/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The two play-out buffers, reckoned after the call. */
#include "playout.h"

#include <stdbool.h>
#include <stdlib.h>

/* Time that a codec needs beyond the frame, us: look-ahead (RFC 6716 4.2.7 and
 * 2: 6.5 ms in all; TS 26.190: 5 ms). */
static uint64_t look_ahead(enum emodel_codec codec)
{
	switch (codec) {
	case EMODEL_G711:
		break;
	case EMODEL_OPUS:
		return 6500;
	case EMODEL_AMR_WB:
		return 5000;
	}
	return 0;
}

static bool is_lost(const struct playout_packet *packet)
{
	return packet->arrived == PLAYOUT_NEVER;
}

static uint64_t delay_of(const struct playout_packet *packet)
{
	return packet->arrived > packet->sent ? packet->arrived - packet->sent : 0;
}

static uint64_t shortest_delay(const struct playout_packet *packets, size_t count)
{
	uint64_t shortest = UINT64_MAX;
	for (size_t i = 0; i < count; i++)
		if (!is_lost(&packets[i]) && delay_of(&packets[i]) < shortest)
			shortest = delay_of(&packets[i]);
	return shortest == UINT64_MAX ? 0 : shortest;
}

/* A verdict that grows packet by packet. */
struct hearing {
	struct playout_verdict *verdict;
	double delay_sum; /* us, over all packets: what was not played was waited for */
	bool in_burst;
};

static void hear(struct hearing *h, const struct playout_packet *packet, uint64_t delay)
{
	struct playout_verdict *verdict = h->verdict;
	bool lost = is_lost(packet), late = !lost && delay_of(packet) > delay;
	verdict->packets++;
	verdict->lost += lost;
	verdict->late += late;
	verdict->bursts += (lost || late) && !h->in_burst;
	h->in_burst = lost || late;
	h->delay_sum += (double)delay;
}

static void conclude(struct hearing *h, enum emodel_codec codec, uint64_t shortest)
{
	struct playout_verdict *v = h->verdict;
	if (v->packets == 0)
		return;
	double mean = h->delay_sum / (double)v->packets;
	size_t missing = v->lost + v->late;
	v->buffer_ms = (mean - (double)shortest) / 1000;
	v->mouth_to_ear_ms = (mean + PLAYOUT_FRAME_US + (double)look_ahead(codec)) / 1000;
	v->loss_percent = 100 * (double)missing / (double)v->packets;
	v->burst_ratio = emodel_burst_ratio(v->packets, missing, v->bursts);
	struct emodel_path path = {v->mouth_to_ear_ms, v->loss_percent, v->burst_ratio};
	v->rating = emodel_rating(codec, &path);
	v->mos = emodel_mos(v->rating);
}

void playout_fixed(enum emodel_codec codec, const struct playout_packet *packets, size_t count,
	uint64_t depth, struct playout_verdict *verdict)
{
	*verdict = (struct playout_verdict){0};
	struct hearing hearing = {.verdict = verdict};
	uint64_t shortest = shortest_delay(packets, count);
	for (size_t i = 0; i < count; i++)
		hear(&hearing, &packets[i], shortest + depth);
	conclude(&hearing, codec, shortest);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* The best delay for what of packets[0..count) was there by `now`; `otherwise`
 * if nothing was. */
static uint64_t best_delay(enum emodel_codec codec, const struct playout_packet *packets,
	size_t count, uint64_t now, uint64_t otherwise)
{
	uint64_t delays[PLAYOUT_WINDOW];
	size_t known = 0;
	for (size_t i = count > PLAYOUT_WINDOW ? count - PLAYOUT_WINDOW : 0; i < count; i++)
		if (!is_lost(&packets[i]) && packets[i].arrived <= now)
			delays[known++] = delay_of(&packets[i]);
	if (known == 0)
		return otherwise;
	qsort(delays, known, sizeof(delays[0]), by_size);
	double best = -1;
	uint64_t chosen = otherwise;
	for (size_t i = 0; i < known; i++) {
		struct emodel_path path = {
			.delay_ms =
				(double)(delays[i] + PLAYOUT_FRAME_US + look_ahead(codec)) / 1000,
			.loss_percent = 100 * (double)(known - 1 - i) / (double)known,
			.burst_ratio = 1};
		double rating = emodel_rating(codec, &path);
		if (rating > best) {
			best = rating;
			chosen = delays[i];
		}
	}
	uint64_t least = delays[0] +
			 (known < 1000000 / PLAYOUT_FRAME_US ? PLAYOUT_START_US : PLAYOUT_FLOOR_US);
	return chosen > least ? chosen : least;
}

void playout_adaptive(enum emodel_codec codec, const struct playout_packet *packets, size_t count,
	struct playout_verdict *verdict)
{
	*verdict = (struct playout_verdict){0};
	struct hearing hearing = {.verdict = verdict};
	uint64_t shortest = shortest_delay(packets, count);
	/* The first packet that comes starts the clock. */
	size_t first = 0;
	while (first < count && is_lost(&packets[first]))
		first++;
	uint64_t delay = (first < count ? delay_of(&packets[first]) : 0) + PLAYOUT_START_US;
	uint64_t target = delay;
	for (size_t i = 0; i < count; i++) {
		if (i % PLAYOUT_REVIEW == 0 && i > 0)
			target = best_delay(codec, packets, i, packets[i].sent + delay, delay);
		if (target >= delay)
			delay = target;
		else
			delay -= delay - target < PLAYOUT_SHRINK_US ? delay - target
								    : PLAYOUT_SHRINK_US;
		hear(&hearing, &packets[i], delay);
	}
	conclude(&hearing, codec, shortest);
}
