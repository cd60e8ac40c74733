/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One value of a configuration: text into the field that its key describes.
 * Inside config*.c only.  All errors are words that follow the key's name and
 * a colon; a failed call leaves a field that can be freed. */
#ifndef TSCF_CORE_CONFIG_VALUE_H
#define TSCF_CORE_CONFIG_VALUE_H

#include "core/config.h"

enum {
	CONFIG_ECHO_MAX = 60,   /* octets of a bad value that an error repeats */
	CONFIG_PIN_OCTETS = 32, /* SHA-256 */
};

/* Sets the field of `key` in `*out`.  Line feeds in `text` separate the items
 * of a list and are skipped in base64.  `replace` is false when list items are
 * to be added.  0, -EINVAL or -ENOMEM. */
int config_value_set(void *out, const struct config_key *key, const char *text, bool replace,
	struct reason *why);
/* Frees what the field owns and leaves it empty; fields that own nothing keep
 * their value. */
void config_value_clear(void *out, const struct config_key *key);

/* May the key stand several times, each time adding? */
bool config_type_repeats(enum config_type type);
/* May its value go on in indented lines? */
bool config_type_folds(enum config_type type);

/* A text, or one item of a list: NULL when empty. */
int config_string_set(
	char **field, const struct config_key *key, const char *text, struct reason *why);
/* Empty text is no prefix (version 0). */
int config_prefix_set(struct prefix *field, const char *text, struct reason *why);
/* Adds what stands between commas and line feeds. */
int config_items_add(
	void *field, const struct config_key *key, const char *text, struct reason *why);
void config_list_clear(struct config_list *list);
void config_prefixes_clear(struct config_prefixes *list);
void config_endpoints_clear(struct config_endpoints *list);

/* These two never repeat their text in a reason. */
int config_secret_set(struct config_secret *field, const char *text, struct reason *why);
int config_pin_set(uint8_t *field, const char *text, struct reason *why);
void config_secret_clear(struct config_secret *secret);

int config_no_memory(struct reason *why);

#endif
