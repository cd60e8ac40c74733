/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/lane_loss: what counts as loss, and for how long. */
#include "core/lane_loss.h"

#include "unit.h"

enum { SECOND = 1000000, START = 100 * SECOND };

static void test_threshold(void)
{
	static const struct {
		uint32_t segments, lost;
		bool seen;
		uint32_t ppm;
	} cases[] = {
		{0, 0, false, 0},
		{500, 0, false, 0},
		{100, 1, false, 10000}, /* one is chance */
		{500, 2, true, 4000},
		{800, 2, true, 2500},
		{801, 2, false, 2496},
		{0, 2, true, 0},
		{3, 9, true, 1000000},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lane_loss loss = {0};
		lane_loss_measured(&loss, cases[i].segments, cases[i].lost, START);
		CU_ASSERT_EQUAL(lane_loss_seen(&loss, START), cases[i].seen);
		CU_ASSERT_EQUAL(lane_loss_ppm(&loss, START), cases[i].ppm);
	}
}

/* Nobody asks, nobody measures: it is forgotten all the same. */
static void test_forgotten(void)
{
	struct lane_loss loss = {0};
	lane_loss_measured(&loss, 100, 5, START);
	CU_ASSERT_TRUE(lane_loss_seen(&loss, START + 2 * LANE_LOSS_PERIOD - 1));
	CU_ASSERT_FALSE(lane_loss_seen(&loss, START + 2 * LANE_LOSS_PERIOD));
}

/* Losses at the start, then none: seen for one to two periods. */
static void test_periods(void)
{
	struct lane_loss loss = {0};
	uint64_t now = START, last_seen = 0;
	lane_loss_measured(&loss, 0, 0, now);
	for (unsigned second = 0; second < 60; second++, now += SECOND) {
		lane_loss_measured(&loss, 50, second < 8, now);
		if (lane_loss_seen(&loss, now))
			last_seen = now;
	}
	CU_ASSERT(last_seen >= START + 7 * SECOND + LANE_LOSS_PERIOD);
	CU_ASSERT(last_seen <= START + 7 * SECOND + 2 * LANE_LOSS_PERIOD);
	/* After a gap the old does not count as the period before. */
	lane_loss_measured(&loss, 50, 5, now);
	now += 3 * LANE_LOSS_PERIOD;
	lane_loss_measured(&loss, 50, 1, now);
	CU_ASSERT_FALSE(lane_loss_seen(&loss, now));
}

static const struct unit_test tests[] = {
	{"threshold", test_threshold},
	{"forgotten", test_forgotten},
	{"periods", test_periods},
};

UNIT_MAIN("lane_loss", tests)
