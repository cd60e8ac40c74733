/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Segmentation of core/offload: segments add up to their super-packet, and
 * every checksum verifies by arithmetic of its own. */
#include "core/offload.h"

#include <stdlib.h>
#include <string.h>

#include "superpacket.h"
#include "unit.h"

enum {
	MTU = 1520,
	CWR = 0x80,
	PSH = 0x08,
	FIN = 0x01,
	ACK = 0x10,
};

static uint8_t super[SUPERPACKET_ROOM], piece[SUPERPACKET_ROOM];
static uint8_t joined[SUPERPACKET_ROOM], original[SUPERPACKET_ROOM];

static const struct superpacket tcp4 = {4, 6, 0, 12, 4000, 1400, ACK};
static const struct superpacket tcp6 = {6, 6, 0, 12, 4000, 1400, ACK};

static struct packet parse(const uint8_t *octets, size_t length)
{
	struct packet packet;
	CU_ASSERT_EQUAL_FATAL(packet_parse(octets, length, &packet), PACKET_OK);
	return packet;
}

static bool offload_equal(const struct offload *a, const struct offload *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Three segments, field by field: what Linux makes of them. */
static void test_segment_tcp4_fields(void)
{
	struct superpacket shape = {4, 6, 0, 12, 2500, 1000, CWR | ACK | PSH | FIN};
	struct offload offload;
	size_t length = superpacket_build(&shape, super, &offload);
	struct packet packet = parse(super, length);
	static const struct {
		size_t length;
		uint16_t id;
		uint32_t sequence;
		uint8_t flags;
	} expected[] = {
		{1052, 0xfffe, 0xfffffff0, CWR | ACK},
		{1052, 0xffff, 0x000003d8, ACK},
		{552, 0x0000, 0x000007c0, ACK | PSH | FIN},
	};
	CU_ASSERT_EQUAL_FATAL(offload_segments(&offload, &packet), 3);
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(offload_segment(&offload, &packet, i, piece, sizeof(piece)),
			expected[i].length);
		CU_ASSERT_EQUAL(get_u16(piece + 2), expected[i].length);
		CU_ASSERT_EQUAL(get_u16(piece + 4), expected[i].id);
		CU_ASSERT_EQUAL(get_u16(piece + 6), 0x4000);
		CU_ASSERT_EQUAL(get_u32(piece + 24), expected[i].sequence);
		CU_ASSERT_EQUAL(piece[33], expected[i].flags);
		CU_ASSERT_EQUAL(memcmp(piece + 40, super + 40, 12), 0); /* TCP options */
		CU_ASSERT_TRUE(is_complete(piece, expected[i].length));
	}
	CU_ASSERT_EQUAL(offload_segment(&offload, &packet, 3, piece, sizeof(piece)), 0);
	CU_ASSERT_EQUAL(offload_segment(&offload, &packet, 0, piece, 1051), 0);
	CU_ASSERT_EQUAL(offload_segment(&offload, &packet, 0, piece, 1052), 1052);
}

static void test_segment_udp6_fields(void)
{
	struct superpacket shape = {6, 17, 0, 0, 2001, 1000, 0};
	struct offload offload;
	struct packet packet = parse(super, superpacket_build(&shape, super, &offload));
	CU_ASSERT_EQUAL_FATAL(offload_segments(&offload, &packet), 3);
	CU_ASSERT_EQUAL(offload_segment(&offload, &packet, 1, piece, sizeof(piece)), 1048);
	CU_ASSERT_EQUAL(get_u16(piece + 4), 1008);
	CU_ASSERT_EQUAL(get_u16(piece + 44), 1008);
	CU_ASSERT_EQUAL(offload_segment(&offload, &packet, 2, piece, sizeof(piece)), 49);
	CU_ASSERT_EQUAL(get_u16(piece + 4), 9);
	CU_ASSERT_EQUAL(get_u16(piece + 44), 9);
	CU_ASSERT_EQUAL(get_u32(piece), get_u32(super)); /* class and flow label */
}

static void test_segment_odd_cases(void)
{
	struct offload offload;
	size_t length = superpacket_build(&tcp4, super, &offload);
	struct packet packet = parse(super, length);

	/* Type NONE: one packet, completed on the way. */
	struct offload none = offload;
	none.type = OFFLOAD_NONE;
	CU_ASSERT_EQUAL(offload_segments(&none, &packet), 1);
	CU_ASSERT_EQUAL(offload_segment(&none, &packet, 0, piece, sizeof(piece)), length);
	CU_ASSERT_TRUE(is_complete(piece, length));
	CU_ASSERT_EQUAL(offload_segment(&none, &packet, 1, piece, sizeof(piece)), 0);
	CU_ASSERT_EQUAL(offload_segment(&none, &packet, 0, piece, length - 1), 0);
	none.checksum_start = 65535;
	CU_ASSERT_EQUAL(offload_segment(&none, &packet, 0, piece, sizeof(piece)), 0);

	/* No segment size, no transport header: nothing, and no division. */
	struct offload zero = offload;
	zero.segment_size = 0;
	CU_ASSERT_EQUAL(offload_segments(&zero, &packet), 0);
	CU_ASSERT_EQUAL(offload_segment(&zero, &packet, 0, piece, sizeof(piece)), 0);
	super[32] = 0x10;
	CU_ASSERT_EQUAL(offload_segments(&offload, &packet), 0);
	CU_ASSERT_EQUAL(offload_segment(&offload, &packet, 0, piece, sizeof(piece)), 0);

	/* Not a single octet of payload. */
	struct superpacket empty = tcp6;
	empty.payload = 0;
	length = superpacket_build(&empty, super, &offload);
	packet = parse(super, length);
	CU_ASSERT_EQUAL(offload_segments(&offload, &packet), 1);
	CU_ASSERT_EQUAL(offload_segment(&offload, &packet, 0, piece, sizeof(piece)), length);
	CU_ASSERT_TRUE(is_complete(piece, length));

	/* The kernel's header length may be more or less than the headers. */
	length = superpacket_build(&tcp4, super, &offload);
	packet = parse(super, length);
	offload.header_length = 500;
	CU_ASSERT_EQUAL(offload_segment(&offload, &packet, 0, piece, sizeof(piece)), 1452);
}

/* IPv6 options are in every segment, though the wire format excludes them. */
static void test_segment_extension_header(void)
{
	struct offload offload;
	size_t length = superpacket_build(&tcp6, super, &offload);
	length = superpacket_add_extension(super, length, &offload);
	struct packet packet = parse(super, length);
	CU_ASSERT_EQUAL(offload_segments(&offload, &packet), 3);
	CU_ASSERT_EQUAL(offload_segment(&offload, &packet, 1, piece, sizeof(piece)), 1480);
	CU_ASSERT_EQUAL(memcmp(piece + 40, super + 40, 8), 0);
	CU_ASSERT_EQUAL(get_u16(piece + 4), 1440);
	/* Without the option it is a packet like any other. */
	memmove(piece + 40, piece + 48, 1480 - 48);
	piece[6] = PROTOCOL_TCP;
	put_u16(piece + 4, 1432);
	CU_ASSERT_TRUE(is_complete(piece, 1472));
}

static struct superpacket random_shape(void)
{
	struct superpacket shape = {
		.version = rand() % 2 ? 4 : 6,
		.protocol = rand() % 2 ? 6 : 17,
		.flags = (uint8_t)rand(),
	};
	unsigned least = shape.version == 4 ? 536 : 1220;
	shape.ip_options = shape.version == 4 ? (unsigned)rand() % 11 * 4 : 0;
	shape.tcp_options = (unsigned)rand() % 11 * 4;
	shape.segment_size = (shape.protocol == 17 ? 1 : least) + (unsigned)rand() % 180;
	shape.payload = (unsigned)rand() % 65300 + 1;
	if (shape.protocol == 17 && shape.payload > 64 * shape.segment_size)
		shape.payload = 64 * shape.segment_size;
	return shape;
}

/* Appends the payload of a complete packet to `joined`. */
static size_t join(size_t at, const uint8_t *octets, size_t length)
{
	size_t headers = headers_of(octets);
	memcpy(joined + at, octets + headers, length - headers);
	return at + length - headers;
}

/* Whatever the super-packet, its segments are complete packets of at most the
 * segment size, in order, and hold its payload, no octet more or less. */
static void test_segment_property(void)
{
	srand(24322);
	for (unsigned round = 0; round < 300; round++) {
		struct superpacket shape = random_shape();
		struct offload offload;
		size_t length = superpacket_build(&shape, super, &offload), at = 0;
		struct packet packet = parse(super, length);
		CU_ASSERT_EQUAL_FATAL(offload_check(&offload, &packet, MTU), OFFLOAD_OK);
		unsigned count = offload_segments(&offload, &packet);
		memcpy(original, super, length);
		for (unsigned i = 0; i < count; i++) {
			size_t size = offload_segment(&offload, &packet, i, piece, sizeof(piece));
			size_t headers = headers_of(super);
			CU_ASSERT_FATAL(size > headers && size <= headers + shape.segment_size);
			CU_ASSERT_FATAL(i + 1 == count || size == headers + shape.segment_size);
			CU_ASSERT_TRUE_FATAL(is_complete(piece, size));
			if (shape.version == 4)
				CU_ASSERT_EQUAL(get_u16(piece + 4), (0xfffe + i) & 0xffff);
			if (shape.protocol == 6)
				CU_ASSERT_EQUAL(get_u32(piece + packet.l4_offset + 4),
					0xfffffff0 + (uint32_t)at);
			at = join(at, piece, size);
		}
		CU_ASSERT_EQUAL_FATAL(at, shape.payload);
		CU_ASSERT_EQUAL(memcmp(joined, super + length - at, at), 0);
		CU_ASSERT_EQUAL(memcmp(original, super, length), 0);
	}
}

static size_t segment_all(
	const struct offload *offload, const uint8_t *octets, size_t length, uint8_t *out)
{
	struct packet packet = parse(octets, length);
	size_t at = 0;
	for (unsigned i = 0; i < offload_segments(offload, &packet); i++) {
		size_t size =
			offload_segment(offload, &packet, i, out + at, 2 * SUPERPACKET_ROOM - at);
		CU_ASSERT_FATAL(size > 0);
		at += size;
	}
	return at;
}

static bool is_well_formed(const struct offload *offload, const uint8_t *octets, size_t length)
{
	return is_ordinary(offload) ? is_complete(octets, length) : is_partial(octets, length);
}

/* Cut anywhere, both parts become exactly the segments that the whole became,
 * and each part would pass the receiver's check. */
static void test_cut_property(void)
{
	static uint8_t whole[2 * SUPERPACKET_ROOM], parts[2 * SUPERPACKET_ROOM];
	srand(24323);
	for (unsigned round = 0; round < 300; round++) {
		struct superpacket shape = random_shape();
		struct offload offload, front;
		size_t length = superpacket_build(&shape, super, &offload), front_length = 0;
		if (shape.protocol == 6 && shape.flags & CWR)
			offload.type |= OFFLOAD_ECN;
		struct packet packet = parse(super, length);
		unsigned count = offload_segments(&offload, &packet);
		if (count < 2)
			continue;
		size_t expected = segment_all(&offload, super, length, whole);
		unsigned first = 1 + (unsigned)rand() % (count - 1);
		size_t at =
			offload_cut(&offload, super, length, first, piece, &front_length, &front);
		CU_ASSERT_EQUAL_FATAL(at, (size_t)first * shape.segment_size);
		CU_ASSERT_EQUAL(
			front_length, packet.l4_offset + at +
					      (shape.protocol == 17 ? 8 : 20 + shape.tcp_options));
		CU_ASSERT_EQUAL(is_ordinary(&front), first == 1);
		CU_ASSERT_EQUAL(is_ordinary(&offload), count - first == 1);
		CU_ASSERT_TRUE(is_well_formed(&front, piece, front_length));
		CU_ASSERT_TRUE(is_well_formed(&offload, super + at, length - at));
		size_t got = segment_all(&front, piece, front_length, parts);
		got += segment_all(&offload, super + at, length - at, parts + got);
		CU_ASSERT_EQUAL_FATAL(got, expected);
		CU_ASSERT_EQUAL(memcmp(whole, parts, got), 0);
		packet = parse(piece, front_length);
		CU_ASSERT_EQUAL(offload_check(&front, &packet, MTU), OFFLOAD_OK);
		packet = parse(super + at, length - at);
		CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_OK);
	}
}

/* CWR goes with the front, and with it the ECN mark of the type. */
static void test_cut_ecn(void)
{
	struct superpacket shape = tcp4;
	struct offload offload, front;
	size_t front_length;
	shape.flags = CWR | ACK;
	shape.payload = 10000;
	size_t length = superpacket_build(&shape, super, &offload);
	offload.type |= OFFLOAD_ECN;
	offload.header_length = 9;
	size_t at = offload_cut(&offload, super, length, 3, piece, &front_length, &front);
	CU_ASSERT_EQUAL(at, 4200);
	CU_ASSERT_EQUAL(front.type, OFFLOAD_TCP4 | OFFLOAD_ECN);
	CU_ASSERT_EQUAL(front.header_length, 52);
	CU_ASSERT_EQUAL(piece[33], CWR | ACK);
	CU_ASSERT_EQUAL(offload.type, OFFLOAD_TCP4);
	CU_ASSERT_EQUAL(offload.header_length, 52);
	CU_ASSERT_EQUAL(super[at + 33], ACK);
	CU_ASSERT_EQUAL(get_u16(super + at + 4), 0x0001); /* 0xfffe and three segments */
}

static void test_cut_refuses(void)
{
	struct offload offload, front = {9, 9, 9, 9, 9, 9}, before;
	size_t front_length = 9;
	size_t length = superpacket_build(&tcp4, super, &offload); /* three segments */
	memcpy(original, super, length);
	before = offload;
	CU_ASSERT_EQUAL(offload_cut(&offload, super, length, 0, piece, &front_length, &front), 0);
	CU_ASSERT_EQUAL(offload_cut(&offload, super, length, 3, piece, &front_length, &front), 0);
	CU_ASSERT_EQUAL(
		offload_cut(&offload, super, length - 1, 1, piece, &front_length, &front), 0);
	CU_ASSERT_TRUE(offload_equal(&offload, &before));
	offload.type = OFFLOAD_NONE;
	CU_ASSERT_EQUAL(offload_cut(&offload, super, length, 1, piece, &front_length, &front), 0);
	CU_ASSERT_EQUAL(memcmp(original, super, length), 0);
	CU_ASSERT_EQUAL(front_length, 9);
}

static const struct unit_test tests[] = {
	{"segment: TCP over IPv4 by field", test_segment_tcp4_fields},
	{"segment: UDP over IPv6 by field", test_segment_udp6_fields},
	{"segment: odd cases", test_segment_odd_cases},
	{"segment: extension headers are kept", test_segment_extension_header},
	{"segment: random super-packets", test_segment_property},
	{"cut: random super-packets", test_cut_property},
	{"cut: CWR and the ECN type", test_cut_ecn},
	{"cut: refuses", test_cut_refuses},
};

UNIT_MAIN("segment", tests)
