/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a value may look like is decided here, type by type, so that an error
 * can name the right form. */
#include "core/config_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

enum { DURATION_TEXT_MAX = 32 };

static const struct {
	const char *name;
	uint64_t us;
} duration_units[] = {
	{"d", UINT64_C(86400000000)},
	{"h", UINT64_C(3600000000)},
	{"m", 60000000},
	{"s", 1000000},
	{"ms", 1000},
};

static void *field_of(void *out, const struct config_key *key)
{
	return (char *)out + key->offset;
}

int config_no_memory(struct reason *why)
{
	reason_set(why, "not enough memory for the value");
	return -ENOMEM;
}

int config_string_set(
	char **field, const struct config_key *key, const char *text, struct reason *why)
{
	const char *fault = *text && key->fault ? key->fault(text) : NULL;
	if (fault) {
		reason_set(why, "`%.*s' %s", CONFIG_ECHO_MAX, text, fault);
		return -EINVAL;
	}
	char *copy = *text ? strdup(text) : NULL;
	if (*text && !copy)
		return config_no_memory(why);
	free(*field);
	*field = copy;
	return 0;
}

static int find_choice(const char *const *choices, const char *text)
{
	for (int i = 0; choices[i]; i++)
		if (strcmp(choices[i], text) == 0)
			return i;
	return -1;
}

/* Position of `text` among the choices, or -EINVAL with all of them. */
static int choose(const char *const *choices, const char *text, struct reason *why)
{
	int found = find_choice(choices, text);
	if (found >= 0)
		return found;
	char all[256] = "";
	size_t length = 0;
	for (size_t i = 0; choices[i] && length < sizeof(all); i++)
		length += (size_t)snprintf(
			all + length, sizeof(all) - length, "%s%s", i ? ", " : "", choices[i]);
	reason_set(why, "`%.*s' is not one of: %s", CONFIG_ECHO_MAX, text, all);
	return -EINVAL;
}

static int set_choice(
	void *field, const struct config_key *key, const char *text, struct reason *why)
{
	int found = choose(key->choices, text, why);
	if (found < 0)
		return found;
	int value = (int)key->minimum + found;
	memcpy(field, &value, sizeof(value)); /* an enum, or an int */
	return 0;
}

static int set_flag(bool *field, const char *const *choices, const char *text, struct reason *why)
{
	int found = choose(choices, text, why);
	if (found < 0)
		return found;
	*field = found % 2;
	return 0;
}

/* Decimal digits, or hexadecimal ones behind 0x; no sign, no space. */
static bool parse_number(const char *text, uint64_t *out)
{
	bool hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hexadecimal ? text + 2 : text;
	size_t count = strspn(digits, hexadecimal ? "0123456789abcdefABCDEF" : "0123456789");
	if (count == 0 || digits[count] != '\0')
		return false;
	errno = 0;
	*out = strtoull(digits, NULL, hexadecimal ? 16 : 10);
	return errno == 0;
}

static int take_number(const struct config_key *key, const char *text, const char *or_else,
	uint64_t *out, struct reason *why)
{
	if (parse_number(text, out) && *out >= key->minimum && *out <= key->maximum)
		return 0;
	reason_set(why, "`%.*s' is not %sa whole number from %llu to %llu", CONFIG_ECHO_MAX, text,
		or_else, (unsigned long long)key->minimum, (unsigned long long)key->maximum);
	return -EINVAL;
}

static int set_number(
	unsigned *field, const struct config_key *key, const char *text, struct reason *why)
{
	uint64_t value = 0;
	bool may_be_auto = key->type == CONFIG_AUTO_NUMBER;
	if (!may_be_auto || strcmp(text, "auto") != 0) {
		int error = take_number(key, text, may_be_auto ? "`auto' or " : "", &value, why);
		if (error)
			return error;
	}
	*field = (unsigned)value;
	return 0;
}

static int set_number16(
	uint16_t *field, const struct config_key *key, const char *text, struct reason *why)
{
	uint64_t value;
	int error = take_number(key, text, "", &value, why);
	if (!error)
		*field = (uint16_t)value;
	return error;
}

bool config_duration(const char *text, uint64_t *us)
{
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 12)
		return false;
	uint64_t count = strtoull(text, NULL, 10);
	const char *unit = text[digits] ? text + digits : "s";
	for (size_t i = 0; i < sizeof(duration_units) / sizeof(duration_units[0]); i++)
		if (strcmp(unit, duration_units[i].name) == 0)
			return !__builtin_mul_overflow(count, duration_units[i].us, us);
	return false;
}

/* In the largest unit that divides it. */
static const char *format_duration(uint64_t us, char text[DURATION_TEXT_MAX])
{
	size_t last = sizeof(duration_units) / sizeof(duration_units[0]) - 1;
	size_t i = 0;
	while (i < last && (us == 0 || us % duration_units[i].us != 0))
		i++;
	snprintf(text, DURATION_TEXT_MAX, "%llu%s", (unsigned long long)(us / duration_units[i].us),
		duration_units[i].name);
	return text;
}

static int set_duration(
	uint64_t *field, const struct config_key *key, const char *text, struct reason *why)
{
	uint64_t us;
	char from[DURATION_TEXT_MAX], to[DURATION_TEXT_MAX];
	if (config_duration(text, &us) && us >= key->minimum && us <= key->maximum) {
		*field = us;
		return 0;
	}
	reason_set(why,
		"`%.*s' is not a duration from %s to %s (a whole number with ms, s, m, h or d; "
		"without a unit it is seconds)",
		CONFIG_ECHO_MAX, text, format_duration(key->minimum, from),
		format_duration(key->maximum, to));
	return -EINVAL;
}

bool config_type_repeats(enum config_type type)
{
	return type == CONFIG_LIST || type == CONFIG_PREFIXES || type == CONFIG_ENDPOINTS;
}

bool config_type_folds(enum config_type type)
{
	return config_type_repeats(type) || type == CONFIG_SECRET;
}

/* Line feeds aside, which only separate. */
static bool is_clean(const char *text)
{
	for (;;) {
		size_t length = strcspn(text, "\n");
		if (!text_is_clean((const uint8_t *)text, length))
			return false;
		if (!text[length])
			return true;
		text += length + 1;
	}
}

int config_value_set(
	void *out, const struct config_key *key, const char *text, bool replace, struct reason *why)
{
	static const char *const truths[] = {
		"no", "yes", "false", "true", "off", "on", "0", "1", NULL};
	if (!is_clean(text)) {
		reason_set(why, "the value is not UTF-8 text without control characters");
		return -EINVAL;
	}
	void *field = field_of(out, key);
	if (replace && config_type_repeats(key->type))
		config_value_clear(out, key);
	switch (key->type) {
	case CONFIG_STRING:
		return config_string_set(field, key, text, why);
	case CONFIG_BOOL:
		return set_flag(field, truths, text, why);
	case CONFIG_FLAG:
		return set_flag(field, key->choices, text, why);
	case CONFIG_CHOICE:
		return set_choice(field, key, text, why);
	case CONFIG_NUMBER:
	case CONFIG_AUTO_NUMBER:
		return set_number(field, key, text, why);
	case CONFIG_NUMBER16:
		return set_number16(field, key, text, why);
	case CONFIG_DURATION:
		return set_duration(field, key, text, why);
	case CONFIG_PREFIX:
		return config_prefix_set(field, text, why);
	case CONFIG_LIST:
	case CONFIG_PREFIXES:
	case CONFIG_ENDPOINTS:
		return config_items_add(field, key, text, why);
	case CONFIG_SECRET:
		return config_secret_set(field, text, why);
	case CONFIG_PIN:
		return config_pin_set(field, text, why);
	}
	return -EINVAL;
}

static void clear_string(char **text)
{
	free(*text);
	*text = NULL;
}

void config_value_clear(void *out, const struct config_key *key)
{
	void *field = field_of(out, key);
	switch (key->type) {
	case CONFIG_STRING:
		clear_string(field);
		break;
	case CONFIG_LIST:
		config_list_clear(field);
		break;
	case CONFIG_PREFIXES:
		config_prefixes_clear(field);
		break;
	case CONFIG_ENDPOINTS:
		config_endpoints_clear(field);
		break;
	case CONFIG_SECRET:
		config_secret_clear(field);
		break;
	case CONFIG_BOOL:
	case CONFIG_CHOICE:
	case CONFIG_FLAG:
	case CONFIG_NUMBER:
	case CONFIG_AUTO_NUMBER:
	case CONFIG_NUMBER16:
	case CONFIG_DURATION:
	case CONFIG_PREFIX:
	case CONFIG_PIN:
		break;
	}
}
