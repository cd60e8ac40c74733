/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a plain TS 24.322 UE is told inside its tunnel: it knows no control
 * messages, so it gets its address, P-CSCFs and the rest as on any link.
 *
 *     UE                                      TSCF
 *      |  DHCPDISCOVER / DHCPREQUEST  ------->  |   RFC 2131
 *      |  <-----------  DHCPOFFER / DHCPACK     |
 *      |  Router Solicitation  -------------->  |   RFC 4861
 *      |  <-----------  Router Advertisement    |   also unasked, now and then
 *      |  Information-request  -------------->  |   RFC 8415, stateless
 *      |  <--------------------------  Reply    |
 *      |  Neighbor Solicitation of fe80::1 -->  |   so that NUD finds us
 *      |  <-----------  Neighbor Advertisement  |
 *
 * A tunnel is a link of two, and one lease belongs to it: who asks is known, and
 * nothing has to be stored.  Pure: packets in, packets out. */
#ifndef TSCF_CORE_PLAIN_SERVER_H
#define TSCF_CORE_PLAIN_SERVER_H

#include "core/control.h"
#include "core/datagram.h"

enum {
	PLAIN_ADVERT_INTERVAL = 3000, /* s, between Router Advertisements unasked */
	PLAIN_ROUTER_LIFETIME = 9000, /* s, the most of RFC 4861 6.2.1 */
	PLAIN_LEASE_TIME = 86400,     /* s, of addresses */
	PLAIN_DUID = 16,
};

struct plain_service {
	/* Routes, P-CSCFs, DNS servers, domains and MTU; borrowed, as is all that
	 * its views point to. */
	const struct control_message *offer;
	struct prefix inner4, inner6; /* the lease; version 0: no such family */
	struct address own4;          /* of the TSCF, in the pool */
	uint8_t mask_length;          /* of the IPv4 pool */
	uint8_t uuid[PLAIN_DUID];     /* the TSCF's, for DHCPv6 */
};

enum plain_result {
	PLAIN_NOT_OURS, /* an ordinary packet, to be checked like all others */
	PLAIN_SILENT,   /* for us, and there is nothing to say */
	PLAIN_ANSWER,   /* for us, and this is the answer */
};

/* A first look, for every packet: false when it certainly is PLAIN_NOT_OURS. */
bool plain_may_be_ours(const struct packet *packet);
/* `answer` has DATAGRAM_PACKET_MAX octets of room.  What is malformed is
 * PLAIN_NOT_OURS: it comes from an address that no tunnel may use. */
enum plain_result plain_serve(const struct plain_service *service, const struct packet *packet,
	uint8_t *answer, size_t *length);

/* A Router Advertisement to all nodes; 0 without IPv6. */
size_t plain_advertise(const struct plain_service *service, uint8_t *out);

/* The address that the TSCF has on every plain link: fe80::1. */
extern const struct address plain_router;

#endif
