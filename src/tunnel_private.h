/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the three files of the data path need of each other; nobody else includes
 * this.
 *
 *     tunnel_read.c      TUN  -> scheduler
 *     tunnel_send.c      scheduler -> lane
 *     tunnel.c           lane -> TUN, and the life of tunnels */
#ifndef TSCF_TUNNEL_PRIVATE_H
#define TSCF_TUNNEL_PRIVATE_H

#include "tunnel.h"

static inline enum counter media_sent(const struct datapath *datapath)
{
	return datapath->sends_up ? COUNTER_MEDIA_UP : COUNTER_MEDIA_DOWN;
}

/* --- tunnel_read.c --- */

void datapath_read_start(struct datapath *datapath);
void datapath_read_stop(struct datapath *datapath);

/* --- tunnel_send.c --- */

void datapath_send_start(struct datapath *datapath);
void datapath_send_stop(struct datapath *datapath);
/* It has something to send, and its turn will come before the loop waits. */
void tunnel_add_pending(struct tunnel *tunnel);
void tunnel_remove_pending(struct tunnel *tunnel);
/* Whether it goes as one: when the peer takes such and will believe it. */
bool tunnel_goes_whole(
	const struct tunnel *tunnel, struct offload *offload, const struct packet *packet);

/* --- tunnel.c --- */

/* What TCP's segments must fit: both of the hosts hear of this. */
uint16_t tunnel_narrowest(const struct tunnel *tunnel);

#endif
