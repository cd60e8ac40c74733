/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Old TCP connections of IMS apps, destroyed when the tunnel takes over: they
 * hold on to a source address that no longer leads anywhere, and would only
 * notice after minutes of retransmission.  The app sees ECONNABORTED and
 * connects again, now with the inner address.  (sock_diag(7), SOCK_DESTROY.)
 *
 * Never touched: what is marked as ours, what leads outside the prefixes or to
 * this very host, what already has an inner address, and listening sockets. */
#ifndef TSCF_IO_SOCK_DESTROY_H
#define TSCF_IO_SOCK_DESTROY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/address.h"
#include "core/reason.h"

struct sock_destroy {
	struct mnl_socket *netlink; /* owned; NULL: closed */
	uint32_t sequence;          /* of the last request */
};

struct sock_destroy_users {
	uid_t first, last;
};

/* All borrowed. */
struct sock_destroy_scope {
	const struct prefix *prefixes; /* where IMS is */
	size_t prefix_count;
	const struct address *inner; /* local addresses that are right */
	size_t inner_count;
	uint32_t mark; /* of our own sockets; 0: they have none */
	/* Whose sockets are steered; none: everybody's. */
	const struct sock_destroy_users *users;
	size_t user_count;
};

/* Before the sandbox, in the network namespace whose sockets are meant.  0 or
 * -errno. */
int sock_destroy_open(struct sock_destroy *destroy, struct reason *why);
/* How many were destroyed, or -errno: -EPERM without CAP_NET_ADMIN, -EOPNOTSUPP
 * when the kernel cannot do it.  Does not wait for anybody but the kernel. */
int sock_destroy_old(
	struct sock_destroy *destroy, const struct sock_destroy_scope *scope, struct reason *why);
/* Also for one that is all zero. */
void sock_destroy_close(struct sock_destroy *destroy);

#endif
