/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tse says to the TSCF in control messages, and makes of the answers. */
#ifndef TSCF_TSE_NEGOTIATE_H
#define TSCF_TSE_NEGOTIATE_H

#include "tse/client.h"

/* Sends the Configuration Request, with the resume token of the last tunnel if
 * there was one. */
void negotiate_request(struct client *client);
/* Asks that this connection become one more lane of the tunnel. */
void negotiate_join(struct client *client, struct lane *lane, uint16_t transaction,
	const struct view *join_key);
/* What was granted becomes the tunnel's: interface, addresses, routes, lane; again
 * when it changes.  False when that is not possible, and then the connection is
 * given up. */
bool negotiate_accept(struct client *client, const struct control_message *message);
/* Asks for a sign of life on this lane. */
void negotiate_keepalive(struct client *client, struct lane *lane, uint16_t transaction);
/* Says good-bye; the TSCF frees the lease. */
void negotiate_release(struct client *client);
/* A connection that carried, or should have carried, the tunnel has failed:
 * replaces what the network said by what the TSCF meant, where that is known. */
void negotiate_explain(struct client *client, struct client_failure *failure);
/* Is it a Keep-alive Request?  Of a connection that we have left, nothing else is
 * answered. */
bool negotiate_is_question(const struct envelope *envelope);
/* Any control message of the TSCF (datapath_events.control). */
void negotiate_control(
	struct tunnel *tunnel, struct lane *lane, const uint8_t *payload, size_t length);

#endif
