/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What counts as a SIP response to our own request, and what does not; after
 * RFC 3261, with the oddities that RFC 4475 collects. */
#include "core/sip.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static const struct sip_transaction own = {
	.method = SIP_OPTIONS,
	.cseq = 7,
	.branch = "z9hG4bKabc123",
	.call_id = "Call.1",
	.tag = "tag1",
};

#define VIA    "Via: SIP/2.0/UDP 192.0.2.9:40000;branch=z9hG4bKabc123\r\n"
#define FROM   "From: <sip:anonymous@anonymous.invalid>;tag=tag1\r\n"
#define TO     "To: <sip:p-cscf.example>;tag=far\r\n"
#define CALL   "Call-ID: Call.1\r\n"
#define CSEQ   "CSeq: 7 OPTIONS\r\n"
#define LENGTH "Content-Length: 0\r\n"
#define REST   FROM TO CALL CSEQ LENGTH "\r\n"

/* In a block of exactly its length, so that sanitizers see a read behind it. */
static enum sip_result parse(const char *text, size_t length, struct sip_response *out)
{
	uint8_t *copy = malloc(length ? length : 1);
	memcpy(copy, text, length);
	enum sip_result result = sip_parse_datagram(&own, copy, length, out);
	out->reason = (struct view){0};
	free(copy);
	return result;
}

struct sample {
	const char *name, *text;
	enum sip_result result;
	unsigned status;
};

static const struct sample samples[] = {
	{"plain", "SIP/2.0 200 OK\r\n" VIA REST, SIP_OURS, 200},
	{"unauthorized", "SIP/2.0 401 Unauthorized\r\n" VIA REST, SIP_OURS, 401},
	{"provisional", "SIP/2.0 100 Trying\r\n" VIA REST, SIP_OURS, 100},
	{"last status", "SIP/2.0 699 x\r\n" VIA REST, SIP_OURS, 699},
	{"no phrase (RFC 4475 3.1.1.13)", "SIP/2.0 200 \r\n" VIA REST, SIP_OURS, 200},
	{"phrase in UTF-8", "SIP/2.0 200 \xe2\x82\xac = 2**3\r\n" VIA REST, SIP_OURS, 200},
	{"version in lower case", "sip/2.0 200 OK\r\n" VIA REST, SIP_OURS, 200},
	{"compact names",
		"SIP/2.0 200 OK\r\nv: SIP/2.0/TCP [2001:db8::9]:5060;branch=z9hG4bKabc123\r\n"
		"f: sip:me@here;tag=tag1\r\nt: sip:you@there\r\ni: Call.1\r\ncseq: 7 OPTIONS\r\n"
		"l: 0\r\n\r\n",
		SIP_OURS, 200},
	{"white space and folding (RFC 4475 3.1.1.1)",
		"SIP/2.0 200 OK\r\nVIA  :  SIP  / 2.0\r\n /UDP\r\n    192.0.2.9 : 40000 ;\r\n"
		"\tbranch  =   z9hG4bKabc123  \r\n"
		"FROM\t:\r\n \"A \\\"quoted\\\" ;tag=no\" <sip:x@y;tag=no>\r\n ; tag = TAG1\r\n"
		"to: <sip:p>\r\nCall-ID : Call.1\r\nCSeq: 00007\r\n  OPTIONS\r\n"
		"NewFangled:  newfangled value\r\n continued newfangled value\r\n\r\n",
		SIP_OURS, 200},
	{"no Content-Length", "SIP/2.0 200 OK\r\n" VIA FROM TO CALL CSEQ "\r\n", SIP_OURS, 200},
	{"unknown fields", "SIP/2.0 200 OK\r\nX!%*_+`'~: \r\n" VIA REST, SIP_OURS, 200},
	{"with a body", "SIP/2.0 200 OK\r\n" VIA FROM TO CALL CSEQ "Content-Length: 3\r\n\r\nabc",
		SIP_OURS, 200},
	{"octets behind the body",
		"SIP/2.0 200 OK\r\n" VIA FROM TO CALL CSEQ "Content-Length: 1\r\n\r\nabc", SIP_OURS,
		200},

	{"other branch", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKabc124\r\n" REST,
		SIP_FOREIGN, 0},
	{"no branch", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\n" REST, SIP_FOREIGN, 0},
	{"branch is a prefix", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKabc12\r\n" REST,
		SIP_FOREIGN, 0},
	{"our Via is not the topmost",
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKother\r\n" VIA REST,
		SIP_FOREIGN, 0},
	{"our Via is not the only one, in two fields",
		"SIP/2.0 200 OK\r\n" VIA "v: SIP/2.0/UDP h;branch=z9hG4bKother\r\n" REST,
		SIP_FOREIGN, 0},
	{"our Via is not the only one, in one field",
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKabc123 , SIP/2.0/TCP "
		"i\r\n" REST,
		SIP_FOREIGN, 0},
	{"other Call-ID", "SIP/2.0 200 OK\r\n" VIA FROM TO "i: call.1\r\n" CSEQ "\r\n", SIP_FOREIGN,
		0},
	{"other tag", "SIP/2.0 200 OK\r\n" VIA "From: sip:a@b;tag=tag2\r\n" TO CALL CSEQ "\r\n",
		SIP_FOREIGN, 0},
	{"no tag", "SIP/2.0 200 OK\r\n" VIA "From: <sip:a@b;tag=tag1>\r\n" TO CALL CSEQ "\r\n",
		SIP_FOREIGN, 0},
	{"other number", "SIP/2.0 200 OK\r\n" VIA FROM TO CALL "CSeq: 8 OPTIONS\r\n\r\n",
		SIP_FOREIGN, 0},
	{"other method", "SIP/2.0 200 OK\r\n" VIA FROM TO CALL "CSeq: 7 INVITE\r\n\r\n",
		SIP_FOREIGN, 0},
	{"a request", "OPTIONS sip:a@b SIP/2.0\r\n" VIA REST, SIP_FOREIGN, 0},

	{"nothing", "", SIP_BAD, 0},
	{"no end", "SIP/2.0 200 OK\r\n" VIA FROM TO CALL CSEQ LENGTH, SIP_BAD, 0},
	{"status line alone", "SIP/2.0 200 OK\r\n\r\n", SIP_BAD, 0},
	{"HTTP", "HTTP/1.1 400 Bad Request\r\n" VIA REST, SIP_BAD, 0},
	{"other version", "SIP/3.0 200 OK\r\n" VIA REST, SIP_BAD, 0},
	{"version with a tail", "SIP/2.01 200 OK\r\n" VIA REST, SIP_BAD, 0},
	{"status too small", "SIP/2.0 099 x\r\n" VIA REST, SIP_BAD, 0},
	{"status too large", "SIP/2.0 700 x\r\n" VIA REST, SIP_BAD, 0},
	{"status of four digits", "SIP/2.0 2000 x\r\n" VIA REST, SIP_BAD, 0},
	{"status is no number", "SIP/2.0 2x0 x\r\n" VIA REST, SIP_BAD, 0},
	{"no space behind the status", "SIP/2.0 200\r\n" VIA REST, SIP_BAD, 0},
	{"two spaces", "SIP/2.0  200 OK\r\n" VIA REST, SIP_BAD, 0},
	{"leading space", " SIP/2.0 200 OK\r\n" VIA REST, SIP_BAD, 0},
	{"bare line feeds", "SIP/2.0 200 OK\n" VIA REST, SIP_BAD, 0},
	{"bare carriage return", "SIP/2.0 200 O\rK\r\n" VIA REST, SIP_BAD, 0},
	{"control character", "SIP/2.0 200 O\x01K\r\n" VIA REST, SIP_BAD, 0},
	{"no Via", "SIP/2.0 200 OK\r\n" REST, SIP_BAD, 0},
	{"empty Via", "SIP/2.0 200 OK\r\nVia:\r\n" REST, SIP_BAD, 0},
	{"Via ends in a comma",
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKabc123,\r\n" REST, SIP_BAD, 0},
	{"Via of HTTP", "SIP/2.0 200 OK\r\nVia: HTTP/1.1/UDP h;branch=z9hG4bKabc123\r\n" REST,
		SIP_BAD, 0},
	{"Via without a host", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP ;branch=z9hG4bKabc123\r\n" REST,
		SIP_BAD, 0},
	{"Via parameter without a value", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=\r\n" REST,
		SIP_BAD, 0},
	{"received is no address",
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKabc123;received=h\r\n" REST,
		SIP_BAD, 0},
	{"rport too large",
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKabc123;rport=65536\r\n" REST,
		SIP_BAD, 0},
	{"quoted string without an end",
		"SIP/2.0 200 OK\r\n" VIA "From: \"x <sip:a@b>;tag=tag1\r\n" TO CALL CSEQ "\r\n",
		SIP_BAD, 0},
	{"bracket without an end",
		"SIP/2.0 200 OK\r\n" VIA "From: <sip:a@b;tag=tag1\r\n" TO CALL CSEQ "\r\n", SIP_BAD,
		0},
	{"no From", "SIP/2.0 200 OK\r\n" VIA TO CALL CSEQ "\r\n", SIP_BAD, 0},
	{"no To", "SIP/2.0 200 OK\r\n" VIA FROM CALL CSEQ "\r\n", SIP_BAD, 0},
	{"empty To", "SIP/2.0 200 OK\r\n" VIA FROM "To: ;tag=x\r\n" CALL CSEQ "\r\n", SIP_BAD, 0},
	{"no Call-ID", "SIP/2.0 200 OK\r\n" VIA FROM TO CSEQ "\r\n", SIP_BAD, 0},
	{"no CSeq", "SIP/2.0 200 OK\r\n" VIA FROM TO CALL "\r\n", SIP_BAD, 0},
	{"From twice (RFC 4475 3.3.8)", "SIP/2.0 200 OK\r\n" VIA FROM FROM TO CALL CSEQ "\r\n",
		SIP_BAD, 0},
	{"To twice", "SIP/2.0 200 OK\r\n" VIA FROM TO "t: sip:a\r\n" CALL CSEQ "\r\n", SIP_BAD, 0},
	{"Call-ID twice", "SIP/2.0 200 OK\r\n" VIA FROM TO CALL CALL CSEQ "\r\n", SIP_BAD, 0},
	{"CSeq twice", "SIP/2.0 200 OK\r\n" VIA FROM TO CALL CSEQ CSEQ "\r\n", SIP_BAD, 0},
	{"length twice", "SIP/2.0 200 OK\r\n" VIA FROM TO CALL CSEQ LENGTH "l: 0\r\n\r\n", SIP_BAD,
		0},
	{"CSeq without a method", "SIP/2.0 200 OK\r\n" VIA FROM TO CALL "CSeq: 7\r\n\r\n", SIP_BAD,
		0},
	{"CSeq overflows", "SIP/2.0 200 OK\r\n" VIA FROM TO CALL "CSeq: 4294967303 OPTIONS\r\n\r\n",
		SIP_BAD, 0},
	{"negative length (RFC 4475 3.1.2.3)",
		"SIP/2.0 200 OK\r\n" VIA FROM TO CALL CSEQ "Content-Length: -1\r\n\r\n", SIP_BAD,
		0},
	{"body cut off (RFC 4475 3.1.2.2)",
		"SIP/2.0 200 OK\r\n" VIA FROM TO CALL CSEQ "Content-Length: 4\r\n\r\nabc", SIP_BAD,
		0},
	{"length overflows",
		"SIP/2.0 200 OK\r\n" VIA FROM TO CALL CSEQ
		"Content-Length: 18446744073709551616\r\n\r\n",
		SIP_BAD, 0},
	{"field without a colon", "SIP/2.0 200 OK\r\n" VIA "nonsense\r\n" REST, SIP_BAD, 0},
	{"field without a name", "SIP/2.0 200 OK\r\n" VIA ": x\r\n" REST, SIP_BAD, 0},
	{"folded status line", "SIP/2.0 200 OK\r\n x\r\n" VIA REST, SIP_BAD, 0},
};

static void samples_are_judged(void)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct sip_response response;
		enum sip_result result = parse(samples[i].text, strlen(samples[i].text), &response);
		if (result != samples[i].result)
			printf("\n    %s: %d", samples[i].name, result);
		CU_ASSERT_EQUAL(result, samples[i].result);
		if (samples[i].status)
			CU_ASSERT_EQUAL(response.status, samples[i].status);
	}
}

static void escaped_nul_is_text(void)
{
	static const char good[] = "SIP/2.0 200 OK\r\n" VIA
				   "From: \"a\\\0b\" <sip:a@b>;tag=tag1\r\n" TO CALL CSEQ "\r\n";
	static const char bad[] = "SIP/2.0 200 OK\r\n" VIA
				  "From: \"a\0b\" <sip:a@b>;tag=tag1\r\n" TO CALL CSEQ "\r\n";
	struct sip_response response;
	CU_ASSERT_EQUAL(parse(good, sizeof(good) - 1, &response), SIP_OURS);
	CU_ASSERT_EQUAL(parse(bad, sizeof(bad) - 1, &response), SIP_BAD);
}

/* Cut anywhere, a response is no response. */
static void every_prefix_is_bad(void)
{
	static const char whole[] = "SIP/2.0 200 OK\r\n" VIA REST;
	struct sip_response response;
	for (size_t length = 0; length < sizeof(whole) - 1; length++)
		CU_ASSERT_EQUAL(parse(whole, length, &response), SIP_BAD);
}

static void via_tells_where_we_are(void)
{
	static const struct {
		const char *parameters, *address;
		uint16_t port;
	} cases[] = {
		{";received=203.0.113.7;rport=40001", "203.0.113.7", 40001},
		{" ; RPORT = 1 ; Received = 2001:db8::7", "2001:db8::7", 1},
		{";received=[2001:db8::7]", "2001:db8::7", 0},
		{";rport", "none", 0},
		{";x=\"a,;b\";rport=9", "none", 9},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[600], address[ADDRESS_TEXT_MAX];
		struct sip_response response;
		snprintf(text, sizeof(text),
			"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP "
			"10.0.0.1;branch=z9hG4bKabc123%s\r\n" REST,
			cases[i].parameters);
		CU_ASSERT_EQUAL(parse(text, strlen(text), &response), SIP_OURS);
		CU_ASSERT_STRING_EQUAL(
			address_format(&response.received, address), cases[i].address);
		CU_ASSERT_EQUAL(response.rport, cases[i].port);
	}
}

/* --- streams ----------------------------------------------------------- */

static enum sip_result feed(const char *text, size_t piece, struct sip_stream *stream,
	struct sip_response *response, unsigned *foreign)
{
	size_t length = strlen(text);
	enum sip_result result = SIP_MORE;
	memset(stream, 0, sizeof(*stream));
	*foreign = 0;
	for (size_t at = 0; at < length && result == SIP_MORE; at += piece) {
		size_t count = length - at < piece ? length - at : piece;
		result = sip_stream_put(
			stream, &own, (const uint8_t *)text + at, count, response, foreign);
	}
	return result;
}

static void stream_comes_in_any_pieces(void)
{
	static const char text[] =
		"\r\n\r\n"
		"OPTIONS sip:a@b SIP/2.0\r\n" VIA FROM TO CALL CSEQ "Content-Length: 5\r\n\r\nSIP/2"
		"SIP/2.0 200 OK\r\nv: SIP/2.0/TCP h;branch=z9hG4bKother\r\n" REST
		"SIP/2.0 401 Who are you\r\n" VIA REST "SIP/2.0 200 OK";
	static struct sip_stream stream;
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		struct sip_response response;
		unsigned foreign;
		CU_ASSERT_EQUAL(feed(text, piece, &stream, &response, &foreign), SIP_OURS);
		CU_ASSERT_EQUAL(response.status, 401);
		CU_ASSERT_EQUAL(response.reason.length, 11);
		CU_ASSERT_EQUAL(memcmp(response.reason.octets, "Who are you", 11), 0);
		CU_ASSERT_EQUAL(foreign, 2);
	}
}

static void stream_that_is_no_sip_is_given_up(void)
{
	static struct sip_stream stream;
	struct sip_response response;
	unsigned foreign;
	char *endless = malloc(1 << 20);
	memset(endless, 'a', (1 << 20) - 1);
	memcpy(endless, "SIP/2.0 200 OK\r\nX: ", 19);
	endless[(1 << 20) - 1] = '\0';
	static const size_t pieces[] = {1, 1000, 1 << 20};
	for (size_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(feed(endless, pieces[i], &stream, &response, &foreign), SIP_BAD);
	free(endless);
	CU_ASSERT_EQUAL(feed("HTTP/1.1 400 Bad\r\n\r\n", 7, &stream, &response, &foreign), SIP_BAD);
	/* Without a length nobody knows where the next message starts. */
	CU_ASSERT_EQUAL(feed("SIP/2.0 200 OK\r\n" VIA FROM TO CALL CSEQ "\r\n", 9, &stream,
				&response, &foreign),
		SIP_BAD);
	CU_ASSERT_EQUAL(feed("SIP/2.0 200 OK\r\n" VIA FROM TO CALL CSEQ "l: 65536\r\n\r\n", 9,
				&stream, &response, &foreign),
		SIP_BAD);
}

/* The last octet that fits, and one more. */
static void header_has_a_limit(void)
{
	static const char head[] = "SIP/2.0 200 OK\r\nX: ", tail[] = "\r\n" VIA REST;
	static struct sip_stream stream;
	static char text[SIP_HEADER_MAX + 2];
	for (size_t extra = 0; extra < 2; extra++) {
		struct sip_response response;
		unsigned foreign;
		size_t fill = SIP_HEADER_MAX + extra - (sizeof(head) - 1) - (sizeof(tail) - 1);
		memcpy(text, head, sizeof(head) - 1);
		memset(text + sizeof(head) - 1, 'x', fill);
		memcpy(text + sizeof(head) - 1 + fill, tail, sizeof(tail));
		CU_ASSERT_EQUAL(
			feed(text, 100, &stream, &response, &foreign), extra ? SIP_BAD : SIP_OURS);
	}
}

static void too_many_fields_are_refused(void)
{
	static char text[4 * SIP_LINES_MAX + 600];
	struct sip_response response;
	for (size_t extra = 0; extra < 2; extra++) {
		strcpy(text, "SIP/2.0 200 OK\r\n");
		for (size_t i = 0; i < SIP_LINES_MAX - 6 + extra; i++)
			strcat(text, "x:\r\n");
		strcat(text, VIA REST);
		CU_ASSERT_EQUAL(parse(text, strlen(text), &response), extra ? SIP_BAD : SIP_OURS);
	}
}

/* --- requests ---------------------------------------------------------- */

static struct sip_request request_from(const char *local)
{
	struct sip_request request = {
		.transaction = &own, .host = "p-cscf.example", .local_port = 40000};
	address_parse(&request.local, local);
	return request;
}

static void options_is_as_rfc_3261_wants(void)
{
	char text[SIP_REQUEST_MAX];
	struct sip_request request = request_from("192.0.2.9");
	size_t length = sip_build(&request, text, sizeof(text));
	CU_ASSERT_EQUAL(length, strlen(text));
	CU_ASSERT_STRING_EQUAL(text,
		"OPTIONS sip:p-cscf.example SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 192.0.2.9:40000;branch=z9hG4bKabc123;rport\r\n"
		"Max-Forwards: 70\r\n"
		"From: <sip:anonymous@anonymous.invalid>;tag=tag1\r\n"
		"To: <sip:p-cscf.example>\r\n"
		"Call-ID: Call.1\r\n"
		"CSeq: 7 OPTIONS\r\n"
		"Accept: application/sdp\r\n"
		"Content-Length: 0\r\n"
		"\r\n");
	request = request_from("2001:db8::9");
	request.host = "2001:db8::5";
	request.transport = OVER_TLS;
	sip_build(&request, text, sizeof(text));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "OPTIONS sip:[2001:db8::5] SIP/2.0\r\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "SIP/2.0/TLS [2001:db8::9]:40000;branch=z9hG4bKabc123\r\n"));
}

static void register_asks_and_changes_nothing(void)
{
	char text[SIP_REQUEST_MAX];
	struct sip_transaction registering = own;
	struct sip_request request = request_from("192.0.2.9");
	registering.method = SIP_REGISTER;
	request.transaction = &registering;
	request.identity = "sip:alice@ims.example:5070;user=phone";
	CU_ASSERT_NOT_EQUAL(sip_build(&request, text, sizeof(text)), 0);
	CU_ASSERT_EQUAL(strncmp(text, "REGISTER sip:ims.example:5070 SIP/2.0\r\n", 39), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\r\nTo: <sip:alice@ims.example:5070;user=phone>\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\r\nCSeq: 7 REGISTER\r\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "Contact"));
	CU_ASSERT_PTR_NULL(strstr(text, "Expires"));
	request.identity = NULL;
	CU_ASSERT_EQUAL(sip_build(&request, text, sizeof(text)), 0);
	request.identity = "tel:+491234";
	CU_ASSERT_EQUAL(sip_build(&request, text, sizeof(text)), 0);
	request.identity = "sip:a@b>\r\nContact: x";
	CU_ASSERT_EQUAL(sip_build(&request, text, sizeof(text)), 0);
}

static void request_that_does_not_fit_is_none(void)
{
	char text[SIP_REQUEST_MAX];
	struct sip_request request = request_from("192.0.2.9");
	size_t length = sip_build(&request, text, sizeof(text));
	CU_ASSERT_EQUAL(sip_build(&request, text, length), 0);
	CU_ASSERT_EQUAL(sip_build(&request, text, length + 1), length);
	request.host = "a b";
	CU_ASSERT_EQUAL(sip_build(&request, text, sizeof(text)), 0);
}

/* What we build, seen as what a server reads: our own parser takes it for a
 * well-formed message that is no response. */
static void our_request_is_well_formed(void)
{
	char text[SIP_REQUEST_MAX];
	struct sip_request request = request_from("2001:db8::9");
	struct sip_response response;
	CU_ASSERT_EQUAL(
		parse(text, sip_build(&request, text, sizeof(text)), &response), SIP_FOREIGN);
}

static const struct unit_test tests[] = {
	{"samples are judged", samples_are_judged},
	{"escaped NUL is text", escaped_nul_is_text},
	{"every prefix is bad", every_prefix_is_bad},
	{"Via tells where we are", via_tells_where_we_are},
	{"stream comes in any pieces", stream_comes_in_any_pieces},
	{"stream that is no SIP is given up", stream_that_is_no_sip_is_given_up},
	{"header has a limit", header_has_a_limit},
	{"too many fields are refused", too_many_fields_are_refused},
	{"OPTIONS is as RFC 3261 wants", options_is_as_rfc_3261_wants},
	{"REGISTER asks and changes nothing", register_asks_and_changes_nothing},
	{"request that does not fit is none", request_that_does_not_fit_is_none},
	{"our request is well-formed", our_request_is_well_formed},
};
UNIT_MAIN("sip", tests)
