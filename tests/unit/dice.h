/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Chance that is the same in every run: xorshift64 (Marsaglia 2003). */
#ifndef TSCF_TESTS_DICE_H
#define TSCF_TESTS_DICE_H

#include <stddef.h>
#include <stdint.h>

static uint64_t dice_state = 88172645463325252;

/* 0 to sides - 1 */
static inline uint32_t dice(uint32_t sides)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 7;
	dice_state ^= dice_state << 17;
	return (uint32_t)(dice_state >> 32) % sides;
}

static inline void dice_fill(uint8_t *out, size_t length)
{
	for (size_t i = 0; i < length; i++)
		out[i] = (uint8_t)dice(256);
}

#endif
