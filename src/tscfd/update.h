/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A reload may change what clients were told when they came: routes, P-CSCF, DNS,
 * domains, the security hint, keep-alives.  A Configuration Update tells those that
 * have a tunnel, a few in each turn, so that calls do not wait for thousands. */
#ifndef TSCF_TSCFD_UPDATE_H
#define TSCF_TSCFD_UPDATE_H

#include <ev.h>

/* A worker's part of it. */
struct update {
	unsigned version; /* of the worker's settings->offer; session->told is the client's */
	struct ev_timer timer;
};

struct session;
struct worker;

/* In the worker's thread, but for update_init. */
void update_init(struct worker *worker);
/* The worker's settings offer something else than those before. */
void update_begin(struct worker *worker);
void update_end(struct worker *worker);
/* The lane on which this session was told ends, perhaps before its client
 * heard of it: it is told again, on another. */
void update_repeat(struct session *session);

#endif
