/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What may reach a hook, and what may not. */
#include "core/hook_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static const struct hook_values good = {{"up", "strict", "tunnel-proxy", "proxy", "tse0",
	"10.45.0.2/16", "fd00:45::2/64", "10.99.0.10 2001:db8::5 p-cscf.ims.example", "keep",
	"office.2", "17", "10.99.0.53 fd99::53", "ims.example core.example"}};

static char message[HOOK_MESSAGE_MAX];

static size_t put(const struct hook_values *values)
{
	enum hook_value fault;
	return hook_message_put(values, message, sizeof(message), &fault);
}

/* From a block of exactly that size, so that sanitizers see a read behind it. */
static bool get(const char *octets, size_t length)
{
	struct hook_values values;
	char *exact = malloc(length ? length : 1);
	if (!exact)
		abort();
	memcpy(exact, octets, length);
	bool ok = hook_message_get(exact, length, &values);
	free(exact);
	return ok;
}

static void test_there_and_back(void)
{
	struct hook_values values;
	size_t length = put(&good);
	CU_ASSERT_TRUE_FATAL(length > 0);
	CU_ASSERT_TRUE_FATAL(hook_message_get(message, length, &values));
	for (size_t i = 0; i < HOOK_VALUES; i++)
		CU_ASSERT_STRING_EQUAL(values.text[i], good.text[i]);

	length = put(&(struct hook_values){0});
	CU_ASSERT_EQUAL(length, HOOK_VALUES);
	CU_ASSERT_TRUE_FATAL(hook_message_get(message, length, &values));
	for (size_t i = 0; i < HOOK_VALUES; i++)
		CU_ASSERT_STRING_EQUAL(values.text[i], "");
}

static void test_variables(void)
{
	CU_ASSERT_STRING_EQUAL(hook_variable(HOOK_STATE), "TSE_STATE");
	CU_ASSERT_STRING_EQUAL(hook_variable(HOOK_GENERATION), "TSE_GENERATION");
	for (enum hook_value i = 0; i < HOOK_VALUES; i++)
		CU_ASSERT_EQUAL(strncmp(hook_variable(i), "TSE_", 4), 0);
}

/* Neither sent nor, from who sends it all the same, accepted. */
static void test_unfit_values(void)
{
	static const char *const unfit[] = {"a\nb", "a\x1b", "a'b", "a\"b", "$a", "`a`", "a;b",
		"a&b", "a|b", "a>b", "a\\b", "a=b", "a*", "a\xc3\xbc", "a\x7f", "a\tb"};
	for (enum hook_value i = 0; i < HOOK_VALUES; i++)
		for (size_t j = 0; j < sizeof(unfit) / sizeof(*unfit); j++) {
			struct hook_values values = good;
			char raw[HOOK_MESSAGE_MAX];
			enum hook_value fault = HOOK_VALUES;
			size_t used = 0;
			values.text[i] = unfit[j];
			CU_ASSERT_EQUAL(
				hook_message_put(&values, message, sizeof(message), &fault), 0);
			CU_ASSERT_EQUAL(fault, i);
			for (size_t k = 0; k < HOOK_VALUES; k++) {
				strcpy(raw + used, values.text[k]);
				used += strlen(values.text[k]) + 1;
			}
			CU_ASSERT_FALSE(get(raw, used));
		}
}

static void test_alphabets_differ(void)
{
	static const struct {
		enum hook_value value;
		const char *text;
	} unfit[] = {{HOOK_GENERATION, "-1"}, {HOOK_GENERATION, "1a"}, {HOOK_INNER4, "10.0.0.x"},
		{HOOK_STATE, "a b"}, {HOOK_PROFILE, "a/b"}, {HOOK_IFACE, "a/b"},
		{HOOK_INNER6, "fe80::1 fe80::2"}, {HOOK_DNS, "dns.example"}, {HOOK_DOMAINS, "a;b"}};
	for (size_t i = 0; i < sizeof(unfit) / sizeof(*unfit); i++) {
		struct hook_values values = good;
		values.text[unfit[i].value] = unfit[i].text;
		CU_ASSERT_EQUAL(put(&values), 0);
	}
}

static void test_lengths(void)
{
	static char text[HOOK_VALUE_MAX + 1];
	struct hook_values values = good;
	memset(text, '1', HOOK_VALUE_MAX);
	values.text[HOOK_PCSCF] = text;
	CU_ASSERT_EQUAL(put(&values), 0);
	text[HOOK_VALUE_MAX - 1] = '\0';
	values.text[HOOK_DOMAINS] = text; /* both at their longest fit into a message */
	CU_ASSERT_TRUE(put(&values) > 2 * (HOOK_VALUE_MAX - 1));
	values.text[HOOK_DOMAINS] = "";
	text[21] = '\0';
	values.text[HOOK_GENERATION] = text;
	CU_ASSERT_EQUAL(put(&values), 0);
	values.text[HOOK_GENERATION] = text + 1;
	CU_ASSERT_TRUE(put(&values) > 0);
	/* a message that is an octet too long for its buffer */
	enum hook_value fault;
	size_t length = put(&good);
	CU_ASSERT_EQUAL(hook_message_put(&good, message, length - 1, &fault), 0);
	CU_ASSERT_EQUAL(fault, HOOK_DOMAINS);
	CU_ASSERT_EQUAL(hook_message_put(&good, message, length, &fault), length);
	CU_ASSERT_EQUAL(hook_message_put(&good, message, 0, &fault), 0);
}

static void test_malformed(void)
{
	size_t length = put(&good);
	CU_ASSERT_TRUE(get(message, length));
	for (size_t cut = 0; cut < length; cut++)
		CU_ASSERT_FALSE(get(message, cut));
	message[length] = '\0';
	CU_ASSERT_FALSE(get(message, length + 1)); /* one value more */
	memmove(message + 1, message, length);
	message[0] = '\0';
	CU_ASSERT_FALSE(get(message, length + 1));
}

static const struct unit_test tests[] = {
	{"there and back", test_there_and_back},
	{"variables", test_variables},
	{"unfit values", test_unfit_values},
	{"alphabets differ", test_alphabets_differ},
	{"lengths", test_lengths},
	{"malformed", test_malformed},
};

UNIT_MAIN("hook_message", tests)
