/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a client's identity appears in the log. */
#ifndef TSCF_TSCFD_IDENTITY_H
#define TSCF_TSCFD_IDENTITY_H

#include "core/pool.h"
#include "core/tse_config.h"

enum { IDENTITY_TEXT_MAX = POOL_IDENTITY_MAX };

/* The identity itself, "client" and a pseudonym that stays the same until
 * tscfd restarts, or just "client".  Returns text. */
const char *identity_for_log(
	const char *identity, enum log_identities how, char text[IDENTITY_TEXT_MAX]);

#endif
