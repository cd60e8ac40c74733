/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steering as its callers see it: each call states what shall be from now on
 * (a plan, a block, nothing) and has it made so. */
#include "tse/steer.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/sandbox.h"
#include "tse/steer_policy.h"
#include "tse/steer_state.h"

static const uint8_t versions[] = {4, 6};
enum { VERSIONS = 2, TABLE_DEFAULT = 253, TABLE_LOCAL = 255 };

/* "1000", "1000-1999", or a user's name. */
static bool parse_uids(const char *text, struct uid_range *out)
{
	unsigned first, last;
	int end = 0;
	if (sscanf(text, "%10u%n", &first, &end) == 1 && text[end] == '\0') {
		*out = (struct uid_range){first, first};
		return true;
	}
	end = 0;
	if (sscanf(text, "%10u-%10u%n", &first, &last, &end) == 2 && text[end] == '\0') {
		*out = (struct uid_range){first, last};
		return first <= last;
	}
	const struct passwd *user = getpwnam(text);
	if (user)
		*out = (struct uid_range){user->pw_uid, user->pw_uid};
	return user;
}

static int read_uids(struct steer *steer, struct reason *why)
{
	const struct config_list *list = &steer->config->uid;
	if (list->count > STEER_UIDS_MAX) {
		reason_set(why, "uid = names %zu users or ranges, at most %d are possible",
			list->count, STEER_UIDS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < list->count; i++) {
		if (parse_uids(list->items[i], &steer->uids[i])) {
			steer->uid_count++;
			continue;
		}
		reason_set(why,
			"uid = %s is no user of this host, no number and no range like 1000-1999",
			list->items[i]);
		return -EINVAL;
	}
	return 0;
}

static int check_config(const struct tse_config *config, struct reason *why)
{
	if (config->steer != STEER_TABLE) {
		if (config->uid.count == 0 && config->steer_fwmark == 0)
			return 0;
		reason_set(why, "uid and steer-fwmark select by rules, and so need steer = table");
		return -EINVAL;
	}
	if (config->table == 0 ||
		(config->table >= TABLE_DEFAULT && config->table <= TABLE_LOCAL)) {
		reason_set(why,
			"table = %u is the kernel's own; take any other number (the default is %d)",
			config->table, STEER_PRIORITY);
		return -EINVAL;
	}
	if (config->fwmark == 0 && !tse_config_is_selective(config)) {
		reason_set(why, "fwmark = 0 marks nothing: the tunnel's own connections would run "
				"through the tunnel");
		return -EINVAL;
	}
	return 0;
}

/* A killed run's device routes went with its interface; one through another
 * interface than ours belongs to a tunnel that is alive. */
static bool is_alive(const struct netlink_route *route, unsigned own_index)
{
	return route->protocol == STEER_PROTOCOL && route->index != 0 && route->index != own_index;
}

static int explain_shared_table(const struct netlink_route *route, struct reason *why)
{
	char name[IF_NAMESIZE] = "?";
	(void)if_indextoname(route->index, name);
	reason_set(why,
		"the routing table %u is in use by the tunnel over %s: give this profile another "
		"table =",
		route->table, name);
	return -EBUSY;
}

/* A living tunnel's route, or the unreachable twin of one. */
static bool is_in_use(const struct netlink_route *route, const struct netlink_route *present,
	size_t count, unsigned own_index)
{
	for (size_t i = 0; i < count; i++)
		if (is_alive(&present[i], own_index) &&
			present[i].destination.length == route->destination.length &&
			address_equal(&present[i].destination.address, &route->destination.address))
			return true;
	return false;
}

/* The tunnel that lives in our table, as one of its routes; NULL: none does. */
static const struct netlink_route *find_living(
	const struct netlink_route *present, size_t count, uint32_t table, unsigned own_index)
{
	for (size_t i = 0; i < count && table != NETLINK_TABLE_MAIN; i++)
		if (is_alive(&present[i], own_index))
			return &present[i];
	return NULL;
}

/* With mode = always there may be no moment in which IMS traffic gets out: what
 * a killed run left in our own table stays until the first sync replaces it. */
static bool is_left_for_sync(const struct steer *steer)
{
	return steer->config->mode == MODE_ALWAYS && steer->config->steer == STEER_TABLE;
}

/* Removes what `proto tse` a killed run left in one table. */
static int clean_routes(struct steer *steer, uint8_t version, uint32_t table, struct reason *why)
{
	struct netlink_route *present;
	size_t count;
	int result = netlink_routes(steer->netlink, version, table, &present, &count, why);
	if (result < 0)
		return result;
	unsigned own_index = if_nametoindex(steer->config->interface);
	const struct netlink_route *living = find_living(present, count, table, own_index);
	if (living && steer->config->steer == STEER_TABLE)
		result = explain_shared_table(living, why);
	else if (living)
		steer->table_is_done = true;
	bool leave = is_left_for_sync(steer) && table == steer->table;
	for (size_t i = 0; i < count && result == 0 && !living && !leave; i++) {
		if (present[i].protocol != STEER_PROTOCOL ||
			is_in_use(&present[i], present, count, own_index))
			continue;
		result = netlink_route_delete(steer->netlink, &present[i], why);
		if (result == -ESRCH)
			result = 0;
	}
	free(present);
	return result;
}

/* 0 or -errno. The killed run may have steered otherwise than we shall, hence
 * both tables.  Rules go with the first sync: nothing shall be yet. */
static int clean(struct steer *steer, struct reason *why)
{
	const uint32_t tables[] = {steer->config->table, NETLINK_TABLE_MAIN};
	for (size_t i = 0; i < VERSIONS; i++) {
		if (versions[i] == 6 && !steer->kernel_has_ipv6)
			continue;
		for (size_t j = 0; j < sizeof(tables) / sizeof(tables[0]); j++) {
			int result = clean_routes(steer, versions[i], tables[j], why);
			if (result < 0)
				return result;
		}
	}
	int result = is_left_for_sync(steer) ? 0 : steer_sync(steer, NULL, why);
	steer->table_is_done = steer->config->steer != STEER_TABLE;
	return result < 0 ? result : 0;
}

int steer_new(struct steer **out, const struct tse_config *config, struct reason *why)
{
	int result = check_config(config, why);
	if (result < 0)
		return result;
	struct steer *steer = calloc(1, sizeof(*steer));
	if (!steer) {
		reason_set(why, "no memory for steering");
		return -ENOMEM;
	}
	steer->config = config;
	steer->table = config->steer == STEER_MAIN ? NETLINK_TABLE_MAIN : config->table;
	steer->unprivileged = !sandbox_has_net_admin();
	steer->kernel_has_ipv6 = netlink_has_ipv6();
	result = read_uids(steer, why);
	if (result == 0)
		result = netlink_open(&steer->netlink, why);
	if (result == 0)
		result = clean(steer, why);
	if (result < 0) {
		netlink_close(steer->netlink);
		free(steer);
		return result;
	}
	*out = steer;
	return 0;
}

bool steer_selects(const struct steer *steer, uid_t uid)
{
	for (size_t i = 0; i < steer->config->uid.count; i++)
		if (uid >= steer->uids[i].first && uid <= steer->uids[i].last)
			return true;
	return false;
}

void steer_free(struct steer *steer)
{
	if (!steer)
		return;
	(void)steer_block(steer, NULL, 0, NULL);
	netlink_close(steer->netlink);
	free(steer);
}

/* An interface made anew shares nothing with the one before. */
static void meet_tun(struct steer *steer, const struct tun *tun)
{
	if (steer->index == tun->index)
		return;
	steer->tun = tun;
	steer->index = tun->index;
	steer->configured = steer->ignores_linkdown6 = false;
	memset(steer->held, 0, sizeof(steer->held));
}

void steer_prepare(struct steer *steer, const struct tun *tun)
{
	meet_tun(steer, tun);
	/* The kernel gives who attaches carrier; there is no tunnel yet. */
	if (steer->unprivileged)
		(void)tun_carrier(tun, false);
	steer->ignores_linkdown6 = netlink_ignore_linkdown6(tun->name) == 0;
	steer->strict_source = netlink_has_strict_source(tun->name);
}

/* 0 when these may be steered, with those outer addresses. */
static int accept_routes(struct steer *steer, const struct prefix *routes, size_t count,
	const struct address *outer, size_t outer_count, struct reason *why)
{
	const struct tse_config *config = steer->config;
	if (count > CONTROL_ROUTES_MAX) {
		reason_set(why, "%zu IMS prefixes are too many, at most %d are possible", count,
			CONTROL_ROUTES_MAX);
		return -E2BIG;
	}
	for (size_t i = 0; i < count; i++) {
		if (routes[i].length > 0 || tse_config_is_selective(config))
			continue;
		reason_set(why, "the default route is only steered for some: give uid, "
				"steer-fwmark or netns in [steering], or name narrower prefixes");
		return -EINVAL;
	}
	int result = steer_check_outer(config, routes, count, outer, outer_count, why);
	if (result == 0 && config->steer != STEER_NONE && !tse_config_is_selective(config))
		result = steer_check_overlap(steer->netlink, routes, count, steer->index, why);
	return result;
}

int steer_outer(struct steer *steer, const struct address *outer, size_t count, struct reason *why)
{
	if (count > STEER_OUTER_MAX) {
		reason_set(why, "%zu outer addresses are too many, at most %d are possible", count,
			STEER_OUTER_MAX);
		return -E2BIG;
	}
	int result = steer_check_outer(
		steer->config, steer->plan.routes, steer->plan.route_count, outer, count, why);
	if (result < 0)
		return result;
	if (count > 0)
		memcpy(steer->outer, outer, count * sizeof(*outer));
	steer->outer_count = count;
	result = steer_sync(steer, NULL, why);
	return result < 0 ? result : 0;
}

int steer_block(struct steer *steer, const struct prefix *routes, size_t count, struct reason *why)
{
	int result = 0;
	if (count > 0)
		result = accept_routes(steer, routes, count, steer->outer, steer->outer_count, why);
	if (result < 0)
		return result;
	bool was_active = steer->active;
	steer->active = steer->carrier = false;
	steer->plan = (struct steer_plan){.route_count = count};
	if (count > 0)
		memcpy(steer->plan.routes, routes, count * sizeof(*routes));
	result = steer_sync(steer, NULL, why);
	if (was_active)
		steer_withdraw_link(steer);
	return result < 0 ? result : 0;
}

int steer_apply(struct steer *steer, const struct tun *tun, const struct steer_plan *plan,
	struct reason *why)
{
	if (plan->inner4.address.version == 0 && plan->inner6.address.version == 0) {
		reason_set(why, "the TSCF granted no inner address");
		return -EINVAL;
	}
	meet_tun(steer, tun);
	int result = accept_routes(
		steer, plan->routes, plan->route_count, steer->outer, steer->outer_count, why);
	if (result < 0)
		return result;
	/* The kernel gives a new TUN carrier; ours has it once there is a tunnel. */
	if (!steer->active)
		steer->carrier = false;
	steer->plan = *plan;
	steer->active = true;
	steer->ipv6_disabled = false;
	result = steer_sync(steer, tun, why);
	if (result >= 0 && plan->inner4.address.version == 0 && !steer_ipv6_works(steer)) {
		reason_set(why,
			"the TSCF granted only an IPv6 address, and this host has IPv6 disabled on "
			"%s: enable it (net.ipv6.conf.%s.disable_ipv6 = 0)",
			tun->name, tun->name);
		return -EAFNOSUPPORT;
	}
	return result < 0 ? result : 0;
}

bool steer_has_ipv6(const struct steer *steer)
{
	return steer->active && steer->plan.inner6.address.version == 6 && steer_ipv6_works(steer);
}

int steer_carrier(struct steer *steer, const struct tun *tun, bool on)
{
	steer->carrier = on;
	/* With the sysctl the kernel itself turns to the unreachable twins. */
	bool by_routes = steer->active && !steer->ignores_linkdown6;
	int result = 0;
	if (by_routes && !on)
		result = steer_sync(steer, NULL, NULL);
	int carrier = tun_carrier(tun, on);
	/* The kernel may take up to a second to act on a lost carrier (until then
	 * packets still come out of the TUN: an error is late, nothing leaks).
	 * Since Linux 6.9, asking for the link makes it act at once. */
	struct netlink_link link;
	if (carrier == 0)
		(void)netlink_link_find(steer->netlink, tun->index, &link, NULL);
	if (by_routes && on && carrier == 0)
		result = steer_sync(steer, NULL, NULL);
	if (carrier < 0)
		return carrier;
	return result < 0 ? result : 0;
}

int steer_repair(struct steer *steer, const struct tun *tun, struct reason *why)
{
	return steer_sync(steer, tun, why);
}
