/* SPDX-License-Identifier: GPL-3.0-or-later */
/* [pool] same-identity: which identities have a tunnel now, at any worker.
 *
 * The one table that all workers share; its lock is taken when a tunnel comes
 * and when it goes, never for a packet, and not at all with `allow`. */
#ifndef TSCF_TSCFD_SAME_IDENTITY_H
#define TSCF_TSCFD_SAME_IDENTITY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/siphash.h"
#include "core/tscfd_config.h"

enum { IDENTITY_BUCKETS = 4096 };

/* Embedded in a session: its identity has a tunnel, or is about to. */
struct identity_claim {
	struct identity_claim *next;
	bool made;
	const char *identity; /* borrowed from the session */
	unsigned worker;      /* where, and the session's number there */
	uint32_t number;
};

struct identity_table {
	pthread_mutex_t lock;
	enum same_identity rule;
	uint8_t key[SIPHASH_KEY];
	struct identity_claim *buckets[IDENTITY_BUCKETS];
};

struct worker_group;

void identity_table_init(struct identity_table *table, enum same_identity rule);
void identity_table_fini(struct identity_table *table);

/* Claims the identity for a session.  With `refuse` false when it has another
 * tunnel; with `replace` the others are sent away, by their own workers.  A
 * claim of `former`, which this one resumes (NULL: none), does not count; nobody
 * without an identity is anybody's other. */
bool identity_claim(struct worker_group *group, struct identity_claim *claim,
	const struct identity_claim *former);
/* For one that is not made, too. */
void identity_unclaim(struct worker_group *group, struct identity_claim *claim);

#endif
