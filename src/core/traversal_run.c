/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One run of the steps.  traversal_advance() is called after every event and
 * goes as far as the results allow:
 *
 *   step 1 --passed--> direct
 *     | failed, skipped or media blocked
 *     v
 *   step 2, step 3 in their order --passed--> tunnel
 *     |       \--refused--> rest: TLS worked, so this is no firewall
 *     | all failed or skipped
 *     v
 *   rest, and run again later
 *
 * Beside a tunnel in use, step 1 alone is run, to find out whether the tunnel
 * is needed still. */
#include "core/traversal_run.h"

#include <string.h>

/* --- attempts ------------------------------------------------------------- */

void traversal_start_step(struct traversal *traversal, enum traversal_step step)
{
	const struct traversal_target *target = &traversal->targets[step];
	struct traversal_record *record = &traversal->steps[step];

	*record = (struct traversal_record){
		.started = traversal->now,
		.ended = traversal->now,
		.if_silent = TRAVERSAL_CAUSE_TIMEOUT,
	};
	if (!target->text[0]) {
		record->state = TRAVERSAL_SKIPPED;
		record->cause = target->why_not;
		return;
	}
	memcpy(record->target, target->text, sizeof(record->target));
	record->state = TRAVERSAL_RUNNING;
	record->open = true;
	record->deadline = traversal->now + traversal->config.timeout[step];
	traversal_act(
		traversal, (struct traversal_action){.kind = TRAVERSAL_START_STEP, .step = step});
}

/* What the step's record was before this attempt, as far as it matters: the
 * tunnel in use did pass. */
static void restore(struct traversal *traversal, enum traversal_step step)
{
	if (traversal_path_is_tunnel(traversal->path) &&
		traversal_path_step(traversal->path) == step)
		traversal->steps[step] = traversal->in_use;
	else
		traversal->steps[step] = (struct traversal_record){0};
}

bool traversal_redials(const struct traversal *traversal, enum traversal_step step)
{
	return traversal->redial >> traversal_step_path(step) & 1;
}

static void end_redial(struct traversal *traversal, enum traversal_step step)
{
	traversal->redial &= ~(1U << traversal_step_path(step));
}

void traversal_cancel_step(struct traversal *traversal, enum traversal_step step)
{
	if (!traversal->steps[step].open)
		return;
	traversal_act(
		traversal, (struct traversal_action){.kind = TRAVERSAL_CANCEL_STEP, .step = step});
	restore(traversal, step);
	end_redial(traversal, step);
}

void traversal_cancel_all(struct traversal *traversal)
{
	for (unsigned i = 0; i < TRAVERSAL_STEPS; i++)
		traversal_cancel_step(traversal, (enum traversal_step)i);
}

void traversal_forget_redial(struct traversal *traversal, enum traversal_step step)
{
	restore(traversal, step);
	end_redial(traversal, step);
}

void traversal_redial(struct traversal *traversal)
{
	enum traversal_path path = traversal->redial_again;
	traversal->redial_again = TRAVERSAL_PATH_NONE;
	traversal->redial |= 1U << path;
	traversal_start_step(traversal, traversal_path_step(path));
	traversal_advance(traversal);
}

/* A proxy that wants credentials is not asked again until the network changes
 * or somebody wants it: its verdict stands. */
static bool stands(const struct traversal *traversal, enum traversal_step step)
{
	return step == TRAVERSAL_PROXY && traversal->proxy_stands;
}

void traversal_forget_tunnel_steps(struct traversal *traversal)
{
	for (unsigned i = 0; i < 2; i++) {
		enum traversal_step step = traversal_tunnel_step(traversal, i);
		if (!traversal->steps[step].open && !stands(traversal, step))
			traversal->steps[step] = (struct traversal_record){0};
	}
}

/* --- rest ----------------------------------------------------------------- */

/* 15 min +-20 %, so that a network's clients do not all probe together. */
uint64_t traversal_reprobe_at(const struct traversal *traversal)
{
	uint64_t spread = TRAVERSAL_REPROBE_US * 2 / 5;
	uint64_t jitter = spread * (traversal->random >> 16) / 65536;
	return traversal->now + TRAVERSAL_REPROBE_US - spread / 2 + jitter;
}

void traversal_rest(struct traversal *traversal, uint64_t next_run)
{
	traversal_cancel_all(traversal);
	traversal->running = false;
	traversal->redial_again = TRAVERSAL_PATH_NONE;
	traversal->abandoned = 0;
	traversal->next_run = next_run;
	if (traversal->run_again)
		traversal->restart_at = traversal->now;
}

static uint64_t retry_by_backoff(struct traversal *traversal)
{
	return traversal->now + backoff_next(&traversal->backoff, traversal->random, 0);
}

/* A refusal that a person must lift is not asked about over and over: that
 * locks accounts. */
static uint64_t retry_refused(struct traversal *traversal, const struct traversal_record *record)
{
	if (record->retry_after)
		return traversal->now + (uint64_t)record->retry_after * 1000000;
	if (record->cause == TRAVERSAL_CAUSE_NO_ADDRESS ||
		record->cause == TRAVERSAL_CAUSE_OVERLOADED ||
		record->cause == TRAVERSAL_CAUSE_SHUTTING_DOWN)
		return retry_by_backoff(traversal);
	return traversal_reprobe_at(traversal);
}

static uint64_t retry_at(struct traversal *traversal, const struct traversal_finding *finding)
{
	switch (finding->verdict) {
	case TRAVERSAL_REFUSED:
		return retry_refused(traversal, &traversal->steps[finding->step]);
	case TRAVERSAL_CAPTIVE:
		return traversal->now + (traversal->captive_tries++ ? TRAVERSAL_CAPTIVE_NEXT_US
								    : TRAVERSAL_CAPTIVE_US);
	case TRAVERSAL_DEAD:
	case TRAVERSAL_MEDIA_BLOCKED:
		return retry_by_backoff(traversal);
	case TRAVERSAL_INSPECTED:
	case TRAVERSAL_PROXY_AUTH:
	case TRAVERSAL_UNKNOWN:
	case TRAVERSAL_DIRECT:
	case TRAVERSAL_TUNNEL:
	case TRAVERSAL_TUNNEL_PROXY:
		return traversal_reprobe_at(traversal);
	}
	return traversal_reprobe_at(traversal);
}

/* The run ends without a path. */
static void conclude(struct traversal *traversal, const struct traversal_finding *finding)
{
	bool waits_with_routes = finding->verdict == TRAVERSAL_REFUSED ||
				 finding->verdict == TRAVERSAL_UNKNOWN ||
				 finding->cause == TRAVERSAL_CAUSE_NO_NETWORK;

	traversal_find(traversal, finding, NULL);
	if (finding->verdict != TRAVERSAL_CAPTIVE)
		traversal->captive_tries = 0;
	traversal->path = TRAVERSAL_PATH_NONE;
	/* A tunnel that was lost and will be back (no network, or the TSCF told
	 * us when to come again) is being reconnected: nothing leaks meanwhile. */
	if (!waits_with_routes) {
		traversal->lost = false;
		traversal_set_kernel(traversal, TRAVERSAL_KERNEL_ABSENT);
	}
	traversal_rest(traversal, retry_at(traversal, finding));
}

static void conclude_refused(struct traversal *traversal, enum traversal_step step)
{
	struct traversal_finding finding = {
		.verdict = TRAVERSAL_REFUSED,
		.step = step,
		.cause = traversal->steps[step].cause,
	};
	finding.firewall = traversal_judge_firewall(
		traversal_step1(traversal), traversal, finding.verdict, finding.cause);
	conclude(traversal, &finding);
}

/* --- steps 1a and 1b ------------------------------------------------------ */

static void start_sip(struct traversal *traversal)
{
	struct traversal_record *sip = &traversal->steps[TRAVERSAL_SIP];
	enum traversal_report report = traversal->report;

	if (traversal->config.mode == MODE_ALWAYS) {
		sip->state = TRAVERSAL_SKIPPED;
		sip->cause = TRAVERSAL_CAUSE_MODE;
	} else if (report != TRAVERSAL_REPORT_NONE) {
		sip->state = report == TRAVERSAL_REPORT_OK ? TRAVERSAL_PASSED : TRAVERSAL_FAILED;
		sip->cause = TRAVERSAL_CAUSE_REPORT;
		sip->started = sip->ended = traversal->now;
	} else {
		traversal_start_step(traversal, TRAVERSAL_SIP);
	}
}

static void start_nat(struct traversal *traversal)
{
	struct traversal_record *nat = &traversal->steps[TRAVERSAL_NAT];
	if (traversal->config.mode == MODE_ALWAYS) {
		nat->state = TRAVERSAL_SKIPPED;
		nat->cause = TRAVERSAL_CAUSE_MODE;
	} else {
		traversal_start_step(traversal, TRAVERSAL_NAT);
	}
}

static void run_step1(struct traversal *traversal)
{
	struct traversal_record *sip = &traversal->steps[TRAVERSAL_SIP];
	struct traversal_record *nat = &traversal->steps[TRAVERSAL_NAT];

	if (sip->state == TRAVERSAL_IDLE)
		start_sip(traversal);
	bool sip_decided = sip->state != TRAVERSAL_RUNNING;
	/* Once started it goes on, needed or not: an app that changes its mind
	 * must not draw out the run. */
	if (nat->state == TRAVERSAL_IDLE &&
		(sip_decided ? traversal_needs_nat(traversal) : traversal->config.overlap))
		start_nat(traversal);
}

/* --- steps 2 and 3 -------------------------------------------------------- */

static void start_early(struct traversal *traversal)
{
	for (unsigned i = 0; i < 2; i++) {
		enum traversal_step step = traversal_tunnel_step(traversal, i);
		if (traversal->steps[step].state == TRAVERSAL_IDLE)
			traversal_start_step(traversal, step);
	}
}

static void run_tunnel_steps(struct traversal *traversal)
{
	for (unsigned i = 0; i < 2; i++) {
		enum traversal_step step = traversal_tunnel_step(traversal, i);
		if (traversal->steps[step].state == TRAVERSAL_IDLE)
			traversal_start_step(traversal, step);
		switch (traversal->steps[step].state) {
		case TRAVERSAL_IDLE:
		case TRAVERSAL_RUNNING:
			return;
		case TRAVERSAL_PASSED:
			traversal_use_tunnel(traversal, traversal_step_path(step));
			return;
		case TRAVERSAL_STEP_REFUSED:
			/* Not a firewall's doing: the other way leads to the same
			 * TSCF. */
			conclude_refused(traversal, step);
			return;
		case TRAVERSAL_FAILED:
		case TRAVERSAL_SKIPPED:
			break;
		}
	}
	struct traversal_finding finding = {0};
	traversal_judge_failure(traversal, &finding);
	conclude(traversal, &finding);
}

/* --- beside a tunnel ------------------------------------------------------ */

static void direct_worked(struct traversal *traversal)
{
	if (!traversal->direct_works) {
		traversal->direct_works = true;
		traversal->direct_since = traversal->now;
	}
	if (traversal_may_leave(traversal)) {
		traversal_go_direct(traversal);
		return;
	}
	/* The next probe falls on the moment when leaving is first allowed, so
	 * that its success is fresh. */
	traversal->awaits_quiet = traversal->media;
	traversal_rest(traversal, traversal->media ? traversal_reprobe_at(traversal)
						   : traversal_choice_at(traversal));
}

/* A step that stands before the one in use may work by now. */
static void try_better(struct traversal *traversal)
{
	for (unsigned i = 0; i < 2 && traversal_may_move(traversal); i++) {
		enum traversal_step step = traversal_tunnel_step(traversal, i);
		if (step == traversal_path_step(traversal->path))
			break;
		if (traversal->steps[step].started < traversal->run_started &&
			!stands(traversal, step))
			traversal_start_step(traversal, step);
		if (traversal->steps[step].state == TRAVERSAL_RUNNING)
			return;
		if (traversal->steps[step].state == TRAVERSAL_PASSED) {
			traversal_use_tunnel(traversal, traversal_step_path(step));
			return;
		}
	}
	traversal_rest(traversal, traversal_reprobe_at(traversal));
}

static void advance_beside(struct traversal *traversal, enum step1 step1)
{
	traversal_find_tunnel(traversal);
	if (traversal->redial)
		return; /* until it has passed, or the tunnel has shown a sign of life */
	if (step1 == STEP1_PASSED) {
		direct_worked(traversal);
		return;
	}
	traversal->direct_works = false;
	if (traversal->silent)
		traversal_rest(traversal, traversal_reprobe_at(traversal));
	else
		try_better(traversal);
}

/* --- the run -------------------------------------------------------------- */

/* A tunnel taken along keeps addresses, registrations and calls alive, so it
 * goes before everything, as soon as it is not in the way of a living one. */
static void use_redial(struct traversal *traversal)
{
	bool patient = traversal->confirmed && traversal->media &&
		       traversal->now < traversal->silent_since + TRAVERSAL_PATIENCE_US;
	for (unsigned i = 0; i < 2 && !patient && !traversal_is_confirming(traversal); i++) {
		enum traversal_step step = traversal_tunnel_step(traversal, i);
		if (traversal_redials(traversal, step) &&
			traversal->steps[step].state == TRAVERSAL_PASSED)
			traversal_use_tunnel(traversal, traversal_step_path(step));
	}
}

static void dial_again(struct traversal *traversal, enum traversal_step step)
{
	if (traversal->config.mode == MODE_PROBE_ONLY || stands(traversal, step) ||
		!traversal->targets[step].text[0])
		return;
	traversal->redial |= 1U << traversal_step_path(step);
	traversal_start_step(traversal, step);
}

void traversal_begin(struct traversal *traversal, enum traversal_path redial)
{
	traversal_cancel_all(traversal);
	traversal->running = true;
	traversal->redial_again = TRAVERSAL_PATH_NONE;
	traversal->run_again = traversal->awaits_quiet = false;
	traversal->run_started = traversal->now;
	traversal->restart_at = TRAVERSAL_NEVER;
	traversal->steps[TRAVERSAL_SIP] = traversal->steps[TRAVERSAL_NAT] =
		(struct traversal_record){0};
	if (!traversal->confirmed)
		traversal_forget_tunnel_steps(traversal);
	/* A call cannot wait until the way that worked last has timed out here. */
	for (unsigned i = 0; traversal_path_is_tunnel(redial) && i < 2; i++) {
		enum traversal_step step = traversal_tunnel_step(traversal, i);
		if ((traversal->media && traversal->moved) || traversal_path_step(redial) == step)
			dial_again(traversal, step);
	}
	traversal_advance(traversal);
}

void traversal_advance(struct traversal *traversal)
{
	if (!traversal->running)
		return;
	use_redial(traversal);
	run_step1(traversal);
	if (traversal->redial_again != TRAVERSAL_PATH_NONE)
		return;
	bool has_tunnel = traversal_path_is_tunnel(traversal->path);
	enum step1 step1 = traversal_step1(traversal);
	if (traversal->config.overlap && traversal->path == TRAVERSAL_PATH_NONE &&
		step1 != STEP1_PASSED)
		start_early(traversal);
	if (step1 == STEP1_UNDECIDED || traversal_is_confirming(traversal))
		return;
	if (has_tunnel) {
		advance_beside(traversal, step1);
	} else if (step1 == STEP1_PASSED) {
		if (!traversal->redial)
			traversal_go_direct(traversal);
	} else if (traversal->path == TRAVERSAL_PATH_DIRECT && !traversal_is_quiet(traversal)) {
		/* A call seems to be up: nothing is switched now. */
		traversal->awaits_quiet = traversal->media;
		traversal_rest(traversal, traversal->media
						  ? traversal_reprobe_at(traversal)
						  : traversal->media_last + TRAVERSAL_QUIET_US);
	} else {
		run_tunnel_steps(traversal);
	}
}
