/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/text.h"

#include "hex.h"
#include "unit.h"

static const struct {
	const char *octets;
	bool clean;
} texts[] = {
	{"", true},
	{"20", true},
	{"7e", true},
	{"41 c3a9 e282ac f09f9880", true}, /* A e-acute euro emoji */
	{"00", false},
	{"1f", false},
	{"0a", false},
	{"41 1b 5b", false}, /* an escape sequence */
	{"7f", false},
	{"c280", false}, /* first and last of C1 */
	{"c29f", false},
	{"c2a0", true},
	{"80", false}, /* a continuation alone */
	{"bf", false},
	{"c3", false}, /* cut short */
	{"c3 41", false},
	{"e282", false},
	{"e28241", false},
	{"e241ac", false},
	{"f09f98", false},
	{"f09f9841", false},
	{"c0af", false}, /* overlong */
	{"c1bf", false},
	{"e09fbf", false},
	{"e0a080", true}, /* U+0800 */
	{"f08fbfbf", false},
	{"f0908080", true}, /* U+10000 */
	{"ed9fbf", true},   /* U+D7FF */
	{"eda080", false},  /* surrogates */
	{"edbfbf", false},
	{"ee8080", true},   /* U+E000 */
	{"f48fbfbf", true}, /* U+10FFFF */
	{"f4908080", false},
	{"f5808080", false},
	{"ff", false},
	{"fe", false},
};

static void clean_text(void)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t length;
		uint8_t *octets = hex_new(texts[i].octets, &length);
		if (text_is_clean(octets, length) != texts[i].clean)
			CU_FAIL(texts[i].octets);
		free(octets);
	}
}

static bool ask(bool (*question)(const uint8_t *, size_t), const char *text)
{
	size_t length = strlen(text);
	uint8_t *exact = malloc(length ? length : 1);
	if (!exact)
		abort();
	memcpy(exact, text, length);
	bool answer = question(exact, length);
	free(exact);
	return answer;
}

static const struct {
	const char *name;
	bool good;
} host_names[] = {
	{"a", true},
	{"pcscf.ims.example", true},
	{"x_1.sip-2.EXAMPLE", true},
	{"10.0.0.1", true},
	{"", false},
	{".", false},
	{".a", false},
	{"a.", false},
	{"a..b", false},
	{"-a.b", false},
	{"a-.b", false},
	{"a.-b", false},
	{"a.b-", false},
	{"a b", false},
	{"a;b", false},
	{"$(x)", false},
	{"a/b", false},
	{"a:1", false},
	{"b\xc3\xbc"
	 "cher",
		false},
	{"a\n", false},
};

static void host_name(void)
{
	for (size_t i = 0; i < sizeof(host_names) / sizeof(host_names[0]); i++)
		if (ask(text_is_host_name, host_names[i].name) != host_names[i].good)
			CU_FAIL(host_names[i].name);
	CU_ASSERT_FALSE(text_is_host_name((const uint8_t *)"a\0b", 3));
}

static void host_name_lengths(void)
{
	uint8_t name[255];
	memset(name, 'a', sizeof(name));
	CU_ASSERT_TRUE(text_is_host_name(name, 63));
	CU_ASSERT_FALSE(text_is_host_name(name, 64));
	name[63] = name[127] = name[191] = '.';
	CU_ASSERT_TRUE(text_is_host_name(name, 253));
	CU_ASSERT_FALSE(text_is_host_name(name, 254));
}

static const struct {
	const char *text;
	bool good;
} host_ports[] = {
	{"tscf.example:443", true},
	{"192.0.2.1:1", true},
	{"[2001:db8::1]:65535", true},
	{"[::]:443", true},
	{"", false},
	{":", false},
	{"tscf.example", false},
	{"tscf.example:", false},
	{":443", false},
	{"tscf.example:0", false},
	{"tscf.example:65536", false},
	{"tscf.example:100000", false},
	{"tscf.example:4x3", false},
	{"tscf.example:-1", false},
	{"a:b:443", false},
	{"2001:db8::1:443", false},
	{"[2001:db8::1]", false},
	{"[2001:db8::1:443", false},
	{"[192.0.2.1]:443", false},
	{"[]:443", false},
	{"[:443", false},
	{"[fe80::1%eth0]:443", false},
	{"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:443", false},
};

static void host_port(void)
{
	for (size_t i = 0; i < sizeof(host_ports) / sizeof(host_ports[0]); i++)
		if (ask(text_is_host_port, host_ports[i].text) != host_ports[i].good)
			CU_FAIL(host_ports[i].text);
	CU_ASSERT_FALSE(text_is_host_port((const uint8_t *)"[::\0]:443", 9));
}

static const struct unit_test tests[] = {
	{"UTF-8 without controls", clean_text},
	{"host names", host_name},
	{"lengths of host names", host_name_lengths},
	{"host and port", host_port},
};

UNIT_MAIN("text", tests)
