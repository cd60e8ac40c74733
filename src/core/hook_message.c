/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One table for both ends. */
#include "core/hook_message.h"

#include <string.h>

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define WORD    DIGITS LETTERS "-_"
#define ADDRESS DIGITS "abcdefABCDEF.:/"

static const struct {
	const char *variable;
	const char *alphabet;
	size_t longest;
} known[HOOK_VALUES] = {
	[HOOK_STATE] = {"TSE_STATE", WORD, 31},
	[HOOK_FIREWALL] = {"TSE_FIREWALL", WORD, 31},
	[HOOK_VERDICT] = {"TSE_VERDICT", WORD, 31},
	[HOOK_TRANSPORT] = {"TSE_TRANSPORT", WORD, 31},
	[HOOK_IFACE] = {"TSE_IFACE", WORD ".@", 15}, /* IFNAMSIZ */
	[HOOK_INNER4] = {"TSE_INNER4", ADDRESS, 49},
	[HOOK_INNER6] = {"TSE_INNER6", ADDRESS, 49},
	[HOOK_PCSCF] = {"TSE_PCSCF", WORD ".: ", HOOK_VALUE_MAX - 1},
	[HOOK_IMS_SECURITY] = {"TSE_IMS_SECURITY", WORD, 31},
	[HOOK_PROFILE] = {"TSE_PROFILE", WORD ".", 255},
	[HOOK_GENERATION] = {"TSE_GENERATION", DIGITS, 20},
	[HOOK_DNS] = {"TSE_DNS", ADDRESS " ", 512},
	[HOOK_DOMAINS] = {"TSE_DOMAINS", WORD ". ", HOOK_VALUE_MAX - 1},
};

const char *hook_variable(enum hook_value value)
{
	return known[value].variable;
}

static bool is_fit(enum hook_value value, const char *text, size_t length)
{
	return length <= known[value].longest && strspn(text, known[value].alphabet) == length;
}

size_t hook_message_put(
	const struct hook_values *values, char *out, size_t room, enum hook_value *fault)
{
	size_t used = 0;
	for (enum hook_value i = 0; i < HOOK_VALUES; i++) {
		const char *text = values->text[i] ? values->text[i] : "";
		size_t length = strlen(text);
		if (!is_fit(i, text, length) || length >= room - used) {
			*fault = i;
			return 0;
		}
		memcpy(out + used, text, length + 1);
		used += length + 1;
	}
	return used;
}

bool hook_message_get(const char *message, size_t length, struct hook_values *out)
{
	size_t at = 0;
	for (enum hook_value i = 0; i < HOOK_VALUES; i++) {
		const char *end = at < length ? memchr(message + at, '\0', length - at) : NULL;
		if (!end || !is_fit(i, message + at, (size_t)(end - message) - at))
			return false;
		out->text[i] = message + at;
		at = (size_t)(end - message) + 1;
	}
	return at == length;
}
