/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two counting periods: sums over the last one to two of them, in a few octets. */
#include "core/lane_loss.h"

enum { LOST_MIN = 2, SEGMENTS_PER_LOSS = 400 };

/* Whether this period (age 0) or the one before (1) still counts. */
static bool counts(const struct lane_loss *loss, unsigned age, uint64_t now)
{
	uint64_t periods = now > loss->since ? (now - loss->since) / LANE_LOSS_PERIOD : 0;
	return periods + age < 2;
}

static uint64_t sum(const struct lane_loss *loss, const uint32_t counted[2], uint64_t now)
{
	uint64_t total = 0;
	for (unsigned age = 0; age < 2; age++)
		total += counts(loss, age, now) ? counted[age] : 0;
	return total;
}

void lane_loss_measured(struct lane_loss *loss, uint32_t segments, uint32_t lost, uint64_t now)
{
	if (now >= loss->since + LANE_LOSS_PERIOD) {
		bool recent = counts(loss, 0, now);
		loss->segments[1] = recent ? loss->segments[0] : 0;
		loss->lost[1] = recent ? loss->lost[0] : 0;
		loss->segments[0] = loss->lost[0] = 0;
		loss->since = now;
	}
	loss->segments[0] += segments;
	loss->lost[0] += lost;
}

bool lane_loss_seen(const struct lane_loss *loss, uint64_t now)
{
	uint64_t lost = sum(loss, loss->lost, now);
	return lost >= LOST_MIN && lost * SEGMENTS_PER_LOSS >= sum(loss, loss->segments, now);
}

uint32_t lane_loss_ppm(const struct lane_loss *loss, uint64_t now)
{
	enum { MILLION = 1000000 };
	uint64_t segments = sum(loss, loss->segments, now);
	uint64_t lost = sum(loss, loss->lost, now);
	if (segments == 0)
		return 0;
	return (uint32_t)(lost < segments ? lost * MILLION / segments : MILLION);
}
