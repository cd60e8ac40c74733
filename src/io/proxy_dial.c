/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a proxy's address to a connection through it:
 *
 *     io/dial -> exchange with passwords -> (407: Negotiate) exchange in a child
 *
 * all within one time limit, which runs from the start and asks nobody.
 * Kerberos may ask its servers, and blocks until they answer; so Negotiate has
 * a process of its own, which passes the connection back. */
#include "io/proxy_dial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/text.h"
#include "io/clock.h"
#include "io/dial.h"
#include "io/errand.h"
#include "io/proxy_exchange.h"

enum { FOUND_MAX = 64 };

_Static_assert(sizeof(struct proxy_dial_result) <= ERRAND_MESSAGE_MAX, "one message");

struct proxy_dial {
	struct ev_loop *loop;
	struct proxy_dial_settings settings;
	void (*done)(void *user, const struct proxy_dial_result *result);
	void *user;
	struct ev_timer limit;
	uint64_t deadline; /* us */

	struct config_endpoint endpoint; /* of the proxy; borrows its name */
	struct config_endpoints endpoints;
	struct dial *dial;
	struct address found[FOUND_MAX];
	size_t found_count;

	struct proxy_exchange_settings asked;
	struct proxy_exchange *exchange;
	struct errand *errand;
	struct proxy_dial_result refusal; /* what the proxy said before Negotiate */
};

static void finish(struct proxy_dial *dial, const struct proxy_dial_result *result)
{
	ev_timer_stop(dial->loop, &dial->limit);
	dial->done(dial->user, result);
	free(dial);
}

static void fail(struct proxy_dial *dial, enum proxy_failure failure, const char *words, int error)
{
	struct proxy_dial_result result = {.failure = failure, .fd = -1};
	reason_set(&result.why, "%s%s%s", words, error ? ": " : "", error ? strerror(error) : "");
	finish(dial, &result);
}

/* --- the time limit ---------------------------------------------------- */

static void on_limit(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop, (void)events;
	struct proxy_dial *dial = timer->data;
	struct proxy_dial_result result = {.failure = PROXY_SILENT, .fd = -1};
	proxy_exchange_explain_silence(dial->exchange, &result);
	proxy_exchange_cancel(dial->exchange);
	finish(dial, &result);
}

/* What is left of the whole time. */
static uint64_t time_left(const struct proxy_dial *dial)
{
	uint64_t now = clock_now();
	return dial->deadline > now ? dial->deadline - now : 1;
}

/* While there is no exchange, io/dial and the errand keep to the time. */
static void arm_limit(struct proxy_dial *dial)
{
	ev_now_update(dial->loop);
	ev_timer_stop(dial->loop, &dial->limit);
	ev_timer_init(&dial->limit, on_limit, (double)time_left(dial) / 1e6, 0.);
	ev_timer_start(dial->loop, &dial->limit);
}

/* --- Negotiate, in the child ------------------------------------------- */

struct child {
	struct ev_loop *loop;
	struct proxy_dial_result result;
};

static void on_child_exchange(
	void *user, const struct proxy_dial_result *result, bool negotiate_next)
{
	(void)negotiate_next;
	struct child *child = user;
	child->result = *result;
	ev_break(child->loop, EVBREAK_ALL);
}

/* A key table is used without leaving a ticket anywhere. */
static void choose_kerberos(const struct proxy_dial_settings *settings)
{
	if (settings->keytab) {
		setenv("KRB5_CLIENT_KTNAME", settings->keytab, 1);
		setenv("KRB5CCNAME", "MEMORY:", 1);
	} else if (settings->credential_cache) {
		setenv("KRB5CCNAME", settings->credential_cache, 1);
	}
}

static void negotiate(int parent, const void *argument)
{
	const struct proxy_dial *dial = argument;
	struct proxy_exchange_settings settings = dial->asked;
	struct proxy_exchange *exchange;
	struct child child = {.loop = ev_loop_new(EVFLAG_AUTO)};
	struct reason why;
	settings.fd = -1;
	settings.negotiate = true;
	choose_kerberos(&dial->settings);
	if (!child.loop || proxy_exchange_start(&exchange, child.loop, &settings, on_child_exchange,
				   &child, &why) < 0)
		return;
	ev_run(child.loop, 0);
	errand_reply(parent, &child.result, sizeof(child.result), child.result.fd);
}

/* --- Negotiate, seen from here ----------------------------------------- */

static void on_errand(void *user, const struct errand_result *errand)
{
	struct proxy_dial *dial = user;
	struct proxy_dial_result result = dial->refusal;
	dial->errand = NULL;
	if (errand->end == ERRAND_DONE && errand->length == sizeof(result)) {
		memcpy(&result, errand->message, sizeof(result));
		result.fd = errand->fd;
		if (result.failure == PROXY_OK && result.fd < 0) {
			result.failure = PROXY_LOCAL;
			reason_set(&result.why, "no descriptor is left for the proxy's connection");
		}
	} else if (errand->end == ERRAND_LATE) {
		reason_set(&result.why,
			"proxy %s port %u wants credentials (it offers: %s); nothing came of "
			"Negotiate "
			"in time: is the Kerberos server reachable from here?",
			dial->settings.proxy->host, dial->settings.proxy->port, result.schemes);
	}
	finish(dial, &result);
}

static void begin_negotiate(struct proxy_dial *dial, const struct proxy_dial_result *refusal)
{
	dial->refusal = *refusal;
	ev_timer_stop(dial->loop, &dial->limit);
	int error = errand_start(
		&dial->errand, dial->loop, time_left(dial), negotiate, dial, on_errand, dial);
	if (error < 0)
		fail(dial, PROXY_LOCAL, "cannot start a process for Kerberos", -error);
}

/* --- passwords --------------------------------------------------------- */

static void on_exchange(void *user, const struct proxy_dial_result *result, bool negotiate_next)
{
	struct proxy_dial *dial = user;
	dial->exchange = NULL;
	if (negotiate_next)
		begin_negotiate(dial, result);
	else
		finish(dial, result);
}

static void begin_exchange(struct proxy_dial *dial, int fd)
{
	socklen_t size = sizeof(dial->asked.peer);
	dial->asked.dial = &dial->settings;
	dial->asked.fd = fd;
	struct reason why;
	if (getpeername(fd, (struct sockaddr *)&dial->asked.peer, &size) < 0) {
		close(fd);
		fail(dial, PROXY_NONSENSE, "the proxy hung up at once", 0);
	} else if (proxy_exchange_start(
			   &dial->exchange, dial->loop, &dial->asked, on_exchange, dial, &why)) {
		close(fd);
		fail(dial, PROXY_LOCAL, why.text, 0);
	} else {
		arm_limit(dial);
	}
}

/* --- the proxy's addresses --------------------------------------------- */

static void on_dialled(void *user, const struct dial_result *dialled)
{
	static const enum proxy_failure failures[] = {[DIAL_OK] = PROXY_OK,
		[DIAL_NO_NAME] = PROXY_NO_NAME,
		[DIAL_UNREACHABLE] = PROXY_UNREACHABLE,
		[DIAL_LOCAL] = PROXY_LOCAL};
	struct proxy_dial *dial = user;
	dial->found_count = dial_addresses(dial->dial, dial->found, FOUND_MAX);
	dial->dial = NULL;
	if (dialled->failure == DIAL_OK) {
		begin_exchange(dial, dialled->fd);
		return;
	}
	struct proxy_dial_result result = {.failure = failures[dialled->failure], .fd = -1};
	result.port = dialled->port;
	reason_set(&result.why, "%s%.*s", dialled->failure == DIAL_LOCAL ? "" : "proxy ",
		REASON_MAX - 8, dialled->why.text);
	finish(dial, &result);
}

static void begin_dial(struct proxy_dial *dial)
{
	struct dial_settings settings = {.endpoints = &dial->endpoints,
		.mark = dial->settings.mark,
		.timeout = dial->settings.timeout,
		.cached = dial->settings.cached,
		.cached_count = dial->settings.cached_count};
	int error = dial_start(&dial->dial, dial->loop, &settings, on_dialled, dial);
	if (error < 0)
		fail(dial, PROXY_LOCAL, "cannot connect to the proxy", -error);
}

/* --- the whole of it --------------------------------------------------- */

static void on_begin(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop, (void)events;
	struct proxy_dial *dial = timer->data;
	if (dial->settings.proxy->scheme == PROXY_HTTPS) {
		struct proxy_dial_result result = {.failure = PROXY_UNSUPPORTED, .fd = -1};
		reason_set(&result.why,
			"proxy %s port %u: it is itself reached over TLS (https://), which is not "
			"supported; use its http:// address",
			dial->settings.proxy->host, dial->settings.proxy->port);
		finish(dial, &result);
		return;
	}
	begin_dial(dial);
}

/* What goes into a URL and into a header line. */
static bool is_target(const char *host)
{
	struct address address;
	return text_is_host_name((const uint8_t *)host, strlen(host)) ||
	       address_parse(&address, host);
}

int proxy_dial_start(struct proxy_dial **out, struct ev_loop *loop,
	const struct proxy_dial_settings *settings,
	void (*done)(void *user, const struct proxy_dial_result *result), void *user)
{
	if (!is_target(settings->host) || settings->port == 0)
		return -EINVAL;
	struct proxy_dial *dial = calloc(1, sizeof(*dial));
	if (!dial)
		return -ENOMEM;
	dial->loop = loop;
	dial->settings = *settings;
	dial->done = done;
	dial->user = user;
	dial->deadline = clock_now() + settings->timeout;
	dial->endpoint.host = (char *)(uintptr_t)settings->proxy->host;
	dial->endpoint.port = settings->proxy->port;
	dial->endpoints = (struct config_endpoints){.items = &dial->endpoint, .count = 1};
	ev_now_update(loop);
	ev_timer_init(&dial->limit, on_begin, 0., 0.);
	dial->limit.data = dial;
	ev_timer_start(loop, &dial->limit);
	*out = dial;
	return 0;
}

void proxy_dial_cancel(struct proxy_dial *dial)
{
	if (!dial)
		return;
	ev_timer_stop(dial->loop, &dial->limit);
	dial_cancel(dial->dial);
	proxy_exchange_cancel(dial->exchange);
	errand_cancel(dial->errand);
	free(dial);
}

size_t proxy_dial_addresses(const struct proxy_dial *dial, struct address *out, size_t room)
{
	size_t count = dial->found_count < room ? dial->found_count : room;
	memcpy(out, dial->found, count * sizeof(*out));
	return count;
}
