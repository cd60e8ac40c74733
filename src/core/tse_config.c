/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The keys of a client profile, and what must hold between them. */
#include "core/tse_config.h"

#include <errno.h>
#include <string.h>

#include "core/config_fault.h"

enum { MTU_MIN = 1280, MTU_MAX = 65522 };

#define MS     UINT64_C(1000)
#define SECOND UINT64_C(1000000)

static const char *const peer_names[] = {"auto", "native", "24322", NULL};
static const char *const mode_names[] = {"auto", "always", "probe-only", NULL};
static const char *const order_names[] = {"direct-first", "proxy-first", NULL};
static const char *const probe_names[] = {"options", "register", NULL};
static const char *const sip_security_names[] = {"none", "tls", "ipsec-3gpp", NULL};
static const char *const offload_names[] = {"off", "auto", NULL};
static const char *const steer_names[] = {"table", "main", "none", NULL};
const char *const tls_minimum_names[] = {"1.2", "1.3", NULL};
const char *const log_identities_names[] = {"full", "pseudonym", "none", NULL};
const char *const log_target_names[] = {"stderr", "syslog", "journal", NULL};
const char *const log_level_names[] = {"error", "warning", "notice", "info", "debug", NULL};

#define KEY(in, key, kind, member, ...)                                    \
	{                                                                  \
		.section = (in), .name = (key), .type = (kind),            \
		.offset = offsetof(struct tse_config, member), __VA_ARGS__ \
	}

/* clang-format off */
const struct config_key tse_config_keys[] = {
	KEY("tscf", "server", CONFIG_ENDPOINTS, servers),
	KEY("tscf", "ca", CONFIG_SECRET, ca),
	KEY("tscf", "cert", CONFIG_SECRET, cert),
	KEY("tscf", "key", CONFIG_SECRET, key),
	KEY("tscf", "pin", CONFIG_PIN, pin),
	KEY("tscf", "sni", CONFIG_STRING, sni, .fault = config_fault_host_name),
	KEY("tscf", "alpn", CONFIG_STRING, alpn, .fault = config_fault_alpn),
	KEY("tscf", "user", CONFIG_STRING, user, .fault = config_fault_credential,
		.inert = true),
	KEY("tscf", "password-file", CONFIG_STRING, password_file, .inert = true),
	KEY("tscf", "min-tls", CONFIG_CHOICE, min_tls, .choices = tls_minimum_names,
		.standard = "1.2"),
	KEY("tscf", "peer", CONFIG_CHOICE, peer, .choices = peer_names, .standard = "auto"),

	KEY("traversal", "mode", CONFIG_CHOICE, mode, .choices = mode_names, .standard = "auto"),
	KEY("traversal", "order", CONFIG_CHOICE, order, .choices = order_names,
		.standard = "direct-first"),
	KEY("traversal", "overlap", CONFIG_BOOL, overlap, .standard = "no"),
	KEY("traversal", "p-cscf", CONFIG_LIST, p_cscf, .fault = config_fault_target),
	KEY("traversal", "direct", CONFIG_BOOL, direct, .standard = "no"),
	KEY("traversal", "probe", CONFIG_CHOICE, probe, .choices = probe_names,
		.standard = "options"),
	KEY("traversal", "probe-identity", CONFIG_STRING, probe_identity,
		.fault = config_fault_sip_uri),
	KEY("traversal", "sip-security", CONFIG_CHOICE, sip_security,
		.choices = sip_security_names, .standard = "none"),
	KEY("traversal", "stun", CONFIG_LIST, stun, .fault = config_fault_stun),
	KEY("traversal", "require-media", CONFIG_BOOL, require_media, .standard = "yes"),
	KEY("traversal", "end-to-end-security", CONFIG_BOOL, end_to_end_security,
		.standard = "yes"),
	KEY("traversal", "sip-timeout", CONFIG_DURATION, sip_timeout, .standard = "4s",
		.minimum = 100 * MS, .maximum = 120 * SECOND),
	KEY("traversal", "nat-timeout", CONFIG_DURATION, nat_timeout, .standard = "3s",
		.minimum = 100 * MS, .maximum = 120 * SECOND),
	KEY("traversal", "tls-timeout", CONFIG_DURATION, tls_timeout, .standard = "6s",
		.minimum = 100 * MS, .maximum = 120 * SECOND),
	KEY("traversal", "proxy-timeout", CONFIG_DURATION, proxy_timeout, .standard = "10s",
		.minimum = 100 * MS, .maximum = 120 * SECOND),
	KEY("traversal", "proxy", CONFIG_STRING, proxy, .standard = "auto",
		.fault = config_fault_proxy),
	KEY("traversal", "proxy-user", CONFIG_STRING, proxy_user,
		.fault = config_fault_credential),
	KEY("traversal", "proxy-password-file", CONFIG_STRING, proxy_password_file),
	KEY("traversal", "proxy-keytab", CONFIG_STRING, proxy_keytab),

	KEY("tunnel", "interface", CONFIG_STRING, interface, .standard = "tse0",
		.fault = config_fault_interface),
	KEY("tunnel", "mtu", CONFIG_NUMBER16, mtu, .standard = "1500", .minimum = MTU_MIN,
		.maximum = MTU_MAX),
	KEY("tunnel", "lanes", CONFIG_AUTO_NUMBER, lanes, .standard = "auto", .minimum = 1,
		.maximum = 16),
	KEY("tunnel", "lanes-max", CONFIG_AUTO_NUMBER, lanes_max, .standard = "auto", .minimum = 1,
		.maximum = 16),
	KEY("tunnel", "realtime-copies", CONFIG_AUTO_NUMBER, realtime_copies,
		.standard = "auto", .minimum = 1, .maximum = 2),
	KEY("tunnel", "realtime-budget", CONFIG_DURATION, realtime_budget, .standard = "150ms",
		.minimum = 20 * MS, .maximum = 5 * SECOND),
	KEY("tunnel", "keepalive", CONFIG_DURATION, keepalive, .standard = "45s",
		.minimum = SECOND, .maximum = 3600 * SECOND),
	KEY("tunnel", "offload", CONFIG_FLAG, offload, .choices = offload_names,
		.standard = "auto"),
	KEY("tunnel", "priority", CONFIG_BOOL, priority, .standard = "no"),

	KEY("classes", "signalling", CONFIG_LIST, classes.signalling,
		.fault = class_rule_fault),
	KEY("classes", "audio", CONFIG_LIST, classes.audio, .fault = class_rule_fault),
	KEY("classes", "video", CONFIG_LIST, classes.video, .fault = class_rule_fault),
	KEY("classes", "bulk", CONFIG_LIST, classes.bulk, .fault = class_rule_fault),

	KEY("steering", "steer", CONFIG_CHOICE, steer, .choices = steer_names,
		.standard = "table"),
	KEY("steering", "table", CONFIG_NUMBER, table, .standard = "24322", .minimum = 1,
		.maximum = UINT32_MAX),
	KEY("steering", "fwmark", CONFIG_NUMBER, fwmark, .standard = "0x24322", .minimum = 1,
		.maximum = UINT32_MAX),
	KEY("steering", "allowed-routes", CONFIG_PREFIXES, allowed_routes),
	KEY("steering", "routes", CONFIG_PREFIXES, routes),
	KEY("steering", "uid", CONFIG_LIST, uid, .fault = config_fault_uid),
	KEY("steering", "steer-fwmark", CONFIG_NUMBER, steer_fwmark, .minimum = 1,
		.maximum = UINT32_MAX),
	KEY("steering", "netns", CONFIG_STRING, netns, .fault = config_fault_file_name),
	KEY("steering", "dns", CONFIG_BOOL, dns, .standard = "no"),

	KEY("log", "level", CONFIG_CHOICE, log.level, .choices = log_level_names,
		.standard = "info", .minimum = 3),
	KEY("log", "target", CONFIG_CHOICE, log.target, .choices = log_target_names,
		.standard = "syslog"),
	KEY("log", "identities", CONFIG_CHOICE, identities, .choices = log_identities_names,
		.standard = "full"),
	{.section = NULL},
};
/* clang-format on */

_Static_assert(offsetof(struct tse_config, has_pin) == offsetof(struct tse_config, pin) + 32,
	"CONFIG_PIN sets the bool behind the octets");

void tse_config_init(struct tse_config *config)
{
	memset(config, 0, sizeof(*config));
	config_defaults(config, tse_config_keys);
}

void tse_config_fini(struct tse_config *config)
{
	config_free(config, tse_config_keys);
}

static const char *tscf_fault(const struct tse_config *config)
{
	if (config->servers.count == 0)
		return "[tscf] server is missing: name the TSCF to connect to, as HOST or "
		       "HOST:PORT";
	if (!config_secret_given(&config->ca))
		return "[tscf] ca is missing: give the CA certificate that the TSCF's certificate "
		       "is verified with";
	if (config_secret_given(&config->cert) && !config_secret_given(&config->key))
		return "[tscf] cert is given without key: give the private key that belongs to it";
	if (config_secret_given(&config->key) && !config_secret_given(&config->cert))
		return "[tscf] key is given without cert: give the certificate it belongs to";
	if (config->user && !config->password_file)
		return "[tscf] user is given without password-file";
	if (config->password_file && !config->user)
		return "[tscf] password-file is given without user";
	if (config->peer == PEER_24322 && config->user)
		return "[tscf] peer = 24322 has no way to send user and password; remove one";
	return NULL;
}

static const char *traversal_fault(const struct tse_config *config)
{
	if (config->probe == PROBE_REGISTER && !config->probe_identity)
		return "[traversal] probe = register needs probe-identity, the SIP URI to register";
	if (config->proxy_user && !config->proxy_password_file && !config->proxy_keytab)
		return "[traversal] proxy-user needs proxy-password-file or proxy-keytab";
	if (config->proxy_password_file && !config->proxy_user)
		return "[traversal] proxy-password-file is given without proxy-user";
	return NULL;
}

static const char *steering_fault(const struct tse_config *config)
{
	if (config->fwmark == 0)
		return "[steering] fwmark must not be 0: the mark keeps the tunnel's own "
		       "connections out of the tunnel";
	/* local, main, default (linux/rtnetlink.h), and "unspecified". */
	if (config->steer == STEER_TABLE &&
		(config->table == 0 || (config->table >= 253 && config->table <= 255)))
		return "[steering] table must be one of our own, not 0, 253 (default), 254 (main) "
		       "or 255 (local); for plain routes in the main table use steer = main";
	if (config->steer != STEER_TABLE && config->uid.count)
		return "[steering] uid selects users by rules that lead to a table of our own, and "
		       "so needs steer = table";
	if (config->steer != STEER_TABLE && config->steer_fwmark)
		return "[steering] steer-fwmark selects packets by rules that lead to a table of "
		       "our own, and so needs steer = table";
	if (config->steer_fwmark && config->uid.count)
		return "[steering] uid and steer-fwmark are two ways to select: give one of them";
	if (config->steer_fwmark && config->steer_fwmark == config->fwmark)
		return "[steering] steer-fwmark is fwmark, the mark of the tunnel's own "
		       "connections: the tunnel would run through itself";
	if (config->netns && config->dns)
		return "[steering] dns = yes is for links of this network namespace; with netns "
		       "write the servers into /etc/netns/NAME/resolv.conf (see ip-netns(8))";
	return NULL;
}

bool tse_config_is_selective(const struct tse_config *config)
{
	return config->uid.count > 0 || config->steer_fwmark != 0 || config->netns;
}

/* Only a selector keeps a default route from taking the whole host. */
static int check_not_default(const struct tse_config *config, const char *name,
	const struct config_prefixes *list, struct reason *why)
{
	for (size_t i = 0; !tse_config_is_selective(config) && i < list->count; i++) {
		if (list->items[i].length != 0)
			continue;
		char text[PREFIX_TEXT_MAX];
		reason_set(why,
			"[steering] %s: %s is the default route, which only a tunnel for some "
			"(uid, steer-fwmark, netns) may have; name the IMS prefixes",
			name, prefix_format(&list->items[i], text));
		return -EINVAL;
	}
	return 0;
}

static bool is_within(const struct prefix *prefix, const struct config_prefixes *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].length <= prefix->length &&
			prefix_contains(&list->items[i], &prefix->address))
			return true;
	return false;
}

static int check_routes(const struct tse_config *config, struct reason *why)
{
	int error = check_not_default(config, "allowed-routes", &config->allowed_routes, why);
	if (!error)
		error = check_not_default(config, "routes", &config->routes, why);
	for (size_t i = 0; !error && config->allowed_routes.count && i < config->routes.count;
		i++) {
		char text[PREFIX_TEXT_MAX];
		if (is_within(&config->routes.items[i], &config->allowed_routes))
			continue;
		reason_set(why, "[steering] routes: %s does not lie within allowed-routes",
			prefix_format(&config->routes.items[i], text));
		error = -EINVAL;
	}
	return error;
}

int tse_config_check(const struct tse_config *config, struct reason *why)
{
	const char *fault = tscf_fault(config);
	if (!fault)
		fault = traversal_fault(config);
	if (!fault)
		fault = steering_fault(config);
	if (fault) {
		reason_set(why, "%s", fault);
		return -EINVAL;
	}
	const char *interface = config->interface ? config->interface : "";
	fault = config_fault_interface(interface);
	if (fault) {
		reason_set(why, "[tunnel] interface: `%s' %s", interface, fault);
		return -EINVAL;
	}
	if (config->mtu < MTU_MIN || config->mtu > MTU_MAX) {
		reason_set(why, "[tunnel] mtu: %u is not from %u to %u", config->mtu, MTU_MIN,
			MTU_MAX);
		return -EINVAL;
	}
	int error = class_lists_check(&config->classes, why);
	return error ? error : check_routes(config, why);
}
