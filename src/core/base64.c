/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A client profile is one file, so certificates and keys stand in it as text.
 * Every decoder at hand is part of a TLS library, or lenient. */
#include "core/base64.h"

/* The six bits of one character; -1 outside the alphabet. */
static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool base64_decode(const char *text, uint8_t *out, size_t *length)
{
	uint32_t bits = 0; /* of the group of four that is being read */
	unsigned in_group = 0, padding = 0;
	size_t count = 0;
	for (; *text; text++) {
		if (is_space(*text))
			continue;
		int six = sextet(*text);
		if (*text == '=' && in_group >= 2)
			padding++;
		else if (six < 0 || padding)
			return false;
		bits = bits << 6 | (six < 0 ? 0 : (uint32_t)six);
		if (++in_group < 4)
			continue;
		/* One "=" leaves 2 bits of the last sextet unused, two leave 4. */
		if (padding && (bits >> 6 * padding & ((1u << 2 * padding) - 1)))
			return false;
		for (unsigned octet = 0; octet < 3 - padding; octet++)
			out[count++] = (uint8_t)(bits >> (16 - 8 * octet));
		bits = 0;
		in_group = 0;
		if (padding) {
			while (is_space(text[1]))
				text++;
			if (text[1])
				return false;
		}
	}
	*length = count;
	return in_group == 0;
}
