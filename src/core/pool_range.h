/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lease indexes and the addresses they stand for: index i is the i-th address
 * of the IPv4 prefix and the i-th /64 of the IPv6 prefix.  For pool.c. */
#ifndef TSCF_CORE_POOL_RANGE_H
#define TSCF_CORE_POOL_RANGE_H

#include "core/pool.h"

enum { RANGE_FIRST = 2 }; /* behind the network's own and the TSCF's */

struct pool_range {
	uint32_t base4;
	uint64_t base6; /* network half of the first /64 */
	bool has4, has6;
	uint32_t limit; /* leases are RANGE_FIRST <= index < limit */
};

/* 0, or -EINVAL: no family, or no room for even one lease. */
int range_init(struct pool_range *range, const struct prefix *ipv4, const struct prefix *ipv6);
/* False when the address belongs to no lease of any worker. */
bool range_index(
	const struct pool_range *range, uint8_t version, const uint8_t *octets, uint32_t *index);
/* The address of that index; for IPv6 the one that ends in ::1.  Version 0
 * when the prefix is of no family. */
struct address range_address4(const struct prefix *ipv4, uint32_t index);
struct address range_address6(const struct prefix *ipv6, uint32_t index);

#endif
