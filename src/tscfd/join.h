/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Join Requests: one more connection for a tunnel. */
#ifndef TSCF_TSCFD_JOIN_H
#define TSCF_TSCFD_JOIN_H

#include "tscfd/sessions.h"

/* From within the first message of a session: its connection becomes a lane of
 * the tunnel that the join key names, or is refused, or goes to the worker that
 * owns that tunnel. */
void join_answer(struct session *session, const struct control_message *request);

/* How many lanes a tunnel may have: what clients are told. */
unsigned join_lanes_allowed(const struct tscfd_config *config);

#endif
