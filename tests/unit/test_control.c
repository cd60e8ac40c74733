/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/control.h"

#include "core/envelope.h"
#include "hex.h"
#include "unit.h"

/* Whole payloads, in tag order, so that encoding gives the same octets back. */

#define CONFIGURATION_REQUEST                        \
	"5453 01 00 1234"                            \
	"0001 0002 0001"                             \
	"0002 0004 0000000f"                         \
	"0003 0005 7473652031"                       \
	"0004 0010 000102030405060708090a0b0c0d0e0f" \
	"0010 0005 616c696365"                       \
	"0011 0006 736563726574"                     \
	"0012 0003 a1a2a3"                           \
	"0013 0004 00000e10"                         \
	"0020 0005 0a170005 20"                      \
	"0021 0011 fd000000000000000000000000000001 40"

#define CONFIGURATION_RESPONSE                          \
	"5453 02 00 1234"                               \
	"0001 0002 0001"                                \
	"0002 0004 00000005"                            \
	"0005 0002 0000"                                \
	"0006 0004 c3bc6f6b"                            \
	"0012 0002 b1b2"                                \
	"0013 0004 00000708"                            \
	"0014 0001 c1"                                  \
	"0016 0001 08"                                  \
	"0020 0005 0a170005 20"                         \
	"0021 0011 fd000000000000000000000000000001 40" \
	"0022 0002 0500"                                \
	"0024 0011 20010db8000000000000000000000000 20" \
	"0023 0005 0a640000 10"                         \
	"0023 0005 00000000 00"                         \
	"0025 0004 0a640001"                            \
	"0025 0010 20010db8000000000000000000000001"    \
	"0025 0005 782e696d73"                          \
	"0026 0004 0a640035"                            \
	"0026 0010 20010db8000000000000000000000035"    \
	"0027 0003 696d73"                              \
	"0027 0003 612e62"                              \
	"0028 0001 01"                                  \
	"0030 0004 0000afc8"                            \
	"0031 0001 02"

#define JOIN_REQUEST        "5453 03 00 0001 0014 0003 010203 0015 0002 0302"
#define JOIN_RESPONSE       "5453 04 00 0001 0005 0002 0006 0006 0004 62757379 0007 0004 0000001e"
#define KEEPALIVE_REQUEST   "5453 05 00 00ff 0032 0008 0102030405060708"
#define KEEPALIVE_RESPONSE  "5453 06 00 00ff 0032 0008 0102030405060708"
#define RELEASE_REQUEST     "5453 07 00 0002 0005 0002 000a 0006 0003 627965"
#define RELEASE_RESPONSE    "5453 08 00 0002"
#define UPDATE              "5453 09 00 0003 0008 0008 742e78793a343433 0022 0002 05dc"
#define UNKNOWN_TAG_REFUSED "5453 04 00 0009 0005 0002 0008 0033 0000"

static const char *const vectors[] = {
	CONFIGURATION_REQUEST,
	CONFIGURATION_RESPONSE,
	JOIN_REQUEST,
	JOIN_RESPONSE,
	KEEPALIVE_REQUEST,
	KEEPALIVE_RESPONSE,
	RELEASE_REQUEST,
	RELEASE_RESPONSE,
	UPDATE,
	UNKNOWN_TAG_REFUSED,
};

/* Decodes a vector; the views of `out` live until `*octets` is freed. */
static enum control_verdict decode(const char *hex, uint8_t **octets, struct control_message *out)
{
	size_t length;
	*octets = hex_new(hex, &length);
	const char *fault = NULL;
	enum control_verdict verdict = control_decode(*octets, length, out, &fault);
	CU_ASSERT((verdict == CONTROL_OK) == (fault == NULL));
	return verdict;
}

static bool view_is(struct view view, const char *text)
{
	return view.length == strlen(text) && memcmp(view.octets, text, view.length) == 0;
}

static bool prefix_is(const struct prefix *prefix, const char *text)
{
	char formatted[PREFIX_TEXT_MAX];
	return strcmp(prefix_format(prefix, formatted), text) == 0;
}

static bool address_is(const struct address *address, const char *text)
{
	char formatted[ADDRESS_TEXT_MAX];
	return strcmp(address_format(address, formatted), text) == 0;
}

static void decode_configuration_request(void)
{
	uint8_t *octets;
	struct control_message m;
	CU_ASSERT_EQUAL_FATAL(decode(CONFIGURATION_REQUEST, &octets, &m), CONTROL_OK);
	CU_ASSERT_EQUAL(m.kind, CONTROL_CONFIGURATION_REQUEST);
	CU_ASSERT_EQUAL(m.transaction, 0x1234);
	CU_ASSERT_EQUAL(m.present, UINT64_C(0x3000f001e));
	CU_ASSERT_EQUAL(m.version, 1);
	CU_ASSERT_EQUAL(m.capabilities,
		CAPABILITY_OFFLOAD | CAPABILITY_LANES | CAPABILITY_RESUME | CAPABILITY_COPIES);
	CU_ASSERT(view_is(m.software, "tse 1"));
	CU_ASSERT_EQUAL(m.instance.length, 16);
	CU_ASSERT_EQUAL(m.instance.octets[15], 15);
	CU_ASSERT(view_is(m.user, "alice"));
	CU_ASSERT(view_is(m.password, "secret"));
	CU_ASSERT(view_is(m.resume_token, "\xa1\xa2\xa3"));
	CU_ASSERT_EQUAL(m.resume_lifetime, 3600);
	CU_ASSERT(prefix_is(&m.inner4, "10.23.0.5/32"));
	CU_ASSERT(prefix_is(&m.inner6, "fd00::1/64"));
	CU_ASSERT_EQUAL(m.raw.octets, octets + CONTROL_HEADER);
	free(octets);
}

static void decode_configuration_response(void)
{
	uint8_t *octets;
	struct control_message m;
	CU_ASSERT_EQUAL_FATAL(decode(CONFIGURATION_RESPONSE, &octets, &m), CONTROL_OK);
	CU_ASSERT_EQUAL(m.result, RESULT_OK);
	CU_ASSERT(view_is(m.reason, "\xc3\xbcok"));
	CU_ASSERT(view_is(m.join_key, "\xc1"));
	CU_ASSERT_EQUAL(m.lanes_allowed, 8);
	CU_ASSERT_EQUAL(m.mtu, 1280);
	CU_ASSERT_EQUAL(m.security, SECURITY_MAY_DISABLE);
	CU_ASSERT_EQUAL(m.keepalive_interval, 45000);
	CU_ASSERT_EQUAL(m.keepalive_refresher, REFRESHER_BOTH);
	CU_ASSERT_EQUAL_FATAL(m.route_count, 3);
	CU_ASSERT(prefix_is(&m.routes[0], "2001:db8::/32"));
	CU_ASSERT(prefix_is(&m.routes[1], "10.100.0.0/16"));
	CU_ASSERT(prefix_is(&m.routes[2], "0.0.0.0/0"));
	CU_ASSERT_EQUAL_FATAL(m.pcscf_count, 3);
	CU_ASSERT(address_is(&m.pcscf[0].address, "10.100.0.1"));
	CU_ASSERT(address_is(&m.pcscf[1].address, "2001:db8::1"));
	CU_ASSERT_EQUAL(m.pcscf[2].address.version, 0);
	CU_ASSERT(view_is(m.pcscf[2].name, "x.ims"));
	CU_ASSERT_EQUAL_FATAL(m.dns_count, 2);
	CU_ASSERT(address_is(&m.dns[0], "10.100.0.53"));
	CU_ASSERT(address_is(&m.dns[1], "2001:db8::35"));
	CU_ASSERT_EQUAL_FATAL(m.domain_count, 2);
	CU_ASSERT(view_is(m.domains[1], "a.b"));
	CU_ASSERT_PTR_NULL(m.raw.octets);
	free(octets);
}

static void decode_the_others(void)
{
	uint8_t *octets;
	struct control_message m;
	CU_ASSERT_EQUAL(decode(JOIN_REQUEST, &octets, &m), CONTROL_OK);
	CU_ASSERT_EQUAL(m.lane_index, 3);
	CU_ASSERT_EQUAL(m.lane_class, CONTROL_LANE_BULK);
	free(octets);
	CU_ASSERT_EQUAL(decode(JOIN_RESPONSE, &octets, &m), CONTROL_OK);
	CU_ASSERT_EQUAL(m.result, RESULT_OVERLOADED);
	CU_ASSERT(view_is(m.reason, "busy"));
	CU_ASSERT_EQUAL(m.retry_after, 30);
	free(octets);
	CU_ASSERT_EQUAL(decode(KEEPALIVE_RESPONSE, &octets, &m), CONTROL_OK);
	CU_ASSERT_EQUAL(m.timestamp, UINT64_C(0x0102030405060708));
	CU_ASSERT_TRUE(control_has(&m, TAG_TIMESTAMP));
	free(octets);
	CU_ASSERT_EQUAL(decode(UPDATE, &octets, &m), CONTROL_OK);
	CU_ASSERT(view_is(m.other_tscf, "t.xy:443"));
	CU_ASSERT_EQUAL(m.mtu, 1500);
	CU_ASSERT_FALSE(control_has(&m, TAG_VERSION));
	CU_ASSERT_PTR_NULL(m.raw.octets); /* no request */
	free(octets);
}

static void encode_gives_the_octets_back(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		size_t length;
		uint8_t *octets = hex_new(vectors[i], &length);
		uint8_t envelope[1024];
		struct control_message m;
		const char *fault;
		CU_ASSERT_EQUAL_FATAL(control_decode(octets, length, &m, &fault), CONTROL_OK);
		m.raw = (struct view){NULL, 0};
		CU_ASSERT_EQUAL_FATAL(control_encode(&m, envelope, sizeof(envelope)), length + 3);
		CU_ASSERT_EQUAL(envelope[0], ENVELOPE_CONTROL);
		CU_ASSERT_EQUAL(get_u16(envelope + 1), length + 3);
		CU_ASSERT(memcmp(envelope + 3, octets, length) == 0);
		uint8_t *exact = malloc(length + 3);
		CU_ASSERT_EQUAL(control_encode(&m, exact, length + 3), length + 3);
		free(exact);
		/* Every room that is too small is refused, and not overrun. */
		for (size_t room = 0; room < length + 3; room++) {
			uint8_t *small = malloc(room ? room : 1);
			CU_ASSERT_EQUAL(control_encode(&m, small, room), 0);
			free(small);
		}
		free(octets);
	}
}

static void every_truncation_is_refused(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		size_t length;
		uint8_t *octets = hex_new(vectors[i], &length);
		for (size_t kept = 0; kept < length; kept++) {
			uint8_t *cut = malloc(kept ? kept : 1);
			memcpy(cut, octets, kept);
			struct control_message m;
			const char *fault;
			enum control_verdict verdict = control_decode(cut, kept, &m, &fault);
			if (kept < CONTROL_HEADER) {
				CU_ASSERT_EQUAL(verdict, CONTROL_BAD_MAGIC);
			} else if (verdict != CONTROL_OK) {
				/* Cut at a border it may be whole again. */
				CU_ASSERT_EQUAL(verdict, CONTROL_MALFORMED);
				CU_ASSERT_EQUAL(m.transaction, get_u16(octets + 4));
			}
			free(cut);
		}
		free(octets);
	}
}

/* Names of 4 and 16 octets must not turn into addresses on the way. */
static void pcscf_names_of_any_length(void)
{
	uint8_t name[TEXT_HOST_NAME_MAX];
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 9 == 8 ? '.' : 'p';
	for (size_t length = 1; length <= sizeof(name); length++) {
		if (name[length - 1] == '.')
			continue;
		struct control_message m = {.kind = CONTROL_CONFIGURATION_UPDATE, .pcscf_count = 1};
		m.pcscf[0].name = (struct view){name, length};
		uint8_t envelope[512];
		size_t encoded = control_encode(&m, envelope, sizeof(envelope));
		struct control_message back;
		const char *fault;
		CU_ASSERT_EQUAL_FATAL(
			control_decode(envelope + 3, encoded - 3, &back, &fault), CONTROL_OK);
		CU_ASSERT_EQUAL(back.pcscf_count, 1);
		CU_ASSERT_EQUAL(back.pcscf[0].address.version, 0);
		CU_ASSERT_EQUAL(back.pcscf[0].name.length, length);
		CU_ASSERT(memcmp(back.pcscf[0].name.octets, name, length) == 0);
	}
}

static void keepalive_gives_the_tlvs_back(void)
{
	/* A tag of a later version and a stray known one come back as well. */
	static const char request[] =
		"5453 05 00 0abc 0032 0008 1122334455667788 0077 0003 aabbcc 0006 0001 21";
	static const char response[] =
		"5453 06 00 0abc 0032 0008 1122334455667788 0077 0003 aabbcc 0006 0001 21";
	uint8_t *octets, envelope[64];
	struct control_message m;
	CU_ASSERT_EQUAL_FATAL(decode(request, &octets, &m), CONTROL_OK);
	m.kind = CONTROL_KEEPALIVE_RESPONSE;
	size_t length, encoded = control_encode(&m, envelope, sizeof(envelope));
	uint8_t *wanted = hex_new(response, &length);
	CU_ASSERT_EQUAL(encoded, length + 3);
	CU_ASSERT(memcmp(envelope + 3, wanted, length) == 0);
	CU_ASSERT_EQUAL(control_encode(&m, envelope, encoded - 1), 0);
	free(wanted);
	free(octets);
	/* And of a request without any, none. */
	CU_ASSERT_EQUAL_FATAL(decode("5453 05 00 0abd", &octets, &m), CONTROL_OK);
	m.kind = CONTROL_KEEPALIVE_RESPONSE;
	CU_ASSERT_EQUAL(control_encode(&m, envelope, sizeof(envelope)), 9);
	free(octets);
}

static void unknown_critical_is_answered(void)
{
	uint8_t *octets, envelope[64];
	struct control_message request, answer = {.kind = CONTROL_JOIN_RESPONSE};
	CU_ASSERT_EQUAL_FATAL(decode("5453 03 00 0007 8033 0001 00", &octets, &request),
		CONTROL_UNKNOWN_CRITICAL);
	answer.transaction = request.transaction;
	answer.result = RESULT_UNKNOWN_CRITICAL;
	answer.fault_tag = request.fault_tag;
	control_set(&answer, TAG_RESULT);
	size_t length, encoded = control_encode(&answer, envelope, sizeof(envelope));
	uint8_t *wanted = hex_new("80 0013 5453 04 00 0007 0005 0002 0008 0033 0000", &length);
	CU_ASSERT_EQUAL(encoded, length);
	CU_ASSERT(memcmp(envelope, wanted, length) == 0);
	/* Only result 8 carries it. */
	answer.result = RESULT_MALFORMED;
	CU_ASSERT_EQUAL(control_encode(&answer, envelope, sizeof(envelope)), length - 4);
	free(wanted);
	free(octets);
}

static void the_largest_message_fits(void)
{
	static uint8_t text[CONTROL_TEXT_MAX], name[TEXT_HOST_NAME_MAX];
	memset(text, 'x', sizeof(text));
	memset(name, 'n', sizeof(name));
	name[63] = name[127] = name[191] = '.';
	static struct control_message m, back;
	m = (struct control_message){.kind = CONTROL_CONFIGURATION_RESPONSE,
		.version = 1,
		.mtu = 1500,
		.software = {text, 256},
		.instance = {text, 16},
		.reason = {text, 256},
		.user = {text, 256},
		.password = {text, 256},
		.resume_token = {text, 64},
		.join_key = {text, 64},
		.route_count = CONTROL_ROUTES_MAX,
		.pcscf_count = CONTROL_PCSCF_MAX,
		.dns_count = CONTROL_DNS_MAX,
		.domain_count = CONTROL_DOMAINS_MAX};
	static const enum control_tag tags[] = {TAG_VERSION, TAG_CAPABILITIES, TAG_SOFTWARE,
		TAG_INSTANCE, TAG_RESULT, TAG_REASON, TAG_USER, TAG_PASSWORD, TAG_RESUME_TOKEN,
		TAG_JOIN_KEY, TAG_INNER4, TAG_INNER6, TAG_MTU, TAG_KEEPALIVE_INTERVAL};
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		control_set(&m, tags[i]);
	CU_ASSERT_TRUE(address_parse(&m.inner4.address, "10.0.0.1"));
	CU_ASSERT_TRUE(address_parse(&m.inner6.address, "fd00::1"));
	m.inner4.length = 32;
	m.inner6.length = 64;
	for (size_t i = 0; i < CONTROL_ROUTES_MAX; i++)
		CU_ASSERT_TRUE(prefix_parse(&m.routes[i], "2001:db8::/32"));
	for (size_t i = 0; i < CONTROL_PCSCF_MAX; i++)
		m.pcscf[i].name = (struct view){name, sizeof(name)};
	for (size_t i = 0; i < CONTROL_DNS_MAX; i++)
		CU_ASSERT_TRUE(address_parse(&m.dns[i], "2001:db8::1"));
	for (size_t i = 0; i < CONTROL_DOMAINS_MAX; i++)
		m.domains[i] = (struct view){name, sizeof(name)};

	static uint8_t envelope[CONTROL_ENCODED_MAX];
	size_t length = control_encode(&m, envelope, sizeof(envelope));
	CU_ASSERT_FATAL(length > 0);
	const char *fault;
	CU_ASSERT_EQUAL(control_decode(envelope + 3, length - 3, &back, &fault), CONTROL_OK);
	CU_ASSERT_EQUAL(back.domain_count, CONTROL_DOMAINS_MAX);
	CU_ASSERT_EQUAL(back.route_count, CONTROL_ROUTES_MAX);
}

static void names(void)
{
	CU_ASSERT_STRING_EQUAL(control_kind_name(0), "unknown kind");
	CU_ASSERT_STRING_EQUAL(control_kind_name(1), "Configuration Request");
	CU_ASSERT_STRING_EQUAL(control_kind_name(6), "Keep-alive Response");
	CU_ASSERT_STRING_EQUAL(control_kind_name(9), "Configuration Update");
	CU_ASSERT_STRING_EQUAL(control_kind_name(10), "unknown kind");
	CU_ASSERT_STRING_EQUAL(control_kind_name(0x80000001), "unknown kind");
	CU_ASSERT_STRING_EQUAL(control_result_name(0), "ok");
	CU_ASSERT_STRING_EQUAL(control_result_name(2), "authentication failed");
	CU_ASSERT_STRING_EQUAL(control_result_name(10), "shutting down");
	CU_ASSERT_STRING_EQUAL(control_result_name(11), "unknown result");
}

static const struct unit_test tests[] = {
	{"decode a Configuration Request", decode_configuration_request},
	{"decode a Configuration Response", decode_configuration_response},
	{"decode the other kinds", decode_the_others},
	{"encode gives the octets back", encode_gives_the_octets_back},
	{"every truncation is refused", every_truncation_is_refused},
	{"P-CSCF names of any length", pcscf_names_of_any_length},
	{"a Keep-alive gives the TLVs back", keepalive_gives_the_tlvs_back},
	{"an unknown critical tag is answered", unknown_critical_is_answered},
	{"the largest message fits", the_largest_message_fits},
	{"names", names},
};

UNIT_MAIN("control", tests)
