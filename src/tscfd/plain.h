/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Clients that know TS 24.322 and none of our control messages: their first
 * envelope is an IP packet.  They get a lease like all others, hear of it by
 * DHCP and Router Advertisements inside the tunnel (core/plain_server), and
 * nothing but type-1 envelopes is ever sent to them. */
#ifndef TSCF_TSCFD_PLAIN_H
#define TSCF_TSCFD_PLAIN_H

#include "tscfd/sessions.h"

/* The first envelope of a connection is an IP packet. */
void plain_first(struct session *session, const struct envelope *envelope);
/* A later one, of a plain client; true when it is dealt with, else it is a packet
 * like any other. */
bool plain_takes(struct session_lane *at, const struct envelope *envelope);
/* A plain client's lane carries packets from now on; its timer has come. */
void plain_lane_start(struct session_lane *at);
void plain_on_timer(struct session_lane *at);

#endif
