/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Step 3: a TCP connection to the TSCF through a proxy, by HTTP CONNECT (RFC
 * 9110 9.3.6) with the TSCF's name, or by SOCKS.  The proxy's own name is
 * resolved and its addresses are raced by io/dial; libcurl speaks to it on the
 * connection that won, and on no other address if the proxy closes that one
 * after 407.  Every socket is marked before it connects.
 *
 * The tunnel's TLS handshake runs on the descriptor that comes out, which is
 * the connection that CONNECT opened.  Nothing is lost on the way: libcurl
 * reads no octet beyond the empty line behind the 200, and it is gone before
 * the first octet of TLS is sent.  So the socket is empty at this point, since
 * the TSCF speaks second: what lies in it already comes from the proxy, which
 * is then told as PROXY_NONSENSE. */
#ifndef TSCF_IO_PROXY_DIAL_H
#define TSCF_IO_PROXY_DIAL_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/reason.h"
#include "io/proxy_url.h"

enum { PROXY_SCHEMES_MAX = 128, PROXY_PORTAL_MAX = 256 };

enum proxy_failure {
	PROXY_OK,
	PROXY_UNSUPPORTED, /* a proxy that is itself reached over TLS */
	PROXY_NO_NAME,     /* its name does not exist, or the resolver is silent */
	PROXY_UNREACHABLE, /* none of its addresses answered */
	PROXY_SILENT,      /* connected, but no whole answer in time */
	PROXY_AUTH,        /* 407, or SOCKS's equivalent: it wants credentials, or others */
	PROXY_PORTAL,      /* a redirection, or 511 (RFC 6585): log in somewhere first */
	PROXY_FORBIDDEN,   /* it does not allow this connection */
	PROXY_GATEWAY,     /* it would, but could not reach the TSCF (5xx) */
	PROXY_NONSENSE,    /* no answer to CONNECT: it hung up, garbage, far too much */
	PROXY_LOCAL,       /* our own side: mark refused, no descriptor, no memory */
};

struct proxy_dial_result {
	enum proxy_failure failure;
	int fd; /* owned by the receiver when failure is OK, else -1; non-blocking */
	struct address address; /* the proxy's; version 0: it was never connected to */
	uint16_t port;
	unsigned status;                 /* of the last HTTP answer; 0: none */
	char schemes[PROXY_SCHEMES_MAX]; /* what a 407 offered: "Digest, NTLM" */
	char portal[PROXY_PORTAL_MAX];   /* where a redirection leads */
	struct reason why;               /* when failed: who said what, and what to do */
};

struct proxy_dial;

/* All pointers are borrowed until done. */
struct proxy_dial_settings {
	/* Its own user name and password, if any, serve for Digest and NTLM. */
	const struct proxy_url *proxy;
	const char *host; /* the TSCF: a name, or a numeric address without brackets */
	uint16_t port;
	uint32_t mark;
	uint64_t timeout; /* us, for the whole of it */
	/* What the profile gives, NULL if not; only these are ever sent readable
	 * to all (Basic), when the proxy offers nothing better. */
	const char *user, *password;
	/* For Negotiate: the profile's key table, else the cache of the caller's
	 * session ("FILE:/tmp/krb5cc_1000"); NULL: the environment's. */
	const char *keytab, *credential_cache;
	/* Addresses that the proxy's name had earlier, as in io/dial. */
	const struct address *cached;
	size_t cached_count;
};

/* `done` is called exactly once, never from within proxy_dial_start, unless
 * proxy_dial_cancel comes first; `result` is borrowed, but not its descriptor.
 * 0 or -errno. */
int proxy_dial_start(struct proxy_dial **out, struct ev_loop *loop,
	const struct proxy_dial_settings *settings,
	void (*done)(void *user, const struct proxy_dial_result *result), void *user);
/* Frees; `done` will not be called.  Takes NULL.  Not from within `done`, after
 * which it is freed by itself (within it, proxy_dial_addresses still works). */
void proxy_dial_cancel(struct proxy_dial *dial);
/* The proxy's addresses, for exempting them from the tunnel and for caching;
 * returns how many were written. */
size_t proxy_dial_addresses(const struct proxy_dial *dial, struct address *out, size_t room);

#endif
