/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A lane: one TLS connection that carries envelopes.
 *
 *      socket <-> io/tls <-> lane <-> whole envelopes <-> tunnel
 *
 * A lane never frees itself: after `ended` it is stopped, and its owner calls
 * lane_close at a moment when nobody is inside it. */
#ifndef TSCF_LANE_H
#define TSCF_LANE_H

#include <ev.h>
#include <stdbool.h>

#include "core/control.h"
#include "core/envelope.h"
#include "handshake_queue.h"
#include "io/lane_tcp.h"
#include "io/tls.h"

enum {
	LANE_SCRATCH = 256 * 1024, /* octets of plaintext parsed in one go */
	LANE_HEADROOM = 16,        /* writable octets in front of every payload */
};

/* Plaintext on its way from tls_read to the parser; one per thread. */
struct lane_scratch {
	uint64_t now; /* us, when the octets were read: the time for what is in them */
	/* All envelopes of one read were given out, and their octets will be
	 * overwritten; may be NULL. */
	void (*parsed)(void *owner);
	void *owner;
	/* Where the thread's handshakes wait for their turn; NULL: they do not. */
	struct handshake_queue *handshakes;
	uint8_t octets[LANE_HEADROOM + LANE_SCRATCH];
};

enum lane_state {
	LANE_HANDSHAKE,
	LANE_OPEN,
	LANE_PAUSED,  /* about to go to another thread */
	LANE_STOPPED, /* ended, or closed by us */
};

enum lane_end {
	LANE_END_PEER,     /* the peer closed the connection properly */
	LANE_END_NETWORK,  /* the connection broke */
	LANE_END_TLS,      /* TLS failed: tls_failure() of lane->tls says how */
	LANE_END_PROTOCOL, /* the peer sent what no peer may send */
};

struct lane;

struct lane_events {
	/* The handshake is done. */
	void (*opened)(struct lane *lane);
	/* One envelope; its payload may be changed in place, and so may the
	 * LANE_HEADROOM octets in front of it. */
	void (*envelope)(struct lane *lane, const struct envelope *envelope);
	/* The socket takes more again. */
	void (*writable)(struct lane *lane);
	/* It is over; `why` is for the log. Called at most once. */
	void (*ended)(struct lane *lane, enum lane_end end, const char *why);
};

struct lane {
	struct ev_loop *loop;
	struct ev_io readable, writable;
	struct tls *tls; /* owned */
	int fd;          /* owned */
	enum lane_state state;
	uint8_t index;                 /* in its tunnel: 0 for the first, then what Join said */
	enum control_lane_class class; /* what it is for */
	struct lane_tcp tcp;
	const struct lane_events *events;
	void *owner;
	struct lane_scratch *scratch; /* borrowed, shared by the thread's lanes */
	struct handshake_place place;
	bool quiet;       /* little wakes nobody up; until the next read */
	bool late;        /* what is read now may have waited in a quiet lane, */
	uint64_t found;   /* since about then, us; 0: not known */
	uint8_t *partial; /* an envelope that has not come whole */
	size_t partial_length;
};

/* Takes fd (connected, non-blocking) and tls; starts the handshake. */
void lane_open(struct lane *lane, struct ev_loop *loop, int fd, struct tls *tls,
	const struct lane_events *events, void *owner, struct lane_scratch *scratch);
/* Stops watching; `ended` is not called any more.  Says close_notify. */
void lane_stop(struct lane *lane);
/* Says close_notify and sends nothing more, but reads on until the peer has
 * closed as well. */
void lane_finish(struct lane *lane);
/* Frees what it owns. Not from within its events. */
void lane_close(struct lane *lane);
/* Its turn in the handshake queue has come. */
void lane_handshake(struct lane *lane);
/* Hands a lane from one thread to another.  From within `envelope`: this
 * envelope is not consumed, no other is given out, nothing is read. */
void lane_pause(struct lane *lane);
/* In the new thread, once the old one is outside the lane: goes on there, with
 * the envelope at which it paused first. */
void lane_adopt(struct lane *lane, struct ev_loop *loop, struct lane_scratch *scratch);
/* Ends the lane because of what its peer sent. */
void lane_protocol_error(struct lane *lane, const char *why);

/* During `envelope`: when it came. */
static inline uint64_t lane_now(const struct lane *lane)
{
	return lane->scratch->now;
}

/* The same, sharp enough for a round trip; 0 when it has waited and nobody knows how
 * long. */
static inline uint64_t lane_came(const struct lane *lane)
{
	return lane->late ? lane->found : lane->scratch->now;
}

/* Until something is read, one record with so many octets, or fewer, wakes nobody
 * up: lane_find reads it.  An idle tunnel's keep-alive answers are smaller than any
 * packet.  False where it would not be safe now. */
bool lane_be_quiet(struct lane *lane, size_t octets);
/* Reads what a quiet lane has, perhaps the answer to what was sent at `sent`, us. */
void lane_find(struct lane *lane, uint64_t sent);

/* True when it would send at once: open, and nothing encrypted still waits. */
static inline bool lane_is_ready(const struct lane *lane)
{
	return lane->state == LANE_OPEN && tls_unsent(lane->tls) == 0;
}

/* Encrypts; the octets leave with the next lane_flush. */
void lane_send(struct lane *lane, const uint8_t *octets, size_t length);
void lane_flush(struct lane *lane);

/* Asks the kernel how its connection does, and adapts how much may wait there. */
void lane_look(struct lane *lane, uint64_t now);
/* The same, if what is known of it is old; was it? */
static inline bool lane_look_at_times(struct lane *lane, uint64_t now)
{
	if (now - lane->tcp.read_at < LANE_TCP_SAMPLE_US)
		return false;
	lane_look(lane, now);
	return true;
}

/* Gives back memory that an idle lane does not need. */
void lane_trim(struct lane *lane);

#endif
