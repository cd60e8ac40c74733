/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A record costs about as much as a few hundred octets in it, so small
 * envelopes share one.  Segments are cut right into it: there is no other copy
 * of them. */
#include "stage.h"

#include <string.h>

void stage_empty(struct stage *stage, struct lane *lane)
{
	if (stage->used)
		lane_send(lane, stage->octets, stage->used);
	stage->used = 0;
}

/* Room for `length` octets, at least; NULL when there can never be. */
static uint8_t *stage_room(struct stage *stage, struct lane *lane, size_t length)
{
	if (length > sizeof(stage->octets))
		return NULL;
	if (stage->used + length > sizeof(stage->octets))
		stage_empty(stage, lane);
	return stage->octets + stage->used;
}

/* Writes the envelope's header in front of the packet; returns where the
 * envelope starts. */
static uint8_t *envelope_in_place(struct slot *slot, size_t *length)
{
	uint8_t *packet = slot_packet(slot);
	if (slot->offload.type == OFFLOAD_NONE) {
		*length = ENVELOPE_HEADER + slot->length;
		envelope_put_header(packet - ENVELOPE_HEADER, ENVELOPE_IP, slot->length);
		return packet - ENVELOPE_HEADER;
	}
	uint8_t *header = packet - OFFLOAD_HEADER;
	offload_put_wire(&slot->offload, header);
	envelope_put_header(
		header - ENVELOPE_HEADER, ENVELOPE_OFFLOAD, OFFLOAD_HEADER + slot->length);
	*length = ENVELOPE_HEADER + OFFLOAD_HEADER + slot->length;
	return header - ENVELOPE_HEADER;
}

struct staged stage_whole(struct stage *stage, struct lane *lane, struct slot *slot)
{
	size_t length;
	const uint8_t *envelope = envelope_in_place(slot, &length);
	uint8_t *room = stage_room(stage, lane, length);
	if (room) {
		memcpy(room, envelope, length);
		stage->used += length;
	} else {
		stage_empty(stage, lane);
		lane_send(lane, envelope, length);
	}
	return (struct staged){1, slot->length, length};
}

size_t stage_packet(struct stage *stage, struct lane *lane, const uint8_t *octets, uint16_t length)
{
	uint8_t *room = stage_room(stage, lane, ENVELOPE_HEADER + (size_t)length);
	if (!room)
		return 0;
	envelope_put_header(room, ENVELOPE_IP, length);
	memcpy(room + ENVELOPE_HEADER, octets, length);
	stage->used += ENVELOPE_HEADER + (size_t)length;
	return ENVELOPE_HEADER + (size_t)length;
}

struct staged stage_segments(struct stage *stage, struct lane *lane, struct slot *slot,
	const struct packet *packet, uint16_t mtu)
{
	struct staged done = {0};
	unsigned segments = offload_segments(&slot->offload, packet);
	for (unsigned i = 0; i < segments; i++) {
		uint8_t *room = stage_room(stage, lane, ENVELOPE_HEADER + (size_t)mtu);
		if (!room)
			break;
		size_t length =
			offload_segment(&slot->offload, packet, i, room + ENVELOPE_HEADER, mtu);
		if (length == 0)
			break;
		envelope_put_header(room, ENVELOPE_IP, length);
		stage->used += ENVELOPE_HEADER + length;
		done.packets++;
		done.packet_octets += length;
	}
	done.octets = done.packet_octets + (size_t)done.packets * ENVELOPE_HEADER;
	return done;
}
