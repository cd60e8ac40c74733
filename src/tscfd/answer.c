/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Requests of clients and their responses: the control half of the protocol,
 * from the TSCF's side. */
#include "tscfd/answer.h"

#include <stdio.h>
#include <string.h>

#include "io/clock.h"
#include "tscfd/join.h"
#include "tscfd/plain.h"
#include "tscfd/session_lane.h"

enum { RETRY_OVERLOADED = 30, RETRY_NO_ADDRESS = 60 }; /* s */

static const char software[] = "tscfd/" PACKAGE_VERSION;

static struct view view_of(const char *text)
{
	return (struct view){(const uint8_t *)text, strlen(text)};
}

/* --- refusals ------------------------------------------------------------ */

static enum control_kind response_to(enum control_kind request)
{
	return request == CONTROL_JOIN_REQUEST ? CONTROL_JOIN_RESPONSE
					       : CONTROL_CONFIGURATION_RESPONSE;
}

/* Sends a response without a tunnel. */
static void send_refusal(struct session_lane *at, const struct control_message *request,
	enum control_result result, uint32_t retry_after, const char *reason)
{
	struct control_message message = {
		.kind = response_to(request->kind),
		.transaction = request->transaction,
		.version = CONTROL_VERSION,
		.result = result,
		.reason = view_of(reason),
		.retry_after = retry_after,
		.other_tscf = view_of(at->session->worker->drain.other),
		.fault_tag = result == RESULT_UNKNOWN_CRITICAL ? request->fault_tag : 0,
	};
	control_set(&message, TAG_RESULT);
	control_set(&message, TAG_REASON);
	if (message.kind == CONTROL_CONFIGURATION_RESPONSE) {
		control_set(&message, TAG_VERSION);
		control_set(&message, TAG_CAPABILITIES);
	}
	if (retry_after)
		control_set(&message, TAG_RETRY_AFTER);
	if (message.kind == CONTROL_CONFIGURATION_RESPONSE && message.other_tscf.length)
		control_set(&message, TAG_OTHER_TSCF);
	tunnel_control_on(&at->session->tunnel, &at->lane, &message);
}

void answer_refuse(struct session *session, const struct control_message *request,
	enum control_result result, uint32_t retry_after, const char *reason)
{
	struct reason why;
	session->worker->refused[result]++;
	session->is_ending = true;
	send_refusal(session_first(session), request, result, retry_after, reason);
	reason_set(&why, "refused: %s", reason);
	session_end(session, false, why.text);
}

/* --- Configuration Request ------------------------------------------------ */

static void note_software(struct session *session, const struct control_message *request)
{
	size_t length = request->software.length;
	if (!control_has(request, TAG_SOFTWARE) || length >= sizeof(session->software))
		return;
	memcpy(session->software, request->software.octets, length);
	session->software[length] = '\0';
}

bool answer_claims_identity(struct session *session, const struct session *former)
{
	session->claim.identity = session->identity;
	session->claim.worker = session->worker->index;
	session->claim.number = session->number;
	return identity_claim(
		session->worker->group, &session->claim, former ? &former->claim : NULL);
}

/* One tunnel for each identity, if [pool] same-identity says so; refuses it
 * otherwise. */
static bool admit_identity(struct session *session, const struct control_message *request,
	const struct session *former)
{
	if (answer_claims_identity(session, former))
		return true;
	answer_refuse(session, request, RESULT_FORBIDDEN, 0,
		"this identity has a tunnel already, and may have one (same-identity)");
	return false;
}

/* The lease that the request's resume token names; whoever still holds it
 * gives way.  NULL also when the session has been refused. */
static struct lease *resume(
	struct session *session, const struct control_message *request, uint64_t now)
{
	struct worker *worker = session->worker;
	/* A resumed TLS connection shows no certificate: it inherits. */
	const char *identity =
		tls_resumed(session_first(session)->lane.tls) ? NULL : session->identity;
	if (!control_has(request, TAG_RESUME_TOKEN))
		return NULL;
	struct lease *lease = pool_find_token(worker->pool, &request->resume_token, identity, now);
	if (!lease)
		return NULL;
	memcpy(session->identity, lease->identity, sizeof(session->identity));
	if (!admit_identity(session, request, lease->tunnel))
		return NULL;
	if (lease->tunnel)
		session_end(lease->tunnel, true, "its client has come back on a new connection");
	pool_resume(worker->pool, lease, now);
	return lease;
}

static void get_instance(const struct control_message *request, uint8_t instance[CONTROL_INSTANCE])
{
	memset(instance, 0, CONTROL_INSTANCE);
	if (control_has(request, TAG_INSTANCE))
		memcpy(instance, request->instance.octets, CONTROL_INSTANCE);
}

/* Hands the request on unless this worker is the right one to resume it, or to
 * grant its wish: the one that owns the lease. */
static bool belongs_to_lease_owner(struct session *session, const struct control_message *request)
{
	const struct worker *worker = session->worker;
	unsigned owner = worker->index;
	uint32_t index;
	if (session->token_tried)
		return false;
	if (control_has(request, TAG_RESUME_TOKEN))
		owner = worker_of_token(worker->group, &request->resume_token);
	else if (pool_wished_index(
			 worker->pool, &request->inner4.address, &request->inner6.address, &index))
		owner = index % worker->count;
	if (owner == worker->index)
		return false;
	session_pass_on(session, owner);
	return true;
}

/* The lease of the addresses that the client wishes for, since it had them at
 * another TSCF of the same pool; NULL when it cannot have them. */
static struct lease *find_wished(struct session *session, const struct control_message *request,
	const uint8_t instance[CONTROL_INSTANCE], uint64_t now)
{
	struct pool *pool = session->worker->pool;
	uint32_t index;
	if (!pool_wished_index(pool, &request->inner4.address, &request->inner6.address, &index))
		return NULL;
	return pool_find_wished(pool, index, session->identity, instance, now);
}

/* The same for a fresh lease, which a client finds at home if it had one. */
bool answer_goes_home(struct session *session, const uint8_t instance[CONTROL_INSTANCE])
{
	const struct worker *worker = session->worker;
	if (session->at_home)
		return false;
	session->at_home = true;
	unsigned home = worker_of_client(worker->group, session->identity, instance);
	if (home == worker->index)
		return false;
	session_pass_on(session, home);
	return true;
}

bool answer_goes_to_next_worker(struct session *session)
{
	const struct worker *worker = session->worker;
	if (++session->exhausted >= worker->count)
		return false;
	session_pass_on(session, (worker->index + 1) % worker->count);
	return true;
}

static void send_configuration(
	struct session *session, const struct control_message *request, enum control_result result)
{
	struct worker *worker = session->worker;
	const struct lease *lease = session->lease;
	bool offload = worker->datapath.tun->offload;
	struct control_message message = worker->settings->offer;

	message.kind = CONTROL_CONFIGURATION_RESPONSE;
	message.transaction = request->transaction;
	message.version = CONTROL_VERSION;
	message.capabilities =
		CAPABILITY_RESUME | (offload ? CAPABILITY_OFFLOAD : 0) |
		(message.lanes_allowed > 1 ? CAPABILITY_LANES | CAPABILITY_COPIES : 0);
	message.software = view_of(software);
	message.result = result;
	message.join_key = (struct view){lease->join_key, sizeof(lease->join_key)};
	message.resume_token = (struct view){lease->token, sizeof(lease->token)};
	message.inner4 = pool_inner4(worker->pool, lease);
	message.inner6 = pool_inner6(worker->pool, lease);
	control_set(&message, TAG_VERSION);
	control_set(&message, TAG_CAPABILITIES);
	control_set(&message, TAG_SOFTWARE);
	control_set(&message, TAG_RESULT);
	control_set(&message, TAG_JOIN_KEY);
	control_set(&message, TAG_RESUME_TOKEN);
	if (message.inner4.address.version)
		control_set(&message, TAG_INNER4);
	if (message.inner6.address.version)
		control_set(&message, TAG_INNER6);
	struct lane *lane = &session_first(session)->lane;
	tunnel_control_on(&session->tunnel, lane, &message);
	session->told = worker->update.version;
	tunnel_attach(&session->tunnel, lane, message.mtu,
		offload && (request->capabilities & CAPABILITY_OFFLOAD));
	realtime_set_copies(&session->tunnel.realtime,
		(enum copies_mode)worker->settings->config.realtime_copies,
		request->capabilities & CAPABILITY_COPIES);
}

bool answer_is_beyond_source_limit(const struct session *session)
{
	const struct worker *worker = session->worker;
	unsigned limit = worker->settings->config.per_source_limit;
	return limit && session_lanes_tunnels_from(worker, &session_first(session)->from) >= limit;
}

static void configure(struct session *session, const struct control_message *request)
{
	struct worker *worker = session->worker;
	const struct tscfd_config *config = &worker->settings->config;
	uint8_t instance[CONTROL_INSTANCE];
	uint64_t now = clock_now();

	get_instance(request, instance);
	note_software(session, request);
	if (request->version != CONTROL_VERSION) {
		answer_refuse(session, request, RESULT_VERSION_UNSUPPORTED, 0,
			"only protocol version 1 is spoken here");
		return;
	}
	if (worker->stopping) {
		answer_refuse(
			session, request, RESULT_SHUTTING_DOWN, 5, "this TSCF is shutting down");
		return;
	}
	if (belongs_to_lease_owner(session, request))
		return;

	enum control_result result = RESULT_OK;
	struct lease *lease = session->token_tried ? NULL : resume(session, request, now);
	session->token_tried = true;
	if (session->state == SESSION_ENDED)
		return;
	if (!lease && tls_resumed(session_first(session)->lane.tls) &&
		config->client_auth == CLIENT_AUTH_REQUIRE) {
		answer_refuse(session, request, RESULT_AUTHENTICATION_FAILED, 0,
			"a resumed TLS session without a valid resume token: "
			"connect with a full handshake");
		return;
	}
	/* Who loses his connection meanwhile may still come back. */
	if (!lease && worker->drain.on) {
		answer_refuse(session, request, RESULT_SHUTTING_DOWN, RETRY_OVERLOADED,
			"this TSCF is taken out of service");
		return;
	}
	if (!lease && config->max_tunnels && worker->group->tunnels >= config->max_tunnels) {
		answer_refuse(session, request, RESULT_OVERLOADED, RETRY_OVERLOADED,
			"this TSCF has as many tunnels as it may have (max-tunnels)");
		return;
	}
	if (!lease && answer_is_beyond_source_limit(session)) {
		answer_refuse(session, request, RESULT_OVERLOADED, RETRY_OVERLOADED,
			"as many tunnels come from this address as may (per-source-limit)");
		return;
	}
	if (!lease) {
		struct lease *wished = find_wished(session, request, instance, now);
		if (!wished && answer_goes_home(session, instance))
			return;
		if (control_has(request, TAG_RESUME_TOKEN))
			result = RESULT_RESUME_REFUSED;
		if (!admit_identity(session, request, NULL))
			return;
		lease = wished;
		if (wished)
			pool_give(worker->pool, wished, session->identity, instance, now);
		else
			lease = pool_lease(worker->pool, session->identity, instance, now);
	}
	if (!lease) {
		identity_unclaim(worker->group, &session->claim);
		if (answer_goes_to_next_worker(session))
			return;
	}
	if (!lease) {
		answer_refuse(session, request, RESULT_NO_ADDRESS, RETRY_NO_ADDRESS,
			"no inner address is left in the pool");
		return;
	}
	lease->tunnel = session;
	session->lease = lease;
	/* Before the client hears of it: it may well come back to our successor. */
	state_note(worker->group->state, lease);
	send_configuration(session, request, result);
	if (session->state != SESSION_ENDED)
		session_start_tunnel(session);
}

/* --- any message --------------------------------------------------------- */

static bool is_request(enum control_kind kind)
{
	return kind == CONTROL_CONFIGURATION_REQUEST || kind == CONTROL_JOIN_REQUEST;
}

/* Decodes; answers what is wrong with a Configuration or Join Request.  False
 * when there is nothing more to do with the message. */
static bool decode(struct session_lane *at, const uint8_t *payload, size_t length,
	struct control_message *message)
{
	struct session *session = at->session;
	const char *fault = "";
	struct reason why;

	switch (control_decode(payload, length, message, &fault)) {
	case CONTROL_OK:
		return true;
	case CONTROL_BAD_MAGIC:
		lane_protocol_error(&at->lane, "a control envelope without its magic number");
		return false;
	case CONTROL_UNKNOWN_KIND:
		break;
	case CONTROL_MALFORMED:
		reason_set(&why, "malformed %s: %s", control_kind_name(message->kind), fault);
		if (is_request(message->kind)) {
			answer_refuse(session, message, RESULT_MALFORMED, 0, why.text);
			return false;
		}
		break;
	case CONTROL_UNKNOWN_CRITICAL:
		reason_set(&why, "%s with the unknown critical tag 0x%04x",
			control_kind_name(message->kind), message->fault_tag);
		if (is_request(message->kind)) {
			answer_refuse(session, message, RESULT_UNKNOWN_CRITICAL, 0, why.text);
			return false;
		}
		break;
	}
	counter_add(&session->tunnel.counters, COUNTER_UNEXPECTED_CONTROL, 1);
	return false;
}

static void first_message(struct session *session, const uint8_t *payload, size_t length)
{
	struct control_message message;
	if (!decode(session_first(session), payload, length, &message))
		return;
	if (message.kind == CONTROL_CONFIGURATION_REQUEST)
		configure(session, &message);
	else if (message.kind == CONTROL_JOIN_REQUEST)
		join_answer(session, &message);
	else
		lane_protocol_error(&session_first(session)->lane,
			"the first message is neither a Configuration nor a Join Request");
}

void answer_first(struct session *session, const struct envelope *envelope)
{
	struct lane *lane = &session_first(session)->lane;
	if (envelope->type == ENVELOPE_CONTROL)
		first_message(session, envelope->payload, envelope->length);
	else if (envelope->type == ENVELOPE_IP)
		plain_first(session, envelope);
	else if (envelope->type == ENVELOPE_OFFLOAD)
		lane_protocol_error(lane, "an offload envelope before the Configuration Request");
}

static void answer_keepalive(struct session_lane *at, const struct control_message *request)
{
	struct control_message message = {
		.kind = CONTROL_KEEPALIVE_RESPONSE,
		.transaction = request->transaction,
		.raw = request->raw,
	};
	tunnel_control_on(&at->session->tunnel, &at->lane, &message);
	session_lane_asked(at);
}

static void answer_release(struct session_lane *at, const struct control_message *request)
{
	struct session *session = at->session;
	struct control_message message = {
		.kind = CONTROL_RELEASE_RESPONSE,
		.transaction = request->transaction,
		.result = RESULT_OK,
	};
	control_set(&message, TAG_RESULT);
	if (session->worker->drain.on) {
		session_has_moved(session);
		tunnel_control_on(&session->tunnel, &at->lane, &message);
		return;
	}
	session->is_ending = true;
	tunnel_control_on(&session->tunnel, &at->lane, &message);
	session_end(session, false, "released by the client");
}

void answer_control(struct session_lane *at, const uint8_t *payload, size_t length)
{
	struct counters *counters = &at->session->tunnel.counters;
	struct control_message message;
	if (!decode(at, payload, length, &message))
		return;
	switch (message.kind) {
	case CONTROL_KEEPALIVE_REQUEST:
		answer_keepalive(at, &message);
		return;
	case CONTROL_KEEPALIVE_RESPONSE:
		if (!keepalive_answered(&at->keepalive, message.transaction, lane_came(&at->lane)))
			break;
		counter_add(counters, COUNTER_KEEPALIVES_ANSWERED, 1);
		return;
	case CONTROL_RELEASE_REQUEST:
		answer_release(at, &message);
		return;
	case CONTROL_CONFIGURATION_REQUEST:
	case CONTROL_JOIN_REQUEST:
		send_refusal(at, &message, RESULT_FORBIDDEN, 0,
			"this connection already carries a tunnel");
		return;
	case CONTROL_CONFIGURATION_RESPONSE:
	case CONTROL_JOIN_RESPONSE:
	case CONTROL_RELEASE_RESPONSE:
	case CONTROL_CONFIGURATION_UPDATE:
		break;
	}
	counter_add(counters, COUNTER_UNEXPECTED_CONTROL, 1);
}
