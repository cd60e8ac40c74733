/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TCP's maximum segment size, lowered in passing to what fits the tunnel: hosts
 * behind either end know only the MTU of their own link, and the ICMP errors
 * that would tell them the tunnel's may be filtered on the way. */
#ifndef TSCF_CORE_MSS_H
#define TSCF_CORE_MSS_H

#include "core/packet.h"

/* If the packet opens a TCP connection and announces larger segments than `mtu`
 * has room for (RFC 6691: less the fixed headers), writes the size that fits
 * into its `octets` and corrects the checksum, a wrong one to another wrong
 * one.  The checksum must be complete.  True when something was changed. */
bool mss_clamp(const struct packet *packet, uint8_t *octets, uint16_t mtu);

#endif
