/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/offload: both encodings, each rule of the offload header with what it
 * refuses, and completed checksums. */
#include "core/offload.h"

#include <string.h>

#include <linux/virtio_net.h>

#include "superpacket.h"
#include "unit.h"

enum { MTU = 1500, ACK = 0x10 };

static uint8_t super[SUPERPACKET_ROOM], original[SUPERPACKET_ROOM], piece[SUPERPACKET_ROOM];

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

static void test_codecs(void)
{
	static const struct offload offload = {0x01, 0x84, 0x0203, 0x0405, 0x0607, 0x0809};
	static const uint8_t wire[OFFLOAD_HEADER] = {1, 0x84, 2, 3, 4, 5, 6, 7, 8, 9};
	uint8_t at[OFFLOAD_HEADER];
	struct offload back;
	offload_put_wire(&offload, at);
	CU_ASSERT_EQUAL(memcmp(at, wire, sizeof(at)), 0);
	offload_get_wire(at, &back);
	CU_ASSERT_TRUE(offload_equal(&back, &offload));

	struct virtio_net_hdr virtio;
	CU_ASSERT_EQUAL_FATAL(sizeof(virtio), OFFLOAD_HEADER);
	offload_put_virtio(&offload, at);
	memcpy(&virtio, at, sizeof(virtio));
	CU_ASSERT_EQUAL(virtio.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	CU_ASSERT_EQUAL(virtio.gso_type, VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN);
	CU_ASSERT_EQUAL(virtio.hdr_len, 0x0203);
	CU_ASSERT_EQUAL(virtio.gso_size, 0x0405);
	CU_ASSERT_EQUAL(virtio.csum_start, 0x0607);
	CU_ASSERT_EQUAL(virtio.csum_offset, 0x0809);
	offload_get_virtio(at, &back);
	CU_ASSERT_TRUE(offload_equal(&back, &offload));

	/* "Its checksum was verified" is no request, and means nothing to us. */
	virtio = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_DATA_VALID, .hdr_len = 40};
	memcpy(at, &virtio, sizeof(virtio));
	offload_get_virtio(at, &back);
	CU_ASSERT_TRUE(is_ordinary(&back));
}

static const struct superpacket tcp4 = {4, 6, 0, 12, 4000, 1400, ACK};
static const struct superpacket tcp6 = {6, 6, 0, 12, 4000, 1400, ACK};
static const struct superpacket udp4 = {4, 17, 0, 0, 4000, 1400, 0};
static const struct superpacket udp6 = {6, 17, 0, 0, 4000, 1400, 0};

/* What the header says is checked against a good packet. */
static void test_check_header(void)
{
	static const struct {
		const struct superpacket *shape;
		struct offload header; /* header_length lies everywhere */
		enum offload_result expected;
	} cases[] = {
		{&tcp4, {1, 1, 9, 1400, 20, 16}, OFFLOAD_OK},
		{&tcp4, {1, 0x81, 9, 1400, 20, 16}, OFFLOAD_OK},
		{&tcp6, {1, 4, 9, 1400, 40, 16}, OFFLOAD_OK},
		{&tcp6, {1, 0x84, 9, 1400, 40, 16}, OFFLOAD_OK},
		{&udp4, {1, 5, 9, 1400, 20, 6}, OFFLOAD_OK},
		{&udp6, {1, 5, 9, 1400, 40, 6}, OFFLOAD_OK},
		{&tcp4, {1, 0, 9, 1400, 20, 16}, OFFLOAD_OK},
		{&udp6, {1, 0, 9, 0, 40, 6}, OFFLOAD_OK},
		/* Only bit 0, and always when it is to be segmented. */
		{&tcp4, {0, 1, 9, 1400, 20, 16}, OFFLOAD_BAD_FLAGS},
		{&udp4, {0, 5, 9, 1400, 20, 6}, OFFLOAD_BAD_FLAGS},
		{&tcp4, {3, 1, 9, 1400, 20, 16}, OFFLOAD_BAD_FLAGS},
		{&tcp4, {2, 0, 9, 1400, 20, 16}, OFFLOAD_BAD_FLAGS},
		{&tcp4, {0x81, 1, 9, 1400, 20, 16}, OFFLOAD_BAD_FLAGS},
		/* Known types, and the packet's own. */
		{&tcp4, {1, 2, 9, 1400, 20, 16}, OFFLOAD_BAD_TYPE},
		{&tcp4, {1, 4, 9, 1400, 20, 16}, OFFLOAD_BAD_TYPE},
		{&tcp6, {1, 1, 9, 1400, 40, 16}, OFFLOAD_BAD_TYPE},
		{&tcp4, {1, 5, 9, 1400, 20, 6}, OFFLOAD_BAD_TYPE},
		{&udp4, {1, 1, 9, 1400, 20, 16}, OFFLOAD_BAD_TYPE},
		{&udp6, {1, 4, 9, 1400, 40, 16}, OFFLOAD_BAD_TYPE},
		{&udp4, {1, 3, 9, 1400, 20, 6}, OFFLOAD_BAD_TYPE},
		{&udp4, {1, 0x85, 9, 1400, 20, 6}, OFFLOAD_BAD_TYPE},
		{&tcp4, {1, 0x80, 9, 1400, 20, 16}, OFFLOAD_BAD_TYPE},
		{&tcp4, {1, 0x41, 9, 1400, 20, 16}, OFFLOAD_BAD_TYPE},
		/* The checksum is where the packet has it. */
		{&tcp4, {1, 1, 9, 1400, 19, 16}, OFFLOAD_BAD_CHECKSUM},
		{&tcp4, {1, 1, 9, 1400, 0, 16}, OFFLOAD_BAD_CHECKSUM},
		{&tcp4, {1, 1, 9, 1400, 20, 6}, OFFLOAD_BAD_CHECKSUM},
		{&tcp6, {1, 4, 9, 1400, 20, 16}, OFFLOAD_BAD_CHECKSUM},
		{&tcp6, {1, 4, 9, 1400, 40, 65535}, OFFLOAD_BAD_CHECKSUM},
		{&udp4, {1, 5, 9, 1400, 20, 16}, OFFLOAD_BAD_CHECKSUM},
		{&udp6, {1, 0, 9, 0, 40, 16}, OFFLOAD_BAD_CHECKSUM},
		{&tcp4, {1, 0, 9, 0, 65535, 16}, OFFLOAD_BAD_CHECKSUM},
		/* Segments are neither tiny nor larger than the inner MTU. */
		{&tcp4, {1, 1, 9, 536, 20, 16}, OFFLOAD_OK},
		{&tcp4, {1, 1, 9, 535, 20, 16}, OFFLOAD_BAD_SIZE},
		{&tcp4, {1, 1, 9, 0, 20, 16}, OFFLOAD_BAD_SIZE},
		{&tcp4, {1, 1, 9, MTU - 52, 20, 16}, OFFLOAD_OK},
		{&tcp4, {1, 1, 9, MTU - 51, 20, 16}, OFFLOAD_BAD_SIZE},
		{&tcp4, {1, 1, 9, 65535, 20, 16}, OFFLOAD_BAD_SIZE},
		{&tcp6, {1, 4, 9, 1220, 40, 16}, OFFLOAD_OK},
		{&tcp6, {1, 4, 9, 1219, 40, 16}, OFFLOAD_BAD_SIZE},
		{&tcp6, {1, 4, 9, MTU - 72, 40, 16}, OFFLOAD_OK},
		{&tcp6, {1, 4, 9, MTU - 71, 40, 16}, OFFLOAD_BAD_SIZE},
		{&udp4, {1, 5, 9, MTU - 28, 20, 6}, OFFLOAD_OK},
		{&udp4, {1, 5, 9, MTU - 27, 20, 6}, OFFLOAD_BAD_SIZE},
		{&udp6, {1, 5, 9, MTU - 48, 40, 6}, OFFLOAD_OK},
		{&udp6, {1, 5, 9, MTU - 47, 40, 6}, OFFLOAD_BAD_SIZE},
		/* 4000 octets: 64 segments of 63, but 65 of 62. */
		{&udp4, {1, 5, 9, 63, 20, 6}, OFFLOAD_OK},
		{&udp4, {1, 5, 9, 62, 20, 6}, OFFLOAD_BAD_SIZE},
		{&udp4, {1, 5, 9, 0, 20, 6}, OFFLOAD_BAD_SIZE},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct offload offload;
		size_t length = superpacket_build(cases[i].shape, super, &offload);
		struct packet packet = parse(super, length);
		offload = cases[i].header;
		enum offload_result result = offload_check(&offload, &packet, MTU);
		if (result != cases[i].expected)
			fprintf(stderr, "case %zu: %s\n", i, offload_result_name(result));
		CU_ASSERT_EQUAL(result, cases[i].expected);
		if (result == OFFLOAD_OK)
			CU_ASSERT_EQUAL(offload.header_length, headers_of(super));
	}
}

/* Nothing wanted: what else the header says is void. */
static void test_check_ordinary(void)
{
	struct offload offload;
	size_t length = superpacket_build(&tcp4, super, &offload);
	struct packet packet = parse(super, length);
	offload = (struct offload){0, 0, 1, 2, 3, 4};
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_OK);
	CU_ASSERT_TRUE(is_ordinary(&offload));
}

/* What the packet is, with a header that would suit it. */
static void test_check_packet(void)
{
	struct offload good, offload;
	struct packet packet;
	size_t length = superpacket_build(&tcp4, super, &good);

	/* A fragment: more to come, or an offset. */
	for (unsigned i = 0; i < 2; i++) {
		put_u16(super + 6, i ? 0x2000 : 0x0001);
		packet = parse(super, length);
		offload = good;
		CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_PACKET);
		offload.type = OFFLOAD_NONE;
		CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_PACKET);
	}
	put_u16(super + 6, 0x4000);

	/* A TCP header that lies about its length, or is cut short. */
	static const uint8_t data_offsets[] = {0x00, 0x40};
	for (unsigned i = 0; i < 2; i++) {
		super[20 + 12] = data_offsets[i];
		packet = parse(super, length);
		offload = good;
		CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_PACKET);
	}
	super[20 + 12] = 0x80;
	static const size_t short_lengths[] = {20, 33, 39, 51};
	for (unsigned i = 0; i < 4; i++) {
		put_u16(super + 2, (uint16_t)short_lengths[i]);
		packet = parse(super, short_lengths[i]);
		offload = good;
		CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_PACKET);
	}

	/* UDP cut short, or with a length of its own. */
	length = superpacket_build(&udp4, super, &good);
	put_u16(super + 2, 27);
	packet = parse(super, 27);
	offload = good;
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_PACKET);
	put_u16(super + 2, (uint16_t)length);
	put_u16(super + 24, (uint16_t)(length - 21));
	packet = parse(super, length);
	offload = good;
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_PACKET);

	/* Neither TCP nor UDP. */
	length = superpacket_build(&udp4, super, &good);
	super[9] = PROTOCOL_ICMP;
	packet = parse(super, length);
	offload = good;
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_TYPE);
	offload.type = OFFLOAD_NONE;
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_TYPE);
}

static void test_check_extension_header(void)
{
	struct offload offload;
	size_t length = superpacket_build(&tcp6, super, &offload);
	length = superpacket_add_extension(super, length, &offload);
	struct packet packet = parse(super, length);
	CU_ASSERT_EQUAL(packet.protocol, PROTOCOL_TCP);
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_PACKET);
	offload.type = OFFLOAD_NONE;
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_PACKET);

	length = superpacket_build(&udp6, super, &offload);
	length = superpacket_add_extension(super, length, &offload);
	packet = parse(super, length);
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_PACKET);
}

static void test_check_packet_size(void)
{
	struct superpacket shape = tcp4;
	struct offload offload;
	shape.payload = PACKET_MAX - 52;
	struct packet packet = parse(super, superpacket_build(&shape, super, &offload));
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_OK);
	shape.payload++;
	packet = parse(super, superpacket_build(&shape, super, &offload));
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_SIZE);
	offload = (struct offload){0};
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_SIZE);
}

/* No payload needs no segment, and still a segment size. */
static void test_check_empty(void)
{
	struct superpacket shape = udp6;
	struct offload offload;
	shape.payload = 0;
	struct packet packet = parse(super, superpacket_build(&shape, super, &offload));
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_OK);
	offload.segment_size = 0;
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_SIZE);
}

/* IPv4 options are headers like others. */
static void test_check_ipv4_options(void)
{
	struct superpacket shape = tcp4;
	struct offload offload;
	shape.ip_options = 40;
	shape.segment_size = MTU - 60 - 32;
	struct packet packet = parse(super, superpacket_build(&shape, super, &offload));
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_OK);
	CU_ASSERT_EQUAL(offload.header_length, 92);
	offload.segment_size++;
	CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_BAD_SIZE);
}

static void test_complete(void)
{
	static const struct superpacket *const shapes[] = {&tcp4, &tcp6, &udp4, &udp6};
	for (unsigned i = 0; i < 4; i++) {
		struct superpacket shape = *shapes[i];
		for (shape.payload = 0; shape.payload < 70; shape.payload++) {
			struct offload offload;
			size_t length = superpacket_build(&shape, super, &offload);
			offload.type = OFFLOAD_NONE;
			CU_ASSERT_TRUE(is_partial(super, length));
			CU_ASSERT_TRUE(offload_complete(&offload, super, length));
			CU_ASSERT_TRUE(is_complete(super, length));
			CU_ASSERT_TRUE(is_ordinary(&offload));
			/* Nothing to do: nothing changes. */
			memcpy(original, super, length);
			CU_ASSERT_TRUE(offload_complete(&offload, super, length));
			CU_ASSERT_EQUAL(memcmp(original, super, length), 0);
		}
	}
}

/* A UDP checksum that happens to be zero is written as its other form. */
static void test_complete_zero_checksum(void)
{
	struct superpacket shape = udp4;
	struct offload offload;
	shape.payload = 2;
	size_t length = superpacket_build(&shape, super, &offload);
	put_u16(super + 28, 0);
	put_u16(super + 28, (uint16_t)~plain_sum(super + 20, length - 20, 0));
	memcpy(original, super, length);
	offload.type = OFFLOAD_NONE;
	CU_ASSERT_TRUE(offload_complete(&offload, super, length));
	CU_ASSERT_EQUAL(get_u16(super + 26), 0xffff);
	offload = (struct offload){1, OFFLOAD_UDP, 28, 2, 20, 6};
	struct packet packet = parse(original, length);
	CU_ASSERT_EQUAL(offload_segment(&offload, &packet, 0, piece, sizeof(piece)), length);
	CU_ASSERT_EQUAL(get_u16(piece + 26), 0xffff);
}

static void test_complete_refuses(void)
{
	struct offload offload;
	size_t length = superpacket_build(&tcp4, super, &offload);
	memcpy(original, super, length);
	CU_ASSERT_FALSE(offload_complete(&offload, super, length)); /* a super-packet */
	static const struct {
		size_t start, offset;
	} cases[] = {{4051, 0}, {4052, 0}, {4036, 15}, {4036, 16}, {20, 65535}, {65535, 65535}};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		offload = (struct offload){
			1, 0, 0, 0, (uint16_t)cases[i].start, (uint16_t)cases[i].offset};
		CU_ASSERT_EQUAL(length, 4052);
		CU_ASSERT_FALSE(offload_complete(&offload, super, length));
		CU_ASSERT_EQUAL(offload.flags, OFFLOAD_NEEDS_CHECKSUM);
	}
	CU_ASSERT_EQUAL(memcmp(original, super, length), 0);
	offload = (struct offload){1, 0, 0, 0, 4036, 14}; /* the last two octets */
	CU_ASSERT_TRUE(offload_complete(&offload, super, length));
}

static const struct unit_test tests[] = {
	{"wire and virtio encodings", test_codecs},
	{"check: every field of the header", test_check_header},
	{"check: nothing wanted", test_check_ordinary},
	{"check: packets that cannot be segmented", test_check_packet},
	{"check: no extension header", test_check_extension_header},
	{"check: packet size", test_check_packet_size},
	{"check: no payload", test_check_empty},
	{"check: IPv4 options count", test_check_ipv4_options},
	{"complete: TCP and UDP, both families", test_complete},
	{"complete: UDP checksum zero", test_complete_zero_checksum},
	{"complete: refuses what lies outside", test_complete_refuses},
};

UNIT_MAIN("offload", tests)
