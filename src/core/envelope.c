/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The three octets in front of everything that travels in the TLS stream. */
#include "core/envelope.h"

enum envelope_result envelope_next(
	uint8_t *stream, size_t length, struct envelope *out, size_t *consumed)
{
	if (length < ENVELOPE_HEADER)
		return ENVELOPE_MORE;
	size_t whole = get_u16(stream + 1);
	/* TS 24.322 7.1.2.2: an IP packet of no octets does not exist. */
	size_t least = stream[0] == ENVELOPE_IP ? ENVELOPE_HEADER + 1 : ENVELOPE_HEADER;
	if (whole < least)
		return ENVELOPE_BAD;
	if (length < whole)
		return ENVELOPE_MORE;
	out->type = stream[0];
	out->payload = stream + ENVELOPE_HEADER;
	out->length = whole - ENVELOPE_HEADER;
	*consumed = whole;
	return ENVELOPE_OK;
}

void envelope_put_header(uint8_t *at, enum envelope_type type, size_t payload_length)
{
	at[0] = (uint8_t)type;
	put_u16(at + 1, (uint16_t)(payload_length + ENVELOPE_HEADER));
}
