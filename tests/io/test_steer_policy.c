/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a TSCF may have of what it offers: no kernel is asked here. */
#include "tse/steer_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tse/steer.h"
#include "unit.h"

static const struct {
	const char *offered, *allowed, *outer;
	enum steer_kind kind;
	bool users;
	const char *result;
	size_t refused;
} cases[] = {
	/* Without allowed-routes: all but what would take everything. */
	{"10.65.0.0/16 fd24::/48", "", NULL, STEER_TABLE, false, "10.65.0.0/16 fd24::/48 ", 0},
	{"0.0.0.0/0 ::/0 10.65.0.0/16", "", NULL, STEER_TABLE, false, "10.65.0.0/16 ", 2},
	{"0.0.0.0/1 128.0.0.0/1 2000::/3", "", NULL, STEER_TABLE, false, "", 3},
	{"10.0.0.0/8 10.0.0.0/8", "", NULL, STEER_TABLE, false, "10.0.0.0/8 ", 0},
	{"198.51.100.0/24 10.65.0.0/16", "", "198.51.100.7", STEER_TABLE, false, "10.65.0.0/16 ",
		1},
	{"2001:db8::/32", "", "2001:db8::7", STEER_TABLE, false, "", 1},
	{"127.0.0.0/8 127.0.0.1 224.0.0.0/4 169.254.1.0/24 ::1 fe80::/64 ff02::/16", "", NULL,
		STEER_TABLE, false, "", 7},
	/* With: the intersection. */
	{"10.0.0.0/8", "10.65.0.0/16 10.66.0.0/16", NULL, STEER_TABLE, false,
		"10.65.0.0/16 10.66.0.0/16 ", 0},
	{"10.65.3.0/24 192.0.2.0/24", "10.65.0.0/16", NULL, STEER_TABLE, false, "10.65.3.0/24 ", 1},
	{"0.0.0.0/0", "10.65.0.0/16", NULL, STEER_TABLE, false, "10.65.0.0/16 ", 0},
	{"0.0.0.0/0", "0.0.0.0/0", NULL, STEER_TABLE, false, "", 1},
	{"fd24::/16", "10.0.0.0/8", NULL, STEER_TABLE, false, "", 1},
	{"198.51.100.0/24", "198.51.100.0/24", "198.51.100.7", STEER_TABLE, false,
		"198.51.100.0/24 ", 0},
	/* The main table has nothing to keep the outer address out. */
	{"198.51.100.0/24", "198.51.100.0/24", "198.51.100.7", STEER_MAIN, false, "", 1},
	{"198.51.100.0/24", "198.51.100.64/26", "198.51.100.7", STEER_MAIN, false,
		"198.51.100.64/26 ", 0},
	/* Some users only: it is theirs to give away. */
	{"0.0.0.0/0 ::/0", "", "198.51.100.7", STEER_TABLE, true, "0.0.0.0/0 ::/0 ", 0},
	{"0.0.0.0/0", "0.0.0.0/0", "198.51.100.7", STEER_TABLE, true, "0.0.0.0/0 ", 0},
};

static size_t read_prefixes(const char *text, struct prefix out[CONTROL_ROUTES_MAX])
{
	char copy[256], *rest = copy, *word;
	size_t count = 0;
	snprintf(copy, sizeof(copy), "%s", text);
	while ((word = strsep(&rest, " ")))
		if (*word && !prefix_parse(&out[count++], word))
			abort();
	return count;
}

static void narrowing(void)
{
	static char user[] = "1000", *users[] = {user};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix allowed[CONTROL_ROUTES_MAX];
		struct control_message offer = {.route_count = 0};
		struct tse_config config = {.steer = cases[i].kind, .mtu = 1500};
		struct address outer;
		struct steer_plan plan;
		char result[512] = "", text[PREFIX_TEXT_MAX];

		offer.route_count = read_prefixes(cases[i].offered, offer.routes);
		config.allowed_routes =
			(struct config_prefixes){allowed, read_prefixes(cases[i].allowed, allowed)};
		if (cases[i].users)
			config.uid = (struct config_list){users, 1};
		if (cases[i].outer && !address_parse(&outer, cases[i].outer))
			abort();
		size_t refused =
			steer_narrow(&config, &offer, cases[i].outer ? &outer : NULL, &plan);
		for (size_t j = 0; j < plan.route_count; j++) {
			strcat(result, prefix_format(&plan.routes[j], text));
			strcat(result, " ");
		}
		CU_ASSERT_STRING_EQUAL(result, cases[i].result);
		CU_ASSERT_EQUAL(refused, cases[i].refused);
		if (strcmp(result, cases[i].result) != 0 || refused != cases[i].refused)
			fprintf(stderr, "case %zu: \"%s\", %zu refused\n", i, result, refused);
	}
}

static void more_than_there_is_room_for(void)
{
	struct prefix allowed[CONTROL_ROUTES_MAX];
	struct control_message offer = {.route_count = CONTROL_ROUTES_MAX};
	struct tse_config config = {.steer = STEER_TABLE};
	struct steer_plan plan;
	read_prefixes("10.0.0.0/9 10.128.0.0/9", allowed);
	config.allowed_routes = (struct config_prefixes){allowed, 2};
	for (uint8_t i = 0; i < CONTROL_ROUTES_MAX; i++)
		offer.routes[i] = (struct prefix){{4, {10, i, 0, 0}}, 16};
	offer.routes[0] = (struct prefix){{4, {10, 0, 0, 0}}, 8};
	CU_ASSERT_EQUAL(steer_narrow(&config, &offer, NULL, &plan), 1);
	CU_ASSERT_EQUAL(plan.route_count, CONTROL_ROUTES_MAX);
}

static void the_rest_of_the_plan(void)
{
	struct control_message offer = {
		.inner4 = {{4, {10, 64, 0, 7}}, 16}, .inner6 = {{6, {0xfd}}, 64}, .mtu = 1400};
	struct tse_config config = {.mtu = 1500};
	struct steer_plan plan;
	CU_ASSERT_EQUAL(steer_narrow(&config, &offer, NULL, &plan), 0);
	CU_ASSERT_EQUAL(plan.inner4.address.version, 0);
	CU_ASSERT_EQUAL(plan.inner6.address.version, 0);
	CU_ASSERT_EQUAL(plan.mtu, 1500);
	control_set(&offer, TAG_INNER4);
	control_set(&offer, TAG_INNER6);
	control_set(&offer, TAG_MTU);
	CU_ASSERT_EQUAL(steer_narrow(&config, &offer, NULL, &plan), 0);
	CU_ASSERT_TRUE(address_equal(&plan.inner4.address, &offer.inner4.address));
	CU_ASSERT_TRUE(address_equal(&plan.inner6.address, &offer.inner6.address));
	CU_ASSERT_EQUAL(plan.mtu, 1400);
}

static void outer_addresses(void)
{
	struct prefix routes[CONTROL_ROUTES_MAX];
	struct address outer[2];
	struct reason why;
	struct tse_config config = {.steer = STEER_TABLE};
	size_t count = read_prefixes("10.65.0.0/16 fd24::/16", routes);
	if (!address_parse(&outer[0], "192.0.2.1") || !address_parse(&outer[1], "fd24::1"))
		abort();
	CU_ASSERT_EQUAL(steer_check_outer(&config, routes, count, outer, 1, &why), 0);
	CU_ASSERT_EQUAL(steer_check_outer(&config, routes, count, outer, 2, &why), -ELOOP);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "fd24::/16 contains fd24::1"));
	config.allowed_routes = (struct config_prefixes){routes, count};
	/* An address from the DNS is nobody's word. */
	CU_ASSERT_EQUAL(steer_check_outer(&config, routes, count, outer, 2, &why), -ELOOP);
	struct config_endpoint server = {.host = (char[]){"fd24::1"}, .port = 443};
	config.servers = (struct config_endpoints){&server, 1};
	CU_ASSERT_EQUAL(steer_check_outer(&config, routes, count, outer, 2, &why), 0);
	config.steer = STEER_MAIN;
	CU_ASSERT_EQUAL(steer_check_outer(&config, routes, count, outer, 2, &why), -ELOOP);
	config.steer = STEER_NONE;
	CU_ASSERT_EQUAL(steer_check_outer(&config, routes, count, outer, 2, &why), 0);
}

static const struct unit_test tests[] = {
	{"what is left of an offer", narrowing},
	{"more than there is room for", more_than_there_is_room_for},
	{"addresses and MTU", the_rest_of_the_plan},
	{"outer addresses", outer_addresses},
};

UNIT_MAIN("steer policy", tests)
