/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a file, or one assignment, to the values of a table of keys. */
#include "core/config.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_lines.h"
#include "core/config_names.h"
#include "core/config_value.h"

/* One run over one file. */
struct reading {
	void *out;
	const struct config_key *keys;
	const char *file;
	struct reason *why;
	struct config_lines lines;
	int error;          /* the first one, whose reason is in `why`; ends the run */
	bool unanswered;    /* inih was given a line on which it must call take_value */
	bool after_section; /* no key since: an indented line continues nothing */
	unsigned *seen;     /* per key: the line of its first mention, or 0 */

	/* The key whose value is being collected; NULL: none. */
	const struct config_key *key;
	unsigned key_line;
	bool replace;
	char *value; /* has room for the whole file; may hold a private key */
	size_t length;
};

static void fail(struct reading *reading, unsigned line, int error, const struct reason *what)
{
	if (reading->error)
		return;
	reading->error = error;
	reason_set(reading->why, "%s:%u: %s", reading->file, line, what->text);
}

static void fail_here(struct reading *reading, const char *what)
{
	struct reason reason;
	reason_set(&reason, "%s", what);
	fail(reading, reading->lines.number, -EINVAL, &reason);
}

/* The value is complete: another key, or the end of the file, has come. */
static void apply_value(struct reading *reading)
{
	const struct config_key *key = reading->key;
	if (!key || reading->error)
		return;
	reading->value[reading->length] = '\0';
	reading->key = NULL;
	struct reason fault, named;
	int error = config_value_set(reading->out, key, reading->value, reading->replace, &fault);
	if (!error)
		return;
	reason_set(&named, "[%s] %s: %s", key->section, key->name, fault.text);
	fail(reading, reading->key_line, error, &named);
}

static void begin_key(struct reading *reading, const char *section, const char *name)
{
	struct reason fault;
	const struct config_key *key = config_key_known(reading->keys, section, name, &fault);
	if (!key) {
		fail(reading, reading->lines.number, -EINVAL, &fault);
		return;
	}
	unsigned *seen = &reading->seen[key - reading->keys];
	if (*seen && !config_type_repeats(key->type)) {
		reason_set(&fault, "[%s] %s stands already in line %u; it takes one value", section,
			name, *seen);
		fail(reading, reading->lines.number, -EINVAL, &fault);
		return;
	}
	reading->replace = *seen == 0;
	if (*seen == 0)
		*seen = reading->lines.number;
	reading->key = key;
	reading->key_line = reading->lines.number;
	reading->length = 0;
}

/* Does the line read like "key = value"?  Padding ends base64, so that there
 * nothing follows a "=". */
static bool looks_like_key(const struct config_key *keys, const char *line)
{
	size_t length = strcspn(line, " \t=:");
	const char *equals = line + length + strspn(line + length, " \t");
	char name[CONFIG_NAME_MAX + 1] = "";
	if (length > CONFIG_NAME_MAX || *equals != '=' || equals[strspn(equals, "= \t")] == '\0')
		return false;
	memcpy(name, line, length);
	return config_key_find(keys, NULL, name) != NULL;
}

static void continue_value(struct reading *reading, const char *line)
{
	const struct config_key *key = reading->key;
	if (config_type_folds(key->type) && !looks_like_key(reading->keys, line)) {
		reading->value[reading->length++] = '\n';
		return;
	}
	struct reason fault;
	reason_set(&fault,
		"the line is indented, so it continues %s of line %u, %s; if it is a key of its "
		"own, remove the white space in front",
		key->name, reading->key_line,
		config_type_folds(key->type) ? "but it reads like a key" : "which takes one line");
	fail(reading, reading->lines.number, -EINVAL, &fault);
}

/* ini_handler: a key and its value, or a further piece of the last value. */
static int take_value(void *user, const char *section, const char *name, const char *value)
{
	struct reading *reading = user;
	reading->unanswered = false;
	if (reading->error)
		return 0;
	size_t length;
	const char *text = config_lines_unmark(&reading->lines, value, &length);
	if (!reading->lines.resumed) {
		if (reading->lines.indented && !reading->after_section) {
			continue_value(reading, text);
		} else {
			apply_value(reading);
			begin_key(reading, section, name);
			reading->after_section = false;
		}
	}
	if (reading->error || !reading->key)
		return 0;
	/* Never longer than the file: each '\n' of ours stands for one there. */
	for (size_t i = 0; i < length; i++)
		reading->value[reading->length++] = text[i] == '\t' ? ' ' : text[i];
	return 1;
}

/* A line that inih will take for a section header must be a whole one, and a
 * known one; inih would skip what follows it, and an empty section. */
static void check_section(struct reading *reading)
{
	const char *from = reading->lines.line;
	char name[CONFIG_NAME_MAX + 1] = "";
	size_t length = (size_t)(reading->lines.until - from);
	if (memchr(from, ']', length) != reading->lines.until - 1) {
		fail_here(reading, "a section is [NAME] on a line of its own");
		return;
	}
	if (length - 2 <= CONFIG_NAME_MAX)
		memcpy(name, from + 1, length - 2);
	struct reason fault;
	if (!config_key_find(reading->keys, name, NULL)) {
		config_section_unknown(reading->keys, name, &fault);
		fail(reading, reading->lines.number, -EINVAL, &fault);
	}
}

/* ini_reader */
static char *next_piece(char *out, int room, void *stream)
{
	struct reading *reading = stream;
	struct config_lines *lines = &reading->lines;
	if (reading->unanswered)
		fail_here(reading, "neither a [section] nor `key = value' nor a comment");
	if (reading->error || !config_lines_piece(lines, out, (size_t)room))
		return NULL;
	bool empty = lines->line == lines->until;
	bool section = !empty && !lines->resumed && *lines->line == '[' &&
		       (!lines->indented || reading->after_section);
	if (section) {
		check_section(reading);
		reading->after_section = true;
	}
	reading->unanswered = !empty && !section;
	return reading->error ? NULL : out;
}

static int run(struct reading *reading)
{
	unsigned char foreign;
	unsigned line = config_lines_foreign(&reading->lines, &foreign);
	if (line) {
		reason_set(reading->why,
			"%s:%u: the octet 0x%02x is no text; write the file as plain UTF-8",
			reading->file, line, foreign);
		return -EINVAL;
	}
	int result = ini_parse_stream(next_piece, reading, take_value, reading);
	if (reading->unanswered)
		fail_here(reading, "neither a [section] nor `key = value' nor a comment");
	apply_value(reading);
	if (result < 0 && !reading->error)
		reading->error = config_no_memory(reading->why);
	return reading->error;
}

int config_read_octets(void *out, const struct config_key *keys, const char *octets, size_t length,
	const char *name, struct reason *why)
{
	size_t key_count = 0;
	while (keys[key_count].section)
		key_count++;
	struct reading reading = {
		.out = out, .keys = keys, .file = name, .why = why, .after_section = true};
	config_lines_init(&reading.lines, octets, length);
	reading.seen = calloc(key_count + 1, sizeof(*reading.seen));
	reading.value = malloc(length + 1);
	int error = reading.seen && reading.value ? run(&reading) : config_no_memory(why);
	if (reading.value)
		explicit_bzero(reading.value, length + 1);
	free(reading.value);
	free(reading.seen);
	return error;
}

int config_read(void *out, const struct config_key *keys, const char *text, const char *name,
	struct reason *why)
{
	return config_read_octets(out, keys, text, strlen(text), name, why);
}

/* ---- the command line ---- */

static char *trim(char *text)
{
	text += strspn(text, " \t");
	size_t length = strlen(text);
	while (length && strchr(" \t", text[length - 1]))
		text[--length] = '\0';
	return text;
}

static int override(void *out, const struct config_key *keys, char *assignment, struct reason *why)
{
	struct reason fault;
	char *equals = strchr(assignment, '=');
	char *dot = equals ? memchr(assignment, '.', (size_t)(equals - assignment)) : NULL;
	if (!dot) {
		reason_set(why, "-o takes section.key=value");
		return -EINVAL;
	}
	*dot = *equals = '\0';
	const struct config_key *key =
		config_key_known(keys, trim(assignment), trim(dot + 1), &fault);
	if (!key) {
		reason_set(why, "-o: %s", fault.text);
		return -EINVAL;
	}
	int error = config_value_set(out, key, trim(equals + 1), true, &fault);
	if (error)
		reason_set(why, "-o %s.%s: %s", key->section, key->name, fault.text);
	return error;
}

int config_override(
	void *out, const struct config_key *keys, const char *assignment, struct reason *why)
{
	char *copy = strdup(assignment);
	if (!copy)
		return config_no_memory(why);
	int error = override(out, keys, copy, why);
	explicit_bzero(copy, strlen(assignment));
	free(copy);
	return error;
}

void config_free(void *out, const struct config_key *keys)
{
	for (const struct config_key *key = keys; key->section; key++)
		config_value_clear(out, key);
}
