/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What anybody can make us do must not become a flood. */
#include "core/rate_limit.h"

bool rate_limit_pass(struct rate_limit *limit, uint64_t now, uint64_t interval, uint32_t burst)
{
	if (rate_limit_next(limit, interval, burst) > now)
		return false;
	limit->due = (limit->due > now ? limit->due : now) + interval;
	return true;
}

uint64_t rate_limit_next(const struct rate_limit *limit, uint64_t interval, uint32_t burst)
{
	uint64_t ahead = (burst - 1) * interval;
	return limit->due > ahead ? limit->due - ahead : 0;
}
