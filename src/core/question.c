/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One question of either protocol. */
#include "core/question.h"

#include <stdio.h>
#include <string.h>

static void put_hex(char *out, const uint8_t *octets, size_t count)
{
	for (size_t i = 0; i < count; i++)
		snprintf(out + 2 * i, 3, "%02x", octets[i]);
}

/* RFC 3261 8.1.1: branch, tag and Call-ID are nobody else's. */
static void choose_transaction(
	struct sip_transaction *own, enum sip_method method, const uint8_t random[QUESTION_RANDOM])
{
	*own = (struct sip_transaction){.method = method, .cseq = 1};
	memcpy(own->branch, SIP_BRANCH_COOKIE, sizeof(SIP_BRANCH_COOKIE));
	put_hex(own->branch + sizeof(SIP_BRANCH_COOKIE) - 1, random, 16);
	put_hex(own->call_id, random + 16, 16);
	put_hex(own->tag, random + 32, 8);
}

bool question_build(struct question *question, enum probe_protocol protocol, enum sip_method method,
	struct sip_request *request, const uint8_t random[QUESTION_RANDOM])
{
	memset(question, 0, sizeof(*question));
	question->protocol = protocol;
	if (protocol == PROBE_STUN) {
		memcpy(question->stun, random, STUN_TRANSACTION);
		stun_build(question->octets, question->stun);
		question->length = STUN_REQUEST;
		return true;
	}
	choose_transaction(&question->sip, method, random);
	request->transaction = &question->sip;
	question->length = sip_build(request, (char *)question->octets, sizeof(question->octets));
	return question->length > 0;
}

/* SIP: after T1, then doubled up to T2, until timer F.  STUN: after RTO, then
 * doubled, seven in all. */
uint64_t question_sent(struct question *question)
{
	unsigned sendings = question->sendings++;
	uint64_t wait = (uint64_t)SIP_T1 << (sendings < 16 ? sendings : 16);
	if (question->protocol == PROBE_STUN)
		return sendings + 1 < STUN_SENDINGS ? wait / SIP_T1 * STUN_RTO : 0;
	uint64_t elapsed = 0;
	for (unsigned i = 0; i < sendings; i++)
		elapsed += i < 3 ? (uint64_t)SIP_T1 << i : SIP_T2;
	wait = wait < SIP_T2 ? wait : SIP_T2;
	return elapsed + wait < SIP_TIMER_F ? wait : 0;
}

static void take_sip(const struct sip_response *response, struct answer *out)
{
	*out = (struct answer){
		.status = response->status,
		.reason = response->reason,
		.mapped = response->received,
		.port = response->rport,
	};
}

static void take_stun(const struct stun_response *response, struct answer *out)
{
	*out = (struct answer){
		.status = response->error,
		.reason = response->reason,
		.mapped = response->mapped,
		.port = response->port,
	};
}

static enum question_result judge_stun(
	struct question *question, const uint8_t *octets, size_t length, struct answer *out)
{
	struct stun_response response;
	switch (stun_parse(question->stun, octets, length, &response)) {
	case STUN_OURS:
		take_stun(&response, out);
		return QUESTION_ANSWERED;
	case STUN_FOREIGN:
		question->foreign++;
		break;
	case STUN_MORE:
	case STUN_BAD:
		question->bad++;
		break;
	}
	return QUESTION_OPEN;
}

enum question_result question_put_datagram(
	struct question *question, const uint8_t *octets, size_t length, struct answer *out)
{
	struct sip_response response;
	question->received += length;
	if (question->protocol == PROBE_STUN)
		return judge_stun(question, octets, length, out);
	switch (sip_parse_datagram(&question->sip, octets, length, &response)) {
	case SIP_OURS:
		take_sip(&response, out);
		return QUESTION_ANSWERED;
	case SIP_FOREIGN:
		question->foreign++;
		break;
	case SIP_MORE:
	case SIP_BAD:
		question->bad++;
		break;
	}
	return QUESTION_OPEN;
}

static enum question_result put_sip_stream(
	struct question *question, const uint8_t *octets, size_t length, struct answer *out)
{
	struct sip_response response;
	switch (sip_stream_put(
		&question->stream, &question->sip, octets, length, &response, &question->foreign)) {
	case SIP_OURS:
		take_sip(&response, out);
		return QUESTION_ANSWERED;
	case SIP_MORE:
	case SIP_FOREIGN:
		return QUESTION_OPEN;
	case SIP_BAD:
		break;
	}
	question->bad++;
	return QUESTION_VOID;
}

/* The message that is complete now. */
static enum question_result end_stun_message(struct question *question, struct answer *out)
{
	enum question_result result =
		judge_stun(question, question->message, question->message_length, out);
	question->message_length = 0;
	return result == QUESTION_OPEN && question->bad > 0 ? QUESTION_VOID : result;
}

static enum question_result put_stun_stream(
	struct question *question, const uint8_t *octets, size_t length, struct answer *out)
{
	for (size_t at = 0; at < length; at++) {
		size_t whole;
		question->message[question->message_length++] = octets[at];
		enum stun_result framed =
			stun_frame(question->message, question->message_length, &whole);
		if (framed == STUN_MORE)
			continue;
		if (framed == STUN_BAD) {
			question->bad++;
			return QUESTION_VOID;
		}
		enum question_result result = end_stun_message(question, out);
		if (result != QUESTION_OPEN)
			return result;
	}
	return QUESTION_OPEN;
}

enum question_result question_put_stream(
	struct question *question, const uint8_t *octets, size_t length, struct answer *out)
{
	question->received += length;
	return question->protocol == PROBE_STUN ? put_stun_stream(question, octets, length, out)
						: put_sip_stream(question, octets, length, out);
}
