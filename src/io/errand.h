/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A job that may block, hang or crash (a PAC script, Kerberos), done by a child
 * process with a time limit, while the loop of this one goes on.  The child
 * sends back one message, and a descriptor with it if there is one. */
#ifndef TSCF_IO_ERRAND_H
#define TSCF_IO_ERRAND_H

#include <ev.h>
#include <stddef.h>
#include <stdint.h>

enum { ERRAND_MESSAGE_MAX = 8192 };

enum errand_end {
	ERRAND_DONE,
	ERRAND_DIED, /* it ended without a message */
	ERRAND_LATE, /* it was killed when its time was over */
};

struct errand_result {
	enum errand_end end;
	const void *message; /* borrowed */
	size_t length;
	int fd; /* owned by the receiver; -1: none */
};

struct errand;

/* Runs in the child, which has no descriptor but 0 to 2 and `parent`, default
 * signal handling, and ends when this returns, with its parent, or at the
 * latest a second after its limit. */
typedef void errand_job(int parent, const void *argument);

/* `argument` is copied by fork itself.  `done` is called exactly once, never
 * from within errand_start, unless errand_cancel comes first; `limit` is in us.
 * 0 or -errno. */
int errand_start(struct errand **out, struct ev_loop *loop, uint64_t limit, errand_job *job,
	const void *argument, void (*done)(void *user, const struct errand_result *result),
	void *user);
/* Kills the child and frees; not from within `done`. Takes NULL. */
void errand_cancel(struct errand *errand);

/* For the job: the one message; fd -1: none. */
void errand_reply(int parent, const void *message, size_t length, int fd);

#endif
