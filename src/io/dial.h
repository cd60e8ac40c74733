/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A TCP connection to one of several servers: names resolved by c-ares without
 * blocking, addresses of both families raced (RFC 8305), every socket marked
 * before it connects, so that it never takes the tunnel it is for. */
#ifndef TSCF_IO_DIAL_H
#define TSCF_IO_DIAL_H

#include <ev.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/config.h"
#include "core/reason.h"

enum dial_failure {
	DIAL_OK,
	DIAL_NO_NAME,     /* a name does not exist, or the resolver is silent */
	DIAL_UNREACHABLE, /* no address answered: refused, unreachable, timed out */
	DIAL_LOCAL,       /* our own side: mark refused, no descriptor, no memory */
};

struct dial_result {
	enum dial_failure failure;
	int fd;                 /* owned by the receiver when failure is OK, else -1 */
	size_t endpoint;        /* which of the endpoints it is, or the last one tried */
	struct address address; /* connected to; version 0 when failed */
	uint16_t port;
	int error;         /* UNREACHABLE: what the last endpoint answered; 0: only silence */
	struct reason why; /* when failed: every address tried with its errno, in words */
};

struct dial;

struct dial_settings {
	const struct config_endpoints *endpoints; /* borrowed until done */
	uint32_t mark;
	uint64_t timeout; /* us, for the whole of it */
	/* Addresses that a name had when it last resolved; used when resolving
	 * fails now (tunnel DNS may be unable to). May be empty. Borrowed. */
	const struct address *cached;
	size_t cached_count;
	/* Which endpoint each of them belongs to; NULL: any whose name fails. */
	const size_t *cached_endpoint;
};

/* Endpoints in order of preference: the next one starts when all addresses of
 * the one before have failed, at the latest when its even share of the time
 * that is left has passed, so that a silent TSCF does not hide the others.
 * `done` is called exactly once, never from within dial_start, unless
 * dial_cancel comes first; `result` is borrowed, but not its descriptor.
 * 0 or -errno. */
int dial_start(struct dial **out, struct ev_loop *loop, const struct dial_settings *settings,
	void (*done)(void *user, const struct dial_result *result), void *user);
/* Frees; `done` will not be called. Takes NULL.  Not from within `done`, after
 * which the dial is freed by itself (within it, dial_addresses still works). */
void dial_cancel(struct dial *dial);
/* The addresses found for the endpoints so far, for exempting them from the
 * tunnel and for caching; returns how many were written. */
size_t dial_addresses(const struct dial *dial, struct address *out, size_t room);
/* The resolvers c-ares asks, likewise. */
size_t dial_resolvers(struct address *out, size_t room);

#endif
