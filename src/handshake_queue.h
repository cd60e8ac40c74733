/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Handshakes wait for their turn, so that calls do not wait for handshakes: a
 * thread's loop takes one step of one handshake per turn, after everything that
 * established lanes had to do.  A step is a fraction of a millisecond of
 * arithmetic; a thousand clients that come back at once would otherwise be one
 * turn of half a second.
 *
 *   socket readable -> handshake_queue_add ... one per turn ... lane_handshake
 *
 * Handshakes that have begun go before those that have not: who has waited for
 * an answer already is done sooner, and no later for the others. */
#ifndef TSCF_HANDSHAKE_QUEUE_H
#define TSCF_HANDSHAKE_QUEUE_H

#include <ev.h>
#include <stdbool.h>

struct lane;

struct handshake_list {
	struct lane *first, *last;
};

/* One per thread. */
struct handshake_queue {
	struct ev_loop *loop;
	struct ev_check turn;
	struct ev_idle awake; /* runs while somebody waits, so that the loop does not sleep */
	struct handshake_list begun, fresh;
};

/* A lane's place in it. */
struct handshake_place {
	struct handshake_list *list; /* NULL: it does not wait */
	struct lane *next, *previous;
	bool has_begun; /* it had a turn before */
};

void handshake_queue_init(struct handshake_queue *queue, struct ev_loop *loop);
/* Nobody may wait any more. */
void handshake_queue_fini(struct handshake_queue *queue);
/* The lane (which does not wait yet) gets lane_handshake() when its turn has come. */
void handshake_queue_add(struct handshake_queue *queue, struct lane *lane);
/* It does not wait any longer; harmless when it did not. */
void handshake_queue_remove(struct handshake_queue *queue, struct lane *lane);

#endif
