/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one path in use, what the kernel holds for it, and what is published
 * about it. */
#include "core/traversal_run.h"

#include <stdio.h>
#include <string.h>

/* The array is larger than what any one event causes; test_traversal_random
 * watches that. */
void traversal_act(struct traversal *traversal, struct traversal_action action)
{
	if (traversal->action_count < TRAVERSAL_ACTIONS)
		traversal->actions[traversal->action_count++] = action;
}

/*   mode        probing, direct, dead, captive   tunnel   lost
 *   auto        absent                           tunnel   unreachable
 *   always      unreachable                      tunnel   unreachable
 *   probe-only  absent                           -        - */
void traversal_set_kernel(struct traversal *traversal, enum traversal_kernel kernel)
{
	if (traversal->config.mode == MODE_ALWAYS && kernel == TRAVERSAL_KERNEL_ABSENT)
		kernel = TRAVERSAL_KERNEL_UNREACHABLE;
	if (traversal->kernel == kernel)
		return;
	traversal->kernel = kernel;
	traversal_act(traversal,
		(struct traversal_action){.kind = TRAVERSAL_SET_KERNEL, .kernel = kernel});
}

/* --- what is published ---------------------------------------------------- */

static void quote_record(const struct traversal *traversal, struct traversal_finding *finding)
{
	const struct traversal_record *record = &traversal->steps[finding->step];
	char details[TRAVERSAL_EVIDENCE - TRAVERSAL_TARGET - 2];

	traversal_details(record, record->cause != finding->cause, details, sizeof(details));
	snprintf(finding->evidence, sizeof(finding->evidence), "%s%s%s", record->target,
		record->target[0] && details[0] ? ", " : "", details);
}

void traversal_find(
	struct traversal *traversal, const struct traversal_finding *finding, const char *words)
{
	struct traversal_finding *old = &traversal->finding;
	struct traversal_finding new = *finding;

	if (words)
		snprintf(new.evidence, sizeof(new.evidence), "%s", words);
	else
		quote_record(traversal, &new);
	if (new.verdict == old->verdict &&new.firewall == old->firewall &&new.step ==
			old->step &&new.cause == old->cause &&
		strcmp(new.evidence, old->evidence) == 0)
		return;
	*old = new;
	traversal->publish = true;
}

/* The step that tells why the direct path is not used, and why not. */
static void explain_tunnel(
	const struct traversal *traversal, enum step1 step1, struct traversal_finding *finding)
{
	const struct traversal_record *steps = traversal->steps;
	finding->step = TRAVERSAL_SIP;
	switch (step1) {
	case STEP1_UNDECIDED:
		finding->cause = TRAVERSAL_CAUSE_RESUMED;
		return;
	case STEP1_PASSED:
		finding->cause = TRAVERSAL_CAUSE_DIRECT_WORKS;
		return;
	case STEP1_MEDIA_BLOCKED:
		finding->step = TRAVERSAL_NAT;
		finding->cause = steps[TRAVERSAL_NAT].cause;
		return;
	case STEP1_FAILED:
	case STEP1_SKIPPED:
		finding->cause = steps[TRAVERSAL_SIP].cause;
		return;
	}
}

void traversal_find_tunnel(struct traversal *traversal)
{
	enum step1 step1 = traversal_step1(traversal);
	struct traversal_finding finding = {
		.verdict = traversal->path == TRAVERSAL_PATH_PROXY ? TRAVERSAL_TUNNEL_PROXY
								   : TRAVERSAL_TUNNEL,
	};
	explain_tunnel(traversal, step1, &finding);
	finding.firewall =
		traversal_judge_firewall(step1, traversal, finding.verdict, finding.cause);
	/* While a probe runs again, what it said last time stands. */
	if (step1 == STEP1_UNDECIDED && traversal->finding.verdict == finding.verdict)
		return;
	traversal_find(traversal, &finding, NULL);
}

/* --- the path ------------------------------------------------------------- */

void traversal_go_direct(struct traversal *traversal)
{
	enum traversal_step step = traversal->steps[TRAVERSAL_SIP].state == TRAVERSAL_PASSED
					   ? TRAVERSAL_SIP
					   : TRAVERSAL_NAT;
	struct traversal_finding finding = {
		.verdict = TRAVERSAL_DIRECT,
		.firewall = traversal_judge_firewall(
			STEP1_PASSED, traversal, TRAVERSAL_DIRECT, TRAVERSAL_CAUSE_NONE),
		.step = step,
		.cause = traversal->steps[step].cause,
	};

	traversal_cancel_all(traversal);
	/* Apps find the way open before the tunnel goes. */
	traversal_set_kernel(traversal, TRAVERSAL_KERNEL_ABSENT);
	if (traversal_path_is_tunnel(traversal->path)) {
		traversal_act(traversal, (struct traversal_action){.kind = TRAVERSAL_LEAVE_TUNNEL});
		traversal_forget_tunnel_steps(traversal);
	}
	if (traversal->config.mode != MODE_PROBE_ONLY) {
		if (traversal->path != TRAVERSAL_PATH_DIRECT)
			traversal_act(
				traversal, (struct traversal_action){.kind = TRAVERSAL_USE_PATH,
						   .path = TRAVERSAL_PATH_DIRECT});
		traversal->path = traversal->last = TRAVERSAL_PATH_DIRECT;
	}
	traversal->confirmed = traversal->lost = traversal->direct_works = false;
	traversal->confirm_at = TRAVERSAL_NEVER;
	traversal->captive_tries = 0;
	backoff_reset(&traversal->backoff);
	traversal_find(traversal, &finding, NULL);
	traversal_rest(traversal, traversal_reprobe_at(traversal));
}

/* In probe-only the step's success is all there is to find. */
static void find_only(struct traversal *traversal, enum traversal_path path)
{
	enum traversal_step step = traversal_path_step(path);

	traversal_act(
		traversal, (struct traversal_action){.kind = TRAVERSAL_CANCEL_STEP, .step = step});
	traversal->steps[step].open = false; /* and it has passed */
	traversal->path = path;
	traversal_find_tunnel(traversal);
	traversal->path = TRAVERSAL_PATH_NONE;
	traversal->captive_tries = 0;
	backoff_reset(&traversal->backoff);
	traversal_rest(traversal, traversal_reprobe_at(traversal));
}

void traversal_use_tunnel(struct traversal *traversal, enum traversal_path path)
{
	enum traversal_step step = traversal_path_step(path);

	if (traversal->config.mode == MODE_PROBE_ONLY) {
		find_only(traversal, path);
		return;
	}
	if (traversal->confirmed) {
		traversal_set_kernel(traversal, TRAVERSAL_KERNEL_UNREACHABLE);
		enum traversal_step old = traversal_path_step(traversal->path);
		if (old != step) {
			traversal_cancel_step(traversal, old);
			traversal->steps[old] = (struct traversal_record){0};
		}
		traversal->lost = true;
	}
	traversal->from_direct = traversal->path == TRAVERSAL_PATH_DIRECT;
	traversal->steps[step].open = false;
	traversal->in_use = traversal->steps[step];
	traversal->path = path;
	traversal->confirmed = traversal->silent = false;
	traversal->confirm_at = traversal->now + traversal->config.confirm_timeout;
	traversal->redial &= ~(1U << path);
	traversal_act(
		traversal, (struct traversal_action){.kind = TRAVERSAL_USE_PATH, .path = path});
}

void traversal_give_up_path(struct traversal *traversal)
{
	struct traversal_finding lost = {
		.verdict = TRAVERSAL_UNKNOWN,
		.firewall = traversal->finding.firewall,
		.step = traversal_path_step(traversal->path),
		.cause = TRAVERSAL_CAUSE_LOST,
	};
	if (traversal->finding.verdict == TRAVERSAL_TUNNEL ||
		traversal->finding.verdict == TRAVERSAL_TUNNEL_PROXY)
		traversal_find(traversal, &lost,
			"the connection that was to replace it did not become a tunnel");
	traversal->path = TRAVERSAL_PATH_NONE;
	traversal->confirm_at = TRAVERSAL_NEVER;
	if (traversal->from_direct) {
		/* Which apps have been on all the time. */
		traversal->path = TRAVERSAL_PATH_DIRECT;
		traversal_act(traversal, (struct traversal_action){.kind = TRAVERSAL_USE_PATH,
						 .path = TRAVERSAL_PATH_DIRECT});
	}
	traversal->from_direct = false;
}

void traversal_confirm(struct traversal *traversal)
{
	enum traversal_step step = traversal_path_step(traversal->path);
	enum traversal_step other = step == TRAVERSAL_TLS ? TRAVERSAL_PROXY : TRAVERSAL_TLS;

	traversal->confirmed = true;
	traversal->confirm_at = TRAVERSAL_NEVER;
	traversal->from_direct = traversal->lost = traversal->direct_works = false;
	traversal->moved = false;
	traversal->tunnel_since = traversal->now;
	traversal->last = traversal->path;
	traversal->redial = 0;
	traversal->captive_tries = 0;
	/* From now on an app's success says nothing about the direct path. */
	if (traversal->report == TRAVERSAL_REPORT_OK)
		traversal->report = TRAVERSAL_REPORT_NONE;
	traversal->reported_inside = TRAVERSAL_REPORT_NONE;
	traversal_cancel_step(traversal, other);
	traversal_set_kernel(traversal, TRAVERSAL_KERNEL_TUNNEL);
	traversal_find_tunnel(traversal);
}
