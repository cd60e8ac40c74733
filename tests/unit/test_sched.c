/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/sched in simulated time: who goes first, who is dropped and for what,
 * and that every slot comes back. */
#include "core/sched.h"

#include <stdlib.h>

#include "sched_fixture.h"
#include "unit.h"

static void test_priority(void)
{
	start();
	CU_ASSERT_EQUAL(next(START), 0);
	uint32_t bulk = put(SCHED_BULK, 1, 1500, START);
	uint32_t video = put(SCHED_VIDEO, 2, 1200, START);
	uint32_t audio = put(SCHED_AUDIO, 3, 200, START);
	uint32_t second = put(SCHED_AUDIO, 4, 200, START);
	uint32_t signalling = put(SCHED_SIGNALLING, 5, 900, START);
	CU_ASSERT_EQUAL(next(START), signalling);
	CU_ASSERT_EQUAL(next(START), audio);
	CU_ASSERT_EQUAL(next(START), second);
	CU_ASSERT_EQUAL(next(START), video);
	CU_ASSERT_FALSE(sched_is_empty(&sched));
	CU_ASSERT_EQUAL(next(START), bulk);
	CU_ASSERT_TRUE(sched_is_empty(&sched));
	CU_ASSERT_EQUAL(next(START), 0);
	CU_ASSERT_EQUAL(all_dropped(), 0);
	finish();
}

static void test_voice_overtakes_bulk(void)
{
	start();
	for (unsigned i = 0; i < 10; i++)
		put(SCHED_BULK, i, 60000, START);
	for (unsigned i = 0; i < 50; i++) {
		uint32_t voice = put(SCHED_AUDIO, 1, 200, START + i * MS);
		CU_ASSERT_EQUAL(next(START + i * MS), voice);
	}
	finish();
}

/* Voice of 0, 20, 40 ... 200 ms, asked for at 200 ms with a budget of 150. */
static void test_stale_voice(void)
{
	static const enum sched_class services[] = {SCHED_AUDIO, SCHED_VIDEO};
	for (unsigned k = 0; k < 2; k++) {
		uint32_t numbers[11];
		start();
		for (unsigned i = 0; i <= 10; i++)
			numbers[i] = put(services[k], 1, 200, START + i * 20 * MS);
		for (unsigned i = 3; i <= 10; i++)
			CU_ASSERT_EQUAL(next(START + 200 * MS), numbers[i]);
		CU_ASSERT_EQUAL(next(START + 200 * MS), 0);
		CU_ASSERT_EQUAL(dropped(COUNTER_DROP_STALE), 3);
		CU_ASSERT_EQUAL(all_dropped(), 3);
		/* Exactly the budget is still in time. */
		uint32_t edge = put(services[k], 1, 200, START);
		CU_ASSERT_EQUAL(next(START + 150 * MS), edge);
		put(services[k], 1, 200, START);
		CU_ASSERT_EQUAL(next(START + 150 * MS + 1), 0);
		CU_ASSERT_EQUAL(dropped(COUNTER_DROP_STALE), 4);
		finish();
	}
}

static void test_signalling_never_stale(void)
{
	start();
	uint32_t signalling = put(SCHED_SIGNALLING, 1, 900, START);
	put(SCHED_AUDIO, 1, 200, START);
	uint32_t bulk = put(SCHED_BULK, 1, 900, START);
	CU_ASSERT_EQUAL(next(START + 60000 * MS), signalling);
	CU_ASSERT_EQUAL(next(START + 60000 * MS), bulk);
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_STALE), 1);
	CU_ASSERT_EQUAL(all_dropped(), 1);
	finish();
}

/* The longest flow pays, with its oldest packet. */
static void test_bulk_limit(void)
{
	start();
	policy.bulk_limit = 10000;
	uint32_t first = put(SCHED_BULK, 1, 2000, START);
	uint32_t second = put(SCHED_BULK, 1, 2000, START);
	uint32_t third = put(SCHED_BULK, 1, 2000, START);
	uint32_t other = put(SCHED_BULK, 2, 4000, START);
	CU_ASSERT_EQUAL(all_dropped(), 0);
	uint32_t small = put(SCHED_BULK, 3, 100, START);
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_QUEUE_FULL), 1);
	CU_ASSERT_EQUAL(sched.bulk_octets, 8100);
	uint32_t expected[] = {second, third, other, small};
	CU_ASSERT(first != 0);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t number = next(START);
		bool found = false;
		for (unsigned k = 0; k < 4; k++)
			if (expected[k] == number) {
				expected[k] = 0;
				found = true;
			}
		CU_ASSERT_TRUE(found);
	}
	/* What alone is too much is dropped itself. */
	put(SCHED_BULK, 1, 10001, START);
	CU_ASSERT_TRUE(sched_is_empty(&sched));
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_QUEUE_FULL), 2);
	CU_ASSERT_EQUAL(all_dropped(), 2);
	finish();
}

/* The newcomer's class pays, with its oldest packet; bulk is another matter. */
static void test_realtime_limit(void)
{
	start();
	policy.realtime_limit = 3000;
	uint32_t bulk = put(SCHED_BULK, 1, 9000, START);
	uint32_t signalling = put(SCHED_SIGNALLING, 1, 1000, START);
	put(SCHED_AUDIO, 1, 1000, START);
	uint32_t video = put(SCHED_VIDEO, 1, 1000, START);
	CU_ASSERT_EQUAL(all_dropped(), 0);
	uint32_t audio = put(SCHED_AUDIO, 1, 1000, START + 1);
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_QUEUE_FULL), 1);
	/* Stale packets, of whatever class, are the first to go. */
	uint32_t late = put(SCHED_SIGNALLING, 1, 900, START + 150 * MS + 1);
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_STALE), 1);
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_QUEUE_FULL), 1);
	CU_ASSERT(video != 0);
	CU_ASSERT_EQUAL(next(START + 150 * MS), signalling);
	CU_ASSERT_EQUAL(next(START + 150 * MS), late);
	CU_ASSERT_EQUAL(next(START + 150 * MS), audio);
	CU_ASSERT_EQUAL(next(START + 150 * MS), bulk);
	CU_ASSERT_EQUAL(next(START + 150 * MS), 0);
	CU_ASSERT_EQUAL(all_dropped(), 2);
	finish();
}

/* A full queue of either sort gives way to signalling once it is stale. */
static void test_stale_gives_way(void)
{
	for (unsigned service = SCHED_AUDIO; service <= SCHED_VIDEO; service++) {
		start();
		policy.realtime_limit = 3000;
		for (unsigned i = 0; i < 3; i++)
			put(service, 1, 1000, START + i * 100 * MS);
		uint32_t signalling = put(SCHED_SIGNALLING, 1, 1000, START + 200 * MS);
		CU_ASSERT_EQUAL(dropped(COUNTER_DROP_STALE), 1);
		CU_ASSERT_EQUAL(all_dropped(), 1);
		CU_ASSERT_EQUAL(next(START + 200 * MS), signalling);
		finish();
	}
}

/* Packets of one octet are bounded by the slots that they hold, and realtime
 * gets the memory that bulk holds. */
static void test_memory_limit(void)
{
	start();
	policy.memory_limit = 10 * SLOT_SMALL;
	for (unsigned i = 0; i < 25; i++)
		put(SCHED_BULK, i, 30, START);
	CU_ASSERT_EQUAL(sched.packets, 10);
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_QUEUE_FULL), 15);
	for (unsigned i = 0; i < 12; i++)
		put(SCHED_AUDIO, 1, 30, START);
	CU_ASSERT_EQUAL(sched.packets, 10);
	CU_ASSERT_EQUAL(sched.bulk_octets, 0);
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_QUEUE_FULL), 27);
	put(SCHED_BULK, 1, 30, START);
	CU_ASSERT_EQUAL(sched.packets, 10);
	CU_ASSERT_EQUAL(sched.bulk_octets, 0);
	finish();
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_CLOSED), 10);
}

/* Of two that fill their queues nobody gets the last slot. */
static void test_shared_slab(void)
{
	start();
	struct sched other;
	sched_init(&other, &policy, &slab, &counters);
	for (unsigned i = 0; i < 2 * FIXTURE_BIG; i++)
		put(SCHED_BULK, i, SLOT_SMALL + 1, START);
	CU_ASSERT_EQUAL(sched.packets, FIXTURE_BIG / 2);
	for (unsigned i = 0; i < 2 * FIXTURE_BIG; i++) {
		struct slot *slot = slab_take(&slab, SLOT_SMALL + 1);
		CU_ASSERT_PTR_NOT_NULL_FATAL(slot);
		slot->service = SCHED_BULK;
		sched_enqueue(&other, slot, START);
	}
	CU_ASSERT_TRUE(other.packets >= FIXTURE_BIG / 4);
	CU_ASSERT_TRUE(slab.big_free >= FIXTURE_BIG / 4);
	/* And who holds too much now gives some back with the next packet. */
	put(SCHED_BULK, 0, SLOT_SMALL + 1, START);
	CU_ASSERT_TRUE(sched.packets <= FIXTURE_BIG / 2);
	CU_ASSERT_EQUAL(sched.packets + other.packets + slab.big_free, FIXTURE_BIG);
	sched_fini(&other);
	finish();
}

static void test_classes_of_a_lane(void)
{
	start();
	uint32_t bulk = put(SCHED_BULK, 1, 1500, START);
	put(SCHED_AUDIO, 1, 200, START);
	uint32_t signalling = put(SCHED_SIGNALLING, 1, 900, START);
	struct slot *slot = sched_dequeue_from(&sched, 1U << SCHED_BULK, START);
	CU_ASSERT_EQUAL(number_of(slot), bulk);
	slab_give(&slab, slot);
	CU_ASSERT_PTR_NULL(sched_dequeue_from(&sched, 1U << SCHED_BULK, START));
	CU_ASSERT_PTR_NULL(sched_dequeue_from(&sched, 1U << SCHED_VIDEO, START));
	CU_ASSERT_PTR_NULL(sched_dequeue_from(&sched, 0, START));
	/* Not asked for audio: it is not looked at, stale or not. */
	CU_ASSERT_PTR_NULL(sched_dequeue_from(&sched, 1U << SCHED_VIDEO, START + 999 * MS));
	CU_ASSERT_EQUAL(all_dropped(), 0);
	slot = sched_dequeue_from(
		&sched, 1U << SCHED_AUDIO | 1U << SCHED_SIGNALLING, START + 999 * MS);
	CU_ASSERT_EQUAL(number_of(slot), signalling);
	slab_give(&slab, slot);
	CU_ASSERT_PTR_NULL(sched_dequeue_from(&sched, 1U << SCHED_AUDIO, START + 999 * MS));
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_STALE), 1);
	/* Bulk has no share in a lane that does not carry it. */
	bulk = put(SCHED_BULK, 1, 1500, START);
	for (unsigned i = 0; i < 50; i++) {
		put(SCHED_SIGNALLING, 1, 1500, START);
		slab_give(&slab, sched_dequeue_from(&sched, 1U << SCHED_SIGNALLING, START));
	}
	signalling = put(SCHED_SIGNALLING, 1, 900, START);
	CU_ASSERT_EQUAL(next(START), signalling);
	CU_ASSERT_EQUAL(next(START), bulk);
	finish();
}

static void test_put_back(void)
{
	for (unsigned service = 0; service < SCHED_CLASSES; service++) {
		start();
		uint32_t first = put(service, 1, 3000, START);
		uint32_t second = put(service, 1, 3000, START + 1);
		struct slot *slot = sched_dequeue(&sched, START + 2);
		CU_ASSERT_EQUAL(number_of(slot), first);
		slot->length = 1000; /* what is left of it */
		sched_put_back(&sched, slot);
		CU_ASSERT_EQUAL(sched.packets, 2);
		slot = sched_dequeue(&sched, START + 2);
		CU_ASSERT_EQUAL(number_of(slot), first);
		CU_ASSERT_EQUAL(slot->length, 1000);
		CU_ASSERT_EQUAL(slot->arrived, START);
		sched_put_back(&sched, slot);
		CU_ASSERT_EQUAL(next(START + 2), first);
		CU_ASSERT_EQUAL(next(START + 2), second);
		/* Into an empty scheduler, too. */
		put(service, 1, 100, START);
		slot = sched_dequeue(&sched, START);
		CU_ASSERT_TRUE(sched_is_empty(&sched));
		/* The rest may have moved to another slot. */
		struct slot *moved = make(service, 1, 50, START);
		slab_give(&slab, slot);
		sched_put_back(&sched, moved);
		first = number_of(moved);
		second = put(service, 1, 100, START);
		CU_ASSERT_EQUAL(next(START), first);
		CU_ASSERT_EQUAL(next(START), second);
		CU_ASSERT_EQUAL(all_dropped(), 0);
		finish();
	}
}

static void test_fini(void)
{
	start();
	for (unsigned service = 0; service < SCHED_CLASSES; service++)
		for (unsigned flow = 0; flow < 20; flow++)
			put(service, flow, 100, START);
	finish();
	CU_ASSERT_EQUAL(dropped(COUNTER_DROP_CLOSED), 20 * SCHED_CLASSES);
	CU_ASSERT_EQUAL(all_dropped(), 20 * SCHED_CLASSES);
}

/* One step of chance: something comes, goes, or goes and comes back. */
static void step(uint64_t now, uint64_t *in, uint64_t *out)
{
	static const uint32_t lengths[] = {40, 200, 1500, 2049, 60000};
	unsigned chance = (unsigned)rand() % 16;
	if (chance < 9) {
		if (slab.big_free == 0)
			return;
		put((unsigned)rand() % SCHED_CLASSES, (uint32_t)rand(), lengths[rand() % 5], now);
		++*in;
		return;
	}
	struct slot *slot = sched_dequeue_from(&sched, (unsigned)rand() % 16, now);
	if (!slot)
		return;
	if (chance == 15) {
		sched_put_back(&sched, slot);
		return;
	}
	/* Nobody has it any more: a second time it would be 0 already. */
	CU_ASSERT_FATAL(number_of(slot) != 0);
	put_u32(slot_packet(slot) + 20, 0);
	slab_give(&slab, slot);
	++*out;
}

/* Every packet that went in came out, or was counted as dropped once. */
static void test_conservation(void)
{
	uint64_t in = 0, out = 0, now = START;
	start();
	srand(24322);
	policy.bulk_limit = 300000;
	policy.realtime_limit = 200000;
	policy.memory_limit = 3000000;
	for (unsigned i = 0; i < 200000; i++, now += (uint64_t)rand() % (4 * MS)) {
		step(now, &in, &out);
		CU_ASSERT_EQUAL_FATAL(in, out + all_dropped() + sched.packets);
		CU_ASSERT_EQUAL_FATAL(
			slab.small_free + slab.big_free + sched.packets, FIXTURE_SLOTS);
	}
	CU_ASSERT(dropped(COUNTER_DROP_STALE) > 0);
	CU_ASSERT(dropped(COUNTER_DROP_QUEUE_FULL) > 0);
	CU_ASSERT(dropped(COUNTER_DROP_CODEL) > 0);
	sched_fini(&sched);
	CU_ASSERT_EQUAL(in, out + all_dropped());
	finish();
}

/* Thousands of tunnels have one each. */
static void test_size(void)
{
	CU_ASSERT(sizeof(struct sched) <= 1200);
}

static const struct unit_test tests[] = {
	{"strict priority", test_priority},
	{"voice overtakes bulk", test_voice_overtakes_bulk},
	{"stale voice and video go, oldest first", test_stale_voice},
	{"signalling is never stale", test_signalling_never_stale},
	{"bulk limit", test_bulk_limit},
	{"realtime limit", test_realtime_limit},
	{"stale packets give way", test_stale_gives_way},
	{"memory limit", test_memory_limit},
	{"a slab that others need too", test_shared_slab},
	{"classes of a lane", test_classes_of_a_lane},
	{"put back", test_put_back},
	{"fini counts what still waited", test_fini},
	{"every slot comes back", test_conservation},
	{"size", test_size},
};

UNIT_MAIN("sched", tests)
