/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Buckets: [0, 16), then [16, 20), [20, 24), [24, 28), [28, 32), [32, 40) ... */
#include "core/delay.h"

#include <string.h>

static const unsigned first_bit = 4; /* DELAY_SMALLEST is 1 << 4 */

static unsigned bucket_of(uint64_t us)
{
	if (us < DELAY_SMALLEST)
		return 0;
	unsigned bit = 63 - (unsigned)__builtin_clzll(us);
	if (bit >= first_bit + DELAY_OCTAVES)
		return DELAY_BUCKETS - 1;
	return 1 + 4 * (bit - first_bit) + (unsigned)(us >> (bit - 2) & 3);
}

/* Where the bucket ends; the last one has no end, and is told by its begin. */
static uint32_t end_of(unsigned bucket)
{
	if (bucket == 0)
		return DELAY_SMALLEST;
	if (bucket == DELAY_BUCKETS - 1)
		return 1U << (first_bit + DELAY_OCTAVES);
	unsigned octave = (bucket - 1) / 4, quarter = (bucket - 1) % 4;
	return (5 + quarter) << (octave + first_bit - 2);
}

static void halve(struct delay *delay)
{
	delay->total = 0;
	for (unsigned i = 0; i < DELAY_BUCKETS; i++) {
		delay->count[i] >>= 1;
		delay->total += delay->count[i];
	}
}

static void fade(struct delay *delay, uint64_t now)
{
	uint64_t halvings = now > delay->faded ? (now - delay->faded) / DELAY_HALF_LIFE : 0;
	if (halvings == 0)
		return;
	delay->faded += halvings * DELAY_HALF_LIFE;
	for (uint64_t i = 0; i < halvings && delay->total > 0; i++)
		halve(delay);
}

void delay_note(struct delay *delay, uint64_t us, uint64_t now)
{
	fade(delay, now);
	uint16_t *count = &delay->count[bucket_of(us)];
	if (*count == UINT16_MAX)
		halve(delay);
	++*count;
	delay->total++;
}

uint32_t delay_quantile(const struct delay *delay, unsigned permille, uint64_t now)
{
	struct delay faded = *delay;
	fade(&faded, now);
	uint64_t rank = ((uint64_t)faded.total * permille + 999) / 1000, below = 0;
	if (faded.total == 0)
		return 0;
	unsigned bucket = 0;
	while ((below += faded.count[bucket]) < rank)
		bucket++;
	return end_of(bucket);
}
