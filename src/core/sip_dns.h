/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which of the NAPTR and SRV records of a SIP domain count, and in what order
 * they are tried (RFC 3263 4.1 and 4.2, RFC 3403, RFC 2782).  Records come from
 * the resolver; randomness is passed in. */
#ifndef TSCF_CORE_SIP_DNS_H
#define TSCF_CORE_SIP_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/text.h"
#include "core/transport.h"

enum { SIP_DNS_RECORDS = 16, SIP_DNS_NAME = TEXT_HOST_NAME_MAX + 1 };

struct naptr {
	uint16_t order, preference;
	enum transport transport;
	char replacement[SIP_DNS_NAME]; /* where its SRV records are */
};

struct srv {
	uint16_t priority, weight, port;
	char target[SIP_DNS_NAME];
};

/* Takes a NAPTR record's texts if they lead to SRV records of SIP over one of
 * `transports` (bits): "SIP+D2U", "SIP+D2T", "SIPS+D2T"; false: not for us. */
bool naptr_set(struct naptr *out, unsigned transports, const char *flags, const char *service,
	const char *regexp, const char *replacement);
/* By order, then preference; records that are equal keep theirs. */
void naptr_sort(struct naptr *records, size_t count);

/* False when the target is no host name, or "." ("no such service here"). */
bool srv_set(
	struct srv *out, uint16_t priority, uint16_t weight, uint16_t port, const char *target);
/* By priority; within one, drawn by weight (RFC 2782, "Weight").  `random` has
 * one number of 32 random bits per record; at most SIP_DNS_RECORDS. */
void srv_sort(struct srv *records, size_t count, const uint32_t *random);

/* The name of the SRV records of a domain without NAPTR: "_sip._udp.DOMAIN".
 * False when it does not fit. */
bool srv_name(char out[SIP_DNS_NAME], enum transport transport, const char *domain);

#endif
