/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The scheduler's classes as an administrator configures them ([classes]): lists
 * of PORT, PORT-PORT and PREFIX/LENGTH. */
#ifndef TSCF_CORE_CLASS_RULE_H
#define TSCF_CORE_CLASS_RULE_H

#include "core/config.h"
#include "core/sched.h"

/* One list per class but the last, in the order of enum sched_class. */
struct class_lists {
	struct config_list signalling, audio, video, bulk;
};

/* NULL when it is one item of such a list, else what it is not. */
const char *class_rule_fault(const char *text);
/* 0, or -EINVAL with the reason when they are too many. */
int class_lists_check(const struct class_lists *lists, struct reason *why);
/* Into the policy, in the place of the rules it has; those that are too many or
 * no rules are left out. */
void class_rules_set(struct sched_policy *policy, const struct class_lists *lists);

/* Whether the rule is about this packet.  A port rule needs ports, so none fits a
 * fragment; for audio and video, which are dropped when they are late, only UDP
 * counts. */
bool class_rule_fits(const struct sched_rule *rule, const struct packet *packet);

#endif
