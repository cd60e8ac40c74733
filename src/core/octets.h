/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading and writing big-endian integers at any alignment, and the const
 * window through which parsers look at somebody else's octets. */
#ifndef TSCF_CORE_OCTETS_H
#define TSCF_CORE_OCTETS_H

#include <stddef.h>
#include <stdint.h>

/* Borrowed octets: valid only as long as the buffer they point into. */
struct view {
	const uint8_t *octets;
	size_t length;
};

static inline uint16_t get_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get_u32(const uint8_t *at)
{
	return (uint32_t)get_u16(at) << 16 | get_u16(at + 2);
}

static inline uint64_t get_u64(const uint8_t *at)
{
	return (uint64_t)get_u32(at) << 32 | get_u32(at + 4);
}

static inline void put_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void put_u32(uint8_t *at, uint32_t value)
{
	put_u16(at, (uint16_t)(value >> 16));
	put_u16(at + 2, (uint16_t)value);
}

static inline void put_u64(uint8_t *at, uint64_t value)
{
	put_u32(at, (uint32_t)(value >> 32));
	put_u32(at + 4, (uint32_t)value);
}

#endif
