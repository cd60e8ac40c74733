/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tsectl and tscfctl have in common: their commands, asking a daemon, and
 * telling what went wrong. */
#ifndef TSCF_CTL_CLIENT_H
#define TSCF_CTL_CLIENT_H

#include <jansson.h>
#include <stddef.h>

/* Exit statuses, documented in both manual pages. */
enum ctl_status {
	CTL_OK = 0,
	CTL_ERROR = 1,
	CTL_USAGE = 2,
	CTL_NOT_UP = 3,    /* tsectl: the daemon runs, its tunnel is not up */
	CTL_NO_DAEMON = 4, /* nothing listens on the control socket */
};

enum { CTL_TIMEOUT_MS = 10000 }; /* for an answer */

/* "PROGRAM: " and the text, cleaned, on stderr. */
void ctl_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
void ctl_print_version(void);
/* One line of JSON on stdout. */
void ctl_print_json(const json_t *value);
/* What main returns: `status`, unless the output could not be written. */
int ctl_finish(enum ctl_status status);

/* The index of `word` in `names` (NULL-terminated), or -1 after complaining,
 * with the name that is closest to it. */
int ctl_find_command(const char *const *names, const char *word);

/* A descriptor, or -1 after complaining; *status says which kind it was. */
int ctl_connect(const char *path, enum ctl_status *status);
/* Takes the request.  The answer is owned by the caller; NULL after
 * complaining, also of an answer that is not "ok". */
json_t *ctl_ask(int fd, json_t *request, enum ctl_status *status);
/* Connects, asks, closes. */
json_t *ctl_ask_at(const char *path, json_t *request, enum ctl_status *status);

#endif
