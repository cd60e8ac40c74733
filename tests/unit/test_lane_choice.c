/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/lane_choice: the lane that moves, the lane that keeps order, and what a
 * lane's death moves. */
#include "core/lane_choice.h"

#include "unit.h"

enum { MS = 1000, NOW = 10000000, RTT = 50 * MS };

static struct lane_view lane(uint8_t index, uint8_t class, uint32_t queued)
{
	return (struct lane_view){
		.usable = true,
		.ready = true,
		.class = class,
		.index = index,
		.queued = queued,
		.srtt = RTT,
		.progress = NOW,
	};
}

static int spread(const struct lane_view *lanes, unsigned count)
{
	return lane_choose(lanes, count, SCHED_AUDIO, true, 7, NOW);
}

static void test_what_spreads(void)
{
	static const struct {
		uint8_t protocol;
		bool has_ports, fragment;
		uint16_t source, destination;
		bool spreads;
	} cases[] = {
		{PROTOCOL_UDP, true, false, 40000, 50000, true},
		{PROTOCOL_UDP, true, false, 5060, 5060, true},
		{PROTOCOL_UDP, true, false, 4500, 50000, false},
		{PROTOCOL_UDP, true, false, 40000, 4500, false},
		{PROTOCOL_UDP, true, true, 40000, 50000, false},
		{PROTOCOL_UDP, false, false, 0, 0, false},
		{PROTOCOL_TCP, true, false, 40000, 50000, false},
		{PROTOCOL_SCTP, true, false, 40000, 50000, false},
		{PROTOCOL_ESP, false, false, 0, 0, false},
		{PROTOCOL_ICMP, false, false, 0, 0, false},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet packet = {
			.protocol = cases[i].protocol,
			.has_ports = cases[i].has_ports,
			.fragment = cases[i].fragment,
			.source_port = cases[i].source,
			.destination_port = cases[i].destination,
		};
		CU_ASSERT_EQUAL(lane_may_spread(&packet), cases[i].spreads);
	}
}

/* Behind what is lost, or a full window, a packet waits for a round trip. */
static void test_blocked(void)
{
	struct lane_view lanes[] = {lane(0, CONTROL_LANE_ANY, 100),
		lane(1, CONTROL_LANE_REALTIME, 1000), lane(2, CONTROL_LANE_BULK, 0)};
	CU_ASSERT_EQUAL(spread(lanes, 3), 0);
	lanes[0].blocked = true;
	CU_ASSERT_EQUAL(spread(lanes, 3), 1);
	CU_ASSERT_EQUAL(lane_choose_copy(lanes, 3, 1, NOW), LANE_NONE);
	lanes[1].blocked = true;
	CU_ASSERT_EQUAL(spread(lanes, 3), 0);
	lanes[0].progress = NOW - 1000 * MS; /* of two, the one that moves */
	CU_ASSERT_EQUAL(spread(lanes, 3), 1);
}

static void test_least_queued(void)
{
	struct lane_view lanes[] = {
		lane(0, CONTROL_LANE_ANY, 300),
		lane(1, CONTROL_LANE_BULK, 0),
		lane(2, CONTROL_LANE_REALTIME, 200),
		lane(3, CONTROL_LANE_REALTIME, 250),
	};
	CU_ASSERT_EQUAL(spread(lanes, 0), LANE_NONE);
	CU_ASSERT_EQUAL(spread(lanes, 4), 2);
	lane_view_sent(&lanes[2], 100, NOW);
	CU_ASSERT_EQUAL(spread(lanes, 4), 3);
	lanes[3].ready = false;
	CU_ASSERT_EQUAL(spread(lanes, 4), 0);
	lanes[0].ready = lanes[2].ready = false; /* better wait than behind bulk */
	CU_ASSERT_EQUAL(spread(lanes, 4), 3);
	lanes[0].usable = lanes[2].usable = lanes[3].usable = false;
	CU_ASSERT_EQUAL(spread(lanes, 4), 1);
	lanes[1].usable = false;
	CU_ASSERT_EQUAL(spread(lanes, 4), LANE_NONE);
}

/* Signalling by UDP is spread, too; bulk by UDP is not. */
static void test_classes(void)
{
	struct lane_view lanes[] = {
		lane(0, CONTROL_LANE_ANY, 300),
		lane(1, CONTROL_LANE_BULK, 90000),
		lane(2, CONTROL_LANE_REALTIME, 0),
	};
	CU_ASSERT_EQUAL(lane_choose(lanes, 3, SCHED_SIGNALLING, true, 7, NOW), 2);
	CU_ASSERT_EQUAL(lane_choose(lanes, 3, SCHED_SIGNALLING, false, 7, NOW), 0);
	CU_ASSERT_EQUAL(lane_choose(lanes, 3, SCHED_VIDEO, true, 7, NOW), 2);
	CU_ASSERT_EQUAL(lane_choose(lanes, 3, SCHED_VIDEO, false, 7, NOW), 0);
	CU_ASSERT_EQUAL(lane_choose(lanes, 3, SCHED_BULK, true, 7, NOW), 1);
	CU_ASSERT_EQUAL(lane_choose(lanes, 3, SCHED_BULK, false, 7, NOW), 1);
	lanes[1].usable = false;
	CU_ASSERT_EQUAL(lane_choose(lanes, 3, SCHED_BULK, false, 7, NOW), 0);
	lanes[0].usable = false;
	CU_ASSERT_EQUAL(lane_choose(lanes, 3, SCHED_BULK, false, 7, NOW), 2);
	CU_ASSERT_EQUAL(lane_choose(lanes, 3, SCHED_SIGNALLING, false, 7, NOW), 2);
	lanes[1].usable = true;
	lanes[2].usable = false;
	CU_ASSERT_EQUAL(lane_choose(lanes, 3, SCHED_SIGNALLING, false, 7, NOW), 1);
}

static void test_stall(void)
{
	struct lane_view one = lane(0, CONTROL_LANE_ANY, 0);
	lane_view_read(&one, 0, 1000, RTT, NOW);
	CU_ASSERT_FALSE(lane_is_stalled(&one, NOW + 60000 * (uint64_t)MS)); /* idle */
	uint64_t sent = NOW + 60000 * (uint64_t)MS;
	lane_view_sent(&one, 200, sent);
	lane_view_sent(&one, 200, sent + 100 * MS);
	CU_ASSERT_EQUAL(one.queued, 400);
	CU_ASSERT_FALSE(lane_is_stalled(&one, sent + 105 * MS)); /* 3/2 x 50 + 30 */
	CU_ASSERT_TRUE(lane_is_stalled(&one, sent + 105 * MS + 1));
	/* Nothing new is no progress; something is. */
	lane_view_read(&one, 400, 1000, RTT, sent + 110 * MS);
	CU_ASSERT_TRUE(lane_is_stalled(&one, sent + 110 * MS));
	lane_view_read(&one, 200, 1200, RTT, sent + 120 * MS);
	CU_ASSERT_FALSE(lane_is_stalled(&one, sent + 225 * MS));
	CU_ASSERT_TRUE(lane_is_stalled(&one, sent + 225 * MS + 1));
	lane_view_read(&one, 0, 1400, RTT, sent + 300 * MS);
	CU_ASSERT_FALSE(lane_is_stalled(&one, sent + 999 * MS));
	/* Before the first round trip. */
	one.srtt = 0;
	lane_view_sent(&one, 1, sent);
	CU_ASSERT_FALSE(lane_is_stalled(&one, sent + 250 * MS));
	CU_ASSERT_TRUE(lane_is_stalled(&one, sent + 250 * MS + 1));
}

static void test_stalled_lane_is_avoided(void)
{
	struct lane_view lanes[] = {
		lane(0, CONTROL_LANE_ANY, 100),
		lane(1, CONTROL_LANE_REALTIME, 5000),
		lane(2, CONTROL_LANE_REALTIME, 200),
	};
	lanes[0].progress = lanes[2].progress = NOW - 1000 * MS;
	CU_ASSERT_EQUAL(spread(lanes, 3), 1);
	CU_ASSERT_EQUAL(lane_choose_copy(lanes, 3, 1, NOW), LANE_NONE);
	/* A moving lane that is not ready is better than a stalled one that is. */
	lanes[1].ready = false;
	CU_ASSERT_EQUAL(spread(lanes, 3), 1);
	/* All are stalled: the least queued. */
	lanes[1].ready = true;
	lanes[1].progress = NOW - 1000 * MS;
	CU_ASSERT_EQUAL(spread(lanes, 3), 0);
}

static void test_copy(void)
{
	struct lane_view lanes[] = {
		lane(0, CONTROL_LANE_ANY, 100),
		lane(1, CONTROL_LANE_BULK, 0),
		lane(2, CONTROL_LANE_REALTIME, 150),
		lane(3, CONTROL_LANE_REALTIME, 120),
	};
	CU_ASSERT_EQUAL(lane_choose_copy(lanes, 4, 0, NOW), 3);
	CU_ASSERT_EQUAL(lane_choose_copy(lanes, 4, 3, NOW), 0);
	lanes[3].ready = false;
	CU_ASSERT_EQUAL(lane_choose_copy(lanes, 4, 0, NOW), 2);
	lanes[2].usable = false;
	CU_ASSERT_EQUAL(lane_choose_copy(lanes, 4, 0, NOW), LANE_NONE);
	CU_ASSERT_EQUAL(lane_choose_copy(lanes, 1, 0, NOW), LANE_NONE);
}

/* The lane of each of many flows, on lanes without one of class any. */
enum { FLOWS = 1000 };

static void map(const struct lane_view *lanes, unsigned count, int *to)
{
	for (unsigned i = 0; i < FLOWS; i++)
		to[i] = lane_choose(lanes, count, SCHED_SIGNALLING, false, i * 2654435761U, NOW);
}

static void test_rendezvous(void)
{
	struct lane_view lanes[5];
	int before[FLOWS], after[FLOWS];
	unsigned of_lane[5] = {0}, moved = 0;
	for (uint8_t i = 0; i < 5; i++)
		lanes[i] = lane(i, CONTROL_LANE_REALTIME, i * 1000);
	map(lanes, 5, before);
	for (unsigned i = 0; i < FLOWS; i++)
		of_lane[before[i]]++;
	for (unsigned i = 0; i < 5; i++)
		CU_ASSERT(of_lane[i] > FLOWS / 10 && of_lane[i] < FLOWS / 3);
	/* Neither queues nor readiness move a flow, and a death only its own. */
	lanes[1].queued = 99999;
	lanes[4].ready = false;
	lanes[0].progress = 0;
	lanes[2].usable = false;
	map(lanes, 5, after);
	for (unsigned i = 0; i < FLOWS; i++) {
		moved += after[i] != before[i];
		CU_ASSERT(after[i] == before[i] || before[i] == 2);
		CU_ASSERT(after[i] != 2);
	}
	CU_ASSERT_EQUAL(moved, of_lane[2]);
	/* Nor does the place in the array. */
	lanes[2] = lanes[4];
	map(lanes, 4, after);
	for (unsigned i = 0; i < FLOWS; i++)
		if (before[i] != 2)
			CU_ASSERT_EQUAL(lanes[after[i]].index, before[i]);
}

/* Further lanes leave the flows of the first one alone. */
static void test_growth_moves_nothing(void)
{
	struct lane_view lanes[8] = {lane(0, CONTROL_LANE_ANY, 0)};
	int to[FLOWS];
	for (uint8_t i = 1; i < 8; i++)
		lanes[i] = lane(i, i == 1 ? CONTROL_LANE_BULK : CONTROL_LANE_REALTIME, 0);
	map(lanes, 8, to);
	for (unsigned i = 0; i < FLOWS; i++)
		CU_ASSERT_EQUAL(to[i], 0);
}

static const struct unit_test tests[] = {
	{"what may be spread", test_what_spreads},
	{"least queued", test_least_queued},
	{"a blocked lane is the last choice but that for bulk", test_blocked},
	{"classes", test_classes},
	{"stalls", test_stall},
	{"stalled lanes are avoided", test_stalled_lane_is_avoided},
	{"copies", test_copy},
	{"rendezvous", test_rendezvous},
	{"growth moves no flow", test_growth_moves_nothing},
};

UNIT_MAIN("lane_choice", tests)
