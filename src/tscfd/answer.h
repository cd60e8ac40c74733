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

/* What a plain client's first packet needs to know too (plain.c). */

/* From within a first message that wants a fresh lease: hands the connection on,
 * home, where this client finds the lease that it had last.  False when this
 * worker is to answer. */
bool answer_goes_home(struct session *session, const uint8_t instance[CONTROL_INSTANCE]);
/* The same when this worker has no lease left: to the next one, which may have
 * some.  False when all were asked. */
bool answer_goes_to_next_worker(struct session *session);
/* One tunnel for each identity, if [pool] same-identity says so: claims it for this
 * session, which may resume `former` (or NULL).  False when it may not have one. */
bool answer_claims_identity(struct session *session, const struct session *former);
/* Whether this address has as many tunnels as it may (per-source-limit). */
bool answer_is_beyond_source_limit(const struct session *session);

#endif
