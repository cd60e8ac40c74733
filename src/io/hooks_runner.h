/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The child behind io/hooks; nobody else includes this. */
#ifndef TSCF_IO_HOOKS_RUNNER_H
#define TSCF_IO_HOOKS_RUNNER_H

#include "io/hooks.h"

/* In a fresh child, with all signals blocked: runs hooks until the daemon at
 * the other end of `fd` is gone. */
_Noreturn void hooks_runner(const struct hooks_settings *settings, int fd);

#endif
