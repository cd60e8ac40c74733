/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines first, JSON afterwards: a bad request costs its own line only. */
#include "io/control_line.h"

#include <stdlib.h>
#include <string.h>

bool control_lines_put(struct control_lines *lines, const char *octets, size_t length)
{
	size_t needed = lines->length + length;
	if (needed > lines->room) {
		size_t room = needed < 512 ? 512 : needed + needed / 2;
		char *grown = realloc(lines->octets, room);
		if (!grown)
			return false;
		lines->octets = grown;
		lines->room = room;
	}
	if (length > 0)
		memcpy(lines->octets + lines->length, octets, length);
	lines->length = needed;
	return true;
}

static void take(struct control_lines *lines, size_t count)
{
	lines->length -= count;
	memmove(lines->octets, lines->octets + count, lines->length);
}

static enum control_line_result parse(
	const char *line, size_t length, json_t **out, struct reason *why)
{
	json_error_t error;
	json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
	if (!object) {
		reason_set(why, "not JSON: %s at octet %d", error.text, error.position);
		return CONTROL_LINE_BAD;
	}
	if (!json_is_object(object)) {
		json_decref(object);
		reason_set(why, "not a JSON object");
		return CONTROL_LINE_BAD;
	}
	*out = object;
	return CONTROL_LINE_OK;
}

enum control_line_result control_lines_next(
	struct control_lines *lines, json_t **out, struct reason *why)
{
	while (lines->length > 0) {
		const char *end = memchr(lines->octets, '\n', lines->length);
		size_t length = end ? (size_t)(end - lines->octets) : lines->length;
		if (length > lines->limit) {
			reason_set(why, "a line of more than %zu octets", lines->limit);
			return CONTROL_LINE_TOO_LONG;
		}
		if (!end)
			break;
		bool blank = length == 0 || (length == 1 && lines->octets[0] == '\r');
		enum control_line_result result =
			blank ? CONTROL_LINE_MORE : parse(lines->octets, length, out, why);
		take(lines, length + 1);
		if (!blank)
			return result;
	}
	return CONTROL_LINE_MORE;
}

void control_lines_fini(struct control_lines *lines)
{
	free(lines->octets);
	lines->octets = NULL;
	lines->length = lines->room = 0;
}
