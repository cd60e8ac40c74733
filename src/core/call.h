/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether a call is up, told from its packets: a stray small one (DNS, STUN) is
 * none, and a pause, in which silence suppression sends one every 400 ms or so,
 * is no end.
 *
 * Pure: time comes in as microseconds of a monotonic clock. */
#ifndef TSCF_CORE_CALL_H
#define TSCF_CORE_CALL_H

#include <stdbool.h>

#include "core/tally.h"

enum {
	CALL_PACKETS = 8,        /* within one to two seconds begin a call */
	CALL_QUIET_US = 5000000, /* without any end it */
};

/* All zero to begin with. */
struct call {
	struct tally packets[2]; /* received, sent */
	uint64_t since, until;   /* us */
};

static inline bool call_is_up(const struct call *call, uint64_t now)
{
	return now < call->until;
}

/* A packet of audio or video, `sent` by this end, or received.  True when a call
 * begins with it. */
static inline bool call_packet(struct call *call, bool sent, uint64_t now)
{
	tally_add(&call->packets[sent], 1, now);
	bool up = call_is_up(call, now);
	if (!up && tally_recent(&call->packets[sent]) < CALL_PACKETS)
		return false;
	if (!up)
		call->since = now;
	call->until = now + CALL_QUIET_US;
	return !up;
}

/* Packets per second, of the direction that has more. */
static inline uint32_t call_rate(const struct call *call)
{
	uint32_t received = tally_rate(&call->packets[0]), sent = tally_rate(&call->packets[1]);
	return received > sent ? received : sent;
}

#endif
