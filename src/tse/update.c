/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Following Configuration Updates, in order, and not too often. */
#include "tse/update.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/log.h"
#include "tse/client_private.h"
#include "tse/grant.h"
#include "tse/link_dns.h"

enum {
	MOVING_RETRY = 1000000, /* us */
	CLOCK_LAG = 50000,      /* us that the loop's time may be behind */
};

static bool may_follow(struct client *client)
{
	return rate_limit_pass(
		&client->update.limit, clock_now(), UPDATE_INTERVAL, UPDATES_AT_ONCE);
}

static bool same_prefix(const struct prefix *a, const struct prefix *b)
{
	return a->length == b->length && address_equal(&a->address, &b->address);
}

static bool moves_address(const struct steer_plan *plan, const struct control_message *message)
{
	return (control_has(message, TAG_INNER4) &&
		       !same_prefix(&message->inner4, &plan->inner4)) ||
	       (control_has(message, TAG_INNER6) && !same_prefix(&message->inner6, &plan->inner6));
}

static bool is_news(const struct client *client, const struct client_grant *fresh)
{
	return memcmp(fresh, &client->grant, offsetof(struct client_grant, token)) != 0;
}

/* --- following ------------------------------------------------------------- */

/* Routes as they will be; with them, or not at all, comes the rest. */
static int apply_plan(struct client *client, const struct client_grant *fresh, struct reason *why)
{
	if (fresh->plan.route_count == 0) {
		reason_set(why, "it leaves no IMS route that this profile allows");
		return -EPERM;
	}
	int error = steer_apply(client->steer, client->tun, &fresh->plan, why);
	if (error) {
		struct reason again;
		if (steer_apply(client->steer, client->tun, &client->grant.plan, &again))
			log_line(LOG_ERR, "routes: %s", again.text);
	}
	return error;
}

static void explain(const struct client_grant *grant)
{
	log_line(LOG_INFO,
		"the TSCF has changed the tunnel's configuration: now %zu IMS route%s, %zu P-CSCF, "
		"%zu DNS server%s, MTU %u, keep-alive %.0f s",
		grant->plan.route_count, grant->plan.route_count == 1 ? "" : "s",
		grant->pcscf_count, grant->dns_count, grant->dns_count == 1 ? "" : "s",
		grant->plan.mtu, (double)grant->keepalive / 1e6);
	if (grant->refused_routes)
		log_line(LOG_WARNING, "%zu route(s) of the TSCF refused: see allowed-routes",
			grant->refused_routes);
}

static void settle(struct client *client, const struct client_grant *fresh, uint16_t mtu)
{
	client->grant = *fresh;
	client->tunnel.mtu = mtu;
	client->tunnel.link_mtu = fresh->plan.mtu;
}

static bool follow(struct client *client, const struct client_grant *fresh, uint16_t mtu)
{
	struct reason why;
	if (apply_plan(client, fresh, &why)) {
		log_line(LOG_WARNING, "a Configuration Update is not followed: %s", why.text);
		return false;
	}
	settle(client, fresh, mtu);
	grant_teach_scheduler(client);
	keepalive_set_interval(&client->keepalive, fresh->keepalive, (uint32_t)clock_now());
	if (client_is_up(client))
		client_set_timer(client->loop, &client->keepalive_timer,
			keepalive_due(&client->keepalive), clock_now());
	lanes_regranted(client);
	explain(fresh);
	link_dns_explain(client);
	client_regranted(client);
	return true;
}

/* --- waiting ---------------------------------------------------------------- */

void update_forget(struct client *client)
{
	free(client->update.waiting);
	client->update.waiting = NULL;
	ev_timer_stop(client->loop, &client->update.timer);
}

static bool postpone(struct client *client, const struct client_grant *fresh, uint16_t mtu)
{
	struct update *update = &client->update;
	uint64_t now = clock_now();
	uint64_t then = rate_limit_next(&update->limit, UPDATE_INTERVAL, UPDATES_AT_ONCE);
	if (!update->waiting) {
		update->waiting = malloc(sizeof(*update->waiting));
		if (!update->waiting)
			return false;
		log_line(LOG_WARNING,
			"the TSCF changes the tunnel's configuration too often: what it comes to "
			"is followed in %.0f s",
			(double)(then - now) / 1e6);
		client_set_timer(client->loop, &update->timer, then + CLOCK_LAG, now);
	}
	*update->waiting = *fresh;
	update->mtu = mtu;
	return true;
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)events;
	struct client *client = timer->data;
	struct update *update = &client->update;
	uint64_t now = clock_now();
	/* On its way to another TSCF, which will say everything anew, or to turn back. */
	if (!client->configured) {
		client_set_timer(loop, timer, now + MOVING_RETRY, now);
		return;
	}
	struct client_grant *fresh = update->waiting;
	update->waiting = NULL;
	update_forget(client);
	if (!is_news(client, fresh)) /* it has been taken back */
		settle(client, fresh, update->mtu);
	else if (may_follow(client))
		follow(client, fresh, update->mtu);
	else
		postpone(client, fresh, update->mtu);
	free(fresh);
}

void update_init(struct client *client)
{
	ev_timer_init(&client->update.timer, on_timer, 0., 0.);
	client->update.timer.data = client;
}

/* --- an Update has come ------------------------------------------------------ */

/* The TSCF knows the former ones no longer, so these do not wait. */
static void take_secrets(struct client *client, const struct client_grant *fresh,
	const struct control_message *message)
{
	memcpy(client->grant.token, fresh->token, sizeof(fresh->token));
	client->grant.token_length = fresh->token_length;
	lanes_take_join_key(client, message);
}

bool update_take(struct client *client, const struct control_message *message)
{
	const struct update *update = &client->update;
	struct client_grant fresh = update->waiting ? *update->waiting : client->grant;
	uint16_t mtu = update->waiting ? update->mtu : client->tunnel.mtu;
	bool done = true;

	if (moves_address(&client->grant.plan, message)) {
		if (may_follow(client))
			log_line(LOG_WARNING, "a Configuration Update is not followed: it would "
					      "change the inner address");
		return false;
	}
	grant_read(client, message, &fresh);
	if (control_has(message, TAG_MTU))
		mtu = message->mtu;
	if (update->waiting)
		done = postpone(client, &fresh, mtu);
	else if (!is_news(client, &fresh)) /* told once more, on another lane */
		settle(client, &fresh, mtu);
	else if (may_follow(client))
		done = follow(client, &fresh, mtu);
	else
		done = postpone(client, &fresh, mtu);
	if (done)
		take_secrets(client, &fresh, message);
	return done;
}
