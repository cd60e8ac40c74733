/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For how long an event loop stood still, without what the machine gave to
 * other processes meanwhile: those are no fault of the code under test. */
#ifndef TSCF_TESTS_IO_STALL_H
#define TSCF_TESTS_IO_STALL_H

#include <ev.h>
#include <stdint.h>

enum { STALL_MAX = 20000 /* us that we allow ourselves */ };

struct stall {
	struct ev_loop *loop;
	struct ev_timer tick;
	int schedstat;
	uint64_t ticked, waited, longest; /* us; waited: for a processor, in all */
};

void stall_watch(struct stall *stall, struct ev_loop *loop);
/* Stops watching; the longest, in us. */
uint64_t stall_end(struct stall *stall);

#endif
