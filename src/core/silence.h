/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Does the network carry nothing, as far as acknowledgements tell?
 *
 * What was sent is acknowledged a round trip later.  During a call something is
 * sent every 20 ms, so acknowledgements come about as often, however long the path
 * is; when several that are due do not come, on whatever lane, it is not a lost
 * segment that is in their way.
 *
 *	sent   . . . . . . . . . . . . .
 *	due            . . . . . . . . . . .
 *	heard          . . . .           |
 *	                     ^ moved     ^ silent: two are late by a margin
 *
 * Wrong now and then is no harm: what waits goes with the next acknowledgement,
 * and those of what is under way already still come.
 *
 * Pure: time comes in as microseconds of a monotonic clock. */
#ifndef TSCF_CORE_SILENCE_H
#define TSCF_CORE_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	SILENCE_SENDS = 64,        /* at SILENCE_APART: 1.28 s, longer than any round trip */
	SILENCE_APART_US = 20000,  /* between those that are remembered */
	SILENCE_LATE = 2,          /* so many must be late */
	SILENCE_MARGIN_US = 60000, /* a delayed acknowledgement, 40 ms, and some jitter */
};

/* Zero to begin with. */
struct silence {
	uint64_t sent[SILENCE_SENDS]; /* us; a ring */
	unsigned next;
	uint64_t moved; /* us, when something that was sent was last heard to have arrived */
};

/* Something goes, or something that went is known to have arrived. */
void silence_sent(struct silence *silence, uint64_t now);
void silence_moved(struct silence *silence, uint64_t when);
/* `srtt` and `rttvar`: of the slowest lane, us; 0: not known, and then nothing is
 * silent. */
bool silence_is_silent(const struct silence *silence, uint32_t srtt, uint32_t rttvar, uint64_t now);

#endif
