/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which proxy: the order of the places, what stands there, and a libproxy that
 * does what real ones have done.  It is replaced by the functions below, which
 * run in the child that the real one would run in. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "io/proxy_find.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "io/clock.h"
#include "io/errand.h"
#include "io/sandbox.h"
#include "stall.h"

#ifdef HAVE_LIBPROXY
#include <proxy.h>
#endif

enum { SECOND = 1000000, MS = 1000 };

static struct ev_loop *loop;

/* --- addresses --------------------------------------------------------- */

static const struct {
	const char *text, *url; /* url NULL: refused */
	const char *user, *password;
} urls[] = {
	{"http://proxy.example.net:3128", "http://proxy.example.net:3128", "", ""},
	{"http://proxy.example.net:3128/", "http://proxy.example.net:3128", "", ""},
	{"proxy.example.net:3128", "http://proxy.example.net:3128", "", ""},
	{"proxy", "http://proxy:80", "", ""},
	{"HTTP://192.0.2.1:8080", "http://192.0.2.1:8080", "", ""},
	{"http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080", "", ""},
	{"https://proxy.example.net", "https://proxy.example.net:443", "", ""},
	{"socks5://proxy.example.net", "socks5h://proxy.example.net:1080", "", ""},
	{"socks://proxy.example.net:1081", "socks5h://proxy.example.net:1081", "", ""},
	{"socks4://192.0.2.1", "socks4a://192.0.2.1:1080", "", ""},
	{"http://al%69ce:se%3Acret@proxy:3128", "http://proxy:3128", "alice", "se:cret"},
	{"http://alice:p@ss@proxy:3128", "http://proxy:3128", "alice", "p@ss"},
	{"alice@proxy:3128", "http://proxy:3128", "alice", ""},
	{"", NULL, NULL, NULL},
	{"http://", NULL, NULL, NULL},
	{"ftp://proxy:21", NULL, NULL, NULL},
	{"http://proxy:0", NULL, NULL, NULL},
	{"http://proxy:65536", NULL, NULL, NULL},
	{"http://proxy:3128/path", NULL, NULL, NULL},
	{"http://[fe80::1%eth0]:8080", NULL, NULL, NULL},
	{"http://pro xy:3128", NULL, NULL, NULL},
	{"http://proxy\r\nX:3128", NULL, NULL, NULL},
	{"http://-proxy:3128", NULL, NULL, NULL},
	{"http://alice:%0d%0a@proxy:3128", NULL, NULL, NULL},
	{"http://alice:%4@proxy:3128", NULL, NULL, NULL},
};

static void addresses_are_read(void)
{
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct proxy_url url;
		struct reason why = {""};
		char text[PROXY_URL_MAX];
		int error = proxy_url_parse(&url, urls[i].text, &why);
		CU_ASSERT_EQUAL(error == 0, urls[i].url != NULL);
		if (error < 0) {
			CU_ASSERT_TRUE(strlen(why.text) > 10);
			continue;
		}
		CU_ASSERT_STRING_EQUAL(proxy_url_format(&url, text), urls[i].url);
		CU_ASSERT_STRING_EQUAL(url.user, urls[i].user);
		CU_ASSERT_STRING_EQUAL(url.password, urls[i].password);
	}
}

static void passwords_are_never_repeated(void)
{
	static const char *const texts[] = {"http://alice:secret@pro xy:3128",
		"http://alice:secret%@proxy:3128", "ftp://alice:secret@proxy:3128",
		"http://alice:secret@", "http://alice:secret@proxy:99999"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct proxy_url url;
		struct reason why;
		CU_ASSERT_TRUE(proxy_url_parse(&url, texts[i], &why) < 0);
		CU_ASSERT_PTR_NULL(strstr(why.text, "secret"));
	}
}

/* Texts as long as an environment variable may be. */
static void long_addresses_are_refused(void)
{
	static char text[100000];
	struct proxy_url url;
	struct reason why;
	static const char *const heads[] = {"", "http://", "x://", "http://a:", "http://a@", "["};
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		memset(text, 'a', sizeof(text) - 1);
		memcpy(text, heads[i], strlen(heads[i]));
		CU_ASSERT_TRUE(proxy_url_parse(&url, text, &why) < 0);
		text[50000] = '@';
		CU_ASSERT_TRUE(proxy_url_parse(&url, text, &why) < 0);
	}
}

static const struct {
	const char *no_proxy, *host;
	bool exempt;
} exemptions[] = {
	{"*", "tscf.example.net", true},
	{"tscf.example.net", "tscf.example.net", true},
	{"TSCF.example.NET", "tscf.example.net", true},
	{"example.net", "tscf.example.net", true},
	{".example.net", "tscf.example.net", true},
	{"*.example.net", "tscf.example.net", true},
	{"localhost, 127.0.0.1 example.net", "tscf.example.net", true},
	{"example.net", "tscf.example.net.", true},
	{"example.net", "notexample.net", false},
	{"scf.example.net", "tscf.example.net", false},
	{"www.tscf.example.net", "tscf.example.net", false},
	{"", "tscf.example.net", false},
	{",, ,", "tscf.example.net", false},
	{".", "tscf.example.net", false},
	{"192.0.2.0/24", "192.0.2.10", true},
	{"192.0.2.10", "192.0.2.10", true},
	{"192.0.2.1", "192.0.2.10", false},
	{"2.10", "192.0.2.10", false},
	{"2001:db8::/32", "2001:db8:1::10", true},
	{"[2001:db8:1::10]", "2001:db8:1::10", true},
	{"0.0.0.0/0", "2001:db8:1::10", false},
};

static void no_proxy_is_honoured(void)
{
	for (size_t i = 0; i < sizeof(exemptions) / sizeof(exemptions[0]); i++)
		CU_ASSERT_EQUAL(proxy_find_is_exempt(exemptions[i].no_proxy, exemptions[i].host),
			exemptions[i].exempt);
}

/* --- one search -------------------------------------------------------- */

struct run {
	struct proxy_find *find;
	bool done;
	struct proxy_found found;
	uint64_t took; /* us */
	char url[PROXY_URL_MAX];
};

static void on_done(void *user, const struct proxy_found *found)
{
	struct run *run = user;
	CU_ASSERT_FALSE(run->done);
	run->done = true;
	run->found = *found;
}

/* The first proxy's URL, or "". */
static const char *find(struct run *run, const char *configured, const char *session)
{
	struct proxy_find_settings settings = {.configured = configured,
		.session = session,
		.host = "tscf.example.net",
		.port = 443,
		.timeout = 500 * MS};
	struct stall stall;
	memset(run, 0, sizeof(*run));
	stall_watch(&stall, loop);
	uint64_t began = clock_now();
	CU_ASSERT_EQUAL_FATAL(proxy_find_start(&run->find, loop, &settings, on_done, run), 0);
	CU_ASSERT_FALSE(run->done);
	while (!run->done)
		ev_run(loop, EVRUN_ONCE);
	run->took = clock_now() - began;
	uint64_t gap = stall_end(&stall);
	if (!sandbox_is_instrumented())
		CU_ASSERT_TRUE(gap < STALL_MAX);
	CU_ASSERT_TRUE(run->took < SECOND);
	CU_ASSERT_TRUE(strlen(run->found.why.text) > 10);
	printf("\n    %s", run->found.why.text);
	if (run->found.count == 0)
		return "";
	return proxy_url_format(&run->found.proxies[0], run->url);
}

static void clear_environment(void)
{
	static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
		"http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

static void places_have_an_order(void)
{
	struct run run;
	clear_environment();
	setenv("http_proxy", "http://e5:1", 1);
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "http://e5:1");
	setenv("ALL_PROXY", "http://e4:1", 1);
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "http://e4:1");
	setenv("all_proxy", "http://e3:1", 1);
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "http://e3:1");
	setenv("HTTPS_PROXY", "http://e2:1", 1);
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "http://e2:1");
	setenv("https_proxy", "http://e1:1", 1);
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "http://e1:1");
	CU_ASSERT_EQUAL(run.found.source, PROXY_FROM_ENVIRONMENT);
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", ""), "http://e1:1");
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", "http://session:1"), "http://session:1");
	CU_ASSERT_EQUAL(run.found.source, PROXY_FROM_SESSION);
	CU_ASSERT_STRING_EQUAL(
		find(&run, "http://profile:1", "http://session:1"), "http://profile:1");
	CU_ASSERT_EQUAL(run.found.source, PROXY_FROM_PROFILE);
	clear_environment();
}

static void none_is_an_answer_too(void)
{
	struct run run;
	setenv("https_proxy", "http://e1:1", 1);
	CU_ASSERT_STRING_EQUAL(find(&run, "none", "http://session:1"), "");
	CU_ASSERT_EQUAL(run.found.source, PROXY_FROM_PROFILE);
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", "none"), "");
	CU_ASSERT_EQUAL(run.found.source, PROXY_FROM_SESSION);
	setenv("no_proxy", "localhost,.example.net", 1);
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "");
	CU_ASSERT_PTR_NOT_NULL(strstr(run.found.why.text, "no_proxy"));
	setenv("no_proxy", "localhost", 1);
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "http://e1:1");
	setenv("https_proxy", "http://a b:1", 1);
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "");
	CU_ASSERT_PTR_NOT_NULL(strstr(run.found.why.text, "https_proxy in the environment"));
	clear_environment();
}

/* --- libproxy ---------------------------------------------------------- */

#ifdef HAVE_LIBPROXY
static const char *const *answers; /* NULL: what libproxy says when it fails */
static enum { ANSWERS, HANGS, CRASHES, SPINS, SNOOPS } libproxy;
static int snooped; /* a descriptor that the child must not have */

pxProxyFactory *px_proxy_factory_new(void)
{
	static int factory;
	return (pxProxyFactory *)&factory;
}

static bool may_do_nothing(void)
{
	return geteuid() != 0 && setuid(0) < 0 && fcntl(snooped, F_GETFD) < 0;
}

char **px_proxy_factory_get_proxies(pxProxyFactory *factory, const char *url)
{
	static char *none[] = {NULL},
		    *powerless[] = {(char *)(uintptr_t) "http://powerless:1", NULL};
	(void)factory;
	if (strcmp(url, "https://tscf.example.net:443/") != 0)
		return none;
	switch (libproxy) {
	case ANSWERS:
		return (char **)(uintptr_t)answers;
	case HANGS:
		for (;;)
			pause();
	case CRASHES:
		raise(SIGKILL);
		return none;
	case SPINS:
		signal(SIGTERM, SIG_IGN);
		for (volatile unsigned i = 0;; i++)
			;
	case SNOOPS:
		return may_do_nothing() ? powerless : none;
	}
	return none;
}

static void libproxy_is_asked_last(void)
{
	static const char *const two[] = {
		"http://a:1", "socks5://b:2", "direct://", "http://c", NULL};
	static const char *const direct[] = {"direct://", "http://a:1", NULL};
	static const char *const odd[] = {"wpad://", "", "http://%", "http://d:4", NULL};
	static const char *const empty[] = {NULL};
	struct run run;
	clear_environment();
	libproxy = ANSWERS;
	answers = two;
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "http://a:1");
	CU_ASSERT_EQUAL(run.found.source, PROXY_FROM_SYSTEM);
	CU_ASSERT_EQUAL(run.found.count, 2);
	CU_ASSERT_STRING_EQUAL(run.found.proxies[1].host, "b");
	answers = direct;
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "");
	CU_ASSERT_EQUAL(run.found.source, PROXY_FROM_SYSTEM);
	answers = odd;
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "http://d:4");
	answers = empty;
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "");
	answers = NULL;
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "");
}

static void libproxy_that_hangs_is_killed(void)
{
	struct run run;
	for (libproxy = HANGS; libproxy <= SPINS; libproxy++) {
		CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "");
		CU_ASSERT_EQUAL(run.found.source, PROXY_FROM_NOBODY);
		CU_ASSERT_PTR_NOT_NULL(strstr(run.found.why.text, "PAC script"));
		if (libproxy != CRASHES)
			CU_ASSERT_TRUE(run.took >= 490 * MS && run.took < 600 * MS);
	}
}

static void libproxy_has_no_power(void)
{
	struct run run;
	if (geteuid() != 0)
		return;
	libproxy = SNOOPS;
	snooped = dup(STDOUT_FILENO);
	CU_ASSERT_STRING_EQUAL(find(&run, "auto", NULL), "http://powerless:1");
	close(snooped);
}

static void search_can_be_given_up(void)
{
	struct run run = {0};
	struct proxy_find_settings settings = {
		.configured = "auto", .host = "tscf.example.net", .port = 443, .timeout = SECOND};
	libproxy = HANGS;
	CU_ASSERT_EQUAL_FATAL(proxy_find_start(&run.find, loop, &settings, on_done, &run), 0);
	proxy_find_cancel(run.find);
	CU_ASSERT_EQUAL_FATAL(proxy_find_start(&run.find, loop, &settings, on_done, &run), 0);
	ev_run(loop, EVRUN_ONCE);
	proxy_find_cancel(run.find);
	CU_ASSERT_FALSE(run.done);
	proxy_find_cancel(NULL);
}
#endif

/* --- errands ----------------------------------------------------------- */

static void reply_with_signals(int parent, const void *argument)
{
	sigset_t mask;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	struct sigaction action;
	sigaction(SIGUSR1, NULL, &action);
	bool reset = !sigismember(&mask, SIGUSR2) && action.sa_handler == SIG_DFL;
	int fd = dup(STDIN_FILENO);
	errand_reply(parent, reset ? argument : "no", 3, fd);
}

static void on_errand(void *user, const struct errand_result *result)
{
	struct errand_result *out = user;
	*out = *result;
	CU_ASSERT_EQUAL(result->length, 3);
	CU_ASSERT_STRING_EQUAL((const char *)result->message, "ok");
	ev_break(loop, EVBREAK_ALL);
}

static void ignore_signal(int number)
{
	(void)number;
}

static void errand_brings_a_descriptor(void)
{
	struct errand *errand;
	struct errand_result result = {.fd = -1};
	sigset_t blocked, before;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR2);
	signal(SIGUSR1, ignore_signal);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	CU_ASSERT_EQUAL_FATAL(
		errand_start(&errand, loop, SECOND, reply_with_signals, "ok", on_errand, &result),
		0);
	ev_run(loop, 0);
	CU_ASSERT_EQUAL(result.end, ERRAND_DONE);
	CU_ASSERT_TRUE(fcntl(result.fd, F_GETFD) & FD_CLOEXEC);
	close(result.fd);
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGUSR1, SIG_DFL);
}

static const struct unit_test tests[] = {
	{"addresses are read", addresses_are_read},
	{"passwords are never repeated", passwords_are_never_repeated},
	{"long addresses are refused", long_addresses_are_refused},
	{"no_proxy is honoured", no_proxy_is_honoured},
	{"places have an order", places_have_an_order},
	{"none is an answer too", none_is_an_answer_too},
#ifdef HAVE_LIBPROXY
	{"libproxy is asked last", libproxy_is_asked_last},
	{"libproxy that hangs is killed", libproxy_that_hangs_is_killed},
	{"libproxy has no power", libproxy_has_no_power},
	{"a search can be given up", search_can_be_given_up},
#endif
	{"an errand brings a descriptor", errand_brings_a_descriptor},
};

int main(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	int status = unit_run("proxy_find", tests, sizeof(tests) / sizeof(tests[0]));
	ev_loop_destroy(loop);
	return status;
}
