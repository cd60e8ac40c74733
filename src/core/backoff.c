/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Waiting longer after each failure, and never in step with others. */
#include "core/backoff.h"

/* An even draw from 0 to `most`, which must fit into 32 bits. */
static uint64_t draw(uint64_t most, uint32_t random)
{
	return (most + 1) * random >> 32;
}

void backoff_reset(struct backoff *backoff)
{
	backoff->failures = 0;
}

uint64_t backoff_next(struct backoff *backoff, uint32_t random, uint64_t at_least)
{
	uint64_t step = BACKOFF_FIRST_US;
	for (unsigned i = 0; i < backoff->failures && step < BACKOFF_LAST_US; i++)
		step *= 2;
	if (step >= BACKOFF_LAST_US)
		step = BACKOFF_LAST_US;
	else
		backoff->failures++;

	uint64_t wait = step / 2 + draw(step / 2, random);
	if (wait >= at_least)
		return wait;
	/* A draining TSCF tells all its clients the same retry-after at once:
	 * spread them over what comes behind it. */
	uint64_t spread = at_least / 8 < BACKOFF_LAST_US ? at_least / 8 : BACKOFF_LAST_US;
	uint64_t later = at_least + draw(spread, random);
	return later >= at_least ? later : UINT64_MAX;
}
