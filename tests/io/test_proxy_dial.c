/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Dialling through proxies that behave as in the field, and worse, in a network
 * namespace of its own:
 *
 *   lo    127.0.0.1 port 3128   tests/tools/hostile_proxy.py
 *         127.0.0.1 port 3129   nobody listens
 *         127.0.0.1 port 53     DNS server: proxy.example
 *
 * The names dialled choose the behaviour.  Exit status 77 (skipped) without the
 * right to make a namespace, or without python3. */
#include "io/proxy_dial.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "dns_server.h"
#include "io/clock.h"
#include "io/curl_library.h"
#include "io/sandbox.h"
#include "stall.h"

enum {
	PORT = 3128,
	MARK = 0x24322,
	SECOND = 1000000,
	MS = 1000,
	SKIP = 77,
	PATIENCE = 5000, /* ms */
};

static const struct dns_name names[] = {
	{.name = "proxy.example", .ipv4 = {"127.0.0.1"}},
	{.name = "silent.example", .silent = true},
	{.name = NULL},
};

/* --- the stage --------------------------------------------------------- */

static struct ev_loop *loop;
static struct dns_server dns;
static pid_t proxy;

static bool write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	bool ok = file && fputs(text, file) >= 0;
	return file && fclose(file) == 0 && ok;
}

static bool start_proxy(void)
{
	const char *source = getenv("SOURCE");
	char path[512], line[64] = "";
	int pipes[2];
	snprintf(path, sizeof(path), "%s/tests/tools/hostile_proxy.py", source ? source : ".");
	if (access(path, R_OK) < 0 || pipe(pipes) < 0)
		return false;
	proxy = fork();
	if (proxy == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(pipes[1], STDOUT_FILENO);
		close_range(3, ~0U, 0);
		execlp("python3", "python3", path, "--port", "3128", (char *)NULL);
		_exit(SKIP);
	}
	close(pipes[1]);
	FILE *said = fdopen(pipes[0], "re");
	bool listens = said && fgets(line, sizeof(line), said) && strstr(line, "listening");
	fclose(said);
	return listens;
}

static bool set_stage(void)
{
	signal(SIGPIPE, SIG_IGN);
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
		mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", "/etc", "tmpfs", 0, NULL) < 0)
		return false;
	return write_file("/etc/resolv.conf", "nameserver 127.0.0.1\n") &&
	       system("ip link set lo up") == 0 && dns_server_open(&dns, loop, names) == 0 &&
	       start_proxy();
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
	char host[128];
	struct proxy_url url;
	struct proxy_dial_settings settings;
	struct proxy_dial *dial;
	bool done;
	struct proxy_dial_result result;
	struct address found[4];
	size_t found_count;
	uint64_t began, took, gap; /* us; gap: the longest the loop stood still */
};

static void on_done(void *user, const struct proxy_dial_result *result)
{
	struct run *run = user;
	CU_ASSERT_FALSE(run->done);
	run->done = true;
	run->result = *result;
	run->took = clock_now() - run->began;
	run->found_count = proxy_dial_addresses(run->dial, run->found, 4);
}

static void prepare(struct run *run, const char *url, const char *behaviour)
{
	struct reason why;
	memset(run, 0, sizeof(*run));
	CU_ASSERT_EQUAL_FATAL(proxy_url_parse(&run->url, url, &why), 0);
	snprintf(run->host, sizeof(run->host), "%s.example", behaviour);
	run->settings = (struct proxy_dial_settings){.proxy = &run->url,
		.host = run->host,
		.port = 443,
		.mark = MARK,
		.timeout = SECOND};
}

static void finish(struct run *run)
{
	struct stall stall;
	stall_watch(&stall, loop);
	run->began = clock_now();
	CU_ASSERT_EQUAL_FATAL(proxy_dial_start(&run->dial, loop, &run->settings, on_done, run), 0);
	CU_ASSERT_FALSE(run->done);
	while (!run->done)
		ev_run(loop, EVRUN_ONCE);
	run->gap = stall_end(&stall);
	printf("\n    %-22s %4llu ms, gap %4.1f ms  %s", run->host,
		(unsigned long long)run->took / 1000, (double)run->gap / 1000,
		run->result.failure == PROXY_OK ? "ok" : run->result.why.text);
	CU_ASSERT_TRUE(run->took < run->settings.timeout + 300 * MS);
	if (!sandbox_is_instrumented())
		CU_ASSERT_TRUE(run->gap < STALL_MAX);
	if (run->result.failure != PROXY_OK) {
		CU_ASSERT_EQUAL(run->result.fd, -1);
		CU_ASSERT_TRUE(strlen(run->result.why.text) > 20);
	}
}

static void dial(struct run *run, const char *behaviour)
{
	prepare(run, "http://127.0.0.1:3128", behaviour);
	finish(run);
}

static void dial_as_alice(struct run *run, const char *behaviour)
{
	prepare(run, "http://127.0.0.1:3128", behaviour);
	run->settings.user = "alice";
	run->settings.password = "secret";
	finish(run);
}

static int socket_option(int fd, int level, int name)
{
	int value = 0;
	socklen_t size = sizeof(value);
	CU_ASSERT_EQUAL(getsockopt(fd, level, name, &value, &size), 0);
	return value;
}

/* The tunnel carries octets both ways, on the connection that CONNECT opened,
 * and that is as the caller needs it. Closes it. */
static void check_tunnel(const struct run *run)
{
	int fd = run->result.fd;
	struct sockaddr_in self = {0};
	socklen_t size = sizeof(self);
	char answer[64] = "", wanted[64];
	CU_ASSERT_EQUAL_FATAL(run->result.failure, PROXY_OK);
	CU_ASSERT_TRUE_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(socket_option(fd, SOL_SOCKET, SO_MARK), MARK);
	CU_ASSERT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CU_ASSERT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CU_ASSERT_EQUAL(getsockname(fd, (struct sockaddr *)&self, &size), 0);
	snprintf(wanted, sizeof(wanted), "%u hello\n", ntohs(self.sin_port));
	CU_ASSERT_EQUAL(send(fd, "hello\n", 6, MSG_NOSIGNAL), 6);
	for (size_t got = 0; got < strlen(wanted);) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		CU_ASSERT_EQUAL_FATAL(poll(&wait, 1, PATIENCE), 1);
		ssize_t count = recv(fd, answer + got, sizeof(answer) - 1 - got, 0);
		CU_ASSERT_TRUE_FATAL(count > 0);
		got += (size_t)count;
	}
	CU_ASSERT_STRING_EQUAL(answer, wanted);
	close(fd);
}

/* --- tests ------------------------------------------------------------- */

static void odd_answers_that_open_the_tunnel(void)
{
	static const char *const behaviours[] = {"plain", "http10", "phraseless", "bare-newlines",
		"extra", "length0", "false-length", "false-chunks", "pieces"};
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
		struct run run;
		dial(&run, behaviours[i]);
		check_tunnel(&run);
		CU_ASSERT_EQUAL(run.result.status, 200);
	}
}

static const struct {
	const char *behaviour;
	enum proxy_failure failure;
	unsigned status;
	const char *words;
} verdicts[] = {
	{"body", PROXY_NONSENSE, 200, "more behind it"},
	{"chunked", PROXY_NONSENSE, 200, "more behind it"},
	{"portal", PROXY_PORTAL, 302, "http://portal.hotel.example/login?x=1"},
	{"portal511", PROXY_PORTAL, 511, "portal"},
	{"sly-portal", PROXY_PORTAL, 302, "302 to CONNECT"},
	{"forbidden", PROXY_FORBIDDEN, 403, "403 (Forbidden) to CONNECT forbidden.example:443"},
	{"not-allowed", PROXY_FORBIDDEN, 405, "405"},
	{"one-line", PROXY_AUTH, 407, "Basic, NTLM, Bearer"},
	{"strange-scheme", PROXY_AUTH, 407, "no supported authentication method"},
	{"basic-only", PROXY_AUTH, 407, "set proxy-user and proxy-password-file"},
	{"digest", PROXY_AUTH, 407, "wants credentials (it offers: Digest)"},
	{"digest-flood", PROXY_AUTH, 407, "Digest"},
	{"gateway", PROXY_GATEWAY, 502, "502 (Bad Gateway)"},
	{"unavailable", PROXY_GATEWAY, 503, "could not reach the TSCF"},
	{"silence", PROXY_SILENT, 0, "no answer within 1 s to CONNECT silence.example:443"},
	{"hang-up", PROXY_NONSENSE, 0, "hung up"},
	{"reset", PROXY_NONSENSE, 0, "hung up"},
	{"half", PROXY_NONSENSE, 200, "in the middle of its answer"},
	{"garbage", PROXY_NONSENSE, 0, "is not HTTP"},
	{"nameless-field", PROXY_NONSENSE, 200, "is not HTTP"},
	{"continue-first", PROXY_NONSENSE, 100, "100 (Continue)"},
	{"garbage-lines", PROXY_NONSENSE, 0, "is not HTTP"},
	{"long-line", PROXY_NONSENSE, 200, "far too long"},
	{"long-header", PROXY_NONSENSE, 200, "far too long"},
	{"continue-for-ever", PROXY_NONSENSE, 100, "that is no answer"},
	{"slow", PROXY_SILENT, 0, "only "},
};

static void hostile_answers_have_a_verdict(void)
{
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		struct run run;
		dial(&run, verdicts[i].behaviour);
		CU_ASSERT_EQUAL(run.result.failure, verdicts[i].failure);
		CU_ASSERT_EQUAL(run.result.status, verdicts[i].status);
		CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, verdicts[i].words));
		CU_ASSERT_PTR_NULL(strchr(run.result.why.text, '\x1b'));
		CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, "proxy 127.0.0.1 port 3128: "));
	}
}

/* The Negotiate among them finds no ticket here, and that is no surprise. */
static void all_schemes_are_named(void)
{
	struct run run;
	dial(&run, "schemes");
	CU_ASSERT_EQUAL(run.result.failure, PROXY_AUTH);
	CU_ASSERT_STRING_EQUAL(run.result.schemes, "Negotiate, NTLM, Digest, Basic, Hawk");
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, run.result.schemes));
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, "no Kerberos ticket"));
}

static void digest_survives_a_lost_connection(void)
{
	static const char *const behaviours[] = {"digest", "digest-closes", "digest-closes-unsaid",
		"digest-closes-at-the-end", "digest-resets"};
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
		struct run run;
		dial_as_alice(&run, behaviours[i]);
		check_tunnel(&run);
	}
}

static void refused_credentials_are_told(void)
{
	struct run run;
	dial_as_alice(&run, "digest-never");
	CU_ASSERT_EQUAL(run.result.failure, PROXY_AUTH);
	CU_ASSERT_EQUAL(run.result.status, 407);
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, "does not accept the user name"));
	CU_ASSERT_PTR_NULL(strstr(run.result.why.text, "secret"));
	CU_ASSERT_PTR_NULL(strstr(run.result.why.text, "alice"));
}

static void answers_to_credentials_end_too(void)
{
	struct run run;
	dial_as_alice(&run, "digest-flood");
	CU_ASSERT_EQUAL(run.result.failure, PROXY_NONSENSE);
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, "far too long"));
	dial_as_alice(&run, "digest-silent");
	CU_ASSERT_EQUAL(run.result.failure, PROXY_SILENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, "asked for credentials (Digest)"));
	dial_as_alice(&run, "slow-page");
	CU_ASSERT_EQUAL(run.result.failure, PROXY_SILENT);
}

static void basic_needs_the_profile(void)
{
	struct run run;
	dial_as_alice(&run, "basic-only");
	check_tunnel(&run);

	prepare(&run, "http://alice:secret@127.0.0.1:3128", "basic-only");
	finish(&run);
	CU_ASSERT_EQUAL(run.result.failure, PROXY_AUTH);
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, "readable to all (Basic)"));
	CU_ASSERT_PTR_NULL(strstr(run.result.why.text, "secret"));

	prepare(&run, "http://alice:secret@127.0.0.1:3128", "digest");
	finish(&run);
	check_tunnel(&run);
}

static void name_of_the_proxy_is_resolved_by_us(void)
{
	struct run run;
	size_t queries = dns.queries;
	prepare(&run, "http://proxy.example:3128", "plain");
	finish(&run);
	check_tunnel(&run);
	CU_ASSERT_EQUAL(run.found_count, 1);
	CU_ASSERT_EQUAL(run.result.address.version, 4);
	CU_ASSERT_EQUAL(run.result.port, PORT);
	/* AAAA and A of the proxy; the TSCF's name is the proxy's to resolve. */
	CU_ASSERT_EQUAL(dns.queries - queries, 2);

	prepare(&run, "http://proxy.example:3128", "digest-closes");
	run.settings.user = "alice";
	run.settings.password = "secret";
	finish(&run);
	check_tunnel(&run);

	prepare(&run, "http://nobody.example:3128", "plain");
	finish(&run);
	CU_ASSERT_EQUAL(run.result.failure, PROXY_NO_NAME);
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, "no such name"));
	prepare(&run, "http://silent.example:3128", "plain");
	finish(&run);
	CU_ASSERT_EQUAL(run.result.failure, PROXY_NO_NAME);
}

static void unusable_proxies_are_refused(void)
{
	struct run run;
	prepare(&run, "https://127.0.0.1:3128", "plain");
	finish(&run);
	CU_ASSERT_EQUAL(run.result.failure, PROXY_UNSUPPORTED);
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, "over TLS"));
	prepare(&run, "http://127.0.0.1:3129", "plain");
	finish(&run);
	CU_ASSERT_EQUAL(run.result.failure, PROXY_UNREACHABLE);
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.why.text, "proxy 127.0.0.1 port 3129"));
	prepare(&run, "socks5h://127.0.0.1:3128", "plain");
	finish(&run);
	CU_ASSERT_TRUE(run.result.failure == PROXY_NONSENSE || run.result.failure == PROXY_SILENT);
}

/* Not even to libcurl: no name that would break out of a header line. */
static void names_are_checked(void)
{
	static const char *const hosts[] = {
		"", "a b", "a\r\nX: y", "a/b", "u@h", "-x.example", "h:1", "h?x", "h#x"};
	struct run run;
	prepare(&run, "http://127.0.0.1:3128", "plain");
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		run.settings.host = hosts[i];
		CU_ASSERT_TRUE(proxy_dial_start(&run.dial, loop, &run.settings, on_done, &run) < 0);
	}
}

static void on_cancel(struct ev_loop *at, struct ev_timer *timer, int events)
{
	(void)events;
	struct run *run = timer->data;
	proxy_dial_cancel(run->dial);
	ev_break(at, EVBREAK_ALL);
}

/* At once, while it connects, and while it waits for an answer. */
static void cancelled_at_any_time(void)
{
	static const double after[] = {0., 0.001, 0.005, 0.1};
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		struct run run;
		struct ev_timer timer;
		prepare(&run, "http://proxy.example:3128", "silence");
		CU_ASSERT_EQUAL_FATAL(
			proxy_dial_start(&run.dial, loop, &run.settings, on_done, &run), 0);
		ev_timer_init(&timer, on_cancel, after[i], 0.);
		timer.data = &run;
		ev_timer_start(loop, &timer);
		ev_run(loop, 0);
		CU_ASSERT_FALSE(run.done);
	}
	proxy_dial_cancel(NULL);
}

static void nothing_is_left_open(void)
{
	struct run run;
	dial(&run, "gateway");
	size_t before = open_descriptors();
	odd_answers_that_open_the_tunnel();
	dial(&run, "schemes");
	dial(&run, "silence");
	dial_as_alice(&run, "digest-closes");
	check_tunnel(&run);
	CU_ASSERT_EQUAL(open_descriptors(), before);
}

/* The environment has no say any more: that was proxy_find's. */
static void environment_is_not_asked_again(void)
{
	struct run run;
	setenv("no_proxy", "*", 1);
	setenv("http_proxy", "http://127.0.0.1:3129", 1);
	dial(&run, "plain");
	check_tunnel(&run);
	unsetenv("no_proxy");
	unsetenv("http_proxy");
}

static const struct unit_test tests[] = {
	{"odd answers that open the tunnel", odd_answers_that_open_the_tunnel},
	{"hostile answers have a verdict", hostile_answers_have_a_verdict},
	{"all schemes are named", all_schemes_are_named},
	{"Digest survives a lost connection", digest_survives_a_lost_connection},
	{"refused credentials are told", refused_credentials_are_told},
	{"answers to credentials end too", answers_to_credentials_end_too},
	{"Basic needs the profile", basic_needs_the_profile},
	{"the proxy's name is resolved by us", name_of_the_proxy_is_resolved_by_us},
	{"unusable proxies are refused", unusable_proxies_are_refused},
	{"names are checked", names_are_checked},
	{"cancelled at any time", cancelled_at_any_time},
	{"nothing is left open", nothing_is_left_open},
	{"the environment is not asked again", environment_is_not_asked_again},
};

int main(void)
{
	/* Its own: the default loop would reap the proxy. */
	loop = ev_loop_new(EVFLAG_AUTO);
	if (!set_stage()) {
		fprintf(stderr, "skipped: needs root, namespaces and python3\n");
		return SKIP;
	}
	/* It is loaded once in the life of a process; that takes its time, which is
	 * no stall of a dial. */
	struct reason why;
	if (!curl_library_open(&why)) {
		fprintf(stderr, "%s\n", why.text);
		return EXIT_FAILURE;
	}
	int status = unit_run("proxy_dial", tests, sizeof(tests) / sizeof(tests[0]));
	kill(proxy, SIGKILL);
	waitpid(proxy, NULL, 0);
	dns_server_close(&dns);
	ev_loop_destroy(loop);
	return status;
}
