/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The DHCPv4 part of a plain client: RFC 2131's client, as a state machine. */
#include "core/plain_dhcp4.h"

#include <string.h>

enum {
	SECOND = 1000000,
	DISCOVER_WAIT = 4 * SECOND, /* RFC 2131 4.1 */
	DISCOVER_WAIT_MOST = 64 * SECOND,
	RENEW_WAIT_LEAST = 60 * SECOND, /* RFC 2131 4.4.5 */
	HARDWARE_ETHERNET = 1,
	HARDWARE_OCTETS = 6,
	CLIENT_ID_TYPE = 255, /* RFC 4361 6.1: IAID and DUID follow */
	LEASE_LEAST = 10,     /* s; a lease of less would be nothing but renewals */
};

static const struct address nobody4 = {4, {0}};
static const struct address broadcast = {4, {255, 255, 255, 255}};

/* RFC 2131 4.1: plus or minus 1 s. */
static uint64_t jittered(uint64_t wait, uint32_t random)
{
	return wait - SECOND + (uint64_t)(random >> 11) % (2 * SECOND);
}

/* --- what is sent --------------------------------------------------- */

void plain_dhcp4_begin(struct plain_client *client, uint64_t now)
{
	client->dhcp4 = PLAIN_SELECTING;
	client->offer = (struct dhcp4_message){0};
	client->renew_at = client->rebind_at = client->expire4_at = PLAIN_NEVER;
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
static size_t write_message(struct plain_client *client, const struct dhcp4_message *message,
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
	client->send4 = until == PLAIN_NEVER
				? PLAIN_NEVER
				: now + (left > RENEW_WAIT_LEAST ? left : RENEW_WAIT_LEAST);
}

size_t plain_dhcp4_send(struct plain_client *client, uint64_t now, uint32_t random, uint8_t *packet)
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
		client->send4 = PLAIN_NEVER;
		return 0;
	}
	fill_request(client, now, &message);
	return write_message(client, &message, to_server, packet);
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
void plain_dhcp4_age(struct plain_client *client, uint64_t now, uint32_t random)
{
	bool given_up = client->tries4 >= PLAIN_DISCOVER_TRIES && now >= client->send4;
	switch (client->dhcp4) {
	case PLAIN_SELECTING:
		if (given_up && client->advert.prefix.address.version) {
			client->dhcp4 = PLAIN_NO_DHCP4;
			client->send4 = PLAIN_NEVER;
		}
		break;
	case PLAIN_REQUESTING:
		if (given_up)
			plain_dhcp4_begin(client, now);
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
		plain_dhcp4_begin(client, now);
		plain_client_changed(client, now);
	}
}

/* --- what comes ------------------------------------------------------ */

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
	client->renew_at = for_ever ? PLAIN_NEVER : plain_after(now, t1);
	client->rebind_at = for_ever ? PLAIN_NEVER : plain_after(now, t2);
	client->expire4_at = plain_after(now, lease->lease);
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
	client->send4 = PLAIN_NEVER;
	set_lease_times(client, now);
	if (fresh)
		plain_client_changed(client, now);
}

static void take_nak(struct plain_client *client, uint64_t now)
{
	bool had = client->dhcp4 != PLAIN_REQUESTING;
	plain_dhcp4_begin(client, now);
	/* Not at once: a server that says no to what it offers would keep us busy. */
	client->send4 = now + SECOND;
	if (had)
		plain_client_changed(client, now);
}

bool plain_dhcp4_take(struct plain_client *client, const struct datagram *datagram, uint64_t now)
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

void plain_dhcp4_check(struct plain_client *client, uint64_t now, uint32_t random)
{
	if (client->dhcp4 == PLAIN_BOUND)
		renew(client, PLAIN_RENEWING, now, random);
	else if (plain_dhcp4_is_bound(client))
		client->send4 = now;
}

size_t plain_client_release(struct plain_client *client, uint32_t random, uint8_t *packet)
{
	struct dhcp4_message message = {
		.type = DHCP4_RELEASE,
		.client = client->offer.yours,
		.server = client->offer.server,
	};
	if (!plain_dhcp4_is_bound(client))
		return 0;
	client->transaction4 = random;
	fill_request(client, client->asked4_first, &message);
	size_t length = write_message(client, &message, true, packet);
	client->dhcp4 = PLAIN_NO_DHCP4;
	client->send4 = client->expire4_at = PLAIN_NEVER;
	return length;
}
