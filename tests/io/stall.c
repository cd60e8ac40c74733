/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A timer every 2 ms, and the kernel's account of when we had no processor. */
#include "stall.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "io/clock.h"

/* Second number of schedstat, in ns; 0 on a kernel that does not count it. */
static uint64_t waited(const struct stall *stall)
{
	char text[96];
	unsigned long long wait = 0;
	ssize_t length = pread(stall->schedstat, text, sizeof(text) - 1, 0);
	if (length <= 0)
		return 0;
	text[length] = '\0';
	return sscanf(text, "%*u %llu", &wait) == 1 ? wait / 1000 : 0;
}

static void look(struct stall *stall)
{
	uint64_t now = clock_now(), wait = waited(stall);
	uint64_t wall = now - stall->ticked, others = wait - stall->waited;
	if (wall > others && wall - others > stall->longest)
		stall->longest = wall - others;
	stall->ticked = now;
	stall->waited = wait;
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop, (void)events;
	look(timer->data);
}

void stall_watch(struct stall *stall, struct ev_loop *loop)
{
	*stall = (struct stall){.loop = loop, .ticked = clock_now()};
	stall->schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	stall->waited = waited(stall);
	ev_timer_init(&stall->tick, on_tick, 0.002, 0.002);
	stall->tick.data = stall;
	ev_now_update(loop);
	ev_timer_start(loop, &stall->tick);
}

uint64_t stall_end(struct stall *stall)
{
	look(stall);
	ev_timer_stop(stall->loop, &stall->tick);
	close(stall->schedstat);
	return stall->longest;
}
