/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a TSCF keeps of its leases when its process ends: a file of records,
 * each of which stands for itself, so that order, place and neighbours do not
 * matter and any octet of the file may be lost or wrong.
 *
 *      0   1   2   3   4   5   6   7   8   9  10  11  12  13  14  15
 *   +-------+---+---+---------------+-------------------------------+
 *  0| magic |ver|kin|     index     |           revision            |
 *   +-------+---+---+---------------+---+---------------------------+
 * 16|             since             |sta|          zero             |
 *   +-------------------------------+---+---------------------------+
 * 32|                          instance id                          |
 * 48|                       resume token (32)                       |
 * 80|              the one before it, zero: none (32)               |
 *112|                      identity, NUL (128)                      |
 *   +-------------------------------+-------------------------------+
 *240|             pool              |             check             |
 *   +-------------------------------+-------------------------------+
 *
 * All integers big-endian.  Of several records of a lease the one with the
 * highest revision counts; so a journal is a snapshot with more behind it, and
 * two files may be read together whatever became of either.  `since` is wall
 * clock, us: no other clock is the same after a reboot.  `pool` tells by which
 * addresses the index goes, `check` is a hash of all that stands before it: it
 * finds what is torn or damaged, and keeps nobody from writing records of his
 * own, which the file's mode does.  Join keys are not kept: they name living
 * tunnels.
 *
 * A record of kind 2 holds the secrets of TLS tickets: the one in use in place
 * of the token, the one before in place of the old token, and in place of the
 * pool a hash of what decides who is let in.
 *
 * Pure: octets come in and go out. */
#ifndef TSCF_CORE_LEASE_STORE_H
#define TSCF_CORE_LEASE_STORE_H

#include "core/pool.h"

enum { LEASE_RECORD = 256, TICKET_SECRET = 32 };

struct lease_record {
	uint64_t revision;
	uint64_t since; /* us of the epoch, when it entered its state */
	uint32_t index;
	enum lease_state state; /* never LEASE_NEVER */
	uint8_t instance[CONTROL_INSTANCE];
	uint8_t token[POOL_TOKEN], old_token[POOL_TOKEN];
	bool has_old_token;
	char identity[POOL_IDENTITY_MAX];
};

struct ticket_record {
	uint64_t revision; /* 0: there is none */
	uint64_t since;    /* us of the epoch, when `current` was drawn */
	uint64_t trust;    /* what clients were verified with: CA, CRL */
	uint8_t current[TICKET_SECRET], previous[TICKET_SECRET];
	bool has_previous;
};

/* What was read, by kinds of fault: all records are counted once. */
struct lease_store_count {
	size_t good;
	size_t torn;       /* the file ends within one */
	size_t damaged;    /* the check fails */
	size_t versions;   /* of a version that we do not know */
	size_t other_pool; /* of a pool with other addresses */
};

/* The latest record of each lease. */
struct lease_store {
	uint64_t pool;                /* lease_store_pool() */
	uint64_t revision;            /* the highest seen or given out */
	struct lease_record *records; /* owned, in no order */
	size_t count, room;
	uint32_t *place; /* owned: index -> place in `records` + 1 */
	struct ticket_record tickets;
};

/* By what addresses the indexes of this pool go: pools that differ in size
 * alone are the same. */
uint64_t lease_store_pool(const struct prefix *ipv4, const struct prefix *ipv6);

int lease_store_init(struct lease_store *store, uint64_t pool);
/* Cleanses; also for one that is all zero. */
void lease_store_fini(struct lease_store *store);

/* Takes over what is newer than what it has, and adds to `count`.  0 or
 * -ENOMEM. */
int lease_store_read(struct lease_store *store, const uint8_t *octets, size_t length,
	struct lease_store_count *count);

/* A lease as it is now. */
void lease_record_of(struct lease_record *record, const struct lease *lease, uint64_t revision,
	uint64_t now, uint64_t wall);
void lease_record_encode(
	const struct lease_record *record, uint64_t pool, uint8_t out[LEASE_RECORD]);
void ticket_record_encode(const struct ticket_record *record, uint8_t out[LEASE_RECORD]);

/* Gives a pool its share of the leases; `complete` as in pool_restored().  0 or
 * -ENOMEM. */
int lease_store_restore(const struct lease_store *store, struct pool *pool, bool complete,
	uint64_t now, uint64_t wall);

#endif
