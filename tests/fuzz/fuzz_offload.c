/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Offload headers and packets from nobody knows where.  What offload_check()
 * lets pass must segment into packets that parse, fit the MTU, verify and hold
 * the whole payload, cut or uncut; what it refuses must do no harm either,
 * since a local kernel's packets are segmented without that check.
 *
 *   input: mtu(2) first(1) offload header(10) packet ... */
#include "core/offload.h"

#include <stdlib.h>
#include <string.h>

enum { INPUT_HEADER = 3 + OFFLOAD_HEADER, ROOM = 65536 };

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static uint8_t piece[ROOM], front[ROOM], rest[ROOM];

static void require(bool truth)
{
	if (!truth)
		abort();
}

static uint16_t checksum_in(const struct packet *packet)
{
	unsigned field = packet->protocol == PROTOCOL_UDP ? 6 : 16;
	return get_u16(packet->octets + packet->l4_offset + field);
}

/* Payload octets in all segments together. */
static size_t segment_all(
	const struct offload *offload, const struct packet *packet, uint16_t mtu, bool checked)
{
	size_t payload = 0;
	unsigned count = offload_segments(offload, packet);
	for (unsigned i = 0; i < count; i++) {
		size_t length = offload_segment(offload, packet, i, piece, sizeof(piece));
		if (!checked)
			continue;
		struct packet segment;
		require(packet_parse(piece, length, &segment) == PACKET_OK);
		/* Type NONE is completed with the peer's own pseudo header sum. */
		require(offload->type == OFFLOAD_NONE ||
			(length <= mtu && checksum_in(&segment) == packet_l4_checksum(&segment)));
		payload += length - offload_headers(&segment);
	}
	require(offload_segment(offload, packet, count, piece, sizeof(piece)) == 0);
	return payload;
}

static void cut(struct offload offload, const struct packet *packet, unsigned first, uint16_t mtu,
	bool checked)
{
	struct offload front_offload;
	struct packet part;
	size_t front_length;
	memcpy(rest, packet->octets, packet->length);
	size_t at = offload_cut(
		&offload, rest, packet->length, first, front, &front_length, &front_offload);
	if (at == 0 || !checked)
		return;
	require(packet_parse(front, front_length, &part) == PACKET_OK);
	require(offload_check(&front_offload, &part, mtu) == OFFLOAD_OK);
	size_t payload = segment_all(&front_offload, &part, mtu, true);
	require(packet_parse(rest + at, packet->length - at, &part) == PACKET_OK);
	require(offload_check(&offload, &part, mtu) == OFFLOAD_OK);
	payload += segment_all(&offload, &part, mtu, true);
	require(payload == packet->length - offload_headers(packet));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct offload offload;
	struct packet packet;
	if (size < INPUT_HEADER || size - INPUT_HEADER > ROOM)
		return 0;
	uint16_t mtu = get_u16(input);
	unsigned first = input[2];
	offload_get_wire(input + 3, &offload);
	if (packet_parse(input + INPUT_HEADER, size - INPUT_HEADER, &packet) != PACKET_OK)
		return 0;
	struct offload unchecked = offload;
	bool checked = offload_check(&offload, &packet, mtu) == OFFLOAD_OK;
	if (!checked)
		offload = unchecked;
	bool wanted = offload.flags != 0;
	size_t payload = segment_all(&offload, &packet, mtu, checked && wanted);
	if (checked && wanted)
		require(payload == packet.length - offload_headers(&packet));
	cut(offload, &packet, first, mtu, checked && wanted);
	return 0;
}
