/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a profile says about trust, as a TLS context. */
#ifndef TSCF_TSE_CREDENTIALS_H
#define TSCF_TSE_CREDENTIALS_H

#include "core/tse_config.h"
#include "io/tls.h"

/* Reads the files that the profile names, or what it holds itself.  Returns one
 * reference; 0 or -errno. */
int credentials_load(const struct tse_config *config, struct tls_context **out, struct reason *why);

#endif
