/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whoever mistypes a name is told which one was meant. */
#include "core/config_names.h"

#include <string.h>

enum { NAMES_TEXT = 512 }; /* room for all names of a section in one error */

const struct config_key *config_key_find(
	const struct config_key *keys, const char *section, const char *name)
{
	for (const struct config_key *key = keys; key->section; key++)
		if ((!section || strcmp(key->section, section) == 0) &&
			(!name || strcmp(key->name, name) == 0))
			return key;
	return NULL;
}

/* Levenshtein's distance; names that are too long are far from everything. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[CONFIG_NAME_MAX + 1];
	size_t width = strlen(b);
	if (strlen(a) > CONFIG_NAME_MAX || width > CONFIG_NAME_MAX)
		return CONFIG_NAME_MAX;
	for (unsigned i = 0; i <= width; i++)
		row[i] = i;
	for (unsigned y = 1; a[y - 1]; y++) {
		unsigned diagonal = row[0];
		row[0] = y;
		for (size_t x = 1; x <= width; x++) {
			unsigned best = diagonal + (a[y - 1] != b[x - 1]);
			diagonal = row[x];
			if (row[x] + 1 < best)
				best = row[x] + 1;
			if (row[x - 1] + 1 < best)
				best = row[x - 1] + 1;
			row[x] = best;
		}
	}
	return row[width];
}

static bool is_near(const char *wrong, const char *right, unsigned *nearest)
{
	unsigned far = distance(wrong, right);
	if (far >= *nearest || far > 1 + strlen(right) / 4)
		return false;
	*nearest = far;
	return true;
}

static void append(char text[NAMES_TEXT], const char *before, const char *name, const char *after)
{
	size_t room = NAMES_TEXT - 1;
	strncat(text, before, room - strlen(text));
	strncat(text, name, room - strlen(text));
	strncat(text, after, room - strlen(text));
}

/* What cannot be a name is not repeated: it may be a piece of a key that its
 * owner forgot to indent. */
static bool is_name(const char *text)
{
	size_t length = strlen(text);
	return length > 0 && length <= CONFIG_NAME_MAX &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789-_. ") == length;
}

void config_section_unknown(const struct config_key *keys, const char *section, struct reason *why)
{
	unsigned nearest = CONFIG_NAME_MAX;
	const char *meant = NULL, *last = "";
	char all[NAMES_TEXT] = "";
	for (const struct config_key *key = keys; key->section; key++) {
		if (strcmp(key->section, last) != 0)
			append(all, " [", key->section, "]");
		last = key->section;
		if (is_near(section, key->section, &nearest))
			meant = key->section;
	}
	if (meant)
		reason_set(why, "[%s] is an unknown section; did you mean [%s]?", section, meant);
	else
		reason_set(why, "%s%s%s is an unknown section; there are:%s",
			is_name(section) ? "[" : "", is_name(section) ? section : "this",
			is_name(section) ? "]" : "", all);
}

static void explain_key(
	const struct config_key *keys, const char *section, const char *name, struct reason *why)
{
	unsigned nearest = CONFIG_NAME_MAX;
	const struct config_key *meant = NULL, *elsewhere = config_key_find(keys, NULL, name);
	char all[NAMES_TEXT] = "";
	for (const struct config_key *key = keys; key->section; key++) {
		if (strcmp(key->section, section) != 0)
			continue;
		append(all, " ", key->name, "");
		if (is_near(name, key->name, &nearest))
			meant = key;
	}
	if (*name == '\0')
		reason_set(why, "[%s]: no key stands before the =", section);
	else if (!is_name(name))
		reason_set(why,
			"[%s] has no such key; a value goes on in the next line only "
			"when that line is indented",
			section);
	else if (elsewhere)
		reason_set(why, "%s is not a key of [%s]; it belongs in [%s]", name, section,
			elsewhere->section);
	else if (meant)
		reason_set(why, "%s is not a key of [%s]; did you mean %s?", name, section,
			meant->name);
	else
		reason_set(why, "%s is not a key of [%s]; its keys are:%s", name, section, all);
}

const struct config_key *config_key_known(
	const struct config_key *keys, const char *section, const char *name, struct reason *why)
{
	const struct config_key *key = config_key_find(keys, section, name);
	if (key)
		return key;
	if (*section == '\0')
		reason_set(why, "a key stands before the first [section]");
	else if (!config_key_find(keys, section, NULL))
		config_section_unknown(keys, section, why);
	else
		explain_key(keys, section, name, why);
	return NULL;
}
