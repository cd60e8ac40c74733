/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tests/tools/voice_shape: as many octets, at those times, as the codecs send. */
#include "../tools/voice_shape.h"

#include <string.h>

#include "unit.h"

enum { SLOTS = 50 * 600 }; /* ten minutes */

static struct voice_packet packets[SLOTS], others[SLOTS];

static void test_g711(void)
{
	size_t count = voice_shape(EMODEL_G711, 1, SLOTS, packets);
	CU_ASSERT_EQUAL(count, SLOTS);
	for (size_t i = 0; i < count; i++)
		if (packets[i].slot != i || packets[i].size != 160 || !packets[i].is_speech)
			CU_FAIL_FATAL("not 160 octets in every slot");
}

/* Half of the time is speech; in a pause there are updates, and gaps between
 * them of the codec's length at most. */
static void check_pauses(enum emodel_codec codec, uint32_t longest)
{
	size_t count = voice_shape(codec, 3, SLOTS, packets), speech = 0;
	uint32_t gap = 0, pauses = 0;
	for (size_t i = 0; i < count; i++) {
		speech += packets[i].is_speech;
		pauses += i > 0 && packets[i - 1].is_speech && !packets[i].is_speech;
		if (i > 0 && packets[i].slot - packets[i - 1].slot > gap)
			gap = packets[i].slot - packets[i - 1].slot;
	}
	CU_ASSERT_DOUBLE_EQUAL((double)speech / SLOTS, 0.5, 0.1);
	CU_ASSERT(pauses > 120 && pauses < 280);
	CU_ASSERT_EQUAL(gap, longest);
	CU_ASSERT(count > speech + pauses);
}

static void test_pauses(void)
{
	check_pauses(EMODEL_OPUS, 20);
	check_pauses(EMODEL_AMR_WB, 8);
}

static void test_opus_rate(void)
{
	size_t count = voice_shape(EMODEL_OPUS, 1, SLOTS, packets), speech = 0;
	double octets = 0;
	for (size_t i = 0; i < count; i++) {
		speech += packets[i].is_speech;
		octets += packets[i].is_speech ? packets[i].size : 0;
	}
	/* 24 kbit/s in frames of 20 ms. */
	CU_ASSERT_DOUBLE_EQUAL(octets / (double)speech, 60, 2);
}

static void test_seed(void)
{
	memset(packets, 0, sizeof(packets));
	memset(others, 0, sizeof(others));
	voice_shape(EMODEL_OPUS, 5, SLOTS, packets);
	voice_shape(EMODEL_OPUS, 5, SLOTS, others);
	CU_ASSERT_EQUAL(memcmp(packets, others, sizeof(packets)), 0);
	voice_shape(EMODEL_OPUS, 6, SLOTS, others);
	CU_ASSERT_NOT_EQUAL(memcmp(packets, others, sizeof(packets)), 0);
	CU_ASSERT(voice_shape(EMODEL_OPUS, 0, 100, packets) > 0);
}

static const struct unit_test tests[] = {
	{"G.711", test_g711},
	{"speech and pauses", test_pauses},
	{"the rate of Opus", test_opus_rate},
	{"the seed decides", test_seed},
};

UNIT_MAIN("voice_shape", tests)
