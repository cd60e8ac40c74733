/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The address of a proxy as people and their systems write it:
 * [SCHEME://][USER[:PASSWORD]@]HOST[:PORT][/] */
#ifndef TSCF_IO_PROXY_URL_H
#define TSCF_IO_PROXY_URL_H

#include <stdint.h>

#include "core/reason.h"

enum {
	PROXY_HOST_MAX = 256,
	PROXY_SECRET_MAX = 128, /* of a user name or password; with the final NUL */
	PROXY_URL_MAX = PROXY_HOST_MAX + 20,
};

/* SOCKS always carries the target's name: nothing is resolved on this side. */
enum proxy_scheme { PROXY_HTTP, PROXY_HTTPS, PROXY_SOCKS5, PROXY_SOCKS4 };

struct proxy_url {
	enum proxy_scheme scheme;
	char host[PROXY_HOST_MAX]; /* a name or a numeric address, without brackets */
	uint16_t port;
	char user[PROXY_SECRET_MAX], password[PROXY_SECRET_MAX]; /* empty: none */
};

/* Without a scheme it is http; without a port 80, 443 (https) or 1080 (SOCKS).
 * 0 or -EINVAL with a reason, which never repeats a password. */
int proxy_url_parse(struct proxy_url *out, const char *text, struct reason *why);
/* SCHEME://HOST:PORT, without credentials, as libcurl takes it; returns text. */
const char *proxy_url_format(const struct proxy_url *proxy, char text[PROXY_URL_MAX]);

#endif
