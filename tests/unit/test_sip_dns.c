/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The order of NAPTR and SRV records. */
#include "core/sip_dns.h"

#include <string.h>

#include "unit.h"

static void naptr_counts_only_for_sip_that_we_speak(void)
{
	static const struct {
		const char *flags, *service, *regexp, *replacement;
		bool counts;
		enum transport transport;
	} cases[] = {
		{"s", "SIP+D2U", "", "_sip._udp.ims.example", true, OVER_UDP},
		{"S", "sip+d2t", "", "_sip._tcp.ims.example.", true, OVER_TCP},
		{"s", "SIPS+D2T", "", "_sips._tcp.ims.example", true, OVER_TLS},
		{"a", "SIP+D2U", "", "ims.example", false, 0},
		{"", "SIP+D2U", "", "ims.example", false, 0},
		{"s", "SIP+D2S", "", "_sip._sctp.ims.example", false, 0},
		{"s", "E2U+sip", "", "ims.example", false, 0},
		{"s", "SIP+D2U", "!^.*$!sip:x!", "", false, 0},
		{"s", "SIP+D2U", "", "", false, 0},
		{"s", "SIP+D2U", "", "evil; rm", false, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct naptr record = {0};
		bool counts = naptr_set(&record, ANY_TRANSPORT, cases[i].flags, cases[i].service,
			cases[i].regexp, cases[i].replacement);
		CU_ASSERT_EQUAL(counts, cases[i].counts);
		if (counts)
			CU_ASSERT_EQUAL(record.transport, cases[i].transport);
	}
	struct naptr record;
	CU_ASSERT_FALSE(
		naptr_set(&record, 1u << OVER_TLS, "s", "SIP+D2U", "", "_sip._udp.ims.example"));
	CU_ASSERT_TRUE(
		naptr_set(&record, 1u << OVER_TLS, "s", "SIPS+D2T", "", "_sips._tcp.ims.example."));
	CU_ASSERT_STRING_EQUAL(record.replacement, "_sips._tcp.ims.example");
}

static void naptr_by_order_then_preference(void)
{
	struct naptr records[] = {
		{.order = 20, .preference = 1, .replacement = "d"},
		{.order = 10, .preference = 50, .replacement = "b"},
		{.order = 10, .preference = 50, .replacement = "c"},
		{.order = 10, .preference = 10, .replacement = "a"},
	};
	naptr_sort(records, 4);
	for (size_t i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(records[i].replacement[0], "abcd"[i]);
}

static void srv_by_priority(void)
{
	struct srv records[] = {
		{.priority = 30, .weight = 9, .target = "c"},
		{.priority = 10, .weight = 0, .target = "a"},
		{.priority = 20, .weight = 1, .target = "b"},
	};
	static const uint32_t random[3] = {0, 0xffffffff, 0x80000000};
	srv_sort(records, 3, random);
	for (size_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(records[i].target[0], "abc"[i]);
}

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 32);
}

/* Of 0, 10, 30 and 60, how often each is first. */
static void srv_is_drawn_by_weight(void)
{
	enum { ROUNDS = 100000 };
	unsigned first[4] = {0}, second_after_d = 0;
	uint64_t state = 1;
	for (int round = 0; round < ROUNDS; round++) {
		struct srv records[] = {
			{.weight = 60, .target = "d"},
			{.weight = 0, .target = "a"},
			{.weight = 30, .target = "c"},
			{.weight = 10, .target = "b"},
		};
		uint32_t random[4];
		unsigned seen = 0;
		for (size_t i = 0; i < 4; i++)
			random[i] = next_random(&state);
		srv_sort(records, 4, random);
		for (size_t i = 0; i < 4; i++)
			seen |= 1u << (records[i].target[0] - 'a');
		CU_ASSERT_EQUAL_FATAL(seen, 15);
		first[records[0].target[0] - 'a']++;
		second_after_d += records[0].target[0] == 'd' && records[1].target[0] == 'c';
	}
	/* RFC 2782 draws from 0 to the sum, inclusive: 1, 10, 30, 60 of 101. */
	CU_ASSERT_TRUE(first[0] > ROUNDS / 200 && first[0] < ROUNDS / 50);
	CU_ASSERT_TRUE(first[1] > ROUNDS / 100 * 9 && first[1] < ROUNDS / 100 * 11);
	CU_ASSERT_TRUE(first[2] > ROUNDS / 100 * 29 && first[2] < ROUNDS / 100 * 31);
	CU_ASSERT_TRUE(first[3] > ROUNDS / 100 * 58 && first[3] < ROUNDS / 100 * 61);
	/* And of what is left then, 30 of 41. */
	CU_ASSERT_TRUE(
		second_after_d > first[3] / 100 * 71 && second_after_d < first[3] / 100 * 76);
}

static void extreme_weights_do_not_overflow(void)
{
	struct srv records[SIP_DNS_RECORDS];
	uint32_t random[SIP_DNS_RECORDS];
	for (size_t i = 0; i < SIP_DNS_RECORDS; i++) {
		CU_ASSERT_TRUE(srv_set(&records[i], 65535, 65535, 1, "x.example"));
		random[i] = UINT32_MAX;
	}
	srv_sort(records, SIP_DNS_RECORDS, random);
	srv_sort(records, 0, random);
	CU_ASSERT_STRING_EQUAL(records[15].target, "x.example");
}

static void srv_without_a_host_does_not_count(void)
{
	struct srv record;
	CU_ASSERT_FALSE(srv_set(&record, 0, 0, 5060, "."));
	CU_ASSERT_FALSE(srv_set(&record, 0, 0, 5060, ""));
	CU_ASSERT_FALSE(srv_set(&record, 0, 0, 0, "a.example"));
	CU_ASSERT_FALSE(srv_set(&record, 0, 0, 5060, "-a.example"));
	CU_ASSERT_TRUE(srv_set(&record, 0, 0, 5060, "a.example."));
	CU_ASSERT_STRING_EQUAL(record.target, "a.example");
}

static void names_of_srv_records(void)
{
	char name[SIP_DNS_NAME], domain[SIP_DNS_NAME];
	CU_ASSERT_TRUE(srv_name(name, OVER_UDP, "ims.example"));
	CU_ASSERT_STRING_EQUAL(name, "_sip._udp.ims.example");
	CU_ASSERT_TRUE(srv_name(name, OVER_TCP, "ims.example"));
	CU_ASSERT_STRING_EQUAL(name, "_sip._tcp.ims.example");
	CU_ASSERT_TRUE(srv_name(name, OVER_TLS, "ims.example"));
	CU_ASSERT_STRING_EQUAL(name, "_sips._tcp.ims.example");
	memset(domain, 'a', sizeof(domain) - 1);
	domain[sizeof(domain) - 1] = '\0';
	CU_ASSERT_FALSE(srv_name(name, OVER_UDP, domain));
}

static const struct unit_test tests[] = {
	{"NAPTR counts only for SIP that we speak", naptr_counts_only_for_sip_that_we_speak},
	{"NAPTR by order, then preference", naptr_by_order_then_preference},
	{"SRV by priority", srv_by_priority},
	{"SRV is drawn by weight", srv_is_drawn_by_weight},
	{"extreme weights do not overflow", extreme_weights_do_not_overflow},
	{"SRV without a host does not count", srv_without_a_host_does_not_count},
	{"names of SRV records", names_of_srv_records},
};
UNIT_MAIN("sip_dns", tests)
