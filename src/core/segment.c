/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Segmentation of super-packets in software (core/offload.h), for peers and
 * lanes that cannot take them whole.  The result is what the kernel's own
 * segmentation makes: per segment its lengths, the next IPv4 id, the next TCP
 * sequence number, CWR in the first only (RFC 3168 6.1.2), FIN and PSH in the
 * last only. */
#include "core/offload.h"

#include <string.h>

enum {
	IPV4_LENGTH = 2, /* where in its header each field is */
	IPV4_ID = 4,
	IPV4_CHECKSUM = 10,
	IPV4_SOURCE = 12,
	IPV6_LENGTH = 4,
	IPV6_SOURCE = 8,
	IPV6_HEADER = 40,
	TCP_SEQUENCE = 4,
	TCP_FLAGS = 13,
	TCP_CHECKSUM = 16,
	TCP_FIN = 0x01,
	TCP_PSH = 0x08,
	TCP_CWR = 0x80,
	UDP_LENGTH = 4,
	UDP_CHECKSUM = 6,
};

/* A run of segments out of a super-packet: one to be sent, or several that
 * stay together. */
struct run {
	unsigned first; /* index of its first segment */
	size_t offset;  /* of its payload in the whole payload */
	size_t length;  /* of it as a packet, headers included */
	bool last;      /* it holds the last segment */
};

unsigned offload_segments(const struct offload *offload, const struct packet *packet)
{
	if (offload->type == OFFLOAD_NONE)
		return 1;
	size_t headers = offload_headers(packet), size = offload->segment_size;
	if (!headers || !size)
		return 0;
	size_t payload = packet->length - headers;
	return payload ? (unsigned)((payload + size - 1) / size) : 1;
}

/* Makes the headers at `at`, a copy of the whole packet's, those of `run`;
 * all but the transport checksum. */
static void adapt_headers(uint8_t *at, const struct packet *whole, const struct run *run)
{
	uint8_t *l4 = at + whole->l4_offset;
	if (whole->protocol == PROTOCOL_TCP) {
		put_u32(l4 + TCP_SEQUENCE, get_u32(l4 + TCP_SEQUENCE) + (uint32_t)run->offset);
		if (run->first > 0)
			l4[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
		if (!run->last)
			l4[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	} else {
		put_u16(l4 + UDP_LENGTH, (uint16_t)(run->length - whole->l4_offset));
	}
	if (whole->version == 6) {
		put_u16(at + IPV6_LENGTH, (uint16_t)(run->length - IPV6_HEADER));
		return;
	}
	put_u16(at + IPV4_LENGTH, (uint16_t)run->length);
	put_u16(at + IPV4_ID, (uint16_t)(get_u16(at + IPV4_ID) + run->first));
	put_u16(at + IPV4_CHECKSUM, 0);
	put_u16(at + IPV4_CHECKSUM, (uint16_t)~packet_sum(at, whole->l4_offset, 0));
}

/* The view of a run whose octets are at `at`. */
static struct packet run_packet(uint8_t *at, const struct packet *whole, const struct run *run)
{
	struct packet part = *whole;
	part.octets = at;
	part.length = run->length;
	part.source = at + (whole->version == 4 ? IPV4_SOURCE : IPV6_SOURCE);
	part.destination = part.source + address_size(whole->version);
	return part;
}

static uint8_t *checksum_field(uint8_t *at, const struct packet *packet)
{
	return at + packet->l4_offset +
	       (packet->protocol == PROTOCOL_UDP ? UDP_CHECKSUM : TCP_CHECKSUM);
}

/* One complete packet, ready for any network. */
static void finish_single(uint8_t *at, const struct packet *whole, const struct run *run)
{
	struct packet part = run_packet(at, whole, run);
	put_u16(checksum_field(at, whole), packet_l4_checksum(&part));
}

/* Still a super-packet: the field holds the pseudo header's sum, to which
 * whoever segments it adds the rest. */
static void finish_super(uint8_t *at, const struct packet *whole, const struct run *run)
{
	struct packet part = run_packet(at, whole, run);
	uint32_t sum = whole->protocol + (uint32_t)(run->length - whole->l4_offset);
	size_t addresses = 2 * address_size(whole->version);
	put_u16(checksum_field(at, whole), (uint16_t)packet_sum(part.source, addresses, sum));
}

size_t offload_segment(const struct offload *offload, const struct packet *packet, unsigned index,
	uint8_t *out, size_t room)
{
	if (offload->type == OFFLOAD_NONE) {
		struct offload whole = *offload;
		if (index > 0 || packet->length > room)
			return 0;
		memcpy(out, packet->octets, packet->length);
		return offload_complete(&whole, out, packet->length) ? packet->length : 0;
	}
	unsigned count = offload_segments(offload, packet);
	if (index >= count)
		return 0;
	size_t headers = offload_headers(packet), offset = (size_t)index * offload->segment_size;
	size_t payload = packet->length - headers - offset;
	if (payload > offload->segment_size)
		payload = offload->segment_size;
	struct run run = {index, offset, headers + payload, index + 1 == count};
	if (run.length > room)
		return 0;
	memcpy(out, packet->octets, headers);
	memcpy(out + headers, packet->octets + headers + offset, payload);
	adapt_headers(out, packet, &run);
	finish_single(out, packet, &run);
	return run.length;
}

/* Completes one side of a cut, which holds `segments` of them. */
static struct offload finish_part(uint8_t *at, const struct packet *whole, const struct run *run,
	unsigned segments, const struct offload *offload)
{
	adapt_headers(at, whole, run);
	if (segments == 1) {
		finish_single(at, whole, run);
		return (struct offload){0};
	}
	finish_super(at, whole, run);
	struct offload part = *offload;
	if (run->first > 0)
		part.type &= (uint8_t)~OFFLOAD_ECN;
	return part;
}

size_t offload_cut(struct offload *offload, uint8_t *octets, size_t length, unsigned first,
	uint8_t *out, size_t *out_length, struct offload *out_offload)
{
	struct packet whole;
	if (offload->type == OFFLOAD_NONE || packet_parse(octets, length, &whole) != PACKET_OK)
		return 0;
	unsigned count = offload_segments(offload, &whole);
	if (first == 0 || first >= count)
		return 0;
	size_t headers = offload_headers(&whole), offset = (size_t)first * offload->segment_size;
	struct offload both = *offload;
	both.header_length = (uint16_t)headers;
	struct run front = {0, 0, headers + offset, false};
	struct run rest = {first, offset, length - offset, true};
	memcpy(out, octets, front.length);
	/* With tiny segments the two overlap; from here on `whole` is no longer
	 * what it says, only its offsets are. */
	memmove(octets + offset, octets, headers);
	*out_offload = finish_part(out, &whole, &front, first, &both);
	*out_length = front.length;
	*offload = finish_part(octets + offset, &whole, &rest, count - first, &both);
	return offset;
}
