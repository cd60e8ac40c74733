/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The administrator's side of tscfd: the control socket, reload, metrics.
 * Runs in the main thread and asks the workers by message, so that nothing it
 * does holds up a packet. */
#ifndef TSCF_TSCFD_ADMIN_H
#define TSCF_TSCFD_ADMIN_H

#include "io/control_socket.h"
#include "io/sandbox.h"
#include "tscfd/settings.h"
#include "tscfd/worker.h"

enum { ADMIN_WARNINGS = 16 };

struct admin {
	struct ev_loop *loop;
	struct mailbox mailbox;
	struct control_socket *socket;
	struct settings_source source;
	struct settings *settings; /* one reference: the ones in force */
	struct worker *workers;    /* borrowed */
	unsigned worker_count;
	uint64_t started; /* us */
	struct ev_timer metrics_timer, tidy_timer;
	unsigned emptied; /* workers without a tunnel, while draining */
	bool draining;
	/* What the checks at start found wanting; shown in the status. */
	char *warnings[ADMIN_WARNINGS];
	size_t warning_count;
};

/* Opens the control socket, in a directory that it makes if need be and gives to
 * `user`, as whom it will be removed.  settings is borrowed, a reference is
 * taken. */
int admin_init(struct admin *admin, struct ev_loop *loop, const struct settings_source *source,
	struct settings *settings, struct worker *workers, unsigned worker_count,
	const struct sandbox_user *user, struct reason *why);
void admin_fini(struct admin *admin);
/* Logs a warning and keeps it for the status. */
void admin_warn(struct admin *admin, const char *text);
/* Answers a request to drain; when no tunnel is left, the loop is broken. */
void admin_drain(struct admin *admin, struct control_client *client, const json_t *request);
/* Reads the configuration again and hands it to the workers; what is wrong is
 * in `why`, and then nothing has changed. */
int admin_reload(struct admin *admin, struct reason *why);

#endif
