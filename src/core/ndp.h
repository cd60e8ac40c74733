/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Neighbour discovery (RFC 4861) on the link that a tunnel is: a UE solicits,
 * its TSCF advertises itself as router and the UE's prefix, with the MTU, DNS
 * servers (RFC 8106) and more specific routes (RFC 4191).  The link has no
 * link-layer addresses, so none are sent, and they are ignored.
 *
 * Messages begin with the ICMPv6 type; their checksums, hop limits and
 * addresses are core/datagram's. */
#ifndef TSCF_CORE_NDP_H
#define TSCF_CORE_NDP_H

#include "core/address.h"
#include "core/octets.h"

enum {
	NDP_DNS_MAX = 8,
	NDP_ROUTES_MAX = 32,
	NDP_ROOM = 1232,
	NDP_SOLICIT_LENGTH = 8,
	NDP_NEIGHBOR_LENGTH = 24,
};

enum ndp_type {
	NDP_ROUTER_SOLICIT = 133,
	NDP_ROUTER_ADVERT = 134,
	NDP_NEIGHBOR_SOLICIT = 135,
	NDP_NEIGHBOR_ADVERT = 136,
	NDP_REDIRECT = 137,
};

/* Lifetimes in s; UINT32_MAX is for ever. */
struct ndp_route {
	struct prefix destination;
	uint32_t lifetime;
};

/* A Router Advertisement. */
struct ndp_advert {
	uint8_t hop_limit;
	bool managed, other;  /* addresses by DHCPv6; other things by DHCPv6 */
	uint16_t lifetime;    /* s, as default router; 0: is none */
	struct prefix prefix; /* the first one for autonomous configuration; version 0: none */
	bool on_link;
	uint32_t valid, preferred;
	uint32_t mtu; /* 0: not told */
	struct address dns[NDP_DNS_MAX];
	size_t dns_count;
	uint32_t dns_lifetime; /* the shortest */
	struct ndp_route routes[NDP_ROUTES_MAX];
	size_t route_count;
};

/* All return false when the message is not of that type or malformed. */
bool ndp_decode_solicit(struct view message);
bool ndp_decode_advert(struct view message, struct ndp_advert *out);
bool ndp_decode_neighbor_solicit(struct view message, struct address *target);

/* Return the length; what no longer fits into `room` is left out. */
size_t ndp_encode_solicit(uint8_t out[NDP_SOLICIT_LENGTH]);
size_t ndp_encode_advert(const struct ndp_advert *advert, uint8_t *out, size_t room);
size_t ndp_encode_neighbor_solicit(const struct address *target, uint8_t out[NDP_NEIGHBOR_LENGTH]);
/* Of a router. */
size_t ndp_encode_neighbor_advert(
	const struct address *target, bool solicited, uint8_t out[NDP_NEIGHBOR_LENGTH]);

#endif
