/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Written from the RFCs once more, plainly, on purpose. */
#include "superpacket.h"

#include <stdlib.h>
#include <string.h>

unsigned plain_sum(const uint8_t *octets, size_t length, unsigned sum)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? octets[i] : (unsigned)octets[i] << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static size_t l4_offset(const uint8_t *octets)
{
	return octets[0] >> 4 == 4 ? (size_t)(octets[0] & 15) * 4 : 40;
}

static unsigned protocol_of(const uint8_t *octets)
{
	return octets[0] >> 4 == 4 ? octets[9] : octets[6];
}

size_t headers_of(const uint8_t *octets)
{
	size_t l4 = l4_offset(octets);
	return l4 + (protocol_of(octets) == 17 ? 8 : (size_t)(octets[l4 + 12] >> 4) * 4);
}

static unsigned pseudo_sum(const uint8_t *octets, size_t length)
{
	unsigned sum = (unsigned)(length - l4_offset(octets)) + protocol_of(octets);
	return octets[0] >> 4 == 4 ? plain_sum(octets + 12, 8, sum)
				   : plain_sum(octets + 8, 32, sum);
}

/* Of the IP header, and of the UDP header if there is one. */
static bool has_right_lengths(const uint8_t *octets, size_t length)
{
	size_t l4 = l4_offset(octets);
	if (octets[0] >> 4 == 4) {
		if (get_u16(octets + 2) != length || plain_sum(octets, l4, 0) != 0xffff)
			return false;
	} else if (get_u16(octets + 4) + 40U != length) {
		return false;
	}
	return protocol_of(octets) != 17 || get_u16(octets + l4 + 4) == length - l4;
}

static uint16_t checksum_of(const uint8_t *octets)
{
	return get_u16(octets + l4_offset(octets) + (protocol_of(octets) == 17 ? 6 : 16));
}

bool is_complete(const uint8_t *octets, size_t length)
{
	size_t l4 = l4_offset(octets);
	if (!has_right_lengths(octets, length) ||
		(protocol_of(octets) == 17 && checksum_of(octets) == 0))
		return false;
	return plain_sum(octets + l4, length - l4, pseudo_sum(octets, length)) == 0xffff;
}

bool is_partial(const uint8_t *octets, size_t length)
{
	return has_right_lengths(octets, length) &&
	       checksum_of(octets) == pseudo_sum(octets, length);
}

bool is_ordinary(const struct offload *offload)
{
	static const struct offload none;
	return memcmp(offload, &none, sizeof(none)) == 0;
}

static size_t build_ip(const struct superpacket *shape, uint8_t *octets, size_t l4_length)
{
	if (shape->version == 6) {
		put_u32(octets, 0x6b812345); /* AF21, ECT(0), a flow label */
		put_u16(octets + 4, (uint16_t)l4_length);
		octets[6] = (uint8_t)shape->protocol;
		octets[7] = 64;
		for (unsigned i = 8; i < 40; i++)
			octets[i] = (uint8_t)(i * 37);
		return 40;
	}
	size_t header = 20 + shape->ip_options;
	memset(octets, 1, header); /* options: NOP */
	octets[0] = (uint8_t)(0x40 | header / 4);
	octets[1] = 0x4a;
	put_u16(octets + 2, (uint16_t)(header + l4_length));
	put_u16(octets + 4, 0xfffe); /* its id wraps within three segments */
	put_u16(octets + 6, 0x4000);
	octets[8] = 64;
	octets[9] = (uint8_t)shape->protocol;
	put_u16(octets + 10, 0);
	put_u32(octets + 12, 0x0a000001);
	put_u32(octets + 16, 0xc0a80105);
	put_u16(octets + 10, (uint16_t)~plain_sum(octets, header, 0));
	return header;
}

size_t superpacket_build(
	const struct superpacket *shape, uint8_t octets[SUPERPACKET_ROOM], struct offload *out)
{
	bool udp = shape->protocol == 17;
	size_t l4_header = udp ? 8 : 20 + shape->tcp_options;
	size_t l4 = build_ip(shape, octets, l4_header + shape->payload);
	size_t length = l4 + l4_header + shape->payload;
	memset(octets + l4, 1, l4_header);
	put_u16(octets + l4, 5060);
	put_u16(octets + l4 + 2, 40000);
	if (udp) {
		put_u16(octets + l4 + 4, (uint16_t)(l4_header + shape->payload));
		put_u16(octets + l4 + 6, (uint16_t)pseudo_sum(octets, length));
	} else {
		put_u32(octets + l4 + 4, 0xfffffff0); /* the sequence wraps */
		octets[l4 + 12] = (uint8_t)(l4_header / 4 << 4);
		octets[l4 + 13] = shape->flags;
		put_u16(octets + l4 + 16, (uint16_t)pseudo_sum(octets, length));
	}
	for (size_t i = l4 + l4_header; i < length; i++)
		octets[i] = (uint8_t)rand();
	*out = (struct offload){
		.flags = OFFLOAD_NEEDS_CHECKSUM,
		.type = udp                   ? OFFLOAD_UDP
			: shape->version == 4 ? OFFLOAD_TCP4
					      : OFFLOAD_TCP6,
		.header_length = (uint16_t)(l4 + l4_header),
		.segment_size = (uint16_t)shape->segment_size,
		.checksum_start = (uint16_t)l4,
		.checksum_offset = udp ? 6 : 16,
	};
	return length;
}

size_t superpacket_add_extension(uint8_t *octets, size_t length, struct offload *offload)
{
	memmove(octets + 48, octets + 40, length - 40);
	memset(octets + 40, 0, 8);
	octets[40] = octets[6];
	octets[42] = 1; /* PadN, 4 octets */
	octets[43] = 4;
	octets[6] = 60;
	put_u16(octets + 4, (uint16_t)(get_u16(octets + 4) + 8));
	offload->checksum_start = 48;
	return length + 8;
}
