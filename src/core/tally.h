/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How much there was within the last one to two seconds: packets, or octets.
 *
 * Pure: time comes in as microseconds of a monotonic clock. */
#ifndef TSCF_CORE_TALLY_H
#define TSCF_CORE_TALLY_H

#include <stdint.h>

enum { TALLY_SECOND = 1000000 };

/* All zero to begin with. */
struct tally {
	uint64_t since;   /* us, when the present second began */
	uint32_t current; /* since then */
	uint32_t last;    /* in the second before */
};

static inline void tally_add(struct tally *tally, uint32_t amount, uint64_t now)
{
	if (now >= tally->since + TALLY_SECOND) {
		tally->last = now < tally->since + 2 * TALLY_SECOND ? tally->current : 0;
		tally->current = 0;
		tally->since = now;
	}
	tally->current += amount;
}

/* Of this second and the one before, as of the last addition. */
static inline uint64_t tally_recent(const struct tally *tally)
{
	return (uint64_t)tally->current + tally->last;
}

/* Per second, as of the last addition. */
static inline uint32_t tally_rate(const struct tally *tally)
{
	return tally->last > tally->current ? tally->last : tally->current;
}

#endif
