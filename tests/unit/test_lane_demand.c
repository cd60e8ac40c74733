/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/lane_demand in simulated time: calls, bulk, loss, refusals. */
#include "core/lane_demand.h"

#include "unit.h"

enum { MS = 1000, SECOND = 1000000, START = 1000 * SECOND, RTT = 120 * MS };

static struct lane_demand demand;
static uint64_t now;
static bool loss;

static void start(unsigned fixed, unsigned limit)
{
	now = START;
	loss = false;
	lane_demand_init(&demand, fixed, limit);
}

/* So many ms of what is named, in both directions; asked every 100 ms. */
static void pass_with(unsigned ms, bool voice, bool bulk, bool signalling)
{
	for (unsigned i = 0; i < ms; i += 10, now += 10 * MS) {
		if (voice && i % 20 == 0) {
			lane_demand_packet(&demand, SCHED_AUDIO, 200, true, now);
			lane_demand_packet(&demand, SCHED_AUDIO, 200, false, now);
		}
		if (bulk)
			lane_demand_packet(&demand, SCHED_BULK, 1500, false, now);
		if (signalling && i % 1000 == 0)
			lane_demand_packet(&demand, SCHED_SIGNALLING, 900, true, now);
		if (i % 100 == 0)
			lane_demand_wanted(&demand, loss, RTT, now);
	}
}

static void pass(unsigned ms, bool voice, bool bulk)
{
	pass_with(ms, voice, bulk, false);
}

#define WANTED(lanes, for_bulk)                                                       \
	do {                                                                          \
		struct lane_wanted is_ = lane_demand_wanted(&demand, loss, RTT, now); \
		CU_ASSERT_EQUAL(is_.realtime, (lanes));                               \
		CU_ASSERT_EQUAL(is_.bulk, (for_bulk));                                \
	} while (0)

static void test_one(void)
{
	start(0, 8);
	WANTED(1, false);
	pass_with(5000, false, false, true);
	WANTED(1, false);
	pass(5000, false, false);
	pass(5000, false, true);
	WANTED(1, false);
	loss = true; /* loss without a call is nobody's trouble */
	pass(5000, false, true);
	WANTED(1, false);
	CU_ASSERT_FALSE(lane_demand_has_call(&demand, now));
}

/* It is said at once that a call begins. */
static void test_begins(void)
{
	start(0, 8);
	for (unsigned i = 1; i <= 50; i++, now += 20 * MS)
		CU_ASSERT_EQUAL(lane_demand_packet(&demand, SCHED_AUDIO, 200, i % 2, now),
			i == 2 * CALL_PACKETS - 1);
}

/* Signalling beside bulk: a call may begin, and bulk is out of its way by then. */
static void test_ringing(void)
{
	start(0, 8);
	CU_ASSERT_FALSE(lane_demand_packet(&demand, SCHED_SIGNALLING, 900, true, now));
	WANTED(1, false);
	now += 4 * SECOND;
	pass(1000, false, true);
	WANTED(1, false);
	CU_ASSERT_TRUE(lane_demand_packet(&demand, SCHED_SIGNALLING, 900, false, now));
	WANTED(1, true);
	CU_ASSERT_FALSE(lane_demand_packet(&demand, SCHED_SIGNALLING, 900, true, now));
	pass(59000, false, true);
	WANTED(1, true);
	pass(8000, false, true);
	WANTED(1, false);
}

/* A few small UDP packets (DNS, STUN) are no call. */
static void test_stray_packets(void)
{
	start(0, 8);
	for (unsigned i = 0; i < 60; i++, now += SECOND) {
		for (unsigned k = 0; k < 3; k++)
			lane_demand_packet(&demand, SCHED_AUDIO, 80, true, now);
		WANTED(1, false);
	}
	CU_ASSERT_FALSE(lane_demand_has_call(&demand, now));
}

static void test_call_and_bulk(void)
{
	start(0, 8);
	pass(200, true, false);
	CU_ASSERT_TRUE(lane_demand_has_call(&demand, now));
	WANTED(2, false);
	pass(5000, true, false);
	WANTED(2, false);
	pass(100, true, true);
	WANTED(2, true);
	/* Either goes on alone: the lane for bulk stays a minute. */
	pass(60000, true, false);
	WANTED(2, true);
	pass(5000, true, false);
	WANTED(2, false);
	/* The call ends. */
	pass(60000, false, false);
	WANTED(2, false);
	pass(6000, false, false);
	WANTED(1, false);
	CU_ASSERT_FALSE(lane_demand_has_call(&demand, now));
}

/* Silence suppression is no end of a call. */
static void test_silence(void)
{
	start(0, 8);
	pass(1000, true, false);
	for (unsigned i = 0; i < 300; i++, now += 400 * MS) {
		lane_demand_packet(&demand, SCHED_AUDIO, 60, true, now);
		WANTED(2, false);
	}
	CU_ASSERT_TRUE(lane_demand_has_call(&demand, now));
	CU_ASSERT_FALSE(lane_demand_has_call(&demand, now + 5 * SECOND));
}

/* One call at 120 ms: 50 packets/s x (120 + 40) ms are 8 in flight. */
static void test_loss(void)
{
	static const struct {
		unsigned limit;
		uint32_t srtt;
		unsigned realtime;
	} cases[] = {{16, 120 * MS, 8}, {8, 120 * MS, 8}, {4, 120 * MS, 4}, {8, 20 * MS, 3},
		{8, 0, 2}, {16, 1000 * MS, 16}, {8, 50 * MS, 5}};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(0, cases[i].limit);
		pass(3000, true, false);
		WANTED(2, false);
		struct lane_wanted wanted = lane_demand_wanted(&demand, true, cases[i].srtt, now);
		CU_ASSERT_EQUAL(wanted.realtime, cases[i].realtime);
	}
	/* Bulk has its lane out of the same limit. */
	start(0, 8);
	loss = true;
	pass(3000, true, true);
	WANTED(7, true);
	/* No more loss: a minute later they go. */
	loss = false;
	pass(59000, true, true);
	WANTED(7, true);
	pass(2000, true, true);
	WANTED(2, true);
}

static void test_limits(void)
{
	static const struct {
		unsigned fixed, limit, realtime;
		bool bulk;
	} cases[] = {{0, 1, 1, false}, {0, 0, 1, false}, {0, 2, 1, true}, {0, 3, 2, true},
		{1, 8, 1, false}, {2, 8, 1, true}, {4, 8, 3, true}, {16, 99, 15, true},
		{4, 2, 1, true}, {4, 1, 1, false}};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(cases[i].fixed, cases[i].limit);
		pass(1000, true, true);
		WANTED(cases[i].realtime, cases[i].bulk);
	}
	/* With two lanes in all, a call without bulk has both. */
	start(0, 2);
	pass(1000, true, false);
	WANTED(2, false);
	lane_demand_limit(&demand, 1);
	WANTED(1, false);
}

static void test_refusal(void)
{
	start(0, 8);
	pass(1000, true, true);
	WANTED(2, true);
	lane_demand_refused(&demand, 2, 0, now);
	WANTED(1, true);
	pass(599 * 1000, true, true);
	WANTED(1, true);
	pass(2000, true, true);
	WANTED(2, true);
	/* Refused again: twice as long. */
	lane_demand_refused(&demand, 2, 0, now);
	pass(1199 * 1000, true, true);
	WANTED(1, true);
	pass(2000, true, true);
	WANTED(2, true);
	/* As long as told, when that is longer; and never none at all. */
	lane_demand_refused(&demand, 0, 3 * 3600 * (uint64_t)SECOND, now);
	WANTED(1, false);
	CU_ASSERT_EQUAL(
		lane_demand_wanted(&demand, false, RTT, now + 3 * 3600 * (uint64_t)SECOND - 1)
			.realtime,
		1);
	/* A lane that was lost and opened again says nothing about more of them;
	 * one more does. */
	start(0, 8);
	pass(1000, true, true);
	lane_demand_refused(&demand, 2, 0, now);
	lane_demand_opened(&demand, 2);
	WANTED(1, true);
	lane_demand_opened(&demand, 3);
	WANTED(2, true);
	CU_ASSERT_EQUAL(demand.backoff, 0);
}

static void test_backoff_is_bounded(void)
{
	start(0, 8);
	pass(1000, true, true);
	for (unsigned i = 0; i < 100; i++)
		lane_demand_refused(&demand, 1, 0, now);
	CU_ASSERT_EQUAL(demand.ceiling_until, now + 7200 * (uint64_t)SECOND);
}

static const struct unit_test tests[] = {
	{"a call begins", test_begins},
	{"signalling beside bulk", test_ringing},
	{"one is enough", test_one},
	{"stray packets", test_stray_packets},
	{"a call and bulk", test_call_and_bulk},
	{"silence suppression", test_silence},
	{"loss", test_loss},
	{"limits", test_limits},
	{"refusals", test_refusal},
	{"bounded back-off", test_backoff_is_bounded},
};

UNIT_MAIN("lane_demand", tests)
