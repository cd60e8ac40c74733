/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The administrator's own programs in /etc/tse/hooks.d, run whenever the state
 * changes, so that an IMS app that knows nothing of tse can be told.
 *
 *     daemon --- core/hook_message ---> runner --- fork, execve ---> hook
 *
 * The daemon has no privilege and may not fork; so a small child, started while
 * there is still privilege, runs them.  It believes nothing: what it is sent is
 * checked again, and it runs only regular files that belong to root and that
 * nobody else can write, in a directory of which the same is true.  Their names
 * are of letters, digits, '-' and '_'; what is not executable is passed over.
 *
 * They run in the order of their names, one at a time, in that directory, with
 * PATH and TSE_... as their whole environment and /dev/null as their only
 * descriptors.  One that takes too long is killed with its process group.  When
 * states follow each other faster, those in between are left out, never the
 * last.  Every run leaves one line in the log.  When the daemon dies without a
 * word, those of `own` are told the state "gone". */
#ifndef TSCF_IO_HOOKS_H
#define TSCF_IO_HOOKS_H

#include <stdint.h>
#include <sys/types.h>

#include "core/config.h"
#include "core/hook_message.h"
#include "core/reason.h"

enum {
	HOOKS_LIMIT = 5000000, /* us that one may take */
	HOOKS_MAX = 64,        /* that are run */
};

/* Borrowed for the life of the process. */
struct hooks_settings {
	const char *directory;        /* the administrator's */
	const char *own;              /* of programs of ours that go before; or NULL */
	uint64_t limit;               /* us */
	const char *program;          /* as for log_open */
	const struct config_log *log; /* as log_open was given it */
};

struct hooks {
	int fd;
	pid_t pid;
};

/* Forks: call it with all privileges and before any thread exists.  0 or
 * -errno. */
int hooks_start(struct hooks *hooks, const struct hooks_settings *settings, struct reason *why);
/* Tells the runner the newest state; never blocks.  Logs what goes wrong. */
void hooks_run(struct hooks *hooks, const struct hook_values *values);
/* Waits until the hooks of the last state have run, but `limit` at most.  Also
 * for one that did not start, or is all zero. */
void hooks_stop(struct hooks *hooks);

#endif
