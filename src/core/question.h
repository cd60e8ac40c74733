/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a probe asks, SIP or STUN, when it asks again, and whether what came
 * back is the answer.  Pure: sockets and clocks are the probe's, randomness is
 * passed in. */
#ifndef TSCF_CORE_QUESTION_H
#define TSCF_CORE_QUESTION_H

#include "core/sip.h"
#include "core/stun.h"

enum {
	QUESTION_RANDOM = 48, /* octets that make one unlike any other */
	/* us: T1, T2 and timer F of RFC 3261 17.1.2.2 */
	SIP_T1 = 500000,
	SIP_T2 = 4000000,
	SIP_TIMER_F = 64 * SIP_T1,
	/* us: RTO, and Rc sendings, of RFC 8489 6.2.1 */
	STUN_RTO = 500000,
	STUN_SENDINGS = 7,
};

enum probe_protocol { PROBE_SIP, PROBE_STUN };

struct question {
	enum probe_protocol protocol;
	struct sip_transaction sip;
	uint8_t stun[STUN_TRANSACTION];
	uint8_t octets[SIP_REQUEST_MAX];
	size_t length;
	unsigned sendings; /* over UDP */
	/* Of a stream. */
	struct sip_stream stream;
	uint8_t message[STUN_MESSAGE_MAX];
	size_t message_length;
	/* What came and was no answer: messages, datagrams, octets of a stream. */
	unsigned foreign, bad;
	size_t received;
};

/* The request that it is; `request->transaction` is filled in. For STUN only
 * `random` counts.  False when the request does not fit. */
bool question_build(struct question *question, enum probe_protocol protocol, enum sip_method method,
	struct sip_request *request, const uint8_t random[QUESTION_RANDOM]);

/* us after one more sending over UDP until the next; 0: none follows. */
uint64_t question_sent(struct question *question);

struct answer {
	unsigned status;       /* of SIP; of STUN that of an error, else 0 */
	struct view reason;    /* phrase; borrows the question or the datagram */
	struct address mapped; /* ours, as the other side sees it; version 0: not told */
	uint16_t port;
};

enum question_result {
	QUESTION_ANSWERED,
	QUESTION_OPEN, /* what came was no answer, or not all of it */
	QUESTION_VOID, /* a stream that cannot bring an answer any more */
};

/* Never VOID. */
enum question_result question_put_datagram(
	struct question *question, const uint8_t *octets, size_t length, struct answer *out);
enum question_result question_put_stream(
	struct question *question, const uint8_t *octets, size_t length, struct answer *out);

#endif
