/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Questions: nobody else's, asked again when the standards say so, and only
 * answered by an answer. */
#include "core/question.h"

#include <string.h>

#include "unit.h"

static struct question question;

static void ask(enum probe_protocol protocol, uint8_t seed)
{
	uint8_t random[QUESTION_RANDOM];
	struct sip_request request = {.host = "p.example", .local_port = 5060};
	memset(random, seed, sizeof(random));
	address_parse(&request.local, "192.0.2.9");
	CU_ASSERT_TRUE_FATAL(question_build(&question, protocol, SIP_OPTIONS, &request, random));
}

/* When the request leaves, in ms; ends with what follows the last. */
static size_t sendings(enum probe_protocol protocol, unsigned at[16])
{
	uint64_t now = 0, wait;
	size_t count = 0;
	ask(protocol, 1);
	do {
		CU_ASSERT_TRUE_FATAL(count < 16);
		at[count++] = (unsigned)(now / 1000);
		wait = question_sent(&question);
		now += wait;
	} while (wait);
	CU_ASSERT_EQUAL(question.sendings, count);
	return count;
}

static void sip_is_asked_again_until_timer_f(void)
{
	/* Timer E: T1, doubled up to T2; timer F: 64 T1 = 32 s. */
	static const unsigned expected[] = {
		0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500};
	unsigned at[16];
	CU_ASSERT_EQUAL_FATAL(sendings(PROBE_SIP, at), sizeof(expected) / sizeof(*expected));
	CU_ASSERT_EQUAL(memcmp(at, expected, sizeof(expected)), 0);
}

static void stun_is_asked_seven_times(void)
{
	/* The very times that RFC 8489 6.2.1 gives as its example. */
	static const unsigned expected[] = {0, 500, 1500, 3500, 7500, 15500, 31500};
	unsigned at[16];
	CU_ASSERT_EQUAL_FATAL(sendings(PROBE_STUN, at), sizeof(expected) / sizeof(*expected));
	CU_ASSERT_EQUAL(memcmp(at, expected, sizeof(expected)), 0);
}

static void questions_differ_by_their_random_octets(void)
{
	ask(PROBE_SIP, 1);
	struct sip_transaction one = question.sip;
	ask(PROBE_SIP, 2);
	CU_ASSERT_STRING_NOT_EQUAL(one.branch, question.sip.branch);
	CU_ASSERT_STRING_NOT_EQUAL(one.call_id, question.sip.call_id);
	CU_ASSERT_STRING_NOT_EQUAL(one.tag, question.sip.tag);
	CU_ASSERT_EQUAL(strncmp(one.branch, SIP_BRANCH_COOKIE, strlen(SIP_BRANCH_COOKIE)), 0);
}

static size_t stun_answer(uint8_t out[64], uint8_t seed)
{
	static const uint8_t head[] = {1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42};
	static const uint8_t attribute[] = {0, 1, 0, 8, 0, 1, 0x13, 0x89, 192, 0, 2, 5};
	memcpy(out, head, sizeof(head));
	memset(out + 8, seed, STUN_TRANSACTION);
	memcpy(out + STUN_HEADER, attribute, sizeof(attribute));
	return STUN_HEADER + sizeof(attribute);
}

static void stun_stream_skips_what_is_foreign(void)
{
	uint8_t stream[128];
	struct answer answer;
	ask(PROBE_STUN, 7);
	size_t length = stun_answer(stream, 8);
	length += stun_answer(stream + length, 7);
	for (size_t i = 0; i + 1 < length; i++)
		CU_ASSERT_EQUAL(
			question_put_stream(&question, stream + i, 1, &answer), QUESTION_OPEN);
	CU_ASSERT_EQUAL(
		question_put_stream(&question, stream + length - 1, 1, &answer), QUESTION_ANSWERED);
	CU_ASSERT_EQUAL(answer.port, 5001);
	CU_ASSERT_EQUAL(question.foreign, 1);
	CU_ASSERT_EQUAL(question.bad, 0);
}

static void stun_stream_of_garbage_is_void(void)
{
	uint8_t stream[64];
	struct answer answer;
	ask(PROBE_STUN, 7);
	CU_ASSERT_EQUAL(question_put_stream(&question, (const uint8_t *)"HTTP/1.1", 8, &answer),
		QUESTION_VOID);
	/* Ours, but without an address. */
	ask(PROBE_STUN, 7);
	stun_answer(stream, 7);
	stream[3] = 0;
	CU_ASSERT_EQUAL(
		question_put_stream(&question, stream, STUN_HEADER, &answer), QUESTION_VOID);
}

static void datagrams_that_are_no_answer_leave_it_open(void)
{
	uint8_t datagram[64];
	struct answer answer;
	ask(PROBE_STUN, 7);
	size_t length = stun_answer(datagram, 8);
	CU_ASSERT_EQUAL(question_put_datagram(&question, datagram, length, &answer), QUESTION_OPEN);
	CU_ASSERT_EQUAL(question_put_datagram(&question, datagram, 3, &answer), QUESTION_OPEN);
	CU_ASSERT_EQUAL(question.foreign, 1);
	CU_ASSERT_EQUAL(question.bad, 1);
	length = stun_answer(datagram, 7);
	CU_ASSERT_EQUAL(
		question_put_datagram(&question, datagram, length, &answer), QUESTION_ANSWERED);
	ask(PROBE_SIP, 7);
	CU_ASSERT_EQUAL(question_put_datagram(&question, datagram, length, &answer), QUESTION_OPEN);
	CU_ASSERT_EQUAL(question_put_datagram(&question, question.octets, question.length, &answer),
		QUESTION_OPEN);
	CU_ASSERT_EQUAL(question.foreign, 1); /* our own, reflected */
}

static const struct unit_test tests[] = {
	{"SIP is asked again until timer F", sip_is_asked_again_until_timer_f},
	{"STUN is asked seven times", stun_is_asked_seven_times},
	{"questions differ by their random octets", questions_differ_by_their_random_octets},
	{"STUN stream skips what is foreign", stun_stream_skips_what_is_foreign},
	{"STUN stream of garbage is void", stun_stream_of_garbage_is_void},
	{"datagrams that are no answer leave it open", datagrams_that_are_no_answer_leave_it_open},
};
UNIT_MAIN("question", tests)
