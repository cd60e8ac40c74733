/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command line of tscfd. */
#ifndef TSCF_TSCFD_OPTIONS_H
#define TSCF_TSCFD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/reason.h"

enum { OPTIONS_OVERRIDES = 64 };

struct options {
	const char *config;
	const char *overrides[OPTIONS_OVERRIDES];
	size_t override_count;
	bool foreground, check_config;
};

/* 0 to go on; 1 when all is done (--help, --version); -EINVAL with a reason. */
int options_parse(struct options *options, int argc, char **argv, struct reason *why);

#endif
