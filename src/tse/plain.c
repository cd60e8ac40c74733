/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Drives core/plain_client on the connection in use. */
#include "tse/plain.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "io/clock.h"
#include "io/lane_tcp.h"
#include "io/log.h"
#include "tse/client_private.h"
#include "tse/negotiate.h"

#define SECOND UINT64_C(1000000)

enum {
	ANSWER_SECONDS = 10,  /* for a Configuration Response, before DHCP is tried */
	ADDRESS_SECONDS = 15, /* for an address: three DHCPDISCOVERs */
};

static const char software[] = "plain TS 24.322 peer";

static uint32_t draw_random(void)
{
	uint32_t value = 0;
	if (getrandom(&value, sizeof(value), 0) < 0)
		value = (uint32_t)clock_now();
	return value;
}

static bool has_credentials(const struct tse_config *config)
{
	return config->user || config->password_file;
}

/* Whether a server of this profile may turn out to be a plain one. */
static bool may_guess(const struct tse_config *config)
{
	return config->peer == PEER_AUTO && !has_credentials(config);
}

uint64_t plain_patience(const struct tse_config *config)
{
	if (config->peer == PEER_24322)
		return ADDRESS_SECONDS * SECOND;
	return (ANSWER_SECONDS + (may_guess(config) ? ADDRESS_SECONDS : 0)) * SECOND;
}

static const struct config_endpoint *server_of(const struct client *client)
{
	return &client->config->servers.items[client->current->endpoint];
}

static bool may_be_plain(const struct client *client)
{
	return may_guess(client->config) &&
	       peers_find(&client->plain.peers, server_of(client)) != PEER_KNOWN_NATIVE;
}

/* --- the machine ------------------------------------------------------------- */

static void set_timer(struct client *client, uint64_t at)
{
	client_set_timer(client->loop, &client->plain.timer, at, clock_now());
}

static void lose(struct client *client, const char *why)
{
	struct client_failure failure = {
		.outcome = TRAVERSAL_FAILED,
		.cause = TRAVERSAL_CAUSE_LOST,
		.status = STATUS_UNREACHABLE,
	};
	reason_set(&failure.why, "%s", why);
	client_lose(client, &failure);
}

/* What the machine has learnt becomes the tunnel's; false when there is no tunnel
 * any more. */
static bool apply(struct client *client)
{
	struct plain *plain = &client->plain;
	struct control_message grant;

	plain->applied = plain->machine.changes;
	if (!plain_client_has_address(&plain->machine)) {
		lose(client, "the last address of the tunnel has expired and was not renewed");
		return false;
	}
	plain_client_grant(&plain->machine, &grant);
	grant.software = (struct view){(const uint8_t *)software, sizeof(software) - 1};
	grant.resume_token = grant.join_key = (struct view){(const uint8_t *)"", 0};
	return negotiate_accept(client, &grant);
}

static void come_up(struct client *client)
{
	struct plain *plain = &client->plain;
	if (!apply(client))
		return;
	client->configured = true;
	keepalive_init(&client->keepalive, 0, 0, clock_now());
	lane_tcp_keep_alive(
		client->current->lane.fd, (unsigned)(client->config->keepalive / SECOND));
	if (client->config->peer == PEER_AUTO)
		peers_note(&plain->peers, server_of(client), PEER_KNOWN_PLAIN);
	plain->first.text[0] = '\0';
	plain->alive = plain->machine.alive;
	client_alive(client);
}

/* After anything has happened: says what is due, and lets the result be used. */
static void run(struct client *client)
{
	struct plain *plain = &client->plain;
	uint8_t packet[DATAGRAM_PACKET_MAX];
	size_t length;

	while (plain->active && (length = plain_client_poll(
					 &plain->machine, clock_now(), draw_random(), packet)) > 0)
		tunnel_packet_on(&client->tunnel, &client->current->lane, packet, length);
	if (!plain->active)
		return; /* the connection has failed under it */
	set_timer(client, plain_client_due(&plain->machine));
	if (!client->configured) {
		if (plain_client_is_ready(&plain->machine))
			come_up(client);
		return;
	}
	if (plain->machine.changes != plain->applied && apply(client))
		client->changed(client->user);
	if (plain->active && plain->machine.alive != plain->alive) {
		plain->alive = plain->machine.alive;
		client_alive(client);
	}
}

static void start(struct client *client)
{
	struct plain *plain = &client->plain;
	log_line(LOG_INFO, "asking %s for an address as a plain TS 24.322 peer",
		server_of(client)->host);
	launch_report(client->launch, "  plain        %sasking by DHCP, as TS 24.322 alone has it",
		*plain->first.text ? "no answer to our own request: " : "");
	plain->active = client->tunnel.plain = true;
	plain->applied = 0;
	plain_client_init(&plain->machine, client->instance, clock_now());
	const struct steer_plan *before = &client->grant.plan;
	bool had4 = before->inner4.address.version, had6 = before->inner6.address.version;
	plain->machine.wished = before->inner4.address;
	plain->machine.one_family = had4 != had6;
	run(client);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)events;
	struct client *client = watcher->data;
	ev_timer_stop(loop, watcher);
	if (!client->current)
		return;
	if (client->plain.active) {
		run(client);
	} else if (!client->configured) {
		reason_set(&client->plain.first,
			"the server speaks TLS but does not answer the Configuration Request: is "
			"it a TSCF?");
		start(client);
	}
}

/* --- the connection ---------------------------------------------------------- */

void plain_init(struct client *client, const char *state_dir)
{
	struct plain *plain = &client->plain;
	peers_load(&plain->peers, state_dir);
	ev_timer_init(&plain->timer, on_timer, 0., 0.);
	plain->timer.data = client;
}

void plain_negotiate(struct client *client)
{
	struct plain *plain = &client->plain;
	bool closed = plain->has_closed && plain->closed == client->current->endpoint;
	bool known = may_be_plain(client) &&
		     peers_find(&plain->peers, server_of(client)) == PEER_KNOWN_PLAIN;
	plain->has_closed = false;
	if (client->config->peer == PEER_24322 || known || closed) {
		start(client);
		return;
	}
	negotiate_request(client);
	if (client->current && may_be_plain(client))
		set_timer(client, clock_now() + ANSWER_SECONDS * SECOND);
}

void plain_is_native(struct client *client)
{
	struct plain *plain = &client->plain;
	if (client->config->peer != PEER_24322)
		peers_note(&plain->peers, server_of(client), PEER_KNOWN_NATIVE);
	plain->active = client->tunnel.plain = false;
	plain->first.text[0] = '\0';
	ev_timer_stop(client->loop, &plain->timer);
}

/* Whether a router or a DHCP server could have sent it: nothing else is looked into. */
static bool may_be_answer(const struct packet *packet)
{
	enum { PORT_DHCP4 = 68, PORT_DHCP6 = 546 }; /* of clients */
	return packet->protocol == PROTOCOL_ICMPV6 ||
	       (packet->protocol == PROTOCOL_UDP && packet->has_ports &&
		       (packet->destination_port == PORT_DHCP4 ||
			       packet->destination_port == PORT_DHCP6));
}

bool plain_takes(struct client *client, const struct envelope *envelope)
{
	struct plain *plain = &client->plain;
	struct packet packet;
	if (!plain->active)
		return false;
	if (envelope->type != ENVELOPE_IP) {
		/* A late Configuration Response, where one was asked for. */
		if (envelope->type == ENVELOPE_CONTROL && client->config->peer == PEER_AUTO &&
			!client->configured)
			return false;
		counter_add(&client->tunnel.counters, COUNTER_UNKNOWN_ENVELOPES, 1);
		return true;
	}
	if (packet_parse(envelope->payload, envelope->length, &packet) != PACKET_OK ||
		!may_be_answer(&packet) ||
		!plain_client_take(&plain->machine, &packet, clock_now(), draw_random()))
		return false;
	run(client);
	return true;
}

bool plain_tries_again(struct client *client, const struct client_failure *failure)
{
	struct plain *plain = &client->plain;
	/* Once: the one that was dialled anew has failed as well. */
	if (plain->has_closed || plain->active)
		return false;
	if (client->configured || client->stopped || !may_be_plain(client) ||
		failure->cause != TRAVERSAL_CAUSE_PROTOCOL || *client->farewell.text)
		return false;
	size_t endpoint = client->current->endpoint;
	struct reason why = failure->why;
	log_line(LOG_INFO, "%s", why.text);
	/* Without memory for it, time runs out as for a connection that is never made. */
	client_dial_again(client);
	plain->first = why;
	plain->has_closed = true;
	plain->closed = endpoint;
	return true;
}

void plain_end(struct client *client)
{
	struct plain *plain = &client->plain;
	plain->active = client->tunnel.plain = false;
	plain->has_closed = false;
	plain->first.text[0] = '\0';
	ev_timer_stop(client->loop, &plain->timer);
}

bool plain_explain(struct client *client, struct client_failure *failure)
{
	struct plain *plain = &client->plain;
	bool guessed = *plain->first.text;
	if (client->configured || (!guessed && !plain->active))
		return false;
	if (client->current && client->config->peer == PEER_AUTO)
		peers_note(&plain->peers, server_of(client), PEER_UNKNOWN);
	failure->outcome = TRAVERSAL_FAILED;
	failure->status = STATUS_PROTOCOL;
	failure->cause = TRAVERSAL_CAUSE_PROTOCOL;
	if (guessed)
		reason_set(&failure->why,
			"%s (as a plain TS 24.322 peer it gave no address either)",
			plain->first.text);
	else
		reason_set(&failure->why,
			"the server speaks TLS but gave no address, neither by DHCP nor by a "
			"Router Advertisement: is it a plain TS 24.322 peer?");
	return true;
}

/* --- the tunnel -------------------------------------------------------------- */

void plain_check(struct client *client)
{
	plain_client_check(&client->plain.machine, clock_now(), draw_random());
	run(client);
}

void plain_release(struct client *client)
{
	uint8_t packet[DATAGRAM_PACKET_MAX];
	size_t length = plain_client_release(&client->plain.machine, draw_random(), packet);
	tunnel_packet_on(&client->tunnel, &client->current->lane, packet, length);
}
