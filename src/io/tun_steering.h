/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which queue of a TUN a packet comes out of: that of the worker which owns the
 * lease its destination belongs to (core/pool: worker = index mod workers).
 * The kernel decides, by a small eBPF program (TUNSETSTEERINGEBPF), so that no
 * thread ever has to hand a packet to another. */
#ifndef TSCF_IO_TUN_STEERING_H
#define TSCF_IO_TUN_STEERING_H

#include "core/address.h"
#include "io/tun.h"

/* After all queues are open; needs root.  A prefix of version 0 is no family.
 * 0 or -errno with a reason. */
int tun_steer(const struct tun *tun, const struct prefix *ipv4, const struct prefix *ipv6,
	struct reason *why);

#endif
