/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Network namespaces: what is opened in one stays in it, so a daemon may hold
 * its TUN in one and its outer sockets in another. */
#ifndef TSCF_IO_NETNS_H
#define TSCF_IO_NETNS_H

#include "core/reason.h"

/* Makes the calling thread live in the namespace `name` (as ip-netns(8) knows
 * it, or a path), so that a TUN, netlink sockets and netmon are opened there.
 * `*previous` leads back.  Needs CAP_SYS_ADMIN.  0 or -errno: -ENOENT when there
 * is none, -EINVAL when it is the one we are in. */
int netns_enter(const char *name, int *previous, struct reason *why);
/* Takes `previous`.  After a failure the thread is still in the other one. */
int netns_leave(int previous, struct reason *why);

#endif
