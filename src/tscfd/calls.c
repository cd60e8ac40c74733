/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tscfd/calls.h"

#include "core/lane_loss.h"
#include "io/clock.h"
#include "tscfd/sessions.h"

static json_t *call_json(const struct session *session, double rating, uint64_t now)
{
	char id[SESSION_ID_MAX];
	const struct tunnel *tunnel = &session->tunnel;
	const uint64_t *count = tunnel->counters.value;
	return json_pack("{s:s, s:f, s:f, s:f, s:i, s:I, s:I, s:I, s:I, s:I}", "id",
		session_id(session, id), "rating", rating, "rtt",
		realtime_rtt(&tunnel->lanes) / 1e6, "loss",
		lane_loss_ppm(&tunnel->realtime.loss, now) / 1e6, "lanes", (int)tunnel->lanes.count,
		"sent", (json_int_t)count[COUNTER_MEDIA_DOWN], "received",
		(json_int_t)count[COUNTER_MEDIA_UP], "stale", (json_int_t)count[COUNTER_DROP_STALE],
		"copies_sent", (json_int_t)count[COUNTER_COPIES_SENT], "copies_dropped",
		(json_int_t)count[COUNTER_DROP_COPY]);
}

json_t *calls_each(const struct worker *worker)
{
	uint64_t now = clock_now();
	json_t *array = json_array();
	for (const struct session *at = worker->sessions; at; at = at->next) {
		double rating = realtime_rating(&at->tunnel.realtime, &at->tunnel.lanes, now);
		if (rating >= 0)
			json_array_append_new(array, call_json(at, rating, now));
	}
	return array;
}
