/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The firewall mark of our own outer sockets.  The steering rules send what
 * does not carry it into the tunnel; so a socket of the tunnel itself that
 * lacks it would run through the tunnel that it is for. */
#ifndef TSCF_IO_MARK_H
#define TSCF_IO_MARK_H

#include <stdint.h>

#include "core/reason.h"

/* Before the socket connects or sends. A mark of 0 is none at all.  0 or
 * -errno with a reason; an unmarked socket must not be used. */
int mark_socket(int fd, uint32_t mark, struct reason *why);

#endif
