/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What netlink says and does, held against what ip(8) shows. */
#include "io/netlink.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/netns.h"
#include "lab.h"
#include "unit.h"

static struct netlink *netlink;
static struct reason why;

static struct prefix prefix(const char *text)
{
	struct prefix out = {0};
	char host[PREFIX_TEXT_MAX];
	snprintf(host, sizeof(host), "%s", text);
	char *slash = strchr(host, '/');
	if (slash)
		*slash = '\0';
	if (!address_parse(&out.address, host))
		abort();
	out.length = (uint8_t)(slash ? strtoul(slash + 1, NULL, 10)
				     : 8 * address_size(out.address.version));
	return out;
}

static struct address address(const char *text)
{
	return prefix(text).address;
}

static bool shows(const char *command, const char *text)
{
	const char *output = lab_output("%s", command);
	if (strstr(output, text))
		return true;
	fprintf(stderr, "\"%s\" is not in the output of %s:\n%s", text, command, output);
	return false;
}

static void links(void)
{
	struct netlink_link link;
	CU_ASSERT_EQUAL(netlink_link_find(netlink, 1, &link, &why), 0);
	CU_ASSERT_STRING_EQUAL(link.name, "lo");
	CU_ASSERT_TRUE(link.up);
	CU_ASSERT_EQUAL(link.mtu, 65536);
	CU_ASSERT_EQUAL(netlink_link_find(netlink, 4711, &link, &why), -ENODEV);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "interface number 4711"));
	CU_ASSERT_EQUAL(netlink_link_set_up(netlink, 4711, true, &why), -ENODEV);
}

static void a_server_tun(void)
{
	struct tun tun;
	CU_ASSERT_EQUAL_FATAL(tun_open(&tun, "tscf0", 2, true, &why), 0);
	const struct netlink_tun wanted = {
		.inner4 = prefix("10.64.0.1/16"), .inner6 = prefix("fd24:322::1/48"), .mtu = 1480};
	/* Twice: it may be there already. */
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(netlink_tun_setup(netlink, tun.index, &wanted, &why), 0);
	CU_ASSERT_TRUE(shows("ip -d link show tscf0", "mtu 1480"));
	CU_ASSERT_TRUE(shows("ip -d link show tscf0", "qlen 5000"));
	CU_ASSERT_TRUE(shows("ip -d link show tscf0", "addrgenmode none"));
	CU_ASSERT_TRUE(shows("ip -d link show tscf0", "gso_max_size 65522"));
	CU_ASSERT_TRUE(shows("ip addr show tscf0", "inet 10.64.0.1/16"));
	CU_ASSERT_TRUE(shows("ip addr show tscf0", "inet6 fd24:322::1/48"));
	CU_ASSERT_PTR_NULL(strstr(lab_output("ip addr show tscf0"), "fe80"));
	CU_ASSERT_PTR_NULL(strstr(lab_output("ip addr show tscf0"), "tentative"));
	CU_ASSERT_TRUE(shows("ip route", "10.64.0.0/16 dev tscf0"));
	CU_ASSERT_TRUE(shows("ip -6 route", "fd24:322::/48 dev tscf0"));

	struct netlink_path path;
	struct address to = address("10.64.3.4");
	CU_ASSERT_EQUAL(netlink_path_find(netlink, &to, 0, &path, &why), 0);
	CU_ASSERT_EQUAL(path.index, tun.index);
	CU_ASSERT_EQUAL(path.table, NETLINK_TABLE_MAIN);
	struct address self = address("10.64.0.1");
	CU_ASSERT_TRUE(address_equal(&path.source, &self));
	tun_close(&tun);
}

static void addresses(void)
{
	struct netlink_address *list;
	size_t count;
	const struct prefix one = prefix("192.0.2.9/24"), two = prefix("2001:db8::9/64");
	CU_ASSERT_TRUE(lab_run("ip tuntap add t0 mode tun && ip link set t0 up"));
	unsigned index = if_nametoindex("t0");
	CU_ASSERT_EQUAL(netlink_address_add(netlink, index, &one, &why), 0);
	CU_ASSERT_EQUAL(netlink_address_add(netlink, index, &two, &why), 0);
	CU_ASSERT_EQUAL(netlink_address_add(netlink, index, &one, &why), -EEXIST);
	CU_ASSERT_TRUE(lab_run("ip addr add 192.0.2.77 peer 192.0.2.78/32 dev t0"));
	CU_ASSERT_EQUAL_FATAL(netlink_addresses(netlink, index, &list, &count, &why), 0);
	bool found[3] = {false};
	const struct prefix far = prefix("192.0.2.77/32");
	for (size_t i = 0; i < count; i++) {
		const struct address *is = &list[i].address.address;
		found[0] |= address_equal(is, &one.address) && list[i].address.length == 24;
		found[1] |= address_equal(is, &two.address) && list[i].address.length == 64;
		found[2] |= address_equal(is, &far.address) && list[i].protocol != NETLINK_PROTOCOL;
	}
	CU_ASSERT_TRUE(found[0] && found[1] && found[2]);
	free(list);
	CU_ASSERT_EQUAL(netlink_address_delete(netlink, index, &one, &why), 0);
	CU_ASSERT_EQUAL(netlink_address_delete(netlink, index, &one, &why), -EADDRNOTAVAIL);
	CU_ASSERT_PTR_NULL(strstr(lab_output("ip addr show t0"), "192.0.2.9"));
	CU_ASSERT_TRUE(lab_run("ip link delete t0"));
}

static void routes(void)
{
	CU_ASSERT_TRUE(lab_run("ip tuntap add t0 mode tun && ip link set t0 up && "
			       "ip addr add 192.0.2.1/24 dev t0 && "
			       "ip -6 addr add 2001:db8::1/64 dev t0 nodad"));
	unsigned index = if_nametoindex("t0");
	const struct netlink_route cases[] = {
		{NETLINK_ROUTE_UNICAST, prefix("198.51.100.0/24"), 24322, 0, 243, index,
			address("192.0.2.1"), {0}},
		{NETLINK_ROUTE_UNICAST, prefix("198.51.100.0/24"), 24322, 7, 243, index, {0},
			address("192.0.2.2")},
		{NETLINK_ROUTE_UNREACHABLE, prefix("198.51.100.0/24"), 24322, UINT32_MAX, 243, 0,
			{0}, {0}},
		{NETLINK_ROUTE_THROW, prefix("0.0.0.0/0"), 24322, 3, 243, 0, {0}, {0}},
		{NETLINK_ROUTE_UNICAST, prefix("2001:db8:1::/48"), 24322, 1024, 243, index,
			address("2001:db8::1"), {0}},
		{NETLINK_ROUTE_UNREACHABLE, prefix("::/0"), 24322, UINT32_MAX, 243, 0, {0}, {0}},
		{NETLINK_ROUTE_THROW, prefix("2001:db8:2::1"), 24322, 1024, 243, 0, {0}, {0}},
	};
	enum { COUNT = sizeof(cases) / sizeof(cases[0]), FOUR = 4 };
	for (size_t i = 0; i < COUNT; i++) {
		CU_ASSERT_EQUAL(netlink_route_add(netlink, &cases[i], &why), 0);
		CU_ASSERT_EQUAL(netlink_route_add(netlink, &cases[i], &why), -EEXIST);
	}
	CU_ASSERT_TRUE(shows("ip route show table 24322",
		"198.51.100.0/24 dev t0 proto 243 scope link src 192.0.2.1"));
	CU_ASSERT_TRUE(shows("ip route show table 24322",
		"unreachable 198.51.100.0/24 proto 243 metric 4294967295"));
	CU_ASSERT_TRUE(shows("ip -6 route show table 24322", "throw 2001:db8:2::1"));

	size_t total = 0;
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct netlink_route *list;
		size_t count, found = 0;
		CU_ASSERT_EQUAL_FATAL(
			netlink_routes(netlink, version, 24322, &list, &count, &why), 0);
		for (size_t i = 0; i < count; i++)
			for (size_t j = 0; j < COUNT; j++)
				found += netlink_route_equal(&list[i], &cases[j]);
		CU_ASSERT_EQUAL(found, count);
		total += count;
		free(list);
	}
	CU_ASSERT_EQUAL(total, COUNT);

	for (size_t i = 0; i < COUNT; i++) {
		CU_ASSERT_EQUAL(netlink_route_delete(netlink, &cases[i], &why), 0);
		CU_ASSERT_EQUAL(netlink_route_delete(netlink, &cases[i], &why), -ESRCH);
	}
	struct netlink_route *list;
	size_t count;
	CU_ASSERT_EQUAL(netlink_routes(netlink, 4, 99999, &list, &count, &why), 0);
	CU_ASSERT_EQUAL(count, 0);
	free(list);
	CU_ASSERT_TRUE(lab_run("ip link delete t0"));
}

static void many_routes(void)
{
	CU_ASSERT_TRUE(lab_run("for i in $(seq 0 255); do for j in 0 1 2 3; do echo route add "
			       "unreachable 10.$j.$i.0/24 table 77; done; done | ip -b -"));
	struct netlink_route *list;
	size_t count;
	CU_ASSERT_EQUAL(netlink_routes(netlink, 4, 77, &list, &count, &why), 0);
	CU_ASSERT_EQUAL(count, 1024);
	free(list);
	CU_ASSERT_TRUE(lab_run("ip route flush table 77"));
}

static void rules(void)
{
	const struct netlink_rule cases[] = {
		{.version = 4,
			.protocol = 243,
			.priority = 24322,
			.table = 24322,
			.has_mark = true,
			.not_mark = true,
			.mark = 0x24322},
		{.version = 6,
			.protocol = 243,
			.priority = 24322,
			.table = 24322,
			.has_mark = true,
			.not_mark = true,
			.mark = 0x24322},
		{.version = 4,
			.protocol = 243,
			.priority = 24322,
			.table = 100,
			.has_uids = true,
			.first_uid = 1000,
			.last_uid = 1999},
		{.version = 6,
			.protocol = 243,
			.priority = 24322,
			.table = 100,
			.source = address("2001:db8::7")},
	};
	static const char *const shown[] = {
		"24322:	not from all fwmark 0x24322 lookup 24322 proto 243",
		"24322:	not from all fwmark 0x24322 lookup 24322 proto 243",
		"24322:	from all uidrange 1000-1999 lookup 100 proto 243",
		"24322:	from 2001:db8::7 lookup 100 proto 243",
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char command[32];
		snprintf(command, sizeof(command), "ip -%u rule", cases[i].version);
		CU_ASSERT_EQUAL(netlink_rule_add(netlink, &cases[i], &why), 0);
		CU_ASSERT_EQUAL(netlink_rule_add(netlink, &cases[i], &why), -EEXIST);
		CU_ASSERT_TRUE(shows(command, shown[i]));

		struct netlink_rule *list;
		size_t count, found = 0;
		CU_ASSERT_EQUAL_FATAL(
			netlink_rules(netlink, cases[i].version, &list, &count, &why), 0);
		for (size_t j = 0; j < count; j++)
			found += netlink_rule_equal(&list[j], &cases[i]);
		CU_ASSERT_EQUAL(found, 1);
		free(list);
		CU_ASSERT_EQUAL(netlink_rule_delete(netlink, &cases[i], &why), 0);
		CU_ASSERT_EQUAL(netlink_rule_delete(netlink, &cases[i], &why), -ENOENT);
		CU_ASSERT_PTR_NULL(strstr(lab_output("%s", command), "24322"));
	}
}

static void paths(void)
{
	CU_ASSERT_TRUE(lab_run("ip tuntap add t0 mode tun && ip link set t0 up && "
			       "ip addr add 192.0.2.1/24 dev t0 && "
			       "ip route add 203.0.113.0/24 via 192.0.2.254 && "
			       "ip route add unreachable 203.0.113.0/24 table 99 && "
			       "ip rule add fwmark 5 lookup 99"));
	struct netlink_path path;
	const struct address to = address("203.0.113.9"), by = address("192.0.2.254"),
			     from = address("192.0.2.1"), nowhere = address("198.51.100.1"),
			     nowhere6 = address("2001:db8::1"), self = address("127.0.0.1");
	CU_ASSERT_EQUAL(netlink_path_find(netlink, &to, 0, &path, &why), 0);
	CU_ASSERT_EQUAL(path.index, if_nametoindex("t0"));
	CU_ASSERT_TRUE(address_equal(&path.gateway, &by));
	CU_ASSERT_TRUE(address_equal(&path.source, &from));
	CU_ASSERT_EQUAL(netlink_path_find(netlink, &to, 5, &path, &why), -EHOSTUNREACH);
	CU_ASSERT_EQUAL(netlink_path_find(netlink, &nowhere, 0, &path, &why), -ENETUNREACH);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "find a route to 198.51.100.1"));
	CU_ASSERT_EQUAL(netlink_path_find(netlink, &nowhere6, 0, &path, &why), -ENETUNREACH);
	CU_ASSERT_EQUAL(netlink_path_find(netlink, &self, 0, &path, &why), 0);
	CU_ASSERT_EQUAL(path.index, 1);
	CU_ASSERT_TRUE(lab_run("ip -6 addr add 2001:db8::2/64 dev t0 nodad"));
	const struct address neighbour6 = address("2001:db8::3"), from6 = address("2001:db8::2");
	CU_ASSERT_EQUAL(netlink_path_find(netlink, &neighbour6, 0, &path, &why), 0);
	CU_ASSERT_EQUAL(path.table, NETLINK_TABLE_MAIN);
	CU_ASSERT_TRUE(address_equal(&path.source, &from6));
	CU_ASSERT_TRUE(lab_run("ip rule del fwmark 5 lookup 99; ip route flush table 99; "
			       "ip link delete t0"));
}

static void namespaces(void)
{
	int previous;
	size_t before = lab_descriptors();
	CU_ASSERT_EQUAL(netns_enter("there-is-no-such-one", &previous, &why), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "ip netns add"));

	int ready[2];
	CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		char octet = unshare(CLONE_NEWNET) == 0;
		(void)!write(ready[1], &octet, 1);
		pause();
		_exit(0);
	}
	char octet, path[64];
	CU_ASSERT_EQUAL(read(ready[0], &octet, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", child);
	CU_ASSERT_TRUE(lab_run("ip tuntap add here0 mode tun"));
	CU_ASSERT_EQUAL(netns_enter(path, &previous, &why), 0);
	struct tun tun;
	CU_ASSERT_EQUAL(if_nametoindex("here0"), 0);
	CU_ASSERT_EQUAL(tun_open(&tun, "there0", 1, false, &why), 0);
	CU_ASSERT_EQUAL(netns_leave(previous, &why), 0);
	CU_ASSERT_NOT_EQUAL(if_nametoindex("here0"), 0);
	CU_ASSERT_EQUAL(if_nametoindex("there0"), 0);
	CU_ASSERT_TRUE(lab_run("ip link delete here0"));
	tun_close(&tun);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	CU_ASSERT_EQUAL(lab_descriptors(), before);
}

static const struct unit_test tests[] = {
	{"links", links},
	{"a TSCF's TUN", a_server_tun},
	{"addresses", addresses},
	{"routes of every kind", routes},
	{"a long listing", many_routes},
	{"rules of every kind", rules},
	{"which way a packet would go", paths},
	{"namespaces", namespaces},
};

int main(void)
{
	lab_enter();
	size_t before = lab_descriptors();
	if (netlink_open(&netlink, &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		return EXIT_FAILURE;
	}
	int status = unit_run("netlink", tests, sizeof(tests) / sizeof(tests[0]));
	netlink_close(netlink);
	return lab_descriptors() == before ? status : EXIT_FAILURE;
}
