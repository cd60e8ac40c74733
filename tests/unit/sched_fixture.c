/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The scheduler under test and what it stands on. */
#include "sched_fixture.h"

#include <string.h>

#include "unit.h"

enum { BIG = FIXTURE_BIG, SMALL = FIXTURE_SLOTS - BIG };

struct slab slab;
struct sched sched;
struct sched_policy policy;
struct counters counters;

void start(void)
{
	CU_ASSERT_EQUAL_FATAL(slab_init(&slab, SMALL, BIG), 0);
	memset(&counters, 0, sizeof(counters));
	sched_policy_default(&policy);
	sched_init(&sched, &policy, &slab, &counters);
}

uint64_t dropped(enum counter which)
{
	return counters.value[which];
}

uint64_t all_dropped(void)
{
	return dropped(COUNTER_DROP_STALE) + dropped(COUNTER_DROP_QUEUE_FULL) +
	       dropped(COUNTER_DROP_CODEL) + dropped(COUNTER_DROP_CLOSED);
}

void finish(void)
{
	sched_fini(&sched);
	CU_ASSERT_TRUE(sched_is_empty(&sched));
	CU_ASSERT_EQUAL(sched.memory, 0);
	CU_ASSERT_EQUAL(sched.bulk_octets, 0);
	CU_ASSERT_EQUAL(sched.realtime_octets, 0);
	CU_ASSERT_EQUAL(slab.small_free, SMALL);
	CU_ASSERT_EQUAL(slab.big_free, BIG);
	slab_fini(&slab);
}

struct slot *make(unsigned service, uint32_t flow, uint32_t length, uint64_t now)
{
	static uint32_t number;
	struct slot *slot = slab_take(&slab, length);
	CU_ASSERT_PTR_NOT_NULL_FATAL(slot);
	uint8_t *octets = slot_packet(slot);
	memset(octets, 0, 24);
	octets[0] = 0x45;
	put_u16(octets + 2, (uint16_t)length);
	put_u32(octets + 20, ++number);
	slot->service = (uint8_t)service;
	slot->flow = flow;
	slot->arrived = now;
	return slot;
}

uint32_t number_of(struct slot *slot)
{
	return get_u32(slot_packet(slot) + 20);
}

uint32_t put(unsigned service, uint32_t flow, uint32_t length, uint64_t now)
{
	struct slot *slot = make(service, flow, length, now);
	uint32_t number = number_of(slot);
	sched_enqueue(&sched, slot, now);
	return number;
}

uint32_t next(uint64_t now)
{
	struct slot *slot = sched_dequeue(&sched, now);
	uint32_t number = slot ? number_of(slot) : 0;
	slab_give(&slab, slot);
	return number;
}
