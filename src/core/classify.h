/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which class of service a packet belongs to. */
#ifndef TSCF_CORE_CLASSIFY_H
#define TSCF_CORE_CLASSIFY_H

#include "core/packet.h"

/* In the order of priority. */
enum sched_class {
	SCHED_SIGNALLING,
	SCHED_AUDIO,
	SCHED_VIDEO,
	SCHED_BULK,
	SCHED_CLASSES,
};

struct sched_policy;

/* By the policy's rules, which the administrator made (core/class_rule); without
 * one that fits by DSCP (CS3, CS5, AF31 signalling; EF audio; AF41 video), else by
 * P-CSCF address, SIP ports, ESP and UDP 4500 (signalling), UDP by size (audio
 * up to 400 octets, larger is video), the rest is bulk.
 *
 * Fragments agree with each other without a table: DSCP, addresses and
 * protocol are in each of them, and a fragmented UDP packet is never small.
 * Only SIP between hosts that are no configured P-CSCF, where just the first
 * fragment has ports, is split: signalling, then video. */
enum sched_class sched_classify(const struct sched_policy *policy, const struct packet *packet);
const char *sched_class_name(enum sched_class service);

#endif
