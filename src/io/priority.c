/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Round robin and not FIFO: several workers on one core take turns.  The kernel
 * itself leaves 5 % of the time to others (sched_rt_runtime_us). */
#include "io/priority.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc has no such structure; this is its first version (sched_setattr(2)). */
struct scheduling {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period; /* ns; runtime: the length of a turn */
};

void priority_short_turns(void)
{
	enum { TURN_NS = 500000 };
	struct scheduling wanted = {.size = sizeof(wanted)};
	if (syscall(SYS_sched_getattr, 0, &wanted, sizeof(wanted), 0) < 0 ||
		wanted.policy != SCHED_OTHER)
		return;
	wanted.runtime = TURN_NS;
	syscall(SYS_sched_setattr, 0, &wanted, 0);
}

void priority_give_way(void)
{
	sched_yield();
}

bool priority_raise(bool alone, struct reason *what)
{
	struct sched_param parameters = {.sched_priority = PRIORITY_REALTIME};
	int policy = SCHED_RR | (alone ? SCHED_RESET_ON_FORK : 0);
	if (sched_setscheduler(0, policy, &parameters) == 0) {
		reason_set(what, "running with real-time priority %d", PRIORITY_REALTIME);
		return true;
	}
	const char *refused = strerror(errno);
	if (setpriority(PRIO_PROCESS, 0, PRIORITY_NICE) == 0)
		reason_set(what,
			"no real-time priority (%s): running at nice %d; grant CAP_SYS_NICE or "
			"LimitRTPRIO=%d, without RestrictRealtime",
			refused, PRIORITY_NICE, PRIORITY_REALTIME);
	else
		reason_set(what,
			"priority = yes has no effect (%s): grant CAP_SYS_NICE or LimitRTPRIO=%d, "
			"without RestrictRealtime",
			refused, PRIORITY_REALTIME);
	return false;
}
