/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a listener hears of a stream: the buffer in front of the loudspeaker
 * turns delays that vary into one delay and some packets too late, and both
 * into a rating by the E-model (core/emodel).
 *
 * Two buffers.  The fixed one plays each packet `depth` after the shortest delay
 * of the stream.  The adaptive one plays it after that delay which would have
 * given the best rating over the last PLAYOUT_WINDOW packets that it knew of by
 * then; it grows at once, and shrinks by no more than 5 % of the time that
 * passes, which hardly anybody hears. */
#ifndef TSCF_TESTS_PLAYOUT_H
#define TSCF_TESTS_PLAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "core/emodel.h"

enum {
	PLAYOUT_WINDOW = 500,     /* packets, 10 s of speech */
	PLAYOUT_REVIEW = 10,      /* packets between two looks at them */
	PLAYOUT_FLOOR_US = 10000, /* depth at least */
	PLAYOUT_START_US = 40000, /* depth until a second of speech is known */
	PLAYOUT_FRAME_US = 20000,
	PLAYOUT_SHRINK_US = PLAYOUT_FRAME_US / 20, /* per packet */
};

#define PLAYOUT_NEVER UINT64_MAX

/* us of one clock for both ends. */
struct playout_packet {
	uint64_t sent, arrived; /* arrived PLAYOUT_NEVER: lost */
};

struct playout_verdict {
	size_t packets, lost, late;
	size_t bursts;          /* runs of packets that were not played */
	double buffer_ms;       /* mean depth: from arrival of the fastest to play-out */
	double mouth_to_ear_ms; /* mean, with the frame's own time and the codec's look-ahead */
	double loss_percent;    /* lost and late */
	double burst_ratio;
	double rating, mos;
};

/* The packets in the order in which they were sent. */
void playout_fixed(enum emodel_codec codec, const struct playout_packet *packets, size_t count,
	uint64_t depth, struct playout_verdict *verdict);
void playout_adaptive(enum emodel_codec codec, const struct playout_packet *packets, size_t count,
	struct playout_verdict *verdict);

#endif
