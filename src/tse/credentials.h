/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a profile says about trust, as a TLS context, and the secrets in files
 * that it names. */
#ifndef TSCF_TSE_CREDENTIALS_H
#define TSCF_TSE_CREDENTIALS_H

#include "core/tse_config.h"
#include "io/tls.h"

/* Reads the files that the profile names, or what it holds itself.  Returns one
 * reference; 0 or -errno. */
int credentials_load(const struct tse_config *config, struct tls_context **out, struct reason *why);

/* The first line of proxy-password-file; NULL when the profile names none.  The
 * caller owns it, until credentials_forget().  0 or -errno. */
int credentials_proxy_password(const struct tse_config *config, char **out, struct reason *why);
/* Cleanses and frees.  Takes NULL. */
void credentials_forget(char *password);

#endif
