/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One TUN interface and its queues. With offload, every read and write has a
 * struct virtio_net_hdr in front and the kernel hands over super-packets. */
#ifndef TSCF_IO_TUN_H
#define TSCF_IO_TUN_H

#include <net/if.h>
#include <stdbool.h>

#include "core/reason.h"
#include "core/slab.h"

enum { TUN_QUEUES_MAX = 256, TUN_PIECES = 64 };

struct tun {
	char name[IFNAMSIZ];
	unsigned index;   /* of the interface */
	bool offload;     /* IFF_VNET_HDR is on, checksum and TSO set */
	bool udp_offload; /* USO too */
	unsigned queue_count;
	int *queues; /* owned descriptors, non-blocking */
};

/* Makes the interface (or attaches to one made beforehand) with `queues`
 * queues, down. -errno with a reason an administrator can act on (no
 * /dev/net/tun, no CAP_NET_ADMIN, name taken or too long, ...). */
int tun_open(struct tun *tun, const char *name, unsigned queues, bool offload, struct reason *why);
void tun_close(struct tun *tun);
/* TUNSETCARRIER. 0 or -errno. */
int tun_carrier(const struct tun *tun, bool on);

enum tun_result {
	TUN_OK,
	TUN_AGAIN,   /* nothing to read, or no room to write */
	TUN_DOWN,    /* the interface is down (EIO): wait for netmon */
	TUN_REFUSED, /* the kernel did not accept that packet */
	TUN_FAILED,  /* errno says why */
};

/* Reads one packet into a big slot: length and offload are set. */
enum tun_result tun_read(const struct tun *tun, unsigned queue, struct slot *slot);
/* Writes one packet that has OFFLOAD_HEADER octets of writable room right in
 * front of `packet` (they are overwritten when the TUN has a header). */
enum tun_result tun_write(const struct tun *tun, unsigned queue, uint8_t *packet, size_t length,
	const struct offload *offload);
/* The same of a packet in at most TUN_PIECES pieces; nothing in front of them
 * is touched. */
enum tun_result tun_write_pieces(const struct tun *tun, unsigned queue, const struct view *pieces,
	unsigned count, const struct offload *offload);

#endif
