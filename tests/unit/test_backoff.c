/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/backoff.h"
#include "unit.h"

static const uint32_t draws[] = {0, 1, UINT32_MAX / 2, UINT32_MAX};

/* Wait n lies in the upper half of 0.5 s * 2^n, and of 60 s in the end. */
static void test_doubling(void)
{
	static const uint64_t steps[] = {500000, 1000000, 2000000, 4000000, 8000000, 16000000,
		32000000, 60000000, 60000000, 60000000};
	for (size_t d = 0; d < sizeof(draws) / sizeof(draws[0]); d++) {
		struct backoff backoff;
		backoff_reset(&backoff);
		for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
			uint64_t wait = backoff_next(&backoff, draws[d], 0);
			CU_ASSERT(wait >= steps[i] / 2);
			CU_ASSERT(wait <= steps[i]);
		}
	}
}

static void test_ends_of_the_draw(void)
{
	struct backoff backoff = {0};
	CU_ASSERT_EQUAL(backoff_next(&backoff, 0, 0), 250000);
	CU_ASSERT_EQUAL(backoff_next(&backoff, UINT32_MAX, 0), 1000000);
	CU_ASSERT_EQUAL(backoff_next(&backoff, UINT32_C(1) << 31, 0), 1500000);
}

static void test_reset(void)
{
	struct backoff backoff = {0};
	for (int i = 0; i < 100; i++)
		backoff_next(&backoff, 7, 0);
	CU_ASSERT_EQUAL(backoff_next(&backoff, 0, 0), 30000000);
	backoff_reset(&backoff);
	CU_ASSERT_EQUAL(backoff_next(&backoff, 0, 0), 250000);
}

/* The peer's retry-after is never undercut, and clients that got the same one
 * spread behind it. */
static void test_at_least(void)
{
	static const uint64_t asked[] = {
		1, 600000, 30000000, 3600000000, UINT64_C(4294967295000000), UINT64_MAX};
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		for (size_t d = 0; d < sizeof(draws) / sizeof(draws[0]); d++) {
			struct backoff backoff = {0};
			CU_ASSERT(backoff_next(&backoff, draws[d], asked[i]) >= asked[i]);
		}
	struct backoff one = {0}, other = {0};
	uint64_t early = backoff_next(&one, 0, 30000000);
	uint64_t late = backoff_next(&other, UINT32_MAX, 30000000);
	CU_ASSERT_EQUAL(early, 30000000);
	CU_ASSERT_EQUAL(late, 33750000);
}

static const struct unit_test tests[] = {
	{"each wait doubles, up to 60 s", test_doubling},
	{"drawn from the whole upper half", test_ends_of_the_draw},
	{"reset starts again", test_reset},
	{"retry-after is respected and spread", test_at_least},
};

UNIT_MAIN("backoff", tests)
