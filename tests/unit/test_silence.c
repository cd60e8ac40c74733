/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/silence: a cut is seen soon, and what is none is not taken for one. */
#include "core/silence.h"

#include "unit.h"

enum { MS = 1000, BEGIN = 10000 * MS, TALK = 2000 * MS, END = 4000 * MS };

/* Speech on a path, in simulated time: a packet every `interval`, and as often its
 * acknowledgement, as far as the network carries both. */
struct path {
	uint32_t rtt, rttvar, interval;
	uint64_t grows, by;      /* us; from then on the round trip is that much longer */
	uint64_t pause, resumed; /* nothing is said */
	uint64_t cut, mended;    /* us; what is sent then is lost, in both directions */
};

static bool passes(const struct path *path, uint64_t at)
{
	return at < path->cut || at >= path->mended;
}

/* How long after the beginning it seems silent first; END: never. */
static uint64_t silent_after(const struct path *path, uint64_t from)
{
	static bool arrives[END / MS];
	struct silence silence = {0};
	for (unsigned i = 0; i < END / MS; i++)
		arrives[i] = false;
	for (uint64_t now = 0; now < END; now += MS) {
		bool says =
			now % path->interval == 0 && (now < path->pause || now >= path->resumed);
		uint64_t rtt = path->rtt + (path->by && now >= path->grows ? path->by : 0);
		if (says)
			silence_sent(&silence, BEGIN + now);
		if (says && passes(path, now) && passes(path, now + rtt / 2) && now + rtt < END)
			arrives[(now + rtt) / MS] = true;
		if (arrives[now / MS])
			silence_moved(&silence, BEGIN + now);
		if (now >= from &&
			silence_is_silent(&silence, path->rtt, path->rttvar, BEGIN + now))
			return now;
	}
	return END;
}

/* The last acknowledgement comes half a round trip after the cut. */
static void test_a_cut(void)
{
	static const struct {
		uint32_t rtt, rttvar, interval, within;
	} cases[] = {
		{20 * MS, 0, 20 * MS, 110 * MS},
		{120 * MS, 0, 20 * MS, 160 * MS},
		{250 * MS, 0, 20 * MS, 225 * MS},
		{600 * MS, 0, 20 * MS, 400 * MS},
		{120 * MS, 30 * MS, 20 * MS, 220 * MS},
		{120 * MS, 0, 2 * MS, 160 * MS}, /* many calls */
		{120 * MS, 0, 40 * MS, 220 * MS},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct path path = {.rtt = cases[i].rtt,
			.rttvar = cases[i].rttvar,
			.interval = cases[i].interval,
			.cut = TALK,
			.mended = END};
		uint64_t after = silent_after(&path, 0);
		CU_ASSERT(after > TALK + path.rtt / 2 + SILENCE_MARGIN_US);
		CU_ASSERT(after <= TALK + cases[i].within);
	}
}

static void test_no_cut(void)
{
	static const struct path paths[] = {
		{.rtt = 20 * MS, .interval = 20 * MS},
		{.rtt = 250 * MS, .interval = 20 * MS},
		{.rtt = 1200 * MS, .interval = 20 * MS},
		{.rtt = 120 * MS, .interval = 160 * MS}, /* comfort noise */
		/* A word, and after a pause the next. */
		{.rtt = 20 * MS, .interval = 20 * MS, .pause = 1000 * MS, .resumed = TALK},
		{.rtt = 250 * MS, .interval = 20 * MS, .pause = 1000 * MS, .resumed = TALK},
		/* The queue of a busy link fills, faster than it ever does. */
		{.rtt = 50 * MS, .interval = 20 * MS, .grows = TALK, .by = 60 * MS},
		{.rtt = 50 * MS,
			.rttvar = 40 * MS,
			.interval = 20 * MS,
			.grows = TALK,
			.by = 150 * MS},
		/* A burst of three losses. */
		{.rtt = 50 * MS, .interval = 20 * MS, .cut = TALK, .mended = TALK + 50 * MS},
		{.rtt = 0, .interval = 20 * MS, .cut = TALK, .mended = END},
	};
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		CU_ASSERT_EQUAL(silent_after(&paths[i], 0), END);
}

/* What was said before the cut is never heard; one sign of life is enough. */
static void test_end(void)
{
	struct silence silence = {0};
	for (unsigned i = 0; i < 8; i++)
		silence_sent(&silence, BEGIN + i * 20 * MS);
	CU_ASSERT_TRUE(silence_is_silent(&silence, 50 * MS, 0, BEGIN + 2000 * MS));
	silence_moved(&silence, BEGIN + 2000 * MS);
	CU_ASSERT_FALSE(silence_is_silent(&silence, 50 * MS, 0, BEGIN + 2000 * MS));
	silence_moved(&silence, BEGIN);
	CU_ASSERT_FALSE(silence_is_silent(&silence, 50 * MS, 0, BEGIN + 2500 * MS));
}

static const struct unit_test tests[] = {
	{"a cut is seen a margin after the acknowledgements that are due", test_a_cut},
	{"losses, pauses and longer queues are none", test_no_cut},
	{"it ends with the first acknowledgement", test_end},
};

UNIT_MAIN("silence", tests)
