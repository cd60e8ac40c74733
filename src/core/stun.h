/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STUN (RFC 8489): a Binding Request, and the answer to it, which says from
 * what address it came.
 *
 *   0 0 | type, 14 bits | length, 16 bits (of what follows the header)
 *   magic cookie 0x2112a442
 *   transaction id, 96 bits
 *   attributes: type, 16 bits | length, 16 bits | value, padded to 4 octets
 */
#ifndef TSCF_CORE_STUN_H
#define TSCF_CORE_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/octets.h"

enum {
	STUN_HEADER = 20,
	STUN_TRANSACTION = 12, /* octets, chosen at random */
	STUN_REQUEST = 28,     /* octets of our request */
	STUN_MESSAGE_MAX = 2048,
	STUN_PORT = 3478,
	STUN_TLS_PORT = 5349,
};

/* A Binding Request with FINGERPRINT. */
void stun_build(uint8_t out[STUN_REQUEST], const uint8_t transaction[STUN_TRANSACTION]);

enum stun_result {
	STUN_OURS,    /* a well-formed answer to our request */
	STUN_MORE,    /* a stream that has not brought a whole message yet */
	STUN_FOREIGN, /* a well-formed message that is no answer to it */
	STUN_BAD,     /* no STUN; a stream cannot be read any further */
};

struct stun_response {
	unsigned error;     /* 300 to 699, or 0: success */
	struct view reason; /* phrase of an error: any octets; borrowed */
	/* Our address as the server sees it: XOR-MAPPED-ADDRESS, else
	 * MAPPED-ADDRESS; version 0 after an error. */
	struct address mapped;
	uint16_t port;
};

/* Octets of the message that starts here: STUN_MORE while that is not known
 * yet, or not all of them are there; BAD when it is no STUN message or too
 * long for us.  For streams; a datagram is one message. */
enum stun_result stun_frame(const uint8_t *octets, size_t length, size_t *message);

/* One whole message.  Never STUN_MORE. */
enum stun_result stun_parse(const uint8_t transaction[STUN_TRANSACTION], const uint8_t *octets,
	size_t length, struct stun_response *out);

#endif
