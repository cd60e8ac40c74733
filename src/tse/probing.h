/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Step 1 on the wire: 1a asks a P-CSCF (SIP), 1b a STUN server (can media
 * pass?).  Each ends in one traversal event with its evidence. */
#ifndef TSCF_TSE_PROBING_H
#define TSCF_TSE_PROBING_H

#include "core/traversal.h"
#include "io/probe_step.h"
#include "io/sip_locate.h"

struct probing {
	struct ev_loop *loop;
	const struct tse_config *config; /* borrowed */
	struct tls_context *tls;         /* borrowed; for probes over TLS */
	enum traversal_step step;        /* TRAVERSAL_SIP or TRAVERSAL_NAT */
	struct locate *locate;
	struct probe_step *probes;
	struct locate_target found[LOCATE_TARGETS];
	struct probe_target targets[LOCATE_TARGETS];
	size_t count;
	char target[TRAVERSAL_TARGET];
	uint64_t started; /* us */
	/* A RESULT; its texts are borrowed for the call. */
	void (*done)(void *user, const struct traversal_event *event);
	void *user;
};

void probing_init(struct probing *probing, enum traversal_step step, struct ev_loop *loop,
	const struct tse_config *config, struct tls_context *tls,
	void (*done)(void *user, const struct traversal_event *event), void *user);
/* `done` follows, never from within, unless probing_cancel comes first. */
void probing_start(struct probing *probing);
void probing_cancel(struct probing *probing);
/* What the profile names for this step; NULL and why not. */
const char *probing_target(const struct probing *probing, enum traversal_cause *why_not);

#endif
