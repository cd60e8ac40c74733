/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a list of endpoints to one connection: which endpoint is in turn, what
 * its name resolves to, and how long it may take.  The race among the
 * addresses of one endpoint is io/race.
 *
 * Every event only records what happened; advance() alone decides what is
 * next.  So nothing here is ever re-entered, whatever c-ares calls when. */
#include "io/dial.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/race.h"
#include "io/resolve.h"

enum {
	DIAL_FOUND = 64, /* addresses kept for dial_addresses */
	/* us that a first IPv4 address waits for the AAAA answer; RFC 8305 3 */
	DIAL_RESOLUTION_DELAY = 50000,
	/* us without any answer until cached addresses are tried meanwhile */
	DIAL_CACHED_DELAY = 1000000,
};

/* What is known of the name of the endpoint in turn, per family. */
struct lookup {
	bool pending;
	uint64_t answered; /* us */
	enum resolve_status status;
	char problem[RESOLVE_PROBLEM_MAX];
};

struct dial {
	struct ev_loop *loop;
	struct dial_settings settings;
	void (*done)(void *user, const struct dial_result *result);
	void *user;
	struct ev_timer timer;
	uint64_t deadline;
	bool begun;

	/* The endpoint in turn. */
	size_t endpoint;
	uint64_t endpoint_began, endpoint_deadline;
	bool numeric, cached_used;
	struct resolve *resolve;
	struct lookup ipv6, ipv4;
	struct race race;

	/* All of them. */
	bool had_address;
	struct address found[DIAL_FOUND];
	size_t found_count;
	struct reason why;
};

static void wake(struct dial *dial, uint64_t in)
{
	ev_timer_stop(dial->loop, &dial->timer);
	ev_timer_set(&dial->timer, (double)in / 1e6, 0.);
	ev_timer_start(dial->loop, &dial->timer);
}

static const struct config_endpoint *endpoint_in_turn(const struct dial *dial)
{
	return &dial->settings.endpoints->items[dial->endpoint];
}

/* --- addresses --------------------------------------------------------- */

static void add_address(struct dial *dial, const struct address *address, uint32_t scope,
	enum attempt_origin origin)
{
	dial->had_address = true;
	race_add(&dial->race, address, scope, origin);
	for (size_t i = 0; i < dial->found_count; i++)
		if (address_equal(&dial->found[i], address))
			return;
	if (dial->found_count < DIAL_FOUND)
		dial->found[dial->found_count++] = *address;
}

/* A numeric host, with "%INTERFACE" when it is link-local. */
static bool parse_numeric(const char *host, struct address *address, uint32_t *scope)
{
	char text[ADDRESS_TEXT_MAX];
	size_t length = strcspn(host, "%");
	*scope = 0;
	if (length >= sizeof(text))
		return false;
	memcpy(text, host, length);
	text[length] = '\0';
	if (!address_parse(address, text))
		return false;
	if (host[length] == '%')
		*scope = if_nametoindex(host + length + 1);
	return true;
}

static bool cached_belongs(const struct dial *dial, size_t which)
{
	return !dial->settings.cached_endpoint ||
	       dial->settings.cached_endpoint[which] == dial->endpoint;
}

static bool names_pending(const struct dial *dial)
{
	return dial->ipv6.pending || dial->ipv4.pending;
}

static uint64_t cached_due(const struct dial *dial)
{
	uint64_t third = (dial->endpoint_deadline - dial->endpoint_began) / 3;
	return dial->endpoint_began + (third < DIAL_CACHED_DELAY ? third : DIAL_CACHED_DELAY);
}

/* Whether the addresses of an earlier time may still be needed. */
static bool wants_cached(const struct dial *dial)
{
	return !dial->numeric && !dial->cached_used && dial->race.count == 0 &&
	       dial->settings.cached_count > 0;
}

static void use_cached(struct dial *dial, uint64_t now)
{
	if (!wants_cached(dial) || (names_pending(dial) && now < cached_due(dial)))
		return;
	dial->cached_used = true;
	for (size_t i = 0; i < dial->settings.cached_count; i++)
		if (cached_belongs(dial, i))
			add_address(dial, &dial->settings.cached[i], 0, ATTEMPT_CACHED);
}

/* --- the endpoint in turn ---------------------------------------------- */

/* When the next address may start, if one waits. */
static uint64_t next_start(struct dial *dial)
{
	const struct attempt *next = race_next(&dial->race);
	if (!next)
		return UINT64_MAX;
	if (dial->race.started > 0)
		return dial->race.next_attempt;
	if (next->address.version == 6 || next->origin == ATTEMPT_CACHED || !dial->ipv6.pending)
		return 0;
	return dial->ipv4.answered + DIAL_RESOLUTION_DELAY;
}

static void on_race(void *user)
{
	wake(user, 0);
}

static void on_answer(void *user, uint8_t version, const struct resolve_answer *answer)
{
	struct dial *dial = user;
	struct lookup *lookup = version == 6 ? &dial->ipv6 : &dial->ipv4;
	lookup->pending = false;
	lookup->answered = clock_now();
	lookup->status = answer->status;
	memcpy(lookup->problem, answer->problem, sizeof(lookup->problem));
	for (size_t i = 0; i < answer->count; i++)
		add_address(dial, &answer->addresses[i], 0, ATTEMPT_RESOLVED);
	wake(dial, 0);
}

static void begin_resolving(struct dial *dial, const char *host)
{
	struct reason problem;
	dial->ipv6.pending = dial->ipv4.pending = true;
	int error = resolve_start(
		&dial->resolve, dial->loop, host, dial->settings.mark, on_answer, dial, &problem);
	if (error == 0)
		return;
	dial->ipv6 = (struct lookup){.status = RESOLVE_FAILED};
	dial->ipv4 = (struct lookup){.status = error == -ENOMEM ? RESOLVE_LOCAL : RESOLVE_FAILED};
	snprintf(dial->ipv4.problem, sizeof(dial->ipv4.problem), "%.*s",
		(int)sizeof(dial->ipv4.problem) - 1, problem.text);
}

/* Every endpoint has an even share of the time that is left. */
static void begin_endpoint(struct dial *dial, uint64_t now)
{
	const struct config_endpoint *endpoint = endpoint_in_turn(dial);
	uint64_t left = dial->deadline > now ? dial->deadline - now : 0;
	dial->endpoint_began = now;
	dial->endpoint_deadline = now + left / (dial->settings.endpoints->count - dial->endpoint);
	dial->cached_used = false;
	dial->ipv6 = dial->ipv4 = (struct lookup){.status = RESOLVE_FOUND};
	dial->race = (struct race){
		.loop = dial->loop,
		.mark = dial->settings.mark,
		.port = endpoint->port,
		.why = &dial->why,
		.changed = on_race,
		.user = dial,
	};
	reason_add(&dial->why, "%s%s port %u: ", dial->why.text[0] ? ". " : "", endpoint->host,
		endpoint->port);

	struct address address;
	uint32_t scope;
	dial->numeric = parse_numeric(endpoint->host, &address, &scope);
	if (dial->numeric)
		add_address(dial, &address, scope, ATTEMPT_NUMERIC);
	else
		begin_resolving(dial, endpoint->host);
}

static bool endpoint_is_over(const struct dial *dial, uint64_t now)
{
	return now >= dial->endpoint_deadline ||
	       (!names_pending(dial) && race_all_failed(&dial->race));
}

static void close_endpoint(struct dial *dial)
{
	race_fini(&dial->race);
	resolve_cancel(dial->resolve);
	dial->resolve = NULL;
}

/* Says why the name gave nothing to try, or only what was known before. */
static void explain_name(struct dial *dial, uint64_t now)
{
	const struct lookup *weightier =
		dial->ipv6.status > dial->ipv4.status ? &dial->ipv6 : &dial->ipv4;
	if (dial->numeric || (dial->race.count > 0 && !dial->cached_used))
		return; /* it did give addresses */
	if (names_pending(dial)) {
		char resolvers[128];
		resolve_describe(dial->resolve, resolvers, sizeof(resolvers));
		reason_add_separator(&dial->why);
		reason_add(&dial->why, "%s: ", resolvers);
		reason_add_silence(&dial->why, now - dial->endpoint_began);
	} else if (weightier->problem[0]) {
		reason_add_separator(&dial->why);
		reason_add(&dial->why, "%s", weightier->problem);
	}
}

static void end_endpoint(struct dial *dial, uint64_t now)
{
	race_give_up(&dial->race, now);
	explain_name(dial, now);
	close_endpoint(dial);
}

/* --- the whole of it --------------------------------------------------- */

static void finish(struct dial *dial, enum dial_failure failure, struct attempt *winner)
{
	struct dial_result result = {.failure = failure, .fd = -1, .endpoint = dial->endpoint};
	result.port = endpoint_in_turn(dial)->port;
	if (winner) {
		result.fd = winner->io.fd;
		result.address = winner->address;
		winner->io.fd = -1;
	} else {
		result.why = dial->why;
		result.error = dial->race.error;
	}
	ev_timer_stop(dial->loop, &dial->timer);
	close_endpoint(dial);
	dial->done(dial->user, &result);
	free(dial);
}

/* Our own side's fault in resolving ends everything, like that of a socket. */
static bool resolving_failed_locally(struct dial *dial)
{
	const struct lookup *lookup =
		dial->ipv6.status == RESOLVE_LOCAL ? &dial->ipv6 : &dial->ipv4;
	if (lookup->status != RESOLVE_LOCAL)
		return false;
	reason_set(&dial->why, "%s", lookup->problem);
	return true;
}

/* When something is due if no event comes before. */
static uint64_t next_due(struct dial *dial)
{
	uint64_t due = dial->endpoint_deadline;
	uint64_t start = next_start(dial);
	if (start < due)
		due = start;
	if (wants_cached(dial) && cached_due(dial) < due)
		due = cached_due(dial);
	return due;
}

static void advance(struct dial *dial)
{
	uint64_t now = clock_now();
	for (;;) {
		struct attempt *winner = race_winner(&dial->race);
		if (winner) {
			finish(dial, DIAL_OK, winner);
			return;
		}
		if (dial->race.local_fault || resolving_failed_locally(dial)) {
			finish(dial, DIAL_LOCAL, NULL);
			return;
		}
		use_cached(dial, now);
		if (endpoint_is_over(dial, now)) {
			end_endpoint(dial, now);
			if (dial->endpoint + 1 == dial->settings.endpoints->count) {
				finish(dial, dial->had_address ? DIAL_UNREACHABLE : DIAL_NO_NAME,
					NULL);
				return;
			}
			dial->endpoint++;
			begin_endpoint(dial, now);
		} else if (next_start(dial) <= now) {
			attempt_start(race_next(&dial->race), now);
		} else {
			break;
		}
	}
	uint64_t due = next_due(dial);
	wake(dial, due > now ? due - now : 0);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop, (void)events;
	struct dial *dial = timer->data;
	if (!dial->begun)
		begin_endpoint(dial, clock_now());
	dial->begun = true;
	advance(dial);
}

int dial_start(struct dial **out, struct ev_loop *loop, const struct dial_settings *settings,
	void (*done)(void *user, const struct dial_result *result), void *user)
{
	if (!settings->endpoints || settings->endpoints->count == 0)
		return -EINVAL;
	struct dial *dial = calloc(1, sizeof(*dial));
	if (!dial)
		return -ENOMEM;
	dial->loop = loop;
	dial->settings = *settings;
	dial->done = done;
	dial->user = user;
	dial->deadline = clock_now() + settings->timeout;
	ev_timer_init(&dial->timer, on_timer, 0., 0.);
	dial->timer.data = dial;
	ev_timer_start(loop, &dial->timer);
	*out = dial;
	return 0;
}

void dial_cancel(struct dial *dial)
{
	if (!dial)
		return;
	ev_timer_stop(dial->loop, &dial->timer);
	close_endpoint(dial);
	free(dial);
}

size_t dial_addresses(const struct dial *dial, struct address *out, size_t room)
{
	size_t count = dial->found_count < room ? dial->found_count : room;
	memcpy(out, dial->found, count * sizeof(*out));
	return count;
}

size_t dial_resolvers(struct address *out, size_t room)
{
	return resolve_servers(out, room);
}
