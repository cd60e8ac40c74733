/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A name to its addresses: AAAA and A asked in parallel by c-ares, on marked
 * sockets, never blocking the loop. /etc/hosts counts first.  And a SIP domain
 * to its NAPTR and SRV records, in the same way. */
#ifndef TSCF_IO_RESOLVE_H
#define TSCF_IO_RESOLVE_H

#include <ev.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/reason.h"
#include "core/sip_dns.h"

enum {
	RESOLVE_ADDRESSES = 8,  /* of one family; more are ignored */
	RESOLVE_WAIT_MS = 1000, /* for a resolver's first answer, then doubled */
	RESOLVE_TRIES = 3,      /* of each resolver */
	RESOLVE_PROBLEM_MAX = 256,
};

/* In order of weight: of two families' answers the later one explains why
 * there is no address at all. */
enum resolve_status {
	RESOLVE_FOUND,
	RESOLVE_NO_ADDRESS, /* the name exists, without an address of this family (or record) */
	RESOLVE_NO_NAME,    /* the resolver says that it does not exist */
	RESOLVE_FAILED,     /* no resolver gave an answer */
	RESOLVE_LOCAL,      /* our own side: mark refused, no memory */
};

struct resolve_answer {
	enum resolve_status status;
	struct address addresses[RESOLVE_ADDRESSES];
	size_t count;
	char problem[RESOLVE_PROBLEM_MAX]; /* in words, unless FOUND */
};

struct resolve;

/* Comes once with version 6 and once with version 4, perhaps already from
 * within resolve_start.  Must not cancel. `answer` is borrowed. */
typedef void resolve_answered(void *user, uint8_t version, const struct resolve_answer *answer);

/* 0 or -errno. `name` is not needed any more afterwards. */
int resolve_start(struct resolve **out, struct ev_loop *loop, const char *name, uint32_t mark,
	resolve_answered *answered, void *user, struct reason *why);

/* The records of a name that are of use for SIP, in no order. */
struct resolve_records {
	enum resolve_status status;
	union {
		struct naptr naptr[SIP_DNS_RECORDS];
		struct srv srv[SIP_DNS_RECORDS];
	};
	size_t count;
	char problem[RESOLVE_PROBLEM_MAX]; /* in words, unless FOUND */
};

/* Comes once, perhaps already from within the call that asks.  Must not
 * cancel.  `records` is borrowed. */
typedef void resolve_listed(void *user, const struct resolve_records *records);

/* 0 or -errno, as resolve_start; `name` is complete, no search list is used. */
int resolve_naptr(struct resolve **out, struct ev_loop *loop, const char *name, uint32_t mark,
	resolve_listed *listed, void *user, struct reason *why);
int resolve_srv(struct resolve **out, struct ev_loop *loop, const char *name, uint32_t mark,
	resolve_listed *listed, void *user, struct reason *why);

/* "resolver 192.0.2.53" or "resolvers 192.0.2.53, 2001:db8::53"; returns text. */
const char *resolve_describe(const struct resolve *resolve, char *text, size_t room);
/* Frees; `answered` will not be called.  Takes NULL. */
void resolve_cancel(struct resolve *resolve);

/* The resolvers that would be asked; returns how many were written. */
size_t resolve_servers(struct address *out, size_t room);

#endif
