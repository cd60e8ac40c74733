/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A stream of octets cut into lines, each a JSON object.  Touches no
 * descriptor, so that it can be fuzzed. */
#ifndef TSCF_IO_CONTROL_LINE_H
#define TSCF_IO_CONTROL_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/reason.h"

/* Zeroed before use, but for the limit.  Owns its octets. */
struct control_lines {
	size_t limit; /* octets of a line, without its end */
	char *octets;
	size_t length, room;
};

enum control_line_result {
	CONTROL_LINE_OK,
	CONTROL_LINE_MORE,     /* no whole line yet */
	CONTROL_LINE_BAD,      /* one line that is no JSON object; the next may be */
	CONTROL_LINE_TOO_LONG, /* where the next line starts is not known */
};

/* Appends; false when memory has run out. */
bool control_lines_put(struct control_lines *lines, const char *octets, size_t length);
/* Takes the next line.  OK: `*out` is owned by the caller.  BAD and TOO_LONG:
 * `why` says what is wrong.  Empty lines are skipped. */
enum control_line_result control_lines_next(
	struct control_lines *lines, json_t **out, struct reason *why);
void control_lines_fini(struct control_lines *lines);

#endif
