/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/address.h"

#include <string.h>

#include "unit.h"

static const struct {
	const char *text;
	uint8_t version; /* 0: not an address */
	uint8_t octets[16];
} addresses[] = {
	{"192.0.2.1", 4, {192, 0, 2, 1}},
	{"0.0.0.0", 4, {0}},
	{"255.255.255.255", 4, {255, 255, 255, 255}},
	{"2001:db8::a:1", 6, {0x20, 0x01, 0x0d, 0xb8, [13] = 0x0a, [15] = 1}},
	{"::", 6, {0}},
	{"::ffff:10.0.0.1", 6, {[10] = 255, 255, 10, 0, 0, 1}},
	{"", 0, {0}},
	{"192.0.2", 0, {0}},
	{"192.0.2.256", 0, {0}},
	{"192.0.2.1 ", 0, {0}},
	{"0300.0.2.1", 0, {0}},
	{"2001:db8:::1", 0, {0}},
	{"[::1]", 0, {0}},
	{"fe80::1%eth0", 0, {0}},
	{"localhost", 0, {0}},
};

static void parse_address(void)
{
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct address address;
		memset(&address, 0xee, sizeof(address));
		if (address_parse(&address, addresses[i].text) != (addresses[i].version != 0))
			CU_FAIL(addresses[i].text);
		if (addresses[i].version == 0)
			continue;
		CU_ASSERT_EQUAL(address.version, addresses[i].version);
		/* All sixteen: what IPv4 does not use is zero. */
		CU_ASSERT(memcmp(address.octets, addresses[i].octets, 16) == 0);
	}
}

static void set_clears_the_rest(void)
{
	static const uint8_t octets[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	struct address set, parsed;
	memset(&set, 0xee, sizeof(set));
	address_set(&set, 4, octets);
	CU_ASSERT_TRUE(address_parse(&parsed, "1.2.3.4"));
	CU_ASSERT(memcmp(&set, &parsed, sizeof(set)) == 0);
	address_set(&set, 6, octets);
	CU_ASSERT_EQUAL(set.version, 6);
	CU_ASSERT(memcmp(set.octets, octets, 16) == 0);
}

static const struct {
	const char *text, *formatted; /* NULL: refused */
} prefixes[] = {
	{"10.0.0.0/8", "10.0.0.0/8"},
	{"10.0.0.1", "10.0.0.1/32"},
	{"0.0.0.0/0", "0.0.0.0/0"},
	{"10.128.0.0/9", "10.128.0.0/9"},
	{"10.128.0.0/8", NULL},
	{"10.0.0.1/31", NULL},
	{"10.0.0.0/33", NULL},
	{"10.0.0.0/", NULL},
	{"10.0.0.0/+8", NULL},
	{"10.0.0.0/8x", NULL},
	{"10.0.0.0/0008", NULL},
	{"10.0.0.0/8/8", NULL},
	{"/8", NULL},
	{"", NULL},
	{"2001:db8::/32", "2001:db8::/32"},
	{"2001:DB8:0:0::1", "2001:db8::1/128"},
	{"::/0", "::/0"},
	{"2001:db8::1/64", NULL},
	{"8000::/1", "8000::/1"},
	{"4000::/1", NULL},
	{"2001:db8::/129", NULL},
	{"2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001/64", NULL},
};

static void parse_prefix(void)
{
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct prefix prefix;
		char text[PREFIX_TEXT_MAX];
		bool good = prefix_parse(&prefix, prefixes[i].text);
		if (good != (prefixes[i].formatted != NULL)) {
			CU_FAIL(prefixes[i].text);
		} else if (good) {
			CU_ASSERT_STRING_EQUAL(prefix_format(&prefix, text), prefixes[i].formatted);
		}
	}
}

static void format_address(void)
{
	char text[ADDRESS_TEXT_MAX], with_length[PREFIX_TEXT_MAX];
	struct address address;
	CU_ASSERT_TRUE(address_parse(&address, "2001:DB8::0:1"));
	CU_ASSERT_STRING_EQUAL(address_format(&address, text), "2001:db8::1");
	CU_ASSERT_TRUE(address_parse(&address, "198.51.100.200"));
	CU_ASSERT_STRING_EQUAL(address_format(&address, text), "198.51.100.200");
	CU_ASSERT_TRUE(address_parse(&address, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
	CU_ASSERT_STRING_EQUAL(
		address_format(&address, text), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	struct prefix none = {{0, {0}}, 0};
	CU_ASSERT_STRING_EQUAL(address_format(&none.address, text), "none");
	CU_ASSERT_STRING_EQUAL(prefix_format(&none, with_length), "none");
}

static struct address address_of(const char *text)
{
	struct address address;
	CU_ASSERT_TRUE_FATAL(address_parse(&address, text));
	return address;
}

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix;
	CU_ASSERT_TRUE_FATAL(prefix_parse(&prefix, text));
	return prefix;
}

static void equal(void)
{
	struct address a = address_of("10.0.0.1"), b = address_of("10.0.0.1");
	struct address c = address_of("10.0.0.2"), six = address_of("a00:1::");
	struct address none = {0, {0}}, zero4 = address_of("0.0.0.0"), zero6 = address_of("::");
	CU_ASSERT_TRUE(address_equal(&a, &b));
	CU_ASSERT_FALSE(address_equal(&a, &c));
	CU_ASSERT_FALSE(address_equal(&a, &six)); /* the same first octets */
	CU_ASSERT_TRUE(address_equal(&none, &none));
	CU_ASSERT_FALSE(address_equal(&none, &zero4));
	CU_ASSERT_FALSE(address_equal(&none, &zero6));
}

static const struct {
	const char *prefix, *address;
	bool contains;
} contained[] = {
	{"0.0.0.0/0", "255.1.2.3", true},
	{"0.0.0.0/0", "::1", false},
	{"::/0", "0.0.0.0", false},
	{"10.0.0.0/8", "10.255.255.255", true},
	{"10.0.0.0/8", "11.0.0.0", false},
	{"10.0.0.0/7", "11.255.255.255", true},
	{"10.0.0.0/7", "12.0.0.0", false},
	{"192.0.2.128/25", "192.0.2.128", true},
	{"192.0.2.128/25", "192.0.2.127", false},
	{"192.0.2.1", "192.0.2.1", true},
	{"192.0.2.1", "192.0.2.0", false},
	{"2001:db8::/33", "2001:db8:7fff::1", true},
	{"2001:db8::/33", "2001:db8:8000::", false},
	{"2001:db8::1", "2001:db8::1", true},
	{"2001:db8::1", "2001:db8::", false},
};

static void contains(void)
{
	for (size_t i = 0; i < sizeof(contained) / sizeof(contained[0]); i++) {
		struct prefix prefix = prefix_of(contained[i].prefix);
		struct address address = address_of(contained[i].address);
		if (prefix_contains(&prefix, &address) != contained[i].contains)
			CU_FAIL(contained[i].address);
		CU_ASSERT_EQUAL(prefix_contains_octets(&prefix, address.version, address.octets),
			contained[i].contains);
	}
}

static const struct {
	const char *a, *b;
	bool overlap;
} pairs[] = {
	{"10.0.0.0/8", "10.1.0.0/16", true},
	{"10.0.0.0/8", "10.0.0.0/8", true},
	{"10.0.0.0/9", "10.128.0.0/9", false},
	{"10.0.0.0/8", "11.0.0.0/16", false},
	{"0.0.0.0/0", "10.0.0.0/8", true},
	{"0.0.0.0/0", "::/0", false},
	{"fd00::/8", "fd12:3456::/32", true},
	{"fd00::/8", "fc00::/8", false},
};

static void overlaps(void)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct prefix a = prefix_of(pairs[i].a), b = prefix_of(pairs[i].b);
		CU_ASSERT_EQUAL(prefix_overlaps(&a, &b), pairs[i].overlap);
		CU_ASSERT_EQUAL(prefix_overlaps(&b, &a), pairs[i].overlap);
	}
}

static void private_addresses(void)
{
	static const char *const private[] = {"10.0.0.1", "172.16.0.1", "172.31.255.255",
		"192.168.1.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "169.254.1.1",
		"fc00::1", "fdff::1", "fe80::1", "febf::1", "::1"};
	static const char *const public[] = {"9.255.255.255", "11.0.0.0", "172.15.0.1",
		"172.32.0.1", "192.169.0.1", "100.63.0.1", "100.128.0.1", "8.8.8.8", "2001:db8::1",
		"fec0::1", "fbff::1", "::2"};
	for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++) {
		struct address address = address_of(private[i]);
		if (!address_is_private(&address))
			CU_FAIL(private[i]);
	}
	for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++) {
		struct address address = address_of(public[i]);
		if (address_is_private(&address))
			CU_FAIL(public[i]);
	}
}

static const struct unit_test tests[] = {
	{"parse addresses", parse_address},
	{"set clears the rest", set_clears_the_rest},
	{"parse prefixes", parse_prefix},
	{"format", format_address},
	{"equal", equal},
	{"contains", contains},
	{"overlaps", overlaps},
	{"private addresses", private_addresses},
};

UNIT_MAIN("address", tests)
