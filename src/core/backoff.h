/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long to wait before trying again: doubling from 0.5 s to 60 s, each
 * wait drawn evenly from the upper half of its step, so that clients of a
 * restarted TSCF do not come back in one wave. */
#ifndef TSCF_CORE_BACKOFF_H
#define TSCF_CORE_BACKOFF_H

#include <stdint.h>

enum { BACKOFF_FIRST_US = 500000, BACKOFF_LAST_US = 60000000 };

struct backoff {
	unsigned failures;
};

void backoff_reset(struct backoff *backoff);
/* us to wait after one more failure; never less than `at_least` (what the
 * peer asked for with retry-after).  `random` is any 32 random bits. */
uint64_t backoff_next(struct backoff *backoff, uint32_t random, uint64_t at_least);

#endif
