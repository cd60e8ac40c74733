/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists for a program, made of what a stranger sent: hook_message checks them
 * once more before they get there. */
#include "tse/link_dns.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "io/log.h"

static bool goes_through_tunnel(const struct client *client, const struct address *server)
{
	const struct steer_plan *plan = &client->grant.plan;
	for (size_t i = 0; i < plan->route_count; i++)
		if (prefix_contains(&plan->routes[i], server))
			return true;
	return false;
}

/* Whether `name` is `domain` or in it. */
static bool is_in(const char *name, const char *domain)
{
	size_t longer = strlen(name), length = strlen(domain);
	if (length == 0 || longer < length || strcasecmp(name + longer - length, domain) != 0)
		return length == 0;
	return longer == length || name[longer - length - 1] == '.';
}

static bool holds_one_of(const struct config_endpoints *servers, const char *domain)
{
	for (size_t i = 0; i < servers->count; i++)
		if (is_in(servers->items[i].host, domain))
			return true;
	return false;
}

/* The profile's, and the one that a drained TSCF has sent us to. */
static bool holds_tscf(const struct client *client, const char *domain)
{
	const struct config_endpoints *moved = client->pool.moved;
	return holds_one_of(&client->config->servers, domain) ||
	       (moved && holds_one_of(moved, domain));
}

static void append(char *list, size_t room, const char *word)
{
	size_t used = strlen(list);
	snprintf(list + used, room - used, "%s%s", used ? " " : "", word);
}

void link_dns_choose(const struct client *client, struct link_dns *out)
{
	const struct client_grant *grant = &client->grant;
	char text[ADDRESS_TEXT_MAX];
	out->servers[0] = out->domains[0] = '\0';
	if (!client->config->dns)
		return;
	for (size_t i = 0; i < grant->dns_count; i++)
		if (goes_through_tunnel(client, &grant->dns[i]))
			append(out->servers, sizeof(out->servers),
				address_format(&grant->dns[i], text));
	for (size_t i = 0; i < grant->domain_count; i++)
		if (!holds_tscf(client, grant->domains[i]))
			append(out->domains, sizeof(out->domains), grant->domains[i]);
	if (!out->servers[0] || !out->domains[0])
		out->servers[0] = out->domains[0] = '\0';
}

void link_dns_explain(const struct client *client)
{
	const struct client_grant *grant = &client->grant;
	char text[ADDRESS_TEXT_MAX];
	struct link_dns chosen;
	if (!client->config->dns)
		return;
	for (size_t i = 0; i < grant->dns_count; i++)
		if (!goes_through_tunnel(client, &grant->dns[i]))
			log_line(LOG_WARNING,
				"the DNS server %s is not used: it is not in the IMS routes",
				address_format(&grant->dns[i], text));
	for (size_t i = 0; i < grant->domain_count; i++)
		if (holds_tscf(client, grant->domains[i]))
			log_line(LOG_WARNING,
				"the DNS domain %s is not used: the TSCF's own name is in it, and "
				"is never asked through the tunnel",
				grant->domains[i]);
	link_dns_choose(client, &chosen);
	if (!chosen.servers[0])
		log_line(LOG_NOTICE, "dns = yes has nothing to do: the TSCF named %s",
			grant->dns_count == 0      ? "no DNS server"
			: grant->domain_count == 0 ? "no domain for its DNS servers"
						   : "none that can be used");
}
