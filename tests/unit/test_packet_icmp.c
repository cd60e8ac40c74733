/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/packet.h"

#include "hex.h"
#include "unit.h"

#define A4 "c0000201" /* 192.0.2.1 */
#define B4 "c6336401" /* 198.51.100.1 */
#define A6 "20010db8000000000000000000000001"
#define B6 "20010db8000000000000000000000002"

#define UDP4 "4500001c000040004011 0000" A4 B4 "13c413c400080000"
#define UDP6 "60000000 0008 11 40" A6 B6 "13c4271000080000"

enum { ROOM = 1280 };

static struct address address_of(const char *text)
{
	struct address address;
	CU_ASSERT_TRUE_FATAL(address_parse(&address, text));
	return address;
}

static bool is_hex(const uint8_t *octets, size_t length, const char *hex)
{
	size_t wanted;
	uint8_t *expected = hex_new(hex, &wanted);
	bool same = length == wanted && memcmp(octets, expected, wanted) == 0;
	free(expected);
	return same;
}

static struct packet packet_of(uint8_t *octets, size_t length)
{
	struct packet packet;
	CU_ASSERT_EQUAL_FATAL(packet_parse(octets, length, &packet), PACKET_OK);
	return packet;
}

/* The header's checksum by hand: 45c0 + 0038 + 4000 + 4001 + 0a00 + 0001 +
 * c000 + 0201 = 191fb, folded 91fc, complemented 6e03. */
static void too_big_ipv4(void)
{
	size_t length;
	uint8_t *octets = hex_new(UDP4, &length), out[ROOM];
	struct packet packet = packet_of(octets, length);
	struct address from = address_of("10.0.0.1");
	size_t written = packet_too_big(&packet, &from, 1280, out);
	CU_ASSERT(is_hex(
		out, written, "45c00038000040004001 6e03 0a000001" A4 "0304 1f07 0000 0500" UDP4));
	free(octets);
}

static void too_big_ipv6(void)
{
	size_t length;
	uint8_t *octets = hex_new(UDP6, &length), out[ROOM];
	struct packet packet = packet_of(octets, length);
	struct address from = address_of("2001:db8::ff");
	size_t written = packet_too_big(&packet, &from, 1400, out);
	CU_ASSERT(is_hex(out, written,
		"60000000 0038 3a 40 20010db80000000000000000000000ff" A6
		"0200 9409 00000578" UDP6));
	free(octets);
}

static void unreachable(void)
{
	static const struct {
		const char *octets, *from;
		bool prohibited;
		uint8_t type, code;
	} cases[] = {
		{UDP4, "10.0.0.1", false, 3, 1},
		{UDP4, "10.0.0.1", true, 3, 13},
		{UDP6, "2001:db8::ff", false, 1, 3},
		{UDP6, "2001:db8::ff", true, 1, 1},
		/* DF is of no concern here. */
		{"4500001c000000004011 0000" A4 B4 "13c413c400080000", "10.0.0.1", false, 3, 1},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length;
		uint8_t *octets = hex_new(cases[i].octets, &length), out[ROOM];
		struct packet packet = packet_of(octets, length);
		struct address from = address_of(cases[i].from);
		size_t written = packet_unreachable(&packet, &from, cases[i].prohibited, out);
		struct packet answer = packet_of(out, written);
		const uint8_t *icmp = out + answer.l4_offset;
		CU_ASSERT_EQUAL(icmp[0], cases[i].type);
		CU_ASSERT_EQUAL(icmp[1], cases[i].code);
		CU_ASSERT_EQUAL(get_u16(icmp + 2), packet_l4_checksum(&answer));
		CU_ASSERT_EQUAL(get_u32(icmp + 4), 0);
		CU_ASSERT_EQUAL(written, answer.l4_offset + 8 + length);
		CU_ASSERT(memcmp(icmp + 8, octets, length) == 0);
		CU_ASSERT(memcmp(answer.destination, packet.source, address_size(packet.version)) ==
			  0);
		free(octets);
	}
}

static void quotes_as_much_as_fits(void)
{
	static const struct {
		size_t length, whole4, whole6;
	} cases[] = {
		{547, 575, 595},
		{548, 576, 596},
		{549, 576, 597},
		{1231, 576, 1279},
		{1232, 576, 1280},
		{1233, 576, 1280},
		{65535, 576, 1280},
	};
	struct address from4 = address_of("10.0.0.1"), from6 = address_of("2001:db8::ff");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length, header;
		uint8_t *octets = malloc(cases[i].length), out[ROOM];
		CU_ASSERT_PTR_NOT_NULL_FATAL(octets);
		memset(octets, 0xa5, cases[i].length);
		uint8_t *first = hex_new(UDP4, &header);
		memcpy(octets, first, header);
		put_u16(octets + 2, (uint16_t)cases[i].length);
		free(first);
		struct packet packet = packet_of(octets, cases[i].length);
		length = packet_too_big(&packet, &from4, 1280, out);
		CU_ASSERT_EQUAL(length, cases[i].whole4);
		CU_ASSERT_EQUAL(packet_sum(out, 20, 0), 0xffff);
		CU_ASSERT_EQUAL(packet_sum(out + 20, length - 20, 0), 0xffff);

		first = hex_new(UDP6, &header);
		memcpy(octets, first, header);
		put_u16(octets + 4, (uint16_t)(cases[i].length - 40));
		free(first);
		packet = packet_of(octets, cases[i].length);
		length = packet_too_big(&packet, &from6, 1280, out);
		CU_ASSERT_EQUAL(length, cases[i].whole6);
		struct packet answer = packet_of(out, length);
		CU_ASSERT_EQUAL(get_u16(out + 42), packet_l4_checksum(&answer));
		free(octets);
	}
}

/* Whether anything may be said about a packet at all. */
static const struct {
	const char *octets;
	bool too_big, unreachable;
} answers[] = {
	{UDP4, true, true},
	{UDP6, true, true},
	{"4500001c000000004011 0000" A4 B4 "13c413c400080000", false, true}, /* no DF */
	/* ICMP errors and queries. */
	{"4500001c000040004001 0000" A4 B4 "0800000000000000", true, true},
	{"4500001c000040004001 0000" A4 B4 "0000000000000000", true, true},
	{"4500001c000040004001 0000" A4 B4 "0301000000000000", false, false},
	{"4500001c000040004001 0000" A4 B4 "0400000000000000", false, false},
	{"4500001c000040004001 0000" A4 B4 "0500000000000000", false, false},
	{"4500001c000040004001 0000" A4 B4 "0b00000000000000", false, false},
	{"4500001c000040004001 0000" A4 B4 "0c00000000000000", false, false},
	{"45000014000040004001 0000" A4 B4, false, false},
	{"60000000 0008 3a 40" A6 B6 "8000000000000000", true, true},
	{"60000000 0008 3a 40" A6 B6 "8800000000000000", true, true},
	{"60000000 0008 3a 40" A6 B6 "8900000000000000", false, false}, /* Redirect */
	{"60000000 0008 3a 40" A6 B6 "0100000000000000", false, false},
	{"60000000 0008 3a 40" A6 B6 "7f00000000000000", false, false},
	{"60000000 0000 3a 40" A6 B6, false, false},
	{"60000000 0010 3c 40" A6 B6 "3a00010400000000 0300000000000000", false, false},
	/* Fragments: the first, not the later ones. */
	{"4500001c123460004011 0000" A4 B4 "13c413c400100000", true, true},
	{"4500001c123440014011 0000" A4 B4 "6162636465666768", false, false},
	{"60000000 0010 2c 40" A6 B6 "11000001 deadbeef 13c4271000100000", true, true},
	{"60000000 0010 2c 40" A6 B6 "11000008 deadbeef 13c4271000100000", false, false},
	/* Sources that are nobody, destinations that are many. */
	{"4500001c000040004011 0000 00000000" B4 "13c413c400080000", false, false},
	{"4500001c000040004011 0000 7f000001" B4 "13c413c400080000", false, false},
	{"4500001c000040004011 0000 e0000001" B4 "13c413c400080000", false, false},
	{"4500001c000040004011 0000 ffffffff" B4 "13c413c400080000", false, false},
	{"4500001c000040004011 0000 dfffffff" B4 "13c413c400080000", true, true},
	{"4500001c000040004011 0000" A4 "e0000001 13c413c400080000", false, false},
	{"4500001c000040004011 0000" A4 "ffffffff 13c413c400080000", false, false},
	{"60000000 0008 11 40 00000000000000000000000000000000" B6 "13c4271000080000", false,
		false},
	{"60000000 0008 11 40 00000000000000000000000000000001" B6 "13c4271000080000", false,
		false},
	{"60000000 0008 11 40 ff020000000000000000000000000001" B6 "13c4271000080000", false,
		false},
	{"60000000 0008 11 40" A6 "ff020000000000000000000000000001 13c4271000080000", false,
		false},
	{"60000000 0008 11 40 00000000000000000000000000000002" B6 "13c4271000080000", true, true},
};

static void only_where_it_may(void)
{
	struct address from4 = address_of("10.0.0.1"), from6 = address_of("2001:db8::ff");
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		size_t length;
		uint8_t *octets = hex_new(answers[i].octets, &length), out[ROOM];
		struct packet packet = packet_of(octets, length);
		const struct address *from = packet.version == 4 ? &from4 : &from6;
		const struct address *other = packet.version == 4 ? &from6 : &from4;
		bool too_big = packet_too_big(&packet, from, 1280, out) > 0;
		bool cannot = packet_unreachable(&packet, from, false, out) > 0;
		if (too_big != answers[i].too_big || cannot != answers[i].unreachable)
			CU_FAIL(answers[i].octets);
		CU_ASSERT_EQUAL(packet_too_big(&packet, other, 1280, out), 0);
		CU_ASSERT_EQUAL(packet_unreachable(&packet, other, true, out), 0);
		free(octets);
	}
}

/* An answer to an answer would never end. */
static void never_about_its_own(void)
{
	static const char *const packets[] = {UDP4, UDP6};
	struct address from[] = {address_of("10.0.0.1"), address_of("2001:db8::ff")};
	for (size_t i = 0; i < 2; i++) {
		size_t length;
		uint8_t *octets = hex_new(packets[i], &length), out[ROOM], again[ROOM];
		struct packet packet = packet_of(octets, length);
		size_t written = packet_too_big(&packet, &from[i], 1280, out);
		struct packet answer = packet_of(out, written);
		CU_ASSERT_EQUAL(packet_too_big(&answer, &from[i], 1280, again), 0);
		written = packet_unreachable(&packet, &from[i], true, out);
		answer = packet_of(out, written);
		CU_ASSERT_EQUAL(packet_unreachable(&answer, &from[i], true, again), 0);
		free(octets);
	}
}

static const struct unit_test tests[] = {
	{"fragmentation needed", too_big_ipv4},
	{"packet too big", too_big_ipv6},
	{"unreachable", unreachable},
	{"quotes as much as fits", quotes_as_much_as_fits},
	{"only where it may", only_where_it_may},
	{"never about its own", never_about_its_own},
};

UNIT_MAIN("packet_icmp", tests)
