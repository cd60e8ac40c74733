/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Attempts, reconnections and the end: the life of the client's connection.
 * What is said on it is in negotiate.c. */
#include "tse/client.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "io/clock.h"
#include "io/log.h"
#include "tse/negotiate.h"

/* After our Configuration Request, and after the first keep-alive. */
enum { ANSWER_SECONDS = 10, RESOLVERS_MAX = 8 };

const char *client_state_name(enum client_state state)
{
	switch (state) {
	case CLIENT_DIALING:
		return "dialing";
	case CLIENT_HANDSHAKE:
		return "handshake";
	case CLIENT_CONFIGURING:
	case CLIENT_CONFIRMING:
		return "configuring";
	case CLIENT_UP:
		return "up";
	case CLIENT_WAITING:
		return "reconnecting";
	case CLIENT_STOPPED:
		return "stopping";
	}
	return "unknown";
}

void client_enter(struct client *client, enum client_state state)
{
	client->state = state;
	client->since_epoch = (int64_t)time(NULL);
	client->generation++;
	client->changed(client->user);
}

static uint32_t draw_random(void)
{
	uint32_t value = 0;
	if (getrandom(&value, sizeof(value), 0) < 0)
		value = (uint32_t)clock_now();
	return value;
}

static void set_timer(struct client *client, uint64_t us)
{
	client->timer.repeat = (double)us / 1e6;
	ev_timer_again(client->loop, &client->timer);
}

/* --- the end of an attempt ------------------------------------------------ */

/* Lets go of the connection, whatever state it is in. The lane itself is freed
 * when the loop turns, since we may be inside it. */
static void drop_connection(struct client *client)
{
	dial_cancel(client->dial);
	client->dial = NULL;
	tunnel_attach(&client->tunnel, NULL, client->tunnel.mtu, client->tunnel.offload);
	if (client->lane_in_use)
		lane_stop(&client->lane);
	steer_carrier(client->steer, client->tun, false);
}

static void wait_for_next(struct client *client)
{
	uint64_t least = (uint64_t)client->retry_after * 1000000;
	uint64_t wait = backoff_next(&client->backoff, draw_random(), least);
	client->retry_after = 0;
	client->retry_at = clock_now() + wait;
	set_timer(client, wait);
	client_enter(client, CLIENT_WAITING);
}

void client_fail(struct client *client, enum exit_status status, const char *why)
{
	if (client->state == CLIENT_STOPPED || client->state == CLIENT_WAITING)
		return;
	bool was_up = client->state == CLIENT_UP;
	client->failure.status = status;
	client->failure.refused = status == STATUS_REFUSED || status == STATUS_REJECTED;
	/* `why` may be the text of the very connection that goes now. */
	reason_set(&client->failure.why, "%s", why);
	drop_connection(client);
	if (was_up) {
		log_line(LOG_WARNING, "tunnel lost: %s", client->failure.why.text);
		client->reconnects++;
	} else {
		log_line(LOG_WARNING, "no tunnel: %s", client->failure.why.text);
	}
	if (launch_is_waiting(client->launch)) {
		launch_report(client->launch, "  failed       %s", client->failure.why.text);
		client_stop(client, status);
		return;
	}
	wait_for_next(client);
}

/* --- the lane ------------------------------------------------------------- */

static void on_opened(struct lane *lane)
{
	struct client *client = lane->owner;
	launch_report(client->launch, "  tls          %s, %s, AES-GCM by %s",
		tls_version(lane->tls), tls_cipher(lane->tls), tls_aead_name());
	client_enter(client, CLIENT_CONFIGURING);
	set_timer(client, (uint64_t)ANSWER_SECONDS * 1000000);
	negotiate_request(client);
}

static void on_envelope(struct lane *lane, const struct envelope *envelope)
{
	struct client *client = lane->owner;
	if (client->state == CLIENT_CONFIGURING && envelope->type != ENVELOPE_CONTROL)
		return; /* for a tunnel that we do not have yet */
	keepalive_heard(&client->keepalive, clock_now());
	tunnel_receive(&client->tunnel, envelope);
}

static void on_writable(struct lane *lane)
{
	struct client *client = lane->owner;
	tunnel_writable(&client->tunnel);
}

static enum exit_status tls_status(enum tls_failure failure)
{
	switch (failure) {
	case TLS_FAILURE_UNTRUSTED:
	case TLS_FAILURE_EXPIRED:
	case TLS_FAILURE_WRONG_NAME:
	case TLS_FAILURE_WRONG_PIN:
	case TLS_FAILURE_REVOKED:
	case TLS_FAILURE_NO_CERTIFICATE:
	case TLS_FAILURE_BAD_CERTIFICATE:
		return STATUS_BAD_CERTIFICATE;
	case TLS_FAILURE_WE_REJECTED:
		return STATUS_REJECTED;
	case TLS_FAILURE_NO_COMMON:
	case TLS_FAILURE_NOT_TLS:
	case TLS_FAILURE_OTHER:
	case TLS_FAILURE_COUNT:
		return STATUS_PROTOCOL;
	case TLS_FAILURE_NONE:
	case TLS_FAILURE_CONNECTION:
		return STATUS_UNREACHABLE;
	}
	return STATUS_INTERNAL;
}

/* Closed instead of an answer, with TLS's close_notify or without: this is not
 * how a TSCF refuses. */
static void fail_unanswered(struct client *client)
{
	client_fail(client, STATUS_PROTOCOL,
		"the server closed the connection instead of answering the Configuration Request: "
		"is it a TSCF?");
}

static void on_ended(struct lane *lane, enum lane_end end, const char *why)
{
	struct client *client = lane->owner;
	if (*client->farewell.text) {
		client_fail(client, STATUS_REFUSED, client->farewell.text);
		return;
	}
	switch (end) {
	case LANE_END_TLS:
		client_fail(client, tls_status(tls_failure(lane->tls)), why);
		return;
	case LANE_END_NETWORK:
		if (client->state == CLIENT_CONFIGURING)
			fail_unanswered(client);
		else
			client_fail(client, STATUS_UNREACHABLE, why);
		return;
	case LANE_END_PEER:
		if (client->state == CLIENT_UP)
			client_fail(client, STATUS_UNREACHABLE, "the TSCF closed the connection");
		else
			fail_unanswered(client);
		return;
	case LANE_END_PROTOCOL:
		client_fail(client, STATUS_PROTOCOL, why);
		return;
	}
}

static const struct lane_events lane_events = {
	.opened = on_opened,
	.envelope = on_envelope,
	.writable = on_writable,
	.ended = on_ended,
};

static void on_reap(struct ev_loop *loop, struct ev_prepare *watcher, int events)
{
	(void)loop;
	(void)events;
	struct client *client = watcher->data;
	if (client->lane_in_use && client->lane.state == LANE_STOPPED) {
		lane_close(&client->lane);
		client->lane_in_use = false;
	}
}

/* --- dialing -------------------------------------------------------------- */

static const struct config_endpoint *endpoint(const struct client *client)
{
	return &client->config->servers.items[client->endpoint];
}

/* Outer addresses never go through the tunnel, also where strict reverse-path
 * filtering looks the route up without our mark. */
static void exempt_outer(struct client *client)
{
	struct address outer[CLIENT_CACHED + RESOLVERS_MAX + 1];
	size_t count = 0;
	struct reason why;

	outer[count++] = client->outer;
	for (size_t i = 0; i < client->cached_count; i++)
		outer[count++] = client->cached[i];
	count += dial_resolvers(outer + count, RESOLVERS_MAX);
	if (steer_outer(client->steer, outer, count, &why))
		log_line(LOG_WARNING, "cannot exempt the outer addresses: %s", why.text);
}

static void on_dialed(void *user, const struct dial_result *result)
{
	static const enum exit_status statuses[] = {
		[DIAL_OK] = STATUS_UP,
		[DIAL_NO_NAME] = STATUS_NO_NAME,
		[DIAL_UNREACHABLE] = STATUS_UNREACHABLE,
		[DIAL_LOCAL] = STATUS_INTERNAL,
	};
	struct client *client = user;
	char text[ADDRESS_TEXT_MAX];
	struct tls *tls;

	struct address found[CLIENT_CACHED];
	size_t count = dial_addresses(client->dial, found, CLIENT_CACHED);
	if (count) {
		memcpy(client->cached, found, sizeof(found));
		client->cached_count = count;
	}
	client->dial = NULL; /* frees itself now */
	if (result->failure != DIAL_OK) {
		client_fail(client, statuses[result->failure], result->why.text);
		return;
	}
	client->outer = result->address;
	client->outer_port = result->port;
	client->endpoint = result->endpoint;
	client->connected = clock_now();
	launch_report(client->launch, "  tcp          connected to %s port %u in %.0f ms",
		address_format(&client->outer, text), client->outer_port,
		(double)(client->connected - client->attempt_started) / 1000.);
	exempt_outer(client);

	const char *host = endpoint(client)->host;
	const char *sni = client->config->sni ? client->config->sni : host;
	if (tls_new(&tls, client->tls, result->fd, host, sni) != 0) {
		client_fail(client, STATUS_INTERNAL, "out of memory for a TLS connection");
		return;
	}
	client->lane_in_use = true;
	set_timer(client, client->config->tls_timeout);
	lane_open(&client->lane, client->loop, result->fd, tls, &lane_events, client,
		&client->datapath.scratch);
	client_enter(client, CLIENT_HANDSHAKE);
}

static void attempt(struct client *client)
{
	struct dial_settings settings = {
		.endpoints = &client->config->servers,
		.mark = client->config->fwmark,
		.timeout = client->config->tls_timeout,
		.cached = client->cached,
		.cached_count = client->cached_count,
	};
	client->attempt_started = clock_now();
	client->farewell.text[0] = '\0';
	ev_timer_stop(client->loop, &client->timer);
	client_enter(client, CLIENT_DIALING);
	if (dial_start(&client->dial, client->loop, &settings, on_dialed, client) != 0)
		client_fail(client, STATUS_INTERNAL, "cannot start to connect: out of memory");
}

/* --- timers --------------------------------------------------------------- */

static void on_keepalive_due(struct client *client)
{
	uint64_t now = clock_now();
	lane_trim(&client->lane);
	switch (keepalive_poll(&client->keepalive, now)) {
	case KEEPALIVE_WAIT:
		break;
	case KEEPALIVE_SEND:
		negotiate_keepalive(client);
		break;
	case KEEPALIVE_DEAD:
		client_fail(client, STATUS_UNREACHABLE,
			"the TSCF no longer answers keep-alives; the network has dropped the "
			"connection silently");
		return;
	}
	uint64_t due = keepalive_due(&client->keepalive);
	if (due == UINT64_MAX)
		ev_timer_stop(client->loop, &client->timer);
	else
		set_timer(client, due > now ? due - now : 1000);
}

void client_came_up(struct client *client)
{
	char outer[ADDRESS_TEXT_MAX];
	uint64_t now = clock_now();
	double took = (double)(now - client->attempt_started) / 1000.;

	client->up_since = now;
	backoff_reset(&client->backoff);
	client_enter(client, CLIENT_UP);
	on_keepalive_due(client);
	log_line(LOG_INFO, "tunnel up: %s port %u, %s %s, after %.0f ms",
		address_format(&client->outer, outer), client->outer_port,
		tls_version(client->lane.tls), tls_cipher(client->lane.tls), took);
	launch_report(client->launch, "  up           after %.0f ms, round trip %.1f ms", took,
		(double)client->keepalive.rtt / 1000.);
	launch_end(client->launch, client->loop, STATUS_UP);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct client *client = watcher->data;
	switch (client->state) {
	case CLIENT_WAITING:
		attempt(client);
		break;
	case CLIENT_HANDSHAKE:
		client_fail(client, STATUS_UNREACHABLE,
			"the TLS handshake was not completed in time: something between here and "
			"the TSCF lets TCP pass and TLS not");
		break;
	case CLIENT_CONFIGURING:
		client_fail(client, STATUS_PROTOCOL,
			"the server speaks TLS but does not answer the Configuration Request: "
			"is it a TSCF?");
		break;
	case CLIENT_CONFIRMING:
		client_fail(client, STATUS_PROTOCOL,
			"the TSCF granted a tunnel but does not answer through it");
		break;
	case CLIENT_UP:
		on_keepalive_due(client);
		break;
	case CLIENT_DIALING:
	case CLIENT_STOPPED:
		ev_timer_stop(client->loop, &client->timer);
		break;
	}
}

/* --- packets -------------------------------------------------------------- */

static bool is_own(const struct client *client, uint8_t version, const uint8_t *octets)
{
	const struct steer_plan *plan = &client->grant.plan;
	return prefix_contains_octets(
		version == 4 ? &plan->inner4 : &plan->inner6, version, octets);
}

static struct tunnel *route(void *owner, const struct packet *packet, enum counter *drop,
	uint8_t *icmp, size_t *answer)
{
	struct client *client = owner;
	(void)icmp;
	(void)answer;
	/* An app that still uses the address it had before the tunnel was up. */
	if (!is_own(client, packet->version, packet->source)) {
		bool link_local = packet->version == 6 && packet->source[0] == 0xfe;
		*drop = link_local ? COUNTER_DROP_LINK_LOCAL : COUNTER_DROP_BAD_SOURCE;
		return NULL;
	}
	if (!client->tunnel.lane) {
		*drop = COUNTER_DROP_NO_TUNNEL;
		return NULL;
	}
	return &client->tunnel;
}

static bool admit(struct tunnel *tunnel, const struct packet *packet, enum counter *drop)
{
	const struct client *client = tunnel->owner;
	if (is_own(client, packet->version, packet->destination))
		return true;
	*drop = COUNTER_DROP_BAD_DESTINATION;
	return false;
}

static void tun_failed(void *owner, int error)
{
	struct client *client = owner;
	log_line(LOG_ERR, "cannot read %s any more: %s", client->tun->name, strerror(error));
	client_stop(client, STATUS_INTERNAL);
}

static const struct datapath_events datapath_events = {
	.route = route,
	.admit = admit,
	.control = negotiate_control,
	.tun_failed = tun_failed,
};

/* --- the network ---------------------------------------------------------- */

static void on_network_change(void *user, const struct netmon_event *event)
{
	struct client *client = user;
	struct reason why;

	int repaired = steer_repair(client->steer, client->tun, &why);
	if (repaired < 0)
		log_line(LOG_ERR, "cannot restore the routes of %s: %s", client->tun->name, why.text);
	else if (repaired > 0)
		log_line(LOG_WARNING, "somebody changed %s or its routes: %d put back",
			client->tun->name, repaired);
	datapath_resume(&client->datapath);
	if (event->others)
		client_kick(client);
}

void client_kick(struct client *client)
{
	if (client->state == CLIENT_WAITING) {
		attempt(client);
	} else if (client->state == CLIENT_UP) {
		keepalive_hurry(&client->keepalive);
		on_keepalive_due(client);
	}
}

/* --- life ----------------------------------------------------------------- */

int client_init(struct client *client, const struct client_setup *setup, struct reason *why)
{
	memset(client, 0, sizeof(*client));
	client->loop = setup->loop;
	client->config = setup->config;
	client->profile = setup->profile;
	client->launch = setup->launch;
	client->steer = setup->steer;
	client->tun = setup->tun;
	client->tls = setup->tls;
	client->changed = setup->changed;
	client->user = setup->user;
	memcpy(client->instance, setup->instance, CONTROL_INSTANCE);

	int error = netmon_open(&client->netmon, client->loop, on_network_change, client, why);
	if (error)
		return error;
	client->netmon.own_index = client->tun->index;
	error = datapath_init(
		&client->datapath, client->loop, client->tun, 0, &datapath_events, client);
	if (error) {
		reason_set(why, "out of memory for packets");
		netmon_close(&client->netmon);
		return error;
	}
	client->datapath.sends_up = true;
	client->datapath.policy.realtime_budget = client->config->realtime_budget;
	tunnel_init(&client->tunnel, &client->datapath, client);
	ev_timer_init(&client->timer, on_timer, 0., 0.);
	ev_prepare_init(&client->reap, on_reap);
	client->timer.data = client->reap.data = client;
	ev_prepare_start(client->loop, &client->reap);
	return 0;
}

void client_start(struct client *client)
{
	attempt(client);
}

void client_stop(struct client *client, enum exit_status outcome)
{
	if (client->state == CLIENT_STOPPED)
		return;
	if (client->state == CLIENT_UP)
		negotiate_release(client);
	drop_connection(client);
	ev_timer_stop(client->loop, &client->timer);
	client->outcome = outcome;
	client_enter(client, CLIENT_STOPPED);
	ev_break(client->loop, EVBREAK_ALL);
}

void client_fini(struct client *client)
{
	ev_prepare_stop(client->loop, &client->reap);
	if (client->lane_in_use)
		lane_close(&client->lane);
	tunnel_fini(&client->tunnel);
	datapath_fini(&client->datapath);
	netmon_close(&client->netmon);
}
