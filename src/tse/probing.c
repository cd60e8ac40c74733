/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Locates the servers, leaves out what may not be asked, and lets io/probe_step
 * ask the rest. */
#include "tse/probing.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "io/clock.h"
#include "io/lease_files.h"

/* A little less than the step has: what was tried shall still be told. */
static uint64_t timeout_of(const struct probing *probing)
{
	uint64_t timeout = probing->step == TRAVERSAL_SIP ? probing->config->sip_timeout
							  : probing->config->nat_timeout;
	return timeout - timeout / 20;
}

static void finish(struct probing *probing, const struct traversal_event *result)
{
	struct traversal_event event = *result;
	event.kind = TRAVERSAL_EVENT_RESULT;
	event.step = probing->step;
	event.target = *probing->target ? probing->target : NULL;
	probing->done(probing->user, &event);
}

/* --- what the answers mean ------------------------------------------------- */

/* An address that no interface has was put there by a NAT. */
static bool is_ours(const struct address *mapped)
{
	struct ifaddrs *all;
	bool ours = false;
	if (getifaddrs(&all) != 0)
		return true; /* without knowledge, claim nothing */
	for (const struct ifaddrs *at = all; at && !ours; at = at->ifa_next) {
		if (!at->ifa_addr)
			continue;
		if (mapped->version == 4 && at->ifa_addr->sa_family == AF_INET)
			ours = memcmp(&((const struct sockaddr_in *)at->ifa_addr)->sin_addr,
				       mapped->octets, 4) == 0;
		else if (mapped->version == 6 && at->ifa_addr->sa_family == AF_INET6)
			ours = memcmp(&((const struct sockaddr_in6 *)at->ifa_addr)->sin6_addr,
				       mapped->octets, 16) == 0;
	}
	freeifaddrs(all);
	return ours;
}

static bool is_translated(const struct probe_step_result *result)
{
	for (size_t i = 0; i < result->count; i++)
		if (result->results[i].outcome == PROBE_PASSED &&
			result->results[i].mapped.version && !is_ours(&result->results[i].mapped))
			return true;
	return false;
}

static bool passed_over_udp(const struct probing *probing, const struct probe_step_result *result)
{
	for (size_t i = 0; i < result->count; i++)
		if (result->results[i].outcome == PROBE_PASSED &&
			probing->targets[i].transport == OVER_UDP)
			return true;
	return false;
}

/* The most telling of what the targets met: any answer says more than silence. */
static enum traversal_cause worst_cause(const struct probe_step_result *result)
{
	enum traversal_cause cause = TRAVERSAL_CAUSE_TIMEOUT;
	for (size_t i = 0; i < result->count; i++)
		switch (result->results[i].outcome) {
		case PROBE_REFUSED:
		case PROBE_CLOSED:
			cause = TRAVERSAL_CAUSE_RESET;
			break;
		case PROBE_UNREACHABLE:
			if (cause == TRAVERSAL_CAUSE_TIMEOUT)
				cause = TRAVERSAL_CAUSE_UNREACHABLE;
			break;
		case PROBE_GARBAGE:
		case PROBE_TLS_FAILED:
			return TRAVERSAL_CAUSE_PROTOCOL;
		case PROBE_LOCAL:
			return TRAVERSAL_CAUSE_LOCAL;
		case PROBE_PASSED:
		case PROBE_SILENT:
		case PROBE_NOT_TRIED:
			break;
		}
	return cause;
}

static void on_probed(void *user, const struct probe_step_result *result)
{
	struct probing *probing = user;
	struct traversal_event event = {
		.outcome = result->passed ? TRAVERSAL_PASSED : TRAVERSAL_FAILED,
		/* Success needs no more words than its status. */
		.words = result->passed ? NULL : result->evidence.text,
		.behind_nat = is_translated(result),
	};
	probing->probes = NULL; /* frees itself now */
	if (result->passed)
		event.status = result->results[result->first].status;
	else
		event.cause = worst_cause(result);
	if (probing->step == TRAVERSAL_NAT) {
		/* Media is UDP.  An answer over TCP shows that a STUN server can be
		 * reached, but nothing about SIP: step sip has asked over TCP itself. */
		if (!passed_over_udp(probing, result)) {
			event.outcome = TRAVERSAL_FAILED;
			event.words = result->evidence.text;
			event.cause = TRAVERSAL_CAUSE_UDP_BLOCKED;
		}
		event.status = 0;
	}
	finish(probing, &event);
}

/* --- whom to ask ----------------------------------------------------------- */

static void describe(struct probing *probing)
{
	char text[ADDRESS_TEXT_MAX];
	const struct probe_target *first = &probing->targets[0];
	size_t others = probing->count - 1;
	int at = snprintf(probing->target, sizeof(probing->target), "%s %s port %u",
		transport_name(first->transport), address_format(&first->address, text),
		first->port);
	if (others && at > 0 && (size_t)at < sizeof(probing->target))
		snprintf(probing->target + at, sizeof(probing->target) - (size_t)at,
			" and %zu more", others);
}

/* A P-CSCF in private space is not asked directly: in a hotel that address is
 * the hotel's.  A STUN server is only asked what our address is. */
static void choose_targets(struct probing *probing, const struct locate_result *located)
{
	probing->count = 0;
	for (size_t i = 0; i < located->count && i < LOCATE_TARGETS; i++) {
		if (probing->step == TRAVERSAL_SIP && located->targets[i].is_private &&
			!probing->config->direct)
			continue;
		struct locate_target *kept = &probing->found[probing->count];
		*kept = located->targets[i];
		probing->targets[probing->count++] = locate_probe_target(kept);
	}
}

static void on_located(void *user, const struct locate_result *located)
{
	struct probing *probing = user;
	uint64_t spent = clock_now() - probing->started;
	uint64_t all = timeout_of(probing);

	probing->locate = NULL; /* frees itself now */
	choose_targets(probing, located);
	if (probing->count == 0) {
		bool named = located->count == 0 && *located->why.text;
		finish(probing, &(struct traversal_event){
					.outcome = named ? TRAVERSAL_FAILED : TRAVERSAL_SKIPPED,
					.cause = named            ? TRAVERSAL_CAUSE_NO_NAME
						 : located->count ? TRAVERSAL_CAUSE_PRIVATE_TARGET
								  : TRAVERSAL_CAUSE_NO_TARGET,
					.words = located->why.text,
				});
		return;
	}
	describe(probing);
	struct probe_step_settings settings = {
		.probe =
			{
				.protocol = probing->step == TRAVERSAL_SIP ? PROBE_SIP : PROBE_STUN,
				.mark = probing->config->fwmark,
				.timeout = spent < all ? all - spent : 1,
				.tls = probing->tls,
				.method = probing->config->probe == PROBE_REGISTER ? SIP_REGISTER
										   : SIP_OPTIONS,
				.identity = probing->config->probe_identity,
			},
		.targets = probing->targets,
		.count = probing->count,
		.all = probing->step == TRAVERSAL_NAT,
	};
	if (probe_step_start(&probing->probes, probing->loop, &settings, on_probed, probing) != 0)
		finish(probing, &(struct traversal_event){.outcome = TRAVERSAL_FAILED,
					.cause = TRAVERSAL_CAUSE_LOCAL,
					.words = "out of memory for probes"});
}

/* The domain of sip:user@domain. */
static const char *home_domain(const struct tse_config *config)
{
	const char *at = config->probe_identity ? strrchr(config->probe_identity, '@') : NULL;
	return at ? at + 1 : NULL;
}

void probing_start(struct probing *probing)
{
	const struct tse_config *config = probing->config;
	struct sip_lease lease = {.count = 0};
	struct locate_settings settings = {
		.p_cscf = &config->p_cscf,
		.domain = home_domain(config),
		.lease = &lease,
		.transports =
			config->sip_security == SIP_SECURITY_TLS ? 1u << OVER_TLS : ANY_TRANSPORT,
		.mark = config->fwmark,
		.timeout = timeout_of(probing) / 2,
	};
	int error;
	probing_cancel(probing);
	probing->started = clock_now();
	probing->target[0] = '\0';
	if (probing->step == TRAVERSAL_SIP) {
		lease_files_read(&lease, "");
		error = sip_locate(&probing->locate, probing->loop, &settings, on_located, probing);
	} else {
		settings.transports = ANY_TRANSPORT;
		error = stun_locate(&probing->locate, probing->loop, &config->stun, &settings,
			on_located, probing);
	}
	if (error)
		finish(probing, &(struct traversal_event){.outcome = TRAVERSAL_FAILED,
					.cause = TRAVERSAL_CAUSE_LOCAL,
					.words = "out of memory for probes"});
}

void probing_cancel(struct probing *probing)
{
	locate_cancel(probing->locate);
	probe_step_cancel(probing->probes);
	probing->locate = NULL;
	probing->probes = NULL;
}

const char *probing_target(const struct probing *probing, enum traversal_cause *why_not)
{
	const struct tse_config *config = probing->config;
	*why_not = TRAVERSAL_CAUSE_NO_TARGET;
	if (probing->step == TRAVERSAL_NAT)
		return config->stun.count ? config->stun.items[0] : NULL;
	if (config->sip_security == SIP_SECURITY_IPSEC_3GPP) {
		*why_not = TRAVERSAL_CAUSE_ONLY_REPORT;
		return NULL;
	}
	/* Without a name, DHCP may still give one. */
	if (config->p_cscf.count)
		return config->p_cscf.items[0];
	return home_domain(config) ? home_domain(config) : "P-CSCF by DHCP";
}

void probing_init(struct probing *probing, enum traversal_step step, struct ev_loop *loop,
	const struct tse_config *config, struct tls_context *tls,
	void (*done)(void *user, const struct traversal_event *event), void *user)
{
	*probing = (struct probing){
		.loop = loop,
		.config = config,
		.tls = tls,
		.step = step,
		.done = done,
		.user = user,
	};
}
