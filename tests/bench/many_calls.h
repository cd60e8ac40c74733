/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls through tunnels: 50 packets of 200 octets a second up each, which an
 * echo in the IMS core sends back down.  A process of its own, which shares
 * its samples, so that a storm of handshakes beside it does not hold up the
 * instrument that measures what the storm does. */
#ifndef TSCF_BENCH_MANY_CALLS_H
#define TSCF_BENCH_MANY_CALLS_H

#include <jansson.h>
#include <sys/types.h>

#include "many_tunnel.h"

struct calls;

/* Starts `count` calls in a child process to the echo at `echo`:`port`; each
 * comes back by itself when its tunnel is lost.  Waits until all are up.  NULL
 * when that fails. */
struct calls *calls_start(struct many_fleet *like, unsigned count, const char *echo, uint16_t port);
/* Delay, loss and the longest silence of what was sent between two moments
 * (us of clock_now): {"packets", "lost", "up_ms": {p50, p99, max}, "down_ms",
 * "worst_gap_ms"}. */
json_t *calls_report(const struct calls *calls, uint64_t from, uint64_t to);
/* Calls that are up now; those that came back to another address. */
unsigned calls_up(const struct calls *calls);
unsigned calls_moved(const struct calls *calls);
void calls_stop(struct calls *calls);

/* Sends every UDP packet that comes to `port` back, with its time of arrival
 * in it; returns only when it cannot. */
int calls_echo(uint16_t port);
/* The instrument shall not wait for what it measures. */
void calls_take_precedence(void);

/* {"p50", "p99", "max"} in ms of `count` values in us, which it sorts. */
json_t *percentiles(uint32_t *values, size_t count);

#endif
