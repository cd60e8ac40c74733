/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets that came one by one are handed to the kernel as few large ones,
 * which is where most of its work per packet goes.  Payload is never moved: a
 * super-packet is a list of pieces of the packets that it is made of. */
#include "core/coalesce.h"

#include <string.h>

enum {
	IPV4_HEADER = 20,
	IPV4_LENGTH = 2, /* where in its header each field is */
	IPV4_ID = 4,
	IPV4_FRAGMENT = 6,
	IPV4_TTL = 8,
	IPV4_CHECKSUM = 10,
	IPV4_DF = 0x4000,
	IPV6_HEADER = 40,
	IPV6_LENGTH = 4,
	IPV6_HOP_LIMIT = 7,
	TCP_HEADER = 20,
	TCP_SEQUENCE = 4,
	TCP_ACKNOWLEDGEMENT = 8,
	TCP_FLAGS = 13,
	TCP_WINDOW = 14,
	TCP_CHECKSUM = 16,
	TCP_URGENT = 18,
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_CWR = 0x80,
	TCP_ENDS = TCP_FIN | TCP_PSH,
	TCP_NEVER = TCP_SYN | TCP_RST | TCP_URG | TCP_CWR,
	/* Who writes less at once does not write much. */
	TCP_SEGMENT_MIN = 128,
	UDP_HEADER = 8,
	UDP_LENGTH = 4,
	UDP_CHECKSUM = 6,
};

void coalesce_init(struct coalesce *coalesce, bool udp, coalesce_out *out, void *owner)
{
	*coalesce = (struct coalesce){.out = out, .owner = owner, .udp = udp};
}

static const uint8_t *l4_of(const struct packet *packet)
{
	return packet->octets + packet->l4_offset;
}

/* --- what may be merged at all ------------------------------------------- */

static bool is_mergeable_tcp(const struct packet *packet, size_t headers)
{
	uint8_t flags = l4_of(packet)[TCP_FLAGS];
	return (flags & TCP_ACK) && !(flags & TCP_NEVER) &&
	       packet->length >= headers + TCP_SEGMENT_MIN;
}

static bool is_mergeable_udp(const struct packet *packet, size_t headers)
{
	const uint8_t *l4 = l4_of(packet);
	/* Checksum 0 is none at all, so there is nothing to go by. */
	return packet->length > headers && get_u16(l4 + UDP_CHECKSUM) != 0 &&
	       get_u16(l4 + UDP_LENGTH) == packet->length - packet->l4_offset;
}

/* Octets of headers of a packet that may be a part of a super-packet, by
 * itself; else 0. */
static size_t mergeable_headers(const struct coalesce *coalesce, const struct packet *packet)
{
	if (packet->l4_offset != (packet->version == 4 ? IPV4_HEADER : IPV6_HEADER))
		return 0;
	size_t headers = offload_headers(packet);
	if (!headers)
		return 0;
	bool mergeable = packet->protocol == PROTOCOL_TCP
				 ? is_mergeable_tcp(packet, headers)
				 : coalesce->udp && is_mergeable_udp(packet, headers);
	return mergeable ? headers : 0;
}

static uint32_t pseudo_header_sum(const struct packet *packet, size_t l4_length)
{
	return packet_sum(packet->source, 2 * address_size(packet->version),
		packet->protocol + (uint32_t)l4_length);
}

/* Merging writes new checksums, so a wrong one would be forgotten. */
static bool is_right(const struct packet *packet)
{
	if (packet->version == 4 && packet_sum(packet->octets, IPV4_HEADER, 0) != 0xffff)
		return false;
	size_t length = packet->length - packet->l4_offset;
	return packet_sum(l4_of(packet), length, pseudo_header_sum(packet, length)) == 0xffff;
}

/* --- what may be merged with what ---------------------------------------- */

static bool continues_ipv4(const struct coalesce_flow *flow, const uint8_t *octets)
{
	const uint8_t *first = flow->octets;
	uint16_t fragment = get_u16(octets + IPV4_FRAGMENT);
	if (octets[1] != first[1] || octets[IPV4_TTL] != first[IPV4_TTL] ||
		fragment != get_u16(first + IPV4_FRAGMENT))
		return false;
	uint16_t distance = (uint16_t)(get_u16(octets + IPV4_ID) - get_u16(first + IPV4_ID));
	return fragment & IPV4_DF || distance == flow->packets;
}

static bool continues_ipv6(const struct coalesce_flow *flow, const uint8_t *octets)
{
	const uint8_t *first = flow->octets;
	return memcmp(octets, first, 4) == 0 && octets[IPV6_HOP_LIMIT] == first[IPV6_HOP_LIMIT];
}

static bool continues_tcp(const struct coalesce_flow *flow, const uint8_t *l4, size_t header)
{
	const uint8_t *first = l4_of(&flow->first);
	enum { FLAGS_WORD = TCP_FLAGS - 1 };
	unsigned differ = get_u16(l4 + FLAGS_WORD) ^ get_u16(first + FLAGS_WORD);
	return get_u32(l4 + TCP_SEQUENCE) == flow->sequence && !(differ & ~(unsigned)TCP_ENDS) &&
	       get_u32(l4 + TCP_ACKNOWLEDGEMENT) == get_u32(first + TCP_ACKNOWLEDGEMENT) &&
	       get_u16(l4 + TCP_WINDOW) == get_u16(first + TCP_WINDOW) &&
	       memcmp(l4 + TCP_URGENT, first + TCP_URGENT, header - TCP_URGENT) == 0;
}

/* Whether a mergeable packet may be the next one of what is held. */
static bool continues(const struct coalesce_flow *flow, const struct packet *packet, size_t headers)
{
	size_t payload = packet->length - headers;
	if (headers != flow->headers || payload > flow->segment_size ||
		flow->length + payload > PACKET_MAX || flow->packets == COALESCE_SEGMENTS)
		return false;
	if (packet->version == 4 ? !continues_ipv4(flow, packet->octets)
				 : !continues_ipv6(flow, packet->octets))
		return false;
	return packet->protocol == PROTOCOL_UDP ||
	       continues_tcp(flow, l4_of(packet), headers - packet->l4_offset);
}

/* --- out ----------------------------------------------------------------- */

static void emit_alone(struct coalesce *coalesce, const struct packet *packet)
{
	struct view piece = {packet->octets, packet->length};
	struct coalesced whole = {.pieces = &piece,
		.piece_count = 1,
		.packets = 1,
		.length = packet->length,
		.received = packet->length};
	coalesce->out(coalesce->owner, &whole);
}

/* The first packet's headers become the super-packet's; the checksum is left
 * to whoever segments it. */
static struct offload finish_headers(struct coalesce_flow *flow)
{
	bool udp = flow->first.protocol == PROTOCOL_UDP;
	uint8_t *l4 = flow->octets + flow->first.l4_offset;
	size_t l4_length = flow->length - flow->first.l4_offset;
	if (flow->first.version == 4) {
		put_u16(flow->octets + IPV4_LENGTH, (uint16_t)flow->length);
		put_u16(flow->octets + IPV4_CHECKSUM, 0);
		put_u16(flow->octets + IPV4_CHECKSUM,
			(uint16_t)~packet_sum(flow->octets, IPV4_HEADER, 0));
	} else {
		put_u16(flow->octets + IPV6_LENGTH, (uint16_t)l4_length);
	}
	if (udp)
		put_u16(l4 + UDP_LENGTH, (uint16_t)l4_length);
	else
		l4[TCP_FLAGS] |= flow->end_flags;
	uint16_t field = udp ? UDP_CHECKSUM : TCP_CHECKSUM;
	put_u16(l4 + field, (uint16_t)pseudo_header_sum(&flow->first, l4_length));
	return (struct offload){
		.flags = OFFLOAD_NEEDS_CHECKSUM,
		.type = udp                        ? OFFLOAD_UDP
			: flow->first.version == 4 ? OFFLOAD_TCP4
						   : OFFLOAD_TCP6,
		.header_length = flow->headers,
		.segment_size = flow->segment_size,
		.checksum_start = flow->first.l4_offset,
		.checksum_offset = field,
	};
}

static void emit(struct coalesce *coalesce, struct coalesce_flow *flow)
{
	if (flow->packets == 0)
		return;
	struct coalesced whole = {.pieces = flow->pieces,
		.piece_count = flow->packets,
		.packets = flow->packets,
		.length = flow->length,
		.received = flow->received};
	if (flow->packets > 1)
		whole.offload = finish_headers(flow);
	flow->packets = 0;
	coalesce->out(coalesce->owner, &whole);
}

void coalesce_flush(struct coalesce *coalesce)
{
	for (unsigned i = 0; i < coalesce->used; i++)
		emit(coalesce, &coalesce->flows[i]);
	coalesce->used = 0;
}

/* --- in ------------------------------------------------------------------ */

/* Addresses stand side by side in both versions, and so do ports. */
static bool is_of_flow(const struct coalesce_flow *flow, const struct packet *packet)
{
	const struct packet *first = &flow->first;
	return first->source_port == packet->source_port &&
	       first->destination_port == packet->destination_port &&
	       first->protocol == packet->protocol && first->version == packet->version &&
	       memcmp(first->source, packet->source, 2 * address_size(packet->version)) == 0;
}

static struct coalesce_flow *find_flow(struct coalesce *coalesce, const struct packet *packet)
{
	for (unsigned i = 0; i < coalesce->used; i++)
		if (is_of_flow(&coalesce->flows[i], packet))
			return &coalesce->flows[i];
	return NULL;
}

/* Room for one more flow; when there is none, another one's goes out. */
static struct coalesce_flow *claim_flow(struct coalesce *coalesce)
{
	if (coalesce->used < COALESCE_FLOWS)
		return &coalesce->flows[coalesce->used++];
	struct coalesce_flow *flow = &coalesce->flows[coalesce->next];
	coalesce->next = (coalesce->next + 1) % COALESCE_FLOWS;
	emit(coalesce, flow);
	return flow;
}

/* Nothing may follow this packet in its super-packet. */
static bool is_last(const struct coalesce_flow *flow, const struct packet *packet, size_t headers)
{
	return packet->length - headers < flow->segment_size ||
	       (packet->protocol == PROTOCOL_TCP && l4_of(packet)[TCP_FLAGS] & TCP_ENDS);
}

static void begin(
	struct coalesce_flow *flow, const struct packet *packet, uint8_t *octets, size_t headers)
{
	size_t payload = packet->length - headers;
	flow->first = *packet;
	flow->octets = octets;
	flow->headers = (uint16_t)headers;
	flow->segment_size = (uint16_t)payload;
	flow->is_right = false;
	flow->end_flags = 0;
	flow->packets = 1;
	flow->length = flow->received = packet->length;
	flow->pieces[0] = (struct view){octets, packet->length};
	if (packet->protocol == PROTOCOL_TCP)
		flow->sequence = get_u32(l4_of(packet) + TCP_SEQUENCE) + (uint32_t)payload;
}

static void append(struct coalesce_flow *flow, const struct packet *packet, size_t headers)
{
	size_t payload = packet->length - headers;
	flow->pieces[flow->packets++] = (struct view){packet->octets + headers, payload};
	flow->length += payload;
	flow->received += packet->length;
	flow->sequence += (uint32_t)payload;
	if (packet->protocol == PROTOCOL_TCP)
		flow->end_flags = l4_of(packet)[TCP_FLAGS] & TCP_ENDS;
}

/* The first packet is verified once there is a second one: most that come
 * alone stay alone. */
static bool are_right(struct coalesce_flow *flow, const struct packet *packet)
{
	flow->is_right = flow->is_right || is_right(&flow->first);
	return flow->is_right && is_right(packet);
}

void coalesce_pass(struct coalesce *coalesce, const struct packet *packet)
{
	/* Later fragments do not tell what flow they are of. */
	if (packet->fragment)
		coalesce_flush(coalesce);
	if (!packet->has_ports || coalesce->used == 0)
		return;
	struct coalesce_flow *flow = find_flow(coalesce, packet);
	if (flow)
		emit(coalesce, flow);
}

void coalesce_add(struct coalesce *coalesce, const struct packet *packet, uint8_t *octets)
{
	size_t headers = mergeable_headers(coalesce, packet);
	if (!headers) {
		coalesce_pass(coalesce, packet);
		emit_alone(coalesce, packet);
		return;
	}
	struct coalesce_flow *flow = find_flow(coalesce, packet);
	if (!flow)
		flow = claim_flow(coalesce);
	if (flow->packets && continues(flow, packet, headers) && are_right(flow, packet)) {
		append(flow, packet, headers);
	} else {
		emit(coalesce, flow);
		begin(flow, packet, octets, headers);
	}
	if (is_last(flow, packet, headers))
		emit(coalesce, flow);
}
