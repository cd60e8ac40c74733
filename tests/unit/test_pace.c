/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/pace against a simulated link: a queue of one capacity, voice, and bulk that
 * sends what it may and measures a round trip each time that it looks. */
#include "core/pace.h"

#include <string.h>

#include "unit.h"

enum { MS = 1000, BEGIN = 1000000, SECONDS = 1000 /* ms */, LONGEST = 90 * SECONDS };

struct link {
	double capacity; /* octets per ms */
	double base;     /* ms, round trip of an empty link */
	double buffer;   /* octets */
	double demand;   /* octets per ms that bulk would send without a limit */
	double queue;    /* octets */
	double srtt;     /* ms */
	double rtt[LONGEST], arrived[LONGEST];
	double total;
	int time; /* ms */
	uint64_t rate;
	struct pace pace;
};

static struct link link_;

static uint64_t clock_of(int ms)
{
	return (uint64_t)(BEGIN + ms) * MS;
}

static void setup(double capacity, double base, double buffer_ms)
{
	memset(&link_, 0, sizeof(link_));
	link_.capacity = capacity;
	link_.base = link_.srtt = base;
	link_.buffer = buffer_ms * capacity;
	link_.demand = 2 * capacity;
	link_.rate = PACE_UNLIMITED;
	pace_init(&link_.pace);
}

static double queue_ms(void)
{
	return link_.queue / link_.capacity;
}

/* One voice packet of 120 octets every 20 ms, and bulk, for one ms. */
static void send_and_forward(bool bulk)
{
	double allowed = (double)link_.rate / 1000;
	double offered = allowed < link_.demand ? allowed : link_.demand;
	link_.queue += (bulk ? offered : 0) + 6;
	double out = link_.queue < link_.capacity ? link_.queue : link_.capacity;
	link_.queue -= out;
	if (link_.queue > link_.buffer)
		link_.queue = link_.buffer;
	link_.total += out > 6 ? out - 6 : 0;
	link_.arrived[link_.time] = link_.total;
	link_.rtt[link_.time] = link_.base + queue_ms();
}

/* What was sent one round trip ago is acknowledged now. */
static void measure(bool call)
{
	int now = link_.time, sent = now - (int)link_.srtt;
	int arrived = now - (int)(link_.base / 2);
	if (sent >= 0) {
		link_.srtt += (link_.rtt[sent] - link_.srtt) / 2;
		pace_base(&link_.pace, (uint32_t)(link_.base * MS), clock_of(now));
		pace_measured(&link_.pace, (uint32_t)(link_.srtt * MS), clock_of(now));
	}
	double delivered = arrived > 0 ? link_.arrived[arrived] : 0;
	link_.rate = pace_rate(&link_.pace, call, (uint64_t)delivered, clock_of(now));
}

struct outcome {
	double used;  /* of the capacity */
	double queue; /* ms, mean */
	double worst; /* ms */
};

static struct outcome run(int ms, bool call, bool bulk)
{
	struct outcome outcome = {0};
	double before = link_.total;
	for (int i = 0; i < ms; i++, link_.time++) {
		send_and_forward(bulk);
		if (link_.time % 20 == 0)
			measure(call);
		outcome.queue += queue_ms() / ms;
		outcome.worst = queue_ms() > outcome.worst ? queue_ms() : outcome.worst;
	}
	outcome.used = (link_.total - before) / (ms * link_.capacity);
	return outcome;
}

/* Capacity in octets per ms and base round trip in ms. */
static const struct {
	double capacity, base;
} links[] = {{250, 20}, {250, 250}, {625, 50}, {1250, 120}, {2500, 50}, {6250, 20}, {6250, 250}};

static void test_unlimited_without_call(void)
{
	setup(1250, 50, 200);
	run(2 * SECONDS, false, true);
	CU_ASSERT_EQUAL(link_.rate, PACE_UNLIMITED);
	struct outcome outcome = run(5 * SECONDS, false, true);
	CU_ASSERT(outcome.used > 0.98);
}

/* A call that meets bulk: the queue that bulk had made goes within four seconds. */
static void test_call_meets_bulk(void)
{
	for (unsigned i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		setup(links[i].capacity, links[i].base, 200);
		run(2 * SECONDS, false, false); /* the base is known */
		run(2 * SECONDS, false, true);
		CU_ASSERT(queue_ms() > 190);
		run(4 * SECONDS, true, true);
		CU_ASSERT(queue_ms() < 60);
		run(4 * SECONDS, true, true);
		struct outcome outcome = run(20 * SECONDS, true, true);
		CU_ASSERT(outcome.queue < 30);
		CU_ASSERT(outcome.worst < 100);
		CU_ASSERT(outcome.used > 0.95);
	}
}

/* Bulk that meets a call starts fast, and does not fill the buffer. */
static void test_bulk_meets_call(void)
{
	for (unsigned i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		setup(links[i].capacity, links[i].base, 300);
		run(5 * SECONDS, true, false);
		struct outcome outcome = run(10 * SECONDS, true, true);
		CU_ASSERT(outcome.worst < 110 + links[i].base);
		CU_ASSERT(outcome.used > 0.4);
		outcome = run(20 * SECONDS, true, true);
		CU_ASSERT(outcome.queue < 30);
		CU_ASSERT(outcome.used > 0.95);
	}
}

static void test_released_after_call(void)
{
	setup(1250, 50, 200);
	run(10 * SECONDS, true, true);
	CU_ASSERT(link_.rate < 2 * 1250000);
	run(20, false, true);
	CU_ASSERT_EQUAL(link_.rate, PACE_UNLIMITED);
}

/* Others fill the link: bulk yields down to the floor, and not below. */
static void test_floor(void)
{
	uint64_t now = clock_of(0), delivered = 0, rate = 0;
	struct pace pace;
	pace_init(&pace);
	pace_measured(&pace, 50 * MS, now);
	pace_rate(&pace, false, 0, now);
	for (int i = 0; i < 50; i++) { /* 2 MB/s */
		now += 20 * MS;
		delivered += 40000;
		pace_rate(&pace, false, delivered, now);
	}
	CU_ASSERT_EQUAL(pace_rate(&pace, true, delivered + 40000, now + 20 * MS), 1500000);
	for (int i = 0; i < 1000; i++) {
		now += 20 * MS;
		delivered += 200; /* 10 kB/s are all that gets through */
		pace_measured(&pace, 300 * MS, now);
		rate = pace_rate(&pace, true, delivered, now);
	}
	CU_ASSERT_EQUAL(rate, 200000); /* a tenth of the peak */
	CU_ASSERT_EQUAL(pace_queueing(&pace), 250 * MS);
	pace_init(&pace);
	pace_measured(&pace, 50 * MS, now);
	for (int i = 0; i < 1000; i++) {
		now += 20 * MS;
		pace_measured(&pace, 300 * MS, now);
		rate = pace_rate(&pace, true, 0, now);
	}
	CU_ASSERT_EQUAL(rate, PACE_FLOOR);
}

/* Bulk that a loss held up, or that paused, has what the link carries at once. */
static void test_back_at_once(void)
{
	for (unsigned i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		setup(links[i].capacity, links[i].base, 200);
		run(2 * SECONDS, false, false);
		run(2 * SECONDS, false, true);
		run(10 * SECONDS, true, true);
		run(3 * SECONDS, true, false);
		struct outcome outcome = run(1 * SECONDS, true, true);
		CU_ASSERT(outcome.used > 0.85);
		CU_ASSERT(outcome.worst < 80 + links[i].base / 2);
	}
}

/* A link that loses half of its rate makes a queue of no more than that, and bulk
 * has the other half when it comes back. */
static void test_other_rate(void)
{
	setup(1250, 50, 500);
	run(2 * SECONDS, false, true);
	run(10 * SECONDS, true, true);
	link_.capacity /= 2;
	run(4 * SECONDS, true, true);
	struct outcome outcome = run(10 * SECONDS, true, true);
	CU_ASSERT(outcome.queue < 35);
	CU_ASSERT(outcome.used > 0.95);
	link_.capacity *= 2;
	run(10 * SECONDS, true, true);
	outcome = run(10 * SECONDS, true, true);
	CU_ASSERT(outcome.used > 0.9);
}

/* Bulk that sends little gains nothing by it, and loses nothing. */
static void test_little_bulk(void)
{
	setup(1250, 50, 200);
	link_.demand = 10;
	run(20 * SECONDS, true, true);
	CU_ASSERT(link_.rate >= PACE_FLOOR);
	CU_ASSERT(link_.rate <= 128000);
	CU_ASSERT(queue_ms() < 1);
}

static void test_nothing_measured(void)
{
	struct pace pace;
	pace_init(&pace);
	uint64_t rate = pace_rate(&pace, true, 0, clock_of(0));
	for (int ms = 20; ms < 5000; ms += 20)
		CU_ASSERT_EQUAL(pace_rate(&pace, true, (uint64_t)ms * 1000, clock_of(ms)), rate);
	/* The delivered octets of another lane begin anew. */
	pace_measured(&pace, 50 * MS, clock_of(5000));
	CU_ASSERT_EQUAL(pace_rate(&pace, true, 7, clock_of(5020)), rate);
}

/* A route that became longer is a queue for ten minutes, and then the base. */
static void test_base_history(void)
{
	struct pace pace;
	pace_init(&pace);
	uint64_t now = clock_of(0);
	pace_measured(&pace, 20 * MS, now);
	pace_rate(&pace, true, 0, now);
	for (int second = 1; second < 11 * 60; second++) {
		now += 1000 * MS;
		pace_measured(&pace, 80 * MS, now);
		pace_rate(&pace, true, 0, now);
		if (second == 9 * 60)
			CU_ASSERT_EQUAL(pace_queueing(&pace), 60 * MS);
	}
	CU_ASSERT_EQUAL(pace_queueing(&pace), 0);
	/* And after a long silence nothing old counts. */
	now += 3600U * 1000 * (uint64_t)MS;
	pace_measured(&pace, 200 * MS, now);
	pace_rate(&pace, true, 0, now);
	CU_ASSERT_EQUAL(pace_queueing(&pace), 0);
}

static const struct unit_test tests[] = {
	{"no limit without a call", test_unlimited_without_call},
	{"a call meets bulk", test_call_meets_bulk},
	{"bulk meets a call", test_bulk_meets_call},
	{"released after the call", test_released_after_call},
	{"the floor", test_floor},
	{"back at once", test_back_at_once},
	{"a link of another rate", test_other_rate},
	{"bulk that sends little", test_little_bulk},
	{"nothing measured", test_nothing_measured},
	{"ten minutes of base", test_base_history},
};

UNIT_MAIN("pace", tests)
