/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one thing that we change in a packet: the MSS option of a SYN
 * (RFC 9293 3.7.1), which every router on a narrower link may lower. */
#include "core/mss.h"

#include "core/offload.h"

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	TCP_HEADER = 20,
	TCP_FLAGS = 13,
	TCP_SYN = 0x02,
	TCP_CHECKSUM = 16,
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
	OPTION_MSS_LENGTH = 4,
};

/* Where the MSS option's value stands in a TCP header of `length` octets; 0
 * without one, or when an option lies about its length. */
static size_t find_mss(const uint8_t *l4, size_t length)
{
	size_t at = TCP_HEADER;
	while (at < length && l4[at] != OPTION_END) {
		if (l4[at] == OPTION_NOP) {
			at++;
			continue;
		}
		if (length - at < 2 || l4[at + 1] < 2 || l4[at + 1] > length - at)
			return 0;
		if (l4[at] == OPTION_MSS)
			return l4[at + 1] == OPTION_MSS_LENGTH ? at + 2 : 0;
		at += l4[at + 1];
	}
	return 0;
}

/* The sum without the old word and with the new one (RFC 1624 section 3).  A
 * word at an odd place counts with its octets turned round. */
static void correct_checksum(uint8_t *checksum, size_t place, uint16_t old, uint16_t new)
{
	if (place % 2) {
		old = (uint16_t)(old << 8 | old >> 8);
		new = (uint16_t)(new << 8 | new >> 8);
	}
	uint32_t sum = (uint32_t)(uint16_t)~get_u16(checksum) + (uint16_t)~old + new;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put_u16(checksum, (uint16_t)~sum);
}

bool mss_clamp(const struct packet *packet, uint8_t *octets, uint16_t mtu)
{
	if (packet->protocol != PROTOCOL_TCP || !packet->has_ports ||
		!(octets[packet->l4_offset + TCP_FLAGS] & TCP_SYN))
		return false;
	size_t headers = offload_headers(packet);
	if (!headers)
		return false;
	uint8_t *l4 = octets + packet->l4_offset;
	size_t place = find_mss(l4, headers - packet->l4_offset);
	if (!place)
		return false;
	unsigned fixed = (packet->version == 4 ? IPV4_HEADER : IPV6_HEADER) + TCP_HEADER;
	uint16_t announced = get_u16(l4 + place), fits = (uint16_t)(mtu - fixed);
	if (mtu <= fixed || announced <= fits)
		return false;
	put_u16(l4 + place, fits);
	correct_checksum(l4 + TCP_CHECKSUM, place, announced, fits);
	return true;
}
