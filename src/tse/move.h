/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The TSCF is taken out of service and sends its clients elsewhere.  The new
 * tunnel is made before the old one is left: until the new TSCF has granted one,
 * packets from the old one are taken still, and if it does not, the old one goes
 * on.
 *
 * If the new TSCF grants the same inner addresses, the IMS core may still send by way
 * of the old one: its connection stays open for what comes, until it closes it.
 *
 * Where we are sent must be a host whose certificate our CA (and pin) vouches
 * for under that name, like any TSCF of the profile. */
#ifndef TSCF_TSE_MOVE_H
#define TSCF_TSE_MOVE_H

#include "core/control.h"
#include "core/rate_limit.h"
#include "tse/connection.h"

struct client;
struct client_grant;

struct move {
	/* Where we were sent; the other one is where we were before. */
	struct config_endpoint items[2];
	struct config_endpoints lists[2];
	unsigned latest;
	struct connection *next;      /* on its way there */
	struct connection *former;    /* in use before */
	struct client_grant *granted; /* to it, until the new one is confirmed; owned */
	struct ev_timer patience;
	struct rate_limit limit;
	bool redirected; /* by a refusal, since the last tunnel */
};

void move_init(struct client *client);
void move_fini(struct client *client);
/* A Configuration Update says so.  Without a host in it, any other TSCF of the
 * profile is meant.  False when it is said too often to be heard: who sends us about
 * makes us knock at the door of others. */
bool move_asked(struct client *client, const struct control_message *update);
/* A refusal names another TSCF: dials that instead, once.  False if it cannot. */
bool move_redirected(struct client *client, const struct control_message *response);

/* Each is asked first by client.c; true when the connection is one of ours and
 * has been dealt with. */
bool move_ready(struct client *client, struct connection *connection);
bool move_failed(struct client *client, struct connection *connection, const char *why);
/* May packets be taken from it, beside the one in use? */
bool move_is_former(const struct client *client, const struct connection *connection);

/* The connection in use is of no use: true when the former one goes on. */
bool move_reverted(struct client *client, const char *why);
/* The new TSCF has answered through the tunnel. */
void move_confirmed(struct client *client);
/* The tunnel ends, whatever was under way. */
void move_abandon(struct client *client);

#endif
