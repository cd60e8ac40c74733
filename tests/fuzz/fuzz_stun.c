/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STUN messages from strangers: an answer has an address or an error, and a
 * stream of any pieces brings it too. */
#include "core/question.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* Of RFC 5769. */
static const uint8_t transaction[STUN_TRANSACTION] = {
	0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae};

static void require(bool invariant)
{
	if (!invariant)
		abort();
}

static void check_stream(const uint8_t *octets, size_t length, bool answers)
{
	static struct question question;
	struct answer answer;
	enum question_result result = QUESTION_OPEN;
	memset(&question, 0, sizeof(question));
	question.protocol = PROBE_STUN;
	memcpy(question.stun, transaction, sizeof(transaction));
	for (size_t at = 0; at < length && result == QUESTION_OPEN; at++)
		result = question_put_stream(&question, octets + at, 1, &answer);
	require(!answers || result == QUESTION_ANSWERED);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct stun_response response;
	uint8_t *exact = malloc(size ? size : 1);
	require(exact != NULL);
	if (size)
		memcpy(exact, input, size);
	enum stun_result result = stun_parse(transaction, exact, size, &response);
	require(result != STUN_MORE);
	if (result == STUN_OURS) {
		require((response.mapped.version != 0) != (response.error != 0));
		require(response.error == 0 || (response.error >= 300 && response.error < 700));
		require(response.reason.length == 0 ||
			(response.reason.octets >= exact &&
				response.reason.octets + response.reason.length <= exact + size));
	}
	check_stream(exact, size, result == STUN_OURS);
	free(exact);
	return 0;
}
