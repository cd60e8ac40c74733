/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Base64 (RFC 4648, section 4), decoding only, strict. */
#ifndef TSCF_CORE_BASE64_H
#define TSCF_CORE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Octets of room that decoding `characters` of base64 may need. */
static inline size_t base64_room(size_t characters)
{
	return characters / 4 * 3;
}

/* Decodes `text` into `out`, which has base64_room(strlen(text)) octets, and
 * says how many they were.  White space is skipped wherever it stands; false
 * on anything else outside the alphabet, on missing or misplaced padding, and
 * on unused bits that are not zero: each value has one spelling. */
bool base64_decode(const char *text, uint8_t *out, size_t *length);

#endif
