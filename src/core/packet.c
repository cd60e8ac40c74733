/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading inner IP packets: once per packet and direction, so nothing here
 * loops over payload except the checksums. */
#include "core/packet.h"

#include <string.h>

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	IPV6_HOP_BY_HOP = 0,
	IPV6_ROUTING = 43,
	IPV6_FRAGMENT = 44,
	IPV6_DESTINATION = 60,
	/* No stack sends half as many; it bounds the walk, and with at most 2048
	 * octets each, l4_offset fits 16 bits. */
	IPV6_EXTENSIONS_MAX = 16,
	EXTENSION_LEAST = 8, /* octets of the shortest extension header */
};

/* Octets of the fixed transport header of protocols that begin with ports;
 * 0 for the others. */
static size_t port_header(uint8_t protocol)
{
	switch (protocol) {
	case PROTOCOL_TCP:
		return 20;
	case PROTOCOL_UDP:
		return 8;
	case PROTOCOL_SCTP:
		return 12;
	default:
		return 0;
	}
}

static void find_ports(struct packet *packet)
{
	const uint8_t *ports = packet->octets + packet->l4_offset;
	size_t header = port_header(packet->protocol);
	packet->has_ports = header != 0 && !packet->later_fragment &&
			    packet->length - packet->l4_offset >= header;
	packet->source_port = packet->has_ports ? get_u16(ports) : 0;
	packet->destination_port = packet->has_ports ? get_u16(ports + 2) : 0;
}

static enum packet_result parse_ipv4(const uint8_t *octets, size_t length, struct packet *out)
{
	if (length < IPV4_HEADER)
		return PACKET_BAD_HEADER;
	size_t header = (size_t)(octets[0] & 0xf) * 4;
	if (header < IPV4_HEADER || header > length)
		return PACKET_BAD_HEADER;
	/* RFC 791 3.1.  A total length of 0, as some kernels write it into
	 * super-packets, is the reader's business. */
	if (get_u16(octets + 2) != length)
		return PACKET_BAD_LENGTH;

	unsigned fragment = get_u16(octets + 6) & 0x3fff; /* MF and the offset */
	out->octets = octets;
	out->length = length;
	out->version = 4;
	out->protocol = octets[9];
	out->dscp = octets[1] >> 2;
	out->ecn = octets[1] & 3;
	out->fragment = fragment != 0;
	out->later_fragment = (fragment & 0x1fff) != 0;
	out->fragment_id = out->fragment ? get_u16(octets + 4) : 0;
	out->l4_offset = (uint16_t)header;
	out->source = octets + 12;
	out->destination = octets + 16;
	find_ports(out);
	return PACKET_OK;
}

static bool is_extension(uint8_t next)
{
	return next == IPV6_HOP_BY_HOP || next == IPV6_ROUTING || next == IPV6_FRAGMENT ||
	       next == IPV6_DESTINATION || next == PROTOCOL_AH;
}

static size_t extension_size(uint8_t kind, const uint8_t *header)
{
	if (kind == IPV6_FRAGMENT)
		return 8;
	if (kind == PROTOCOL_AH) /* RFC 4302 2.2: in 4-octet units, less 2 */
		return ((size_t)header[1] + 2) * 4;
	return ((size_t)header[1] + 1) * 8;
}

/* RFC 8200 4.5.  A packet that is its only fragment (RFC 6946) is a whole one. */
static void read_fragment_header(const uint8_t *header, struct packet *out)
{
	unsigned offset_and_more = get_u16(header + 2) & 0xfff9;
	out->fragment = offset_and_more != 0;
	out->later_fragment = (offset_and_more & 0xfff8) != 0;
	out->fragment_id = out->fragment ? get_u32(header + 4) : 0;
}

/* Finds the transport behind the extension headers (RFC 8200 4).  In a later
 * fragment there is none to find: what follows the fragment header is the
 * middle of something. */
static bool walk_extensions(struct packet *out)
{
	uint8_t next = out->octets[6];
	size_t at = IPV6_HEADER;
	for (unsigned count = 0; is_extension(next) && !out->later_fragment; count++) {
		const uint8_t *header = out->octets + at;
		if (count == IPV6_EXTENSIONS_MAX || out->length - at < EXTENSION_LEAST)
			return false;
		size_t size = extension_size(next, header);
		if (size > out->length - at)
			return false;
		if (next == IPV6_FRAGMENT)
			read_fragment_header(header, out);
		next = header[0];
		at += size;
	}
	out->protocol = next;
	out->l4_offset = (uint16_t)at;
	return true;
}

static enum packet_result parse_ipv6(const uint8_t *octets, size_t length, struct packet *out)
{
	if (length < IPV6_HEADER)
		return PACKET_BAD_HEADER;
	/* No jumbograms (RFC 2675): no envelope holds one. */
	if ((size_t)get_u16(octets + 4) + IPV6_HEADER != length)
		return PACKET_BAD_LENGTH;

	unsigned traffic_class = get_u16(octets) >> 4 & 0xff;
	out->octets = octets;
	out->length = length;
	out->version = 6;
	out->dscp = (uint8_t)(traffic_class >> 2);
	out->ecn = traffic_class & 3;
	out->fragment = false;
	out->later_fragment = false;
	out->fragment_id = 0;
	out->source = octets + 8;
	out->destination = octets + 24;
	if (!walk_extensions(out))
		return PACKET_BAD_HEADER;
	find_ports(out);
	return PACKET_OK;
}

enum packet_result packet_parse(const uint8_t *octets, size_t length, struct packet *out)
{
	if (length == 0)
		return PACKET_EMPTY;
	unsigned version = octets[0] >> 4;
	if (version == 4)
		return parse_ipv4(octets, length, out);
	if (version == 6)
		return parse_ipv6(octets, length, out);
	return PACKET_BAD_VERSION;
}

const char *packet_result_name(enum packet_result result)
{
	switch (result) {
	case PACKET_OK:
		return "one whole IP packet";
	case PACKET_EMPTY:
		return "empty";
	case PACKET_BAD_VERSION:
		return "neither IPv4 nor IPv6";
	case PACKET_BAD_HEADER:
		return "its headers run past its end";
	case PACKET_BAD_LENGTH:
		return "its length field is wrong";
	}
	return "unknown";
}

/* packet_flow: who could aim, and at what?  Somebody who picks addresses and
 * ports so that his bulk shares a queue with a victim's.  He does not know the
 * key and does not see the hash, so it is enough that no set of inputs is
 * known to collide under every key.  One 32 x 32 bit product per 8 octets,
 * both factors keyed, has no such set (a product with a public factor would:
 * zero swallows everything), and is cheap on small processors too. */
struct flow_hash {
	uint32_t low, high;
};

static inline void flow_mix(
	struct flow_hash *hash, struct flow_hash key, uint32_t first, uint32_t second)
{
	uint64_t product =
		(uint64_t)(hash->low ^ key.low ^ first) * (hash->high ^ key.high ^ second);
	hash->low = (uint32_t)product;
	hash->high = (uint32_t)(product >> 32);
}

uint32_t packet_flow(const struct packet *packet, uint64_t key)
{
	/* Spread, so that small keys are good ones too. */
	uint64_t spread = (key ^ UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
	struct flow_hash keys = {(uint32_t)spread, (uint32_t)(spread >> 32)};
	struct flow_hash hash = {0x53a3c18b, 0x9d1f6e35};

	size_t size = address_size(packet->version);
	for (size_t at = 0; at < size; at += 4)
		flow_mix(&hash, keys, get_u32(packet->source + at),
			get_u32(packet->destination + at));

	/* Later fragments know no ports, and behind an IPv6 fragment header not
	 * even the protocol; so no fragment tells them. */
	if (packet->fragment)
		flow_mix(&hash, keys, packet->fragment_id, 0x10000);
	else
		flow_mix(&hash, keys,
			(uint32_t)packet->source_port << 16 | packet->destination_port,
			packet->protocol);
	flow_mix(&hash, keys, 0x2545f491, 0x8f1bbcdd);
	return hash.low ^ hash.high;
}

/* RFC 1071 section 2: the sum does not care for the order of octets as long as
 * it is turned once at the end, nor for the width of the words added. */
uint32_t packet_sum(const uint8_t *octets, size_t length, uint32_t sum)
{
	/* Two words of 64 bits at a time; their halves are added apart, so that
	 * nothing is carried out. */
	typedef uint64_t words __attribute__((vector_size(16)));
	const words low = {0xffffffff, 0xffffffff};
	words sums[2] = {0};
	for (; length >= 32; octets += 32, length -= 32) {
		words first, second;
		memcpy(&first, octets, sizeof(first));
		memcpy(&second, octets + sizeof(first), sizeof(second));
		sums[0] += (first & low) + (first >> 32);
		sums[1] += (second & low) + (second >> 32);
	}
	sums[0] += sums[1];
	uint64_t total = sums[0][0] + sums[0][1];
	for (; length >= 4; octets += 4, length -= 4) {
		uint32_t word;
		memcpy(&word, octets, sizeof(word));
		total += word;
	}
	uint8_t last[4] = {0};
	memcpy(last, octets, length);
	uint32_t word;
	memcpy(&word, last, sizeof(word));
	total += word;

	total = (total >> 32) + (total & 0xffffffff);
	while (total > 0xffff)
		total = (total >> 16) + (total & 0xffff);
	/* The sum stands in memory as the wire has it; read it from there. */
	uint16_t native = (uint16_t)total;
	uint8_t turned[2];
	memcpy(turned, &native, sizeof(turned));

	uint64_t folded = (uint64_t)get_u16(turned) + sum;
	while (folded > 0xffff)
		folded = (folded >> 16) + (folded & 0xffff);
	return (uint32_t)folded;
}

/* Where the checksum stands in a transport header of at least `*least` octets;
 * 0 for protocols without an RFC 1071 checksum that we know. */
static size_t checksum_place(uint8_t protocol, size_t *least)
{
	switch (protocol) {
	case PROTOCOL_TCP:
		*least = 20;
		return 16;
	case PROTOCOL_UDP:
		*least = 8;
		return 6;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		*least = 4;
		return 2;
	default:
		*least = 0;
		return 0;
	}
}

/* RFC 9293 3.1 and RFC 768 for IPv4, RFC 8200 8.1 for IPv6; IPv4's ICMP has no
 * pseudo header. */
static uint32_t pseudo_header_sum(const struct packet *packet, size_t segment)
{
	if (packet->protocol == PROTOCOL_ICMP)
		return 0;
	/* Source and destination stand side by side in both versions. */
	uint32_t sum = packet_sum(packet->source, 2 * address_size(packet->version), 0);
	return sum + (uint32_t)segment + packet->protocol;
}

uint16_t packet_l4_checksum(const struct packet *packet)
{
	const uint8_t *segment = packet->octets + packet->l4_offset;
	size_t length = packet->length - packet->l4_offset;
	size_t least;
	size_t place = checksum_place(packet->protocol, &least);
	if (place == 0 || length < least)
		return 0;
	uint32_t sum = pseudo_header_sum(packet, length);
	sum = packet_sum(segment, place, sum);
	sum = packet_sum(segment + place + 2, length - place - 2, sum);
	uint16_t checksum = (uint16_t)~sum;
	/* RFC 768: 0 would mean that there is none. */
	return packet->protocol == PROTOCOL_UDP && checksum == 0 ? 0xffff : checksum;
}
