/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tscfctl drain: an order to each worker; when the last one has no tunnel left,
 * the process ends. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "io/log.h"
#include "io/notify.h"
#include "tscfd/admin.h"

enum { DRAIN_SECONDS = 300, DRAIN_SECONDS_MAX = 86400 };

struct drain_order {
	struct message message;
	struct worker *worker;
	char other[CONTROL_TEXT_MAX];
	uint64_t time_limit;
	bool calls;
};

/* The admin's own mailbox brings it, in the main thread. */
static void on_empty(struct message *message)
{
	struct worker *worker = (struct worker *)((char *)message - offsetof(struct worker, drain) -
						  offsetof(struct drain, empty));
	struct admin *admin =
		(struct admin *)((char *)worker->main_thread - offsetof(struct admin, mailbox));
	if (++admin->emptied < admin->worker_count)
		return;
	log_line(LOG_INFO, "drained: no tunnel is left");
	ev_break(admin->loop, EVBREAK_ALL);
}

static void drain_in_thread(struct message *message)
{
	struct drain_order *order = (struct drain_order *)message;
	drain_begin(order->worker, order->other, order->time_limit, order->calls, on_empty);
	free(order);
}

static void give_orders(struct admin *admin, const char *other, uint64_t time_limit, bool calls)
{
	for (unsigned i = 0; i < admin->worker_count; i++) {
		struct drain_order *order = calloc(1, sizeof(*order));
		if (!order) {
			log_line(LOG_ERR, "out of memory: worker %u does not drain", i);
			continue;
		}
		order->message.run = drain_in_thread;
		order->worker = &admin->workers[i];
		order->time_limit = time_limit;
		order->calls = calls;
		snprintf(order->other, sizeof(order->other), "%s", other);
		mailbox_post(&admin->workers[i].mailbox, &order->message);
	}
}

static bool is_host_port(const char *text)
{
	struct config_endpoint endpoint;
	bool good = strlen(text) < CONTROL_TEXT_MAX &&
		    text_is_host_port((const uint8_t *)text, strlen(text)) &&
		    config_endpoint_parse(&endpoint, text, 443);
	if (good)
		free(endpoint.host);
	return good;
}

void admin_drain(struct admin *admin, struct control_client *client, const json_t *request)
{
	const char *other = json_string_value(json_object_get(request, "to"));
	const json_t *limit = json_object_get(request, "time_limit");
	json_int_t seconds = limit ? json_integer_value(limit) : DRAIN_SECONDS;

	if (other && !is_host_port(other)) {
		control_client_refuse(client, "\"to\" is not HOST:PORT");
		return;
	}
	if (seconds < 1 || seconds > DRAIN_SECONDS_MAX) {
		control_client_refuse(
			client, "\"time_limit\" is not from 1 to %d seconds", DRAIN_SECONDS_MAX);
		return;
	}
	unsigned tunnels = admin->workers->group->tunnels;
	log_line(LOG_INFO, "draining %u tunnel%s%s%s, for at most %d s", tunnels,
		tunnels == 1 ? "" : "s", other ? " to " : "", other ? other : "", (int)seconds);
	notify_send("STATUS=draining");
	admin->draining = true;
	give_orders(admin, other ? other : "", (uint64_t)seconds * 1000000,
		json_is_true(json_object_get(request, "calls")));
	control_client_send(client, json_pack("{s:b, s:I, s:I}", "ok", 1, "tunnels",
					    (json_int_t)tunnels, "time_limit", seconds));
}
