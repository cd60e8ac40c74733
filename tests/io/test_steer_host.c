/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steering on hosts as they are: after a crash, without privileges, without
 * IPv6, for some users only; and what it leaves behind. */
#include "tse/steer.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/netlink.h"
#include "lab.h"
#include "steer_fixture.h"

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
		static char *before;
		before = strdup(lab_output("%s", look));
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
	static char *before;
	before = strdup(lab_output("%s", look));
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
	static char *before;
	before = strdup(lab_output("%s", look));
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
	static char *before;
	before = strdup(lab_output("%s", look4));
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
	CU_ASSERT_TRUE(strict_rp_filter(1));
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
	CU_ASSERT_TRUE(strict_rp_filter(0));
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
	return steer_tests("steer host", tests, sizeof(tests) / sizeof(tests[0]));
}
