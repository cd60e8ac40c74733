/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tests/tools/playout: what is heard of streams whose delays are known. */
#include "../tools/playout.h"

#include "unit.h"

enum { MS = 1000, COUNT = 1000 };

static struct playout_packet packets[COUNT];

/* All with `delay` us. */
static void stream(uint64_t delay)
{
	for (size_t i = 0; i < COUNT; i++) {
		packets[i].sent = 7777 + i * PLAYOUT_FRAME_US;
		packets[i].arrived = packets[i].sent + delay;
	}
}

static struct playout_verdict fixed(void)
{
	struct playout_verdict verdict;
	playout_fixed(EMODEL_G711, packets, COUNT, 60 * MS, &verdict);
	return verdict;
}

static struct playout_verdict adaptive(enum emodel_codec codec)
{
	struct playout_verdict verdict;
	playout_adaptive(codec, packets, COUNT, &verdict);
	return verdict;
}

static void test_steady(void)
{
	stream(30 * MS);
	struct playout_verdict v = fixed();
	CU_ASSERT_EQUAL(v.packets, COUNT);
	CU_ASSERT_EQUAL(v.lost + v.late + v.bursts, 0);
	CU_ASSERT_DOUBLE_EQUAL(v.buffer_ms, 60, 1e-6);
	CU_ASSERT_DOUBLE_EQUAL(v.mouth_to_ear_ms, 30 + 60 + 20, 1e-6);
	CU_ASSERT_DOUBLE_EQUAL(v.rating, 93.2, 0.01);
	v = adaptive(EMODEL_G711);
	CU_ASSERT_EQUAL(v.lost + v.late, 0);
	/* 40 ms at first, then down to 10 by a millisecond per packet. */
	CU_ASSERT(v.buffer_ms > 10 && v.buffer_ms < 14);
	v = adaptive(EMODEL_OPUS);
	CU_ASSERT_DOUBLE_EQUAL(v.mouth_to_ear_ms, 30 + v.buffer_ms + 26.5, 1e-6);
}

static void test_loss(void)
{
	stream(30 * MS);
	for (size_t i = 100; i < 110; i++)
		packets[i].arrived = PLAYOUT_NEVER;
	for (size_t i = 200; i < 220; i += 2)
		packets[i].arrived = PLAYOUT_NEVER;
	struct playout_verdict v = fixed();
	CU_ASSERT_EQUAL(v.lost, 20);
	CU_ASSERT_EQUAL(v.late, 0);
	CU_ASSERT_EQUAL(v.bursts, 11);
	CU_ASSERT_DOUBLE_EQUAL(v.loss_percent, 2, 1e-9);
	CU_ASSERT_DOUBLE_EQUAL(v.burst_ratio, 20.0 / 11 * 0.98, 1e-9);
	CU_ASSERT_DOUBLE_EQUAL(v.rating, 93.2 - 95 * 2 / (2 / v.burst_ratio + 25.1), 0.01);
}

/* Every tenth packet comes 100 ms later: too late for 60 ms; the adaptive
 * buffer takes the time, since it costs less than the packets. */
static void test_late(void)
{
	stream(30 * MS);
	for (size_t i = 5; i < COUNT; i += 10)
		packets[i].arrived += 100 * MS;
	struct playout_verdict v = fixed();
	CU_ASSERT_EQUAL(v.late, COUNT / 10);
	CU_ASSERT_EQUAL(v.bursts, COUNT / 10);
	v = adaptive(EMODEL_G711);
	CU_ASSERT(v.late <= 3);
	CU_ASSERT(v.buffer_ms > 95 && v.buffer_ms < 101);
}

/* One packet in 500 comes a second later: not worth waiting for. */
static void test_not_worth(void)
{
	stream(100 * MS);
	packets[300].arrived += 1000 * MS;
	packets[800].arrived += 1000 * MS;
	struct playout_verdict v = adaptive(EMODEL_G711);
	CU_ASSERT_EQUAL(v.late, 2);
	CU_ASSERT(v.buffer_ms < 15);
}

/* The path becomes longer for good: some packets are late, then it follows;
 * and the buffer knows nothing before it has happened. */
static void test_longer_path(void)
{
	stream(30 * MS);
	for (size_t i = COUNT / 2; i < COUNT; i++)
		packets[i].arrived += 80 * MS;
	struct playout_verdict v = adaptive(EMODEL_G711);
	CU_ASSERT(v.late >= 5 && v.late <= 30);
	CU_ASSERT_EQUAL(v.bursts, 1);
	/* 40 to 10 ms above the shortest in one half, at least 80 in the other. */
	CU_ASSERT(v.buffer_ms > 45 && v.buffer_ms < 60);
}

static void test_nothing(void)
{
	stream(0);
	for (size_t i = 0; i < COUNT; i++)
		packets[i].arrived = PLAYOUT_NEVER;
	struct playout_verdict v = adaptive(EMODEL_AMR_WB);
	CU_ASSERT_EQUAL(v.lost, COUNT);
	CU_ASSERT(v.rating < 10);
	v = fixed();
	CU_ASSERT_EQUAL(v.lost, COUNT);
	playout_adaptive(EMODEL_G711, packets, 0, &v);
	CU_ASSERT_EQUAL(v.packets, 0);
	CU_ASSERT_EQUAL(v.rating, 0);
}

static const struct unit_test tests[] = {
	{"a steady stream", test_steady},
	{"losses", test_loss},
	{"late packets", test_late},
	{"what is not worth waiting for", test_not_worth},
	{"a path that becomes longer", test_longer_path},
	{"nothing comes", test_nothing},
};

UNIT_MAIN("playout", tests)
