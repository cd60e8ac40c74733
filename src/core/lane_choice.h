/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which of a tunnel's lanes carries this packet.
 *
 * One lost segment stalls a TCP connection for a round trip or more, and all
 * that stands behind it.  So a realtime packet takes the lane that is moving:
 * the one with the least unacknowledged and unsent, never a stalled one while
 * another is not.  What must not be reordered (TCP, SCTP, ESP, fragments) keeps
 * to one lane per flow, and bulk to the bulk lane.
 *
 * Pure: the caller reads what TCP knows, once per turn of its loop. */
#ifndef TSCF_CORE_LANE_CHOICE_H
#define TSCF_CORE_LANE_CHOICE_H

#include "core/classify.h"
#include "core/control.h"

enum { LANES_MAX = 16, LANE_NONE = -1 };

/* What is known of one lane.  Zero, with `index` and `class` set, to begin
 * with. */
struct lane_view {
	bool usable;       /* it carries packets: open, and its Join is answered */
	bool ready;        /* it takes a packet now: nothing encrypted waits in front */
	bool blocked;      /* a packet given to it now would wait in the kernel's queue */
	uint8_t class;     /* CONTROL_LANE_ANY, _REALTIME, _BULK */
	uint8_t index;     /* of TAG_LANE: the same as long as the lane lives, no two alike */
	uint32_t queued;   /* octets given to it that the peer has not acknowledged */
	uint32_t srtt;     /* us; 0: not known yet */
	uint64_t acked;    /* octets that the peer has acknowledged, ever */
	uint64_t progress; /* us, when `acked` last grew or `queued` last was 0 */
};

/* What the kernel says now: octets in its queue and in ours, octets that the
 * peer has acknowledged since the connection began (tcpi_bytes_acked), and the
 * smoothed round trip. */
void lane_view_read(
	struct lane_view *lane, uint32_t queued, uint64_t acked, uint32_t srtt, uint64_t now);
/* Octets that were given to it since: keeps the view true until the kernel is
 * asked again. */
void lane_view_sent(struct lane_view *lane, uint32_t octets, uint64_t now);
/* Something waits in it and nothing has moved for one and a half round trips
 * and 30 ms (which covers a delayed acknowledgement; 250 ms before the first
 * measurement). */
bool lane_is_stalled(const struct lane_view *lane, uint64_t now);

/* True of what may take any lane and arrive out of order: whole UDP packets,
 * except ESP in UDP (port 4500: its replay window is small). */
bool lane_may_spread(const struct packet *packet);

/* The place in `lanes` of the lane for a packet, LANE_NONE without a usable one.
 *
 * What may spread and is no bulk takes the lane with the least queued, by
 * preference one that is ready, before that one that is not blocked, before that one that
 * is not stalled,
 * before that one that is not for bulk.  If the choice is not `ready`, the packet is better
 * off in the scheduler.
 *
 * All else keeps to one lane, ready or not: bulk flows to the bulk lane, the
 * others to the lane of class any, if there is one; among several of the
 * fitting class by rendezvous hashing of `flow` and index, so that a lane that
 * dies moves only its own flows. */
int lane_choose(const struct lane_view *lanes, unsigned count, enum sched_class service,
	bool may_spread, uint32_t flow, uint64_t now);
/* The lane for a copy of what `first` carries: another one, not for bulk, ready
 * and neither stalled nor blocked; LANE_NONE when there is none: no copy then. */
int lane_choose_copy(const struct lane_view *lanes, unsigned count, int first, uint64_t now);

#endif
