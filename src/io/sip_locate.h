/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the SIP probes go (RFC 3263), and the STUN probes: from what the
 * profile, DNS and the network's DHCP say to addresses, ports and transports,
 * in the order in which they are to be tried. */
#ifndef TSCF_IO_SIP_LOCATE_H
#define TSCF_IO_SIP_LOCATE_H

#include <ev.h>
#include <stdbool.h>

#include "core/config.h"
#include "core/sip_dns.h"
#include "core/sip_lease.h"
#include "io/probe.h"

enum { LOCATE_TARGETS = 32 };

enum locate_origin { LOCATE_CONFIGURED, LOCATE_DNS, LOCATE_DHCP };

struct locate_target {
	struct address address;
	uint16_t port;
	enum transport transport;
	char host[SIP_DNS_NAME]; /* as it was named; may be numeric */
	enum locate_origin origin;
	/* An address that belongs to whatever network one is in: probe it only
	 * when the profile says `direct = yes` (address_is_private). */
	bool is_private;
};

/* For a probe; borrows the host. */
static inline struct probe_target locate_probe_target(const struct locate_target *found)
{
	return (struct probe_target){.address = found->address,
		.port = found->port,
		.transport = found->transport,
		.host = found->host};
}

/* What is pointed to is borrowed during the call only. */
struct locate_settings {
	/* P-CSCFs: HOST, HOST:PORT, an address, or [IPV6]:PORT.  When there is one,
	 * nothing else is looked at. */
	const struct config_list *p_cscf;
	/* The home domain, asked for NAPTR and SRV; may be NULL. */
	const char *domain;
	/* What DHCP says (lease_files_read); may be NULL. */
	const struct sip_lease *lease;
	unsigned transports; /* bits of enum transport that may be used */
	uint32_t mark;
	uint64_t timeout; /* us, for all of DNS */
};

struct locate_result {
	const struct locate_target *targets;
	size_t count;
	/* Without a target: why, in words; empty when nobody named one, so that
	 * the step is to be skipped. */
	struct reason why;
};

struct locate;

/* `done` is called exactly once, never from within the call that starts it,
 * unless locate_cancel comes first; `result` is borrowed.  0 or -errno.
 *
 * A port that is given counts for every transport, but 5060 becomes 5061 for
 * TLS, and with 5061 only TLS is tried.  A name without a port is looked up as
 * NAPTR, SRV and then address; one with a port as address only. */
int sip_locate(struct locate **out, struct ev_loop *loop, const struct locate_settings *settings,
	void (*done)(void *user, const struct locate_result *result), void *user);

/* Servers as the profile names them: [stun:|stuns:|turn:|turns:]HOST[:PORT] (a
 * TURN server answers Binding Requests too); over TLS with an s, else UDP and
 * TCP.  UDP of all comes before TCP, and that before TLS. */
int stun_locate(struct locate **out, struct ev_loop *loop, const struct config_list *servers,
	const struct locate_settings *settings,
	void (*done)(void *user, const struct locate_result *result), void *user);

/* As probe_cancel. */
void locate_cancel(struct locate *locate);

#endif
