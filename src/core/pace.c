/* SPDX-License-Identifier: GPL-3.0-or-later */
/* RFC 6817 controls a window, whose sender slows down by itself as the queue,
 * and so the round trip, grows.  TCP owns the window here and we own a rate,
 * which adds to the queue as long as it is above the link's.  So the rule is:
 *
 *   no queue          what the link is known to carry, at once; when it is there
 *                     already, a sixteenth more than what arrived at best lately,
 *                     and a quarter when that has been so for a while
 *   below the target  what arrived at best and what fills the queue to the target
 *                     within the reaction time
 *   above it          what arrived at best, for a link with a queue is at its limit,
 *                     less what drains the excess within the reaction time
 *
 * The reaction time is thrice the age of a measurement, for without that distance
 * the rate swings.  What a link carries is known from when a queue last stood:
 * losses, which hold up TCP and say nothing about the link, do not change it. */
#include "core/pace.h"

#include <string.h>

enum {
	SECOND = 1000000,
	MINUTE = 60 * SECOND,
	START_RATE = 128000,   /* octets/s; half more each time until a queue is seen */
	MEASURING_AGE = 50000, /* us, and a round trip */
	REACTION_AGES = 3,
	FASTEST_PERIOD = SECOND,
	WINDOW = 300000,
	SETTLING = SECOND,
	DEEP = 3 * PACE_TARGET,
};

void pace_init(struct pace *pace)
{
	memset(pace, 0, sizeof(*pace));
}

static uint32_t base_of(const struct pace *pace)
{
	uint32_t base = UINT32_MAX;
	for (unsigned i = 0; i < PACE_BASE_MINUTES; i++)
		if (pace->base[i] && pace->base[i] < base)
			base = pace->base[i];
	return base;
}

void pace_base(struct pace *pace, uint32_t rtt, uint64_t now)
{
	if (rtt == 0)
		return;
	if (now >= pace->minute_since + MINUTE) {
		uint64_t minutes = (now - pace->minute_since) / MINUTE;
		pace->minute_since += minutes * MINUTE;
		for (uint64_t i = 0; i < minutes && i < PACE_BASE_MINUTES; i++) {
			pace->minute = (uint8_t)((pace->minute + 1) % PACE_BASE_MINUTES);
			pace->base[pace->minute] = 0;
		}
	}
	uint32_t *base = &pace->base[pace->minute];
	if (*base == 0 || rtt < *base)
		*base = rtt;
}

void pace_measured(struct pace *pace, uint32_t rtt, uint64_t now)
{
	if (rtt == 0)
		return;
	pace_base(pace, rtt, now);
	if (pace->current == 0 || rtt < pace->current)
		pace->current = rtt;
	/* The first sign of a queue ends the start at once, unless bulk made it before
	 * it had this lane. */
	if (pace->starting && now >= pace->settled && rtt > base_of(pace) + PACE_TARGET) {
		pace->starting = false;
		pace->current = rtt;
	}
}

static uint64_t floor_of(const struct pace *pace)
{
	uint64_t least = pace->peak / PACE_FLOOR_PART;
	return least > PACE_FLOOR ? least : PACE_FLOOR;
}

/* Octets per second. */
static uint64_t speed_since(
	uint64_t delivered_then, uint64_t then, uint64_t delivered, uint64_t now)
{
	if (delivered < delivered_then || now <= then)
		return 0;
	return (delivered - delivered_then) * SECOND / (now - then);
}

static void note_step(struct pace *pace, uint64_t delivered, uint64_t now)
{
	pace->changed = now;
	pace->delivered = delivered;
	pace->current = 0;
}

/* The fastest of this second and the one before, measured over WINDOWs: shorter
 * ones tell how acknowledgements bunch, not what the link carries. */
static void note_speed(struct pace *pace, uint64_t delivered, uint64_t now)
{
	if (now < pace->window_since + WINDOW)
		return;
	uint64_t speed = speed_since(pace->window_delivered, pace->window_since, delivered, now);
	pace->window_delivered = delivered;
	pace->window_since = now;
	if (now >= pace->fastest_since + FASTEST_PERIOD) {
		pace->fastest[1] = pace->fastest[0];
		pace->fastest[0] = 0;
		pace->fastest_since = now;
	}
	if (speed > pace->fastest[0])
		pace->fastest[0] = speed;
	if (speed > pace->peak)
		pace->peak = speed;
}

/* us between two steps: a round trip; at the start, what the last one did must
 * have been seen. */
static uint64_t interval_of(const struct pace *pace)
{
	uint64_t rtt = pace->current > PACE_INTERVAL_MIN ? pace->current : PACE_INTERVAL_MIN;
	return pace->starting ? rtt + MEASURING_AGE : rtt;
}

static uint64_t fastest_of(const struct pace *pace)
{
	return pace->fastest[0] > pace->fastest[1] ? pace->fastest[0] : pace->fastest[1];
}

/* A call begins: from what bulk has now, less what lets its queue drain; or from
 * little. */
static void begin(struct pace *pace, uint64_t now)
{
	uint64_t fastest = fastest_of(pace);
	pace->limited = true;
	pace->starting = fastest < START_RATE;
	pace->settled = now + SETTLING;
	pace->peak = fastest;
	pace->known = pace->starting ? 0 : fastest;
	pace->rate = pace->starting ? START_RATE : fastest - fastest / 4;
}

/* rate * us / reaction, for us < reaction. */
static uint64_t part(uint64_t rate, uint64_t us, uint64_t reaction)
{
	return rate / 1024 * (us * 1024 / reaction);
}

/* The rate that the queue asks for. */
static uint64_t balanced(const struct pace *pace)
{
	uint64_t reaction = REACTION_AGES * ((uint64_t)MEASURING_AGE + base_of(pace));
	uint64_t fastest = fastest_of(pace);
	uint32_t queueing = pace->queueing;

	if (queueing < PACE_NOISE) {
		/* What a link is known to carry is left behind slowly. */
		uint64_t patience = pace->known ? 16 : 3;
		uint64_t steps = pace->quiet / patience < 3 ? pace->quiet / patience : 3;
		uint64_t more = fastest + fastest / 16 * (1 + steps);
		uint64_t known = pace->known - pace->known / 16;
		return more > known ? more : known;
	}
	if (queueing <= PACE_TARGET)
		return fastest + part(fastest, PACE_TARGET - queueing, reaction);
	uint64_t excess = queueing - PACE_TARGET;
	if (excess > DEEP) /* a buffer that was filled, and nothing to swing about */
		reaction /= 2;
	return fastest - part(fastest, excess < reaction / 2 ? excess : reaction / 2, reaction);
}

/* One step, a round trip after the last. */
static void adjust(struct pace *pace, uint64_t speed)
{
	uint32_t base = base_of(pace);
	pace->queueing = pace->current > base ? pace->current - base : 0;
	uint64_t rate = balanced(pace);
	/* Bulk that has less to send, or that TCP holds back, gets no more. */
	bool used = speed >= pace->rate / 4 * 3;
	if (pace->queueing > PACE_TARGET) {
		pace->quiet = 0;
		pace->known = fastest_of(pace);
	} else {
		pace->quiet =
			pace->queueing < PACE_NOISE && used ? pace->quiet + 1 : pace->quiet / 2;
	}
	if (pace->starting && used)
		pace->rate += pace->rate / 2;
	else if (!pace->starting && (pace->queueing > PACE_TARGET || used || rate <= pace->known))
		pace->rate = pace->queueing > PACE_TARGET || rate > pace->rate ? rate : pace->rate;
	if (pace->rate < floor_of(pace))
		pace->rate = floor_of(pace);
}

uint64_t pace_rate(struct pace *pace, bool call, uint64_t delivered, uint64_t now)
{
	uint64_t speed = speed_since(pace->delivered, pace->changed, delivered, now);
	if (!call || !pace->limited) {
		pace->limited = false;
		note_speed(pace, delivered, now);
		if (call)
			begin(pace, now);
		note_step(pace, delivered, now);
		return call ? pace->rate : PACE_UNLIMITED;
	}
	if (pace->current == 0 || now < pace->changed + interval_of(pace))
		return pace->rate;
	note_speed(pace, delivered, now);
	adjust(pace, speed);
	note_step(pace, delivered, now);
	return pace->rate;
}

uint32_t pace_queueing(const struct pace *pace)
{
	return pace->queueing;
}
