/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The offload header: its two encodings, and the rules that a received one
 * must meet before the kernel may see it.  A wrong one could make the kernel
 * cut a packet anywhere, so nothing in it is believed that the packet itself
 * does not show. */
#include "core/offload.h"

#include <string.h>

enum {
	TCP_HEADER = 20,
	TCP_DATA_OFFSET = 12, /* where in the header its length is */
	TCP_CHECKSUM = 16,
	UDP_HEADER = 8,
	UDP_LENGTH = 4,
	UDP_CHECKSUM = 6,
	IPV6_HEADER = 40,
	TCP4_SEGMENT_MIN = 536,  /* RFC 9293 3.7.1: the default MSS */
	TCP6_SEGMENT_MIN = 1220, /* 1280 less both headers */
	UDP_SEGMENTS_MAX = 64,   /* what every kernel with USO takes */
};

void offload_put_wire(const struct offload *offload, uint8_t *at)
{
	at[0] = offload->flags;
	at[1] = offload->type;
	put_u16(at + 2, offload->header_length);
	put_u16(at + 4, offload->segment_size);
	put_u16(at + 6, offload->checksum_start);
	put_u16(at + 8, offload->checksum_offset);
}

void offload_get_wire(const uint8_t *at, struct offload *out)
{
	out->flags = at[0];
	out->type = at[1];
	out->header_length = get_u16(at + 2);
	out->segment_size = get_u16(at + 4);
	out->checksum_start = get_u16(at + 6);
	out->checksum_offset = get_u16(at + 8);
}

/* struct offload has the layout of struct virtio_net_hdr, without padding. */
_Static_assert(sizeof(struct offload) == OFFLOAD_HEADER, "struct virtio_net_hdr");

void offload_put_virtio(const struct offload *offload, uint8_t *at)
{
	memcpy(at, offload, OFFLOAD_HEADER);
}

void offload_get_virtio(const uint8_t *at, struct offload *out)
{
	memcpy(out, at, OFFLOAD_HEADER);
	out->flags &= OFFLOAD_NEEDS_CHECKSUM;
	if (!out->flags && out->type == OFFLOAD_NONE)
		*out = (struct offload){0};
}

size_t offload_headers(const struct packet *packet)
{
	if (packet->fragment || packet->l4_offset > packet->length)
		return 0;
	const uint8_t *l4 = packet->octets + packet->l4_offset;
	size_t left = packet->length - packet->l4_offset;
	size_t header = 0;
	if (packet->protocol == PROTOCOL_UDP)
		header = UDP_HEADER;
	else if (packet->protocol == PROTOCOL_TCP && left >= TCP_HEADER)
		header = (size_t)(l4[TCP_DATA_OFFSET] >> 4) * 4;
	if (header < UDP_HEADER || header > left ||
		(packet->protocol == PROTOCOL_TCP && header < TCP_HEADER))
		return 0;
	return packet->l4_offset + header;
}

/* The type is known, and is what the packet is. */
static bool type_fits(uint8_t type, const struct packet *packet)
{
	switch (type) {
	case OFFLOAD_NONE:
		return packet->protocol == PROTOCOL_TCP || packet->protocol == PROTOCOL_UDP;
	case OFFLOAD_TCP4:
	case OFFLOAD_TCP4 | OFFLOAD_ECN:
		return packet->version == 4 && packet->protocol == PROTOCOL_TCP;
	case OFFLOAD_TCP6:
	case OFFLOAD_TCP6 | OFFLOAD_ECN:
		return packet->version == 6 && packet->protocol == PROTOCOL_TCP;
	case OFFLOAD_UDP:
		return packet->protocol == PROTOCOL_UDP;
	}
	return false;
}

static bool size_fits(uint16_t size, const struct packet *packet, size_t headers, uint16_t mtu)
{
	if (size == 0 || headers + size > mtu)
		return false;
	if (packet->protocol == PROTOCOL_UDP)
		return packet->length - headers <= (size_t)UDP_SEGMENTS_MAX * size;
	return size >= (packet->version == 4 ? TCP4_SEGMENT_MIN : TCP6_SEGMENT_MIN);
}

enum offload_result offload_check(
	struct offload *offload, const struct packet *packet, uint16_t mtu)
{
	bool segmented = offload->type != OFFLOAD_NONE;
	if (offload->flags & ~OFFLOAD_NEEDS_CHECKSUM)
		return OFFLOAD_BAD_FLAGS;
	if (segmented && !offload->flags)
		return OFFLOAD_BAD_FLAGS;
	if (packet->length > PACKET_MAX)
		return OFFLOAD_BAD_SIZE;
	if (!offload->flags) {
		*offload = (struct offload){0};
		return OFFLOAD_OK;
	}
	if (!type_fits(offload->type, packet))
		return OFFLOAD_BAD_TYPE;
	size_t headers = offload_headers(packet);
	if (!headers || (packet->version == 6 && packet->l4_offset != IPV6_HEADER))
		return OFFLOAD_BAD_PACKET;
	bool udp = packet->protocol == PROTOCOL_UDP;
	if (offload->checksum_start != packet->l4_offset ||
		offload->checksum_offset != (udp ? UDP_CHECKSUM : TCP_CHECKSUM))
		return OFFLOAD_BAD_CHECKSUM;
	/* The kernel derives each segment's UDP length and checksum from it. */
	size_t l4_length = packet->length - packet->l4_offset;
	if (udp && get_u16(packet->octets + packet->l4_offset + UDP_LENGTH) != l4_length)
		return OFFLOAD_BAD_PACKET;
	if (segmented && !size_fits(offload->segment_size, packet, headers, mtu))
		return OFFLOAD_BAD_SIZE;
	offload->header_length = (uint16_t)headers;
	if (!segmented)
		offload->segment_size = 0;
	return OFFLOAD_OK;
}

const char *offload_result_name(enum offload_result result)
{
	switch (result) {
	case OFFLOAD_OK:
		return "valid";
	case OFFLOAD_BAD_FLAGS:
		return "flags unknown or missing";
	case OFFLOAD_BAD_TYPE:
		return "type unknown or not the packet's";
	case OFFLOAD_BAD_CHECKSUM:
		return "checksum not where the packet has it";
	case OFFLOAD_BAD_SIZE:
		return "segment or packet size out of bounds";
	case OFFLOAD_BAD_PACKET:
		return "packet cannot be segmented";
	}
	return "unknown";
}

bool offload_complete(struct offload *offload, uint8_t *octets, size_t length)
{
	if (offload->type != OFFLOAD_NONE)
		return false;
	if (offload->flags & OFFLOAD_NEEDS_CHECKSUM) {
		size_t start = offload->checksum_start;
		size_t field = start + offload->checksum_offset;
		if (field + 2 > length)
			return false;
		/* The field already holds the sum of the pseudo header. */
		uint16_t sum = (uint16_t)~packet_sum(octets + start, length - start, 0);
		/* UDP's zero means "no checksum"; 0xffff is the same number. */
		put_u16(octets + field, sum ? sum : 0xffff);
	}
	*offload = (struct offload){0};
	return true;
}
