/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads the configuration and the files it names, and prepares what every
 * client is told. */
#include "tscfd/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/siphash.h"
#include "io/material.h"
#include "tscfd/join.h"
#include "tscfd/state.h"

enum { CRL_LIMIT = 16 * 1024 * 1024 };

int settings_read_config(
	const struct settings_source *source, struct tscfd_config *config, struct reason *why)
{
	uint8_t *text;
	size_t length;
	int error = keeper_read(source->keeper, source->path, &text, &length, MATERIAL_LIMIT, why);
	if (error)
		return error;
	error = config_read_octets(
		config, tscfd_config_keys, (const char *)text, length, source->path, why);
	file_forget(text, length);
	for (size_t i = 0; !error && i < source->override_count; i++)
		error = config_override(config, tscfd_config_keys, source->overrides[i], why);
	return error ? error : tscfd_config_check(config, why);
}

/* Compared with itself only: the key need not be secret. */
static uint64_t hash_of(struct view octets)
{
	static const uint8_t key[SIPHASH_KEY];
	return siphash(key, octets.octets, octets.length);
}

static int load_tls(
	const struct settings_source *source, struct settings *settings, struct reason *why)
{
	const struct tscfd_config *config = &settings->config;
	struct material cert = {0}, key = {0}, ca = {0}, crl = {0};
	int error = material_load(source->keeper, &config->cert, MATERIAL_LIMIT, &cert, why);
	if (!error)
		error = material_load(source->keeper, &config->key, MATERIAL_LIMIT, &key, why);
	if (!error)
		error = material_load(source->keeper, &config->client_ca, MATERIAL_LIMIT, &ca, why);
	if (!error)
		error = material_load(source->keeper, &config->crl, CRL_LIMIT, &crl, why);
	if (!error) {
		struct tls_settings tls = {
			.server = true,
			.tls13_only = config->min_tls == TLS_MINIMUM_1_3,
			.ca = ca.view,
			.certificate = cert.view,
			.key = key.view,
			.crl = crl.view,
			.request_client = config->client_auth != CLIENT_AUTH_NONE,
			.require_client = config->client_auth == CLIENT_AUTH_REQUIRE,
			.ticket_lifetime = (uint32_t)(config->resume_lifetime / 1000000),
		};
		error = tls_context_new(&settings->tls, &tls, why);
		settings->trust = hash_of(ca.view) ^ hash_of(crl.view) * 3 ^ config->client_auth;
	}
	material_forget(&cert);
	material_forget(&key);
	material_forget(&ca);
	material_forget(&crl);
	return error;
}

static struct view view_of(const char *text)
{
	return (struct view){(const uint8_t *)text, strlen(text)};
}

static int offer_too_many(const char *key, size_t limit, struct reason *why)
{
	reason_set(why, "[ims] %s: at most %zu can be told to a client", key, limit);
	return -EINVAL;
}

static int prepare_offer(struct settings *settings, struct reason *why)
{
	const struct tscfd_config *config = &settings->config;
	struct control_message *offer = &settings->offer;

	if (config->routes.count > CONTROL_ROUTES_MAX)
		return offer_too_many("routes", CONTROL_ROUTES_MAX, why);
	if (config->p_cscf.count > CONTROL_PCSCF_MAX)
		return offer_too_many("p-cscf", CONTROL_PCSCF_MAX, why);
	if (config->dns.count > CONTROL_DNS_MAX)
		return offer_too_many("dns", CONTROL_DNS_MAX, why);
	if (config->domain.count > CONTROL_DOMAINS_MAX)
		return offer_too_many("domain", CONTROL_DOMAINS_MAX, why);

	for (size_t i = 0; i < config->routes.count; i++)
		offer->routes[offer->route_count++] = config->routes.items[i];
	for (size_t i = 0; i < config->p_cscf.count; i++) {
		struct control_pcscf *pcscf = &offer->pcscf[offer->pcscf_count++];
		if (!address_parse(&pcscf->address, config->p_cscf.items[i])) {
			pcscf->address.version = 0;
			pcscf->name = view_of(config->p_cscf.items[i]);
		}
	}
	for (size_t i = 0; i < config->dns.count; i++)
		if (!address_parse(&offer->dns[offer->dns_count++], config->dns.items[i])) {
			reason_set(
				why, "[ims] dns = %s: not a numeric address", config->dns.items[i]);
			return -EINVAL;
		}
	for (size_t i = 0; i < config->domain.count; i++)
		offer->domains[offer->domain_count++] = view_of(config->domain.items[i]);

	offer->mtu = config->mtu;
	offer->security = config->security_may_disable ? SECURITY_MAY_DISABLE : SECURITY_KEEP;
	offer->keepalive_interval = (uint32_t)(config->keepalive / 1000);
	offer->keepalive_refresher = (uint8_t)config->refresher;
	offer->resume_lifetime = (uint32_t)(config->resume_lifetime / 1000000);
	offer->lanes_allowed = (uint8_t)join_lanes_allowed(config);
	control_set(offer, TAG_MTU);
	control_set(offer, TAG_SECURITY);
	control_set(offer, TAG_KEEPALIVE_INTERVAL);
	control_set(offer, TAG_KEEPALIVE_REFRESHER);
	control_set(offer, TAG_RESUME_LIFETIME);
	control_set(offer, TAG_LANES_ALLOWED);
	return 0;
}

int settings_load(const struct settings_source *source, struct settings **out, struct reason *why)
{
	struct settings *settings = calloc(1, sizeof(*settings));
	if (!settings) {
		reason_set(why, "out of memory");
		return -ENOMEM;
	}
	settings->references = 1;
	tscfd_config_init(&settings->config);
	int error = settings_read_config(source, &settings->config, why);
	if (!error)
		error = prepare_offer(settings, why);
	if (!error)
		error = load_tls(source, settings, why);
	if (error) {
		settings_unref(settings);
		return error;
	}
	*out = settings;
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_prefix(const struct prefix *a, const struct prefix *b)
{
	return a->length == b->length && address_equal(&a->address, &b->address);
}

static bool same_addresses(const struct config_endpoints *a, const struct config_endpoints *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!same_text(a->items[i].host, b->items[i].host) ||
			a->items[i].port != b->items[i].port)
			return false;
	return true;
}

int settings_check_reload(
	const struct settings *old, const struct settings *fresh, struct reason *why)
{
	const struct tscfd_config *a = &old->config, *b = &fresh->config;
	const char *key = NULL;

	if (!same_addresses(&a->addresses, &b->addresses))
		key = "[listen] address";
	else if (!same_text(a->interface, b->interface) || a->workers != b->workers ||
		 a->mtu != b->mtu)
		key = "[tun]";
	else if (!same_prefix(&a->ipv4, &b->ipv4) || !same_prefix(&a->ipv6, &b->ipv6) ||
		 a->quarantine != b->quarantine || a->same_identity != b->same_identity)
		key = "[pool]";
	else if (a->resume_lifetime != b->resume_lifetime)
		key = "[session] resume-lifetime";
	else if (!same_text(a->state_file, b->state_file))
		key = "[session] state-file";
	else if (!same_text(a->socket, b->socket) || !same_text(a->metrics, b->metrics))
		key = "[control]";
	if (!key)
		return 0;
	reason_set(why, "%s has changed, which needs a restart; nothing was changed", key);
	return -EINVAL;
}

static size_t encode_offer(const struct settings *settings, uint8_t out[CONTROL_ENCODED_MAX])
{
	struct control_message message = settings->offer;
	message.kind = CONTROL_CONFIGURATION_UPDATE;
	return control_encode(&message, out, CONTROL_ENCODED_MAX);
}

bool settings_offer_same(const struct settings *a, const struct settings *b)
{
	uint8_t one[CONTROL_ENCODED_MAX], other[CONTROL_ENCODED_MAX];
	size_t length = encode_offer(a, one);
	return encode_offer(b, other) == length && memcmp(one, other, length) == 0;
}

void settings_use_tickets(struct settings *settings, struct state *state)
{
	state_trust(state, settings->trust);
	const struct ticket_record *tickets = state_tickets(state);
	tls_context_set_tickets(
		settings->tls, tickets->current, tickets->has_previous ? tickets->previous : NULL);
}

struct settings *settings_ref(struct settings *settings)
{
	settings->references++;
	return settings;
}

void settings_unref(struct settings *settings)
{
	if (!settings || --settings->references > 0)
		return;
	tls_context_unref(settings->tls);
	tscfd_config_fini(&settings->config);
	free(settings);
}
