/* SPDX-License-Identifier: GPL-3.0-or-later */
/* More than one connection for a tunnel, from the side that asks for them. */
#include "tse/lanes.h"

#include <stdio.h>
#include <string.h>

#include "io/clock.h"
#include "io/log.h"
#include "tse/client_private.h"
#include "tse/negotiate.h"

enum {
	SECOND = 1000000,
	ANSWER_TIMEOUT = 10 * SECOND, /* for TLS and the Join Response */
	RETIRE_TIMEOUT = 3 * SECOND,  /* for what is on its way on a lane that we left */
	RESCUE_EVERY = 400000,        /* a connection that is not made by then never may */
	RESCUE_TIMEOUT = 4 * SECOND,  /* then it is not only these connections */
	FAILURES_BELIEVED = 3,        /* in a row: then something does not want more lanes */
	AT_A_TIME = 3,                /* once the TSCF has taken one */
};
/* s: how often the demand is asked about, during a call and else. */
static const double busy_interval = 0.1, calm_interval = 1.;

/* --- which there are ------------------------------------------------------ */

static struct client_lane *find(struct lanes *lanes, const struct connection *connection)
{
	for (unsigned i = 0; i < lanes->count; i++)
		if (lanes->items[i].connection == connection)
			return &lanes->items[i];
	return NULL;
}

static void forget(struct lanes *lanes, struct client_lane *item)
{
	size_t behind = (size_t)(lanes->items + lanes->count - item) - 1;
	memmove(item, item + 1, behind * sizeof(*item));
	lanes->count--;
}

/* In use: the current one and others. */
static unsigned living(const struct client *client)
{
	unsigned count = client->current ? 1 : 0;
	for (unsigned i = 0; i < client->lanes.count; i++)
		count += client->lanes.items[i].state == CLIENT_LANE_IN_USE;
	return count;
}

/* Of those that carry packets or soon will. */
static unsigned count_of(const struct client *client, bool bulk)
{
	unsigned count = (client->current->lane.class == CONTROL_LANE_BULK) == bulk;
	for (unsigned i = 0; i < client->lanes.count; i++) {
		const struct client_lane *item = &client->lanes.items[i];
		count += item->state != CLIENT_LANE_RETIRING &&
			 (item->class == CONTROL_LANE_BULK) == bulk;
	}
	return count;
}

static bool index_is_used(const struct client *client, uint8_t index)
{
	if (client->current->lane.index == index)
		return true;
	for (unsigned i = 0; i < client->lanes.count; i++) {
		const struct client_lane *item = &client->lanes.items[i];
		if (item->state != CLIENT_LANE_CONNECTING && item->connection->lane.index == index)
			return true;
	}
	return false;
}

static uint8_t free_index(const struct client *client)
{
	uint8_t index = 1;
	while (index_is_used(client, index))
		index++;
	return index;
}

/* --- one ends ------------------------------------------------------------- */

static void drop(struct client *client, struct client_lane *item)
{
	struct connection *connection = item->connection;
	if (item->state == CLIENT_LANE_IN_USE)
		tunnel_remove_lane(&client->tunnel, &connection->lane);
	forget(&client->lanes, item);
	connection_end(connection);
}

/* We send nothing more, but read on: what the TSCF has sent shall arrive. */
static void retire(struct client *client, struct client_lane *item)
{
	tunnel_remove_lane(&client->tunnel, &item->connection->lane);
	item->state = CLIENT_LANE_RETIRING;
	item->deadline = clock_now() + RETIRE_TIMEOUT;
	lane_finish(&item->connection->lane);
}

static bool is_under_way(const struct client_lane *item)
{
	return item->state == CLIENT_LANE_CONNECTING || item->state == CLIENT_LANE_ASKING;
}

static unsigned under_way(const struct lanes *lanes)
{
	unsigned count = 0;
	for (unsigned i = 0; i < lanes->count; i++)
		count += is_under_way(&lanes->items[i]);
	return count;
}

/* What one is told holds for those that were begun with it: it counts once. */
static bool is_old_news(struct lanes *lanes, uint64_t since)
{
	bool old = since <= lanes->failed_at;
	if (!old)
		lanes->failed_at = clock_now();
	return old;
}

/* There will be no more lanes than there are, for a long time. */
static void believe_refusal(struct client *client, uint64_t retry_after, const char *why)
{
	struct lanes *lanes = &client->lanes;
	unsigned have = living(client);
	lane_demand_refused(&lanes->demand, have, retry_after, clock_now());
	if (!lanes->told_refusal)
		log_line(LOG_NOTICE, "no further connection for the tunnel, it goes on with %u: %s",
			have, why);
	lanes->told_refusal = true;
}

/* It never came to be a lane. */
static void attempt_failed(struct client *client, uint64_t since, bool is_refusal, const char *why)
{
	struct lanes *lanes = &client->lanes;
	if (is_old_news(lanes, since))
		return;
	lanes->failures++;
	lanes->not_before = clock_now() + ((uint64_t)SECOND << lanes->failures);
	if (!is_refusal && lanes->failures < FAILURES_BELIEVED)
		return;
	lanes->failures = 0;
	believe_refusal(client, 0, why);
}

/* --- events of their connections ------------------------------------------ */

static void on_progress(struct connection *connection, enum traversal_cause if_silent)
{
	(void)connection;
	(void)if_silent;
}

static void on_ready(struct connection *connection)
{
	struct client *client = connection->pool->owner;
	struct lanes *lanes = &client->lanes;
	struct client_lane *item = find(lanes, connection);
	const struct view key = {lanes->join_key, lanes->join_key_length};
	if (!item)
		return;
	connection->lane.index = free_index(client);
	connection->lane.class = item->class;
	item->state = CLIENT_LANE_ASKING;
	item->transaction = ++client->transaction;
	negotiate_join(client, &connection->lane, item->transaction, &key);
}

static void on_failed(struct connection *connection, const struct connection_failure *failure)
{
	struct client *client = connection->pool->owner;
	struct client_lane *item = find(&client->lanes, connection);
	if (!item)
		return;
	enum client_lane_state state = item->state;
	unsigned index = connection->lane.index;
	uint64_t since = item->since;
	drop(client, item);
	switch (state) {
	case CLIENT_LANE_CONNECTING:
	case CLIENT_LANE_ASKING:
		/* A proxy that answers with an error means it. */
		attempt_failed(client, since, failure->http != 0, failure->words);
		break;
	case CLIENT_LANE_IN_USE:
		log_line(LOG_INFO, "lane %u ended, %u left: %s", index, living(client),
			failure->words);
		break;
	case CLIENT_LANE_RETIRING:
		break;
	}
	lanes_watch(client);
}

static void on_envelope(struct connection *connection, const struct envelope *envelope)
{
	struct client *client = connection->pool->owner;
	struct client_lane *item = find(&client->lanes, connection);
	if (!item)
		return;
	if (item->state == CLIENT_LANE_ASKING && envelope->type != ENVELOPE_CONTROL)
		return; /* of a tunnel that this is no lane of yet */
	keepalive_heard(&item->keepalive, lane_now(&connection->lane));
	tunnel_receive(&client->tunnel, &connection->lane, envelope);
}

static void on_writable(struct connection *connection)
{
	struct client *client = connection->pool->owner;
	tunnel_writable(&client->tunnel);
}

static const struct connection_events lane_connection_events = {
	.progress = on_progress,
	.ready = on_ready,
	.failed = on_failed,
	.envelope = on_envelope,
	.writable = on_writable,
};

/* --- growing and shrinking ------------------------------------------------- */

static void add(struct client *client, enum control_lane_class class)
{
	struct lanes *lanes = &client->lanes;
	uint64_t now = clock_now();
	struct connection *connection = connection_join(client->current, &lane_connection_events);
	if (!connection) {
		attempt_failed(client, now, false, "out of memory");
		return;
	}
	lanes->items[lanes->count++] = (struct client_lane){
		.connection = connection,
		.class = class,
		.since = now,
		.deadline = now + client->config->tls_timeout + ANSWER_TIMEOUT,
	};
}

/* The first, and the one that takes bulk away from it, go together; whether there
 * may be more is heard before more are asked for. */
static void grow(struct client *client, const struct lane_wanted *wanted, uint64_t now)
{
	struct lanes *lanes = &client->lanes;
	unsigned most = living(client) > 1 ? AT_A_TIME : 1 + wanted->bulk;
	while (under_way(lanes) < most && now >= lanes->not_before &&
		lanes->count + 1 < LANES_MAX) {
		if (wanted->bulk && count_of(client, true) == 0)
			add(client, CONTROL_LANE_BULK);
		else if (count_of(client, false) < wanted->realtime)
			add(client, CONTROL_LANE_REALTIME);
		else
			return;
	}
}

/* The newest one that is in use and of this kind. */
static struct client_lane *newest(struct lanes *lanes, bool bulk)
{
	for (unsigned i = lanes->count; i-- > 0;)
		if (lanes->items[i].state == CLIENT_LANE_IN_USE &&
			(lanes->items[i].class == CONTROL_LANE_BULK) == bulk)
			return &lanes->items[i];
	return NULL;
}

static void shrink(struct client *client, const struct lane_wanted *wanted)
{
	struct client_lane *item;
	bool one_left = living(client) == 1;
	if (!one_left && !wanted->bulk && (item = newest(&client->lanes, true)))
		retire(client, item);
	else if (count_of(client, false) > wanted->realtime &&
		 (item = newest(&client->lanes, false)))
		retire(client, item);
}

/* What lanes that are not for bulk have sent, received and lost since they
 * began; returns their largest round trip, us. */
static uint32_t sum_up(const struct client *client, uint64_t *segments, uint64_t *lost)
{
	uint32_t rtt = 0;
	*segments = *lost = 0;
	for (unsigned i = 0; i < client->tunnel.lanes.count; i++) {
		const struct lane *lane = client->tunnel.lanes.lane[i];
		const struct lane_tcp *tcp = &lane->tcp;
		if (lane->class == CONTROL_LANE_BULK)
			continue;
		*segments += tcp->segments_sent + tcp->segments_come;
		*lost += tcp->retransmitted + tcp->came_out_of_turn;
		rtt = tcp->rtt > rtt ? tcp->rtt : rtt;
	}
	return rtt;
}

static uint32_t measure(struct client *client, uint64_t now)
{
	struct lanes *lanes = &client->lanes;
	uint64_t segments, lost;
	lane_set_look(&client->tunnel.lanes, now);
	uint32_t rtt = sum_up(client, &segments, &lost);
	/* Less than before: a lane has gone, and what it had counted. */
	if (segments >= lanes->segments && lost >= lanes->lost)
		lane_loss_measured(&lanes->loss, (uint32_t)(segments - lanes->segments),
			(uint32_t)(lost - lanes->lost), now);
	lanes->segments = segments;
	lanes->lost = lost;
	return rtt;
}

/* A SYN that was lost is sent again after a second; a new one is sooner there. */
static bool drop_late_dials(struct client *client, uint64_t now)
{
	struct lanes *lanes = &client->lanes;
	bool young = false;
	for (unsigned i = lanes->count; i-- > 0;) {
		struct client_lane *item = &lanes->items[i];
		if (!is_under_way(item))
			continue;
		if (now - item->since < RESCUE_EVERY || item->connection->has_lane)
			young = true;
		else
			drop(client, item);
	}
	return young;
}

bool lanes_rescue(struct client *client, uint64_t since)
{
	struct lanes *lanes = &client->lanes;
	uint64_t now = clock_now();
	if (!client->configured || lanes->demand.limit <= 1 || now - since > RESCUE_TIMEOUT)
		return false;
	if (drop_late_dials(client, now))
		return true;
	struct client_lane *dead = newest(lanes, false);
	if (living(client) >= lanes->demand.limit && dead)
		drop(client, dead); /* as silent as the others; its place is needed */
	if (living(client) >= lanes->demand.limit)
		return false;
	add(client, CONTROL_LANE_REALTIME);
	return true;
}

/* --- time ------------------------------------------------------------------ */

static void ask_alive(struct client *client, struct client_lane *item, uint64_t now)
{
	lane_trim(&item->connection->lane);
	switch (keepalive_poll(&item->keepalive, now)) {
	case KEEPALIVE_WAIT:
		return;
	case KEEPALIVE_SEND:
		negotiate_keepalive(client, &item->connection->lane, item->keepalive.transaction);
		return;
	case KEEPALIVE_DEAD:
		log_line(LOG_INFO, "lane %u ended: it no longer answers keep-alives",
			item->connection->lane.index);
		drop(client, item);
		return;
	}
}

static void tend(struct client *client, struct client_lane *item, uint64_t now)
{
	uint64_t since;
	switch (item->state) {
	case CLIENT_LANE_IN_USE:
		ask_alive(client, item, now);
		return;
	case CLIENT_LANE_CONNECTING:
	case CLIENT_LANE_ASKING:
		if (now < item->deadline)
			return;
		since = item->since;
		drop(client, item);
		attempt_failed(
			client, since, false, "the TSCF does not answer on a further connection");
		return;
	case CLIENT_LANE_RETIRING:
		if (now >= item->deadline)
			drop(client, item);
		return;
	}
}

static void look(struct client *client)
{
	struct lanes *lanes = &client->lanes;
	uint64_t now = clock_now();

	/* Backwards, since one may leave. */
	for (unsigned i = lanes->count; i-- > 0;)
		tend(client, &lanes->items[i], now);
	uint32_t rtt = measure(client, now);
	struct lane_wanted wanted =
		lane_demand_wanted(&lanes->demand, lane_loss_seen(&lanes->loss, now), rtt, now);
	grow(client, &wanted, now);
	shrink(client, &wanted);

	bool busy = lane_demand_has_call(&lanes->demand, now) || under_way(lanes);
	bool done = !busy && lanes->count == 0 && !client->media && !client->config->lanes;
	lanes->timer.repeat = done ? 0. : busy ? busy_interval : calm_interval;
	ev_timer_again(client->loop, &lanes->timer);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)events;
	struct client *client = watcher->data;
	if (client->current && client->configured)
		look(client);
	else
		ev_timer_stop(loop, watcher);
}

void lanes_watch(struct client *client)
{
	struct lanes *lanes = &client->lanes;
	if (!client->configured || client->stopped || lanes->demand.limit <= 1)
		return;
	lanes->timer.repeat = busy_interval;
	ev_timer_again(client->loop, &lanes->timer);
}

void lanes_hurry(struct client *client)
{
	struct lanes *lanes = &client->lanes;
	if (client->configured && !client->stopped && lanes->demand.limit > 1)
		client_set_timer(client->loop, &lanes->timer, 0, clock_now());
}

void lanes_check(struct client *client)
{
	for (unsigned i = 0; i < client->lanes.count; i++)
		keepalive_hurry(&client->lanes.items[i].keepalive);
	lanes_watch(client);
}

/* --- the tunnel ------------------------------------------------------------ */

void lanes_init(struct client *client)
{
	ev_timer_init(&client->lanes.timer, on_timer, 0., 0.);
	client->lanes.timer.data = client;
}

void lanes_fini(struct client *client)
{
	lanes_end(client);
}

static unsigned limit_of(const struct client *client, const struct control_message *response)
{
	const struct tse_config *config = client->config;
	bool by_proxy = client->current->step == TRAVERSAL_PROXY;
	unsigned own = config->lanes       ? config->lanes
		       : config->lanes_max ? config->lanes_max
		       : by_proxy          ? LANES_MAX_PROXY
					   : LANES_MAX_DIRECT;
	if (!(response->capabilities & CAPABILITY_LANES) || !control_has(response, TAG_JOIN_KEY) ||
		!control_has(response, TAG_LANES_ALLOWED))
		return 1;
	return response->lanes_allowed < own ? response->lanes_allowed : own;
}

static void take_join_key(struct lanes *lanes, const struct view *key)
{
	lanes->join_key_length = key->length;
	memcpy(lanes->join_key, key->octets, key->length);
}

void lanes_begin(struct client *client, const struct control_message *response)
{
	struct lanes *lanes = &client->lanes;
	take_join_key(lanes, &response->join_key);
	lanes->segments = lanes->lost = 0;
	lanes->failures = 0;
	lanes->not_before = lanes->failed_at = 0;
	lanes->told_refusal = false;
	lane_demand_init(&lanes->demand, client->config->lanes, limit_of(client, response));
	client->tunnel.demand = lanes->demand.limit > 1 ? &lanes->demand : NULL;
	if (client->config->lanes > 1)
		client_set_timer(client->loop, &lanes->timer, 0, clock_now());
}

void lanes_take_join_key(struct client *client, const struct control_message *update)
{
	if (control_has(update, TAG_JOIN_KEY))
		take_join_key(&client->lanes, &update->join_key);
}

void lanes_regranted(struct client *client)
{
	struct lanes *lanes = &client->lanes;
	uint32_t random = (uint32_t)clock_now();
	for (unsigned i = 0; i < lanes->count; i++)
		keepalive_set_interval(&lanes->items[i].keepalive, client->grant.keepalive, random);
}

void lanes_end(struct client *client)
{
	while (client->lanes.count)
		drop(client, &client->lanes.items[client->lanes.count - 1]);
	ev_timer_stop(client->loop, &client->lanes.timer);
	client->tunnel.demand = NULL;
}

bool lanes_take_over(struct client *client, const char *why)
{
	struct lanes *lanes = &client->lanes;
	struct connection *old = client->current;
	unsigned next = 0;

	if (!client_is_up(client) || *client->farewell.text)
		return false;
	while (next < lanes->count && lanes->items[next].state != CLIENT_LANE_IN_USE)
		next++;
	if (next == lanes->count)
		return false;
	log_line(LOG_INFO, "lane %u ended, %u left: %s", old->lane.index, living(client) - 1, why);
	client->current = lanes->items[next].connection;
	client->current->events = &client_connection_events;
	client->keepalive = lanes->items[next].keepalive;
	forget(lanes, &lanes->items[next]);
	tunnel_remove_lane(&client->tunnel, &old->lane);
	connection_end(old);
	uint64_t now = clock_now();
	client_set_timer(
		client->loop, &client->keepalive_timer, keepalive_due(&client->keepalive), now);
	lanes_watch(client);
	return true;
}

bool lanes_answered(
	struct client *client, const struct lane *lane, const struct control_message *message)
{
	struct lanes *lanes = &client->lanes;
	struct client_lane *item = find(lanes, lane->owner);
	char text[CLIENT_TEXT] = "";
	uint64_t now = clock_now();

	if (!item || item->state != CLIENT_LANE_ASKING || message->transaction != item->transaction)
		return false;
	if (message->result != RESULT_OK) {
		struct reason why;
		if (control_has(message, TAG_REASON))
			snprintf(text, sizeof(text), "%.*s", (int)message->reason.length,
				(const char *)message->reason.octets);
		reason_set(&why, "the TSCF refused: %s%s%s", control_result_name(message->result),
			*text ? ": " : "", text);
		uint64_t since = item->since;
		drop(client, item);
		if (!is_old_news(lanes, since))
			believe_refusal(client, (uint64_t)message->retry_after * SECOND, why.text);
		return true;
	}
	item->state = CLIENT_LANE_IN_USE;
	keepalive_init(&item->keepalive, client->grant.keepalive, (uint32_t)now, now);
	lanes->failures = 0;
	tunnel_add_lane(&client->tunnel, &item->connection->lane);
	lane_demand_opened(&lanes->demand, living(client));
	lanes_watch(client);
	return true;
}

struct keepalive *lanes_keepalive(struct client *client, const struct lane *lane)
{
	struct client_lane *item = find(&client->lanes, lane->owner);
	return item ? &item->keepalive : NULL;
}
