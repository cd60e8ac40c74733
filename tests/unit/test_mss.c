/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/mss.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "superpacket.h"
#include "unit.h"

enum { SYN = 0x02, ACK = 0x10 };

static uint8_t octets[SUPERPACKET_ROOM], before[SUPERPACKET_ROOM];

static struct packet parse(size_t length)
{
	struct packet packet;
	CU_ASSERT_EQUAL_FATAL(packet_parse(octets, length, &packet), PACKET_OK);
	return packet;
}

/* A complete segment with these options. */
static struct packet build(
	unsigned version, uint8_t flags, const uint8_t *options, unsigned option_length)
{
	struct superpacket shape = {.version = version,
		.protocol = 6,
		.tcp_options = (option_length + 3) / 4 * 4,
		.segment_size = 1400,
		.flags = flags};
	struct offload offload;
	size_t length = superpacket_build(&shape, octets, &offload);
	struct packet packet = parse(length);
	memset(octets + packet.l4_offset + 20, 0, shape.tcp_options);
	memcpy(octets + packet.l4_offset + 20, options, option_length);
	put_u16(octets + packet.l4_offset + 16, packet_l4_checksum(&packet));
	memcpy(before, octets, length);
	return packet;
}

static uint16_t mss_at(const struct packet *packet, size_t at)
{
	return get_u16(octets + packet->l4_offset + 20 + at);
}

static void test_values(void)
{
	static const struct {
		unsigned version;
		uint16_t mtu, announced, expected;
	} cases[] = {
		{4, 1280, 1460, 1240},
		{4, 1280, 1241, 1240},
		{4, 1280, 1240, 1240},
		{4, 1280, 536, 536},
		{4, 1280, 0, 0},
		{4, 1500, 65535, 1460},
		{4, 65535, 65535, 65495},
		{6, 1280, 1440, 1220},
		{6, 1280, 1221, 1220},
		{6, 1280, 1220, 1220},
		{6, 1500, 8940, 1440},
		{4, 40, 1460, 1460}, /* nothing fits: nothing to say */
		{6, 60, 1460, 1460},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t options[] = {2, 4, (uint8_t)(cases[i].announced >> 8),
			(uint8_t)cases[i].announced, 1, 3, 3, 7};
		struct packet packet = build(cases[i].version, SYN, options, sizeof(options));
		bool changed = mss_clamp(&packet, octets, cases[i].mtu);
		CU_ASSERT_EQUAL(changed, cases[i].announced != cases[i].expected);
		CU_ASSERT_EQUAL(mss_at(&packet, 2), cases[i].expected);
		CU_ASSERT_TRUE(is_complete(octets, packet.length));
	}
}

/* Anywhere among the options, also at an odd place; never past a lie. */
static void test_options(void)
{
	static const struct {
		uint8_t options[12];
		unsigned length, place; /* of the value; 0: none is found */
	} cases[] = {
		{{2, 4, 5, 0xb4}, 4, 2},
		{{1, 2, 4, 5, 0xb4}, 5, 3},
		{{1, 1, 1, 2, 4, 5, 0xb4}, 7, 5},
		{{3, 3, 7, 2, 4, 5, 0xb4}, 7, 5},
		{{4, 2, 2, 4, 5, 0xb4}, 6, 4},
		{{0, 2, 4, 5, 0xb4}, 5, 0},    /* behind the end */
		{{2, 3, 5, 0xb4}, 4, 0},       /* of a wrong length */
		{{8, 0, 2, 4, 5, 0xb4}, 6, 0}, /* lengths that lie */
		{{8, 1, 2, 4, 5, 0xb4}, 6, 0},
		{{8, 40, 2, 4, 5, 0xb4}, 6, 0},
		{{1, 1, 1, 2}, 4, 0}, /* cut short */
		{{1, 1, 2, 4}, 4, 0},
		{{1, 2, 4, 5}, 4, 0},
		{{1, 1, 1, 1}, 4, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet packet = build(4, SYN | ACK, cases[i].options, cases[i].length);
		bool changed = mss_clamp(&packet, octets, 1280);
		if (changed != (cases[i].place != 0))
			fprintf(stderr, "options, case %zu\n", i);
		CU_ASSERT_EQUAL(changed, cases[i].place != 0);
		CU_ASSERT_TRUE(is_complete(octets, packet.length));
		if (changed)
			CU_ASSERT_EQUAL(mss_at(&packet, cases[i].place), 1240)
		else
			CU_ASSERT_EQUAL(memcmp(octets, before, packet.length), 0)
	}
}

static void test_left_alone(void)
{
	static const uint8_t mss[] = {2, 4, 5, 0xb4};
	struct packet packet = build(4, ACK, mss, 4); /* no SYN */
	CU_ASSERT_FALSE(mss_clamp(&packet, octets, 1280));

	packet = build(4, SYN, mss, 4); /* a fragment */
	octets[6] = 0x20;
	packet = parse(packet.length);
	CU_ASSERT_FALSE(mss_clamp(&packet, octets, 1280));

	packet = build(6, SYN, mss, 4); /* not TCP */
	packet.protocol = PROTOCOL_UDP;
	CU_ASSERT_FALSE(mss_clamp(&packet, octets, 1280));

	/* A header that is cut short, or says it is longer than the packet. */
	packet = build(4, SYN, mss, 4);
	octets[20 + 12] = 0xf0;
	CU_ASSERT_FALSE(mss_clamp(&packet, octets, 1280));
	put_u16(octets + 2, 33);
	packet = parse(33);
	CU_ASSERT_FALSE(mss_clamp(&packet, octets, 1280));
}

/* A wrong checksum must not become a right one. */
static void test_wrong_checksum(void)
{
	static const uint8_t mss[] = {2, 4, 5, 0xb4};
	struct packet packet = build(4, SYN, mss, 4);
	octets[20 + 16] ^= 1;
	CU_ASSERT_TRUE(mss_clamp(&packet, octets, 1280));
	CU_ASSERT_FALSE(is_complete(octets, packet.length));
}

/* Whatever the numbers, the corrected checksum is the right one. */
static void test_random(void)
{
	srand(24327);
	for (unsigned round = 0; round < 20000; round++) {
		uint16_t announced = (uint16_t)rand();
		uint8_t options[5] = {1, 2, 4, (uint8_t)(announced >> 8), (uint8_t)announced};
		unsigned skip = (unsigned)rand() % 2;
		struct packet packet = build(rand() % 2 ? 4 : 6, SYN, options + skip, 5 - skip);
		put_u32(octets + packet.l4_offset + 4, (uint32_t)rand());
		put_u16(octets + packet.l4_offset + 16, packet_l4_checksum(&packet));
		(void)mss_clamp(&packet, octets, (uint16_t)(1280 + rand() % 9000));
		CU_ASSERT_TRUE_FATAL(is_complete(octets, packet.length));
	}
}

static const struct unit_test tests[] = {
	{"mss: values", test_values},
	{"mss: among other options", test_options},
	{"mss: what is left alone", test_left_alone},
	{"mss: a wrong checksum stays wrong", test_wrong_checksum},
	{"mss: random", test_random},
};

UNIT_MAIN("mss", tests)
