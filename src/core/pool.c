/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who has which inner address.
 *
 * Slot s of this worker is lease index first + s * workers.  Slots below
 * `fresh` have been used at least once, and of those above it the ones that
 * somebody wished for; records come in chunks that are allocated when the first
 * of them is used and never move.
 *
 *     NEVER --lease--> LIVE --release--> WAITING --lifetime--> RESTING
 *                       ^ ^                 |                    |
 *                       | +---resume, lease-+                    |
 *                       +------------------lease-----------------+
 *
 * WAITING and RESTING leases each form a list, oldest first.  All waits are
 * equally long, so the waiting list ends its waits from the front, and the
 * resting list is sorted because every change of it first moves over whatever
 * has stopped waiting until then. */
#include "core/pool_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET = POOL_TOKEN - 4 };

/* --- records --- */

static uint32_t slot_of(const struct pool *pool, const struct lease *lease)
{
	return (lease->index - pool->first) / pool->settings.workers;
}

uint32_t pool_slot_of_index(const struct pool *pool, uint32_t index)
{
	if (index < pool->first || index >= pool->range.limit)
		return pool->capacity;
	uint32_t distance = index - pool->first;
	bool is_ours = distance % pool->settings.workers == 0;
	return is_ours ? distance / pool->settings.workers : pool->capacity;
}

/* The used lease of this worker with that index, or NULL. */
static struct lease *find_index(const struct pool *pool, uint32_t index)
{
	uint32_t slot = pool_slot_of_index(pool, index);
	if (slot == pool->capacity || !pool->chunks[slot / POOL_CHUNK])
		return NULL;
	struct lease *lease = pool_lease_at(pool, slot);
	return lease->state == LEASE_NEVER ? NULL : lease;
}

/* --- the (identity, instance) table --- */

static struct lease **bucket_of(
	const struct pool *pool, const char *identity, const uint8_t *instance)
{
	uint8_t key[CONTROL_INSTANCE + POOL_IDENTITY_MAX];
	size_t length = strnlen(identity, POOL_IDENTITY_MAX);
	memcpy(key, instance, CONTROL_INSTANCE);
	memcpy(key + CONTROL_INSTANCE, identity, length);
	uint64_t hash = siphash(pool->sticky_key, key, CONTROL_INSTANCE + length);
	return &pool->sticky[hash & pool->sticky_mask];
}

static bool is_stranger(const char *identity, const uint8_t *instance)
{
	static const uint8_t none[CONTROL_INSTANCE];
	return identity[0] == '\0' && memcmp(instance, none, sizeof(none)) == 0;
}

static bool belongs_to(const struct lease *lease, const char *identity, const uint8_t *instance)
{
	return memcmp(lease->instance, instance, CONTROL_INSTANCE) == 0 &&
	       strcmp(lease->identity, identity) == 0;
}

/* The lease that this one gave up last, or NULL. */
static struct lease *sticky_find(
	const struct pool *pool, const char *identity, const uint8_t *instance)
{
	struct lease *lease = *bucket_of(pool, identity, instance);
	while (lease && !belongs_to(lease, identity, instance))
		lease = lease->sticky_next;
	return lease;
}

static void sticky_remove(struct pool *pool, struct lease *lease)
{
	struct lease **at = bucket_of(pool, lease->identity, lease->instance);
	while (*at && *at != lease)
		at = &(*at)->sticky_next;
	if (*at)
		*at = lease->sticky_next;
	lease->sticky_next = NULL;
}

/* At most one lease per (identity, instance) is in the table, however many it
 * gives up, so that chains stay short. */
void pool_sticky_put(struct pool *pool, struct lease *lease)
{
	if (is_stranger(lease->identity, lease->instance))
		return;
	struct lease *former = sticky_find(pool, lease->identity, lease->instance);
	if (former)
		sticky_remove(pool, former);
	struct lease **bucket = bucket_of(pool, lease->identity, lease->instance);
	lease->sticky_next = *bucket;
	*bucket = lease;
}

/* --- states --- */

void pool_age_append(struct age_list *list, struct lease *lease)
{
	lease->older = list->newest;
	lease->newer = NULL;
	if (list->newest)
		list->newest->newer = lease;
	else
		list->oldest = lease;
	list->newest = lease;
}

static void age_remove(struct age_list *list, struct lease *lease)
{
	if (lease->older)
		lease->older->newer = lease->newer;
	else
		list->oldest = lease->newer;
	if (lease->newer)
		lease->newer->older = lease->older;
	else
		list->newest = lease->older;
	lease->older = lease->newer = NULL;
}

/* Takes the lease out of whatever belongs to its present state. */
static void leave_state(struct pool *pool, struct lease *lease)
{
	uint32_t slot = slot_of(pool, lease);
	switch (lease->state) {
	case LEASE_NEVER:
		break;
	case LEASE_LIVE:
		pool->live--;
		pool->live_map[slot / 64] &= ~(UINT64_C(1) << slot % 64);
		lease->tunnel = NULL;
		break;
	case LEASE_WAITING:
		pool->waiting_count--;
		age_remove(&pool->waiting, lease);
		break;
	case LEASE_RESTING:
		pool->resting_count--;
		age_remove(&pool->resting, lease);
		break;
	}
}

static void become_live(struct pool *pool, struct lease *lease, uint64_t now)
{
	uint32_t slot = slot_of(pool, lease);
	if (lease->state == LEASE_LIVE)
		return;
	leave_state(pool, lease);
	lease->state = LEASE_LIVE;
	lease->since = now;
	pool->live++;
	pool->live_map[slot / 64] |= UINT64_C(1) << slot % 64;
}

static void become_resting(struct pool *pool, struct lease *lease, uint64_t since)
{
	leave_state(pool, lease);
	explicit_bzero(lease->token, sizeof(lease->token));
	explicit_bzero(lease->old_token, sizeof(lease->old_token));
	lease->has_old_token = false;
	lease->state = LEASE_RESTING;
	lease->since = since;
	pool->resting_count++;
	pool_age_append(&pool->resting, lease);
}

/* Ends every wait that is over. */
static void end_waits(struct pool *pool, uint64_t now)
{
	uint64_t lifetime = pool->settings.resume_lifetime;
	struct lease *lease;
	while ((lease = pool->waiting.oldest) && pool_elapsed(lease->since, now) >= lifetime)
		become_resting(pool, lease, lease->since + lifetime);
}

/* --- secrets --- */

static void make_secret(const struct pool *pool, const struct lease *lease, uint8_t *out)
{
	put_u32(out, lease->index);
	pool->random(out + 4, SECRET);
}

/* Looks at every octet, whatever they are: the time tells nothing. */
static bool secret_equal(const uint8_t *a, const uint8_t *b)
{
	uint8_t difference = 0;
	for (size_t i = 0; i < POOL_TOKEN; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

/* --- public --- */

/* The smallest index for leases that is congruent to the worker. */
static uint32_t first_index(const struct pool_settings *settings)
{
	uint64_t first = settings->worker;
	while (first < RANGE_FIRST)
		first += settings->workers;
	return first < POOL_LEASES_MAX ? (uint32_t)first : POOL_LEASES_MAX;
}

int pool_new(struct pool **out, const struct pool_settings *settings, pool_random *random)
{
	struct pool_range range;
	if (settings->workers == 0 || settings->worker >= settings->workers)
		return -EINVAL;
	if (range_init(&range, &settings->ipv4, &settings->ipv6) < 0)
		return -EINVAL;
	struct pool *pool = calloc(1, sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	pool->settings = *settings;
	pool->random = random;
	pool->range = range;
	pool->first = first_index(settings);
	if (pool->first < range.limit)
		pool->capacity = (range.limit - pool->first - 1) / settings->workers + 1;

	uint32_t buckets = 1;
	while (buckets < pool->capacity)
		buckets *= 2;
	pool->sticky_mask = buckets - 1;
	random(pool->sticky_key, sizeof(pool->sticky_key));
	pool->chunks = calloc(pool->capacity / POOL_CHUNK + 1, sizeof(struct lease *));
	pool->live_map = calloc(pool->capacity / 64 + 1, sizeof(uint64_t));
	pool->sticky = calloc(buckets, sizeof(struct lease *));
	if (!pool->chunks || !pool->live_map || !pool->sticky) {
		pool_free(pool);
		return -ENOMEM;
	}
	*out = pool;
	return 0;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	for (uint32_t i = 0; pool->chunks && i <= pool->capacity / POOL_CHUNK; i++) {
		if (pool->chunks[i])
			explicit_bzero(pool->chunks[i], POOL_CHUNK * sizeof(struct lease));
		free(pool->chunks[i]);
	}
	free(pool->chunks);
	free(pool->live_map);
	free(pool->sticky);
	free(pool);
}

struct lease *pool_record(struct pool *pool, uint32_t slot)
{
	struct lease **chunk = &pool->chunks[slot / POOL_CHUNK];
	if (!*chunk)
		*chunk = calloc(POOL_CHUNK, sizeof(struct lease));
	if (!*chunk)
		return NULL;
	struct lease *lease = pool_lease_at(pool, slot);
	lease->index = pool->first + slot * pool->settings.workers;
	return lease;
}

/* The next lease that was never used, or NULL. */
static struct lease *take_fresh(struct pool *pool)
{
	while (pool->fresh < pool->capacity) {
		struct lease *lease = pool_record(pool, pool->fresh);
		if (!lease)
			return NULL;
		pool->fresh++;
		if (lease->state == LEASE_NEVER)
			return lease;
	}
	return NULL;
}

/* The lease that has rested longest, if that is long enough. */
static struct lease *take_rested(const struct pool *pool, uint64_t now)
{
	struct lease *lease = pool->resting.oldest;
	return lease && pool_elapsed(lease->since, now) >= pool->settings.quarantine ? lease : NULL;
}

void pool_give(struct pool *pool, struct lease *lease, const char *identity,
	const uint8_t instance[CONTROL_INSTANCE], uint64_t now)
{
	if (lease->state != LEASE_NEVER)
		sticky_remove(pool, lease);
	memcpy(lease->identity, identity, strlen(identity) + 1);
	memcpy(lease->instance, instance, CONTROL_INSTANCE);
	make_secret(pool, lease, lease->join_key);
	make_secret(pool, lease, lease->token);
	explicit_bzero(lease->old_token, sizeof(lease->old_token));
	lease->has_old_token = false;
	lease->found_by_old_token = false;
	become_live(pool, lease, now);
}

static bool may_have(const struct pool *pool, const struct lease *lease, const char *identity,
	const uint8_t *instance, uint64_t now)
{
	switch (lease->state) {
	case LEASE_NEVER:
		return true;
	case LEASE_LIVE:
		return false;
	case LEASE_WAITING:
		break;
	case LEASE_RESTING:
		if (pool_elapsed(lease->since, now) >= pool->settings.quarantine)
			return true;
		break;
	}
	return !is_stranger(identity, instance) && belongs_to(lease, identity, instance);
}

struct lease *pool_lease(struct pool *pool, const char *identity,
	const uint8_t instance[CONTROL_INSTANCE], uint64_t now)
{
	if (strlen(identity) >= POOL_IDENTITY_MAX)
		return NULL;
	end_waits(pool, now);
	struct lease *lease = sticky_find(pool, identity, instance);
	if (!lease)
		lease = take_fresh(pool);
	if (!lease)
		lease = take_rested(pool, now);
	if (lease)
		pool_give(pool, lease, identity, instance, now);
	return lease;
}

bool pool_wished_index(const struct pool *pool, const struct address *ipv4,
	const struct address *ipv6, uint32_t *index)
{
	uint32_t index6;
	bool has4 = ipv4->version, has6 = ipv6->version;
	if (has4 && !range_index(&pool->range, 4, ipv4->octets, index))
		return false;
	if (!has6)
		return has4;
	if (!range_index(&pool->range, 6, ipv6->octets, &index6) || (has4 && index6 != *index))
		return false;
	*index = index6;
	return true;
}

struct lease *pool_find_wished(struct pool *pool, uint32_t index, const char *identity,
	const uint8_t instance[CONTROL_INSTANCE], uint64_t now)
{
	uint32_t slot = pool_slot_of_index(pool, index);
	if (slot == pool->capacity || strlen(identity) >= POOL_IDENTITY_MAX)
		return NULL;
	end_waits(pool, now);
	struct lease *lease = pool_record(pool, slot);
	return lease && may_have(pool, lease, identity, instance, now) ? lease : NULL;
}

/* The lease whose index stands in front of the secret. */
static struct lease *find_named(const struct pool *pool, const struct view *secret)
{
	return secret->length == POOL_TOKEN ? find_index(pool, get_u32(secret->octets)) : NULL;
}

struct lease *pool_find_token(
	struct pool *pool, const struct view *token, const char *identity, uint64_t now)
{
	end_waits(pool, now);
	struct lease *lease = find_named(pool, token);
	if (!lease || (lease->state != LEASE_LIVE && lease->state != LEASE_WAITING))
		return NULL;
	bool is_new = secret_equal(token->octets, lease->token);
	bool is_old = secret_equal(token->octets, lease->old_token) && lease->has_old_token;
	if (!is_new && !is_old)
		return NULL;
	if (identity && strcmp(identity, lease->identity) != 0)
		return NULL;
	lease->found_by_old_token = is_old;
	return lease;
}

struct lease *pool_find_join_key(struct pool *pool, const struct view *key)
{
	struct lease *lease = find_named(pool, key);
	if (!lease || lease->state != LEASE_LIVE)
		return NULL;
	return secret_equal(key->octets, lease->join_key) ? lease : NULL;
}

void pool_resume(struct pool *pool, struct lease *lease, uint64_t now)
{
	/* Found by the old one, the peer has not seen the one in between: the
	 * old one stays, or a second lost Response would strand the peer. */
	if (!lease->found_by_old_token)
		memcpy(lease->old_token, lease->token, POOL_TOKEN);
	lease->has_old_token = true;
	lease->found_by_old_token = false;
	make_secret(pool, lease, lease->token);
	make_secret(pool, lease, lease->join_key);
	if (lease->state != LEASE_LIVE)
		sticky_remove(pool, lease);
	become_live(pool, lease, now);
}

void lease_confirm(struct lease *lease)
{
	explicit_bzero(lease->old_token, sizeof(lease->old_token));
	lease->has_old_token = false;
	lease->found_by_old_token = false;
}

void pool_release(struct pool *pool, struct lease *lease, bool may_resume, uint64_t now)
{
	end_waits(pool, now);
	bool was_live = lease->state == LEASE_LIVE;
	if (!was_live && (lease->state != LEASE_WAITING || may_resume))
		return;
	explicit_bzero(lease->join_key, sizeof(lease->join_key));
	if (was_live)
		pool_sticky_put(pool, lease);
	if (!may_resume) {
		become_resting(pool, lease, now);
		return;
	}
	leave_state(pool, lease);
	lease->state = LEASE_WAITING;
	lease->since = now;
	pool->waiting_count++;
	pool_age_append(&pool->waiting, lease);
}

struct lease *pool_find_address(struct pool *pool, uint8_t version, const uint8_t *octets)
{
	uint32_t index;
	return range_index(&pool->range, version, octets, &index) ? find_index(pool, index) : NULL;
}

bool pool_contains(const struct pool *pool, uint8_t version, const uint8_t *octets)
{
	return prefix_contains_octets(&pool->settings.ipv4, version, octets) ||
	       prefix_contains_octets(&pool->settings.ipv6, version, octets);
}

bool pool_owns(
	const struct pool *pool, const struct lease *lease, uint8_t version, const uint8_t *octets)
{
	uint32_t index;
	return range_index(&pool->range, version, octets, &index) && index == lease->index;
}

struct prefix pool_inner4(const struct pool *pool, const struct lease *lease)
{
	struct address address = range_address4(&pool->settings.ipv4, lease->index);
	return (struct prefix){.address = address, .length = address.version ? 32 : 0};
}

struct prefix pool_inner6(const struct pool *pool, const struct lease *lease)
{
	struct address address = range_address6(&pool->settings.ipv6, lease->index);
	return (struct prefix){.address = address, .length = address.version ? 64 : 0};
}

struct address pool_own4(const struct pool_settings *settings)
{
	return range_address4(&settings->ipv4, 1);
}

struct address pool_own6(const struct pool_settings *settings)
{
	return range_address6(&settings->ipv6, 1);
}

struct pool_use pool_usage(const struct pool *pool)
{
	return (struct pool_use){
		.capacity = pool->capacity,
		.live = pool->live,
		.waiting = pool->waiting_count,
		.resting = pool->resting_count,
		.never = pool->capacity - pool->live - pool->waiting_count - pool->resting_count,
	};
}

struct lease *pool_next_live(struct pool *pool, const struct lease *after)
{
	uint32_t slot = after ? slot_of(pool, after) + 1 : 0;
	while (slot < pool->capacity) {
		uint64_t rest = pool->live_map[slot / 64] >> slot % 64;
		if (rest)
			return pool_lease_at(pool, slot + (uint32_t)__builtin_ctzll(rest));
		slot = (slot / 64 + 1) * 64;
	}
	return NULL;
}
