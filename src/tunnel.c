/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a lane to the TUN, and the life of tunnels; the other direction is in
 * tunnel_read.c and tunnel_send.c. */
#include "tunnel_private.h"

#include <string.h>
#include <sys/random.h>

#include "core/mss.h"
#include "io/clock.h"

enum { SMALL_SLOTS = 16384, BIG_SLOTS = 192 };

static enum counter media_received(const struct datapath *datapath)
{
	return datapath->sends_up ? COUNTER_MEDIA_DOWN : COUNTER_MEDIA_UP;
}

/* --- lane to TUN --------------------------------------------------------- */

uint16_t tunnel_narrowest(const struct tunnel *tunnel)
{
	bool smaller = tunnel->link_mtu && tunnel->link_mtu < tunnel->mtu;
	return smaller ? tunnel->link_mtu : tunnel->mtu;
}

static void deliver(struct tunnel *tunnel, uint8_t *octets, const struct packet *packet,
	const struct offload *offload)
{
	struct datapath *datapath = tunnel->datapath;
	enum counter why;

	if (!datapath->events->admit(tunnel, packet, &why)) {
		counter_add(&tunnel->counters, why, 1);
		return;
	}
	if (tunnel->demand &&
		lane_demand_packet(tunnel->demand, sched_classify(&datapath->policy, packet),
			(uint32_t)packet->length, false, datapath->scratch.now))
		datapath->events->lanes(tunnel);
	if (!offload->flags)
		mss_clamp(packet, octets, tunnel_narrowest(tunnel));
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
	uint64_t now = lane_now(lane);
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
	datapath_read_start(datapath);
	datapath_send_start(datapath);
	return 0;
}

void datapath_fini(struct datapath *datapath)
{
	datapath_read_stop(datapath);
	datapath_send_stop(datapath);
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
	tunnel_remove_pending(tunnel);
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
