/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sections and keys by name. */
#ifndef TSCF_CORE_CONFIG_NAMES_H
#define TSCF_CORE_CONFIG_NAMES_H

#include "core/config.h"

enum { CONFIG_NAME_MAX = 32 }; /* no section or key is longer */

/* The first key of that section (NULL: any) and name (NULL: any), or NULL. */
const struct config_key *config_key_find(
	const struct config_key *keys, const char *section, const char *name);
/* The key of that name, or NULL with the reason and, if one is near, a
 * suggestion. */
const struct config_key *config_key_known(
	const struct config_key *keys, const char *section, const char *name, struct reason *why);
/* The reason for a section that is not in the table. */
void config_section_unknown(const struct config_key *keys, const char *section, struct reason *why);

#endif
