/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steps 2 and 3 up to the end of the TLS handshake. */
#include "tse/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "io/clock.h"

/* For the search for a portal, once a step has failed. */
enum { PORTAL_US = 2000000 };

/* 2026-11-01: a clock that shows less is wrong. */
static const time_t program_made = 1793491200;

void connection_describe(const struct config_endpoints *servers, char text[CONNECTION_TARGET])
{
	size_t at = 0;
	text[0] = '\0';
	for (size_t i = 0; i < servers->count && at < CONNECTION_TARGET; i++)
		at += (size_t)snprintf(text + at, CONNECTION_TARGET - at, "%s%s port %u",
			i ? ", " : "", servers->items[i].host, servers->items[i].port);
}

const struct config_endpoint *connection_server(const struct connection *connection)
{
	return &connection->servers->items[connection->endpoint];
}

/* The profile's own, of which we know addresses. */
static bool is_of_profile(const struct connection *connection)
{
	return connection->servers == &connection->pool->config->servers;
}

/* --- failing -------------------------------------------------------------- */

static void report_failure(struct connection *connection)
{
	struct connection_failure failure = connection->failure;
	failure.words = connection->held.text;
	connection->events->failed(connection, &failure);
}

static void on_portal(void *user, const struct portal_result *result)
{
	struct connection *connection = user;
	connection->portal = NULL; /* frees itself now */
	if (result->found) {
		connection->failure.cause = TRAVERSAL_CAUSE_CAPTIVE;
		connection->failure.status = STATUS_CAPTIVE;
		reason_set(&connection->held, "%s", result->evidence.text);
	}
	report_failure(connection);
}

/* A portal answers in everybody's place; so what looks like interception, or
 * like a broken server, may be one.  A refused or silent one only says so before
 * there was a tunnel, and where the direct way is tried at all. */
static bool may_be_portal(const struct connection *connection)
{
	enum traversal_cause cause = connection->failure.cause;
	if (cause == TRAVERSAL_CAUSE_RESET || cause == TRAVERSAL_CAUSE_TIMEOUT)
		return connection->pool->config->mode != MODE_ALWAYS;
	return cause == TRAVERSAL_CAUSE_INSPECTED || cause == TRAVERSAL_CAUSE_CERTIFICATE ||
	       cause == TRAVERSAL_CAUSE_PROTOCOL;
}

static bool look_for_portal(struct connection *connection)
{
	struct portal_settings settings = {
		.host = connection_server(connection)->host,
		.address =
			connection->outer.version ? connection->outer : connection->pool->cached[0],
		.mark = connection->pool->config->fwmark,
		.timeout = PORTAL_US,
	};
	return connection->step == TRAVERSAL_TLS && !connection->joins &&
	       !connection->pool->had_tunnel && may_be_portal(connection) &&
	       portal_start(&connection->portal, connection->pool->loop, &settings, on_portal,
		       connection) == 0;
}

/* `words` may belong to what is torn down later. */
static void fail(struct connection *connection, const struct connection_failure *failure)
{
	if (connection->ended)
		return;
	if (connection->servers == connection->pool->moved && !connection->joins &&
		!connection->was_ready)
		connection->pool->moved = NULL;
	connection->failure = *failure;
	reason_set(&connection->held, "%s", failure->words);
	if (!look_for_portal(connection))
		report_failure(connection);
}

/* --- the lane ------------------------------------------------------------- */

static void on_opened(struct lane *lane)
{
	struct connection *connection = connection_of(lane);
	connection->was_ready = true;
	connection->events->ready(connection);
}

static void on_envelope(struct lane *lane, const struct envelope *envelope)
{
	struct connection *connection = connection_of(lane);
	connection->events->envelope(connection, envelope);
}

static void on_writable(struct lane *lane)
{
	struct connection *connection = connection_of(lane);
	connection->events->writable(connection);
}

/* A certificate that is out of its time says something about one of two
 * clocks: ours is wrong if it is before this program was built. */
static enum traversal_cause expired_cause(void)
{
	return time(NULL) < program_made ? TRAVERSAL_CAUSE_CLOCK : TRAVERSAL_CAUSE_CERTIFICATE;
}

static struct connection_failure tls_failure_of(enum tls_failure failure)
{
	struct connection_failure out = {
		.outcome = TRAVERSAL_FAILED,
		.cause = TRAVERSAL_CAUSE_CERTIFICATE,
		.status = STATUS_BAD_CERTIFICATE,
	};
	switch (failure) {
	case TLS_FAILURE_UNTRUSTED:
	case TLS_FAILURE_WRONG_PIN:
		out.cause = TRAVERSAL_CAUSE_INSPECTED;
		break;
	case TLS_FAILURE_EXPIRED:
		out.cause = expired_cause();
		break;
	case TLS_FAILURE_WRONG_NAME:
	case TLS_FAILURE_REVOKED:
	case TLS_FAILURE_NO_CERTIFICATE:
	case TLS_FAILURE_BAD_CERTIFICATE:
		break;
	case TLS_FAILURE_WE_REJECTED:
		out.outcome = TRAVERSAL_STEP_REFUSED;
		out.cause = TRAVERSAL_CAUSE_AUTHENTICATION;
		out.status = STATUS_REJECTED;
		break;
	case TLS_FAILURE_NONE:
	case TLS_FAILURE_CONNECTION:
		out.cause = TRAVERSAL_CAUSE_RESET;
		out.status = STATUS_UNREACHABLE;
		break;
	case TLS_FAILURE_NO_COMMON:
	case TLS_FAILURE_NOT_TLS:
	case TLS_FAILURE_OTHER:
	case TLS_FAILURE_COUNT:
		out.cause = TRAVERSAL_CAUSE_PROTOCOL;
		out.status = STATUS_PROTOCOL;
		break;
	}
	return out;
}

static void on_ended(struct lane *lane, enum lane_end end, const char *why)
{
	struct connection *connection = connection_of(lane);
	struct connection_failure failure = {
		.outcome = TRAVERSAL_FAILED,
		.cause = TRAVERSAL_CAUSE_RESET,
		.status = STATUS_UNREACHABLE,
	};
	if (end == LANE_END_TLS) {
		failure = tls_failure_of(tls_failure(lane->tls));
	} else if (end == LANE_END_PROTOCOL) {
		failure.cause = TRAVERSAL_CAUSE_PROTOCOL;
		failure.status = STATUS_PROTOCOL;
	}
	failure.words = why;
	fail(connection, &failure);
}

static const struct lane_events lane_events = {
	.opened = on_opened,
	.envelope = on_envelope,
	.writable = on_writable,
	.ended = on_ended,
};

/* Takes fd. */
static void start_tls(struct connection *connection, int fd)
{
	struct connection_pool *pool = connection->pool;
	const char *host = connection_server(connection)->host;
	const char *sni = pool->config->sni ? pool->config->sni : host;
	struct tls *tls;

	if (tls_new(&tls, pool->tls, fd, host, sni) != 0) {
		close(fd);
		fail(connection, &(struct connection_failure){.outcome = TRAVERSAL_FAILED,
					 .cause = TRAVERSAL_CAUSE_LOCAL,
					 .status = STATUS_INTERNAL,
					 .words = "out of memory for a TLS connection"});
		return;
	}
	if (pool->session)
		tls_resume(tls, pool->session);
	connection->has_lane = true;
	lane_open(&connection->lane, pool->loop, fd, tls, &lane_events, connection, pool->scratch);
	connection->events->progress(connection, TRAVERSAL_CAUSE_TLS_STALLED);
}

/* --- step 2: directly ------------------------------------------------------ */

static struct connection_failure dial_failure_of(const struct dial_result *result)
{
	struct connection_failure failure = {
		.outcome = TRAVERSAL_FAILED,
		.cause = TRAVERSAL_CAUSE_TIMEOUT,
		.status = STATUS_UNREACHABLE,
		.error = result->error,
		.words = result->why.text,
	};
	if (result->failure == DIAL_NO_NAME) {
		failure.cause = TRAVERSAL_CAUSE_NO_NAME;
		failure.status = STATUS_NO_NAME;
	} else if (result->failure == DIAL_LOCAL) {
		failure.cause = TRAVERSAL_CAUSE_LOCAL;
		failure.status = STATUS_INTERNAL;
	} else if (result->error == ENETUNREACH || result->error == ENETDOWN) {
		failure.cause = TRAVERSAL_CAUSE_NO_NETWORK;
	} else if (result->error == ECONNREFUSED || result->error == ECONNRESET) {
		failure.cause = TRAVERSAL_CAUSE_RESET;
	} else if (result->error) {
		failure.cause = TRAVERSAL_CAUSE_UNREACHABLE;
	}
	return failure;
}

static void remember_addresses(struct connection *connection)
{
	struct address found[CONNECTION_CACHED];
	if (connection->joins || !is_of_profile(connection))
		return;
	size_t count = dial_addresses(connection->dial, found, CONNECTION_CACHED);
	if (count == 0)
		return;
	memcpy(connection->pool->cached, found, sizeof(found));
	connection->pool->cached_count = count;
}

static void on_dialed(void *user, const struct dial_result *result)
{
	struct connection *connection = user;
	char text[ADDRESS_TEXT_MAX];

	remember_addresses(connection);
	connection->dial = NULL; /* frees itself now */
	if (!connection->joins)
		connection->endpoint = result->endpoint;
	if (result->failure != DIAL_OK) {
		struct connection_failure failure = dial_failure_of(result);
		fail(connection, &failure);
		return;
	}
	connection->outer = result->address;
	connection->outer_port = result->port;
	snprintf(connection->target, sizeof(connection->target), "%s (%s) port %u",
		connection_server(connection)->host, address_format(&connection->outer, text),
		connection->outer_port);
	start_tls(connection, result->fd);
}

/* A little less than the step has: what was tried shall still be told. */
static uint64_t time_for(uint64_t timeout)
{
	return timeout - timeout / 20;
}

static int dial_directly(struct connection *connection)
{
	struct connection_pool *pool = connection->pool;
	struct dial_settings settings = {
		.endpoints = connection->joins ? &connection->join_endpoints : connection->servers,
		.mark = pool->config->fwmark,
		.timeout = time_for(pool->config->tls_timeout),
		.cached = pool->cached,
		.cached_count = is_of_profile(connection) ? pool->cached_count : 0,
	};
	return dial_start(&connection->dial, pool->loop, &settings, on_dialed, connection);
}

/* --- step 3: through the proxy --------------------------------------------- */

static struct connection_failure proxy_failure_of(const struct proxy_dial_result *result)
{
	struct connection_failure failure = {
		.outcome = TRAVERSAL_FAILED,
		.cause = TRAVERSAL_CAUSE_PROTOCOL,
		.status = STATUS_PROXY,
		.http = result->status,
		.words = result->why.text,
	};
	switch (result->failure) {
	case PROXY_UNSUPPORTED:
		failure.cause = TRAVERSAL_CAUSE_PROXY_UNSUPPORTED;
		break;
	case PROXY_NO_NAME:
		failure.cause = TRAVERSAL_CAUSE_NO_NAME;
		break;
	case PROXY_UNREACHABLE:
		failure.cause = TRAVERSAL_CAUSE_UNREACHABLE;
		break;
	case PROXY_SILENT:
		failure.cause = TRAVERSAL_CAUSE_TIMEOUT;
		break;
	case PROXY_AUTH:
		failure.cause = TRAVERSAL_CAUSE_PROXY_AUTH;
		failure.status = STATUS_PROXY_AUTH;
		break;
	case PROXY_PORTAL:
		failure.cause = TRAVERSAL_CAUSE_CAPTIVE;
		failure.status = STATUS_CAPTIVE;
		break;
	case PROXY_FORBIDDEN:
		failure.cause = TRAVERSAL_CAUSE_PROXY_DENIED;
		break;
	case PROXY_GATEWAY:
		failure.cause = TRAVERSAL_CAUSE_PROXY_GATEWAY;
		break;
	case PROXY_LOCAL:
		failure.cause = TRAVERSAL_CAUSE_LOCAL;
		failure.status = STATUS_INTERNAL;
		break;
	case PROXY_OK:
	case PROXY_NONSENSE:
		break;
	}
	return failure;
}

static int connect_by_proxy(struct connection *connection);

static void on_proxy_dialed(void *user, const struct proxy_dial_result *result)
{
	struct connection *connection = user;
	char proxy[PROXY_URL_MAX];

	connection->proxy_dial = NULL; /* frees itself now */
	connection->outer = result->address;
	connection->outer_port = result->port;
	if (result->failure == PROXY_GATEWAY && !connection->joins &&
		connection->endpoint + 1 < connection->servers->count) {
		connection->endpoint++; /* the proxy works; this TSCF does not */
		if (connect_by_proxy(connection) == 0)
			return;
	}
	if (result->failure != PROXY_OK) {
		struct connection_failure failure = proxy_failure_of(result);
		fail(connection, &failure);
		return;
	}
	snprintf(connection->target, sizeof(connection->target), "%s port %u through %s",
		connection_server(connection)->host, connection_server(connection)->port,
		proxy_url_format(&connection->proxy, proxy));
	start_tls(connection, result->fd);
}

static int connect_by_proxy(struct connection *connection)
{
	struct connection_pool *pool = connection->pool;
	struct proxy_dial_settings settings = {
		.proxy = &connection->proxy,
		.host = connection_server(connection)->host,
		.port = connection_server(connection)->port,
		.mark = pool->config->fwmark,
		.timeout = time_for(pool->config->proxy_timeout),
		.user = pool->config->proxy_user,
		.password = pool->proxy_password,
		.keytab = pool->config->proxy_keytab,
	};
	return proxy_dial_start(
		&connection->proxy_dial, pool->loop, &settings, on_proxy_dialed, connection);
}

static void on_proxy_found(void *user, const struct proxy_found *found)
{
	struct connection *connection = user;
	connection->proxy_find = NULL; /* frees itself now */
	if (found->count == 0) {
		fail(connection, &(struct connection_failure){.outcome = TRAVERSAL_SKIPPED,
					 .cause = TRAVERSAL_CAUSE_NO_TARGET,
					 .status = STATUS_UNREACHABLE,
					 .words = found->why.text});
		return;
	}
	connection->proxy = found->proxies[0];
	if (connect_by_proxy(connection) != 0)
		fail(connection, &(struct connection_failure){.outcome = TRAVERSAL_FAILED,
					 .cause = TRAVERSAL_CAUSE_LOCAL,
					 .status = STATUS_INTERNAL,
					 .words = "out of memory for a connection to the proxy"});
}

static int find_proxy(struct connection *connection)
{
	struct connection_pool *pool = connection->pool;
	struct proxy_find_settings settings = {
		.configured = pool->config->proxy,
		.session = pool->session_proxy,
		.host = connection_server(connection)->host,
		.port = connection_server(connection)->port,
		.timeout = pool->config->proxy_timeout / 2,
	};
	return proxy_find_start(
		&connection->proxy_find, pool->loop, &settings, on_proxy_found, connection);
}

/* --- life ----------------------------------------------------------------- */

struct connection *connection_start_at(struct connection_pool *pool, enum traversal_step step,
	const struct config_endpoints *servers, const struct connection_events *events)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	if (!connection)
		return NULL;
	connection->pool = pool;
	connection->step = step;
	connection->events = events;
	connection->started = clock_now();
	connection->servers = servers;
	connection_describe(servers, connection->target);
	int error = step == TRAVERSAL_TLS ? dial_directly(connection) : find_proxy(connection);
	if (error == 0)
		return connection;
	free(connection);
	return NULL;
}

struct connection *connection_start(struct connection_pool *pool, enum traversal_step step,
	const struct connection_events *events)
{
	return connection_start_at(
		pool, step, pool->moved ? pool->moved : &pool->config->servers, events);
}

struct connection *connection_join(
	const struct connection *like, const struct connection_events *events)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	if (!connection)
		return NULL;
	connection->pool = like->pool;
	connection->step = like->step;
	connection->events = events;
	connection->started = clock_now();
	connection->servers = like->servers;
	connection->endpoint = like->endpoint;
	connection->proxy = like->proxy;
	connection->joins = true;
	memcpy(connection->target, like->target, sizeof(connection->target));
	address_format(&like->outer, connection->join_host);
	connection->join_item = (struct config_endpoint){connection->join_host, like->outer_port};
	connection->join_endpoints = (struct config_endpoints){&connection->join_item, 1};
	int error = like->step == TRAVERSAL_TLS ? dial_directly(connection)
						: connect_by_proxy(connection);
	if (error == 0)
		return connection;
	free(connection);
	return NULL;
}

void connection_end(struct connection *connection)
{
	if (!connection || connection->ended)
		return;
	connection->ended = true;
	dial_cancel(connection->dial);
	proxy_find_cancel(connection->proxy_find);
	proxy_dial_cancel(connection->proxy_dial);
	portal_cancel(connection->portal);
	if (connection->has_lane)
		lane_stop(&connection->lane);
	connection->next = connection->pool->ended;
	connection->pool->ended = connection;
}

void connections_reap(struct connection_pool *pool)
{
	while (pool->ended) {
		struct connection *connection = pool->ended;
		pool->ended = connection->next;
		if (connection->has_lane)
			lane_close(&connection->lane);
		free(connection);
	}
}
