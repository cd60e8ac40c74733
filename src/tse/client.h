/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The client of one TSCF: gets a tunnel, keeps it, gets it back.
 *
 *   DIALING -> HANDSHAKE -> CONFIGURING -> CONFIRMING -> UP
 *      ^                                                 |
 *      +------------------- WAITING <-- whatever fails --+
 *
 * Interface, inner addresses and routes stay while it reconnects; only the
 * carrier goes off, and then IMS traffic is unreachable instead of leaking. */
#ifndef TSCF_TSE_CLIENT_H
#define TSCF_TSE_CLIENT_H

#include "core/backoff.h"
#include "core/keepalive.h"
#include "io/dial.h"
#include "io/netmon.h"
#include "tse/launch.h"
#include "tse/steer.h"
#include "tunnel.h"

enum {
	CLIENT_CACHED = 16, /* addresses that the TSCF's name had */
	CLIENT_TEXT = 256,
};

enum client_state {
	CLIENT_DIALING,
	CLIENT_HANDSHAKE,
	CLIENT_CONFIGURING,
	CLIENT_CONFIRMING, /* configured; the first keep-alive is under way */
	CLIENT_UP,
	CLIENT_WAITING, /* for the next attempt */
	CLIENT_STOPPED,
};

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
	uint8_t token[CONTROL_TOKEN_MAX];
	size_t token_length;
};

/* How the last attempt ended. */
struct client_failure {
	enum exit_status status;
	bool refused; /* TLS worked; the TSCF said no */
	struct reason why;
};

struct client {
	struct ev_loop *loop;
	const struct tse_config *config; /* borrowed */
	const char *profile;             /* borrowed */
	struct launch *launch;           /* borrowed */
	struct steer *steer;             /* borrowed */
	struct tun *tun;                 /* borrowed */
	struct tls_context *tls;         /* borrowed */
	uint8_t instance[CONTROL_INSTANCE];

	enum client_state state;
	enum exit_status outcome; /* of the process, when it stops */
	struct dial *dial;
	struct lane lane;
	bool lane_in_use;
	struct datapath datapath;
	struct tunnel tunnel;
	struct keepalive keepalive;
	struct backoff backoff;
	struct netmon netmon;
	struct ev_timer timer; /* retry, answer timeout or keep-alive, by state */
	struct ev_prepare reap;
	uint16_t transaction;
	uint32_t retry_after; /* s, as the TSCF asked */

	struct address outer; /* connected to */
	uint16_t outer_port;
	size_t endpoint;
	struct address cached[CLIENT_CACHED];
	size_t cached_count;
	struct client_grant grant;
	struct client_failure failure;
	struct reason farewell; /* what the TSCF said before it closed; empty: nothing */
	uint64_t attempt_started, connected, up_since; /* us */
	int64_t since_epoch;                           /* s, of the last change of state */
	uint64_t retry_at;                             /* us */
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
	struct steer *steer;
	struct tun *tun;
	struct tls_context *tls;
	const uint8_t *instance; /* CONTROL_INSTANCE octets */
	void (*changed)(void *user);
	void *user;
};

/* Everything in `setup` is borrowed.  0 or -errno. */
int client_init(struct client *client, const struct client_setup *setup, struct reason *why);
/* Makes the first attempt. */
void client_start(struct client *client);
/* Tries again now, or asks the peer whether it is there. */
void client_kick(struct client *client);
/* Releases the tunnel and leaves the loop; `outcome` becomes the exit status. */
void client_stop(struct client *client, enum exit_status outcome);
void client_fini(struct client *client);

const char *client_state_name(enum client_state state);

/* Shared by client.c and negotiate.c. */
void client_enter(struct client *client, enum client_state state);
/* The TSCF has answered through the tunnel. */
void client_came_up(struct client *client);
/* The attempt (or the tunnel) is over: waits and tries again, or gives up when
 * somebody waits for the start. */
void client_fail(struct client *client, enum exit_status status, const char *why);

#endif
