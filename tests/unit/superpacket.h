/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Super-packets for tests, and a judgement of checksums and lengths that
 * shares no code with what it judges. */
#ifndef TSCF_TESTS_SUPERPACKET_H
#define TSCF_TESTS_SUPERPACKET_H

#include "core/offload.h"

enum { SUPERPACKET_ROOM = 65536 };

/* What one looks like. */
struct superpacket {
	unsigned version, protocol;
	unsigned ip_options, tcp_options; /* octets of IPv4 and TCP options */
	unsigned payload, segment_size;
	uint8_t flags; /* TCP */
};

/* Builds one as the kernel hands it over, in `octets`; returns its length, its
 * offload header in `*out`.  The payload is rand()'s; the IPv4 id is 0xfffe and
 * the TCP sequence number 0xfffffff0, so that both wrap. */
size_t superpacket_build(
	const struct superpacket *shape, uint8_t octets[SUPERPACKET_ROOM], struct offload *out);
/* Puts an IPv6 destination options header of 8 octets in front of the
 * transport; returns the new length. */
size_t superpacket_add_extension(uint8_t *octets, size_t length, struct offload *offload);

/* RFC 1071, word by word, without a thought of speed. */
unsigned plain_sum(const uint8_t *octets, size_t length, unsigned sum);
/* IP and transport headers, in octets; no extension headers. */
size_t headers_of(const uint8_t *octets);
/* Every length and checksum of a complete packet is right. */
bool is_complete(const uint8_t *octets, size_t length);
/* The same, but where the transport checksum goes there is the pseudo header's
 * sum, as the kernel leaves it for whoever segments. */
bool is_partial(const uint8_t *octets, size_t length);
/* The header asks for nothing. */
bool is_ordinary(const struct offload *offload);

#endif
