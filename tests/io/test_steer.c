/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steering as the kernel, ip(8) and an application see it:
 *
 *   apps --+-- tse0 (inner 10.64.0.7, fd24:322:7::7) -- this test, as the TSCF
 *          |     IMS prefixes 10.65.0.0/16, fd24:322:ffff::/48
 *          +-- wan0 (192.0.2.2, default route) ------- this test, as the world
 */
#include "tse/steer.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/netlink.h"
#include "io/netmon.h"
#include "lab.h"
#include "unit.h"

enum { MARK = 0x24322, TABLE = 24322 };

static struct reason why;
static struct tun wan, tun;
static struct steer *steer;

/* Whatever an administrator could see of us. */
static const char look[] = "ip rule; ip -6 rule; ip -4 route show table all; "
			   "ip -6 route show table all; ip -br addr; ip link";

static struct prefix prefix(const char *text)
{
	struct prefix out;
	if (!prefix_parse(&out, text))
		abort();
	return out;
}

static struct address address(const char *text)
{
	return prefix(text).address;
}

static struct tse_config config(enum steer_kind kind)
{
	static char name[] = "tse0";
	return (struct tse_config){.steer = kind, .table = TABLE, .fwmark = MARK,
		.interface = name, .mtu = 1500};
}

static struct steer_plan plan(void)
{
	return (struct steer_plan){.inner4 = prefix("10.64.0.7/32"),
		.inner6 = prefix("fd24:322:7::7/128"),
		.mtu = 1400,
		.routes = {prefix("10.65.0.0/16"), prefix("fd24:322:ffff::/48")},
		.route_count = 2};
}

static bool shows(const char *command, const char *text)
{
	return lab_until_shows(text, command);
}

/* An IPv6 address works a little after it was set. */
static bool has_ipv6(void)
{
	return shows("ip -6 route show table local", "local fd24:322:7::7 dev tse0");
}

static bool start(const struct tse_config *settings, const struct steer_plan *wanted)
{
	int result = tun_open(&tun, settings->interface, 1, true, &why);
	if (result == 0)
		result = steer_new(&steer, settings, &why);
	if (result == 0) {
		steer_prepare(steer, &tun);
		result = wanted ? steer_apply(steer, &tun, wanted, &why) : 0;
	}
	if (result == 0 && wanted)
		result = steer_carrier(steer, &tun, true);
	if (result < 0)
		fprintf(stderr, "%s: %s\n", strerror(-result), why.text);
	return result == 0 && (!wanted || !steer_has_ipv6(steer) || has_ipv6());
}

static void stop(void)
{
	steer_free(steer);
	tun_close(&tun);
	steer = NULL;
}

/* An app's packet goes through the tunnel and the answer comes back. */
static bool app_reaches(const char *to, const char *inner)
{
	int socket = lab_udp(to, 5060, 0);
	bool reached = socket >= 0 && lab_echo(&tun, socket, inner);
	if (socket >= 0)
		close(socket);
	return reached;
}

/* Before Linux 6.9 it takes up to a second after the carrier was lost. */
static bool app_is_refused(const char *to)
{
	bool refused = false;
	for (int waited = 0; !refused && waited < LAB_PATIENCE; waited += 10) {
		int socket = lab_udp(to, 5060, 0);
		refused = socket < 0 && (errno == EHOSTUNREACH || errno == ENETUNREACH);
		if (socket >= 0)
			close(socket);
		if (!refused)
			poll(NULL, 0, 10);
	}
	return refused;
}

/* A socket of the tunnel's own goes past the tunnel, and back. */
static bool outer_reaches(const char *to, const char *from)
{
	int socket = lab_udp(to, 443, MARK);
	bool reached = socket >= 0 && lab_echo(&wan, socket, from);
	if (socket >= 0)
		close(socket);
	return reached;
}

static void strict_rp_filter(int value)
{
	CU_ASSERT_TRUE(lab_run("echo %d > /proc/sys/net/ipv4/conf/all/rp_filter", value));
}

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
	strict_rp_filter(1);
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
	strict_rp_filter(0);
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

	settings.allowed_routes = (struct config_prefixes){wanted.routes, wanted.route_count};
	CU_ASSERT_EQUAL(steer_apply(steer, &tun, &wanted, &why), 0);
	CU_ASSERT_EQUAL(steer_carrier(steer, &tun, true), 0);
	CU_ASSERT_TRUE(shows("ip route show table 24322", "throw 10.65.9.9"));
	CU_ASSERT_TRUE(shows("ip -6 route show table 24322", "throw fd24:322:ffff::99"));
	strict_rp_filter(1);
	CU_ASSERT_TRUE(outer_reaches("10.65.9.9", "192.0.2.2"));
	CU_ASSERT_TRUE(app_reaches("10.65.1.1", "10.64.0.7"));
	strict_rp_filter(0);
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
	static const char *const networks[] = {"10.65.3.1/24", "10.0.0.1/8", "fd24:322:ffff:5::1/64"};
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
	char *before = strdup(lab_output("%s", look));
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

/* What a run that was killed leaves is cleaned, and nothing else. */
static void cleans_after_a_crash(void)
{
	static const char others[] = "ip rule add priority 24322 fwmark 7 lookup 24322 && "
				     "ip rule add priority 24322 lookup 99 proto 243 && "
				     "ip rule add priority 24321 lookup 24322 proto 243 && "
				     "ip route add unreachable 10.98.0.0/16 table 24322 && "
				     "ip route add unreachable 10.97.0.0/16 table 99 proto 243";
	static const char others_away[] = "ip rule del priority 24322; ip rule del priority 24322; "
					  "ip rule del priority 24321; ip route flush table 24322; "
					  "ip route flush table 99";
	const struct steer_plan wanted = plan();
	const struct address outer = address("198.51.100.1");
	for (int kind = STEER_TABLE; kind <= STEER_MAIN; kind++) {
		const struct tse_config settings = config((enum steer_kind)kind);
		CU_ASSERT_TRUE(lab_run("%s", others));
		char *before = strdup(lab_output("%s", look));
		pid_t child = fork();
		if (child == 0) {
			if (start(&settings, &wanted) && steer_outer(steer, &outer, 1, &why) == 0)
				kill(getpid(), SIGKILL);
			_exit(1);
		}
		int status = 0;
		waitpid(child, &status, 0);
		CU_ASSERT_TRUE(WIFSIGNALED(status));
		CU_ASSERT_TRUE(shows("ip route show table all", "unreachable 10.65.0.0/16"));

		CU_ASSERT_EQUAL(steer_new(&steer, &settings, &why), 0);
		CU_ASSERT_TRUE(lab_until_is(before, look));
		steer_free(steer);
		free(before);
		CU_ASSERT_TRUE(lab_run("%s", others_away));
	}
}

static void leaves_nothing(void)
{
	const struct tse_config settings = config(STEER_TABLE);
	const struct steer_plan wanted = plan();
	char *before = strdup(lab_output("%s", look));
	size_t descriptors = lab_descriptors();
	for (int i = 0; i < 30; i++) {
		CU_ASSERT_TRUE_FATAL(start(&settings, &wanted));
		stop();
	}
	CU_ASSERT_TRUE(lab_until_is(before, look));
	CU_ASSERT_EQUAL(lab_descriptors(), descriptors);
	free(before);

	/* An interface made beforehand is left, but without us. */
	CU_ASSERT_TRUE(lab_run("ip tuntap add tse0 mode tun"));
	CU_ASSERT_TRUE(start(&settings, &wanted));
	stop();
	CU_ASSERT_PTR_NULL(strstr(lab_output("ip addr show tse0"), "10.64.0.7"));
	CU_ASSERT_PTR_NULL(strstr(lab_output("ip addr show tse0"), "fd24"));
	CU_ASSERT_PTR_NULL(strstr(lab_output("ip addr show tse0"), ",UP"));
	CU_ASSERT_TRUE(lab_run("ip link delete tse0"));
}

static bool keep_only_net_admin(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2] = {
		{.effective = 1u << CAP_NET_ADMIN, .permitted = 1u << CAP_NET_ADMIN}};
	return prctl(PR_SET_KEEPCAPS, 1) == 0 && setresgid(65534, 65534, 65534) == 0 &&
		setresuid(65534, 65534, 65534) == 0 && syscall(SYS_capset, &header, sets) == 0;
}

/* Everything after steer_prepare, as an unprivileged user. */
static int run_unprivileged(void)
{
	const struct tse_config settings = config(STEER_TABLE);
	struct steer_plan wanted = plan();
	const struct address outer = address("198.51.100.1");
	struct netlink *netlink;
	if (!start(&settings, NULL))
		return 10;
	if (!keep_only_net_admin())
		return 11;
	if (steer_block(steer, wanted.routes, 2, &why) < 0)
		return 12;
	if (steer_outer(steer, &outer, 1, &why) < 0)
		return 13;
	if (steer_apply(steer, &tun, &wanted, &why) < 0 || steer_carrier(steer, &tun, true) < 0)
		return 14;
	if (!has_ipv6() || !app_reaches("10.65.1.1", "10.64.0.7") ||
		!app_reaches("fd24:322:ffff::1", "fd24:322:7::7"))
		return 15;
	if (steer_carrier(steer, &tun, false) < 0 || !app_is_refused("fd24:322:ffff::1") ||
		!app_is_refused("10.65.1.1") || steer_carrier(steer, &tun, true) < 0)
		return 16;
	if (netlink_open(&netlink, &why) < 0 ||
		netlink_link_set_up(netlink, tun.index, false, &why) < 0)
		return 17;
	netlink_close(netlink);
	if (steer_repair(steer, &tun, &why) <= 0 || !app_reaches("10.65.1.1", "10.64.0.7"))
		return 18;
	wanted.inner4 = prefix("10.64.0.9/32");
	if (steer_apply(steer, &tun, &wanted, &why) < 0 || !app_reaches("10.65.1.1", "10.64.0.9"))
		return 19;
	stop();
	return 0;
}

static void as_an_unprivileged_user(void)
{
	char *before = strdup(lab_output("%s", look));
	pid_t child = fork();
	if (child == 0) {
		int result = run_unprivileged();
		if (result)
			fprintf(stderr, "%s\n", why.text);
		_exit(result);
	}
	int status = -1;
	waitpid(child, &status, 0);
	CU_ASSERT_TRUE(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
	CU_ASSERT_TRUE(lab_until_is(before, look));
	free(before);
}

/* /proc/sys could not be written: the IPv6 routes follow the carrier. */
static void without_the_sysctl(void)
{
	const struct tse_config settings = config(STEER_TABLE);
	const struct steer_plan wanted = plan();
	CU_ASSERT_EQUAL_FATAL(tun_open(&tun, "tse0", 1, true, &why), 0);
	CU_ASSERT_EQUAL_FATAL(steer_new(&steer, &settings, &why), 0);
	CU_ASSERT_EQUAL(steer_apply(steer, &tun, &wanted, &why), 0);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_TRUE(app_is_refused("10.65.1.1"));
		CU_ASSERT_TRUE(app_is_refused("fd24:322:ffff::1"));
		CU_ASSERT_EQUAL(steer_carrier(steer, &tun, true), 0);
		CU_ASSERT_TRUE(has_ipv6());
		CU_ASSERT_TRUE(app_reaches("10.65.1.1", "10.64.0.7"));
		CU_ASSERT_TRUE(app_reaches("fd24:322:ffff::1", "fd24:322:7::7"));
		CU_ASSERT_EQUAL(steer_repair(steer, &tun, &why), 0);
		CU_ASSERT_EQUAL(steer_carrier(steer, &tun, false), 0);
	}
	stop();
}

static void where_ipv6_is_disabled(void)
{
	static const char look4[] = "ip -4 rule; ip -4 route show table all";
	static const char set[] = "for i in all default; do "
				  "echo %d > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done";
	const struct tse_config settings = config(STEER_TABLE);
	struct steer_plan wanted = plan();
	char *before = strdup(lab_output("%s", look4));
	CU_ASSERT_TRUE(lab_run(set, 1));
	CU_ASSERT_TRUE(start(&settings, &wanted));
	CU_ASSERT_FALSE(steer_has_ipv6(steer));
	CU_ASSERT_TRUE(app_reaches("10.65.1.1", "10.64.0.7"));
	CU_ASSERT_EQUAL(steer_repair(steer, &tun, &why), 0);
	wanted.inner4 = (struct prefix){0};
	CU_ASSERT_EQUAL(steer_apply(steer, &tun, &wanted, &why), -EAFNOSUPPORT);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "disable_ipv6"));
	stop();
	CU_ASSERT_TRUE(lab_until_is(before, look4));
	CU_ASSERT_TRUE(lab_run(set, 0));
	CU_ASSERT_TRUE(lab_run("ip -6 addr add 2001:db8:f::2/64 dev wan0 nodad && "
			       "ip -6 route add default dev wan0"));
	free(before);
}

/* Only the user 4711's packets, but all of them. */
static void only_some_users(void)
{
	static char user[] = "4711", *users[] = {user};
	struct tse_config settings = config(STEER_TABLE);
	settings.uid = (struct config_list){users, 1};
	struct steer_plan wanted = plan();
	wanted.routes[0] = prefix("0.0.0.0/0");
	wanted.routes[1] = prefix("::/0");
	const struct address outer = address("198.51.100.1");
	strict_rp_filter(1);
	CU_ASSERT_TRUE_FATAL(start(&settings, &wanted));
	CU_ASSERT_EQUAL(steer_outer(steer, &outer, 1, &why), 0);
	CU_ASSERT_TRUE(shows("ip rule", "24322:	from all uidrange 4711-4711 lookup 24322"));
	CU_ASSERT_EQUAL(seteuid(4711), 0);
	CU_ASSERT_TRUE(app_reaches("203.0.113.5", "10.64.0.7"));
	CU_ASSERT_TRUE(app_reaches("2001:db8:5::5", "fd24:322:7::7"));
	CU_ASSERT_EQUAL(seteuid(0), 0);
	int socket = lab_udp("203.0.113.5", 5060, 0);
	CU_ASSERT_TRUE(lab_echo(&wan, socket, "192.0.2.2"));
	close(socket);
	CU_ASSERT_TRUE(outer_reaches("198.51.100.1", "192.0.2.2"));
	CU_ASSERT_EQUAL(steer_repair(steer, &tun, &why), 0);
	stop();
	strict_rp_filter(0);
	CU_ASSERT_PTR_NULL(strstr(lab_output("%s", look), "24322"));
}

static void refuses_bad_settings(void)
{
	static char range[] = "2000-1000", *ranges[] = {range};
	struct tse_config settings = config(STEER_TABLE);
	settings.table = 254;
	CU_ASSERT_EQUAL(steer_new(&steer, &settings, &why), -EINVAL);
	settings = config(STEER_TABLE);
	settings.fwmark = 0;
	CU_ASSERT_EQUAL(steer_new(&steer, &settings, &why), -EINVAL);
	settings = config(STEER_TABLE);
	settings.uid = (struct config_list){ranges, 1};
	CU_ASSERT_EQUAL(steer_new(&steer, &settings, &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, range));
	settings.steer = STEER_MAIN;
	CU_ASSERT_EQUAL(steer_new(&steer, &settings, &why), -EINVAL);
}

static void two_profiles_one_table(void)
{
	static char name[] = "tse1";
	const struct tse_config settings = config(STEER_TABLE);
	struct tse_config second = settings;
	second.interface = name;
	struct steer *other;
	const struct steer_plan wanted = plan();
	CU_ASSERT_TRUE_FATAL(start(&settings, &wanted));
	CU_ASSERT_EQUAL(steer_new(&other, &second, &why), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "tse0"));
	CU_ASSERT_EQUAL(steer_repair(steer, &tun, &why), 0);
	second.table = 24323;
	CU_ASSERT_EQUAL(steer_new(&other, &second, &why), 0);
	CU_ASSERT_EQUAL(steer_repair(steer, &tun, &why), 0);
	steer_free(other);
	CU_ASSERT_EQUAL(steer_repair(steer, &tun, &why), 0);
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
	{"cleans after a crash, and nothing else", cleans_after_a_crash},
	{"30 cycles leave nothing", leaves_nothing},
	{"as an unprivileged user", as_an_unprivileged_user},
	{"without the sysctl", without_the_sysctl},
	{"where IPv6 is disabled", where_ipv6_is_disabled},
	{"only some users", only_some_users},
	{"refuses bad settings", refuses_bad_settings},
	{"two profiles, one table", two_profiles_one_table},
};

int main(void)
{
	lab_enter();
	if (tun_open(&wan, "wan0", 1, true, &why) < 0 ||
		!lab_run("ip addr add 192.0.2.2/24 dev wan0 && ip link set wan0 up && "
			 "ip -6 addr add 2001:db8:f::2/64 dev wan0 nodad && "
			 "ip route add default dev wan0 && ip -6 route add default dev wan0") ||
		!shows("ip -6 route show table local", "local fe80:") ||
		!shows("ip -6 route show table local", "local 2001:db8:f::2")) {
		fprintf(stderr, "no uplink: %s\n", why.text);
		return EXIT_FAILURE;
	}
	int status = unit_run("steer", tests, sizeof(tests) / sizeof(tests[0]));
	tun_close(&wan);
	return status;
}
