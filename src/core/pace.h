/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How fast the bulk lane may send while a call is up, so that bulk does not fill
 * the bottleneck's buffer in front of voice.
 *
 * After RFC 6817 (LEDBAT): the delay that queues add is the bulk lane's own round
 * trip above the smallest of the last ten minutes; the rate goes up while that is
 * below PACE_TARGET and down while it is above.  It is that lane's because one
 * with hundreds of acknowledgements a second knows in a round trip what one that
 * carries voice, an acknowledgement every 20 ms and smoothed over eight, knows
 * after half a second.  Bulk is never paced below a floor, and not at all without
 * a call: then it takes all there is.  While bulk measures nothing, the rate
 * stays.
 *
 * Pure: time comes in as microseconds of a monotonic clock. */
#ifndef TSCF_CORE_PACE_H
#define TSCF_CORE_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PACE_TARGET = 25000,      /* us of queueing delay that bulk may cause */
	PACE_NOISE = 8000,        /* us that may as well be bursts of our own */
	PACE_FLOOR = 32000,       /* octets/s, at least */
	PACE_FLOOR_PART = 10,     /* and a tenth of the most it had during this call */
	PACE_BASE_MINUTES = 10,   /* RFC 6817 BASE_HISTORY */
	PACE_INTERVAL_MIN = 50000 /* us between two steps, or a round trip */
};

#define PACE_UNLIMITED UINT64_MAX /* what SO_MAX_PACING_RATE takes for no limit */

struct pace {
	uint32_t base[PACE_BASE_MINUTES]; /* us, smallest round trip of each minute; 0: none */
	uint8_t minute;                   /* which of them is now */
	uint64_t minute_since;            /* us */
	uint32_t current;                 /* us, smallest round trip since the last step */
	uint32_t queueing;                /* us, what that was above the base at the last step */
	bool limited;                     /* a call is up */
	bool starting;                    /* it grows fast until a queue is seen */
	uint64_t rate;                    /* octets/s, while limited */
	uint64_t known;                   /* octets/s that arrived when a queue last stood */
	uint64_t peak;                    /* octets/s that arrived at best during this call */
	uint64_t fastest[2];              /* the same in this second and the one before */
	uint64_t fastest_since;           /* us */
	uint64_t window_since;            /* us, when that is being measured since */
	uint64_t window_delivered;        /* octets, at that time */
	uint64_t settled;                 /* us, from when on a queue ends the start */
	unsigned quiet;     /* steps in which bulk used its rate and no queue was seen */
	uint64_t changed;   /* us, the last step */
	uint64_t delivered; /* octets, at that time */
};

void pace_init(struct pace *pace);
/* A round trip of any lane at its best, us. */
void pace_base(struct pace *pace, uint32_t rtt, uint64_t now);
/* A round trip that the bulk lane has measured lately, us. */
void pace_measured(struct pace *pace, uint32_t rtt, uint64_t now);
/* The bulk lane's limit in octets per second, or PACE_UNLIMITED.  `call`: one is
 * up.  `delivered`: octets of all lanes that the peer has, ever (a smaller
 * number than before: a lane has gone), for bulk that had the lane of voice has
 * another one now; those behind a lost segment count when they
 * arrive, not when it does.  Call it every 20 to 50 ms while
 * a call is up, and at least every 100 ms before. */
uint64_t pace_rate(struct pace *pace, bool call, uint64_t delivered, uint64_t now);
/* us of queueing delay that the bulk lane saw last. */
uint32_t pace_queueing(const struct pace *pace);

#endif
