/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Envelopes: how packets and control messages share one TLS stream
 * (TS 24.322 clause 7.1.2).
 *
 *   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  +---------------+-------------------------------+---------------+
 *  |     Type      |   Length (whole envelope)     |  Payload ...  |
 *  +---------------+-------------------------------+---------------+
 */
#ifndef TSCF_CORE_ENVELOPE_H
#define TSCF_CORE_ENVELOPE_H

#include "core/octets.h"

enum { ENVELOPE_HEADER = 3, ENVELOPE_MAX = 65535 };

/* Other values are legal on the wire and skipped by the receiver. */
enum envelope_type {
	ENVELOPE_IP = 0x01,      /* one IPv4 or IPv6 packet, TS 24.322 7.1.2.2 */
	ENVELOPE_CONTROL = 0x80, /* one control message (core/control) */
	ENVELOPE_OFFLOAD = 0x81, /* offload header, then one packet (core/offload) */
};

enum envelope_result {
	ENVELOPE_OK,
	ENVELOPE_MORE, /* the envelope is not complete yet */
	ENVELOPE_BAD,  /* Length < 3, or an IP envelope without payload */
};

struct envelope {
	uint8_t type;
	uint8_t *payload; /* borrows the stream buffer; may be changed in place */
	size_t length;    /* of the payload */
};

/* Reads the first envelope of `stream`.  On OK, `*consumed` is its whole
 * length; the next one starts there.  MORE leaves both results untouched. */
enum envelope_result envelope_next(
	uint8_t *stream, size_t length, struct envelope *out, size_t *consumed);

/* Writes the three octets of the header at `at`. The payload, at most
 * ENVELOPE_MAX - ENVELOPE_HEADER octets, is expected right behind it. */
void envelope_put_header(uint8_t *at, enum envelope_type type, size_t payload_length);

#endif
