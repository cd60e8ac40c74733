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
#include "tscfd/session_lane.h"

const char *session_id(const struct session *session, char text[SESSION_ID_MAX])
{
	snprintf(text, SESSION_ID_MAX, "%u-%u", session->worker->index, session->number);
	return text;
}

const char *session_outer(const struct session *session, char text[SESSION_OUTER_MAX])
{
	return session_lane_outer(session_first(session), text);
}

/* --- the log: one line when it comes, one when it goes -------------------- */

const char *session_name(const struct session *session, char text[IDENTITY_TEXT_MAX])
{
	return identity_for_log(
		session->identity, session->worker->settings->config.identities, text);
}

static void log_start(const struct session *session)
{
	char id[SESSION_ID_MAX], outer[SESSION_OUTER_MAX];
	char inner4[PREFIX_TEXT_MAX], inner6[PREFIX_TEXT_MAX], name[IDENTITY_TEXT_MAX];
	const struct worker *worker = session->worker;
	const struct tls *tls = session_first(session)->lane.tls;
	struct prefix four = pool_inner4(worker->pool, session->lease);
	struct prefix six = pool_inner6(worker->pool, session->lease);

	log_line(LOG_INFO, "session %s: %s from %s has %s %s (%s %s%s, %s)",
		session_id(session, id), session_name(session, name), session_outer(session, outer),
		prefix_format(&four, inner4), prefix_format(&six, inner6), tls_version(tls),
		tls_cipher(tls), tls_resumed(tls) ? " resumed" : "", session->software);
}

static void log_end(const struct session *session, const char *why)
{
	char id[SESSION_ID_MAX], outer[SESSION_OUTER_MAX], name[IDENTITY_TEXT_MAX];
	const struct counters *counters = &session->tunnel.counters;

	if (!session->since) {
		log_line(LOG_INFO, "session %s: no tunnel for %s: %s", session_id(session, id),
			session_outer(session, outer), why);
		return;
	}
	log_line(LOG_INFO,
		"session %s: %s from %s ended after %llu s, %llu octets up, %llu down: %s",
		session_id(session, id), session_name(session, name), session_outer(session, outer),
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

static void discount(struct worker *worker)
{
	worker->tunnel_count--;
	worker->group->tunnels--;
}

void session_has_moved(struct session *session)
{
	if (session->moved)
		return;
	session->moved = true;
	discount(session->worker);
}

static void release_lease(struct session *session, bool may_resume)
{
	struct worker *worker = session->worker;
	session->lease->tunnel = NULL;
	pool_release(worker->pool, session->lease, may_resume && !session->moved, clock_now());
	if (!session->moved)
		discount(worker);
}

/* What others hear of its end. */
static void tell_end(const struct session *session, const char *why)
{
	log_end(session, session->moved ? "released by the client, which moved" : why);
	if (session->lease)
		state_note(session->worker->group->state, session->lease);
}

void session_end(struct session *session, bool may_resume, const char *why)
{
	if (session->state == SESSION_ENDED)
		return;
	if (session->lease)
		release_lease(session, may_resume);
	tell_end(session, why);
	session_dissolve(session);
}

void session_lose(struct session *session, const char *why)
{
	if (session->state == SESSION_ENDED)
		return;
	if (session->lease)
		release_lease(session, true);
	session->lost = why;
	session_dissolve(session);
}

void session_dissolve(struct session *session)
{
	struct worker *worker = session->worker;
	identity_unclaim(worker->group, &session->claim);
	session->state = SESSION_ENDED;
	while (session->lane_count)
		session_lane_end(session_first(session));
	list_remove(worker, session);
	session->next = NULL;
	*(worker->ended ? &worker->last_ended->next : &worker->ended) = session;
	worker->last_ended = session;
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
	/* With any other result its client shall not come back by the token alone. */
	session_end(session, result == RESULT_SHUTTING_DOWN, why);
}

static void reap_one(struct worker *worker)
{
	struct session *session = worker->ended;
	worker->ended = session->next;
	if (session->lost)
		tell_end(session, session->lost);
	tunnel_fini(&session->tunnel);
	counters_sum(&worker->closed, &session->tunnel.counters);
	free(session);
}

/* Sessions first: what is told of their end is known by their lanes. */
bool sessions_reap(struct worker *worker, uint64_t limit)
{
	uint64_t begin = 0;
	while (worker->ended || worker->ended_lanes) {
		uint64_t now = clock_now();
		begin = begin ? begin : now;
		if (now - begin > limit)
			return false;
		if (worker->ended)
			reap_one(worker);
		else
			session_lane_reap(worker);
	}
	return true;
}

/* --- beginning ----------------------------------------------------------- */

void session_start_tunnel(struct session *session)
{
	struct worker *worker = session->worker;

	session->state = SESSION_TUNNEL;
	session->since = clock_now();
	session->since_epoch = (int64_t)time(NULL);
	worker->tunnel_count++;
	worker->group->tunnels++;
	session_lane_start(session_first(session));
	worker_look_for_way_back(worker);
	log_start(session);
}

void session_begin(struct session *session, struct worker *worker, struct session_lane *first)
{
	session->worker = worker;
	session->number = worker->next_id++;
	memcpy(session->software, "unknown software", sizeof("unknown software"));
	tunnel_init(&session->tunnel, &worker->datapath, session);
	session->lanes[0] = first;
	session->lane_count = 1;
	first->session = session;
	list_add(worker, session);
}

/* --- passing on ----------------------------------------------------------- */

void session_pass_on(struct session *session, unsigned destination)
{
	struct worker *worker = session->worker;
	lane_pause(&session_first(session)->lane);
	ev_timer_stop(worker->loop, &session_first(session)->timer);
	list_remove(worker, session);
	worker->connection_count--;
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
	worker->connection_count++;
	ev_timer_again(worker->loop, &session_first(session)->timer);
	lane_adopt(&session_first(session)->lane, worker->loop, &worker->datapath.scratch);
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
	/* While it drains, it may live elsewhere. */
	if (from->version && !worker->drain.on)
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

void session_control(
	struct tunnel *tunnel, struct lane *lane, const uint8_t *payload, size_t length)
{
	answer_control(lane->owner, payload, length);
	(void)tunnel;
}
