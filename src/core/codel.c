/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The state machine of RFC 8289 section 5, turned inside out: the caller
 * takes packets off its queue and asks about each, instead of CoDel owning a
 * queue. */
#include "core/codel.h"

/* The largest r with r * r <= value. */
static uint64_t square_root(uint64_t value)
{
	uint64_t root = 0;
	for (uint64_t bit = UINT64_C(1) << 31; bit; bit >>= 1)
		if ((root | bit) * (root | bit) <= value)
			root |= bit;
	return root;
}

/* RFC 8289 5.1: interval / sqrt(count), to 1 part in 1024 or better. */
static uint64_t control_law(uint64_t from, uint32_t count)
{
	enum { SCALE = 1 << 10 };
	uint64_t root = square_root((uint64_t)count * SCALE * SCALE);
	return from + (uint64_t)CODEL_INTERVAL * SCALE / root;
}

/* RFC 8289 5.4, dodequeue: has the wait been too long for a whole interval? */
static bool above_for_interval(
	struct codel *codel, uint64_t sojourn, uint32_t remaining, uint32_t unit, uint64_t now)
{
	if (sojourn < CODEL_TARGET || remaining <= unit) {
		codel->first_above = 0;
		return false;
	}
	if (codel->first_above == 0) {
		codel->first_above = now + CODEL_INTERVAL;
		return false;
	}
	return now >= codel->first_above;
}

bool codel_drops(
	struct codel *codel, uint64_t sojourn, uint32_t remaining, uint32_t unit, uint64_t now)
{
	if (!above_for_interval(codel, sojourn, remaining, unit, now)) {
		codel->dropping = false;
		return false;
	}
	if (codel->dropping) {
		if (now < codel->drop_next)
			return false;
		if (codel->count < UINT32_MAX)
			codel->count++;
		codel->drop_next = control_law(codel->drop_next, codel->count);
		return true;
	}
	/* Soon after the last time: go on at the rate that was needed then. */
	uint32_t needed = codel->count - codel->last_count;
	bool soon = now < codel->drop_next + 16 * CODEL_INTERVAL;
	codel->dropping = true;
	codel->count = needed > 1 && soon ? needed : 1;
	codel->last_count = codel->count;
	codel->drop_next = control_law(now, codel->count);
	return true;
}
