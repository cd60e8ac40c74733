/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tse --probe: runs steps 1, 2, 3 once, changes nothing on this machine, and
 * tells what it found. */
#ifndef TSCF_TSE_LOOK_H
#define TSCF_TSE_LOOK_H

#include "core/tse_config.h"
#include "tse/exit_status.h"
#include "tse/options.h"

/* Prints the verdict, in words or as JSON.  The status is the one that tse-up
 * would have; `why` is empty unless it could not look at all. */
enum exit_status look(const struct options *options, struct tse_config *config, struct reason *why);

#endif
