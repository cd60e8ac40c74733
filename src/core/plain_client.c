/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When to ask, whom to believe, what came of it. */
#include "core/plain_client.h"

#include <string.h>

#include "core/plain_grant.h"

enum {
	SECOND = 1000000,
	DISCOVER_WAIT = 4 * SECOND, /* RFC 2131 4.1 */
	DISCOVER_WAIT_MOST = 64 * SECOND,
	RENEW_WAIT_LEAST = 60 * SECOND, /* RFC 2131 4.4.5 */
	SOLICIT_WAIT = 4 * SECOND,      /* RFC 4861 10 */
	INFORMATION_WAIT = 1 * SECOND,  /* RFC 8415 7.6: INF_TIMEOUT */
	HARDWARE_ETHERNET = 1,
	HARDWARE_OCTETS = 6,
	CLIENT_ID_TYPE = 255, /* RFC 4361 6.1: IAID and DUID follow */
	LEASE_LEAST = 10,     /* s; a lease of less would be nothing but renewals */
};
static const uint64_t INFORMATION_WAIT_MOST = UINT64_C(3600) * SECOND; /* INF_MAX_RT */

#define NEVER UINT64_MAX

static const struct address nobody4 = {4, {0}};
static const struct address broadcast = {4, {255, 255, 255, 255}};
static const struct address all_routers = {6, {0xff, 0x02, [15] = 2}};
static const struct address all_dhcp = {6, {0xff, 0x02, [13] = 1, [15] = 2}};

static uint64_t soonest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* `seconds` after `now`; UINT32_MAX is for ever. */
static uint64_t after(uint64_t now, uint32_t seconds)
{
	return seconds == UINT32_MAX ? NEVER : now + (uint64_t)seconds * SECOND;
}

/* RFC 2131 4.1: plus or minus 1 s. */
static uint64_t jittered(uint64_t wait, uint32_t random)
{
	return wait - SECOND + (uint64_t)(random >> 11) % (2 * SECOND);
}

static void changed(struct plain_client *client, uint64_t now)
{
	client->changes++;
	if (client->first == 0 && plain_client_has_address(client))
		client->first = now;
}

/* --- DHCPv4: what is sent --------------------------------------------------- */

static void begin_dhcp4(struct plain_client *client, uint64_t now)
{
	client->dhcp4 = PLAIN_SELECTING;
	client->offer = (struct dhcp4_message){0};
	client->renew_at = client->rebind_at = client->expire4_at = NEVER;
	client->send4 = client->asked4_first = now;
	client->tries4 = 0;
}

static void fill_request(const struct plain_client *client, uint64_t now, struct dhcp4_message *out)
{
	static const enum dhcp4_option wishes[] = {DHCP4_MASK, DHCP4_ROUTER, DHCP4_DNS,
		DHCP4_DOMAIN, DHCP4_MTU, DHCP4_LEASE_TIME, DHCP4_SERVER, DHCP4_T1, DHCP4_T2,
		DHCP4_SIP, DHCP4_ROUTES};
	uint64_t seconds = (now - client->asked4_first) / SECOND;
	struct dhcp6_duid duid;

	out->transaction = client->transaction4;
	out->seconds = seconds < UINT16_MAX ? (uint16_t)seconds : UINT16_MAX;
	/* A tunnel has no link-layer address; servers want one, so there is one
	 * that is nobody's: locally administered, made of the UUID. */
	out->hardware_type = HARDWARE_ETHERNET;
	out->hardware_length = HARDWARE_OCTETS;
	memcpy(out->hardware, client->uuid, HARDWARE_OCTETS);
	out->hardware[0] = (uint8_t)((out->hardware[0] & 0xfc) | 2);
	dhcp6_duid_from_uuid(client->uuid, &duid);
	out->client_id[0] = CLIENT_ID_TYPE;
	memcpy(out->client_id + 1, client->uuid + 12, 4);
	memcpy(out->client_id + 5, duid.octets, duid.length);
	out->client_id_length = 5 + duid.length;
	if (out->type == DHCP4_RELEASE)
		return;
	out->max_size = DATAGRAM_PACKET_MAX - 60; /* with the longest IPv4 header */
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
		dhcp4_wish(out, wishes[i]);
}

/* From the lease's address where there is one, else from 0.0.0.0 to all. */
static size_t write_dhcp4(struct plain_client *client, const struct dhcp4_message *message,
	bool to_server, uint8_t *packet)
{
	uint8_t octets[DATAGRAM_PAYLOAD_MAX];
	struct datagram datagram = {
		.source = message->client.version ? message->client : nobody4,
		.destination = to_server ? client->offer.server : broadcast,
		.source_port = DHCP4_CLIENT_PORT,
		.destination_port = DHCP4_SERVER_PORT,
		.payload = {octets, dhcp4_encode(message, octets, DHCP4_ROOM)},
	};
	return datagram_write(&datagram, packet);
}

static void wait_for_offer(struct plain_client *client, uint64_t now, uint32_t random)
{
	uint64_t wait = DISCOVER_WAIT;
	for (unsigned i = 1; i < client->tries4 && wait < DISCOVER_WAIT_MOST; i++)
		wait *= 2;
	client->send4 = now + jittered(wait, random);
}

/* Half of what is left, at least a minute (RFC 2131 4.4.5). */
static void wait_for_renewal(struct plain_client *client, uint64_t now, uint64_t until)
{
	uint64_t left = until > now ? (until - now) / 2 : 0;
	client->send4 =
		until == NEVER ? NEVER : now + (left > RENEW_WAIT_LEAST ? left : RENEW_WAIT_LEAST);
}

static size_t send_dhcp4(
	struct plain_client *client, uint64_t now, uint32_t random, uint8_t *packet)
{
	struct dhcp4_message message = {.type = DHCP4_REQUEST};
	bool to_server = false;

	client->tries4++;
	switch (client->dhcp4) {
	case PLAIN_SELECTING:
		if (client->tries4 == 1)
			client->transaction4 = random;
		message.type = DHCP4_DISCOVER;
		message.requested = client->wished;
		wait_for_offer(client, now, random);
		break;
	case PLAIN_REQUESTING:
		message.requested = client->offer.yours;
		message.server = client->offer.server;
		wait_for_offer(client, now, random);
		break;
	case PLAIN_RENEWING:
		message.client = client->offer.yours;
		to_server = true;
		wait_for_renewal(client, now, client->rebind_at);
		break;
	case PLAIN_REBINDING:
		message.client = client->offer.yours;
		wait_for_renewal(client, now, client->expire4_at);
		break;
	case PLAIN_BOUND:
	case PLAIN_NO_DHCP4:
		client->send4 = NEVER;
		return 0;
	}
	fill_request(client, now, &message);
	return write_dhcp4(client, &message, to_server, packet);
}

static void renew(
	struct plain_client *client, enum plain_dhcp4_state state, uint64_t now, uint32_t random)
{
	client->dhcp4 = state;
	client->transaction4 = random;
	client->asked4_first = client->send4 = now;
	client->tries4 = 0;
}

/* Moves on what time alone moves on. */
static void age_dhcp4(struct plain_client *client, uint64_t now, uint32_t random)
{
	bool given_up = client->tries4 >= PLAIN_DISCOVER_TRIES && now >= client->send4;
	switch (client->dhcp4) {
	case PLAIN_SELECTING:
		if (given_up && client->advert.prefix.address.version) {
			client->dhcp4 = PLAIN_NO_DHCP4;
			client->send4 = NEVER;
		}
		break;
	case PLAIN_REQUESTING:
		if (given_up)
			begin_dhcp4(client, now);
		break;
	case PLAIN_BOUND:
		if (now >= client->renew_at)
			renew(client, PLAIN_RENEWING, now, random);
		break;
	case PLAIN_RENEWING:
		if (now >= client->rebind_at)
			renew(client, PLAIN_REBINDING, now, random);
		break;
	case PLAIN_REBINDING:
	case PLAIN_NO_DHCP4:
		break;
	}
	if (now >= client->expire4_at) {
		begin_dhcp4(client, now);
		changed(client, now);
	}
}

/* --- DHCPv4: what comes ------------------------------------------------------ */

static bool is_usable4(const struct address *address)
{
	const uint8_t *octets = address->octets;
	return address->version == 4 && octets[0] != 0 && octets[0] != 127 && octets[0] < 224 &&
	       !(octets[0] == 169 && octets[1] == 254);
}

static bool is_good_offer(const struct dhcp4_message *message)
{
	return is_usable4(&message->yours) && message->server.version &&
	       message->lease >= LEASE_LEAST;
}

/* RFC 2131 4.4.5: T1 and T2 as told, else at half and at 7/8 of the lease. */
static void set_lease_times(struct plain_client *client, uint64_t now)
{
	const struct dhcp4_message *lease = &client->offer;
	uint32_t t1 = lease->t1, t2 = lease->t2;
	if (t2 == 0 || t2 >= lease->lease)
		t2 = lease->lease / 8 * 7;
	if (t1 == 0 || t1 >= t2)
		t1 = lease->lease / 2;
	bool for_ever = lease->lease == UINT32_MAX;
	client->renew_at = for_ever ? NEVER : after(now, t1);
	client->rebind_at = for_ever ? NEVER : after(now, t2);
	client->expire4_at = after(now, lease->lease);
}

/* Not the octets of the message: the answer to a renewal differs in its
 * transaction, and tells the same. */
static bool tells_the_same(const struct dhcp4_message *a, const struct dhcp4_message *b)
{
	struct dhcp4_message copy = *b;
	copy.transaction = a->transaction;
	copy.client = a->client;
	copy.type = a->type;
	copy.seconds = a->seconds;
	copy.lease = a->lease;
	copy.t1 = a->t1;
	copy.t2 = a->t2;
	return memcmp(a, &copy, sizeof(copy)) == 0;
}

static void take_ack(struct plain_client *client, const struct dhcp4_message *ack, uint64_t now)
{
	bool fresh = client->dhcp4 == PLAIN_REQUESTING || !tells_the_same(&client->offer, ack);
	client->offer = *ack;
	client->dhcp4 = PLAIN_BOUND;
	client->send4 = NEVER;
	set_lease_times(client, now);
	if (fresh)
		changed(client, now);
}

static void take_nak(struct plain_client *client, uint64_t now)
{
	bool had = client->dhcp4 != PLAIN_REQUESTING;
	begin_dhcp4(client, now);
	/* Not at once: a server that says no to what it offers would keep us busy. */
	client->send4 = now + SECOND;
	if (had)
		changed(client, now);
}

static bool take_dhcp4(struct plain_client *client, const struct datagram *datagram, uint64_t now)
{
	struct dhcp4_message message;
	if (!dhcp4_decode(datagram->payload.octets, datagram->payload.length, &message) ||
		message.transaction != client->transaction4 || client->tries4 == 0)
		return true;
	bool waits = client->dhcp4 == PLAIN_REQUESTING || client->dhcp4 == PLAIN_RENEWING ||
		     client->dhcp4 == PLAIN_REBINDING;
	if (client->dhcp4 == PLAIN_SELECTING && message.type == DHCP4_OFFER &&
		is_good_offer(&message)) {
		client->alive = now;
		client->offer = message;
		client->dhcp4 = PLAIN_REQUESTING;
		client->send4 = now;
		client->tries4 = 0;
		/* The transaction stays (RFC 2131 4.4.1). */
	} else if (waits && message.type == DHCP4_ACK && is_good_offer(&message)) {
		client->alive = now;
		take_ack(client, &message, now);
	} else if (waits && message.type == DHCP4_NAK) {
		client->alive = now;
		take_nak(client, now);
	}
	return true;
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
		client->expire6_at = NEVER;
		client->router = PLAIN_SOLICITING;
		client->tries_router = 0;
		client->send_router = now;
		changed(client, now);
	}
	if (client->tries_router < PLAIN_SOLICIT_TRIES || now < client->send_router)
		return;
	client->send_router = NEVER;
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
	client->expire6_at = after(now, advert->valid);
	client->send_router = advert->valid == UINT32_MAX ? NEVER : after(now, advert->valid / 2);
	if (client->dhcp6 == PLAIN_NOT_ASKED && (advert->other || advert->managed))
		ask_information(client, now, random);
	if (fresh)
		changed(client, now);
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
	client->send6 = after(now, refresh < DHCP6_REFRESH_LEAST ? DHCP6_REFRESH_LEAST : refresh);
	if (fresh)
		changed(client, now);
	return true;
}

/* --- all of them ------------------------------------------------------------- */

void plain_client_init(struct plain_client *client, const uint8_t uuid[PLAIN_UUID], uint64_t now)
{
	memset(client, 0, sizeof(*client));
	memcpy(client->uuid, uuid, PLAIN_UUID);
	begin_dhcp4(client, now);
	client->send_router = now;
	client->expire6_at = client->send6 = NEVER;
}

size_t plain_client_poll(
	struct plain_client *client, uint64_t now, uint32_t random, uint8_t *packet)
{
	age_dhcp4(client, now, random);
	age_router(client, now);
	client->settled |= client->first && now >= client->first + PLAIN_SETTLE_US;
	if (now >= client->send4)
		return send_dhcp4(client, now, random, packet);
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
		return datagram_read(packet, &datagram) && take_dhcp4(client, &datagram, now);
	if (packet->protocol == PROTOCOL_UDP && packet->version == 6 &&
		packet->destination_port == DHCP6_CLIENT_PORT)
		return datagram_read(packet, &datagram) && take_dhcp6(client, &datagram, now);
	/* RFC 4861 6.1.2: a router speaks from its link-local address. */
	if (!datagram_read_ndp(packet, &datagram) || datagram.source.octets[0] != 0xfe ||
		!ndp_decode_advert(datagram.payload, &advert))
		return false;
	take_advert(client, &advert, now, random);
	return true;
}

bool plain_client_has_address(const struct plain_client *client)
{
	bool has4 = client->dhcp4 == PLAIN_BOUND || client->dhcp4 == PLAIN_RENEWING ||
		    client->dhcp4 == PLAIN_REBINDING;
	return has4 || client->advert.prefix.address.version;
}

bool plain_client_is_ready(const struct plain_client *client)
{
	bool decided4 = client->dhcp4 != PLAIN_SELECTING && client->dhcp4 != PLAIN_REQUESTING;
	bool decided6 = client->router != PLAIN_SOLICITING && client->dhcp6 != PLAIN_ASKING;
	return plain_client_has_address(client) && ((decided4 && decided6) || client->settled);
}

void plain_client_check(struct plain_client *client, uint64_t now, uint32_t random)
{
	if (client->dhcp4 == PLAIN_BOUND)
		renew(client, PLAIN_RENEWING, now, random);
	else if (client->dhcp4 == PLAIN_RENEWING || client->dhcp4 == PLAIN_REBINDING)
		client->send4 = now;
	if (client->router == PLAIN_ADVERTISED) {
		client->tries_router = 0;
		client->send_router = now;
	}
}

size_t plain_client_release(struct plain_client *client, uint32_t random, uint8_t *packet)
{
	struct dhcp4_message message = {
		.type = DHCP4_RELEASE,
		.client = client->offer.yours,
		.server = client->offer.server,
	};
	if (client->dhcp4 != PLAIN_BOUND && client->dhcp4 != PLAIN_RENEWING &&
		client->dhcp4 != PLAIN_REBINDING)
		return 0;
	client->transaction4 = random;
	fill_request(client, client->asked4_first, &message);
	size_t length = write_dhcp4(client, &message, true, packet);
	client->dhcp4 = PLAIN_NO_DHCP4;
	client->send4 = client->expire4_at = NEVER;
	return length;
}
