/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside steering: what shall be, and what was made of it.  Three steps:
 *
 *   steer.c         says what shall be (a plan, a block, nothing)
 *   steer_wanted.c  derives the routes and rules from that
 *   steer_sync.c    looks at what is, and changes only what differs
 */
#ifndef TSCF_TSE_STEER_STATE_H
#define TSCF_TSE_STEER_STATE_H

#include "io/netlink.h"
#include "tse/steer.h"

enum {
	STEER_UIDS_MAX = 16,
	STEER_WANTED_MAX = 2 * CONTROL_ROUTES_MAX + STEER_OUTER_MAX + 2,
	STEER_RULES_MAX = STEER_UIDS_MAX + 3, /* per family */
};

struct uid_range {
	uint32_t first, last;
};

struct route_list {
	struct netlink_route items[STEER_WANTED_MAX];
	size_t count;
};

struct steer {
	const struct tse_config *config;
	struct netlink *netlink;
	uint32_t table; /* where the routes are: ours, or main */
	struct uid_range uids[STEER_UIDS_MAX];
	size_t uid_count;
	bool kernel_has_ipv6;
	/* Without a table of our own: what a killed run left in it has been
	 * removed, or it is a living tunnel's; from now on it is not our business. */
	bool table_is_done;

	/* Without CAP_NET_ADMIN: nothing can be changed but the carrier. */
	bool unprivileged;

	const struct tun *tun; /* borrowed; NULL: none yet */
	unsigned index;        /* of the TUN; 0: none yet */
	bool configured;       /* and it has its settings */
	bool ignores_linkdown6;
	bool strict_source; /* of the host, see netlink_has_strict_source() */
	bool ipv6_disabled; /* on the TUN, by the host's administrator */
	bool carrier;

	/* What shall be: `active` is false while only the routes of the plan are
	 * blocked. */
	bool active;
	struct steer_plan plan;
	struct address outer[STEER_OUTER_MAX];
	size_t outer_count;

	/* What was installed last: in the main table, where somebody else's
	 * `proto tse` may stand, only these are ours to remove. */
	struct route_list installed;
	struct prefix held[2]; /* inner addresses, as on the interface */
};

/* --- steer_wanted.c --- */

/* The address as a prefix of one host. */
struct prefix steer_host(const struct address *address);
/* IPv6 on our interface, as far as is known. */
bool steer_ipv6_works(const struct steer *steer);
bool steer_list_has(const struct route_list *list, const struct netlink_route *route);
void steer_want_routes(const struct steer *steer, struct route_list *wanted);
size_t steer_want_rules(
	const struct steer *steer, uint8_t version, struct netlink_rule rules[STEER_RULES_MAX]);

/* --- steer_beforehand.c --- */

/* Without CAP_NET_ADMIN, with a plan: is the interface as it must be?  1 when
 * only the carrier differs, 0, or -errno: -EPERM with the commands that an
 * administrator must give, -ELOOP when the outer connections would run through
 * the tunnel. */
int steer_check_beforehand(struct steer *steer, struct reason *why);

/* --- steer_sync.c --- */

/* Makes what is what shall be; `tun` may be NULL when it is not at hand.
 * Returns how many things had to be changed, or -errno. */
int steer_sync(struct steer *steer, const struct tun *tun, struct reason *why);
/* Our addresses away, the link down; the interface may be gone already. */
void steer_withdraw_link(struct steer *steer);

#endif
