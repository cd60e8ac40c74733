/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One scheduler with its slab, policy and counters, for the tests of it. */
#ifndef TSCF_TESTS_SCHED_FIXTURE_H
#define TSCF_TESTS_SCHED_FIXTURE_H

#include "core/sched.h"

enum {
	MS = 1000,         /* us */
	START = 1000 * MS, /* when simulated time begins */
	FIXTURE_SLOTS = 4200,
	FIXTURE_BIG = 200, /* of them */
};

extern struct slab slab;
extern struct sched sched;
extern struct sched_policy policy;
extern struct counters counters;

void start(void);
/* Asserts that nothing is left and every slot is back. */
void finish(void);

uint64_t dropped(enum counter which);
uint64_t all_dropped(void);

/* A packet with the fields of an IPv4 header that the scheduler may look at;
 * its number tells it from all others. */
struct slot *make(unsigned service, uint32_t flow, uint32_t length, uint64_t now);
uint32_t number_of(struct slot *slot);
/* Makes and enqueues one; returns its number. */
uint32_t put(unsigned service, uint32_t flow, uint32_t length, uint64_t now);
/* Dequeues one; returns its number, 0 for none. */
uint32_t next(uint64_t now);

#endif
