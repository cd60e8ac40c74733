/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What shall be: the routes and rules that follow from plan, profile, outer
 * addresses and carrier. Nothing here asks or changes the kernel. */
#include "tse/steer_state.h"

/* Any other route to the same prefix is better than the unreachable one. */
static const uint32_t last_metric = UINT32_MAX;

struct prefix steer_host(const struct address *address)
{
	return (struct prefix){
		.address = *address, .length = (uint8_t)(8 * address_size(address->version))};
}

/* The kernel's own defaults, said aloud so that listings compare. */
static uint32_t usual_metric(uint8_t version)
{
	return version == 4 ? 0 : 1024;
}

bool steer_ipv6_works(const struct steer *steer)
{
	return steer->kernel_has_ipv6 && !steer->ipv6_disabled;
}

/* Like the kernel, one route for each destination and metric: the first one. */
static void list_add(struct route_list *list, const struct netlink_route *route)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].metric == route->metric &&
			list->items[i].destination.length == route->destination.length &&
			address_equal(
				&list->items[i].destination.address, &route->destination.address))
			return;
	if (list->count < STEER_WANTED_MAX)
		list->items[list->count++] = *route;
}

bool steer_list_has(const struct route_list *list, const struct netlink_route *route)
{
	for (size_t i = 0; i < list->count; i++)
		if (netlink_route_equal(&list->items[i], route))
			return true;
	return false;
}

static struct netlink_route make_route(
	const struct steer *steer, enum netlink_route_type type, const struct prefix *destination)
{
	bool last = type == NETLINK_ROUTE_UNREACHABLE;
	return (struct netlink_route){
		.type = type,
		.destination = *destination,
		.table = steer->table,
		.metric = last ? last_metric : usual_metric(destination->address.version),
		.protocol = STEER_PROTOCOL,
	};
}

/* For what already has the inner address as its source, see want_source(). */
static void want_source_route(
	const struct steer *steer, const struct address *inner, struct route_list *wanted)
{
	if (inner->version == 0 || steer->config->steer != STEER_TABLE)
		return;
	const struct prefix all = {.address.version = inner->version};
	struct netlink_route route = make_route(steer, NETLINK_ROUTE_UNICAST, &all);
	route.index = steer->index;
	route.source = *inner;
	list_add(wanted, &route);
}

static void want_device_routes(const struct steer *steer, struct route_list *wanted)
{
	/* IPv6 has no other way to prefer the unreachable twin without carrier
	 * than the sysctl of steer_prepare(). */
	bool ipv6 = steer_ipv6_works(steer) && (steer->carrier || steer->ignores_linkdown6);
	for (size_t i = 0; i < steer->plan.route_count; i++) {
		const struct prefix *destination = &steer->plan.routes[i];
		bool is_ipv4 = destination->address.version == 4;
		const struct address *inner =
			is_ipv4 ? &steer->plan.inner4.address : &steer->plan.inner6.address;
		if (inner->version == 0 || (!is_ipv4 && !ipv6))
			continue;
		struct netlink_route route = make_route(steer, NETLINK_ROUTE_UNICAST, destination);
		route.index = steer->index;
		route.source = *inner;
		list_add(wanted, &route);
	}
	want_source_route(steer, &steer->plan.inner4.address, wanted);
	if (ipv6)
		want_source_route(steer, &steer->plan.inner6.address, wanted);
}

/* For the host's own rp_filter, which knows neither mark nor user: the answers
 * of the TSCF come in through another interface than ours.  Where only some are
 * steered no such route is wanted: who could choose the TSCF's address would
 * choose what goes beside the tunnel. */
static bool throws_outer(const struct steer *steer)
{
	if (steer->config->steer != STEER_TABLE || steer->plan.route_count == 0)
		return false;
	/* The kernel asks on behalf of user 0. */
	return !tse_config_is_selective(steer->config) ||
	       (!steer->config->netns && steer_selects(steer, 0));
}

void steer_want_routes(const struct steer *steer, struct route_list *wanted)
{
	wanted->count = 0;
	if (steer->config->steer == STEER_NONE)
		return;
	/* Blocked in both families, whichever was granted: an IPv4-only tunnel
	 * must not leak IPv6. */
	for (size_t i = 0; i < steer->plan.route_count; i++) {
		struct netlink_route twin =
			make_route(steer, NETLINK_ROUTE_UNREACHABLE, &steer->plan.routes[i]);
		list_add(wanted, &twin);
	}
	size_t thrown = throws_outer(steer) ? steer->outer_count : 0;
	for (size_t i = 0; i < thrown; i++) {
		struct prefix host = steer_host(&steer->outer[i]);
		struct netlink_route route = make_route(steer, NETLINK_ROUTE_THROW, &host);
		list_add(wanted, &route);
	}
	if (steer->active)
		want_device_routes(steer, wanted);
}

static bool has_default(const struct steer *steer, uint8_t version)
{
	for (size_t i = 0; i < steer->plan.route_count; i++)
		if (steer->plan.routes[i].length == 0 &&
			steer->plan.routes[i].address.version == version)
			return true;
	return false;
}

/* Which packets are looked up in our table. */
static size_t want_selectors(
	const struct steer *steer, const struct netlink_rule *base, struct netlink_rule *rules)
{
	size_t count = 0;
	if (steer->config->steer_fwmark) {
		rules[count] = *base;
		rules[count].has_mark = true;
		rules[count++].mark = steer->config->steer_fwmark;
	} else if (steer->uid_count == 0) {
		rules[count] = *base;
		rules[count].has_mark = rules[count].not_mark = true;
		rules[count++].mark = steer->config->fwmark;
	}
	/* "not" would negate the user, too.  The outer sockets belong to the
	 * daemon's own user. */
	for (size_t i = 0; i < steer->uid_count; i++) {
		rules[count] = *base;
		rules[count].has_uids = true;
		rules[count].first_uid = steer->uids[i].first;
		rules[count++].last_uid = steer->uids[i].last;
	}
	return count;
}

/* What has the inner address as its source goes into the tunnel or nowhere:
 * nobody on the access network gets an answer from it (CVE-2019-14899), and
 * strict rp_filter refuses what he sends to it. */
static size_t want_source(
	const struct steer *steer, const struct netlink_rule *base, struct netlink_rule *rules)
{
	const struct address *inner =
		base->version == 4 ? &steer->plan.inner4.address : &steer->plan.inner6.address;
	if (!steer->active || inner->version == 0)
		return 0;
	rules[0] = *base;
	rules[0].priority = STEER_PRIORITY_SOURCE;
	rules[0].no_default = false;
	rules[0].source = *inner;
	rules[1] = rules[0];
	rules[1].priority = STEER_PRIORITY_NOWHERE;
	rules[1].unreachable = true;
	return 2;
}

size_t steer_want_rules(
	const struct steer *steer, uint8_t version, struct netlink_rule rules[STEER_RULES_MAX])
{
	if (steer->config->steer != STEER_TABLE || steer->plan.route_count == 0)
		return 0;
	const struct netlink_rule base = {
		.version = version,
		.protocol = STEER_PROTOCOL,
		.priority = STEER_PRIORITY,
		.table = steer->table,
		.no_default = !has_default(steer, version),
	};
	size_t count = want_selectors(steer, &base, rules);
	return count + want_source(steer, &base, rules + count);
}
