/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When to ask the peer whether it is still there, and when to give up
 * (TS 33.203 annex W: a keep-alive interval is negotiated per tunnel).
 *
 * A request is due when nothing was heard for an interval (jittered by 10 %,
 * so that thousands of tunnels do not ask together, and never beyond what was
 * agreed).  Whatever the peer sends counts as a sign of life and puts the
 * request off.  Unanswered, it is asked again after 5 s, three times; 5 s
 * after the last of these four requests the peer is dead.
 *
 * A request may be quiet: nobody wakes up for its answer, which is looked for when
 * the next request is due.  That saves half of an idle tunnel's wake-ups.  If there is
 * none then, as many requests have failed as would have been sent meanwhile.
 *
 * Pure: time comes in as microseconds of a monotonic clock. */
#ifndef TSCF_CORE_KEEPALIVE_H
#define TSCF_CORE_KEEPALIVE_H

#include <stdbool.h>
#include <stdint.h>

/* TRIES: how often it is asked again.  SHORTEST: no peer makes us ask more often. */
enum { KEEPALIVE_TRIES = 3, KEEPALIVE_RETRY_US = 5000000, KEEPALIVE_SHORTEST_US = 1000000 };

enum keepalive_action {
	KEEPALIVE_WAIT, /* until keepalive_due() */
	KEEPALIVE_SEND, /* a Keep-alive Request with `transaction` */
	KEEPALIVE_DEAD,
};

struct keepalive {
	uint64_t interval;    /* us, already jittered; 0: never ask */
	uint64_t heard;       /* us, last sign of life */
	uint64_t asked;       /* us, last request */
	bool hurried;         /* a request is due at once */
	bool quiet;           /* nobody waits for the answer to the last request */
	unsigned unanswered;  /* requests since the last sign of life */
	unsigned open;        /* requests, the last one and before, still to be answered */
	uint16_t transaction; /* of the last request */
	uint64_t rtt;         /* us, of the last answer; 0: not known */
};

/* `random` is any 32 random bits. interval in us. */
void keepalive_init(struct keepalive *keepalive, uint64_t interval, uint32_t random, uint64_t now);
/* Another interval from now on; what was asked already is not forgotten. */
void keepalive_set_interval(struct keepalive *keepalive, uint64_t interval, uint32_t random);
/* Call when keepalive_due() has come; earlier does no harm. */
enum keepalive_action keepalive_poll(struct keepalive *keepalive, uint64_t now);
/* After SEND: nobody waits for the answer. */
void keepalive_be_quiet(struct keepalive *keepalive);
/* When to poll next; UINT64_MAX for never. */
uint64_t keepalive_due(const struct keepalive *keepalive);
/* Makes a request due now, whatever was heard: something has happened that may
 * have broken the path.  Does nothing while one is outstanding that is waited for. */
void keepalive_hurry(struct keepalive *keepalive);
/* Anything came from the peer. */
void keepalive_heard(struct keepalive *keepalive, uint64_t now);
/* A Keep-alive Response came, at `came` (0: some time ago, which does not tell the
 * round trip); false when nobody asked for it. */
bool keepalive_answered(struct keepalive *keepalive, uint16_t transaction, uint64_t came);

#endif
