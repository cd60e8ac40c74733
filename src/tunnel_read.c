/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the TUN into the scheduler: whose packet it is, what it is, and what its
 * sender is told when it cannot go. */
#include "tunnel_private.h"

#include <errno.h>
#include <string.h>

#include "core/mss.h"
#include "io/clock.h"

enum {
	TUN_READS = 128,         /* packets per wake-up */
	TUN_OCTETS = 512 * 1024, /* and octets, whichever comes first */
	ICMP_INTERVAL =
		1000, /* us from error to error, as Linux limits its own (RFC 4443 2.4 (f)) */
	ICMP_BURST = 50,
};

static void write_answer(struct datapath *datapath, size_t length)
{
	static const struct offload plain;
	tun_write(datapath->tun, datapath->queue, datapath->answer + LANE_HEADROOM, length, &plain);
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
	tunnel_add_pending(tunnel);
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
	return !tunnel_goes_whole(tunnel, &slot->offload, packet);
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
		if (answer && rate_limit_pass(&datapath->icmp, now, ICMP_INTERVAL, ICMP_BURST))
			write_answer(datapath, answer);
		return;
	}
	if (slot->offload.type == OFFLOAD_NONE)
		mss_clamp(&packet, slot_packet(slot), tunnel_narrowest(tunnel));
	struct label label = {
		.flow = packet_flow(&packet, datapath->flow_key),
		.service = (uint8_t)sched_classify(&datapath->policy, &packet),
		.spread = lane_may_spread(&packet),
	};
	note_media(tunnel, &label, now);
	if (tunnel->demand &&
		lane_demand_packet(tunnel->demand, label.service, slot->length, true, now))
		datapath->events->lanes(tunnel);
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

void datapath_read_start(struct datapath *datapath)
{
	int queue = datapath->tun->queues[datapath->queue];
	ev_io_init(&datapath->readable, on_tun_readable, queue, EV_READ);
	datapath->readable.data = datapath;
	ev_io_start(datapath->loop, &datapath->readable);
}

void datapath_read_stop(struct datapath *datapath)
{
	ev_io_stop(datapath->loop, &datapath->readable);
}
