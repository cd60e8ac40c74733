/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A client profile, typed: what tse.conf(5) describes. */
#ifndef TSCF_CORE_TSE_CONFIG_H
#define TSCF_CORE_TSE_CONFIG_H

#include "core/class_rule.h"
#include "core/config.h"

enum peer_kind { PEER_AUTO, PEER_NATIVE, PEER_24322 };
enum tls_minimum { TLS_MINIMUM_1_2, TLS_MINIMUM_1_3 };
enum traversal_mode { MODE_AUTO, MODE_ALWAYS, MODE_PROBE_ONLY };
enum traversal_order { ORDER_DIRECT_FIRST, ORDER_PROXY_FIRST };
enum probe_kind { PROBE_OPTIONS, PROBE_REGISTER };
enum sip_security { SIP_SECURITY_NONE, SIP_SECURITY_TLS, SIP_SECURITY_IPSEC_3GPP };
enum steer_kind { STEER_TABLE, STEER_MAIN, STEER_NONE };
enum log_identities { IDENTITIES_FULL, IDENTITIES_PSEUDONYM, IDENTITIES_NONE };

/* Owns everything it points to. */
struct tse_config {
	/* [tscf] */
	struct config_endpoints servers; /* in order of preference, port 443 unless given */
	struct config_secret ca, cert, key;
	uint8_t pin[32]; /* SHA-256 of the SPKI */
	bool has_pin;
	char *sni, *alpn, *user, *password_file;
	enum tls_minimum min_tls;
	enum peer_kind peer;

	/* [traversal] */
	enum traversal_mode mode;
	enum traversal_order order;
	bool overlap, direct, require_media, end_to_end_security;
	struct config_list p_cscf, stun;
	enum probe_kind probe;
	char *probe_identity;
	enum sip_security sip_security;
	uint64_t sip_timeout, nat_timeout, tls_timeout, proxy_timeout; /* us */
	char *proxy, *proxy_user, *proxy_password_file, *proxy_keytab; /* proxy: "auto" */

	/* [tunnel] */
	char *interface;
	uint16_t mtu;
	unsigned lanes;                      /* 0: auto */
	unsigned lanes_max;                  /* 0: auto, by the path */
	unsigned realtime_copies;            /* 0: auto */
	uint64_t realtime_budget, keepalive; /* us */
	bool offload;
	bool priority; /* real-time scheduling of the process */

	struct class_lists classes; /* [classes] */

	/* [steering] */
	enum steer_kind steer;
	uint32_t table;
	uint32_t fwmark;                       /* of our own outer sockets; default 0x24322 */
	struct config_prefixes allowed_routes; /* none: whatever the TSCF names */
	struct config_prefixes routes;         /* IMS prefixes known without the TSCF */
	struct config_list uid;
	uint32_t steer_fwmark; /* of the packets to steer; 0: all */
	char *netns;
	bool dns;

	/* [log] */
	struct config_log log;
	enum log_identities identities;
};

/* The names of both enums in files, for both programs' tables. */
extern const char *const tls_minimum_names[], *const log_identities_names[];
extern const char *const log_target_names[], *const log_level_names[]; /* from LOG_ERR on */

/* The defaults, before any file is read.  What of a profile has no effect in
 * this version is told by config_next_inert(). */
void tse_config_init(struct tse_config *config);
void tse_config_fini(struct tse_config *config);
extern const struct config_key tse_config_keys[];
/* Only some packets of this host are steered (uid, steer-fwmark, netns): then
 * even the default route is theirs to give away. */
bool tse_config_is_selective(const struct tse_config *config);
/* What no single key can tell (no server, a key without its certificate, ...).
 * 0 or -EINVAL with the reason. */
int tse_config_check(const struct tse_config *config, struct reason *why);

#endif
