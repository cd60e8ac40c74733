/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several probes for one verdict: the targets in order of preference, each
 * begun when the one before has failed, at the latest a little after it began,
 * so that a silent one does not hide the others; all within one timeout. */
#ifndef TSCF_IO_PROBE_STEP_H
#define TSCF_IO_PROBE_STEP_H

#include <stdbool.h>

#include "io/probe.h"

enum {
	PROBE_STEP_TARGETS = 32,     /* more are ignored */
	PROBE_STEP_STAGGER = 250000, /* us, or less: the last still has half the time */
};

struct probe_step_settings {
	struct probe_settings probe;        /* its timeout is the whole step's */
	const struct probe_target *targets; /* borrowed until done */
	size_t count;
	/* Go on when one has passed: to know of every target, not just whether
	 * there is a way. */
	bool all;
};

struct probe_step_result {
	bool passed;
	size_t first;                       /* the target that passed first */
	const struct probe_result *results; /* one per target, in their order */
	size_t count;
	/* Passed: the first one's evidence; else that of all, in order. */
	struct reason evidence;
};

struct probe_step;

/* `done` is called exactly once, never from within probe_step_start, unless
 * probe_step_cancel comes first; `result` is borrowed.  0 or -errno; -EINVAL
 * without a target. */
int probe_step_start(struct probe_step **out, struct ev_loop *loop,
	const struct probe_step_settings *settings,
	void (*done)(void *user, const struct probe_step_result *result), void *user);
/* As probe_cancel. */
void probe_step_cancel(struct probe_step *step);

#endif
