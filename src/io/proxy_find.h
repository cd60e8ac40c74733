/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which proxy is the default one (DESIGN 4, step 3).  The first that has an
 * opinion decides, also when it is "none":
 *
 *   1. the profile: `proxy = none | URL`
 *   2. what tse-up found in its caller's session and passed on
 *   3. the environment: https_proxy, HTTPS_PROXY, all_proxy, ALL_PROXY,
 *      http_proxy, unless no_proxy or NO_PROXY names the TSCF
 *   4. libproxy, where it was found when this was built: the system's settings,
 *      WPAD and PAC scripts.  These run in a child process without privileges
 *      and with a time limit, because they hang. */
#ifndef TSCF_IO_PROXY_FIND_H
#define TSCF_IO_PROXY_FIND_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/reason.h"
#include "io/proxy_url.h"

enum { PROXY_FOUND_MAX = 4 };

enum proxy_source {
	PROXY_FROM_PROFILE,
	PROXY_FROM_SESSION,
	PROXY_FROM_ENVIRONMENT,
	PROXY_FROM_SYSTEM,
	PROXY_FROM_NOBODY,
};

/* What was found is in order of preference; a count of 0 means that step 3 has
 * no target. */
struct proxy_found {
	enum proxy_source source; /* who decided */
	struct proxy_url proxies[PROXY_FOUND_MAX];
	size_t count;
	struct reason why; /* where that stands, and, if none, why; in words */
};

/* Borrowed until done. */
struct proxy_find_settings {
	const char *configured; /* the profile's: "auto", "none" or a URL */
	const char *session;    /* "none" or a URL; NULL or empty: it had no opinion */
	const char *host;       /* the TSCF */
	uint16_t port;
	uint64_t timeout; /* us, for libproxy */
};

struct proxy_find;

/* `done` is called exactly once, never from within proxy_find_start, unless
 * proxy_find_cancel comes first; `found` is borrowed.  0 or -errno. */
int proxy_find_start(struct proxy_find **out, struct ev_loop *loop,
	const struct proxy_find_settings *settings,
	void (*done)(void *user, const struct proxy_found *found), void *user);
/* Frees. Takes NULL; not from within `done`. */
void proxy_find_cancel(struct proxy_find *find);

/* Whether a no_proxy list ("localhost,.example.net,192.0.2.0/24,*") names that
 * host or numeric address. */
bool proxy_find_is_exempt(const char *no_proxy, const char *host);

#endif
