/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/class_rule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool parse_port(const char *text, char **end, uint16_t *out)
{
	if (*text < '0' || *text > '9')
		return false;
	unsigned long value = strtoul(text, end, 10);
	if (value == 0 || value > UINT16_MAX)
		return false;
	*out = (uint16_t)value;
	return true;
}

static bool parse_ports(const char *text, struct sched_rule *out)
{
	char *end;
	if (!parse_port(text, &end, &out->first))
		return false;
	out->last = out->first;
	if (*end == '-' && !parse_port(end + 1, &end, &out->last))
		return false;
	return *end == '\0' && out->first <= out->last;
}

static bool parse(const char *text, struct sched_rule *out)
{
	*out = (struct sched_rule){.service = SCHED_BULK};
	if (parse_ports(text, out))
		return true;
	out->first = out->last = 0;
	return strchr(text, '/') && prefix_parse(&out->prefix, text);
}

const char *class_rule_fault(const char *text)
{
	struct sched_rule rule;
	return parse(text, &rule)
		       ? NULL
		       : "is neither a port, nor a range of ports (FIRST-LAST), nor a prefix "
			 "(ADDRESS/LENGTH)";
}

int class_lists_check(const struct class_lists *lists, struct reason *why)
{
	size_t count = lists->signalling.count + lists->audio.count + lists->video.count +
		       lists->bulk.count;
	if (count <= SCHED_RULES_MAX)
		return 0;
	reason_set(why, "[classes] has %zu ports and prefixes; at most %u fit", count,
		SCHED_RULES_MAX);
	return -EINVAL;
}

void class_rules_set(struct sched_policy *policy, const struct class_lists *lists)
{
	const struct config_list *of_class[SCHED_CLASSES] = {
		[SCHED_SIGNALLING] = &lists->signalling,
		[SCHED_AUDIO] = &lists->audio,
		[SCHED_VIDEO] = &lists->video,
		[SCHED_BULK] = &lists->bulk,
	};
	policy->rule_count = 0;
	for (unsigned service = 0; service < SCHED_CLASSES; service++)
		for (size_t i = 0; i < of_class[service]->count; i++) {
			struct sched_rule rule;
			if (policy->rule_count == SCHED_RULES_MAX ||
				!parse(of_class[service]->items[i], &rule))
				continue;
			rule.service = (uint8_t)service;
			policy->rules[policy->rule_count++] = rule;
		}
}

static bool has_port_in(const struct packet *packet, uint16_t first, uint16_t last)
{
	return (packet->source_port >= first && packet->source_port <= last) ||
	       (packet->destination_port >= first && packet->destination_port <= last);
}

bool class_rule_fits(const struct sched_rule *rule, const struct packet *packet)
{
	bool perishable = rule->service == SCHED_AUDIO || rule->service == SCHED_VIDEO;
	if (perishable && packet->protocol != PROTOCOL_UDP)
		return false;
	if (rule->last)
		return packet->has_ports && !packet->fragment &&
		       has_port_in(packet, rule->first, rule->last);
	return prefix_contains_octets(&rule->prefix, packet->version, packet->source) ||
	       prefix_contains_octets(&rule->prefix, packet->version, packet->destination);
}
