/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The scheduler of one direction of one tunnel: what goes next, and what no
 * longer goes at all.  Packets wait here, where we can choose, and not in the
 * kernel's socket, where nobody can.
 *
 * Strict priority signalling > audio > video > bulk, with a share for bulk so
 * that nothing starves.  Audio and video older than the budget are dropped,
 * oldest first.  Bulk is bounded in octets, fair per flow (RFC 8290) and
 * managed by CoDel (RFC 8289); ECN-capable packets are marked instead of
 * dropped.  Signalling is never dropped as stale.
 *
 * Pure: time comes in as microseconds of a monotonic clock. */
#ifndef TSCF_CORE_SCHED_H
#define TSCF_CORE_SCHED_H

#include "core/classify.h"
#include "core/codel.h"
#include "core/counters.h"
#include "core/packet.h"
#include "core/slab.h"

enum { SCHED_PCSCF_MAX = 16, SCHED_FLOWS = 16, SCHED_RULES_MAX = 32 };

/* What the administrator says of a class: a range of ports, or a prefix in which
 * either address lies. */
struct sched_rule {
	uint8_t service;      /* enum sched_class */
	uint16_t first, last; /* ports; last 0: the rule is about a prefix */
	struct prefix prefix;
};

/* Shared by the tunnels of a worker; must outlive them. */
struct sched_policy {
	uint64_t realtime_budget; /* us; default 150,000 */
	uint32_t bulk_limit;      /* octets of bulk that may wait */
	uint32_t realtime_limit;  /* octets of signalling + audio + video that may wait */
	uint32_t memory_limit;    /* octets of slots, however little is in them; and never
				   * more slots of a size than the slab has left */
	struct address pcscf[SCHED_PCSCF_MAX];
	size_t pcscf_count;
	struct sched_rule rules[SCHED_RULES_MAX]; /* the first that fits counts */
	size_t rule_count;
};

void sched_policy_default(struct sched_policy *policy);

/* Oldest first. */
struct sched_queue {
	struct slot *head, *tail;
	uint32_t octets;
};

/* One flow of bulk. */
struct sched_flow {
	struct sched_queue queue;
	struct codel codel;
	int32_t deficit; /* octets it may still send in this round; a packet may overdraw it */
};

struct sched {
	const struct sched_policy *policy; /* borrowed */
	struct slab *slab;                 /* borrowed */
	struct counters *counters;         /* borrowed; drops are counted here */
	struct sched_queue realtime[SCHED_BULK];
	struct sched_flow flows[SCHED_FLOWS];
	uint32_t bulk_octets;
	uint32_t realtime_octets;
	uint32_t memory; /* of all waiting slots: SLOT_SMALL or SLOT_BIG each */
	uint32_t packets;
	uint32_t big;    /* of them in big slots */
	uint16_t active; /* bit per flow: takes part in the rounds */
	uint16_t fresh;  /* bit per flow: and is new, so it goes first (RFC 8290 4.2) */
	uint8_t turn;    /* flow whose turn it is */
	/* us that bulk may wait here beyond CoDel's target: a round trip of its lane,
	 * whose window stays full then when an inner sender takes back its own.  Set by
	 * the caller, any time. */
	uint32_t bulk_rtt;
	/* Octets of realtime that went first while bulk waited, less 9 times the
	 * octets that bulk was let through for it. */
	int32_t bulk_share;
};

void sched_init(struct sched *sched, const struct sched_policy *policy, struct slab *slab,
	struct counters *counters);
/* Gives every waiting slot back, counted as DROP_CLOSED. */
void sched_fini(struct sched *sched);

/* Takes the slot (its flow, service, arrived, length and offload are set).
 * It may be dropped, or push others out; all are counted.  Over a limit go
 * first stale audio and video, then the oldest packet of the longest flow (of
 * bulk) or of the newcomer's class. */
void sched_enqueue(struct sched *sched, struct slot *slot, uint64_t now);
/* The next packet to send, or NULL.  Returns owned.  Drops what is stale.  A
 * packet that CoDel would drop but is ECN-capable is marked CE (RFC 3168)
 * instead; of a super-packet that marks every segment. */
struct slot *sched_dequeue(struct sched *sched, uint64_t now);
/* The same, restricted to classes whose bit (1 << class) is set. */
struct slot *sched_dequeue_from(struct sched *sched, unsigned classes, uint64_t now);
/* Takes back what the last dequeue gave and could not be sent, or what is left
 * of it after offload_cut(): it is first in its queue again, keeps its age and
 * its flow is not charged for it. Never drops. */
void sched_put_back(struct sched *sched, struct slot *slot);

static inline bool sched_is_empty(const struct sched *sched)
{
	return sched->packets == 0;
}

#endif
