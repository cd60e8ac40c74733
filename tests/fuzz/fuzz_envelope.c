/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any stream must fall into envelopes that lie within it, one after the other,
 * and their headers must come out of envelope_put_header() again. */
#include "core/envelope.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void require(int invariant)
{
	if (!invariant)
		abort();
}

static void check(uint8_t *stream, size_t left, const struct envelope *envelope, size_t consumed)
{
	require(consumed >= ENVELOPE_HEADER && consumed <= left);
	require(envelope->payload == stream + ENVELOPE_HEADER);
	require(envelope->length == consumed - ENVELOPE_HEADER);
	require(envelope->type != ENVELOPE_IP || envelope->length > 0);
	uint8_t header[ENVELOPE_HEADER];
	envelope_put_header(header, envelope->type, envelope->length);
	require(memcmp(header, stream, sizeof(header)) == 0);

	/* One octet less is not enough, and the rest does not matter. */
	struct envelope again;
	size_t length;
	require(envelope_next(stream, consumed - 1, &again, &length) == ENVELOPE_MORE);
	require(envelope_next(stream, consumed, &again, &length) == ENVELOPE_OK);
	require(length == consumed);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	uint8_t *stream = malloc(size ? size : 1);
	require(stream != NULL);
	memcpy(stream, input, size);
	struct envelope envelope;
	size_t consumed;
	for (size_t at = 0;
		envelope_next(stream + at, size - at, &envelope, &consumed) == ENVELOPE_OK;
		at += consumed)
		check(stream + at, size - at, &envelope, consumed);
	require(memcmp(stream, input, size) == 0);
	free(stream);
	return 0;
}
