/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The names of the counters, from the one list in the header. */
#include "core/counters.h"

static const struct {
	const char *name, *help;
} descriptions[COUNTER_COUNT] = {
#define COUNTER_ROW(symbol, name, help) [COUNTER_##symbol] = {name, help},
	COUNTERS(COUNTER_ROW)
#undef COUNTER_ROW
};

const char *counter_name(enum counter which)
{
	return descriptions[which].name;
}

const char *counter_help(enum counter which)
{
	return descriptions[which].help;
}

void counters_sum(struct counters *total, const struct counters *more)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		total->value[i] += more->value[i];
}
