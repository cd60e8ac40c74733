/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the scheduler into the lanes.  A packet stands in a slot that has room for
 * its envelope in front; a large one is encrypted from there, small ones that wait
 * together are staged into one record. */
#include "tunnel_private.h"

#include <string.h>

#include "io/clock.h"
#include "io/priority.h"

enum {
	PUSH_OCTETS = 64 * 1024,    /* encrypted between two looks at the socket, and for packets */
	IN_A_ROW = 2 * 1024 * 1024, /* sent before others may run */
	HOLD_US = 5000,             /* of a lane's rate that may be encrypted at a time */
	RECORD_WORTH = 1200,        /* of realtime that fill a record: what a segment takes */
	UNREAD_OCTETS = 256 * 1024, /* may wait for a peer; more than packets ever do */
	ALL_CLASSES = (1U << SCHED_CLASSES) - 1,
	REALTIME_CLASSES = ALL_CLASSES & ~(1U << SCHED_BULK),
	MEDIA_CLASSES = 1U << SCHED_AUDIO | 1U << SCHED_VIDEO,
};

/* s; that late a tunnel may see that the network carries something again. */
static const double held_interval = 0.01;

static enum counter packets_sent(const struct datapath *datapath)
{
	return datapath->sends_up ? COUNTER_PACKETS_UP : COUNTER_PACKETS_DOWN;
}

static enum counter octets_sent(const struct datapath *datapath)
{
	return datapath->sends_up ? COUNTER_OCTETS_UP : COUNTER_OCTETS_DOWN;
}

/* --- tunnels that have something to send, in the order of their turns ------- */

void tunnel_add_pending(struct tunnel *tunnel)
{
	struct datapath *datapath = tunnel->datapath;
	if (tunnel->is_pending)
		return;
	tunnel->is_pending = true;
	tunnel->pending_next = NULL;
	*(datapath->pending ? &datapath->pending_last->pending_next : &datapath->pending) = tunnel;
	datapath->pending_last = tunnel;
}

static struct tunnel *take_pending(struct datapath *datapath)
{
	struct tunnel *tunnel = datapath->pending;
	datapath->pending = tunnel->pending_next;
	tunnel->is_pending = false;
	return tunnel;
}

void tunnel_remove_pending(struct tunnel *tunnel)
{
	struct datapath *datapath = tunnel->datapath;
	struct tunnel *before = NULL;
	if (!tunnel->is_pending)
		return;
	for (struct tunnel *at = datapath->pending; at != tunnel; at = at->pending_next)
		before = at;
	*(before ? &before->pending_next : &datapath->pending) = tunnel->pending_next;
	if (datapath->pending_last == tunnel)
		datapath->pending_last = before;
	tunnel->is_pending = false;
}

/* --- sending: scheduler to lane ------------------------------------------ */

/* A super-packet goes as one when the peer takes such and will believe it. */
bool tunnel_goes_whole(
	const struct tunnel *tunnel, struct offload *offload, const struct packet *packet)
{
	return offload->type == OFFLOAD_NONE ||
	       (tunnel->offload && offload_check(offload, packet, tunnel->mtu) == OFFLOAD_OK);
}

static struct staged stage_slot(struct tunnel *tunnel, struct lane *lane, struct slot *slot)
{
	struct stage *stage = &tunnel->datapath->stage;
	struct packet packet;
	if (slot->offload.type == OFFLOAD_NONE)
		return stage_whole(stage, lane, slot);
	if (packet_parse(slot_packet(slot), slot->length, &packet) != PACKET_OK)
		return (struct staged){0};
	/* Asked now: by now it may be another peer. */
	if (tunnel_goes_whole(tunnel, &slot->offload, &packet))
		return stage_whole(stage, lane, slot);
	struct staged cut = stage_segments(stage, lane, slot, &packet, tunnel->mtu);
	counter_add(&tunnel->counters, COUNTER_PACKETS_CUT, cut.packets);
	return cut;
}

/* One packet on its way, as far as the stage; takes the slot.  Returns how many
 * octets of envelope came of it. */
static size_t send_slot(struct tunnel *tunnel, struct lane *lane, struct slot *slot)
{
	struct datapath *datapath = tunnel->datapath;
	struct staged staged = stage_slot(tunnel, lane, slot);
	if (staged.packets == 0)
		counter_add(&tunnel->counters, COUNTER_DROP_TOO_BIG, 1);
	counter_add(&tunnel->counters, packets_sent(datapath), staged.packets);
	counter_add(&tunnel->counters, octets_sent(datapath), staged.packet_octets);
	slab_give(&datapath->slab, slot);
	return staged.octets;
}

/* How much of what the scheduler lets go is encrypted at a time: what is encrypted
 * cannot be overtaken, so no more than HOLD_US of the lane's rate, except where bulk
 * has the lane to itself: a call may begin, and acknowledgements always wait. */
static size_t batch_octets(const struct tunnel *tunnel, const struct lane *lane)
{
	const struct lane_tcp *tcp = &lane->tcp;
	if (lane->class == CONTROL_LANE_BULK || tcp->delivery_rate == 0)
		return PUSH_OCTETS;
	/* Where it was we who held it up, the lane may well be faster. */
	uint64_t octets = tcp->delivery_rate * HOLD_US / 1000000 * (tcp->rate_is_floor ? 2 : 1);
	if (octets < tunnel->mtu)
		return tunnel->mtu;
	return octets < PUSH_OCTETS ? (size_t)octets : PUSH_OCTETS;
}

/* A super-packet that is longer than that is cut, and the rest goes back.  Takes
 * the slot; returns what is to be sent now. */
static struct slot *shorten(struct tunnel *tunnel, struct slot *slot, size_t octets)
{
	enum { HEADERS = 128 };
	if (slot->length <= octets || slot->offload.segment_size == 0)
		return slot;
	size_t length, first = octets / slot->offload.segment_size;
	first += first == 0;
	size_t room = first * slot->offload.segment_size + HEADERS;
	struct slab *slab = &tunnel->datapath->slab;
	struct slot *part = room < slot->length ? slab_take(slab, room) : NULL;
	if (!part)
		return slot;
	size_t rest = offload_cut(&slot->offload, slot_packet(slot), slot->length, (unsigned)first,
		slot_packet(part), &length, &part->offload);
	if (rest == 0) {
		slab_give(slab, part);
		return slot;
	}
	part->length = (uint32_t)length;
	part->arrived = slot->arrived;
	part->flow = slot->flow;
	part->service = slot->service;
	part->spread = slot->spread;
	slot->length -= (uint32_t)rest;
	memmove(slot_packet(slot), slot_packet(slot) + rest, slot->length);
	sched_put_back(&tunnel->sched, slot);
	return part;
}

/* Encrypts about as much as may be at a time of these classes; returns how much. */
static size_t encrypt_batch(
	struct tunnel *tunnel, struct lane *lane, unsigned classes, uint64_t now)
{
	size_t total = 0, limit = batch_octets(tunnel, lane);
	struct slot *slot;
	while (total < limit && (slot = sched_dequeue_from(&tunnel->sched, classes, now))) {
		if (limit < PUSH_OCTETS)
			slot = shorten(tunnel, slot, limit);
		realtime_waited(&tunnel->realtime, slot, lane, now);
		total += send_slot(tunnel, lane, slot);
	}
	stage_empty(&tunnel->datapath->stage, lane);
	return total;
}

/* What is staged goes, in one record. */
static void send_staged(struct tunnel *tunnel, struct lane *lane, size_t octets, uint64_t now)
{
	stage_empty(&tunnel->datapath->stage, lane);
	lane_flush(lane);
	lane_set_sent(&tunnel->lanes, lane, (uint32_t)octets, now);
}

/* What goes once more, on another lane. */
static void push_copies(struct tunnel *tunnel, uint64_t now)
{
	struct lane *lane;
	struct copies_held *held;
	while ((held = realtime_next_copy(&tunnel->realtime, &tunnel->lanes, &lane, now))) {
		struct stage *stage = &tunnel->datapath->stage;
		size_t octets = stage_packet(stage, lane, held->octets, held->length);
		held->sent = 0;
		send_staged(tunnel, lane, octets, now);
		counter_add(&tunnel->counters, COUNTER_COPIES_SENT, 1);
	}
}

/* Each packet takes the lane that is best for it now.  Those that wait together
 * share a record as far as they fit one segment, which is lost or comes as one;
 * when many wait, they are shared out over the lanes, a record for each.  One that
 * must wait for its lane holds up its class, and no other. */
static void push_realtime(struct tunnel *tunnel, uint64_t now)
{
	size_t share = tunnel->sched.realtime_octets / tunnel->lanes.count, staged = 0;
	unsigned classes = REALTIME_CLASSES;
	struct lane *open = NULL; /* has packets on the stage */
	struct slot *slot;
	if (share < RECORD_WORTH)
		share = RECORD_WORTH;
	while (classes && (slot = sched_dequeue_from(&tunnel->sched, classes, now))) {
		struct lane *lane = realtime_choose(&tunnel->realtime, &tunnel->lanes, slot, now);
		if (open && open != lane) {
			send_staged(tunnel, open, staged, now);
			open = NULL;
		}
		if (!lane) {
			sched_put_back(&tunnel->sched, slot);
			classes &= ~(1U << slot->service);
			continue;
		}
		realtime_waited(&tunnel->realtime, slot, lane, now);
		staged = (open ? staged : 0) + send_slot(tunnel, lane, slot);
		open = lane;
		if (staged >= share) {
			send_staged(tunnel, open, staged, now);
			open = NULL;
		}
	}
	if (open)
		send_staged(tunnel, open, staged, now);
}

/* Nothing is encrypted before the socket has taken what was.  When other tunnels
 * wait, or the loop has had its fill, one batch must do: the rest gets its turn. */
static void push_through(struct tunnel *tunnel, struct lane *lane, unsigned classes, uint64_t now)
{
	struct datapath *datapath = tunnel->datapath;
	size_t octets;
	while (lane_is_ready(lane) && (octets = encrypt_batch(tunnel, lane, classes, now)) > 0) {
		lane_flush(lane);
		if (tunnel->lanes.count == 1)
			silence_sent(&tunnel->lanes.silence, now);
		datapath->turn += octets;
		if (datapath->pending || datapath->turn >= PUSH_OCTETS) {
			tunnel_writable(tunnel);
			return;
		}
	}
}

/* What the lanes' TCP tells, from time to time. */
static void step_realtime(struct tunnel *tunnel, uint64_t now)
{
	const uint64_t *count = tunnel->counters.value;
	realtime_step(&tunnel->realtime, &tunnel->lanes, count[media_sent(tunnel->datapath)],
		count[COUNTER_DROP_STALE], now);
}

/* What may go on a lane that is alone.  In a call media waits while the network carries
 * nothing, where it can become stale, and bulk for a lane of its own. */
static unsigned classes_alone(struct tunnel *tunnel, const struct lane *lane, uint64_t now)
{
	unsigned classes = ALL_CLASSES;
	if (call_is_up(&tunnel->realtime.call, now)) {
		lane_set_look(&tunnel->lanes, now);
		if (tunnel->lanes.cut)
			classes &= ~MEDIA_CLASSES;
	}
	if (realtime_holds_bulk(&tunnel->realtime, lane, now))
		classes &= ~(1U << SCHED_BULK);
	tunnel->lanes.held = classes != ALL_CLASSES;
	return classes;
}

/* What goes before the bulk of any tunnel.  A lane that fails leaves the set at
 * once, but lives until the loop turns. */
static void push_first(struct tunnel *tunnel, uint64_t now)
{
	struct lane *lane = lane_set_first(&tunnel->lanes);
	tunnel->lanes.held = false;
	if (!lane)
		return;
	if (tunnel->lanes.count > 1) {
		lane_set_look(&tunnel->lanes, now);
		tunnel->lanes.held = lane_set_hurry(&tunnel->lanes, now);
		if (realtime_is_due(&tunnel->realtime, now))
			step_realtime(tunnel, now);
		push_realtime(tunnel, now);
		push_copies(tunnel, now);
	} else if (tunnel->sched.realtime_octets > 0 && lane_is_ready(lane) &&
		   encrypt_batch(tunnel, lane, REALTIME_CLASSES & classes_alone(tunnel, lane, now),
			   now) > 0) {
		lane_flush(lane);
		silence_sent(&tunnel->lanes.silence, now);
	}
}

static void push_rest(struct tunnel *tunnel, uint64_t now)
{
	struct lane *lane = lane_set_first(&tunnel->lanes);
	if (!lane)
		return;
	if (tunnel->lanes.count == 1) {
		tunnel->sched.bulk_rtt = lane->tcp.rtt;
		push_through(tunnel, lane, classes_alone(tunnel, lane, now), now);
		lane_look_at_times(lane, now);
		if (realtime_is_due(&tunnel->realtime, now))
			step_realtime(tunnel, now);
		return;
	}
	lane = lane_set_for_bulk(&tunnel->lanes, now);
	if (!lane)
		return;
	tunnel->sched.bulk_rtt = lane->tcp.rtt;
	push_through(tunnel, lane, 1U << SCHED_BULK, now);
}

/* Those who wait for the network are asked again, and soon. */
static void keep_held(struct datapath *datapath, struct tunnel *held)
{
	if (held && !ev_is_active(&datapath->held))
		ev_timer_again(datapath->loop, &datapath->held);
	else if (!held)
		ev_timer_stop(datapath->loop, &datapath->held);
	for (struct tunnel *next; held; held = next) {
		next = held->pending_next;
		held->is_pending = false;
		tunnel_add_pending(held);
	}
}

/* Realtime of all tunnels, then bulk in turns of one batch: no tunnel waits for all
 * that another has.  The loop looks for packets in between, and lets others run: who
 * receives what was sent, above all. */
static void on_push(struct ev_loop *loop, struct ev_prepare *watcher, int events)
{
	(void)events;
	struct datapath *datapath = watcher->data;
	struct tunnel *tunnel = datapath->pending, *held = NULL;
	uint64_t now = tunnel ? clock_now() : 0;
	/* Bulk's share is minded where a tunnel is alone with its lane. */
	bool alone = tunnel && !tunnel->pending_next && tunnel->lanes.count < 2;

	datapath->turn = 0;
	for (; tunnel && !alone; tunnel = tunnel->pending_next)
		push_first(tunnel, now);
	while (datapath->pending && datapath->turn < PUSH_OCTETS) {
		tunnel = take_pending(datapath);
		push_rest(tunnel, now);
		if (!tunnel->lanes.held || tunnel->is_pending)
			continue;
		tunnel->is_pending = true;
		tunnel->pending_next = held;
		held = tunnel;
	}
	datapath->in_a_row += datapath->turn;
	if (datapath->in_a_row >= IN_A_ROW) {
		datapath->in_a_row = 0;
		priority_give_way();
	}
	if (datapath->pending)
		ev_idle_start(loop, &datapath->more);
	else
		ev_idle_stop(loop, &datapath->more);
	keep_held(datapath, held);
}

/* More waits: the loop does not. */
static void on_more(struct ev_loop *loop, struct ev_idle *watcher, int events)
{
	(void)loop;
	(void)watcher;
	(void)events;
}

/* Nothing to do but to have the loop turn, see on_push. */
static void on_held(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)loop;
	(void)watcher;
	(void)events;
}

void tunnel_writable(struct tunnel *tunnel)
{
	if (!sched_is_empty(&tunnel->sched))
		tunnel_add_pending(tunnel);
}

/* Who asks and never reads the answers must not fill our memory. */
static bool reads_answers(struct tunnel *tunnel, const struct lane *lane)
{
	if (tls_unsent(lane->tls) <= UNREAD_OCTETS)
		return true;
	counter_add(&tunnel->counters, COUNTER_DROP_UNREAD, 1);
	return false;
}

void tunnel_packet_on(
	struct tunnel *tunnel, struct lane *lane, const uint8_t *packet, size_t length)
{
	uint8_t *envelope = tunnel->datapath->control;
	if (length == 0 || !reads_answers(tunnel, lane))
		return;
	envelope_put_header(envelope, ENVELOPE_IP, length);
	memcpy(envelope + ENVELOPE_HEADER, packet, length);
	lane_send(lane, envelope, ENVELOPE_HEADER + length);
	lane_flush(lane);
}

void tunnel_control_on(
	struct tunnel *tunnel, struct lane *lane, const struct control_message *message)
{
	struct datapath *datapath = tunnel->datapath;
	if (tunnel->plain) {
		counter_add(&tunnel->counters, COUNTER_DROP_PLAIN_CONTROL, 1);
		return;
	}
	if (!reads_answers(tunnel, lane))
		return;
	size_t length = control_encode(message, datapath->control, sizeof(datapath->control));
	lane_send(lane, datapath->control, length);
	lane_flush(lane);
}

void tunnel_control(struct tunnel *tunnel, const struct control_message *message)
{
	struct lane *lane = lane_set_first(&tunnel->lanes);
	if (lane)
		tunnel_control_on(tunnel, lane, message);
}

/* --- life ---------------------------------------------------------------- */

void datapath_send_start(struct datapath *datapath)
{
	ev_prepare_init(&datapath->push, on_push);
	ev_timer_init(&datapath->held, on_held, 0., held_interval);
	ev_idle_init(&datapath->more, on_more);
	datapath->push.data = datapath;
	ev_prepare_start(datapath->loop, &datapath->push);
}

void datapath_send_stop(struct datapath *datapath)
{
	ev_prepare_stop(datapath->loop, &datapath->push);
	ev_timer_stop(datapath->loop, &datapath->held);
	ev_idle_stop(datapath->loop, &datapath->more);
}
