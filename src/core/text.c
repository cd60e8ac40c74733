/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The alphabets we accept from strangers. */
#include "core/text.h"

#include <string.h>

#include "core/address.h"

/* Octets of the UTF-8 sequence at `at`, or 0 when it is not a valid one or
 * encodes a control character (RFC 3629 section 4). */
static size_t clean_sequence(const uint8_t *at, size_t left)
{
	uint8_t lead = at[0];
	if (lead < 0x80)
		return lead >= 0x20 && lead != 0x7f;
	size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
	if (lead < 0xc2 || lead > 0xf4 || size > left)
		return 0;

	/* The second octet is what excludes C1, overlong forms, surrogates and
	 * what lies above U+10FFFF. */
	uint8_t least = 0x80, most = 0xbf;
	if (lead == 0xc2 || lead == 0xe0)
		least = 0xa0;
	else if (lead == 0xf0)
		least = 0x90;
	else if (lead == 0xed)
		most = 0x9f;
	else if (lead == 0xf4)
		most = 0x8f;
	if (at[1] < least || at[1] > most)
		return 0;
	for (size_t i = 2; i < size; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

bool text_is_clean(const uint8_t *octets, size_t length)
{
	for (size_t at = 0; at < length;) {
		size_t size = clean_sequence(octets + at, length - at);
		if (size == 0)
			return false;
		at += size;
	}
	return true;
}

/* The locale has no say in what a host name is, so no isalnum(). */
static bool is_label_octet(uint8_t octet)
{
	return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
	       (octet >= '0' && octet <= '9') || octet == '-' || octet == '_';
}

static bool is_label(const uint8_t *octets, size_t length)
{
	if (length == 0 || length > TEXT_LABEL_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_label_octet(octets[i]))
			return false;
	return octets[0] != '-' && octets[length - 1] != '-';
}

bool text_is_host_name(const uint8_t *octets, size_t length)
{
	if (length > TEXT_HOST_NAME_MAX)
		return false;
	size_t start = 0;
	for (size_t at = 0; at < length; at++) {
		if (octets[at] != '.')
			continue;
		if (!is_label(octets + start, at - start))
			return false;
		start = at + 1;
	}
	return is_label(octets + start, length - start);
}

static bool is_port(const uint8_t *octets, size_t length)
{
	if (length == 0 || length > 5)
		return false;
	unsigned long port = 0;
	for (size_t i = 0; i < length; i++) {
		if (octets[i] < '0' || octets[i] > '9')
			return false;
		port = port * 10 + (octets[i] - '0');
	}
	return port >= 1 && port <= 65535;
}

static bool is_bracketed_ipv6(const uint8_t *octets, size_t length)
{
	char text[ADDRESS_TEXT_MAX];
	if (length < 2 || octets[0] != '[' || octets[length - 1] != ']' ||
		length - 2 >= sizeof(text) || memchr(octets, '\0', length))
		return false;
	memcpy(text, octets + 1, length - 2);
	text[length - 2] = '\0';
	struct address address;
	return address_parse(&address, text) && address.version == 6;
}

bool text_is_host_port(const uint8_t *octets, size_t length)
{
	size_t colon = length;
	while (colon > 0 && octets[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return false;
	size_t host = colon - 1;
	return is_port(octets + colon, length - colon) &&
	       (text_is_host_name(octets, host) || is_bracketed_ipv6(octets, host));
}
