/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Dialling, in a network namespace of its own:
 *
 *   lo    127.0.0.1, ::1                 listeners; DNS server on 127.0.0.1:53
 *   lo    203.0.113.1, 2001:db8:1::1, fe80::1   nobody listens: refused
 *   hole  192.0.2.0/24, 2001:db8::/64    a TUN that nobody reads: silence
 *         198.51.100.0/24                unreachable
 *
 * Exit status 77 (skipped) without the right to make one. */
#include "io/dial.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "dns_server.h"
#include "io/clock.h"

enum { PORT = 4443, MARK = 0x24322, SECOND = 1000000, MS = 1000 };

static const struct dns_name names[] = {
	{.name = "both.example", .ipv6 = {"::1"}, .ipv4 = {"127.0.0.1"}},
	{.name = "refused6.example", .ipv6 = {"2001:db8:1::1"}, .ipv4 = {"127.0.0.1"}},
	{.name = "silent6.example", .ipv6 = {"2001:db8::9"}, .ipv4 = {"127.0.0.1"}},
	{.name = "alternate.example",
		.ipv6 = {"2001:db8::8", "2001:db8::9", "::1"},
		.ipv4 = {"192.0.2.8", "192.0.2.9"}},
	{.name = "late6.example", .ipv6 = {"::1"}, .ipv4 = {"127.0.0.1"}, .ipv6_after = 20},
	{.name = "toolate6.example", .ipv6 = {"::1"}, .ipv4 = {"127.0.0.1"}, .ipv6_after = 2000},
	{.name = "late4.example",
		.ipv6 = {"2001:db8:1::1"},
		.ipv4 = {"127.0.0.1"},
		.ipv4_after = 100},
	{.name = "only4.example", .ipv4 = {"127.0.0.1"}},
	{.name = "mixed.example", .ipv6 = {"2001:db8:1::1"}, .ipv4 = {"192.0.2.7"}},
	{.name = "silent.example", .silent = true},
	{.name = "empty.example"},
	{.name = "failing.example", .rcode = 2},
	{.name = "odd.example", .ipv6 = {"fe80::1", "::ffff:127.0.0.1"}, .ipv4 = {"0.0.0.0"}},
	{.name = NULL},
};

/* --- the stage --------------------------------------------------------- */

static struct ev_loop *loop;
static struct dns_server dns;
static int listener4, listener6;

static int open_listener(int family)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6,
		.sin6_port = htons(PORT),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int failed = family == AF_INET6 ? bind(fd, (struct sockaddr *)&sin6, sizeof(sin6))
					: bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	return failed || listen(fd, 64) ? -1 : fd;
}

static bool write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	bool ok = file && fputs(text, file) >= 0;
	return file && fclose(file) == 0 && ok;
}

static bool set_resolver(const char *address)
{
	char text[64];
	snprintf(text, sizeof(text), "nameserver %s\nsearch wild.example\n", address);
	return write_file("/etc/resolv.conf", text);
}

static bool set_stage(void)
{
	static const char network[] =
		"ip link set lo up && ip addr add 203.0.113.1/32 dev lo && "
		"ip addr add 2001:db8:1::1/128 dev lo nodad && "
		"ip addr add fe80::1/64 dev lo nodad && "
		"ip tuntap add mode tun name hole && ip link set hole up && "
		"ip addr add 192.0.2.1/24 dev hole && ip addr add 2001:db8::1/64 dev hole nodad && "
		"ip route add unreachable 198.51.100.0/24";
	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", "/etc", "tmpfs", 0, NULL) < 0)
		return false;
	if (!set_resolver("127.0.0.1") ||
		!write_file("/etc/hosts", "127.0.0.1 hosts.example\n::1 hosts.example\n"))
		return false;
	if (system(network) != 0)
		return false;
	listener4 = open_listener(AF_INET);
	listener6 = open_listener(AF_INET6);
	return listener4 >= 0 && listener6 >= 0 && dns_server_open(&dns, loop, names) == 0;
}

static size_t open_descriptors(void)
{
	size_t count = 0;
	DIR *directory = opendir("/proc/self/fd");
	while (directory && readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* --- one dial ---------------------------------------------------------- */

struct run {
	struct config_endpoint items[4];
	struct config_endpoints endpoints;
	struct dial_settings settings;
	struct dial *dial;
	bool done;
	struct dial_result result;
	struct address found[16];
	size_t found_count;
	uint64_t began, took, gap, ticked; /* us; gap: the longest the loop stood still */
};

static void on_done(void *user, const struct dial_result *result)
{
	struct run *run = user;
	CU_ASSERT_FALSE(run->done);
	run->done = true;
	run->result = *result;
	run->took = clock_now() - run->began;
	run->found_count = dial_addresses(run->dial, run->found, 16);
}

static void on_tick(struct ev_loop *at, struct ev_timer *timer, int events)
{
	(void)at, (void)events;
	struct run *run = timer->data;
	uint64_t now = clock_now();
	if (now - run->ticked > run->gap)
		run->gap = now - run->ticked;
	run->ticked = now;
}

/* Hosts are separated by one space. */
static void prepare(struct run *run, char *hosts, uint64_t timeout)
{
	memset(run, 0, sizeof(*run));
	for (char *host = strtok(hosts, " "); host; host = strtok(NULL, " "))
		run->items[run->endpoints.count++] =
			(struct config_endpoint){.host = host, .port = PORT};
	run->endpoints.items = run->items;
	run->settings = (struct dial_settings){
		.endpoints = &run->endpoints, .mark = MARK, .timeout = timeout};
}

static void finish(struct run *run)
{
	struct ev_timer tick;
	ev_timer_init(&tick, on_tick, 0.01, 0.01);
	tick.data = run;
	ev_now_update(loop);
	ev_timer_start(loop, &tick);
	run->began = run->ticked = clock_now();
	CU_ASSERT_EQUAL_FATAL(dial_start(&run->dial, loop, &run->settings, on_done, run), 0);
	CU_ASSERT_FALSE(run->done);
	while (!run->done)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &tick);
	if (run->result.failure == DIAL_OK) {
		CU_ASSERT_STRING_EQUAL(run->result.why.text, "");
		CU_ASSERT_EQUAL(run->result.port, PORT);
	} else {
		CU_ASSERT_EQUAL(run->result.fd, -1);
		printf("\n    %s", run->result.why.text);
	}
}

static void dial(struct run *run, const char *hosts, uint64_t timeout)
{
	char copy[256];
	snprintf(copy, sizeof(copy), "%s", hosts);
	prepare(run, copy, timeout);
	finish(run);
}

static const char *connected_to(const struct run *run)
{
	static char text[ADDRESS_TEXT_MAX];
	return address_format(&run->result.address, text);
}

/* --- tests ------------------------------------------------------------- */

static int socket_option(int fd, int level, int name)
{
	int value = 0;
	socklen_t size = sizeof(value);
	CU_ASSERT_EQUAL(getsockopt(fd, level, name, &value, &size), 0);
	return value;
}

static void numeric_address_never_asks_the_resolver(void)
{
	struct run run;
	size_t queries = dns.queries;
	static const char *const hosts[] = {"127.0.0.1", "::1"};
	for (size_t i = 0; i < 2; i++) {
		dial(&run, hosts[i], SECOND);
		CU_ASSERT_EQUAL_FATAL(run.result.failure, DIAL_OK);
		CU_ASSERT_STRING_EQUAL(connected_to(&run), hosts[i]);
		close(run.result.fd);
	}
	CU_ASSERT_EQUAL(dns.queries, queries);
}

static void socket_is_as_promised(void)
{
	struct run run;
	dial(&run, "both.example", SECOND);
	CU_ASSERT_EQUAL_FATAL(run.result.failure, DIAL_OK);
	int fd = run.result.fd;
	CU_ASSERT_EQUAL(socket_option(fd, SOL_SOCKET, SO_MARK), MARK);
	CU_ASSERT_NOT_EQUAL(socket_option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	CU_ASSERT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CU_ASSERT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void ipv6_comes_first(void)
{
	struct run run;
	dial(&run, "both.example", SECOND);
	CU_ASSERT_STRING_EQUAL(connected_to(&run), "::1");
	CU_ASSERT_EQUAL(run.found_count, 2);
	close(run.result.fd);
	dial(&run, "hosts.example", SECOND);
	CU_ASSERT_STRING_EQUAL(connected_to(&run), "::1");
	close(run.result.fd);
}

static void refusal_starts_the_next_at_once(void)
{
	struct run run;
	dial(&run, "refused6.example", SECOND);
	CU_ASSERT_STRING_EQUAL(connected_to(&run), "127.0.0.1");
	CU_ASSERT_TRUE(run.took < 200 * MS);
	close(run.result.fd);
}

static void silence_starts_the_next_after_250_ms(void)
{
	struct run run;
	dial(&run, "silent6.example", 3 * SECOND);
	CU_ASSERT_STRING_EQUAL(connected_to(&run), "127.0.0.1");
	CU_ASSERT_TRUE(run.took >= 250 * MS && run.took < 450 * MS);
	close(run.result.fd);
}

/* ...8, then 192.0.2.8, ...9, 192.0.2.9, ::1, each 250 ms later. */
static void families_alternate(void)
{
	struct run run;
	dial(&run, "alternate.example", 3 * SECOND);
	CU_ASSERT_STRING_EQUAL(connected_to(&run), "::1");
	CU_ASSERT_TRUE(run.took >= 1000 * MS && run.took < 1200 * MS);
	close(run.result.fd);

	dial(&run, "alternate.example", 600 * MS);
	CU_ASSERT_EQUAL(run.result.failure, DIAL_UNREACHABLE);
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, "192.0.2.8: no answer within 0."));
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, "2001:db8::9: no answer within 0.1 s"));
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, "192.0.2.9: not tried"));
}

static void ipv4_waits_50_ms_for_the_aaaa_answer(void)
{
	struct run run;
	dial(&run, "late6.example", SECOND);
	CU_ASSERT_STRING_EQUAL(connected_to(&run), "::1");
	close(run.result.fd);
	dial(&run, "toolate6.example", SECOND);
	CU_ASSERT_STRING_EQUAL(connected_to(&run), "127.0.0.1");
	CU_ASSERT_TRUE(run.took >= 50 * MS && run.took < 200 * MS);
	close(run.result.fd);
	dial(&run, "only4.example", SECOND);
	CU_ASSERT_STRING_EQUAL(connected_to(&run), "127.0.0.1");
	CU_ASSERT_TRUE(run.took < 50 * MS);
	close(run.result.fd);
}

/* All that is known has failed, but the other family's answer is on its way. */
static void late_answer_still_counts(void)
{
	struct run run;
	dial(&run, "late4.example", SECOND);
	CU_ASSERT_STRING_EQUAL(connected_to(&run), "127.0.0.1");
	CU_ASSERT_TRUE(run.took >= 100 * MS && run.took < 300 * MS);
	close(run.result.fd);
}

static void reason_lists_every_address(void)
{
	struct run run;
	dial(&run, "mixed.example 198.51.100.5", SECOND);
	CU_ASSERT_EQUAL(run.result.failure, DIAL_UNREACHABLE);
	CU_ASSERT_STRING_EQUAL(run.result.why.text,
		"mixed.example port 4443: 2001:db8:1::1: connection refused; "
		"192.0.2.7: no answer within 0.5 s. "
		"198.51.100.5 port 4443: no route to host");
}

static void next_endpoint_follows_when_all_have_failed(void)
{
	struct run run;
	dial(&run, "203.0.113.1 absent.example 127.0.0.1", SECOND);
	CU_ASSERT_EQUAL_FATAL(run.result.failure, DIAL_OK);
	CU_ASSERT_EQUAL(run.result.endpoint, 2);
	CU_ASSERT_TRUE(run.took < 300 * MS);
	close(run.result.fd);
	/* A silent one may not take the time of the others. */
	dial(&run, "192.0.2.7 both.example", SECOND);
	CU_ASSERT_EQUAL_FATAL(run.result.failure, DIAL_OK);
	CU_ASSERT_EQUAL(run.result.endpoint, 1);
	CU_ASSERT_TRUE(run.took >= 500 * MS && run.took < 700 * MS);
	close(run.result.fd);
}

static void silent_resolver_never_blocks_the_loop(void)
{
	struct run run;
	dial(&run, "silent.example", 2500 * MS);
	CU_ASSERT_EQUAL(run.result.failure, DIAL_NO_NAME);
	CU_ASSERT_STRING_EQUAL(run.result.why.text,
		"silent.example port 4443: resolver 127.0.0.1: no answer within 2.5 s");
	CU_ASSERT_TRUE(run.took < 2700 * MS);
	CU_ASSERT_TRUE(run.gap < 200 * MS);
	/* The same with a resolver that is a black hole. */
	CU_ASSERT_TRUE(set_resolver("192.0.2.53"));
	dial(&run, "both.example", 1500 * MS);
	CU_ASSERT_EQUAL(run.result.failure, DIAL_NO_NAME);
	CU_ASSERT_TRUE(run.took < 1700 * MS);
	CU_ASSERT_TRUE(run.gap < 200 * MS);
	CU_ASSERT_TRUE(set_resolver("127.0.0.1"));
}

static void name_that_gives_nothing_is_explained(void)
{
	static const struct {
		const char *host, *words;
	} cases[] = {
		{"absent.example",
			"absent.example port 4443: no such name, says the resolver 127.0.0.1"},
		{"empty.example", "empty.example port 4443: the name has no address, says the "
				  "resolver 127.0.0.1"},
		{"failing.example",
			"failing.example port 4443: no useful answer from the resolver 127.0.0.1 "
			"(not reachable, SERVFAIL or REFUSED)"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run run;
		dial(&run, cases[i].host, 5 * SECOND);
		CU_ASSERT_EQUAL(run.result.failure, DIAL_NO_NAME);
		CU_ASSERT_STRING_EQUAL(run.result.why.text, cases[i].words);
		CU_ASSERT_TRUE(run.took < SECOND);
	}
}

static void unusable_addresses_are_passed_over(void)
{
	struct run run;
	dial(&run, "odd.example", SECOND);
	CU_ASSERT_EQUAL_FATAL(run.result.failure, DIAL_OK);
	CU_ASSERT_STRING_EQUAL(connected_to(&run), "127.0.0.1");
	close(run.result.fd);
	dial(&run, "fe80::1 fe80::1%nowhere 0.0.0.0", SECOND);
	CU_ASSERT_EQUAL(run.result.failure, DIAL_UNREACHABLE);
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, "fe80::1 port 4443: link-local"));
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, "0.0.0.0 port 4443: not the address"));
	/* With its interface it is tried. */
	dial(&run, "fe80::1%lo", SECOND);
	CU_ASSERT_STRING_EQUAL(run.result.why.text, "fe80::1%lo port 4443: connection refused");
}

static void cached_addresses_help_when_the_name_fails(void)
{
	struct run run;
	char silent[] = "silent.example", absent[] = "absent.example 127.0.0.1";
	struct address cached[2];
	size_t belongs[] = {1, 0};
	address_parse(&cached[0], "203.0.113.1");
	address_parse(&cached[1], "127.0.0.1");
	prepare(&run, silent, 3 * SECOND);
	run.settings.cached = cached;
	run.settings.cached_count = 2;
	finish(&run);
	CU_ASSERT_EQUAL_FATAL(run.result.failure, DIAL_OK);
	CU_ASSERT_STRING_EQUAL(connected_to(&run), "127.0.0.1");
	CU_ASSERT_TRUE(run.took >= SECOND && run.took < 1300 * MS);
	close(run.result.fd);

	/* Only those of the endpoint itself, if that is known. */
	prepare(&run, absent, SECOND);
	run.settings.cached = cached;
	run.settings.cached_count = 1;
	run.settings.cached_endpoint = belongs;
	finish(&run);
	CU_ASSERT_EQUAL_FATAL(run.result.failure, DIAL_OK);
	CU_ASSERT_EQUAL(run.result.endpoint, 1);
	CU_ASSERT_EQUAL(run.found_count, 1);
	close(run.result.fd);
}

/* Counts the descriptors that are UDP sockets to port 53, and of these those
 * with the mark. */
static void count_queries(size_t *sockets, size_t *marked)
{
	*sockets = *marked = 0;
	for (int fd = 3; fd < 64; fd++) {
		struct sockaddr_in peer;
		socklen_t size = sizeof(peer), mark_size = sizeof(int);
		int mark = 0;
		if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0 ||
			peer.sin_family != AF_INET || ntohs(peer.sin_port) != 53)
			continue;
		getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &mark_size);
		++*sockets;
		*marked += mark == MARK;
	}
}

static void cancelling_leaves_nothing_and_queries_are_marked(void)
{
	struct run run;
	char hosts[] = "silent.example", hole[] = "192.0.2.7";
	size_t queries = dns.queries, sockets, marked;
	prepare(&run, hosts, 5 * SECOND);
	CU_ASSERT_EQUAL_FATAL(dial_start(&run.dial, loop, &run.settings, on_done, &run), 0);
	while (dns.queries < queries + 2)
		ev_run(loop, EVRUN_ONCE);
	count_queries(&sockets, &marked);
	CU_ASSERT_TRUE(sockets > 0);
	CU_ASSERT_EQUAL(marked, sockets);
	dial_cancel(run.dial);
	count_queries(&sockets, &marked);
	CU_ASSERT_EQUAL(sockets, 0);

	size_t before = open_descriptors();
	prepare(&run, hole, 5 * SECOND);
	CU_ASSERT_EQUAL_FATAL(dial_start(&run.dial, loop, &run.settings, on_done, &run), 0);
	while (open_descriptors() == before)
		ev_run(loop, EVRUN_ONCE);
	dial_cancel(run.dial);
	CU_ASSERT_EQUAL(open_descriptors(), before);
	CU_ASSERT_FALSE(run.done);
	dial_cancel(NULL);
}

/* In a child without any capability: 0 when the result is as it must be. */
static int dial_without_right(const char *host)
{
	struct run run;
	ev_loop_fork(loop);
	if (setgid(65534) || setuid(65534))
		return 2;
	dial(&run, host, SECOND);
	bool told = strstr(run.result.why.text, "cannot set the firewall mark 0x24322") != NULL;
	return run.result.failure == DIAL_LOCAL && told ? 0 : 1;
}

static void mark_that_is_refused_ends_it(void)
{
	static const char *const hosts[] = {"127.0.0.1", "both.example"};
	for (size_t i = 0; i < 2; i++) {
		fflush(stdout);
		pid_t child = fork();
		if (child == 0) {
			int status = dial_without_right(hosts[i]);
			fflush(stdout);
			_exit(status);
		}
		int status = -1;
		CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
		CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

static void no_descriptor_is_our_own_fault(void)
{
	struct run run;
	struct rlimit old, none;
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	dial(&run, "127.0.0.1 ::1", SECOND);
	setrlimit(RLIMIT_NOFILE, &old);
	CU_ASSERT_EQUAL(run.result.failure, DIAL_LOCAL);
	CU_ASSERT_STRING_EQUAL(run.result.why.text, "cannot make a socket: too many open files");
}

static void resolvers_are_known(void)
{
	struct address resolvers[4];
	char text[ADDRESS_TEXT_MAX];
	CU_ASSERT_EQUAL_FATAL(dial_resolvers(resolvers, 4), 1);
	CU_ASSERT_STRING_EQUAL(address_format(&resolvers[0], text), "127.0.0.1");
	CU_ASSERT_EQUAL(dial_resolvers(resolvers, 0), 0);
}

static void nothing_to_dial_is_an_error(void)
{
	struct config_endpoints none = {0};
	struct dial_settings settings = {.endpoints = &none, .timeout = SECOND};
	struct dial *dialled = NULL;
	CU_ASSERT_EQUAL(dial_start(&dialled, loop, &settings, on_done, NULL), -EINVAL);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"numeric address never asks the resolver",
			numeric_address_never_asks_the_resolver},
		{"socket is as promised", socket_is_as_promised},
		{"IPv6 comes first", ipv6_comes_first},
		{"refusal starts the next at once", refusal_starts_the_next_at_once},
		{"silence starts the next after 250 ms", silence_starts_the_next_after_250_ms},
		{"families alternate", families_alternate},
		{"IPv4 waits 50 ms for the AAAA answer", ipv4_waits_50_ms_for_the_aaaa_answer},
		{"late answer still counts", late_answer_still_counts},
		{"reason lists every address", reason_lists_every_address},
		{"next endpoint follows when all have failed",
			next_endpoint_follows_when_all_have_failed},
		{"silent resolver never blocks the loop", silent_resolver_never_blocks_the_loop},
		{"name that gives nothing is explained", name_that_gives_nothing_is_explained},
		{"unusable addresses are passed over", unusable_addresses_are_passed_over},
		{"cached addresses help when the name fails",
			cached_addresses_help_when_the_name_fails},
		{"cancelling leaves nothing, queries are marked",
			cancelling_leaves_nothing_and_queries_are_marked},
		{"mark that is refused ends it", mark_that_is_refused_ends_it},
		{"no descriptor is our own fault", no_descriptor_is_our_own_fault},
		{"resolvers are known", resolvers_are_known},
		{"nothing to dial is an error", nothing_to_dial_is_an_error},
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
	size_t before = open_descriptors();
	int status = unit_run("dial", tests, sizeof(tests) / sizeof(tests[0]));
	if (open_descriptors() != before) {
		fprintf(stderr, "descriptors leaked\n");
		status = EXIT_FAILURE;
	}
	dns_server_close(&dns);
	ev_loop_destroy(loop);
	close(listener4);
	close(listener6);
	return status;
}
