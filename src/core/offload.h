/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Super-packets: one IP packet of up to 64 KiB that a kernel cuts into
 * segments, and the header that travels with it in a type-0x81 envelope.
 *
 *  +---------------+---------------+-------------------------------+
 *  |     Flags     |     Type      |         Header length         |
 *  +---------------+---------------+-------------------------------+
 *  |         Segment size          |         Checksum start        |
 *  +-------------------------------+-------------------------------+
 *  |        Checksum offset        |  IP packet ...
 *  +-------------------------------+
 *
 * The fields are those of struct virtio_net_hdr (10 octets too), but
 * big-endian, and the receiver trusts none of them. */
#ifndef TSCF_CORE_OFFLOAD_H
#define TSCF_CORE_OFFLOAD_H

#include <stdbool.h>

#include "core/packet.h"

enum { OFFLOAD_HEADER = 10, OFFLOAD_NEEDS_CHECKSUM = 1 };

/* Same numbers as VIRTIO_NET_HDR_GSO_*. */
enum offload_type {
	OFFLOAD_NONE = 0,
	OFFLOAD_TCP4 = 1,
	OFFLOAD_TCP6 = 4,
	OFFLOAD_UDP = 5, /* UDP segments (USO), either family */
	OFFLOAD_ECN = 0x80,
};

/* In host byte order. All zero: an ordinary, complete packet. */
struct offload {
	uint8_t flags;
	uint8_t type;
	uint16_t header_length; /* IP + transport header, octets */
	uint16_t segment_size;
	uint16_t checksum_start, checksum_offset;
};

/* As the wire has it, and as the kernel's virtio_net_hdr has it (native
 * byte order; `at` has room for OFFLOAD_HEADER octets).  What the kernel says
 * beyond our fields ("checksum was verified") is forgotten: a packet that
 * needs nothing reads as all zero. */
void offload_put_wire(const struct offload *offload, uint8_t *at);
void offload_get_wire(const uint8_t *at, struct offload *out);
void offload_put_virtio(const struct offload *offload, uint8_t *at);
void offload_get_virtio(const uint8_t *at, struct offload *out);

enum offload_result {
	OFFLOAD_OK,
	OFFLOAD_BAD_FLAGS,
	OFFLOAD_BAD_TYPE,     /* unknown, or not what the packet is */
	OFFLOAD_BAD_CHECKSUM, /* start or offset not where the packet has it */
	OFFLOAD_BAD_SIZE,     /* segment size out of bounds, too many segments, too large */
	OFFLOAD_BAD_PACKET,   /* fragment, extension header, transport header cut short */
};

/* Checks a received header against its packet by every rule of the wire
 * format, and replaces header_length by the recomputed one.  `mtu` is the
 * inner MTU of the tunnel. */
enum offload_result offload_check(
	struct offload *offload, const struct packet *packet, uint16_t mtu);
const char *offload_result_name(enum offload_result result);

/* IP, extension and transport headers of a TCP or UDP packet, in octets; 0 of
 * a fragment, of any other protocol and of a transport header that is cut
 * short or lies about its length. */
size_t offload_headers(const struct packet *packet);

/* Writes the missing checksum of a packet with OFFLOAD_NEEDS_CHECKSUM and type
 * NONE into `octets` (the packet's own, writable) and clears the header.
 * False when start or offset lie outside the packet. */
bool offload_complete(struct offload *offload, uint8_t *octets, size_t length);

/* How many packets a super-packet becomes: 1 of type NONE, 0 when it has no
 * usable headers or segment size.  Here and below the header length is
 * recomputed, not read, and neither offload_check() nor absence of extension
 * headers is presumed: what the kernel made and the wire format excludes is
 * sent in segments. */
unsigned offload_segments(const struct offload *offload, const struct packet *packet);

/* Writes segment `index` of a super-packet as a complete packet, checksums,
 * IPv4 id, TCP sequence, flags (CWR first only; FIN, PSH last only) as the
 * kernel would, into `out`; returns its length, 0 when it exceeds `room` or
 * index is past the end.  Of type NONE, segment 0 is the packet with its
 * checksum completed. */
size_t offload_segment(const struct offload *offload, const struct packet *packet, unsigned index,
	uint8_t *out, size_t room);

/* Cuts a super-packet between two segment borders, so that a slow lane is not
 * held too long: `first` of its segments stay super (or become one ordinary
 * packet when it is 1) in `out`, with `*out_offload` describing them; then the
 * original in `octets` is changed in place to begin with the rest, which
 * starts at the returned offset (its headers are moved there), with `*offload`
 * describing it (all zero when it is one ordinary packet).  0 when nothing
 * could be cut, and then nothing has changed.  `out` has room for
 * `first` * segment size + headers octets; `length` always suffices. */
size_t offload_cut(struct offload *offload, uint8_t *octets, size_t length, unsigned first,
	uint8_t *out, size_t *out_length, struct offload *out_offload);

#endif
