/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a TSCF may not have: the default route, the tunnel's own outer
 * address, the network that this host stands in, what the profile forbids. */
#include "tse/steer_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tse/steer.h"

/* A prefix shorter than this is a piece of the default route: two of /1 are
 * all of it. Who wants that must write it into allowed-routes. */
enum { SHORTEST_UNASKED = 8 };

/* Never in a tunnel to somewhere else, whatever a TSCF says. */
static bool is_never_routed(const struct prefix *route)
{
	static const char *const ranges[] = {
		"127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::1/128", "fe80::/10", "ff00::/8"};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct prefix range;
		if (prefix_parse(&range, ranges[i]) && route->length >= range.length &&
			prefix_overlaps(&range, route))
			return true;
	}
	return false;
}

static bool add_route(struct steer_plan *plan, const struct prefix *route)
{
	for (size_t i = 0; i < plan->route_count; i++)
		if (plan->routes[i].length == route->length &&
			address_equal(&plan->routes[i].address, &route->address))
			return true;
	if (plan->route_count == CONTROL_ROUTES_MAX)
		return false;
	plan->routes[plan->route_count++] = *route;
	return true;
}

/* Adds what the profile allows of one offered route; false when that is
 * nothing. */
static bool narrow_route(const struct tse_config *config, const struct prefix *offered,
	const struct address *outer, struct steer_plan *plan)
{
	bool selective = tse_config_is_selective(config);
	const struct config_prefixes *allowed = &config->allowed_routes;
	bool loops = outer && prefix_contains(offered, outer) && !selective;

	if (is_never_routed(offered))
		return false;
	if (allowed->count == 0) {
		if (loops || (!selective && offered->length < SHORTEST_UNASKED))
			return false;
		return add_route(plan, offered);
	}
	bool any = false;
	for (size_t i = 0; i < allowed->count; i++) {
		const struct prefix *one = &allowed->items[i];
		if (!prefix_overlaps(one, offered))
			continue;
		const struct prefix *both = one->length > offered->length ? one : offered;
		if (both->length == 0 && !selective)
			continue;
		if (config->steer == STEER_MAIN && loops && prefix_contains(both, outer))
			continue;
		if (add_route(plan, both))
			any = true;
	}
	return any;
}

size_t steer_narrow(const struct tse_config *config, const struct control_message *offer,
	const struct address *outer, struct steer_plan *plan)
{
	*plan = (struct steer_plan){.mtu = config->mtu};
	if (control_has(offer, TAG_INNER4))
		plan->inner4 = offer->inner4;
	if (control_has(offer, TAG_INNER6))
		plan->inner6 = offer->inner6;
	if (control_has(offer, TAG_MTU) && offer->mtu < plan->mtu)
		plan->mtu = offer->mtu;

	size_t refused = 0;
	for (size_t i = 0; i < offer->route_count; i++)
		if (!narrow_route(config, &offer->routes[i], outer, plan))
			refused++;
	return refused;
}

/* In our own table the mark and a throw route keep the outer sockets out of the
 * tunnel; the main table has neither.  But what is thrown goes beside the tunnel
 * for every app, so the address must be the profile's own: were one from the DNS
 * good enough, who answers there could pick what is to leak (TunnelCrack's
 * ServerIP, CVE-2023-36673). */
static bool may_contain(const struct tse_config *config, const struct address *outer)
{
	if (config->steer != STEER_TABLE || config->allowed_routes.count == 0)
		return false;
	for (size_t i = 0; i < config->servers.count; i++) {
		struct address named;
		if (address_parse(&named, config->servers.items[i].host) &&
			address_equal(&named, outer))
			return true;
	}
	return false;
}

int steer_check_outer(const struct tse_config *config, const struct prefix *routes, size_t count,
	const struct address *outer, size_t outer_count, struct reason *why)
{
	if (config->steer == STEER_NONE || tse_config_is_selective(config))
		return 0;
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < outer_count; j++) {
			if (!prefix_contains(&routes[i], &outer[j]) ||
				may_contain(config, &outer[j]))
				continue;
			char route[PREFIX_TEXT_MAX], address[ADDRESS_TEXT_MAX];
			reason_set(why,
				"the IMS prefix %s contains %s, an outer address of the tunnel "
				"itself, which would then run through itself. Ask the operator for "
				"narrower prefixes; if that is really the TSCF's address, allow "
				"it: "
				"[tscf] server = %s, steer = table and allowed-routes = %s",
				prefix_format(&routes[i], route),
				address_format(&outer[j], address), address, route);
			return -ELOOP;
		}
	}
	return 0;
}

/* A network that another interface stands in.  The default route and its
 * halves over a point-to-point link have no gateway either, but are none. */
static bool is_attached(const struct netlink_route *route, unsigned own_index)
{
	return route->type == NETLINK_ROUTE_UNICAST && route->gateway.version == 0 &&
	       route->index != 0 && route->index != own_index &&
	       route->protocol != STEER_PROTOCOL && route->destination.length > 1 &&
	       !is_never_routed(&route->destination);
}

static int explain_overlap(struct netlink *netlink, const struct prefix *route,
	const struct netlink_route *network, struct reason *why)
{
	struct netlink_link link;
	if (netlink_link_find(netlink, network->index, &link, NULL) < 0)
		snprintf(link.name, sizeof(link.name), "(%u)", network->index);
	char wanted[PREFIX_TEXT_MAX], attached[PREFIX_TEXT_MAX];
	reason_set(why,
		"the IMS prefix %s overlaps %s, a network that this host is attached to through "
		"%s; only one of them could be reached. Leave that network, give it other "
		"addresses, or give the tunnel only to some users: uid = in [steering]",
		prefix_format(route, wanted), prefix_format(&network->destination, attached),
		link.name);
	return -EADDRINUSE;
}

int steer_check_overlap(struct netlink *netlink, const struct prefix *routes, size_t count,
	unsigned own_index, struct reason *why)
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct netlink_route *networks;
		size_t network_count;
		int result = netlink_routes(
			netlink, version, NETLINK_TABLE_MAIN, &networks, &network_count, why);
		if (result < 0)
			return result;
		for (size_t i = 0; result == 0 && i < network_count; i++)
			for (size_t j = 0; result == 0 && j < count; j++)
				if (is_attached(&networks[i], own_index) &&
					prefix_overlaps(&networks[i].destination, &routes[j]))
					result = explain_overlap(
						netlink, &routes[j], &networks[i], why);
		free(networks);
		if (result < 0)
			return result;
	}
	return 0;
}
