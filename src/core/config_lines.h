/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lines of a configuration as inih wants them.
 *
 * inih reads into a fixed buffer (200 octets in Debian), cuts a longer line
 * without a word and takes the rest for another line.  So a long line is
 * handed over in pieces that look like an indented continuation,
 *
 *      ca = base64:MIIB...<mark>
 *       <mark>...rest of the same line
 *
 * with a control character, that no file may contain, on both sides of every
 * cut: it keeps white space at the cut from being stripped, and a ';' or '#'
 * behind it from being taken for a comment.  Comments are removed before, as
 * a long one would be cut as well.  Pure; borrows the text. */
#ifndef TSCF_CORE_CONFIG_LINES_H
#define TSCF_CORE_CONFIG_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/reason.h"

struct config_lines {
	const char *next, *end;   /* text not yet looked at */
	const char *line, *until; /* the current line, without white space around and comment */
	const char *rest;         /* of it, not yet handed out; NULL between lines */
	unsigned number;          /* of the current physical line, from 1 */
	bool indented;            /* it begins with white space */
	bool resumed;             /* the piece handed out last is not its line's first */
	bool cut;                 /* ... and not its line's last */
};

/* Skips a byte order mark. */
void config_lines_init(struct config_lines *lines, const char *octets, size_t length);
/* The number of the first line with a character that is no text (a control
 * character that is neither tab nor line end), 0 if there is none; `*found` is
 * that character. */
unsigned config_lines_foreign(const struct config_lines *lines, unsigned char *found);
/* Writes the next piece, with '\n' and a final NUL, into `out` of `room`
 * octets (at least 16); false at the end. */
bool config_lines_piece(struct config_lines *lines, char *out, size_t room);
/* What the file has of a value between the marks: returns the start and sets `*length`. */
const char *config_lines_unmark(
	const struct config_lines *lines, const char *value, size_t *length);

#endif
