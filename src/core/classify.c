/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Classification: a few comparisons per packet, no state.  Applications that
 * mark their packets are believed; those that do not are guessed at by what
 * IMS traffic looks like. */
#include "core/classify.h"

#include <string.h>

#include "core/class_rule.h"
#include "core/sched.h"

enum {
	DSCP_CS3 = 24, /* RFC 4594 4.1, 4.2: signalling is CS5; CS3, AF31 are its older marks */
	DSCP_AF31 = 26,
	DSCP_AF41 = 34,
	DSCP_CS5 = 40,
	DSCP_EF = 46,
	PORT_SIP = 5060,
	PORT_SIPS = 5061,
	PORT_IPSEC_NAT = 4500, /* RFC 3948: ESP in UDP */
	/* 20 ms of G.711, 160 octets, is 200 with all headers; SRTP, 40 ms
	 * packets and IPv6 fit, a video packet hardly ever is that small. */
	AUDIO_MAX = 400,
};

static bool is_pcscf(const struct sched_policy *policy, const struct packet *packet)
{
	for (size_t i = 0; i < policy->pcscf_count; i++) {
		const struct address *pcscf = &policy->pcscf[i];
		size_t size = address_size(pcscf->version);
		if (pcscf->version == packet->version &&
			(memcmp(pcscf->octets, packet->source, size) == 0 ||
				memcmp(pcscf->octets, packet->destination, size) == 0))
			return true;
	}
	return false;
}

static bool has_port(const struct packet *packet, uint16_t port)
{
	return packet->has_ports &&
	       (packet->source_port == port || packet->destination_port == port);
}

/* A session border controller has media, and maybe files, on the address of its
 * P-CSCF.  RTP and RTCP begin with the version, 2 (RFC 3550 5.1), which neither
 * SIP nor STUN does.  A TCP connection to another port goes with bulk, where one
 * that seldom sends is served first. */
static bool is_something_else(const struct packet *packet)
{
	enum { UDP_HEADER = 8, RTP_VERSION_MASK = 0xc0, RTP_VERSION = 0x80 };
	if (!packet->has_ports || packet->fragment)
		return false;
	if (packet->protocol == PROTOCOL_TCP)
		return true;
	const uint8_t *payload = packet->octets + packet->l4_offset + UDP_HEADER;
	return packet->protocol == PROTOCOL_UDP &&
	       packet->length > (size_t)packet->l4_offset + UDP_HEADER &&
	       (*payload & RTP_VERSION_MASK) == RTP_VERSION;
}

enum sched_class sched_classify(const struct sched_policy *policy, const struct packet *packet)
{
	for (size_t i = 0; i < policy->rule_count; i++)
		if (class_rule_fits(&policy->rules[i], packet))
			return (enum sched_class)policy->rules[i].service;
	switch (packet->dscp) {
	case DSCP_CS3:
	case DSCP_CS5:
	case DSCP_AF31:
		return SCHED_SIGNALLING;
	case DSCP_EF:
		return SCHED_AUDIO;
	case DSCP_AF41:
		return SCHED_VIDEO;
	}
	if (packet->protocol == PROTOCOL_ESP || has_port(packet, PORT_SIP) ||
		has_port(packet, PORT_SIPS) ||
		(is_pcscf(policy, packet) && !is_something_else(packet)))
		return SCHED_SIGNALLING;
	if (packet->protocol != PROTOCOL_UDP)
		return SCHED_BULK;
	if (has_port(packet, PORT_IPSEC_NAT))
		return SCHED_SIGNALLING;
	return packet->length <= AUDIO_MAX && !packet->fragment ? SCHED_AUDIO : SCHED_VIDEO;
}

const char *sched_class_name(enum sched_class service)
{
	switch (service) {
	case SCHED_SIGNALLING:
		return "signalling";
	case SCHED_AUDIO:
		return "audio";
	case SCHED_VIDEO:
		return "video";
	case SCHED_BULK:
		return "bulk";
	case SCHED_CLASSES:
		break;
	}
	return "unknown";
}
