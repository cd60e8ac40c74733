/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Leases over the end of a process: what comes back, what a torn or damaged
 * file does, and thousands of processes that are killed at random and followed
 * by one with another number of workers. */
#include "core/lease_store.h"
#include "unit.h"
#include "dice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t SECOND = 1000000, HOUR = UINT64_C(3600000000);
static const uint64_t EPOCH = UINT64_C(1800000000000000); /* some wall clock */

enum { CYCLES = 10000, WORKERS_MAX = 4, CLIENTS = 24, STEPS_MAX = 12, DISK = 1 << 20 };

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix = {0};
	if (text && !prefix_parse(&prefix, text))
		abort();
	return prefix;
}

static struct pool_settings settings_of(const char *ipv4, unsigned worker, unsigned workers)
{
	return (struct pool_settings){
		.ipv4 = prefix_of(ipv4),
		.worker = worker,
		.workers = workers,
		.quarantine = 2 * HOUR,
		.resume_lifetime = HOUR,
	};
}

static uint64_t fingerprint(const char *ipv4, const char *ipv6)
{
	struct prefix four = prefix_of(ipv4), six = prefix_of(ipv6);
	return lease_store_pool(&four, &six);
}

static struct pool *make(const char *ipv4, unsigned worker, unsigned workers)
{
	struct pool_settings settings = settings_of(ipv4, worker, workers);
	struct pool *pool;
	if (pool_new(&pool, &settings, dice_fill) != 0)
		abort();
	return pool;
}

static const uint8_t instance_a[CONTROL_INSTANCE] = {0xa};

static struct view view_of(const uint8_t *token)
{
	return (struct view){token, POOL_TOKEN};
}

static void encode(const struct lease *lease, uint64_t revision, uint64_t now, uint64_t wall,
	uint8_t out[LEASE_RECORD])
{
	struct lease_record record;
	lease_record_of(&record, lease, revision, now, wall);
	lease_record_encode(&record, fingerprint("10.0.0.0/24", NULL), out);
}

/* One lease of one process, as the next one finds it. */
static struct lease_store_count read_all(
	struct lease_store *store, const uint8_t *octets, size_t length)
{
	struct lease_store_count count = {0};
	CU_ASSERT_EQUAL_FATAL(lease_store_init(store, fingerprint("10.0.0.0/24", NULL)), 0);
	CU_ASSERT_EQUAL(lease_store_read(store, octets, length, &count), 0);
	return count;
}

static struct pool *restart(
	const uint8_t *octets, size_t length, unsigned workers, uint64_t now, uint64_t wall)
{
	struct lease_store store;
	struct lease_store_count count = read_all(&store, octets, length);
	struct pool *pool = make("10.0.0.0/24", 0, workers);
	CU_ASSERT_EQUAL(
		lease_store_restore(&store, pool, count.damaged + count.torn == 0, now, wall), 0);
	lease_store_fini(&store);
	return pool;
}

/* In each state, and at each age: may it be resumed, by whom is it found? */
static void test_states(void)
{
	static const struct {
		enum lease_state state;
		uint64_t away; /* s, between the two processes */
		bool resumes;
		enum lease_state becomes;
	} cases[] = {
		{LEASE_LIVE, 0, true, LEASE_WAITING},
		{LEASE_LIVE, 100, true, LEASE_WAITING},
		/* Its tunnel has died now, not when it was written. */
		{LEASE_LIVE, 4000, true, LEASE_WAITING},
		{LEASE_WAITING, 100, true, LEASE_WAITING},
		{LEASE_WAITING, 3599, true, LEASE_WAITING},
		{LEASE_WAITING, 3600, false, LEASE_RESTING},
		{LEASE_RESTING, 100, false, LEASE_RESTING},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t octets[LEASE_RECORD];
		struct pool *pool = make("10.0.0.0/24", 0, 1);
		struct lease *lease = pool_lease(pool, "alice", instance_a, 50 * SECOND);
		if (cases[i].state != LEASE_LIVE)
			pool_release(pool, lease, cases[i].state == LEASE_WAITING, 90 * SECOND);
		encode(lease, 1, 90 * SECOND, EPOCH, octets);
		uint8_t token[POOL_TOKEN];
		memcpy(token, lease->token, POOL_TOKEN);
		uint32_t index = lease->index;
		pool_free(pool);

		/* The new clock has hardly begun: differences count. */
		uint64_t now = 5 * SECOND;
		pool = restart(octets, sizeof(octets), 1, now, EPOCH + cases[i].away * SECOND);
		struct view view = view_of(token);
		struct address address = {.version = 4, .octets = {10, 0, 0, (uint8_t)index}};
		struct lease *back = pool_find_address(pool, 4, address.octets);
		CU_ASSERT_PTR_NOT_NULL_FATAL(back);
		CU_ASSERT_EQUAL(back->state, cases[i].becomes);
		CU_ASSERT_PTR_NULL(back->tunnel);
		CU_ASSERT_EQUAL(
			pool_find_token(pool, &view, "alice", now) != NULL, cases[i].resumes);
		CU_ASSERT_PTR_NULL(pool_find_token(pool, &view, "mallory", now));
		CU_ASSERT_PTR_NULL(pool_find_join_key(pool, &view));
		/* Sticky, whatever its state. */
		CU_ASSERT_PTR_EQUAL(pool_lease(pool, "alice", instance_a, now), back);
		pool_free(pool);
	}
}

/* A Response may have been lost with the process: both tokens come back. */
static void test_both_tokens(void)
{
	uint8_t octets[2 * LEASE_RECORD], first[POOL_TOKEN], second[POOL_TOKEN];
	struct pool *pool = make("10.0.0.0/24", 0, 1);
	struct lease *lease = pool_lease(pool, "alice", instance_a, 0);
	memcpy(first, lease->token, POOL_TOKEN);
	struct view old = view_of(first), new = view_of(second);
	pool_resume(pool, pool_find_token(pool, &old, "alice", 0), 0);
	memcpy(second, lease->token, POOL_TOKEN);
	encode(lease, 1, 0, EPOCH, octets);
	lease_confirm(lease);
	encode(lease, 2, 0, EPOCH, octets + LEASE_RECORD);
	pool_free(pool);
	for (int confirmed = 0; confirmed < 2; confirmed++) {
		pool = restart(octets, (size_t)(1 + confirmed) * LEASE_RECORD, 1, 0, EPOCH);
		CU_ASSERT_EQUAL(pool_find_token(pool, &old, "alice", 0) != NULL, !confirmed);
		CU_ASSERT_PTR_NOT_NULL(pool_find_token(pool, &new, "alice", 0));
		pool_free(pool);
	}
}

/* Age goes on while no process is there: oldest first, and not too early. */
static void test_quarantine(void)
{
	uint8_t octets[6 * LEASE_RECORD];
	struct pool *pool = make("10.0.0.0/29", 0, 1); /* five leases */
	struct lease *leases[5];
	for (unsigned i = 0; i < 5; i++)
		leases[i] = pool_lease(pool, (const char[]){(char)('a' + i), 0}, instance_a, 0);
	static const unsigned order[] = {3, 1, 4, 0, 2};
	for (unsigned i = 0; i < 5; i++) {
		pool_release(pool, leases[order[i]], false, i * SECOND);
		struct lease_record record;
		lease_record_of(&record, leases[order[i]], i + 1, 4 * SECOND, EPOCH);
		/* In the file in another order than by age. */
		lease_record_encode(&record, fingerprint("10.0.0.0/24", NULL),
			octets + order[i] * LEASE_RECORD);
	}
	pool_free(pool);

	struct lease_store store;
	read_all(&store, octets, 5 * LEASE_RECORD);
	pool = make("10.0.0.0/29", 0, 1);
	CU_ASSERT_EQUAL(lease_store_restore(&store, pool, true, 0, EPOCH + HOUR), 0);
	lease_store_fini(&store);
	CU_ASSERT_EQUAL(pool_usage(pool).resting, 5);
	uint8_t other[CONTROL_INSTANCE] = {0};
	for (unsigned i = 0; i < 5; i++) {
		/* Freed i s into a clock of which 4 s + 1 h had gone at restart. */
		uint64_t due = HOUR - (4 - i) * SECOND;
		other[0] = (uint8_t)(i + 1);
		CU_ASSERT_PTR_NULL(pool_lease(pool, "new", other, due - 1));
		struct lease *lease = pool_lease(pool, "new", other, due);
		CU_ASSERT_PTR_NOT_NULL_FATAL(lease);
		CU_ASSERT_EQUAL(lease->index, 2 + order[i]);
	}
	pool_free(pool);
}

/* A wait that ended while no process was there: quarantine begins at its end. */
static void test_wait_ended(void)
{
	uint8_t octets[LEASE_RECORD], other[CONTROL_INSTANCE] = {1};
	struct pool *pool = make("10.0.0.0/30", 0, 1); /* one lease */
	struct lease *lease = pool_lease(pool, "alice", instance_a, 0);
	pool_release(pool, lease, true, 0);
	encode(lease, 1, 0, EPOCH, octets);
	pool_free(pool);
	struct lease_store store;
	read_all(&store, octets, sizeof(octets));
	pool = make("10.0.0.0/30", 0, 1);
	CU_ASSERT_EQUAL(lease_store_restore(&store, pool, true, 0, EPOCH + 2 * HOUR), 0);
	lease_store_fini(&store);
	CU_ASSERT_PTR_NULL(pool_lease(pool, "bob", other, HOUR - 1));
	CU_ASSERT_PTR_NOT_NULL(pool_lease(pool, "bob", other, HOUR));
	pool_free(pool);
}

/* Leases without a record below one that has one. */
static void test_holes(void)
{
	uint8_t octets[LEASE_RECORD], instance[CONTROL_INSTANCE] = {0};
	struct pool *pool = make("10.0.0.0/29", 0, 1);
	struct lease *lease = NULL;
	for (unsigned i = 0; i < 5; i++) {
		instance[0] = (uint8_t)(i + 1);
		lease = pool_lease(pool, "x", instance, 0);
	}
	struct lease_record record;
	lease_record_of(&record, lease, 1, 0, EPOCH);
	lease_record_encode(&record, fingerprint("10.0.0.0/24", NULL), octets);
	pool_free(pool);
	for (int complete = 0; complete < 2; complete++) {
		struct lease_store store;
		read_all(&store, octets, sizeof(octets));
		pool = make("10.0.0.0/29", 0, 1);
		CU_ASSERT_EQUAL(lease_store_restore(&store, pool, complete, 0, EPOCH), 0);
		lease_store_fini(&store);
		/* Nobody had them, or somebody may have. */
		lease = pool_lease(pool, "y", instance_a, 0);
		CU_ASSERT_EQUAL(lease != NULL, complete);
		unsigned seen = lease ? 1U << lease->index : 0;
		while ((lease = pool_lease(pool, "y", instance_a, 2 * HOUR)))
			seen |= 1U << lease->index;
		CU_ASSERT_EQUAL(seen, 0x3c); /* each of the first four */
		pool_free(pool);
	}
}

/* One that was wished for, far above all others: these are as free as before, and
 * take no memory. */
static void test_wished(void)
{
	uint8_t octets[LEASE_RECORD];
	struct pool *pool = make("10.0.0.0/12", 0, 1);
	struct lease *lease = pool_find_wished(pool, 1000000, "alice", instance_a, 0);
	pool_give(pool, lease, "alice", instance_a, 0);
	encode(lease, 1, 0, EPOCH, octets);
	pool_free(pool);

	struct lease_store store;
	read_all(&store, octets, sizeof(octets));
	pool = make("10.0.0.0/12", 0, 1);
	CU_ASSERT_EQUAL(lease_store_restore(&store, pool, true, 0, EPOCH), 0);
	lease_store_fini(&store);
	struct pool_use use = pool_usage(pool);
	CU_ASSERT(use.waiting == 1 && use.resting == 0 && use.never == use.capacity - 1);
	uint8_t other[CONTROL_INSTANCE] = {1};
	CU_ASSERT_EQUAL(pool_lease(pool, "bob", other, 0)->index, 2);
	CU_ASSERT_EQUAL(pool_lease(pool, "alice", instance_a, 0)->index, 1000000);
	pool_free(pool);
}

/* A file that ends anywhere, or has a wrong octet anywhere. */
static void test_torn_and_damaged(void)
{
	uint8_t octets[3 * LEASE_RECORD], instance[CONTROL_INSTANCE] = {0};
	struct pool *pool = make("10.0.0.0/24", 0, 1);
	for (unsigned i = 0; i < 3; i++) {
		instance[0] = (uint8_t)i;
		encode(pool_lease(pool, "bob", instance, 0), i + 1, 0, EPOCH,
			octets + i * LEASE_RECORD);
	}
	pool_free(pool);
	struct lease_store store;
	for (size_t length = 0; length <= sizeof(octets); length++) {
		uint8_t *exact = malloc(length ? length : 1); /* for AddressSanitizer */
		memcpy(exact, octets, length);
		struct lease_store_count count = read_all(&store, exact, length);
		CU_ASSERT_EQUAL(count.good, length / LEASE_RECORD);
		CU_ASSERT_EQUAL(count.torn, length % LEASE_RECORD != 0);
		CU_ASSERT_EQUAL(count.damaged, 0);
		CU_ASSERT_EQUAL(store.count, count.good);
		lease_store_fini(&store);
		free(exact);
	}
	for (size_t at = 0; at < LEASE_RECORD; at++) {
		octets[LEASE_RECORD + at] ^= 0x20;
		struct lease_store_count count = read_all(&store, octets, sizeof(octets));
		CU_ASSERT_EQUAL(count.good, 2);
		CU_ASSERT_EQUAL(count.damaged, 1);
		CU_ASSERT_EQUAL(store.count, 2);
		lease_store_fini(&store);
		octets[LEASE_RECORD + at] ^= 0x20;
	}
	static const uint8_t zeros[LEASE_RECORD];
	CU_ASSERT_EQUAL(read_all(&store, zeros, sizeof(zeros)).damaged, 1);
	lease_store_fini(&store);
}

/* Records that are whole, and of another kind than ours. */
static void test_foreign(void)
{
	uint8_t octets[LEASE_RECORD];
	struct lease_record record = {.revision = 7, .index = 2, .state = LEASE_RESTING};
	struct lease_store store;
	static const struct {
		const char *ipv4, *ipv6;
		bool same;
	} pools[] = {
		{"10.0.0.0/24", NULL, true},
		{"10.0.0.0/16", NULL, true}, /* the same indexes, and more of them */
		{"10.0.1.0/24", NULL, false},
		{NULL, "fd00::/48", false},
		{"10.0.0.0/24", "fd00::/48", false},
	};
	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
		lease_record_encode(&record, fingerprint(pools[i].ipv4, pools[i].ipv6), octets);
		struct lease_store_count count = read_all(&store, octets, sizeof(octets));
		CU_ASSERT_EQUAL(count.good, pools[i].same);
		CU_ASSERT_EQUAL(count.other_pool, !pools[i].same);
		lease_store_fini(&store);
	}
	record.index = POOL_LEASES_MAX;
	lease_record_encode(&record, fingerprint("10.0.0.0/24", NULL), octets);
	CU_ASSERT_EQUAL(read_all(&store, octets, sizeof(octets)).damaged, 1);
	lease_store_fini(&store);
	record.index = 2;
	record.state = LEASE_NEVER;
	lease_record_encode(&record, fingerprint("10.0.0.0/24", NULL), octets);
	CU_ASSERT_EQUAL(read_all(&store, octets, sizeof(octets)).damaged, 1);
	lease_store_fini(&store);
}

/* The highest revision counts, in whichever order they are read. */
static void test_revisions(void)
{
	uint8_t octets[3 * LEASE_RECORD];
	struct lease_store store;
	struct lease_record record = {.index = 5, .state = LEASE_RESTING};
	for (unsigned i = 0; i < 3; i++) {
		record.revision = (const uint64_t[]){4, 9, 6}[i];
		record.since = record.revision;
		lease_record_encode(
			&record, fingerprint("10.0.0.0/24", NULL), octets + i * LEASE_RECORD);
	}
	read_all(&store, octets, sizeof(octets));
	CU_ASSERT_EQUAL_FATAL(store.count, 1);
	CU_ASSERT_EQUAL(store.records[0].revision, 9);
	CU_ASSERT_EQUAL(store.records[0].since, 9);
	CU_ASSERT_EQUAL(store.revision, 9);
	lease_store_fini(&store);
}

static void test_tickets(void)
{
	uint8_t octets[2 * LEASE_RECORD];
	struct lease_store store;
	struct ticket_record record = {
		.revision = 3, .since = 99, .trust = 7, .has_previous = true};
	dice_fill(record.current, TICKET_SECRET);
	dice_fill(record.previous, TICKET_SECRET);
	ticket_record_encode(&record, octets);
	struct ticket_record older = {.revision = 2};
	dice_fill(older.current, TICKET_SECRET);
	ticket_record_encode(&older, octets + LEASE_RECORD);
	CU_ASSERT_EQUAL(read_all(&store, octets, sizeof(octets)).good, 2);
	CU_ASSERT_EQUAL(store.tickets.revision, 3);
	CU_ASSERT_EQUAL(store.tickets.since, 99);
	CU_ASSERT_EQUAL(store.tickets.trust, 7);
	CU_ASSERT_EQUAL(memcmp(store.tickets.current, record.current, TICKET_SECRET), 0);
	CU_ASSERT_TRUE(store.tickets.has_previous);
	CU_ASSERT_EQUAL(memcmp(store.tickets.previous, record.previous, TICKET_SECRET), 0);
	lease_store_fini(&store);
	read_all(&store, octets + LEASE_RECORD, LEASE_RECORD);
	CU_ASSERT_FALSE(store.tickets.has_previous);
	lease_store_fini(&store);
}

/* --- processes that are killed -------------------------------------------- */

/* What a client believes: it was told so by a process that may be dead. */
struct client {
	bool has;      /* an address, and a token for it */
	bool living;   /* its tunnel lives in this process */
	bool sure;     /* nothing has been lost since it was told */
	uint64_t left; /* wall clock, when its tunnel died */
	uint32_t index;
	uint8_t token[POOL_TOKEN];
	struct lease *lease;
};

static struct {
	uint8_t disk[DISK];
	size_t size;
	uint64_t revision, now, wall;
	unsigned workers;
	struct pool *pools[WORKERS_MAX];
	struct client clients[CLIENTS];
	unsigned resumed, lost; /* of tokens that were shown */
	unsigned granted;       /* wishes */
} world;

static void note(const struct lease *lease)
{
	if (world.size + LEASE_RECORD > DISK)
		abort();
	encode(lease, ++world.revision, world.now, world.wall, world.disk + world.size);
	world.size += LEASE_RECORD;
}

/* No two clients with a tunnel have the same address. */
static void check_unique(void)
{
	bool taken[256] = {false};
	for (unsigned i = 0; i < CLIENTS; i++) {
		const struct client *client = &world.clients[i];
		if (!client->living)
			continue;
		CU_ASSERT_FALSE_FATAL(taken[client->index]);
		taken[client->index] = true;
	}
}

static void told(struct client *client, struct lease *lease)
{
	note(lease); /* before it hears of it */
	client->has = client->living = client->sure = true;
	client->lease = lease;
	client->index = lease->index;
	memcpy(client->token, lease->token, POOL_TOKEN);
}

static struct lease *resume(struct client *client, const char *identity)
{
	struct view token = view_of(client->token);
	struct pool *pool = world.pools[get_u32(client->token) % world.workers];
	struct lease *lease =
		client->has ? pool_find_token(pool, &token, identity, world.now) : NULL;
	if (lease)
		pool_resume(pool, lease, world.now);
	return lease;
}

/* Its token is lost: but it would like to keep its address. */
static struct lease *wish(const struct client *client, const char *identity)
{
	struct pool *pool = world.pools[client->index % world.workers];
	struct lease *lease =
		pool_find_wished(pool, client->index, identity, instance_a, world.now);
	if (lease)
		pool_give(pool, lease, identity, instance_a, world.now);
	world.granted += lease != NULL;
	return lease;
}

static void connect(unsigned i)
{
	struct client *client = &world.clients[i];
	char identity[] = {'c', (char)('a' + i), 0};
	struct lease *lease = resume(client, identity);
	world.resumed += lease != NULL;
	world.lost += client->has && !lease;
	if (lease && client->has)
		CU_ASSERT_EQUAL(lease->index, client->index);
	if (!lease && client->has)
		lease = wish(client, identity);
	for (unsigned w = 0; !lease && w < world.workers; w++)
		lease = pool_lease(
			world.pools[(i + w) % world.workers], identity, instance_a, world.now);
	if (!lease)
		return; /* the pool is full of leases that rest */
	/* Nobody else's tunnel lives on it. */
	for (unsigned k = 0; k < CLIENTS; k++)
		if (k != i && world.clients[k].living)
			CU_ASSERT_NOT_EQUAL_FATAL(world.clients[k].index, lease->index);
	told(client, lease);
	if (dice(4)) {
		lease_confirm(lease);
		note(lease);
	}
}

static void disconnect(struct client *client, bool may_resume)
{
	if (!client->living)
		return;
	pool_release(
		world.pools[client->index % world.workers], client->lease, may_resume, world.now);
	note(client->lease);
	client->living = false;
	client->left = world.wall;
	client->has = may_resume;
}

static void live(void)
{
	for (unsigned steps = dice(STEPS_MAX); steps; steps--) {
		struct client *client = &world.clients[dice(CLIENTS)];
		uint64_t passed = dice(20) ? dice(3000000) : HOUR / 2;
		world.now += passed;
		world.wall += passed;
		if (dice(3))
			connect((unsigned)(client - world.clients));
		else
			disconnect(client, dice(2));
		check_unique();
	}
}

/* Killed.  Sometimes the machine went down with it, and the disk is torn or
 * damaged; sometimes a snapshot has taken the journal's place.  True when all
 * that clients were told is still there. */
static bool die(void)
{
	for (unsigned w = 0; w < world.workers; w++)
		pool_free(world.pools[w]);
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (world.clients[i].living)
			world.clients[i].left = UINT64_MAX;
		world.clients[i].living = false;
		world.clients[i].lease = NULL;
	}
	if (world.size == 0 || dice(3))
		return true;
	if (dice(2)) {
		world.size -= 1 + dice(world.size < 700 ? (uint32_t)world.size : 700);
	} else {
		for (unsigned k = 1 + dice(20); k; k--)
			world.disk[dice((uint32_t)world.size)] ^= (uint8_t)(1 + dice(255));
	}
	return false;
}

static void come_back(void)
{
	struct lease_store store;
	struct lease_store_count count = read_all(&store, world.disk, world.size);
	uint64_t away = dice(8) ? dice(2000000) : HOUR;
	world.workers = 1 + dice(WORKERS_MAX);
	world.now = dice(2) ? 3 * SECOND : world.now + away; /* a reboot, or none */
	world.wall += away;
	world.revision = store.revision;
	for (unsigned i = 0; i < CLIENTS; i++)
		if (world.clients[i].left == UINT64_MAX)
			world.clients[i].left = world.wall; /* noticed only now */
	for (unsigned w = 0; w < world.workers; w++) {
		world.pools[w] = make("10.0.0.0/27", w, world.workers);
		CU_ASSERT_EQUAL_FATAL(
			lease_store_restore(&store, world.pools[w], count.damaged + count.torn == 0,
				world.now, world.wall),
			0);
	}
	/* As the daemon does: the snapshot is the new journal. */
	for (size_t i = 0; i < store.count; i++)
		lease_record_encode(&store.records[i], fingerprint("10.0.0.0/24", NULL),
			world.disk + i * LEASE_RECORD);
	world.size = store.count * LEASE_RECORD;
	lease_store_fini(&store);
}

/* Who was told an address finds it again, if nothing was lost and it comes in
 * time, and it is no other. */
static bool check_client(unsigned i, bool kept)
{
	struct client *client = &world.clients[i];
	struct view token = view_of(client->token);
	char identity[] = {'c', (char)('a' + i), 0};

	client->sure &= kept;
	if (!client->has)
		return false;
	const struct lease *lease = pool_find_token(
		world.pools[client->index % world.workers], &token, identity, world.now);
	if (client->sure && world.wall - client->left < HOUR)
		CU_ASSERT_PTR_NOT_NULL(lease);
	if (lease)
		CU_ASSERT_EQUAL(lease->index, client->index);
	return lease;
}

static void test_random(void)
{
	unsigned resumed = 0, kept_cycles = 0;
	come_back();
	for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
		live();
		bool kept = die();
		come_back();
		kept_cycles += kept;
		for (unsigned i = 0; i < CLIENTS; i++)
			resumed += check_client(i, kept);
	}
	/* The test itself works: most come back, and some do not. */
	CU_ASSERT_TRUE(kept_cycles > CYCLES / 2 && kept_cycles < CYCLES);
	CU_ASSERT_TRUE(resumed > kept_cycles);
	CU_ASSERT_TRUE(world.resumed > CYCLES && world.lost > 0 && world.granted > 0);
	for (unsigned w = 0; w < world.workers; w++)
		pool_free(world.pools[w]);
}

static const struct unit_test tests[] = {
	{"each state", test_states},
	{"both tokens", test_both_tokens},
	{"quarantine goes on", test_quarantine},
	{"a wished lease alone", test_wished},
	{"a wait that ended", test_wait_ended},
	{"leases without a record", test_holes},
	{"torn and damaged", test_torn_and_damaged},
	{"foreign records", test_foreign},
	{"revisions", test_revisions},
	{"ticket secrets", test_tickets},
	{"killed 10,000 times", test_random},
};

UNIT_MAIN("lease_store", tests)
