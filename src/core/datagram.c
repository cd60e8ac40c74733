/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Headers around a payload. */
#include "core/datagram.h"

#include <string.h>

enum { IPV4_HEADER = 20, IPV6_HEADER = 40, UDP_HEADER = 8, HOP_LIMIT = 64 };

static bool ip_header_is_right(const struct packet *packet)
{
	return packet->version == 6 || packet_sum(packet->octets, packet->l4_offset, 0) == 0xffff;
}

static void read_addresses(const struct packet *packet, struct datagram *out)
{
	address_set(&out->source, packet->version, packet->source);
	address_set(&out->destination, packet->version, packet->destination);
}

bool datagram_read(const struct packet *packet, struct datagram *out)
{
	const uint8_t *udp = packet->octets + packet->l4_offset;
	size_t length = packet->length - packet->l4_offset;
	if (packet->protocol != PROTOCOL_UDP || packet->fragment || !packet->has_ports ||
		get_u16(udp + 4) != length || !ip_header_is_right(packet))
		return false;
	uint16_t checksum = get_u16(udp + 6);
	/* Over IPv4 the sender may leave it out (RFC 768). */
	bool none = checksum == 0 && packet->version == 4;
	if (!none && checksum != packet_l4_checksum(packet))
		return false;
	read_addresses(packet, out);
	out->source_port = packet->source_port;
	out->destination_port = packet->destination_port;
	out->payload = (struct view){udp + UDP_HEADER, length - UDP_HEADER};
	return true;
}

bool datagram_read_ndp(const struct packet *packet, struct datagram *out)
{
	const uint8_t *message = packet->octets + packet->l4_offset;
	size_t length = packet->length - packet->l4_offset;
	if (packet->version != 6 || packet->protocol != PROTOCOL_ICMPV6 || packet->fragment ||
		length < 8 || packet->octets[7] != NDP_HOP_LIMIT ||
		get_u16(message + 2) != packet_l4_checksum(packet))
		return false;
	read_addresses(packet, out);
	out->source_port = out->destination_port = 0;
	out->payload = (struct view){message, length};
	return true;
}

/* What stands in front of an IP packet's transport header of `length` octets;
 * returns the header's own length. */
static size_t put_ip_header(const struct datagram *datagram, uint8_t protocol, uint8_t hop_limit,
	size_t length, uint8_t *out)
{
	if (datagram->source.version == 6) {
		put_u32(out, 0x60000000);
		put_u16(out + 4, (uint16_t)length);
		out[6] = protocol;
		out[7] = hop_limit;
		memcpy(out + 8, datagram->source.octets, 16);
		memcpy(out + 24, datagram->destination.octets, 16);
		return IPV6_HEADER;
	}
	out[0] = 0x45;
	out[1] = 0;
	put_u16(out + 2, (uint16_t)(IPV4_HEADER + length));
	put_u32(out + 4, 0x00004000); /* DF, so the id means nothing (RFC 6864) */
	out[8] = hop_limit;
	out[9] = protocol;
	put_u16(out + 10, 0);
	memcpy(out + 12, datagram->source.octets, 4);
	memcpy(out + 16, datagram->destination.octets, 4);
	put_u16(out + 10, (uint16_t)~packet_sum(out, IPV4_HEADER, 0));
	return IPV4_HEADER;
}

static void put_checksum(uint8_t *octets, size_t length, size_t place)
{
	struct packet packet;
	if (packet_parse(octets, length, &packet) == PACKET_OK)
		put_u16(octets + place, packet_l4_checksum(&packet));
}

size_t datagram_write(const struct datagram *datagram, uint8_t *packet)
{
	size_t length = UDP_HEADER + datagram->payload.length;
	size_t header = put_ip_header(datagram, PROTOCOL_UDP, HOP_LIMIT, length, packet);
	uint8_t *udp = packet + header;
	put_u16(udp, datagram->source_port);
	put_u16(udp + 2, datagram->destination_port);
	put_u16(udp + 4, (uint16_t)length);
	put_u16(udp + 6, 0);
	memcpy(udp + UDP_HEADER, datagram->payload.octets, datagram->payload.length);
	put_checksum(packet, header + length, header + 6);
	return header + length;
}

size_t datagram_write_ndp(const struct datagram *datagram, uint8_t *packet)
{
	size_t length = datagram->payload.length;
	size_t header = put_ip_header(datagram, PROTOCOL_ICMPV6, NDP_HOP_LIMIT, length, packet);
	memcpy(packet + header, datagram->payload.octets, length);
	put_checksum(packet, header + length, header + 2);
	return header + length;
}
