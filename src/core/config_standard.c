/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Defaults, and what differs from them. */
#include <string.h>

#include "core/config_value.h"

/* Room for the field of any key. */
union any_field {
	char *string;
	bool truth;
	int choice;
	unsigned number;
	uint16_t number16;
	uint64_t duration;
	struct config_list list;
	struct prefix prefix;
	struct config_prefixes prefixes;
	struct config_endpoints endpoints;
	struct config_secret secret;
	struct {
		uint8_t octets[CONFIG_PIN_OCTETS];
		bool given;
	} pin;
};

void config_defaults(void *out, const struct config_key *keys)
{
	/* Only memory can be short here: a unit test reads every default. */
	for (const struct config_key *key = keys; key->section; key++)
		if (key->standard)
			config_value_set(out, key, key->standard, true, NULL);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_list(const struct config_list *a, const struct config_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

static bool same_prefixes(const struct config_prefixes *a, const struct config_prefixes *b)
{
	return a->count == b->count &&
	       (a->count == 0 || memcmp(a->items, b->items, a->count * sizeof(*a->items)) == 0);
}

static bool same_endpoints(const struct config_endpoints *a, const struct config_endpoints *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->items[i].port != b->items[i].port ||
			strcmp(a->items[i].host, b->items[i].host) != 0)
			return false;
	return true;
}

static bool same_secret(const struct config_secret *a, const struct config_secret *b)
{
	return same_text(a->path, b->path) && a->length == b->length &&
	       (a->length == 0 || memcmp(a->der, b->der, a->length) == 0);
}

static bool same_field(enum config_type type, const void *a, const void *b)
{
	switch (type) {
	case CONFIG_STRING:
		return same_text(*(char *const *)a, *(char *const *)b);
	case CONFIG_BOOL:
	case CONFIG_FLAG:
		return *(const bool *)a == *(const bool *)b;
	case CONFIG_CHOICE:
		return memcmp(a, b, sizeof(int)) == 0;
	case CONFIG_NUMBER:
	case CONFIG_AUTO_NUMBER:
		return *(const unsigned *)a == *(const unsigned *)b;
	case CONFIG_NUMBER16:
		return *(const uint16_t *)a == *(const uint16_t *)b;
	case CONFIG_DURATION:
		return *(const uint64_t *)a == *(const uint64_t *)b;
	case CONFIG_LIST:
		return same_list(a, b);
	case CONFIG_PREFIX:
		return memcmp(a, b, sizeof(struct prefix)) == 0;
	case CONFIG_PREFIXES:
		return same_prefixes(a, b);
	case CONFIG_ENDPOINTS:
		return same_endpoints(a, b);
	case CONFIG_SECRET:
		return same_secret(a, b);
	case CONFIG_PIN:
		return memcmp(a, b, CONFIG_PIN_OCTETS) == 0;
	}
	return false;
}

/* Is the field what `text` (NULL: none) would make it? */
static bool field_is(const void *config, const struct config_key *key, const char *text)
{
	union any_field other;
	memset(&other, 0, sizeof(other));
	struct config_key alone = *key;
	alone.offset = 0;
	bool same = !text || config_value_set(&other, &alone, text, true, NULL) == 0;
	same = same && same_field(key->type, (const char *)config + key->offset, &other);
	config_value_clear(&other, &alone);
	return same;
}

const struct config_key *config_next_inert(
	const void *config, const struct config_key *keys, const struct config_key *after)
{
	for (const struct config_key *key = after ? after + 1 : keys; key->section; key++)
		if (key->inert && !field_is(config, key, key->standard) &&
			!(key->honoured && field_is(config, key, key->honoured)))
			return key;
	return NULL;
}
