/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DHCPv4 messages (RFC 2131, options of RFC 2132), as far as a tunnel's UE and
 * its TSCF need them: the payload of a UDP datagram between ports 68 and 67.
 *
 *  +---------------+---------------+---------------+---------------+
 *  | op: 1 or 2    | htype         | hlen          | hops          |
 *  +---------------+---------------+---------------+---------------+
 *  | xid                                                           |
 *  +-------------------------------+-------------------------------+
 *  | secs                          | flags: bit 15 = broadcast     |
 *  +-------------------------------+-------------------------------+
 *  | ciaddr                                                        |
 *  | yiaddr                                                        |
 *  | siaddr                                                        |
 *  | giaddr                                                        |
 *  | chaddr (16)  sname (64)  file (128)                           |
 *  +---------------------------------------------------------------+
 *  | cookie 0x63825363                                             |
 *  +---------------------------------------------------------------+
 *  | options: code, length, value ...; 0 = pad, 255 = end
 *
 * Decoding allocates nothing.  One bad octet and the message is refused. */
#ifndef TSCF_CORE_DHCP4_H
#define TSCF_CORE_DHCP4_H

#include "core/address.h"
#include "core/dns_name.h"

enum {
	DHCP4_CLIENT_PORT = 68,
	DHCP4_SERVER_PORT = 67,
	DHCP4_HEADER = 240,   /* with the cookie */
	DHCP4_LEAST = 300,    /* what BOOTP relays and old clients want to see */
	DHCP4_ROOM = 548,     /* what every client takes: RFC 2131 2, less IP and UDP */
	DHCP4_CLIENT_ID = 64, /* octets of a client identifier that we keep */
	DHCP4_DNS_MAX = 8,
	DHCP4_SIP_MAX = 8,
	DHCP4_ROUTES_MAX = 64,
};

enum dhcp4_type {
	DHCP4_DISCOVER = 1,
	DHCP4_OFFER = 2,
	DHCP4_REQUEST = 3,
	DHCP4_DECLINE = 4,
	DHCP4_ACK = 5,
	DHCP4_NAK = 6,
	DHCP4_RELEASE = 7,
	DHCP4_INFORM = 8,
};

enum dhcp4_option {
	DHCP4_MASK = 1,
	DHCP4_ROUTER = 3,
	DHCP4_DNS = 6,
	DHCP4_DOMAIN = 15,
	DHCP4_MTU = 26,
	DHCP4_REQUESTED = 50,
	DHCP4_LEASE_TIME = 51,
	DHCP4_OVERLOAD = 52,
	DHCP4_TYPE = 53,
	DHCP4_SERVER = 54,
	DHCP4_WISHES = 55,
	DHCP4_MAX_SIZE = 57,
	DHCP4_T1 = 58,
	DHCP4_T2 = 59,
	DHCP4_ID = 61,
	DHCP4_SIP = 120,    /* RFC 3361 */
	DHCP4_ROUTES = 121, /* RFC 3442 */
};

/* RFC 3442: a destination and its router; 0.0.0.0 is "on this link". */
struct dhcp4_route {
	struct prefix destination;
	struct address router;
};

/* What is absent is 0, empty, or has version 0. */
struct dhcp4_message {
	enum dhcp4_type type;
	uint32_t transaction;
	uint16_t seconds;
	bool broadcast;
	uint8_t hardware_type, hardware_length, hardware[16];
	struct address client, yours, relay; /* ciaddr, yiaddr, giaddr; version 0 for 0.0.0.0 */

	struct address requested, server;
	uint8_t client_id[DHCP4_CLIENT_ID];
	size_t client_id_length;
	bool has_wishes;    /* a parameter request list came */
	uint8_t wishes[32]; /* its bits, by option code */
	uint16_t max_size;
	uint8_t mask_length;
	struct address router;
	struct address dns[DHCP4_DNS_MAX];
	size_t dns_count;
	struct dns_names domain; /* at most one */
	uint16_t mtu;
	uint32_t lease, t1, t2; /* s; UINT32_MAX: for ever */
	struct address sip[DHCP4_SIP_MAX];
	size_t sip_count;
	struct dns_names sip_names; /* only without addresses: one option, one encoding */
	struct dhcp4_route routes[DHCP4_ROUTES_MAX];
	size_t route_count;
};

static inline bool dhcp4_wishes(const struct dhcp4_message *message, enum dhcp4_option option)
{
	return message->wishes[option / 8] >> option % 8 & 1;
}

static inline void dhcp4_wish(struct dhcp4_message *message, enum dhcp4_option option)
{
	message->has_wishes = true;
	message->wishes[option / 8] |= (uint8_t)(1 << option % 8);
}

/* False when it is no well-formed DHCPv4 message; then `out` is undefined. */
bool dhcp4_decode(const uint8_t *octets, size_t length, struct dhcp4_message *out);

/* Writes the message, at least DHCP4_LEAST octets; `room` is at least that.
 * What no longer fits is left out, the least important last in this order:
 * type, server, requested address, times, client identifier, mask, wishes,
 * SIP servers, MTU, routes, router, DNS, domain.  Returns the length. */
size_t dhcp4_encode(const struct dhcp4_message *message, uint8_t *out, size_t room);

#endif
