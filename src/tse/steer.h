/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steering: the rules, addresses and routes that bring IMS traffic, and
 * nothing else, into the tunnel, and never let it out beside it.
 *
 *   steer = table   own table, one rule per family ahead of main:
 *                       24322: not fwmark M lookup <table> suppress_prefixlength 0
 *                   for what has the inner address as its source already:
 *                       24323: from INNER lookup <table>
 *                       24324: from INNER unreachable
 *                       default dev tse0 src INNER proto tse
 *                   in the table, per IMS prefix:
 *                       PREFIX dev tse0 src INNER proto tse
 *                       unreachable PREFIX metric 4294967295 proto tse
 *                   and per outer address in use:
 *                       throw ADDRESS proto tse
 *   steer = main    PREFIX dev tse0 src INNER proto tse, and its unreachable
 *                   twin, in the main table
 *   steer = none    only the interface and its address
 *
 * With `uid`, the first rules are "from all uidrange U lookup <table>" instead,
 * with `steer-fwmark` "from all fwmark N lookup <table>", and then there are no
 * throw routes.  With a default route among the prefixes nothing is suppressed.
 * With `netns` all of it is in that namespace.
 * Without CAP_NET_ADMIN: see steer_beforehand.c.
 *
 * Order matters: the kernel refuses routes through a device that is down and
 * forgets them when it goes down.  Everything carries `proto tse` (243), so
 * that what a killed run left is found and removed. */
#ifndef TSCF_TSE_STEER_H
#define TSCF_TSE_STEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/address.h"
#include "core/control.h"
#include "core/tse_config.h"
#include "io/tun.h"

enum {
	STEER_PROTOCOL = 243,
	STEER_PRIORITY = 24322,
	STEER_PRIORITY_SOURCE,
	STEER_PRIORITY_NOWHERE,
	STEER_OUTER_MAX = 32
};

/* What the TSCF granted, after `allowed-routes` has narrowed it. */
struct steer_plan {
	struct prefix inner4, inner6; /* version 0: not granted */
	uint16_t mtu;
	struct prefix routes[CONTROL_ROUTES_MAX];
	size_t route_count;
};

struct steer; /* owns a netlink socket and what it has installed */

/* `config` is borrowed. Cleans what a killed run of the same table left; with
 * mode = always the first steer_block() does, so that nothing leaks meanwhile.
 * CAP_NET_ADMIN must be there, and ever after, or steer = none; then the
 * interface must have been made beforehand, and only its carrier is set.  Call it after tun_open,
 * which fails when the profile is running already.  -EBUSY when another
 * profile's tunnel uses the table. */
int steer_new(struct steer **out, const struct tse_config *config, struct reason *why);
/* Whether `uid` names this user.  The rules for users know no mark, so the
 * daemon itself must not be among them. */
bool steer_selects(const struct steer *steer, uid_t uid);
/* Once, while still root, after steer_new: what only root may set on the
 * interface.  Where that is not possible (a read-only /proc/sys) steering does
 * without: then the IPv6 device routes come and go with the carrier. */
void steer_prepare(struct steer *steer, const struct tun *tun);
/* Removes all that was installed.  Takes NULL. */
void steer_free(struct steer *steer);

/* Outer addresses in use now (TSCF, proxy, resolvers): replaces the set. */
int steer_outer(struct steer *steer, const struct address *outer, size_t count, struct reason *why);
/* Rules and unreachable routes only, for prefixes known from the profile or
 * from an earlier tunnel: nothing leaks while there is no tunnel.  Takes back
 * a plan that was applied.  With count 0 nothing remains at all: apps go
 * direct. */
int steer_block(struct steer *steer, const struct prefix *routes, size_t count, struct reason *why);
/* Brings interface, addresses and routes to what the plan says, changing only
 * what differs; the link is up, without carrier until steer_carrier() (a plan
 * that replaces another one keeps the carrier as it is).
 * -EADDRINUSE with an explanation when a prefix overlaps an on-link network.
 * The TSCF's routes may not contain an outer address unless config allows
 * (-ELOOP).  After either, what was there before still is.  Where the host has
 * IPv6 disabled, IPv4 alone is set up: see steer_has_ipv6().  After any other
 * failure what is there blocks rather than leaks; steer_block() takes it back. */
int steer_apply(struct steer *steer, const struct tun *tun, const struct steer_plan *plan,
	struct reason *why);
/* Whether the plan's inner IPv6 address is really there. */
bool steer_has_ipv6(const struct steer *steer);
/* Carrier on or off. 0 or -errno. */
int steer_carrier(struct steer *steer, const struct tun *tun, bool on);
/* After a netmon event: puts back what somebody else removed.  Returns how
 * many things had to be put back, or -errno. */
int steer_repair(struct steer *steer, const struct tun *tun, struct reason *why);

/* Narrows what the TSCF offered by the profile's allowed-routes: the
 * intersection, or all of it without the default route and without `outer`
 * when the profile has no allowed-routes.  Returns how many routes were
 * refused. */
size_t steer_narrow(const struct tse_config *config, const struct control_message *offer,
	const struct address *outer, struct steer_plan *plan);

#endif
