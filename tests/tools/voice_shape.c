/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Speech that needs no speaker. */
#include "voice_shape.h"

#include <math.h>

enum {
	SPURT_SLOTS = 75, /* 1.5 s, mean of an exponential distribution */
	SPURT_MIN = 10,   /* shorter ones are bridged by the detector's hangover */
	NOISE_OPUS = 20,  /* slots from one update to the next: RFC 6716 2.1.9, 400 ms */
	NOISE_AMR_WB = 8, /* TS 26.193, 160 ms */
	SIZE_G711 = 160,
	SIZE_AMR_WB = 62, /* mode request, table of contents, 477 bits */
	SIZE_AMR_NOISE = 7,
	SIZE_OPUS_MIN = 40, /* to 80: 60 octets in 20 ms are 24 kbit/s */
	SIZE_OPUS_SPAN = 41,
	SIZE_OPUS_NOISE = 3,
};

/* xorshift32, 0 < result <= 1. */
static double draw(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return (double)*state / UINT32_MAX;
}

static uint32_t spurt(uint32_t *state)
{
	double slots = -log(draw(state)) * SPURT_SLOTS;
	return slots < SPURT_MIN ? SPURT_MIN : (uint32_t)slots;
}

static uint16_t speech_size(enum emodel_codec codec, uint32_t *state)
{
	switch (codec) {
	case EMODEL_G711:
		break;
	case EMODEL_OPUS:
		return (uint16_t)(SIZE_OPUS_MIN + (uint32_t)(draw(state) * SIZE_OPUS_SPAN * 0.999));
	case EMODEL_AMR_WB:
		return SIZE_AMR_WB;
	}
	return SIZE_G711;
}

size_t voice_shape(
	enum emodel_codec codec, uint32_t seed, uint32_t slots, struct voice_packet *packets)
{
	uint32_t state = seed * 2654435761u | 1; /* xorshift never leaves zero */
	uint32_t noise_every = codec == EMODEL_OPUS ? NOISE_OPUS : NOISE_AMR_WB;
	uint16_t noise_size = codec == EMODEL_OPUS ? SIZE_OPUS_NOISE : SIZE_AMR_NOISE;
	bool speaks = true;
	uint32_t since = 0, change = spurt(&state);
	size_t count = 0;
	for (uint32_t slot = 0; slot < slots; slot++, since++) {
		if (codec != EMODEL_G711 && slot == change) {
			speaks = !speaks;
			since = 0;
			change = slot + spurt(&state);
		}
		if (speaks)
			packets[count++] =
				(struct voice_packet){slot, speech_size(codec, &state), true};
		else if (since % noise_every == 0)
			packets[count++] = (struct voice_packet){slot, noise_size, false};
	}
	return count;
}
