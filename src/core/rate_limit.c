/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Errors that anybody can make us send must not become a flood. */
#include "core/rate_limit.h"

bool rate_limit_pass(struct rate_limit *limit, uint64_t now, uint32_t per_second, uint32_t burst)
{
	uint64_t interval = 1000000 / per_second;
	uint64_t due = limit->due > now ? limit->due : now;
	if (due - now > (burst - 1) * interval)
		return false;
	limit->due = due + interval;
	return true;
}
