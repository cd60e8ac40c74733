/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sockets that the service manager has opened for us (sd_listen_fds(3)), so that
 * connections wait while we are restarted instead of being refused. */
#ifndef TSCF_IO_ACTIVATION_H
#define TSCF_IO_ACTIVATION_H

#include <stddef.h>
#include <sys/socket.h>

enum { ACTIVATION_MAX = 32 };

struct activation {
	int fds[ACTIVATION_MAX];
	size_t count;
};

/* Takes what $LISTEN_FDS and $LISTEN_PID name, from descriptor 3 on, and removes
 * the variables; before anything else is opened.  Nothing when they are not for
 * us.  What is beyond ACTIVATION_MAX is closed. */
void activation_take(struct activation *activation);
/* The listening stream socket that is bound to just this address, non-blocking;
 * borrowed.  -1 when there is none. */
int activation_find(const struct activation *activation, const struct sockaddr_storage *address);
void activation_close(struct activation *activation);

#endif
