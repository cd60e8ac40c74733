/* SPDX-License-Identifier: GPL-3.0-or-later */
/* INI text into a struct with one field of every type. */
#include "core/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_fault.h"
#include "unit.h"

enum colour { RED, GREEN, BLUE };

struct sample {
	char *text, *other;
	bool truth, flag;
	enum colour colour;
	int level;
	unsigned number, automatic;
	uint16_t small;
	uint64_t duration;
	struct config_list list;
	struct prefix prefix;
	struct config_prefixes prefixes;
	struct config_endpoints endpoints;
	struct config_secret secret, certificate;
	uint8_t pin[32];
	bool has_pin;
};

static const char *const colours[] = {"red", "green", "blue", NULL};
static const char *const switches[] = {"off", "auto", NULL};

#define AT(member) .offset = offsetof(struct sample, member)

static const struct config_key keys[] = {
	{.section = "one", .name = "text", .type = CONFIG_STRING, AT(text)},
	{.section = "one", .name = "truth", .type = CONFIG_BOOL, AT(truth), .standard = "yes"},
	{.section = "one", .name = "flag", .type = CONFIG_FLAG, AT(flag), .choices = switches},
	{.section = "one",
		.name = "colour",
		.type = CONFIG_CHOICE,
		AT(colour),
		.choices = colours,
		.standard = "green",
		.inert = true,
		.honoured = "blue"},
	{.section = "one",
		.name = "level",
		.type = CONFIG_CHOICE,
		AT(level),
		.choices = colours,
		.minimum = 3,
		.standard = "red"},
	{.section = "one",
		.name = "number",
		.type = CONFIG_NUMBER,
		AT(number),
		.minimum = 1,
		.maximum = UINT32_MAX,
		.standard = "0x10"},
	{.section = "one",
		.name = "automatic",
		.type = CONFIG_AUTO_NUMBER,
		AT(automatic),
		.minimum = 1,
		.maximum = 16,
		.standard = "auto",
		.inert = true,
		.honoured = "1"},
	{.section = "one",
		.name = "small",
		.type = CONFIG_NUMBER16,
		AT(small),
		.minimum = 1280,
		.maximum = 65522,
		.standard = "1500"},
	{.section = "one",
		.name = "duration",
		.type = CONFIG_DURATION,
		AT(duration),
		.minimum = 1000,
		.maximum = UINT64_C(3600000000),
		.standard = "4s",
		.inert = true},
	{.section = "two",
		.name = "list",
		.type = CONFIG_LIST,
		AT(list),
		.fault = config_fault_host,
		.standard = "a.example, b.example",
		.inert = true},
	{.section = "two", .name = "prefix", .type = CONFIG_PREFIX, AT(prefix), .inert = true},
	{.section = "two",
		.name = "prefixes",
		.type = CONFIG_PREFIXES,
		AT(prefixes),
		.inert = true},
	{.section = "two",
		.name = "endpoints",
		.type = CONFIG_ENDPOINTS,
		AT(endpoints),
		.standard = "[::]:443, 0.0.0.0:443",
		.inert = true},
	{.section = "two", .name = "secret", .type = CONFIG_SECRET, AT(secret), .inert = true},
	{.section = "two", .name = "certificate", .type = CONFIG_SECRET, AT(certificate)},
	{.section = "two", .name = "pin", .type = CONFIG_PIN, AT(pin), .inert = true},
	{.section = "two", .name = "other", .type = CONFIG_STRING, AT(other), .inert = true},
	{.section = NULL},
};

static struct sample sample;
static struct reason why;

static void start(void)
{
	memset(&sample, 0, sizeof(sample));
	memset(&why, 0, sizeof(why));
	config_defaults(&sample, keys);
}

static void finish(void)
{
	config_free(&sample, keys);
}

/* Reads on top of what was read before. */
static int add(const char *text)
{
	return config_read(&sample, keys, text, "f.conf", &why);
}

static int fresh(const char *text)
{
	start();
	return add(text);
}

static void expect_ok(const char *text)
{
	if (fresh(text) != 0) {
		fprintf(stderr, "\n\"%s\"\n  gives: %s\n", text, why.text);
		CU_FAIL("a correct text was refused");
	}
}

/* The reason starts with "f.conf:LINE: " and contains `words`. */
static void expect_error(const char *text, unsigned line, const char *words)
{
	char head[32];
	int error = fresh(text);
	snprintf(head, sizeof(head), "f.conf:%u: ", line);
	bool right = error == -EINVAL && strncmp(why.text, head, strlen(head)) == 0 &&
		     strstr(why.text, words);
	if (!right) {
		fprintf(stderr, "\n\"%.300s\"\n  gives %d: %s\n  wanted: %s...%s\n", text, error,
			why.text, head, words);
		CU_FAIL("wrong verdict or reason");
	}
	finish();
}

/* ---- values ---- */

static void durations(void)
{
	static const struct {
		const char *text;
		uint64_t us; /* UINT64_MAX: refused */
	} cases[] = {
		{"0", 0},
		{"4", 4000000},
		{"4s", 4000000},
		{"250ms", 250000},
		{"5m", 300000000},
		{"2h", UINT64_C(7200000000)},
		{"1d", UINT64_C(86400000000)},
		{"", UINT64_MAX},
		{"s", UINT64_MAX},
		{"-1s", UINT64_MAX},
		{"1.5s", UINT64_MAX},
		{"1 s", UINT64_MAX},
		{"1sec", UINT64_MAX},
		{"1S", UINT64_MAX},
		{"999999999999d", UINT64_MAX},
		{"99999999999999999999999", UINT64_MAX},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t us = UINT64_MAX;
		bool valid = config_duration(cases[i].text, &us);
		CU_ASSERT_EQUAL(valid, cases[i].us != UINT64_MAX);
		if (valid)
			CU_ASSERT_EQUAL(us, cases[i].us);
	}
}

static void endpoints(void)
{
	static const struct {
		const char *text, *host; /* NULL: refused */
		uint16_t port;
	} cases[] = {
		{"tscf.example", "tscf.example", 443},
		{"tscf.example:8443", "tscf.example", 8443},
		{"192.0.2.1", "192.0.2.1", 443},
		{"192.0.2.1:1", "192.0.2.1", 1},
		{"2001:db8::1", "2001:db8::1", 443},
		{"[2001:db8::1]", "2001:db8::1", 443},
		{"[2001:db8::1]:65535", "2001:db8::1", 65535},
		{"[::]:443", "::", 443},
		{"", NULL, 0},
		{":443", NULL, 0},
		{"tscf.example:", NULL, 0},
		{"tscf.example:0", NULL, 0},
		{"tscf.example:65536", NULL, 0},
		{"tscf.example:999999", NULL, 0},
		{"tscf.example:+1", NULL, 0},
		{"tscf.example:443x", NULL, 0},
		{"https://tscf.example", NULL, 0},
		{"tscf example", NULL, 0},
		{"tscf..example", NULL, 0},
		{"*:443", NULL, 0},
		{"[192.0.2.1]:443", NULL, 0},
		{"[tscf.example]:443", NULL, 0},
		{"[2001:db8::1", NULL, 0},
		{"[2001:db8::1]x", NULL, 0},
		{"[2001:db8::1]:", NULL, 0},
		{"[]:443", NULL, 0},
		{"1:2:3", NULL, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_endpoint out = {0};
		bool valid = config_endpoint_parse(&out, cases[i].text, 443);
		CU_ASSERT_EQUAL(valid, cases[i].host != NULL);
		if (!valid || !cases[i].host) {
			CU_ASSERT_PTR_NULL(out.host);
			continue;
		}
		CU_ASSERT_STRING_EQUAL(out.host, cases[i].host);
		CU_ASSERT_EQUAL(out.port, cases[i].port);
		free(out.host);
	}
	struct config_endpoint out;
	CU_ASSERT_FALSE(config_endpoint_parse(&out, "tscf.example", 0));
}

static void defaults_stand_until_replaced(void)
{
	expect_ok("");
	CU_ASSERT_PTR_NULL(sample.text);
	CU_ASSERT_TRUE(sample.truth);
	CU_ASSERT_FALSE(sample.flag);
	CU_ASSERT_EQUAL(sample.colour, GREEN);
	CU_ASSERT_EQUAL(sample.level, 3);
	CU_ASSERT_EQUAL(sample.number, 16);
	CU_ASSERT_EQUAL(sample.automatic, 0);
	CU_ASSERT_EQUAL(sample.small, 1500);
	CU_ASSERT_EQUAL(sample.duration, 4000000);
	CU_ASSERT_EQUAL(sample.list.count, 2);
	CU_ASSERT_EQUAL(sample.prefix.address.version, 0);
	CU_ASSERT_EQUAL(sample.endpoints.count, 2);
	CU_ASSERT_FALSE(config_secret_given(&sample.secret));
	CU_ASSERT_FALSE(sample.has_pin);
	finish();
}

static void values_of_every_type(void)
{
	expect_ok("# a comment\n"
		  "[one]\n"
		  "text = a value, with = and : and a;semicolon   ; and a comment\n"
		  "truth=off\n"
		  "flag = auto\n"
		  "colour :\tblue\n"
		  "level = blue\n"
		  "number = 0xFFFFFFFF\n"
		  "automatic = 16\n"
		  "small = 65522\n"
		  "duration = 250ms\n"
		  "\n"
		  "  ; another comment\n"
		  "[two] ; and one here\n"
		  "prefix = fd00:1::/48\n"
		  "prefixes = 10.0.0.0/8,192.0.2.1\n"
		  "secret = /etc/tse/key.pem\n"
		  "certificate = base64:Zm9vYmFy\n");
	CU_ASSERT_STRING_EQUAL(sample.text, "a value, with = and : and a;semicolon");
	CU_ASSERT_FALSE(sample.truth);
	CU_ASSERT_TRUE(sample.flag);
	CU_ASSERT_EQUAL(sample.colour, BLUE);
	CU_ASSERT_EQUAL(sample.level, 5);
	CU_ASSERT_EQUAL(sample.number, 0xffffffff);
	CU_ASSERT_EQUAL(sample.automatic, 16);
	CU_ASSERT_EQUAL(sample.small, 65522);
	CU_ASSERT_EQUAL(sample.duration, 250000);
	CU_ASSERT_EQUAL(sample.prefix.address.version, 6);
	CU_ASSERT_EQUAL(sample.prefix.length, 48);
	CU_ASSERT_EQUAL(sample.prefixes.count, 2);
	CU_ASSERT_EQUAL(sample.prefixes.items[0].length, 8);
	CU_ASSERT_EQUAL(sample.prefixes.items[1].length, 32);
	CU_ASSERT_STRING_EQUAL(sample.secret.path, "/etc/tse/key.pem");
	CU_ASSERT_PTR_NULL(sample.secret.der);
	CU_ASSERT_PTR_NULL(sample.certificate.path);
	CU_ASSERT_EQUAL(sample.certificate.length, 6);
	CU_ASSERT(memcmp(sample.certificate.der, "foobar", 6) == 0);
	finish();
}

static void truths(void)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
	for (size_t i = 0; i < 8; i++) {
		char text[64];
		snprintf(text, sizeof(text), "[one]\ntruth = %s", words[i]);
		expect_ok(text);
		CU_ASSERT_EQUAL(sample.truth, i % 2 == 1);
		finish();
	}
}

static void pins(void)
{
	uint8_t zero[32] = {0}, ones[32];
	memset(ones, 0xff, sizeof(ones));
	expect_ok("[two]\npin = sha256://////////////////////////////////////////8=");
	CU_ASSERT_TRUE(sample.has_pin);
	CU_ASSERT(memcmp(sample.pin, ones, 32) == 0);
	CU_ASSERT_EQUAL(add("[two]\npin ="), 0);
	CU_ASSERT_FALSE(sample.has_pin);
	CU_ASSERT(memcmp(sample.pin, zero, 32) == 0);
	CU_ASSERT_EQUAL(add("[two]\npin = sha256:"
			    "ffffffffffffffffffffffffffffffff"
			    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"),
		0);
	CU_ASSERT_TRUE(sample.has_pin);
	CU_ASSERT(memcmp(sample.pin, ones, 32) == 0);
	finish();
	expect_error("[two]\npin = sha256:AAAA", 2, "pin: not sha256:");
	expect_error("[two]\npin = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 2, "not sha256:");
	expect_error("[two]\npin = sha256:gggggggggggggggggggggggggggggggg"
		     "gggggggggggggggggggggggggggggggg",
		2, "not sha256:");
	/* 33 octets in 44 characters */
	expect_error("[two]\npin = sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 2,
		"not sha256:");
}

static void bad_values_name_the_right_ones(void)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *words;
	} cases[] = {
		{"[one]\ntruth = maybe\n", 2, "[one] truth: `maybe' is not one of: no, yes"},
		{"[one]\ntruth =\n", 2, "is not one of"},
		{"[one]\nflag = on\n", 2, "is not one of: off, auto"},
		{"[one]\n\ncolour = Red\n", 3, "is not one of: red, green, blue"},
		{"[one]\nnumber = 0\n", 2, "from 1 to 4294967295"},
		{"[one]\nnumber = 4294967296\n", 2, "from 1 to 4294967295"},
		{"[one]\nnumber = 99999999999999999999999\n", 2, "from 1 to"},
		{"[one]\nnumber = -1\n", 2, "whole number"},
		{"[one]\nnumber = 12x\n", 2, "whole number"},
		{"[one]\nnumber = 0x\n", 2, "whole number"},
		{"[one]\nnumber = auto\n", 2, "whole number"},
		{"[one]\nnumber =\n", 2, "whole number"},
		{"[one]\nautomatic = 17\n", 2, "`auto' or a whole number from 1 to 16"},
		{"[one]\nautomatic = 0\n", 2, "from 1 to 16"},
		{"[one]\nsmall = 1279\n", 2, "from 1280 to 65522"},
		{"[one]\nsmall = 65523\n", 2, "from 1280 to 65522"},
		{"[one]\nduration = 0\n", 2, "from 1ms to 1h"},
		{"[one]\nduration = 61m\n", 2, "from 1ms to 1h"},
		{"[one]\nduration = soon\n", 2, "`soon' is not a duration"},
		{"[two]\nlist = a.example, -b\n", 2, "`-b' is neither a host name nor an address"},
		{"[two]\nprefix = 10.0.0.0/33\n", 2, "no possible length"},
		{"[two]\nprefix = 10.0.0.1/8\n", 2, "bits set behind its length"},
		{"[two]\nprefix = ten\n", 2, "is not a prefix such as"},
		{"[two]\nprefixes = 10.0.0.0/8 10.1.0.0/16\n", 2, "is not a prefix"},
		{"[two]\nendpoints = a:b:c\n", 2, "is not HOST, HOST:PORT"},
		{"[two]\nsecret = base64:\n", 2, "not base64, or incomplete"},
		{"[two]\nsecret = base64:Zg=\n", 2, "not base64, or incomplete"},
		{"[two]\nsecret = -----BEGIN CERTIFICATE-----\n", 2, "neither the path"},
		{"[one]\ntext = \xff\n", 2, "not UTF-8"},
		{"[one]\ntext = \xc2\x85\n", 2, "control characters"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_error(cases[i].text, cases[i].line, cases[i].words);
}

static void no_reason_repeats_a_secret(void)
{
	static const char *const texts[] = {
		"[two]\nsecret = base64:U0VDUkVUU0VDUkVU!\n",
		"[two]\npin = U0VDUkVUU0VDUkVU\n",
		/* The second line should have been indented. */
		"[two]\nsecret = base64:Zm9v\nU0VDUkVUU0VDUkVUU0VDUkVUU0VDUkVUU0VDUkVU=\n",
		"[two]\nsecret = base64:Zm9v\n+U0VDUkVU=\n",
		"[two]\nsecret = base64:Zm9v\nU0VDUkVUU0VDUkVU\n",
		"[two]\nsecret = base64:Zm9v\n  U0VDUkVU!\n",
		"[two]\nsecret = MIIU0VDUkVUU0VDUkVUU0VDUkVUU0VDUkVUU0VDUkVUU0VDUkVUU0VDUkVUU0\n",
		"[two]\nsecret = -----BEGIN PRIVATE KEY-----\n U0VDUkVU\n",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CU_ASSERT_EQUAL(fresh(texts[i]), -EINVAL);
		CU_ASSERT_PTR_NULL(strstr(why.text, "U0VD"));
		finish();
		start();
		CU_ASSERT_EQUAL(config_override(&sample, keys, "two.secret=base64:U0VDUkVU!", &why),
			-EINVAL);
		CU_ASSERT_PTR_NULL(strstr(why.text, "U0VD"));
		finish();
	}
}

/* ---- lines ---- */

/* A value that survives unharmed wherever a long line is cut. */
static void every_cut_is_invisible(void)
{
	/* White space, doubled too, and ';' and '#' that begin no comment. */
	static const char pattern[] = "a;b#c d  e #f\\g=h:i[j]k\t";
	for (size_t length = 1; length < 900; length++) {
		char value[1000], expected[1000], text[1100];
		for (size_t i = 0; i < length; i++)
			value[i] = pattern[(i + length) % (sizeof(pattern) - 1)];
		value[0] = value[length - 1] = 'x'; /* else it would rightly be stripped */
		value[length] = '\0';
		snprintf(text, sizeof(text), "[one]\ntext = %s\nnumber = 7\n", value);
		expect_ok(text);
		for (size_t i = 0; i <= length; i++)
			expected[i] = value[i] == '\t' ? ' ' : value[i];
		CU_ASSERT_STRING_EQUAL(sample.text, expected);
		CU_ASSERT_EQUAL(sample.number, 7);
		finish();
	}
}

/* All cuts within white space, and ';' right behind a cut. */
static void cuts_at_white_space_and_semicolons(void)
{
	for (size_t length = 150; length < 450; length++) {
		char value[500], text[600];
		memset(value, ' ', length);
		value[0] = value[length - 1] = 'x';
		value[length] = '\0';
		snprintf(text, sizeof(text), "[one]\ntext = %s", value);
		expect_ok(text);
		CU_ASSERT_STRING_EQUAL(sample.text, value);
		finish();
		memset(value, length % 2 ? ';' : '#', length);
		snprintf(text, sizeof(text), "[one]\ntext = x%s", value);
		expect_ok(text);
		CU_ASSERT_STRING_EQUAL(sample.text + 1, value);
		finish();
	}
}

static void long_comments_stay_comments(void)
{
	for (size_t length = 150; length < 450; length++) {
		char tail[500], text[2000];
		memset(tail, 'c', length);
		for (size_t i = 5; i < length; i += 7)
			tail[i] = i % 2 ? ' ' : '=';
		tail[length] = '\0';
		snprintf(text, sizeof(text), "# %s\n[one]\ntext = x ; %s\n   # %s\nnumber = 7\n",
			tail, tail, tail);
		expect_ok(text);
		CU_ASSERT_STRING_EQUAL(sample.text, "x");
		CU_ASSERT_EQUAL(sample.number, 7);
		finish();
	}
}

/* `octets` in base64, with `fold` characters to a line (0: one line). */
static char *base64_text(const uint8_t *octets, size_t length, size_t fold, const char *line_end)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = malloc(length * 12 + 100), *out = text;
	size_t column = 0;
	for (size_t i = 0; i < length; i += 3) {
		uint32_t bits = (uint32_t)octets[i] << 16;
		bits |= i + 1 < length ? (uint32_t)octets[i + 1] << 8 : 0;
		bits |= i + 2 < length ? octets[i + 2] : 0;
		for (unsigned k = 0; k < 4; k++) {
			bool padding = i + k > length;
			*out++ = padding ? '=' : alphabet[bits >> (18 - 6 * k) & 63];
			if (fold && ++column % fold == 0)
				out += sprintf(out, "%s   ", line_end);
		}
	}
	*out = '\0';
	return text;
}

static void inline_secrets_of_any_length(void)
{
	static const size_t lengths[] = {1, 2, 3, 130, 131, 132, 140, 1000, 3072, 3073, 3074, 9001};
	static const size_t folds[] = {0, 1, 64, 76, 190, 195, 196, 197, 198, 199, 200, 300};
	uint8_t octets[9001];
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)(i * 167 + (i >> 8));
	for (size_t i = 0; i < 12 * 12 * 2; i++) {
		size_t length = lengths[i % 12], fold = folds[i / 12 % 12];
		const char *end = i / 144 ? "\r\n" : "\n";
		char *base64 = base64_text(octets, length, fold, end);
		char *text = malloc(strlen(base64) + 200);
		sprintf(text, "[two]%ssecret = base64:%s%sother = o%scertificate = /c", end, base64,
			end, end);
		expect_ok(text);
		CU_ASSERT_EQUAL(sample.secret.length, length);
		CU_ASSERT(sample.secret.der && memcmp(sample.secret.der, octets, length) == 0);
		CU_ASSERT_STRING_EQUAL(sample.other, "o");
		CU_ASSERT_STRING_EQUAL(sample.certificate.path, "/c");
		finish();
		free(text);
		free(base64);
	}
}

static void a_secret_may_begin_on_the_next_line(void)
{
	expect_ok(
		"[two]\nsecret =\n\tbase64:\n\tZm9v\n\n\t; between\n\tYmFy\ncertificate =\n /c\n");
	CU_ASSERT_EQUAL(sample.secret.length, 6);
	CU_ASSERT(memcmp(sample.secret.der, "foobar", 6) == 0);
	CU_ASSERT_STRING_EQUAL(sample.certificate.path, "/c");
	finish();
	/* The end of a base64 text that happens to be the name of a key. */
	expect_ok("[two]\nsecret = base64:AAA\n  flag=\n");
	CU_ASSERT_EQUAL(sample.secret.length, 5);
	finish();
}

static void lists_are_folded_repeated_and_separated_by_commas(void)
{
	expect_ok("[two]\r\n"
		  "list = c.example,\td.example , \r\n"
		  "    e.example\r\n"
		  "\r\n"
		  "  # not an item\r\n"
		  "    f.example, g.example ; comment\r\n"
		  "endpoints = tscf.example,\r\n"
		  "   [2001:db8::1]:8443\r\n"
		  "list = h.example\r\n");
	CU_ASSERT_EQUAL(sample.list.count, 6);
	for (unsigned i = 0; i < sample.list.count; i++)
		CU_ASSERT_EQUAL(sample.list.items[i][0], "cdefgh"[i]);
	CU_ASSERT_EQUAL(sample.endpoints.count, 2);
	CU_ASSERT_STRING_EQUAL(sample.endpoints.items[1].host, "2001:db8::1");
	CU_ASSERT_EQUAL(sample.endpoints.items[1].port, 8443);

	/* The next file starts anew; an empty value empties. */
	CU_ASSERT_EQUAL(add("[two]\nlist = i.example\nendpoints =\n"), 0);
	CU_ASSERT_EQUAL(sample.list.count, 1);
	CU_ASSERT_EQUAL(sample.endpoints.count, 0);
	finish();
}

static void a_section_may_come_twice(void)
{
	expect_ok("[one]\nnumber = 1\n[two]\nother = x\n[one]\nsmall = 2000\n");
	CU_ASSERT_EQUAL(sample.number, 1);
	CU_ASSERT_EQUAL(sample.small, 2000);
	finish();
}

static void files_from_anywhere(void)
{
	expect_ok("\xef\xbb\xbf[one]\r\ntext = x\r\n\r\nnumber = 3\r\n");
	CU_ASSERT_STRING_EQUAL(sample.text, "x");
	CU_ASSERT_EQUAL(sample.number, 3);
	finish();
	expect_ok("[one]\nnumber = 3"); /* no final line feed */
	CU_ASSERT_EQUAL(sample.number, 3);
	finish();
	expect_ok("[one]\ntext = x\r"); /* nor after CR */
	CU_ASSERT_STRING_EQUAL(sample.text, "x");
	finish();
	expect_ok("  [one]\n  number = 3\n"); /* indented, but there is nothing to continue */
	CU_ASSERT_EQUAL(sample.number, 3);
	finish();
	expect_ok("\n\n   \n");
	finish();
	expect_ok("[one]\ntext = Jos\xc3\xa9\n");
	CU_ASSERT_STRING_EQUAL(sample.text, "Jos\xc3\xa9");
	finish();
}

static void octets_that_are_no_text(void)
{
	static const char with_nul[] = "[one]\ntext = a\0b\nnumber = 3\n";
	start();
	CU_ASSERT_EQUAL(
		config_read_octets(&sample, keys, with_nul, sizeof(with_nul) - 1, "f.conf", &why),
		-EINVAL);
	CU_ASSERT_STRING_EQUAL(
		why.text, "f.conf:2: the octet 0x00 is no text; write the file as plain UTF-8");
	CU_ASSERT_PTR_NULL(sample.text);
	/* No final NUL is needed: a sanitizer watches this one. */
	char *exact = malloc(19);
	memcpy(exact, "[one]\nnumber = 12345", 19);
	CU_ASSERT_EQUAL(config_read_octets(&sample, keys, exact, 19, "f.conf", &why), 0);
	CU_ASSERT_EQUAL(sample.number, 1234);
	free(exact);
	finish();
	expect_error("[one]\ntext = a\x01\x01\n", 2, "0x01");
	expect_error("[one]\n\ntext = a\x1b[2J\n", 3, "0x1b");
	expect_error("[one]\ntext = a\rnumber = 3\n", 2, "0x0d");
	expect_error("[one]\ntext = a\x7f", 2, "0x7f");
}

static void lines_that_are_wrong(void)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *words;
	} cases[] = {
		{"[one]\nnumber = 3\nnonsense\nsmall = 1\n", 3, "neither a [section] nor"},
		{"[one]\nnonsense", 2, "neither a [section] nor"},
		{"number = 3\n", 1, "before the first [section]"},
		{"[one\nnumber = 3\n", 1, "on a line of its own"},
		{"[one] number = 3\n", 1, "on a line of its own"},
		{"[one]]\n", 1, "on a line of its own"},
		{"[one]\n= 3\n", 2, "no key stands before the ="},
		{"[three]\n", 1, "[three] is an unknown section; there are: [one] [two]"},
		{"\n[onne]\n", 2, "did you mean [one]?"},
		{"  [three]\n", 1, "[three] is an unknown section"},
		{"[]\n", 1, "unknown section"},
		{"[one]\nnumbr = 3\n", 2, "numbr is not a key of [one]; did you mean number?"},
		{"[one]\nNumber = 3\n", 2, "did you mean number?"},
		{"[one]\nprefixes = 3\n", 2, "it belongs in [two]"},
		{"[two]\nwhatever = 3\n", 2, "its keys are: list prefix prefixes endpoints"},
		{"[one]\ntext = a\nnumber = 1\ntext = b\n", 4, "text stands already in line 2"},
		{"[two]\nsecret = /a\nsecret = /b\n", 3, "secret stands already in line 2"},
		{"[one]\ntext = a\n[two]\n[one]\ntext = a\n", 5, "text stands already in line 2"},
		{"[one]\ntext = a\n  b\n", 3, "continues text of line 2, which takes one line"},
		{"[one]\n  text = a\n  number = 1\n", 3, "remove the white space in front"},
		{"[two]\nlist = a.example\n  secret = /x\n", 3, "reads like a key"},
		{"[two]\nsecret = base64:Zm9v\n  other = x\n", 3, "reads like a key"},
		/* An error in a folded value carries the line it begins in. */
		{"[two]\nprefixes = 10.0.0.0/8,\n  ten\n\nother = x\n", 2, "`ten'"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_error(cases[i].text, cases[i].line, cases[i].words);
}

static void long_lines_that_are_wrong(void)
{
	char text[2000], filler[1000];
	for (size_t length = 150; length < 450; length += 7) {
		memset(filler, 'n', length);
		filler[length] = '\0';
		snprintf(text, sizeof(text), "[one]\ntext = a\n%s\n", filler);
		expect_error(text, 3, "neither a [section] nor");
		snprintf(text, sizeof(text), "[one]\ntext = a\n%s = b\nnumber = 3", filler);
		expect_error(text, 3, "");
		snprintf(text, sizeof(text), "[one]\ntext = a\n[%s]\n", filler);
		expect_error(text, 3, "unknown section");
		snprintf(text, sizeof(text), "[one]\n  %s\n", filler);
		expect_error(text, 2, "neither a [section] nor");
		snprintf(text, sizeof(text), "[one]\ntext = a%s\n\nnonsense\n", filler);
		expect_error(text, 4, "neither a [section] nor"); /* physical lines count */
	}
}

/* ---- the command line ---- */

static void overrides(void)
{
	expect_ok("[one]\ntext = a\n[two]\nlist = c.example, d.example\n");
	CU_ASSERT_EQUAL(config_override(&sample, keys, "one.text=b = c ; d", &why), 0);
	CU_ASSERT_STRING_EQUAL(sample.text, "b = c ; d");
	CU_ASSERT_EQUAL(config_override(&sample, keys, " two.list = e.example ", &why), 0);
	CU_ASSERT_EQUAL(sample.list.count, 1);
	CU_ASSERT_STRING_EQUAL(sample.list.items[0], "e.example");
	CU_ASSERT_EQUAL(config_override(&sample, keys, "two.list=", &why), 0);
	CU_ASSERT_EQUAL(sample.list.count, 0);
	CU_ASSERT_EQUAL(config_override(&sample, keys, "one.text=", &why), 0);
	CU_ASSERT_PTR_NULL(sample.text);
	CU_ASSERT_EQUAL(config_override(&sample, keys, "two.secret=base64:Zm9v", &why), 0);
	CU_ASSERT_EQUAL(sample.secret.length, 3);
	finish();
}

static void bad_overrides(void)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{"", "-o takes section.key=value"},
		{"one.text", "-o takes section.key=value"},
		{"text=a", "-o takes section.key=value"},
		{"text=a.b", "-o takes section.key=value"},
		{"three.text=a", "-o: [three] is an unknown section; there are: [one] [two]"},
		{"one.txt=a", "-o: txt is not a key of [one]; did you mean text?"},
		{"one.number=x", "-o one.number: `x' is not a whole number from 1 to 4294967295"},
		{"one.text=a\nb\x1b", "-o one.text: the value is not UTF-8 text without control "
				      "characters"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start();
		CU_ASSERT_EQUAL(config_override(&sample, keys, cases[i].text, &why), -EINVAL);
		CU_ASSERT_STRING_EQUAL(why.text, cases[i].reason);
		finish();
	}
}

/* ---- keys without effect ---- */

static size_t inert(char *names, size_t room)
{
	size_t count = 0;
	names[0] = '\0';
	for (const struct config_key *key = NULL; (key = config_next_inert(&sample, keys, key));) {
		snprintf(names + strlen(names), room - strlen(names), "%s ", key->name);
		count++;
	}
	return count;
}

static void inert_keys_are_told(void)
{
	char names[256];
	expect_ok("[one]\ntext = x\nnumber = 9\n");
	CU_ASSERT_EQUAL(inert(names, sizeof(names)), 0);
	/* Defaults spelled out, and values that are honoured, need no warning. */
	CU_ASSERT_EQUAL(add("[one]\nduration = 4000ms\nautomatic = 1\ncolour = blue\n"
			    "[two]\nlist = a.example\n b.example\nendpoints = [::], 0.0.0.0\n"
			    "pin =\nprefix =\n"),
		0);
	CU_ASSERT_EQUAL(inert(names, sizeof(names)), 0);
	CU_ASSERT_EQUAL(add("[one]\nduration = 5s\nautomatic = 2\ncolour = red\n"
			    "[two]\nlist = a.example\nendpoints = [::]:444, 0.0.0.0\n"
			    "prefixes = 10.0.0.0/8\nprefix = 10.0.0.0/8\nsecret = /x\n"
			    "pin = sha256://////////////////////////////////////////8=\n"
			    "other = x\n"),
		0);
	CU_ASSERT_EQUAL(inert(names, sizeof(names)), 10);
	CU_ASSERT_STRING_EQUAL(names, "colour automatic duration list prefix prefixes endpoints "
				      "secret pin other ");
	finish();
}

static const struct unit_test tests[] = {
	{"durations", durations},
	{"endpoints", endpoints},
	{"defaults stand until replaced", defaults_stand_until_replaced},
	{"values of every type", values_of_every_type},
	{"truths", truths},
	{"pins", pins},
	{"bad values name the right ones", bad_values_name_the_right_ones},
	{"no reason repeats a secret", no_reason_repeats_a_secret},
	{"every cut is invisible", every_cut_is_invisible},
	{"cuts at white space and semicolons", cuts_at_white_space_and_semicolons},
	{"long comments stay comments", long_comments_stay_comments},
	{"inline secrets of any length", inline_secrets_of_any_length},
	{"a secret may begin on the next line", a_secret_may_begin_on_the_next_line},
	{"lists are folded, repeated, separated by commas",
		lists_are_folded_repeated_and_separated_by_commas},
	{"a section may come twice", a_section_may_come_twice},
	{"files from anywhere", files_from_anywhere},
	{"octets that are no text", octets_that_are_no_text},
	{"lines that are wrong", lines_that_are_wrong},
	{"long lines that are wrong", long_lines_that_are_wrong},
	{"overrides", overrides},
	{"bad overrides", bad_overrides},
	{"inert keys are told", inert_keys_are_told},
};

UNIT_MAIN("config", tests)
