/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IP addresses and prefixes of either family, and the questions that are
 * asked of them. */
#ifndef TSCF_CORE_ADDRESS_H
#define TSCF_CORE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ADDRESS_TEXT_MAX = 46, PREFIX_TEXT_MAX = 50 };

/* version is 4, 6, or 0 for "none"; an IPv4 address fills the first four
 * octets and leaves the others zero, so that whole structs compare. */
struct address {
	uint8_t version;
	uint8_t octets[16];
};

struct prefix {
	struct address address;
	uint8_t length; /* in bits */
};

/* Octets in an address of that version: 4 or 16. */
static inline size_t address_size(uint8_t version)
{
	return version == 4 ? 4 : 16;
}

/* Copies 4 or 16 octets. */
void address_set(struct address *out, uint8_t version, const uint8_t *octets);

/* Numeric text only, never a name.  False when it is neither family's. */
bool address_parse(struct address *out, const char *text);

/* "ADDRESS" or "ADDRESS/LENGTH"; without a length it is one host.  False also
 * when bits behind the length are set ("10.0.0.1/8"), which is a typing error
 * more often than not. */
bool prefix_parse(struct prefix *out, const char *text);

/* Both return text; "none" for version 0. */
const char *address_format(const struct address *address, char text[ADDRESS_TEXT_MAX]);
const char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_MAX]);

bool address_equal(const struct address *a, const struct address *b);
bool prefix_contains(const struct prefix *prefix, const struct address *address);
/* The same question of raw octets of a packet, without a copy. */
bool prefix_contains_octets(const struct prefix *prefix, uint8_t version, const uint8_t *octets);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
/* RFC 1918, RFC 6598 (100.64/10), RFC 4193, link-local, loopback: an address
 * that means something else in every network. */
bool address_is_private(const struct address *address);

#endif
