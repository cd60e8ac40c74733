/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/keepalive.h"
#include "unit.h"

enum { SECOND = 1000000, INTERVAL = 45 * SECOND };

static struct keepalive begin(uint64_t now)
{
	struct keepalive keepalive;
	keepalive_init(&keepalive, INTERVAL, 0, now);
	return keepalive;
}

static void test_jitter(void)
{
	static const struct {
		uint64_t interval;
		uint32_t random;
		uint64_t least, most;
	} cases[] = {
		{INTERVAL, 0, INTERVAL, INTERVAL},
		{INTERVAL, UINT32_MAX, INTERVAL / 10 * 9, INTERVAL / 10 * 9 + 100},
		{INTERVAL, UINT32_C(1) << 31, 42740000, 42760000},
		{0, UINT32_MAX, 0, 0},
		{1000, UINT32_MAX, 900, 902},
		{UINT64_C(4294967295000), UINT32_MAX, UINT64_C(3865470565500),
			UINT64_C(3865480000000)},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct keepalive keepalive;
		keepalive_init(&keepalive, cases[i].interval, cases[i].random, 5);
		CU_ASSERT(keepalive.interval >= cases[i].least);
		CU_ASSERT(keepalive.interval <= cases[i].most);
	}
}

static void test_never(void)
{
	struct keepalive keepalive;
	keepalive_init(&keepalive, 0, 77, 0);
	CU_ASSERT_EQUAL(keepalive_due(&keepalive), UINT64_MAX);
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, UINT64_MAX), KEEPALIVE_WAIT);
}

/* Asked at 45 s, again at 50, 55 and 60 s, dead at 65 s. */
static void test_silence(void)
{
	struct keepalive keepalive = begin(0);
	uint16_t last = keepalive.transaction;
	uint64_t at = INTERVAL;
	for (int i = 0; i <= KEEPALIVE_TRIES; i++) {
		CU_ASSERT_EQUAL(keepalive_due(&keepalive), at);
		CU_ASSERT_EQUAL(keepalive_poll(&keepalive, at - 1), KEEPALIVE_WAIT);
		CU_ASSERT_EQUAL(keepalive_poll(&keepalive, at), KEEPALIVE_SEND);
		CU_ASSERT_EQUAL(keepalive_poll(&keepalive, at), KEEPALIVE_WAIT);
		CU_ASSERT_NOT_EQUAL(keepalive.transaction, last);
		last = keepalive.transaction;
		at += KEEPALIVE_RETRY_US;
	}
	CU_ASSERT_EQUAL(at, 65 * (uint64_t)SECOND);
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, at - 1), KEEPALIVE_WAIT);
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, at), KEEPALIVE_DEAD);
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, at + 1), KEEPALIVE_DEAD);
}

static void test_traffic_puts_it_off(void)
{
	struct keepalive keepalive = begin(0);
	for (uint64_t now = 0; now < 600 * (uint64_t)SECOND; now += SECOND) {
		keepalive_heard(&keepalive, now);
		CU_ASSERT_EQUAL(keepalive_poll(&keepalive, now + SECOND), KEEPALIVE_WAIT);
		CU_ASSERT_EQUAL(keepalive_due(&keepalive), now + INTERVAL);
	}
}

/* Any octet between the repeats is enough to live on. */
static void test_heard_between_repeats(void)
{
	struct keepalive keepalive = begin(0);
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, INTERVAL), KEEPALIVE_SEND);
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, INTERVAL + 5 * SECOND), KEEPALIVE_SEND);
	uint64_t now = INTERVAL + 7 * SECOND;
	keepalive_heard(&keepalive, now);
	CU_ASSERT_EQUAL(keepalive_due(&keepalive), now + INTERVAL);
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, now + 10 * SECOND), KEEPALIVE_WAIT);
}

static void test_answer(void)
{
	struct keepalive keepalive = begin(0);
	CU_ASSERT_FALSE(keepalive_answered(&keepalive, keepalive.transaction, 1));
	uint64_t asked = keepalive_due(&keepalive);
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, asked), KEEPALIVE_SEND);
	uint16_t transaction = keepalive.transaction;
	CU_ASSERT_FALSE(keepalive_answered(&keepalive, transaction + 1, asked + 20));
	CU_ASSERT_FALSE(keepalive_answered(&keepalive, transaction - 1, asked + 20));
	/* A packet that overtakes the answer does not make it unasked for. */
	keepalive_heard(&keepalive, asked + 30);
	CU_ASSERT_TRUE(keepalive_answered(&keepalive, transaction, asked + 40));
	CU_ASSERT_EQUAL(keepalive.rtt, 40);
	CU_ASSERT_EQUAL(keepalive_due(&keepalive), asked + 40 + INTERVAL);
	CU_ASSERT_FALSE(keepalive_answered(&keepalive, transaction, asked + 50));
}

/* After a stall, the answers to all repeats come at once, in order. */
static void test_answers_to_repeats(void)
{
	struct keepalive keepalive = begin(0);
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, INTERVAL), KEEPALIVE_SEND);
	uint16_t first = keepalive.transaction;
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, INTERVAL + 5 * SECOND), KEEPALIVE_SEND);
	uint64_t now = INTERVAL + 6 * SECOND;
	CU_ASSERT_TRUE(keepalive_answered(&keepalive, first, now));
	CU_ASSERT_EQUAL(keepalive.rtt, 0);
	CU_ASSERT_FALSE(keepalive_answered(&keepalive, first, now));
	CU_ASSERT_TRUE(keepalive_answered(&keepalive, keepalive.transaction, now));
	CU_ASSERT_EQUAL(keepalive.rtt, SECOND);
}

/* Asked every 45 s, the answer found with the next question, whenever it came. */
static void test_quiet(void)
{
	struct keepalive keepalive = begin(0);
	uint64_t now = INTERVAL;
	for (int i = 0; i < 10; i++, now += INTERVAL) {
		CU_ASSERT_EQUAL(keepalive_due(&keepalive), now);
		CU_ASSERT_EQUAL(keepalive_poll(&keepalive, now), KEEPALIVE_SEND);
		CU_ASSERT_EQUAL(keepalive.unanswered, 1);
		keepalive_be_quiet(&keepalive);
		CU_ASSERT_EQUAL(keepalive_due(&keepalive), now + INTERVAL);
		CU_ASSERT_EQUAL(keepalive_poll(&keepalive, now + INTERVAL - 1), KEEPALIVE_WAIT);
		keepalive_heard(&keepalive, now + INTERVAL);
		CU_ASSERT_TRUE(keepalive_answered(
			&keepalive, keepalive.transaction, i % 2 ? 0 : now + 70));
		CU_ASSERT_EQUAL(keepalive.rtt, 70);
	}
	/* A packet meanwhile puts the next one off, as ever. */
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, now), KEEPALIVE_SEND);
	keepalive_be_quiet(&keepalive);
	CU_ASSERT_TRUE(keepalive_answered(&keepalive, keepalive.transaction, 0));
	keepalive_heard(&keepalive, now + SECOND);
	CU_ASSERT_EQUAL(keepalive_due(&keepalive), now + SECOND + INTERVAL);
}

/* Dead two intervals after the last sign of life, or as soon as four questions can
 * tell; what is urgent does not wait for a quiet one. */
static void test_quiet_and_silent(void)
{
	static const struct {
		uint64_t interval, dead;
	} cases[] = {{45, 90}, {20, 40}, {10, 25}, {2, 19}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct keepalive keepalive;
		uint64_t now;
		enum keepalive_action action;
		keepalive_init(&keepalive, cases[i].interval * SECOND, 0, 0);
		do {
			now = keepalive_due(&keepalive);
			action = keepalive_poll(&keepalive, now);
			if (keepalive.unanswered == 1)
				keepalive_be_quiet(&keepalive);
		} while (action == KEEPALIVE_SEND);
		CU_ASSERT_EQUAL(action, KEEPALIVE_DEAD);
		CU_ASSERT_EQUAL(now, cases[i].dead * SECOND);
	}
	struct keepalive keepalive = begin(0);
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, INTERVAL), KEEPALIVE_SEND);
	keepalive_be_quiet(&keepalive);
	keepalive_hurry(&keepalive);
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, INTERVAL + SECOND), KEEPALIVE_SEND);
	CU_ASSERT_EQUAL(keepalive_due(&keepalive), INTERVAL + SECOND + KEEPALIVE_RETRY_US);
}

/* Another interval counts from the same sign of life. */
static void test_other_interval(void)
{
	struct keepalive keepalive = begin(7);
	keepalive_set_interval(&keepalive, 20 * (uint64_t)SECOND, 0);
	CU_ASSERT_EQUAL(keepalive_due(&keepalive), 7 + 20 * (uint64_t)SECOND);
}

/* A peer that sends, but never answers, is alive for ever; at most one
 * series of its answers is waited for. */
static void test_mute_but_alive(void)
{
	struct keepalive keepalive = begin(0);
	uint64_t now = 0;
	for (int i = 0; i < 1000; i++) {
		now = keepalive_due(&keepalive);
		CU_ASSERT_EQUAL(keepalive_poll(&keepalive, now), KEEPALIVE_SEND);
		keepalive_heard(&keepalive, now);
	}
	uint16_t last = keepalive.transaction;
	CU_ASSERT_FALSE(keepalive_answered(&keepalive, last - KEEPALIVE_TRIES - 1, now));
	CU_ASSERT_TRUE(keepalive_answered(&keepalive, last - KEEPALIVE_TRIES, now));
	CU_ASSERT_TRUE(keepalive_answered(&keepalive, last, now));
}

/* Asked at once, also where nothing is asked otherwise; then as ever. */
static void test_hurry(void)
{
	for (uint64_t interval = 0; interval <= INTERVAL; interval += INTERVAL) {
		struct keepalive keepalive;
		keepalive_init(&keepalive, interval, 0, 0);
		keepalive_heard(&keepalive, 10);
		keepalive_hurry(&keepalive);
		CU_ASSERT(keepalive_due(&keepalive) <= 11);
		CU_ASSERT_EQUAL(keepalive_poll(&keepalive, 11), KEEPALIVE_SEND);
		/* One is outstanding: no second one before its time. */
		keepalive_hurry(&keepalive);
		CU_ASSERT_EQUAL(keepalive_poll(&keepalive, 12), KEEPALIVE_WAIT);
		CU_ASSERT_EQUAL(keepalive_due(&keepalive), 11 + KEEPALIVE_RETRY_US);
		CU_ASSERT_TRUE(keepalive_answered(&keepalive, keepalive.transaction, 20));
		CU_ASSERT_EQUAL(keepalive_due(&keepalive), interval ? 20 + interval : UINT64_MAX);
		/* Silence after it is death, with an interval or without. */
		keepalive_hurry(&keepalive);
		uint64_t now = 30;
		for (int i = 0; i <= KEEPALIVE_TRIES; i++, now += KEEPALIVE_RETRY_US)
			CU_ASSERT_EQUAL(keepalive_poll(&keepalive, now), KEEPALIVE_SEND);
		CU_ASSERT_EQUAL(keepalive_poll(&keepalive, now), KEEPALIVE_DEAD);
	}
}

static void test_transaction_wraps(void)
{
	struct keepalive keepalive;
	keepalive_init(&keepalive, SECOND, 0xffff, 0);
	uint64_t now = keepalive_due(&keepalive);
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, now), KEEPALIVE_SEND);
	CU_ASSERT_EQUAL(keepalive.transaction, 0);
	CU_ASSERT_EQUAL(keepalive_poll(&keepalive, now + 5 * SECOND), KEEPALIVE_SEND);
	CU_ASSERT_TRUE(keepalive_answered(&keepalive, 0, now + 6 * SECOND));
	CU_ASSERT_TRUE(keepalive_answered(&keepalive, 1, now + 6 * SECOND));
}

static const struct unit_test tests[] = {
	{"jitter shortens by up to 10 %", test_jitter},
	{"interval 0 never asks", test_never},
	{"silence: asked, three times again, dead", test_silence},
	{"traffic puts the request off", test_traffic_puts_it_off},
	{"a sign of life between repeats", test_heard_between_repeats},
	{"an answer counts once", test_answer},
	{"answers to repeats come in order", test_answers_to_repeats},
	{"a quiet request", test_quiet},
	{"a quiet request, and silence", test_quiet_and_silent},
	{"another interval", test_other_interval},
	{"mute but alive", test_mute_but_alive},
	{"hurried by an event", test_hurry},
	{"the transaction wraps", test_transaction_wraps},
};

UNIT_MAIN("keepalive", tests)
