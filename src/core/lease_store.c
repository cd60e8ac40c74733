/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Records of leases, to octets and back; see the drawing in lease_store.h. */
#include "core/lease_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/siphash.h"

enum { MAGIC = 0x4c73, STORE_VERSION = 1, KIND_LEASE = 1, KIND_TICKETS = 2 };

enum {
	AT_VERSION = 2,
	AT_KIND = 3,
	AT_INDEX = 4,
	AT_REVISION = 8,
	AT_SINCE = 16,
	AT_STATE = 24,
	AT_INSTANCE = 32,
	AT_TOKEN = 48,
	AT_OLD_TOKEN = 80,
	AT_IDENTITY = 112,
	AT_POOL = 240,
	AT_CHECK = 248,
};

/* Damage is found, not malice: the key is no secret. */
static uint64_t check_of(const uint8_t *octets)
{
	static const uint8_t key[SIPHASH_KEY];
	return siphash(key, octets, AT_CHECK);
}

uint64_t lease_store_pool(const struct prefix *ipv4, const struct prefix *ipv6)
{
	static const uint8_t key[SIPHASH_KEY];
	uint8_t octets[2 + 4 + 16] = {ipv4->address.version, ipv6->address.version};
	memcpy(octets + 2, ipv4->address.octets, 4);
	memcpy(octets + 6, ipv6->address.octets, 16);
	return siphash(key, octets, sizeof(octets));
}

/* --- to octets ------------------------------------------------------------ */

static void begin(uint8_t *out, uint8_t kind, uint64_t revision, uint64_t since)
{
	memset(out, 0, LEASE_RECORD);
	put_u16(out, MAGIC);
	out[AT_VERSION] = STORE_VERSION;
	out[AT_KIND] = kind;
	put_u64(out + AT_REVISION, revision);
	put_u64(out + AT_SINCE, since);
}

void lease_record_encode(
	const struct lease_record *record, uint64_t pool, uint8_t out[LEASE_RECORD])
{
	begin(out, KIND_LEASE, record->revision, record->since);
	put_u32(out + AT_INDEX, record->index);
	out[AT_STATE] = (uint8_t)record->state;
	memcpy(out + AT_INSTANCE, record->instance, CONTROL_INSTANCE);
	memcpy(out + AT_TOKEN, record->token, POOL_TOKEN);
	if (record->has_old_token)
		memcpy(out + AT_OLD_TOKEN, record->old_token, POOL_TOKEN);
	memcpy(out + AT_IDENTITY, record->identity, POOL_IDENTITY_MAX);
	put_u64(out + AT_POOL, pool);
	put_u64(out + AT_CHECK, check_of(out));
}

void ticket_record_encode(const struct ticket_record *record, uint8_t out[LEASE_RECORD])
{
	begin(out, KIND_TICKETS, record->revision, record->since);
	memcpy(out + AT_TOKEN, record->current, TICKET_SECRET);
	if (record->has_previous)
		memcpy(out + AT_OLD_TOKEN, record->previous, TICKET_SECRET);
	put_u64(out + AT_POOL, record->trust);
	put_u64(out + AT_CHECK, check_of(out));
}

void lease_record_of(struct lease_record *record, const struct lease *lease, uint64_t revision,
	uint64_t now, uint64_t wall)
{
	uint64_t age = now > lease->since ? now - lease->since : 0;
	*record = (struct lease_record){
		.revision = revision,
		.since = wall > age ? wall - age : 0,
		.index = lease->index,
		.state = lease->state,
		.has_old_token = lease->has_old_token,
	};
	memcpy(record->instance, lease->instance, sizeof(record->instance));
	memcpy(record->token, lease->token, sizeof(record->token));
	if (lease->has_old_token)
		memcpy(record->old_token, lease->old_token, sizeof(record->old_token));
	memcpy(record->identity, lease->identity, strlen(lease->identity));
}

/* --- from octets ---------------------------------------------------------- */

static bool is_given(const uint8_t *secret, size_t length)
{
	uint8_t any = 0;
	for (size_t i = 0; i < length; i++)
		any |= secret[i];
	return any;
}

static void decode_tickets(struct ticket_record *record, const uint8_t *in)
{
	*record = (struct ticket_record){
		.revision = get_u64(in + AT_REVISION),
		.since = get_u64(in + AT_SINCE),
		.trust = get_u64(in + AT_POOL),
		.has_previous = is_given(in + AT_OLD_TOKEN, TICKET_SECRET),
	};
	memcpy(record->current, in + AT_TOKEN, TICKET_SECRET);
	memcpy(record->previous, in + AT_OLD_TOKEN, TICKET_SECRET);
}

/* The check has passed; a record that makes no sense all the same is none. */
static bool decode_lease(struct lease_record *record, const uint8_t *in)
{
	*record = (struct lease_record){
		.revision = get_u64(in + AT_REVISION),
		.since = get_u64(in + AT_SINCE),
		.index = get_u32(in + AT_INDEX),
		.state = (enum lease_state)in[AT_STATE],
		.has_old_token = is_given(in + AT_OLD_TOKEN, POOL_TOKEN),
	};
	memcpy(record->instance, in + AT_INSTANCE, CONTROL_INSTANCE);
	memcpy(record->token, in + AT_TOKEN, POOL_TOKEN);
	memcpy(record->old_token, in + AT_OLD_TOKEN, POOL_TOKEN);
	memcpy(record->identity, in + AT_IDENTITY, POOL_IDENTITY_MAX);
	return record->index < POOL_LEASES_MAX && record->identity[POOL_IDENTITY_MAX - 1] == '\0' &&
	       in[AT_STATE] >= LEASE_LIVE && in[AT_STATE] <= LEASE_RESTING;
}

/* --- the store ------------------------------------------------------------ */

int lease_store_init(struct lease_store *store, uint64_t pool)
{
	*store = (struct lease_store){.pool = pool};
	store->place = calloc(POOL_LEASES_MAX, sizeof(store->place[0]));
	return store->place ? 0 : -ENOMEM;
}

void lease_store_fini(struct lease_store *store)
{
	if (store->records)
		explicit_bzero(store->records, store->count * sizeof(store->records[0]));
	free(store->records);
	free(store->place);
	explicit_bzero(store, sizeof(*store));
}

static int grow(struct lease_store *store)
{
	size_t room = store->room ? store->room * 2 : 64;
	struct lease_record *records = malloc(room * sizeof(*records));
	if (!records)
		return -ENOMEM;
	if (store->count) {
		memcpy(records, store->records, store->count * sizeof(*records));
		explicit_bzero(store->records, store->count * sizeof(*records));
	}
	free(store->records);
	store->records = records;
	store->room = room;
	return 0;
}

static int take(struct lease_store *store, const struct lease_record *record)
{
	uint32_t *place = &store->place[record->index];
	if (*place == 0) {
		if (store->count == store->room && grow(store) < 0)
			return -ENOMEM;
		store->records[store->count++] = *record;
		*place = (uint32_t)store->count;
	} else if (record->revision >= store->records[*place - 1].revision) {
		store->records[*place - 1] = *record;
	}
	if (record->revision > store->revision)
		store->revision = record->revision;
	return 0;
}

static int take_lease(struct lease_store *store, const uint8_t *in, struct lease_store_count *count)
{
	struct lease_record record;
	if (!decode_lease(&record, in)) {
		count->damaged++;
		return 0;
	}
	if (get_u64(in + AT_POOL) != store->pool) {
		count->other_pool++;
		return 0;
	}
	count->good++;
	int error = take(store, &record);
	explicit_bzero(&record, sizeof(record));
	return error;
}

static void take_tickets(struct lease_store *store, const uint8_t *in)
{
	if (get_u64(in + AT_REVISION) >= store->tickets.revision)
		decode_tickets(&store->tickets, in);
	if (store->tickets.revision > store->revision)
		store->revision = store->tickets.revision;
}

static int read_one(struct lease_store *store, const uint8_t *in, struct lease_store_count *count)
{
	if (get_u16(in) != MAGIC || get_u64(in + AT_CHECK) != check_of(in)) {
		count->damaged++;
	} else if (in[AT_VERSION] != STORE_VERSION) {
		count->versions++;
	} else if (in[AT_KIND] == KIND_LEASE) {
		return take_lease(store, in, count);
	} else if (in[AT_KIND] == KIND_TICKETS) {
		count->good++;
		take_tickets(store, in);
	} else {
		count->versions++;
	}
	return 0;
}

int lease_store_read(struct lease_store *store, const uint8_t *octets, size_t length,
	struct lease_store_count *count)
{
	int error = 0;
	size_t at = 0;
	for (; !error && length - at >= LEASE_RECORD; at += LEASE_RECORD)
		error = read_one(store, octets + at, count);
	count->torn += at < length && !error;
	return error;
}

int lease_store_restore(const struct lease_store *store, struct pool *pool, bool complete,
	uint64_t now, uint64_t wall)
{
	int error = 0;
	for (size_t i = 0; !error && i < store->count; i++) {
		const struct lease_record *record = &store->records[i];
		uint64_t age = wall > record->since ? wall - record->since : 0;
		error = pool_restore(pool, record, age, now);
	}
	return error ? error : pool_restored(pool, complete, now);
}
