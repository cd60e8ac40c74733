/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The only clock that timers may use. */
#ifndef TSCF_IO_CLOCK_H
#define TSCF_IO_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds since some fixed moment; never goes back. */
static inline uint64_t clock_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

#endif
