/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/emodel against the figures printed in ITU-T G.107, G.109 and G.113. */
#include "core/emodel.h"

#include <math.h>
#include <stddef.h>

#include "unit.h"

static double rating(enum emodel_codec codec, double delay_ms, double loss, double burst_ratio)
{
	struct emodel_path path = {delay_ms, loss, burst_ratio};
	return emodel_rating(codec, &path);
}

/* R against delay, no loss, as in G.114 Figure 1 (about 90, 78 and 69 at 200,
 * 300 and 400 ms); at 200, 400 and 800 ms the logarithm is a whole number and
 * the formula is worked by hand. */
static void test_delay(void)
{
	static const struct {
		double delay_ms, rating;
	} rows[] = {
		{-5, 93.20},
		{0, 93.20},
		{100, 93.20},
		{150, 93.04},
		{200, 90.16},
		{250, 84.28},
		{300, 78.44},
		{400, 69.13},
		{800, 52.37},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_DOUBLE_EQUAL(
			rating(EMODEL_G711, rows[i].delay_ms, 0, 1), rows[i].rating, 0.01);
}

/* Ie,eff = 93.2 - R: G.113 Appendix I prints whole numbers for G.711 with
 * concealment under random loss (5, 7, 10, 15 for 1, 2, 3, 5 %), from which
 * the formula that replaced them differs by at most 1.5. */
static void test_random_loss(void)
{
	static const struct {
		double loss, impairment, printed;
	} rows[] = {
		{0, 0, 0},
		{1, 3.640, 5},
		{2, 7.011, 7},
		{3, 10.142, 10},
		{5, 15.781, 15},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double impairment = 93.2 - rating(EMODEL_G711, 50, rows[i].loss, 1);
		CU_ASSERT_DOUBLE_EQUAL(impairment, rows[i].impairment, 0.001);
		CU_ASSERT_DOUBLE_EQUAL(impairment, rows[i].printed, 1.5);
	}
}

static void test_bursts_and_codecs(void)
{
	static const struct {
		enum emodel_codec codec;
		double loss, burst_ratio, impairment;
	} rows[] = {
		{EMODEL_G711, 2, 2, 95 * 2 / 26.1},
		{EMODEL_G711, 2, 4, 95 * 2 / 25.6},
		{EMODEL_G711, 2, 0.5, 95 * 2 / 27.1},
		{EMODEL_G711, 150, 1, 95 * 100 / 125.1},
		{EMODEL_G711, -1, 1, 0},
		{EMODEL_OPUS, 0, 1, 0},
		{EMODEL_OPUS, 1, 1, 95 / 20.0},
		{EMODEL_AMR_WB, 0, 1, 0},
		{EMODEL_AMR_WB, 1, 1, 95 / 11.0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_DOUBLE_EQUAL(
			93.2 - rating(rows[i].codec, 0, rows[i].loss, rows[i].burst_ratio),
			rows[i].impairment, 1e-9);
	CU_ASSERT_EQUAL(rating(EMODEL_G711, 1000, 100, 90), 0);
}

static void test_burst_ratio(void)
{
	static const struct {
		unsigned sent, lost, bursts;
		double ratio;
	} rows[] = {
		{1000, 0, 0, 1},
		{1000, 20, 20, 1}, /* a little less than by chance */
		{1000, 30, 10, 2.91},
		{1000, 100, 1, 90},
		{1000, 500, 250, 1}, /* runs of two are what chance gives at 50 % */
		{1000, 1000, 1, 1},
		{0, 0, 0, 1},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_DOUBLE_EQUAL(
			emodel_burst_ratio(rows[i].sent, rows[i].lost, rows[i].bursts),
			rows[i].ratio, 1e-9);
}

/* G.107 Table B.1, the bounds of G.109's categories. */
static void test_mos(void)
{
	static const struct {
		double rating, mos;
	} rows[] = {
		{100, 4.5},
		{93.2, 4.41},
		{90, 4.34},
		{80, 4.03},
		{70, 3.60},
		{60, 3.10},
		{50, 2.58},
		{0, 1},
		{-1, 1},
		{120, 4.5},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_DOUBLE_EQUAL(emodel_mos(rows[i].rating), rows[i].mos, 0.01);
	CU_ASSERT_EQUAL(emodel_mos(3), 1);
}

static const struct unit_test tests[] = {
	{"delay", test_delay},
	{"random loss", test_random_loss},
	{"bursts and codecs", test_bursts_and_codecs},
	{"burst ratio", test_burst_ratio},
	{"MOS", test_mos},
};

UNIT_MAIN("emodel", tests)
