/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/copies: what is a copy and what is not; whatever an application sends
 * twice arrives twice. */
#include "core/copies.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

enum { MS = 1000, SECOND = 1000000, NOW = 50 * SECOND, LANES = 6 };

static const uint8_t key[SIPHASH_KEY] = {1, 2, 3};
static struct copies sender, receiver;

static void start(void)
{
	copies_init(&sender, key);
	copies_init(&receiver, key);
}

static void test_what_is_concerned(void)
{
	static const struct {
		size_t length;
		uint8_t protocol;
		uint16_t source, destination;
		bool fragment, concerned;
	} cases[] = {
		{200, PROTOCOL_UDP, 40000, 40002, false, true},
		{400, PROTOCOL_UDP, 40000, 40002, false, true},
		{401, PROTOCOL_UDP, 40000, 40002, false, false},
		{200, PROTOCOL_UDP, 5060, 40002, false, false},
		{200, PROTOCOL_UDP, 40000, 5060, false, false},
		{200, PROTOCOL_UDP, 40000, 5061, false, false},
		{200, PROTOCOL_UDP, 40000, 4500, false, false},
		{200, PROTOCOL_TCP, 40000, 40002, false, false},
		{200, PROTOCOL_UDP, 40000, 40002, true, false},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet packet = {
			.length = cases[i].length,
			.protocol = cases[i].protocol,
			.has_ports = true,
			.fragment = cases[i].fragment,
			.source_port = cases[i].source,
			.destination_port = cases[i].destination,
		};
		CU_ASSERT_EQUAL(copies_concern(&packet), cases[i].concerned);
	}
	CU_ASSERT_TRUE(copies_service(SCHED_AUDIO));
	CU_ASSERT_FALSE(copies_service(SCHED_SIGNALLING));
	CU_ASSERT_FALSE(copies_service(SCHED_VIDEO));
	CU_ASSERT_FALSE(copies_service(SCHED_BULK));
}

static void test_hash(void)
{
	static const uint8_t other_key[SIPHASH_KEY] = {9};
	uint8_t octets[200] = {0x45};
	start();
	uint64_t hash = copies_hash(&receiver, octets, sizeof(octets));
	CU_ASSERT_EQUAL(hash, copies_hash(&receiver, octets, sizeof(octets)));
	CU_ASSERT_NOT_EQUAL(hash, copies_hash(&receiver, octets, sizeof(octets) - 1));
	octets[199] ^= 1;
	CU_ASSERT_NOT_EQUAL(hash, copies_hash(&receiver, octets, sizeof(octets)));
	octets[199] ^= 1;
	copies_init(&sender, other_key);
	CU_ASSERT_NOT_EQUAL(hash, copies_hash(&sender, octets, sizeof(octets)));
}

static void test_copy_is_dropped(void)
{
	start();
	CU_ASSERT_FALSE(copies_received(&receiver, 77, 0, NOW));
	CU_ASSERT_FALSE(copies_received(&receiver, 78, 1, NOW));
	CU_ASSERT_TRUE(copies_received(&receiver, 77, 1, NOW + COPIES_WINDOW));
	/* One arrival accounts for one drop. */
	CU_ASSERT_FALSE(copies_received(&receiver, 77, 2, NOW + COPIES_WINDOW));
	/* Too late is no copy. */
	CU_ASSERT_FALSE(copies_received(&receiver, 78, 0, NOW + COPIES_WINDOW + MS));
}

static void test_same_lane_is_never_dropped(void)
{
	start();
	for (unsigned i = 0; i < 1000; i++)
		CU_ASSERT_FALSE(copies_received(&receiver, 77, 3, NOW + i * 20 * MS));
	/* Repeats, each with its copy on one other lane, in any order. */
	static const char *const orders[] = {"ababab", "aaabbb", "bbbaaa", "abbaab", "baabab"};
	for (unsigned i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		unsigned arrived = 0;
		start();
		for (unsigned k = 0; k < 6; k++)
			arrived +=
				!copies_received(&receiver, 5, (uint8_t)orders[i][k], NOW + k * MS);
		CU_ASSERT_EQUAL(arrived, 3);
	}
}

static void test_repeats_keep_their_lane(void)
{
	start();
	CU_ASSERT_EQUAL(copies_repeated(&sender, 77, NOW), LANE_NONE);
	copies_sent(&sender, 77, 4, NOW);
	copies_sent(&sender, 78, 2, NOW);
	CU_ASSERT_EQUAL(copies_repeated(&sender, 77, NOW + COPIES_MEMORY), 4);
	CU_ASSERT_EQUAL(copies_repeated(&sender, 78, NOW), 2);
	CU_ASSERT_EQUAL(copies_repeated(&sender, 77, NOW + COPIES_MEMORY + MS), LANE_NONE);
	copies_sent(&sender, 77, 1, NOW + 5 * SECOND);
	CU_ASSERT_EQUAL(copies_repeated(&sender, 77, NOW + 5 * SECOND), 1);
}

static void test_modes(void)
{
	start();
	CU_ASSERT_FALSE(copies_allowed(&sender, COPIES_NONE, true, 100, NOW));
	CU_ASSERT_FALSE(copies_allowed(&sender, COPIES_AUTO, false, 100, NOW));
	CU_ASSERT_TRUE(copies_allowed(&sender, COPIES_AUTO, true, 100, NOW));
	CU_ASSERT_TRUE(copies_allowed(&sender, COPIES_ALWAYS, false, 100, NOW));
}

/* Never more than the rate and one burst, however it is asked; and never less
 * than the rate, to within 1 %. */
static void test_budget(void)
{
	static const uint32_t steps[] = {1, 7, 25, 1000, 20000, 300000};
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint64_t copied = 0, now = NOW;
		start();
		for (; now < NOW + 10 * SECOND; now += steps[i])
			while (copies_allowed(&sender, COPIES_ALWAYS, false, 200, now))
				copied += 200;
		CU_ASSERT(copied <= 10 * COPIES_RATE + COPIES_BURST);
		if (steps[i] <= 20000)
			CU_ASSERT(copied >= 10 * COPIES_RATE / 100 * 99);
	}
}

/* A flood of hashes costs memory of what came before, and nothing else. */
static void test_flood(void)
{
	start();
	srand(3);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t hash = (uint64_t)rand() << 31 ^ (uint64_t)rand();
		CU_ASSERT_FALSE(copies_received(&receiver, hash, (uint8_t)(i % 16), NOW + i));
	}
	/* What was seen last is still known. */
	CU_ASSERT_FALSE(copies_received(&receiver, 77, 0, NOW + 100000));
	CU_ASSERT_TRUE(copies_received(&receiver, 77, 1, NOW + 100000));
	CU_ASSERT(sizeof(struct copies) <= 6 * 1024);
}

/* Copies go a little later, in order, once, and not when they are old. */
static void test_held(void)
{
	uint8_t octets[COPIES_LARGEST] = {0};
	start();
	CU_ASSERT_PTR_NULL(copies_due(&sender, NOW));
	for (uint8_t i = 0; i < COPIES_HELD + 1; i++) {
		octets[0] = octets[199] = i;
		copies_hold(&sender, octets, 200, 7, NOW + i * MS);
	}
	CU_ASSERT_PTR_NULL(copies_due(&sender, NOW + MS + COPIES_LATER - 1));
	/* The first had to go without. */
	for (uint8_t i = 1; i < COPIES_HELD + 1; i++) {
		struct copies_held *held = copies_due(&sender, NOW + i * MS + COPIES_LATER);
		CU_ASSERT_PTR_NOT_NULL_FATAL(held);
		CU_ASSERT_EQUAL(held->octets[0], i);
		CU_ASSERT_EQUAL(held->octets[199], i);
		CU_ASSERT_EQUAL(held->length, 200);
		CU_ASSERT_EQUAL(held->lane, 7);
		held->sent = 0;
	}
	CU_ASSERT_PTR_NULL(copies_due(&sender, NOW + 100 * MS));
	copies_hold(&sender, octets, COPIES_LARGEST, 7, NOW);
	CU_ASSERT_PTR_NULL(copies_due(&sender, NOW + COPIES_STALE + 1));
	CU_ASSERT_PTR_NULL(copies_due(&sender, NOW + COPIES_STALE));
}

/* A sender and a receiver with lanes of random delay between them, each of which
 * keeps its order.  Packets, some of them repeated, some of them copied. */
enum { PACKETS = 3000 };
static struct arrival {
	uint64_t at;
	uint64_t hash;
	unsigned order;
	uint8_t lane;
} arrivals[2 * PACKETS];
static uint64_t last_of_lane[LANES];
static unsigned arrival_count;

static void transmit(uint64_t hash, uint8_t lane, uint64_t now)
{
	/* At most 100 ms of difference, as far as it is not a stall. */
	uint64_t at = now + 20 * MS + (uint64_t)rand() % (100 * MS);
	if (at < last_of_lane[lane])
		at = last_of_lane[lane];
	last_of_lane[lane] = at;
	arrivals[arrival_count] = (struct arrival){at, hash, arrival_count, lane};
	arrival_count++;
}

static void dispatch(uint64_t hash, bool loss, uint64_t now)
{
	int lane = copies_repeated(&sender, hash, now);
	if (lane == LANE_NONE) {
		lane = rand() % LANES;
		if (copies_allowed(&sender, COPIES_AUTO, loss, 200, now))
			transmit(hash, (uint8_t)((lane + 1 + rand() % (LANES - 1)) % LANES), now);
	}
	transmit(hash, (uint8_t)lane, now);
	copies_sent(&sender, hash, (uint8_t)lane, now);
}

static int by_time(const void *a, const void *b)
{
	const struct arrival *x = a, *y = b;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static void test_end_to_end(void)
{
	unsigned sent[PACKETS] = {0}, came[PACKETS] = {0};
	uint64_t now = NOW, hash = 0;
	start();
	srand(24322);
	arrival_count = 0;
	memset(last_of_lane, 0, sizeof(last_of_lane));
	for (unsigned i = 0; i < PACKETS; i++, now += 20 * MS) {
		/* One in ten is a repeat of one of the last five, as DTMF would be. */
		uint64_t which = i > 5 && rand() % 10 == 0 ? hash - (uint64_t)rand() % 5 : ++hash;
		dispatch(which * 0x9e3779b97f4a7c15, i / 500 % 2, now);
		sent[which]++;
	}
	CU_ASSERT(arrival_count > PACKETS + PACKETS / 4);
	qsort(arrivals, arrival_count, sizeof(arrivals[0]), by_time);
	for (unsigned i = 0; i < arrival_count; i++)
		if (!copies_received(&receiver, arrivals[i].hash, arrivals[i].lane, arrivals[i].at))
			for (uint64_t k = 1; k <= hash; k++)
				came[k] += arrivals[i].hash == k * 0x9e3779b97f4a7c15;
	for (uint64_t k = 1; k <= hash; k++)
		CU_ASSERT_EQUAL(came[k], sent[k]);
}

static const struct unit_test tests[] = {
	{"what is concerned", test_what_is_concerned},
	{"hash", test_hash},
	{"a copy is dropped", test_copy_is_dropped},
	{"the same lane is never dropped", test_same_lane_is_never_dropped},
	{"repeats keep their lane", test_repeats_keep_their_lane},
	{"modes", test_modes},
	{"budget", test_budget},
	{"flood", test_flood},
	{"copies go later", test_held},
	{"as many arrive as were sent", test_end_to_end},
};

UNIT_MAIN("copies", tests)
