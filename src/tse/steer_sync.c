/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Making it so, by convergence: the same code sets up, follows a new plan,
 * repairs, and takes everything back.  Each function returns how many things
 * it changed, or -errno. */
#include "tse/steer_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t versions[] = {4, 6};
enum { VERSIONS = 2 };

static bool is_ours(const struct steer *steer, const struct netlink_route *route)
{
	if (route->protocol != STEER_PROTOCOL)
		return false;
	return steer->config->steer == STEER_TABLE || steer_list_has(&steer->installed, route) ||
	       (route->index != 0 && route->index == steer->index);
}

static int drop_stale_routes(
	struct steer *steer, uint8_t version, const struct route_list *wanted, struct reason *why)
{
	struct netlink_route *present;
	size_t count;
	int result = netlink_routes(steer->netlink, version, steer->table, &present, &count, why);
	if (result < 0)
		return result;
	int dropped = 0;
	for (size_t i = 0; i < count && result >= 0; i++) {
		if (!is_ours(steer, &present[i]) || steer_list_has(wanted, &present[i]))
			continue;
		result = netlink_route_delete(steer->netlink, &present[i], why);
		if (result == -ESRCH)
			result = 0;
		else if (result == 0)
			dropped++;
	}
	free(present);
	return result < 0 ? result : dropped;
}

static int add_one(struct steer *steer, const struct netlink_route *route, struct reason *why)
{
	int result = netlink_route_add(steer->netlink, route, why);
	char text[PREFIX_TEXT_MAX];
	if (result == -EEXIST)
		reason_set(why,
			"table %u already has a route to %s that is not ours: remove it, or choose "
			"another steer = or table =",
			route->table, prefix_format(&route->destination, text));
	return result;
}

static int add_missing_routes(struct steer *steer, uint8_t version, bool device,
	const struct route_list *wanted, struct reason *why)
{
	struct netlink_route *present;
	size_t count;
	int result = netlink_routes(steer->netlink, version, steer->table, &present, &count, why);
	if (result < 0)
		return result;
	int added = 0;
	for (size_t i = 0; i < wanted->count && result >= 0; i++) {
		const struct netlink_route *route = &wanted->items[i];
		bool there = route->destination.address.version != version ||
			     (route->type == NETLINK_ROUTE_UNICAST) != device;
		for (size_t j = 0; j < count && !there; j++)
			there = netlink_route_equal(&present[j], route);
		if (there)
			continue;
		result = add_one(steer, route, why);
		if (result == 0)
			added++;
	}
	free(present);
	return result < 0 ? result : added;
}

static bool rule_in(const struct netlink_rule *rules, size_t count, const struct netlink_rule *rule)
{
	for (size_t i = 0; i < count; i++)
		if (netlink_rule_equal(&rules[i], rule))
			return true;
	return false;
}

static bool is_our_rule(const struct steer *steer, const struct netlink_rule *rule)
{
	return rule->priority >= STEER_PRIORITY && rule->priority <= STEER_PRIORITY_NOWHERE &&
	       rule->protocol == STEER_PROTOCOL && rule->table == steer->config->table &&
	       !steer->table_is_done;
}

static int sync_rules(struct steer *steer, uint8_t version, struct reason *why)
{
	struct netlink_rule wanted[STEER_RULES_MAX];
	size_t wanted_count = steer_want_rules(steer, version, wanted);
	struct netlink_rule *present;
	size_t count;
	int result = netlink_rules(steer->netlink, version, &present, &count, why);
	if (result < 0)
		return result;
	int changes = 0;
	for (size_t i = 0; i < wanted_count && result >= 0; i++) {
		if (rule_in(present, count, &wanted[i]))
			continue;
		result = netlink_rule_add(steer->netlink, &wanted[i], why);
		changes++;
	}
	for (size_t i = 0; i < count && result >= 0; i++) {
		if (!is_our_rule(steer, &present[i]) || rule_in(wanted, wanted_count, &present[i]))
			continue;
		result = netlink_rule_delete(steer->netlink, &present[i], why);
		if (result == -ENOENT)
			result = 0;
		changes++;
	}
	free(present);
	return result < 0 ? result : changes;
}

/* The inner address as it stands on the interface: alone, since a shorter
 * prefix would make the kernel add a route of its own. */
static struct prefix inner_host(const struct steer *steer, uint8_t version)
{
	const struct prefix *inner = version == 4 ? &steer->plan.inner4 : &steer->plan.inner6;
	if (!steer->active || inner->address.version == 0 ||
		(version == 6 && !steer_ipv6_works(steer)))
		return (struct prefix){0};
	return steer_host(&inner->address);
}

static bool same_prefix(const struct prefix *a, const struct prefix *b)
{
	return a->length == b->length && address_equal(&a->address, &b->address);
}

static int sync_address(struct steer *steer, uint8_t version, const struct netlink_address *present,
	size_t count, struct reason *why)
{
	struct prefix wanted = inner_host(steer, version);
	struct prefix *held = &steer->held[version == 6];
	bool there = wanted.address.version == 0;
	int changes = 0;
	for (size_t i = 0; i < count; i++)
		there = there || same_prefix(&present[i].address, &wanted);
	if (!there) {
		int result = netlink_address_add(steer->netlink, steer->index, &wanted, why);
		if (result < 0 && result != -EEXIST)
			return result;
		changes++;
	}
	for (size_t i = 0; i < count; i++) {
		const struct prefix *address = &present[i].address;
		bool ours = present[i].protocol == STEER_PROTOCOL || same_prefix(address, held);
		if (address->address.version != version || !ours || same_prefix(address, &wanted))
			continue;
		int result = netlink_address_delete(steer->netlink, steer->index, address, why);
		if (result < 0 && result != -EADDRNOTAVAIL)
			return result;
		changes++;
	}
	*held = wanted;
	return changes;
}

static int sync_addresses(struct steer *steer, struct reason *why)
{
	struct netlink_address *present;
	size_t count;
	int result = netlink_addresses(steer->netlink, steer->index, &present, &count, why);
	if (result < 0)
		return result;
	int changes = 0;
	for (size_t i = 0; i < VERSIONS && result >= 0; i++) {
		result = sync_address(steer, versions[i], present, count, why);
		/* It was there: somebody has turned IPv6 off since, as NetworkManager
		 * does with what it is told to disconnect. */
		if (versions[i] == 6 && result == -EACCES && steer->held[1].address.version == 6 &&
			netlink_enable_ipv6(steer->tun->name) == 0)
			result = sync_address(steer, versions[i], present, count, why);
		if (versions[i] == 6 && (result == -EACCES || result == -EAFNOSUPPORT)) {
			steer->ipv6_disabled = true;
			result = 0;
		}
		if (result > 0)
			changes += result;
	}
	free(present);
	return result < 0 ? result : changes;
}

static int configure_link(struct steer *steer, const struct netlink_link *link, struct reason *why)
{
	const struct netlink_settings settings = {
		.mtu = steer->plan.mtu,
		.queue_length = NETLINK_TUN_QUEUE,
		.gso_max_size = NETLINK_GSO_MAX_SIZE,
		.ignore_linkdown = true,
		.loose_source = steer->strict_source,
	};
	bool same_mtu = steer->plan.mtu == 0 || link->mtu == steer->plan.mtu;
	if (steer->configured && same_mtu)
		return 0;
	int result = netlink_link_configure(steer->netlink, steer->index, &settings, why);
	steer->configured = result == 0;
	return result < 0 ? result : !same_mtu;
}

static int set_carrier(const struct tun *tun, bool on, struct reason *why)
{
	int result = tun_carrier(tun, on);
	if (result < 0)
		reason_set(why, "cannot set the carrier of %s: %s", tun->name, strerror(-result));
	return result;
}

static int sync_link(struct steer *steer, const struct tun *tun, struct reason *why)
{
	if (steer->index == 0 || !steer->active)
		return 0;
	int result;
	if (steer->unprivileged) {
		result = steer_check_beforehand(steer, why);
		if (result > 0 && tun)
			result = set_carrier(tun, steer->carrier, why);
		return result;
	}
	struct netlink_link link;
	result = netlink_link_find(steer->netlink, steer->index, &link, why);
	if (result < 0)
		return result;
	result = configure_link(steer, &link, why);
	if (result < 0)
		return result;
	int changes = result;
	result = sync_addresses(steer, why);
	if (result < 0)
		return result;
	changes += result;
	if (tun && link.carrier != steer->carrier) {
		result = set_carrier(tun, steer->carrier, why);
		changes++;
	}
	if (result >= 0 && !link.up) {
		result = netlink_link_set_up(steer->netlink, steer->index, true, why);
		changes++;
	}
	return result < 0 ? result : changes;
}

/* One phase for both families. */
enum phase { PHASE_STALE, PHASE_BLOCK, PHASE_RULES, PHASE_DEVICE };

static int run_phase(struct steer *steer, enum phase phase, uint8_t version,
	const struct route_list *wanted, struct reason *why)
{
	switch (phase) {
	case PHASE_STALE:
		return drop_stale_routes(steer, version, wanted, why);
	case PHASE_BLOCK:
		return add_missing_routes(steer, version, false, wanted, why);
	case PHASE_RULES:
		return sync_rules(steer, version, why);
	case PHASE_DEVICE:
		return add_missing_routes(steer, version, true, wanted, why);
	}
	return -EINVAL;
}

static int both_families(struct steer *steer, enum phase phase, const struct route_list *wanted,
	int *changes, struct reason *why)
{
	for (size_t i = 0; i < VERSIONS; i++) {
		if (versions[i] == 6 && !steer->kernel_has_ipv6)
			continue;
		int result = run_phase(steer, phase, versions[i], wanted, why);
		if (result < 0)
			return result;
		*changes += result;
	}
	return 0;
}

/* The order keeps it tight: what blocks is there before what lets through, and
 * the kernel takes routes through the interface only once that is up. */
int steer_sync(struct steer *steer, const struct tun *tun, struct reason *why)
{
	struct route_list wanted;
	int changes = 0;
	steer_want_routes(steer, &wanted);
	int result = both_families(steer, PHASE_STALE, &wanted, &changes, why);
	if (result == 0) {
		steer->installed = wanted;
		result = both_families(steer, PHASE_BLOCK, &wanted, &changes, why);
	}
	if (result == 0)
		result = both_families(steer, PHASE_RULES, &wanted, &changes, why);
	if (result == 0) {
		result = sync_link(steer, tun, why);
		changes += result > 0 ? result : 0;
	}
	if (result >= 0) {
		/* Once more: the link may have told that it cannot have IPv6. */
		steer_want_routes(steer, &wanted);
		result = both_families(steer, PHASE_DEVICE, &wanted, &changes, why);
	}
	return result < 0 ? result : changes;
}

void steer_withdraw_link(struct steer *steer)
{
	if (steer->index == 0)
		return;
	if (steer->unprivileged) {
		(void)tun_carrier(steer->tun, false);
		return;
	}
	(void)sync_addresses(steer, NULL);
	(void)netlink_link_set_up(steer->netlink, steer->index, false, NULL);
}
