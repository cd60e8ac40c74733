/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/class_rule: what an administrator may write, and which packets it is
 * about. */
#include "core/class_rule.h"

#include <string.h>

#include "unit.h"

static char *items_of[SCHED_CLASSES][SCHED_RULES_MAX + 1];
static struct sched_policy policy;

static void set_rules(char *signalling, char *audio, char *video, char *bulk)
{
	struct class_lists lists = {0};
	char *const texts[] = {signalling, audio, video, bulk};
	struct config_list *all[] = {&lists.signalling, &lists.audio, &lists.video, &lists.bulk};
	for (unsigned i = 0; i < SCHED_CLASSES; i++) {
		items_of[i][0] = texts[i];
		*all[i] = (struct config_list){items_of[i], texts[i] != NULL};
	}
	sched_policy_default(&policy);
	class_rules_set(&policy, &lists);
}

static const uint8_t inner[4] = {10, 64, 0, 2}, media[4] = {10, 1, 2, 3}, files[4] = {10, 1, 3, 3};

static enum sched_class class_of(
	uint8_t protocol, const uint8_t *to, uint16_t port, size_t length, uint8_t dscp)
{
	static uint8_t octets[1500];
	struct packet packet = {
		.octets = octets,
		.length = length,
		.version = 4,
		.protocol = protocol,
		.dscp = dscp,
		.has_ports = port != 0,
		.fragment = port == 0,
		.l4_offset = 20,
		.source_port = 40000,
		.destination_port = port,
		.source = inner,
		.destination = to,
	};
	return sched_classify(&policy, &packet);
}

static void test_texts(void)
{
	static const char *const right[] = {"1", "5070", "65535", "16384-32767", "5-5",
		"10.1.2.0/24", "10.1.2.3/32", "fd00:1::/64", "::1/128"};
	static const char *const wrong[] = {"", "0", "65536", "70000", "32767-16384", "5-", "-5",
		"5-6-7", "5 6", "x", "+5", "10.1.2.3", "10.1.2.3/24", "10.1.2.0/33", "example.net",
		"5070/udp", "99999999999999999999"};
	for (unsigned i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		CU_ASSERT_PTR_NULL(class_rule_fault(right[i]));
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CU_ASSERT_PTR_NOT_NULL(class_rule_fault(wrong[i]));
}

static void test_ports(void)
{
	set_rules("5070", "16384-32767", NULL, "443");
	CU_ASSERT_EQUAL(policy.rule_count, 3);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_TCP, media, 5070, 900, 0), SCHED_SIGNALLING);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 5070, 200, 0), SCHED_SIGNALLING);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 5071, 200, 0), SCHED_AUDIO);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 16384, 1200, 0), SCHED_AUDIO);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 32767, 1200, 0), SCHED_AUDIO);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 32768, 1200, 0), SCHED_VIDEO);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 443, 1200, 0), SCHED_BULK);
	/* A TCP connection is never dropped for being late. */
	CU_ASSERT_EQUAL(class_of(PROTOCOL_TCP, media, 16384, 1200, 0), SCHED_BULK);
	/* A fragment has no ports to go by. */
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 0, 1200, 0), SCHED_VIDEO);
}

static void test_prefixes(void)
{
	set_rules(NULL, "10.1.2.0/24", NULL, "10.1.3.0/24");
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 9, 1200, 0), SCHED_AUDIO);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 0, 1200, 0), SCHED_AUDIO);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_TCP, media, 9, 1200, 0), SCHED_BULK);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, files, 9, 200, 0), SCHED_BULK);
	/* The other family does not fit. */
	set_rules(NULL, NULL, NULL, "::/0");
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 9, 200, 0), SCHED_AUDIO);
	/* The source's side counts, too. */
	set_rules("10.64.0.0/16", NULL, NULL, NULL);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 9, 200, 0), SCHED_SIGNALLING);
}

/* Rules come before marks and looks, and the classes in their order. */
static void test_order(void)
{
	enum { EF = 46 };
	set_rules(NULL, NULL, NULL, "5060");
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 5060, 200, 0), SCHED_BULK);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 5060, 200, EF), SCHED_BULK);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 9, 200, EF), SCHED_AUDIO);
	set_rules("10.1.2.0/24", "9", NULL, "9");
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, media, 9, 200, 0), SCHED_SIGNALLING);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_UDP, files, 9, 200, 0), SCHED_AUDIO);
	CU_ASSERT_EQUAL(class_of(PROTOCOL_TCP, files, 9, 200, 0), SCHED_BULK);
}

static void test_too_many(void)
{
	struct reason why = {{0}};
	struct class_lists lists = {0};
	for (unsigned i = 0; i <= SCHED_RULES_MAX; i++)
		items_of[0][i] = "7";
	lists.signalling = (struct config_list){items_of[0], SCHED_RULES_MAX};
	CU_ASSERT_EQUAL(class_lists_check(&lists, &why), 0);
	lists.bulk = (struct config_list){items_of[0], 1};
	CU_ASSERT(class_lists_check(&lists, &why) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "[classes] has 33"));
	class_rules_set(&policy, &lists);
	CU_ASSERT_EQUAL(policy.rule_count, SCHED_RULES_MAX);
}

static const struct unit_test tests[] = {
	{"texts", test_texts},
	{"ports", test_ports},
	{"prefixes", test_prefixes},
	{"order", test_order},
	{"too many", test_too_many},
};

UNIT_MAIN("class_rule", tests)
