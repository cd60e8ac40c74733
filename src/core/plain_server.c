/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The answers of DHCPv4, DHCPv6 and neighbour discovery to one UE. */
#include "core/plain_server.h"

#include <string.h>

#include "core/dhcp4.h"
#include "core/dhcp6.h"
#include "core/ndp.h"

enum { HOP_LIMIT = 64, IP_AND_UDP = 28 };

const struct address plain_router = {6, {0xfe, 0x80, [15] = 1}};

static const struct address broadcast = {4, {255, 255, 255, 255}};
static const struct address all_nodes = {6, {0xff, 0x02, [15] = 1}};
static const struct address all_routers = {6, {0xff, 0x02, [15] = 2}};
static const struct address all_dhcp = {6, {0xff, 0x02, [13] = 1, [15] = 2}};

static bool is_unspecified(const struct address *address)
{
	static const uint8_t zero[16];
	return memcmp(address->octets, zero, sizeof(zero)) == 0;
}

static bool is_link_local(const struct address *address)
{
	return address->octets[0] == 0xfe && (address->octets[1] & 0xc0) == 0x80;
}

static bool is_from_lease(const struct prefix *lease, const struct address *address)
{
	return lease->address.version && prefix_contains(lease, address);
}

/* --- DHCPv4 ---------------------------------------------------------------- */

static void add_sip(const struct control_message *offer, uint8_t version, struct address *out,
	size_t most, size_t *count, struct dns_names *names)
{
	for (size_t i = 0; i < offer->pcscf_count; i++) {
		const struct control_pcscf *pcscf = &offer->pcscf[i];
		if (pcscf->address.version == version && *count < most)
			out[(*count)++] = pcscf->address;
		if (pcscf->address.version == 0 && names->count < DNS_NAMES_MAX &&
			pcscf->name.length <= TEXT_HOST_NAME_MAX) {
			char *name = names->text[names->count++];
			memcpy(name, pcscf->name.octets, pcscf->name.length);
			name[pcscf->name.length] = '\0';
		}
	}
}

static void add_dns(const struct control_message *offer, uint8_t version, struct address *out,
	size_t most, size_t *count)
{
	for (size_t i = 0; i < offer->dns_count && *count < most; i++)
		if (offer->dns[i].version == version)
			out[(*count)++] = offer->dns[i];
}

static void add_domains(const struct control_message *offer, size_t most, struct dns_names *out)
{
	for (size_t i = 0; i < offer->domain_count && out->count < most; i++) {
		const struct view *domain = &offer->domains[i];
		char *name = out->text[out->count];
		if (domain->length > TEXT_HOST_NAME_MAX)
			continue;
		memcpy(name, domain->octets, domain->length);
		name[domain->length] = '\0';
		out->count++;
	}
}

static void add_routes(const struct plain_service *service, struct dhcp4_message *reply)
{
	const struct control_message *offer = service->offer;
	for (size_t i = 0; i < offer->route_count && reply->route_count < DHCP4_ROUTES_MAX; i++)
		if (offer->routes[i].address.version == 4)
			reply->routes[reply->route_count++] =
				(struct dhcp4_route){offer->routes[i], service->own4};
}

/* All that the client asked for, or all there is when it did not say. */
static void add_parameters(const struct plain_service *service, const struct dhcp4_message *request,
	struct dhcp4_message *reply)
{
	const struct control_message *offer = service->offer;
	bool all = !request->has_wishes;
	if (all || dhcp4_wishes(request, DHCP4_MASK))
		reply->mask_length = service->mask_length;
	if (all || dhcp4_wishes(request, DHCP4_ROUTER))
		reply->router = service->own4;
	if (all || dhcp4_wishes(request, DHCP4_DNS))
		add_dns(offer, 4, reply->dns, DHCP4_DNS_MAX, &reply->dns_count);
	if (all || dhcp4_wishes(request, DHCP4_DOMAIN))
		add_domains(offer, 1, &reply->domain);
	if (all || dhcp4_wishes(request, DHCP4_MTU))
		reply->mtu = offer->mtu;
	if (all || dhcp4_wishes(request, DHCP4_SIP))
		add_sip(offer, 4, reply->sip, DHCP4_SIP_MAX, &reply->sip_count, &reply->sip_names);
	if (all || dhcp4_wishes(request, DHCP4_ROUTES))
		add_routes(service, reply);
}

/* Whether this request is for the address that the tunnel has (RFC 2131
 * 4.3.2). */
static bool asks_for_lease(const struct plain_service *service, const struct dhcp4_message *request)
{
	const struct address *wanted =
		request->client.version ? &request->client : &request->requested;
	return address_equal(wanted, &service->inner4.address);
}

/* The type of the answer; false when there is none. */
static bool decide(const struct plain_service *service, const struct dhcp4_message *request,
	enum dhcp4_type *out)
{
	switch (request->type) {
	case DHCP4_DISCOVER:
		*out = DHCP4_OFFER;
		return true;
	case DHCP4_REQUEST:
		if (request->server.version && !address_equal(&request->server, &service->own4))
			return false; /* it has chosen another server's offer */
		*out = asks_for_lease(service, request) ? DHCP4_ACK : DHCP4_NAK;
		return true;
	case DHCP4_INFORM:
		*out = DHCP4_ACK;
		return true;
	case DHCP4_DECLINE: /* nobody else can have the address */
	case DHCP4_RELEASE: /* it ends with the tunnel, not before */
	case DHCP4_OFFER:
	case DHCP4_ACK:
	case DHCP4_NAK:
		return false;
	}
	return false;
}

static void fill_answer(const struct plain_service *service, const struct dhcp4_message *request,
	struct dhcp4_message *reply)
{
	reply->transaction = request->transaction;
	reply->broadcast = request->broadcast;
	reply->hardware_type = request->hardware_type;
	reply->hardware_length = request->hardware_length;
	memcpy(reply->hardware, request->hardware, sizeof(reply->hardware));
	reply->server = service->own4;
	/* RFC 6842 3. */
	memcpy(reply->client_id, request->client_id, request->client_id_length);
	reply->client_id_length = request->client_id_length;
	if (reply->type == DHCP4_NAK)
		return;
	reply->client = request->client;
	add_parameters(service, request, reply);
	if (request->type == DHCP4_INFORM)
		return;
	reply->yours = service->inner4.address;
	reply->lease = PLAIN_LEASE_TIME;
	reply->t1 = PLAIN_LEASE_TIME / 2;
	reply->t2 = PLAIN_LEASE_TIME / 8 * 7;
}

/* RFC 2131 4.1.  There is no relay inside a tunnel. */
static const struct address *answer_to(
	const struct dhcp4_message *request, const struct dhcp4_message *reply)
{
	if (reply->type == DHCP4_NAK)
		return &broadcast;
	if (request->client.version)
		return &request->client;
	return request->broadcast ? &broadcast : &reply->yours;
}

static size_t room_for(const struct dhcp4_message *request)
{
	size_t room = request->max_size > IP_AND_UDP ? (size_t)request->max_size - IP_AND_UDP : 0;
	if (room < DHCP4_ROOM)
		return DHCP4_ROOM;
	return room < DATAGRAM_PAYLOAD_MAX ? room : DATAGRAM_PAYLOAD_MAX;
}

static enum plain_result serve_dhcp4(const struct plain_service *service,
	const struct datagram *datagram, uint8_t *answer, size_t *length)
{
	struct dhcp4_message request, reply = {0};
	uint8_t octets[DATAGRAM_PAYLOAD_MAX];

	if (!service->inner4.address.version ||
		!dhcp4_decode(datagram->payload.octets, datagram->payload.length, &request))
		return PLAIN_NOT_OURS;
	/* It may only speak for the address that it has. */
	if (request.relay.version || !decide(service, &request, &reply.type) ||
		(request.client.version && reply.type != DHCP4_NAK &&
			!address_equal(&request.client, &service->inner4.address)))
		return PLAIN_SILENT;
	fill_answer(service, &request, &reply);
	struct datagram out = {
		.source = service->own4,
		.destination = *answer_to(&request, &reply),
		.source_port = DHCP4_SERVER_PORT,
		.destination_port = DHCP4_CLIENT_PORT,
		.payload = {octets, dhcp4_encode(&reply, octets, room_for(&request))},
	};
	*length = datagram_write(&out, answer);
	return PLAIN_ANSWER;
}

/* --- router ---------------------------------------------------------------- */

static void fill_advert(const struct plain_service *service, struct ndp_advert *out)
{
	const struct control_message *offer = service->offer;
	*out = (struct ndp_advert){
		.hop_limit = HOP_LIMIT,
		.other = true,
		.lifetime = PLAIN_ROUTER_LIFETIME,
		.prefix = service->inner6,
		.valid = PLAIN_LEASE_TIME,
		.preferred = PLAIN_LEASE_TIME,
		.mtu = offer->mtu,
		.dns_lifetime = PLAIN_ROUTER_LIFETIME,
	};
	memset(out->prefix.address.octets + 8, 0, 8);
	add_dns(offer, 6, out->dns, NDP_DNS_MAX, &out->dns_count);
	for (size_t i = 0; i < offer->route_count && out->route_count < NDP_ROUTES_MAX; i++)
		if (offer->routes[i].address.version == 6)
			out->routes[out->route_count++] =
				(struct ndp_route){offer->routes[i], PLAIN_ROUTER_LIFETIME};
}

static size_t write_advert(
	const struct plain_service *service, const struct address *to, uint8_t *out)
{
	struct ndp_advert advert;
	uint8_t octets[NDP_ROOM];
	fill_advert(service, &advert);
	struct datagram datagram = {
		.source = plain_router,
		.destination = *to,
		.payload = {octets, ndp_encode_advert(&advert, octets, sizeof(octets))},
	};
	return datagram_write_ndp(&datagram, out);
}

size_t plain_advertise(const struct plain_service *service, uint8_t *out)
{
	return service->inner6.address.version ? write_advert(service, &all_nodes, out) : 0;
}

static size_t write_neighbor_advert(const struct datagram *solicit, uint8_t *out)
{
	uint8_t octets[NDP_NEIGHBOR_LENGTH];
	bool known = !is_unspecified(&solicit->source);
	struct datagram datagram = {
		.source = plain_router,
		.destination = known ? solicit->source : all_nodes,
		.payload = {octets, ndp_encode_neighbor_advert(&plain_router, known, octets)},
	};
	return datagram_write_ndp(&datagram, out);
}

static enum plain_result serve_ndp(const struct plain_service *service,
	const struct datagram *datagram, uint8_t *answer, size_t *length)
{
	struct address target;
	if (ndp_decode_solicit(datagram->payload)) {
		bool known = !is_unspecified(&datagram->source);
		*length = write_advert(service, known ? &datagram->source : &all_nodes, answer);
		return PLAIN_ANSWER;
	}
	if (!ndp_decode_neighbor_solicit(datagram->payload, &target))
		return PLAIN_NOT_OURS;
	/* Of other addresses: the UE looks whether somebody has its own already. */
	if (!address_equal(&target, &plain_router))
		return PLAIN_SILENT;
	*length = write_neighbor_advert(datagram, answer);
	return PLAIN_ANSWER;
}

/* --- DHCPv6 ---------------------------------------------------------------- */

static void fill_reply(const struct plain_service *service, const struct dhcp6_message *request,
	struct dhcp6_message *reply)
{
	const struct control_message *offer = service->offer;
	struct dns_names names = {0};
	reply->type = DHCP6_REPLY;
	reply->transaction = request->transaction;
	reply->client_id = request->client_id;
	dhcp6_duid_from_uuid(service->uuid, &reply->server_id);
	add_sip(offer, 6, reply->sip, DHCP6_SIP_MAX, &reply->sip_count, &names);
	if (!dhcp6_wishes(request, DHCP6_SIP_ADDRESSES))
		reply->sip_count = 0;
	if (dhcp6_wishes(request, DHCP6_SIP_NAMES))
		reply->sip_names = names;
	if (dhcp6_wishes(request, DHCP6_DNS))
		add_dns(offer, 6, reply->dns, DHCP6_DNS_MAX, &reply->dns_count);
	if (dhcp6_wishes(request, DHCP6_DOMAINS))
		add_domains(offer, DNS_NAMES_MAX, &reply->domains);
	if (dhcp6_wishes(request, DHCP6_REFRESH))
		reply->refresh = DHCP6_REFRESH_DEFAULT;
}

static enum plain_result serve_dhcp6(const struct plain_service *service,
	const struct datagram *datagram, uint8_t *answer, size_t *length)
{
	struct dhcp6_message request, reply = {0};
	struct dhcp6_duid own;
	uint8_t octets[DHCP6_ROOM];

	if (!dhcp6_decode(datagram->payload.octets, datagram->payload.length, &request))
		return PLAIN_NOT_OURS;
	/* RFC 8415 16.12: a request for another server. */
	dhcp6_duid_from_uuid(service->uuid, &own);
	if (request.type != DHCP6_INFORMATION_REQUEST ||
		(request.server_id.length && !dhcp6_duid_equal(&request.server_id, &own)))
		return PLAIN_SILENT;
	fill_reply(service, &request, &reply);
	struct datagram out = {
		.source = plain_router,
		.destination = datagram->source,
		.source_port = DHCP6_SERVER_PORT,
		.destination_port = datagram->source_port,
		.payload = {octets, dhcp6_encode(&reply, octets, sizeof(octets))},
	};
	*length = datagram_write(&out, answer);
	return PLAIN_ANSWER;
}

/* --- all of them ------------------------------------------------------------ */

static enum plain_result serve_ipv4(const struct plain_service *service,
	const struct packet *packet, uint8_t *answer, size_t *length)
{
	struct datagram datagram;
	if (packet->protocol != PROTOCOL_UDP || packet->destination_port != DHCP4_SERVER_PORT ||
		!datagram_read(packet, &datagram))
		return PLAIN_NOT_OURS;
	bool to_us = address_equal(&datagram.destination, &broadcast) ||
		     address_equal(&datagram.destination, &service->own4);
	if (!to_us || (!is_unspecified(&datagram.source) &&
			      !is_from_lease(&service->inner4, &datagram.source)))
		return PLAIN_NOT_OURS;
	return serve_dhcp4(service, &datagram, answer, length);
}

static enum plain_result serve_ipv6(const struct plain_service *service,
	const struct packet *packet, uint8_t *answer, size_t *length)
{
	struct datagram datagram;
	bool dhcp =
		packet->protocol == PROTOCOL_UDP && packet->destination_port == DHCP6_SERVER_PORT;
	if (!service->inner6.address.version)
		return PLAIN_NOT_OURS;
	if (dhcp ? !datagram_read(packet, &datagram) : !datagram_read_ndp(packet, &datagram))
		return PLAIN_NOT_OURS;
	bool ours = is_link_local(&datagram.source) ||
		    (!dhcp && (is_unspecified(&datagram.source) ||
				      is_from_lease(&service->inner6, &datagram.source)));
	bool to_us = address_equal(&datagram.destination, &plain_router) ||
		     (dhcp ? address_equal(&datagram.destination, &all_dhcp)
			   : address_equal(&datagram.destination, &all_routers) ||
					     datagram.destination.octets[0] == 0xff);
	if (!ours || !to_us || address_equal(&datagram.source, &plain_router))
		return PLAIN_NOT_OURS;
	return dhcp ? serve_dhcp6(service, &datagram, answer, length)
		    : serve_ndp(service, &datagram, answer, length);
}

bool plain_may_be_ours(const struct packet *packet)
{
	if (packet->protocol == PROTOCOL_UDP)
		return packet->destination_port ==
		       (packet->version == 4 ? DHCP4_SERVER_PORT : DHCP6_SERVER_PORT);
	return packet->protocol == PROTOCOL_ICMPV6 && packet->version == 6;
}

enum plain_result plain_serve(const struct plain_service *service, const struct packet *packet,
	uint8_t *answer, size_t *length)
{
	return packet->version == 4 ? serve_ipv4(service, packet, answer, length)
				    : serve_ipv6(service, packet, answer, length);
}
