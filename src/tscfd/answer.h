/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tscfd answers to control messages. */
#ifndef TSCF_TSCFD_ANSWER_H
#define TSCF_TSCFD_ANSWER_H

#include "tscfd/sessions.h"

/* The first envelope of a connection: it decides what the connection is. */
void answer_first(struct session *session, const struct envelope *envelope);
/* Any later control message, and on which of its session's connections it came. */
void answer_control(struct session_lane *at, const uint8_t *payload, size_t length);

/* A first message is answered with a result that is no success, and that ends its
 * session. */
void answer_refuse(struct session *session, const struct control_message *request,
	enum control_result result, uint32_t retry_after, const char *reason);

#endif
