/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/packet.h"

#include "hex.h"
#include "unit.h"

#define A4 "c0000201" /* 192.0.2.1 */
#define B4 "c6336401" /* 198.51.100.1 */
#define A6 "20010db8000000000000000000000001"
#define B6 "20010db8000000000000000000000002"

/* EF, UDP 5060 to 5060, "hi!". */
#define UDP4     "45b8001f000040004011 4de0" A4 B4 "13c413c4000b62b0 686921"
#define TCP4     "45000029000040004006 4e99" A4 B4 "c00001bb 00000001 00000002 5018ffff89d60000 78"
#define OPTIONS4 "46000020000040004011 0000" A4 B4 "01010100 13c413c400080000"
#define FIRST4   "4500001c123420004011 0000" A4 B4 "13c413c400100000"
#define LATER4   "4500001c123400014011 0000" A4 B4 "6162636465666768"
#define UDP6     "6b900000 0009 11 40" A6 B6 "13c4271000092893 41"
#define ECHO6    "60000000 0008 3a 40" A6 B6 "8000244000070001"

static const struct {
	const char *octets;
	enum packet_result result;
	uint8_t version, protocol, dscp, ecn;
	bool fragment, later_fragment, has_ports;
	uint16_t l4_offset, source_port, destination_port;
	uint32_t fragment_id;
} cases[] = {
	{UDP4, PACKET_OK, 4, 17, 46, 0, false, false, true, 20, 5060, 5060, 0},
	{TCP4, PACKET_OK, 4, 6, 0, 0, false, false, true, 20, 49152, 443, 0},
	{OPTIONS4, PACKET_OK, 4, 17, 0, 0, false, false, true, 24, 5060, 5060, 0},
	{FIRST4, PACKET_OK, 4, 17, 0, 0, true, false, true, 20, 5060, 5060, 0x1234},
	{LATER4, PACKET_OK, 4, 17, 0, 0, true, true, false, 20, 0, 0, 0x1234},
	/* ECN; SCTP; ESP; the reserved flag is no fragment. */
	{"45030020000080004084 0000" A4 B4 "000100020000000000000000", PACKET_OK, 4, 132, 0, 3,
		false, false, true, 20, 1, 2, 0},
	{"4500001c000040004032 0000" A4 B4 "0001000200030004", PACKET_OK, 4, 50, 0, 0, false, false,
		false, 20, 0, 0, 0},
	{"45000014000040004011 0000" A4 B4, PACKET_OK, 4, 17, 0, 0, false, false, false, 20, 0, 0,
		0},
	/* Transport headers one octet short of whole. */
	{"4500001b000040004011 0000" A4 B4 "13c413c4000b62", PACKET_OK, 4, 17, 0, 0, false, false,
		false, 20, 0, 0, 0},
	{"45000027000040004006 0000" A4 B4 "c00001bb 00000001 00000002 5018ffff89d600", PACKET_OK,
		4, 6, 0, 0, false, false, false, 20, 0, 0, 0},
	{"4500001f000040004084 0000" A4 B4 "0001000200000000000000", PACKET_OK, 4, 132, 0, 0, false,
		false, false, 20, 0, 0, 0},

	{UDP6, PACKET_OK, 6, 17, 46, 1, false, false, true, 40, 5060, 10000, 0},
	{ECHO6, PACKET_OK, 6, 58, 0, 0, false, false, false, 40, 0, 0, 0},
	{"60000000 0000 3b 40" A6 B6, PACKET_OK, 6, 59, 0, 0, false, false, false, 40, 0, 0, 0},
	/* Hop-by-hop, routing (16 octets), destination, AH (12), then UDP. */
	{"60000000 0034 00 40" A6 B6 "2b00010400000000 3c01000000000000 0000000000000000"
	 "3300010400000000 1101 0000 00000001 00000001 13c4271000080000",
		PACKET_OK, 6, 17, 0, 0, false, false, true, 84, 5060, 10000, 0},
	/* ESP ends the walk. */
	{"60000000 0010 00 40" A6 B6 "3200010400000000 0000000100000001", PACKET_OK, 6, 50, 0, 0,
		false, false, false, 48, 0, 0, 0},
	/* Fragments: first, first with a header behind, later, the only one. */
	{"60000000 0010 2c 40" A6 B6 "11000001 deadbeef 13c4271000100000", PACKET_OK, 6, 17, 0, 0,
		true, false, true, 48, 5060, 10000, 0xdeadbeef},
	{"60000000 0018 2c 40" A6 B6 "3c000001 deadbeef 1100010400000000 13c4271000100000",
		PACKET_OK, 6, 17, 0, 0, true, false, true, 56, 5060, 10000, 0xdeadbeef},
	{"60000000 0010 2c 40" A6 B6 "3c000008 deadbeef ffffffffffffffff", PACKET_OK, 6, 60, 0, 0,
		true, true, false, 48, 0, 0, 0xdeadbeef},
	{"60000000 0010 2c 40" A6 B6 "11000006 deadbeef 13c4271000080000", PACKET_OK, 6, 17, 0, 0,
		false, false, true, 48, 5060, 10000, 0},

	{"", PACKET_EMPTY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	{"00", PACKET_BAD_VERSION, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	{"55000014000040004011 0000" A4 B4, PACKET_BAD_VERSION, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	{"45", PACKET_BAD_HEADER, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	{"60", PACKET_BAD_HEADER, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	{"45000013000040004011 0000" A4 "c63364", PACKET_BAD_HEADER, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0},
	{"44000014000040004011 0000" A4 B4, PACKET_BAD_HEADER, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	{"46000014000040004011 0000" A4 B4, PACKET_BAD_HEADER, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	{"45000015000040004011 0000" A4 B4, PACKET_BAD_LENGTH, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	{"45000014000040004011 0000" A4 B4 "00", PACKET_BAD_LENGTH, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0},
	{"45000000000040004011 0000" A4 B4, PACKET_BAD_LENGTH, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	{"60000000 0001 11 40" A6 B6, PACKET_BAD_LENGTH, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	{"60000000 0000 11 40" A6 B6 "00", PACKET_BAD_LENGTH, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	/* Extension headers that are not there, cut short, or too long. */
	{"60000000 0000 00 40" A6 B6, PACKET_BAD_HEADER, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	{"60000000 0007 00 40" A6 B6 "11000104000000", PACKET_BAD_HEADER, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0},
	{"60000000 0008 00 40" A6 B6 "1101010400000000", PACKET_BAD_HEADER, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0},
	{"60000000 0008 3c 40" A6 B6 "11ff010400000000", PACKET_BAD_HEADER, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0},
	{"60000000 0008 33 40" A6 B6 "1101000000000001", PACKET_BAD_HEADER, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0},
	{"60000000 0007 2c 40" A6 B6 "11000001deadbe", PACKET_BAD_HEADER, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0},
	{"60000000 0008 2b 40" A6 B6 "3c00000000000000", PACKET_BAD_HEADER, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0},
};

static void parse(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length;
		uint8_t *octets = hex_new(cases[i].octets, &length);
		struct packet p;
		memset(&p, 0xee, sizeof(p)); /* nothing may be left unset */
		enum packet_result result = packet_parse(octets, length, &p);
		if (result != cases[i].result)
			CU_FAIL(cases[i].octets);
		if (result == PACKET_OK) {
			bool six = p.version == 6;
			CU_ASSERT(p.octets == octets && p.length == length);
			CU_ASSERT_EQUAL(p.version, cases[i].version);
			CU_ASSERT_EQUAL(p.protocol, cases[i].protocol);
			CU_ASSERT_EQUAL(p.dscp, cases[i].dscp);
			CU_ASSERT_EQUAL(p.ecn, cases[i].ecn);
			CU_ASSERT_EQUAL(p.fragment, cases[i].fragment);
			CU_ASSERT_EQUAL(p.later_fragment, cases[i].later_fragment);
			CU_ASSERT_EQUAL(p.has_ports, cases[i].has_ports);
			CU_ASSERT_EQUAL(p.l4_offset, cases[i].l4_offset);
			CU_ASSERT_EQUAL(p.source_port, cases[i].source_port);
			CU_ASSERT_EQUAL(p.destination_port, cases[i].destination_port);
			CU_ASSERT_EQUAL(p.fragment_id, cases[i].fragment_id);
			CU_ASSERT(p.source == octets + (six ? 8 : 12));
			CU_ASSERT(p.destination == octets + (six ? 24 : 16));
		}
		free(octets);
	}
}

/* The length field follows the truncation, so that only the headers' own
 * bounds are left to refuse what is cut. */
static void parse_reads_nothing_behind(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length;
		uint8_t *octets = hex_new(cases[i].octets, &length);
		for (size_t kept = 0; kept < length; kept++) {
			uint8_t *cut = malloc(kept ? kept : 1);
			memcpy(cut, octets, kept);
			struct packet p;
			CU_ASSERT(cases[i].result != PACKET_OK ||
				  packet_parse(cut, kept, &p) != PACKET_OK);
			if (kept >= 20 && octets[0] >> 4 == 4)
				put_u16(cut + 2, (uint16_t)kept);
			if (kept >= 40 && octets[0] >> 4 == 6)
				put_u16(cut + 4, (uint16_t)(kept - 40));
			if (packet_parse(cut, kept, &p) == PACKET_OK) {
				CU_ASSERT(p.l4_offset <= kept);
				CU_ASSERT(!p.has_ports || p.l4_offset + 8u <= kept);
				packet_flow(&p, 1);
				packet_l4_checksum(&p);
			}
			free(cut);
		}
		free(octets);
	}
}

static void the_walk_is_bounded(void)
{
	/* `count` hop-by-hop headers of 2048 octets. */
	for (size_t count = 15; count <= 17; count++) {
		size_t length = 40 + count * 2048;
		uint8_t *octets = calloc(1, length);
		CU_ASSERT_PTR_NOT_NULL_FATAL(octets);
		octets[0] = 0x60;
		put_u16(octets + 4, (uint16_t)(length - 40));
		for (size_t i = 0; i < count; i++)
			octets[40 + i * 2048 + 1] = 0xff;
		octets[40 + (count - 1) * 2048] = PROTOCOL_ESP;
		struct packet p;
		enum packet_result result = packet_parse(octets, length, &p);
		CU_ASSERT_EQUAL(result, count <= 16 ? PACKET_OK : PACKET_BAD_HEADER);
		CU_ASSERT(result != PACKET_OK || p.l4_offset == length);
		free(octets);
	}
}

static void the_largest_packets(void)
{
	size_t length = 65535;
	uint8_t *octets = calloc(1, length);
	CU_ASSERT_PTR_NOT_NULL_FATAL(octets);
	octets[0] = 0x45;
	put_u16(octets + 2, 0xffff);
	struct packet p;
	CU_ASSERT_EQUAL(packet_parse(octets, length, &p), PACKET_OK);
	octets[0] = 0x60;
	octets[2] = octets[3] = 0;
	octets[6] = PROTOCOL_UDP;
	put_u16(octets + 4, 0xffff - 40);
	CU_ASSERT_EQUAL(packet_parse(octets, length, &p), PACKET_OK);
	free(octets);
}

static uint32_t flow_of(const char *hex, uint64_t key)
{
	size_t length;
	uint8_t *octets = hex_new(hex, &length);
	struct packet p;
	CU_ASSERT_EQUAL_FATAL(packet_parse(octets, length, &p), PACKET_OK);
	uint32_t flow = packet_flow(&p, key);
	free(octets);
	return flow;
}

static void flow_tells_flows_apart(void)
{
	static const char *const different[] = {
		"4500001c000040004011 0000" A4 B4 "0001000200080000",
		"4500001c000040004011 0000" A4 B4 "0002000100080000", /* ports swapped */
		"4500001c000040004011 0000" B4 A4 "0001000200080000", /* addresses swapped */
		"4500001c000040004011 0000" A4 B4 "0001000300080000",
		"4500001c000040004011 0000" A4 "c6336402 0001000200080000",
		"4500001c000040004011 0000"
		"c0000200" B4 "0001000200080000",
		"45000028000040004006 0000" A4 B4 "0001000200000000000000000000000000000000",
		"4500001c000040004032 0000" A4 B4 "0001000200080000", /* ESP */
		"4500001c000140004001 0000" A4 B4 "0000000000000000", /* ICMP */
		FIRST4,
		"4500001c123520004011 0000" A4 B4 "13c413c400100000", /* another id */
		"60000000 0008 11 40" A6 B6 "0001000200080000",
		"60000000 0008 11 40" B6 A6 "0001000200080000",
		"60000000 0008 11 40" A6 A6 "0001000200080000",
		"60000000 0008 11 40" A6 "20010db8000100000000000000000002 0001000200080000",
	};
	enum { COUNT = sizeof(different) / sizeof(different[0]) };
	for (size_t i = 0; i < COUNT; i++) {
		for (size_t j = 0; j < i; j++)
			CU_ASSERT_NOT_EQUAL(flow_of(different[i], 7), flow_of(different[j], 7));
		CU_ASSERT_EQUAL(flow_of(different[i], 7), flow_of(different[i], 7));
		CU_ASSERT_NOT_EQUAL(flow_of(different[i], 7), flow_of(different[i], 8));
		CU_ASSERT_NOT_EQUAL(
			flow_of(different[i], 7), flow_of(different[i], UINT64_C(1) << 63 | 7));
	}
}

static void flow_ignores_the_rest(void)
{
	/* DSCP, id, TTL, payload. */
	CU_ASSERT_EQUAL(flow_of("4500001c000040004011 0000" A4 B4 "0001000200080000", 7),
		flow_of("45b8001e 432100003f11 ffff" A4 B4 "00010002000affff 0102", 7));
	CU_ASSERT_EQUAL(flow_of(FIRST4, 7), flow_of(LATER4, 7));
	/* First and later fragment disagree on the next header. */
	CU_ASSERT_EQUAL(flow_of("60000000 0018 2c 40" A6 B6
				"3c000001 deadbeef 1100010400000000 13c4271000100000",
				7),
		flow_of("60000000 0010 2c 40" A6 B6 "3c000008 deadbeef ffffffffffffffff", 7));
}

/* Consecutive ports, as real flows have them, spread over 16 queues, for any
 * key.  Chi-square with 15 degrees of freedom: 50 is beyond 1 in 100,000. */
static void flow_spreads(void)
{
	size_t length;
	uint8_t *octets = hex_new(UDP4, &length);
	struct packet p;
	CU_ASSERT_EQUAL_FATAL(packet_parse(octets, length, &p), PACKET_OK);
	static const uint64_t keys[] = {0, 1, 2, UINT64_MAX, UINT64_C(0x0123456789abcdef)};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		unsigned low[16] = {0}, high[16] = {0};
		for (unsigned port = 0; port < 16000; port++) {
			p.source_port = (uint16_t)port;
			uint32_t flow = packet_flow(&p, keys[i]);
			low[flow % 16]++;
			high[flow >> 28]++;
		}
		double low_chi = 0, high_chi = 0;
		for (unsigned queue = 0; queue < 16; queue++) {
			low_chi += (low[queue] - 1000.0) * (low[queue] - 1000.0) / 1000;
			high_chi += (high[queue] - 1000.0) * (high[queue] - 1000.0) / 1000;
		}
		CU_ASSERT(low_chi < 50);
		CU_ASSERT(high_chi < 50);
	}
	free(octets);
}

static const struct {
	const char *octets;
	uint32_t before, sum;
} sums[] = {
	{"", 0, 0},
	{"", 0x1234, 0x1234},
	{"", 0x12345, 0x2346},
	{"", 0xffffffff, 0xffff},
	{"0001f203f4f5f6f7", 0, 0xddf2}, /* RFC 1071 section 3 */
	{"0001", 0, 0x0001},
	{"01", 0, 0x0100},
	{"000102", 0, 0x0201},
	{"ffff", 1, 0x0001},
	{"ffffffff", 0, 0xffff},
	{"0001000200030004 05", 0x10, 0x051a},
	{"00010002000300 ", 0, 0x0006},
	{"45b8001f000040004011 0000" A4 B4, 0, 0xffff - 0x4de0},
};

static void sum(void)
{
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		size_t length;
		uint8_t *octets = hex_new(sums[i].octets, &length);
		if (packet_sum(octets, length, sums[i].before) != sums[i].sum)
			CU_FAIL(sums[i].octets);
		for (size_t cut = 0; cut <= length; cut += 2)
			CU_ASSERT_EQUAL(packet_sum(octets + cut, length - cut,
						packet_sum(octets, cut, sums[i].before)),
				sums[i].sum);
		free(octets);
	}
	/* 65,534 octets of 0xff: the carries must not get lost. */
	uint8_t *ones = malloc(65534);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ones);
	memset(ones, 0xff, 65534);
	CU_ASSERT_EQUAL(packet_sum(ones, 65534, 0xffff), 0xffff);
	free(ones);
}

static const struct {
	const char *octets;
	uint16_t checksum;
} checksums[] = {
	{UDP4, 0x62b0},
	{TCP4, 0x89d6},
	{UDP6, 0x2893},
	{ECHO6, 0x2440},
	/* Whatever stands in the field does not count. */
	{"45b8001f000040004011 4de0" A4 B4 "13c413c4000bffff 686921", 0x62b0},
	{"4500001c000040004001 0000" A4 B4 "0800123400070001", 0xf7f7},
	/* UDP has no checksum 0. */
	{"4500001e000040004011 0000" A4 B4 "13c413c4000a0000 ec1b", 0xffff},
	/* Cut short, or a protocol that we do not sum. */
	{"4500001b000040004011 0000" A4 B4 "13c413c4000b62", 0},
	{"45000020000040004084 0000" A4 B4 "000100020000000000000000", 0},
};

static void l4_checksum(void)
{
	for (size_t i = 0; i < sizeof(checksums) / sizeof(checksums[0]); i++) {
		size_t length;
		uint8_t *octets = hex_new(checksums[i].octets, &length);
		struct packet p;
		CU_ASSERT_EQUAL(packet_parse(octets, length, &p), PACKET_OK);
		if (packet_l4_checksum(&p) != checksums[i].checksum)
			CU_FAIL(checksums[i].octets);
		free(octets);
	}
}

static void names(void)
{
	CU_ASSERT_STRING_EQUAL(packet_result_name(PACKET_EMPTY), "empty");
	CU_ASSERT_STRING_EQUAL(packet_result_name(PACKET_BAD_VERSION), "neither IPv4 nor IPv6");
}

static const struct unit_test tests[] = {
	{"parse", parse},
	{"parse reads nothing behind", parse_reads_nothing_behind},
	{"the walk is bounded", the_walk_is_bounded},
	{"the largest packets", the_largest_packets},
	{"flow tells flows apart", flow_tells_flows_apart},
	{"flow ignores the rest", flow_ignores_the_rest},
	{"flow spreads", flow_spreads},
	{"sum", sum},
	{"transport checksum", l4_checksum},
	{"names", names},
};

UNIT_MAIN("packet", tests)
