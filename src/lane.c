/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Envelopes over one TLS connection, driven by libev.  Decrypted octets land
 * in the thread's scratch buffer and are parsed there; only the unfinished
 * envelope at the end of a read is copied aside. */
#include "lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"

static void lane_ended(struct lane *lane, enum lane_end end, const char *why)
{
	if (lane->state == LANE_STOPPED)
		return;
	lane_stop(lane);
	lane->events->ended(lane, end, why);
}

static void tls_ended(struct lane *lane, enum tls_result result)
{
	if (result == TLS_CLOSED)
		lane_ended(lane, LANE_END_PEER, "the peer closed the connection");
	else if (tls_failure(lane->tls) == TLS_FAILURE_CONNECTION)
		lane_ended(lane, LANE_END_NETWORK, tls_reason(lane->tls));
	else
		lane_ended(lane, LANE_END_TLS, tls_reason(lane->tls));
}

void lane_protocol_error(struct lane *lane, const char *why)
{
	lane_ended(lane, LANE_END_PROTOCOL, why);
}

/* --- receiving ----------------------------------------------------------- */

/* Hands out whole envelopes; returns how many octets they took. */
static size_t parse(struct lane *lane, uint8_t *octets, size_t length)
{
	size_t done = 0;
	while (lane->state == LANE_OPEN) {
		struct envelope envelope;
		size_t consumed;
		switch (envelope_next(octets + done, length - done, &envelope, &consumed)) {
		case ENVELOPE_OK:
			lane->events->envelope(lane, &envelope);
			if (lane->state == LANE_PAUSED)
				return done; /* given out again by lane_adopt */
			done += consumed;
			break;
		case ENVELOPE_MORE:
			return done;
		case ENVELOPE_BAD:
			lane_protocol_error(lane, "an envelope with an impossible length");
			return done;
		}
	}
	return done;
}

/* Copies what is left aside: an unfinished envelope, or, in a lane that pauses,
 * as much as fits there. */
static bool keep_partial(struct lane *lane, const uint8_t *octets, size_t length)
{
	if (length > ENVELOPE_MAX) {
		lane_protocol_error(lane, "more than it may send before it is answered");
		return false;
	}
	if (length && !lane->partial) {
		lane->partial = malloc(ENVELOPE_MAX);
		if (!lane->partial) {
			lane_ended(lane, LANE_END_NETWORK, "out of memory");
			return false;
		}
	}
	if (length)
		memcpy(lane->partial, octets, length);
	lane->partial_length = length;
	return true;
}

/* Gives out the whole envelopes in `octets` and keeps the rest; false when the
 * lane does not go on. */
static bool take_in(struct lane *lane, uint8_t *octets, size_t length)
{
	lane->scratch->now = clock_now();
	size_t done = parse(lane, octets, length);
	if (lane->scratch->parsed)
		lane->scratch->parsed(lane->scratch->owner);
	if (lane->state == LANE_STOPPED)
		return false;
	return keep_partial(lane, octets + done, length - done) && lane->state == LANE_OPEN;
}

/* One tls_read and all envelopes that it completes. */
static void receive_once(struct lane *lane)
{
	uint8_t *octets = lane->scratch->octets + LANE_HEADROOM;
	size_t held = lane->partial_length, got = 0;

	if (held)
		memcpy(octets, lane->partial, held);
	enum tls_result result = tls_read(lane->tls, octets + held, LANE_SCRATCH - held, &got);
	if (result == TLS_WANT_READ || result == TLS_WANT_WRITE)
		return;
	if (result == TLS_OK)
		take_in(lane, octets, held + got);
	else
		tls_ended(lane, result);
}

/* Once per turn of the loop: a socket that fills as fast as it is read leaves time
 * for the other lanes and for the TUN, and one that is empty is not asked twice. */
static void receive(struct lane *lane)
{
	if (lane->quiet)
		lane_tcp_wake_for(lane->fd, 1);
	lane->quiet = false;
	receive_once(lane);
	if (lane->state != LANE_OPEN)
		return;
	/* Octets inside the TLS object do not make the socket readable. */
	if (tls_has_more(lane->tls))
		ev_feed_event(lane->loop, &lane->readable, EV_READ);
	/* What TLS itself answered, and the socket did not take. */
	if (tls_unsent(lane->tls) > 0)
		ev_io_start(lane->loop, &lane->writable);
}

/* --- handshake and events ------------------------------------------------ */

static void handshake(struct lane *lane)
{
	switch (tls_handshake(lane->tls)) {
	case TLS_OK:
		lane->state = LANE_OPEN;
		ev_io_stop(lane->loop, &lane->writable);
		/* From here on it serves running calls: before new handshakes. */
		ev_io_stop(lane->loop, &lane->readable);
		ev_set_priority(&lane->readable, 0);
		ev_io_start(lane->loop, &lane->readable);
		lane->events->opened(lane);
		if (lane->state == LANE_OPEN)
			receive(lane);
		break;
	case TLS_WANT_READ:
		ev_io_stop(lane->loop, &lane->writable);
		break;
	case TLS_WANT_WRITE:
		ev_io_start(lane->loop, &lane->writable);
		break;
	case TLS_CLOSED:
		tls_ended(lane, TLS_CLOSED);
		break;
	case TLS_FAILED:
		tls_ended(lane, TLS_FAILED);
		break;
	}
}

void lane_handshake(struct lane *lane)
{
	ev_io_start(lane->loop, &lane->readable);
	handshake(lane);
}

/* It goes on now, or, where handshakes wait, when it is its turn. */
static void continue_handshake(struct lane *lane)
{
	struct handshake_queue *queue = lane->scratch->handshakes;
	if (!queue) {
		handshake(lane);
		return;
	}
	ev_io_stop(lane->loop, &lane->readable);
	ev_io_stop(lane->loop, &lane->writable);
	handshake_queue_add(queue, lane);
}

static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	(void)loop;
	(void)events;
	struct lane *lane = watcher->data;
	if (lane->state == LANE_HANDSHAKE) {
		continue_handshake(lane);
		return;
	}
	lane->late = lane->quiet;
	lane->found = 0;
	receive(lane);
	lane->late = false;
}

static void on_writable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	(void)loop;
	(void)events;
	struct lane *lane = watcher->data;
	if (lane->state == LANE_HANDSHAKE) {
		continue_handshake(lane);
		return;
	}
	lane_flush(lane);
	if (lane_is_ready(lane))
		lane->events->writable(lane);
}

/* --- quiet lanes ---------------------------------------------------------- */

bool lane_be_quiet(struct lane *lane, size_t octets)
{
	/* Of an envelope or record that has begun, the rest may be that small. */
	if (lane->state != LANE_OPEN || lane->partial_length || tls_has_more(lane->tls))
		return false;
	lane_tcp_wake_for(lane->fd, tls_record_size(lane->tls, octets) + 1);
	lane->quiet = true;
	return true;
}

void lane_find(struct lane *lane, uint64_t sent)
{
	/* Sharp to a tick of the kernel; the round trip of its TCP is sharper, but
	 * where there is a proxy not that of the tunnel. */
	enum { TICK = 10000 };
	if (!lane->quiet)
		return;
	lane->found = lane_tcp_last_came(&lane->tcp, lane->fd, clock_now());
	if (lane->found && lane->found < sent + lane->tcp.rtt + TICK)
		lane->found = sent + lane->tcp.rtt;
	lane->late = true;
	receive(lane);
	lane->late = false;
}

/* --- sending ------------------------------------------------------------- */

void lane_send(struct lane *lane, const uint8_t *octets, size_t length)
{
	if (lane->state != LANE_OPEN)
		return;
	enum tls_result result = tls_write(lane->tls, octets, length);
	if (result != TLS_OK)
		tls_ended(lane, result);
}

void lane_flush(struct lane *lane)
{
	if (lane->state != LANE_OPEN)
		return;
	enum tls_result result = tls_flush(lane->tls);
	if (result == TLS_OK)
		ev_io_stop(lane->loop, &lane->writable);
	else if (result == TLS_WANT_WRITE)
		ev_io_start(lane->loop, &lane->writable);
	else
		tls_ended(lane, result);
}

/* --- life ---------------------------------------------------------------- */

void lane_look(struct lane *lane, uint64_t now)
{
	if (lane_tcp_read(&lane->tcp, lane->fd, now))
		lane_tcp_bound_unsent(&lane->tcp, lane->fd);
}

void lane_open(struct lane *lane, struct ev_loop *loop, int fd, struct tls *tls,
	const struct lane_events *events, void *owner, struct lane_scratch *scratch)
{
	*lane = (struct lane){
		.loop = loop,
		.tls = tls,
		.fd = fd,
		.state = LANE_HANDSHAKE,
		.events = events,
		.owner = owner,
		.scratch = scratch,
	};
	lane_tcp_tune(&lane->tcp, fd);
	ev_io_init(&lane->readable, on_readable, fd, EV_READ);
	ev_io_init(&lane->writable, on_writable, fd, EV_WRITE);
	ev_set_priority(&lane->readable, -1);
	lane->readable.data = lane->writable.data = lane;
	ev_io_start(loop, &lane->readable);
	/* A client's first flight goes out as soon as the loop turns; a server waits
	 * for it. */
	if (!scratch->handshakes)
		ev_io_start(loop, &lane->writable);
}

void lane_pause(struct lane *lane)
{
	ev_io_stop(lane->loop, &lane->readable);
	ev_io_stop(lane->loop, &lane->writable);
	lane->state = LANE_PAUSED;
}

void lane_adopt(struct lane *lane, struct ev_loop *loop, struct lane_scratch *scratch)
{
	lane->loop = loop;
	lane->scratch = scratch;
	lane->state = LANE_OPEN;
	ev_io_start(loop, &lane->readable);
	size_t held = lane->partial_length;
	if (held)
		memcpy(scratch->octets + LANE_HEADROOM, lane->partial, held);
	if (take_in(lane, scratch->octets + LANE_HEADROOM, held))
		receive(lane);
}

void lane_stop(struct lane *lane)
{
	if (lane->state == LANE_STOPPED)
		return;
	ev_io_stop(lane->loop, &lane->readable);
	ev_io_stop(lane->loop, &lane->writable);
	if (lane->scratch->handshakes)
		handshake_queue_remove(lane->scratch->handshakes, lane);
	if (lane->state != LANE_HANDSHAKE)
		tls_close(lane->tls);
	lane->state = LANE_STOPPED;
}

void lane_finish(struct lane *lane)
{
	if (lane->state != LANE_OPEN)
		return;
	tls_close(lane->tls);
	shutdown(lane->fd, SHUT_WR);
}

void lane_close(struct lane *lane)
{
	if (!lane->tls)
		return;
	lane_stop(lane);
	tls_free(lane->tls);
	close(lane->fd);
	free(lane->partial);
	lane->tls = NULL;
	lane->partial = NULL;
	lane->fd = -1;
}

void lane_trim(struct lane *lane)
{
	if (lane->partial_length)
		return;
	free(lane->partial);
	lane->partial = NULL;
}
