/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The life of a client's connection, and the checks of its packets.  What is
 * said in control messages is in answer.c. */
#include "tscfd/sessions.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "tscfd/answer.h"
#include "tscfd/identity.h"

const char *session_id(const struct session *session, char text[SESSION_ID_MAX])
{
	snprintf(text, SESSION_ID_MAX, "%u-%u", session->worker->index, session->number);
	return text;
}

static const void *outer_octets(const struct sockaddr_storage *from)
{
	return from->ss_family == AF_INET
		       ? (const void *)&((const struct sockaddr_in *)from)->sin_addr
		       : (const void *)&((const struct sockaddr_in6 *)from)->sin6_addr;
}

const char *session_outer(const struct session *session, char text[SESSION_OUTER_MAX])
{
	char host[INET6_ADDRSTRLEN] = "?";
	const struct sockaddr_storage *from = &session->from;
	inet_ntop(from->ss_family, outer_octets(from), host, sizeof(host));
	unsigned port = ntohs(((const struct sockaddr_in *)from)->sin_port);
	bool six = from->ss_family == AF_INET6;
	snprintf(text, SESSION_OUTER_MAX, "%s%s%s:%u", six ? "[" : "", host, six ? "]" : "", port);
	return text;
}

/* --- the log: one line when it comes, one when it goes -------------------- */

static const char *logged_identity(const struct session *session, char text[IDENTITY_TEXT_MAX])
{
	return identity_for_log(
		session->identity, session->worker->settings->config.identities, text);
}

static void log_start(const struct session *session)
{
	char id[SESSION_ID_MAX], outer[SESSION_OUTER_MAX];
	char inner4[PREFIX_TEXT_MAX], inner6[PREFIX_TEXT_MAX], name[IDENTITY_TEXT_MAX];
	const struct worker *worker = session->worker;
	struct prefix four = pool_inner4(worker->pool, session->lease);
	struct prefix six = pool_inner6(worker->pool, session->lease);

	log_line(LOG_INFO, "session %s: %s from %s has %s %s (%s %s%s, %s)",
		session_id(session, id), logged_identity(session, name),
		session_outer(session, outer), prefix_format(&four, inner4),
		prefix_format(&six, inner6), tls_version(session->lane.tls),
		tls_cipher(session->lane.tls), tls_resumed(session->lane.tls) ? " resumed" : "",
		session->software);
}

static void log_end(const struct session *session, const char *why)
{
	char id[SESSION_ID_MAX], outer[SESSION_OUTER_MAX], name[IDENTITY_TEXT_MAX];
	const struct counters *counters = &session->tunnel.counters;

	if (session->state == SESSION_GREETING) {
		log_line(LOG_INFO, "session %s: no tunnel for %s: %s", session_id(session, id),
			session_outer(session, outer), why);
		return;
	}
	log_line(LOG_INFO,
		"session %s: %s from %s ended after %llu s, %llu octets up, %llu down: %s",
		session_id(session, id), logged_identity(session, name),
		session_outer(session, outer),
		(unsigned long long)((clock_now() - session->since) / 1000000),
		(unsigned long long)counters->value[COUNTER_OCTETS_UP],
		(unsigned long long)counters->value[COUNTER_OCTETS_DOWN], why);
}

/* --- the worker's list ---------------------------------------------------- */

static void list_add(struct worker *worker, struct session *session)
{
	session->previous = NULL;
	session->next = worker->sessions;
	if (session->next)
		session->next->previous = session;
	worker->sessions = session;
	worker->session_count++;
}

static void list_remove(struct worker *worker, struct session *session)
{
	if (session->previous)
		session->previous->next = session->next;
	else
		worker->sessions = session->next;
	if (session->next)
		session->next->previous = session->previous;
	worker->session_count--;
}

/* --- ending -------------------------------------------------------------- */

void session_end(struct session *session, bool may_resume, const char *why)
{
	struct worker *worker = session->worker;
	if (session->state == SESSION_ENDED)
		return;
	log_end(session, why);
	if (session->lease) {
		session->lease->tunnel = NULL;
		pool_release(worker->pool, session->lease, may_resume, clock_now());
		state_note(worker->group->state, session->lease);
		session->lease = NULL;
		worker->tunnel_count--;
		worker->group->tunnels--;
	}
	session->state = SESSION_ENDED;
	lane_stop(&session->lane);
	ev_timer_stop(worker->loop, &session->timer);
	list_remove(worker, session);
	session->next = worker->ended;
	worker->ended = session;
}

void session_release(struct session *session, enum control_result result, const char *why)
{
	session->is_ending = true;
	if (session->state == SESSION_TUNNEL) {
		struct control_message message = {
			.kind = CONTROL_RELEASE_REQUEST,
			.transaction = 1,
			.result = result,
			.reason = {(const uint8_t *)why, strlen(why)},
		};
		control_set(&message, TAG_RESULT);
		control_set(&message, TAG_REASON);
		tunnel_control(&session->tunnel, &message);
	}
	session_end(session, result == RESULT_SHUTTING_DOWN, why);
}

void sessions_reap(struct worker *worker)
{
	while (worker->ended) {
		struct session *session = worker->ended;
		worker->ended = session->next;
		lane_close(&session->lane);
		tunnel_fini(&session->tunnel);
		counters_sum(&worker->closed, &session->tunnel.counters);
		free(session);
	}
}

/* --- events of the lane -------------------------------------------------- */

static void on_opened(struct lane *lane)
{
	struct session *session = lane->owner;
	session->worker->handshakes++;
	if (!tls_peer_name(lane->tls, session->identity, sizeof(session->identity)))
		session->identity[0] = '\0';
	if (!tls_peer_serial(lane->tls, session->serial, sizeof(session->serial)))
		session->serial[0] = '\0';
}

static void on_envelope(struct lane *lane, const struct envelope *envelope)
{
	struct session *session = lane->owner;
	if (session->state == SESSION_GREETING) {
		answer_first(session, envelope);
		return;
	}
	if (!session->confirmed) {
		session->confirmed = true;
		lease_confirm(session->lease);
		state_note(session->worker->group->state, session->lease);
	}
	keepalive_heard(&session->keepalive, clock_now());
	tunnel_receive(&session->tunnel, envelope);
}

static void on_writable(struct lane *lane)
{
	struct session *session = lane->owner;
	tunnel_writable(&session->tunnel);
}

static void on_ended(struct lane *lane, enum lane_end end, const char *why)
{
	struct session *session = lane->owner;
	struct worker *worker = session->worker;
	if (session->is_ending)
		return; /* whoever decided it goes on, with the reason */
	if (end == LANE_END_TLS && session->state == SESSION_GREETING)
		worker->handshake_failures[tls_failure(lane->tls)]++;
	if (end == LANE_END_PROTOCOL)
		worker->protocol_errors++;
	/* What TLS says of a certificate has its subject in it. */
	if (end == LANE_END_TLS && worker->settings->config.identities != IDENTITIES_FULL)
		why = tls_failure_name(tls_failure(lane->tls));
	session_end(session, true, why);
}

static const struct lane_events lane_events = {
	.opened = on_opened,
	.envelope = on_envelope,
	.writable = on_writable,
	.ended = on_ended,
};

/* --- timers -------------------------------------------------------------- */

static void arm_keepalive(struct session *session, uint64_t now)
{
	uint64_t due = keepalive_due(&session->keepalive);
	session->timer.repeat = due == UINT64_MAX ? 0.
				: due > now       ? (double)(due - now) / 1e6
						  : 1e-3;
	ev_timer_again(session->worker->loop, &session->timer);
}

static void ask_alive(struct session *session)
{
	struct control_message message = {
		.kind = CONTROL_KEEPALIVE_REQUEST,
		.transaction = session->keepalive.transaction,
	};
	tunnel_control(&session->tunnel, &message);
	counter_add(&session->tunnel.counters, COUNTER_KEEPALIVES_SENT, 1);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct session *session = watcher->data;
	if (session->state == SESSION_GREETING) {
		session_end(session, false,
			session->lane.state == LANE_HANDSHAKE
				? "no TLS handshake within handshake-timeout"
				: "no Configuration Request within handshake-timeout");
		return;
	}
	uint64_t now = clock_now();
	lane_trim(&session->lane);
	switch (keepalive_poll(&session->keepalive, now)) {
	case KEEPALIVE_WAIT:
		break;
	case KEEPALIVE_SEND:
		ask_alive(session);
		break;
	case KEEPALIVE_DEAD:
		session_end(session, true, "no sign of life, keep-alives unanswered");
		return;
	}
	arm_keepalive(session, now);
}

void session_start_tunnel(struct session *session)
{
	struct worker *worker = session->worker;
	const struct tscfd_config *config = &worker->settings->config;
	uint64_t now = clock_now();
	uint32_t random = 0;

	session->state = SESSION_TUNNEL;
	session->since = now;
	session->since_epoch = (int64_t)time(NULL);
	worker->tunnel_count++;
	worker->group->tunnels++;
	if (getrandom(&random, sizeof(random), 0) < 0)
		random = session->number;
	/* The client asks (refresher 0). We only do when it has been silent for
	 * longer than it may be. */
	keepalive_init(&session->keepalive, config->keepalive * 3 / 2, random, now);
	arm_keepalive(session, now);
	log_start(session);
}

/* --- accepting ----------------------------------------------------------- */

static unsigned connections_from(const struct worker *worker, const struct sockaddr_storage *from)
{
	unsigned count = 0;
	size_t size = from->ss_family == AF_INET ? 4 : 16;
	for (const struct session *other = worker->sessions; other; other = other->next)
		count += other->from.ss_family == from->ss_family &&
			 memcmp(outer_octets(&other->from), outer_octets(from), size) == 0;
	return count;
}

void session_accept(void *owner, int fd, const struct sockaddr_storage *from)
{
	struct worker *worker = owner;
	const struct tscfd_config *config = &worker->settings->config;
	struct tls *tls = NULL;
	struct session *session = NULL;

	if (config->per_source_limit && connections_from(worker, from) >= config->per_source_limit)
		goto refuse;
	session = calloc(1, sizeof(*session));
	if (!session || tls_new(&tls, worker->settings->tls, fd, NULL, NULL) != 0)
		goto refuse;

	session->worker = worker;
	session->number = worker->next_id++;
	session->from = *from;
	memcpy(session->software, "unknown software", sizeof("unknown software"));
	tunnel_init(&session->tunnel, &worker->datapath, session);
	lane_open(&session->lane, worker->loop, fd, tls, &lane_events, session,
		&worker->datapath.scratch);
	ev_timer_init(&session->timer, on_timer, 0., (double)config->handshake_timeout / 1e6);
	session->timer.data = session;
	ev_timer_again(worker->loop, &session->timer);

	list_add(worker, session);
	return;

refuse:
	free(session);
	close(fd);
	worker->turned_away++;
}

/* --- passing on ----------------------------------------------------------- */

void session_pass_on(struct session *session, unsigned destination)
{
	struct worker *worker = session->worker;
	lane_pause(&session->lane);
	ev_timer_stop(worker->loop, &session->timer);
	list_remove(worker, session);
	session->state = SESSION_LEAVING;
	session->destination = destination;
	session->next = worker->leaving;
	worker->leaving = session;
	worker->passed_on++;
}

/* In the thread of the worker it has come to. */
static void arrive(struct message *message)
{
	struct session *session =
		(struct session *)((char *)message - offsetof(struct session, passage));
	struct worker *worker = &session->worker->group->workers[session->destination];

	session->worker = worker;
	session->number = worker->next_id++;
	session->state = SESSION_GREETING;
	tunnel_init(&session->tunnel, &worker->datapath, session);
	list_add(worker, session);
	ev_timer_again(worker->loop, &session->timer);
	lane_adopt(&session->lane, worker->loop, &worker->datapath.scratch);
}

/* When nobody is inside their lanes any more. */
void sessions_pass_on(struct worker *worker)
{
	while (worker->leaving) {
		struct session *session = worker->leaving;
		worker->leaving = session->next;
		tunnel_fini(&session->tunnel);
		session->passage.run = arrive;
		mailbox_post(
			&worker->group->workers[session->destination].mailbox, &session->passage);
	}
}

/* --- packets ------------------------------------------------------------- */

/* Multicast and link-local have no business in the tunnel. */
static bool is_link_scope(uint8_t version, const uint8_t *octets)
{
	if (version == 4)
		return octets[0] >= 224 || (octets[0] == 169 && octets[1] == 254);
	return octets[0] == 0xff || (octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80);
}

struct tunnel *session_route(
	void *owner, const struct packet *packet, enum counter *drop, uint8_t *icmp, size_t *answer)
{
	struct worker *worker = owner;
	if (is_link_scope(packet->version, packet->destination)) {
		*drop = COUNTER_DROP_LINK_LOCAL;
		return NULL;
	}
	struct lease *lease = pool_find_address(worker->pool, packet->version, packet->destination);
	if (lease && lease->tunnel)
		return &((struct session *)lease->tunnel)->tunnel;

	const struct address *from =
		packet->version == 4 ? &worker->datapath.own4 : &worker->datapath.own6;
	*drop = COUNTER_DROP_NO_TUNNEL;
	if (from->version)
		*answer = packet_unreachable(packet, from, false, icmp);
	return NULL;
}

bool session_admit(struct tunnel *tunnel, const struct packet *packet, enum counter *drop)
{
	const struct session *session = tunnel->owner;
	const struct worker *worker = session->worker;
	const struct tscfd_config *config = &worker->settings->config;

	if (!pool_owns(worker->pool, session->lease, packet->version, packet->source)) {
		*drop = is_link_scope(packet->version, packet->source) ? COUNTER_DROP_LINK_LOCAL
								       : COUNTER_DROP_BAD_SOURCE;
		return false;
	}
	/* Asked first: an IMS route may well cover the pool. */
	if (pool_contains(worker->pool, packet->version, packet->destination)) {
		*drop = COUNTER_DROP_OTHER_CLIENT;
		return config->inter_client;
	}
	for (size_t i = 0; i < config->routes.count; i++)
		if (prefix_contains_octets(
			    &config->routes.items[i], packet->version, packet->destination))
			return true;
	*drop = is_link_scope(packet->version, packet->destination) ? COUNTER_DROP_LINK_LOCAL
								    : COUNTER_DROP_BAD_DESTINATION;
	return false;
}

void session_control(struct tunnel *tunnel, const uint8_t *payload, size_t length)
{
	answer_control(tunnel->owner, payload, length);
}
