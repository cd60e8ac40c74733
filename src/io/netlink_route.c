/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Routes, rules, and the question which way a packet would go. */
#include "io/netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "io/netlink_message.h"

static uint8_t kernel_type(enum netlink_route_type type)
{
	switch (type) {
	case NETLINK_ROUTE_UNICAST:
		return RTN_UNICAST;
	case NETLINK_ROUTE_UNREACHABLE:
		return RTN_UNREACHABLE;
	case NETLINK_ROUTE_THROW:
		return RTN_THROW;
	case NETLINK_ROUTE_OTHER:
		break;
	}
	return RTN_UNSPEC;
}

static enum netlink_route_type route_type(uint8_t type)
{
	if (type == RTN_UNICAST)
		return NETLINK_ROUTE_UNICAST;
	if (type == RTN_UNREACHABLE)
		return NETLINK_ROUTE_UNREACHABLE;
	return type == RTN_THROW ? NETLINK_ROUTE_THROW : NETLINK_ROUTE_OTHER;
}

static bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->length == b->length && address_equal(&a->address, &b->address);
}

bool netlink_route_equal(const struct netlink_route *a, const struct netlink_route *b)
{
	return a->type == b->type && prefix_equal(&a->destination, &b->destination) &&
	       a->table == b->table && a->metric == b->metric && a->protocol == b->protocol &&
	       a->index == b->index && address_equal(&a->source, &b->source) &&
	       address_equal(&a->gateway, &b->gateway);
}

static bool set_nexthop(struct rtnl_route *made, const struct netlink_route *route)
{
	struct rtnl_nexthop *nexthop = rtnl_route_nh_alloc();
	if (!nexthop)
		return false;
	rtnl_route_nh_set_ifindex(nexthop, (int)route->index);
	if (route->gateway.version) {
		struct nl_addr *gateway = netlink_address_new(
			&route->gateway, 8 * (unsigned)address_size(route->gateway.version));
		rtnl_route_nh_set_gateway(nexthop, gateway);
		nl_addr_put(gateway);
	}
	rtnl_route_add_nexthop(made, nexthop);
	return true;
}

static struct rtnl_route *make_route(const struct netlink_route *route)
{
	struct rtnl_route *made = rtnl_route_alloc();
	struct nl_addr *destination =
		netlink_address_new(&route->destination.address, route->destination.length);
	bool unicast = route->type == NETLINK_ROUTE_UNICAST;
	if (!made || !destination || (unicast && !set_nexthop(made, route))) {
		rtnl_route_put(made);
		made = NULL;
		goto put_destination;
	}
	(void)rtnl_route_set_family(
		made, (uint8_t)netlink_family(route->destination.address.version));
	(void)rtnl_route_set_dst(made, destination);
	(void)rtnl_route_set_type(made, kernel_type(route->type));
	rtnl_route_set_table(made, route->table);
	rtnl_route_set_protocol(made, route->protocol);
	rtnl_route_set_priority(made, route->metric);
	rtnl_route_set_scope(
		made, unicast && !route->gateway.version ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
	if (route->source.version) {
		struct nl_addr *source = netlink_address_new(
			&route->source, 8 * (unsigned)address_size(route->source.version));
		(void)rtnl_route_set_pref_src(made, source);
		nl_addr_put(source);
	}

put_destination:
	nl_addr_put(destination);
	return made;
}

/* "10.64.0.0/16 in table 24322", for reasons. */
static const char *describe(const struct netlink_route *route, char text[PREFIX_TEXT_MAX + 64])
{
	static const char *const names[] = {
		[NETLINK_ROUTE_OTHER] = "other ",
		[NETLINK_ROUTE_UNICAST] = "",
		[NETLINK_ROUTE_UNREACHABLE] = "unreachable ",
		[NETLINK_ROUTE_THROW] = "throw ",
	};
	char prefix[PREFIX_TEXT_MAX];
	snprintf(text, PREFIX_TEXT_MAX + 64, "%s%s, metric %u, table %u", names[route->type],
		prefix_format(&route->destination, prefix), route->metric, route->table);
	return text;
}

int netlink_route_add(
	struct netlink *netlink, const struct netlink_route *route, struct reason *why)
{
	struct nl_msg *request = NULL;
	struct rtnl_route *made = make_route(route);
	if (made)
		(void)rtnl_route_build_add_request(made, NLM_F_CREATE | NLM_F_EXCL, &request);
	rtnl_route_put(made);
	int result = netlink_send(netlink, request);
	char text[PREFIX_TEXT_MAX + 64];
	if (result < 0)
		netlink_explain(netlink, result, why, "add the route %s", describe(route, text));
	return result;
}

int netlink_route_delete(
	struct netlink *netlink, const struct netlink_route *route, struct reason *why)
{
	struct nl_msg *request = NULL;
	struct rtnl_route *made = make_route(route);
	if (made)
		(void)rtnl_route_build_del_request(made, 0, &request);
	rtnl_route_put(made);
	int result = netlink_send(netlink, request);
	char text[PREFIX_TEXT_MAX + 64];
	if (result < 0)
		netlink_explain(netlink, result, why, "remove the route %s", describe(route, text));
	return result;
}

static void read_route(struct netlink_route *out, struct rtnl_route *route)
{
	struct nl_addr *destination = rtnl_route_get_dst(route);
	out->type = route_type(rtnl_route_get_type(route));
	netlink_address_get(&out->destination.address, destination);
	/* The default route comes without octets. */
	out->destination.address.version = rtnl_route_get_family(route) == AF_INET ? 4 : 6;
	if (destination)
		out->destination.length = (uint8_t)nl_addr_get_prefixlen(destination);
	out->table = rtnl_route_get_table(route);
	out->metric = rtnl_route_get_priority(route);
	out->protocol = rtnl_route_get_protocol(route);
	netlink_address_get(&out->source, rtnl_route_get_pref_src(route));
	/* IPv6 says "dev lo" for unreachable and throw. */
	if (out->type != NETLINK_ROUTE_UNICAST || rtnl_route_get_nnexthops(route) == 0)
		return;
	struct rtnl_nexthop *nexthop = rtnl_route_nexthop_n(route, 0);
	out->index = (unsigned)rtnl_route_nh_get_ifindex(nexthop);
	struct nl_addr *gateway = rtnl_route_nh_get_gateway(nexthop);
	if (!gateway)
		gateway = rtnl_route_nh_get_via(nexthop);
	netlink_address_get(&out->gateway, gateway);
}

struct route_filter {
	int family;
	uint32_t table;
};

static bool parse_route(struct nlmsghdr *header, const void *filter, void *item)
{
	const struct route_filter *wanted = filter;
	const struct rtmsg *about = nlmsg_data(header);
	if (header->nlmsg_type != RTM_NEWROUTE || about->rtm_family != wanted->family ||
		about->rtm_flags & RTM_F_CLONED)
		return false;
	struct rtnl_route *route = NULL;
	if (rtnl_route_parse(header, &route) < 0)
		return false;
	struct netlink_route *out = item;
	read_route(out, route);
	rtnl_route_put(route);
	return out->table == wanted->table;
}

int netlink_routes(struct netlink *netlink, uint8_t version, uint32_t table,
	struct netlink_route **out, size_t *count, struct reason *why)
{
	const struct route_filter filter = {.family = netlink_family(version), .table = table};
	const struct rtmsg header = {.rtm_family = (unsigned char)filter.family};
	const struct netlink_dump dump = {
		.type = RTM_GETROUTE,
		.header = &header,
		.header_size = sizeof(header),
		.table = table,
		.parse = parse_route,
		.filter = &filter,
		.item_size = sizeof(**out),
	};
	void *items = NULL;
	int result = netlink_list(netlink, &dump, &items, count);
	if (result < 0)
		return netlink_explain(netlink, result, why, "list the routes of table %u", table);
	*out = items;
	return 0;
}

static bool parse_path(struct nlmsghdr *header, const void *filter, void *item)
{
	(void)filter;
	struct rtnl_route *route = NULL;
	if (header->nlmsg_type != RTM_NEWROUTE || rtnl_route_parse(header, &route) < 0)
		return false;
	struct netlink_route *out = item;
	read_route(out, route);
	if (rtnl_route_get_type(route) == RTN_LOCAL && rtnl_route_get_nnexthops(route) > 0)
		out->index = (unsigned)rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, 0));
	rtnl_route_put(route);
	return true;
}

int netlink_path_find(struct netlink *netlink, const struct address *to, uint32_t mark,
	struct netlink_path *out, struct reason *why)
{
	struct rtmsg header = {
		.rtm_family = (unsigned char)netlink_family(to->version),
		.rtm_dst_len = (unsigned char)(8 * address_size(to->version)),
		/* IPv6 tells the table unasked, and refuses the flag. */
		.rtm_flags = to->version == 4 ? RTM_F_LOOKUP_TABLE : 0,
	};
	struct nl_msg *request = nlmsg_alloc_simple(RTM_GETROUTE, 0);
	if (request &&
		(nlmsg_append(request, &header, sizeof(header), NLMSG_ALIGNTO) < 0 ||
			nla_put(request, RTA_DST, (int)address_size(to->version), to->octets) < 0 ||
			nla_put_u32(request, RTA_MARK, mark) < 0)) {
		nlmsg_free(request);
		request = NULL;
	}
	struct netlink_route route;
	int result = netlink_ask(netlink, request, parse_path, &route, sizeof(route));
	/* IPv6 answers with the unreachable route itself. */
	if (result == 0 && route.type == NETLINK_ROUTE_UNREACHABLE)
		result = -EHOSTUNREACH;
	char text[ADDRESS_TEXT_MAX];
	if (result < 0)
		return netlink_explain(
			netlink, result, why, "find a route to %s", address_format(to, text));
	*out = (struct netlink_path){.index = route.index,
		.source = route.source,
		.gateway = route.gateway,
		.table = route.table};
	return 0;
}

bool netlink_rule_equal(const struct netlink_rule *a, const struct netlink_rule *b)
{
	return a->version == b->version && a->protocol == b->protocol &&
	       a->priority == b->priority && a->table == b->table && a->has_mark == b->has_mark &&
	       a->not_mark == b->not_mark && a->mark == b->mark && a->has_uids == b->has_uids &&
	       a->first_uid == b->first_uid && a->last_uid == b->last_uid &&
	       address_equal(&a->source, &b->source) && a->no_default == b->no_default &&
	       a->unreachable == b->unreachable;
}

/* By hand: libnl's rule object knows neither "not" nor uid ranges. */
static struct nl_msg *rule_request(int type, int flags, const struct netlink_rule *rule)
{
	const struct fib_rule_uid_range uids = {.start = rule->first_uid, .end = rule->last_uid};
	size_t size = address_size(rule->source.version);
	struct fib_rule_hdr header = {
		.family = (uint8_t)netlink_family(rule->version),
		.src_len = (uint8_t)(rule->source.version ? 8 * size : 0),
		.table = rule->table < 256 ? (uint8_t)rule->table : RT_TABLE_UNSPEC,
		.action = rule->unreachable ? FR_ACT_UNREACHABLE : FR_ACT_TO_TBL,
		.flags = rule->not_mark ? FIB_RULE_INVERT : 0,
	};
	struct nl_msg *request = nlmsg_alloc_simple(type, flags);
	if (!request)
		return NULL;
	int result = nlmsg_append(request, &header, sizeof(header), NLMSG_ALIGNTO);
	result |= nla_put_u32(request, FRA_PRIORITY, rule->priority);
	result |= nla_put_u32(request, FRA_TABLE, rule->table);
	result |= nla_put_u8(request, FRA_PROTOCOL, rule->protocol);
	if (rule->has_mark) {
		result |= nla_put_u32(request, FRA_FWMARK, rule->mark);
		result |= nla_put_u32(request, FRA_FWMASK, UINT32_MAX);
	}
	if (rule->has_uids)
		result |= nla_put(request, FRA_UID_RANGE, sizeof(uids), &uids);
	if (rule->source.version)
		result |= nla_put(request, FRA_SRC, (int)size, rule->source.octets);
	if (rule->no_default)
		result |= nla_put_u32(request, FRA_SUPPRESS_PREFIXLEN, 0);
	if (result < 0) {
		nlmsg_free(request);
		return NULL;
	}
	return request;
}

static int send_rule(struct netlink *netlink, int type, int flags, const struct netlink_rule *rule,
	const char *verb, struct reason *why)
{
	int result = netlink_send(netlink, rule_request(type, flags, rule));
	if (result < 0)
		netlink_explain(netlink, result, why,
			"%s the IPv%u rule with priority %u for table %u", verb, rule->version,
			rule->priority, rule->table);
	return result;
}

int netlink_rule_add(struct netlink *netlink, const struct netlink_rule *rule, struct reason *why)
{
	return send_rule(netlink, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule, "add", why);
}

int netlink_rule_delete(
	struct netlink *netlink, const struct netlink_rule *rule, struct reason *why)
{
	return send_rule(netlink, RTM_DELRULE, 0, rule, "remove", why);
}

static uint32_t number(const struct nlattr *attribute, uint32_t otherwise)
{
	return attribute ? nla_get_u32(attribute) : otherwise;
}

static bool parse_rule(struct nlmsghdr *header, const void *filter, void *item)
{
	const struct fib_rule_hdr *wanted = filter;
	struct nlattr *attributes[FRA_MAX + 1];
	if (header->nlmsg_type != RTM_NEWRULE ||
		nlmsg_parse(header, sizeof(struct fib_rule_hdr), attributes, FRA_MAX, NULL) < 0)
		return false;
	const struct fib_rule_hdr *about = nlmsg_data(header);
	if (about->family != wanted->family ||
		!(about->action == FR_ACT_TO_TBL || about->action == FR_ACT_UNREACHABLE))
		return false;

	struct netlink_rule *rule = item;
	rule->version = about->family == AF_INET ? 4 : 6;
	rule->priority = number(attributes[FRA_PRIORITY], 0);
	rule->table = number(attributes[FRA_TABLE], about->table);
	if (attributes[FRA_PROTOCOL])
		rule->protocol = nla_get_u8(attributes[FRA_PROTOCOL]);
	rule->not_mark = about->flags & FIB_RULE_INVERT;
	rule->has_mark = attributes[FRA_FWMARK] || attributes[FRA_FWMASK];
	rule->mark = number(attributes[FRA_FWMARK], 0);
	if (attributes[FRA_UID_RANGE] &&
		nla_len(attributes[FRA_UID_RANGE]) >= (int)sizeof(struct fib_rule_uid_range)) {
		const struct fib_rule_uid_range *uids = nla_data(attributes[FRA_UID_RANGE]);
		rule->has_uids = true;
		rule->first_uid = uids->start;
		rule->last_uid = uids->end;
	}
	if (attributes[FRA_SRC] && nla_len(attributes[FRA_SRC]) == (int)address_size(rule->version))
		address_set(&rule->source, rule->version, nla_data(attributes[FRA_SRC]));
	rule->no_default = attributes[FRA_SUPPRESS_PREFIXLEN] &&
			   nla_get_u32(attributes[FRA_SUPPRESS_PREFIXLEN]) == 0;
	rule->unreachable = about->action == FR_ACT_UNREACHABLE;
	return true;
}

int netlink_rules(struct netlink *netlink, uint8_t version, struct netlink_rule **out,
	size_t *count, struct reason *why)
{
	const struct fib_rule_hdr header = {.family = (uint8_t)netlink_family(version)};
	const struct netlink_dump dump = {
		.type = RTM_GETRULE,
		.header = &header,
		.header_size = sizeof(header),
		.parse = parse_rule,
		.filter = &header,
		.item_size = sizeof(**out),
	};
	void *items = NULL;
	int result = netlink_list(netlink, &dump, &items, count);
	if (result < 0)
		return netlink_explain(netlink, result, why, "list the IPv%u rules", version);
	*out = items;
	return 0;
}
