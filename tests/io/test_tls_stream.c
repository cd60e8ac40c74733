/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Octets through TLS: all of them, in order, however sockets and callers cut
 * them; new keys on the way; sessions that are resumed; memory when idle. */
#include "../unit/unit.h"
#include "tls_pair.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IDLE_OCTETS_MAX = 4096, UNSENT_MAX = 65536, TURNS_MAX = 2000000 };

static const struct pair_settings good = {
	.server_certificate = "server",
	.client_certificate = "client",
	.server_ca = "ca",
	.client_ca = "ca",
	.host = "tscf.example",
};

/* One direction: a stream whose octet number n is known, so that nothing need
 * be stored. */
struct flow {
	struct tls *from, *to;
	size_t total, written, received;
	size_t chunk, room;  /* of one tls_write and one tls_read */
	size_t update_every; /* octets between key updates, 0: none */
	size_t blocked;      /* how often the socket was full */
	bool wrong;
};

static uint8_t octet_at(size_t n)
{
	return (uint8_t)(n * 2654435761u >> 13 ^ n);
}

static void flow_write(struct flow *flow)
{
	static _Thread_local uint8_t octets[1 << 20];
	while (flow->written < flow->total && tls_unsent(flow->from) < UNSENT_MAX) {
		size_t length = flow->total - flow->written;
		length = length < flow->chunk ? length : flow->chunk;
		for (size_t i = 0; i < length; i++)
			octets[i] = octet_at(flow->written + i);
		if (flow->update_every &&
			flow->written / flow->update_every !=
				(flow->written + length) / flow->update_every &&
			!tls_update_keys(flow->from))
			flow->wrong = true;
		if (tls_write(flow->from, octets, length) != TLS_OK)
			flow->wrong = true;
		flow->written += length;
	}
	if (tls_flush(flow->from) == TLS_WANT_WRITE)
		flow->blocked++;
}

static void flow_read(struct flow *flow)
{
	static _Thread_local uint8_t octets[1 << 20];
	size_t got;
	enum tls_result result;
	do {
		result = tls_read(flow->to, octets, flow->room, &got);
		for (size_t i = 0; i < got; i++)
			if (octets[i] != octet_at(flow->received + i))
				flow->wrong = true;
		flow->received += got;
	} while (result == TLS_OK);
	if (result != TLS_WANT_READ || tls_has_more(flow->to))
		flow->wrong = true;
}

/* Both directions at once. */
static bool carry(struct flow *up, struct flow *down)
{
	for (int turn = 0; turn < TURNS_MAX; turn++) {
		flow_write(up);
		flow_write(down);
		flow_read(up);
		flow_read(down);
		if (up->wrong || down->wrong)
			return false;
		if (up->received == up->total && down->received == down->total)
			return true;
	}
	return false;
}

static void carry_all(const struct pair *pair, bool must_block)
{
	static const struct {
		size_t total, chunk, room;
	} rows[] = {
		{1, 1, 1},
		{2, 1, 16384},
		{3, 3, 1},
		{1000, 7, 13},
		{16383, 16383, 65536},
		{16384, 16384, 16384},
		{16385, 16385, 16384},
		{65536, 65536, 65537},
		{100003, 4093, 1021},
		{1 << 20, 1000, 16384},
		{1 << 20, 1 << 20, 1 << 20},
		{1 << 20, 50021, 3001},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flow up = {.from = pair->client.tls,
			.to = pair->server.tls,
			.total = rows[i].total,
			.chunk = rows[i].chunk,
			.room = rows[i].room};
		struct flow down = up;
		down.from = pair->server.tls;
		down.to = pair->client.tls;
		down.chunk =
			rows[i].chunk * 2 > sizeof(int) << 18 ? rows[i].chunk : rows[i].chunk * 2;
		bool carried = carry(&up, &down);
		CU_ASSERT_TRUE(carried);
		if (!carried)
			printf("\n    row %zu: %zu of %zu up, %zu down; %s %s\n", i, up.received,
				up.total, down.received, tls_reason(pair->client.tls),
				tls_reason(pair->server.tls));
		if (must_block && rows[i].total > 100000)
			CU_ASSERT_TRUE(up.blocked > 0 && down.blocked > 0);
		/* Idle again: nothing is held that was needed on the way. */
		CU_ASSERT_EQUAL(tls_unsent(pair->client.tls), 0);
		CU_ASSERT_TRUE(tls_memory(pair->client.tls) < IDLE_OCTETS_MAX);
		CU_ASSERT_TRUE(tls_memory(pair->server.tls) < IDLE_OCTETS_MAX);
	}
}

static void test_carries(void)
{
	struct pair pair;
	CU_ASSERT_TRUE_FATAL(pair_open(&pair, &good));
	carry_all(&pair, false);
	pair_close(&pair);
}

static void test_small_buffers(void)
{
	struct pair pair;
	CU_ASSERT_EQUAL_FATAL(pair_contexts(&pair, &good), 0);
	CU_ASSERT_TRUE_FATAL(pair_connect(&pair, &good, true));
	pair_handshake(&pair);
	CU_ASSERT_EQUAL_FATAL(pair.client.result, TLS_OK);
	carry_all(&pair, true);
	pair_close(&pair);
}

/* Moves one octet, if there is one. */
static bool relay(int from, int to)
{
	uint8_t octet;
	return recv(from, &octet, 1, 0) == 1 && send(to, &octet, 1, MSG_NOSIGNAL) == 1;
}

/* client -- pair.server.fd (us) other.client.fd -- server: a handshake and a
 * record of which each end sees one octet at a time. */
static void test_octet_by_octet(void)
{
	struct pair pair, other;
	CU_ASSERT_EQUAL_FATAL(pair_contexts(&pair, &good), 0);
	CU_ASSERT_TRUE_FATAL(pair_connect(&pair, &good, false));
	CU_ASSERT_EQUAL_FATAL(pair_contexts(&other, &good), 0);
	CU_ASSERT_TRUE_FATAL(pair_connect(&other, &good, false));
	enum tls_result client = tls_handshake(pair.client.tls), server = TLS_WANT_READ;
	for (bool moved = true; moved;) {
		moved = relay(pair.server.fd, other.client.fd);
		if (moved && server == TLS_WANT_READ)
			server = tls_handshake(other.server.tls);
		if (!relay(other.client.fd, pair.server.fd))
			continue;
		moved = true;
		if (client == TLS_WANT_READ)
			client = tls_handshake(pair.client.tls);
	}
	CU_ASSERT_EQUAL(client, TLS_OK);
	CU_ASSERT_EQUAL(server, TLS_OK);
	uint8_t octets[100], out[100];
	memset(octets, 'x', sizeof(octets));
	CU_ASSERT_EQUAL(tls_write(pair.client.tls, octets, sizeof(octets)), TLS_OK);
	CU_ASSERT_EQUAL(tls_flush(pair.client.tls), TLS_OK);
	size_t got = 0;
	enum tls_result result = TLS_WANT_READ;
	while (result == TLS_WANT_READ && relay(pair.server.fd, other.client.fd))
		result = tls_read(other.server.tls, out, sizeof(out), &got);
	CU_ASSERT_EQUAL(result, TLS_OK);
	CU_ASSERT_EQUAL(got, sizeof(octets));
	CU_ASSERT_EQUAL(memcmp(octets, out, sizeof(octets)), 0);
	pair_close(&pair);
	pair_close(&other);
}

/* Nothing leaves before tls_flush, and then all in one piece. */
static void test_collects(void)
{
	struct pair pair;
	uint8_t octet = 'x', octets[64];
	CU_ASSERT_TRUE_FATAL(pair_open(&pair, &good));
	pair_settle(&pair);
	for (int i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(tls_write(pair.client.tls, &octet, 1), TLS_OK);
	CU_ASSERT_EQUAL(recv(pair.server.fd, octets, sizeof(octets), MSG_PEEK), -1);
	size_t unsent = tls_unsent(pair.client.tls), got;
	CU_ASSERT_TRUE(unsent > 10);
	CU_ASSERT_EQUAL(tls_flush(pair.client.tls), TLS_OK);
	CU_ASSERT_EQUAL(tls_unsent(pair.client.tls), 0);
	CU_ASSERT_EQUAL(tls_read(pair.server.tls, octets, 4, &got), TLS_OK);
	CU_ASSERT_EQUAL(got, 4);
	CU_ASSERT_TRUE(tls_has_more(pair.server.tls));
	CU_ASSERT_EQUAL(tls_read(pair.server.tls, octets, sizeof(octets), &got), TLS_OK);
	CU_ASSERT_EQUAL(got, 6);
	CU_ASSERT_FALSE(tls_has_more(pair.server.tls));
	pair_close(&pair);
}

static void test_key_updates(void)
{
	struct pair pair;
	CU_ASSERT_TRUE_FATAL(pair_open(&pair, &good));
	struct flow up = {.from = pair.client.tls,
		.to = pair.server.tls,
		.total = 2 << 20,
		.chunk = 3001,
		.room = 65536,
		.update_every = 50000};
	struct flow down = up;
	down.from = pair.server.tls;
	down.to = pair.client.tls;
	down.update_every = 70000;
	CU_ASSERT_TRUE(carry(&up, &down));
	pair_close(&pair);
}

/* Threads have a connection each: the keys of one never meet those of another. */
enum { THREADS = 4 };

static void *update_in_thread(void *argument)
{
	struct pair *pair = argument;
	struct flow up = {.from = pair->client.tls,
		.to = pair->server.tls,
		.total = 1 << 20,
		.chunk = 1999,
		.room = 65536,
		.update_every = 7000};
	struct flow down = up;
	down.from = pair->server.tls;
	down.to = pair->client.tls;
	down.update_every = 11000;
	tls_thread_init();
	bool carried = carry(&up, &down);
	tls_thread_fini();
	return carried ? pair : NULL;
}

static void test_key_updates_in_threads(void)
{
	struct pair pairs[THREADS];
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		CU_ASSERT_TRUE_FATAL(pair_open(&pairs[i], &good));
	for (int i = 0; i < THREADS; i++)
		CU_ASSERT_EQUAL_FATAL(
			pthread_create(&threads[i], NULL, update_in_thread, &pairs[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		void *carried = NULL;
		CU_ASSERT_EQUAL(pthread_join(threads[i], &carried), 0);
		CU_ASSERT_PTR_EQUAL(carried, &pairs[i]);
		pair_close(&pairs[i]);
	}
}

/* A peer that asks for new keys and never reads is given up in time. */
static void test_key_update_flood(void)
{
	struct pair pair;
	uint8_t octets[64];
	size_t got;
	enum tls_result result = TLS_WANT_READ;
	CU_ASSERT_EQUAL_FATAL(pair_contexts(&pair, &good), 0);
	CU_ASSERT_TRUE_FATAL(pair_connect(&pair, &good, true));
	pair_handshake(&pair);
	CU_ASSERT_EQUAL_FATAL(pair.server.result, TLS_OK);
	for (int i = 0; i < 100000 && result == TLS_WANT_READ; i++) {
		CU_ASSERT_TRUE_FATAL(tls_update_keys(pair.client.tls));
		tls_flush(pair.client.tls);
		result = tls_read(pair.server.tls, octets, sizeof(octets), &got);
		CU_ASSERT_TRUE_FATAL(tls_memory(pair.server.tls) < 4 * UNSENT_MAX);
	}
	CU_ASSERT_EQUAL(result, TLS_FAILED);
	CU_ASSERT_PTR_NOT_NULL(strstr(tls_reason(pair.server.tls), "new keys"));
	pair_close(&pair);
}

/* The peer's last message is read although our own sending has failed. */
static void test_last_words(void)
{
	struct pair pair;
	uint8_t octets[64] = {0};
	size_t got;
	CU_ASSERT_TRUE_FATAL(pair_open(&pair, &good));
	pair_settle(&pair);
	CU_ASSERT_EQUAL(tls_write(pair.server.tls, (const uint8_t *)"goodbye", 7), TLS_OK);
	tls_close(pair.server.tls);
	shutdown(pair.server.fd, SHUT_RDWR);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(tls_write(pair.client.tls, octets, sizeof(octets)), TLS_OK);
		CU_ASSERT_EQUAL(tls_flush(pair.client.tls), TLS_OK);
		CU_ASSERT_EQUAL(tls_unsent(pair.client.tls), 0);
	}
	CU_ASSERT_EQUAL(tls_read(pair.client.tls, octets, sizeof(octets), &got), TLS_OK);
	CU_ASSERT_EQUAL(got, 7);
	CU_ASSERT_EQUAL(memcmp(octets, "goodbye", 7), 0);
	CU_ASSERT_EQUAL(tls_read(pair.client.tls, octets, sizeof(octets), &got), TLS_CLOSED);
	pair_close(&pair);
}

/* A changed record ends the connection; its octets are never delivered. */
static void test_changed_record(void)
{
	struct pair pair;
	uint8_t octets[256];
	size_t got;
	CU_ASSERT_TRUE_FATAL(pair_open(&pair, &good));
	pair_settle(&pair);
	CU_ASSERT_EQUAL(tls_write(pair.client.tls, (const uint8_t *)"payload", 7), TLS_OK);
	CU_ASSERT_EQUAL(tls_flush(pair.client.tls), TLS_OK);
	ssize_t length = read(pair.server.fd, octets, sizeof(octets));
	CU_ASSERT_TRUE_FATAL(length > 20);
	octets[length - 1] ^= 1;
	CU_ASSERT_EQUAL(write(pair.client.fd, octets, (size_t)length), length);
	CU_ASSERT_EQUAL(tls_read(pair.server.tls, octets, sizeof(octets), &got), TLS_FAILED);
	CU_ASSERT_EQUAL(got, 0);
	CU_ASSERT_EQUAL(tls_failure(pair.server.tls), TLS_FAILURE_OTHER);
	CU_ASSERT_EQUAL(tls_read(pair.client.tls, octets, sizeof(octets), &got), TLS_FAILED);
	CU_ASSERT_PTR_NOT_NULL(strstr(tls_reason(pair.client.tls), "changed"));
	pair_close(&pair);
}

/* Connects once more with `session`; returns whether both say it was resumed. */
static bool resumes(
	struct pair *pair, const struct pair_settings *settings, const struct tls_session *session)
{
	char name[64];
	pair_disconnect(pair);
	CU_ASSERT_TRUE_FATAL(pair_connect(pair, settings, false));
	bool offered = tls_resume(pair->client.tls, session);
	pair_handshake(pair);
	CU_ASSERT_EQUAL_FATAL(pair->client.result, TLS_OK);
	CU_ASSERT_EQUAL_FATAL(pair->server.result, TLS_OK);
	bool resumed = tls_resumed(pair->client.tls);
	CU_ASSERT_EQUAL(tls_resumed(pair->server.tls), resumed);
	CU_ASSERT_TRUE(offered || !resumed);
	/* Nobody is named who has not shown a certificate. */
	CU_ASSERT_EQUAL(tls_peer_name(pair->server.tls, name, sizeof(name)), !resumed);
	CU_ASSERT_EQUAL(tls_peer_name(pair->client.tls, name, sizeof(name)), !resumed);
	struct flow up = {.from = pair->client.tls,
		.to = pair->server.tls,
		.total = 100000,
		.chunk = 1000,
		.room = 1000};
	struct flow down = up;
	down.from = pair->server.tls;
	down.to = pair->client.tls;
	CU_ASSERT_TRUE(carry(&up, &down));
	return resumed;
}

static void test_resumption(void)
{
	static const uint8_t secret[32] = {1, 2, 3}, other_secret[32] = {3, 2, 1};
	struct pair_settings settings = good, elsewhere = good;
	struct pair pair, fresh;
	settings.ticket_lifetime = 3600;
	settings.ticket_secret = secret;
	CU_ASSERT_TRUE_FATAL(pair_open(&pair, &settings));
	pair_settle(&pair);
	struct tls_session *session = tls_session_take(pair.client.tls);
	CU_ASSERT_PTR_NOT_NULL_FATAL(session);
	/* One ticket serves several connections. */
	for (int i = 0; i < 3; i++)
		CU_ASSERT_TRUE(resumes(&pair, &settings, session));
	/* Not for another name, even of the same certificate. */
	elsewhere.host = "a.wild.example";
	CU_ASSERT_FALSE(resumes(&pair, &elsewhere, session));
	/* A restarted server with the same secret honours it, and so does one that
	 * has a new secret and still knows this one; one with another secret (as
	 * after a revocation) falls back to a full handshake. */
	for (int i = 0; i < 3; i++) {
		settings.ticket_secret = i == 0 ? secret : other_secret;
		settings.old_ticket_secret = i == 1 ? secret : NULL;
		CU_ASSERT_EQUAL_FATAL(pair_contexts(&fresh, &settings), 0);
		tls_context_unref(pair.server.context);
		pair.server.context = fresh.server.context;
		fresh.server.context = NULL;
		CU_ASSERT_EQUAL(resumes(&pair, &settings, session), i < 2);
		pair_close(&fresh);
	}
	tls_session_free(session);
	CU_ASSERT_PTR_NULL(tls_session_take(pair.server.tls));
	pair_close(&pair);
}

/* Ticket keys are good in their own period and the next, but no longer.  Time
 * is not waited for: other lifetimes cut it into other periods. */
static void test_ticket_periods(void)
{
	static const uint8_t secret[32] = {9};
	struct pair_settings settings = good;
	struct pair pair, fresh;
	settings.ticket_secret = secret;
	settings.ticket_lifetime = 100000000; /* counts as seven days */
	uint64_t now = (uint64_t)time(NULL), period = now / 604800;
	CU_ASSERT_TRUE_FATAL(pair_open(&pair, &settings));
	pair_settle(&pair);
	struct tls_session *session = tls_session_take(pair.client.tls);
	CU_ASSERT_PTR_NOT_NULL_FATAL(session);
	for (uint64_t later = 0; later < 3; later++) {
		settings.ticket_lifetime = (uint32_t)(later ? now / (period + later) : 604800);
		CU_ASSERT_EQUAL_FATAL(now / settings.ticket_lifetime, period + later);
		CU_ASSERT_EQUAL_FATAL(pair_contexts(&fresh, &settings), 0);
		tls_context_unref(pair.server.context);
		pair.server.context = fresh.server.context;
		fresh.server.context = NULL;
		CU_ASSERT_EQUAL(resumes(&pair, &settings, session), later < 2);
		pair_close(&fresh);
	}
	tls_session_free(session);
	pair_close(&pair);
}

/* Not by another client context: it might have another pin or CA. */
static void test_resumption_other_context(void)
{
	static const uint8_t secret[32] = {1};
	struct pair_settings settings = good;
	struct pair pair, other;
	settings.ticket_secret = secret;
	CU_ASSERT_TRUE_FATAL(pair_open(&pair, &settings));
	pair_settle(&pair);
	struct tls_session *session = tls_session_take(pair.client.tls);
	CU_ASSERT_PTR_NOT_NULL_FATAL(session);
	CU_ASSERT_EQUAL_FATAL(pair_contexts(&other, &settings), 0);
	CU_ASSERT_FALSE(resumes(&other, &settings, session));
	CU_ASSERT_TRUE(resumes(&pair, &settings, session));
	pair_close(&other);
	tls_session_free(session);
	pair_close(&pair);
}

static const struct unit_test tests[] = {
	{"every octet, in order", test_carries},
	{"small socket buffers", test_small_buffers},
	{"octet by octet", test_octet_by_octet},
	{"several records leave together", test_collects},
	{"key updates under load", test_key_updates},
	{"key updates in threads", test_key_updates_in_threads},
	{"key updates without end", test_key_update_flood},
	{"a peer's last words", test_last_words},
	{"a changed record", test_changed_record},
	{"resumption", test_resumption},
	{"periods of ticket keys", test_ticket_periods},
	{"resumption by another context", test_resumption_other_context},
};

/* All of it twice: who computes AES-GCM must make no difference. */
int main(void)
{
	static const char *const providers[] = {"wolfssl", "libcrypto"};
	int status = EXIT_SUCCESS;
	if (!certificates_make())
		return EXIT_FAILURE;
	for (int i = 0; i < 2; i++) {
		struct reason why;
		setenv("TSCF_AEAD", providers[i], 1);
		if (tls_library_init(&why) != 0) {
			fprintf(stderr, "%s\n", why.text);
			if (strstr(why.text, "built without"))
				continue;
			return EXIT_FAILURE;
		}
		if (strcmp(tls_aead_name(), providers[i]) != 0 ||
			unit_run(providers[i], tests, sizeof(tests) / sizeof(tests[0])) !=
				EXIT_SUCCESS)
			status = EXIT_FAILURE;
		tls_library_fini();
	}
	certificates_remove();
	return status;
}
