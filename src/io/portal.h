/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Is a captive portal in the way?  One plain HTTP GET to port 80 of a host that
 * has no web site for people there (the TSCF), on a marked socket: a portal
 * answers in its place.
 *
 * A portal is a redirection to another host, 511 (RFC 6585 6), or a page.
 * Refusal, silence and every other answer are none. */
#ifndef TSCF_IO_PORTAL_H
#define TSCF_IO_PORTAL_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/http_answer.h"
#include "core/reason.h"

enum { PORTAL_PORT = 80 };

struct portal_settings {
	struct address address; /* where it is asked */
	const char *host;       /* whose that is: a name or a numeric address; borrowed */
	uint32_t mark;
	uint64_t timeout; /* us, for all of it */
};

struct portal_result {
	bool found;
	unsigned status;             /* of HTTP; 0: no answer that is one */
	char url[HTTP_LOCATION_MAX]; /* found: where a redirection leads, or empty */
	uint64_t took;               /* us */
	struct reason evidence;      /* target, what came, when: one sentence */
};

struct portal;

/* `done` is called exactly once, never from within portal_start, unless
 * portal_cancel comes first; `result` is borrowed.  0 or -errno: -EINVAL when
 * `host` is neither a name nor an address, or there is no address. */
int portal_start(struct portal **out, struct ev_loop *loop, const struct portal_settings *settings,
	void (*done)(void *user, const struct portal_result *result), void *user);
/* Frees; `done` will not be called.  Takes NULL.  Not from within `done`, after
 * which it is freed by itself. */
void portal_cancel(struct portal *portal);

#endif
