/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tse keeps between runs, in STATE-DIR/PROFILE: its instance id, which
 * brings the same lease back, and the IMS routes of the last tunnel, which are
 * blocked until the next one is up.  What the servers are is in tse/peers. */
#ifndef TSCF_TSE_REMEMBER_H
#define TSCF_TSE_REMEMBER_H

#include "core/control.h"
#include "core/reason.h"

/* Reads the instance id, or makes one.  -errno with a reason. */
int remember_instance(
	const char *directory, uint8_t instance[CONTROL_INSTANCE], struct reason *why);

/* The routes remembered; none when there is no file or it makes no sense. */
size_t remember_routes(const char *directory, struct prefix routes[CONTROL_ROUTES_MAX]);
/* Replaces them.  0 or -errno. */
int remember_save_routes(const char *directory, const struct prefix *routes, size_t count);

/* Replaces DIRECTORY/NAME by this text, never by half of it.  0 or -errno. */
int remember_save(const char *directory, const char *name, const char *text);

#endif
