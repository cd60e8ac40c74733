/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From names to targets, with a DNS server of the test's own on 127.0.0.1:53 of
 * its own network namespace.  Exit status 77 (skipped) without the right to
 * make one. */
#include "io/sip_locate.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "dns_server.h"
#include "io/clock.h"
#include "io/lease_files.h"

enum { MARK = 0x24322, MS = 1000, SECOND = 1000000 };

static const struct dns_name names[] = {
	/* The example of RFC 3263 4.1, with UDP preferred last. */
	{.name = "ims.example",
		.naptr = {{90, 50, "s", "SIP+D2U", "_sip._udp.ims.example"},
			{50, 50, "s", "SIPS+D2T", "_sips._tcp.ims.example"},
			{90, 40, "s", "SIP+D2T", "_sip._tcp.ims.example"},
			{10, 10, "u", "E2U+sip", "x.example"}}},
	{.name = "_sips._tcp.ims.example", .srv = {{0, 1, 5061, "one.example"}}},
	{.name = "_sip._tcp.ims.example",
		.srv = {{2, 0, 5060, "two.example"}, {1, 0, 5070, "one.example"}}},
	{.name = "_sip._udp.ims.example", .srv = {{0, 0, 5060, "two.example"}}},
	{.name = "one.example", .ipv6 = {"2001:db8::1"}, .ipv4 = {"203.0.113.1"}},
	{.name = "two.example", .ipv4 = {"10.0.0.2"}},
	/* SRV only */
	{.name = "srv.example"},
	{.name = "_sip._udp.srv.example", .srv = {{0, 0, 5080, "two.example"}}},
	/* neither */
	{.name = "plain.example", .ipv4 = {"203.0.113.9"}},
	{.name = "halfsilent.example", .ipv4 = {"203.0.113.8"}, .ipv6_after = 1500},
	{.name = "silent.example", .silent = true},
	/* NAPTR to nothing */
	{.name = "dangling.example",
		.ipv4 = {"203.0.113.7"},
		.naptr = {{1, 1, "s", "SIP+D2U", "_sip._udp.absent.example"}}},
	{.name = NULL},
};

static struct ev_loop *loop;
static struct dns_server dns;

struct run {
	struct locate_settings settings;
	struct config_list list;
	char *items[8];
	struct locate *locate;
	bool done;
	char targets[2048];
	struct reason why;
	size_t count;
	uint64_t took;
};

/* "UDP 10.0.0.2 5060 two.example private", a line each */
static void on_done(void *user, const struct locate_result *result)
{
	struct run *run = user;
	CU_ASSERT_FALSE(run->done);
	run->done = true;
	run->why = result->why;
	run->count = result->count;
	for (size_t i = 0; i < result->count; i++) {
		const struct locate_target *target = &result->targets[i];
		char address[ADDRESS_TEXT_MAX];
		size_t used = strlen(run->targets);
		CU_ASSERT_PTR_EQUAL(locate_probe_target(target).host, target->host);
		snprintf(run->targets + used, sizeof(run->targets) - used, "%s %s %u %s%s\n",
			transport_name(target->transport),
			address_format(&target->address, address), target->port, target->host,
			target->is_private ? " private" : "");
	}
}

static void prepare(struct run *run, const char *one, const char *other)
{
	memset(run, 0, sizeof(*run));
	run->items[0] = (char *)(uintptr_t)one;
	run->items[1] = (char *)(uintptr_t)other;
	run->list = (struct config_list){run->items, one ? other ? 2 : 1 : 0};
	run->settings = (struct locate_settings){.p_cscf = &run->list,
		.transports = ANY_TRANSPORT,
		.mark = MARK,
		.timeout = 2 * SECOND};
}

static void wait_for(struct run *run)
{
	uint64_t began = clock_now();
	while (!run->done)
		ev_run(loop, EVRUN_ONCE);
	run->took = clock_now() - began;
}

static void find(struct run *run)
{
	ev_now_update(loop);
	CU_ASSERT_EQUAL_FATAL(sip_locate(&run->locate, loop, &run->settings, on_done, run), 0);
	CU_ASSERT_FALSE(run->done);
	wait_for(run);
}

static const char *found(const char *p_cscf)
{
	static struct run run;
	prepare(&run, p_cscf, NULL);
	find(&run);
	return run.targets;
}

static void addresses_need_no_dns(void)
{
	size_t queries = dns.queries;
	CU_ASSERT_STRING_EQUAL(found("203.0.113.5"), "UDP 203.0.113.5 5060 203.0.113.5\n"
						     "TCP 203.0.113.5 5060 203.0.113.5\n"
						     "TLS 203.0.113.5 5061 203.0.113.5\n");
	CU_ASSERT_STRING_EQUAL(found("[2001:db8::5]:5070"), "UDP 2001:db8::5 5070 2001:db8::5\n"
							    "TCP 2001:db8::5 5070 2001:db8::5\n"
							    "TLS 2001:db8::5 5070 2001:db8::5\n");
	CU_ASSERT_STRING_EQUAL(found("203.0.113.5:5060"), "UDP 203.0.113.5 5060 203.0.113.5\n"
							  "TCP 203.0.113.5 5060 203.0.113.5\n"
							  "TLS 203.0.113.5 5061 203.0.113.5\n");
	CU_ASSERT_STRING_EQUAL(found("203.0.113.5:5061"), "TLS 203.0.113.5 5061 203.0.113.5\n");
	CU_ASSERT_EQUAL(dns.queries, queries);
}

static void private_addresses_are_marked(void)
{
	static const char *const private[] = {"10.1.2.3:5061", "172.31.0.1:5061",
		"192.168.1.1:5061", "100.64.0.1:5061", "[fd00::1]:5061", "[fe80::1]:5061"};
	for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(found(private[i]), " private\n"));
}

static void naptr_then_srv_then_addresses(void)
{
	CU_ASSERT_STRING_EQUAL(found("ims.example"), "TLS 2001:db8::1 5061 ims.example\n"
						     "TLS 203.0.113.1 5061 ims.example\n"
						     "TCP 2001:db8::1 5070 ims.example\n"
						     "TCP 203.0.113.1 5070 ims.example\n"
						     "TCP 10.0.0.2 5060 ims.example private\n"
						     "UDP 10.0.0.2 5060 ims.example private\n");
}

static void name_with_a_port_is_an_address(void)
{
	CU_ASSERT_STRING_EQUAL(found("two.example:5062"),
		"UDP 10.0.0.2 5062 two.example private\n"
		"TCP 10.0.0.2 5062 two.example private\n"
		"TLS 10.0.0.2 5062 two.example private\n");
}

static void without_naptr_srv_counts(void)
{
	CU_ASSERT_STRING_EQUAL(found("srv.example"), "UDP 10.0.0.2 5080 srv.example private\n");
}

static void without_srv_the_name_itself_counts(void)
{
	CU_ASSERT_STRING_EQUAL(found("plain.example"), "UDP 203.0.113.9 5060 plain.example\n"
						       "TCP 203.0.113.9 5060 plain.example\n"
						       "TLS 203.0.113.9 5061 plain.example\n");
	CU_ASSERT_STRING_EQUAL(found("dangling.example"),
		"UDP 203.0.113.7 5060 dangling.example\n"
		"TCP 203.0.113.7 5060 dangling.example\n"
		"TLS 203.0.113.7 5061 dangling.example\n");
}

static void only_wanted_transports_count(void)
{
	struct run run;
	prepare(&run, "ims.example", "plain.example");
	run.settings.transports = 1u << OVER_TLS;
	find(&run);
	CU_ASSERT_STRING_EQUAL(run.targets, "TLS 2001:db8::1 5061 ims.example\n"
					    "TLS 203.0.113.1 5061 ims.example\n"
					    "TLS 203.0.113.9 5061 plain.example\n");
}

static void domain_then_lease_when_nothing_is_configured(void)
{
	struct run run;
	struct sip_lease lease = {.servers = {"203.0.113.30", "plain.example"}, .count = 2};
	prepare(&run, NULL, NULL);
	run.settings.domain = "srv.example";
	run.settings.lease = &lease;
	run.settings.transports = 1u << OVER_UDP;
	find(&run);
	CU_ASSERT_STRING_EQUAL(run.targets, "UDP 10.0.0.2 5080 srv.example private\n"
					    "UDP 203.0.113.30 5060 203.0.113.30\n"
					    "UDP 203.0.113.9 5060 plain.example\n");
	prepare(&run, "203.0.113.5:5061", NULL);
	run.settings.domain = "srv.example";
	run.settings.lease = &lease;
	find(&run);
	CU_ASSERT_STRING_EQUAL(run.targets, "TLS 203.0.113.5 5061 203.0.113.5\n");
	prepare(&run, NULL, NULL);
	find(&run);
	CU_ASSERT_EQUAL(run.count, 0);
	CU_ASSERT_STRING_EQUAL(run.why.text, ""); /* nobody named one */
}

static void what_dns_lacks_is_explained(void)
{
	struct run run;
	prepare(&run, "absent.example", NULL);
	find(&run);
	CU_ASSERT_EQUAL(run.count, 0);
	CU_ASSERT_STRING_EQUAL(
		run.why.text, "absent.example: no such name, says the resolver 127.0.0.1");
	CU_ASSERT_TRUE(run.took < 500 * MS);
	prepare(&run, "silent.example", NULL);
	find(&run);
	CU_ASSERT_STRING_EQUAL(
		run.why.text, "silent.example: resolver 127.0.0.1: no answer within 2 s");
	CU_ASSERT_TRUE(run.took >= 1990 * MS && run.took < 2200 * MS);
}

static void silence_about_one_family_costs_little(void)
{
	struct run run;
	prepare(&run, "halfsilent.example:5061", NULL);
	find(&run);
	CU_ASSERT_STRING_EQUAL(run.targets, "TLS 203.0.113.8 5061 halfsilent.example\n");
	CU_ASSERT_TRUE(run.took < 700 * MS);
}

static void stun_servers(void)
{
	struct run run;
	prepare(&run, "turns:one.example", "stun:203.0.113.40");
	ev_now_update(loop);
	CU_ASSERT_EQUAL_FATAL(
		stun_locate(&run.locate, loop, &run.list, &run.settings, on_done, &run), 0);
	wait_for(&run);
	CU_ASSERT_STRING_EQUAL(run.targets, "UDP 203.0.113.40 3478 203.0.113.40\n"
					    "TCP 203.0.113.40 3478 203.0.113.40\n"
					    "TLS 2001:db8::1 5349 one.example\n"
					    "TLS 203.0.113.1 5349 one.example\n");
}

static void cancelling_leaves_nothing(void)
{
	struct run run;
	size_t queries = dns.queries;
	prepare(&run, "silent.example", NULL);
	CU_ASSERT_EQUAL_FATAL(sip_locate(&run.locate, loop, &run.settings, on_done, &run), 0);
	while (dns.queries == queries)
		ev_run(loop, EVRUN_ONCE);
	locate_cancel(run.locate);
	CU_ASSERT_FALSE(run.done);
	locate_cancel(NULL);
}

static bool write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	bool ok = file && fputs(text, file) >= 0;
	return file && fclose(file) == 0 && ok;
}

static void lease_files_are_found(void)
{
	struct sip_lease lease;
	CU_ASSERT_EQUAL_FATAL(system("mkdir -p /etc/root/run/systemd/netif/leases "
				     "/etc/root/var/lib/dhcp /etc/root/var/lib/NetworkManager"),
		0);
	lease_files_read(&lease, "/etc/root");
	CU_ASSERT_EQUAL(lease.count, 0);
	write_file("/etc/root/run/systemd/netif/leases/2", "ADDRESS=10.0.0.9\nSIP=203.0.113.5\n");
	write_file("/etc/root/var/lib/dhcp/dhclient.eth0.leases",
		"lease {\n option unknown-120 1:cb:0:71:6;\n}\n");
	write_file("/etc/root/var/lib/dhcp/other.leases",
		"lease {\n option unknown-120 1:cb:0:71:7;\n}\n");
	write_file("/etc/root/var/lib/NetworkManager/dhclient-1234-eth0.lease",
		"lease {\n option unknown-120 1:cb:0:71:8;\n}\n");
	CU_ASSERT_EQUAL(symlink("/etc/root/var/lib/dhcp/other.leases",
				"/etc/root/var/lib/dhcp/dhclient-link.leases"),
		0);
	lease_files_read(&lease, "/etc/root");
	CU_ASSERT_EQUAL_FATAL(lease.count, 3);
	CU_ASSERT_STRING_EQUAL(lease.servers[0], "203.0.113.5");
	CU_ASSERT_STRING_EQUAL(lease.servers[1], "203.0.113.6");
	CU_ASSERT_STRING_EQUAL(lease.servers[2], "203.0.113.8");
}

static bool set_stage(void)
{
	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", "/etc", "tmpfs", 0, NULL) < 0)
		return false;
	return write_file("/etc/resolv.conf", "nameserver 127.0.0.1\n") &&
	       write_file("/etc/hosts", "") && system("ip link set lo up") == 0 &&
	       dns_server_open(&dns, loop, names) == 0;
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"addresses need no DNS", addresses_need_no_dns},
		{"private addresses are marked", private_addresses_are_marked},
		{"NAPTR, then SRV, then addresses", naptr_then_srv_then_addresses},
		{"name with a port is an address", name_with_a_port_is_an_address},
		{"without NAPTR, SRV counts", without_naptr_srv_counts},
		{"without SRV, the name itself counts", without_srv_the_name_itself_counts},
		{"only wanted transports count", only_wanted_transports_count},
		{"domain, then lease, when nothing is configured",
			domain_then_lease_when_nothing_is_configured},
		{"silence about one family costs little", silence_about_one_family_costs_little},
		/* The late answer of the one before is due while this one waits. */
		{"what DNS lacks is explained", what_dns_lacks_is_explained},
		{"STUN servers", stun_servers},
		{"cancelling leaves nothing", cancelling_leaves_nothing},
		{"lease files are found", lease_files_are_found},
	};
	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
		fprintf(stderr, "skipped: needs root for a network namespace of its own\n");
		return 77;
	}
	loop = ev_default_loop(0);
	if (!loop || !set_stage()) {
		fprintf(stderr, "cannot set up the network namespace: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	int status = unit_run("sip_locate", tests, sizeof(tests) / sizeof(tests[0]));
	dns_server_close(&dns);
	ev_loop_destroy(loop);
	return status;
}
