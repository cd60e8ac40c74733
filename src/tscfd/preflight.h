/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an operator forgets, looked for at start: each finding is one sentence
 * that says what to do.  None of it stops tscfd. */
#ifndef TSCF_TSCFD_PREFLIGHT_H
#define TSCF_TSCFD_PREFLIGHT_H

#include <ev.h>

#include "io/netlink.h"
#include "tscfd/admin.h"

/* Raises the limit of descriptors as far as allowed, and looks at forwarding,
 * routes to the IMS core, certificate expiry and risky settings. */
void preflight(struct admin *admin, struct netlink *netlink, unsigned tun_index);

/* Whether the core finds its way back: a few ICMP echoes from our own inner
 * address to each numeric P-CSCF.  Silence is a warning, no proof. */
struct route_back {
	struct ev_loop *loop;
	struct ev_io readable;
	struct ev_timer echo_due;
	unsigned asked;
	struct admin *admin;
	struct address own, target;
	int fd;
};

/* Opens a raw socket, so call it while privileged; nothing happens when `own`
 * or the P-CSCF is missing. */
void route_back_start(struct route_back *check, struct ev_loop *loop, struct admin *admin,
	const struct address *own);
void route_back_stop(struct route_back *check);

#endif
