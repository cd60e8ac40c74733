/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Neighbour discovery (RFC 4861, 4191, 8106), and the packets around it. */
#include "core/ndp.h"

#include "core/datagram.h"
#include "hex.h"
#include "unit.h"

/* hop limit 64, O, router lifetime 9000; fd64:64:64:7::/64 autonomous;
 * MTU 1400; fd99::53; fd99::/48 */
#define ADVERT_HEADER "86000000 40402328 0000000000000000"
#define PREFIX        "0304 40 40 00015180 0000a8c0 00000000 fd640064006400070000000000000000"
#define MTU           "0501 0000 00000578"
#define DNS           "1903 0000 00002328 fd990000000000000000000000000053"
#define ROUTE         "1802 30 00 00002328 fd99000000000000"

static bool decode(const char *hex, struct ndp_advert *out)
{
	size_t length;
	uint8_t *octets = hex_new(hex, &length);
	bool good = ndp_decode_advert((struct view){octets, length}, out);
	free(octets);
	return good;
}

static void advert(void)
{
	struct ndp_advert advert;
	char text[PREFIX_TEXT_MAX];
	uint8_t octets[NDP_ROOM];
	size_t length;
	CU_ASSERT_TRUE_FATAL(decode(ADVERT_HEADER PREFIX MTU DNS ROUTE, &advert));
	CU_ASSERT_EQUAL(advert.hop_limit, 64);
	CU_ASSERT_TRUE(advert.other);
	CU_ASSERT_FALSE(advert.managed);
	CU_ASSERT_EQUAL(advert.lifetime, 9000);
	CU_ASSERT_STRING_EQUAL(prefix_format(&advert.prefix, text), "fd64:64:64:7::/64");
	CU_ASSERT_FALSE(advert.on_link);
	CU_ASSERT_EQUAL(advert.valid, 86400);
	CU_ASSERT_EQUAL(advert.preferred, 43200);
	CU_ASSERT_EQUAL(advert.mtu, 1400);
	CU_ASSERT_EQUAL(advert.dns_count, 1);
	CU_ASSERT_EQUAL(advert.dns_lifetime, 9000);
	CU_ASSERT_EQUAL(advert.route_count, 1);
	CU_ASSERT_STRING_EQUAL(prefix_format(&advert.routes[0].destination, text), "fd99::/48");

	uint8_t *wanted = hex_new(ADVERT_HEADER PREFIX MTU DNS ROUTE, &length);
	CU_ASSERT_EQUAL(ndp_encode_advert(&advert, octets, sizeof(octets)), length);
	CU_ASSERT_EQUAL(memcmp(octets, wanted, length), 0);
	for (size_t room = 16; room < length; room++) {
		struct ndp_advert back;
		uint8_t *exact = malloc(room);
		size_t less = ndp_encode_advert(&advert, exact, room);
		CU_ASSERT_TRUE(less <= room);
		CU_ASSERT_TRUE(ndp_decode_advert((struct view){exact, less}, &back));
		free(exact);
	}
	free(wanted);
}

/* RFC 4862 5.5.3: not for us, and no error. */
static const char *const no_prefix[] = {
	"0304 40 80 00015180 0000a8c0 00000000 fd640064006400070000000000000000", /* not A */
	"0304 30 40 00015180 0000a8c0 00000000 fd640064006400000000000000000000", /* a /48 */
	"0304 40 40 00000000 00000000 00000000 fd640064006400070000000000000000", /* over */
	"0304 40 40 00000001 00000002 00000000 fd640064006400070000000000000000", /* preferred */
	"0304 40 40 00015180 0000a8c0 00000000 fe800000000000000000000000000000",
	"0304 40 40 00015180 0000a8c0 00000000 ff020000000000000000000000000000",
	"0e01 000000000000",                    /* an option that nobody knows */
	"1802 30 10 00002328 fd99000000000000", /* a route of the reserved preference */
	"1903 0000 00000000 fd990000000000000000000000000053", /* a DNS server that was */
};

static void ignored(void)
{
	struct ndp_advert advert;
	char hex[256];
	for (size_t i = 0; i < sizeof(no_prefix) / sizeof(no_prefix[0]); i++) {
		snprintf(hex, sizeof(hex), ADVERT_HEADER "%s", no_prefix[i]);
		CU_ASSERT_TRUE(decode(hex, &advert));
		CU_ASSERT_EQUAL(advert.prefix.address.version, 0);
		CU_ASSERT_EQUAL(advert.route_count + advert.dns_count, 0);
	}
}

static const char *const bad[] = {
	"",
	"86000000 40402328 00000000000000",   /* half a header */
	"85000000 40402328 0000000000000000", /* a solicitation */
	"86010000 40402328 0000000000000000", /* code 1 */
	ADVERT_HEADER "0500 0000 00000578",   /* length 0 */
	ADVERT_HEADER "0502 0000 00000578",   /* overruns */
	ADVERT_HEADER "0501 0000",            /* half an option */
	ADVERT_HEADER "0502 0000 00000578 0000000000000000",
	ADVERT_HEADER "0303 40 40 00015180 0000a8c0 00000000 fd64006400640007",
	ADVERT_HEADER "0304 81 40 00015180 0000a8c0 00000000 fd640064006400070000000000000000",
	ADVERT_HEADER "1902 0000 00002328 fd99000000000000", /* half a server */
	ADVERT_HEADER "1901 0000 00002328",                  /* none */
	ADVERT_HEADER "1801 30 00 00002328",                 /* a route without its prefix */
	ADVERT_HEADER "1803 81 00 00002328 fd990000000000000000000000000000",
};

static void refused(void)
{
	struct ndp_advert advert;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (decode(bad[i], &advert))
			printf("\nsample %zu\n", i);
		CU_ASSERT_FALSE(decode(bad[i], &advert));
	}
}

static void neighbors(void)
{
	struct address router, target;
	uint8_t octets[NDP_NEIGHBOR_LENGTH];
	size_t length;
	address_parse(&router, "fe80::1");
	uint8_t *wanted = hex_new("88000000 c0000000 fe800000000000000000000000000001", &length);
	CU_ASSERT_EQUAL(ndp_encode_neighbor_advert(&router, true, octets), length);
	CU_ASSERT_EQUAL(memcmp(octets, wanted, length), 0);
	free(wanted);
	length = ndp_encode_neighbor_solicit(&router, octets);
	CU_ASSERT_TRUE(ndp_decode_neighbor_solicit((struct view){octets, length}, &target));
	CU_ASSERT_TRUE(address_equal(&router, &target));
	CU_ASSERT_FALSE(ndp_decode_neighbor_solicit((struct view){octets, length - 1}, &target));
	CU_ASSERT_FALSE(ndp_decode_solicit((struct view){octets, length}));
	octets[8] = 0xff;
	CU_ASSERT_FALSE(ndp_decode_neighbor_solicit((struct view){octets, length}, &target));
	length = ndp_encode_solicit(octets);
	CU_ASSERT_TRUE(ndp_decode_solicit((struct view){octets, length}));
}

/* A Router Solicitation from fe80::2, its checksum by hand: fe80 + 2 + ff02 + 2 +
 * 8 (length) + 3a (ICMPv6) + 8500 is 282c8, folded 82ca, inverted 7d35. */
static void packets(void)
{
	struct address from, to;
	uint8_t message[NDP_SOLICIT_LENGTH], octets[DATAGRAM_PACKET_MAX];
	struct packet packet;
	struct datagram back;
	address_parse(&from, "fe80::2");
	address_parse(&to, "ff02::2");
	struct datagram datagram = {.source = from,
		.destination = to,
		.payload = {message, ndp_encode_solicit(message)}};
	size_t length = datagram_write_ndp(&datagram, octets);
	CU_ASSERT_EQUAL(length, 48);
	CU_ASSERT_EQUAL(get_u16(octets + 42), 0x7d35);
	CU_ASSERT_EQUAL_FATAL(packet_parse(octets, length, &packet), PACKET_OK);
	CU_ASSERT_TRUE(datagram_read_ndp(&packet, &back));
	CU_ASSERT_TRUE(address_equal(&back.source, &from));
	octets[7] = 64; /* forwarded */
	CU_ASSERT_FALSE(datagram_read_ndp(&packet, &back));
	octets[7] = 255;
	octets[47] ^= 1;
	CU_ASSERT_FALSE(datagram_read_ndp(&packet, &back));
}

static void datagrams(void)
{
	static const char *const ends[][2] = {
		{"0.0.0.0", "255.255.255.255"}, {"fe80::2", "ff02::1:2"}};
	for (size_t i = 0; i < 2; i++) {
		struct datagram datagram = {.source_port = 68,
					.destination_port = 67,
					.payload = {(const uint8_t *)"seven!!", 7}},
				back;
		uint8_t octets[DATAGRAM_PACKET_MAX];
		struct packet packet;
		address_parse(&datagram.source, ends[i][0]);
		address_parse(&datagram.destination, ends[i][1]);
		size_t length = datagram_write(&datagram, octets);
		CU_ASSERT_EQUAL_FATAL(packet_parse(octets, length, &packet), PACKET_OK);
		CU_ASSERT_TRUE_FATAL(datagram_read(&packet, &back));
		CU_ASSERT_EQUAL(back.payload.length, 7);
		CU_ASSERT_EQUAL(back.destination_port, 67);
		for (size_t at = 0; at < length * 8; at++) {
			octets[at / 8] ^= (uint8_t)(1 << at % 8);
			bool good = packet_parse(octets, length, &packet) == PACKET_OK &&
				    datagram_read(&packet, &back);
			/* IPv6 has no checksum over its class, label and hop limit. */
			bool covered = i == 0 || at / 8 > 7 || at / 8 == 4 || at / 8 == 5;
			CU_ASSERT_TRUE(!good || !covered);
			octets[at / 8] ^= (uint8_t)(1 << at % 8);
		}
	}
}

static const struct unit_test tests[] = {
	{"a Router Advertisement", advert},
	{"what it says that is not for us", ignored},
	{"what is malformed", refused},
	{"neighbour messages", neighbors},
	{"the packet of a Router Solicitation", packets},
	{"UDP datagrams", datagrams},
};

UNIT_MAIN("ndp", tests)
