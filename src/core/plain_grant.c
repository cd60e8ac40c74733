/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From what three protocols said, the one thing that the rest of tse knows. */
#include "core/plain_grant.h"

#include <string.h>

#include "core/plain_dhcp4.h"
#include "core/siphash.h"

enum { MTU_UNTOLD = 1500 };

void plain_address(const uint8_t uuid[PLAIN_UUID], const uint8_t prefix[8], struct address *out)
{
	*out = (struct address){.version = 6};
	memcpy(out->octets, prefix, 8);
	put_u64(out->octets + 8, siphash(uuid, prefix, 8));
}

void plain_link_local(const uint8_t uuid[PLAIN_UUID], struct address *out)
{
	static const uint8_t prefix[8] = {0xfe, 0x80};
	plain_address(uuid, prefix, out);
}

/* One host, and not this one. */
static bool is_host(const struct address *address)
{
	static const uint8_t zero[15];
	const uint8_t *octets = address->octets;
	if (address->version == 4)
		return octets[0] != 0 && octets[0] != 127 && octets[0] < 224;
	return octets[0] != 0xff && !(octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80) &&
	       !(memcmp(octets, zero, sizeof(zero)) == 0 && octets[15] <= 1);
}

static void add_dns(struct control_message *out, const struct address *addresses, size_t count)
{
	for (size_t i = 0; i < count && out->dns_count < CONTROL_DNS_MAX; i++) {
		bool known = !is_host(&addresses[i]);
		for (size_t j = 0; j < out->dns_count; j++)
			known |= address_equal(&out->dns[j], &addresses[i]);
		if (!known)
			out->dns[out->dns_count++] = addresses[i];
	}
}

static struct view view_of(const char *text)
{
	return (struct view){(const uint8_t *)text, strlen(text)};
}

static bool is_same(const struct view *a, const struct view *b)
{
	return a->length == b->length && memcmp(a->octets, b->octets, a->length) == 0;
}

static void add_domains(struct control_message *out, const struct dns_names *names)
{
	for (size_t i = 0; i < names->count && out->domain_count < CONTROL_DOMAINS_MAX; i++) {
		struct view name = view_of(names->text[i]);
		bool known = false;
		for (size_t j = 0; j < out->domain_count; j++)
			known |= is_same(&out->domains[j], &name);
		if (!known)
			out->domains[out->domain_count++] = name;
	}
}

static void add_pcscf(struct control_message *out, const struct control_pcscf *pcscf)
{
	for (size_t i = 0; i < out->pcscf_count; i++)
		if (pcscf->address.version ? address_equal(&out->pcscf[i].address, &pcscf->address)
					   : out->pcscf[i].address.version == 0 &&
						     is_same(&out->pcscf[i].name, &pcscf->name))
			return;
	if (out->pcscf_count < CONTROL_PCSCF_MAX)
		out->pcscf[out->pcscf_count++] = *pcscf;
}

static void add_sip(struct control_message *out, const struct address *addresses, size_t count,
	const struct dns_names *names)
{
	for (size_t i = 0; i < count; i++)
		if (is_host(&addresses[i]))
			add_pcscf(out, &(struct control_pcscf){.address = addresses[i]});
	for (size_t i = 0; i < names->count; i++)
		add_pcscf(out, &(struct control_pcscf){.name = view_of(names->text[i])});
}

/* A default route is no IMS route: what goes through the tunnel is said by
 * narrower ones, or by the profile. */
static void add_route(struct control_message *out, const struct prefix *route)
{
	if (route->length > 0 && out->route_count < CONTROL_ROUTES_MAX)
		out->routes[out->route_count++] = *route;
}

static void grant_mtu(struct control_message *out, uint32_t mtu)
{
	if (mtu == 0)
		return;
	if (mtu < CONTROL_MTU_MIN)
		mtu = CONTROL_MTU_MIN;
	if (mtu < out->mtu)
		out->mtu = (uint16_t)mtu;
}

static void grant_ipv4(const struct plain_client *client, struct control_message *out)
{
	const struct dhcp4_message *lease = &client->offer;
	if (!plain_dhcp4_is_bound(client))
		return;
	out->inner4 = (struct prefix){lease->yours, 32};
	control_set(out, TAG_INNER4);
	grant_mtu(out, lease->mtu);
	for (size_t i = 0; i < lease->route_count; i++)
		add_route(out, &lease->routes[i].destination);
	add_sip(out, lease->sip, lease->sip_count, &lease->sip_names);
	add_dns(out, lease->dns, lease->dns_count);
	add_domains(out, &lease->domain);
}

static void grant_ipv6(const struct plain_client *client, struct control_message *out)
{
	const struct ndp_advert *advert = &client->advert;
	if (!advert->prefix.address.version)
		return;
	plain_address(client->uuid, advert->prefix.address.octets, &out->inner6.address);
	out->inner6.length = 64;
	control_set(out, TAG_INNER6);
	grant_mtu(out, advert->mtu);
	for (size_t i = 0; i < advert->route_count; i++)
		if (advert->routes[i].lifetime > 0)
			add_route(out, &advert->routes[i].destination);
	add_sip(out, client->told.sip, client->told.sip_count, &client->told.sip_names);
	add_dns(out, client->told.dns, client->told.dns_count);
	add_dns(out, advert->dns, advert->dns_count);
	add_domains(out, &client->told.domains);
}

void plain_client_grant(const struct plain_client *client, struct control_message *out)
{
	*out = (struct control_message){
		.kind = CONTROL_CONFIGURATION_RESPONSE,
		.version = CONTROL_VERSION,
		.mtu = MTU_UNTOLD,
	};
	control_set(out, TAG_MTU);
	grant_ipv4(client, out);
	grant_ipv6(client, out);
}
