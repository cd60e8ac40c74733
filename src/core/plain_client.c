/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When to ask, whom to believe, what came of it. */
#include "core/plain_client.h"

#include <string.h>

#include "core/plain_dhcp4.h"
#include "core/plain_grant.h"

enum {
	SECOND = 1000000,
	SOLICIT_WAIT = 4 * SECOND,     /* RFC 4861 10 */
	INFORMATION_WAIT = 1 * SECOND, /* RFC 8415 7.6: INF_TIMEOUT */
};
static const uint64_t INFORMATION_WAIT_MOST = UINT64_C(3600) * SECOND; /* INF_MAX_RT */

static const struct address all_routers = {6, {0xff, 0x02, [15] = 2}};
static const struct address all_dhcp = {6, {0xff, 0x02, [13] = 1, [15] = 2}};

static uint64_t soonest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void plain_client_changed(struct plain_client *client, uint64_t now)
{
	client->changes++;
	if (client->first == 0 && plain_client_has_address(client))
		client->first = now;
}

/* --- router ------------------------------------------------------------------ */

static size_t send_solicit(struct plain_client *client, uint64_t now, uint8_t *packet)
{
	uint8_t octets[NDP_SOLICIT_LENGTH];
	struct datagram datagram = {
		.destination = all_routers,
		.payload = {octets, ndp_encode_solicit(octets)},
	};
	plain_link_local(client->uuid, &datagram.source);
	client->tries_router++;
	client->send_router = now + SOLICIT_WAIT;
	return datagram_write_ndp(&datagram, packet);
}

static void age_router(struct plain_client *client, uint64_t now)
{
	if (now >= client->expire6_at) {
		client->advert = (struct ndp_advert){0};
		client->expire6_at = PLAIN_NEVER;
		client->router = PLAIN_SOLICITING;
		client->tries_router = 0;
		client->send_router = now;
		plain_client_changed(client, now);
	}
	if (client->tries_router < PLAIN_SOLICIT_TRIES || now < client->send_router)
		return;
	client->send_router = PLAIN_NEVER;
	if (client->router == PLAIN_SOLICITING)
		client->router = PLAIN_NO_ROUTER;
}

static bool is_same_advert(const struct ndp_advert *a, const struct ndp_advert *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void ask_information(struct plain_client *client, uint64_t now, uint32_t random)
{
	client->dhcp6 = PLAIN_ASKING;
	client->transaction6 = random & 0xffffff;
	client->asked6_first = client->send6 = now;
	client->wait6 = 0;
}

static void take_advert(
	struct plain_client *client, const struct ndp_advert *advert, uint64_t now, uint32_t random)
{
	client->alive = now;
	if (!advert->prefix.address.version)
		return; /* a router without a prefix for us gives no address */
	bool fresh = !is_same_advert(&client->advert, advert);
	client->advert = *advert;
	client->router = PLAIN_ADVERTISED;
	client->tries_router = 0;
	client->expire6_at = plain_after(now, advert->valid);
	client->send_router =
		advert->valid == UINT32_MAX ? PLAIN_NEVER : plain_after(now, advert->valid / 2);
	if (client->dhcp6 == PLAIN_NOT_ASKED && (advert->other || advert->managed))
		ask_information(client, now, random);
	if (fresh)
		plain_client_changed(client, now);
}

/* --- DHCPv6 ------------------------------------------------------------------ */

static size_t send_information_request(
	struct plain_client *client, uint64_t now, uint32_t random, uint8_t *packet)
{
	static const enum dhcp6_option wishes[] = {DHCP6_SIP_NAMES, DHCP6_SIP_ADDRESSES, DHCP6_DNS,
		DHCP6_DOMAINS, DHCP6_REFRESH, DHCP6_INF_MAX_RT};
	struct dhcp6_message message = {
		.type = DHCP6_INFORMATION_REQUEST,
		.transaction = client->transaction6,
	};
	uint8_t octets[DHCP6_ROOM];
	uint64_t elapsed = (now - client->asked6_first) / (SECOND / 100);

	message.elapsed = elapsed < UINT16_MAX ? (uint16_t)elapsed : UINT16_MAX;
	dhcp6_duid_from_uuid(client->uuid, &message.client_id);
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
		dhcp6_wish(&message, wishes[i]);
	/* RFC 8415 15: twice as long each time, plus or minus a tenth. */
	uint64_t wait = client->wait6 ? 2 * client->wait6 : INFORMATION_WAIT;
	if (wait > INFORMATION_WAIT_MOST)
		wait = INFORMATION_WAIT_MOST;
	client->wait6 = wait - wait / 10 + wait / 5 * (random >> 16) / 65536;
	client->send6 = now + client->wait6;
	struct datagram datagram = {
		.destination = all_dhcp,
		.source_port = DHCP6_CLIENT_PORT,
		.destination_port = DHCP6_SERVER_PORT,
		.payload = {octets, dhcp6_encode(&message, octets, sizeof(octets))},
	};
	plain_link_local(client->uuid, &datagram.source);
	return datagram_write(&datagram, packet);
}

/* RFC 8415 16.10, 18.2.10.4. */
static bool take_dhcp6(struct plain_client *client, const struct datagram *datagram, uint64_t now)
{
	struct dhcp6_message message;
	struct dhcp6_duid own;
	dhcp6_duid_from_uuid(client->uuid, &own);
	if (client->dhcp6 != PLAIN_ASKING ||
		!dhcp6_decode(datagram->payload.octets, datagram->payload.length, &message) ||
		message.type != DHCP6_REPLY || message.transaction != client->transaction6 ||
		message.server_id.length == 0 || message.status != 0 ||
		!dhcp6_duid_equal(&message.client_id, &own))
		return true;
	uint32_t refresh = message.refresh ? message.refresh : DHCP6_REFRESH_DEFAULT;
	client->alive = now;
	client->dhcp6 = PLAIN_TOLD;
	client->told.transaction = message.transaction;
	bool fresh = memcmp(&client->told, &message, sizeof(message)) != 0;
	client->told = message;
	client->send6 =
		plain_after(now, refresh < DHCP6_REFRESH_LEAST ? DHCP6_REFRESH_LEAST : refresh);
	if (fresh)
		plain_client_changed(client, now);
	return true;
}

/* --- all of them ------------------------------------------------------------- */

void plain_client_init(struct plain_client *client, const uint8_t uuid[PLAIN_UUID], uint64_t now)
{
	memset(client, 0, sizeof(*client));
	memcpy(client->uuid, uuid, PLAIN_UUID);
	plain_dhcp4_begin(client, now);
	client->send_router = now;
	client->expire6_at = client->send6 = PLAIN_NEVER;
}

size_t plain_client_poll(
	struct plain_client *client, uint64_t now, uint32_t random, uint8_t *packet)
{
	plain_dhcp4_age(client, now, random);
	age_router(client, now);
	client->settled |= client->first && now >= client->first + PLAIN_SETTLE_US;
	if (now >= client->send4)
		return plain_dhcp4_send(client, now, random, packet);
	if (now >= client->send_router)
		return send_solicit(client, now, packet);
	if (now < client->send6)
		return 0;
	if (client->dhcp6 == PLAIN_TOLD) /* what was told has grown old */
		ask_information(client, now, random);
	return send_information_request(client, now, random, packet);
}

uint64_t plain_client_due(const struct plain_client *client)
{
	uint64_t due = soonest(client->send4, soonest(client->send_router, client->send6));
	due = soonest(due, soonest(client->expire4_at, client->expire6_at));
	if (client->dhcp4 == PLAIN_BOUND)
		due = soonest(due, client->renew_at);
	if (client->dhcp4 == PLAIN_RENEWING)
		due = soonest(due, client->rebind_at);
	if (client->first && !client->settled)
		due = soonest(due, client->first + PLAIN_SETTLE_US);
	return due;
}

bool plain_client_take(
	struct plain_client *client, const struct packet *packet, uint64_t now, uint32_t random)
{
	struct datagram datagram;
	struct ndp_advert advert;
	if (packet->protocol == PROTOCOL_UDP && packet->version == 4 &&
		packet->destination_port == DHCP4_CLIENT_PORT &&
		packet->source_port == DHCP4_SERVER_PORT)
		return datagram_read(packet, &datagram) && plain_dhcp4_take(client, &datagram, now);
	if (packet->protocol == PROTOCOL_UDP && packet->version == 6 &&
		packet->destination_port == DHCP6_CLIENT_PORT)
		return datagram_read(packet, &datagram) && take_dhcp6(client, &datagram, now);
	/* RFC 4861 6.1.2: a router speaks from its link-local address. */
	if (!datagram_read_ndp(packet, &datagram) || datagram.source.octets[0] != 0xfe ||
		(datagram.source.octets[1] & 0xc0) != 0x80 ||
		!ndp_decode_advert(datagram.payload, &advert))
		return false;
	take_advert(client, &advert, now, random);
	return true;
}

bool plain_client_has_address(const struct plain_client *client)
{
	return plain_dhcp4_is_bound(client) || client->advert.prefix.address.version;
}

bool plain_client_is_ready(const struct plain_client *client)
{
	bool decided4 = client->dhcp4 != PLAIN_SELECTING && client->dhcp4 != PLAIN_REQUESTING;
	bool decided6 = client->router != PLAIN_SOLICITING && client->dhcp6 != PLAIN_ASKING;
	return plain_client_has_address(client) &&
	       ((decided4 && decided6) || client->settled || client->one_family);
}

void plain_client_check(struct plain_client *client, uint64_t now, uint32_t random)
{
	plain_dhcp4_check(client, now, random);
	if (client->router == PLAIN_ADVERTISED) {
		client->tries_router = 0;
		client->send_router = now;
	}
}
