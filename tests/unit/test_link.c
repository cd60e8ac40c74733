/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tests/tools/link: the emulated link does what its settings say, in simulated
 * time and over enough packets that chance has no say. */
#include "../tools/link.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

enum { MS = 1000, SECOND = 1000000, START = 5000000 };

static void send_packet(struct link *link, uint32_t size, uint64_t now)
{
	struct link_packet *packet = link_packet_new(link);
	CU_ASSERT_PTR_NOT_NULL_FATAL(packet);
	packet->size = size;
	memset(packet->octets, 0, 4);
	memcpy(packet->octets, &(uint32_t){(uint32_t)link->counts.sent}, 4);
	link_send(link, packet, now);
}

/* The number of the next packet that is there by `now`, -1: none. */
static int64_t take_packet(struct link *link, uint64_t now, uint64_t *due)
{
	struct link_packet *packet = link_receive(link, now);
	if (!packet)
		return -1;
	uint32_t number;
	memcpy(&number, packet->octets, 4);
	if (due)
		*due = packet->due;
	link_packet_free(link, packet);
	return number;
}

static unsigned drain(struct link *link, uint64_t now)
{
	unsigned count = 0;
	while (take_packet(link, now, NULL) >= 0)
		count++;
	return count;
}

static void test_delay(void)
{
	struct link link;
	link_init(&link, &(struct link_settings){.delay = 25 * MS}, START);
	CU_ASSERT_EQUAL(link_next(&link), UINT64_MAX);
	send_packet(&link, 100, START);
	CU_ASSERT_EQUAL(link_next(&link), START + 25 * MS);
	CU_ASSERT_EQUAL(take_packet(&link, START + 25 * MS - 1, NULL), -1);
	CU_ASSERT_EQUAL(take_packet(&link, START + 25 * MS, NULL), 0);
	CU_ASSERT_EQUAL(take_packet(&link, START + SECOND, NULL), -1);
	link_fini(&link);
}

/* 1250 octets at 10 Mbit/s are 1 ms each, one behind the other, whenever the
 * link is asked. */
static void test_rate(void)
{
	struct link link;
	link_init(&link, &(struct link_settings){.rate = 10000000, .delay = 7 * MS}, START);
	for (unsigned i = 0; i < 5; i++)
		send_packet(&link, 1250, START);
	uint64_t due = 0;
	for (int i = 0; i < 5; i++) {
		CU_ASSERT(link_next(&link) <= START + 8 * MS + (uint64_t)i * MS);
		CU_ASSERT_EQUAL(take_packet(&link, START + SECOND, &due), i);
		CU_ASSERT_EQUAL(due, START + 8 * MS + (uint64_t)i * MS);
	}
	CU_ASSERT_EQUAL(link.counts.queue_wait_max, 4 * MS);
	link_fini(&link);
}

/* Times are cut to whole microseconds, and yet the rate is exact. */
static void test_exact_rate(void)
{
	struct link link;
	link_init(&link, &(struct link_settings){.rate = 7000000}, START);
	for (unsigned i = 0; i < 7000; i++)
		send_packet(&link, 100, START);
	uint64_t due = 0;
	while (take_packet(&link, START + SECOND, &due) >= 0)
		;
	CU_ASSERT(llabs((long long)(due - START) - 800 * MS) <= 1);
	link_fini(&link);
}

static void test_tail_drop(void)
{
	struct link link;
	link_init(&link, &(struct link_settings){.rate = 10000000, .queue = 10 * 1250}, START);
	for (unsigned i = 0; i < 30; i++)
		send_packet(&link, 1250, START);
	/* One in transmission, ten in the queue. */
	CU_ASSERT_EQUAL(link.counts.queue_drops, 19);
	CU_ASSERT_EQUAL(link.counts.queue_octets_max, 12500);
	CU_ASSERT_EQUAL(drain(&link, START + SECOND), 11);
	/* A packet larger than the queue passes an idle link. */
	link.settings.queue = 100;
	send_packet(&link, 1250, START + 2 * SECOND);
	CU_ASSERT_EQUAL(link.counts.queue_drops, 19);
	CU_ASSERT_EQUAL(drain(&link, START + 3 * SECOND), 1);
	link_fini(&link);
}

/* A sender 10 % too fast for 10 s: CoDel keeps the wait low, a queue does not. */
static void test_codel(void)
{
	uint64_t waits[2] = {0};
	for (int drop = LINK_TAIL_DROP; drop <= LINK_CODEL; drop++) {
		struct link link;
		struct link_settings settings = {
			.rate = 10000000, .queue = 1250000, .drop = (enum link_drop)drop};
		link_init(&link, &settings, START);
		for (uint64_t now = START; now < START + 10 * SECOND; now += 900) {
			send_packet(&link, 1250, now);
			drain(&link, now);
		}
		waits[drop] = link.counts.queue_wait_sum / link.counts.on_wire;
		CU_ASSERT_EQUAL(link.counts.codel_drops > 0, drop == LINK_CODEL);
		link_fini(&link);
	}
	CU_ASSERT(waits[LINK_TAIL_DROP] > 300 * MS);
	CU_ASSERT(waits[LINK_CODEL] < waits[LINK_TAIL_DROP] / 3);
}

static struct link_counts lose(double loss, double burst, uint64_t seed, uint64_t step)
{
	struct link link;
	struct link_settings settings = {.loss = loss, .burst = burst, .seed = seed};
	link_init(&link, &settings, START);
	for (uint64_t i = 0; i < 200000; i++) {
		send_packet(&link, 100, START + i * step);
		drain(&link, START + i * step);
	}
	link_fini(&link);
	return link.counts;
}

static void test_loss(void)
{
	static const struct {
		double loss, burst, mean;
	} rows[] = {
		{0, 1, 0},
		{0.01, 1, 1 / 0.99},
		{0.05, 0, 1 / 0.95},
		{0.02, 3, 3},
		{0.05, 10, 10},
		{1, 1, 200000},
		{1, 3, 200000},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct link_counts counts = lose(rows[i].loss, rows[i].burst, 7, MS);
		CU_ASSERT_DOUBLE_EQUAL(
			(double)counts.lost / 200000, rows[i].loss, rows[i].loss * 0.1);
		if (counts.bursts)
			CU_ASSERT_DOUBLE_EQUAL((double)counts.lost / (double)counts.bursts,
				rows[i].mean, rows[i].mean * 0.1);
	}
}

static void test_seed(void)
{
	struct link_counts once = lose(0.02, 3, 42, MS), again = lose(0.02, 3, 42, 17),
			   other = lose(0.02, 3, 43, MS);
	CU_ASSERT_EQUAL(once.lost, again.lost);
	CU_ASSERT_EQUAL(once.decisions, again.decisions);
	CU_ASSERT_NOT_EQUAL(once.decisions, other.decisions);
}

/* Sends 10,000 packets a millisecond apart; counts those that come before one
 * that was sent earlier, and adds up the delays. */
static unsigned overtakings(const struct link_settings *settings, double *delay_ms)
{
	struct link link;
	unsigned count = 0;
	int64_t highest = -1;
	link_init(&link, settings, START);
	*delay_ms = 0;
	for (uint64_t i = 0; i < 10000; i++)
		send_packet(&link, 100, START + i * MS);
	uint64_t due = 0;
	for (int64_t number; (number = take_packet(&link, UINT64_MAX - 1, &due)) >= 0;) {
		count += number < highest;
		highest = number > highest ? number : highest;
		*delay_ms += (double)(due - START - (uint64_t)number * MS) / MS / 10000;
	}
	link_fini(&link);
	return count;
}

static void test_jitter_and_reordering(void)
{
	double delay;
	/* In order: one may have to wait for its predecessor, not the reverse. */
	CU_ASSERT_EQUAL(
		overtakings(&(struct link_settings){.delay = 10 * MS, .jitter = 1 * MS}, &delay),
		0);
	CU_ASSERT_DOUBLE_EQUAL(delay, 10.5, 0.1);
	unsigned late = overtakings(
		&(struct link_settings){.delay = 10 * MS, .reorder = 0.1, .reorder_by = 5 * MS},
		&delay);
	CU_ASSERT(late > 900 && late < 1100);
	CU_ASSERT_DOUBLE_EQUAL(delay, 10.5, 0.1);
}

static void test_outage(void)
{
	struct link link;
	struct link_settings settings = {
		.outages = {{1 * SECOND, 2 * SECOND}, {5 * SECOND, 500 * MS}}, .outage_count = 2};
	unsigned arrived[7] = {0};
	link_init(&link, &settings, START);
	for (uint64_t ms = 0; ms < 7000; ms++) {
		send_packet(&link, 100, START + ms * MS);
		arrived[ms / 1000] += drain(&link, START + ms * MS);
	}
	static const unsigned expected[7] = {1000, 0, 0, 1000, 1000, 500, 1000};
	CU_ASSERT_EQUAL(memcmp(arrived, expected, sizeof(expected)), 0);
	CU_ASSERT_EQUAL(link.counts.outage_drops, 2500);
	link_fini(&link);
}

static const struct unit_test tests[] = {
	{"delay", test_delay},
	{"rate", test_rate},
	{"rates that are no whole microseconds", test_exact_rate},
	{"a full queue drops", test_tail_drop},
	{"CoDel", test_codel},
	{"loss, alone and in bursts", test_loss},
	{"the seed decides", test_seed},
	{"jitter and reordering", test_jitter_and_reordering},
	{"outages", test_outage},
};

UNIT_MAIN("link", tests)
