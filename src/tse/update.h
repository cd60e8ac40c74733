/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Configuration Updates change the tunnel in use without losing a packet.
 *
 * Each change is told to the kernel, to hooks, and to whoever reads the log; so a
 * TSCF may make UPDATES_AT_ONCE of them and then one in UPDATE_INTERVAL.  Those
 * beyond wait and are followed together, as what they make of the tunnel in the end:
 *
 *   Update --- says what is so already ---> nothing
 *          \-- may be followed now -------> routes, then everything else; or nothing
 *           \- too soon ------------------> waiting, until it may be followed */
#ifndef TSCF_TSE_UPDATE_H
#define TSCF_TSE_UPDATE_H

#include <ev.h>

#include "core/control.h"
#include "core/rate_limit.h"

enum { UPDATES_AT_ONCE = 8, UPDATE_INTERVAL = 10000000 /* us */ };

struct client;
struct client_grant;

struct update {
	struct rate_limit limit;
	struct client_grant *waiting; /* owned; NULL: nothing waits */
	uint16_t mtu;                 /* with it: what the TSCF takes */
	struct ev_timer timer;
};

void update_init(struct client *client);
/* Makes the tunnel in use what the Update says, now or soon.  False, with the reason
 * in the log and nothing changed, when that cannot be or may not. */
bool update_take(struct client *client, const struct control_message *message);
/* The tunnel is over, or its TSCF has stated everything anew. */
void update_forget(struct client *client);

#endif
