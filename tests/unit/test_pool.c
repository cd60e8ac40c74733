/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rules of the pool one by one, and then thousands of random steps against
 * a model that is too simple to be wrong. */
#include "core/pool.h"
#include "core/siphash.h"
#include "unit.h"
#include "dice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t SECOND = 1000000, HOUR = UINT64_C(3600000000);

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix = {0};
	if (text && !prefix_parse(&prefix, text))
		abort();
	return prefix;
}

static struct pool *make(const char *ipv4, const char *ipv6, unsigned worker, unsigned workers)
{
	struct pool_settings settings = {
		.ipv4 = prefix_of(ipv4),
		.ipv6 = prefix_of(ipv6),
		.worker = worker,
		.workers = workers,
		.quarantine = 2 * HOUR,
		.resume_lifetime = HOUR,
	};
	struct pool *pool = NULL;
	if (pool_new(&pool, &settings, dice_fill) != 0)
		abort();
	return pool;
}

static const uint8_t instance_a[CONTROL_INSTANCE] = {0xa};
static const uint8_t instance_b[CONTROL_INSTANCE] = {0xb};
static const uint8_t instance_none[CONTROL_INSTANCE];

/* A copy of a token or key, as a peer would keep it. */
struct secret {
	uint8_t octets[POOL_TOKEN];
};

static struct secret keep(const uint8_t *octets)
{
	struct secret secret;
	memcpy(secret.octets, octets, POOL_TOKEN);
	return secret;
}

static struct lease *by_token(
	struct pool *pool, const struct secret *token, const char *identity, uint64_t now)
{
	struct view view = {token->octets, POOL_TOKEN};
	return pool_find_token(pool, &view, identity, now);
}

static struct lease *by_key(struct pool *pool, const struct secret *key)
{
	struct view view = {key->octets, POOL_TOKEN};
	return pool_find_join_key(pool, &view);
}

static void test_siphash(void)
{
	/* The example of the SipHash paper, appendix A. */
	uint8_t key[SIPHASH_KEY], input[15];
	for (uint8_t i = 0; i < sizeof(key); i++)
		key[i] = i;
	for (uint8_t i = 0; i < sizeof(input); i++)
		input[i] = i;
	CU_ASSERT_EQUAL(siphash(key, input, sizeof(input)), UINT64_C(0xa129ca6149be45e5));
	CU_ASSERT_EQUAL(siphash(key, input, 0), UINT64_C(0x726fdb47dd0e0e31));
	CU_ASSERT_EQUAL(siphash(key, input, 8), UINT64_C(0x93f5f5799a932462));
}

static void test_settings(void)
{
	static const struct {
		const char *ipv4, *ipv6;
		unsigned worker, workers;
		int result;
		uint32_t capacity;
	} cases[] = {
		{NULL, NULL, 0, 1, -EINVAL, 0},
		{"10.0.0.0/31", NULL, 0, 1, -EINVAL, 0},
		{"10.0.0.0/32", NULL, 0, 1, -EINVAL, 0},
		{"10.0.0.0/30", NULL, 0, 1, 0, 1},
		{"10.0.0.0/24", NULL, 0, 1, 0, 253},
		{"10.0.0.0/24", NULL, 0, 4, 0, 63},
		{"10.0.0.0/24", NULL, 1, 4, 0, 63},
		{"10.0.0.0/24", NULL, 2, 4, 0, 64},
		{"10.0.0.0/24", NULL, 3, 4, 0, 63},
		{"10.0.0.0/30", NULL, 3, 4, 0, 0},
		{"10.0.0.0/24", NULL, 4, 4, -EINVAL, 0},
		{"10.0.0.0/24", NULL, 0, 0, -EINVAL, 0},
		{NULL, "fd00::/64", 0, 1, -EINVAL, 0},
		{NULL, "fd00::/65", 0, 1, -EINVAL, 0},
		{NULL, "fd00::/63", 0, 1, -EINVAL, 0},
		{NULL, "fd00::/62", 0, 1, 0, 2},
		{NULL, "fd00::/48", 0, 1, 0, 65534},
		{"10.0.0.0/24", "fd00::/62", 0, 1, 0, 2},
		{"10.0.0.0/24", "fd00::/48", 0, 1, 0, 253},
		{"10.0.0.0/8", "fd00::/16", 0, 1, 0, POOL_LEASES_MAX - 2},
		{"0.0.0.0/0", "::/0", 0, 1, 0, POOL_LEASES_MAX - 2},
		{"fd00::/48", NULL, 0, 1, -EINVAL, 0},
		{NULL, "10.0.0.0/24", 0, 1, -EINVAL, 0},
		{"10.0.0.0/24", "fd00::/64", 0, 1, -EINVAL, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pool_settings settings = {
			.ipv4 = prefix_of(cases[i].ipv4),
			.ipv6 = prefix_of(cases[i].ipv6),
			.worker = cases[i].worker,
			.workers = cases[i].workers,
		};
		struct pool *pool = NULL;
		int result = pool_new(&pool, &settings, dice_fill);
		CU_ASSERT_EQUAL(result, cases[i].result);
		if (result == 0)
			CU_ASSERT_EQUAL(pool_usage(pool).capacity, cases[i].capacity);
		pool_free(pool);
	}
}

static bool is_text(const struct prefix *prefix, const char *expected)
{
	char text[PREFIX_TEXT_MAX];
	return strcmp(prefix_format(prefix, text), expected) == 0;
}

static void test_addresses(void)
{
	struct pool *pool = make("10.9.254.0/23", "fd12:3456:789a::/48", 1, 3);
	struct lease *lease = NULL;
	for (int i = 0; i < 100; i++)
		lease = pool_lease(pool, "", instance_none, 0);
	CU_ASSERT_EQUAL_FATAL(lease->index, 4 + 99 * 3);
	struct prefix inner4 = pool_inner4(pool, lease), inner6 = pool_inner6(pool, lease);
	CU_ASSERT_TRUE(is_text(&inner4, "10.9.255.45/32"));
	CU_ASSERT_TRUE(is_text(&inner6, "fd12:3456:789a:12d::1/64"));

	CU_ASSERT_PTR_EQUAL(pool_find_address(pool, 4, inner4.address.octets), lease);
	CU_ASSERT_PTR_EQUAL(pool_find_address(pool, 6, inner6.address.octets), lease);
	CU_ASSERT_TRUE(pool_owns(pool, lease, 4, inner4.address.octets));
	CU_ASSERT_TRUE(pool_owns(pool, lease, 6, inner6.address.octets));
	inner6.address.octets[9] = 0x77; /* the UE chooses its low bits */
	CU_ASSERT_PTR_EQUAL(pool_find_address(pool, 6, inner6.address.octets), lease);
	CU_ASSERT_TRUE(pool_owns(pool, lease, 6, inner6.address.octets));

	static const struct {
		const char *text;
		bool contained;
	} others[] = {
		{"10.9.254.0", true},    /* network */
		{"10.9.254.1", true},    /* TSCF */
		{"10.9.255.255", true},  /* broadcast */
		{"10.9.255.44", true},   /* worker 0 */
		{"10.9.255.46", true},   /* worker 2 */
		{"10.9.255.48", true},   /* ours, never used */
		{"10.9.253.255", false}, /* below */
		{"10.10.0.45", false},   /* above */
		{"fd12:3456:789a:12c::1", true},
		{"fd12:3456:789a:130::1", true},
		{"fd12:3456:789a:ffff::1", true},
		{"fd12:3456:789b:12d::1", false},
		{"fd12:3456:7899:12d::1", false},
		{"::10.9.255.45", false},
	};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct address address;
		CU_ASSERT_TRUE_FATAL(address_parse(&address, others[i].text));
		const uint8_t *octets = address.octets;
		CU_ASSERT_PTR_NULL(pool_find_address(pool, address.version, octets));
		CU_ASSERT_FALSE(pool_owns(pool, lease, address.version, octets));
		CU_ASSERT_EQUAL(pool_contains(pool, address.version, octets), others[i].contained);
	}
	pool_free(pool);
}

static void test_own_addresses(void)
{
	struct pool_settings both = {
		.ipv4 = prefix_of("10.9.254.0/23"), .ipv6 = prefix_of("fd12::/48")};
	struct pool_settings neither = {.workers = 1};
	char text[ADDRESS_TEXT_MAX];
	struct address own = pool_own4(&both);
	CU_ASSERT_STRING_EQUAL(address_format(&own, text), "10.9.254.1");
	own = pool_own6(&both);
	CU_ASSERT_STRING_EQUAL(address_format(&own, text), "fd12:0:0:1::1");
	CU_ASSERT_EQUAL(pool_own4(&neither).version, 0);
	CU_ASSERT_EQUAL(pool_own6(&neither).version, 0);

	struct pool *pool = make("10.9.254.0/23", NULL, 0, 1);
	struct lease *lease = pool_lease(pool, "a", instance_a, 0);
	CU_ASSERT_EQUAL(pool_inner6(pool, lease).address.version, 0);
	CU_ASSERT_EQUAL(pool_inner4(pool, lease).address.version, 4);
	pool_free(pool);
}

static void test_sticky(void)
{
	struct pool *pool = make("10.0.0.0/24", NULL, 0, 1);
	struct lease *first = pool_lease(pool, "a", instance_a, 0);
	/* Living: never taken over this way. */
	struct lease *second = pool_lease(pool, "a", instance_a, 0);
	CU_ASSERT_PTR_NOT_EQUAL(first, second);

	pool_release(pool, first, true, 1);
	CU_ASSERT_PTR_NOT_EQUAL(pool_lease(pool, "a", instance_b, 2), first);
	CU_ASSERT_PTR_NOT_EQUAL(pool_lease(pool, "b", instance_a, 2), first);
	CU_ASSERT_PTR_NOT_EQUAL(pool_lease(pool, "", instance_a, 2), first);
	CU_ASSERT_PTR_EQUAL(pool_lease(pool, "a", instance_a, 2), first);

	/* Of two, the one given up last. */
	pool_release(pool, second, false, 3);
	pool_release(pool, first, true, 4);
	CU_ASSERT_PTR_EQUAL(pool_lease(pool, "a", instance_a, 5 * HOUR), first);
	/* It sticks after the resume lifetime and in quarantine, too. */
	pool_release(pool, first, false, 6 * HOUR);
	CU_ASSERT_PTR_EQUAL(pool_lease(pool, "a", instance_a, 6 * HOUR), first);
	pool_free(pool);
}

static void test_strangers(void)
{
	struct pool *pool = make("10.0.0.0/24", NULL, 0, 1);
	struct lease *first = pool_lease(pool, "", instance_none, 0);
	pool_release(pool, first, false, 1);
	CU_ASSERT_PTR_NOT_EQUAL(pool_lease(pool, "", instance_none, 2), first);
	/* An identity alone, or an instance alone, is somebody. */
	struct lease *named = pool_lease(pool, "a", instance_none, 3);
	struct lease *installed = pool_lease(pool, "", instance_a, 3);
	pool_release(pool, named, false, 4);
	pool_release(pool, installed, false, 4);
	CU_ASSERT_PTR_EQUAL(pool_lease(pool, "", instance_a, 5), installed);
	CU_ASSERT_PTR_EQUAL(pool_lease(pool, "a", instance_none, 5), named);
	pool_free(pool);
}

/* An identity is compared as a whole or not at all. */
static void test_long_identity(void)
{
	char fits[POOL_IDENTITY_MAX], too_long[POOL_IDENTITY_MAX + 1];
	memset(fits, 'x', sizeof(fits));
	memset(too_long, 'x', sizeof(too_long));
	fits[sizeof(fits) - 1] = too_long[sizeof(too_long) - 1] = '\0';
	struct pool *pool = make("10.0.0.0/24", NULL, 0, 1);
	struct lease *lease = pool_lease(pool, fits, instance_a, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(lease);
	struct secret token = keep(lease->token);
	pool_release(pool, lease, true, 1);
	CU_ASSERT_PTR_NULL(pool_lease(pool, too_long, instance_a, 2));
	CU_ASSERT_PTR_NULL(by_token(pool, &token, too_long, 2));
	CU_ASSERT_PTR_EQUAL(by_token(pool, &token, fits, 2), lease);
	pool_free(pool);
}

static void test_order(void)
{
	struct pool *pool = make("10.0.0.0/29", NULL, 0, 1); /* 2 to 6 */
	struct lease *leases[5];
	for (uint32_t i = 0; i < 5; i++) {
		char identity[] = {(char)('a' + i), '\0'};
		leases[i] = pool_lease(pool, identity, instance_a, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(leases[i]);
		CU_ASSERT_EQUAL(leases[i]->index, i + 2);
	}
	CU_ASSERT_PTR_NULL(pool_lease(pool, "z", instance_a, 0));
	pool_release(pool, leases[3], false, 10 * SECOND); /* rests from 10 s */
	pool_release(pool, leases[0], true, 20 * SECOND);  /* rests from 1 h 20 s */
	pool_release(pool, leases[1], false, 30 * SECOND); /* rests from 30 s */
	CU_ASSERT_PTR_NULL(pool_lease(pool, "z", instance_a, 10 * SECOND + 2 * HOUR - 1));
	CU_ASSERT_PTR_EQUAL(pool_lease(pool, "z", instance_a, 10 * SECOND + 2 * HOUR), leases[3]);
	CU_ASSERT_PTR_NULL(pool_lease(pool, "z", instance_a, 10 * SECOND + 2 * HOUR));
	CU_ASSERT_PTR_EQUAL(pool_lease(pool, "y", instance_a, 30 * SECOND + 2 * HOUR), leases[1]);
	CU_ASSERT_PTR_NULL(pool_lease(pool, "x", instance_a, 20 * SECOND + 3 * HOUR - 1));
	CU_ASSERT_PTR_EQUAL(pool_lease(pool, "x", instance_a, 20 * SECOND + 3 * HOUR), leases[0]);
	/* Whose address went to another gets none back. */
	CU_ASSERT_PTR_NULL(pool_lease(pool, "a", instance_a, 20 * SECOND + 3 * HOUR));
	pool_free(pool);
}

static void test_resume_lifetime(void)
{
	struct pool *pool = make("10.0.0.0/24", NULL, 0, 1);
	struct lease *lease = pool_lease(pool, "a", instance_a, 0);
	lease->tunnel = &dice_state;
	struct secret token = keep(lease->token), key = keep(lease->join_key);
	CU_ASSERT_PTR_EQUAL(by_key(pool, &key), lease);
	CU_ASSERT_PTR_EQUAL(by_token(pool, &token, "a", 50 * HOUR), lease);
	pool_release(pool, lease, true, 100 * HOUR);
	CU_ASSERT_PTR_NULL(lease->tunnel);
	CU_ASSERT_PTR_NULL(by_key(pool, &key));
	CU_ASSERT_EQUAL(lease->state, LEASE_WAITING);
	CU_ASSERT_PTR_EQUAL(by_token(pool, &token, "a", 101 * HOUR - 1), lease);
	CU_ASSERT_PTR_NULL(by_token(pool, &token, "b", 101 * HOUR - 1));
	CU_ASSERT_PTR_NULL(by_token(pool, &token, "", 101 * HOUR - 1));
	CU_ASSERT_PTR_EQUAL(by_token(pool, &token, NULL, 101 * HOUR - 1), lease);
	CU_ASSERT_PTR_NULL(by_token(pool, &token, "a", 101 * HOUR));
	CU_ASSERT_EQUAL(lease->state, LEASE_RESTING);
	CU_ASSERT_EQUAL(lease->since, 101 * HOUR);
	pool_free(pool);
}

static void test_tokens(void)
{
	struct pool *pool = make("10.0.0.0/24", NULL, 0, 1);
	struct lease *lease = pool_lease(pool, "a", instance_a, 0);
	struct secret first = keep(lease->token), first_key = keep(lease->join_key);
	CU_ASSERT_EQUAL(get_u32(lease->token), lease->index);
	CU_ASSERT_NOT_EQUAL(memcmp(first.octets, first_key.octets, POOL_TOKEN), 0);
	CU_ASSERT_PTR_NULL(by_key(pool, &first));
	CU_ASSERT_PTR_NULL(by_token(pool, &first_key, "a", 0));

	/* A takeover while the old tunnel still looks alive. */
	CU_ASSERT_PTR_EQUAL(by_token(pool, &first, "a", 1), lease);
	pool_resume(pool, lease, 1);
	struct secret second = keep(lease->token), second_key = keep(lease->join_key);
	CU_ASSERT_PTR_NULL(by_key(pool, &first_key));
	CU_ASSERT_PTR_EQUAL(by_key(pool, &second_key), lease);
	CU_ASSERT_PTR_EQUAL(by_token(pool, &second, "a", 2), lease);

	/* The Response was lost, and the next one, too. */
	struct secret lost = second;
	for (int i = 0; i < 3; i++) {
		pool_release(pool, lease, true, 3);
		CU_ASSERT_PTR_EQUAL(by_token(pool, &first, "a", 4), lease);
		pool_resume(pool, lease, 4);
		CU_ASSERT_PTR_NULL(by_token(pool, &lost, "a", 5));
		lost = keep(lease->token);
	}
	/* It came, but nothing was heard after it: the peer uses the new one,
	 * which is from then on the one to fall back to. */
	CU_ASSERT_PTR_EQUAL(by_token(pool, &lost, "a", 6), lease);
	pool_resume(pool, lease, 6);
	CU_ASSERT_PTR_NULL(by_token(pool, &first, "a", 7));
	CU_ASSERT_PTR_EQUAL(by_token(pool, &lost, "a", 7), lease);
	lease_confirm(lease);
	CU_ASSERT_PTR_NULL(by_token(pool, &lost, "a", 8));
	struct secret last = keep(lease->token);
	CU_ASSERT_PTR_EQUAL(by_token(pool, &last, "a", 8), lease);

	/* A fresh lease of the same address voids them all. */
	pool_release(pool, lease, true, 9);
	CU_ASSERT_PTR_EQUAL(pool_lease(pool, "a", instance_a, 10), lease);
	CU_ASSERT_PTR_NULL(by_token(pool, &last, "a", 10));
	pool_free(pool);
}

static void test_forged_tokens(void)
{
	struct pool *pool = make("10.0.0.0/24", NULL, 1, 2);
	struct lease *lease = pool_lease(pool, "a", instance_a, 0);
	struct secret good = keep(lease->token), key = keep(lease->join_key);
	for (size_t i = 0; i < (size_t)POOL_TOKEN * 8; i++) {
		struct secret forged = good, forged_key = key;
		forged.octets[i / 8] ^= (uint8_t)(1 << i % 8);
		forged_key.octets[i / 8] ^= (uint8_t)(1 << i % 8);
		CU_ASSERT_PTR_NULL(by_token(pool, &forged, "a", 0));
		CU_ASSERT_PTR_NULL(by_key(pool, &forged_key));
	}
	static const uint32_t indexes[] = {0, 1, 2, 5, 255, 256, 1 << 20, UINT32_MAX};
	for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
		struct secret forged = {{0}};
		put_u32(forged.octets, indexes[i]);
		CU_ASSERT_PTR_NULL(by_token(pool, &forged, "a", 0));
		CU_ASSERT_PTR_NULL(by_key(pool, &forged));
	}
	struct view cut = {good.octets, POOL_TOKEN - 1}, empty = {NULL, 0};
	CU_ASSERT_PTR_NULL(pool_find_token(pool, &cut, "a", 0));
	CU_ASSERT_PTR_NULL(pool_find_token(pool, &empty, "a", 0));
	CU_ASSERT_PTR_NULL(pool_find_join_key(pool, &empty));
	CU_ASSERT_PTR_EQUAL(by_token(pool, &good, "a", 0), lease);

	/* What was wiped must not be found by zeros. */
	pool_release(pool, lease, false, 1);
	struct secret zeros = {{0}};
	put_u32(zeros.octets, lease->index);
	CU_ASSERT_PTR_NULL(by_token(pool, &zeros, "a", 2));
	CU_ASSERT_PTR_NULL(by_token(pool, &good, "a", 2));
	CU_ASSERT_PTR_EQUAL(pool_lease(pool, "a", instance_a, 3), lease);
	CU_ASSERT_PTR_NULL(by_token(pool, &zeros, "a", 3));
	pool_free(pool);
}

static void test_revoke_waiting(void)
{
	struct pool *pool = make("10.0.0.0/24", NULL, 0, 1);
	struct lease *lease = pool_lease(pool, "a", instance_a, 0);
	struct secret token = keep(lease->token);
	pool_release(pool, lease, true, 1);
	pool_release(pool, lease, true, 10); /* changes nothing, nor its age */
	CU_ASSERT_EQUAL(lease->since, 1);
	pool_release(pool, lease, false, 20);
	CU_ASSERT_EQUAL(lease->state, LEASE_RESTING);
	CU_ASSERT_PTR_NULL(by_token(pool, &token, "a", 21));
	pool_release(pool, lease, false, 30);
	CU_ASSERT_EQUAL(lease->since, 20);
	struct pool_use use = pool_usage(pool);
	CU_ASSERT(use.live == 0 && use.waiting == 0 && use.resting == 1 && use.never == 252);
	pool_free(pool);
}

static void test_next_live(void)
{
	struct pool *pool = make("10.0.0.0/16", NULL, 1, 2);
	enum { COUNT = 1000 };
	struct lease *leases[COUNT];
	CU_ASSERT_PTR_NULL(pool_next_live(pool, NULL));
	for (int i = 0; i < COUNT; i++)
		leases[i] = pool_lease(pool, "", instance_none, 0);
	for (int i = 0; i < COUNT; i++)
		if (i % 7)
			pool_release(pool, leases[i], i % 2, 1);
	int next = 0;
	for (struct lease *at = NULL; (at = pool_next_live(pool, at)); next += 7) {
		CU_ASSERT_PTR_EQUAL_FATAL(at, leases[next]);
		pool_release(pool, at, true, 2); /* while walking */
	}
	CU_ASSERT_EQUAL(next, 1001);
	CU_ASSERT_EQUAL(pool_usage(pool).live, 0);
	pool_free(pool);
}

/* --- the model: an array by index, searched from end to end --- */

enum { MODEL_PEERS = 40, MODEL_STEPS = 20000, MODEL_INDEXES = 256, MODEL_DEAD = 64 };

struct model_lease {
	enum lease_state state;
	uint64_t since;
	int peer; /* who had it last */
	struct secret token, old_token, key;
	bool has_old_token;
};

struct model {
	struct pool *pool;
	struct model_lease leases[MODEL_INDEXES];
	uint32_t gave_up[MODEL_PEERS];  /* the lease that a peer gave up last, or 0 */
	struct secret dead[MODEL_DEAD]; /* tokens and keys that were good once */
	unsigned worker, workers;
	uint32_t limit;
	uint64_t now, quarantine, lifetime;
};

static const char *identity_of(int peer)
{
	static const char *const names[] = {"anna", "bert", "carl", "dora"};
	return names[peer % 4];
}

static const uint8_t *instance_of(int peer)
{
	static uint8_t instance[CONTROL_INSTANCE];
	instance[15] = (uint8_t)(peer / 4 + 1);
	return instance;
}

static bool is_ours(const struct model *model, uint32_t index)
{
	return index >= 2 && index < model->limit && index % model->workers == model->worker;
}

static void bury(struct model *model, const struct secret *secret)
{
	model->dead[dice(MODEL_DEAD)] = *secret;
}

/* Ends waits, and checks that the pool sees every lease as the model does. */
static void model_check(struct model *model)
{
	struct pool_use use = {0};
	for (uint32_t i = 0; i < MODEL_INDEXES; i++) {
		struct model_lease *at = &model->leases[i];
		if (at->state == LEASE_WAITING && model->now - at->since >= model->lifetime) {
			at->state = LEASE_RESTING;
			at->since += model->lifetime;
			bury(model, &at->token);
		}
		if (!is_ours(model, i))
			continue;
		use.capacity++;
		use.never += at->state == LEASE_NEVER;
		use.live += at->state == LEASE_LIVE;
		use.waiting += at->state == LEASE_WAITING;
		use.resting += at->state == LEASE_RESTING;
	}
	/* A question with a time in it makes the pool end waits, too. */
	CU_ASSERT_PTR_NULL(by_token(model->pool, &model->dead[0], NULL, model->now));
	struct pool_use told = pool_usage(model->pool);
	CU_ASSERT_EQUAL_FATAL(memcmp(&told, &use, sizeof(use)), 0);

	struct lease *live = NULL;
	for (uint32_t i = 0; i < MODEL_INDEXES; i++) {
		uint8_t octets[4] = {10, 0, 0, (uint8_t)i};
		const struct model_lease *at = &model->leases[i];
		struct lease *lease = pool_find_address(model->pool, 4, octets);
		CU_ASSERT_EQUAL_FATAL(lease != NULL, at->state != LEASE_NEVER);
		if (!lease)
			continue;
		CU_ASSERT_EQUAL(lease->index, i);
		CU_ASSERT_EQUAL(lease->index % model->workers, model->worker);
		CU_ASSERT_EQUAL_FATAL(lease->state, at->state);
		CU_ASSERT_EQUAL_FATAL(lease->since, at->since);
		if (at->state == LEASE_LIVE)
			CU_ASSERT_PTR_EQUAL_FATAL(live = pool_next_live(model->pool, live), lease);
	}
	CU_ASSERT_PTR_NULL(pool_next_live(model->pool, live));
}

/* Is this the lease that the rules name for the peer?  0: none. */
static bool model_allows(const struct model *model, int peer, uint32_t index)
{
	if (model->gave_up[peer])
		return index == model->gave_up[peer];
	uint64_t oldest = UINT64_MAX;
	for (uint32_t i = 0; i < model->limit; i++) {
		const struct model_lease *at = &model->leases[i];
		if (is_ours(model, i) && at->state == LEASE_NEVER)
			return is_ours(model, index) && model->leases[index].state == LEASE_NEVER;
		if (at->state == LEASE_RESTING && model->now - at->since >= model->quarantine &&
			at->since < oldest)
			oldest = at->since;
	}
	if (oldest == UINT64_MAX)
		return index == 0;
	return model->leases[index].state == LEASE_RESTING && model->leases[index].since == oldest;
}

static void model_take(struct model *model, const struct lease *lease, int peer)
{
	struct model_lease *at = &model->leases[lease->index];
	if (model->gave_up[at->peer] == lease->index)
		model->gave_up[at->peer] = 0;
	if (at->state != LEASE_LIVE)
		at->since = model->now;
	at->state = LEASE_LIVE;
	at->peer = peer;
	at->token = keep(lease->token);
	at->key = keep(lease->join_key);
}

static void step_lease(struct model *model)
{
	int peer = (int)dice(MODEL_PEERS);
	struct lease *lease =
		pool_lease(model->pool, identity_of(peer), instance_of(peer), model->now);
	CU_ASSERT_TRUE_FATAL(model_allows(model, peer, lease ? lease->index : 0));
	if (!lease)
		return;
	CU_ASSERT_STRING_EQUAL(lease->identity, identity_of(peer));
	CU_ASSERT_EQUAL(memcmp(lease->instance, instance_of(peer), CONTROL_INSTANCE), 0);
	struct model_lease *at = &model->leases[lease->index];
	if (at->state != LEASE_NEVER)
		bury(model, &at->token);
	at->has_old_token = false;
	model_take(model, lease, peer);
}

/* Any address at all, whosever it is. */
static void step_wish(struct model *model)
{
	int peer = (int)dice(MODEL_PEERS);
	uint32_t index = dice(model->limit + 2);
	struct model_lease *at = &model->leases[index];
	bool is_heir = at->peer == peer;
	bool good = index >= 2 && index < model->limit && is_ours(model, index) &&
		    (at->state == LEASE_NEVER || (at->state == LEASE_WAITING && is_heir) ||
			    (at->state == LEASE_RESTING &&
				    (is_heir || model->now - at->since >= model->quarantine)));
	struct lease *lease = pool_find_wished(
		model->pool, index, identity_of(peer), instance_of(peer), model->now);
	CU_ASSERT_EQUAL_FATAL(lease != NULL, good);
	if (!good)
		return;
	CU_ASSERT_EQUAL_FATAL(lease->index, index);
	if (dice(4) == 0)
		return; /* found, and not taken: nothing has changed */
	pool_give(model->pool, lease, identity_of(peer), instance_of(peer), model->now);
	CU_ASSERT_STRING_EQUAL(lease->identity, identity_of(peer));
	CU_ASSERT_EQUAL(memcmp(lease->instance, instance_of(peer), CONTROL_INSTANCE), 0);
	if (at->state != LEASE_NEVER)
		bury(model, &at->token);
	at->has_old_token = false;
	model_take(model, lease, peer);
}

static struct lease *any_lease(const struct model *model)
{
	uint8_t octets[4] = {10, 0, 0, (uint8_t)dice(model->limit)};
	return pool_find_address(model->pool, 4, octets);
}

static void step_release(struct model *model)
{
	struct lease *lease = any_lease(model);
	if (!lease || model->leases[lease->index].state != LEASE_LIVE)
		return;
	struct model_lease *at = &model->leases[lease->index];
	bool may_resume = dice(3) != 0;
	pool_release(model->pool, lease, may_resume, model->now);
	at->state = may_resume ? LEASE_WAITING : LEASE_RESTING;
	at->since = model->now;
	model->gave_up[at->peer] = lease->index;
	bury(model, &at->key);
	if (!may_resume)
		bury(model, &at->token);
}

static void step_resume(struct model *model)
{
	struct lease *lease = any_lease(model);
	if (!lease)
		return;
	struct model_lease *at = &model->leases[lease->index];
	bool by_old = at->has_old_token && dice(2);
	struct secret shown = by_old ? at->old_token : at->token;
	bool good = at->state == LEASE_LIVE || at->state == LEASE_WAITING;
	CU_ASSERT_PTR_NULL(by_token(model->pool, &shown, identity_of(at->peer + 1), model->now));
	struct lease *found = by_token(model->pool, &shown, identity_of(at->peer), model->now);
	CU_ASSERT_PTR_EQUAL_FATAL(found, good ? lease : NULL);
	if (!found)
		return;
	bury(model, by_old ? &at->token : at->has_old_token ? &at->old_token : &at->key);
	pool_resume(model->pool, found, model->now);
	at->old_token = shown;
	at->has_old_token = true;
	bury(model, &at->key);
	model_take(model, found, at->peer);
}

static void step_confirm(struct model *model)
{
	struct lease *lease = any_lease(model);
	if (!lease || !model->leases[lease->index].has_old_token || lease->state != LEASE_LIVE)
		return;
	lease_confirm(lease);
	bury(model, &model->leases[lease->index].old_token);
	model->leases[lease->index].has_old_token = false;
}

static void step_probe(struct model *model)
{
	const struct secret *dead = &model->dead[dice(MODEL_DEAD)];
	CU_ASSERT_PTR_NULL(by_token(model->pool, dead, NULL, model->now));
	CU_ASSERT_PTR_NULL(by_key(model->pool, dead));
	struct lease *lease = any_lease(model);
	if (!lease)
		return;
	bool lives = lease->state == LEASE_LIVE;
	CU_ASSERT_PTR_EQUAL(
		by_key(model->pool, &model->leases[lease->index].key), lives ? lease : NULL);
}

static void run_model(const char *ipv4, uint32_t limit, unsigned worker, unsigned workers)
{
	static struct model model;
	memset(&model, 0, sizeof(model));
	model = (struct model){.pool = make(ipv4, NULL, worker, workers),
		.worker = worker,
		.workers = workers,
		.limit = limit,
		.quarantine = 2 * HOUR,
		.lifetime = HOUR};
	static void (*const steps[])(struct model *) = {step_lease, step_lease, step_wish,
		step_release, step_resume, step_confirm, step_probe};
	for (int i = 0; i < MODEL_STEPS; i++) {
		/* Sometimes nothing, mostly little, now and then long. */
		uint32_t kind = dice(100);
		if (kind > 20)
			model.now += dice(kind > 98 ? (uint32_t)HOUR : 60 * (uint32_t)SECOND);
		model_check(&model);
		steps[dice(sizeof(steps) / sizeof(steps[0]))](&model);
	}
	pool_free(model.pool);
}

static void test_model(void)
{
	run_model("10.0.0.0/28", 15, 0, 1);
	run_model("10.0.0.0/26", 63, 0, 1);
	run_model("10.0.0.0/25", 127, 2, 3);
	run_model("10.0.0.0/24", 255, 1, 7);
}

static void test_wished_index(void)
{
	static const struct {
		const char *ipv4, *ipv6;
		uint32_t index; /* 0: no lease has them */
	} cases[] = {
		{NULL, NULL, 0},
		{"10.9.254.9", NULL, 9},
		{NULL, "fd12:0:0:9::1", 9},
		{NULL, "fd12:0:0:9::77", 9},
		{"10.9.254.9", "fd12:0:0:9::1", 9},
		{"10.9.254.9", "fd12:0:0:a::1", 0},
		{"10.9.254.9", "fd13:0:0:9::1", 0},
		{"10.8.254.9", "fd12:0:0:9::1", 0},
		{"10.9.254.1", NULL, 0},   /* the TSCF's own */
		{"10.9.255.255", NULL, 0}, /* broadcast */
		{NULL, "fd12::1", 0},
	};
	struct pool *pool = make("10.9.254.0/23", "fd12::/48", 1, 3);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address ipv4 = {0}, ipv6 = {0};
		uint32_t index = 0;
		CU_ASSERT_TRUE(!cases[i].ipv4 || address_parse(&ipv4, cases[i].ipv4));
		CU_ASSERT_TRUE(!cases[i].ipv6 || address_parse(&ipv6, cases[i].ipv6));
		bool known = pool_wished_index(pool, &ipv4, &ipv6, &index);
		CU_ASSERT_EQUAL(known, cases[i].index != 0);
		if (known)
			CU_ASSERT_EQUAL(index, cases[i].index);
	}
	pool_free(pool);
}

/* Who comes from another TSCF may keep its addresses, and takes nobody else's. */
static void test_wish(void)
{
	struct pool *pool = make("10.0.0.0/16", NULL, 0, 1);
	CU_ASSERT_PTR_NULL(pool_find_wished(pool, 1, "a", instance_a, 0));
	CU_ASSERT_PTR_NULL(pool_find_wished(pool, 65535, "a", instance_a, 0));
	struct lease *high = pool_find_wished(pool, 60000, "a", instance_a, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(high);
	CU_ASSERT_EQUAL(high->state, LEASE_NEVER);
	pool_give(pool, high, "a", instance_a, 0);
	CU_ASSERT_EQUAL(pool_usage(pool).live, 1);
	CU_ASSERT_EQUAL(pool_usage(pool).never, 65533 - 1);
	CU_ASSERT_PTR_EQUAL(pool_next_live(pool, NULL), high);
	CU_ASSERT_PTR_NULL(pool_find_wished(pool, 60000, "b", instance_b, 0));
	/* Not even by the same one while it is alive, as with a sticky lease. */
	CU_ASSERT_PTR_NULL(pool_find_wished(pool, 60000, "a", instance_a, 0));

	/* It is not given out again when the fresh ones come to it. */
	struct lease *third = pool_find_wished(pool, 3, "c", instance_a, 0);
	pool_give(pool, third, "c", instance_a, 0);
	CU_ASSERT_EQUAL(pool_lease(pool, "x", instance_a, 0)->index, 2);
	CU_ASSERT_EQUAL(pool_lease(pool, "y", instance_a, 0)->index, 4);

	/* Waiting and resting: its own only; after the quarantine anybody's. */
	pool_release(pool, high, true, 0);
	CU_ASSERT_PTR_NULL(pool_find_wished(pool, 60000, "b", instance_b, 1));
	CU_ASSERT_PTR_NULL(pool_find_wished(pool, 60000, "a", instance_b, 1));
	CU_ASSERT_PTR_EQUAL(pool_find_wished(pool, 60000, "a", instance_a, 1), high);
	CU_ASSERT_PTR_NULL(pool_find_wished(pool, 60000, "b", instance_b, 3 * HOUR - 1));
	CU_ASSERT_PTR_EQUAL(pool_find_wished(pool, 60000, "a", instance_a, 3 * HOUR - 1), high);
	CU_ASSERT_PTR_EQUAL(pool_find_wished(pool, 60000, "b", instance_b, 3 * HOUR), high);
	pool_free(pool);
}

/* One peer gives up all leases of a big pool and strangers get them, in
 * moments: nothing that is done per lease depends on how many there are. */
static void test_big(void)
{
	struct pool *pool = make("10.0.0.0/8", "fd00::/32", 7, 8);
	struct lease *lease = NULL;
	uint32_t count = 0;
	for (struct lease *next; (next = pool_lease(pool, "big", instance_a, 0)); count++)
		lease = next;
	CU_ASSERT_EQUAL(count, POOL_LEASES_MAX / 8);
	CU_ASSERT_EQUAL(lease->index, POOL_LEASES_MAX - 1);
	for (struct lease *at = NULL; (at = pool_next_live(pool, at));)
		pool_release(pool, at, false, 1);
	CU_ASSERT_EQUAL(pool_usage(pool).resting, count);
	uint32_t again = 0;
	while (pool_lease(pool, "", instance_none, 1 + 2 * HOUR))
		again++;
	CU_ASSERT_EQUAL(again, count);
	pool_free(pool);
}

static const struct unit_test tests[] = {
	{"SipHash as published", test_siphash},
	{"settings and capacity", test_settings},
	{"addresses and indexes", test_addresses},
	{"the TSCF's own addresses", test_own_addresses},
	{"leases stick to identity and instance", test_sticky},
	{"strangers inherit nothing", test_strangers},
	{"an identity is never cut", test_long_identity},
	{"never used first, then oldest after quarantine", test_order},
	{"resume lifetime", test_resume_lifetime},
	{"tokens across lost responses", test_tokens},
	{"forged tokens", test_forged_tokens},
	{"revoking a waiting lease", test_revoke_waiting},
	{"walking the living", test_next_live},
	{"which lease a wish means", test_wished_index},
	{"wishes", test_wish},
	{"random steps against the model", test_model},
	{"a big pool", test_big},
};

UNIT_MAIN("pool", tests)
