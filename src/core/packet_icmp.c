/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What we tell the sender of a packet that cannot pass.
 *
 *  +---------------+---------------+-------------------------------+
 *  |     Type      |     Code      |           Checksum            |
 *  +---------------+---------------+-------------------------------+
 *  |  IPv4: 0 (16), next-hop MTU (16); IPv6: MTU (32); else 0      |
 *  +---------------------------------------------------------------+
 *  |  as much of the packet as fits ...
 */
#include "core/packet.h"

#include <string.h>

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	ICMP_HEADER = 8,
	ICMPV4_ROOM = 576,  /* the whole error, RFC 1812 4.3.2.3 */
	ICMPV6_ROOM = 1280, /* RFC 4443 2.4 (c) */
	HOP_LIMIT = 64,
	/* RFC 1812 4.3.2.5: errors travel with precedence Internetwork Control. */
	ICMPV4_TOS = 0xc0,

	ICMPV4_UNREACHABLE = 3,
	ICMPV4_CODE_HOST = 1,
	ICMPV4_CODE_TOO_BIG = 4,
	ICMPV4_CODE_PROHIBITED = 13,
	ICMPV6_UNREACHABLE = 1,
	ICMPV6_CODE_PROHIBITED = 1,
	ICMPV6_CODE_ADDRESS = 3,
	ICMPV6_TOO_BIG = 2,
	ICMPV6_INFORMATIONAL = 128, /* types below are errors */
	ICMPV6_REDIRECT = 137,
};

/* The first eight octets of an error, less the checksum. */
struct icmp_error {
	uint8_t type, code;
	uint32_t rest;
};

/* ICMP whose type we cannot see counts as an error too. */
static bool is_icmp_error(const struct packet *packet)
{
	bool visible = packet->length > packet->l4_offset;
	uint8_t type = visible ? packet->octets[packet->l4_offset] : 0;
	if (packet->version == 4 && packet->protocol == PROTOCOL_ICMP)
		/* Unreachable, Source Quench, Redirect, Time Exceeded, Parameter
		 * Problem: RFC 1122 3.2.2. */
		return !visible || (type >= 3 && type <= 5) || type == 11 || type == 12;
	if (packet->version == 6 && packet->protocol == PROTOCOL_ICMPV6)
		return !visible || type < ICMPV6_INFORMATIONAL || type == ICMPV6_REDIRECT;
	return false;
}

/* No single host: nobody to tell, or a crowd. */
static bool is_no_host(uint8_t version, const uint8_t *octets)
{
	static const uint8_t zero[15];
	if (version == 4)
		return octets[0] == 0 || octets[0] == 127 || octets[0] >= 224;
	bool unspecified_or_loopback = memcmp(octets, zero, sizeof(zero)) == 0 && octets[15] <= 1;
	return octets[0] == 0xff || unspecified_or_loopback;
}

/* RFC 1122 3.2.2, RFC 4443 2.4 (e). */
static bool may_answer(const struct packet *packet, const struct address *from)
{
	return from->version == packet->version && !packet->later_fragment &&
	       !is_icmp_error(packet) && !is_no_host(packet->version, packet->source) &&
	       !is_no_host(packet->version, packet->destination);
}

/* Writes the ICMP message behind a header of `header` octets; returns the
 * length of both. */
static size_t put_error(const struct packet *packet, struct icmp_error error, size_t header,
	size_t room, uint8_t *out)
{
	size_t quoted = room - header - ICMP_HEADER;
	if (quoted > packet->length)
		quoted = packet->length;
	uint8_t *icmp = out + header;
	icmp[0] = error.type;
	icmp[1] = error.code;
	put_u16(icmp + 2, 0);
	put_u32(icmp + 4, error.rest);
	memcpy(icmp + ICMP_HEADER, packet->octets, quoted);
	return header + ICMP_HEADER + quoted;
}

static size_t put_ipv4_error(const struct packet *packet, const struct address *from,
	struct icmp_error error, uint8_t *out)
{
	size_t length = put_error(packet, error, IPV4_HEADER, ICMPV4_ROOM, out);
	uint8_t *icmp = out + IPV4_HEADER;
	put_u16(icmp + 2, (uint16_t)~packet_sum(icmp, length - IPV4_HEADER, 0));

	out[0] = 0x45;
	out[1] = ICMPV4_TOS;
	put_u16(out + 2, (uint16_t)length);
	put_u32(out + 4, 0x00004000); /* DF, so the id means nothing (RFC 6864) */
	out[8] = HOP_LIMIT;
	out[9] = PROTOCOL_ICMP;
	put_u16(out + 10, 0);
	memcpy(out + 12, from->octets, 4);
	memcpy(out + 16, packet->source, 4);
	put_u16(out + 10, (uint16_t)~packet_sum(out, IPV4_HEADER, 0));
	return length;
}

static size_t put_ipv6_error(const struct packet *packet, const struct address *from,
	struct icmp_error error, uint8_t *out)
{
	size_t length = put_error(packet, error, IPV6_HEADER, ICMPV6_ROOM, out);
	put_u32(out, 0x60000000);
	put_u16(out + 4, (uint16_t)(length - IPV6_HEADER));
	out[6] = PROTOCOL_ICMPV6;
	out[7] = HOP_LIMIT;
	memcpy(out + 8, from->octets, 16);
	memcpy(out + 24, packet->source, 16);

	/* RFC 8200 8.1: over both addresses, length and protocol as well. */
	uint32_t sum = packet_sum(out + 8, 32, (uint32_t)(length - IPV6_HEADER) + PROTOCOL_ICMPV6);
	uint8_t *icmp = out + IPV6_HEADER;
	put_u16(icmp + 2, (uint16_t)~packet_sum(icmp, length - IPV6_HEADER, sum));
	return length;
}

size_t packet_too_big(
	const struct packet *packet, const struct address *from, uint16_t mtu, uint8_t *out)
{
	if (!may_answer(packet, from))
		return 0;
	if (packet->version == 6)
		return put_ipv6_error(
			packet, from, (struct icmp_error){ICMPV6_TOO_BIG, 0, mtu}, out);
	bool may_be_fragmented = !(packet->octets[6] & 0x40);
	if (may_be_fragmented)
		return 0;
	return put_ipv4_error(packet, from,
		(struct icmp_error){ICMPV4_UNREACHABLE, ICMPV4_CODE_TOO_BIG, mtu}, out);
}

size_t packet_unreachable(
	const struct packet *packet, const struct address *from, bool prohibited, uint8_t *out)
{
	if (!may_answer(packet, from))
		return 0;
	if (packet->version == 6) {
		uint8_t code = prohibited ? ICMPV6_CODE_PROHIBITED : ICMPV6_CODE_ADDRESS;
		return put_ipv6_error(
			packet, from, (struct icmp_error){ICMPV6_UNREACHABLE, code, 0}, out);
	}
	uint8_t code = prohibited ? ICMPV4_CODE_PROHIBITED : ICMPV4_CODE_HOST;
	return put_ipv4_error(packet, from, (struct icmp_error){ICMPV4_UNREACHABLE, code, 0}, out);
}
