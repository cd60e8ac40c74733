/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/sched, the part for bulk, in simulated time: its share beside realtime,
 * fairness between flows, CoDel and ECN. */
#include "core/sched.h"

#include <stdlib.h>

#include "sched_fixture.h"
#include "unit.h"

/* Percent of octets that bulk gets beside signalling that never ends. */
static unsigned bulk_percent(uint32_t realtime_length, uint32_t bulk_length)
{
	uint64_t octets[SCHED_CLASSES] = {0};
	start();
	for (unsigned i = 0; i < 20000; i++) {
		/* Time stands still, so CoDel does not interfere. */
		while (sched.realtime_octets == 0)
			put(SCHED_SIGNALLING, 1, realtime_length, START);
		while (sched.bulk_octets == 0)
			put(SCHED_BULK, 1, bulk_length, START);
		struct slot *slot = sched_dequeue(&sched, START);
		octets[slot->service] += slot->length;
		slab_give(&slab, slot);
	}
	finish();
	uint64_t total = octets[SCHED_BULK] + octets[SCHED_SIGNALLING];
	return (unsigned)((1000 * octets[SCHED_BULK] / total + 5) / 10);
}

static void test_bulk_share(void)
{
	CU_ASSERT_EQUAL(bulk_percent(900, 1500), 10);
	CU_ASSERT_EQUAL(bulk_percent(200, 1500), 10);
	CU_ASSERT_EQUAL(bulk_percent(1500, 100), 10);
	CU_ASSERT_EQUAL(bulk_percent(1500, 60000), 10);
	CU_ASSERT_EQUAL(bulk_percent(60000, 60000), 10);
}

/* The share is for waiting: bulk that comes and finds voice is second, and
 * a lull in realtime settles what was owed. */
static void test_bulk_share_is_no_saving(void)
{
	start();
	for (unsigned i = 0; i < 100; i++) {
		put(SCHED_SIGNALLING, 1, 1500, START);
		CU_ASSERT(next(START) != 0);
	}
	uint32_t bulk = put(SCHED_BULK, 1, 1500, START);
	uint32_t voice = put(SCHED_AUDIO, 1, 200, START);
	CU_ASSERT_EQUAL(next(START), voice);
	CU_ASSERT_EQUAL(next(START), bulk);
	/* 8 signalling packets of 1500 octets are too few for its turn. */
	for (unsigned round = 0; round < 3; round++) {
		bulk = put(SCHED_BULK, 1, 1500, START);
		for (unsigned i = 0; i < 8; i++) {
			uint32_t signalling = put(SCHED_SIGNALLING, 1, 1500, START);
			CU_ASSERT_EQUAL(next(START), signalling);
		}
		CU_ASSERT_EQUAL(next(START), bulk);
	}
	finish();
}

/* Octets that two flows get out of 3000 packets, each always with packets. */
static void share(uint32_t first, uint32_t second, uint64_t octets[2])
{
	start();
	octets[0] = octets[1] = 0;
	for (unsigned i = 0; i < 3000; i++) {
		for (uint32_t flow = 0; flow < 2; flow++)
			while (sched.flows[flow + 3].queue.octets < 100000)
				put(SCHED_BULK, flow + 3, flow ? second : first, START);
		struct slot *slot = sched_dequeue(&sched, START);
		octets[slot->flow - 3] += slot->length;
		slab_give(&slab, slot);
	}
	CU_ASSERT_EQUAL(all_dropped(), 0);
	finish();
}

/* Deficits differ by at most one packet and one quantum. */
static void test_fairness(void)
{
	static const uint32_t sizes[][2] = {
		{1500, 1500}, {1500, 300}, {100, 1500}, {60000, 1500}, {1400, 65000}};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t octets[2];
		share(sizes[i][0], sizes[i][1], octets);
		int64_t difference = (int64_t)octets[0] - (int64_t)octets[1];
		CU_ASSERT(llabs(difference) <= 65000 + 1514);
		CU_ASSERT(octets[0] > 250000 / 2);
	}
}

/* A flow that begins goes before those that stand; but one turn only. */
static void test_new_flow_first(void)
{
	start();
	for (unsigned i = 0; i < 10; i++)
		for (uint32_t flow = 0; flow < 3; flow++)
			put(SCHED_BULK, flow, 1500, START);
	for (unsigned i = 0; i < 8; i++) /* all three have had turns */
		CU_ASSERT(next(START) != 0);
	uint32_t begins = put(SCHED_BULK, 9, 1000, START);
	uint32_t goes_on = put(SCHED_BULK, 9, 1000, START);
	uint32_t third = put(SCHED_BULK, 9, 1000, START);
	CU_ASSERT_EQUAL(next(START), begins);
	CU_ASSERT_EQUAL(next(START), goes_on);
	CU_ASSERT(next(START) != third);
	/* Once it has been away for a round, it is new again. */
	for (unsigned i = 0; i < 9; i++)
		CU_ASSERT(next(START) != 0);
	CU_ASSERT_EQUAL(sched.flows[9].queue.octets, 0);
	begins = put(SCHED_BULK, 9, 1000, START);
	CU_ASSERT_EQUAL(next(START), begins);
	finish();
}

/* One bulk flow over a link of one 1500-octet packet per ms (12 Mbit/s),
 * offered `offered` packets per 100 ms, for `ms`.  The worst wait of the last
 * 100 ms, in ms. */
static unsigned congest(uint64_t *now, unsigned offered, unsigned ms)
{
	uint64_t worst = 0;
	unsigned credit = 0;
	for (unsigned i = 0; i < ms; i++, *now += MS) {
		for (credit += offered; credit >= 100; credit -= 100)
			put(SCHED_BULK, 1, 1500, *now);
		struct slot *slot = sched_dequeue(&sched, *now);
		if (slot && i + 100 >= ms && *now - slot->arrived > worst)
			worst = *now - slot->arrived;
		slab_give(&slab, slot);
	}
	return (unsigned)(worst / MS);
}

static void test_codel(void)
{
	uint64_t now = START;
	start();
	/* A burst that drains within the interval, as slow start makes it. */
	for (unsigned i = 0; i < 60; i++)
		put(SCHED_BULK, 1, 1500, now);
	congest(&now, 0, 100);
	CU_ASSERT_TRUE(sched_is_empty(&sched));
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_CODEL), 0);
	/* A little too much: 5 ms of wait after 50 ms, then an interval. */
	congest(&now, 110, 140);
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_CODEL), 0);
	congest(&now, 110, 100);
	CU_ASSERT(dropped(COUNTER_DROP_CODEL) >= 1);
	/* It comes to drop all that is too much, and the queue stands still. */
	congest(&now, 110, 20000);
	uint64_t before = dropped(COUNTER_DROP_CODEL);
	congest(&now, 110, 10000);
	uint64_t rate = dropped(COUNTER_DROP_CODEL) - before;
	CU_ASSERT(rate > 900 && rate < 1100);
	/* And stops with the congestion. */
	congest(&now, 50, 2000);
	before = dropped(COUNTER_DROP_CODEL);
	CU_ASSERT(congest(&now, 95, 5000) < 5);
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_CODEL), before);
	CU_ASSERT_EQUAL(all_dropped(), before);
	finish();
}

/* The same too much, but less than what the lane's round trip excuses. */
static void test_bulk_rtt(void)
{
	uint64_t now = START;
	start();
	sched.bulk_rtt = 60000;
	congest(&now, 110, 500); /* a wait of 50 ms in the end */
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_CODEL), 0);
	congest(&now, 110, 500);
	CU_ASSERT(dropped(COUNTER_DROP_CODEL) >= 1);
	finish();
}

/* On a link that takes a super-packet in 40 ms, the next one is no standing
 * queue; two more behind it are. */
static void test_codel_super_packets(void)
{
	for (unsigned standing = 1; standing <= 3; standing++) {
		start();
		for (unsigned i = 0; i < standing; i++)
			put(SCHED_BULK, 1, 60000, START);
		for (unsigned i = 0; i < 50; i++) {
			uint64_t now = START + i * 40 * MS;
			put(SCHED_BULK, 1, 60000, now);
			slab_give(&slab, sched_dequeue(&sched, now));
		}
		CU_ASSERT_EQUAL(dropped(COUNTER_DROP_CODEL) > 0, standing > 1);
		finish();
	}
}

static unsigned header_sum(const uint8_t *octets)
{
	unsigned sum = 0;
	for (unsigned i = 0; i < 20; i += 2)
		sum += get_u16(octets + i);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Runs one flow of such packets into congestion; returns how many came out
 * marked CE.  `version` 4 or 6, `ecn` its two bits. */
static unsigned marked(unsigned version, unsigned ecn)
{
	unsigned count = 0;
	start();
	for (unsigned i = 0; i < 400; i++) {
		for (unsigned k = 0; k < 2; k++) {
			struct slot *slot = make(SCHED_BULK, 1, 1000, START + i * MS);
			uint8_t *octets = slot_packet(slot);
			if (version == 6) {
				put_u32(octets, 0x6b8abcde | ecn << 20);
			} else {
				octets[1] = (uint8_t)(0xb8 | ecn);
				put_u32(octets + 12, (uint32_t)rand());
				put_u16(octets + 10, 0);
				put_u16(octets + 10, (uint16_t)~header_sum(octets));
			}
			sched_enqueue(&sched, slot, START + i * MS);
		}
		struct slot *slot = sched_dequeue(&sched, START + i * MS);
		const uint8_t *octets = slot_packet(slot);
		unsigned seen = version == 6 ? get_u32(octets) >> 20 & 3 : octets[1] & 3;
		CU_ASSERT(seen == ecn || seen == 3);
		count += seen != ecn;
		if (version == 6) {
			CU_ASSERT_EQUAL(get_u32(octets) & 0xffcfffff, 0x6b8abcde & 0xffcfffff);
		} else {
			CU_ASSERT_EQUAL(octets[1] & 0xfc, 0xb8);
			CU_ASSERT_EQUAL(header_sum(octets), 0xffff);
		}
		slab_give(&slab, slot);
	}
	return count;
}

static void test_ecn(void)
{
	srand(24322);
	for (unsigned version = 4; version <= 6; version += 2) {
		for (unsigned ecn = 1; ecn <= 2; ecn++) {
			CU_ASSERT(marked(version, ecn) >= 3);
			CU_ASSERT_EQUAL(dropped(COUNTER_DROP_CODEL), 0);
			finish();
		}
		CU_ASSERT_EQUAL(marked(version, 3), 0); /* marked before: stays so */
		CU_ASSERT_EQUAL(dropped(COUNTER_DROP_CODEL), 0);
		finish();
		CU_ASSERT_EQUAL(marked(version, 0), 0);
		CU_ASSERT(dropped(COUNTER_DROP_CODEL) >= 3);
		finish();
	}
}

/* A flow whose packets are sent in pieces gets no more and no less. */
static void test_put_back_is_fair(void)
{
	uint64_t octets[2] = {0, 0};
	start();
	for (unsigned i = 0; i < 20000; i++) {
		for (uint32_t flow = 0; flow < 2; flow++)
			while (sched.flows[flow].queue.octets < 100000)
				put(SCHED_BULK, flow, flow ? 1500 : 60000, START);
		struct slot *slot = sched_dequeue(&sched, START);
		uint32_t piece = slot->length > 5000 ? 5000 : slot->length;
		octets[slot->flow] += piece;
		slot->length -= piece;
		if (slot->length > 0)
			sched_put_back(&sched, slot);
		else
			slab_give(&slab, slot);
	}
	CU_ASSERT(llabs((int64_t)octets[0] - (int64_t)octets[1]) < 10000);
	finish();
}

/* Bulk let through before its time pays for the pieces that were sent. */
static void test_put_back_keeps_share(void)
{
	uint64_t octets[SCHED_CLASSES] = {0};
	start();
	for (unsigned i = 0; i < 20000; i++) {
		while (sched.realtime_octets == 0)
			put(SCHED_SIGNALLING, 1, 1000, START);
		while (sched.bulk_octets == 0)
			put(SCHED_BULK, 1, 60000, START);
		struct slot *slot = sched_dequeue(&sched, START);
		uint32_t piece = slot->length > 6000 ? 6000 : slot->length;
		octets[slot->service] += piece;
		slot->length -= piece;
		if (slot->length > 0)
			sched_put_back(&sched, slot);
		else
			slab_give(&slab, slot);
	}
	uint64_t total = octets[SCHED_BULK] + octets[SCHED_SIGNALLING];
	CU_ASSERT_EQUAL((1000 * octets[SCHED_BULK] / total + 5) / 10, 10);
	finish();
}

static const struct unit_test tests[] = {
	{"bulk gets a tenth under constant signalling", test_bulk_share},
	{"the share is no saving", test_bulk_share_is_no_saving},
	{"flows are fair whatever their packet size", test_fairness},
	{"a new flow goes first", test_new_flow_first},
	{"CoDel: standing queue only, and stops", test_codel},
	{"a round trip excuses waiting", test_bulk_rtt},
	{"CoDel: super-packets", test_codel_super_packets},
	{"ECN is marked, the rest dropped", test_ecn},
	{"put back: fair between flows", test_put_back_is_fair},
	{"put back: bulk's share", test_put_back_keeps_share},
};

UNIT_MAIN("sched_bulk", tests)
