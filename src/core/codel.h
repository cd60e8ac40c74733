/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CoDel (RFC 8289) for one queue, as a verdict per packet that leaves it.
 *
 * A queue is bad when every packet of the last CODEL_INTERVAL has waited
 * longer than CODEL_TARGET; then packets are dropped, the n-th one
 * CODEL_INTERVAL / sqrt(n) after the one before, until one has waited less. */
#ifndef TSCF_CORE_CODEL_H
#define TSCF_CORE_CODEL_H

#include <stdbool.h>
#include <stdint.h>

enum { CODEL_TARGET = 5000, CODEL_INTERVAL = 100000 }; /* us */

/* All zero to begin with. */
struct codel {
	uint64_t first_above; /* us, when waits have been long for an interval; 0: they are not */
	uint64_t drop_next;   /* us, when to drop again */
	uint32_t count;       /* drops since dropping began */
	uint32_t last_count;  /* count when it last began */
	bool dropping;
};

/* Should the packet that just left the queue be dropped (or marked)?  It has
 * waited `sojourn` us and left `remaining` octets behind.
 *
 * A queue with at most `unit` octets left is never bad: it is no queue but
 * the next packet. RFC 8289 takes the MTU for that; with super-packets it is
 * max(MTU, length of this packet), or each of them would seem to stand behind
 * a queue that is only its successor. */
bool codel_drops(
	struct codel *codel, uint64_t sojourn, uint32_t remaining, uint32_t unit, uint64_t now);

#endif
