/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Real-time priority for the data path (`priority = yes`). */
#ifndef TSCF_IO_PRIORITY_H
#define TSCF_IO_PRIORITY_H

#include <stdbool.h>

#include "core/reason.h"

enum {
	PRIORITY_REALTIME = 10, /* SCHED_RR, of 1 to 99 */
	PRIORITY_NICE = -10,    /* where that is not allowed */
};

/* Raises the calling thread, and threads that it makes; children too unless
 * `alone`.  Before privilege is given up: it takes CAP_SYS_NICE, or the limits
 * RLIMIT_RTPRIO and RLIMIT_NICE.  True when it is real-time; `what` says for the
 * log what came of it, and what is missing. */
bool priority_raise(bool alone, struct reason *what);

/* Asks for short turns instead of long ones for the calling thread, and for threads
 * that it makes: no more of the processor, but sooner.  Needs no privilege; kernels
 * before 6.12 do not know it, and then nothing changes. */
void priority_short_turns(void);

/* Ends the calling thread's turn: who waits for this processor goes first. */
void priority_give_way(void);

#endif
