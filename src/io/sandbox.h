/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Giving up power: user, capabilities (libcap-ng), system calls (libseccomp).
 * A sandbox that cannot be set up is a fatal error. */
#ifndef TSCF_IO_SANDBOX_H
#define TSCF_IO_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/reason.h"

struct sandbox_user {
	char name[64];
	uid_t uid;
	gid_t gid;
};

/* `preferred` if that account exists, else "nobody".  -ENOENT when neither. */
int sandbox_find_user(const char *preferred, struct sandbox_user *out, struct reason *why);

/* Becomes that user for good, with no supplementary groups, keeping only
 * CAP_NET_ADMIN (keep_net_admin) or nothing; also empties the bounding set and
 * sets no_new_privs. When not root to begin with, only drops what it has.  Call
 * it before any other thread exists: -EBUSY else, since capabilities belong to
 * threads and theirs would stay. */
int sandbox_drop(const struct sandbox_user *user, bool keep_net_admin, struct reason *why);

/* Which system calls are left, in all threads: those of an event loop with
 * sockets and threads; `may_fork` adds what hooks need (fork, execve, wait, and
 * the calls of ordinary programs, for they inherit the filter). Any other call
 * kills the process with a line in the kernel's log. Builds with sanitizers add
 * what those need; under valgrind, which has no seccomp(2), nothing is filtered.
 * Needs no privilege. */
int sandbox_filter(bool may_fork, struct reason *why);

/* True in a build with sanitizers and under valgrind, whose own system calls no
 * filter of ours should know. */
bool sandbox_is_instrumented(void);

/* True when this thread may administer the network (effective CAP_NET_ADMIN). */
bool sandbox_has_net_admin(void);

#endif
