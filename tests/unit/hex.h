/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Test vectors as people read them: hexadecimal digits with spaces where they
 * help. */
#ifndef TSCF_TESTS_HEX_H
#define TSCF_TESTS_HEX_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline int hex_digit(char digit)
{
	const char *digits = "0123456789abcdef";
	const char *at = digit ? strchr(digits, digit) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* The octets of `text` in a block of exactly their number, owned by the
 * caller, so that sanitizers see the first read behind it. */
static inline uint8_t *hex_new(const char *text, size_t *length)
{
	uint8_t *octets = malloc(strlen(text) / 2 + 1);
	size_t count = 0;
	for (; octets && *text; text++) {
		if (*text == ' ')
			continue;
		int high = hex_digit(text[0]), low = hex_digit(text[1]);
		if (high < 0 || low < 0)
			abort();
		octets[count++] = (uint8_t)(high << 4 | low);
		text++;
	}
	*length = count;
	uint8_t *exact = malloc(count > 0 ? count : 1);
	if (!octets || !exact)
		abort();
	memcpy(exact, octets, count);
	free(octets);
	return exact;
}

#endif
