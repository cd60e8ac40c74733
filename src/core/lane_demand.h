/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How many lanes a tunnel wants (`lanes = auto`).
 *
 *     idle, or only signalling       one
 *     a call                         two for realtime
 *     a call and bulk                and one for bulk
 *     signalling and bulk            one for bulk: a call may begin
 *     a call, and loss is measured   as many as packets are in flight, so that a
 *                                    lost segment delays one packet only, as in
 *                                    UDP:  rate x (round trip + 40 ms), the 40 ms
 *                                    for delayed acknowledgements
 *
 * never more than the maximum in all; what is not needed for a minute goes.  A
 * refusal is believed: no more lanes than live now, for ten minutes or what the
 * peer said, twice that after the next one, up to two hours.
 *
 * Pure: time comes in as microseconds of a monotonic clock. */
#ifndef TSCF_CORE_LANE_DEMAND_H
#define TSCF_CORE_LANE_DEMAND_H

#include "core/call.h"
#include "core/classify.h"
#include "core/lane_choice.h"

enum {
	LANES_MAX_DIRECT = 8,      /* default of lanes-max */
	LANES_MAX_PROXY = 4,       /* and through a proxy */
	LANE_LINGER_US = 60000000, /* what was not needed that long goes */
};

/* What there should be.  `realtime` counts all lanes that are not for bulk,
 * the tunnel's first one included; at least 1. */
struct lane_wanted {
	unsigned realtime;
	bool bulk;
};

struct lane_demand {
	unsigned fixed; /* 0: auto */
	unsigned limit; /* of lanes in all */
	struct call call;
	struct tally bulk;        /* octets, both ways */
	uint64_t bulk_until;      /* us; 0: never */
	uint64_t signalled_until; /* us; a call may begin until then */
	/* Granted, and until when without new need. */
	unsigned realtime;
	uint64_t realtime_until, both_until;
	/* After a refusal. */
	unsigned ceiling;
	uint64_t ceiling_until, backoff;
};

/* `fixed`: 0 is auto, else exactly that many lanes (two or more: one of them
 * for bulk).  `limit`: lanes-max and what the TSCF allows, whichever is less;
 * 1 without capability 1. */
void lane_demand_init(struct lane_demand *demand, unsigned fixed, unsigned limit);
void lane_demand_limit(struct lane_demand *demand, unsigned limit);

/* A packet of the tunnel; `sent` by this end, or received.  True when it is time to
 * ask lane_demand_wanted(): a call begins, or may be about to beside bulk. */
bool lane_demand_packet(struct lane_demand *demand, enum sched_class service, uint32_t octets,
	bool sent, uint64_t now);
/* A further lane was refused, by the TSCF or by a proxy, while `living` lanes
 * lived; `retry_after` us as told, or 0. */
void lane_demand_refused(
	struct lane_demand *demand, unsigned living, uint64_t retry_after, uint64_t now);
/* A further lane opened, and now `living` live: when these are more than at the
 * last refusal, that is forgotten. */
void lane_demand_opened(struct lane_demand *demand, unsigned living);

/* Ask when lane_demand_packet() says so, and once per second during a call.
 * `loss`: lane_loss_seen(); `srtt`: the largest smoothed round trip of the lanes
 * that are not for bulk, us. */
struct lane_wanted lane_demand_wanted(
	struct lane_demand *demand, bool loss, uint32_t srtt, uint64_t now);
/* A call is up: realtime packets flowed within the last five seconds, and were
 * more than a stray one. */
bool lane_demand_has_call(const struct lane_demand *demand, uint64_t now);

#endif
