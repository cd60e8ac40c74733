/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/slab: every slot exists once, has its size, and comes back. */
#include "core/slab.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

enum { SMALL = 5, BIG = 3, ALL = SMALL + BIG };

static struct slab slab;

static void start(void)
{
	CU_ASSERT_EQUAL_FATAL(slab_init(&slab, SMALL, BIG), 0);
}

/* Every slot is back, and so memory may go. */
static void finish(void)
{
	CU_ASSERT_EQUAL(slab.small_free, SMALL);
	CU_ASSERT_EQUAL(slab.big_free, BIG);
	slab_fini(&slab);
}

static void test_size_by_length(void)
{
	static const struct {
		size_t length;
		bool big;
	} cases[] = {
		{0, false},
		{1, false},
		{SLOT_SMALL, false},
		{SLOT_SMALL + 1, true},
		{SLOT_BIG, true},
	};
	start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slot *slot = slab_take(&slab, cases[i].length);
		CU_ASSERT_PTR_NOT_NULL_FATAL(slot);
		CU_ASSERT_EQUAL(slot->big, cases[i].big);
		CU_ASSERT_EQUAL(slot->length, cases[i].length);
		CU_ASSERT_EQUAL(slot_room(slot), cases[i].big ? SLOT_BIG : SLOT_SMALL);
		slab_give(&slab, slot);
	}
	CU_ASSERT_PTR_NULL(slab_take(&slab, SLOT_BIG + 1));
	slab_give(&slab, NULL);
	finish();
}

/* Fills each slot to its last octet with a number of its own, headroom too. */
static void test_slots_are_disjoint(void)
{
	struct slot *slots[ALL];
	start();
	for (unsigned i = 0; i < ALL; i++) {
		slots[i] = slab_take(&slab, i < SMALL ? SLOT_SMALL : SLOT_BIG);
		CU_ASSERT_PTR_NOT_NULL_FATAL(slots[i]);
		memset(slots[i]->space, (int)i + 1, SLOT_HEADROOM + slot_room(slots[i]));
	}
	CU_ASSERT_PTR_NULL(slab_take(&slab, 1));
	CU_ASSERT_PTR_NULL(slab_take(&slab, SLOT_BIG));
	for (unsigned i = 0; i < ALL; i++) {
		const uint8_t *space = slots[i]->space;
		size_t octets = SLOT_HEADROOM + slot_room(slots[i]);
		CU_ASSERT_EQUAL(space[0], i + 1);
		CU_ASSERT_EQUAL(memcmp(space, space + 1, octets - 1), 0);
		CU_ASSERT_EQUAL(slots[i]->length, i < SMALL ? SLOT_SMALL : SLOT_BIG);
		slab_give(&slab, slots[i]);
	}
	finish();
}

static void test_big_serves_when_small_is_out(void)
{
	struct slot *slots[ALL];
	start();
	for (unsigned i = 0; i < ALL; i++) {
		slots[i] = slab_take(&slab, 100);
		CU_ASSERT_PTR_NOT_NULL_FATAL(slots[i]);
		CU_ASSERT_EQUAL(slots[i]->big, i >= SMALL);
	}
	CU_ASSERT_PTR_NULL(slab_take(&slab, 100));
	for (unsigned i = 0; i < ALL; i++)
		slab_give(&slab, slots[i]);
	finish();
}

/* Nothing of the last packet is left in the header of the next. */
static void test_taken_slot_is_blank(void)
{
	start();
	struct slot *slot = slab_take(&slab, 100);
	slot->arrived = 1;
	slot->flow = 2;
	slot->service = 3;
	slot->next = slot;
	memset(&slot->offload, 0xff, sizeof(slot->offload));
	slab_give(&slab, slot);
	struct slot *again = slab_take(&slab, 7);
	CU_ASSERT_PTR_EQUAL(again, slot); /* the one still in the cache */
	static const struct offload none;
	CU_ASSERT_EQUAL(again->arrived, 0);
	CU_ASSERT_EQUAL(again->flow, 0);
	CU_ASSERT_EQUAL(again->service, 0);
	CU_ASSERT_PTR_NULL(again->next);
	CU_ASSERT_EQUAL(again->length, 7);
	CU_ASSERT_EQUAL(memcmp(&again->offload, &none, sizeof(none)), 0);
	slab_give(&slab, again);
	finish();
}

/* Taking and giving in any order: no slot is held twice, none is lost. */
static void test_random_order(void)
{
	struct slot *held[ALL] = {0};
	start();
	srand(24322);
	for (unsigned step = 0; step < 20000; step++) {
		struct slot **at = &held[rand() % ALL];
		if (*at) {
			CU_ASSERT_EQUAL_FATAL((*at)->flow, (uint32_t)(at - held));
			slab_give(&slab, *at);
			*at = NULL;
		} else if ((*at = slab_take(&slab, rand() % 2 ? 10 : SLOT_BIG))) {
			(*at)->flow = (uint32_t)(at - held);
		}
		unsigned count = 0;
		for (unsigned i = 0; i < ALL; i++)
			count += held[i] != NULL;
		CU_ASSERT_EQUAL_FATAL(slab.small_free + slab.big_free, ALL - count);
	}
	for (unsigned i = 0; i < ALL; i++)
		slab_give(&slab, held[i]);
	finish();
}

static void test_init_limits(void)
{
	struct slab none;
	CU_ASSERT_EQUAL(slab_init(&none, 0, 0), 0);
	CU_ASSERT_PTR_NULL(slab_take(&none, 1));
	slab_fini(&none);
	slab_fini(&none); /* twice does no harm */
}

static const struct unit_test tests[] = {
	{"a slot of the size that fits", test_size_by_length},
	{"slots do not overlap", test_slots_are_disjoint},
	{"big slots serve when small ones are out", test_big_serves_when_small_is_out},
	{"a taken slot is blank", test_taken_slot_is_blank},
	{"nothing lost in random order", test_random_order},
	{"an empty slab", test_init_limits},
};

UNIT_MAIN("slab", tests)
