/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From names to targets.  Each name ("source") goes through NAPTR, SRV and
 * addresses at its own pace; what is found is an entry with a rank, and the
 * ranks give the order in the end, whatever came first.
 *
 *   source -> NAPTR -> SRV per transport -> entry -> host (A, AAAA) -> targets
 *
 * Every event only records what happened and asks what follows from it; the
 * timer alone ends it. */
#include "io/sip_locate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "io/clock.h"
#include "io/race.h"
#include "io/resolve.h"

enum {
	SOURCES = 8,
	LOOKUPS = 48,
	ENTRIES = 64,
	NAPTR_USED = 4, /* of a domain */
	SRV_USED = 8,   /* of a name */
	HOST_ADDRESSES = 2 * RESOLVE_ADDRESSES,
	/* us that answers may still come once an address is known */
	LOCATE_GRACE = 500000,
};

enum lookup_kind { LOOKUP_NAPTR, LOOKUP_SRV, LOOKUP_HOST };

/* One P-CSCF or domain, as it was named. */
struct source {
	char host[SIP_DNS_NAME];
	uint16_t port; /* 0: none was given */
	enum locate_origin origin;
	size_t srv_pending;
	bool srv_found;
};

struct lookup {
	struct locate *locate;
	struct resolve *resolve; /* owned */
	enum lookup_kind kind;
	char name[SIP_DNS_NAME];
	unsigned pending; /* answers that are still to come */
	struct source *source;
	enum transport transport; /* SRV */
	uint32_t rank;            /* SRV: of its NAPTR record */
	struct address addresses[HOST_ADDRESSES];
	size_t count;
	enum resolve_status status; /* the weightiest */
	char problem[RESOLVE_PROBLEM_MAX];
};

/* An address, or a host whose addresses are to be found. */
struct entry {
	uint32_t rank;
	struct address address;
	const struct lookup *host; /* NULL: address is known */
	char name[SIP_DNS_NAME];
	uint16_t port;
	enum transport transport;
	enum locate_origin origin;
};

struct locate {
	struct ev_loop *loop;
	uint32_t mark;
	unsigned transports;
	void (*done)(void *user, const struct locate_result *result);
	void *user;
	struct ev_timer timer;
	uint64_t began, deadline; /* us */
	bool found;
	struct source sources[SOURCES];
	struct lookup lookups[LOOKUPS];
	struct entry entries[ENTRIES];
	struct locate_target targets[LOCATE_TARGETS];
	size_t source_count, lookup_count, entry_count, target_count;
};

static void wake(struct locate *locate, uint64_t in)
{
	ev_timer_stop(locate->loop, &locate->timer);
	ev_timer_set(&locate->timer, (double)in / 1e6, 0.);
	ev_timer_start(locate->loop, &locate->timer);
}

/* Source, NAPTR record, SRV record: the earlier the better. */
static uint32_t rank_of(const struct locate *locate, const struct source *source, size_t naptr,
	size_t srv, enum transport transport)
{
	size_t which = (size_t)(source - locate->sources);
	return (uint32_t)(which << 24 | naptr << 16 | srv << 8 | (size_t)transport);
}

/* --- addresses --------------------------------------------------------- */

static void on_addresses(void *user, uint8_t version, const struct resolve_answer *answer)
{
	struct lookup *lookup = user;
	struct locate *locate = lookup->locate;
	(void)version;
	lookup->pending--;
	for (size_t i = 0; i < answer->count && lookup->count < HOST_ADDRESSES; i++)
		lookup->addresses[lookup->count++] = answer->addresses[i];
	if (answer->status >= lookup->status) {
		lookup->status = answer->status;
		memcpy(lookup->problem, answer->problem, sizeof(lookup->problem));
	}
	uint64_t soon = clock_now() + LOCATE_GRACE;
	if (answer->count > 0 && !locate->found && soon < locate->deadline)
		locate->deadline = soon;
	locate->found |= answer->count > 0;
	wake(locate, 0);
}

static struct lookup *new_lookup(struct locate *locate, enum lookup_kind kind, const char *name)
{
	if (locate->lookup_count == LOOKUPS)
		return NULL;
	struct lookup *lookup = &locate->lookups[locate->lookup_count++];
	*lookup = (struct lookup){.locate = locate, .kind = kind};
	snprintf(lookup->name, sizeof(lookup->name), "%s", name);
	return lookup;
}

static void fail_lookup(struct lookup *lookup, const struct reason *why)
{
	lookup->pending = 0;
	lookup->status = RESOLVE_LOCAL;
	snprintf(lookup->problem, sizeof(lookup->problem), "%.*s", (int)sizeof(lookup->problem) - 1,
		why->text);
}

/* The addresses of a name, asked for once however many want them. */
static const struct lookup *find_host(struct locate *locate, const char *name)
{
	for (size_t i = 0; i < locate->lookup_count; i++)
		if (locate->lookups[i].kind == LOOKUP_HOST &&
			strcmp(locate->lookups[i].name, name) == 0)
			return &locate->lookups[i];
	struct lookup *lookup = new_lookup(locate, LOOKUP_HOST, name);
	struct reason why;
	if (!lookup)
		return NULL;
	lookup->pending = 2;
	if (resolve_start(&lookup->resolve, locate->loop, name, locate->mark, on_addresses, lookup,
		    &why) < 0)
		fail_lookup(lookup, &why);
	return lookup;
}

/* `known`: what certificates are for, as opposed to an SRV record's target
 * (RFC 5922 4). */
static void add_entry(struct locate *locate, uint32_t rank, const char *host, const char *known,
	uint16_t port, enum transport transport, enum locate_origin origin)
{
	struct address address = {0};
	const struct lookup *lookup = NULL;
	if (locate->entry_count == ENTRIES)
		return;
	if (!address_parse(&address, host) && !(lookup = find_host(locate, host)))
		return;
	struct entry *entry = &locate->entries[locate->entry_count++];
	*entry = (struct entry){.rank = rank,
		.address = address,
		.host = lookup,
		.port = port,
		.transport = transport,
		.origin = origin};
	snprintf(entry->name, sizeof(entry->name), "%s", known);
}

/* --- SIP --------------------------------------------------------------- */

/* A host with the port that was given, or the default. */
static void add_host(struct locate *locate, const struct source *source)
{
	for (enum transport transport = OVER_UDP; transport <= OVER_TLS; transport++) {
		bool is_tls = transport == OVER_TLS;
		uint16_t port = source->port ? source->port : SIP_PORT;
		if (!(locate->transports & 1u << transport) || (port == SIP_TLS_PORT && !is_tls))
			continue;
		if (is_tls && port == SIP_PORT)
			port = SIP_TLS_PORT;
		add_entry(locate, rank_of(locate, source, 0, 0, transport), source->host,
			source->host, port, transport, source->origin);
	}
}

static void on_srv(void *user, const struct resolve_records *records)
{
	struct lookup *lookup = user;
	struct locate *locate = lookup->locate;
	struct source *source = lookup->source;
	struct srv sorted[SIP_DNS_RECORDS];
	uint32_t random[SIP_DNS_RECORDS];
	lookup->pending = 0;
	memcpy(sorted, records->srv, records->count * sizeof(*sorted));
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		memset(random, 0, sizeof(random));
	srv_sort(sorted, records->count, random);
	for (size_t i = 0; i < records->count && i < SRV_USED; i++)
		add_entry(locate, rank_of(locate, source, lookup->rank, i, lookup->transport),
			sorted[i].target, source->host, sorted[i].port, lookup->transport,
			source->origin);
	source->srv_found |= records->count > 0;
	if (--source->srv_pending == 0 && !source->srv_found)
		add_host(locate, source); /* RFC 3263 4.2 */
	wake(locate, 0);
}

static void ask_srv(struct locate *locate, struct source *source, const char *name,
	enum transport transport, size_t rank)
{
	struct reason why;
	struct lookup *lookup = new_lookup(locate, LOOKUP_SRV, name);
	if (!lookup)
		return;
	lookup->source = source;
	lookup->transport = transport;
	lookup->rank = (uint32_t)rank;
	lookup->pending = 1;
	source->srv_pending++;
	if (resolve_srv(&lookup->resolve, locate->loop, name, locate->mark, on_srv, lookup, &why) <
		0) {
		fail_lookup(lookup, &why);
		source->srv_pending--;
	}
}

/* RFC 3263 4.1: without NAPTR, the SRV records of all that we speak. */
static void ask_every_srv(struct locate *locate, struct source *source)
{
	for (enum transport transport = OVER_UDP; transport <= OVER_TLS; transport++) {
		char name[SIP_DNS_NAME];
		if (locate->transports & 1u << transport && srv_name(name, transport, source->host))
			ask_srv(locate, source, name, transport, transport);
	}
}

static void on_naptr(void *user, const struct resolve_records *records)
{
	struct lookup *lookup = user;
	struct locate *locate = lookup->locate;
	struct source *source = lookup->source;
	struct naptr sorted[SIP_DNS_RECORDS];
	size_t used = 0;
	lookup->pending = 0;
	memcpy(sorted, records->naptr, records->count * sizeof(*sorted));
	naptr_sort(sorted, records->count);
	source->srv_pending++; /* held until all have been asked */
	for (size_t i = 0; i < records->count && used < NAPTR_USED; i++) {
		if (!(locate->transports & 1u << sorted[i].transport))
			continue;
		ask_srv(locate, source, sorted[i].replacement, sorted[i].transport, used++);
	}
	if (used == 0)
		ask_every_srv(locate, source);
	if (--source->srv_pending == 0 && !source->srv_found)
		add_host(locate, source);
	wake(locate, 0);
}

static void add_source(
	struct locate *locate, const char *host, uint16_t port, enum locate_origin origin)
{
	struct address address;
	struct reason why;
	if (locate->source_count == SOURCES || strlen(host) >= SIP_DNS_NAME)
		return;
	struct source *source = &locate->sources[locate->source_count++];
	*source = (struct source){.port = port, .origin = origin};
	memcpy(source->host, host, strlen(host) + 1);
	struct lookup *lookup = NULL;
	if (port == 0 && !address_parse(&address, host))
		lookup = new_lookup(locate, LOOKUP_NAPTR, host);
	if (!lookup) {
		add_host(locate, source);
		return;
	}
	lookup->source = source;
	lookup->pending = 1;
	if (resolve_naptr(&lookup->resolve, locate->loop, host, locate->mark, on_naptr, lookup,
		    &why) < 0) {
		fail_lookup(lookup, &why);
		add_host(locate, source);
	}
}

/* The port is 0 when none was given.  False when it is no HOST[:PORT]. */
static bool parse_server(const char *text, char host[SIP_DNS_NAME], uint16_t *port)
{
	struct config_endpoint one = {0}, other = {0};
	bool ok = config_endpoint_parse(&one, text, 1) && config_endpoint_parse(&other, text, 2) &&
		  strlen(one.host) < SIP_DNS_NAME;
	if (ok) {
		memcpy(host, one.host, strlen(one.host) + 1);
		*port = one.port == other.port ? one.port : 0;
	}
	free(one.host);
	free(other.host);
	return ok;
}

static void add_sip_sources(struct locate *locate, const struct locate_settings *settings)
{
	char host[SIP_DNS_NAME];
	uint16_t port;
	for (size_t i = 0; settings->p_cscf && i < settings->p_cscf->count; i++)
		if (parse_server(settings->p_cscf->items[i], host, &port))
			add_source(locate, host, port, LOCATE_CONFIGURED);
	if (settings->p_cscf && settings->p_cscf->count > 0)
		return;
	if (settings->domain)
		add_source(locate, settings->domain, 0, LOCATE_DNS);
	for (size_t i = 0; settings->lease && i < settings->lease->count; i++)
		add_source(locate, settings->lease->servers[i], 0, LOCATE_DHCP);
}

/* --- STUN -------------------------------------------------------------- */

static void add_stun_server(struct locate *locate, const char *server, size_t which)
{
	static const struct {
		const char *scheme;
		bool is_tls;
	} schemes[] = {{"stun:", false}, {"turn:", false}, {"stuns:", true}, {"turns:", true}};
	bool wants_tls = false;
	char host[SIP_DNS_NAME];
	uint16_t port;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t length = strlen(schemes[i].scheme);
		if (strncmp(server, schemes[i].scheme, length) != 0)
			continue;
		wants_tls = schemes[i].is_tls;
		server += length;
		break;
	}
	if (!parse_server(server, host, &port))
		return;
	for (enum transport transport = OVER_UDP; transport <= OVER_TLS; transport++) {
		bool is_tls = transport == OVER_TLS;
		if (is_tls != wants_tls || !(locate->transports & 1u << transport))
			continue;
		add_entry(locate, (uint32_t)transport << 24 | (uint32_t)which, host, host,
			port     ? port
			: is_tls ? STUN_TLS_PORT
				 : STUN_PORT,
			transport, LOCATE_CONFIGURED);
	}
}

/* --- the end ----------------------------------------------------------- */

static void add_target(
	struct locate *locate, const struct entry *entry, const struct address *address)
{
	for (size_t i = 0; i < locate->target_count; i++) {
		const struct locate_target *other = &locate->targets[i];
		if (other->port == entry->port && other->transport == entry->transport &&
			address_equal(&other->address, address))
			return;
	}
	if (locate->target_count == LOCATE_TARGETS)
		return;
	struct locate_target *target = &locate->targets[locate->target_count++];
	*target = (struct locate_target){.address = *address,
		.port = entry->port,
		.transport = entry->transport,
		.origin = entry->origin,
		.is_private = address_is_private(address)};
	memcpy(target->host, entry->name, sizeof(target->host));
}

/* IPv6 before IPv4, as RFC 6724 would for public addresses. */
static void add_targets_of(struct locate *locate, const struct entry *entry)
{
	if (!entry->host)
		add_target(locate, entry, &entry->address);
	for (uint8_t version = 6; entry->host && version >= 4; version -= 2)
		for (size_t i = 0; i < entry->host->count; i++)
			if (entry->host->addresses[i].version == version)
				add_target(locate, entry, &entry->host->addresses[i]);
}

static int compare_entries(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	return a->rank < b->rank ? -1 : a->rank > b->rank;
}

static void explain(const struct locate *locate, uint64_t now, struct reason *why)
{
	for (size_t i = 0; i < locate->lookup_count; i++) {
		const struct lookup *lookup = &locate->lookups[i];
		char resolvers[128];
		if (lookup->pending == 0 && lookup->kind != LOOKUP_HOST)
			continue;
		reason_add(why, "%s%s: ", why->text[0] ? "; " : "", lookup->name);
		if (lookup->pending == 0) {
			reason_add(why, "%s", lookup->problem);
			continue;
		}
		reason_add(why,
			"%s: ", resolve_describe(lookup->resolve, resolvers, sizeof(resolvers)));
		reason_add_silence(why, now - locate->began);
	}
}

static void release(struct locate *locate)
{
	ev_timer_stop(locate->loop, &locate->timer);
	for (size_t i = 0; i < locate->lookup_count; i++)
		resolve_cancel(locate->lookups[i].resolve);
}

static void finish(struct locate *locate, uint64_t now)
{
	struct locate_result result = {.targets = locate->targets};
	qsort(locate->entries, locate->entry_count, sizeof(*locate->entries), compare_entries);
	for (size_t i = 0; i < locate->entry_count; i++)
		add_targets_of(locate, &locate->entries[i]);
	result.count = locate->target_count;
	if (result.count == 0)
		explain(locate, now, &result.why);
	release(locate);
	locate->done(locate->user, &result);
	free(locate);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop, (void)events;
	struct locate *locate = timer->data;
	uint64_t now = clock_now();
	bool pending = false;
	for (size_t i = 0; i < locate->lookup_count; i++)
		pending |= locate->lookups[i].pending > 0;
	if (!pending || now >= locate->deadline)
		finish(locate, now);
	else
		wake(locate, locate->deadline - now);
}

static struct locate *new_locate(struct ev_loop *loop, const struct locate_settings *settings,
	void (*done)(void *user, const struct locate_result *result), void *user)
{
	struct locate *locate = calloc(1, sizeof(*locate));
	if (!locate)
		return NULL;
	locate->loop = loop;
	locate->mark = settings->mark;
	locate->transports = settings->transports;
	locate->done = done;
	locate->user = user;
	locate->began = clock_now();
	locate->deadline = locate->began + settings->timeout;
	ev_timer_init(&locate->timer, on_timer, 0., 0.);
	locate->timer.data = locate;
	ev_timer_start(loop, &locate->timer);
	return locate;
}

int sip_locate(struct locate **out, struct ev_loop *loop, const struct locate_settings *settings,
	void (*done)(void *user, const struct locate_result *result), void *user)
{
	*out = new_locate(loop, settings, done, user);
	if (!*out)
		return -ENOMEM;
	add_sip_sources(*out, settings);
	return 0;
}

int stun_locate(struct locate **out, struct ev_loop *loop, const struct config_list *servers,
	const struct locate_settings *settings,
	void (*done)(void *user, const struct locate_result *result), void *user)
{
	*out = new_locate(loop, settings, done, user);
	if (!*out)
		return -ENOMEM;
	for (size_t i = 0; i < servers->count; i++)
		add_stun_server(*out, servers->items[i], i);
	return 0;
}

void locate_cancel(struct locate *locate)
{
	if (!locate)
		return;
	release(locate);
	free(locate);
}
