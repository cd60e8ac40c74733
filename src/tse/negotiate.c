/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The control half of the protocol, from the TSE's side. */
#include "tse/negotiate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/clock.h"
#include "io/log.h"
#include "tse/client_private.h"
#include "tse/grant.h"

static const char software[] = "tse/" PACKAGE_VERSION;

/* --- requests ------------------------------------------------------------- */

void negotiate_request(struct client *client)
{
	const struct client_grant *grant = &client->grant;
	struct control_message message = {
		.kind = CONTROL_CONFIGURATION_REQUEST,
		.transaction = ++client->transaction,
		.version = CONTROL_VERSION,
		.capabilities =
			CAPABILITY_RESUME | (client->tun->offload ? CAPABILITY_OFFLOAD : 0) |
			(client->config->lanes == 1 ? 0 : CAPABILITY_LANES | CAPABILITY_COPIES),
		.software = {(const uint8_t *)software, sizeof(software) - 1},
		.instance = {client->instance, CONTROL_INSTANCE},
		.resume_token = {grant->token, grant->token_length},
		.inner4 = grant->plan.inner4,
		.inner6 = grant->plan.inner6,
	};
	control_set(&message, TAG_VERSION);
	control_set(&message, TAG_CAPABILITIES);
	control_set(&message, TAG_SOFTWARE);
	control_set(&message, TAG_INSTANCE);
	if (grant->token_length)
		control_set(&message, TAG_RESUME_TOKEN);
	if (grant->plan.inner4.address.version)
		control_set(&message, TAG_INNER4);
	if (grant->plan.inner6.address.version)
		control_set(&message, TAG_INNER6);
	/* No packet may leave before the answer: the lane only. */
	tunnel_control_on(&client->tunnel, &client->current->lane, &message);
}

void negotiate_join(
	struct client *client, struct lane *lane, uint16_t transaction, const struct view *join_key)
{
	struct control_message message = {
		.kind = CONTROL_JOIN_REQUEST,
		.transaction = transaction,
		.join_key = *join_key,
		.lane_index = lane->index,
		.lane_class = (uint8_t)lane->class,
	};
	control_set(&message, TAG_JOIN_KEY);
	control_set(&message, TAG_LANE);
	tunnel_control_on(&client->tunnel, lane, &message);
}

void negotiate_keepalive(struct client *client, struct lane *lane, uint16_t transaction)
{
	struct control_message message = {
		.kind = CONTROL_KEEPALIVE_REQUEST,
		.transaction = transaction,
		.timestamp = clock_now(),
	};
	control_set(&message, TAG_TIMESTAMP);
	tunnel_control_on(&client->tunnel, lane, &message);
	counter_add(&client->tunnel.counters, COUNTER_KEEPALIVES_SENT, 1);
}

void negotiate_release(struct client *client)
{
	struct control_message message = {
		.kind = CONTROL_RELEASE_REQUEST,
		.transaction = ++client->transaction,
	};
	if (client->tunnel.plain) {
		plain_release(client);
		return;
	}
	tunnel_control(&client->tunnel, &message);
}

/* --- Configuration Response ----------------------------------------------- */

static void report_grant(struct client *client)
{
	char inner4[PREFIX_TEXT_MAX], inner6[PREFIX_TEXT_MAX];
	const struct client_grant *grant = &client->grant;
	const struct steer_plan *plan = &grant->plan;

	launch_report(client->launch, "  tunnel       %s %s, MTU %u, %zu IMS route%s, %s",
		plan->inner4.address.version ? prefix_format(&plan->inner4, inner4) : "",
		plan->inner6.address.version ? prefix_format(&plan->inner6, inner6) : "", plan->mtu,
		plan->route_count, plan->route_count == 1 ? "" : "s",
		*grant->software ? grant->software : "unknown TSCF software");
	if (grant->refused_routes)
		launch_report(client->launch,
			"  note         %zu route%s of the TSCF refused by this profile "
			"(allowed-routes)",
			grant->refused_routes, grant->refused_routes == 1 ? "" : "s");
}

static void lose(struct client *client, enum traversal_state outcome, enum traversal_cause cause,
	enum exit_status status, const char *why)
{
	struct client_failure failure = {.outcome = outcome, .cause = cause, .status = status};
	reason_set(&failure.why, "%s", why);
	client_lose(client, &failure);
}

/* It is up when the TSCF has answered through it. */
static void confirm(struct client *client)
{
	uint64_t now = clock_now();
	client->configured = true;
	keepalive_init(&client->keepalive, client->grant.keepalive, (uint32_t)now, now);
	keepalive_hurry(&client->keepalive);
	if (keepalive_poll(&client->keepalive, now) == KEEPALIVE_SEND)
		negotiate_keepalive(client, &client->current->lane, client->keepalive.transaction);
}

bool negotiate_accept(struct client *client, const struct control_message *message)
{
	struct client_grant *grant = &client->grant;
	struct reason why;

	update_forget(client);
	grant_read(client, message, grant);
	if (grant->refused_routes)
		log_line(LOG_WARNING, "%zu route(s) of the TSCF refused: see allowed-routes",
			grant->refused_routes);
	if (grant->plan.route_count == 0) {
		lose(client, TRAVERSAL_STEP_REFUSED, TRAVERSAL_CAUSE_POLICY, STATUS_REFUSED,
			client->tunnel.plain
				? "the server, a plain TS 24.322 peer, names no IMS route that "
				  "this profile allows: name the IMS prefixes with [steering] "
				  "routes"
				: "the TSCF offers no IMS route that this profile allows: "
				  "compare its [ims] routes with [steering] allowed-routes");
		return false;
	}
	int error = steer_apply(client->steer, client->tun, &grant->plan, &why);
	if (error) {
		bool conflict = error == -EADDRINUSE || error == -ELOOP;
		lose(client, TRAVERSAL_FAILED, TRAVERSAL_CAUSE_LOCAL,
			conflict          ? STATUS_CONFLICT
			: error == -EPERM ? STATUS_PRIVILEGE
					  : STATUS_INTERNAL,
			why.text);
		return false;
	}
	client->plan_applied = true;
	report_grant(client);
	grant_teach_scheduler(client);
	/* Packets are as large as the TSCF says, whatever our own MTU is. */
	tunnel_attach(&client->tunnel, &client->current->lane, message->mtu,
		client->tun->offload && (message->capabilities & CAPABILITY_OFFLOAD));
	client->tunnel.link_mtu = (uint16_t)grant->plan.mtu;
	realtime_set_copies(&client->tunnel.realtime,
		(enum copies_mode)client->config->realtime_copies,
		message->capabilities & CAPABILITY_COPIES);
	datapath_resume(&client->datapath);
	lanes_begin(client, message);
	return true;
}

static struct client_failure refusal_of(unsigned result)
{
	struct client_failure failure = {
		.outcome = TRAVERSAL_STEP_REFUSED,
		.cause = TRAVERSAL_CAUSE_POLICY,
		.status = STATUS_REFUSED,
	};
	switch (result) {
	case RESULT_AUTHENTICATION_FAILED:
		failure.cause = TRAVERSAL_CAUSE_AUTHENTICATION;
		failure.status = STATUS_REJECTED;
		break;
	case RESULT_VERSION_UNSUPPORTED:
	case RESULT_MALFORMED:
	case RESULT_UNKNOWN_CRITICAL:
		failure.cause = TRAVERSAL_CAUSE_VERSION;
		failure.status = STATUS_PROTOCOL;
		break;
	case RESULT_NO_ADDRESS:
		failure.cause = TRAVERSAL_CAUSE_NO_ADDRESS;
		break;
	case RESULT_OVERLOADED:
		failure.cause = TRAVERSAL_CAUSE_OVERLOADED;
		break;
	case RESULT_SHUTTING_DOWN:
		failure.cause = TRAVERSAL_CAUSE_SHUTTING_DOWN;
		break;
	default: /* policy; also a later version's */
		break;
	}
	return failure;
}

static void report_not_resumed(const struct client *client, const struct control_message *message)
{
	const struct steer_plan *before = &client->grant.plan;
	if (address_equal(&before->inner4.address, &message->inner4.address) &&
		address_equal(&before->inner6.address, &message->inner6.address))
		log_line(LOG_INFO, "a new tunnel with the old addresses");
	else
		log_line(LOG_WARNING, "the TSCF did not resume the old tunnel: new "
				      "addresses, so apps must register again");
}

static void on_response(struct client *client, const struct control_message *message)
{
	plain_is_native(client);
	if (message->result == RESULT_OK || message->result == RESULT_RESUME_REFUSED) {
		if (message->result == RESULT_RESUME_REFUSED)
			report_not_resumed(client, message);
		if (negotiate_accept(client, message))
			confirm(client);
		return;
	}
	if (message->result == RESULT_AUTHENTICATION_FAILED) {
		client->grant.token_length = 0;
		if (client_shake_hands_again(client))
			return;
	}
	if (message->result == RESULT_SHUTTING_DOWN && move_redirected(client, message))
		return;
	struct client_failure failure = refusal_of(message->result);
	char text[CLIENT_TEXT] = "", again[40] = "";
	if (control_has(message, TAG_REASON))
		grant_copy_text(text, &message->reason);
	if (message->retry_after)
		snprintf(again, sizeof(again), " (try again in %u s)", message->retry_after);
	reason_set(&failure.why, "the TSCF refused: %s%s%s%s", control_result_name(message->result),
		*text ? ": " : "", text, again);
	failure.retry_after = message->retry_after;
	client_lose(client, &failure);
}

void negotiate_explain(struct client *client, struct client_failure *failure)
{
	if (*client->farewell.text) {
		failure->outcome = TRAVERSAL_STEP_REFUSED;
		failure->cause = client->farewell_cause;
		failure->status = STATUS_REFUSED;
		failure->why = client->farewell;
	} else if (plain_explain(client, failure)) {
		return;
	} else if (failure->cause == TRAVERSAL_CAUSE_RESET && !client->configured) {
		/* Closed instead of an answer, with TLS's close_notify or without:
		 * this is not how a TSCF refuses. */
		failure->cause = TRAVERSAL_CAUSE_PROTOCOL;
		failure->status = STATUS_PROTOCOL;
		reason_set(&failure->why, "the server closed the connection instead of answering "
					  "the Configuration Request: is it a TSCF?");
	}
}

/* --- everything else ------------------------------------------------------ */

static void on_keepalive_response(
	struct client *client, const struct lane *lane, const struct control_message *message)
{
	struct keepalive *of_lane = lanes_keepalive(client, lane);
	if (of_lane) {
		keepalive_answered(of_lane, message->transaction, lane_came(lane));
		counter_add(&client->tunnel.counters, COUNTER_KEEPALIVES_ANSWERED, 1);
		return;
	}
	if (!keepalive_answered(&client->keepalive, message->transaction, lane_came(lane))) {
		counter_add(&client->tunnel.counters, COUNTER_UNEXPECTED_CONTROL, 1);
		return;
	}
	counter_add(&client->tunnel.counters, COUNTER_KEEPALIVES_ANSWERED, 1);
	client_alive(client);
	/* The next wake-up is the next question. */
	if (client->current)
		client_set_timer(client->loop, &client->keepalive_timer,
			keepalive_due(&client->keepalive), clock_now());
}

static void answer_keepalive(
	struct client *client, struct lane *lane, const struct control_message *request)
{
	struct control_message message = {
		.kind = CONTROL_KEEPALIVE_RESPONSE,
		.transaction = request->transaction,
		.raw = request->raw,
	};
	tunnel_control_on(&client->tunnel, lane, &message);
	/* Nothing to do until it is late with the next one. */
	if (client_is_up(client))
		client_set_timer(client->loop, &client->keepalive_timer,
			keepalive_due(&client->keepalive), clock_now());
}

/* With 0 we may come back at once, with "shutting down" when it has had a
 * moment; with the others somebody has to change something first. */
static enum traversal_cause release_cause(const struct control_message *request)
{
	if (!control_has(request, TAG_RESULT) || request->result == RESULT_OK)
		return TRAVERSAL_CAUSE_LOST;
	return refusal_of(request->result).cause;
}

static void on_release_request(struct client *client, const struct control_message *request)
{
	struct control_message message = {
		.kind = CONTROL_RELEASE_RESPONSE,
		.transaction = request->transaction,
	};
	char text[CLIENT_TEXT] = "";

	if (control_has(request, TAG_REASON))
		grant_copy_text(text, &request->reason);
	reason_set(&client->farewell, "the TSCF ended the tunnel%s%s", *text ? ": " : "", text);
	client->farewell_cause = release_cause(request);
	if (client->farewell_cause != TRAVERSAL_CAUSE_SHUTTING_DOWN)
		client_forget_token(client);
	/* It may have closed already: then this answer ends the lane. */
	tunnel_control(&client->tunnel, &message);
	if (client->current)
		lose(client, TRAVERSAL_STEP_REFUSED, client->farewell_cause, STATUS_REFUSED,
			client->farewell.text);
}

static void unexpected(struct client *client)
{
	counter_add(&client->tunnel.counters, COUNTER_UNEXPECTED_CONTROL, 1);
}

static void on_update(struct client *client, const struct control_message *message)
{
	bool leave = control_has(message, TAG_RESULT) && message->result == RESULT_SHUTTING_DOWN;
	if (leave || control_has(message, TAG_OTHER_TSCF)) {
		if (!move_asked(client, message))
			unexpected(client);
	} else if (!client->configured || !update_take(client, message))
		unexpected(client);
}

static void on_message(
	struct client *client, struct lane *lane, const struct control_message *message)
{
	switch (message->kind) {
	case CONTROL_CONFIGURATION_RESPONSE:
		if (!client->configured && message->transaction == client->transaction)
			on_response(client, message);
		else
			unexpected(client);
		return;
	case CONTROL_KEEPALIVE_REQUEST:
		answer_keepalive(client, lane, message);
		return;
	case CONTROL_KEEPALIVE_RESPONSE:
		on_keepalive_response(client, lane, message);
		return;
	case CONTROL_RELEASE_REQUEST:
		on_release_request(client, message);
		return;
	case CONTROL_JOIN_RESPONSE:
		if (!lanes_answered(client, lane, message))
			unexpected(client);
		return;
	case CONTROL_CONFIGURATION_UPDATE:
		on_update(client, message);
		return;
	case CONTROL_CONFIGURATION_REQUEST:
	case CONTROL_JOIN_REQUEST:
	case CONTROL_RELEASE_RESPONSE:
		unexpected(client);
		return;
	}
}

bool negotiate_is_question(const struct envelope *envelope)
{
	struct control_message message;
	const char *fault = "";
	return control_decode(envelope->payload, envelope->length, &message, &fault) ==
		       CONTROL_OK &&
	       message.kind == CONTROL_KEEPALIVE_REQUEST;
}

void negotiate_control(
	struct tunnel *tunnel, struct lane *lane, const uint8_t *payload, size_t length)
{
	struct client *client = tunnel->owner;
	struct control_message message;
	struct reason why;
	const char *fault = "";

	switch (control_decode(payload, length, &message, &fault)) {
	case CONTROL_OK:
		on_message(client, lane, &message);
		return;
	case CONTROL_BAD_MAGIC:
		lane_protocol_error(
			lane, "the server sent a control envelope without its magic number");
		return;
	case CONTROL_UNKNOWN_KIND:
		unexpected(client);
		return;
	case CONTROL_MALFORMED:
	case CONTROL_UNKNOWN_CRITICAL:
		if (message.kind != CONTROL_CONFIGURATION_RESPONSE) {
			unexpected(client);
			return;
		}
		reason_set(&why, "the TSCF sent a malformed Configuration Response: %s", fault);
		lane_protocol_error(lane, why.text);
		return;
	}
}
