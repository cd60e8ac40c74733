/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/call and core/call_quality: when a call is up, and what becomes of it. */
#include "core/call.h"
#include "core/call_quality.h"

#include "unit.h"

enum { MS = 1000, SECOND = 1000000, START = 100 * SECOND };

static void test_begins_and_ends(void)
{
	struct call call = {0};
	uint64_t now = START;
	CU_ASSERT_FALSE(call_is_up(&call, now));
	for (unsigned i = 1; i <= 50; i++, now += 20 * MS) {
		CU_ASSERT_EQUAL(call_packet(&call, true, now), i == CALL_PACKETS);
		CU_ASSERT_EQUAL(call_is_up(&call, now), i >= CALL_PACKETS);
	}
	CU_ASSERT_EQUAL(call.since, START + (CALL_PACKETS - 1) * 20 * MS);
	CU_ASSERT_EQUAL(call_rate(&call), 50);
	now -= 20 * MS;
	CU_ASSERT_TRUE(call_is_up(&call, now + CALL_QUIET_US - 1));
	CU_ASSERT_FALSE(call_is_up(&call, now + CALL_QUIET_US));
	/* A pause with a packet now and then goes on; a stray one is no call. */
	for (unsigned i = 0; i < 20; i++) {
		now += 4 * SECOND;
		call_packet(&call, false, now);
		CU_ASSERT_TRUE(call_is_up(&call, now));
	}
	now += 6 * SECOND;
	call_packet(&call, false, now);
	CU_ASSERT_FALSE(call_is_up(&call, now));
}

/* Three packets each way are not six of a call. */
static void test_directions(void)
{
	struct call call = {0};
	for (unsigned i = 0; i < CALL_PACKETS - 1; i++) {
		call_packet(&call, true, START + i);
		call_packet(&call, false, START + i);
	}
	CU_ASSERT_FALSE(call_is_up(&call, START + 100));
	CU_ASSERT_EQUAL(call_rate(&call), CALL_PACKETS - 1);
}

/* Each thing that makes a call worse lowers the rating, and nothing else does. */
static void test_quality(void)
{
	static const struct {
		struct call_path path;
		double at_least, at_most;
	} cases[] = {
		{{.rtt = 20 * MS, .rate = 50, .lanes = 1}, 90, 93.2},
		{{.rtt = 120 * MS, .rate = 50, .lanes = 8}, 88, 93.2},
		{{.rtt = 600 * MS, .rate = 50, .lanes = 8}, 50, 75},
		{{.rtt = 120 * MS, .rate = 50, .lanes = 1, .loss_ppm = 20000}, 50, 75},
		{{.rtt = 120 * MS, .rate = 50, .lanes = 8, .loss_ppm = 20000}, 80, 86},
		{{.rtt = 120 * MS, .rate = 50, .lanes = 8, .loss_ppm = 20000, .copies = 2}, 88,
			93.2},
		{{.rtt = 20 * MS, .rate = 50, .lanes = 1, .stale_ppm = 200000}, 30, 60},
		{{.rtt = 20 * MS, .rate = 50, .lanes = 1, .stale_ppm = 1000000}, 0, 20},
		{{.rtt = 20 * MS, .rate = 50, .lanes = 1, .waiting = 400 * MS}, 50, 80},
		{{.loss_ppm = 1000000, .rate = 5000}, 0, 20},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double rating = call_quality(&cases[i].path);
		CU_ASSERT(rating >= cases[i].at_least);
		CU_ASSERT(rating <= cases[i].at_most);
	}
}

static const struct unit_test tests[] = {
	{"begins and ends", test_begins_and_ends},
	{"directions", test_directions},
	{"quality", test_quality},
};

UNIT_MAIN("call", tests)
