/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session: one client's connection, from accept to the last octet.
 *
 *   accepted -> TLS handshake -> Configuration Request -> tunnel -> ended
 *
 * Whatever its peer does wrong ends this session, with one line in the log,
 * and no other session notices. */
#ifndef TSCF_TSCFD_SESSIONS_H
#define TSCF_TSCFD_SESSIONS_H

#include <sys/socket.h>

#include "core/keepalive.h"
#include "core/pool.h"
#include "tscfd/worker.h"
#include "tunnel.h"

enum { SESSION_ID_MAX = 24, SESSION_OUTER_MAX = 56, SESSION_SOFTWARE_MAX = 64 };

enum session_state {
	SESSION_GREETING, /* TLS handshake, then waiting for the first message */
	SESSION_LEAVING,  /* on its way to the worker that owns its lease */
	SESSION_TUNNEL,   /* has a lease and carries packets */
	SESSION_ENDED,
};

struct session {
	struct session *next, *previous; /* the worker's list */
	struct worker *worker;
	enum session_state state;
	uint32_t number;
	struct sockaddr_storage from;
	struct lane lane;
	struct tunnel tunnel;
	struct lease *lease;   /* borrowed from the pool */
	struct ev_timer timer; /* handshake-timeout, then keep-alive */
	struct keepalive keepalive;
	struct message passage; /* while it goes to another worker */
	unsigned destination;   /* that worker's index */
	/* Where it has been: with the owner of its token, at its home worker, and
	 * at how many workers that had no address left. */
	bool token_tried, at_home;
	unsigned exhausted;
	uint64_t since;      /* us, when the tunnel came up */
	int64_t since_epoch; /* s, the same for people */
	bool confirmed;      /* the client has seen its Configuration Response */
	bool is_ending;      /* decided; that telling the client fails is no news */
	char identity[POOL_IDENTITY_MAX];
	char serial[64]; /* of its certificate */
	char software[SESSION_SOFTWARE_MAX];
};

/* A connection came (listener's `accepted`; owner is the worker). */
void session_accept(void *owner, int fd, const struct sockaddr_storage *from);

/* It has a lease and its client has been told: packets flow from now on. */
void session_start_tunnel(struct session *session);
/* Ends it: the lane is stopped, the lease released; freed when the loop turns.
 * With may_resume its client may come back to the same lease.  `why` goes into
 * the log. */
void session_end(struct session *session, bool may_resume, const char *why);
/* The same, but first tells the client, with a Release Request. */
void session_release(struct session *session, enum control_result result, const char *why);
/* From within its first message: hands the connection to another worker, where
 * that message is answered. */
void session_pass_on(struct session *session, unsigned destination);
/* Sends those off that are leaving; frees what has ended. */
void sessions_pass_on(struct worker *worker);
void sessions_reap(struct worker *worker);

/* What datapath asks (struct datapath_events); owner is the worker. */
struct tunnel *session_route(void *owner, const struct packet *packet, enum counter *drop,
	uint8_t *icmp, size_t *answer);
bool session_admit(struct tunnel *tunnel, const struct packet *packet, enum counter *drop);
void session_control(struct tunnel *tunnel, const uint8_t *payload, size_t length);

const char *session_id(const struct session *session, char text[SESSION_ID_MAX]);
const char *session_outer(const struct session *session, char text[SESSION_OUTER_MAX]);

#endif
