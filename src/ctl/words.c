/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Output of both tools: one layout, one set of units, nothing unescaped. */
#include "ctl/words.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/counters.h"

enum { LABEL_WIDTH = 13 };

enum { NOT_UTF8 = 0xffffffff };

/* What comes from a daemon is UTF-8, since jansson has checked it; arguments
 * and file names may be anything. */
static size_t read_character(const char *text, uint32_t *character)
{
	uint8_t first = (uint8_t)text[0];
	size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	*character = length == 1 ? first : first & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if (((uint8_t)text[i] & 0xc0) != 0x80)
			*character = NOT_UTF8;
		if (*character == NOT_UTF8)
			return 1;
		*character = *character << 6 | ((uint8_t)text[i] & 0x3f);
	}
	if (first >= 0xf8 || (first >= 0x80 && first < 0xc0)) {
		*character = NOT_UTF8;
		return 1;
	}
	return length;
}

static bool is_harmful(uint32_t c)
{
	bool control = c < 0x20 || (c >= 0x7f && c <= 0x9f);
	bool line_end = c == 0x2028 || c == 0x2029;
	bool direction = c == 0x061c || c == 0x200e || c == 0x200f ||
			 (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
	return control || line_end || direction || c == NOT_UTF8;
}

void words_put(FILE *out, const char *text)
{
	while (*text) {
		uint32_t character;
		size_t length = read_character(text, &character);
		if (!is_harmful(character))
			fwrite(text, 1, length, out);
		else if (character < 0x80 || character == NOT_UTF8)
			fprintf(out, "\\x%02x", (uint8_t)*text);
		else
			fprintf(out, "\\u{%04" PRIx32 "}", character);
		text += length;
	}
}

/* --- units --------------------------------------------------------------- */

const char *words_count(uint64_t count, char out[WORDS_MAX])
{
	char digits[WORDS_MAX];
	size_t length = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, count);
	char *at = out;
	for (size_t i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	*at = '\0';
	return out;
}

const char *words_octets(uint64_t octets, char out[WORDS_MAX])
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
	if (octets < 1024) {
		snprintf(out, WORDS_MAX, "%u octet%s", (unsigned)octets, octets == 1 ? "" : "s");
		return out;
	}
	double value = (double)octets / 1024;
	size_t unit = 0;
	/* what %.1f would show as 1024.0 is the next unit */
	while (value >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	snprintf(out, WORDS_MAX, "%.1f %s", value, units[unit]);
	return out;
}

const char *words_duration(double seconds, char out[WORDS_MAX])
{
	static const struct {
		unsigned seconds;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	if (seconds < 0)
		seconds = 0;
	uint64_t left = (uint64_t)(seconds + 0.5);
	for (size_t i = 0; i < 3; i++) {
		uint64_t whole = left / units[i].seconds;
		uint64_t part = left % units[i].seconds / units[i + 1].seconds;
		if (whole == 0)
			continue;
		int used = snprintf(out, WORDS_MAX, "%" PRIu64 " %s", whole, units[i].name);
		if (part)
			snprintf(out + used, WORDS_MAX - (size_t)used, " %" PRIu64 " %s", part,
				units[i + 1].name);
		return out;
	}
	snprintf(out, WORDS_MAX, "%" PRIu64 " s", left);
	return out;
}

const char *words_milliseconds(double ms, char out[WORDS_MAX])
{
	snprintf(out, WORDS_MAX, ms < 100 ? "%.1f ms" : "%.0f ms", ms);
	return out;
}

/* --- JSON ---------------------------------------------------------------- */

const char *member_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

uint64_t member_count(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));
	return value > 0 ? (uint64_t)value : 0;
}

char *member_list(const json_t *object, const char *key)
{
	char *text = NULL;
	size_t length = 0, index;
	const json_t *item;
	FILE *out = open_memstream(&text, &length);
	if (!out)
		abort();
	json_array_foreach(json_object_get(object, key), index, item)
	{
		const char *word = json_string_value(item);
		fprintf(out, "%s%s", index ? ", " : "", word ? word : "?");
	}
	fclose(out);
	return text;
}

uint64_t member_sum(const json_t *object)
{
	uint64_t sum = 0;
	for (void *at = json_object_iter((json_t *)object); at;
		at = json_object_iter_next((json_t *)object, at))
		sum += (uint64_t)json_integer_value(json_object_iter_value(at));
	return sum;
}

/* --- rows ---------------------------------------------------------------- */

void words_row(const char *label, const char *format, ...)
{
	char *text = NULL;
	va_list arguments;
	va_start(arguments, format);
	int length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		abort();
	if (length > 0) {
		printf("  %-*s", LABEL_WIDTH, label);
		words_put(stdout, text);
		putchar('\n');
	}
	free(text);
}

void words_traffic(
	const char *label, const json_t *counters, const char *packets_key, const char *octets_key)
{
	char number[WORDS_MAX], octets[WORDS_MAX];
	uint64_t packets = member_count(counters, packets_key);
	words_row(label, "%s packet%s, %s", words_count(packets, number), packets == 1 ? "" : "s",
		words_octets(member_count(counters, octets_key), octets));
}

static void words_lane(const char *label, const json_t *lane)
{
	char rtt[WORDS_MAX], unacked[WORDS_MAX], unsent[WORDS_MAX], resent[WORDS_MAX],
		sent[WORDS_MAX];
	const char *outer = member_text(lane, "outer");
	words_row(label,
		"%s, %s%s, round trip %s, %s unacknowledged, %s unsent, %s of %s segments resent",
		member_text(lane, "class"), strchr(outer, ':') ? "" : "port ", outer,
		words_milliseconds(json_number_value(json_object_get(lane, "rtt_ms")), rtt),
		words_octets(member_count(lane, "unacked"), unacked),
		words_milliseconds(json_number_value(json_object_get(lane, "unsent_ms")), unsent),
		words_count(member_count(lane, "retransmits"), resent),
		words_count(member_count(lane, "segments"), sent));
}

void words_lanes(const json_t *lanes)
{
	size_t index;
	const json_t *lane;
	json_array_foreach(lanes, index, lane) words_lane(index ? "" : "lanes", lane);
}

static void words_call(const json_t *realtime)
{
	char sent[WORDS_MAX], received[WORDS_MAX], stale[WORDS_MAX], rating[WORDS_MAX] = "none now";
	const json_t *r = json_object_get(realtime, "rating");
	if (json_is_number(r))
		snprintf(rating, sizeof(rating), "R %.0f (estimated)", json_number_value(r));
	words_row("call", "%s; %s packets to send, %s too old and dropped, %s received", rating,
		words_count(member_count(realtime, "sent"), sent),
		words_count(member_count(realtime, "stale"), stale),
		words_count(member_count(realtime, "received"), received));
	uint64_t copies = member_count(realtime, "copies_sent");
	uint64_t dropped = member_count(realtime, "copies_dropped");
	if (copies || dropped)
		words_row("copies", "%s sent, %s received and dropped", words_count(copies, sent),
			words_count(dropped, received));
}

void words_realtime(const json_t *realtime)
{
	char text[WORDS_MAX], p99[WORDS_MAX];
	const char *service, *label = "waiting";
	json_t *delay;

	if (member_count(realtime, "sent") || member_count(realtime, "received"))
		words_call(realtime);
	const json_t *rate = json_object_get(realtime, "bulk_octets_per_s");
	if (json_is_number(rate))
		words_row("bulk", "yields to the call: at most %s/s",
			words_octets((uint64_t)json_number_value(rate), text));
	json_object_foreach(json_object_get(realtime, "waiting"), service, delay)
	{
		double half = json_number_value(json_object_get(delay, "p50_ms"));
		double most = json_number_value(json_object_get(delay, "p99_ms"));
		words_row(label, "%s: half at most %s, 99 %% at most %s", service,
			words_milliseconds(half, text), words_milliseconds(most, p99));
		label = "";
	}
}

void words_drops(const json_t *counters)
{
	char number[WORDS_MAX];
	const char *label = "dropped";
	for (enum counter i = COUNTER_DROP_NOT_IP; i < COUNTER_COUNT; i++) {
		uint64_t count = member_count(counters, counter_name(i));
		if (count == 0)
			continue;
		words_row(label, "%s: %s", words_count(count, number), counter_help(i));
		label = "";
	}
}
