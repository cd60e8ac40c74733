/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Without CAP_NET_ADMIN: an interface made beforehand, to which its owner may
 * only attach.  What steering would set is looked at instead, and what is not
 * as it must be is told as the commands that put it right. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tse/steer_state.h"

enum { COMMANDS = 400 };

/* Adds one command to `text`, behind "; ". */
static void add_command(char text[COMMANDS], const char *command)
{
	size_t used = strlen(text);
	snprintf(text + used, COMMANDS - used, "%s%s", used ? "; " : "", command);
}

static void want_address(const struct prefix *inner, const char *name,
	const struct netlink_address *present, size_t count, char commands[COMMANDS])
{
	if (inner->address.version == 0)
		return;
	for (size_t i = 0; i < count; i++)
		if (address_equal(&present[i].address.address, &inner->address))
			return;
	const struct prefix host = steer_host(&inner->address);
	char address[PREFIX_TEXT_MAX], command[128];
	snprintf(command, sizeof(command), "ip address add %s dev %s%s",
		prefix_format(&host, address), name, inner->address.version == 6 ? " nodad" : "");
	add_command(commands, command);
}

static void want_link(
	const struct steer *steer, const struct netlink_link *link, char commands[COMMANDS])
{
	char command[64];
	if (steer->plan.mtu && link->mtu > steer->plan.mtu) {
		snprintf(command, sizeof(command), "ip link set %s mtu %u", link->name,
			steer->plan.mtu);
		add_command(commands, command);
	}
	if (!link->up) {
		snprintf(command, sizeof(command), "ip link set %s up", link->name);
		add_command(commands, command);
	}
}

/* Our sockets carry no mark, so only the routes keep them out of the tunnel. */
static int check_loop(struct steer *steer, const struct netlink_link *link, struct reason *why)
{
	for (size_t i = 0; i < steer->outer_count; i++) {
		struct netlink_path path;
		if (netlink_path_find(steer->netlink, &steer->outer[i], 0, &path, NULL) < 0 ||
			path.index != steer->index)
			continue;
		char text[ADDRESS_TEXT_MAX];
		reason_set(why,
			"the route to %s, an outer address of the tunnel, leads into %s: the "
			"tunnel "
			"would run through itself. Give %s a route of its own, or start tse with "
			"CAP_NET_ADMIN, which marks its connections",
			address_format(&steer->outer[i], text), link->name, text);
		return -ELOOP;
	}
	return 0;
}

int steer_check_beforehand(struct steer *steer, struct reason *why)
{
	struct netlink_link link;
	struct netlink_address *present;
	size_t count;
	int result = netlink_link_find(steer->netlink, steer->index, &link, why);
	if (result == 0)
		result = check_loop(steer, &link, why);
	if (result == 0)
		result = netlink_addresses(steer->netlink, steer->index, &present, &count, why);
	if (result < 0)
		return result;
	char commands[COMMANDS] = "";
	want_address(&steer->plan.inner4, link.name, present, count, commands);
	want_address(&steer->plan.inner6, link.name, present, count, commands);
	want_link(steer, &link, commands);
	free(present);
	if (commands[0] == '\0')
		return link.carrier != steer->carrier;
	reason_set(why,
		"%s is not as the TSCF wants it, and without CAP_NET_ADMIN tse cannot change that. "
		"As root give \"%s\"",
		link.name, commands);
	return -EPERM;
}
