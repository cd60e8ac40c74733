/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which prefixes may be steered at all, before anything is changed. */
#ifndef TSCF_TSE_STEER_POLICY_H
#define TSCF_TSE_STEER_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"
#include "core/reason.h"
#include "core/tse_config.h"
#include "io/netlink.h"

/* -ELOOP when a route contains an outer address, so that the tunnel would run
 * through itself, and the profile does not allow that: by allowed-routes, and by
 * that very address as server. */
int steer_check_outer(const struct tse_config *config, const struct prefix *routes, size_t count,
	const struct address *outer, size_t outer_count, struct reason *why);

/* -EADDRINUSE when a route overlaps a network that another interface than
 * `own_index` is directly attached to. */
int steer_check_overlap(struct netlink *netlink, const struct prefix *routes, size_t count,
	unsigned own_index, struct reason *why);

#endif
