/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The clauses of ITU-T G.107 (06/2015) that depend on the network. */
#include "core/emodel.h"

#include <math.h>

/* Ro - Is - Idle with every parameter at its default (Table 2): no talker echo
 * within a round trip of nothing, and 0.15 of listener echo. */
static const double rating_at_best = 93.2;

struct robustness {
	double impairment; /* Ie */
	double loss;       /* Bpl */
};

static struct robustness codec_robustness(enum emodel_codec codec)
{
	switch (codec) {
	case EMODEL_G711:
		break;
	case EMODEL_OPUS:
		return (struct robustness){0, 19};
	case EMODEL_AMR_WB:
		return (struct robustness){0, 10};
	}
	return (struct robustness){0, 25.1};
}

double emodel_burst_ratio(uint64_t sent, uint64_t lost, uint64_t bursts)
{
	if (lost == 0 || bursts == 0 || lost >= sent)
		return 1;
	double observed = (double)lost / (double)bursts;
	double by_chance = 1 / (1 - (double)lost / (double)sent);
	return fmax(1, observed / by_chance);
}

/* Idd, formulas (7-27) and (7-28), for the default sensitivity: sT = 1 and
 * mT = 100 ms, up to which nobody notices. */
static double delay_impairment(double delay_ms)
{
	if (!(delay_ms > 100))
		return 0;
	double x = log2(delay_ms / 100);
	return 25 * (pow(1 + pow(x, 6), 1.0 / 6) - 3 * pow(1 + pow(x / 3, 6), 1.0 / 6) + 2);
}

/* Ie,eff, formula (7-29). */
static double loss_impairment(enum emodel_codec codec, double loss, double burst_ratio)
{
	struct robustness is = codec_robustness(codec);
	loss = fmin(fmax(loss, 0), 100);
	return is.impairment +
	       (95 - is.impairment) * loss / (loss / fmax(burst_ratio, 1) + is.loss);
}

double emodel_rating(enum emodel_codec codec, const struct emodel_path *path)
{
	double rating = rating_at_best - delay_impairment(path->delay_ms) -
			loss_impairment(codec, path->loss_percent, path->burst_ratio);
	return fmax(rating, 0);
}

double emodel_mos(double rating)
{
	if (!(rating > 0))
		return 1;
	if (rating >= 100)
		return 4.5;
	/* Just above 0 the polynomial falls below 1. */
	return fmax(1, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6);
}
