/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whatever answers: what is kept is clean, bounded and terminated, and more
 * octets never take back a status that was known. */
#include "core/http_answer.h"

#include <stdlib.h>
#include <string.h>

#include "core/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void require(int invariant)
{
	if (!invariant)
		abort();
}

static void require_clean(const char *text, size_t room)
{
	size_t length = strnlen(text, room);
	require(length < room && text_is_clean((const uint8_t *)text, length));
}

static enum http_result check(const uint8_t *input, size_t size, struct http_answer *answer)
{
	memset(answer, 0xa5, sizeof(*answer));
	enum http_result result = http_answer_parse(input, size, answer);
	require_clean(answer->phrase, sizeof(answer->phrase));
	require_clean(answer->location, sizeof(answer->location));
	for (const char *at = answer->location; *at; at++)
		require(*at > ' ' && *at < 0x7f && !strchr("\"<>\\^`{|}", *at));
	require(answer->status == 0 || (answer->status >= 200 && answer->status <= 599));
	require(result != HTTP_OK || answer->status != 0);
	require(result != HTTP_BAD || answer->status == 0);
	if (!http_location_leaves(answer->location, "tscf.example"))
		return result;
	require(strstr(answer->location, "//") != NULL);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct http_answer whole, part;
	if (size > HTTP_ANSWER_MAX)
		size = HTTP_ANSWER_MAX;
	enum http_result result = check(input, size, &whole);
	enum http_result before = check(input, size / 2, &part);
	require(before != HTTP_BAD || result == HTTP_BAD);
	if (before == HTTP_OK)
		require(result == HTTP_OK && strcmp(part.location, whole.location) == 0 &&
			part.html == whole.html);
	if (part.status)
		require(whole.status == part.status);
	return 0;
}
