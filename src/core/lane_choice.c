/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lane choice: a few comparisons per packet, over at most LANES_MAX lanes. */
#include "core/lane_choice.h"

enum {
	PORT_IPSEC_NAT = 4500,
	STALL_MARGIN = 30000,  /* us: Linux delays acknowledgements by up to 40 ms, mostly less */
	STALL_UNKNOWN = 250000 /* us, before a round trip was measured */
};

void lane_view_read(
	struct lane_view *lane, uint32_t queued, uint64_t acked, uint32_t srtt, uint64_t now)
{
	if (queued == 0 || acked != lane->acked)
		lane->progress = now;
	lane->queued = queued;
	lane->acked = acked;
	lane->srtt = srtt;
}

void lane_view_sent(struct lane_view *lane, uint32_t octets, uint64_t now)
{
	if (lane->queued == 0)
		lane->progress = now;
	lane->queued += octets;
}

bool lane_is_stalled(const struct lane_view *lane, uint64_t now)
{
	uint64_t patience =
		lane->srtt ? (uint64_t)lane->srtt * 3 / 2 + STALL_MARGIN : STALL_UNKNOWN;
	return lane->queued > 0 && now > lane->progress && now - lane->progress > patience;
}

bool lane_may_spread(const struct packet *packet)
{
	return packet->protocol == PROTOCOL_UDP && packet->has_ports && !packet->fragment &&
	       packet->source_port != PORT_IPSEC_NAT && packet->destination_port != PORT_IPSEC_NAT;
}

/* Smaller is better; in this order: not the bulk lane, not stalled, not blocked,
 * ready, least queued. */
static uint64_t cost(const struct lane_view *lane, uint64_t now)
{
	uint64_t bulk = lane->class == CONTROL_LANE_BULK;
	uint64_t stalled = lane_is_stalled(lane, now);
	uint64_t blocked = lane->blocked;
	uint64_t busy = !lane->ready;
	return bulk << 35 | stalled << 34 | blocked << 33 | busy << 32 | lane->queued;
}

static int choose_moving(const struct lane_view *lanes, unsigned count, uint64_t now)
{
	int best = LANE_NONE;
	uint64_t best_cost = UINT64_MAX;
	for (unsigned i = 0; i < count; i++) {
		if (!lanes[i].usable)
			continue;
		uint64_t this_cost = cost(&lanes[i], now);
		if (this_cost >= best_cost)
			continue;
		best_cost = this_cost;
		best = (int)i;
	}
	return best;
}

/* The finalizer of MurmurHash3 over flow and lane: every lane draws a number for
 * each flow, and the highest has it. */
static uint64_t draw(uint32_t flow, uint8_t index)
{
	uint64_t word = (uint64_t)flow << 8 | index;
	word ^= word >> 33;
	word *= UINT64_C(0xff51afd7ed558ccd);
	word ^= word >> 33;
	word *= UINT64_C(0xc4ceb9fe1a85ec53);
	return word ^ word >> 33;
}

/* Whether a lane of the one class is better than one of the other for a packet
 * that keeps to its lane. */
static unsigned suitability(uint8_t class, bool bulk)
{
	if (class == CONTROL_LANE_BULK)
		return bulk ? 2 : 0;
	return class == CONTROL_LANE_ANY ? 1 + !bulk : 1 - bulk;
}

static int choose_steady(const struct lane_view *lanes, unsigned count, bool bulk, uint32_t flow)
{
	int best = LANE_NONE;
	unsigned best_suits = 0;
	uint64_t best_draw = 0;
	for (unsigned i = 0; i < count; i++) {
		if (!lanes[i].usable)
			continue;
		unsigned suits = suitability(lanes[i].class, bulk);
		uint64_t drawn = draw(flow, lanes[i].index);
		if (best != LANE_NONE &&
			(suits < best_suits || (suits == best_suits && drawn <= best_draw)))
			continue;
		best = (int)i;
		best_suits = suits;
		best_draw = drawn;
	}
	return best;
}

int lane_choose(const struct lane_view *lanes, unsigned count, enum sched_class service,
	bool may_spread, uint32_t flow, uint64_t now)
{
	if (service == SCHED_BULK || !may_spread)
		return choose_steady(lanes, count, service == SCHED_BULK, flow);
	return choose_moving(lanes, count, now);
}

int lane_choose_copy(const struct lane_view *lanes, unsigned count, int first, uint64_t now)
{
	int best = LANE_NONE;
	for (unsigned i = 0; i < count; i++) {
		const struct lane_view *lane = &lanes[i];
		if ((int)i == first || !lane->usable || !lane->ready || lane->blocked ||
			lane->class == CONTROL_LANE_BULK || lane_is_stalled(lane, now))
			continue;
		if (best == LANE_NONE || lane->queued < lanes[best].queued)
			best = (int)i;
	}
	return best;
}
