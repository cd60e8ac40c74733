/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tools print: units, and text that must not reach a terminal raw. */
#include "ctl/words.h"

#include <stdlib.h>
#include <string.h>

#include "../unit/unit.h"

static void units_are_human(void)
{
	static const struct {
		uint64_t octets;
		const char *words;
	} sizes[] = {{0, "0 octets"}, {1, "1 octet"}, {1023, "1023 octets"}, {1024, "1.0 KiB"},
		{1536, "1.5 KiB"}, {1048575, "1.0 MiB"}, {1048576, "1.0 MiB"},
		{1288490188, "1.2 GiB"}, {UINT64_MAX, "16384.0 PiB"}};
	static const struct {
		double seconds;
		const char *words;
	} times[] = {{-1, "0 s"}, {0.4, "0 s"}, {59, "59 s"}, {59.6, "1 min"}, {61, "1 min 1 s"},
		{3600, "1 h"}, {7384, "2 h 3 min"}, {90061, "1 d 1 h"}, {86400.0 * 400, "400 d"}};
	static const struct {
		uint64_t count;
		const char *words;
	} counts[] = {{0, "0"}, {999, "999"}, {1000, "1,000"}, {1234567, "1,234,567"},
		{UINT64_MAX, "18,446,744,073,709,551,615"}};
	char text[WORDS_MAX];
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		CU_ASSERT_STRING_EQUAL(words_octets(sizes[i].octets, text), sizes[i].words);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		CU_ASSERT_STRING_EQUAL(words_duration(times[i].seconds, text), times[i].words);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		CU_ASSERT_STRING_EQUAL(words_count(counts[i].count, text), counts[i].words);
	CU_ASSERT_STRING_EQUAL(words_milliseconds(1.24, text), "1.2 ms");
	CU_ASSERT_STRING_EQUAL(words_milliseconds(240.4, text), "240 ms");
}

static void harmful_text_is_escaped(void)
{
	static const struct {
		const char *raw, *clean;
	} cases[] = {
		{"plain", "plain"},
		{"j\xc3\xbcrgen \xe4\xbe\x8b \xf0\x9f\x93\x9e",
			"j\xc3\xbcrgen \xe4\xbe\x8b \xf0\x9f\x93\x9e"},
		{"\x1b[31m\n\x7f", "\\x1b[31m\\x0a\\x7f"},
		{"\xc2\x9b"
		 "2J",
			"\\u{009b}2J"},
		{"a\xe2\x80\xae"
		 "b\xe2\x81\xa6\xe2\x80\xa8",
			"a\\u{202e}b\\u{2066}\\u{2028}"},
		/* no UTF-8 at all, or cut short */
		{"\x9b"
		 "2J",
			"\\x9b2J"},
		{"\xff\xfe", "\\xff\\xfe"},
		{"\xe2\x80", "\\xe2\\x80"},
		{"\xf0", "\\xf0"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = NULL;
		size_t length = 0;
		FILE *out = open_memstream(&text, &length);
		words_put(out, cases[i].raw);
		fclose(out);
		CU_ASSERT_STRING_EQUAL(text, cases[i].clean);
		free(text);
	}
}

static void members_may_be_absent(void)
{
	json_t *object = json_pack("{s:s, s:i, s:i, s:[s,s], s:[]}", "text", "x", "count", 5,
		"negative", -5, "list", "a", "b", "empty");
	static const struct {
		const char *key, *words;
	} lists[] = {{"list", "a, b"}, {"empty", ""}, {"none", ""}, {"text", ""}};
	CU_ASSERT_STRING_EQUAL(member_text(object, "text"), "x");
	CU_ASSERT_STRING_EQUAL(member_text(object, "count"), "");
	CU_ASSERT_STRING_EQUAL(member_text(NULL, "text"), "");
	CU_ASSERT_EQUAL(member_count(object, "count"), 5);
	CU_ASSERT_EQUAL(member_count(object, "negative"), 0);
	CU_ASSERT_EQUAL(member_count(object, "none"), 0);
	CU_ASSERT_EQUAL(member_sum(object), 0);
	CU_ASSERT_EQUAL(member_sum(NULL), 0);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		char *list = member_list(object, lists[i].key);
		CU_ASSERT_STRING_EQUAL(list, lists[i].words);
		free(list);
	}
	json_decref(object);
}

static const struct unit_test tests[] = {
	{"units are human", units_are_human},
	{"harmful text is escaped", harmful_text_is_escaped},
	{"members may be absent", members_may_be_absent},
};

UNIT_MAIN("ctl words", tests)
