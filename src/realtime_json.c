/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "realtime_json.h"

#include "io/clock.h"

static double milliseconds(uint32_t us)
{
	return us / 1000.;
}

/* Only of classes of which something was sent in the last minutes. */
static json_t *delays_json(const struct realtime *realtime, uint64_t now)
{
	json_t *object = json_object();
	for (enum sched_class service = 0; service < SCHED_CLASSES; service++) {
		const struct delay *delay = &realtime->delay[service];
		uint32_t half = delay_quantile(delay, 500, now);
		if (half)
			json_object_set_new(object, sched_class_name(service),
				json_pack("{s:f, s:f}", "p50_ms", milliseconds(half), "p99_ms",
					milliseconds(delay_quantile(delay, 990, now))));
	}
	return object;
}

static json_t *percent(uint32_t ppm)
{
	return json_real(ppm / 10000.);
}

static json_t *number_if(bool known, double number)
{
	return known ? json_real(number) : json_null();
}

json_t *realtime_json(const struct tunnel *tunnel)
{
	uint64_t now = clock_now();
	const struct realtime *realtime = &tunnel->realtime;
	const uint64_t *count = tunnel->counters.value;
	bool up = tunnel->datapath->sends_up;
	uint64_t sent = count[up ? COUNTER_MEDIA_UP : COUNTER_MEDIA_DOWN];
	uint64_t received = count[up ? COUNTER_MEDIA_DOWN : COUNTER_MEDIA_UP];
	double rating = realtime_rating(realtime, &tunnel->lanes, now);
	bool paced = realtime->paced && realtime->pacing && realtime->pacing != PACE_UNLIMITED;
	return json_pack("{s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "call",
		(int)call_is_up(&realtime->call, now), "rating", number_if(rating >= 0, rating),
		"sent", (json_int_t)sent, "received", (json_int_t)received, "stale",
		(json_int_t)count[COUNTER_DROP_STALE], "copies_sent",
		(json_int_t)count[COUNTER_COPIES_SENT], "copies_dropped",
		(json_int_t)count[COUNTER_DROP_COPY], "stale_percent",
		percent(lane_loss_ppm(&realtime->stale, now)), "loss_percent",
		percent(lane_loss_ppm(&realtime->loss, now)), "link_queue_ms",
		number_if(paced, milliseconds(pace_queueing(&realtime->pace))), "bulk_octets_per_s",
		number_if(paced, (double)realtime->pacing), "waiting", delays_json(realtime, now));
}
