/* SPDX-License-Identifier: GPL-3.0-or-later */
/* As much SIP (RFC 3261) as finding out whether SIP passes takes: one request
 * outside any dialog, and whether what comes back is a response to it.
 *
 * Parsing never allocates; every view borrows the octets that were parsed. */
#ifndef TSCF_CORE_SIP_H
#define TSCF_CORE_SIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/octets.h"
#include "core/transport.h"

enum {
	SIP_REQUEST_MAX = 1280, /* octets; RFC 3261 18.1.1: more may not go over UDP */
	SIP_HEADER_MAX = 8192,  /* octets of a response on a stream, up to its body */
	SIP_BODY_MAX = 65535,   /* octets of a body that is skipped */
	SIP_LINES_MAX = 256,    /* header fields of one message */
	SIP_TOKEN_MAX = 64,     /* branch, tag and Call-ID, with the final NUL */
	SIP_PORT = 5060,
	SIP_TLS_PORT = 5061,
};

/* The start of every branch (RFC 3261 8.1.1.7). */
#define SIP_BRANCH_COOKIE "z9hG4bK"

enum sip_method { SIP_OPTIONS, SIP_REGISTER };
const char *sip_method_name(enum sip_method method);

/* What makes a response ours.  The texts are SIP tokens; all but the method
 * are the caller's to choose at random. */
struct sip_transaction {
	enum sip_method method;
	uint32_t cseq; /* below 2^31 */
	char branch[SIP_TOKEN_MAX];
	char call_id[SIP_TOKEN_MAX];
	char tag[SIP_TOKEN_MAX]; /* of From */
};

/* All borrowed. */
struct sip_request {
	const struct sip_transaction *transaction;
	enum transport transport;
	const char *host;     /* of the P-CSCF: a name or a numeric address */
	const char *identity; /* SIP URI; NULL: anonymous, for OPTIONS only */
	struct address local; /* for the Via: where we are, as far as we know */
	uint16_t local_port;
};

/* OPTIONS to the P-CSCF, or REGISTER without Contact, which asks for bindings
 * and changes none (RFC 3261 10.2.3), to the identity's domain.  Returns its
 * length, 0 when it does not fit or there is no identity to register. */
size_t sip_build(const struct sip_request *request, char *out, size_t room);

enum sip_result {
	SIP_OURS,    /* a well-formed response to our transaction */
	SIP_MORE,    /* a stream that has not brought a whole header yet */
	SIP_FOREIGN, /* a well-formed message that is no response to it */
	SIP_BAD,     /* no SIP; a stream cannot be read any further */
};

struct sip_response {
	unsigned status;    /* 100 to 699 */
	struct view reason; /* phrase; any octets, see text_is_clean() */
	/* From where our request came, as the Via says (RFC 3261 18.2.1, RFC
	 * 3581); version 0 and port 0 when it does not say. */
	struct address received;
	uint16_t rport;
};

/* Never SIP_MORE. */
enum sip_result sip_parse_datagram(const struct sip_transaction *own, const uint8_t *octets,
	size_t length, struct sip_response *out);

/* A stream, in pieces of any size.  All zero to begin with. */
struct sip_stream {
	uint8_t octets[SIP_HEADER_MAX];
	size_t length;
	size_t skip; /* octets of a foreign message's body still to come */
};

/* Takes the next octets.  OURS as soon as the header is complete: `out` then
 * borrows the stream.  MORE: all were taken, and what was foreign has been
 * skipped (*foreign counts them up).  After OURS or BAD the stream is over.
 * Never FOREIGN. */
enum sip_result sip_stream_put(struct sip_stream *stream, const struct sip_transaction *own,
	const uint8_t *octets, size_t length, struct sip_response *out, unsigned *foreign);

#endif
