/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pool of a process that was killed comes back.  First each record goes
 * into its slot; then, since the lists are sorted by age, all of them are
 * sorted once and enter their lists. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lease_store.h"
#include "core/pool_private.h"

int pool_restore(struct pool *pool, const struct lease_record *record, uint64_t age, uint64_t now)
{
	uint32_t slot = pool_slot_of_index(pool, record->index);
	if (slot == pool->capacity)
		return 0;
	struct lease *lease = pool_record(pool, slot);
	if (!lease)
		return -ENOMEM;
	memcpy(lease->identity, record->identity, sizeof(lease->identity));
	memcpy(lease->instance, record->instance, sizeof(lease->instance));
	memcpy(lease->token, record->token, sizeof(lease->token));
	memcpy(lease->old_token, record->old_token, sizeof(lease->old_token));
	lease->has_old_token = record->has_old_token;
	lease->state = record->state;
	lease->since = now - age;
	return 0;
}

/* What became of it while no process was there. */
static void catch_up(const struct pool *pool, struct lease *lease, uint64_t now)
{
	uint64_t lifetime = pool->settings.resume_lifetime;
	switch (lease->state) {
	case LEASE_NEVER:
		lease->state = LEASE_RESTING;
		lease->since = now;
		return;
	case LEASE_LIVE:
		lease->state = LEASE_WAITING;
		lease->since = now;
		return;
	case LEASE_WAITING:
		if (pool_elapsed(lease->since, now) < lifetime)
			return;
		lease->state = LEASE_RESTING;
		lease->since += lifetime;
		lease->has_old_token = false;
		explicit_bzero(lease->token, sizeof(lease->token));
		explicit_bzero(lease->old_token, sizeof(lease->old_token));
		return;
	case LEASE_RESTING:
		return;
	}
}

static int compare_age(const void *a, const void *b)
{
	const struct lease *const *left = a, *const *right = b;
	int64_t difference = (int64_t)((*left)->since - (*right)->since);
	return difference < 0 ? -1 : difference > 0;
}

/* How many slots there are up to the last one with a record. */
static uint32_t known_slots(const struct pool *pool)
{
	uint32_t slots = pool->capacity;
	while (slots > 0 && (!pool->chunks[(slots - 1) / POOL_CHUNK] ||
				    pool_lease_at(pool, slots - 1)->state == LEASE_NEVER))
		slots--;
	return slots;
}

/* Whoever had one of these may have been forgotten. */
static int doubt_all(struct pool *pool, uint32_t slots)
{
	for (; pool->fresh < slots; pool->fresh++)
		if (!pool_record(pool, pool->fresh))
			return -ENOMEM;
	return 0;
}

int pool_restored(struct pool *pool, bool complete, uint64_t now)
{
	uint32_t slots = known_slots(pool), count = 0;
	if (slots == 0)
		return 0;
	if (!complete && doubt_all(pool, slots) < 0)
		return -ENOMEM;
	struct lease **by_age = malloc(slots * sizeof(struct lease *));
	if (!by_age)
		return -ENOMEM;
	for (uint32_t slot = 0; slot < slots; slot++) {
		if (!pool->chunks[slot / POOL_CHUNK])
			continue;
		struct lease *lease = pool_lease_at(pool, slot);
		if (complete && lease->state == LEASE_NEVER)
			continue;
		catch_up(pool, lease, now);
		by_age[count++] = lease;
	}
	qsort(by_age, count, sizeof(struct lease *), compare_age);
	for (uint32_t i = 0; i < count; i++) {
		bool waits = by_age[i]->state == LEASE_WAITING;
		pool_age_append(waits ? &pool->waiting : &pool->resting, by_age[i]);
		pool->waiting_count += waits;
		pool->resting_count += !waits;
		pool_sticky_put(pool, by_age[i]);
	}
	free(by_age);
	return 0;
}
