/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Telling the world what tse has found and done: the state file for scripts,
 * the control socket for tsectl and IMS apps, the administrator's hooks, the
 * service manager's status. */
#ifndef TSCF_TSE_INDICATE_H
#define TSCF_TSE_INDICATE_H

#include "io/control_socket.h"
#include "io/hooks.h"
#include "tse/client.h"

struct indicate {
	struct client *client; /* borrowed */
	struct hooks *hooks;   /* borrowed; NULL: none are run */
	struct control_socket *socket;
	char directory[4096]; /* RUN-DIR/PROFILE */
};

/* The directory exists and belongs to us. `client` is filled in before the
 * loop runs.  -EADDRINUSE when this profile runs already. */
int indicate_open(struct indicate *indicate, struct ev_loop *loop, const char *directory,
	struct client *client, struct reason *why);
/* Everything, as the control socket tells it; owned by the caller. */
json_t *indicate_status(const struct client *client);
/* Writes the state file and tells every monitor (client_setup.changed). */
void indicate_changed(void *indicate);
/* Removes state file and socket. */
void indicate_close(struct indicate *indicate);

#endif
