/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A report that may be given to strangers: the same words without the names and
 * addresses in them. */
#ifndef TSCF_TSE_REDACT_H
#define TSCF_TSE_REDACT_H

#include <stddef.h>

#include "core/tse_config.h"

/* Copies `text`, with "[address]" for whatever is an IP address and "[name]" for
 * whatever is a host name that the profile holds, or any other name with a dot
 * in it; cuts what does not fit.  Returns out. */
char *redact(const struct tse_config *config, const char *text, char *out, size_t size);

#endif
