/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long packets waited, as a histogram: four buckets per octave, so that a
 * percentile is told within a fifth, in 150 octets.  Old ones fade: counts are
 * halved every half minute, so what is told is about the last minute.
 *
 * Pure: time comes in as microseconds of a monotonic clock. */
#ifndef TSCF_CORE_DELAY_H
#define TSCF_CORE_DELAY_H

#include <stdint.h>

enum {
	DELAY_SMALLEST = 16, /* us: all below are one bucket */
	DELAY_OCTAVES = 18,  /* up to 4.2 s: all above are one bucket */
	DELAY_BUCKETS = 4 * DELAY_OCTAVES + 2,
	DELAY_HALF_LIFE = 30000000 /* us */
};

/* All zero to begin with. */
struct delay {
	uint16_t count[DELAY_BUCKETS];
	uint32_t total;
	uint64_t faded; /* us, when counts were last halved */
};

void delay_note(struct delay *delay, uint64_t us, uint64_t now);
/* us, which `permille` (1 to 1000) of a thousand did not exceed, rounded up to
 * the end of the bucket; 0 when nothing was noted lately. */
uint32_t delay_quantile(const struct delay *delay, unsigned permille, uint64_t now);

#endif
