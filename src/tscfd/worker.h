/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A worker: one thread with its own event loop, listeners, TUN queue and
 * leases.  Worker w of N owns the leases whose index is congruent to w modulo
 * N; nothing it touches on the data path belongs to another thread. */
#ifndef TSCF_TSCFD_WORKER_H
#define TSCF_TSCFD_WORKER_H

#include <jansson.h>
#include <pthread.h>

#include "core/pool.h"
#include "tscfd/drain.h"
#include "tscfd/listener.h"
#include "tscfd/mailbox.h"
#include "tscfd/same_identity.h"
#include "tscfd/settings.h"
#include "tscfd/state.h"
#include "tscfd/update.h"
#include "tunnel.h"

struct session;
struct session_lane;

/* What all workers of a process have in common; written before they start,
 * except for what has a lock or is atomic. */
struct worker_group {
	struct worker *workers;
	unsigned count;
	_Atomic unsigned tunnels; /* for max-tunnels */
	struct state *state;      /* borrowed; what outlives the process */
	struct identity_table identities;
	const struct activation *handed; /* borrowed; sockets of the service manager */
};

struct worker {
	unsigned index, count;      /* worker index of count */
	struct worker_group *group; /* borrowed */
	pthread_t thread;
	bool started;
	struct ev_loop *loop;
	struct mailbox *main_thread; /* told when this worker cannot go on */
	struct message dying;
	struct mailbox mailbox;
	struct datapath datapath;
	struct handshake_queue handshake_queue;
	struct pool *pool;
	struct pool_settings pool_settings;
	struct listener listeners[LISTENERS_MAX];
	size_t listener_count;
	struct settings *settings; /* one reference: what new clients are told */
	struct session *sessions;  /* every connection, with a tunnel or without */
	/* To be freed when the loop turns, a few at a time; sessions oldest first. */
	struct session *ended, *last_ended;
	struct session_lane *ended_lanes;
	struct session *leaving; /* to be handed to another worker then */
	struct ev_prepare reap;
	struct ev_idle reap_more;
	struct ev_timer silence; /* looks for a missing route back */
	unsigned session_count, tunnel_count;
	unsigned connection_count; /* lanes of all sessions */
	uint32_t next_id;
	bool stopping;
	struct message stop;
	struct drain drain;
	struct update update;
	struct counters closed; /* of sessions that are gone */
	uint64_t handshakes, handshake_failures[TLS_FAILURE_COUNT];
	uint64_t refused[RESULT_SHUTTING_DOWN + 1]; /* first messages, by result */
	uint64_t turned_away; /* connections beyond per-source-limit or descriptors */
	uint64_t protocol_errors;
	uint64_t passed_on;   /* connections given to the worker that owns their lease */
	bool way_back_judged; /* packets have come back, or it was said that none does */
	uint64_t sent_into_silence;
};

/* Prepares everything that needs privileges or can fail; settings is
 * borrowed, a reference is taken. */
int worker_init(struct worker *worker, struct worker_group *group, unsigned index,
	const struct tun *tun, struct settings *settings, struct reason *why);
/* Starts the thread.  `dying` is posted to the main thread, at most once, when
 * the worker cannot go on; a dead worker ends the process, for queue numbers
 * shift when one closes.  0 or -errno. */
int worker_start(
	struct worker *worker, struct mailbox *main_thread, void (*dying)(struct message *message));
/* Accepts no more connections, tells every client that this TSCF is shutting
 * down, and stops the loop, soon. */
void worker_stop(struct worker *worker);
/* Waits until that is done. */
void worker_join(struct worker *worker);
void worker_fini(struct worker *worker);

/* The worker whose lease this resume token names; the one at which a client
 * without a token is at home, so that it finds its sticky lease again. */
unsigned worker_of_token(const struct worker_group *group, const struct view *token);
unsigned worker_of_client(const struct worker_group *group, const char *identity,
	const uint8_t instance[CONTROL_INSTANCE]);

/* What follows runs in the worker's own thread. */

/* A tunnel has come: see whether the core's answers do. */
void worker_look_for_way_back(struct worker *worker);

/* Replaces the settings (takes the reference), closes the tunnels of clients
 * whose certificate has been revoked meanwhile, and tells the others if what they
 * were offered has changed. */
void worker_use_settings(struct worker *worker, struct settings *settings);
/* A JSON object with all counters; with `sessions`, an array of them instead. */
json_t *worker_status(struct worker *worker);
json_t *worker_sessions(struct worker *worker);
/* Closes the session with this id, or all of this identity; returns how many. */
unsigned worker_disconnect(struct worker *worker, const char *id, const char *identity);

#endif
