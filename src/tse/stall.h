/* SPDX-License-Identifier: GPL-3.0-or-later */
/* During a call: does anything that we send arrive?  A NAT or a firewall that has
 * forgotten our connections says nothing, and TCP alone notices too late.  A further
 * lane is tried first, then a whole new tunnel. */
#ifndef TSCF_TSE_STALL_H
#define TSCF_TSE_STALL_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct client;

struct stall {
	struct ev_timer timer; /* runs while media flows */
	uint64_t acknowledged; /* octets, on all lanes, when last seen */
	uint64_t moved_at;     /* us, when that last grew, or nothing waited */
	bool told;             /* and nothing has moved since */
};

void stall_init(struct client *client);
/* Media flows. */
void stall_watch(struct client *client);
/* It does no more. */
void stall_rest(struct client *client);

#endif
