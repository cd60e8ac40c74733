/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Long lines for a parser of short ones. */
#include "core/config_lines.h"

#include <string.h>

static const char mark = '\x01';

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

void config_lines_init(struct config_lines *lines, const char *octets, size_t length)
{
	*lines = (struct config_lines){.next = octets, .end = octets + length};
	if (length >= 3 && memcmp(octets, "\xef\xbb\xbf", 3) == 0)
		lines->next += 3;
}

unsigned config_lines_foreign(const struct config_lines *lines, unsigned char *found)
{
	unsigned line = 1;
	for (const char *at = lines->next; at < lines->end; at++) {
		unsigned char c = (unsigned char)*at;
		bool ends_line =
			c == '\n' || (c == '\r' && (at + 1 == lines->end || at[1] == '\n'));
		if (c == '\n')
			line++;
		else if ((c < ' ' && c != '\t' && !ends_line) || c == 0x7f) {
			*found = c;
			return line;
		}
	}
	return 0;
}

/* Where a comment begins: '#' or ';' in front, else ';' behind white space. */
static const char *find_comment(const char *from, const char *until)
{
	if (from < until && (*from == '#' || *from == ';'))
		return from;
	for (const char *at = from + 1; at < until; at++)
		if (*at == ';' && is_space(at[-1]))
			return at;
	return until;
}

static bool next_line(struct config_lines *lines)
{
	if (lines->next == lines->end)
		return false;
	const char *from = lines->next;
	const char *feed = memchr(from, '\n', (size_t)(lines->end - from));
	const char *until = feed ? feed : lines->end;
	lines->next = feed ? feed + 1 : lines->end;
	lines->number++;
	lines->indented = from < until && is_space(*from);
	while (from < until && is_space(*from))
		from++;
	until = find_comment(from, until);
	while (until > from && is_space(until[-1]))
		until--;
	lines->line = lines->rest = from;
	lines->until = until;
	lines->resumed = false;
	return true;
}

bool config_lines_piece(struct config_lines *lines, char *out, size_t room)
{
	if (lines->rest)
		lines->resumed = true;
	else if (!next_line(lines))
		return false;

	if (lines->indented || lines->resumed)
		*out++ = ' ';
	if (lines->resumed)
		*out++ = mark;
	size_t left = (size_t)(lines->until - lines->rest);
	size_t space = room - 5; /* beside both marks, the indentation, line feed and NUL */
	size_t length = left < space ? left : space;
	memcpy(out, lines->rest, length);
	out += length;
	lines->cut = length < left;
	if (lines->cut)
		*out++ = mark;
	*out++ = '\n';
	*out = '\0';
	lines->rest = lines->cut ? lines->rest + length : NULL;
	return true;
}

const char *config_lines_unmark(const struct config_lines *lines, const char *value, size_t *length)
{
	*length = strlen(value);
	if (lines->cut && *length && value[*length - 1] == mark)
		--*length;
	if (lines->resumed && *length && *value == mark) {
		--*length;
		value++;
	}
	return value;
}
