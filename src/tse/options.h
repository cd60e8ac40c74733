/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command line of tse. */
#ifndef TSCF_TSE_OPTIONS_H
#define TSCF_TSE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/reason.h"

enum { OPTIONS_OVERRIDES = 64, OPTIONS_PROFILE = 64 };

struct options {
	const char *config;
	char profile[OPTIONS_PROFILE];
	const char *run_dir, *state_dir, *hooks_dir, *own_hooks_dir;
	const char *overrides[OPTIONS_OVERRIDES];
	size_t override_count;
	unsigned timeout; /* s; 0: none */
	bool foreground, check_config;
	bool probe, json, redact; /* only look at the network, and tell */
};

/* 0 to go on; 1 when all is done (--help, --version); -EINVAL with a reason. */
int options_parse(struct options *options, int argc, char **argv, struct reason *why);

#endif
