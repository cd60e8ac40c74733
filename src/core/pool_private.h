/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What pool.c (who has which lease) and pool_restore.c (who had it before a
 * restart) share; nobody else includes this. */
#ifndef TSCF_CORE_POOL_PRIVATE_H
#define TSCF_CORE_POOL_PRIVATE_H

#include "core/pool.h"
#include "core/pool_range.h"
#include "core/siphash.h"

enum {
	POOL_CHUNK = 64, /* leases allocated together */
};

struct age_list {
	struct lease *oldest, *newest;
};

struct pool {
	struct pool_settings settings;
	pool_random *random;
	struct pool_range range;
	uint32_t first;    /* index of slot 0 */
	uint32_t capacity; /* slots */
	uint32_t fresh;    /* every slot below it has been used */
	uint32_t live, waiting_count, resting_count;
	struct lease **chunks; /* slot / POOL_CHUNK; NULL: not allocated */
	uint64_t *live_map;    /* bit per slot */
	struct lease **sticky; /* hash table, chained by sticky_next */
	uint32_t sticky_mask;
	uint8_t sticky_key[SIPHASH_KEY];
	struct age_list waiting, resting;
};

/* Times are compared by their difference alone: after a restart a lease may
 * have entered its state before this clock began. */
static inline uint64_t pool_elapsed(uint64_t since, uint64_t now)
{
	return (int64_t)(now - since) > 0 ? now - since : 0;
}

static inline struct lease *pool_lease_at(const struct pool *pool, uint32_t slot)
{
	return &pool->chunks[slot / POOL_CHUNK][slot % POOL_CHUNK];
}

/* The slot of that index, or capacity when it is none of this worker's. */
uint32_t pool_slot_of_index(const struct pool *pool, uint32_t index);
/* Makes sure that the slot has a record; NULL without memory. */
struct lease *pool_record(struct pool *pool, uint32_t slot);
void pool_age_append(struct age_list *list, struct lease *lease);
/* Its owner will find the lease again by (identity, instance). */
void pool_sticky_put(struct pool *pool, struct lease *lease);

#endif
