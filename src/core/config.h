/* SPDX-License-Identifier: GPL-3.0-or-later */
/* INI text to typed structs, by a table of keys.  Unknown sections and keys,
 * bad values and lines that are neither are errors with file and line.
 *
 *   [section]
 *   key = value            ; a comment begins with ';' after white space
 *   # or with '#' or ';' at the start of a line
 *   list = one, two,
 *          three           an indented line continues a list or a base64 value
 *
 * A key of one value may stand once in a file. */
#ifndef TSCF_CORE_CONFIG_H
#define TSCF_CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/reason.h"

/* Each list owns its items.  A later mention of a list key adds to it, after
 * the first mention in a file has replaced the default. */
struct config_list {
	char **items;
	size_t count;
};

struct config_prefixes {
	struct prefix *items;
	size_t count;
};

struct config_endpoint {
	char *host; /* a name or a numeric address, without brackets */
	uint16_t port;
};

struct config_endpoints {
	struct config_endpoint *items;
	size_t count;
};

/* A certificate, key, CA or CRL: a path, or DER given inline as "base64:...". */
struct config_secret {
	char *path;    /* NULL when inline or not given */
	uint8_t *der;  /* NULL when a path or not given */
	size_t length; /* of der */
};

static inline bool config_secret_given(const struct config_secret *secret)
{
	return secret->path || secret->der;
}

enum config_log_target { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_JOURNAL };

struct config_log {
	enum config_log_target target;
	int level; /* as in syslog(3): 3 error, 4 warning, 6 info, 7 debug */
};

enum config_type {
	CONFIG_STRING,      /* char * */
	CONFIG_BOOL,        /* bool: yes no true false on off 1 0 */
	CONFIG_CHOICE,      /* enum, stored as int: minimum + position of the name in `choices` */
	CONFIG_FLAG,        /* bool with two names in `choices`: false's, then true's */
	CONFIG_NUMBER,      /* unsigned, in [minimum, maximum]; 0x for hexadecimal */
	CONFIG_AUTO_NUMBER, /* the same, or "auto" for 0 */
	CONFIG_NUMBER16,    /* uint16_t */
	CONFIG_DURATION,    /* uint64_t us: 250ms, 4s, 5m, 2h, 1d; a bare number is seconds */
	CONFIG_LIST,        /* struct config_list */
	CONFIG_PREFIX,      /* struct prefix */
	CONFIG_PREFIXES,    /* struct config_prefixes */
	CONFIG_ENDPOINTS,   /* struct config_endpoints, default port 443 */
	CONFIG_SECRET,      /* struct config_secret */
	CONFIG_PIN,         /* uint8_t[32]: sha256: + base64 or hex; sets the bool that follows */
};

/* A table ends with a NULL section.  An empty value takes a text, list,
 * prefix, secret or pin away again; other types need a value. */
struct config_key {
	const char *section, *name;
	enum config_type type;
	size_t offset; /* in the struct that is filled */
	uint64_t minimum, maximum;
	const char *const *choices; /* NULL-terminated */
	const char *standard; /* the default as it would be written; NULL: zero, none, empty */
	/* For a text or one item of a CONFIG_LIST: NULL when it is right, else
	 * what is wrong, in words that follow the item ("is no host name"). */
	const char *(*fault)(const char *item);
	bool inert;           /* read and checked, but without effect in this version ... */
	const char *honoured; /* ... with the exception of the default and of this value */
};

/* Writes the defaults of all keys into `*out`, which is all zeros. */
void config_defaults(void *out, const struct config_key *keys);

/* Reads `text` (named `name` in errors) into `*out`, which holds the defaults.
 * On error returns -EINVAL (or -ENOMEM) with "NAME:LINE: what is wrong and
 * what is right"; `*out` is then partly filled and must still be given to its
 * fini.  Physical lines may be of any length.  Values of secrets and pins are
 * never repeated in a reason. */
int config_read(void *out, const struct config_key *keys, const char *text, const char *name,
	struct reason *why);
/* The same for a file's octets, which need no final NUL: one in the middle is
 * an error then, instead of the end. */
int config_read_octets(void *out, const struct config_key *keys, const char *octets, size_t length,
	const char *name, struct reason *why);
/* One "section.key=value" of the command line; replaces what the file said,
 * lists too. */
int config_override(
	void *out, const struct config_key *keys, const char *assignment, struct reason *why);
/* Frees whatever the keys own; keys and certificates are overwritten first. */
void config_free(void *out, const struct config_key *keys);

/* The next key behind `after` (NULL: from the start) that is set to something
 * that has no effect in this version; NULL when there is none.  For a warning
 * at start:
 *     for (key = NULL; (key = config_next_inert(&config, keys, key));)
 *             "[key->section] key->name has no effect in this version" */
const struct config_key *config_next_inert(
	const void *config, const struct config_key *keys, const struct config_key *after);

/* "4s", "250ms", ...; false when it is none. */
bool config_duration(const char *text, uint64_t *us);
/* "HOST", "HOST:PORT", "[V6]:PORT", "V6"; fills host (owned) and port.  False,
 * with nothing owned, when it is none of these or memory is out; a
 * default_port of 0 makes the port mandatory. */
bool config_endpoint_parse(struct config_endpoint *out, const char *text, uint16_t default_port);

#endif
