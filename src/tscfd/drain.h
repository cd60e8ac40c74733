/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A TSCF that is to be taken out of service asks its clients to go to another
 * one, first those whose tunnels are idle, a few at a time, and those with media
 * when it has ended, or shortly before the limit.  What is left then is closed. */
#ifndef TSCF_TSCFD_DRAIN_H
#define TSCF_TSCFD_DRAIN_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/control.h"
#include "tscfd/mailbox.h"

/* A worker's part of it. */
struct drain {
	bool on;
	bool told_empty;
	char other[CONTROL_TEXT_MAX]; /* host:port; empty: none is known */
	uint64_t last_call, deadline; /* us */
	struct ev_timer timer;
	struct message empty; /* posted once, when no tunnel is left */
};

struct worker;

/* In the worker's thread.  `time_limit` in us; with `calls` media is no reason to
 * wait; `empty` runs in the main thread, once.  A second order replaces the first. */
void drain_begin(struct worker *worker, const char *other, uint64_t time_limit, bool calls,
	void (*empty)(struct message *message));
void drain_end(struct worker *worker);

#endif
