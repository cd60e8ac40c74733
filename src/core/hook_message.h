/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a hook is told, and the message in which the daemon, which strangers
 * talk to, hands it to the privileged process that runs hooks:
 *
 *     value NUL value NUL ... value NUL        all of enum hook_value, in order
 *
 * Names are not in it: the receiver knows them, so that nobody can set PATH.
 * Each value has an alphabet in which nothing means anything to a shell; it is
 * checked at both ends. */
#ifndef TSCF_CORE_HOOK_MESSAGE_H
#define TSCF_CORE_HOOK_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

enum hook_value {
	HOOK_STATE,
	HOOK_FIREWALL,
	HOOK_VERDICT,
	HOOK_TRANSPORT,
	HOOK_IFACE,
	HOOK_INNER4, /* ADDRESS/LENGTH */
	HOOK_INNER6,
	HOOK_PCSCF, /* addresses and names, with spaces between them */
	HOOK_IMS_SECURITY,
	HOOK_PROFILE,
	HOOK_GENERATION, /* a number */
	HOOK_DNS,        /* addresses of servers, with spaces between them */
	HOOK_DOMAINS,    /* names that only they know, likewise */
	HOOK_VALUES
};

enum {
	HOOK_VALUE_MAX = 4096,    /* with the final NUL: 16 P-CSCF names */
	HOOK_MESSAGE_MAX = 12288, /* all of them at their longest */
};

/* Borrowed; NULL counts as empty. */
struct hook_values {
	const char *text[HOOK_VALUES];
};

/* "TSE_STATE", ... */
const char *hook_variable(enum hook_value value);

/* Returns the length, or 0 when a value is not fit to be told: `*fault`. */
size_t hook_message_put(
	const struct hook_values *values, char *out, size_t room, enum hook_value *fault);

/* False unless it is exactly such a message.  `out` borrows it. */
bool hook_message_get(const char *message, size_t length, struct hook_values *out);

#endif
