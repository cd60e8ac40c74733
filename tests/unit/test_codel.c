/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/codel: the times at which RFC 8289 drops, in simulated time. */
#include "core/codel.h"

#include <stddef.h>

#include "unit.h"

enum { MS = 1000, MTU = 1514, PLENTY = 100000 };

/* A queue in which every packet has waited 10 ms, asked once per ms: the
 * first drop comes after one interval, then after 100 ms / sqrt(n). */
static void test_drop_times(void)
{
	static const unsigned expected[] = {100, 200, 271, 329, 379, 424, 465, 502};
	enum { COUNT = sizeof(expected) / sizeof(expected[0]) };
	struct codel codel = {0};
	size_t drops = 0;
	for (unsigned ms = 0; ms <= 502; ms++) {
		if (!codel_drops(&codel, 10 * MS, PLENTY, MTU, 50 * MS + ms * MS))
			continue;
		CU_ASSERT_FATAL(drops < COUNT);
		CU_ASSERT_EQUAL(ms, expected[drops]);
		drops++;
	}
	CU_ASSERT_EQUAL(drops, COUNT);
}

/* Drops per 10 s of a queue in which every packet has waited `sojourn`. */
static unsigned drops_of(uint64_t sojourn, uint32_t remaining, uint32_t unit)
{
	struct codel codel = {0};
	unsigned drops = 0;
	for (uint64_t now = 1; now < 10000 * MS; now += MS)
		drops += codel_drops(&codel, sojourn, remaining, unit, now);
	return drops;
}

static void test_good_queues(void)
{
	CU_ASSERT_EQUAL(drops_of(CODEL_TARGET - 1, PLENTY, MTU), 0);
	CU_ASSERT(drops_of(CODEL_TARGET, PLENTY, MTU) > 100);
	/* One packet behind this one is no queue. */
	CU_ASSERT_EQUAL(drops_of(50 * MS, MTU, MTU), 0);
	CU_ASSERT(drops_of(50 * MS, MTU + 1, MTU) > 100);
	CU_ASSERT_EQUAL(drops_of(50 * MS, 65536, 65536), 0);
	CU_ASSERT(drops_of(50 * MS, 65537, 65536) > 100);
}

/* One packet in time within each interval: never a drop. */
static void test_bursts(void)
{
	struct codel codel = {0};
	for (unsigned ms = 0; ms < 5000; ms++) {
		uint64_t sojourn = ms % 100 == 99 ? 1 * MS : 30 * MS;
		CU_ASSERT_FALSE(codel_drops(&codel, sojourn, PLENTY, MTU, 1 + ms * MS));
	}
}

static void test_stops(void)
{
	struct codel codel = {0};
	unsigned ms = 0;
	while (!codel_drops(&codel, 10 * MS, PLENTY, MTU, 1 + ms * MS))
		CU_ASSERT_FATAL(++ms <= 100);
	CU_ASSERT_TRUE(codel.dropping);
	CU_ASSERT_FALSE(codel_drops(&codel, 1 * MS, PLENTY, MTU, 1 + ++ms * MS));
	CU_ASSERT_FALSE(codel.dropping);
	/* It takes another whole interval to begin again. */
	unsigned again = ms + 1;
	for (ms = again; ms < again + 100; ms++)
		CU_ASSERT_FALSE(codel_drops(&codel, 10 * MS, PLENTY, MTU, 1 + ms * MS));
	CU_ASSERT_TRUE(codel_drops(&codel, 10 * MS, PLENTY, MTU, 1 + ms * MS));
}

/* Runs into dropping for `ms`, then lets one packet pass in time. */
static uint64_t congest(struct codel *codel, uint64_t now, unsigned ms)
{
	for (uint64_t end = now + (uint64_t)ms * MS; now < end; now += MS)
		codel_drops(codel, 10 * MS, PLENTY, MTU, now);
	codel_drops(codel, 0, PLENTY, MTU, now);
	return now + MS;
}

/* Congestion that is soon back meets the rate that it had reached; after a
 * long rest it starts at one. */
static void test_remembers_rate(void)
{
	struct codel soon = {0}, late = {0};
	uint64_t now = congest(&soon, 1, 1000);
	late = soon;
	uint32_t reached = soon.count;
	CU_ASSERT(reached > 10);
	congest(&soon, now, 102);
	CU_ASSERT_EQUAL(soon.count, reached - 1);
	congest(&late, now + 2000 * MS, 102);
	CU_ASSERT_EQUAL(late.count, 1);
}

static const struct unit_test tests[] = {
	{"drop times under a standing queue", test_drop_times},
	{"short waits and single packets are no queue", test_good_queues},
	{"bursts pass", test_bursts},
	{"dropping stops with the queue", test_stops},
	{"the rate is remembered for a while", test_remembers_rate},
};

UNIT_MAIN("codel", tests)
