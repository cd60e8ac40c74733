/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/classify: every DSCP, port, protocol and address rule, on real packets
 * of both families. */
#include "core/classify.h"

#include <string.h>

#include "core/sched.h"

#include "unit.h"

enum { CS5 = 40, CS3 = 24, AF31 = 26, EF = 46, AF41 = 34, TCP = 6, UDP = 17, SCTP = 132 };

static uint8_t octets[2048];

/* One packet of `length` octets from 10.0.0.2 to 10.9.0.1, or 2001:db8::2 to
 * 2001:db8:9::1. */
static struct packet make(unsigned version, unsigned protocol, unsigned dscp, uint16_t source,
	uint16_t destination, size_t length)
{
	static const uint8_t ends[2][16] = {
		{0x20, 1, 0xd, 0xb8, [15] = 2},
		{0x20, 1, 0xd, 0xb8, 0, 9, [15] = 1},
	};
	memset(octets, 0, sizeof(octets));
	size_t l4 = version == 4 ? 20 : 40;
	if (version == 4) {
		octets[0] = 0x45;
		octets[1] = (uint8_t)(dscp << 2);
		put_u16(octets + 2, (uint16_t)length);
		octets[9] = (uint8_t)protocol;
		put_u32(octets + 12, 0x0a000002);
		put_u32(octets + 16, 0x0a090001);
	} else {
		put_u32(octets, 0x60000000 | dscp << 22);
		put_u16(octets + 4, (uint16_t)(length - 40));
		octets[6] = (uint8_t)protocol;
		memcpy(octets + 8, ends, sizeof(ends));
	}
	put_u16(octets + l4, source);
	put_u16(octets + l4 + 2, destination);
	octets[l4 + 12] = 0x50;
	struct packet packet;
	CU_ASSERT_EQUAL_FATAL(packet_parse(octets, length, &packet), PACKET_OK);
	return packet;
}

static void test_rules(void)
{
	static const struct {
		unsigned protocol, dscp;
		uint16_t source, destination;
		size_t length;
		enum sched_class expected;
	} cases[] = {
		/* DSCP goes first, whatever the rest says. */
		{TCP, CS3, 1000, 2000, 1400, SCHED_SIGNALLING},
		{TCP, CS5, 1000, 2000, 1400, SCHED_SIGNALLING},
		{UDP, AF31, 1000, 2000, 1400, SCHED_SIGNALLING},
		{UDP, EF, 1000, 2000, 1400, SCHED_AUDIO},
		{UDP, EF, 5060, 5060, 200, SCHED_AUDIO},
		{TCP, EF, 1000, 2000, 200, SCHED_AUDIO},
		{UDP, AF41, 1000, 2000, 200, SCHED_VIDEO},
		{UDP, AF41, 1000, 5060, 200, SCHED_VIDEO},
		/* A mark that we do not know is no mark. */
		{UDP, 8, 1000, 2000, 200, SCHED_AUDIO},
		{TCP, 36, 1000, 2000, 200, SCHED_BULK},
		/* SIP, in either direction. */
		{UDP, 0, 5060, 2000, 1400, SCHED_SIGNALLING},
		{UDP, 0, 1000, 5060, 1400, SCHED_SIGNALLING},
		{TCP, 0, 5060, 2000, 1400, SCHED_SIGNALLING},
		{TCP, 0, 1000, 5060, 1400, SCHED_SIGNALLING},
		{TCP, 0, 1000, 5061, 1400, SCHED_SIGNALLING},
		{TCP, 0, 5061, 1000, 1400, SCHED_SIGNALLING},
		{SCTP, 0, 1000, 5060, 1400, SCHED_SIGNALLING},
		{UDP, 0, 5059, 5062, 1400, SCHED_VIDEO},
		/* IPsec. */
		{PROTOCOL_ESP, 0, 1000, 2000, 1400, SCHED_SIGNALLING},
		{UDP, 0, 4500, 2000, 1400, SCHED_SIGNALLING},
		{UDP, 0, 1000, 4500, 100, SCHED_SIGNALLING},
		{TCP, 0, 1000, 4500, 100, SCHED_BULK},
		/* UDP by size. */
		{UDP, 0, 1000, 2000, 200, SCHED_AUDIO},
		{UDP, 0, 1000, 2000, 400, SCHED_AUDIO},
		{UDP, 0, 1000, 2000, 401, SCHED_VIDEO},
		/* The rest. */
		{TCP, 0, 1000, 443, 100, SCHED_BULK},
		{SCTP, 0, 1000, 2000, 100, SCHED_BULK},
		{PROTOCOL_ICMP, 0, 5060, 5060, 100, SCHED_BULK},
		{PROTOCOL_AH + 1, 0, 5060, 5060, 100, SCHED_BULK},
	};
	struct sched_policy policy;
	sched_policy_default(&policy);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned version = 4; version <= 6; version += 2) {
			struct packet packet = make(version, cases[i].protocol, cases[i].dscp,
				cases[i].source, cases[i].destination, cases[i].length);
			enum sched_class got = sched_classify(&policy, &packet);
			if (got != cases[i].expected)
				fprintf(stderr, "case %zu, IPv%u: %s\n", i, version,
					sched_class_name(got));
			CU_ASSERT_EQUAL(got, cases[i].expected);
		}
	}
}

static void test_pcscf(void)
{
	static const struct {
		const char *address;
		unsigned version;
		bool expected;
	} cases[] = {
		{"10.9.0.1", 4, true},       /* destination */
		{"10.0.0.2", 4, true},       /* source */
		{"10.9.0.2", 4, false},      /* neither */
		{"10.9.0.1", 6, false},      /* the other family */
		{"2001:db8:9::1", 6, true},  /* destination */
		{"2001:db8::2", 6, true},    /* source */
		{"2001:db8:9::2", 6, false}, /* differs in the last octet only */
		{"2001:db8:9::1", 4, false}, /* the other family */
		{"32.1.13.184", 6, false},   /* the first octets of both IPv6 addresses */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* It may be the only one or the last of all there is room for. */
		for (size_t count = 1; count <= SCHED_PCSCF_MAX; count += SCHED_PCSCF_MAX - 1) {
			struct sched_policy policy;
			sched_policy_default(&policy);
			for (size_t k = 0; k < count; k++)
				CU_ASSERT_TRUE(address_parse(&policy.pcscf[k], "192.0.2.1"));
			CU_ASSERT_TRUE(address_parse(&policy.pcscf[count - 1], cases[i].address));
			policy.pcscf_count = count;
			struct packet packet = make(cases[i].version, SCTP, 0, 1000, 443, 1400);
			CU_ASSERT_EQUAL(sched_classify(&policy, &packet),
				cases[i].expected ? SCHED_SIGNALLING : SCHED_BULK);
			packet = make(cases[i].version, TCP, EF, 1000, 443, 1400);
			CU_ASSERT_EQUAL(sched_classify(&policy, &packet), SCHED_AUDIO);
		}
	}
}

/* A session border controller: signalling, media and more on one address. */
static void test_pcscf_with_media(void)
{
	static const struct {
		unsigned protocol;
		uint16_t port;
		uint8_t first; /* octet of the payload */
		size_t length;
		enum sched_class expected;
	} cases[] = {
		{UDP, 6000, 'R', 800, SCHED_SIGNALLING}, /* SIP on another port */
		{UDP, 6000, '\r', 60, SCHED_SIGNALLING}, /* its keep-alive */
		{UDP, 6000, 0, 60, SCHED_SIGNALLING},    /* STUN */
		{UDP, 6000, 0x80, 200, SCHED_AUDIO},
		{UDP, 6000, 0xbf, 200, SCHED_AUDIO},
		{UDP, 6000, 0x80, 1200, SCHED_VIDEO},
		{UDP, 6000, 0xc0, 200, SCHED_SIGNALLING},
		{UDP, 5060, 0x80, 200, SCHED_SIGNALLING},
		{TCP, 6000, 'R', 800, SCHED_BULK},
		{TCP, 5060, 'R', 800, SCHED_SIGNALLING},
	};
	struct sched_policy policy;
	sched_policy_default(&policy);
	policy.pcscf_count = 2;
	CU_ASSERT_TRUE(address_parse(&policy.pcscf[0], "10.9.0.1"));
	CU_ASSERT_TRUE(address_parse(&policy.pcscf[1], "2001:db8:9::1"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned version = 4; version <= 6; version += 2) {
			struct packet packet = make(version, cases[i].protocol, 0, 1000,
				cases[i].port, cases[i].length);
			if (cases[i].protocol == UDP)
				octets[packet.l4_offset + 8] = cases[i].first;
			CU_ASSERT_EQUAL(sched_classify(&policy, &packet), cases[i].expected);
		}
}

/* Makes the IPv4 packet in `octets` a fragment. */
static struct packet fragment4(unsigned field, size_t length)
{
	struct packet packet;
	put_u16(octets + 6, (uint16_t)field);
	CU_ASSERT_EQUAL_FATAL(packet_parse(octets, length, &packet), PACKET_OK);
	CU_ASSERT_TRUE(packet.fragment);
	return packet;
}

/* The IPv6 packet in `octets` with a fragment header in front of its payload. */
static struct packet fragment6(unsigned field, size_t length)
{
	struct packet packet;
	memmove(octets + 48, octets + 40, length - 40);
	memset(octets + 40, 0, 8);
	octets[40] = octets[6];
	octets[6] = 44;
	put_u16(octets + 42, (uint16_t)field);
	put_u16(octets + 4, (uint16_t)(length - 32));
	CU_ASSERT_EQUAL_FATAL(packet_parse(octets, length + 8, &packet), PACKET_OK);
	CU_ASSERT_TRUE(packet.fragment);
	return packet;
}

/* First and later fragments go the same way; 5060 where later ones have
 * payload must not be taken for a port. */
static void test_fragments(void)
{
	static const struct {
		unsigned protocol, dscp;
		uint16_t port;
		bool pcscf;
		enum sched_class first, later;
	} cases[] = {
		{UDP, CS3, 1000, false, SCHED_SIGNALLING, SCHED_SIGNALLING},
		{UDP, EF, 1000, false, SCHED_AUDIO, SCHED_AUDIO},
		{TCP, AF41, 1000, false, SCHED_VIDEO, SCHED_VIDEO},
		{UDP, 0, 5060, true, SCHED_SIGNALLING, SCHED_SIGNALLING},
		{UDP, 0, 1000, true, SCHED_SIGNALLING, SCHED_SIGNALLING},
		{PROTOCOL_ESP, 0, 1000, false, SCHED_SIGNALLING, SCHED_SIGNALLING},
		{UDP, 0, 1000, false, SCHED_VIDEO, SCHED_VIDEO},
		{UDP, 0, 5060, false, SCHED_SIGNALLING, SCHED_VIDEO},
		{TCP, 0, 1000, false, SCHED_BULK, SCHED_BULK},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sched_policy policy;
		sched_policy_default(&policy);
		policy.pcscf_count = cases[i].pcscf ? 2 : 0;
		CU_ASSERT_TRUE(address_parse(&policy.pcscf[0], "10.9.0.1"));
		CU_ASSERT_TRUE(address_parse(&policy.pcscf[1], "2001:db8:9::1"));
		for (size_t length = 100; length <= 1400; length += 1300) {
			for (unsigned later = 0; later < 2; later++) {
				enum sched_class expected = later ? cases[i].later : cases[i].first;
				make(4, cases[i].protocol, cases[i].dscp, cases[i].port, 2000,
					length);
				struct packet packet = fragment4(later ? 0x0010 : 0x2000, length);
				CU_ASSERT_EQUAL(sched_classify(&policy, &packet), expected);
				make(6, cases[i].protocol, cases[i].dscp, cases[i].port, 2000,
					length);
				packet = fragment6(later ? 0x0080 : 0x0001, length);
				CU_ASSERT_EQUAL(sched_classify(&policy, &packet), expected);
			}
		}
	}
}

static void test_names(void)
{
	CU_ASSERT_STRING_EQUAL(sched_class_name(SCHED_SIGNALLING), "signalling");
	CU_ASSERT_STRING_EQUAL(sched_class_name(SCHED_AUDIO), "audio");
	CU_ASSERT_STRING_EQUAL(sched_class_name(SCHED_VIDEO), "video");
	CU_ASSERT_STRING_EQUAL(sched_class_name(SCHED_BULK), "bulk");
	CU_ASSERT_STRING_EQUAL(sched_class_name(SCHED_CLASSES), "unknown");
}

static const struct unit_test tests[] = {
	{"DSCP, ports, protocols, size", test_rules},
	{"P-CSCF addresses", test_pcscf},
	{"a P-CSCF with media on its address", test_pcscf_with_media},
	{"fragments", test_fragments},
	{"names", test_names},
};

UNIT_MAIN("classify", tests)
