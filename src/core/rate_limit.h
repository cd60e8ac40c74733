/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How often something may happen: once in `interval` in the long run, and `burst`
 * times at once after a silence.
 *
 * Invariant: in any time t, at most burst + t / interval pass.
 *
 * The whole state is when the next one is due if they come evenly (the virtual
 * scheduling of ITU-T I.371). */
#ifndef TSCF_CORE_RATE_LIMIT_H
#define TSCF_CORE_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* All zero is a limit that nothing has used yet. */
struct rate_limit {
	uint64_t due; /* us */
};

/* Whether one more may pass now (us); if so it is counted.  `interval` is in us, and
 * `burst` is not 0. */
bool rate_limit_pass(struct rate_limit *limit, uint64_t now, uint64_t interval, uint32_t burst);
/* From when on the next one may (us). */
uint64_t rate_limit_next(const struct rate_limit *limit, uint64_t interval, uint32_t burst);

#endif
