/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The last step towards the TUN.  What a lane brings in one read is coalesced
 * and written; a TUN without offload gets each packet as it came.  Nothing is
 * queued: the kernel takes a packet or it is dropped and counted. */
#ifndef TSCF_DELIVERY_H
#define TSCF_DELIVERY_H

#include "core/coalesce.h"
#include "core/counters.h"
#include "io/tun.h"

struct delivery {
	const struct tun *tun; /* borrowed */
	unsigned queue;
	enum counter packets, octets; /* what is counted when the kernel takes it */
	struct counters *counters;    /* of whose packets are held; NULL: none are */
	struct coalesce coalesce;
};

/* `up`: what is delivered came from the UE. */
void delivery_init(struct delivery *delivery, const struct tun *tun, unsigned queue, bool up);
/* One packet, ordinary or super, counted in `counters`.  Its octets, writable
 * and with OFFLOAD_HEADER more in front of them, must stay until the flush. */
void delivery_add(struct delivery *delivery, struct counters *counters, const struct packet *packet,
	uint8_t *octets, const struct offload *offload);
/* Nothing is held any more, neither octets nor counters. */
void delivery_flush(struct delivery *delivery);

#endif
