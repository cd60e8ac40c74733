/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From one TSCF to another: make before break. */
#include "tse/move.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/log.h"
#include "tse/client_private.h"
#include "tse/negotiate.h"

enum {
	PATIENCE = 20,       /* s, for all of it */
	MOVES_AT_ONCE = 4,   /* and then one in */
	INTERVAL = 10000000, /* us */
};

static const char *text_of(const struct config_endpoint *endpoint, char text[CLIENT_TEXT])
{
	snprintf(text, CLIENT_TEXT, "%s port %u", endpoint->host, endpoint->port);
	return text;
}

static const struct config_endpoint *target_of(const struct move *move)
{
	return &move->items[move->latest];
}

/* --- where to ------------------------------------------------------------- */

static bool is_same(const struct config_endpoint *a, const struct config_endpoint *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* Takes `target`. */
static void set_target(struct client *client, const struct config_endpoint *target)
{
	struct move *move = &client->move;
	move->latest = !move->latest;
	free(move->items[move->latest].host);
	move->items[move->latest] = *target;
	move->lists[move->latest] = (struct config_endpoints){&move->items[move->latest], 1};
}

static bool read_target(
	struct client *client, const struct view *other, struct config_endpoint *target)
{
	char text[CLIENT_TEXT];
	if (other->length >= sizeof(text))
		return false;
	memcpy(text, other->octets, other->length);
	text[other->length] = '\0';
	if (!config_endpoint_parse(target, text, 443))
		return false;
	if (!is_same(target, connection_server(client->current)))
		return true;
	free(target->host);
	return false;
}

/* The profile's next one. */
static bool next_of_profile(struct client *client, struct config_endpoint *target)
{
	const struct config_endpoints *servers = &client->config->servers;
	for (size_t i = 0; i < servers->count; i++) {
		if (is_same(&servers->items[i], connection_server(client->current)))
			continue;
		*target = servers->items[i];
		target->host = strdup(target->host);
		return target->host;
	}
	return false;
}

static bool find_target(struct client *client, const struct control_message *message)
{
	struct config_endpoint target;
	bool found = control_has(message, TAG_OTHER_TSCF)
			     ? read_target(client, &message->other_tscf, &target)
			     : next_of_profile(client, &target);
	if (found)
		set_target(client, &target);
	return found;
}

/* --- going ---------------------------------------------------------------- */

/* The old TSCF has been told; until it closes the connection, the IMS core may
 * still send by way of it. */
static void only_listen(struct client *client)
{
	struct move *move = &client->move;
	free(move->granted);
	move->granted = NULL;
	ev_timer_stop(client->loop, &move->patience);
}

static void forget_former(struct client *client)
{
	struct move *move = &client->move;
	connection_end(move->former);
	move->former = NULL;
	only_listen(client);
}

static bool has_same_addresses(const struct client *client)
{
	const struct steer_plan *now = &client->grant.plan, *before = &client->move.granted->plan;
	return address_equal(&now->inner4.address, &before->inner4.address) &&
	       address_equal(&now->inner6.address, &before->inner6.address);
}

bool move_asked(struct client *client, const struct control_message *update)
{
	struct move *move = &client->move;
	char text[CLIENT_TEXT];

	if (!client_is_up(client) || move->next || move->granted)
		return true;
	if (!rate_limit_pass(&move->limit, clock_now(), INTERVAL, MOVES_AT_ONCE))
		return false;
	if (!find_target(client, update)) {
		log_line(LOG_WARNING, "the TSCF is taken out of service and names no other one, "
				      "and neither does the profile: staying while it lasts");
		return true;
	}
	log_line(LOG_INFO, "the TSCF is taken out of service: moving to %s",
		text_of(target_of(move), text));
	forget_former(client); /* of an earlier move */
	move->next = connection_start_at(&client->pool, client->current->step,
		&move->lists[move->latest], &client_connection_events);
	ev_timer_again(client->loop, &move->patience);
	return true;
}

bool move_ready(struct client *client, struct connection *connection)
{
	struct move *move = &client->move;
	if (connection != move->next)
		return false;
	move->next = NULL;
	move->granted = malloc(sizeof(*move->granted));
	if (!move->granted) {
		connection_end(connection);
		return true;
	}
	*move->granted = client->grant;
	lanes_end(client);
	tunnel_attach(&client->tunnel, NULL, client->tunnel.mtu, client->tunnel.offload);
	move->former = client->current;
	client->current = connection;
	client->configured = false;
	client_renegotiate(client);
	return true;
}

void move_confirmed(struct client *client)
{
	struct move *move = &client->move;
	struct control_message message = {
		.kind = CONTROL_RELEASE_REQUEST,
		.transaction = ++client->transaction,
	};
	char text[CLIENT_TEXT];

	move->redirected = false;
	if (!move->granted)
		return;
	tunnel_control_on(&client->tunnel, &move->former->lane, &message);
	if (has_same_addresses(client))
		only_listen(client);
	else
		forget_former(client);
	client->pool.moved = &move->lists[move->latest];
	log_line(LOG_INFO, "moved to %s", text_of(target_of(move), text));
	client_moved(client);
}

/* --- not going ------------------------------------------------------------ */

bool move_failed(struct client *client, struct connection *connection, const char *why)
{
	struct move *move = &client->move;
	char text[CLIENT_TEXT];
	if (connection == move->next) {
		log_line(LOG_WARNING, "cannot move to %s: %s; staying while the TSCF lasts",
			text_of(target_of(move), text), why);
		move->next = NULL;
		ev_timer_stop(client->loop, &move->patience);
		connection_end(connection);
		return true;
	}
	if (connection != move->former)
		return false;
	forget_former(client);
	return true;
}

bool move_is_former(const struct client *client, const struct connection *connection)
{
	return client->move.former == connection;
}

bool move_reverted(struct client *client, const char *why)
{
	struct move *move = &client->move;
	char text[CLIENT_TEXT];
	if (!move->granted || client->configured)
		return false;
	log_line(LOG_WARNING, "cannot move to %s: %s; staying while the TSCF lasts",
		text_of(target_of(move), text), why);
	connection_end(client->current);
	client->current = move->former;
	move->former = NULL;
	client->grant = *move->granted;
	client->configured = true;
	tunnel_attach(&client->tunnel, &client->current->lane, client->tunnel.mtu,
		client->tunnel.offload);
	forget_former(client);
	client_check_tunnel(client);
	return true;
}

static void on_patience(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)events;
	struct client *client = timer->data;
	static const char why[] = "it does not answer in time";
	ev_timer_stop(loop, timer);
	if (client->move.next)
		move_failed(client, client->move.next, why);
	else
		move_reverted(client, why);
}

void move_abandon(struct client *client)
{
	struct move *move = &client->move;
	connection_end(move->next);
	move->next = NULL;
	forget_former(client);
}

/* --- sent elsewhere before there was a tunnel ------------------------------ */

bool move_redirected(struct client *client, const struct control_message *response)
{
	struct move *move = &client->move;
	char text[CLIENT_TEXT];

	if (move->redirected || move->former || !control_has(response, TAG_OTHER_TSCF) ||
		!find_target(client, response))
		return false;
	move->redirected = true;
	client->pool.moved = &move->lists[move->latest];
	log_line(LOG_INFO, "the TSCF is taken out of service and sends us to %s",
		text_of(target_of(move), text));
	return client_dial_again(client);
}

/* --- life ----------------------------------------------------------------- */

void move_init(struct client *client)
{
	ev_timer_init(&client->move.patience, on_patience, 0., PATIENCE);
	client->move.patience.data = client;
}

void move_fini(struct client *client)
{
	move_abandon(client);
	for (int i = 0; i < 2; i++)
		free(client->move.items[i].host);
}
