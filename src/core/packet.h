/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A view of one inner IP packet: what the data path must know of it, found
 * without allocation and without trusting a single length field. */
#ifndef TSCF_CORE_PACKET_H
#define TSCF_CORE_PACKET_H

#include <stdbool.h>

#include "core/address.h"
#include "core/octets.h"

enum {
	PROTOCOL_ICMP = 1,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_ESP = 50,
	PROTOCOL_AH = 51,
	PROTOCOL_ICMPV6 = 58,
	PROTOCOL_SCTP = 132,
	PACKET_MAX = 65522, /* what fits behind an offload header in an envelope */
};

/* Borrows the packet's octets. */
struct packet {
	const uint8_t *octets;
	size_t length;       /* by the packet's own length field */
	uint8_t version;     /* 4 or 6 */
	uint8_t protocol;    /* of the transport, behind IPv6 extension headers */
	uint8_t dscp;        /* 6 bits */
	uint8_t ecn;         /* 2 bits */
	bool fragment;       /* any fragment of a larger packet */
	bool later_fragment; /* a fragment that does not begin with the transport header */
	bool has_ports;      /* TCP, UDP, SCTP whose whole fixed header is there */
	uint16_t l4_offset;
	uint16_t source_port, destination_port;
	uint32_t fragment_id;
	const uint8_t *source, *destination; /* 4 or 16 octets, in the packet */
};

enum packet_result {
	PACKET_OK,
	PACKET_EMPTY,       /* no octet */
	PACKET_BAD_VERSION, /* neither 4 nor 6 */
	PACKET_BAD_HEADER,  /* header lengths that lie or overrun */
	PACKET_BAD_LENGTH,  /* the packet's own length is not `length` */
};

/* OK means: exactly one IP packet of `length` octets whose IP header (and
 * IPv6 extension headers, at most 16) are complete.  A transport header may be
 * cut short; then `has_ports` is false.  ESP ends the walk; an IPv6 packet that
 * is its only fragment (RFC 6946) counts as whole.  On failure `*out` is
 * undefined. */
enum packet_result packet_parse(const uint8_t *octets, size_t length, struct packet *out);
const char *packet_result_name(enum packet_result result);

/* One flow, one number: hash of addresses, protocol and ports (of fragments:
 * addresses and fragment id, so that all fragments of one packet agree), mixed
 * with `key` so that nobody outside can aim for a collision. */
uint32_t packet_flow(const struct packet *packet, uint64_t key);

/* Writes an ICMP "fragmentation needed" (RFC 1191) or ICMPv6 "packet too big"
 * (RFC 4443 3.2) about `packet` from `from` (of the packet's version) into
 * `out`; returns its length, or 0 when none may be sent (RFC 1122 3.2.2,
 * RFC 4443 2.4: about ICMP errors, later fragments, multicast, unspecified
 * sources; IPv4 without DF).  `out` has room for 1280 octets. */
size_t packet_too_big(
	const struct packet *packet, const struct address *from, uint16_t mtu, uint8_t *out);
/* The same for "host unreachable" / "address unreachable", and for
 * "communication administratively prohibited". */
size_t packet_unreachable(
	const struct packet *packet, const struct address *from, bool prohibited, uint8_t *out);

/* RFC 1071 sum over octets, folded, not complemented; `sum` chains calls (all
 * but the last chunk must be of even length). */
uint32_t packet_sum(const uint8_t *octets, size_t length, uint32_t sum);
/* What the checksum field of this TCP, UDP, ICMP or ICMPv6 header must hold,
 * whatever stands in it now; 0 for other protocols and headers cut short.  Not
 * for fragments, nor behind an unfinished routing header. */
uint16_t packet_l4_checksum(const struct packet *packet);

#endif
