/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Starting in the background, with the words in the foreground: the process
 * the user started stays until the daemon has said how it went, prints what
 * the daemon reports meanwhile, and exits with the daemon's verdict. */
#ifndef TSCF_TSE_LAUNCH_H
#define TSCF_TSE_LAUNCH_H

#include <ev.h>
#include <stdbool.h>

#include "tse/exit_status.h"

struct launch {
	struct ev_io watcher; /* sees the waiting process go away */
	int fd;               /* to the waiting process; -1: none (any more) */
	bool prints;          /* foreground: reports go to stdout instead */
	void (*abandoned)(void *user);
	void *user;
};

/* foreground: stays in this process.  Else forks: returns in the daemon only;
 * the parent prints, waits and exits.  0 or -errno. */
int launch_begin(struct launch *launch, bool foreground);
/* `abandoned` is called if the waiting process goes away before launch_end,
 * because its user pressed Ctrl-C. */
void launch_watch(
	struct launch *launch, struct ev_loop *loop, void (*abandoned)(void *user), void *user);
/* One line for the person who waits. */
void launch_report(struct launch *launch, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Whether somebody waits, and a failure is final. */
static inline bool launch_is_waiting(const struct launch *launch)
{
	return launch->fd >= 0;
}
/* Lets the waiting process exit with this status. */
void launch_end(struct launch *launch, struct ev_loop *loop, enum exit_status status);

#endif
