/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Listening sockets.  Every worker has its own for each address
 * (SO_REUSEPORT), so the kernel spreads connections and no lock is shared. */
#ifndef TSCF_TSCFD_LISTENER_H
#define TSCF_TSCFD_LISTENER_H

#include <ev.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "core/config.h"
#include "core/reason.h"
#include "io/activation.h"

enum { LISTENERS_MAX = 16 };

struct listener {
	struct ev_loop *loop;
	struct ev_io watcher;
	int fd;
	/* Held open so that, when descriptors run out, one can be freed to
	 * accept a connection and close it: a listener that merely paused would
	 * still be given its share of connections. */
	int reserve;
	void (*accepted)(void *owner, int fd, const struct sockaddr_storage *from);
	void (*exhausted)(void *owner);
	void *owner;
};

/* Whether anybody else listens there: a second tscfd would otherwise join the
 * group of sockets and get half of the connections.  Errors as below. */
int listener_check_free(const struct config_endpoint *address, struct reason *why);
/* Whether the service manager holds a socket for it; then all workers share that
 * one, and connections wait in it while no process is there. */
bool listener_is_handed(const struct activation *handed, const struct config_endpoint *address);
/* Binds and listens, or takes what was handed over. -errno with a reason (port taken, not our
 * address, no privilege for a port below 1024). */
int listener_open(struct listener *listener, const struct activation *handed,
	const struct config_endpoint *address, struct reason *why);
/* Accepts no more. */
void listener_stop(struct listener *listener);
/* `accepted` takes the descriptor (non-blocking, close-on-exec). */
void listener_start(struct listener *listener, struct ev_loop *loop,
	void (*accepted)(void *owner, int fd, const struct sockaddr_storage *from),
	void (*exhausted)(void *owner), void *owner);
void listener_close(struct listener *listener);

#endif
