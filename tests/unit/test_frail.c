/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which networks are remembered as frail. */
#include "core/frail.h"

#include <stdio.h>

#include "unit.h"

static struct address parse(const char *text)
{
	struct address address = {0};
	CU_ASSERT_TRUE(address_parse(&address, text));
	return address;
}

static bool knows(const struct frail *frail, const char *text)
{
	struct address address = parse(text);
	return frail_knows(frail, &address);
}

static void note(struct frail *frail, const char *text)
{
	struct address address = parse(text);
	frail_note(frail, &address);
}

static void test_networks(void)
{
	struct frail frail = {0};
	static const struct address none;
	CU_ASSERT_FALSE(knows(&frail, "0.0.0.0"));
	CU_ASSERT_FALSE(knows(&frail, "192.0.2.7"));
	note(&frail, "192.0.2.7");
	CU_ASSERT_TRUE(knows(&frail, "192.0.2.7"));
	CU_ASSERT_TRUE(knows(&frail, "192.0.2.200"));
	CU_ASSERT_FALSE(knows(&frail, "192.0.3.7"));
	CU_ASSERT_FALSE(knows(&frail, "2001:db8::7"));
	note(&frail, "2001:db8::7");
	CU_ASSERT_TRUE(knows(&frail, "2001:db8::ffff:1"));
	CU_ASSERT_FALSE(knows(&frail, "2001:db8:0:1::7"));
	frail_note(&frail, &none);
	CU_ASSERT_FALSE(frail_knows(&frail, &none));
}

static void test_oldest_goes(void)
{
	struct frail frail = {0};
	char text[32];
	note(&frail, "192.0.2.1");
	for (unsigned i = 0; i < 100; i++) /* the same one takes no room */
		note(&frail, "198.51.100.1");
	for (unsigned i = 0; i < FRAIL_NETWORKS - 2; i++) {
		snprintf(text, sizeof(text), "10.0.%u.1", i);
		note(&frail, text);
	}
	CU_ASSERT_TRUE(knows(&frail, "192.0.2.1"));
	note(&frail, "10.1.0.1");
	CU_ASSERT_FALSE(knows(&frail, "192.0.2.1"));
	CU_ASSERT_TRUE(knows(&frail, "198.51.100.1"));
	CU_ASSERT_TRUE(knows(&frail, "10.1.0.1"));
}

static const struct unit_test tests[] = {
	{"networks", test_networks},
	{"the oldest goes", test_oldest_goes},
};

UNIT_MAIN("frail", tests)
