/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Links and their addresses. */
#include "io/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet.h>
#include <netlink/route/link/inet6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/netlink_message.h"

/* Numbers of the kernel's interface that are younger than some headers. */
enum {
	ATTRIBUTE_GSO_IPV4_MAX_SIZE = 63, /* IFLA_GSO_IPV4_MAX_SIZE, Linux 6.3 */
	ATTRIBUTE_ADDRESS_PROTOCOL = 11,  /* IFA_PROTO, Linux 5.18 */
};

bool netlink_has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool parse_link(struct nlmsghdr *header, const void *filter, void *item)
{
	(void)filter;
	struct nlattr *attributes[IFLA_MAX + 1];
	if (header->nlmsg_type != RTM_NEWLINK ||
		nlmsg_parse(header, sizeof(struct ifinfomsg), attributes, IFLA_MAX, NULL) < 0)
		return false;
	const struct ifinfomsg *about = nlmsg_data(header);
	struct netlink_link *link = item;
	link->index = (unsigned)about->ifi_index;
	link->up = about->ifi_flags & IFF_UP;
	if (attributes[IFLA_IFNAME])
		nla_strlcpy(link->name, attributes[IFLA_IFNAME], sizeof(link->name));
	if (attributes[IFLA_CARRIER])
		link->carrier = nla_get_u8(attributes[IFLA_CARRIER]);
	if (attributes[IFLA_MTU])
		link->mtu = nla_get_u32(attributes[IFLA_MTU]);
	if (attributes[IFLA_TXQLEN])
		link->queue_length = nla_get_u32(attributes[IFLA_TXQLEN]);
	return true;
}

int netlink_link_find(
	struct netlink *netlink, unsigned index, struct netlink_link *out, struct reason *why)
{
	struct nl_msg *request = NULL;
	(void)rtnl_link_build_get_request((int)index, NULL, &request);
	int result = netlink_ask(netlink, request, parse_link, out, sizeof(*out));
	char name[32];
	if (result < 0)
		return netlink_explain(
			netlink, result, why, "find %s", netlink_link_name(netlink, index, name));
	netlink_remember(netlink, out);
	return 0;
}

/* A request to make of the link what `changes` (taken) says; NULL without
 * memory. */
static struct nl_msg *change_request(unsigned index, struct rtnl_link *changes)
{
	struct nl_msg *request = NULL;
	struct rtnl_link *which = rtnl_link_alloc();
	if (which && changes) {
		rtnl_link_set_ifindex(which, (int)index);
		(void)rtnl_link_build_change_request(which, changes, 0, &request);
	}
	rtnl_link_put(which);
	rtnl_link_put(changes);
	return request;
}

int netlink_link_set_up(struct netlink *netlink, unsigned index, bool up, struct reason *why)
{
	struct rtnl_link *changes = rtnl_link_alloc();
	if (changes && up)
		rtnl_link_set_flags(changes, IFF_UP);
	else if (changes)
		rtnl_link_unset_flags(changes, IFF_UP);
	int result = netlink_send(netlink, change_request(index, changes));
	char name[32];
	if (result < 0)
		netlink_explain(netlink, result, why, "set %s %s",
			netlink_link_name(netlink, index, name), up ? "up" : "down");
	return result;
}

/* Without IPv6, in the kernel or on this interface, there is nothing to do. */
static int no_own_address(struct netlink *netlink, unsigned index)
{
	struct rtnl_link *changes = rtnl_link_alloc();
	if (changes)
		(void)rtnl_link_inet6_set_addr_gen_mode(changes, IN6_ADDR_GEN_MODE_NONE);
	int result = netlink_send(netlink, change_request(index, changes));
	return result == -EAFNOSUPPORT || result == -EOPNOTSUPP ? 0 : result;
}

static int set_numbers(
	struct netlink *netlink, unsigned index, const struct netlink_settings *settings)
{
	struct rtnl_link *changes = rtnl_link_alloc();
	if (changes)
		rtnl_link_unset_flags(changes, IFF_MULTICAST);
	if (changes && settings->mtu)
		rtnl_link_set_mtu(changes, settings->mtu);
	if (changes && settings->queue_length)
		rtnl_link_set_txqlen(changes, settings->queue_length);
	if (changes && settings->ignore_linkdown)
		(void)rtnl_link_inet_set_conf(changes, IPV4_DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN, 1);
	if (changes && settings->accept_local)
		(void)rtnl_link_inet_set_conf(changes, IPV4_DEVCONF_ACCEPT_LOCAL, 1);
	if (changes && settings->loose_source)
		(void)rtnl_link_inet_set_conf(changes, IPV4_DEVCONF_RP_FILTER, 2);
	struct nl_msg *request = change_request(index, changes);
	/* Kernels before 6.3 have one limit for both families, and skip the other. */
	if (request && settings->gso_max_size &&
		(nla_put_u32(request, IFLA_GSO_MAX_SIZE, settings->gso_max_size) < 0 ||
			nla_put_u32(request, ATTRIBUTE_GSO_IPV4_MAX_SIZE, settings->gso_max_size) <
				0)) {
		nlmsg_free(request);
		request = NULL;
	}
	return netlink_send(netlink, request);
}

int netlink_link_configure(struct netlink *netlink, unsigned index,
	const struct netlink_settings *settings, struct reason *why)
{
	int result = no_own_address(netlink, index);
	if (result == 0)
		result = set_numbers(netlink, index, settings);
	char name[32];
	if (result < 0)
		netlink_explain(netlink, result, why, "configure %s (mtu %u, gso_max_size %u)",
			netlink_link_name(netlink, index, name), settings->mtu,
			settings->gso_max_size);
	return result;
}

static bool says_one(const char *name)
{
	char path[96];
	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", name);
	FILE *file = fopen(path, "re");
	bool one = file && fgetc(file) == '1';
	if (file)
		fclose(file);
	return one;
}

bool netlink_has_strict_source(const char *name)
{
	/* The larger one of the two counts. */
	return says_one("all") || says_one(name);
}

static int set_conf6(const char *name, const char *what, char value)
{
	char path[96];
	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", name, what);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int result = write(fd, &value, 1) == 1 ? 0 : -errno;
	close(fd);
	return result;
}

int netlink_ignore_linkdown6(const char *name)
{
	return set_conf6(name, "ignore_routes_with_linkdown", '1');
}

int netlink_enable_ipv6(const char *name)
{
	return set_conf6(name, "disable_ipv6", '0');
}

static bool parse_address(struct nlmsghdr *header, const void *filter, void *item)
{
	struct nlattr *attributes[ATTRIBUTE_ADDRESS_PROTOCOL + 1];
	if (header->nlmsg_type != RTM_NEWADDR ||
		nlmsg_parse(header, sizeof(struct ifaddrmsg), attributes,
			ATTRIBUTE_ADDRESS_PROTOCOL, NULL) < 0)
		return false;
	const struct ifaddrmsg *about = nlmsg_data(header);
	/* IFA_ADDRESS is the far end on a point-to-point link. */
	const struct nlattr *octets =
		attributes[IFA_LOCAL] ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
	uint8_t version = about->ifa_family == AF_INET ? 4 : 6;
	if (about->ifa_index != *(const unsigned *)filter || !octets ||
		nla_len(octets) != (int)address_size(version))
		return false;
	struct netlink_address *address = item;
	address_set(&address->address.address, version, nla_data(octets));
	address->address.length = about->ifa_prefixlen;
	if (attributes[ATTRIBUTE_ADDRESS_PROTOCOL])
		address->protocol = nla_get_u8(attributes[ATTRIBUTE_ADDRESS_PROTOCOL]);
	return true;
}

int netlink_addresses(struct netlink *netlink, unsigned index, struct netlink_address **out,
	size_t *count, struct reason *why)
{
	const struct ifaddrmsg header = {.ifa_index = index};
	const struct netlink_dump dump = {
		.type = RTM_GETADDR,
		.header = &header,
		.header_size = sizeof(header),
		.parse = parse_address,
		.filter = &index,
		.item_size = sizeof(**out),
	};
	void *items = NULL;
	int result = netlink_list(netlink, &dump, &items, count);
	char name[32];
	if (result < 0)
		return netlink_explain(netlink, result, why, "list the addresses of %s",
			netlink_link_name(netlink, index, name));
	*out = items;
	return 0;
}

static struct rtnl_addr *make_address(unsigned index, const struct prefix *address)
{
	struct rtnl_addr *made = rtnl_addr_alloc();
	struct nl_addr *local = netlink_address_new(&address->address, address->length);
	if (made && local) {
		rtnl_addr_set_ifindex(made, (int)index);
		rtnl_addr_set_family(made, netlink_family(address->address.version));
		(void)rtnl_addr_set_local(made, local);
		rtnl_addr_set_flags(made, IFA_F_NODAD);
	} else if (made) {
		rtnl_addr_put(made);
		made = NULL;
	}
	nl_addr_put(local);
	return made;
}

int netlink_address_add(
	struct netlink *netlink, unsigned index, const struct prefix *address, struct reason *why)
{
	struct nl_msg *request = NULL;
	struct rtnl_addr *made = make_address(index, address);
	if (made)
		(void)rtnl_addr_build_add_request(made, NLM_F_CREATE | NLM_F_EXCL, &request);
	rtnl_addr_put(made);
	if (request && nla_put_u8(request, ATTRIBUTE_ADDRESS_PROTOCOL, NETLINK_PROTOCOL) < 0) {
		nlmsg_free(request);
		request = NULL;
	}
	int result = netlink_send(netlink, request);
	char text[PREFIX_TEXT_MAX], name[32];
	if (result < 0)
		netlink_explain(netlink, result, why, "add the address %s to %s",
			prefix_format(address, text), netlink_link_name(netlink, index, name));
	return result;
}

int netlink_address_delete(
	struct netlink *netlink, unsigned index, const struct prefix *address, struct reason *why)
{
	struct nl_msg *request = NULL;
	struct rtnl_addr *made = make_address(index, address);
	if (made)
		(void)rtnl_addr_build_delete_request(made, 0, &request);
	rtnl_addr_put(made);
	int result = netlink_send(netlink, request);
	char text[PREFIX_TEXT_MAX], name[32];
	if (result < 0)
		netlink_explain(netlink, result, why, "remove the address %s from %s",
			prefix_format(address, text), netlink_link_name(netlink, index, name));
	return result;
}

int netlink_tun_setup(
	struct netlink *netlink, unsigned index, const struct netlink_tun *tun, struct reason *why)
{
	const struct netlink_settings settings = {
		.mtu = tun->mtu,
		.queue_length = NETLINK_TUN_QUEUE,
		.gso_max_size = NETLINK_GSO_MAX_SIZE,
		.accept_local = true,
	};
	struct netlink_link link;
	int result = netlink_link_find(netlink, index, &link, why);
	if (result == 0)
		result = netlink_link_configure(netlink, index, &settings, why);
	if (result < 0)
		return result;
	const struct prefix *const addresses[] = {&tun->inner4, &tun->inner6};
	for (size_t i = 0; i < 2; i++) {
		if (addresses[i]->address.version == 0)
			continue;
		result = netlink_address_add(netlink, index, addresses[i], why);
		if (result < 0 && result != -EEXIST)
			return result;
	}
	return netlink_link_set_up(netlink, index, true, why);
}
