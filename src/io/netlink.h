/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asking and telling the kernel about links, addresses, routes and rules
 * (rtnetlink through libnl-3 and libnl-route-3).  Blocking: the kernel answers
 * at once.
 *
 * Privileges: a socket opened by root keeps working after the user has been
 * changed, as long as the thread keeps CAP_NET_ADMIN; the kernel looks at who
 * opened the socket and at what the caller may do now.
 *
 * Whatever fails returns -errno as the kernel gave it and fills the reason;
 * `why` may be NULL everywhere. */
#ifndef TSCF_IO_NETLINK_H
#define TSCF_IO_NETLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/reason.h"

enum {
	NETLINK_PROTOCOL = 243, /* "tse" in rt_protos.d: what is ours */
	NETLINK_TABLE_MAIN = 254,
	/* The longest packet that an envelope of type 0x81 holds. */
	NETLINK_GSO_MAX_SIZE = 65522,
	NETLINK_TUN_QUEUE = 5000, /* packets; bursts, while the loop does a handshake */
};

struct netlink;

/* The socket belongs to the network namespace that it was opened in. */
int netlink_open(struct netlink **out, struct reason *why);
/* Takes NULL. */
void netlink_close(struct netlink *netlink);
/* Whether the kernel has IPv6 at all (one interface may still have it off). */
bool netlink_has_ipv6(void);

/* --- links --- */

struct netlink_link {
	unsigned index;
	char name[IFNAMSIZ];
	bool up;      /* by administration */
	bool carrier; /* and really */
	uint32_t mtu, queue_length;
};

/* -ENODEV when there is none. */
int netlink_link_find(
	struct netlink *netlink, unsigned index, struct netlink_link *out, struct reason *why);
int netlink_link_set_up(struct netlink *netlink, unsigned index, bool up, struct reason *why);

/* A number that is 0 stays as it is. */
struct netlink_settings {
	uint32_t mtu, queue_length, gso_max_size;
	/* IPv4 routes through it do not count while it has no carrier.  (For
	 * IPv6 only a sysctl does that, see netlink_ignore_linkdown6.) */
	bool ignore_linkdown;
	/* IPv4 packets may come out of it from one of the host's own addresses:
	 * our ICMP errors do.  (IPv6 does not ask.) */
	bool accept_local;
	/* IPv4 packets may come out of it from where its routes do not lead:
	 * the TSCF's own address sends ICMP errors. */
	bool loose_source;
};

/* Also: no link-local address of the kernel's own making, and no multicast, so that
 * LLMNR, mDNS and their like do not send the names they look for through it. */
int netlink_link_configure(struct netlink *netlink, unsigned index,
	const struct netlink_settings *settings, struct reason *why);
/* The IPv6 half of ignore_linkdown: a file in /proc/sys, which takes
 * CAP_NET_ADMIN, and is read-only in most containers.  0 or -errno. */
int netlink_ignore_linkdown6(const char *name);
/* Undoes net.ipv6.conf.NAME.disable_ipv6, the same way. */
int netlink_enable_ipv6(const char *name);

/* Whether the host drops IPv4 packets whose source is not routed back through
 * the interface they came on (rp_filter = 1), for that interface. */
bool netlink_has_strict_source(const char *name);

/* --- addresses --- */

struct netlink_address {
	struct prefix address; /* host bits set */
	uint8_t protocol;      /* 0 before Linux 5.18 */
};

/* No duplicate address detection, marked as ours.  -EACCES: the host has IPv6
 * disabled on that interface; -EEXIST: it is there already. */
int netlink_address_add(
	struct netlink *netlink, unsigned index, const struct prefix *address, struct reason *why);
int netlink_address_delete(
	struct netlink *netlink, unsigned index, const struct prefix *address, struct reason *why);
/* All of one interface, both families. `*out` is owned by the caller: free(). */
int netlink_addresses(struct netlink *netlink, unsigned index, struct netlink_address **out,
	size_t *count, struct reason *why);

/* The whole of a TSCF's tscf0: its own inner addresses (host bits set, with
 * the pool's prefix lengths, so that the pool is routed to it), settings, link
 * up.  May be repeated. */
struct netlink_tun {
	struct prefix inner4, inner6; /* version 0: none */
	uint32_t mtu;
};
int netlink_tun_setup(
	struct netlink *netlink, unsigned index, const struct netlink_tun *tun, struct reason *why);

/* --- routes --- */

enum netlink_route_type {
	NETLINK_ROUTE_OTHER,
	NETLINK_ROUTE_UNICAST,
	NETLINK_ROUTE_UNREACHABLE,
	NETLINK_ROUTE_THROW,
};

struct netlink_route {
	enum netlink_route_type type;
	struct prefix destination;
	uint32_t table, metric;
	uint8_t protocol;
	unsigned index;         /* interface of a unicast route's first next hop, else 0 */
	struct address source;  /* preferred; version 0: none */
	struct address gateway; /* version 0: on-link */
};

bool netlink_route_equal(const struct netlink_route *a, const struct netlink_route *b);
/* Never replaces: -EEXIST when destination and metric are taken. */
int netlink_route_add(
	struct netlink *netlink, const struct netlink_route *route, struct reason *why);
/* Exactly that one. -ESRCH when there is none. */
int netlink_route_delete(
	struct netlink *netlink, const struct netlink_route *route, struct reason *why);
/* All routes of one table and IP version (4 or 6); owned by the caller. */
int netlink_routes(struct netlink *netlink, uint8_t version, uint32_t table,
	struct netlink_route **out, size_t *count, struct reason *why);

/* What the kernel would do with a packet from this host to `to` with that
 * firewall mark.  -ENETUNREACH, -EHOSTUNREACH, ...: nothing. */
struct netlink_path {
	unsigned index;
	struct address source, gateway;
	uint32_t table; /* where the route stands */
};
int netlink_path_find(struct netlink *netlink, const struct address *to, uint32_t mark,
	struct netlink_path *out, struct reason *why);

/* --- rules that look up a table --- */

struct netlink_rule {
	uint8_t version;
	uint8_t protocol;
	uint32_t priority, table;
	bool has_mark, not_mark; /* "fwmark M", "not fwmark M" */
	uint32_t mark;
	bool has_uids;
	uint32_t first_uid, last_uid;
	struct address source; /* "from ADDRESS"; version 0: from all */
	bool no_default;       /* "suppress_prefixlength 0": not the table's default route */
	bool unreachable;      /* nothing is looked up; the table only says whose rule it is */
};

bool netlink_rule_equal(const struct netlink_rule *a, const struct netlink_rule *b);
int netlink_rule_add(struct netlink *netlink, const struct netlink_rule *rule, struct reason *why);
int netlink_rule_delete(
	struct netlink *netlink, const struct netlink_rule *rule, struct reason *why);
int netlink_rules(struct netlink *netlink, uint8_t version, struct netlink_rule **out,
	size_t *count, struct reason *why);

#endif
