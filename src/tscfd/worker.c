/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One thread that shares nothing: its loop, its sockets, its leases. */
#include "tscfd/worker.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>

#include "core/siphash.h"
#include "io/clock.h"
#include "io/log.h"
#include "lane_json.h"
#include "realtime_json.h"
#include "tscfd/identity.h"
#include "tscfd/session_lane.h"

/* us of a turn of the loop that go to connections which have ended.  A thousand can end
 * at once, at 60 us each, and calls wait meanwhile. */
enum { REAP_LIMIT = 500 };

/* Packets that clients must have sent into silence before we say so. */
enum { SILENCE_PACKETS = 10, SILENCE_SECONDS = 10 };

static void draw_random(uint8_t *out, size_t length)
{
	while (length) {
		ssize_t got = getrandom(out, length, 0);
		if (got < 0 && errno != EINTR)
			abort(); /* without randomness no token would be a secret */
		if (got > 0) {
			out += got;
			length -= (size_t)got;
		}
	}
}

static void tun_failed(void *owner, int error)
{
	struct worker *worker = owner;
	log_line(LOG_ERR, "cannot read %s any more: %s; stopping",
		worker->settings->config.interface, strerror(error));
	mailbox_post(worker->main_thread, &worker->dying);
}

static const struct datapath_events datapath_events = {
	.route = session_route,
	.admit = session_admit,
	.control = session_control,
	.tun_failed = tun_failed,
};

static void on_reap(struct ev_loop *loop, struct ev_prepare *watcher, int events)
{
	(void)events;
	struct worker *worker = watcher->data;
	sessions_pass_on(worker);
	if (sessions_reap(worker, REAP_LIMIT))
		ev_idle_stop(loop, &worker->reap_more);
	else
		ev_idle_start(loop, &worker->reap_more);
}

/* While it runs, the loop does not sleep. */
static void on_reap_more(struct ev_loop *loop, struct ev_idle *watcher, int events)
{
	(void)loop;
	(void)watcher;
	(void)events;
}

unsigned worker_of_token(const struct worker_group *group, const struct view *token)
{
	return token->length == POOL_TOKEN ? get_u32(token->octets) % group->count : 0;
}

unsigned worker_of_client(const struct worker_group *group, const char *identity,
	const uint8_t instance[CONTROL_INSTANCE])
{
	/* Not secret, and the same after a restart: who aims at one worker with
	 * many identities only makes his own tunnels slower. */
	static const uint8_t key[SIPHASH_KEY];
	uint8_t name[CONTROL_INSTANCE + POOL_IDENTITY_MAX];
	size_t length = strnlen(identity, POOL_IDENTITY_MAX);
	memcpy(name, instance, CONTROL_INSTANCE);
	memcpy(name + CONTROL_INSTANCE, identity, length);
	return (unsigned)(siphash(key, name, CONTROL_INSTANCE + length) % group->count);
}

static void count_all(const struct worker *worker, struct counters *total)
{
	*total = worker->closed;
	counters_sum(total, &worker->datapath.counters);
	for (const struct session *session = worker->sessions; session; session = session->next)
		counters_sum(total, &session->tunnel.counters);
	for (const struct session *session = worker->ended; session; session = session->next)
		counters_sum(total, &session->tunnel.counters);
}

/* What an operator forgets most often: the core's route back to the pool.  Looked for
 * only while clients send: an idle worker is not woken up. */
static void on_silence(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)events;
	struct worker *worker = watcher->data;
	struct counters total;
	count_all(worker, &total);
	uint64_t up = total.value[COUNTER_PACKETS_UP];
	bool comes_back = total.value[COUNTER_PACKETS_DOWN] > 0;
	bool silent = !comes_back && up >= SILENCE_PACKETS;

	worker->way_back_judged = comes_back || silent;
	if (worker->way_back_judged || up == worker->sent_into_silence)
		ev_timer_stop(loop, watcher);
	worker->sent_into_silence = up;
	if (silent) {
		char four[PREFIX_TEXT_MAX], six[PREFIX_TEXT_MAX];
		log_line(LOG_WARNING,
			"clients have sent %llu packets to the IMS core and not one has come back: "
			"does the core have a route to %s and %s through this host?",
			(unsigned long long)up, prefix_format(&worker->pool_settings.ipv4, four),
			prefix_format(&worker->pool_settings.ipv6, six));
	}
}

void worker_look_for_way_back(struct worker *worker)
{
	if (!worker->way_back_judged && !ev_is_active(&worker->silence))
		ev_timer_again(worker->loop, &worker->silence);
}

static void on_exhausted(void *owner)
{
	struct worker *worker = owner;
	if (worker->turned_away++ == 0)
		log_line(LOG_WARNING,
			"out of descriptors: connections are turned away; raise LimitNOFILE");
}

static void teach_scheduler(struct worker *worker)
{
	const struct tscfd_config *config = &worker->settings->config;
	struct sched_policy *policy = &worker->datapath.policy;
	policy->realtime_budget = config->realtime_budget;
	class_rules_set(policy, &config->classes);
	policy->pcscf_count = 0;
	for (size_t i = 0; i < config->p_cscf.count; i++)
		if (policy->pcscf_count < SCHED_PCSCF_MAX &&
			address_parse(&policy->pcscf[policy->pcscf_count], config->p_cscf.items[i]))
			policy->pcscf_count++;
}

int worker_init(struct worker *worker, struct worker_group *group, unsigned index,
	const struct tun *tun, struct settings *settings, struct reason *why)
{
	const struct tscfd_config *config = &settings->config;

	memset(worker, 0, sizeof(*worker));
	worker->index = index;
	worker->count = group->count;
	worker->group = group;
	worker->settings = settings_ref(settings);
	worker->pool_settings = (struct pool_settings){
		.ipv4 = config->ipv4,
		.ipv6 = config->ipv6,
		.worker = index,
		.workers = group->count,
		.quarantine = config->quarantine,
		.resume_lifetime = config->resume_lifetime,
	};
	worker->loop = ev_loop_new(EVFLAG_NOENV);
	int error = worker->loop ? pool_new(&worker->pool, &worker->pool_settings, draw_random)
				 : -ENOMEM;
	if (!error)
		error = state_restore(group->state, worker->pool);
	if (!error)
		error = datapath_init(
			&worker->datapath, worker->loop, tun, index, &datapath_events, worker);
	if (error) {
		reason_set(why, "worker %u cannot start: %s", index, strerror(-error));
		return error;
	}
	handshake_queue_init(&worker->handshake_queue, worker->loop);
	worker->datapath.scratch.handshakes = &worker->handshake_queue;
	worker->datapath.own4 = pool_own4(&worker->pool_settings);
	worker->datapath.own6 = pool_own6(&worker->pool_settings);
	teach_scheduler(worker);
	mailbox_init(&worker->mailbox, worker->loop);
	ev_prepare_init(&worker->reap, on_reap);
	ev_idle_init(&worker->reap_more, on_reap_more);
	ev_timer_init(&worker->silence, on_silence, 0., SILENCE_SECONDS);
	worker->reap.data = worker->silence.data = worker;
	update_init(worker);
	ev_prepare_start(worker->loop, &worker->reap);

	for (size_t i = 0; i < config->addresses.count; i++) {
		struct listener *listener = &worker->listeners[worker->listener_count];
		error = listener_open(listener, group->handed, &config->addresses.items[i], why);
		if (error)
			return error;
		worker->listener_count++;
		listener_start(listener, worker->loop, session_accept, on_exhausted, worker);
	}
	return 0;
}

static void *run(void *argument)
{
	struct worker *worker = argument;
	char name[16]; /* as top -H shows it */
	snprintf(name, sizeof(name), "tscfd-%u", worker->index);
	prctl(PR_SET_NAME, name);
	tls_thread_init();
	ev_run(worker->loop, 0);
	sessions_reap(worker, UINT64_MAX);
	tls_thread_fini();
	return NULL;
}

int worker_start(
	struct worker *worker, struct mailbox *main_thread, void (*dying)(struct message *message))
{
	worker->main_thread = main_thread;
	worker->dying.run = dying;
	int error = pthread_create(&worker->thread, NULL, run, worker);
	worker->started = error == 0;
	return -error;
}

static void stop_in_thread(struct message *message)
{
	struct worker *worker = (struct worker *)((char *)message - offsetof(struct worker, stop));
	worker->stopping = true;
	drain_end(worker);
	update_end(worker);
	for (size_t i = 0; i < worker->listener_count; i++)
		listener_stop(&worker->listeners[i]);
	while (worker->sessions)
		session_release(
			worker->sessions, RESULT_SHUTTING_DOWN, "this TSCF is shutting down");
	ev_break(worker->loop, EVBREAK_ALL);
}

void worker_stop(struct worker *worker)
{
	if (!worker->started)
		return;
	worker->stop.run = stop_in_thread;
	mailbox_post(&worker->mailbox, &worker->stop);
}

void worker_join(struct worker *worker)
{
	if (worker->started)
		pthread_join(worker->thread, NULL);
	worker->started = false;
}

void worker_fini(struct worker *worker)
{
	if (!worker->loop)
		return;
	sessions_reap(worker, UINT64_MAX);
	for (size_t i = 0; i < worker->listener_count; i++)
		listener_close(&worker->listeners[i]);
	ev_timer_stop(worker->loop, &worker->silence);
	ev_prepare_stop(worker->loop, &worker->reap);
	ev_idle_stop(worker->loop, &worker->reap_more);
	mailbox_fini(&worker->mailbox);
	handshake_queue_fini(&worker->handshake_queue);
	datapath_fini(&worker->datapath);
	pool_free(worker->pool);
	settings_unref(worker->settings);
	ev_loop_destroy(worker->loop);
	worker->loop = NULL;
}

/* --- administration ------------------------------------------------------ */

static bool session_is_revoked(const struct session *session, const struct tls_context *context)
{
	for (unsigned i = 0; i < session->lane_count; i++)
		if (tls_peer_is_revoked(session->lanes[i]->lane.tls, context))
			return true;
	return false;
}

/* None of its connections has shown a certificate: they were resumed, and it may
 * have been revoked since. */
static bool is_unseen(const struct session *session)
{
	bool unseen = session->state == SESSION_TUNNEL;
	for (unsigned i = 0; i < session->lane_count; i++)
		unseen &= tls_resumed(session->lanes[i]->lane.tls);
	return unseen;
}

void worker_use_settings(struct worker *worker, struct settings *settings)
{
	bool trust_changed = settings->trust != worker->settings->trust;
	bool same_offer = settings_offer_same(settings, worker->settings);
	settings_unref(worker->settings);
	worker->settings = settings;
	teach_scheduler(worker);
	struct session *next;
	for (struct session *session = worker->sessions; session; session = next) {
		next = session->next;
		if (session_is_revoked(session, settings->tls))
			session_release(session, RESULT_AUTHENTICATION_FAILED,
				"the client's certificate has been revoked");
		else if (trust_changed && is_unseen(session))
			session_release(session, RESULT_SHUTTING_DOWN,
				"the list of revoked certificates has changed: show yours again");
	}
	if (!same_offer)
		update_begin(worker);
}

unsigned worker_disconnect(struct worker *worker, const char *id, const char *identity)
{
	char text[SESSION_ID_MAX];
	unsigned closed = 0;
	struct session *next;

	for (struct session *session = worker->sessions; session; session = next) {
		next = session->next;
		if ((id && strcmp(session_id(session, text), id) == 0) ||
			(identity && *session->identity &&
				strcmp(session->identity, identity) == 0)) {
			session_release(session, RESULT_OK, "disconnected by the administrator");
			closed++;
		}
	}
	return closed;
}

/* Non-zero counters only, unless all are asked for. */
static json_t *counters_json(const struct counters *counters, enum counter first, bool all)
{
	json_t *object = json_object();
	for (enum counter i = first; i < COUNTER_COUNT; i++)
		if (all || counters->value[i])
			json_object_set_new(object, counter_name(i),
				json_integer((json_int_t)counters->value[i]));
	return object;
}

static json_t *failures_json(const struct worker *worker)
{
	json_t *object = json_object();
	for (int i = TLS_FAILURE_NONE + 1; i < TLS_FAILURE_COUNT; i++)
		json_object_set_new(object, tls_failure_name((enum tls_failure)i),
			json_integer((json_int_t)worker->handshake_failures[i]));
	return object;
}

static json_t *refusals_json(const struct worker *worker)
{
	json_t *object = json_object();
	for (unsigned i = RESULT_OK + 1; i <= RESULT_SHUTTING_DOWN; i++)
		json_object_set_new(object, control_result_name(i),
			json_integer((json_int_t)worker->refused[i]));
	return object;
}

/* Tunnels with a call, by what their rating is. */
static json_t *calls_json(const struct worker *worker)
{
	static const struct {
		const char *name;
		double below;
	} bands[] = {
		{"below_50", 50}, {"50_70", 70}, {"70_80", 80}, {"80_90", 90}, {"above_90", 101}};
	enum { BANDS = sizeof(bands) / sizeof(bands[0]) };
	json_int_t counts[BANDS] = {0};
	uint64_t now = clock_now();
	for (const struct session *at = worker->sessions; at; at = at->next) {
		double rating = realtime_rating(&at->tunnel.realtime, &at->tunnel.lanes, now);
		unsigned band = 0;
		while (band < BANDS && rating >= bands[band].below)
			band++;
		if (rating >= 0)
			counts[band]++;
	}
	json_t *object = json_object();
	for (unsigned i = 0; i < BANDS; i++)
		json_object_set_new(object, bands[i].name, json_integer(counts[i]));
	return object;
}

json_t *worker_status(struct worker *worker)
{
	struct counters total;
	struct pool_use use = pool_usage(worker->pool);
	count_all(worker, &total);
	return json_pack("{s:i, s:i, s:{s:i, s:i, s:i, s:i, s:i}, s:o, s:{s:I, s:o}, s:o, s:I, "
			 "s:I, s:I, s:o}",
		"tunnels", (int)worker->tunnel_count, "connections", (int)worker->connection_count,
		"pool", "capacity", (int)use.capacity, "live", (int)use.live, "waiting",
		(int)use.waiting, "resting", (int)use.resting, "never", (int)use.never, "counters",
		counters_json(&total, 0, true), "handshakes", "ok", (json_int_t)worker->handshakes,
		"failed", failures_json(worker), "refused", refusals_json(worker), "turned_away",
		(json_int_t)worker->turned_away, "protocol_errors",
		(json_int_t)worker->protocol_errors, "passed_on", (json_int_t)worker->passed_on,
		"calls", calls_json(worker));
}

static json_t *lanes_json(const struct session *session)
{
	json_t *array = json_array();
	char outer[SESSION_OUTER_MAX];
	for (unsigned i = 0; i < session->lane_count; i++) {
		struct session_lane *at = session->lanes[i];
		lane_look(&at->lane, clock_now());
		json_t *object = lane_json(&at->lane);
		json_object_set_new(object, "outer", json_string(session_lane_outer(at, outer)));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *session_json(const struct session *session)
{
	char id[SESSION_ID_MAX], outer[SESSION_OUTER_MAX], inner4[PREFIX_TEXT_MAX],
		inner6[PREFIX_TEXT_MAX], name[IDENTITY_TEXT_MAX], since[32];
	const struct worker *worker = session->worker;
	const struct counters *counters = &session->tunnel.counters;
	const struct session_lane *first = session_first(session);
	struct prefix four = pool_inner4(worker->pool, session->lease);
	struct prefix six = pool_inner6(worker->pool, session->lease);
	time_t started = (time_t)session->since_epoch;
	struct tm broken;

	gmtime_r(&started, &broken);
	strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &broken);
	identity_for_log(session->identity, worker->settings->config.identities, name);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, "
			 "s:s, s:b, s:f, s:o, s:o, s:o}",
		"id", session_id(session, id), "identity", name, "outer",
		session_outer(session, outer), "inner4",
		four.address.version ? prefix_format(&four, inner4) : "", "inner6",
		six.address.version ? prefix_format(&six, inner6) : "", "since", since, "seconds",
		(json_int_t)((clock_now() - session->since) / 1000000), "octets_up",
		(json_int_t)counters->value[COUNTER_OCTETS_UP], "octets_down",
		(json_int_t)counters->value[COUNTER_OCTETS_DOWN], "packets_up",
		(json_int_t)counters->value[COUNTER_PACKETS_UP], "packets_down",
		(json_int_t)counters->value[COUNTER_PACKETS_DOWN], "queue_octets",
		(json_int_t)(session->tunnel.sched.bulk_octets +
			     session->tunnel.sched.realtime_octets),
		"tls", tls_version(first->lane.tls), "cipher", tls_cipher(first->lane.tls),
		"software", session->software, "offload", session->tunnel.offload, "rtt_ms",
		(double)first->keepalive.rtt / 1000., "drops",
		counters_json(counters, COUNTER_DROP_NOT_IP, false), "lanes", lanes_json(session),
		"realtime", realtime_json(&session->tunnel));
}

json_t *worker_sessions(struct worker *worker)
{
	json_t *array = json_array();
	for (const struct session *session = worker->sessions; session; session = session->next)
		if (session->state == SESSION_TUNNEL && !session->moved)
			json_array_append_new(array, session_json(session));
	return array;
}
