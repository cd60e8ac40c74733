/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An event comes in: what is noted of it, and whether it starts a new run. */
#include "core/traversal.h"

#include <stdio.h>
#include <string.h>

#include "core/traversal_run.h"

enum { CONFIRM_SECONDS = 10, CALL_SPARED = 4 };

void traversal_configure(struct traversal_config *config, const struct tse_config *profile)
{
	*config = (struct traversal_config){
		.mode = profile->mode,
		.order = profile->order,
		.overlap = profile->overlap,
		.require_media = profile->require_media,
		.timeout = {profile->sip_timeout, profile->nat_timeout, profile->tls_timeout,
			profile->proxy_timeout},
		.confirm_timeout = UINT64_C(1000000) * CONFIRM_SECONDS,
	};
}

void traversal_init(struct traversal *traversal, const struct traversal_config *config)
{
	memset(traversal, 0, sizeof(*traversal));
	traversal->config = *config;
	for (unsigned i = 0; i < TRAVERSAL_STEPS; i++)
		traversal->targets[i].why_not = TRAVERSAL_CAUSE_NO_TARGET;
	traversal->confirm_at = traversal->restart_at = TRAVERSAL_NEVER;
	traversal->next_run = traversal->timer = TRAVERSAL_NEVER;
	traversal->finding.step = TRAVERSAL_SIP;
	traversal->finding.cause = TRAVERSAL_CAUSE_NEW_NETWORK;
}

/* What is quoted may come from a stranger and ends on a terminal. */
static void copy_clean(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
	for (char *at = out; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = ' ';
}

void traversal_set_target(struct traversal *traversal, enum traversal_step step, const char *target,
	enum traversal_cause why_not)
{
	copy_clean(traversal->targets[step].text, sizeof(traversal->targets[step].text),
		target ? target : "");
	traversal->targets[step].why_not = why_not;
}

/* Every step takes its time, and a tunnel step may pass and then fail to
 * become a tunnel.  What is dialled out of order runs beside step 1, and has
 * had its turn, or gets it, within the same sum. */
uint64_t traversal_bound(const struct traversal_config *config)
{
	uint64_t sum = 2 * config->confirm_timeout + TRAVERSAL_REDIAL_US;
	for (unsigned i = 0; i < TRAVERSAL_STEPS; i++)
		sum += config->timeout[i];
	return sum;
}

/* --- results -------------------------------------------------------------- */

static void note(struct traversal_record *record, const struct traversal_event *event)
{
	record->cause = event->cause;
	record->error = event->error;
	record->status = event->status;
	record->behind_nat = event->behind_nat;
	record->signalling = event->signalling;
	record->retry_after = event->retry_after;
	if (event->target)
		copy_clean(record->target, sizeof(record->target), event->target);
	if (event->words)
		copy_clean(record->words, sizeof(record->words), event->words);
}

/* Nobody listens there, at this moment. */
static bool is_absent(enum traversal_cause cause)
{
	return cause == TRAVERSAL_CAUSE_RESET || cause == TRAVERSAL_CAUSE_UNREACHABLE ||
	       cause == TRAVERSAL_CAUSE_PROXY_GATEWAY;
}

static void redial_later(struct traversal *traversal, enum traversal_step step)
{
	uint64_t at = traversal->now +
		      (traversal->redialled ? TRAVERSAL_REDIAL_NEXT_US : TRAVERSAL_REDIAL_FIRST_US);
	if (!traversal->lost || at >= traversal->redial_until ||
		traversal->last != traversal_step_path(step) ||
		!is_absent(traversal->steps[step].cause))
		return;
	traversal->redialled = true;
	traversal->redial_at = at;
	traversal->redial_again = traversal_step_path(step);
}

/* The step has its result; `record` holds all but the state. */
static void finish(
	struct traversal *traversal, enum traversal_step step, enum traversal_state state)
{
	struct traversal_record *record = &traversal->steps[step];
	bool tunnel = step == TRAVERSAL_TLS || step == TRAVERSAL_PROXY;

	record->ended = traversal->now;
	record->state = state;
	if (!tunnel && state == TRAVERSAL_STEP_REFUSED)
		record->state = TRAVERSAL_FAILED;
	record->open = tunnel && state == TRAVERSAL_PASSED;
	/* While a tunnel is in use the record goes back to that tunnel's. */
	if (step == TRAVERSAL_PROXY && !traversal->confirmed)
		traversal->proxy_stands =
			state == TRAVERSAL_FAILED && record->cause == TRAVERSAL_CAUSE_PROXY_AUTH;
	if (!tunnel || !traversal_redials(traversal, step) || record->open)
		return;
	traversal->no_network = record->cause == TRAVERSAL_CAUSE_NO_NETWORK;
	/* A refusal counts for the whole run, and so does what stands; any
	 * other failure only shows that the old way is gone. */
	bool counts = state == TRAVERSAL_STEP_REFUSED ||
		      (step == TRAVERSAL_PROXY && traversal->proxy_stands);
	if (counts && !traversal->confirmed) {
		traversal->redial &= ~(1U << traversal_step_path(step));
	} else {
		redial_later(traversal, step);
		traversal_forget_redial(traversal, step);
	}
}

static void on_result(struct traversal *traversal, const struct traversal_event *event)
{
	struct traversal_record *record = &traversal->steps[event->step];
	bool confirming = traversal_is_confirming(traversal) &&
			  traversal_path_step(traversal->path) == event->step;

	if (event->outcome == TRAVERSAL_IDLE || event->outcome == TRAVERSAL_RUNNING)
		return;
	bool passed_already = record->state == TRAVERSAL_PASSED;
	if ((!record->open && !confirming) ||
		(passed_already && event->outcome == TRAVERSAL_PASSED))
		return;
	if (confirming)
		traversal_give_up_path(traversal);
	note(record, event);
	finish(traversal, event->step, event->outcome);
	traversal_advance(traversal);
}

static void on_progress(struct traversal *traversal, const struct traversal_event *event)
{
	struct traversal_record *record = &traversal->steps[event->step];
	if (record->state != TRAVERSAL_RUNNING)
		return;
	note(record, event);
	record->if_silent = event->cause;
	record->cause = TRAVERSAL_CAUSE_NONE;
}

static void on_report(struct traversal *traversal, const struct traversal_event *event)
{
	enum traversal_report report =
		event->registered ? TRAVERSAL_REPORT_OK : TRAVERSAL_REPORT_FAILED;
	/* With our routes in place the app speaks of the tunnel, or of the lack
	 * of one, and not of the direct path. */
	if (traversal->kernel != TRAVERSAL_KERNEL_ABSENT) {
		traversal->reported_inside = report;
		return;
	}
	traversal->report = report;
	if (traversal->running) {
		traversal_cancel_step(traversal, TRAVERSAL_SIP);
		traversal->steps[TRAVERSAL_SIP] = (struct traversal_record){0};
		traversal_advance(traversal);
		return;
	}
	/* An app that keeps reporting what is known already changes nothing. */
	bool direct = traversal->finding.verdict == TRAVERSAL_DIRECT;
	if (direct != event->registered)
		traversal_begin(traversal, TRAVERSAL_PATH_NONE);
}

/* --- the tunnel ----------------------------------------------------------- */

static void on_confirmed(struct traversal *traversal)
{
	if (!traversal_is_confirming(traversal))
		return;
	if (traversal->from_direct && !traversal_is_quiet(traversal)) {
		/* A call began meanwhile: stay on the direct path. */
		traversal_act(traversal, (struct traversal_action){.kind = TRAVERSAL_LEAVE_TUNNEL});
		traversal_give_up_path(traversal);
	} else {
		traversal_confirm(traversal);
	}
	traversal_advance(traversal);
}

static void on_alive(struct traversal *traversal)
{
	if (!traversal->confirmed || !traversal->silent)
		return;
	traversal->silent = false;
	for (unsigned i = 0; i < 2; i++)
		if (traversal_redials(traversal, traversal_tunnel_step(traversal, i)))
			traversal_cancel_step(traversal, traversal_tunnel_step(traversal, i));
	traversal_advance(traversal);
}

/* us until it is dialled again. */
static uint64_t wait_after_loss(struct traversal *traversal, enum traversal_cause cause)
{
	bool told = cause == TRAVERSAL_CAUSE_RESET || cause == TRAVERSAL_CAUSE_SHUTTING_DOWN;
	uint64_t wait = 0;
	/* A person must lift that, or another tunnel has taken its place. */
	if (cause == TRAVERSAL_CAUSE_POLICY || cause == TRAVERSAL_CAUSE_AUTHENTICATION)
		return traversal_reprobe_at(traversal) - traversal->now;
	if (traversal->now < traversal->tunnel_since + TRAVERSAL_SHORT_LIFE_US) {
		/* Up and lost, up and lost: not as fast as the network allows.  A
		 * call is spared the first of these waits. */
		bool spared = traversal->media && traversal->backoff.failures < CALL_SPARED;
		wait = backoff_next(&traversal->backoff, traversal->random, 0);
		if (spared)
			wait = 0;
	} else {
		backoff_reset(&traversal->backoff);
	}
	uint64_t spread = TRAVERSAL_SPREAD_US * traversal->random >> 32;
	return told && !traversal->media && spread > wait ? spread : wait;
}

static void on_lost(struct traversal *traversal, const struct traversal_event *event)
{
	struct traversal_finding finding = {
		.verdict = TRAVERSAL_UNKNOWN,
		.firewall = traversal->finding.firewall,
		.step = traversal_path_step(traversal->path),
		.cause = TRAVERSAL_CAUSE_LOST,
	};
	char words[TRAVERSAL_WORDS];

	if (traversal_is_confirming(traversal)) {
		struct traversal_event result = *event;
		result.step = finding.step;
		result.outcome = TRAVERSAL_FAILED;
		on_result(traversal, &result);
		return;
	}
	if (!traversal->confirmed)
		return;
	copy_clean(words, sizeof(words), event->words ? event->words : "");
	traversal->path = TRAVERSAL_PATH_NONE;
	traversal->confirmed = traversal->silent = traversal->direct_works = false;
	traversal->lost = true;
	traversal_set_kernel(traversal, TRAVERSAL_KERNEL_UNREACHABLE);
	traversal_find(traversal, &finding, words);

	traversal->redialled = false;
	traversal->redial_until = traversal->media ? traversal->now + TRAVERSAL_REDIAL_US : 0;
	uint64_t wait = wait_after_loss(traversal, event->cause);
	if (traversal->running && traversal->redial) {
		traversal_forget_tunnel_steps(traversal);
		traversal_advance(traversal);
	} else if (wait) {
		traversal_rest(traversal, traversal->now + wait);
	} else {
		traversal_begin(traversal, traversal->last);
	}
}

/* --- the network ---------------------------------------------------------- */

static void abandon(struct traversal *traversal)
{
	if (traversal->running)
		traversal->abandoned += traversal->now - traversal->run_started;
}

static void begin_on_new_network(struct traversal *traversal)
{
	static const struct traversal_finding nothing = {
		.verdict = TRAVERSAL_UNKNOWN,
		.firewall = TRAVERSAL_FIREWALL_UNKNOWN,
		.step = TRAVERSAL_SIP,
		.cause = TRAVERSAL_CAUSE_NEW_NETWORK,
	};

	if (traversal_is_confirming(traversal))
		traversal_act(traversal, (struct traversal_action){.kind = TRAVERSAL_LEAVE_TUNNEL});
	if (!traversal->confirmed) {
		traversal->from_direct = false; /* that was another network's */
		traversal_give_up_path(traversal);
		traversal_find(traversal, &nothing, "");
	}
	/* It may have answered since the event that we waited to act upon. */
	bool survived = traversal->confirmed && !traversal->silent;
	traversal_begin(traversal, survived ? TRAVERSAL_PATH_NONE : traversal->last);
}

static void fall_silent(struct traversal *traversal)
{
	if (!traversal->silent)
		traversal->silent_since = traversal->now;
	traversal->silent = true;
	traversal->no_network = false;
	traversal_act(traversal, (struct traversal_action){.kind = TRAVERSAL_CHECK_TUNNEL});
}

static void on_network(struct traversal *traversal)
{
	traversal->moved = true;
	traversal->report = TRAVERSAL_REPORT_NONE;
	traversal->proxy_stands = traversal->direct_works = false;
	traversal->captive_tries = 0;
	backoff_reset(&traversal->backoff);
	if (traversal->confirmed)
		fall_silent(traversal);
	/* One change comes as several events; and a network that never rests
	 * shall not keep a verdict from being reached. */
	if (traversal->running && traversal->abandoned >= TRAVERSAL_ABANDON_US) {
		traversal->run_again = true;
	} else if (traversal->running &&
		   traversal->now < traversal->run_started + TRAVERSAL_SETTLE_US) {
		traversal->restart_at = traversal->run_started + TRAVERSAL_SETTLE_US;
	} else {
		abandon(traversal);
		begin_on_new_network(traversal);
	}
}

/* As after a change of the network that we cannot see. */
static void on_stalled(struct traversal *traversal)
{
	if (!traversal->confirmed || traversal->silent)
		return;
	fall_silent(traversal);
	traversal_begin(traversal, traversal->path);
}

static void on_kick(struct traversal *traversal)
{
	bool pending = traversal->restart_at != TRAVERSAL_NEVER;

	traversal->proxy_stands = false;
	traversal->captive_tries = 0;
	backoff_reset(&traversal->backoff);
	if (traversal->confirmed)
		traversal_act(traversal, (struct traversal_action){.kind = TRAVERSAL_CHECK_TUNNEL});
	if (traversal->running)
		return;
	if (pending)
		begin_on_new_network(traversal);
	else
		traversal_begin(traversal, traversal->lost ? traversal->last : TRAVERSAL_PATH_NONE);
}

/* --- media ---------------------------------------------------------------- */

static void on_media(struct traversal *traversal, bool flows, uint64_t last)
{
	traversal->media = flows;
	traversal->media_known = true;
	traversal->media_last = last < traversal->now && !flows ? last : traversal->now;
	if (!flows && !traversal->running && traversal->awaits_quiet) {
		uint64_t at = traversal_choice_at(traversal);
		if (!traversal->confirmed)
			at = traversal->media_last + TRAVERSAL_QUIET_US;
		if (at < traversal->next_run)
			traversal->next_run = at;
	}
	traversal_advance(traversal);
}

/* --- time ----------------------------------------------------------------- */

static void expire_steps(struct traversal *traversal)
{
	for (unsigned i = 0; i < TRAVERSAL_STEPS; i++) {
		enum traversal_step step = (enum traversal_step)i;
		struct traversal_record *record = &traversal->steps[i];
		if (record->state != TRAVERSAL_RUNNING || traversal->now < record->deadline)
			continue;
		traversal_act(traversal,
			(struct traversal_action){.kind = TRAVERSAL_CANCEL_STEP, .step = step});
		record->cause = record->if_silent;
		finish(traversal, step, TRAVERSAL_FAILED);
	}
	if (traversal_is_confirming(traversal) && traversal->now >= traversal->confirm_at) {
		enum traversal_step step = traversal_path_step(traversal->path);
		traversal_act(traversal, (struct traversal_action){.kind = TRAVERSAL_LEAVE_TUNNEL});
		traversal_give_up_path(traversal);
		traversal->steps[step].cause = TRAVERSAL_CAUSE_NOT_CONFIRMED;
		finish(traversal, step, TRAVERSAL_FAILED);
	}
}

/* On this network neither the tunnel has answered nor could a new one be dialled
 * in its place.  Without any network it waits for one. */
static bool is_cut_off(const struct traversal *traversal)
{
	return traversal->confirmed && traversal->silent && !traversal->redial &&
	       !traversal->no_network && traversal->restart_at == TRAVERSAL_NEVER;
}

static void on_timer(struct traversal *traversal)
{
	traversal->timer = TRAVERSAL_NEVER; /* it has gone off, and must be set again */
	expire_steps(traversal);
	if (is_cut_off(traversal) &&
		traversal->now >= traversal->silent_since + TRAVERSAL_CHECK_US) {
		traversal_act(traversal, (struct traversal_action){.kind = TRAVERSAL_DROP_TUNNEL});
		on_lost(traversal, &(struct traversal_event){
					   .words = "the tunnel does not answer on this network"});
		return;
	}
	if (traversal->now >= traversal->restart_at) {
		abandon(traversal);
		begin_on_new_network(traversal);
	} else if (traversal->redial_again != TRAVERSAL_PATH_NONE &&
		   traversal->now >= traversal->redial_at) {
		traversal_redial(traversal);
	} else if (!traversal->running && traversal->now >= traversal->next_run) {
		traversal_begin(traversal, traversal->lost ? traversal->last : TRAVERSAL_PATH_NONE);
	} else {
		traversal_advance(traversal);
	}
}

static bool redial_has_passed(const struct traversal *traversal)
{
	for (unsigned i = 0; i < 2; i++) {
		enum traversal_step step = traversal_tunnel_step(traversal, i);
		if (traversal_redials(traversal, step) &&
			traversal->steps[step].state == TRAVERSAL_PASSED)
			return true;
	}
	return false;
}

static uint64_t earliest(const struct traversal *traversal)
{
	uint64_t at = traversal->restart_at;
	if (traversal_is_confirming(traversal) && traversal->confirm_at < at)
		at = traversal->confirm_at;
	if (!traversal->running && traversal->next_run < at)
		at = traversal->next_run;
	if (traversal->redial_again != TRAVERSAL_PATH_NONE && traversal->redial_at < at)
		at = traversal->redial_at;
	for (unsigned i = 0; i < TRAVERSAL_STEPS; i++) {
		const struct traversal_record *record = &traversal->steps[i];
		if (record->state == TRAVERSAL_RUNNING && record->deadline < at)
			at = record->deadline;
	}
	if (traversal->confirmed && traversal->silent) {
		uint64_t patience = traversal->silent_since + TRAVERSAL_PATIENCE_US;
		if (redial_has_passed(traversal) && patience < at)
			at = patience;
		uint64_t end = traversal->silent_since + TRAVERSAL_CHECK_US;
		if (is_cut_off(traversal) && end < at)
			at = end;
	}
	return at;
}

/* --- every event ---------------------------------------------------------- */

static void dispatch(struct traversal *traversal, const struct traversal_event *event)
{
	switch (event->kind) {
	case TRAVERSAL_EVENT_START:
		traversal_set_kernel(traversal, TRAVERSAL_KERNEL_ABSENT);
		traversal->publish = true;
		traversal_begin(traversal, TRAVERSAL_PATH_NONE);
		return;
	case TRAVERSAL_EVENT_RESULT:
		on_result(traversal, event);
		return;
	case TRAVERSAL_EVENT_PROGRESS:
		on_progress(traversal, event);
		return;
	case TRAVERSAL_EVENT_REPORT:
		on_report(traversal, event);
		return;
	case TRAVERSAL_EVENT_NETWORK:
	case TRAVERSAL_EVENT_RESUME:
		on_network(traversal);
		return;
	case TRAVERSAL_EVENT_STALLED:
		on_stalled(traversal);
		return;
	case TRAVERSAL_EVENT_MEDIA_STARTED:
		on_media(traversal, true, traversal->now);
		return;
	case TRAVERSAL_EVENT_MEDIA_STOPPED:
		on_media(traversal, false, event->last_media);
		return;
	case TRAVERSAL_EVENT_TUNNEL_CONFIRMED:
		on_confirmed(traversal);
		return;
	case TRAVERSAL_EVENT_TUNNEL_ALIVE:
		on_alive(traversal);
		return;
	case TRAVERSAL_EVENT_TUNNEL_LOST:
		on_lost(traversal, event);
		return;
	case TRAVERSAL_EVENT_KICK:
		on_kick(traversal);
		return;
	case TRAVERSAL_EVENT_TIMER:
		on_timer(traversal);
		return;
	}
}

void traversal_handle(struct traversal *traversal, const struct traversal_event *event,
	uint64_t now, uint32_t random)
{
	traversal->action_count = 0;
	traversal->now = now;
	traversal->random = random;
	dispatch(traversal, event);

	if (traversal->publish)
		traversal_act(traversal, (struct traversal_action){.kind = TRAVERSAL_PUBLISH});
	traversal->publish = false;
	uint64_t at = earliest(traversal);
	if (at != traversal->timer)
		traversal_act(traversal,
			(struct traversal_action){.kind = TRAVERSAL_SET_TIMER, .at = at});
	traversal->timer = at;
}
