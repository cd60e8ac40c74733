/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copies of what a message says, for the message is gone when it has been read. */
#include "tse/grant.h"

#include <string.h>

#include "tse/client_private.h"

void grant_copy_text(char out[CLIENT_TEXT], const struct view *text)
{
	size_t length = text->length < CLIENT_TEXT ? text->length : CLIENT_TEXT - 1;
	if (length)
		memcpy(out, text->octets, length);
	out[length] = '\0';
}

/* --- values --------------------------------------------------------------- */

static void copy_pcscf(struct client_grant *grant, const struct control_message *message)
{
	grant->pcscf_count = message->pcscf_count;
	for (size_t i = 0; i < message->pcscf_count; i++) {
		grant->pcscf[i] = message->pcscf[i].address;
		grant_copy_text(grant->pcscf_names[i], &message->pcscf[i].name);
	}
}

static void copy_lists(
	struct client_grant *grant, const struct control_message *message, bool states_all)
{
	if (states_all || message->pcscf_count)
		copy_pcscf(grant, message);
	if (states_all || message->dns_count) {
		grant->dns_count = message->dns_count;
		memcpy(grant->dns, message->dns, sizeof(grant->dns));
	}
	if (states_all || message->domain_count) {
		grant->domain_count = message->domain_count;
		for (size_t i = 0; i < message->domain_count; i++)
			grant_copy_text(grant->domains[i], &message->domains[i]);
	}
}

/* After which silence we ask, us.  Where the TSCF does, it must be late already;
 * but this profile may want to hear from it more often. */
static uint64_t keepalive_of(const struct client *client, const struct control_message *message)
{
	uint64_t granted = (uint64_t)message->keepalive_interval * 1000;
	if (granted && granted < KEEPALIVE_SHORTEST_US)
		granted = KEEPALIVE_SHORTEST_US;
	uint64_t own = client->config->keepalive;
	bool tscf_asks = control_has(message, TAG_KEEPALIVE_REFRESHER) &&
			 message->keepalive_refresher == REFRESHER_TSCF;
	if (own && own < granted)
		return own;
	return tscf_asks ? granted + granted / 2 : granted;
}

static void copy_values(const struct client *client, const struct control_message *message,
	bool states_all, struct client_grant *grant)
{
	/* Both sides must agree: the TSCF says that it may be off, the profile
	 * that nothing on this machine needs end-to-end security. */
	if (states_all || control_has(message, TAG_SECURITY))
		grant->ims_security_off = control_has(message, TAG_SECURITY) &&
					  message->security == SECURITY_MAY_DISABLE &&
					  !client->config->end_to_end_security;
	if (control_has(message, TAG_KEEPALIVE_INTERVAL))
		grant->keepalive = client_keepalive_here(client, keepalive_of(client, message));
	if (control_has(message, TAG_RESUME_TOKEN)) {
		grant->token_length = message->resume_token.length;
		memcpy(grant->token, message->resume_token.octets, grant->token_length);
	}
}

/* --- the plan ------------------------------------------------------------- */

static bool has_route(const struct steer_plan *plan, const struct prefix *route)
{
	for (size_t i = 0; i < plan->route_count; i++)
		if (plan->routes[i].length == route->length &&
			address_equal(&plan->routes[i].address, &route->address))
			return true;
	return false;
}

/* [steering] routes: what the administrator of this machine wants in the
 * tunnel, whether the TSCF names it or not. */
static void add_configured_routes(const struct tse_config *config, struct steer_plan *plan)
{
	for (size_t i = 0; i < config->routes.count; i++)
		if (plan->route_count < CONTROL_ROUTES_MAX &&
			!has_route(plan, &config->routes.items[i]))
			plan->routes[plan->route_count++] = config->routes.items[i];
}

static void read_plan(const struct client *client, const struct control_message *message,
	struct client_grant *grant)
{
	grant->refused_routes =
		steer_narrow(client->config, message, &client->current->outer, &grant->plan);
	add_configured_routes(client->config, &grant->plan);
}

/* Addresses are not changed by it. */
static void update_plan(const struct client *client, const struct control_message *update,
	bool states_all, struct client_grant *grant)
{
	const struct steer_plan former = grant->plan;
	size_t refused_before = grant->refused_routes;
	read_plan(client, update, grant);
	grant->plan.inner4 = former.inner4;
	grant->plan.inner6 = former.inner6;
	if (!control_has(update, TAG_MTU))
		grant->plan.mtu = former.mtu;
	if (states_all || update->route_count)
		return;
	grant->refused_routes = refused_before;
	grant->plan.route_count = former.route_count;
	memcpy(grant->plan.routes, former.routes, sizeof(grant->plan.routes));
}

void grant_read(const struct client *client, const struct control_message *message,
	struct client_grant *grant)
{
	if (message->kind == CONTROL_CONFIGURATION_UPDATE) {
		bool states_all = control_has(message, TAG_RESULT);
		copy_lists(grant, message, states_all);
		copy_values(client, message, states_all, grant);
		update_plan(client, message, states_all, grant);
		return;
	}
	grant->token_length = 0;
	grant->keepalive = 0;
	copy_lists(grant, message, true);
	copy_values(client, message, true, grant);
	grant_copy_text(grant->software, &message->software);
	read_plan(client, message, grant);
}

void grant_teach_scheduler(struct client *client)
{
	struct sched_policy *policy = &client->datapath.policy;
	policy->pcscf_count = 0;
	for (size_t i = 0; i < client->grant.pcscf_count; i++)
		if (client->grant.pcscf[i].version && policy->pcscf_count < SCHED_PCSCF_MAX)
			policy->pcscf[policy->pcscf_count++] = client->grant.pcscf[i];
}
