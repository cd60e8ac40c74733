/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines and sentences about a traversal: what was tried, with which result and
 * evidence, what that means, and what to do now. */
#include "core/traversal_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* People count as the founding text does. */
static int step_number(enum traversal_step step)
{
	static const int numbers[] = {1, 1, 2, 3};
	return numbers[step];
}

struct line {
	char *text;
	size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int more =
		vsnprintf(line->text + line->length, line->size - line->length, format, arguments);
	va_end(arguments);
	if (more > 0)
		line->length += (size_t)more;
	if (line->length >= line->size)
		line->length = line->size - 1;
}

static void put_part(struct line *line, size_t start, const char *text)
{
	if (text[0])
		put(line, "%s%s", line->length > start ? ", " : "", text);
}

char *traversal_details(
	const struct traversal_record *record, bool with_cause, char *out, size_t size)
{
	struct line line = {.text = out, .size = size};
	char part[80];

	out[0] = '\0';
	if (with_cause)
		put_part(&line, 0, traversal_cause_words(record->cause));
	if (record->status) {
		snprintf(part, sizeof(part), "status %u", record->status);
		put_part(&line, 0, part);
	}
	if (record->error)
		put_part(&line, 0, strerror(record->error));
	put_part(&line, 0, record->words);
	if (record->state != TRAVERSAL_SKIPPED && record->ended > record->started) {
		uint64_t took = record->ended - record->started;
		if (took < 1000000)
			snprintf(part, sizeof(part), "after %.0f ms", (double)took / 1e3);
		else
			snprintf(part, sizeof(part), "after %.2f s", (double)took / 1e6);
		put_part(&line, 0, part);
	}
	return out;
}

char *traversal_evidence(const struct traversal_record *record, char *out, size_t size)
{
	return traversal_details(record, true, out, size);
}

char *traversal_line(
	const struct traversal *traversal, enum traversal_step step, char *out, size_t size)
{
	const struct traversal_record *record = &traversal->steps[step];
	struct line line = {.text = out, .size = size};
	char details[TRAVERSAL_EVIDENCE];

	out[0] = '\0';
	put(&line, "step %d %-6s ", step_number(step), traversal_step_name(step));
	if (record->state == TRAVERSAL_IDLE) {
		put(&line, "not tried");
		return out;
	}
	traversal_details(record, true, details, sizeof(details));
	put(&line, "%-8s", traversal_state_name(record->state));
	if (record->target[0] || details[0])
		put(&line, " %s%s%s", record->target, record->target[0] && details[0] ? ": " : "",
			details);
	return out;
}

char *traversal_sentence(const struct traversal_finding *finding, char *out, size_t size)
{
	struct line line = {.text = out, .size = size};
	const char *cause = traversal_cause_words(finding->cause);

	out[0] = '\0';
	put(&line, "%s: %s", traversal_verdict_name(finding->verdict),
		traversal_verdict_words(finding->verdict));
	if (cause[0])
		put(&line, ": %s", cause);
	if (finding->evidence[0])
		put(&line, " (step %d %s: %s)", step_number(finding->step),
			traversal_step_name(finding->step), finding->evidence);
	put(&line, ".");
	return out;
}

char *traversal_explain(const struct traversal *traversal, char *out, size_t size)
{
	const struct traversal_finding *finding = &traversal->finding;
	struct line line = {.text = out, .size = size};
	char text[TRAVERSAL_LINE * 2];

	out[0] = '\0';
	for (unsigned i = 0; i < TRAVERSAL_STEPS; i++)
		put(&line, "%s\n",
			traversal_line(traversal, (enum traversal_step)i, text, sizeof(text)));
	put(&line, "firewall: %s\n", traversal_firewall_name(finding->firewall));
	put(&line, "verdict: %s\n", traversal_sentence(finding, text, sizeof(text)));
	if (traversal->confirmed && traversal->reported_inside == TRAVERSAL_REPORT_FAILED)
		put(&line, "next step: The tunnel works, but an app could not register through it: "
			   "this is not the network; ask the operator.\n");
	else
		put(&line, "next step: %s\n",
			traversal_next_step(finding->verdict, finding->cause));
	return out;
}
