/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "traversal_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 512, WORDS = 6 };

static const uint64_t second = 1000000;

/* --- set-up --------------------------------------------------------------- */

void traversal_script_setup(struct traversal *traversal, const char *options)
{
	static const char *const targets[] = {
		"P-CSCF 192.0.2.1", "STUN 192.0.2.2", "TSCF 192.0.2.3", "proxy 192.0.2.4"};
	struct traversal_config config = {
		.mode = strstr(options, "always")       ? MODE_ALWAYS
			: strstr(options, "probe-only") ? MODE_PROBE_ONLY
							: MODE_AUTO,
		.order = strstr(options, "proxy-first") ? ORDER_PROXY_FIRST : ORDER_DIRECT_FIRST,
		.overlap = strstr(options, "overlap") != NULL,
		.require_media = !strstr(options, "no-media"),
		.timeout = {4 * second, 3 * second, 6 * second, 10 * second},
		.confirm_timeout = 10 * second,
	};
	char without[16];

	traversal_init(traversal, &config);
	for (unsigned i = 0; i < TRAVERSAL_STEPS; i++) {
		enum traversal_step step = (enum traversal_step)i;
		snprintf(without, sizeof(without), "no-%s", traversal_step_name(step));
		traversal_set_target(traversal, step, strstr(options, without) ? NULL : targets[i],
			TRAVERSAL_CAUSE_NO_TARGET);
	}
}

/* --- events --------------------------------------------------------------- */

static bool find_cause(const char *name, enum traversal_cause *out)
{
	for (unsigned i = 0; i < TRAVERSAL_CAUSES; i++)
		if (strcmp(traversal_cause_name((enum traversal_cause)i), name) == 0) {
			*out = (enum traversal_cause)i;
			return true;
		}
	return false;
}

static bool parse_step(char *words[WORDS], struct traversal_event *event)
{
	static const struct {
		const char *name;
		enum traversal_state state;
	} outcomes[] = {{"passed", TRAVERSAL_PASSED}, {"failed", TRAVERSAL_FAILED},
		{"skipped", TRAVERSAL_SKIPPED}, {"refused", TRAVERSAL_STEP_REFUSED}};

	unsigned i = 0;
	while (i < TRAVERSAL_STEPS &&
		strcmp(traversal_step_name((enum traversal_step)i), words[0]) != 0)
		i++;
	if (i == TRAVERSAL_STEPS)
		return false;
	event->step = (enum traversal_step)i;
	if (strcmp(words[1], "progress") == 0) {
		event->kind = TRAVERSAL_EVENT_PROGRESS;
		return find_cause(words[2], &event->cause);
	}
	event->kind = TRAVERSAL_EVENT_RESULT;
	for (i = 0; i < 4 && strcmp(outcomes[i].name, words[1]) != 0; i++)
		;
	if (i == 4)
		return false;
	event->outcome = outcomes[i].state;
	for (i = 2; i < WORDS && words[i][0]; i++) {
		if (strcmp(words[i], "nat") == 0)
			event->behind_nat = true;
		else if (strcmp(words[i], "signalling") == 0)
			event->signalling = true;
		else if (!find_cause(words[i], &event->cause))
			event->retry_after = (uint32_t)atoi(words[i]);
	}
	return true;
}

static bool parse_event(char *words[WORDS], struct traversal_event *event)
{
	static const struct {
		const char *name;
		enum traversal_event_kind kind;
	} plain[] = {
		{"start", TRAVERSAL_EVENT_START},
		{"network", TRAVERSAL_EVENT_NETWORK},
		{"resume", TRAVERSAL_EVENT_RESUME},
		{"stalled", TRAVERSAL_EVENT_STALLED},
		{"confirmed", TRAVERSAL_EVENT_TUNNEL_CONFIRMED},
		{"alive", TRAVERSAL_EVENT_TUNNEL_ALIVE},
		{"lost", TRAVERSAL_EVENT_TUNNEL_LOST},
		{"kick", TRAVERSAL_EVENT_KICK},
		{"timer", TRAVERSAL_EVENT_TIMER},
	};
	*event = (struct traversal_event){.words = "as scripted"};
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strcmp(plain[i].name, words[0]) == 0) {
			event->kind = plain[i].kind;
			return !words[1][0] || find_cause(words[1], &event->cause);
		}
	if (strcmp(words[0], "report") == 0) {
		event->kind = TRAVERSAL_EVENT_REPORT;
		event->registered = strcmp(words[1], "ok") == 0;
		return true;
	}
	if (strcmp(words[0], "media") == 0) {
		bool on = strcmp(words[1], "on") == 0;
		event->kind = on ? TRAVERSAL_EVENT_MEDIA_STARTED : TRAVERSAL_EVENT_MEDIA_STOPPED;
		event->last_media = (uint64_t)(strtod(words[2], NULL) * (double)second);
		return true;
	}
	return parse_step(words, event);
}

/* --- actions -------------------------------------------------------------- */

static void write_action(const struct traversal *traversal, const struct traversal_action *action,
	char *out, size_t size)
{
	const struct traversal_finding *finding = &traversal->finding;
	switch (action->kind) {
	case TRAVERSAL_START_STEP:
		snprintf(out, size, "start %s", traversal_step_name(action->step));
		return;
	case TRAVERSAL_CANCEL_STEP:
		snprintf(out, size, "cancel %s", traversal_step_name(action->step));
		return;
	case TRAVERSAL_USE_PATH:
		snprintf(out, size, "use %s", traversal_path_name(action->path));
		return;
	case TRAVERSAL_LEAVE_TUNNEL:
		snprintf(out, size, "leave");
		return;
	case TRAVERSAL_DROP_TUNNEL:
		snprintf(out, size, "drop");
		return;
	case TRAVERSAL_CHECK_TUNNEL:
		snprintf(out, size, "check");
		return;
	case TRAVERSAL_SET_KERNEL:
		snprintf(out, size, "kernel %s", traversal_kernel_name(action->kernel));
		return;
	case TRAVERSAL_PUBLISH:
		snprintf(out, size, "publish %s/%s/%s", traversal_verdict_name(finding->verdict),
			traversal_firewall_name(finding->firewall),
			traversal_cause_name(finding->cause));
		return;
	case TRAVERSAL_SET_TIMER:
		if (action->at == TRAVERSAL_NEVER)
			snprintf(out, size, "timer off");
		else
			snprintf(out, size, "timer %.10g", (double)action->at / (double)second);
		return;
	}
}

static void write_actions(const struct traversal *traversal, bool timers, char *out, size_t size)
{
	size_t at = 0;
	out[0] = '\0';
	for (size_t i = 0; i < traversal->action_count; i++) {
		char text[128];
		if (traversal->actions[i].kind == TRAVERSAL_SET_TIMER && !timers)
			continue;
		write_action(traversal, &traversal->actions[i], text, sizeof(text));
		at += (size_t)snprintf(out + at, size - at, "%s%s", at ? ", " : "", text);
	}
}

/* --- lines ---------------------------------------------------------------- */

static char *trim(char *text)
{
	text += strspn(text, " \t");
	size_t length = strlen(text);
	while (length > 0 && strchr(" \t", text[length - 1]))
		text[--length] = '\0';
	return text;
}

static bool run_line(struct traversal *traversal, char *line, char *got, size_t size)
{
	char *words[WORDS] = {"", "", "", "", "", ""}, *rest, *end;
	struct traversal_event event;

	char *bar = strchr(line, '|');
	if (!bar)
		return false;
	*bar = '\0';
	double at = strtod(line, &end);
	size_t count = 0;
	for (char *word = strtok_r(end, " \t", &rest); word && count < WORDS;
		word = strtok_r(NULL, " \t", &rest))
		words[count++] = word;
	if (!parse_event(words, &event)) {
		snprintf(got, size, "a line that makes no sense");
		return false;
	}
	traversal_handle(
		traversal, &event, (uint64_t)(at * (double)second + 0.5), UINT32_C(1) << 31);
	const char *expected = trim(bar + 1);
	write_actions(traversal, strstr(expected, "timer") != NULL, got, size);
	return strcmp(expected, got) == 0;
}

unsigned traversal_script_run(const struct traversal_script *script, struct traversal *traversal)
{
	char line[LINE], copy[LINE], got[LINE];
	unsigned wrong = 0, lines = 0;

	traversal_script_setup(traversal, script->options);
	for (const char *at = script->text; *at;) {
		size_t length = strcspn(at, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)length, at);
		snprintf(copy, sizeof(copy), "%s", line);
		lines++;
		got[0] = '\0';
		if (!run_line(traversal, copy, got, sizeof(got))) {
			printf("\n  %s:\n    %s\n    got: %s\n", script->name, line, got);
			wrong++;
		}
		at += length + (at[length] == '\n');
	}
	return lines ? wrong : 1;
}
