/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DHCPv4 as RFC 2131 and the RFCs of its options lay it out. */
#include "core/dhcp4.h"

#include "hex.h"
#include "unit.h"

/* op, htype, hlen, hops, xid, secs, flags */
#define REQUEST_HEADER "01010600 3903f326 00030000"
#define REPLY_HEADER   "02010600 3903f326 00008000"
#define NO_FIELDS      "00000000 00000000 00000000 00000000"
#define HARDWARE       "020a0b0c0d0e 00000000000000000000"
#define ZERO_16        "00000000000000000000000000000000"
#define SNAME          ZERO_16 ZERO_16 ZERO_16 ZERO_16
#define FILE_NAME      SNAME SNAME
#define COOKIE         "63825363"

#define REQUEST(options) REQUEST_HEADER NO_FIELDS HARDWARE SNAME FILE_NAME COOKIE options
#define REPLY(options) \
	REPLY_HEADER "00000000 0a400007 00000000 00000000" HARDWARE SNAME FILE_NAME COOKIE options

static bool decode(const char *hex, struct dhcp4_message *out)
{
	size_t length;
	uint8_t *octets = hex_new(hex, &length);
	bool good = dhcp4_decode(octets, length, out);
	free(octets);
	return good;
}

static const char *text(const struct address *address)
{
	static char out[ADDRESS_TEXT_MAX];
	return address_format(address, out);
}

static void discover(void)
{
	struct dhcp4_message message;
	CU_ASSERT_TRUE(decode(REQUEST("350101 3d0701020a0b0c0d0e 32040a400009 39020240 "
				      "37050103067879 ff"),
		&message));
	CU_ASSERT_EQUAL(message.type, DHCP4_DISCOVER);
	CU_ASSERT_EQUAL(message.transaction, 0x3903f326);
	CU_ASSERT_EQUAL(message.seconds, 3);
	CU_ASSERT_FALSE(message.broadcast);
	CU_ASSERT_EQUAL(message.hardware_length, 6);
	CU_ASSERT_EQUAL(message.hardware[5], 0x0e);
	CU_ASSERT_EQUAL(message.client_id_length, 7);
	CU_ASSERT_EQUAL(message.max_size, 576);
	CU_ASSERT_STRING_EQUAL(text(&message.requested), "10.64.0.9");
	CU_ASSERT_EQUAL(message.yours.version, 0);
	CU_ASSERT_TRUE(message.has_wishes);
	CU_ASSERT_TRUE(dhcp4_wishes(&message, DHCP4_SIP));
	CU_ASSERT_TRUE(dhcp4_wishes(&message, DHCP4_ROUTES));
	CU_ASSERT_FALSE(dhcp4_wishes(&message, DHCP4_MTU));
}

/* Every option, and the mask, SIP and route encodings by hand: 10.99.0.0/24 by
 * 10.64.0.1, and 192.0.2.5/32. */
static void ack(void)
{
	struct dhcp4_message message;
	CU_ASSERT_TRUE(decode(REPLY("350105 36040a400001 330400015180 3a040000a8c0 3b0400012750 "
				    "0104ffff0000 03040a400001 06080a6300350a630036 1a0205dc "
				    "780901 0a63000a 0a63000b "
				    "7911 18 0a6300 0a400001 20 c0000205 0a400001 "
				    "0f0b 696d732e6578616d706c65 ff"),
		&message));
	CU_ASSERT_EQUAL(message.type, DHCP4_ACK);
	CU_ASSERT_TRUE(message.broadcast);
	CU_ASSERT_STRING_EQUAL(text(&message.yours), "10.64.0.7");
	CU_ASSERT_STRING_EQUAL(text(&message.server), "10.64.0.1");
	CU_ASSERT_EQUAL(message.lease, 86400);
	CU_ASSERT_EQUAL(message.t1, 43200);
	CU_ASSERT_EQUAL(message.t2, 75600);
	CU_ASSERT_EQUAL(message.mask_length, 16);
	CU_ASSERT_STRING_EQUAL(text(&message.router), "10.64.0.1");
	CU_ASSERT_EQUAL(message.dns_count, 2);
	CU_ASSERT_STRING_EQUAL(text(&message.dns[1]), "10.99.0.54");
	CU_ASSERT_EQUAL(message.mtu, 1500);
	CU_ASSERT_EQUAL(message.sip_count, 2);
	CU_ASSERT_STRING_EQUAL(text(&message.sip[0]), "10.99.0.10");
	CU_ASSERT_EQUAL_FATAL(message.route_count, 2);
	CU_ASSERT_EQUAL(message.routes[0].destination.length, 24);
	CU_ASSERT_STRING_EQUAL(text(&message.routes[0].destination.address), "10.99.0.0");
	CU_ASSERT_STRING_EQUAL(text(&message.routes[0].router), "10.64.0.1");
	CU_ASSERT_STRING_EQUAL(text(&message.routes[1].destination.address), "192.0.2.5");
	CU_ASSERT_STRING_EQUAL(message.domain.text[0], "ims.example");
}

/* RFC 3361 3.1, and its own example of the encoding. */
static void sip_names(void)
{
	struct dhcp4_message message;
	CU_ASSERT_TRUE(decode(REPLY("350105 781b00 07 6578616d706c65 03 636f6d 00 "
				    "07 6578616d706c65 03 6e6574 00 ff"),
		&message));
	CU_ASSERT_EQUAL_FATAL(message.sip_names.count, 2);
	CU_ASSERT_STRING_EQUAL(message.sip_names.text[0], "example.com");
	CU_ASSERT_STRING_EQUAL(message.sip_names.text[1], "example.net");
}

/* RFC 3396: one option in two pieces; RFC 2132 9.3: options in `file`. */
static void long_options(void)
{
	struct dhcp4_message message;
	CU_ASSERT_TRUE(decode(REPLY("350105 780501 0a6300 0a 780401 02 03 04 ff"), &message));
	CU_ASSERT_EQUAL(message.sip_count, 2);
	CU_ASSERT_STRING_EQUAL(text(&message.sip[1]), "1.2.3.4");

	CU_ASSERT_TRUE(decode(REPLY_HEADER NO_FIELDS HARDWARE SNAME
		"1a020514 ff 0000000000000000000000" ZERO_16 ZERO_16 ZERO_16 SNAME COOKIE
		"350105 340101 ff",
		&message));
	CU_ASSERT_EQUAL(message.mtu, 1300);
	/* Not told to look there. */
	CU_ASSERT_TRUE(decode(REPLY_HEADER NO_FIELDS HARDWARE SNAME
		"1a020514 ff 0000000000000000000000" ZERO_16 ZERO_16 ZERO_16 SNAME COOKIE
		"350105 ff",
		&message));
	CU_ASSERT_EQUAL(message.mtu, 0);
}

static const char *const bad[] = {
	REQUEST("ff"),                            /* no type */
	REQUEST("350100 ff"),                     /* no such type */
	REQUEST("350109 ff"),                     /* nor this */
	REQUEST("35020101 ff"),                   /* a long type */
	REQUEST("350102 ff"),                     /* a server's message from a client */
	REPLY("350101 ff"),                       /* and the other way round */
	REQUEST("350101"),                        /* no end */
	REQUEST("350101 32"),                     /* half an option */
	REQUEST("350101 32040a4000"),             /* an option that overruns */
	REQUEST("350101 32050a40000900 ff"),      /* wrong length: requested address */
	REQUEST("350101 390100 ff"),              /* maximum size */
	REQUEST("350101 39020100 ff"),            /* too small a maximum */
	REQUEST("350101 3d0101 ff"),              /* client identifier */
	REQUEST("350101 340103 ff"),              /* overload: `file` without an end */
	REQUEST("350101 340104 ff"),              /* overload: no such value */
	REPLY("350105 0104ff00ff00 ff"),          /* a mask with a hole */
	REPLY("350105 0103ffffff ff"),            /* half a mask */
	REPLY("350105 0606 0a6300350a63 ff"),     /* DNS: half an address */
	REPLY("350105 1a020043 ff"),              /* MTU below 68 */
	REPLY("350105 780102 ff"),                /* SIP: nothing but an encoding */
	REPLY("350105 7805020a63000a ff"),        /* SIP: no such encoding */
	REPLY("350105 7804010a6300 ff"),          /* SIP: half an address */
	REPLY("350105 780500 03 696d73 ff"),      /* SIP: a name without its root */
	REPLY("350105 780600 03 692f73 00 ff"),   /* SIP: no host name */
	REPLY("350105 780400 c00c 00 ff"),        /* SIP: a compressed name */
	REPLY("350105 7906 21 0a630000 0a ff"),   /* routes: width above 32 */
	REPLY("350105 7904 18 0a6300 ff"),        /* routes: no router */
	REPLY("350105 7907 18 0a6300 0a4000 ff"), /* routes: three quarters of one */
	REPLY("350105 0f03 690a73 ff"),           /* a domain with a line feed */
	REPLY("350105 3303000151 ff"),            /* lease time */
};

static void refused(void)
{
	struct dhcp4_message message;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (decode(bad[i], &message))
			printf("\nsample %zu\n", i);
		CU_ASSERT_FALSE(decode(bad[i], &message));
	}
}

static void prefixes_are_refused(void)
{
	struct dhcp4_message message;
	size_t length;
	uint8_t *octets = hex_new(REPLY("350105 36040a400001 330400015180 ff"), &length);
	for (size_t cut = 0; cut < length; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);
		memcpy(exact, octets, cut);
		CU_ASSERT_FALSE(dhcp4_decode(exact, cut, &message));
		free(exact);
	}
	CU_ASSERT_TRUE(dhcp4_decode(octets, length, &message));
	free(octets);
}

/* What is written is, octet by octet, what the RFCs say. */
static void encoded(void)
{
	struct dhcp4_message message = {
		.type = DHCP4_ACK,
		.transaction = 0x3903f326,
		.broadcast = true,
		.hardware_type = 1,
		.hardware_length = 6,
		.hardware = {2, 10, 11, 12, 13, 14},
		.lease = 86400,
		.mask_length = 16,
		.mtu = 1500,
		.sip_count = 1,
		.route_count = 1,
	};
	uint8_t octets[DHCP4_ROOM];
	size_t length;
	address_parse(&message.yours, "10.64.0.7");
	address_parse(&message.server, "10.64.0.1");
	address_parse(&message.sip[0], "10.99.0.10");
	prefix_parse(&message.routes[0].destination, "10.99.0.0/25");
	message.routes[0].router = message.server;
	uint8_t *wanted =
		hex_new(REPLY("350105 36040a400001 330400015180 0104ffff0000 7805010a63000a "
			      "1a0205dc 7909190a6300000a400001 ff"),
			&length);
	CU_ASSERT_EQUAL(dhcp4_encode(&message, octets, sizeof(octets)), DHCP4_LEAST);
	CU_ASSERT_EQUAL(memcmp(octets, wanted, length), 0);
	free(wanted);
}

/* What does not fit is left out, and what remains is well-formed. */
static void small_room(void)
{
	struct dhcp4_message message = {.type = DHCP4_ACK, .lease = 60}, back;
	uint8_t octets[1200];
	address_parse(&message.server, "10.64.0.1");
	address_parse(&message.router, "10.64.0.1");
	for (unsigned i = 0; i < DHCP4_ROUTES_MAX; i++) {
		struct dhcp4_route *route = &message.routes[message.route_count++];
		address_parse(&route->destination.address, "10.99.0.1");
		route->destination.address.octets[2] = (uint8_t)i;
		route->destination.length = 32;
		route->router = message.server;
	}
	for (size_t room = DHCP4_LEAST; room <= sizeof(octets); room++) {
		uint8_t *exact = malloc(room);
		size_t length = dhcp4_encode(&message, exact, room);
		CU_ASSERT_TRUE(length <= room);
		CU_ASSERT_TRUE_FATAL(dhcp4_decode(exact, length, &back));
		CU_ASSERT_EQUAL(back.lease, 60);
		CU_ASSERT_TRUE(back.route_count > 0);
		if (room == sizeof(octets)) {
			CU_ASSERT_EQUAL(back.route_count, DHCP4_ROUTES_MAX);
			CU_ASSERT_EQUAL(back.router.version, 4);
		}
		free(exact);
	}
}

static const struct unit_test tests[] = {
	{"a DHCPDISCOVER", discover},
	{"a DHCPACK", ack},
	{"SIP servers by name", sip_names},
	{"long and overloaded options", long_options},
	{"what is malformed", refused},
	{"prefixes of a message", prefixes_are_refused},
	{"a message as it is written", encoded},
	{"what does not fit", small_room},
};

UNIT_MAIN("dhcp4", tests)
