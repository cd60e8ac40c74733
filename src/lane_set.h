/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lanes of one tunnel: which there are, how each does, and which of them a
 * packet takes (core/lane_choice). */
#ifndef TSCF_LANE_SET_H
#define TSCF_LANE_SET_H

#include "core/lane_choice.h"
#include "core/silence.h"
#include "core/slab.h"
#include "lane.h"

struct lane_set {
	struct lane *lane[LANES_MAX];     /* borrowed; in the order in which they came */
	struct lane_view view[LANES_MAX]; /* of the same; as of the last look */
	unsigned count;
	uint64_t looked; /* us, the last look */
	uint64_t probed; /* us, when a packet last went out to see whether the network is back */
	struct silence silence;
	uint64_t resumed; /* us, when it was heard again after a cut */
	bool cut;         /* the network carries nothing, or no lane would send at once, as
				   of the last look */
	bool held;        /* the loop shall turn soon: a packet waits for that, or a lane is
			     in a hurry */
};

/* False when it is full. */
bool lane_set_add(struct lane_set *set, struct lane *lane);
/* One that is not in it is no error. */
void lane_set_remove(struct lane_set *set, const struct lane *lane);
void lane_set_clear(struct lane_set *set);

/* Asks the kernel about each of them, unless it did so within the last ms: in each
 * turn of the loop in which something is sent, and only if there is a choice. */
void lane_set_look(struct lane_set *set, uint64_t now);
/* After a look.  When the network seems to carry nothing, stalled lanes, all but one,
 * are made to try again soon (lane_tcp_hurry), for some seconds.  True: both must be
 * called again in 10 or 20 ms. */
bool lane_set_hurry(struct lane_set *set, uint64_t now);
/* The lane for this packet, which is no bulk; NULL when it waits for one that
 * will say `writable`, or, and then `held` is set, for the network: what TCP has
 * been given cannot be dropped when it has become stale. */
struct lane *lane_set_choose(struct lane_set *set, const struct slot *slot, uint64_t now);
/* All bulk keeps to one lane; NULL only without any. */
struct lane *lane_set_for_bulk(const struct lane_set *set, uint64_t now);
/* Octets of realtime that it was given since the last look. */
void lane_set_sent(struct lane_set *set, const struct lane *lane, uint32_t octets, uint64_t now);

static inline struct lane *lane_set_first(const struct lane_set *set)
{
	return set->count ? set->lane[0] : NULL;
}

#endif
