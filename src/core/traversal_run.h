/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside the traversal:
 *
 *   traversal.c          an event comes in
 *   traversal_run.c      one run of the steps, in order
 *   traversal_path.c     the path in use, and what the kernel holds
 *   traversal_verdict.c  what the steps' results mean; changes nothing
 *   traversal_words.c    names, causes and advice
 *   traversal_explain.c  lines and sentences for people */
#ifndef TSCF_CORE_TRAVERSAL_RUN_H
#define TSCF_CORE_TRAVERSAL_RUN_H

#include "core/traversal.h"

/* Steps sip and nat together. */
enum step1 {
	STEP1_UNDECIDED,
	STEP1_PASSED,
	STEP1_FAILED,
	STEP1_MEDIA_BLOCKED, /* signalling passes, media does not */
	STEP1_SKIPPED,       /* whether signalling passes was not tried */
};

static inline enum traversal_step traversal_path_step(enum traversal_path path)
{
	return path == TRAVERSAL_PATH_PROXY ? TRAVERSAL_PROXY : TRAVERSAL_TLS;
}

static inline enum traversal_path traversal_step_path(enum traversal_step step)
{
	return step == TRAVERSAL_PROXY ? TRAVERSAL_PATH_PROXY : TRAVERSAL_PATH_TLS;
}

/* Chosen, and not confirmed yet. */
static inline bool traversal_is_confirming(const struct traversal *traversal)
{
	return traversal_path_is_tunnel(traversal->path) && !traversal->confirmed;
}

/* --- traversal_verdict.c --- */

/* Steps 2 and 3 in their order, 0 and 1. */
enum traversal_step traversal_tunnel_step(const struct traversal *traversal, unsigned index);
bool traversal_needs_nat(const struct traversal *traversal);
enum step1 traversal_step1(const struct traversal *traversal);
enum traversal_firewall traversal_judge_firewall(enum step1 step1,
	const struct traversal *traversal, enum traversal_verdict verdict,
	enum traversal_cause cause);
/* No step gave a path: what is the matter?  Fills in all but the evidence. */
void traversal_judge_failure(const struct traversal *traversal, struct traversal_finding *finding);
/* No media for a minute. */
bool traversal_is_quiet(const struct traversal *traversal);
/* The tunnel may be moved by choice. */
bool traversal_may_move(const struct traversal *traversal);
/* The tunnel may be left for the direct path. */
bool traversal_may_leave(const struct traversal *traversal);
/* When moving or leaving may next be thought about, us. */
uint64_t traversal_choice_at(const struct traversal *traversal);

/* --- traversal_run.c --- */

void traversal_start_step(struct traversal *traversal, enum traversal_step step);
/* Ends the attempt, if there is one, as if it had not been made. */
void traversal_cancel_step(struct traversal *traversal, enum traversal_step step);
void traversal_cancel_all(struct traversal *traversal);
/* The dial out of order has failed: the step has its turn in the run still. */
void traversal_forget_redial(struct traversal *traversal, enum traversal_step step);
/* Dials out of order once more. */
void traversal_redial(struct traversal *traversal);
/* The records of steps 2 and 3 speak of a tunnel that is gone. */
void traversal_forget_tunnel_steps(struct traversal *traversal);
/* Starts a new run; `redial` is dialled at once (none: PATH_NONE), and for a call
 * the other way to the tunnel too. */
bool traversal_redials(const struct traversal *traversal, enum traversal_step step);
void traversal_begin(struct traversal *traversal, enum traversal_path redial);
/* Goes as far as the results allow. */
void traversal_advance(struct traversal *traversal);
/* Ends the run; the next one is at `next_run`. */
void traversal_rest(struct traversal *traversal, uint64_t next_run);
uint64_t traversal_reprobe_at(const struct traversal *traversal);

/* --- traversal_path.c --- */

void traversal_act(struct traversal *traversal, struct traversal_action action);
void traversal_set_kernel(struct traversal *traversal, enum traversal_kernel kernel);
/* The evidence is what is known of `step`, unless `words` are given. */
void traversal_find(
	struct traversal *traversal, const struct traversal_finding *finding, const char *words);
void traversal_go_direct(struct traversal *traversal);
void traversal_use_tunnel(struct traversal *traversal, enum traversal_path path);
/* The tunnel that was being configured did not come up: back to what there
 * was before, direct or nothing. */
void traversal_give_up_path(struct traversal *traversal);
void traversal_confirm(struct traversal *traversal);
/* Verdict and firewall anew, while a tunnel is in use. */
void traversal_find_tunnel(struct traversal *traversal);

/* --- traversal_explain.c --- */

/* As traversal_evidence(), with the cause left out when `with_cause` is false. */
char *traversal_details(
	const struct traversal_record *record, bool with_cause, char *out, size_t size);

#endif
