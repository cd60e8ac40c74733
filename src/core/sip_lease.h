/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SIP servers that the network names by DHCP, read out of the files in which
 * DHCP clients note their leases: DHCPv4 option 120 (RFC 3361) and DHCPv6
 * options 21 and 22 (RFC 3319).  The files are other programs', and their
 * values a stranger's: what does not parse does not count. */
#ifndef TSCF_CORE_SIP_LEASE_H
#define TSCF_CORE_SIP_LEASE_H

#include <stddef.h>
#include <stdint.h>

#include "core/octets.h"
#include "core/text.h"

enum { SIP_LEASE_SERVERS = 8, SIP_LEASE_NAME = TEXT_HOST_NAME_MAX + 1 };

/* Host names and numeric addresses, in the order of the lease. */
struct sip_lease {
	char servers[SIP_LEASE_SERVERS][SIP_LEASE_NAME];
	size_t count;
};

/* ISC dhclient's log of leases.  Of each interface the last one counts, unless
 * it has expired at `now` (seconds of the epoch). Adds to `out`. */
void sip_lease_read_dhclient(struct view text, int64_t now, struct sip_lease *out);

/* systemd-networkd's /run/systemd/netif/leases/INDEX, a file that is removed
 * with its lease.  Adds to `out`. */
void sip_lease_read_networkd(struct view text, struct sip_lease *out);

/* The option itself: 0 and names as in DNS messages, or 1 and addresses. */
void sip_lease_read_option(const uint8_t *octets, size_t length, struct sip_lease *out);

#endif
