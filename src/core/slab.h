/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory for packets in flight: two sizes of slot, all allocated once, so
 * that no packet costs an allocation and a flood has a bound.
 *
 * A slot leaves room before the packet for everything that is ever put in
 * front of it, so that a whole envelope (or what the TUN wants) is contiguous:
 *
 *    space: | ... SLOT_HEADROOM ... | packet, `length` octets ... |
 *                                   ^ slot_packet()
 */
#ifndef TSCF_CORE_SLAB_H
#define TSCF_CORE_SLAB_H

#include <stdbool.h>

#include "core/offload.h"

enum {
	SLOT_HEADROOM = 16, /* >= 3 (envelope) + 10 (offload or virtio header) */
	SLOT_SMALL = 2048,  /* octets of packet in a small slot */
	SLOT_BIG = 65536,   /* and in a big one */
};

/* Owned by exactly one holder: the slab, a scheduler, or a local variable. */
struct slot {
	struct slot *next;
	uint64_t arrived; /* us, when it came from the TUN */
	uint32_t flow;    /* packet_flow() */
	uint32_t length;
	struct offload offload;
	uint8_t service; /* enum sched_class */
	bool spread;     /* lane_may_spread() */
	bool big;
	uint8_t space[];
};

static inline uint8_t *slot_packet(struct slot *slot)
{
	return slot->space + SLOT_HEADROOM;
}

/* Octets of packet that the slot has room for. */
static inline uint32_t slot_room(const struct slot *slot)
{
	return slot->big ? SLOT_BIG : SLOT_SMALL;
}

/* Slots that were never taken are not on the free lists yet but in the
 * untouched ends of `memory`: what is never needed costs address space only. */
struct slab {
	struct slot *small, *big;       /* free lists */
	uint32_t small_free, big_free;  /* free slots, untouched ones included */
	uint8_t *small_next, *big_next; /* first untouched slot of each size */
	void *memory;
	size_t memory_octets;
};

/* 0 or -ENOMEM. */
int slab_init(struct slab *slab, uint32_t small_count, uint32_t big_count);
/* Every slot must have come back. */
void slab_fini(struct slab *slab);

/* A slot for a packet of `length` octets, of the smallest size that fits and
 * is free; NULL when memory has run out.  Returns owned, with `length` set and
 * all else zero; the space keeps what it held before. */
struct slot *slab_take(struct slab *slab, size_t length);
/* Takes the slot; NULL is allowed. */
void slab_give(struct slab *slab, struct slot *slot);

#endif
