/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The order among probes.  Every event only records what happened; advance()
 * alone, from the timer, decides what is next. */
#include "io/probe_step.h"

#include <errno.h>
#include <stdlib.h>

#include "io/clock.h"
#include "io/race.h"

struct trial {
	struct probe_step *step;
	struct probe *probe; /* owned while it runs */
};

struct probe_step {
	struct ev_loop *loop;
	struct probe_step_settings settings;
	void (*done)(void *user, const struct probe_step_result *result);
	void *user;
	struct ev_timer timer;
	uint64_t deadline, stagger, next; /* us */
	struct trial trials[PROBE_STEP_TARGETS];
	struct probe_result results[PROBE_STEP_TARGETS];
	size_t count, begun, running;
	bool passed;
	size_t first;
};

static void wake(struct probe_step *step, uint64_t in)
{
	ev_timer_stop(step->loop, &step->timer);
	ev_timer_set(&step->timer, (double)in / 1e6, 0.);
	ev_timer_start(step->loop, &step->timer);
}

static void release(struct probe_step *step)
{
	ev_timer_stop(step->loop, &step->timer);
	for (size_t i = 0; i < step->begun; i++)
		probe_cancel(step->trials[i].probe);
}

static void describe(const struct probe_step *step, struct reason *evidence)
{
	evidence->text[0] = '\0';
	if (step->passed) {
		*evidence = step->results[step->first].evidence;
		return;
	}
	for (size_t i = 0; i < step->count; i++)
		if (step->results[i].evidence.text[0])
			reason_add(evidence, "%s%s", evidence->text[0] ? ". " : "",
				step->results[i].evidence.text);
}

static void finish(struct probe_step *step)
{
	struct probe_step_result result = {
		.passed = step->passed,
		.first = step->first,
		.results = step->results,
		.count = step->count,
	};
	release(step);
	describe(step, &result.evidence);
	step->done(step->user, &result);
	free(step);
}

static void on_probe(void *user, const struct probe_result *result)
{
	struct trial *trial = user;
	struct probe_step *step = trial->step;
	size_t which = (size_t)(trial - step->trials);
	trial->probe = NULL;
	step->results[which] = *result;
	step->running--;
	if (result->outcome == PROBE_PASSED && !step->passed) {
		step->passed = true;
		step->first = which;
	}
	if (which + 1 == step->begun) /* the next need not wait */
		step->next = 0;
	wake(step, 0);
}

static void begin(struct probe_step *step, uint64_t now)
{
	size_t which = step->begun++;
	struct trial *trial = &step->trials[which];
	struct probe_settings settings = step->settings.probe;
	settings.timeout = step->deadline > now ? step->deadline - now : 0;
	step->next = now + step->stagger;
	trial->step = step;
	if (probe_start(&trial->probe, step->loop, &step->settings.targets[which], &settings,
		    on_probe, trial) == 0) {
		step->running++;
		return;
	}
	step->results[which].outcome = PROBE_LOCAL;
	reason_set(&step->results[which].evidence, "no memory for a probe");
	step->next = 0;
}

static bool is_over(const struct probe_step *step)
{
	if (step->passed && !step->settings.all)
		return true;
	return step->begun == step->count && step->running == 0;
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop, (void)events;
	struct probe_step *step = timer->data;
	uint64_t now = clock_now();
	while (!is_over(step) && step->begun < step->count && step->next <= now)
		begin(step, now);
	if (is_over(step))
		finish(step);
	else if (step->begun < step->count)
		wake(step, step->next - now);
}

int probe_step_start(struct probe_step **out, struct ev_loop *loop,
	const struct probe_step_settings *settings,
	void (*done)(void *user, const struct probe_step_result *result), void *user)
{
	if (settings->count == 0)
		return -EINVAL;
	struct probe_step *step = calloc(1, sizeof(*step));
	if (!step)
		return -ENOMEM;
	step->loop = loop;
	step->settings = *settings;
	step->done = done;
	step->user = user;
	step->count = settings->count < PROBE_STEP_TARGETS ? settings->count : PROBE_STEP_TARGETS;
	step->deadline = clock_now() + settings->probe.timeout;
	step->stagger = settings->probe.timeout / 2 / step->count;
	if (step->stagger > PROBE_STEP_STAGGER)
		step->stagger = PROBE_STEP_STAGGER;
	for (size_t i = 0; i < step->count; i++)
		step->results[i].outcome = PROBE_NOT_TRIED;
	ev_timer_init(&step->timer, on_timer, 0., 0.);
	step->timer.data = step;
	ev_timer_start(loop, &step->timer);
	*out = step;
	return 0;
}

void probe_step_cancel(struct probe_step *step)
{
	if (!step)
		return;
	release(step);
	free(step);
}
