/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A UE towards a peer that knows TS 24.322 and no control messages (an EFTF):
 * addresses, P-CSCFs and the rest come from DHCPv4, Router Advertisements and
 * stateless DHCPv6 inside the tunnel.
 *
 *   DHCPv4   SELECTING -> REQUESTING -> BOUND -> RENEWING -> REBINDING -> SELECTING
 *   router   SOLICITING -> ADVERTISED        (again at half of the prefix's life)
 *   DHCPv6   ASKING -> TOLD                  (again when its refresh time is over)
 *
 * One family is enough.  When the first is there, the other and the DHCPv6
 * answer are waited for no longer than PLAIN_SETTLE_US; what comes later
 * changes the result, and so does what expires.
 *
 * Retransmission follows RFC 2131 4.1 (4, 8, 16, ... s), RFC 4861 6.3.7 (three
 * solicitations, 4 s apart) and RFC 8415 15 (1, 2, 4, ... s); initial delays,
 * which keep hosts of a shared link from asking together, are left out: a
 * tunnel is a link of two.
 *
 * Pure: the caller gives the time (us, monotonic), random bits and packets, and
 * sends what plain_client_poll() writes. */
#ifndef TSCF_CORE_PLAIN_CLIENT_H
#define TSCF_CORE_PLAIN_CLIENT_H

#include "core/control.h"
#include "core/datagram.h"
#include "core/dhcp4.h"
#include "core/dhcp6.h"
#include "core/ndp.h"

enum {
	PLAIN_UUID = 16,
	PLAIN_SETTLE_US = 1500000,
	PLAIN_DISCOVER_TRIES = 4, /* when the other family works, then no more */
	PLAIN_SOLICIT_TRIES = 3,
};

enum plain_dhcp4_state {
	PLAIN_SELECTING,  /* DHCPDISCOVER */
	PLAIN_REQUESTING, /* DHCPREQUEST for an offer */
	PLAIN_BOUND,
	PLAIN_RENEWING,  /* DHCPREQUEST to the server, from T1 on */
	PLAIN_REBINDING, /* DHCPREQUEST to any server, from T2 on */
	PLAIN_NO_DHCP4,  /* given up */
};

enum plain_router_state {
	PLAIN_SOLICITING,
	PLAIN_ADVERTISED,
	PLAIN_NO_ROUTER, /* nobody has answered; an advertisement is welcome still */
};

enum plain_dhcp6_state {
	PLAIN_NOT_ASKED, /* no router has told to */
	PLAIN_ASKING,
	PLAIN_TOLD,
};

struct plain_client {
	uint8_t uuid[PLAIN_UUID];
	/* Of the tunnel that it had before, set after init: the IPv4 address, and
	 * that it had one family alone, so that nothing is waited for. */
	struct address wished;
	bool one_family;
	uint64_t first;   /* us, when the first family was there; 0: not yet */
	bool settled;     /* PLAIN_SETTLE_US ago */
	uint64_t alive;   /* us, the last answer to anything */
	unsigned changes; /* counts what plain_client_grant() would tell differently */

	enum plain_dhcp4_state dhcp4;
	uint32_t transaction4;
	uint64_t asked4_first, send4; /* us; send4 UINT64_MAX: nothing to send */
	unsigned tries4;
	struct dhcp4_message offer;               /* chosen, then the lease */
	uint64_t renew_at, rebind_at, expire4_at; /* us */

	enum plain_router_state router;
	uint64_t send_router, expire6_at; /* us */
	unsigned tries_router;
	struct ndp_advert advert;

	enum plain_dhcp6_state dhcp6;
	uint32_t transaction6;
	uint64_t asked6_first, send6; /* us */
	uint64_t wait6;               /* us, the last retransmission time; 0: none yet */
	struct dhcp6_message told;
};

/* `uuid` is the installation's: the same each time, so that a server can give
 * the same lease. */
void plain_client_init(struct plain_client *client, const uint8_t uuid[PLAIN_UUID], uint64_t now);

/* Writes the next packet that is due (DATAGRAM_PACKET_MAX octets of room) and
 * returns its length; 0 when there is none, and plain_client_due() says when
 * to ask again.  Lets leases expire. */
size_t plain_client_poll(
	struct plain_client *client, uint64_t now, uint32_t random, uint8_t *packet);
uint64_t plain_client_due(const struct plain_client *client);

/* A packet from the peer: true when it was for this machine.  The rest goes the
 * way of all packets. */
bool plain_client_take(
	struct plain_client *client, const struct packet *packet, uint64_t now, uint32_t random);

/* Whether there is an address, and all has come or been waited for. */
bool plain_client_is_ready(const struct plain_client *client);
bool plain_client_has_address(const struct plain_client *client);
/* What was granted, as if a TSCF had said it in a Configuration Response: inner
 * addresses, MTU, routes, P-CSCFs, DNS servers, domains.  Views borrow from the
 * client. */
void plain_client_grant(const struct plain_client *client, struct control_message *out);

/* Asks for a sign of life: `alive` moves when it comes. */
void plain_client_check(struct plain_client *client, uint64_t now, uint32_t random);
/* A DHCPRELEASE into `packet`; 0 without a lease. */
size_t plain_client_release(struct plain_client *client, uint32_t random, uint8_t *packet);

#endif
