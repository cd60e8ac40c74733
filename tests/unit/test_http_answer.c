/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers as portals, servers and strangers give them. */
#include "core/http_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

/* In a block of exactly its size, so that sanitizers see a read behind it. */
static enum http_result parse_octets(const char *octets, size_t length, struct http_answer *out)
{
	uint8_t *exact = malloc(length ? length : 1);
	if (!exact)
		abort();
	memcpy(exact, octets, length);
	enum http_result result = http_answer_parse(exact, length, out);
	free(exact);
	return result;
}

static enum http_result parse(const char *text, struct http_answer *out)
{
	return parse_octets(text, strlen(text), out);
}

static const struct {
	const char *text;
	enum http_result result;
	unsigned status;
	const char *phrase, *location;
	bool html;
} answers[] = {
	{"HTTP/1.1 302 Found\r\nLocation: http://portal.example/login?x=1\r\n\r\n", HTTP_OK, 302,
		"Found", "http://portal.example/login?x=1", false},
	/* bare LF, HTTP/1.0, odd case and spaces */
	{"HTTP/1.0 301 Moved\nlocation:\t https://a.example/ \nX: y\n\n", HTTP_OK, 301, "Moved",
		"https://a.example/", false},
	{"HTTP/1.1 511 Network Authentication Required\r\nContent-Type: text/html\r\n\r\n", HTTP_OK,
		511, "Network Authentication Required", "", true},
	{"HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; charset=utf-8\r\n\r\n", HTTP_OK, 200, "OK",
		"", true},
	{"HTTP/1.1 200 OK\r\nContent-Type: application/xhtml+xml\r\n\r\n", HTTP_OK, 200, "OK", "",
		true},
	{"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n<html>", HTTP_OK, 200, "OK", "",
		false},
	/* no type: the body tells */
	{"HTTP/1.1 200 OK\r\n\r\n", HTTP_MORE, 200, "OK", "", false},
	{"HTTP/1.1 200 OK\r\n\r\n \r\n", HTTP_MORE, 200, "OK", "", false},
	{"HTTP/1.1 200 OK\r\n\r\n\n <!DOCTYPE html>", HTTP_OK, 200, "OK", "", true},
	{"HTTP/1.1 200 OK\r\n\r\n{}", HTTP_OK, 200, "OK", "", false},
	/* no phrase, which RFC 9112 4 allows */
	{"HTTP/1.1 404 \r\n\r\n", HTTP_OK, 404, "", "", false},
	{"HTTP/1.1 404\r\n\r\n", HTTP_OK, 404, "", "", false},
	/* interim answers, with fields that are not the final one's */
	{"HTTP/1.1 103 Early Hints\r\nLocation: http://no.example/\r\n\r\n"
	 "HTTP/1.1 404 Not Found\r\n\r\n",
		HTTP_OK, 404, "Not Found", "", false},
	{"HTTP/1.1 100 Continue\r\n\r\n", HTTP_MORE, 0, "", "", false},
	{"HTTP/1.1 100 Continue\r\n\r\nSSH-2.0", HTTP_BAD, 0, "", "", false},
	/* the first of several counts */
	{"HTTP/1.1 302 F\r\nLocation: http://a/\r\nLocation: http://b/\r\n\r\n", HTTP_OK, 302, "F",
		"http://a/", false},
	/* what is known before the head is complete */
	{"HTTP/1.1 302 Found\r\nLocation: http://p/\r\nX-", HTTP_MORE, 302, "Found", "http://p/",
		false},
	{"HTTP/1.1 302 Found\r\nLocation: http://p", HTTP_MORE, 302, "Found", "", false},
	{"HTTP/1.1 30", HTTP_MORE, 0, "", "", false},
	{"", HTTP_MORE, 0, "", "", false},
	/* a phrase that is not clean is not kept */
	{"HTTP/1.1 302 \x1b[2J\r\n\r\n", HTTP_OK, 302, "", "", false},
	/* names must match whole */
	{"HTTP/1.1 302 F\r\nX-Location: http://a/\r\nLocation : http://b/\r\nLocationx: c\r\n\r\n",
		HTTP_OK, 302, "F", "", false},
	/* no HTTP/1.x */
	{"HTTP/2 200\r\n\r\n", HTTP_BAD, 0, "", "", false},
	{"HTTP/1.1 2x0 OK\r\n\r\n", HTTP_BAD, 0, "", "", false},
	{"HTTP/1.1 2000 OK\r\n\r\n", HTTP_BAD, 0, "", "", false},
	{"HTTP/1.1 099 OK\r\n\r\n", HTTP_BAD, 0, "", "", false},
	{"HTTP/1.1 600 OK\r\n\r\n", HTTP_BAD, 0, "", "", false},
	{"HTTP/1.1 20\r\n\r\n", HTTP_BAD, 0, "", "", false},
	{"SSH-2.0-OpenSSH\r\n", HTTP_BAD, 0, "", "", false},
	{"S", HTTP_BAD, 0, "", "", false},
	{"\x15\x03\x01", HTTP_BAD, 0, "", "", false},
};

static void test_answers(void)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		struct http_answer answer;
		enum http_result result = parse(answers[i].text, &answer);
		bool same = result == answers[i].result && answer.status == answers[i].status &&
			    strcmp(answer.phrase, answers[i].phrase) == 0 &&
			    strcmp(answer.location, answers[i].location) == 0 &&
			    answer.html == answers[i].html;
		if (!same)
			fprintf(stderr, "%s\nresult %d status %u '%s' '%s' html %d\n",
				answers[i].text, (int)result, answer.status, answer.phrase,
				answer.location, answer.html);
		CU_ASSERT_TRUE(same);
	}
}

/* Octet by octet it says MORE until the last one that matters, and never
 * anything that the whole does not say. */
static void test_in_pieces(void)
{
	static const char text[] = "HTTP/1.1 302 Found\r\nServer: x\r\n"
				   "Location: http://portal.example/\r\n\r\n";
	struct http_answer answer;
	for (size_t length = 0; length < sizeof(text) - 1; length++) {
		CU_ASSERT_EQUAL(parse_octets(text, length, &answer), HTTP_MORE);
		CU_ASSERT_TRUE(answer.status == 0 || answer.status == 302);
		CU_ASSERT_TRUE(!answer.location[0] ||
			       strcmp(answer.location, "http://portal.example/") == 0);
	}
	CU_ASSERT_EQUAL(parse(text, &answer), HTTP_OK);
}

static const char *location(const char *value)
{
	static struct http_answer answer;
	char text[4096];
	snprintf(text, sizeof(text), "HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n", value);
	CU_ASSERT_EQUAL(parse(text, &answer), HTTP_OK);
	return answer.location;
}

static void test_location_is_clean(void)
{
	static const struct {
		const char *value, *kept;
	} locations[] = {
		{"/login", "/login"},
		{"//portal.example/x", "//portal.example/x"},
		{"login?u=http://x/", "login?u=http://x/"},
		{"http://p.example/a b", "http://p.example/a%20b"},
		{"http://p.example/\x1b]0;x\x07", "http://p.example/%1B]0;x%07"},
		{"http://p.example/\"`<>\\", "http://p.example/%22%60%3C%3E%5C"},
		{"http://p.example/\xc3\xbc", "http://p.example/%C3%BC"},
		{"HTTPS://P.example", "HTTPS://P.example"},
		{"http://[2001:db8::1]:8080/", "http://[2001:db8::1]:8080/"},
		/* what no browser should be sent to */
		{"javascript:alert(1)", ""},
		{"file:///etc/passwd", ""},
		{"http:login", ""},
		{"http:///login", ""},
		{"//", ""},
		{"http://bank.example@portal.example/", ""},
		{"//user:pw@portal.example/", ""},
		{"", ""},
	};
	for (size_t i = 0; i < sizeof(locations) / sizeof(*locations); i++)
		CU_ASSERT_STRING_EQUAL(location(locations[i].value), locations[i].kept);
}

static void test_long_location(void)
{
	char value[2048] = "http://portal.example/login?";
	memset(value + strlen(value), 'q', 1500);
	CU_ASSERT_STRING_EQUAL(location(value), "http://portal.example/login");
	/* without a query to lose, it is cut; all of it may need three octets */
	memset(value + strlen("http://portal.example/"), '"', 1500);
	const char *kept = location(value);
	CU_ASSERT_TRUE(strlen(kept) < HTTP_LOCATION_MAX && strlen(kept) > HTTP_LOCATION_MAX - 4);
	CU_ASSERT_STRING_EQUAL(kept + strlen(kept) - 3, "%22");
	/* the longest that fits is whole */
	memset(value, 'a', sizeof(value));
	value[0] = '/';
	value[HTTP_LOCATION_MAX - 4] = '\0';
	CU_ASSERT_EQUAL(strlen(location(value)), HTTP_LOCATION_MAX - 4);
}

static void test_leaves(void)
{
	static const struct {
		const char *location, *host;
		bool leaves;
	} cases[] = {
		{"http://portal.example/login", "tscf.example", true},
		{"//portal.example/login", "tscf.example", true},
		{"https://10.0.0.1/", "tscf.example", true},
		{"https://10.0.0.1/", "192.0.2.1", true},
		{"http://tscf.example.evil.example/", "tscf.example", true},
		{"http://evil-tscf.example/", "tscf.example", true},
		{"http://tscf.exampl/", "tscf.example", true},
		{"http://[2001:db8::1]/", "2001:db8::2", true},
		{"https://tscf.example/", "tscf.example", false},
		{"https://TSCF.example:8443/", "tscf.example", false},
		{"https://tscf.example./x", "tscf.example", false},
		{"https://tscf.example/x", "tscf.example.", false},
		{"http://tscf.example", "tscf.example", false},
		{"http://tscf.example?x=//y", "tscf.example", false},
		{"http://192.0.2.1/", "192.0.2.1", false},
		{"http://[2001:DB8:0::1]:80/", "2001:db8::1", false},
		{"/login?back=http://tscf.example/", "other.example", false},
		{"login//x", "tscf.example", false},
		{"?x=://y/", "tscf.example", false},
		{"", "tscf.example", false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool leaves = http_location_leaves(cases[i].location, cases[i].host);
		if (leaves != cases[i].leaves)
			fprintf(stderr, "%s from %s: %d\n", cases[i].location, cases[i].host,
				leaves);
		CU_ASSERT_EQUAL(leaves, cases[i].leaves);
	}
}

static const struct unit_test tests[] = {
	{"answers", test_answers},
	{"in pieces", test_in_pieces},
	{"a location is clean", test_location_is_clean},
	{"a long location", test_long_location},
	{"does a location leave the host", test_leaves},
};

UNIT_MAIN("http_answer", tests)
