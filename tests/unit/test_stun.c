/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STUN against the vectors of RFC 5769, and messages bent in every way. */
#include "core/stun.h"

#include <string.h>

#include "hex.h"
#include "unit.h"

#define TRANSACTION "b7e7a701bc34d686fa87dfae"
#define HEADER      "2112a442" TRANSACTION

/* RFC 5769 2.2 and 2.3: SOFTWARE, XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY,
 * FINGERPRINT. */
static const char ipv4_response[] = "0101003c 2112a442 b7e7a701bc34d686fa87dfae"
				    "8022000b 7465737420766563746f7220"
				    "00200008 0001a147e112a643"
				    "00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7"
				    "80280004 c07d4c96";
static const char ipv6_response[] = "01010048 2112a442 b7e7a701bc34d686fa87dfae"
				    "8022000b 7465737420766563746f7220"
				    "00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9"
				    "00080014 a382954e4be67bf11784c97c8292c275bfe3ed41"
				    "80280004 c8fb0b4c";

static const uint8_t transaction[STUN_TRANSACTION] = {
	0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae};

static enum stun_result parse(const char *hex, struct stun_response *out)
{
	size_t length;
	uint8_t *octets = hex_new(hex, &length);
	enum stun_result result = stun_parse(transaction, octets, length, out);
	out->reason.octets = NULL; /* they go */
	free(octets);
	return result;
}

static void vectors_of_rfc_5769(void)
{
	struct stun_response response;
	char text[ADDRESS_TEXT_MAX];
	CU_ASSERT_EQUAL(parse(ipv4_response, &response), STUN_OURS);
	CU_ASSERT_EQUAL(response.error, 0);
	CU_ASSERT_STRING_EQUAL(address_format(&response.mapped, text), "192.0.2.1");
	CU_ASSERT_EQUAL(response.port, 32853);
	CU_ASSERT_EQUAL(parse(ipv6_response, &response), STUN_OURS);
	CU_ASSERT_STRING_EQUAL(
		address_format(&response.mapped, text), "2001:db8:1234:5678:11:2233:4455:6677");
	CU_ASSERT_EQUAL(response.port, 32853);
}

/* RFC 5769 2.1 is a request: well-formed, but nobody's answer. */
static void request_is_foreign(void)
{
	struct stun_response response;
	CU_ASSERT_EQUAL(parse("00010058 2112a442 b7e7a701bc34d686fa87dfae"
			      "80220010 5354554e207465737420636c69656e74"
			      "00240004 6e0001ff 80290008 932ff9b151263b36"
			      "00060009 6576746a3a68367659202020"
			      "00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
			      "80280004 e57a3bcf",
				&response),
		STUN_FOREIGN);
}

/* But for those that make the FINGERPRINT another attribute, or the end of the
 * one before it. */
static void bit_flips_do_not_pass(void)
{
	size_t length;
	uint8_t *octets = hex_new(ipv4_response, &length);
	for (size_t bit = 0; bit < length * 8; bit++) {
		struct stun_response response;
		bool hides_fingerprint = (bit / 8 >= length - 8 && bit / 8 < length - 4) ||
					 (bit / 8 == length - 29 && bit % 8 == 3);
		if (hides_fingerprint)
			continue;
		octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CU_ASSERT_NOT_EQUAL(stun_parse(transaction, octets, length, &response), STUN_OURS);
		octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	free(octets);
}

static void prefixes_do_not_pass(void)
{
	size_t length, whole;
	uint8_t *octets = hex_new(ipv6_response, &length);
	for (size_t cut = 0; cut < length; cut++) {
		struct stun_response response;
		uint8_t *exact = malloc(cut ? cut : 1);
		memcpy(exact, octets, cut);
		CU_ASSERT_EQUAL(stun_parse(transaction, exact, cut, &response), STUN_BAD);
		CU_ASSERT_EQUAL(stun_frame(exact, cut, &whole), STUN_MORE);
		free(exact);
	}
	CU_ASSERT_EQUAL(stun_frame(octets, length, &whole), STUN_OURS);
	CU_ASSERT_EQUAL(whole, length);
	free(octets);
}

static const struct sample {
	const char *name, *hex;
	enum stun_result result;
	unsigned error;
	const char *mapped;
	uint16_t port;
} samples[] = {
	{"MAPPED-ADDRESS", "0101000c" HEADER "00010008 00011389 c0000205", STUN_OURS, 0,
		"192.0.2.5", 5001},
	{"MAPPED-ADDRESS, IPv6",
		"01010018" HEADER "00010014 00021389 20010db8000000000000000000000005", STUN_OURS,
		0, "2001:db8::5", 5001},
	{"XOR-MAPPED-ADDRESS counts more",
		"01010018" HEADER "00010008 00011389 c0000205 00200008 0001a147e112a643", STUN_OURS,
		0, "192.0.2.1", 32853},
	{"the first of two counts",
		"01010018" HEADER "00200008 0001a147e112a643 00200008 0001a148e112a644", STUN_OURS,
		0, "192.0.2.1", 32853},
	{"unknown optional attribute",
		"01010014" HEADER "80990003 01020300 00200008 0001a147e112a643", STUN_OURS, 0,
		"192.0.2.1", 32853},
	{"behind MESSAGE-INTEGRITY nothing counts",
		"01010024" HEADER "00080014 0000000000000000000000000000000000000000"
		"00200008 0001a147e112a643",
		STUN_BAD, 0, NULL, 0},
	{"unknown required attribute",
		"01010014" HEADER "00990003 01020300 00200008 0001a147e112a643", STUN_BAD, 0, NULL,
		0},
	{"no address", "01010000" HEADER, STUN_BAD, 0, NULL, 0},
	{"unknown family", "0101000c" HEADER "00200008 0003a147e112a643", STUN_BAD, 0, NULL, 0},
	{"IPv4 family with IPv6 length",
		"01010018" HEADER "00200014 0001a147 0113a9faa5d3f179bc25f4b5bed2b9d9", STUN_BAD, 0,
		NULL, 0},
	{"address too short", "01010008" HEADER "00200004 0001a147", STUN_BAD, 0, NULL, 0},
	{"attribute behind the end", "0101000c" HEADER "0020000c 0001a147e112a643", STUN_BAD, 0,
		NULL, 0},
	{"half an attribute header is not a multiple of 4",
		"0101000e" HEADER "00200008 0001a147e112a643 8022", STUN_BAD, 0, NULL, 0},
	{"octets behind the message", "0101000c" HEADER "00200008 0001a147e112a643 00000000",
		STUN_BAD, 0, NULL, 0},
	{"FINGERPRINT not last, but right",
		"0101001c" HEADER "00200008 0001a147e112a643 80280004 d3f4dafb 80220004 61626364",
		STUN_BAD, 0, NULL, 0},
	{"FINGERPRINT too long", "01010014" HEADER "00200008 0001a147e112a643 80280008 00000000",
		STUN_BAD, 0, NULL, 0},
	{"no cookie", "0101000c 2112a443" TRANSACTION "00200008 0001a147e112a643", STUN_BAD, 0,
		NULL, 0},
	{"top bits set", "8101000c" HEADER "00200008 0001a147e112a643", STUN_BAD, 0, NULL, 0},
	{"other transaction",
		"0101000c 2112a442 b7e7a701bc34d686fa87dfaf 00200008 0001a147e112a643",
		STUN_FOREIGN, 0, NULL, 0},
	{"an indication", "0011000c" HEADER "00200008 0001a147e112a643", STUN_FOREIGN, 0, NULL, 0},
	{"another method's success", "0103000c" HEADER "00200008 0001a147e112a643", STUN_FOREIGN, 0,
		NULL, 0},
	{"error 401", "01110010" HEADER "0009000c 00000401 556e617574686f72", STUN_OURS, 401, NULL,
		0},
	{"error without a phrase", "01110008" HEADER "00090004 00000314", STUN_OURS, 320, NULL, 0},
	{"error 420 with UNKNOWN-ATTRIBUTES",
		"01110010" HEADER "00090004 00000414 000a0002 7fff0000", STUN_OURS, 420, NULL, 0},
	{"error without a code", "01110000" HEADER, STUN_BAD, 0, NULL, 0},
	{"error code too short", "01110008" HEADER "00090003 00000400", STUN_BAD, 0, NULL, 0},
	{"error class 2", "01110008" HEADER "00090004 00000200", STUN_BAD, 0, NULL, 0},
	{"error class 7", "01110008" HEADER "00090004 00000700", STUN_BAD, 0, NULL, 0},
	{"error number 100", "01110008" HEADER "00090004 00000464", STUN_BAD, 0, NULL, 0},
};

static void samples_are_judged(void)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *sample = &samples[i];
		struct stun_response response;
		char text[ADDRESS_TEXT_MAX];
		enum stun_result result = parse(sample->hex, &response);
		if (result != sample->result)
			printf("\n    %s: %d", sample->name, result);
		CU_ASSERT_EQUAL(result, sample->result);
		CU_ASSERT_EQUAL(response.error, sample->error);
		if (!sample->mapped)
			continue;
		CU_ASSERT_STRING_EQUAL(address_format(&response.mapped, text), sample->mapped);
		CU_ASSERT_EQUAL(response.port, sample->port);
	}
}

static void request_has_a_fingerprint(void)
{
	uint8_t request[STUN_REQUEST];
	struct stun_response response;
	size_t length;
	/* The CRC was computed by another implementation of CRC-32 (zlib). */
	uint8_t *expected = hex_new("00010008" HEADER "80280004 fdf6ae02", &length);
	stun_build(request, transaction);
	CU_ASSERT_EQUAL_FATAL(length, STUN_REQUEST);
	CU_ASSERT_EQUAL(memcmp(request, expected, 24), 0);
	CU_ASSERT_EQUAL(memcmp(request, expected, length), 0);
	CU_ASSERT_EQUAL(stun_parse(transaction, request, sizeof(request), &response), STUN_FOREIGN);
	request[27] ^= 1;
	CU_ASSERT_EQUAL(stun_parse(transaction, request, sizeof(request), &response), STUN_BAD);
	free(expected);
}

static void stream_is_framed(void)
{
	size_t length, whole;
	uint8_t *http = hex_new("485454502f312e31", &length);
	CU_ASSERT_EQUAL(stun_frame(http, 1, &whole), STUN_BAD);
	free(http);
	uint8_t *large = hex_new("010107ec" HEADER, &length);
	CU_ASSERT_EQUAL(stun_frame(large, length, &whole), STUN_MORE);
	CU_ASSERT_EQUAL(whole, STUN_MESSAGE_MAX);
	large[3] = 0xf0;
	CU_ASSERT_EQUAL(stun_frame(large, length, &whole), STUN_BAD);
	free(large);
}

static const struct unit_test tests[] = {
	{"vectors of RFC 5769", vectors_of_rfc_5769},
	{"a request is foreign", request_is_foreign},
	{"bit flips do not pass", bit_flips_do_not_pass},
	{"prefixes do not pass", prefixes_do_not_pass},
	{"samples are judged", samples_are_judged},
	{"request has a fingerprint", request_has_a_fingerprint},
	{"stream is framed", stream_is_framed},
};
UNIT_MAIN("stun", tests)
