/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the results of the steps mean: what the network does (firewall), what
 * happened (verdict), and what may be chosen now.  Nothing here changes
 * anything. */
#include "core/traversal_run.h"

enum traversal_step traversal_tunnel_step(const struct traversal *traversal, unsigned index)
{
	/* The change request tries TLS before CONNECT.  TS 24.322 5.2.2.1 goes
	 * by configuration: straight to the TSCF (5.2.2.2) without a proxy,
	 * through CONNECT (5.2.2.3) with one. */
	bool proxy_first = traversal->config.order == ORDER_PROXY_FIRST;
	return (index == 0) == proxy_first ? TRAVERSAL_PROXY : TRAVERSAL_TLS;
}

/* --- step 1 --------------------------------------------------------------- */

static bool is_decided(const struct traversal_record *record)
{
	return record->state != TRAVERSAL_IDLE && record->state != TRAVERSAL_RUNNING;
}

static bool report_says_no(const struct traversal_record *sip)
{
	return sip->state == TRAVERSAL_FAILED && sip->cause == TRAVERSAL_CAUSE_REPORT;
}

/* Once signalling passes only media is in question, and nobody may have asked
 * for that; and no probe overrides an app's report. */
bool traversal_needs_nat(const struct traversal *traversal)
{
	const struct traversal_record *sip = &traversal->steps[TRAVERSAL_SIP];
	if (sip->state == TRAVERSAL_PASSED)
		return traversal->config.require_media;
	return !report_says_no(sip);
}

/*   sip      nat                      step 1
 *   passed   passed, skipped          passed
 *   passed   failed                   media blocked (passed, if media is not required)
 *   failed   passed, with signalling  passed: this is NAT traversal at work
 *   failed   failed, with signalling  media blocked (as above)
 *   failed   anything else            failed
 *   skipped  any                      skipped: signalling was not tried */
enum step1 traversal_step1(const struct traversal *traversal)
{
	const struct traversal_record *sip = &traversal->steps[TRAVERSAL_SIP];
	const struct traversal_record *nat = &traversal->steps[TRAVERSAL_NAT];

	if (!is_decided(sip))
		return STEP1_UNDECIDED;
	if (!traversal_needs_nat(traversal))
		return sip->state == TRAVERSAL_PASSED ? STEP1_PASSED : STEP1_FAILED;
	if (!is_decided(nat))
		return STEP1_UNDECIDED;
	if (sip->state == TRAVERSAL_SKIPPED)
		return STEP1_SKIPPED;
	if (sip->state != TRAVERSAL_PASSED && !nat->signalling)
		return STEP1_FAILED;
	bool blocked = nat->state == TRAVERSAL_FAILED && traversal->config.require_media;
	return blocked ? STEP1_MEDIA_BLOCKED : STEP1_PASSED;
}

/* --- firewall ------------------------------------------------------------- */

/* "Strict" wants a failed step 1 and a reason to blame the network: with all
 * silent it may as well be the operator, and a portal or no network at all
 * says nothing about what comes after. */
enum traversal_firewall traversal_judge_firewall(enum step1 step1,
	const struct traversal *traversal, enum traversal_verdict verdict,
	enum traversal_cause cause)
{
	const struct traversal_record *steps = traversal->steps;
	switch (step1) {
	case STEP1_UNDECIDED:
	case STEP1_SKIPPED:
		return TRAVERSAL_FIREWALL_UNKNOWN;
	case STEP1_PASSED:
		if (steps[TRAVERSAL_SIP].behind_nat || steps[TRAVERSAL_NAT].behind_nat ||
			steps[TRAVERSAL_SIP].state != TRAVERSAL_PASSED)
			return TRAVERSAL_FIREWALL_NAT;
		return TRAVERSAL_FIREWALL_NONE;
	case STEP1_FAILED:
	case STEP1_MEDIA_BLOCKED:
		if (verdict == TRAVERSAL_CAPTIVE || cause == TRAVERSAL_CAUSE_ALL_SILENT ||
			cause == TRAVERSAL_CAUSE_NO_NETWORK)
			return TRAVERSAL_FIREWALL_UNKNOWN;
		return TRAVERSAL_FIREWALL_STRICT;
	}
	return TRAVERSAL_FIREWALL_UNKNOWN;
}

/* --- verdict -------------------------------------------------------------- */

static bool failed_by(const struct traversal_record *record, enum traversal_cause cause)
{
	return record->state == TRAVERSAL_FAILED && record->cause == cause;
}

/* What one step's failure proves about the network, whatever the others say;
 * the first in this order counts. */
static const struct {
	enum traversal_step step;
	enum traversal_cause cause;
	enum traversal_verdict verdict;
} telling[] = {
	{TRAVERSAL_TLS, TRAVERSAL_CAUSE_CAPTIVE, TRAVERSAL_CAPTIVE},
	{TRAVERSAL_PROXY, TRAVERSAL_CAUSE_CAPTIVE, TRAVERSAL_CAPTIVE},
	{TRAVERSAL_SIP, TRAVERSAL_CAUSE_CAPTIVE, TRAVERSAL_CAPTIVE},
	{TRAVERSAL_NAT, TRAVERSAL_CAUSE_CAPTIVE, TRAVERSAL_CAPTIVE},
	{TRAVERSAL_TLS, TRAVERSAL_CAUSE_INSPECTED, TRAVERSAL_INSPECTED},
	{TRAVERSAL_PROXY, TRAVERSAL_CAUSE_INSPECTED, TRAVERSAL_INSPECTED},
	{TRAVERSAL_PROXY, TRAVERSAL_CAUSE_PROXY_AUTH, TRAVERSAL_PROXY_AUTH},
};

/* Both sides of the network are silent: the P-CSCF directly, the TSCF too, and
 * no proxy says more. */
static bool is_all_silent(const struct traversal_record *steps)
{
	const struct traversal_record *proxy = &steps[TRAVERSAL_PROXY];
	return failed_by(&steps[TRAVERSAL_SIP], TRAVERSAL_CAUSE_TIMEOUT) &&
	       failed_by(&steps[TRAVERSAL_TLS], TRAVERSAL_CAUSE_TIMEOUT) &&
	       (proxy->state == TRAVERSAL_SKIPPED || failed_by(proxy, TRAVERSAL_CAUSE_TIMEOUT));
}

/* The founding text: when CONNECT fails as well, the network is misconfigured
 * or broken, and IMS cannot run through it. */
static void judge_dead(const struct traversal *traversal, struct traversal_finding *finding)
{
	static const enum traversal_step latest_first[TRAVERSAL_STEPS] = {
		TRAVERSAL_PROXY, TRAVERSAL_TLS, TRAVERSAL_NAT, TRAVERSAL_SIP};
	const struct traversal_record *steps = traversal->steps;

	/* Who could be asked at all? */
	finding->verdict = TRAVERSAL_UNKNOWN;
	finding->step = TRAVERSAL_TLS;
	finding->cause = TRAVERSAL_CAUSE_NO_TARGET;
	for (unsigned i = 0; i < TRAVERSAL_STEPS; i++) {
		const struct traversal_record *record = &steps[latest_first[i]];
		if (record->state != TRAVERSAL_FAILED)
			continue;
		/* "No network" is the truth only when every step says so. */
		if (finding->verdict == TRAVERSAL_DEAD &&
			finding->cause != TRAVERSAL_CAUSE_NO_NETWORK)
			continue;
		finding->verdict = TRAVERSAL_DEAD;
		finding->step = latest_first[i];
		finding->cause = record->cause;
	}
	if (is_all_silent(steps)) {
		finding->step = TRAVERSAL_TLS;
		finding->cause = TRAVERSAL_CAUSE_ALL_SILENT;
	}
}

void traversal_judge_failure(const struct traversal *traversal, struct traversal_finding *finding)
{
	enum step1 step1 = traversal_step1(traversal);
	bool told = false;

	for (unsigned i = 0; i < sizeof(telling) / sizeof(telling[0]) && !told; i++) {
		told = failed_by(&traversal->steps[telling[i].step], telling[i].cause);
		finding->verdict = telling[i].verdict;
		finding->step = telling[i].step;
		finding->cause = telling[i].cause;
	}
	if (!told && step1 == STEP1_MEDIA_BLOCKED) {
		finding->verdict = TRAVERSAL_MEDIA_BLOCKED;
		finding->step = TRAVERSAL_NAT;
		finding->cause = traversal->steps[TRAVERSAL_NAT].cause;
	} else if (!told) {
		judge_dead(traversal, finding);
	}
	finding->firewall =
		traversal_judge_firewall(step1, traversal, finding->verdict, finding->cause);
}

/* --- choices -------------------------------------------------------------- */

bool traversal_is_quiet(const struct traversal *traversal)
{
	if (traversal->media)
		return false;
	return !traversal->media_known ||
	       traversal->now >= traversal->media_last + TRAVERSAL_QUIET_US;
}

bool traversal_may_move(const struct traversal *traversal)
{
	return traversal_is_quiet(traversal) &&
	       traversal->now >= traversal->tunnel_since + TRAVERSAL_DWELL_US;
}

bool traversal_may_leave(const struct traversal *traversal)
{
	return traversal_may_move(traversal) && traversal->direct_works &&
	       traversal->now >= traversal->direct_since + TRAVERSAL_APART_US;
}

uint64_t traversal_choice_at(const struct traversal *traversal)
{
	uint64_t at = traversal->now + 1;
	uint64_t dwelt = traversal->tunnel_since + TRAVERSAL_DWELL_US;
	uint64_t apart = traversal->direct_since + TRAVERSAL_APART_US;
	uint64_t quiet = traversal->media_last + TRAVERSAL_QUIET_US;
	if (at < dwelt)
		at = dwelt;
	if (at < apart)
		at = apart;
	if (traversal->media_known && at < quiet)
		at = quiet;
	return at;
}
