/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Word by word, so that nothing has to be known about the sentence. */
#include "tse/redact.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/text.h"

/* What host names, addresses and SIP identities are made of. */
static const char word_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_:@%";

static bool is_server(const struct tse_config *config, const char *word)
{
	for (size_t i = 0; i < config->servers.count; i++)
		if (strcasecmp(config->servers.items[i].host, word) == 0)
			return true;
	return false;
}

/* "0.25" is no name, and neither is the full stop of a sentence. */
static bool is_name(const struct tse_config *config, const char *word, size_t length)
{
	bool has_letter = strpbrk(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	return is_server(config, word) || strchr(word, '@') ||
	       (has_letter && strchr(word, '.') &&
		       text_is_host_name((const uint8_t *)word, length));
}

/* NULL when the word may stay. */
static const char *replacement(const struct tse_config *config, const char *word, size_t length)
{
	struct address address;
	if (address_parse(&address, word))
		return "[address]";
	return is_name(config, word, length) ? "[name]" : NULL;
}

char *redact(const struct tse_config *config, const char *text, char *out, size_t size)
{
	size_t at = 0;
	out[0] = '\0';
	while (*text && at + 1 < size) {
		char word[256];
		size_t length = strspn(text, word_characters);
		if (length == 0 || length >= sizeof(word)) {
			out[at++] = *text++;
			out[at] = '\0';
			continue;
		}
		memcpy(word, text, length);
		/* What ends a sentence or a clause is not part of the word. */
		size_t core = length;
		while (core > 0 && strchr(".:", word[core - 1]))
			core--;
		word[core] = '\0';
		const char *other = replacement(config, word, core);
		at += (size_t)snprintf(out + at, size - at, "%s%.*s", other ? other : word,
			(int)(length - core), text + core);
		text += length;
	}
	return out;
}
