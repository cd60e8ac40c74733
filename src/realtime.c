/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between core/ and the lanes: nothing is decided here that core/ can decide. */
#include "realtime.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "io/clock.h"

enum {
	REPEAT_UNSENT = 16 * 1024, /* octets that a repeated packet, which has no choice, may
				      wait behind in its lane */
	RTT_OCTETS = 12000,        /* about eight segments, over which TCP smooths */
	COPYING_US = 10000000,     /* so long after a copy it is said that there are any */
};

void realtime_fini(struct realtime *realtime)
{
	free(realtime->out);
	free(realtime->in);
	realtime->out = realtime->in = NULL;
}

/* NULL, and then nothing is copied, when there is no memory. */
static struct copies *remember(void)
{
	struct copies *copies = malloc(sizeof(*copies));
	uint8_t key[SIPHASH_KEY] = {0};
	if (!copies || getrandom(key, sizeof(key), 0) != sizeof(key)) {
		free(copies);
		return NULL;
	}
	copies_init(copies, key);
	return copies;
}

void realtime_set_copies(struct realtime *realtime, enum copies_mode mode, bool peer_knows)
{
	realtime->copies = mode;
	realtime->peer_knows_copies = peer_knows;
}

void realtime_lanes_changed(struct realtime *realtime, const struct lane_set *set)
{
	realtime->paced = NULL;
	if (set->count < 2 || !realtime->peer_knows_copies) {
		realtime_fini(realtime);
	} else if (!realtime->out || !realtime->in) {
		realtime_fini(realtime);
		realtime->out = remember();
		realtime->in = remember();
	}
}

/* --- copies ---------------------------------------------------------------- */

static struct lane *lane_with(const struct lane_set *set, int index)
{
	for (unsigned i = 0; i < set->count; i++)
		if (set->lane[i]->index == index)
			return set->lane[i];
	return NULL;
}

/* What the peer might take for a copy. */
static bool is_concerned(struct slot *slot)
{
	struct packet packet;
	return slot->spread && slot->length <= COPIES_LARGEST &&
	       slot->offload.type == OFFLOAD_NONE &&
	       packet_parse(slot_packet(slot), slot->length, &packet) == PACKET_OK &&
	       copies_concern(&packet);
}

/* Its copy goes a little later, so that one burst of losses does not take both. */
static void hold_copy(
	struct realtime *realtime, struct slot *slot, const struct lane *lane, uint64_t now)
{
	if (copies_allowed(realtime->out, realtime->copies, lane_loss_seen(&realtime->loss, now),
		    slot->length, now))
		copies_hold(realtime->out, slot_packet(slot), slot->length, lane->index, now);
}

/* LANE_NONE when the lane has gone. */
static int place_with(const struct lane_set *set, uint8_t index)
{
	for (unsigned i = 0; i < set->count; i++)
		if (set->lane[i]->index == index)
			return (int)i;
	return LANE_NONE;
}

struct copies_held *realtime_next_copy(
	struct realtime *realtime, const struct lane_set *set, struct lane **lane, uint64_t now)
{
	struct copies_held *held;
	while (realtime->out && (held = copies_due(realtime->out, now))) {
		int place =
			lane_choose_copy(set->view, set->count, place_with(set, held->lane), now);
		if (place != LANE_NONE && lane_is_ready(set->lane[place])) {
			*lane = set->lane[place];
			realtime->copied = now;
			return held;
		}
		held->sent = 0; /* no lane is good enough: it goes without */
	}
	return NULL;
}

struct lane *realtime_choose(
	struct realtime *realtime, struct lane_set *set, struct slot *slot, uint64_t now)
{
	if (!realtime->out || !is_concerned(slot))
		return lane_set_choose(set, slot, now);
	uint64_t hash = copies_hash(realtime->out, slot_packet(slot), slot->length);
	int repeated = copies_repeated(realtime->out, hash, now);
	struct lane *lane = repeated == LANE_NONE ? NULL : lane_with(set, repeated);
	if (lane && tls_unsent(lane->tls) > REPEAT_UNSENT)
		lane = NULL;
	if (!lane) {
		lane = lane_set_choose(set, slot, now);
		if (lane && copies_service((enum sched_class)slot->service))
			hold_copy(realtime, slot, lane, now);
	}
	if (lane)
		copies_sent(realtime->out, hash, lane->index, now);
	return lane;
}

bool realtime_is_copy(struct realtime *realtime, const struct lane *lane,
	const struct packet *packet, enum sched_class service, uint64_t now)
{
	if (!realtime->in || service == SCHED_SIGNALLING || !copies_concern(packet))
		return false;
	uint64_t hash = copies_hash(realtime->in, packet->octets, packet->length);
	return copies_received(realtime->in, hash, lane->index, now);
}

bool realtime_holds_bulk(const struct realtime *realtime, const struct lane *lane, uint64_t now)
{
	if (!realtime->peer_knows_copies || !call_is_up(&realtime->call, now))
		return false;
	uint64_t most = REALTIME_HOLD_US + 4 * (uint64_t)lane->tcp.rtt;
	if (most > REALTIME_HOLD_MAX_US)
		most = REALTIME_HOLD_MAX_US;
	return now - realtime->call.since < most;
}

/* --- how the lanes do ------------------------------------------------------- */

static uint32_t since(uint64_t now, uint64_t *before)
{
	/* Less than before: a lane has gone, and what it had counted. */
	uint32_t more = now > *before ? (uint32_t)(now - *before) : 0;
	*before = now;
	return more;
}

static void measure_loss(struct realtime *realtime, const struct lane_set *set, uint64_t now)
{
	uint64_t segments = 0, lost = 0;
	for (unsigned i = 0; i < set->count; i++) {
		const struct lane_tcp *tcp = &set->lane[i]->tcp;
		if (set->lane[i]->class == CONTROL_LANE_BULK)
			continue;
		segments += tcp->segments_sent + tcp->segments_come;
		lost += tcp->retransmitted + tcp->came_out_of_turn;
	}
	uint32_t more = since(segments, &realtime->segments);
	lane_loss_measured(&realtime->loss, more, since(lost, &realtime->lost), now);
}

static const struct lane *bulk_lane(const struct lane_set *set)
{
	for (unsigned i = 0; i < set->count; i++)
		if (set->lane[i]->class == CONTROL_LANE_BULK)
			return set->lane[i];
	return NULL;
}

/* The least that each lane has seen; and what that of bulk sees now, once enough
 * of it was acknowledged that its smoothed round trip is a new one. */
static void measure_rtt(struct realtime *realtime, const struct lane_set *set,
	const struct lane *bulk, uint64_t now)
{
	for (unsigned i = 0; i < set->count; i++)
		pace_base(&realtime->pace, set->lane[i]->tcp.min_rtt, now);
	if (bulk && bulk->tcp.delivered >= realtime->measured + RTT_OCTETS) {
		realtime->measured = bulk->tcp.delivered;
		pace_measured(&realtime->pace, bulk->tcp.rtt, now);
	}
}

static uint64_t delivered_by(const struct lane_set *set)
{
	uint64_t delivered = 0;
	for (unsigned i = 0; i < set->count; i++)
		delivered += set->lane[i]->tcp.delivered;
	return delivered;
}

/* A lane that bulk alone uses, if there is one; it begins without a limit.  Until
 * there is one, what bulk has is noted. */
static void set_pace(struct realtime *realtime, const struct lane_set *set, uint64_t now)
{
	const struct lane *lane = set->count > 1 ? bulk_lane(set) : NULL;
	if (lane != realtime->paced) {
		realtime->paced = lane;
		realtime->pacing = 0;
		realtime->measured = 0;
	}
	measure_rtt(realtime, set, lane, now);
	uint64_t rate = pace_rate(
		&realtime->pace, lane && call_is_up(&realtime->call, now), delivered_by(set), now);
	if (!lane || rate == realtime->pacing)
		return;
	realtime->pacing = rate;
	/* A kernel that cannot leaves it unlimited. */
	setsockopt(lane->fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
}

void realtime_step(struct realtime *realtime, const struct lane_set *set, uint64_t offered,
	uint64_t stale, uint64_t now)
{
	realtime->stepped = now;
	measure_loss(realtime, set, now);
	uint32_t more = since(offered, &realtime->offered);
	lane_loss_measured(&realtime->stale, more, since(stale, &realtime->dropped), now);
	set_pace(realtime, set, now);
}

/* --- figures ---------------------------------------------------------------- */

uint32_t realtime_rtt(const struct lane_set *set)
{
	uint32_t best = 0;
	for (unsigned i = 0; i < set->count; i++) {
		uint32_t rtt = set->lane[i]->tcp.rtt;
		if (set->lane[i]->class != CONTROL_LANE_BULK && rtt && (best == 0 || rtt < best))
			best = rtt;
	}
	return best;
}

double realtime_rating(const struct realtime *realtime, const struct lane_set *set, uint64_t now)
{
	if (!call_is_up(&realtime->call, now))
		return -1;
	struct call_path path = {
		.rtt = realtime_rtt(set),
		.waiting = delay_quantile(&realtime->delay[SCHED_AUDIO], 990, now),
		.stale_ppm = lane_loss_ppm(&realtime->stale, now),
		.loss_ppm = lane_loss_ppm(&realtime->loss, now),
		.rate = tally_rate(&realtime->call.packets[1]),
		.copies = realtime->copied && now - realtime->copied < COPYING_US ? 2 : 1,
	};
	for (unsigned i = 0; i < set->count; i++)
		path.lanes += set->lane[i]->class != CONTROL_LANE_BULK;
	return call_quality(&path);
}
