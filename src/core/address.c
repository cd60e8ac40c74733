/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Addresses as the octets that stand in packets; text only at the edges. */
#include "core/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void address_set(struct address *out, uint8_t version, const uint8_t *octets)
{
	memset(out, 0, sizeof(*out));
	out->version = version;
	memcpy(out->octets, octets, address_size(version));
}

bool address_parse(struct address *out, const char *text)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, out->octets) == 1) {
		out->version = 4;
		return true;
	}
	if (inet_pton(AF_INET6, text, out->octets) == 1) {
		out->version = 6;
		return true;
	}
	return false;
}

/* The bits of one octet that lie within a prefix whose first `bits` bits of
 * it count (0 to 8). */
static uint8_t mask_of(unsigned bits)
{
	return (uint8_t)(0xff00u >> bits);
}

static bool host_bits_are_zero(const struct prefix *prefix)
{
	size_t size = address_size(prefix->address.version);
	for (size_t i = 0; i < size; i++) {
		unsigned before = (unsigned)i * 8;
		unsigned counted = prefix->length > before ? prefix->length - before : 0;
		if (counted < 8 && (prefix->address.octets[i] & (uint8_t)~mask_of(counted)))
			return false;
	}
	return true;
}

bool prefix_parse(struct prefix *out, const char *text)
{
	char host[ADDRESS_TEXT_MAX];
	size_t length = strcspn(text, "/");
	if (length >= sizeof(host))
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	if (!address_parse(&out->address, host))
		return false;

	unsigned long bits = address_size(out->address.version) * 8;
	if (text[length] == '/') {
		const char *digits = text + length + 1;
		size_t count = strspn(digits, "0123456789");
		if (count == 0 || count > 3 || digits[count] != '\0')
			return false;
		unsigned long wanted = strtoul(digits, NULL, 10);
		if (wanted > bits)
			return false;
		bits = wanted;
	}
	out->length = (uint8_t)bits;
	return host_bits_are_zero(out);
}

const char *address_format(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
	int family = address->version == 4 ? AF_INET : AF_INET6;
	if (address->version == 0 || !inet_ntop(family, address->octets, text, ADDRESS_TEXT_MAX))
		memcpy(text, "none", sizeof("none"));
	return text;
}

const char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_MAX])
{
	char host[ADDRESS_TEXT_MAX];
	address_format(&prefix->address, host);
	if (prefix->address.version == 0)
		snprintf(text, PREFIX_TEXT_MAX, "%s", host);
	else
		snprintf(text, PREFIX_TEXT_MAX, "%s/%u", host, prefix->length);
	return text;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->version == b->version &&
	       memcmp(a->octets, b->octets, address_size(a->version)) == 0;
}

bool prefix_contains_octets(const struct prefix *prefix, uint8_t version, const uint8_t *octets)
{
	if (prefix->address.version != version)
		return false;
	size_t whole = prefix->length / 8;
	if (memcmp(prefix->address.octets, octets, whole) != 0)
		return false;
	uint8_t mask = mask_of(prefix->length % 8);
	return mask == 0 || ((prefix->address.octets[whole] ^ octets[whole]) & mask) == 0;
}

bool prefix_contains(const struct prefix *prefix, const struct address *address)
{
	return prefix_contains_octets(prefix, address->version, address->octets);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return a->length <= b->length ? prefix_contains(a, &b->address)
				      : prefix_contains(b, &a->address);
}

bool address_is_private(const struct address *address)
{
	static const char *const ranges[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
		"100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "fc00::/7", "fe80::/10",
		"::1/128"};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct prefix range;
		if (prefix_parse(&range, ranges[i]) && prefix_contains(&range, address))
			return true;
	}
	return false;
}
