/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An estimate of what the tunnel makes of a call, as a rating R (core/emodel):
 * for operators, who cannot listen.  It is of one direction, what this end sends,
 * and of the tunnel only: what lies behind either end adds to it. */
#ifndef TSCF_CORE_CALL_QUALITY_H
#define TSCF_CORE_CALL_QUALITY_H

#include <stdint.h>

struct call_path {
	uint32_t rtt;       /* us, of the lane that does best */
	uint32_t waiting;   /* us, from our TUN to the wire, p99 */
	uint32_t stale_ppm; /* packets that were dropped as stale, in a million */
	uint32_t loss_ppm;  /* segments that the lanes lost, in a million */
	uint32_t rate;      /* packets per second */
	unsigned lanes;     /* for realtime */
	unsigned copies;    /* 1: each packet goes once; 2: on two lanes */
};

/* 0 to 93.2, of G.711 with 20 ms packets and 60 ms of play-out buffer.
 *
 * What a lane loses comes a round trip or more late, too late for that buffer,
 * and so do the packets behind it in the same lane; with copies both must. */
double call_quality(const struct call_path *path);

#endif
