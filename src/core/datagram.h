/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The few packets that we send and take ourselves inside a tunnel: UDP
 * datagrams, and ICMPv6 messages of the neighbour discovery, as whole IP
 * packets. */
#ifndef TSCF_CORE_DATAGRAM_H
#define TSCF_CORE_DATAGRAM_H

#include "core/packet.h"

enum {
	DATAGRAM_PAYLOAD_MAX = 1232, /* with IPv6 and UDP headers 1280 octets */
	DATAGRAM_PACKET_MAX = 1280,
	NDP_HOP_LIMIT = 255, /* RFC 4861 3.1: nobody has forwarded it */
};

struct datagram {
	struct address source, destination; /* of one version */
	uint16_t source_port, destination_port;
	struct view payload; /* borrowed */
};

/* A whole UDP datagram whose lengths and checksums are right; else false. */
bool datagram_read(const struct packet *packet, struct datagram *out);
/* The same for ICMPv6, with the hop limit of neighbour discovery; the ports are
 * 0, the payload is the message from its type on. */
bool datagram_read_ndp(const struct packet *packet, struct datagram *out);

/* Both write a whole packet into `packet` (DATAGRAM_PACKET_MAX octets of room)
 * and return its length.  The payload, at most DATAGRAM_PAYLOAD_MAX octets, may
 * lie anywhere else; an ICMPv6 message's checksum is filled in. */
size_t datagram_write(const struct datagram *datagram, uint8_t *packet);
size_t datagram_write_ndp(const struct datagram *datagram, uint8_t *packet);

#endif
