/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where envelopes that wait together become one TLS record. */
#ifndef TSCF_STAGE_H
#define TSCF_STAGE_H

#include "core/slab.h"
#include "lane.h"

enum { STAGE_OCTETS = 16384 }; /* one full TLS record */

struct stage {
	size_t used;
	uint8_t octets[STAGE_OCTETS];
};

/* What went on its way: packets, and octets of them and of their envelopes. */
struct staged {
	unsigned packets;
	size_t packet_octets, octets;
};

/* Puts the slot's packet in, as it is. One that is larger than the stage goes
 * past it, behind what is in it. */
struct staged stage_whole(struct stage *stage, struct lane *lane, struct slot *slot);
/* Puts a super-packet in, cut into packets of at most `mtu` octets; none when
 * it cannot be. */
struct staged stage_segments(struct stage *stage, struct lane *lane, struct slot *slot,
	const struct packet *packet, uint16_t mtu);
/* Puts in a packet that is in no slot; returns the octets of its envelope. */
size_t stage_packet(struct stage *stage, struct lane *lane, const uint8_t *octets, uint16_t length);
/* Encrypts what is in it. */
void stage_empty(struct stage *stage, struct lane *lane);

#endif
