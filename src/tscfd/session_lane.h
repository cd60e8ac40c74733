/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The connections of clients: how they come, live and end.  The first one of a
 * client is a session's beginning; further ones join it (join.c). */
#ifndef TSCF_TSCFD_SESSION_LANE_H
#define TSCF_TSCFD_SESSION_LANE_H

#include "tscfd/sessions.h"

/* A connection came (listener's `accepted`; owner is the worker). */
void session_accept(void *owner, int fd, const struct sockaddr_storage *from);

/* It carries packets of its session's tunnel from now on. */
void session_lane_start(struct session_lane *at);
/* From within its first message: it leaves the session that it began and becomes
 * a lane of `to`, which has room for it. */
void session_lane_move(struct session_lane *at, struct session *to);
/* Its client has been told of other settings: keep-alives follow them. */
void session_lane_regranted(struct session_lane *at);
/* Takes it out of its session and stops it; freed when the loop turns.  The
 * session goes on, even without any. */
void session_lane_end(struct session_lane *at);
/* Its client has asked for a sign of life: nothing to do until it is late with the
 * next one. */
void session_lane_asked(struct session_lane *at);
/* Frees one of those that have ended. */
void session_lane_reap(struct worker *worker);

const char *session_lane_outer(const struct session_lane *at, char text[SESSION_OUTER_MAX]);
/* Tunnels that clients at this outer address have with this worker. */
unsigned session_lanes_tunnels_from(
	const struct worker *worker, const struct sockaddr_storage *from);

#endif
