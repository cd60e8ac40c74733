/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steering while it runs: what goes where, what is refused, what is repaired. */
#include "tse/steer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/netmon.h"
#include "lab.h"
#include "steer_fixture.h"

static void a_table_of_its_own(void)
{
	const struct tse_config settings = config(STEER_TABLE);
	const struct steer_plan wanted = plan();
	CU_ASSERT_TRUE_FATAL(start(&settings, NULL));
	CU_ASSERT_EQUAL(steer_apply(steer, &tun, &wanted, &why), 0);

	/* Up, but nothing goes until the TSCF has confirmed. */
	CU_ASSERT_TRUE(shows("ip link show tse0", "NO-CARRIER"));
	CU_ASSERT_TRUE(shows("ip link show tse0", "mtu 1400"));
	CU_ASSERT_TRUE(shows("ip -d link show tse0", "addrgenmode none"));
	CU_ASSERT_TRUE(shows("ip -d link show tse0", "gso_max_size 65522"));
	CU_ASSERT_TRUE(shows("ip route show table 24322", "linkdown"));
	CU_ASSERT_TRUE(shows("ip -6 route show table 24322", "linkdown"));
	CU_ASSERT_TRUE(app_is_refused("10.65.1.1"));
	CU_ASSERT_TRUE(app_is_refused("fd24:322:ffff::1"));

	CU_ASSERT_EQUAL(steer_carrier(steer, &tun, true), 0);
	CU_ASSERT_TRUE(steer_has_ipv6(steer) && has_ipv6());
	CU_ASSERT_TRUE(shows("ip rule", "24322:	not from all fwmark 0x24322 lookup 24322"));
	CU_ASSERT_TRUE(shows("ip -6 rule", "24322:	not from all fwmark 0x24322 lookup 24322"));
	CU_ASSERT_TRUE(shows("ip route show table 24322",
		"10.65.0.0/16 dev tse0 proto 243 scope link src 10.64.0.7"));
	CU_ASSERT_TRUE(shows("ip route show table 24322",
		"unreachable 10.65.0.0/16 proto 243 metric 4294967295"));
	CU_ASSERT_TRUE(shows("ip -6 route show table 24322",
		"fd24:322:ffff::/48 dev tse0 proto 243 src fd24:322:7::7"));
	CU_ASSERT_TRUE(shows("ip -6 route show table 24322",
		"unreachable fd24:322:ffff::/48 dev lo proto 243 metric 4294967295"));
	CU_ASSERT_TRUE(app_reaches("10.65.1.1", "10.64.0.7"));
	CU_ASSERT_TRUE(app_reaches("fd24:322:ffff::1", "fd24:322:7::7"));
	CU_ASSERT_TRUE(lab_ping(&tun, "10.65.1.1"));
	CU_ASSERT_TRUE(lab_ping(&tun, "fd24:322:ffff::1"));
	CU_ASSERT_TRUE(outer_reaches("198.51.100.1", "192.0.2.2"));

	/* The tunnel is lost: an error at once, nothing on the other interface. */
	CU_ASSERT_EQUAL(steer_carrier(steer, &tun, false), 0);
	CU_ASSERT_TRUE(app_is_refused("10.65.1.1"));
	CU_ASSERT_TRUE(app_is_refused("fd24:322:ffff::1"));
	stop();
}

static void nothing_to_do_twice(void)
{
	const struct tse_config settings = config(STEER_TABLE);
	struct steer_plan wanted = plan();
	CU_ASSERT_TRUE_FATAL(start(&settings, &wanted));
	CU_ASSERT_EQUAL(steer_repair(steer, &tun, &why), 0);
	CU_ASSERT_EQUAL(steer_apply(steer, &tun, &wanted, &why), 0);
	CU_ASSERT_TRUE(app_reaches("10.65.1.1", "10.64.0.7"));

	/* Another lease and other prefixes, while the carrier stays on. */
	wanted.inner4 = prefix("10.64.0.8/32");
	wanted.inner6 = (struct prefix){0};
	wanted.mtu = 1300;
	wanted.routes[0] = prefix("10.66.0.0/16");
	CU_ASSERT_EQUAL(steer_apply(steer, &tun, &wanted, &why), 0);
	CU_ASSERT_EQUAL(steer_repair(steer, &tun, &why), 0);
	CU_ASSERT_TRUE(app_reaches("10.66.1.1", "10.64.0.8"));
	CU_ASSERT_TRUE(shows("ip link show tse0", "mtu 1300"));
	CU_ASSERT_PTR_NULL(strstr(lab_output("ip addr show tse0"), "10.64.0.7"));
	CU_ASSERT_PTR_NULL(strstr(lab_output("ip addr show tse0"), "fd24"));
	CU_ASSERT_PTR_NULL(strstr(lab_output("ip route show table 24322"), "10.65."));
	/* Not granted is not a reason to leak. */
	CU_ASSERT_TRUE(app_is_refused("fd24:322:ffff::1"));
	CU_ASSERT_FALSE(steer_has_ipv6(steer));
	stop();
}

static void blocks_without_a_tunnel(void)
{
	const struct tse_config settings = config(STEER_TABLE);
	const struct steer_plan wanted = plan();
	CU_ASSERT_TRUE_FATAL(start(&settings, NULL));
	CU_ASSERT_EQUAL(steer_block(steer, wanted.routes, wanted.route_count, &why), 0);
	CU_ASSERT_TRUE(app_is_refused("10.65.1.1"));
	CU_ASSERT_TRUE(app_is_refused("fd24:322:ffff::1"));
	CU_ASSERT_EQUAL(steer_apply(steer, &tun, &wanted, &why), 0);
	CU_ASSERT_EQUAL(steer_carrier(steer, &tun, true), 0);
	CU_ASSERT_TRUE(app_reaches("10.65.1.1", "10.64.0.7"));
	CU_ASSERT_EQUAL(steer_block(steer, wanted.routes, wanted.route_count, &why), 0);
	CU_ASSERT_TRUE(app_is_refused("10.65.1.1"));
	CU_ASSERT_PTR_NULL(strstr(lab_output("ip addr show tse0"), "10.64.0.7"));
	CU_ASSERT_EQUAL(steer_apply(steer, &tun, &wanted, &why), 0);
	CU_ASSERT_TRUE(shows("ip link show tse0", "NO-CARRIER"));

	/* Direct: nothing of ours is in the way. */
	CU_ASSERT_EQUAL(steer_block(steer, NULL, 0, &why), 0);
	CU_ASSERT_PTR_NULL(strstr(lab_output("%s", look), "24322"));
	CU_ASSERT_PTR_NULL(strstr(lab_output("%s", look), "proto 243"));
	CU_ASSERT_PTR_NULL(strstr(lab_output("ip link show tse0"), ",UP"));
	int socket = lab_udp("10.65.1.1", 5060, 0);
	CU_ASSERT_TRUE(lab_echo(&wan, socket, "192.0.2.2"));
	close(socket);
	stop();
}

static void strict_reverse_path(void)
{
	const struct steer_plan wanted = plan();
	const struct address outer = address("198.51.100.1");
	CU_ASSERT_TRUE(strict_rp_filter(1));
	for (int kind = STEER_TABLE; kind <= STEER_NONE; kind++) {
		const struct tse_config settings = config((enum steer_kind)kind);
		CU_ASSERT_TRUE_FATAL(start(&settings, &wanted));
		CU_ASSERT_EQUAL(steer_outer(steer, &outer, 1, &why), 0);
		if (kind == STEER_NONE)
			CU_ASSERT_TRUE(
				lab_run("ip route add 10.65.0.0/16 dev tse0 src 10.64.0.7 && "
					"ip route add fd24:322:ffff::/48 dev tse0"));
		CU_ASSERT_TRUE(app_reaches("10.65.1.1", "10.64.0.7"));
		CU_ASSERT_TRUE(app_reaches("fd24:322:ffff::1", "fd24:322:7::7"));
		CU_ASSERT_TRUE(outer_reaches("198.51.100.1", "192.0.2.2"));
		stop();
	}
	CU_ASSERT_TRUE(strict_rp_filter(0));
}

/* The TSCF stands inside its own IMS prefix, because the profile says so. */
static void outer_inside_the_prefix(void)
{
	struct tse_config settings = config(STEER_TABLE);
	struct steer_plan wanted = plan();
	const struct address outer[] = {address("10.65.9.9"), address("fd24:322:ffff::99")};
	CU_ASSERT_TRUE_FATAL(start(&settings, NULL));
	CU_ASSERT_EQUAL(steer_outer(steer, outer, 2, &why), 0);
	CU_ASSERT_PTR_NULL(strstr(lab_output("%s", look), "throw"));
	CU_ASSERT_EQUAL(steer_apply(steer, &tun, &wanted, &why), -ELOOP);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "10.65.0.0/16 contains 10.65.9.9"));
	CU_ASSERT_PTR_NULL(strstr(lab_output("%s", look), "24322"));

	struct config_endpoint servers[] = {
		{.host = (char[]){"10.65.9.9"}}, {.host = (char[]){"fd24:322:ffff::99"}}};
	settings.allowed_routes = (struct config_prefixes){wanted.routes, wanted.route_count};
	CU_ASSERT_EQUAL(steer_apply(steer, &tun, &wanted, &why), -ELOOP);
	settings.servers = (struct config_endpoints){servers, 2};
	CU_ASSERT_EQUAL(steer_apply(steer, &tun, &wanted, &why), 0);
	CU_ASSERT_EQUAL(steer_carrier(steer, &tun, true), 0);
	CU_ASSERT_TRUE(shows("ip route show table 24322", "throw 10.65.9.9"));
	CU_ASSERT_TRUE(shows("ip -6 route show table 24322", "throw fd24:322:ffff::99"));
	CU_ASSERT_TRUE(strict_rp_filter(1));
	CU_ASSERT_TRUE(outer_reaches("10.65.9.9", "192.0.2.2"));
	CU_ASSERT_TRUE(app_reaches("10.65.1.1", "10.64.0.7"));
	CU_ASSERT_TRUE(strict_rp_filter(0));
	CU_ASSERT_EQUAL(steer_outer(steer, outer, 1, &why), 0);
	CU_ASSERT_PTR_NULL(strstr(lab_output("%s", look), "throw fd24"));
	stop();

	/* The main table has no throw route and no mark. */
	settings.steer = STEER_MAIN;
	CU_ASSERT_TRUE_FATAL(start(&settings, &wanted));
	CU_ASSERT_EQUAL(steer_outer(steer, outer, 1, &why), -ELOOP);
	stop();
}

static void other_networks_are_respected(void)
{
	static const char *const networks[] = {
		"10.65.3.1/24", "10.0.0.1/8", "fd24:322:ffff:5::1/64"};
	static const char *const shown[] = {"10.65.3.0/24", "10.0.0.0/8", "fd24:322:ffff:5::/64"};
	const struct tse_config settings = config(STEER_TABLE);
	const struct steer_plan wanted = plan();
	CU_ASSERT_TRUE(lab_run("ip tuntap add lan0 mode tun && ip link set lan0 up"));
	for (size_t i = 0; i < 3; i++) {
		CU_ASSERT_TRUE(lab_run("ip addr add %s dev lan0", networks[i]));
		CU_ASSERT_TRUE_FATAL(start(&settings, NULL));
		CU_ASSERT_EQUAL(steer_apply(steer, &tun, &wanted, &why), -EADDRINUSE);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "lan0"));
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, shown[i]));
		CU_ASSERT_EQUAL(steer_block(steer, wanted.routes, 2, &why), -EADDRINUSE);
		CU_ASSERT_PTR_NULL(strstr(lab_output("%s", look), "24322"));
		CU_ASSERT_TRUE(lab_run("ip addr del %s dev lan0", networks[i]));
		CU_ASSERT_EQUAL(steer_apply(steer, &tun, &wanted, &why), 0);
		stop();
	}
	/* Routed there, not attached: ours is more specific in our own table. */
	CU_ASSERT_TRUE(lab_run("ip route add 10.65.0.0/24 via 192.0.2.1"));
	CU_ASSERT_TRUE(start(&settings, &wanted));
	CU_ASSERT_TRUE(app_reaches("10.65.0.1", "10.64.0.7"));
	stop();
	CU_ASSERT_TRUE(lab_run("ip route del 10.65.0.0/24 via 192.0.2.1; ip link delete lan0"));
}

static void the_main_table(void)
{
	const struct tse_config settings = config(STEER_MAIN);
	const struct steer_plan wanted = plan();
	CU_ASSERT_TRUE_FATAL(start(&settings, &wanted));
	CU_ASSERT_TRUE(shows("ip route", "10.65.0.0/16 dev tse0 proto 243"));
	CU_ASSERT_TRUE(shows("ip route", "unreachable 10.65.0.0/16 proto 243"));
	CU_ASSERT_PTR_NULL(strstr(lab_output("ip rule; ip -6 rule"), "24322"));
	CU_ASSERT_EQUAL(steer_carrier(steer, &tun, false), 0);
	CU_ASSERT_TRUE(app_is_refused("10.65.1.1"));
	CU_ASSERT_TRUE(app_is_refused("fd24:322:ffff::1"));
	/* Somebody else's, with our protocol: another profile. */
	CU_ASSERT_TRUE(lab_run("ip route add unreachable 10.99.0.0/16 proto 243"));
	CU_ASSERT_EQUAL(steer_repair(steer, &tun, &why), 0);
	stop();
	CU_ASSERT_TRUE(shows("ip route", "10.99.0.0/16"));
	CU_ASSERT_PTR_NULL(strstr(lab_output("ip route"), "10.65."));
	CU_ASSERT_TRUE(lab_run("ip route del unreachable 10.99.0.0/16"));

	CU_ASSERT_TRUE(lab_run("ip route add 10.65.0.0/16 via 192.0.2.1"));
	CU_ASSERT_TRUE_FATAL(start(&settings, NULL));
	CU_ASSERT_EQUAL(steer_apply(steer, &tun, &wanted, &why), -EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "10.65.0.0/16"));
	stop();
	CU_ASSERT_TRUE(shows("ip route", "10.65.0.0/16 via 192.0.2.1"));
	CU_ASSERT_TRUE(lab_run("ip route del 10.65.0.0/16"));
}

static void repairs_what_others_break(void)
{
	static const char *const breakages[] = {
		"ip link set tse0 down",
		"ip addr flush dev tse0",
		"ip addr del 10.64.0.7/32 dev tse0",
		"ip -6 addr del fd24:322:7::7/128 dev tse0",
		"ip route del 10.65.0.0/16 dev tse0 table 24322",
		"ip route del unreachable 10.65.0.0/16 metric 4294967295 table 24322",
		"ip -6 route flush table 24322",
		"ip rule del priority 24322",
		"ip -6 rule del priority 24322",
		"ip link set tse0 mtu 9000",
		"ip link set tse0 carrier off && ip link show tse0 >/dev/null",
	};
	const struct tse_config settings = config(STEER_TABLE);
	const struct steer_plan wanted = plan();
	CU_ASSERT_TRUE_FATAL(start(&settings, &wanted));
	static char *before;
	before = strdup(lab_output("%s", look));
	for (size_t i = 0; i < sizeof(breakages) / sizeof(breakages[0]); i++) {
		CU_ASSERT_TRUE(lab_run("%s", breakages[i]));
		CU_ASSERT_STRING_NOT_EQUAL(lab_output("%s", look), before);
		CU_ASSERT_TRUE(steer_repair(steer, &tun, &why) > 0);
		if (!lab_until_is(before, look)) {
			CU_FAIL("not repaired");
			fprintf(stderr, "after %s\n", breakages[i]);
		}
		CU_ASSERT_EQUAL(steer_repair(steer, &tun, &why), 0);
		CU_ASSERT_TRUE(app_reaches("10.65.1.1", "10.64.0.7"));
		CU_ASSERT_TRUE(app_reaches("fd24:322:ffff::1", "fd24:322:7::7"));
	}
	free(before);
	CU_ASSERT_TRUE(lab_run("ip link delete tse0"));
	CU_ASSERT_EQUAL(steer_repair(steer, &tun, &why), -ENODEV);
	CU_ASSERT_TRUE(app_is_refused("10.65.1.1"));
	stop();
}

struct watch {
	struct ev_loop *loop;
	int repaired;
	bool ours;
};

static void on_change(void *user, const struct netmon_event *event)
{
	struct watch *watch = user;
	int result = steer_repair(steer, &tun, &why);
	watch->ours |= event->ours;
	watch->repaired += result;
	if (result > 0)
		ev_break(watch->loop, EVBREAK_ALL);
}

static void on_too_late(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)timer;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

static void an_event_leads_to_repair(void)
{
	const struct tse_config settings = config(STEER_TABLE);
	const struct steer_plan wanted = plan();
	struct watch watch = {.loop = ev_loop_new(EVFLAG_AUTO)};
	struct netmon netmon;
	struct ev_timer limit;
	CU_ASSERT_TRUE_FATAL(start(&settings, &wanted));
	CU_ASSERT_EQUAL_FATAL(netmon_open(&netmon, watch.loop, on_change, &watch, &why), 0);
	netmon.own_index = tun.index;
	CU_ASSERT_TRUE(lab_run("ip link set tse0 down"));
	ev_timer_init(&limit, on_too_late, 1., 0.);
	ev_timer_start(watch.loop, &limit);
	ev_run(watch.loop, 0);
	CU_ASSERT_TRUE(watch.repaired > 0);
	CU_ASSERT_TRUE(watch.ours);
	CU_ASSERT_TRUE(has_ipv6());
	CU_ASSERT_TRUE(app_reaches("10.65.1.1", "10.64.0.7"));
	CU_ASSERT_TRUE(app_reaches("fd24:322:ffff::1", "fd24:322:7::7"));
	netmon_close(&netmon);
	ev_loop_destroy(watch.loop);
	stop();
}

static const struct unit_test tests[] = {
	{"a table of its own", a_table_of_its_own},
	{"changes only what differs", nothing_to_do_twice},
	{"blocks without a tunnel", blocks_without_a_tunnel},
	{"strict rp_filter with table, main and none", strict_reverse_path},
	{"the outer address inside an IMS prefix", outer_inside_the_prefix},
	{"networks that this host stands in", other_networks_are_respected},
	{"the main table", the_main_table},
	{"repairs what others break", repairs_what_others_break},
	{"an event leads to repair within a second", an_event_leads_to_repair},
};

int main(void)
{
	return steer_tests("steer", tests, sizeof(tests) / sizeof(tests[0]));
}
