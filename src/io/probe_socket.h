/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The socket under a probe, and what the kernel tells about its errors.  For
 * probe.c. */
#ifndef TSCF_IO_PROBE_SOCKET_H
#define TSCF_IO_PROBE_SOCKET_H

#include "io/probe.h"

/* A marked, non-blocking socket that is connected, or connecting, to the
 * target.  -errno otherwise; with a reason when it is our own side's fault. */
int probe_socket_open(const struct probe_target *target, uint32_t mark, struct reason *why);
/* The error that waits on it, or 0. */
int probe_socket_error(int fd);
/* Where it is bound; version 0 when that cannot be told. */
void probe_socket_local(int fd, struct address *address, uint16_t *port);
/* Who sent the ICMP message behind the last error (version 0: nobody), and
 * whether it says that a firewall's rule forbids it. */
void probe_socket_reporter(int fd, struct address *out, bool *forbidden);

enum probe_outcome probe_outcome_of_errno(int error);

#endif
