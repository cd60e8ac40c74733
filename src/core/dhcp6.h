/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stateless DHCPv6 (RFC 8415): an Information-request and its Reply, the
 * payload of a UDP datagram between ports 546 and 547.  Addresses come from the
 * Router Advertisement, the rest from here.
 *
 *  +---------------+-----------------------------------------------+
 *  | msg-type      | transaction-id                                |
 *  +---------------+---------------+-------------------------------+
 *  | option-code                   | option-len                    |
 *  +-------------------------------+-------------------------------+
 *  | option-data ...
 *
 * Decoding allocates nothing.  One bad octet and the message is refused. */
#ifndef TSCF_CORE_DHCP6_H
#define TSCF_CORE_DHCP6_H

#include "core/address.h"
#include "core/dns_name.h"

enum {
	DHCP6_CLIENT_PORT = 546,
	DHCP6_SERVER_PORT = 547,
	DHCP6_HEADER = 4,
	DHCP6_ROOM = 1232, /* in a packet of 1280 octets */
	DHCP6_DUID_MAX = 130,
	DHCP6_DNS_MAX = 8,
	DHCP6_SIP_MAX = 8,
	DHCP6_REFRESH_LEAST = 600,     /* s, IRT_MINIMUM */
	DHCP6_REFRESH_DEFAULT = 86400, /* s, IRT_DEFAULT */
};

enum dhcp6_type {
	DHCP6_REPLY = 7,
	DHCP6_INFORMATION_REQUEST = 11,
};

enum dhcp6_option {
	DHCP6_CLIENT_ID = 1,
	DHCP6_SERVER_ID = 2,
	DHCP6_WISHES = 6,
	DHCP6_ELAPSED = 8,
	DHCP6_STATUS = 13,
	DHCP6_SIP_NAMES = 21,     /* RFC 3319 */
	DHCP6_SIP_ADDRESSES = 22, /* RFC 3319 */
	DHCP6_DNS = 23,           /* RFC 3646 */
	DHCP6_DOMAINS = 24,       /* RFC 3646 */
	DHCP6_REFRESH = 32,
	DHCP6_INF_MAX_RT = 83,
};
enum { DHCP6_WISHES_MAX = 96 }; /* options from there on are nobody's wish here */

struct dhcp6_duid {
	uint8_t octets[DHCP6_DUID_MAX];
	size_t length; /* 0: absent */
};

/* What is absent is 0 or empty. */
struct dhcp6_message {
	uint8_t type; /* enum dhcp6_type, or another that is none of ours */
	uint32_t transaction;
	struct dhcp6_duid client_id, server_id;
	uint8_t wishes[DHCP6_WISHES_MAX / 8]; /* bits of the Option Request option */
	uint16_t elapsed;                     /* 1/100 s; always sent in a request */
	uint16_t status;                      /* 0: success, or absent */
	struct address dns[DHCP6_DNS_MAX];
	size_t dns_count;
	struct address sip[DHCP6_SIP_MAX];
	size_t sip_count;
	struct dns_names sip_names, domains;
	uint32_t refresh; /* s */
};

static inline bool dhcp6_wishes(const struct dhcp6_message *message, enum dhcp6_option option)
{
	return message->wishes[option / 8] >> option % 8 & 1;
}

static inline void dhcp6_wish(struct dhcp6_message *message, enum dhcp6_option option)
{
	message->wishes[option / 8] |= (uint8_t)(1 << option % 8);
}

/* A DUID-UUID (RFC 6355). */
void dhcp6_duid_from_uuid(const uint8_t uuid[16], struct dhcp6_duid *out);
bool dhcp6_duid_equal(const struct dhcp6_duid *a, const struct dhcp6_duid *b);

/* False when it is no well-formed DHCPv6 message between client and server;
 * then `out` is undefined. */
bool dhcp6_decode(const uint8_t *octets, size_t length, struct dhcp6_message *out);
/* Writes the message and returns its length; what no longer fits is left out. */
size_t dhcp6_encode(const struct dhcp6_message *message, uint8_t *out, size_t room);

#endif
