/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How often something may happen: `per_second` in the long run, and `burst` at
 * once after a silence.
 *
 * Invariant: in any time t, at most burst + t * per_second pass.
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

/* Whether one more may pass now (us); if so it is counted.  Neither number is
 * 0, and `per_second` is at most a million. */
bool rate_limit_pass(struct rate_limit *limit, uint64_t now, uint32_t per_second, uint32_t burst);

#endif
