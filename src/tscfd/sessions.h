/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session: one client, from its first octet to the last of its last connection.
 *
 *   accepted -> TLS handshake -> Configuration Request -> tunnel -> ended
 *                            \-> Join Request: its connection becomes one more
 *                                lane of another session, and it is no more
 *
 * A session lives as long as one of its lanes does, whichever.  Whatever its
 * peer does wrong ends this session, with one line in the log, and no other
 * session notices. */
#ifndef TSCF_TSCFD_SESSIONS_H
#define TSCF_TSCFD_SESSIONS_H

#include <sys/socket.h>

#include "core/keepalive.h"
#include "core/pool.h"
#include "tscfd/identity.h"
#include "tscfd/worker.h"
#include "tunnel.h"

enum { SESSION_ID_MAX = 24, SESSION_OUTER_MAX = 56, SESSION_SOFTWARE_MAX = 64 };

enum session_state {
	SESSION_GREETING, /* TLS handshake, then waiting for the first message */
	SESSION_LEAVING,  /* on its way to the worker that owns its lease */
	SESSION_TUNNEL,   /* has a lease and carries packets */
	SESSION_ENDED,
};

/* One connection of a client (session_lane.c). */
struct session_lane {
	struct session_lane *next; /* the worker's list of those that have ended */
	struct session *session;   /* the one it belongs to; after a Join another */
	struct lane lane;
	struct sockaddr_storage from;
	struct ev_timer timer; /* handshake-timeout, then keep-alive */
	struct keepalive keepalive;
	uint64_t since; /* us, when it became one of a tunnel's */
};

struct session {
	struct session *next, *previous; /* the worker's list */
	struct worker *worker;
	enum session_state state;
	uint32_t number;
	struct session_lane *lanes[LANES_MAX]; /* owned; one at least, until it has ended */
	unsigned lane_count;
	struct tunnel tunnel;
	struct lease *lease;    /* borrowed from the pool */
	struct message passage; /* while it goes to another worker */
	unsigned destination;   /* that worker's index */
	/* Where it has been: with the owner of its token, at its home worker, and
	 * at how many workers that had no address left. */
	bool token_tried, at_home;
	unsigned exhausted;
	uint64_t since;      /* us, when the tunnel came up */
	int64_t since_epoch; /* s, the same for people */
	bool plain;          /* its client knows no control messages (plain.c) */
	bool confirmed;      /* the client has seen its Configuration Response */
	bool asked_to_go;    /* to another TSCF */
	unsigned told;       /* which version of what is offered (update.h) */
	bool updated;        /* not by its Configuration Response */
	bool moved;          /* there; what still comes for it here is passed on */
	bool is_ending;      /* decided; that telling the client fails is no news */
	const char *lost;    /* why it has ended, while nobody has been told; else NULL */
	char identity[POOL_IDENTITY_MAX];
	struct identity_claim claim;
	char serial[64]; /* of its certificate */
	char software[SESSION_SOFTWARE_MAX];
};

/* The only lane of a session that has no tunnel yet; of a tunnel, the oldest. */
static inline struct session_lane *session_first(const struct session *session)
{
	return session->lanes[0];
}

/* A new session with this, its first lane, which it owns from now on. */
void session_begin(struct session *session, struct worker *worker, struct session_lane *first);
/* It has a lease and its client has been told: packets flow from now on. */
void session_start_tunnel(struct session *session);
/* Ends it: the lane is stopped, the lease released; freed when the loop turns.
 * With may_resume its client may come back to the same lease.  `why` goes into
 * the log. */
void session_end(struct session *session, bool may_resume, const char *why);
/* The same when its last lane has ended by itself; its client may come back.  The log
 * and the state file, which take most of the time, are told in sessions_reap; `why`
 * lives as long as that lane. */
void session_lose(struct session *session, const char *why);
/* Its client has released the lease of a TSCF that drains, and leaves the connection
 * open if it has the same addresses elsewhere: packets go to it until they find their
 * way there.  No longer counted. */
void session_has_moved(struct session *session);
/* The same, but first tells the client, with a Release Request. */
void session_release(struct session *session, enum control_result result, const char *why);
/* From within its first message: hands the connection to another worker, where
 * that message is answered. */
void session_pass_on(struct session *session, unsigned destination);
/* A session without lanes has nothing to wait for: ends it without a word in the
 * log.  For one whose connection has joined another. */
void session_dissolve(struct session *session);
/* Sends those off that are leaving. */
void sessions_pass_on(struct worker *worker);
/* Frees what has ended, for about `limit` us; false when something is left. */
bool sessions_reap(struct worker *worker, uint64_t limit);

/* What datapath asks (struct datapath_events); owner is the worker. */
struct tunnel *session_route(void *owner, const struct packet *packet, enum counter *drop,
	uint8_t *icmp, size_t *answer);
bool session_admit(struct tunnel *tunnel, const struct packet *packet, enum counter *drop);
void session_control(
	struct tunnel *tunnel, struct lane *lane, const uint8_t *payload, size_t length);

const char *session_id(const struct session *session, char text[SESSION_ID_MAX]);
/* Where its oldest lane comes from. */
const char *session_outer(const struct session *session, char text[SESSION_OUTER_MAX]);
/* Its client's name as the log may show it. */
const char *session_name(const struct session *session, char text[IDENTITY_TEXT_MAX]);

#endif
