/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SipHash-2-4.  Each packet of audio is hashed, at both ends: so the state is kept
 * in registers, and whole words are read at once. */
#include "core/siphash.h"

#include <endian.h>
#include <string.h>

static inline uint64_t rotate(uint64_t word, unsigned by)
{
	return word << by | word >> (64 - by);
}

/* SipHash reads its words little-endian. */
static inline uint64_t word_of(const uint8_t *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof(word));
	return le64toh(word);
}

/* The last one is filled with zeros, and ends in the length. */
static uint64_t last_word(const uint8_t *at, size_t length)
{
	uint64_t word = (uint64_t)length << 56;
	for (size_t i = 0; i < length % 8; i++)
		word |= (uint64_t)at[i] << 8 * i;
	return word;
}

static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static inline __attribute__((always_inline)) void absorb(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

uint64_t siphash(const uint8_t key[SIPHASH_KEY], const uint8_t *octets, size_t length)
{
	uint64_t k0 = word_of(key), k1 = word_of(key + 8);
	uint64_t v[4] = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
		k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
	for (size_t rest = length; rest >= 8; rest -= 8, octets += 8)
		absorb(v, word_of(octets));
	absorb(v, last_word(octets, length));
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
