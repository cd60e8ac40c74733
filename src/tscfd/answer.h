/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tscfd answers to control messages. */
#ifndef TSCF_TSCFD_ANSWER_H
#define TSCF_TSCFD_ANSWER_H

#include "tscfd/sessions.h"

/* The first envelope of a connection: it decides what the connection is. */
void answer_first(struct session *session, const struct envelope *envelope);
/* Any later control message. */
void answer_control(struct session *session, const uint8_t *payload, size_t length);

#endif
