/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Numbers and other people's text, as a person wants to read them. */
#ifndef TSCF_CTL_WORDS_H
#define TSCF_CTL_WORDS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { WORDS_MAX = 48 };

/* Writes UTF-8 text; what could steer a terminal or mislead the eye (control
 * characters, changes of writing direction) appears as \xNN or \u{NNNN}. */
void words_put(FILE *out, const char *text);

/* These fill `out` and return it: "1,234"; "17 octets", "1.2 MiB"; "42 s",
 * "2 h 3 min"; "1.2 ms". */
const char *words_count(uint64_t count, char out[WORDS_MAX]);
const char *words_octets(uint64_t octets, char out[WORDS_MAX]);
const char *words_duration(double seconds, char out[WORDS_MAX]);
const char *words_milliseconds(double ms, char out[WORDS_MAX]);

/* A line "  label        text", cleaned as by words_put.  Nothing if the text
 * is empty. */
void words_row(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Members of an object; "", 0 or an empty text when absent. */
const char *member_text(const json_t *object, const char *key);
uint64_t member_count(const json_t *object, const char *key);
/* The strings of an array as "a, b, c", owned by the caller. */
char *member_list(const json_t *object, const char *key);

/* A row like "sent  1,234 packets, 1.2 MiB". */
void words_traffic(
	const char *label, const json_t *counters, const char *packets_key, const char *octets_key);
/* Rows for what was dropped: each counter that is not zero, with its meaning. */
void words_drops(const json_t *counters);
/* A row for each of "lanes": what it is and how it does. */
void words_lanes(const json_t *lanes);
/* Rows for what "realtime" says: calls, their copies, bulk that yields to them,
 * and how long packets waited.  None before there was a call. */
void words_realtime(const json_t *realtime);
/* The sum of an object's numbers. */
uint64_t member_sum(const json_t *object);

#endif
