/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for tables whose
 * keys strangers choose, so that they cannot choose the bucket too. */
#ifndef TSCF_CORE_SIPHASH_H
#define TSCF_CORE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

enum { SIPHASH_KEY = 16 };

uint64_t siphash(const uint8_t key[SIPHASH_KEY], const uint8_t *octets, size_t length);

#endif
