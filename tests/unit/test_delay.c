/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/delay: quantiles within a bucket of the truth, and that old ones fade. */
#include "core/delay.h"

#include <string.h>

#include "unit.h"

enum { NOW = 5000000 };

/* A single value is told at its bucket's end: never less, at most a quarter
 * more. */
static void test_resolution(void)
{
	CU_ASSERT(sizeof(struct delay) <= 192);
	for (uint64_t us = 1; us < 4000000; us += 1 + us / 7) {
		struct delay delay = {.faded = NOW};
		delay_note(&delay, us, NOW);
		uint32_t told = delay_quantile(&delay, 500, NOW);
		CU_ASSERT(told > us || (us < DELAY_SMALLEST && told == DELAY_SMALLEST));
		CU_ASSERT(us < DELAY_SMALLEST || told <= us + us / 4 + 1);
		CU_ASSERT_EQUAL(delay_quantile(&delay, 1, NOW), told);
		CU_ASSERT_EQUAL(delay_quantile(&delay, 1000, NOW), told);
	}
}

static void test_extremes(void)
{
	struct delay delay = {.faded = NOW};
	CU_ASSERT_EQUAL(delay_quantile(&delay, 500, NOW), 0);
	delay_note(&delay, 0, NOW);
	CU_ASSERT_EQUAL(delay_quantile(&delay, 500, NOW), DELAY_SMALLEST);
	delay_note(&delay, UINT64_MAX, NOW);
	CU_ASSERT_EQUAL(delay_quantile(&delay, 1000, NOW), 1 << 22);
	CU_ASSERT_EQUAL(delay_quantile(&delay, 500, NOW), DELAY_SMALLEST);
}

/* 1 to 1000 us once each: the quantiles are known. */
static void test_quantiles(void)
{
	static const struct {
		unsigned permille;
		uint32_t at_least, at_most;
	} cases[] = {{10, 10, 16}, {500, 500, 625}, {900, 900, 1024}, {990, 990, 1024}};
	struct delay delay = {.faded = NOW};
	for (uint64_t us = 1000; us > 0; us--)
		delay_note(&delay, us, NOW);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t told = delay_quantile(&delay, cases[i].permille, NOW);
		CU_ASSERT(told >= cases[i].at_least && told <= cases[i].at_most);
	}
}

/* A bad minute is forgotten in the next ones. */
static void test_fading(void)
{
	struct delay delay = {.faded = NOW};
	for (unsigned i = 0; i < 1000; i++)
		delay_note(&delay, 100000, NOW);
	for (unsigned i = 0; i < 1000; i++)
		delay_note(&delay, 100, NOW + DELAY_HALF_LIFE - 1);
	CU_ASSERT(delay_quantile(&delay, 510, NOW + DELAY_HALF_LIFE - 1) >= 100000);
	/* 1000 of 100 us more at each half-life: 125 of 2000 are bad, then 1. */
	for (unsigned round = 1; round <= 10; round++)
		for (unsigned i = 0; i < 1000; i++)
			delay_note(&delay, 100, NOW + round * (uint64_t)DELAY_HALF_LIFE);
	CU_ASSERT(delay_quantile(&delay, 999, NOW + 10 * (uint64_t)DELAY_HALF_LIFE) <= 128);
	CU_ASSERT(delay.total > 1000 && delay.total < 2100);
	CU_ASSERT_EQUAL(delay_quantile(&delay, 999, NOW + 1000 * (uint64_t)DELAY_HALF_LIFE), 0);
}

static void test_many(void)
{
	struct delay delay = {.faded = NOW};
	for (unsigned i = 0; i < 1000000; i++)
		delay_note(&delay, i % 100 == 0 ? 5000 : 50, NOW);
	CU_ASSERT_EQUAL(delay_quantile(&delay, 500, NOW), 56);
	CU_ASSERT(delay_quantile(&delay, 995, NOW) > 5000);
	uint32_t sum = 0;
	for (unsigned i = 0; i < DELAY_BUCKETS; i++)
		sum += delay.count[i];
	CU_ASSERT_EQUAL(sum, delay.total);
}

static const struct unit_test tests[] = {
	{"resolution", test_resolution},
	{"extremes", test_extremes},
	{"quantiles", test_quantiles},
	{"old ones fade", test_fading},
	{"a million", test_many},
};

UNIT_MAIN("delay", tests)
