/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ordering what DNS says about a SIP domain. */
#include "core/sip_dns.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Without the dot of the root that some write at the end. */
static bool take_name(char out[SIP_DNS_NAME], const char *name)
{
	size_t length = strlen(name);
	if (length > 0 && name[length - 1] == '.')
		length--;
	if (!text_is_host_name((const uint8_t *)name, length))
		return false;
	memcpy(out, name, length);
	out[length] = '\0';
	return true;
}

bool naptr_set(struct naptr *out, unsigned transports, const char *flags, const char *service,
	const char *regexp, const char *replacement)
{
	static const struct {
		const char *service;
		enum transport transport;
	} known[] = {{"SIP+D2U", OVER_UDP}, {"SIP+D2T", OVER_TCP}, {"SIPS+D2T", OVER_TLS}};
	/* Flag S: SRV records follow; a regexp would have to be empty then. */
	if (strcasecmp(flags, "s") != 0 || regexp[0] != '\0')
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcasecmp(service, known[i].service) != 0 ||
			!(transports & 1u << known[i].transport))
			continue;
		out->transport = known[i].transport;
		return take_name(out->replacement, replacement);
	}
	return false;
}

static bool naptr_before(const struct naptr *a, const struct naptr *b)
{
	return a->order != b->order ? a->order < b->order : a->preference < b->preference;
}

void naptr_sort(struct naptr *records, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct naptr moved = records[i];
		size_t at = i;
		for (; at > 0 && naptr_before(&moved, &records[at - 1]); at--)
			records[at] = records[at - 1];
		records[at] = moved;
	}
}

bool srv_set(struct srv *out, uint16_t priority, uint16_t weight, uint16_t port, const char *target)
{
	out->priority = priority;
	out->weight = weight;
	out->port = port;
	return port != 0 && take_name(out->target, target);
}

/* Records of weight 0 stand first in their priority, so that they have a small
 * chance too. */
static bool srv_before(const struct srv *a, const struct srv *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority;
	return a->weight == 0 && b->weight != 0;
}

/* The one to be next among the `count` of one priority. */
static size_t draw(const struct srv *records, size_t count, uint32_t random)
{
	uint32_t sum = 0, running = 0;
	for (size_t i = 0; i < count; i++)
		sum += records[i].weight;
	uint32_t wanted = (uint32_t)((uint64_t)random * (sum + 1) >> 32); /* 0 to sum */
	for (size_t i = 0; i < count; i++) {
		running += records[i].weight;
		if (running >= wanted)
			return i;
	}
	return 0;
}

static void move_to_front(struct srv *records, size_t from)
{
	struct srv moved = records[from];
	memmove(records + 1, records, from * sizeof(*records));
	records[0] = moved;
}

void srv_sort(struct srv *records, size_t count, const uint32_t *random)
{
	for (size_t i = 1; i < count; i++) {
		size_t at = i;
		while (at > 0 && srv_before(&records[i], &records[at - 1]))
			at--;
		move_to_front(records + at, i - at);
	}
	for (size_t i = 0; i < count; i++) {
		size_t same = 1;
		while (i + same < count && records[i + same].priority == records[i].priority)
			same++;
		move_to_front(records + i, draw(records + i, same, random[i]));
	}
}

bool srv_name(char out[SIP_DNS_NAME], enum transport transport, const char *domain)
{
	const char *service = "_sips._tcp";
	switch (transport) {
	case OVER_UDP:
		service = "_sip._udp";
		break;
	case OVER_TCP:
		service = "_sip._tcp";
		break;
	case OVER_TLS:
		break;
	}
	int length = snprintf(out, SIP_DNS_NAME, "%s.%s", service, domain);
	return length > 0 && length < SIP_DNS_NAME;
}
