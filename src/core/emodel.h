/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The E-model of ITU-T G.107: how good a call is, as a rating R of 0 to 100,
 * from what the network did to its packets, and the MOS that people would give.
 *
 *	R = Ro - Is - Id - Ie,eff
 *
 * with the Recommendation's default values for all that is no matter of the
 * network (loudness, noise, side tone), so that R = 93.2 at best.  Echo is
 * taken to be cancelled: of Id (7.4) only the pure delay, Idd, counts beyond
 * the defaults.  Ie,eff (7.5) is the codec's own impairment and what losses,
 * random or in bursts, add to it.
 *
 * Where losses come in bursts (burst ratio above 2) and are more than 2 %, the
 * Recommendation itself calls its formula rough. */
#ifndef TSCF_CORE_EMODEL_H
#define TSCF_CORE_EMODEL_H

#include <stdint.h>

/* G.711 has the values of G.113 Appendix I, with packet loss concealment
 * (G.711 Appendix I).  For the wide-band codecs no Recommendation has values on
 * this narrow-band scale, on which nothing is better than G.711; ours are Ie = 0
 * and the robustness of the nearest codec that G.113 lists: G.729A for Opus,
 * GSM-EFR for AMR-WB. */
enum emodel_codec {
	EMODEL_G711,   /* Ie 0, Bpl 25.1 */
	EMODEL_OPUS,   /* Ie 0, Bpl 19 */
	EMODEL_AMR_WB, /* Ie 0, Bpl 10 */
};

/* What was heard of one direction of a call. */
struct emodel_path {
	double delay_ms;     /* from mouth to ear: packet, network and play-out buffer */
	double loss_percent; /* of packets not played: lost or too late */
	double burst_ratio;  /* emodel_burst_ratio; less than 1 counts as 1 */
};

/* How much longer than by chance the bursts were in which `lost` of `sent`
 * packets went (G.107 clause 3); `bursts` is the number of runs of successive
 * lost packets.  1 when the losses are random, and when there are none. */
double emodel_burst_ratio(uint64_t sent, uint64_t lost, uint64_t bursts);

/* 0 to 93.2.  G.109: below 50 a call is not recommended, above 80 users are
 * satisfied, above 90 very satisfied. */
double emodel_rating(enum emodel_codec codec, const struct emodel_path *path);

/* 1 to 4.5 (G.107 Annex B). */
double emodel_mos(double rating);

#endif
