/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When a codec sends RTP packets, and how large they are. */
#ifndef TSCF_TESTS_VOICE_SHAPE_H
#define TSCF_TESTS_VOICE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/emodel.h"

enum { VOICE_SLOT_US = 20000 }; /* all codecs here have frames of 20 ms */

struct voice_packet {
	uint32_t slot;  /* of 20 ms, since the beginning */
	uint16_t size;  /* octets of RTP payload */
	bool is_speech; /* else comfort noise */
};

/* Fills `packets` with what is sent in that many slots and returns how many
 * there are, at most `slots`.  G.711 sends 160 octets in each; the others pause
 * while the speaker does (one half of the time, spurts and pauses of 1.5 s on
 * the average) and send comfort noise now and then: Opus at 24 kbit/s with a
 * variable rate and DTX, AMR-WB at 23.85 kbit/s (RFC 4867, octet-aligned).  The
 * same seed gives the same packets. */
size_t voice_shape(
	enum emodel_codec codec, uint32_t seed, uint32_t slots, struct voice_packet *packets);

#endif
