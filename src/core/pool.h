/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inner addresses of one worker, leased to tunnels.
 *
 * A lease is a number.  Lease i has the i-th address of the IPv4 pool and the
 * i-th /64 of the IPv6 pool (host part ::1), so that an address leads to its
 * lease, and the lease to its worker, by arithmetic alone:
 *
 *     worker = index mod workers
 *
 * Index 0 is the network's, index 1 the TSCF's own; the last IPv4 address is
 * the broadcast address.  With both families the smaller pool is the limit.
 *
 * Who gets which lease: a resume token names its lease; else the lease that
 * the same (identity, instance id) gave up last, if nobody has it now; else
 * one never used; else the one that has rested longest, if it has rested at
 * least `quarantine`, since a stale SIP binding may still point at it.  Whoever
 * has neither an identity nor an instance id (all zero) is a stranger every
 * time, and nobody's heir.
 *
 * A peer that comes from another TSCF of the same pool wishes for the addresses
 * that it has.  It gets them if nobody can miss them: never used here, past the
 * quarantine, or given up by the same (identity, instance).
 *
 * A WAITING lease whose resume lifetime has passed has been RESTING since that
 * moment; the pool notices when it is next asked for something.
 *
 * Pure: time comes in (us, monotonic), and so does randomness. */
#ifndef TSCF_CORE_POOL_H
#define TSCF_CORE_POOL_H

#include <stdbool.h>

#include "core/address.h"
#include "core/control.h"

enum {
	POOL_TOKEN = 32,         /* lease index (u32) + 28 random octets */
	POOL_IDENTITY_MAX = 128, /* with the final NUL */
	POOL_LEASES_MAX = 1 << 20,
};

enum lease_state {
	LEASE_NEVER,   /* not used since start */
	LEASE_LIVE,    /* a tunnel lives on it */
	LEASE_WAITING, /* its tunnel died; the resume token is still good */
	LEASE_RESTING, /* in quarantine, or past it */
};

struct lease {
	uint32_t index;
	enum lease_state state;
	char identity[POOL_IDENTITY_MAX];
	uint8_t instance[CONTROL_INSTANCE];
	uint8_t join_key[POOL_TOKEN];
	uint8_t token[POOL_TOKEN];     /* the one given out last */
	uint8_t old_token[POOL_TOKEN]; /* still good until lease_confirm() */
	bool has_old_token;
	bool found_by_old_token;     /* what pool_find_token matched last */
	uint64_t since;              /* us, when it entered its state */
	void *tunnel;                /* borrowed; whoever leased it, NULL when not LIVE */
	struct lease *sticky_next;   /* chain of the (identity, instance) table */
	struct lease *older, *newer; /* list of WAITING and RESTING, by age */
};

struct pool_settings {
	struct prefix ipv4, ipv6; /* address.version 0: no such family; ipv6 is at most a /64 */
	unsigned worker, workers;
	uint64_t quarantine;      /* us */
	uint64_t resume_lifetime; /* us */
};

struct pool;

/* Fills `out` with octets nobody can guess. */
typedef void pool_random(uint8_t *out, size_t length);

/* 0, -EINVAL (no family, prefix too small or too long) or -ENOMEM.  Memory for
 * leases is taken as they are used.  A pool with fewer addresses than workers
 * leaves some worker's with a capacity of 0. */
int pool_new(struct pool **out, const struct pool_settings *settings, pool_random *random);
void pool_free(struct pool *pool);

/* A lease for a new tunnel, in state LIVE, with a fresh join key and token;
 * NULL when none is left.  Borrowed from the pool.  identity may be ""; one
 * that does not fit into POOL_IDENTITY_MAX gets NULL: cut, it could be
 * somebody else's. */
struct lease *pool_lease(struct pool *pool, const char *identity,
	const uint8_t instance[CONTROL_INSTANCE], uint64_t now);
/* The index of the lease that has both addresses, whosever it is; one of them may
 * be missing (version 0).  False when no lease has them. */
bool pool_wished_index(const struct pool *pool, const struct address *ipv4,
	const struct address *ipv6, uint32_t *index);
/* The lease of that index if it is this worker's and this peer may have it, not
 * LIVE; else NULL. */
struct lease *pool_find_wished(struct pool *pool, uint32_t index, const char *identity,
	const uint8_t instance[CONTROL_INSTANCE], uint64_t now);
/* Makes a lease that pool_find_wished has just found LIVE, as pool_lease does. */
void pool_give(struct pool *pool, struct lease *lease, const char *identity,
	const uint8_t instance[CONTROL_INSTANCE], uint64_t now);

/* The lease that this resume token names, LIVE or WAITING within its
 * lifetime, if identity matches; else NULL.  identity NULL is "not known": a
 * resumed TLS connection inherits the lease's.  Constant time in the secret. */
struct lease *pool_find_token(
	struct pool *pool, const struct view *token, const char *identity, uint64_t now);
/* The lease that this join key names, while its tunnel lives. */
struct lease *pool_find_join_key(struct pool *pool, const struct view *key);

/* Makes a lease LIVE (again) that pool_find_token has just found: new join key,
 * new token; the token it was found by stays good until lease_confirm().  Do
 * not wait for anything between the two: find it again after waiting. */
void pool_resume(struct pool *pool, struct lease *lease, uint64_t now);
/* The peer has seen the new token. */
void lease_confirm(struct lease *lease);
/* The tunnel is gone: WAITING if it may come back, RESTING if it was released
 * or revoked (its tokens are void then); the join key is void in both cases.
 * A WAITING lease can be released once more, to revoke it. */
void pool_release(struct pool *pool, struct lease *lease, bool may_resume, uint64_t now);

/* The lease whose address (or /64) this is, LIVE, WAITING or RESTING, if it is
 * one of this worker's; else NULL, as for one never used. */
struct lease *pool_find_address(struct pool *pool, uint8_t version, const uint8_t *octets);
bool pool_contains(const struct pool *pool, uint8_t version, const uint8_t *octets);
/* Is `octets` a source address that this lease's UE may use? */
bool pool_owns(
	const struct pool *pool, const struct lease *lease, uint8_t version, const uint8_t *octets);

/* What the UE is told: the address /32, and ::1 of its /64 with length 64.
 * version 0 when the pool lacks the family. */
struct prefix pool_inner4(const struct pool *pool, const struct lease *lease);
struct prefix pool_inner6(const struct pool *pool, const struct lease *lease);

/* The TSCF's own inner addresses, index 1. */
struct address pool_own4(const struct pool_settings *settings);
struct address pool_own6(const struct pool_settings *settings);

struct pool_use {
	uint32_t capacity, live, waiting, resting, never;
};
/* As of the last call that was told the time. */
struct pool_use pool_usage(const struct pool *pool);

struct lease_record;
/* After pool_new and before anything else: what an earlier process knew of a
 * lease, whose state is `age` us old.  LIVE then is WAITING from now on, since
 * its tunnel died with that process.  Records of other workers' leases, and of
 * leases that this pool does not have, are passed over.  0 or -ENOMEM. */
int pool_restore(struct pool *pool, const struct lease_record *record, uint64_t age, uint64_t now);
/* After the last of them.  With `complete` a lease without a record was never
 * used; else somebody may have had it, and it rests from now on.  0 or -ENOMEM. */
int pool_restored(struct pool *pool, bool complete, uint64_t now);

/* The next LIVE lease after `after` (NULL: the first), in the order of their
 * indexes, or NULL.  `after` may have been released meanwhile. */
struct lease *pool_next_live(struct pool *pool, const struct lease *after);

#endif
