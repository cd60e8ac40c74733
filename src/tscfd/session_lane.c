/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One connection of a client, from accept to close. */
#include "tscfd/session_lane.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "tscfd/answer.h"
#include "tscfd/plain.h"
#include "tscfd/state.h"

static const void *outer_octets(const struct sockaddr_storage *from)
{
	return from->ss_family == AF_INET
		       ? (const void *)&((const struct sockaddr_in *)from)->sin_addr
		       : (const void *)&((const struct sockaddr_in6 *)from)->sin6_addr;
}

const char *session_lane_outer(const struct session_lane *at, char text[SESSION_OUTER_MAX])
{
	char host[INET6_ADDRSTRLEN] = "?";
	const struct sockaddr_storage *from = &at->from;
	inet_ntop(from->ss_family, outer_octets(from), host, sizeof(host));
	unsigned port = ntohs(((const struct sockaddr_in *)from)->sin_port);
	bool six = from->ss_family == AF_INET6;
	snprintf(text, SESSION_OUTER_MAX, "%s%s%s:%u", six ? "[" : "", host, six ? "]" : "", port);
	return text;
}

/* --- ending --------------------------------------------------------------- */

/* Takes it off its session's list. */
static void leave(struct session_lane *at)
{
	struct session *session = at->session;
	unsigned place = 0;
	while (session->lanes[place] != at)
		place++;
	session->lane_count--;
	memmove(&session->lanes[place], &session->lanes[place + 1],
		(session->lane_count - place) * sizeof(session->lanes[0]));
	tunnel_remove_lane(&session->tunnel, &at->lane);
}

void session_lane_end(struct session_lane *at)
{
	struct session *session = at->session;
	struct worker *worker = session->worker;
	if (at == session_first(session))
		update_repeat(session);
	leave(at);
	lane_stop(&at->lane);
	ev_timer_stop(worker->loop, &at->timer);
	at->next = worker->ended_lanes;
	worker->ended_lanes = at;
	worker->connection_count--;
}

void session_lane_reap(struct worker *worker)
{
	struct session_lane *at = worker->ended_lanes;
	worker->ended_lanes = at->next;
	lane_close(&at->lane);
	free(at);
}

/* The tunnel goes on while it has another. */
static void lane_is_gone(struct session_lane *at, enum lane_end end, const char *why)
{
	struct session *session = at->session;
	char id[SESSION_ID_MAX], outer[SESSION_OUTER_MAX];
	if (session->lane_count == 1) {
		session_lose(session, why);
		return;
	}
	session_lane_end(at);
	log_line(end == LANE_END_PEER ? LOG_DEBUG : LOG_INFO,
		"session %s: lane %u from %s ended, %u left: %s", session_id(session, id),
		at->lane.index, session_lane_outer(at, outer), session->lane_count, why);
}

/* --- events of the lane --------------------------------------------------- */

static void on_opened(struct lane *lane)
{
	struct session *session = ((struct session_lane *)lane->owner)->session;
	session->worker->handshakes++;
	tls_peer_identity(lane->tls, session->identity, sizeof(session->identity), session->serial,
		sizeof(session->serial));
}

static void on_envelope(struct lane *lane, const struct envelope *envelope)
{
	struct session_lane *at = lane->owner;
	struct session *session = at->session;
	if (session->state == SESSION_GREETING) {
		answer_first(session, envelope);
		return;
	}
	if (!session->confirmed) {
		session->confirmed = true;
		lease_confirm(session->lease);
		state_note(session->worker->group->state, session->lease);
	}
	keepalive_heard(&at->keepalive, lane_now(&at->lane));
	if (session->plain && plain_takes(at, envelope))
		return;
	tunnel_receive(&session->tunnel, lane, envelope);
}

static void on_writable(struct lane *lane)
{
	tunnel_writable(&((struct session_lane *)lane->owner)->session->tunnel);
}

static void on_ended(struct lane *lane, enum lane_end end, const char *why)
{
	struct session_lane *at = lane->owner;
	struct session *session = at->session;
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
	/* Who breaks the protocol on one lane is not trusted on the others. */
	if (end == LANE_END_PROTOCOL)
		session_end(session, true, why);
	else
		lane_is_gone(at, end, why);
}

static const struct lane_events lane_events = {
	.opened = on_opened,
	.envelope = on_envelope,
	.writable = on_writable,
	.ended = on_ended,
};

/* --- timers --------------------------------------------------------------- */

static void arm_keepalive(struct session_lane *at, uint64_t now)
{
	uint64_t due = keepalive_due(&at->keepalive);
	at->timer.repeat = due == UINT64_MAX ? 0. : due > now ? (double)(due - now) / 1e6 : 1e-3;
	ev_timer_again(at->session->worker->loop, &at->timer);
}

static void ask_alive(struct session_lane *at)
{
	struct tunnel *tunnel = &at->session->tunnel;
	struct control_message message = {
		.kind = CONTROL_KEEPALIVE_REQUEST,
		.transaction = at->keepalive.transaction,
	};
	counter_add(&tunnel->counters, COUNTER_KEEPALIVES_SENT, 1);
	tunnel_control_on(tunnel, &at->lane, &message);
}

/* See tse: an idle tunnel wakes us up to ask, not for the answer. */
static void be_quiet(struct session_lane *at)
{
	const struct session *session = at->session;
	bool idle = session->worker->settings->config.refresher != REFRESHER_TSE &&
		    session->lane_count == 1 && at->keepalive.unanswered == 1;
	if (idle && lane_be_quiet(&at->lane, CONTROL_KEEPALIVE_BARE))
		keepalive_be_quiet(&at->keepalive);
}

static void keep_alive(struct session_lane *at)
{
	uint64_t now = clock_now();
	lane_find(&at->lane, at->keepalive.asked);
	if (at->lane.state != LANE_OPEN)
		return;
	lane_trim(&at->lane);
	switch (keepalive_poll(&at->keepalive, now)) {
	case KEEPALIVE_WAIT:
		break;
	case KEEPALIVE_SEND:
		be_quiet(at);
		ask_alive(at);
		break;
	case KEEPALIVE_DEAD:
		lane_is_gone(at, LANE_END_NETWORK, "no sign of life, keep-alives unanswered");
		return;
	}
	if (at->lane.state == LANE_OPEN)
		arm_keepalive(at, now);
}

void session_lane_asked(struct session_lane *at)
{
	lane_trim(&at->lane);
	if (at->lane.state == LANE_OPEN)
		arm_keepalive(at, clock_now());
}

static void on_timer(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct session_lane *at = watcher->data;
	if (at->session->plain)
		plain_on_timer(at);
	else if (at->session->state != SESSION_GREETING)
		keep_alive(at);
	else
		session_end(at->session, false,
			at->lane.state == LANE_HANDSHAKE
				? "no TLS handshake within handshake-timeout"
				: "no Configuration Request within handshake-timeout");
}

/* Where the client asks we only do when it has been silent for longer than it may
 * be. */
static uint64_t keepalive_interval(const struct session_lane *at)
{
	const struct tscfd_config *config = &at->session->worker->settings->config;
	bool client_asks = config->refresher == REFRESHER_TSE;
	return client_asks ? config->keepalive * 3 / 2 : config->keepalive;
}

static uint32_t draw_random(const struct session_lane *at)
{
	uint32_t random = 0;
	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (uint32_t)at->since;
	return random;
}

void session_lane_regranted(struct session_lane *at)
{
	keepalive_set_interval(&at->keepalive, keepalive_interval(at), draw_random(at));
	arm_keepalive(at, clock_now());
}

void session_lane_start(struct session_lane *at)
{
	at->since = clock_now();
	if (at->session->plain) {
		plain_lane_start(at);
		return;
	}
	keepalive_init(&at->keepalive, keepalive_interval(at), draw_random(at), at->since);
	arm_keepalive(at, at->since);
}

void session_lane_move(struct session_lane *at, struct session *to)
{
	leave(at);
	at->session = to;
	to->lanes[to->lane_count++] = at;
}

/* --- accepting ------------------------------------------------------------ */

static bool is_from(const struct session_lane *at, const struct sockaddr_storage *from)
{
	size_t size = from->ss_family == AF_INET ? 4 : 16;
	return at->from.ss_family == from->ss_family &&
	       memcmp(outer_octets(&at->from), outer_octets(from), size) == 0;
}

static unsigned count_from(
	const struct worker *worker, const struct sockaddr_storage *from, enum session_state state)
{
	unsigned count = 0;
	for (const struct session *other = worker->sessions; other; other = other->next)
		count += other->state == state && is_from(session_first(other), from);
	return count;
}

unsigned session_lanes_tunnels_from(
	const struct worker *worker, const struct sockaddr_storage *from)
{
	return count_from(worker, from, SESSION_TUNNEL);
}

/* One that has not said what it wants may want to join, or come back: tunnels are
 * counted when one more is asked for, and here what is on its way. */
static bool is_welcome(const struct worker *worker, const struct sockaddr_storage *from)
{
	unsigned limit = worker->settings->config.per_source_limit;
	return limit == 0 || count_from(worker, from, SESSION_GREETING) < limit;
}

void session_accept(void *owner, int fd, const struct sockaddr_storage *from)
{
	struct worker *worker = owner;
	const struct tscfd_config *config = &worker->settings->config;
	struct tls *tls = NULL;
	struct session *session = NULL;
	struct session_lane *at = NULL;

	if (!is_welcome(worker, from))
		goto refuse;
	session = calloc(1, sizeof(*session));
	at = calloc(1, sizeof(*at));
	if (!session || !at || tls_new(&tls, worker->settings->tls, fd, NULL, NULL) != 0)
		goto refuse;

	at->from = *from;
	lane_open(&at->lane, worker->loop, fd, tls, &lane_events, at, &worker->datapath.scratch);
	ev_timer_init(&at->timer, on_timer, 0., (double)config->handshake_timeout / 1e6);
	at->timer.data = at;
	ev_timer_again(worker->loop, &at->timer);
	session_begin(session, worker, at);
	worker->connection_count++;
	return;

refuse:
	free(session);
	free(at);
	close(fd);
	worker->turned_away++;
}
