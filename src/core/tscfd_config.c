/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The keys of the server's configuration, and what must hold between them. */
#include "core/tscfd_config.h"

#include <errno.h>
#include <string.h>

#include "core/config_fault.h"
#include "core/control.h"

enum { MTU_MIN = 1280, MTU_MAX = 65522, POOL4_LONGEST = 29, POOL6_LONGEST = 62 };

#define MS     UINT64_C(1000)
#define SECOND UINT64_C(1000000)
#define DAY    (86400 * SECOND)

static const char *const client_auth_names[] = {"require", "optional", "none", NULL};
static const char *const same_identity_names[] = {"allow", "replace", "refuse", NULL};
static const char *const refresher_names[] = {"tse", "tscf", "both", NULL};
static const char *const security_names[] = {"keep", "may-disable", NULL};
static const char *const inter_client_names[] = {"block", "allow", NULL};

#define KEY(in, key, kind, member, ...)                                      \
	{                                                                    \
		.section = (in), .name = (key), .type = (kind),              \
		.offset = offsetof(struct tscfd_config, member), __VA_ARGS__ \
	}

/* clang-format off */
const struct config_key tscfd_config_keys[] = {
	KEY("listen", "address", CONFIG_ENDPOINTS, addresses,
		.standard = "[::]:443, 0.0.0.0:443", .fault = config_fault_address),
	KEY("listen", "cert", CONFIG_SECRET, cert),
	KEY("listen", "key", CONFIG_SECRET, key),
	KEY("listen", "client-ca", CONFIG_SECRET, client_ca),
	KEY("listen", "crl", CONFIG_SECRET, crl),
	KEY("listen", "client-auth", CONFIG_CHOICE, client_auth, .choices = client_auth_names,
		.standard = "require"),
	KEY("listen", "min-tls", CONFIG_CHOICE, min_tls, .choices = tls_minimum_names,
		.standard = "1.2"),
	KEY("listen", "plain", CONFIG_BOOL, plain, .standard = "no"),
	KEY("listen", "fallback", CONFIG_STRING, fallback, .fault = config_fault_endpoint,
		.inert = true),

	KEY("tun", "interface", CONFIG_STRING, interface, .standard = "tscf0",
		.fault = config_fault_interface),
	KEY("tun", "workers", CONFIG_AUTO_NUMBER, workers, .standard = "auto", .minimum = 1,
		.maximum = 256),
	KEY("tun", "mtu", CONFIG_NUMBER16, mtu, .standard = "1500", .minimum = MTU_MIN,
		.maximum = MTU_MAX),
	KEY("tun", "priority", CONFIG_BOOL, priority, .standard = "no"),

	KEY("pool", "ipv4", CONFIG_PREFIX, ipv4),
	KEY("pool", "ipv6", CONFIG_PREFIX, ipv6),
	KEY("pool", "quarantine", CONFIG_DURATION, quarantine, .standard = "2h",
		.maximum = 30 * DAY),
	KEY("pool", "same-identity", CONFIG_CHOICE, same_identity,
		.choices = same_identity_names, .standard = "allow"),

	KEY("ims", "routes", CONFIG_PREFIXES, routes),
	KEY("ims", "p-cscf", CONFIG_LIST, p_cscf, .fault = config_fault_host),
	KEY("ims", "dns", CONFIG_LIST, dns, .fault = config_fault_address),
	KEY("ims", "domain", CONFIG_LIST, domain, .fault = config_fault_host_name),
	KEY("ims", "security", CONFIG_FLAG, security_may_disable, .choices = security_names,
		.standard = "keep"),
	KEY("ims", "inter-client", CONFIG_FLAG, inter_client, .choices = inter_client_names,
		.standard = "block"),

	KEY("session", "keepalive", CONFIG_DURATION, keepalive, .standard = "45s",
		.minimum = SECOND, .maximum = 3600 * SECOND),
	KEY("session", "refresher", CONFIG_CHOICE, refresher, .choices = refresher_names,
		.standard = "tse"),
	/* RFC 8446, 4.6.1: no ticket lives longer than 7 days. */
	KEY("session", "resume-lifetime", CONFIG_DURATION, resume_lifetime, .standard = "1h",
		.maximum = 7 * DAY),
	KEY("session", "lanes", CONFIG_NUMBER, lanes, .standard = "16", .maximum = 255),
	KEY("session", "realtime-copies", CONFIG_AUTO_NUMBER, realtime_copies,
		.standard = "auto", .minimum = 1, .maximum = 2),
	KEY("session", "realtime-budget", CONFIG_DURATION, realtime_budget, .standard = "150ms",
		.minimum = 20 * MS, .maximum = 5 * SECOND),
	KEY("session", "max-tunnels", CONFIG_NUMBER, max_tunnels, .standard = "0",
		.maximum = UINT32_MAX),
	KEY("session", "per-source-limit", CONFIG_NUMBER, per_source_limit, .standard = "0",
		.maximum = UINT32_MAX),
	KEY("session", "handshake-timeout", CONFIG_DURATION, handshake_timeout,
		.standard = "10s", .minimum = SECOND, .maximum = 120 * SECOND),
	KEY("session", "state-file", CONFIG_STRING, state_file, .fault = config_fault_path),

	KEY("classes", "signalling", CONFIG_LIST, classes.signalling,
		.fault = class_rule_fault),
	KEY("classes", "audio", CONFIG_LIST, classes.audio, .fault = class_rule_fault),
	KEY("classes", "video", CONFIG_LIST, classes.video, .fault = class_rule_fault),
	KEY("classes", "bulk", CONFIG_LIST, classes.bulk, .fault = class_rule_fault),

	KEY("control", "socket", CONFIG_STRING, socket, .standard = "/run/tscf/control.sock",
		.fault = config_fault_socket),
	KEY("control", "metrics", CONFIG_STRING, metrics, .fault = config_fault_path),

	KEY("log", "level", CONFIG_CHOICE, log.level, .choices = log_level_names,
		.standard = "info", .minimum = 3),
	KEY("log", "target", CONFIG_CHOICE, log.target, .choices = log_target_names,
		.standard = "syslog"),
	KEY("log", "identities", CONFIG_CHOICE, identities, .choices = log_identities_names,
		.standard = "full"),
	{.section = NULL},
};
/* clang-format on */

void tscfd_config_init(struct tscfd_config *config)
{
	memset(config, 0, sizeof(*config));
	config_defaults(config, tscfd_config_keys);
}

void tscfd_config_fini(struct tscfd_config *config)
{
	config_free(config, tscfd_config_keys);
}

/* ---- what holds between keys; each returns 0 or -EINVAL with the reason ---- */

static int refuse(struct reason *why, const char *sentence)
{
	reason_set(why, "%s", sentence);
	return -EINVAL;
}

static int check_addresses(const struct config_endpoints *list, struct reason *why)
{
	if (list->count == 0)
		return refuse(why, "[listen] address is empty: name at least one address to "
				   "listen on, such as [::]:443");
	for (size_t i = 0; i < list->count; i++)
		for (size_t k = 0; k < i; k++) {
			const struct config_endpoint *a = &list->items[i], *b = &list->items[k];
			if (a->port != b->port || strcmp(a->host, b->host) != 0)
				continue;
			reason_set(why, "[listen] address: %s port %u stands there twice", a->host,
				a->port);
			return -EINVAL;
		}
	return 0;
}

static int check_listen(const struct tscfd_config *config, struct reason *why)
{
	bool verifies = config->client_auth != CLIENT_AUTH_NONE;
	int error = check_addresses(&config->addresses, why);
	if (error)
		return error;
	if (!config_secret_given(&config->cert))
		return refuse(why, "[listen] cert is missing: give the server's certificate chain");
	if (!config_secret_given(&config->key))
		return refuse(why, "[listen] key is missing: give the private key of cert");
	if (verifies && !config_secret_given(&config->client_ca))
		return refuse(why, "[listen] client-ca is missing: give the CA that issues the "
				   "clients' certificates, or accept everybody with "
				   "client-auth = none");
	if (!verifies && config_secret_given(&config->crl))
		return refuse(why, "[listen] crl has nothing to check with client-auth = none; "
				   "remove it, or require client certificates");
	return 0;
}

static int check_device(const struct tscfd_config *config, struct reason *why)
{
	const char *interface = config->interface ? config->interface : "";
	const char *fault = config_fault_interface(interface);
	if (fault) {
		reason_set(why, "[tun] interface: `%s' %s", interface, fault);
		return -EINVAL;
	}
	if (config->mtu < MTU_MIN || config->mtu > MTU_MAX) {
		reason_set(
			why, "[tun] mtu: %u is not from %u to %u", config->mtu, MTU_MIN, MTU_MAX);
		return -EINVAL;
	}
	if (!config->socket || config_fault_socket(config->socket))
		return refuse(why, "[control] socket is not an absolute path of at most 107 "
				   "octets");
	return 0;
}

static int check_pool(const struct tscfd_config *config, struct reason *why)
{
	char text[PREFIX_TEXT_MAX];
	const struct prefix *v4 = &config->ipv4, *v6 = &config->ipv6;
	if (v4->address.version == 0 && v6->address.version == 0)
		return refuse(why, "[pool] has neither ipv4 nor ipv6: name the prefix that "
				   "clients get their inner addresses from");
	if (v4->address.version == 6 || v6->address.version == 4)
		return refuse(why, "[pool] ipv4 and ipv6 each take a prefix of their own family");
	if (v4->address.version && (v4->length > POOL4_LONGEST || v4->length < 8)) {
		reason_set(why, "[pool] ipv4: %s must be from a /8 to a /%u",
			prefix_format(v4, text), POOL4_LONGEST);
		return -EINVAL;
	}
	if (v6->address.version && (v6->length > POOL6_LONGEST || v6->length < 16)) {
		reason_set(why,
			"[pool] ipv6: %s must be from a /16 to a /%u, since every client gets a "
			"/64 and two are taken by the TSCF",
			prefix_format(v6, text), POOL6_LONGEST);
		return -EINVAL;
	}
	return 0;
}

/* Every worker has leases of its own: those with its number modulo workers. */
static int check_workers(const struct tscfd_config *config, struct reason *why)
{
	uint64_t leases = UINT64_MAX;
	/* Besides the network's own and the TSCF's address, IPv4 has a broadcast. */
	if (config->ipv4.address.version)
		leases = (UINT64_C(1) << (32 - config->ipv4.length)) - 3;
	if (config->ipv6.address.version) {
		uint64_t leases6 = (UINT64_C(1) << (64 - config->ipv6.length)) - 2;
		leases = leases6 < leases ? leases6 : leases;
	}
	if (leases >= config->workers)
		return 0;
	reason_set(why, "[tun] workers: %u workers cannot share a [pool] of %llu addresses",
		config->workers, (unsigned long long)leases);
	return -EINVAL;
}

/* Ranges that never lead to an IMS core. */
static const char *nonsense_route(const struct prefix *route)
{
	static const struct {
		const char *range, *what;
	} ranges[] = {
		{"127.0.0.0/8", "is loopback"},
		{"::1/128", "is loopback"},
		{"169.254.0.0/16", "is link-local"},
		{"fe80::/10", "is link-local"},
		{"224.0.0.0/4", "is multicast"},
		{"ff00::/8", "is multicast"},
	};
	if (route->length == 0)
		return "is the default route, which no client accepts: name the prefixes of the "
		       "IMS core";
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct prefix range;
		if (prefix_parse(&range, ranges[i].range) && range.length <= route->length &&
			prefix_contains(&range, &route->address))
			return ranges[i].what;
	}
	return NULL;
}

static bool is_unspecified(const struct address *address)
{
	static const uint8_t zero[16];
	return memcmp(address->octets, zero, sizeof(zero)) == 0;
}

static int check_route(
	const struct tscfd_config *config, const struct prefix *route, struct reason *why)
{
	char text[PREFIX_TEXT_MAX];
	const char *fault = nonsense_route(route);
	const struct prefix *pool = route->address.version == 4 ? &config->ipv4 : &config->ipv6;
	if (!fault && pool->address.version == 0)
		fault = "is of a family of which [pool] has no addresses to give";
	if (fault) {
		reason_set(why, "[ims] routes: %s %s", prefix_format(route, text), fault);
		return -EINVAL;
	}
	for (size_t i = 0; i < config->addresses.count; i++) {
		struct address listener;
		const char *host = config->addresses.items[i].host;
		if (!address_parse(&listener, host) || is_unspecified(&listener) ||
			!prefix_contains(route, &listener))
			continue;
		reason_set(why,
			"[ims] routes: %s contains the address %s that [listen] is bound to, so "
			"that the tunnel would lead into itself; name smaller prefixes",
			prefix_format(route, text), host);
		return -EINVAL;
	}
	return 0;
}

static bool is_routed(const struct tscfd_config *config, const struct address *address)
{
	for (size_t i = 0; i < config->routes.count; i++)
		if (prefix_contains(&config->routes.items[i], address))
			return true;
	return false;
}

/* A server that clients are told of must be one they reach in the tunnel, and
 * not an address that a client may get.  Names pass. */
static int check_servers(const struct tscfd_config *config, const char *name,
	const struct config_list *servers, struct reason *why)
{
	for (size_t i = 0; i < servers->count; i++) {
		struct address address;
		const char *text = servers->items[i];
		if (!address_parse(&address, text))
			continue;
		bool pooled = prefix_contains(&config->ipv4, &address) ||
			      prefix_contains(&config->ipv6, &address);
		if (!pooled && is_routed(config, &address))
			continue;
		reason_set(why,
			pooled ? "[ims] %s: %s is an address of [pool], which a client may get"
			       : "[ims] %s: %s lies in none of the routes, so that clients would "
				 "look for it outside the tunnel; add its prefix to routes",
			name, text);
		return -EINVAL;
	}
	return 0;
}

static int check_count(const char *name, size_t count, size_t limit, struct reason *why)
{
	if (count <= limit)
		return 0;
	reason_set(
		why, "[ims] %s has %zu entries; a client can be told of %zu", name, count, limit);
	return -EINVAL;
}

static int check_ims(const struct tscfd_config *config, struct reason *why)
{
	if (config->routes.count == 0)
		return refuse(why, "[ims] routes is missing: name the prefixes of the IMS core "
				   "(P-CSCF and media) that clients reach through the tunnel");
	if (config->security_may_disable && config->client_auth != CLIENT_AUTH_REQUIRE)
		return refuse(why, "[ims] security = may-disable needs client-auth = require: "
				   "without IMS security nothing else tells who a client is");
	int error = check_count("routes", config->routes.count, CONTROL_ROUTES_MAX, why);
	if (!error)
		error = check_count("p-cscf", config->p_cscf.count, CONTROL_PCSCF_MAX, why);
	if (!error)
		error = check_count("dns", config->dns.count, CONTROL_DNS_MAX, why);
	if (!error)
		error = check_count("domain", config->domain.count, CONTROL_DOMAINS_MAX, why);
	for (size_t i = 0; !error && i < config->routes.count; i++)
		error = check_route(config, &config->routes.items[i], why);
	if (!error)
		error = check_servers(config, "p-cscf", &config->p_cscf, why);
	return error ? error : check_servers(config, "dns", &config->dns, why);
}

int tscfd_config_check(const struct tscfd_config *config, struct reason *why)
{
	int error = check_listen(config, why);
	if (!error)
		error = check_device(config, why);
	if (!error)
		error = check_pool(config, why);
	if (!error)
		error = check_workers(config, why);
	if (!error)
		error = class_lists_check(&config->classes, why);
	return error ? error : check_ims(config, why);
}
