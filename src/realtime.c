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

static unsigned place_of(const struct lane_set *set, const struct lane *lane)
{
	unsigned place = 0;
	while (place < set->count && set->lane[place] != lane)
		place++;
	return place;
}

static struct lane *choose_copy(struct realtime *realtime, const struct lane_set *set,
	const struct lane *first, const struct slot *slot, uint64_t now)
{
	int place = lane_choose_copy(set->view, set->count, (int)place_of(set, first), now);
	if (place == LANE_NONE || !lane_is_ready(set->lane[place]) ||
		!copies_allowed(realtime->out, realtime->copies,
			lane_loss_seen(&realtime->loss, now), slot->length, now))
		return NULL;
	realtime->copied = now;
	return set->lane[place];
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

struct realtime_way realtime_choose(
	struct realtime *realtime, struct lane_set *set, struct slot *slot, uint64_t now)
{
	struct realtime_way way = {.lane = NULL};
	if (!realtime->out || !is_concerned(slot)) {
		way.lane = lane_set_choose(set, slot, now);
		return way;
	}
	uint64_t hash = copies_hash(realtime->out, slot_packet(slot), slot->length);
	int repeated = copies_repeated(realtime->out, hash, now);
	way.lane = repeated == LANE_NONE ? NULL : lane_with(set, repeated);
	if (way.lane && tls_unsent(way.lane->tls) > REPEAT_UNSENT)
		way.lane = NULL;
	if (!way.lane) {
		way.lane = lane_set_choose(set, slot, now);
		if (way.lane && copies_service((enum sched_class)slot->service))
			way.copy = choose_copy(realtime, set, way.lane, slot, now);
	}
	if (way.lane)
		copies_sent(realtime->out, hash, way.lane->index, now);
	return way;
}

bool realtime_is_copy(struct realtime *realtime, const struct lane *lane,
	const struct packet *packet, enum sched_class service, uint64_t now)
{
	if (!realtime->in || service == SCHED_SIGNALLING || !copies_concern(packet))
		return false;
	uint64_t hash = copies_hash(realtime->in, packet->octets, packet->length);
	return copies_received(realtime->in, hash, lane->index, now);
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

/* The smallest round trip of those lanes that have measured one since. */
static void measure_rtt(struct realtime *realtime, const struct lane_set *set, uint64_t now)
{
	uint32_t rtt = 0;
	for (unsigned i = 0; i < set->count; i++) {
		const struct lane *lane = set->lane[i];
		uint64_t *acked = &realtime->acked[lane->index % LANES_MAX];
		if (lane->class == CONTROL_LANE_BULK || lane->tcp.acknowledged == *acked)
			continue;
		*acked = lane->tcp.acknowledged;
		if (rtt == 0 || lane->tcp.rtt < rtt)
			rtt = lane->tcp.rtt;
	}
	pace_measured(&realtime->pace, rtt, now);
}

static const struct lane *bulk_lane(const struct lane_set *set)
{
	for (unsigned i = 0; i < set->count; i++)
		if (set->lane[i]->class == CONTROL_LANE_BULK)
			return set->lane[i];
	return NULL;
}

/* A lane that bulk alone uses, if there is one; it begins without a limit. */
static void set_pace(struct realtime *realtime, const struct lane_set *set, uint64_t now)
{
	const struct lane *lane = set->count > 1 ? bulk_lane(set) : NULL;
	if (lane != realtime->paced) {
		realtime->paced = lane;
		realtime->pacing = 0;
	}
	if (!lane)
		return;
	uint64_t rate = pace_rate(
		&realtime->pace, call_is_up(&realtime->call, now), lane->tcp.delivered, now);
	if (rate == realtime->pacing)
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
	measure_rtt(realtime, set, now);
	set_pace(realtime, set, now);
}

/* --- figures ---------------------------------------------------------------- */

double realtime_rating(const struct realtime *realtime, const struct lane_set *set, uint64_t now)
{
	if (!call_is_up(&realtime->call, now))
		return -1;
	struct call_path path = {
		.waiting = delay_quantile(&realtime->delay[SCHED_AUDIO], 990, now),
		.stale_ppm = lane_loss_ppm(&realtime->stale, now),
		.loss_ppm = lane_loss_ppm(&realtime->loss, now),
		.rate = tally_rate(&realtime->call.packets[1]),
		.copies = realtime->copied && now - realtime->copied < COPYING_US ? 2 : 1,
	};
	for (unsigned i = 0; i < set->count; i++) {
		const struct lane *lane = set->lane[i];
		if (lane->class == CONTROL_LANE_BULK)
			continue;
		path.lanes++;
		if (path.rtt == 0 || (lane->tcp.rtt && lane->tcp.rtt < path.rtt))
			path.rtt = lane->tcp.rtt;
	}
	return call_quality(&path);
}
