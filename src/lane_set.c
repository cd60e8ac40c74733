/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What core/lane_choice needs to know, asked of the kernel. */
#include "lane_set.h"

#include <string.h>

/* A packet whose flow keeps to one lane may be encrypted behind that much which
 * the socket has not taken: it would have to wait for it anyway, and may not
 * hold up others of its class. */
enum { STEADY_UNSENT = 16 * 1024 };

enum {
	LOOK_EVERY = 1000,    /* us: nothing that is decided by it changes faster */
	RESUME_MAX = 250000,  /* us; then voice goes behind what is sent again, or never would */
	PROBE_EVERY = 500000, /* us; and only on a lane with nothing on its way */
	HURRY_FOR = 5000000,  /* us; after so long it will not matter how soon the end is seen */
};

bool lane_set_add(struct lane_set *set, struct lane *lane)
{
	if (set->count == LANES_MAX)
		return false;
	set->lane[set->count] = lane;
	set->view[set->count] = (struct lane_view){
		.usable = true, .ready = true, .class = lane->class, .index = lane->index};
	set->count++;
	return true;
}

static unsigned place_of(const struct lane_set *set, const struct lane *lane)
{
	unsigned place = 0;
	while (place < set->count && set->lane[place] != lane)
		place++;
	return place;
}

static void calm(const struct lane_set *set)
{
	for (unsigned i = 0; i < set->count; i++)
		lane_tcp_calm(&set->lane[i]->tcp, set->lane[i]->fd);
}

void lane_set_remove(struct lane_set *set, const struct lane *lane)
{
	unsigned place = place_of(set, lane);
	if (place == set->count)
		return;
	calm(set); /* it may leave the spared one alone */
	set->count--;
	size_t behind = set->count - place;
	memmove(&set->lane[place], &set->lane[place + 1], behind * sizeof(set->lane[0]));
	memmove(&set->view[place], &set->view[place + 1], behind * sizeof(set->view[0]));
}

void lane_set_clear(struct lane_set *set)
{
	set->count = 0;
}

/* With one lane there is nothing to wait for: bulk may keep it so. */
static bool all_are_blocked(const struct lane_set *set)
{
	if (set->count < 2)
		return false;
	for (unsigned i = 0; i < set->count; i++)
		if (!set->view[i].blocked)
			return false;
	return true;
}

/* Whatever comes on any of them tells that the network carries something.  The first
 * to come may be what the peer had said before; until a lane has sent again what was
 * lost, what it is given becomes old in its queue. */
static void note_cut(struct lane_set *set, uint64_t now)
{
	uint32_t rtt = 0, rttvar = 0;
	for (unsigned i = 0; i < set->count; i++) {
		const struct lane_tcp *tcp = &set->lane[i]->tcp;
		rtt = tcp->rtt > rtt ? tcp->rtt : rtt;
		rttvar = tcp->rttvar > rttvar ? tcp->rttvar : rttvar;
		silence_moved(&set->silence, tcp->moved);
	}
	bool silent = silence_is_silent(&set->silence, rtt, rttvar, now);
	if (silent)
		set->resumed = now;
	bool cut = silent || (set->cut && now - set->resumed < RESUME_MAX && all_are_blocked(set));
	if (cut == set->cut)
		return;
	set->cut = cut;
	set->probed = now;
	for (unsigned i = 0; i < set->count; i++)
		lane_tcp_be_patient(set->lane[i]->fd, cut);
}

static void ask(struct lane_set *set, unsigned place, uint64_t now)
{
	struct lane *lane = set->lane[place];
	const struct lane_tcp *tcp = &lane->tcp;
	lane_look(lane, now);
	lane_view_read(&set->view[place],
		tcp->unacked + tcp->unsent + (uint32_t)tls_unsent(lane->tls), tcp->acknowledged,
		tcp->rtt, now);
	set->view[place].blocked = tcp->blocked;
}

void lane_set_look(struct lane_set *set, uint64_t now)
{
	for (unsigned i = 0; i < set->count; i++)
		set->view[i].ready = lane_is_ready(set->lane[i]);
	if (now - set->looked < LOOK_EVERY)
		return;
	set->looked = now;
	for (unsigned i = 0; i < set->count; i++)
		ask(set, i, now);
	note_cut(set, now);
}

/* The lane that outlives a process that was late: the one for bulk, which voice can
 * do without, or that which both ends know as the first. */
static const struct lane *choose_spared(const struct lane_set *set)
{
	const struct lane *spared = set->lane[0];
	for (unsigned i = 0; i < set->count; i++) {
		const struct lane *lane = set->lane[i];
		if (lane->class == CONTROL_LANE_BULK)
			return lane;
		if (lane->index < spared->index)
			spared = lane;
	}
	return spared;
}

bool lane_set_hurry(struct lane_set *set, uint64_t now)
{
	bool hurry = false;
	const struct lane *spared = choose_spared(set);
	for (unsigned i = 0; i < set->count; i++) {
		struct lane *lane = set->lane[i];
		/* Without anything unacknowledged the peer's window is full: nothing is
		 * sent again, and a short timeout would end the lane. */
		if (set->cut && lane != spared && lane->tcp.unacked > 0 &&
			(lane->tcp.resending || lane_is_stalled(&set->view[i], now)) &&
			now - set->view[i].progress < HURRY_FOR) {
			lane_tcp_hurry(&lane->tcp, lane->fd, now);
			hurry = true;
		} else {
			lane_tcp_calm(&lane->tcp, lane->fd);
		}
	}
	return hurry;
}

/* A lane whose timers are fresh sees the network's return sooner than those that
 * have waited for it. */
static struct lane *choose_probe(struct lane_set *set, uint64_t now)
{
	set->held = true;
	if (now - set->probed < PROBE_EVERY)
		return NULL;
	for (unsigned i = 0; i < set->count; i++) {
		if (set->view[i].queued || !lane_is_ready(set->lane[i]))
			continue;
		set->probed = now;
		return set->lane[i];
	}
	return NULL;
}

struct lane *lane_set_choose(struct lane_set *set, const struct slot *slot, uint64_t now)
{
	if (slot->spread && set->cut)
		return choose_probe(set, now);
	int place = lane_choose(set->view, set->count, (enum sched_class)slot->service,
		slot->spread, slot->flow, now);
	if (place == LANE_NONE)
		return NULL;
	struct lane *lane = set->lane[place];
	if (lane_is_ready(lane))
		return lane;
	return !slot->spread && tls_unsent(lane->tls) < STEADY_UNSENT ? lane : NULL;
}

struct lane *lane_set_for_bulk(const struct lane_set *set, uint64_t now)
{
	int place = lane_choose(set->view, set->count, SCHED_BULK, false, 0, now);
	return place == LANE_NONE ? NULL : set->lane[place];
}

void lane_set_sent(struct lane_set *set, const struct lane *lane, uint32_t octets, uint64_t now)
{
	unsigned place = place_of(set, lane);
	if (place == set->count)
		return; /* it failed meanwhile */
	set->view[place].ready = lane_is_ready(lane);
	lane_view_sent(&set->view[place], octets, now);
	silence_sent(&set->silence, now);
}
