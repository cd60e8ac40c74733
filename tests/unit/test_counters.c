/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/counters.h"

#include <string.h>

#include "unit.h"

static void every_counter_has_a_name(void)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		const char *name = counter_name(i);
		CU_ASSERT_PTR_NOT_NULL_FATAL(name);
		CU_ASSERT_PTR_NOT_NULL_FATAL(counter_help(i));
		CU_ASSERT(strlen(counter_help(i)) > 0);
		/* As metrics and JSON take it without quoting. */
		CU_ASSERT(name[0] && strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name));
		for (unsigned other = 0; other < i; other++)
			CU_ASSERT_STRING_NOT_EQUAL(name, counter_name(other));
	}
}

static void names_follow_symbols(void)
{
	CU_ASSERT_STRING_EQUAL(counter_name(COUNTER_PACKETS_UP), "packets_up");
	CU_ASSERT_STRING_EQUAL(counter_name(COUNTER_DROP_STALE), "drop_stale");
	CU_ASSERT_STRING_EQUAL(counter_name(COUNTER_DROP_PLAIN_CONTROL), "drop_plain_control");
	CU_ASSERT_STRING_EQUAL(counter_help(COUNTER_KEEPALIVES_SENT), "Keep-alive Requests sent");
}

static void sum_adds_each(void)
{
	struct counters total = {{0}}, more = {{0}};
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		counter_add(&total, i, 1000);
		counter_add(&more, i, i);
		counter_add(&more, i, 1);
	}
	more.value[COUNTER_OCTETS_DOWN] = UINT64_C(1) << 40;
	counters_sum(&total, &more);
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		uint64_t added = i == COUNTER_OCTETS_DOWN ? UINT64_C(1) << 40 : i + 1;
		CU_ASSERT_EQUAL(total.value[i], 1000 + added);
		CU_ASSERT_EQUAL(more.value[i], added);
	}
}

static const struct unit_test tests[] = {
	{"every counter has a name of its own", every_counter_has_a_name},
	{"names follow symbols", names_follow_symbols},
	{"sum adds each value", sum_adds_each},
};

UNIT_MAIN("counters", tests)
