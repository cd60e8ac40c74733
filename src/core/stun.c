/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STUN messages, octet by octet. */
#include "core/stun.h"

#include <string.h>

enum {
	BINDING_REQUEST = 0x0001,
	BINDING_SUCCESS = 0x0101,
	BINDING_ERROR = 0x0111,
	ATTRIBUTE_HEADER = 4,
	/* RFC 8489 18.3 */
	MAPPED_ADDRESS = 0x0001,
	MESSAGE_INTEGRITY = 0x0008,
	ERROR_CODE = 0x0009,
	UNKNOWN_ATTRIBUTES = 0x000a,
	REALM = 0x0014,
	NONCE = 0x0015,
	MESSAGE_INTEGRITY_SHA256 = 0x001c,
	XOR_MAPPED_ADDRESS = 0x0020,
	COMPREHENSION_OPTIONAL = 0x8000,
	FINGERPRINT = 0x8028,
};

static const uint32_t COOKIE = 0x2112a442;
static const uint32_t FINGERPRINT_XOR = 0x5354554e; /* "STUN" */

/* CRC-32 as in ITU-T V.42.  A probe sends a few messages, so no table. */
static uint32_t crc32(const uint8_t *octets, size_t length)
{
	uint32_t crc = 0xffffffff;
	for (size_t i = 0; i < length; i++) {
		crc ^= octets[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

void stun_build(uint8_t out[STUN_REQUEST], const uint8_t transaction[STUN_TRANSACTION])
{
	put_u16(out, BINDING_REQUEST);
	put_u16(out + 2, STUN_REQUEST - STUN_HEADER);
	put_u32(out + 4, COOKIE);
	memcpy(out + 8, transaction, STUN_TRANSACTION);
	put_u16(out + STUN_HEADER, FINGERPRINT);
	put_u16(out + STUN_HEADER + 2, 4);
	put_u32(out + STUN_HEADER + ATTRIBUTE_HEADER, crc32(out, STUN_HEADER) ^ FINGERPRINT_XOR);
}

/* What is said of a message, once each: the first of two counts (RFC 8489 14). */
struct findings {
	struct view mapped, xor_mapped, error;
	bool integrity, unknown; /* a comprehension-required attribute that we do not know */
};

static void note(struct findings *findings, uint16_t type, struct view value)
{
	struct view *place = NULL;
	if (findings->integrity) /* what follows it is not to be trusted (RFC 8489 14.5) */
		return;
	switch (type) {
	case MAPPED_ADDRESS:
		place = &findings->mapped;
		break;
	case XOR_MAPPED_ADDRESS:
		place = &findings->xor_mapped;
		break;
	case ERROR_CODE:
		place = &findings->error;
		break;
	case MESSAGE_INTEGRITY:
	case MESSAGE_INTEGRITY_SHA256:
		findings->integrity = true;
		break;
	case UNKNOWN_ATTRIBUTES:
	case REALM:
	case NONCE:
		break;
	default: /* a number from the wire, no enum of ours */
		findings->unknown |= type < COMPREHENSION_OPTIONAL;
	}
	if (place && !place->octets)
		*place = value;
}

/* False when the attributes do not fill the message, or its FINGERPRINT is
 * wrong or not the last. */
static bool read_attributes(const uint8_t *octets, size_t length, struct findings *out)
{
	for (size_t at = STUN_HEADER; at < length;) {
		if (length - at < ATTRIBUTE_HEADER)
			return false;
		uint16_t type = get_u16(octets + at);
		struct view value = {octets + at + ATTRIBUTE_HEADER, get_u16(octets + at + 2)};
		size_t padded = (value.length + 3) / 4 * 4;
		if (padded > length - at - ATTRIBUTE_HEADER)
			return false;
		if (type == FINGERPRINT)
			return value.length == 4 && at + ATTRIBUTE_HEADER + 4 == length &&
			       get_u32(value.octets) == (crc32(octets, at) ^ FINGERPRINT_XOR);
		note(out, type, value);
		at += ATTRIBUTE_HEADER + padded;
	}
	return true;
}

/* reserved(8) family(8) port(16) address; XORed with the cookie and the
 * transaction id, which stand in the header (RFC 8489 14.2). */
static bool read_address(struct view value, const uint8_t *mask, struct stun_response *out)
{
	uint8_t plain[20];
	if (value.length < 8 || value.length > sizeof(plain))
		return false;
	memcpy(plain, value.octets, value.length);
	bool is_ipv4 = plain[1] == 1 && value.length == 8;
	bool is_ipv6 = plain[1] == 2 && value.length == 20;
	if (!is_ipv4 && !is_ipv6)
		return false;
	for (size_t i = 0; mask && i < 2; i++)
		plain[2 + i] ^= mask[i];
	for (size_t i = 4; mask && i < value.length; i++)
		plain[i] ^= mask[i - 4];
	out->port = get_u16(plain + 2);
	address_set(&out->mapped, is_ipv4 ? 4 : 6, plain + 4);
	return true;
}

/* reserved(21) class(3) number(8) reason (RFC 8489 14.8). */
static bool read_error(struct view value, struct stun_response *out)
{
	if (value.length < 4)
		return false;
	unsigned class = value.octets[2] & 7, number = value.octets[3];
	if (class < 3 || class > 6 || number > 99)
		return false;
	out->error = class * 100 + number;
	out->reason = (struct view){value.octets + 4, value.length - 4};
	return true;
}

enum stun_result stun_frame(const uint8_t *octets, size_t length, size_t *message)
{
	/* The first octet tells at once that this is something else. */
	if (length > 0 && octets[0] & 0xc0)
		return STUN_BAD;
	if (length < STUN_HEADER)
		return STUN_MORE;
	size_t whole = STUN_HEADER + (size_t)get_u16(octets + 2);
	if (get_u32(octets + 4) != COOKIE || whole % 4 != 0 || whole > STUN_MESSAGE_MAX)
		return STUN_BAD;
	*message = whole;
	return whole <= length ? STUN_OURS : STUN_MORE;
}

enum stun_result stun_parse(const uint8_t transaction[STUN_TRANSACTION], const uint8_t *octets,
	size_t length, struct stun_response *out)
{
	struct findings found = {0};
	size_t whole;
	*out = (struct stun_response){0};
	if (stun_frame(octets, length, &whole) != STUN_OURS || whole != length ||
		!read_attributes(octets, length, &found))
		return STUN_BAD;
	uint16_t type = get_u16(octets);
	if (memcmp(octets + 8, transaction, STUN_TRANSACTION) != 0 ||
		(type != BINDING_SUCCESS && type != BINDING_ERROR))
		return STUN_FOREIGN;
	if (found.unknown) /* RFC 8489 6.3.3, 6.3.4 */
		return STUN_BAD;
	if (type == BINDING_ERROR)
		return read_error(found.error, out) ? STUN_OURS : STUN_BAD;
	bool told = found.xor_mapped.octets ? read_address(found.xor_mapped, octets + 4, out)
					    : read_address(found.mapped, NULL, out);
	return told ? STUN_OURS : STUN_BAD;
}
