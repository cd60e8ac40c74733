/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lane_json.h"

static const char *class_name(enum control_lane_class class)
{
	switch (class) {
	case CONTROL_LANE_ANY:
		return "any";
	case CONTROL_LANE_REALTIME:
		return "realtime";
	case CONTROL_LANE_BULK:
		return "bulk";
	}
	return "unknown";
}

json_t *lane_json(const struct lane *lane)
{
	const struct lane_tcp *tcp = &lane->tcp;
	return json_pack("{s:i, s:s, s:f, s:f, s:i, s:i, s:f, s:I, s:I, s:I, s:I, s:I, s:b}",
		"index", (int)lane->index, "class", class_name(lane->class), "rtt_ms",
		(double)tcp->rtt / 1000., "min_rtt_ms", (double)tcp->min_rtt / 1000., "unacked",
		(int)tcp->unacked, "unsent", (int)tcp->unsent, "unsent_ms",
		(double)lane_tcp_to_wire(tcp) / 1000., "segments", (json_int_t)tcp->segments_sent,
		"retransmits", (json_int_t)tcp->retransmitted, "segments_come",
		(json_int_t)tcp->segments_come, "out_of_turn", (json_int_t)tcp->came_out_of_turn,
		"rate", (json_int_t)tcp->delivery_rate, "resumed", (int)tls_resumed(lane->tls));
}
