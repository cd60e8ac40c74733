/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/rate_limit.h"

#include <stdlib.h>

#include "unit.h"

enum { INTERVAL = 1000, BURST = 50, SECOND = 1000000, RATE = SECOND / INTERVAL };

/* How many of `tries` pass that come `apart` us after each other. */
static unsigned passed(struct rate_limit *limit, uint64_t *now, unsigned tries, uint64_t apart)
{
	unsigned count = 0;
	for (unsigned i = 0; i < tries; i++, *now += apart)
		count += rate_limit_pass(limit, *now, INTERVAL, BURST);
	return count;
}

static void test_burst(void)
{
	struct rate_limit limit = {0};
	uint64_t now = 7 * SECOND;
	CU_ASSERT_EQUAL(passed(&limit, &now, 200, 0), BURST);
	now += 10000; /* ten more may pass */
	CU_ASSERT_EQUAL(passed(&limit, &now, 200, 0), 10);
	now += 3600ull * SECOND; /* silence is saved up to one burst only */
	CU_ASSERT_EQUAL(passed(&limit, &now, 200, 0), BURST);
}

static void test_long_run(void)
{
	struct rate_limit limit = {0};
	uint64_t now = 0;
	CU_ASSERT_EQUAL(passed(&limit, &now, 1000, 1000), 1000); /* at the rate: all */
	limit = (struct rate_limit){0};
	now = 0;
	unsigned count = passed(&limit, &now, 100000, 100); /* ten times too often, 10 s */
	CU_ASSERT_TRUE(count >= 10 * RATE && count <= 10 * RATE + BURST);
}

static void test_one_at_a_time(void)
{
	struct rate_limit limit = {0};
	CU_ASSERT_TRUE(rate_limit_pass(&limit, 0, SECOND, 1));
	CU_ASSERT_FALSE(rate_limit_pass(&limit, SECOND - 1, SECOND, 1));
	CU_ASSERT_TRUE(rate_limit_pass(&limit, SECOND, SECOND, 1));
}

/* The invariant, over every window of a random run. */
static void test_invariant(void)
{
	enum { TRIES = 2000 };
	static uint64_t times[TRIES];
	struct rate_limit limit = {0};
	uint64_t now = 0;
	unsigned count = 0;
	srand(24328);
	for (unsigned i = 0; i < TRIES; i++) {
		now += (uint64_t)(rand() % 8 ? rand() % 600 : rand() % 20000);
		if (rate_limit_pass(&limit, now, INTERVAL, BURST))
			times[count++] = now;
	}
	CU_ASSERT_TRUE(count > 500 && count < TRIES);
	for (unsigned first = 0; first < count; first++)
		for (unsigned last = first; last < count; last++)
			CU_ASSERT_TRUE_FATAL(last - first + 1 <=
					     BURST + (times[last] - times[first]) / INTERVAL);
}

/* Not a microsecond earlier than it says, and then it does. */
static void test_next(void)
{
	enum { APART = 10 * SECOND, MOST = 8 };
	struct rate_limit limit = {0};
	uint64_t now = 5 * SECOND;
	CU_ASSERT_TRUE(rate_limit_next(&limit, APART, MOST) <= now);
	for (int i = 0; i < MOST; i++)
		CU_ASSERT_TRUE(rate_limit_pass(&limit, now, APART, MOST));
	CU_ASSERT_EQUAL(rate_limit_next(&limit, APART, MOST), now + APART);
	CU_ASSERT_FALSE(rate_limit_pass(&limit, now + APART - 1, APART, MOST));
	CU_ASSERT_TRUE(rate_limit_pass(&limit, now + APART, APART, MOST));
	CU_ASSERT_EQUAL(rate_limit_next(&limit, APART, MOST), now + 2 * APART);
}

static const struct unit_test tests[] = {
	{"rate limit: a burst after silence", test_burst},
	{"rate limit: in the long run", test_long_run},
	{"rate limit: one at a time", test_one_at_a_time},
	{"rate limit: the invariant", test_invariant},
	{"rate limit: when the next one may pass", test_next},
};

UNIT_MAIN("rate_limit", tests)
