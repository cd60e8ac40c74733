/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tells when the machine has slept: CLOCK_BOOTTIME counts that time,
 * CLOCK_MONOTONIC does not.  Costs no wake-up of its own: the kernel ends a
 * timer on the wall clock that is cancelled when that clock is set, which
 * resuming does; whoever wakes for another reason may ask as well. */
#ifndef TSCF_IO_SUSPEND_H
#define TSCF_IO_SUSPEND_H

#include <ev.h>
#include <stdint.h>

#include "core/reason.h"

struct suspend {
	struct ev_loop *loop;
	struct ev_io watcher;
	int fd;
	uint64_t offset; /* us, of CLOCK_BOOTTIME against CLOCK_MONOTONIC when last asked */
	/* It has slept for that long, us. */
	void (*resumed)(void *user, uint64_t slept);
	void *user;
};

/* 0 or -errno. */
int suspend_open(struct suspend *suspend, struct ev_loop *loop,
	void (*resumed)(void *user, uint64_t slept), void *user, struct reason *why);
void suspend_close(struct suspend *suspend);
/* Calls `resumed` if it has slept since it was last asked. */
void suspend_ask(struct suspend *suspend);

#endif
