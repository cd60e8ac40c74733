/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stateless DHCPv6 (RFC 8415), and the names inside it. */
#include "core/dhcp6.h"

#include "hex.h"
#include "unit.h"

#define DUID "0004 00112233445566778899aabbccddeeff"

static const char request[] = "0b 123456 0001 0012 " DUID " 0006 0004 0016 0017 0008 0002 0064";
static const char reply[] = "07 123456 0001 0012 " DUID " 0002 000a 0003 0001 020a0b0c0d0e "
			    "0016 0010 fd990000000000000000000000000010 "
			    "0015 000d 05 7063736366 05 6c6f63616c 00 "
			    "0017 0020 fd990000000000000000000000000053 "
			    "fd990000000000000000000000000054 "
			    "0018 000d 03 696d73 07 6578616d706c65 00 "
			    "0020 0004 00000e10 0063 0001 aa";

static bool decode(const char *hex, struct dhcp6_message *out)
{
	size_t length;
	uint8_t *octets = hex_new(hex, &length);
	bool good = dhcp6_decode(octets, length, out);
	free(octets);
	return good;
}

static void read_request(void)
{
	struct dhcp6_message message;
	CU_ASSERT_TRUE(decode(request, &message));
	CU_ASSERT_EQUAL(message.type, DHCP6_INFORMATION_REQUEST);
	CU_ASSERT_EQUAL(message.transaction, 0x123456);
	CU_ASSERT_EQUAL(message.client_id.length, 18);
	CU_ASSERT_EQUAL(message.elapsed, 100);
	CU_ASSERT_TRUE(dhcp6_wishes(&message, DHCP6_SIP_ADDRESSES));
	CU_ASSERT_TRUE(dhcp6_wishes(&message, DHCP6_DNS));
	CU_ASSERT_FALSE(dhcp6_wishes(&message, DHCP6_SIP_NAMES));
}

static void read_reply(void)
{
	struct dhcp6_message message;
	char text[ADDRESS_TEXT_MAX];
	CU_ASSERT_TRUE(decode(reply, &message));
	CU_ASSERT_EQUAL(message.type, DHCP6_REPLY);
	CU_ASSERT_EQUAL(message.server_id.length, 10);
	CU_ASSERT_EQUAL(message.sip_count, 1);
	CU_ASSERT_STRING_EQUAL(address_format(&message.sip[0], text), "fd99::10");
	CU_ASSERT_EQUAL(message.sip_names.count, 1);
	CU_ASSERT_STRING_EQUAL(message.sip_names.text[0], "pcscf.local");
	CU_ASSERT_EQUAL(message.dns_count, 2);
	CU_ASSERT_STRING_EQUAL(message.domains.text[0], "ims.example");
	CU_ASSERT_EQUAL(message.refresh, 3600);
}

static const char *const bad[] = {
	"", "0b1234", "0c 123456",                            /* a relay's */
	"07 123456 00",                                       /* half an option */
	"07 123456 0001",                                     /* without a length */
	"07 123456 0001 0003 0004",                           /* that overruns */
	"07 123456 0001 0002 0004",                           /* a DUID without content */
	"07 123456 0001 0003 000401 0001 0003 000401",        /* two client identifiers */
	"07 123456 0006 0003 000102",                         /* half a wish */
	"07 123456 0008 0001 00",                             /* elapsed time */
	"07 123456 0017 000f fd9900000000000000000000000000", /* half an address */
	"07 123456 0016 0000",                                /* none */
	"07 123456 0015 0004 03 696d73",                      /* a name without its root */
	"07 123456 0018 0005 03 692e73 00",                   /* a label with a dot */
	"07 123456 0020 0002 0001",                           /* refresh time */
	"07 123456 000d 0001 00",                             /* status */
	"07 123456 000d 0003 0000 07",                        /* status with a control character */
};

static void refused(void)
{
	struct dhcp6_message message;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (decode(bad[i], &message))
			printf("\nsample %zu\n", i);
		CU_ASSERT_FALSE(decode(bad[i], &message));
	}
}

/* Written in the order of the codec, it is this again. */
static void encoded(void)
{
	struct dhcp6_message message;
	uint8_t octets[DHCP6_ROOM];
	size_t length;
	uint8_t *wanted = hex_new("07 123456 0001 0012 " DUID " 0002 000a 0003 0001 020a0b0c0d0e "
				  "0020 0004 00000e10 "
				  "0016 0010 fd990000000000000000000000000010 "
				  "0015 000d 05 7063736366 05 6c6f63616c 00 "
				  "0017 0020 fd990000000000000000000000000053 "
				  "fd990000000000000000000000000054 "
				  "0018 000d 03 696d73 07 6578616d706c65 00",
		&length);
	CU_ASSERT_TRUE_FATAL(decode(reply, &message));
	CU_ASSERT_EQUAL(dhcp6_encode(&message, octets, sizeof(octets)), length);
	CU_ASSERT_EQUAL(memcmp(octets, wanted, length), 0);
	free(wanted);
	CU_ASSERT_TRUE_FATAL(decode(request, &message));
	wanted = hex_new(request, &length);
	CU_ASSERT_EQUAL(dhcp6_encode(&message, octets, sizeof(octets)), length);
	CU_ASSERT_EQUAL(memcmp(octets, wanted, length), 0);
	free(wanted);
}

static void small_room(void)
{
	struct dhcp6_message message, back;
	CU_ASSERT_TRUE_FATAL(decode(reply, &message));
	for (size_t room = DHCP6_HEADER; room < 200; room++) {
		uint8_t *exact = malloc(room);
		size_t length = dhcp6_encode(&message, exact, room);
		CU_ASSERT_TRUE(length <= room);
		CU_ASSERT_TRUE(dhcp6_decode(exact, length, &back));
		free(exact);
	}
}

static void names(void)
{
	static const struct {
		const char *name;
		size_t octets;
	} samples[] = {
		{"example.com", 13},
		{"example.com.", 13},
		{"a", 3},
		{"", 0},
		{".", 0},
		{"a..b", 0},
		{"-a.b", 0},
		{"exa mple", 0},
		{"0123456789012345678901234567890123456789012345678901234567890123", 0},
	};
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		uint8_t octets[80];
		struct view name = {(const uint8_t *)samples[i].name, strlen(samples[i].name)};
		struct dns_names back = {0};
		size_t length = dns_name_put(name, octets, sizeof(octets));
		CU_ASSERT_EQUAL(length, samples[i].octets);
		if (length == 0)
			continue;
		CU_ASSERT_EQUAL(dns_name_put(name, octets, length - 1), 0);
		CU_ASSERT_TRUE(dns_names_read((struct view){octets, length}, &back));
		CU_ASSERT_EQUAL(strncmp(back.text[0], samples[i].name, strlen(back.text[0])), 0);
	}
}

static const struct unit_test tests[] = {
	{"an Information-request", read_request},
	{"a Reply", read_reply},
	{"what is malformed", refused},
	{"messages as they are written", encoded},
	{"what does not fit", small_room},
	{"names", names},
};

UNIT_MAIN("dhcp6", tests)
