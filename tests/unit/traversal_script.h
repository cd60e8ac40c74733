/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Traversals as scripts, one line per event:
 *
 *   SECONDS EVENT ... | ACTION, ACTION ...
 *
 *   0    start             | kernel absent, start sip, publish unknown/unknown/new-network
 *   4    timer             | cancel sip, start nat
 *   5    nat failed reset  | start tls, timer 11
 *
 * Events: start, network, resume, kick, timer, confirmed, alive, lost [CAUSE],
 * report ok|failed, media on, media off LAST, and STEP with passed [nat]
 * [signalling], failed CAUSE, skipped CAUSE, refused CAUSE [RETRY], progress
 * CAUSE.  Actions: start STEP, cancel STEP, use PATH, leave, check, kernel
 * STATE, publish VERDICT/FIREWALL/CAUSE, timer SECONDS; timers are compared
 * only where a line names one, and all else always.  The random bits are
 * always 0x80000000, so that a re-probe comes after 900 s. */
#ifndef TSCF_TESTS_TRAVERSAL_SCRIPT_H
#define TSCF_TESTS_TRAVERSAL_SCRIPT_H

#include "core/traversal.h"

struct traversal_script {
	const char *name;
	/* Any of: always probe-only proxy-first overlap no-media, and
	 * no-sip no-nat no-tls no-proxy for a step without a target. */
	const char *options;
	const char *text;
};

/* Default timeouts, all targets but those that the options take away. */
void traversal_script_setup(struct traversal *traversal, const char *options);
/* The number of lines on which something else happened; each is printed. */
unsigned traversal_script_run(const struct traversal_script *script, struct traversal *traversal);

#endif
