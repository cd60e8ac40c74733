/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The client: carries out what core/traversal decides, and holds the tunnel
 * when there is one.
 *
 *   probing      steps 1a, 1b              \
 *   connection   steps 2, 3 up to TLS       >-- results --> core/traversal
 *   negotiate    the tunnel on a connection /                   |
 *        ^                                                      |
 *        +----- actions: start, cancel, use, leave, kernel <----+
 *
 * Interface, inner addresses and routes stay while it reconnects; only the
 * carrier goes off, and then IMS traffic is unreachable instead of leaking. */
#ifndef TSCF_TSE_CLIENT_H
#define TSCF_TSE_CLIENT_H

#include "core/frail.h"
#include "core/keepalive.h"
#include "io/netmon.h"
#include "io/suspend.h"
#include "io/sock_destroy.h"
#include "tse/connection.h"
#include "tse/lanes.h"
#include "tse/stall.h"
#include "tse/launch.h"
#include "tse/move.h"
#include "tse/place.h"
#include "tse/plain.h"
#include "tse/probing.h"
#include "tse/steer.h"
#include "tse/update.h"
#include "tunnel.h"

enum { CLIENT_TEXT = 256, CLIENT_QUEUE = 8, CLIENT_PATHS = 2 };

/* What the TSCF said in its Configuration Response, kept as our own copy. */
struct client_grant {
	struct steer_plan plan;
	size_t refused_routes; /* by allowed-routes */
	struct address pcscf[CONTROL_PCSCF_MAX];
	char pcscf_names[CONTROL_PCSCF_MAX][CLIENT_TEXT];
	size_t pcscf_count;
	struct address dns[CONTROL_DNS_MAX];
	size_t dns_count;
	char domains[CONTROL_DOMAINS_MAX][CLIENT_TEXT];
	size_t domain_count;
	bool ims_security_off; /* both sides agree that it may be */
	char software[CLIENT_TEXT];
	uint64_t keepalive; /* us */
	/* From here on nothing that anybody sees (update.c). */
	uint8_t token[CONTROL_TOKEN_MAX];
	size_t token_length;
};

/* How the tunnel, or the last attempt at one, ended. */
struct client_failure {
	enum traversal_state outcome; /* failed or refused */
	enum traversal_cause cause;
	enum exit_status status;
	uint32_t retry_after; /* s, as the TSCF asked; 0: not told */
	struct reason why;    /* empty: there was none */
};

/* What was last published, to publish only news. */
struct client_news {
	const char *state; /* client_state_name() */
	enum traversal_verdict verdict;
	enum traversal_firewall firewall;
	uint64_t next_run; /* us */
};

struct client {
	struct ev_loop *loop;
	const struct tse_config *config; /* borrowed */
	const char *profile;             /* borrowed */
	struct launch *launch;           /* borrowed */
	struct steer *steer;             /* borrowed; NULL: nothing may be changed */
	struct tun *tun;                 /* borrowed; NULL likewise */
	uint8_t instance[CONTROL_INSTANCE];

	struct traversal traversal;
	struct traversal_event queue[CLIENT_QUEUE]; /* that came while one was handled */
	size_t queued;
	bool handling;
	enum traversal_state shown[TRAVERSAL_STEPS]; /* to whoever waits for the start */
	bool stopped;
	enum exit_status outcome; /* of the process, when it stops */

	struct probing probing[CLIENT_PATHS]; /* steps 1a and 1b */
	struct connection_pool pool;
	struct connection *pending[CLIENT_PATHS]; /* steps 2 and 3 */
	struct connection *current;               /* carries the tunnel, or will */
	struct stall stall;
	struct frail frail;
	uint64_t network_changed; /* us, when it last did */
	struct lanes lanes;       /* further ones that do */
	struct plain plain;       /* for servers that know TS 24.322 only */
	struct move move;         /* to another TSCF */
	struct update update;     /* what the TSCF changes meanwhile */
	bool configured;          /* it has a grant */
	bool checking;            /* traversal waits for a sign of life */
	struct datapath datapath;
	struct tunnel tunnel;
	struct keepalive keepalive;
	struct netmon netmon;
	struct netmon inner_netmon; /* where the TUN lives, if that is elsewhere; else fd is -1 */
	struct suspend suspend;
	struct sock_destroy sock_destroy;
	struct ev_timer traversal_timer, keepalive_timer, media_timer;
	struct ev_prepare reap;
	uint16_t transaction;

	struct client_grant grant;
	struct prefix known[CONTROL_ROUTES_MAX]; /* IMS prefixes, to be blocked without a tunnel */
	size_t known_count;
	struct client_failure failure;
	struct client_news told;
	struct reason farewell; /* what the TSCF said before it closed; empty: nothing */
	enum traversal_cause farewell_cause;
	bool plan_applied;                  /* interface, addresses and routes are there */
	uint64_t wrong_source_told;         /* us */
	bool media;                         /* as last told to core/traversal */
	uint64_t attempt_started, up_since; /* us */
	int64_t since_epoch;                /* s, of the last change that people see */
	unsigned reconnects, generation;

	/* Called after every change that people may see. */
	void (*changed)(void *user);
	void *user;
};

struct client_setup {
	struct ev_loop *loop;
	const struct tse_config *config;
	const char *profile;
	struct launch *launch;
	struct steer *steer; /* NULL with tun: only probes */
	struct tun *tun;
	struct place *place; /* where tun is; what it has open is taken; NULL without tun */
	struct tls_context *tls;
	const uint8_t *instance;    /* CONTROL_INSTANCE octets */
	const struct prefix *known; /* IMS prefixes known before the TSCF names them */
	size_t known_count;
	const char *state_dir;     /* where to keep what the servers are; NULL: nowhere */
	const char *session_proxy; /* what tse-up found; NULL: nothing */
	char *proxy_password;      /* NULL: none */
	void (*changed)(void *user);
	void *user;
};

/* Everything in `setup` is borrowed.  0 or -errno. */
int client_init(struct client *client, const struct client_setup *setup, struct reason *why);
/* Begins with step 1. */
void client_start(struct client *client);
/* Tries again now, or asks the peer whether it is there. */
void client_kick(struct client *client);
/* An app says how its registration went, which overrides our probes. */
void client_report(struct client *client, bool registered);
/* Releases the tunnel and leaves the loop; `outcome` becomes the exit status. */
void client_stop(struct client *client, enum exit_status outcome);
void client_fini(struct client *client);

/* "probing", "dialing", "handshake", "configuring", "up", "direct",
 * "reconnecting", "waiting", "stopping". */
const char *client_state_name(const struct client *client);
static inline bool client_is_up(const struct client *client)
{
	return client->current && client->traversal.confirmed;
}

/* Shared with negotiate.c. */

/* The TSCF has answered a Keep-alive Request through the tunnel. */
void client_alive(struct client *client);
/* The connection in use is of no use any more: drops it and lets traversal
 * decide.  failure->why may be the text of that very connection. */
void client_lose(struct client *client, const struct client_failure *failure);

#endif
