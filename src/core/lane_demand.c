/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Growth at once, shrinking after a minute. */
#include "core/lane_demand.h"

enum {
	SECOND = 1000000,
	BULK_OCTETS = 8192, /* within one to two seconds; less is no matter for voice */
	BULK_QUIET = 3 * SECOND,
	RINGING = 3 * SECOND, /* after signalling; the lane stays for longer */
	DELAYED_ACK = 40000,  /* us */
	CALL_LANES = 2,
	BACKOFF_FIRST = 600, /* s */
	BACKOFF_MAX = 7200,  /* s */
};

void lane_demand_init(struct lane_demand *demand, unsigned fixed, unsigned limit)
{
	*demand = (struct lane_demand){.fixed = fixed, .realtime = 1};
	lane_demand_limit(demand, limit);
}

void lane_demand_limit(struct lane_demand *demand, unsigned limit)
{
	demand->limit = limit < 1 ? 1 : limit > LANES_MAX ? LANES_MAX : limit;
}

bool lane_demand_packet(struct lane_demand *demand, enum sched_class service, uint32_t octets,
	bool sent, uint64_t now)
{
	if (service == SCHED_AUDIO || service == SCHED_VIDEO) {
		return call_packet(&demand->call, sent, now);
	} else if (service == SCHED_BULK) {
		tally_add(&demand->bulk, octets, now);
		if (tally_recent(&demand->bulk) >= BULK_OCTETS)
			demand->bulk_until = now + BULK_QUIET;
	} else {
		demand->signalled_until = now + RINGING;
		return now < demand->bulk_until && now >= demand->both_until;
	}
	return false;
}

bool lane_demand_has_call(const struct lane_demand *demand, uint64_t now)
{
	return call_is_up(&demand->call, now);
}

void lane_demand_refused(
	struct lane_demand *demand, unsigned living, uint64_t retry_after, uint64_t now)
{
	uint64_t wait = demand->backoff * 2;
	if (wait < (uint64_t)BACKOFF_FIRST * SECOND)
		wait = (uint64_t)BACKOFF_FIRST * SECOND;
	if (wait > (uint64_t)BACKOFF_MAX * SECOND)
		wait = (uint64_t)BACKOFF_MAX * SECOND;
	demand->backoff = wait;
	demand->ceiling = living > 1 ? living : 1;
	demand->ceiling_until = now + (wait > retry_after ? wait : retry_after);
}

void lane_demand_opened(struct lane_demand *demand, unsigned living)
{
	if (living > demand->ceiling)
		demand->ceiling = demand->backoff = demand->ceiling_until = 0;
}

static unsigned realtime_needed(
	const struct lane_demand *demand, bool loss, uint32_t srtt, uint64_t now)
{
	if (!lane_demand_has_call(demand, now))
		return 1;
	if (!loss)
		return CALL_LANES;
	uint64_t in_flight =
		(call_rate(&demand->call) * ((uint64_t)srtt + DELAYED_ACK) + SECOND - 1) / SECOND;
	if (in_flight > LANES_MAX)
		return LANES_MAX;
	return in_flight > CALL_LANES ? (unsigned)in_flight : CALL_LANES;
}

static unsigned lanes_allowed(const struct lane_demand *demand, uint64_t now)
{
	bool refused = now < demand->ceiling_until && demand->ceiling < demand->limit;
	return refused ? demand->ceiling : demand->limit;
}

struct lane_wanted lane_demand_wanted(
	struct lane_demand *demand, bool loss, uint32_t srtt, uint64_t now)
{
	struct lane_wanted wanted = {.realtime = 1};
	unsigned allowed = lanes_allowed(demand, now);

	if (demand->fixed) {
		wanted.bulk = demand->fixed > 1;
		wanted.realtime = demand->fixed - wanted.bulk;
	} else {
		unsigned needed = realtime_needed(demand, loss, srtt, now);
		if (needed >= demand->realtime || now >= demand->realtime_until) {
			demand->realtime = needed;
			demand->realtime_until = now + LANE_LINGER_US;
		}
		bool call = lane_demand_has_call(demand, now) || now < demand->signalled_until;
		if (call && now < demand->bulk_until)
			demand->both_until = now + LANE_LINGER_US;
		wanted.realtime = demand->realtime;
		wanted.bulk = now < demand->both_until;
	}
	wanted.bulk = wanted.bulk && allowed > 1;
	if (wanted.realtime + wanted.bulk > allowed)
		wanted.realtime = allowed - wanted.bulk;
	return wanted;
}
