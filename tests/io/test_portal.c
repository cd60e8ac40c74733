/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Portals, servers and silence, in a network namespace of its own:
 *
 *   lo    127.0.0.1, ::1 port 80         a server that says what the test wants
 *   lo    203.0.113.1                    nobody listens: refused
 *   hole  192.0.2.0/24                   a TUN that nobody reads: silence
 *         198.51.100.0/24                unreachable
 *
 * Exit status 77 (skipped) without the right to make one. */
#include "io/portal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/tun.h"
#include "lab.h"
#include "unit.h"

enum { MARK = 0x24322, SECOND = 1000000, MS = 1000, REQUEST_ROOM = 2048 };

static struct ev_loop *loop;
static struct tun hole;
static int listening;

struct outcome {
	unsigned calls;
	struct portal_result result;
};

static void on_done(void *user, const struct portal_result *result)
{
	struct outcome *outcome = user;
	outcome->calls++;
	outcome->result = *result;
}

static struct portal_result look(const char *address, const char *host, uint64_t timeout)
{
	struct portal_settings settings = {.host = host, .mark = MARK, .timeout = timeout};
	struct outcome outcome = {0};
	struct portal *portal;
	size_t before = lab_descriptors();
	CU_ASSERT_TRUE_FATAL(address_parse(&settings.address, address));
	CU_ASSERT_EQUAL_FATAL(portal_start(&portal, loop, &settings, on_done, &outcome), 0);
	CU_ASSERT_EQUAL(outcome.calls, 0);
	ev_run(loop, 0); /* ends when nothing is left to wait for */
	CU_ASSERT_EQUAL(outcome.calls, 1);
	CU_ASSERT_EQUAL(lab_descriptors(), before);
	return outcome.result;
}

static bool says(const struct portal_result *result, const char *words)
{
	bool found = strstr(result->evidence.text, words);
	if (!found)
		fprintf(stderr, "'%s' is not in: %s\n", words, result->evidence.text);
	return found;
}

/* --- a server -------------------------------------------------------------- */

static int listen_at_80(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PORTAL_PORT)};
	int on = 1, off = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 5) < 0)
		abort();
	return fd;
}

struct serving {
	const char *text;
	size_t piece;         /* octets per send; 0: all at once */
	bool keep_open;       /* after the text, until the client goes */
	bool reset;           /* instead of a proper close */
	const char *expected; /* what the request must hold, or NULL */
};

/* Up to the empty line. */
static bool read_request(int fd, char request[REQUEST_ROOM])
{
	size_t length = 0;
	request[0] = '\0';
	while (length + 1 < REQUEST_ROOM && !strstr(request, "\r\n\r\n")) {
		ssize_t got = read(fd, request + length, REQUEST_ROOM - 1 - length);
		if (got <= 0)
			return false;
		length += (size_t)got;
		request[length] = '\0';
	}
	return true;
}

static _Noreturn void serve(const struct serving *serving)
{
	char request[REQUEST_ROOM];
	int fd = accept(listening, NULL, NULL);
	bool right = read_request(fd, request) && strncmp(request, "GET / HTTP/1.1\r\n", 16) == 0 &&
		     (!serving->expected || strstr(request, serving->expected));
	size_t left = strlen(serving->text), step = serving->piece ? serving->piece : left;
	for (const char *at = serving->text; left > 0; at += step, left -= step) {
		step = step < left ? step : left;
		if (send(fd, at, step, MSG_NOSIGNAL) < 0)
			break;
	}
	if (serving->keep_open)
		while (read(fd, request, 1) > 0)
			;
	struct linger linger = {.l_onoff = 1};
	if (serving->reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
	_exit(right ? EXIT_SUCCESS : EXIT_FAILURE);
}

static struct portal_result look_at_server(
	const char *address, const char *host, const struct serving *serving, uint64_t timeout)
{
	int status = -1;
	pid_t server = fork();
	if (server == 0)
		serve(serving);
	struct portal_result result = look(address, host, timeout);
	waitpid(server, &status, 0);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
	return result;
}

static struct portal_result look_at(const char *text)
{
	return look_at_server(
		"127.0.0.1", "tscf.example", &(struct serving){.text = text}, 5 * SECOND);
}

/* --- the tests ------------------------------------------------------------- */

static void test_redirection(void)
{
	struct serving serving = {
		.text = "HTTP/1.1 302 Found\r\nLocation: http://portal.example/in?m=1\r\n\r\n",
		.expected = "\r\nHost: tscf.example\r\n"};
	struct portal_result result =
		look_at_server("127.0.0.1", "tscf.example", &serving, 5 * SECOND);
	CU_ASSERT_TRUE(result.found);
	CU_ASSERT_EQUAL(result.status, 302);
	CU_ASSERT_STRING_EQUAL(result.url, "http://portal.example/in?m=1");
	CU_ASSERT_TRUE(says(&result, "HTTP GET to tscf.example (127.0.0.1) port 80: answered 302 "
				     "(Found) after "));
	CU_ASSERT_TRUE(says(&result, "leading to http://portal.example/in?m=1: a captive portal"));
}

static void test_ipv6(void)
{
	struct serving serving = {.text = "HTTP/1.1 307 T\r\nLocation: //[2001:db8::1]/\r\n\r\n",
		.expected = "\r\nHost: [::1]\r\n"};
	struct portal_result result = look_at_server("::1", "::1", &serving, 5 * SECOND);
	CU_ASSERT_TRUE(result.found);
	CU_ASSERT_STRING_EQUAL(result.url, "//[2001:db8::1]/");
	CU_ASSERT_TRUE(says(&result, "HTTP GET to ::1 port 80: "));
}

static void test_verdicts(void)
{
	static const struct {
		const char *text;
		bool found;
		unsigned status;
		const char *words;
	} cases[] = {
		{"HTTP/1.1 511 Network Authentication Required\r\n\r\n", true, 511, "answered 511"},
		{"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", true, 200, "a page"},
		{"HTTP/1.0 200 OK\r\n\r\n<html>", true, 200, "a page"},
		/* a head that is never completed still says what it says */
		{"HTTP/1.1 302 Found\r\nLocation: http://p.example/\r\nX-", true, 302, "p.example"},
		{"HTTP/1.1 301 M\r\nLocation: https://tscf.example/\r\n\r\n", false, 301, "301"},
		{"HTTP/1.1 301 M\r\nLocation: http://127.0.0.1/\r\n\r\n", false, 301, "301"},
		{"HTTP/1.1 301 M\r\nLocation: /login\r\n\r\n", false, 301, "301"},
		{"HTTP/1.1 304 Not Modified\r\n\r\n", false, 304, "no captive portal"},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhi", false, 200, "no captive"},
		{"HTTP/1.0 200 OK\r\n\r\n", false, 200, "no captive"},
		{"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n<html>", false, 404,
			"answered 404 (Not Found)"},
		{"HTTP/1.1 201 Created\r\nLocation: http://p.example/\r\n\r\n", false, 201, "201"},
		{"SSH-2.0-OpenSSH_9.2\r\n", false, 0, "not HTTP: no captive portal"},
		{"", false, 0, "closed without an answer: no captive portal"},
		{"HTTP/1.", false, 0, "closed without an answer"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct portal_result result = look_at(cases[i].text);
		CU_ASSERT_EQUAL(result.found, cases[i].found);
		CU_ASSERT_EQUAL(result.status, cases[i].status);
		CU_ASSERT_TRUE(says(&result, cases[i].words));
		CU_ASSERT_TRUE(result.found || !result.url[0]);
	}
}

static void test_octet_by_octet(void)
{
	struct serving serving = {.text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\n"
					  "Location: http://portal.example/\r\n\r\n",
		.piece = 1,
		.keep_open = true};
	struct portal_result result =
		look_at_server("127.0.0.1", "tscf.example", &serving, 5 * SECOND);
	CU_ASSERT_TRUE(result.found);
	CU_ASSERT_STRING_EQUAL(result.url, "http://portal.example/");
}

static void test_endless_head(void)
{
	static char text[3 * HTTP_ANSWER_MAX];
	strcpy(text, "HTTP/1.1 302 Found\r\nLocation: http://p.example/\r\nX: ");
	memset(text + strlen(text), 'x', sizeof(text) - strlen(text) - 1);
	struct portal_result result = look_at(text);
	CU_ASSERT_TRUE(result.found);
	CU_ASSERT_STRING_EQUAL(result.url, "http://p.example/");
	memcpy(text, "HTTP/1.1 302 Found and not a line at all; ", 42);
	for (char *at = text; (at = strpbrk(at, "\r\n"));)
		*at = ' ';
	result = look_at(text);
	CU_ASSERT_FALSE(result.found);
	CU_ASSERT_TRUE(says(&result, "too long"));
}

static void test_reset(void)
{
	struct serving serving = {.text = "", .reset = true};
	struct portal_result result =
		look_at_server("127.0.0.1", "tscf.example", &serving, 5 * SECOND);
	CU_ASSERT_FALSE(result.found);
	CU_ASSERT_TRUE(says(&result, "Connection reset by peer: no captive portal"));
}

/* Connected, and then nothing, or a head without an end. */
static void test_slow_server(void)
{
	struct serving serving = {.text = "", .keep_open = true};
	uint64_t began = clock_now();
	struct portal_result result =
		look_at_server("127.0.0.1", "tscf.example", &serving, 300 * MS);
	uint64_t took = clock_now() - began;
	CU_ASSERT_FALSE(result.found);
	CU_ASSERT_TRUE(says(&result, "no answer within 0.3 s: no captive portal"));
	CU_ASSERT_TRUE(took >= 300 * MS && took < 2 * SECOND);
	CU_ASSERT_TRUE(result.took >= 300 * MS && result.took < 2 * SECOND);

	serving.text = "HTTP/1.1 511 Log In\r\n";
	result = look_at_server("127.0.0.1", "tscf.example", &serving, 300 * MS);
	CU_ASSERT_TRUE(result.found);
}

static void test_no_answer(void)
{
	struct portal_result result = look("192.0.2.1", "tscf.example", 300 * MS);
	CU_ASSERT_FALSE(result.found);
	CU_ASSERT_TRUE(says(&result, "no answer within 0.3 s"));
	result = look("198.51.100.1", "tscf.example", SECOND);
	CU_ASSERT_FALSE(result.found);
	CU_ASSERT_TRUE(says(&result, "Network is unreachable"));
	close(listening);
	result = look("203.0.113.1", "203.0.113.1", SECOND);
	CU_ASSERT_FALSE(result.found);
	CU_ASSERT_TRUE(says(&result, "HTTP GET to 203.0.113.1 port 80: Connection refused: "
				     "no captive portal"));
	listening = listen_at_80();
}

/* Into the hole goes only what does not carry it. */
static void test_mark(void)
{
	CU_ASSERT_TRUE(lab_run("ip rule add fwmark 0x24322 to 192.0.2.9 unreachable pref 1"));
	struct portal_result result = look("192.0.2.9", "tscf.example", SECOND);
	CU_ASSERT_TRUE(says(&result, "unreachable") || says(&result, "No route to host"));
	CU_ASSERT_TRUE(lab_run("ip rule del pref 1"));
}

static void test_cancel(void)
{
	struct portal_settings settings = {.host = "tscf.example", .timeout = SECOND};
	struct outcome outcome = {0};
	struct portal *portal;
	size_t before = lab_descriptors();
	address_parse(&settings.address, "192.0.2.1");
	CU_ASSERT_EQUAL_FATAL(portal_start(&portal, loop, &settings, on_done, &outcome), 0);
	portal_cancel(portal);
	CU_ASSERT_EQUAL_FATAL(portal_start(&portal, loop, &settings, on_done, &outcome), 0);
	ev_run(loop, EVRUN_ONCE);
	CU_ASSERT_EQUAL(lab_descriptors(), before + 1);
	portal_cancel(portal);
	portal_cancel(NULL);
	CU_ASSERT_EQUAL(lab_descriptors(), before);
	ev_run(loop, 0);
	CU_ASSERT_EQUAL(outcome.calls, 0);
}

static void test_bad_settings(void)
{
	struct portal_settings settings = {.host = "tscf.example"};
	struct portal *portal;
	CU_ASSERT_EQUAL(portal_start(&portal, loop, &settings, on_done, NULL), -EINVAL);
	address_parse(&settings.address, "127.0.0.1");
	settings.host = "tscf.example\r\nX: y";
	CU_ASSERT_EQUAL(portal_start(&portal, loop, &settings, on_done, NULL), -EINVAL);
	settings.host = "";
	CU_ASSERT_EQUAL(portal_start(&portal, loop, &settings, on_done, NULL), -EINVAL);
}

static const struct unit_test tests[] = {
	{"a redirection", test_redirection},
	{"over IPv6", test_ipv6},
	{"verdicts", test_verdicts},
	{"octet by octet", test_octet_by_octet},
	{"a head without end", test_endless_head},
	{"reset", test_reset},
	{"a slow server", test_slow_server},
	{"no answer", test_no_answer},
	{"the mark", test_mark},
	{"cancel", test_cancel},
	{"bad settings", test_bad_settings},
};

int main(void)
{
	struct reason why;
	lab_enter();
	if (tun_open(&hole, "hole", 1, false, &why) < 0 ||
		!lab_run("ip addr add 203.0.113.1/32 dev lo") ||
		!lab_run("ip link set hole up && ip route add 192.0.2.0/24 dev hole && "
			 "ip addr add 10.255.255.1/32 dev hole"))
		abort();
	loop = ev_loop_new(EVFLAG_AUTO);
	listening = listen_at_80();
	int status = unit_run("portal", tests, sizeof(tests) / sizeof(*tests));
	close(listening);
	tun_close(&hole);
	ev_loop_destroy(loop);
	return status;
}
