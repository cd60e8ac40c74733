/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The arithmetic that makes a table of addresses unnecessary. */
#include "core/pool_range.h"

#include <errno.h>

static uint32_t network4(const struct prefix *ipv4)
{
	uint32_t mask = ipv4->length ? UINT32_MAX << (32 - ipv4->length) : 0;
	return get_u32(ipv4->address.octets) & mask;
}

static uint64_t network6(const struct prefix *ipv6)
{
	uint64_t mask = ipv6->length ? UINT64_MAX << (64 - ipv6->length) : 0;
	return get_u64(ipv6->address.octets) & mask;
}

/* The network's and the TSCF's own index, one lease, and the broadcast
 * address need a /30; IPv6 has no broadcast, but no prefix between either. */
static bool is_usable4(const struct prefix *ipv4)
{
	return ipv4->address.version == 4 && ipv4->length <= 30;
}

static bool is_usable6(const struct prefix *ipv6)
{
	return ipv6->address.version == 6 && ipv6->length <= 62;
}

int range_init(struct pool_range *range, const struct prefix *ipv4, const struct prefix *ipv6)
{
	*range = (struct pool_range){
		.has4 = is_usable4(ipv4), .has6 = is_usable6(ipv6), .limit = POOL_LEASES_MAX};
	bool wanted4 = ipv4->address.version != 0, wanted6 = ipv6->address.version != 0;
	if (wanted4 != range->has4 || wanted6 != range->has6 || (!wanted4 && !wanted6))
		return -EINVAL;
	if (range->has4) {
		uint64_t end = (UINT64_C(1) << (32 - ipv4->length)) - 1; /* the broadcast */
		range->limit = end < range->limit ? (uint32_t)end : range->limit;
		range->base4 = network4(ipv4);
	}
	if (range->has6) {
		uint64_t end = ipv6->length ? UINT64_C(1) << (64 - ipv6->length) : UINT64_MAX;
		range->limit = end < range->limit ? (uint32_t)end : range->limit;
		range->base6 = network6(ipv6);
	}
	return 0;
}

bool range_index(
	const struct pool_range *range, uint8_t version, const uint8_t *octets, uint32_t *index)
{
	uint64_t distance;
	if (version == 4 && range->has4)
		distance = (uint64_t)get_u32(octets) - range->base4;
	else if (version == 6 && range->has6)
		distance = get_u64(octets) - range->base6;
	else
		return false;
	/* Below the base the difference wraps to something huge. */
	if (distance < RANGE_FIRST || distance >= range->limit)
		return false;
	*index = (uint32_t)distance;
	return true;
}

struct address range_address4(const struct prefix *ipv4, uint32_t index)
{
	struct address address = {0};
	if (is_usable4(ipv4)) {
		address.version = 4;
		put_u32(address.octets, network4(ipv4) + index);
	}
	return address;
}

struct address range_address6(const struct prefix *ipv6, uint32_t index)
{
	struct address address = {0};
	if (is_usable6(ipv6)) {
		address.version = 6;
		put_u64(address.octets, network6(ipv6) + index);
		address.octets[15] = 1;
	}
	return address;
}
