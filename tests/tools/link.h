/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One direction of a network link, in simulated time: a queue in front of a
 * bottleneck, then a wire that delays, loses and reorders.
 *
 *	link_send -> queue --- rate ---> outage? lost? -> delay, jitter -> link_receive
 *
 * The queue is bounded in octets (tail drop), with CoDel (RFC 8289) if asked
 * for.  Losses are independent, or come in bursts (Gilbert-Elliott: all is lost
 * in the bad state, nothing in the good one).  What happens to the n-th packet
 * on the wire depends on the seed and n alone, not on time: the same seed gives
 * the same losses.
 *
 * Times are microseconds of any clock.  Being asked late changes nothing: all
 * is reckoned from the times at which packets were sent. */
#ifndef TSCF_TESTS_LINK_H
#define TSCF_TESTS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/codel.h"

enum { LINK_PACKET_MAX = 2048, LINK_OUTAGES_MAX = 8 };

enum link_drop { LINK_TAIL_DROP, LINK_CODEL };

struct link_outage {
	uint64_t at, length; /* us, since link_init's `start` */
};

struct link_settings {
	uint64_t seed;
	uint64_t rate;       /* bit/s of IP packets; 0: unlimited */
	uint64_t queue;      /* octets; 0: unlimited */
	uint64_t delay;      /* us */
	uint64_t jitter;     /* us, evenly in 0..jitter on top; packets keep their order */
	double loss;         /* share of packets, 0..1 */
	double burst;        /* mean length of a run of losses; up to 1: independent losses */
	double reorder;      /* share of packets that are overtaken */
	uint64_t reorder_by; /* us, that these come later */
	enum link_drop drop;
	struct link_outage outages[LINK_OUTAGES_MAX]; /* what is sent then is lost */
	unsigned outage_count;
};

struct link_packet {
	struct link_packet *next;
	uint64_t arrived, due;
	uint64_t number; /* on the wire */
	uint32_t size;
	uint8_t octets[LINK_PACKET_MAX];
};

struct link_counts {
	uint64_t sent, octets_sent, received, octets_received;
	uint64_t lost, bursts; /* on the wire; runs of successive losses */
	uint64_t queue_drops;  /* no room */
	uint64_t codel_drops;  /* too long a wait */
	uint64_t outage_drops;
	uint64_t reordered;
	uint64_t queue_octets_max, queue_wait_max; /* us */
	uint64_t queue_wait_sum;                   /* us, over `on_wire` */
	uint64_t on_wire;
	uint64_t decisions; /* a hash of what was decided for each packet on the wire */
};

struct link {
	struct link_settings settings;
	struct link_counts counts;
	uint64_t start;
	/* The queue, whose octets do not include the packet in transmission. */
	struct link_packet *head, **tail;
	uint64_t octets;
	uint64_t idle_at; /* when the transmitter is free */
	uint64_t carry;   /* of transmission times */
	struct codel codel;
	bool bad; /* Gilbert-Elliott state */
	/* On the wire: a heap by time due, then by number. */
	struct link_packet **wire;
	size_t wire_count, wire_room;
	uint64_t latest; /* due time of the last packet that keeps its order */
	struct link_packet *spare;
};

void link_init(struct link *link, const struct link_settings *settings, uint64_t start);
void link_fini(struct link *link);

/* A packet to fill in (octets, size), owned by the caller until link_send;
 * NULL: no memory. */
struct link_packet *link_packet_new(struct link *link);
/* Gives back one that was received, or never sent. */
void link_packet_free(struct link *link, struct link_packet *packet);

/* Takes the packet, at `now`, which never goes back. */
void link_send(struct link *link, struct link_packet *packet, uint64_t now);
/* The next packet that has arrived by `now`, owned by the caller; its `due` is
 * when it should have been taken.  NULL: none yet. */
struct link_packet *link_receive(struct link *link, uint64_t now);
/* When to ask again; UINT64_MAX: after the next link_send. */
uint64_t link_next(const struct link *link);

#endif
