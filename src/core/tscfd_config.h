/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The server's configuration, typed: what tscfd.conf(5) describes. */
#ifndef TSCF_CORE_TSCFD_CONFIG_H
#define TSCF_CORE_TSCFD_CONFIG_H

#include "core/config.h"
#include "core/control.h"
#include "core/tse_config.h"

enum client_auth { CLIENT_AUTH_REQUIRE, CLIENT_AUTH_OPTIONAL, CLIENT_AUTH_NONE };
enum same_identity { SAME_IDENTITY_ALLOW, SAME_IDENTITY_REPLACE, SAME_IDENTITY_REFUSE };

/* Owns everything it points to. */
struct tscfd_config {
	/* [listen] */
	struct config_endpoints addresses; /* numeric */
	struct config_secret cert, key, client_ca, crl;
	enum client_auth client_auth;
	enum tls_minimum min_tls;
	bool plain;
	char *fallback; /* HOST:PORT */

	/* [tun] */
	char *interface;
	unsigned workers; /* 0: auto */
	uint16_t mtu;
	bool priority; /* real-time scheduling of the workers */

	/* [pool] */
	struct prefix ipv4, ipv6;
	uint64_t quarantine; /* us */
	enum same_identity same_identity;

	/* [ims] */
	struct config_prefixes routes;
	struct config_list p_cscf, domain;
	struct config_list dns; /* numeric */
	bool security_may_disable;
	bool inter_client;

	/* [session] */
	uint64_t keepalive, resume_lifetime, handshake_timeout; /* us */
	enum control_refresher refresher;
	unsigned lanes, max_tunnels, per_source_limit; /* 0: no limit */
	unsigned realtime_copies;                      /* 0: auto */
	uint64_t realtime_budget;                      /* us */
	char *state_file;

	struct class_lists classes; /* [classes] */

	/* [control] */
	char *socket, *metrics; /* paths */

	/* [log] */
	struct config_log log;
	enum log_identities identities;
};

void tscfd_config_init(struct tscfd_config *config);
void tscfd_config_fini(struct tscfd_config *config);
extern const struct config_key tscfd_config_keys[];
/* What no single key can tell (no pool, routes that no client may take, ...).
 * 0 or -EINVAL with the reason. */
int tscfd_config_check(const struct tscfd_config *config, struct reason *why);

#endif
