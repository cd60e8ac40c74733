/* SPDX-License-Identifier: GPL-3.0-or-later */
/* OpenMetrics 1.0 text from the JSON that `tscfctl status` shows, so that both
 * always agree; and a few figures of each tunnel with a call. */
#include "tscfd/metrics.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/counters.h"

static long long number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void family(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# TYPE tscf_%s %s\n# HELP tscf_%s %s.\n", name, type, name, help);
}

static void gauge(FILE *out, const char *name, const char *help, long long value)
{
	family(out, name, "gauge", help);
	fprintf(out, "tscf_%s %lld\n", name, value);
}

static void total(FILE *out, const char *name, const char *help, long long value)
{
	family(out, name, "counter", help);
	fprintf(out, "tscf_%s_total %lld\n", name, value);
}

/* One counter per member of `object`, told apart by `label`. */
static void labelled(
	FILE *out, const char *name, const char *help, const char *label, const json_t *object)
{
	const char *key;
	const json_t *value;
	void *members = (void *)(uintptr_t)object;

	family(out, name, "counter", help);
	json_object_foreach(members, key, value) fprintf(out, "tscf_%s_total{%s=\"%s\"} %lld\n",
		name, label, key, (long long)json_integer_value(value));
}

static void pool(FILE *out, const json_t *use)
{
	static const char *const states[] = {"live", "waiting", "resting", "never"};
	gauge(out, "pool_leases", "inner addresses in the pool", number(use, "capacity"));
	family(out, "pool_use", "gauge", "leases by state");
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		fprintf(out, "tscf_pool_use{state=\"%s\"} %lld\n", states[i],
			number(use, states[i]));
}

static void counters(FILE *out, const json_t *object)
{
	for (enum counter i = 0; i < COUNTER_DROP_NOT_IP; i++)
		total(out, counter_name(i), counter_help(i), number(object, counter_name(i)));
	family(out, "dropped_packets", "counter", "packets dropped, by reason");
	for (enum counter i = COUNTER_DROP_NOT_IP; i < COUNTER_COUNT; i++)
		fprintf(out, "tscf_dropped_packets_total{reason=\"%s\"} %lld\n",
			counter_name(i) + strlen("drop_"), number(object, counter_name(i)));
}

static void calls(FILE *out, const json_t *bands)
{
	const char *key;
	const json_t *value;
	void *members = (void *)(uintptr_t)bands;
	family(out, "calls", "gauge",
		"tunnels with a call, by the estimated rating R (ITU-T G.107) of what is sent");
	json_object_foreach(members, key, value) fprintf(
		out, "tscf_calls{rating=\"%s\"} %lld\n", key, (long long)json_integer_value(value));
}

/* One series per tunnel with a call. */
static void each_call(FILE *out, const json_t *each)
{
	static const struct {
		const char *key, *name, *help;
		bool counts;
	} figures[] = {
		{"rating", "call_rating", "estimated rating R (ITU-T G.107) of what a UE is sent",
			false},
		{"rtt", "call_round_trip_seconds",
			"round trip of the lane for realtime that does best", false},
		{"loss", "call_loss_ratio",
			"segments that lanes lost in the last ten to twenty seconds", false},
		{"lanes", "call_lanes", "TLS connections of the tunnel", false},
		{"sent", "call_media_down", "packets of audio and video for the UE", true},
		{"received", "call_media_up", "packets of audio and video from the UE", true},
		{"stale", "call_stale", "of those for the UE, dropped as too old", true},
		{"copies_sent", "call_copies_sent", "copies of audio packets sent to the UE", true},
		{"copies_dropped", "call_copies_dropped",
			"copies of audio packets from the UE that were there already", true},
	};
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		size_t index;
		const json_t *call;
		family(out, figures[i].name, figures[i].counts ? "counter" : "gauge",
			figures[i].help);
		json_array_foreach(each, index, call)
		{
			const json_t *value = json_object_get(call, figures[i].key);
			fprintf(out, "tscf_%s%s{tunnel=\"%s\"} %.*f\n", figures[i].name,
				figures[i].counts ? "_total" : "",
				json_string_value(json_object_get(call, "id")),
				json_is_integer(value) ? 0 : 6, json_number_value(value));
		}
	}
}

char *metrics_format(const json_t *status, const json_t *calls_now, int64_t expiry)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	if (!out)
		return NULL;

	const json_t *handshakes = json_object_get(status, "handshakes");
	gauge(out, "tunnels", "tunnels that are up", number(status, "tunnels"));
	gauge(out, "connections", "connections, with a tunnel or without",
		number(status, "connections"));
	pool(out, json_object_get(status, "pool"));
	total(out, "handshakes", "TLS handshakes that succeeded", number(handshakes, "ok"));
	labelled(out, "handshake_failures", "TLS handshakes that failed, by reason", "reason",
		json_object_get(handshakes, "failed"));
	labelled(out, "refused_requests", "Configuration Requests refused, by result", "result",
		json_object_get(status, "refused"));
	total(out, "turned_away", "connections closed at once: per-source-limit or descriptors",
		number(status, "turned_away"));
	total(out, "protocol_errors", "sessions ended because the peer broke the protocol",
		number(status, "protocol_errors"));
	counters(out, json_object_get(status, "counters"));
	calls(out, json_object_get(status, "calls"));
	each_call(out, calls_now);
	gauge(out, "certificate_expiry_seconds", "when the server certificate ends (epoch)",
		(long long)expiry);
	gauge(out, "uptime_seconds", "seconds since the start", number(status, "uptime_s"));
	fputs("# EOF\n", out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
