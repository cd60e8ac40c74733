/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One TLS connection to a TSCF on its way: found, dialled, encrypted.
 *
 *   step 2 (tls)     names -> TCP -> TLS
 *   step 3 (proxy)   which proxy? -> TCP -> CONNECT -> TLS on that connection
 *
 * Several may be under way at a time; which one carries the tunnel is the
 * client's decision.  A connection says `ready` once, or `failed` once, or
 * nothing when it is cancelled; after ready it may still fail. */
#ifndef TSCF_TSE_CONNECTION_H
#define TSCF_TSE_CONNECTION_H

#include "core/traversal.h"
#include "io/dial.h"
#include "io/portal.h"
#include "io/proxy_dial.h"
#include "io/proxy_find.h"
#include "lane.h"
#include "tse/exit_status.h"

enum { CONNECTION_CACHED = 16, CONNECTION_TARGET = TRAVERSAL_TARGET };

/* What all connections of a client share; borrowed by each. */
struct connection_pool {
	struct ev_loop *loop;
	const struct tse_config *config;
	struct tls_context *tls;
	struct lane_scratch *scratch;
	const char *session_proxy;                /* what tse-up found; NULL: nothing */
	char *proxy_password;                     /* NULL: none */
	struct address cached[CONNECTION_CACHED]; /* that the TSCFs' names had */
	size_t cached_count;
	bool had_tunnel; /* on this network: then there is no portal in the way */
	/* Offered by new connections, which will show a resume token or a join key:
	 * without one a TSCF wants to see our certificate.  Owned by the client; NULL: none. */
	struct tls_session *session;
	/* Where a TSCF has sent us, tried before the profile's servers, once.
	 * Borrowed; NULL: nowhere. */
	const struct config_endpoints *moved;
	struct connection *ended; /* to be freed when the loop turns */
	void *owner;              /* of the events */
};

struct connection_failure {
	enum traversal_state outcome; /* failed, skipped or refused */
	enum traversal_cause cause;
	enum exit_status status;
	int error;         /* errno; 0: none */
	unsigned http;     /* status code of the proxy; 0: none */
	const char *words; /* borrowed for the call */
};

struct connection_events {
	/* For the case that nothing comes any more. */
	void (*progress)(struct connection *connection, enum traversal_cause if_silent);
	void (*ready)(struct connection *connection);
	void (*failed)(struct connection *connection, const struct connection_failure *failure);
	void (*envelope)(struct connection *connection, const struct envelope *envelope);
	void (*writable)(struct connection *connection);
};

struct connection {
	struct connection *next; /* in the list of ended ones */
	struct connection_pool *pool;
	const struct connection_events *events;
	enum traversal_step step;
	struct dial *dial;
	struct proxy_find *proxy_find;
	struct proxy_dial *proxy_dial;
	struct proxy_url proxy;
	struct portal *portal;
	struct lane lane;
	bool has_lane, was_ready, ended;
	const struct config_endpoints *servers; /* to choose from; borrowed */
	size_t endpoint;                        /* which of them */
	struct address outer;                   /* what TCP is connected to: TSCF or proxy */
	uint16_t outer_port;
	char target[CONNECTION_TARGET]; /* for people */
	uint64_t started;               /* us */
	/* One more for a tunnel: where the first one leads, as an endpoint. */
	bool joins;
	char join_host[ADDRESS_TEXT_MAX];
	struct config_endpoint join_item;
	struct config_endpoints join_endpoints;
	struct reason held; /* the failure, while a portal is looked for */
	struct connection_failure failure;
};

/* Starts to connect, by TRAVERSAL_TLS or TRAVERSAL_PROXY.  NULL without
 * memory. */
struct connection *connection_start(struct connection_pool *pool, enum traversal_step step,
	const struct connection_events *events);
/* The same, to one of these servers instead. */
struct connection *connection_start_at(struct connection_pool *pool, enum traversal_step step,
	const struct config_endpoints *servers, const struct connection_events *events);
/* One more on the path of `like`, which is ready: through the same proxy or to
 * the same address. */
struct connection *connection_join(
	const struct connection *like, const struct connection_events *events);
/* No event will follow; freed by connections_reap().  Takes NULL. */
void connection_end(struct connection *connection);
/* Frees what has ended; not from within an event. */
void connections_reap(struct connection_pool *pool);

/* "tscf.example port 443", or several. */
void connection_describe(const struct config_endpoints *servers, char text[CONNECTION_TARGET]);
/* Whom this one is for. */
const struct config_endpoint *connection_server(const struct connection *connection);
/* The connection as an owner of a lane. */
static inline struct connection *connection_of(struct lane *lane)
{
	return lane->owner;
}

#endif
