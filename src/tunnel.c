/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets from the TUN into envelopes, and back.  A packet is read into a slot
 * that has room for its envelope in front; a large one is encrypted from
 * there, small ones that wait together are staged into one record. */
#include "tunnel.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "core/mss.h"
#include "io/clock.h"

enum {
	SMALL_SLOTS = 4096,
	BIG_SLOTS = 192,
	TUN_READS = 128,          /* packets per wake-up */
	TUN_OCTETS = 512 * 1024,  /* and octets, whichever comes first */
	PUSH_OCTETS = 64 * 1024,  /* encrypted between two looks at the socket */
	TURN_OCTETS = 512 * 1024, /* of all tunnels, before the loop looks for packets again */
	HOLD_US = 5000,           /* of a lane's rate that may be encrypted at a time in a call */
	RECORD_WORTH = 1200,      /* realtime per lane that had better share a record */
	ICMP_RATE = 1000, /* errors per second, as Linux limits its own (RFC 4443 2.4 (f)) */
	ICMP_BURST = 50,
	UNREAD_OCTETS = 256 * 1024, /* may wait for a peer; more than packets ever do */
	ALL_CLASSES = (1U << SCHED_CLASSES) - 1,
	REALTIME_CLASSES = ALL_CLASSES & ~(1U << SCHED_BULK),
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

static enum counter media_sent(const struct datapath *datapath)
{
	return datapath->sends_up ? COUNTER_MEDIA_UP : COUNTER_MEDIA_DOWN;
}

static enum counter media_received(const struct datapath *datapath)
{
	return datapath->sends_up ? COUNTER_MEDIA_DOWN : COUNTER_MEDIA_UP;
}

/* --- tunnels that have something to send, in the order of their turns ------- */

static void add_pending(struct tunnel *tunnel)
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

static void remove_pending(struct tunnel *tunnel)
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
static bool goes_whole(
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
	if (goes_whole(tunnel, &slot->offload, &packet))
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
 * cannot be overtaken, so during a call no more than HOLD_US of the lane's rate,
 * except where bulk has the lane to itself. */
static size_t batch_octets(const struct tunnel *tunnel, const struct lane *lane, uint64_t now)
{
	const struct lane_tcp *tcp = &lane->tcp;
	if (lane->class == CONTROL_LANE_BULK || tcp->delivery_rate == 0 ||
		!call_is_up(&tunnel->realtime.call, now))
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
	size_t total = 0, limit = batch_octets(tunnel, lane, now);
	struct slot *slot;
	while (total < limit && (slot = sched_dequeue_from(&tunnel->sched, classes, now))) {
		if (limit < PUSH_OCTETS)
			slot = shorten(tunnel, slot, limit);
		realtime_waited(&tunnel->realtime, slot, now);
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

/* Each packet takes the lane that is best for it now, in a record of its own,
 * unless many wait: then they are shared out over the lanes, a record for each.
 * One that must wait for its lane holds up its class, and no other. */
static void push_realtime(struct tunnel *tunnel, uint64_t now)
{
	size_t share = tunnel->sched.realtime_octets / tunnel->lanes.count, staged = 0;
	unsigned classes = REALTIME_CLASSES;
	struct lane *open = NULL; /* has packets on the stage */
	struct slot *slot;
	if (share < RECORD_WORTH)
		share = 0;
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
		realtime_waited(&tunnel->realtime, slot, now);
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
		datapath->turn += octets;
		if (datapath->pending || datapath->turn >= TURN_OCTETS) {
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
		if (realtime_is_due(&tunnel->realtime, now))
			step_realtime(tunnel, now);
		push_realtime(tunnel, now);
		push_copies(tunnel, now);
	} else if (tunnel->sched.realtime_octets > 0 && lane_is_ready(lane) &&
		   encrypt_batch(tunnel, lane, REALTIME_CLASSES, now) > 0) {
		lane_flush(lane);
	}
}

static void push_rest(struct tunnel *tunnel, uint64_t now)
{
	struct lane *lane = lane_set_first(&tunnel->lanes);
	if (!lane)
		return;
	if (tunnel->lanes.count == 1) {
		tunnel->lanes.held = false;
		push_through(tunnel, lane, ALL_CLASSES, now);
		if (lane_look_at_times(lane, now))
			step_realtime(tunnel, now);
		return;
	}
	lane = lane_set_for_bulk(&tunnel->lanes, now);
	if (lane)
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
		add_pending(held);
	}
}

/* Realtime of all tunnels, then bulk in turns of one batch: no tunnel waits for all
 * that another has.  The loop looks for packets in between. */
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
	while (datapath->pending && datapath->turn < TURN_OCTETS) {
		tunnel = take_pending(datapath);
		push_rest(tunnel, now);
		if (!tunnel->lanes.held || tunnel->is_pending)
			continue;
		tunnel->is_pending = true;
		tunnel->pending_next = held;
		held = tunnel;
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
		add_pending(tunnel);
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

/* --- TUN to scheduler ---------------------------------------------------- */

static void write_answer(struct datapath *datapath, size_t length)
{
	static const struct offload plain;
	tun_write(datapath->tun, datapath->queue, datapath->answer + LANE_HEADROOM, length, &plain);
}

/* What TCP's segments must fit: both of the hosts hear of this. */
static uint16_t narrowest(const struct tunnel *tunnel)
{
	bool smaller = tunnel->link_mtu && tunnel->link_mtu < tunnel->mtu;
	return smaller ? tunnel->link_mtu : tunnel->mtu;
}

/* What the scheduler goes by; the same for all segments of a super-packet. */
struct label {
	uint32_t flow;
	uint8_t service;
	bool spread;
};

static void note_media(struct tunnel *tunnel, const struct label *label, uint64_t now)
{
	const struct datapath_events *events = tunnel->datapath->events;
	if (label->service != SCHED_AUDIO && label->service != SCHED_VIDEO)
		return;
	bool first = tunnel->last_media == 0 || now - tunnel->last_media > MEDIA_QUIET_US;
	tunnel->last_media = now;
	counter_add(&tunnel->counters, media_sent(tunnel->datapath), 1);
	call_packet(&tunnel->realtime.call, true, now);
	if (first && events->media)
		events->media(tunnel);
}

/* Takes the slot; NULL counts as out of memory. */
static void enqueue(
	struct tunnel *tunnel, struct slot *slot, const struct label *label, uint64_t now)
{
	if (!slot) {
		counter_add(&tunnel->counters, COUNTER_DROP_NO_MEMORY, 1);
		return;
	}
	slot->flow = label->flow;
	slot->service = label->service;
	slot->spread = label->spread;
	slot->arrived = now;
	sched_enqueue(&tunnel->sched, slot, now);
	add_pending(tunnel);
}

/* For what the peer would not take as one: cuts the super-packet here. */
static void enqueue_segments(struct tunnel *tunnel, const struct slot *super,
	const struct packet *packet, const struct label *label, uint64_t now)
{
	struct slab *slab = &tunnel->datapath->slab;
	unsigned segments = offload_segments(&super->offload, packet);
	if (segments == 0)
		counter_add(&tunnel->counters, COUNTER_DROP_NOT_IP, 1);
	for (unsigned i = 0; i < segments; i++) {
		struct slot *slot = slab_take(slab, tunnel->mtu);
		if (slot) {
			slot->length = (uint32_t)offload_segment(
				&super->offload, packet, i, slot_packet(slot), tunnel->mtu);
			counter_add(&tunnel->counters, COUNTER_PACKETS_CUT, 1);
		}
		enqueue(tunnel, slot, label, now);
	}
}

/* Takes the packet in the spare slot away in a slot of its own: a small one
 * into which it is copied, or the spare slot itself, which is then replaced.
 * NULL when memory has run out, and then the packet is lost. */
static struct slot *claim_spare(struct datapath *datapath)
{
	struct slot *spare = datapath->spare;
	struct slot *slot = slab_take(&datapath->slab, spare->length);
	if (!slot)
		return NULL;
	if (slot->big) {
		datapath->spare = slot;
		return spare;
	}
	slot->length = spare->length;
	slot->offload = spare->offload;
	memcpy(slot_packet(slot), slot_packet(spare), spare->length);
	return slot;
}

/* Whether it, or each of its segments, exceeds the tunnel's MTU. */
static bool is_too_big(const struct slot *slot, const struct packet *packet, uint16_t mtu)
{
	if (slot->offload.type == OFFLOAD_NONE)
		return slot->length > mtu;
	return offload_headers(packet) + slot->offload.segment_size > mtu;
}

static size_t too_big(struct datapath *datapath, const struct packet *packet, uint16_t mtu)
{
	const struct address *from = packet->version == 4 ? &datapath->own4 : &datapath->own6;
	return from->version ? packet_too_big(packet, from, mtu, datapath->answer + LANE_HEADROOM)
			     : 0;
}

/* What the peer does not take as one is cut when it is its turn, straight into
 * the record; but each packet of signalling and media is scheduled by itself. */
static bool is_cut_now(const struct tunnel *tunnel, struct slot *slot, const struct packet *packet,
	uint8_t service)
{
	if (service == SCHED_BULK && tunnel->mtu <= STAGE_OCTETS - ENVELOPE_HEADER)
		return false;
	return !goes_whole(tunnel, &slot->offload, packet);
}

/* A packet's checksum is completed here when only that is missing, so that it
 * goes as an ordinary envelope. */
static bool complete_checksum(struct slot *slot)
{
	if (slot->offload.type != OFFLOAD_NONE || slot->offload.flags == 0)
		return true;
	return offload_complete(&slot->offload, slot_packet(slot), slot->length);
}

static void drop(struct datapath *datapath, enum counter why)
{
	counter_add(&datapath->counters, why, 1);
}

/* The packet in the spare slot goes its way. */
static void from_tun(struct datapath *datapath, uint64_t now)
{
	struct slot *slot = datapath->spare;
	struct packet packet;
	enum counter why = COUNTER_DROP_NOT_IP;
	size_t answer = 0;

	if (packet_parse(slot_packet(slot), slot->length, &packet) != PACKET_OK ||
		!complete_checksum(slot)) {
		drop(datapath, COUNTER_DROP_NOT_IP);
		return;
	}
	struct tunnel *tunnel = datapath->events->route(
		datapath->owner, &packet, &why, datapath->answer + LANE_HEADROOM, &answer);
	if (tunnel && is_too_big(slot, &packet, tunnel->mtu)) {
		answer = too_big(datapath, &packet, tunnel->mtu);
		why = COUNTER_DROP_TOO_BIG;
		tunnel = NULL;
	}
	if (!tunnel) {
		drop(datapath, why);
		if (answer && rate_limit_pass(&datapath->icmp, now, ICMP_RATE, ICMP_BURST))
			write_answer(datapath, answer);
		return;
	}
	if (slot->offload.type == OFFLOAD_NONE)
		mss_clamp(&packet, slot_packet(slot), narrowest(tunnel));
	struct label label = {
		.flow = packet_flow(&packet, datapath->flow_key),
		.service = (uint8_t)sched_classify(&datapath->policy, &packet),
		.spread = lane_may_spread(&packet),
	};
	note_media(tunnel, &label, now);
	if (tunnel->demand)
		lane_demand_packet(tunnel->demand, label.service, slot->length, true, now);
	if (is_cut_now(tunnel, slot, &packet, label.service)) {
		enqueue_segments(tunnel, slot, &packet, &label, now);
		return;
	}
	enqueue(tunnel, claim_spare(datapath), &label, now);
}

static void on_tun_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	(void)events;
	struct datapath *datapath = watcher->data;
	uint64_t now = clock_now();
	size_t octets = 0;

	for (int reads = 0; reads < TUN_READS && octets < TUN_OCTETS; reads++) {
		switch (tun_read(datapath->tun, datapath->queue, datapath->spare)) {
		case TUN_OK:
			octets += datapath->spare->length;
			from_tun(datapath, now);
			break;
		case TUN_AGAIN:
			return;
		case TUN_REFUSED:
			drop(datapath, COUNTER_DROP_NOT_IP);
			break;
		case TUN_DOWN:
			/* Readable for ever and never any packet: wait until
			 * somebody has seen the link up (datapath_resume). */
			ev_io_stop(loop, watcher);
			return;
		case TUN_FAILED:
			ev_io_stop(loop, watcher);
			datapath->events->tun_failed(datapath->owner, errno);
			return;
		}
	}
}

/* --- lane to TUN --------------------------------------------------------- */

static void deliver(struct tunnel *tunnel, uint8_t *octets, const struct packet *packet,
	const struct offload *offload)
{
	struct datapath *datapath = tunnel->datapath;
	enum counter why;

	if (!datapath->events->admit(tunnel, packet, &why)) {
		counter_add(&tunnel->counters, why, 1);
		return;
	}
	if (tunnel->demand)
		lane_demand_packet(tunnel->demand, sched_classify(&datapath->policy, packet),
			(uint32_t)packet->length, false, clock_now());
	if (!offload->flags)
		mss_clamp(packet, octets, narrowest(tunnel));
	delivery_add(&datapath->delivery, &tunnel->counters, packet, octets, offload);
}

static void on_parsed(void *owner)
{
	struct datapath *datapath = owner;
	delivery_flush(&datapath->delivery);
}

/* Looks at what may be media: true when it came already, on another lane. */
static bool is_copy(struct tunnel *tunnel, struct lane *lane, const struct packet *packet)
{
	if (packet->protocol != PROTOCOL_UDP)
		return false;
	uint64_t now = clock_now();
	enum sched_class service = sched_classify(&tunnel->datapath->policy, packet);
	if (realtime_is_copy(&tunnel->realtime, lane, packet, service, now)) {
		counter_add(&tunnel->counters, COUNTER_DROP_COPY, 1);
		return true;
	}
	if (service == SCHED_AUDIO || service == SCHED_VIDEO) {
		counter_add(&tunnel->counters, media_received(tunnel->datapath), 1);
		call_packet(&tunnel->realtime.call, false, now);
	}
	return false;
}

static void receive_packet(struct tunnel *tunnel, struct lane *lane, uint8_t *octets, size_t length)
{
	static const struct offload plain;
	struct packet packet;
	enum packet_result result = packet_parse(octets, length, &packet);
	if (result != PACKET_OK) {
		struct reason why;
		reason_set(&why, "an IP envelope without exactly one IP packet: %s",
			packet_result_name(result));
		lane_protocol_error(lane, why.text);
		return;
	}
	if (!is_copy(tunnel, lane, &packet))
		deliver(tunnel, octets, &packet, &plain);
}

static void receive_offloaded(
	struct tunnel *tunnel, struct lane *lane, uint8_t *octets, size_t length)
{
	struct packet packet;
	struct offload offload;
	struct reason why;

	if (!tunnel->offload || length <= OFFLOAD_HEADER) {
		lane_protocol_error(
			lane, tunnel->offload ? "an offload envelope without a packet"
					      : "an offload envelope, which was not negotiated");
		return;
	}
	offload_get_wire(octets, &offload);
	octets += OFFLOAD_HEADER;
	length -= OFFLOAD_HEADER;
	enum packet_result parsed = packet_parse(octets, length, &packet);
	if (parsed != PACKET_OK) {
		reason_set(&why, "an offload envelope without exactly one IP packet: %s",
			packet_result_name(parsed));
		lane_protocol_error(lane, why.text);
		return;
	}
	enum offload_result checked = offload_check(&offload, &packet, tunnel->mtu);
	if (checked != OFFLOAD_OK) {
		reason_set(&why, "an offload header that does not fit its packet: %s",
			offload_result_name(checked));
		lane_protocol_error(lane, why.text);
		return;
	}
	deliver(tunnel, octets, &packet, &offload);
}

void tunnel_receive(struct tunnel *tunnel, struct lane *lane, const struct envelope *envelope)
{
	if (envelope->type == ENVELOPE_IP)
		receive_packet(tunnel, lane, envelope->payload, envelope->length);
	else if (envelope->type == ENVELOPE_OFFLOAD)
		receive_offloaded(tunnel, lane, envelope->payload, envelope->length);
	else if (envelope->type == ENVELOPE_CONTROL)
		tunnel->datapath->events->control(
			tunnel, lane, envelope->payload, envelope->length);
	else
		counter_add(&tunnel->counters, COUNTER_UNKNOWN_ENVELOPES, 1);
}

/* --- life ---------------------------------------------------------------- */

int datapath_init(struct datapath *datapath, struct ev_loop *loop, const struct tun *tun,
	unsigned queue, const struct datapath_events *events, void *owner)
{
	int error = slab_init(&datapath->slab, SMALL_SLOTS, BIG_SLOTS);
	if (error)
		return error;
	datapath->loop = loop;
	datapath->tun = tun;
	datapath->queue = queue;
	datapath->events = events;
	datapath->owner = owner;
	datapath->pending = NULL;
	datapath->stage.used = 0;
	delivery_init(&datapath->delivery, tun, queue, !datapath->sends_up);
	datapath->scratch.parsed = on_parsed;
	datapath->scratch.owner = datapath;
	datapath->spare = slab_take(&datapath->slab, SLOT_BIG);
	sched_policy_default(&datapath->policy);
	if (getrandom(&datapath->flow_key, sizeof(datapath->flow_key), 0) < 0)
		datapath->flow_key = clock_now();
	ev_io_init(&datapath->readable, on_tun_readable, tun->queues[queue], EV_READ);
	ev_prepare_init(&datapath->push, on_push);
	ev_timer_init(&datapath->held, on_held, 0., held_interval);
	ev_idle_init(&datapath->more, on_more);
	datapath->readable.data = datapath->push.data = datapath;
	ev_io_start(loop, &datapath->readable);
	ev_prepare_start(loop, &datapath->push);
	return 0;
}

void datapath_fini(struct datapath *datapath)
{
	ev_io_stop(datapath->loop, &datapath->readable);
	ev_prepare_stop(datapath->loop, &datapath->push);
	ev_timer_stop(datapath->loop, &datapath->held);
	ev_idle_stop(datapath->loop, &datapath->more);
	slab_give(&datapath->slab, datapath->spare);
	slab_fini(&datapath->slab);
}

void datapath_resume(struct datapath *datapath)
{
	ev_io_start(datapath->loop, &datapath->readable);
}

void tunnel_init(struct tunnel *tunnel, struct datapath *datapath, void *owner)
{
	memset(tunnel, 0, sizeof(*tunnel));
	tunnel->datapath = datapath;
	tunnel->owner = owner;
	sched_init(&tunnel->sched, &datapath->policy, &datapath->slab, &tunnel->counters);
}

void tunnel_fini(struct tunnel *tunnel)
{
	if (tunnel->datapath->delivery.counters == &tunnel->counters)
		delivery_flush(&tunnel->datapath->delivery);
	remove_pending(tunnel);
	realtime_fini(&tunnel->realtime);
	sched_fini(&tunnel->sched);
}

void tunnel_attach(struct tunnel *tunnel, struct lane *lane, uint16_t mtu, bool offload)
{
	lane_set_clear(&tunnel->lanes);
	realtime_lanes_changed(&tunnel->realtime, &tunnel->lanes);
	tunnel->mtu = mtu;
	tunnel->offload = offload;
	if (lane)
		tunnel_add_lane(tunnel, lane);
}

bool tunnel_add_lane(struct tunnel *tunnel, struct lane *lane)
{
	if (!lane_set_add(&tunnel->lanes, lane))
		return false;
	realtime_lanes_changed(&tunnel->realtime, &tunnel->lanes);
	tunnel_writable(tunnel);
	return true;
}

void tunnel_remove_lane(struct tunnel *tunnel, struct lane *lane)
{
	lane_set_remove(&tunnel->lanes, lane);
	realtime_lanes_changed(&tunnel->realtime, &tunnel->lanes);
	/* What waited for it may go on another. */
	tunnel_writable(tunnel);
}
