/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A plain client in simulated time, against core/plain_server and against
 * answers bent by hand. */
#include "core/plain_client.h"

#include <string.h>

#include "core/plain_grant.h"
#include "core/plain_server.h"
#include "unit.h"

#define SECOND UINT64_C(1000000)

static const uint8_t uuid[PLAIN_UUID] = {0xfe, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static struct control_message offer;
static struct plain_service service;
static struct plain_client client;
static uint64_t now;
static unsigned sent, sent4, sent_router, sent6; /* packets of the client */
static bool deaf4, deaf_router, deaf6;           /* the server does not answer */
static uint32_t short_lease;                     /* s; 0: as the server says */
static struct dhcp4_message last4;               /* that the client sent */
static struct datagram last;

static struct address address(const char *text)
{
	struct address out;
	CU_ASSERT_TRUE_FATAL(address_parse(&out, text));
	return out;
}

static void begin(void)
{
	offer = (struct control_message){.mtu = 1400};
	prefix_parse(&offer.routes[offer.route_count++], "10.99.0.0/24");
	prefix_parse(&offer.routes[offer.route_count++], "fd99::/64");
	offer.pcscf[offer.pcscf_count++].address = address("10.99.0.10");
	offer.pcscf[offer.pcscf_count++].address = address("fd99::10");
	offer.pcscf[offer.pcscf_count++].name = (struct view){(const uint8_t *)"p.example", 9};
	offer.dns[offer.dns_count++] = address("10.99.0.53");
	offer.dns[offer.dns_count++] = address("fd99::53");
	offer.domains[offer.domain_count++] = (struct view){(const uint8_t *)"ims.example", 11};
	service = (struct plain_service){
		.offer = &offer,
		.inner4 = {address("10.64.0.7"), 32},
		.inner6 = {address("fd64:64:64:7::1"), 64},
		.own4 = address("10.64.0.1"),
		.mask_length = 16,
	};
	sent = sent4 = sent_router = sent6 = short_lease = 0;
	deaf4 = deaf_router = deaf6 = false;
	now = 1000 * SECOND;
	plain_client_init(&client, uuid, now);
}

static bool give(const uint8_t *octets, size_t length)
{
	struct packet packet;
	CU_ASSERT_EQUAL_FATAL(packet_parse(octets, length, &packet), PACKET_OK);
	return plain_client_take(&client, &packet, now, 0x10203040);
}

/* Lets a DHCPv4 answer say another lease time. */
static size_t shorten(uint8_t *octets, size_t length)
{
	struct packet packet;
	struct datagram datagram;
	struct dhcp4_message message;
	uint8_t payload[DATAGRAM_PAYLOAD_MAX];
	packet_parse(octets, length, &packet);
	if (!short_lease || !datagram_read(&packet, &datagram) ||
		!dhcp4_decode(datagram.payload.octets, datagram.payload.length, &message))
		return length;
	message.lease = message.lease ? short_lease : 0;
	message.t1 = message.t2 = 0;
	datagram.payload = (struct view){payload, dhcp4_encode(&message, payload, DHCP4_ROOM)};
	return datagram_write(&datagram, octets);
}

/* What the client sent reaches the server, and its answer comes back. */
static void deliver(const uint8_t *octets, size_t length)
{
	struct packet packet;
	uint8_t answer[DATAGRAM_PACKET_MAX];
	size_t answer_length;
	CU_ASSERT_EQUAL_FATAL(packet_parse(octets, length, &packet), PACKET_OK);
	bool udp = packet.protocol == PROTOCOL_UDP;
	bool deaf = udp ? (packet.version == 4 ? deaf4 : deaf6) : deaf_router;
	sent++;
	sent4 += udp && packet.version == 4;
	sent6 += udp && packet.version == 6;
	sent_router += !udp;
	CU_ASSERT_TRUE(udp ? datagram_read(&packet, &last) : datagram_read_ndp(&packet, &last));
	if (udp && packet.version == 4)
		CU_ASSERT_TRUE(dhcp4_decode(last.payload.octets, last.payload.length, &last4));
	if (!deaf && plain_serve(&service, &packet, answer, &answer_length) == PLAIN_ANSWER)
		CU_ASSERT_TRUE(give(answer, shorten(answer, answer_length)));
}

/* Everything that is due until then, in its order. */
static void run_until(uint64_t end)
{
	for (;;) {
		uint8_t packet[DATAGRAM_PACKET_MAX];
		size_t length;
		unsigned turns = 0;
		while ((length = plain_client_poll(&client, now, 0x80000000, packet)) > 0) {
			CU_ASSERT_TRUE_FATAL(++turns < 20);
			deliver(packet, length);
		}
		uint64_t due = plain_client_due(&client);
		CU_ASSERT_TRUE_FATAL(due > now); /* or the caller would spin */
		if (due > end)
			break;
		now = due;
	}
	now = end;
}

static const char *text(const struct address *of)
{
	static char out[ADDRESS_TEXT_MAX];
	return address_format(of, out);
}

static void both_families(void)
{
	struct control_message grant;
	begin();
	run_until(now);
	CU_ASSERT_EQUAL(sent, 4); /* DISCOVER, REQUEST, solicitation, Information-request */
	CU_ASSERT_TRUE_FATAL(plain_client_is_ready(&client));
	plain_client_grant(&client, &grant);
	CU_ASSERT_STRING_EQUAL(text(&grant.inner4.address), "10.64.0.7");
	CU_ASSERT_EQUAL(grant.inner4.length, 32);
	CU_ASSERT_EQUAL(grant.inner6.length, 64);
	CU_ASSERT_TRUE(prefix_contains(&service.inner6, &grant.inner6.address));
	CU_ASSERT_EQUAL(grant.mtu, 1400);
	CU_ASSERT_EQUAL(grant.route_count, 2);
	CU_ASSERT_EQUAL(grant.pcscf_count, 3); /* the name by DHCPv6 */
	CU_ASSERT_EQUAL(grant.dns_count, 2);
	CU_ASSERT_EQUAL(grant.domain_count, 1);
	CU_ASSERT_TRUE(control_has(&grant, TAG_INNER4) && control_has(&grant, TAG_INNER6));
	CU_ASSERT_EQUAL(last4.hardware[0], 0xfe); /* locally administered, no group */
	struct address again;
	plain_address(uuid, service.inner6.address.octets, &again);
	CU_ASSERT_TRUE(address_equal(&again, &grant.inner6.address));
}

static void one_family(void)
{
	struct control_message grant;
	begin();
	service.inner6.address.version = 0;
	uint64_t start = now;
	run_until(now);
	CU_ASSERT_FALSE(plain_client_is_ready(&client)); /* a router may answer yet */
	run_until(start + PLAIN_SETTLE_US);
	CU_ASSERT_TRUE(plain_client_is_ready(&client));
	run_until(start + 60 * SECOND);
	CU_ASSERT_EQUAL(sent_router, PLAIN_SOLICIT_TRIES);
	plain_client_grant(&client, &grant);
	CU_ASSERT_FALSE(control_has(&grant, TAG_INNER6));
	CU_ASSERT_EQUAL(grant.pcscf_count, 1);

	begin(); /* and one that had no more before does not wait for it */
	service.inner6.address.version = 0;
	client.one_family = true;
	run_until(now);
	CU_ASSERT_TRUE(plain_client_is_ready(&client));

	begin();
	deaf4 = true;
	start = now;
	run_until(start + PLAIN_SETTLE_US);
	CU_ASSERT_TRUE(plain_client_is_ready(&client));
	run_until(start + 3600 * SECOND);
	CU_ASSERT_EQUAL(sent4, PLAIN_DISCOVER_TRIES); /* no wake-ups for nothing */
	plain_client_grant(&client, &grant);
	CU_ASSERT_FALSE(control_has(&grant, TAG_INNER4));
	CU_ASSERT_EQUAL(grant.pcscf_count, 2);
}

/* RFC 2131 4.1: after 4, 8, 16, 32, 64, 64 s; `random` in the middle is about
 * no jitter. */
static void nobody_answers(void)
{
	static const uint64_t after[] = {0, 4, 12, 28, 60, 124, 188};
	begin();
	deaf4 = deaf_router = deaf6 = true;
	uint64_t start = now;
	for (unsigned i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		uint64_t slack = i * SECOND;
		if (after[i] * SECOND > slack + 1)
			run_until(start + after[i] * SECOND - slack - 1);
		CU_ASSERT_TRUE(sent4 <= i);
		run_until(start + after[i] * SECOND + slack);
		CU_ASSERT_TRUE(sent4 >= i + 1);
	}
	CU_ASSERT_EQUAL(sent_router, PLAIN_SOLICIT_TRIES);
	CU_ASSERT_EQUAL(sent6, 0);
	CU_ASSERT_FALSE(plain_client_is_ready(&client));
	CU_ASSERT_EQUAL(client.changes, 0);
	CU_ASSERT_EQUAL(client.alive, 0);
}

/* RFC 8415 15: 1, 2, 4, ... s, each within a tenth. */
static void silent_dhcp6(void)
{
	begin();
	deaf6 = true;
	uint64_t start = now;
	run_until(now);
	CU_ASSERT_EQUAL(sent6, 1);
	run_until(start + SECOND * 12 / 10);
	CU_ASSERT_EQUAL(sent6, 2);
	run_until(start + SECOND * 16 / 10);
	CU_ASSERT_TRUE(plain_client_is_ready(&client)); /* settled without */
	run_until(start + 4 * SECOND);
	CU_ASSERT_EQUAL(sent6, 3);
	deaf6 = false;
	unsigned before = client.changes;
	run_until(start + 8 * SECOND);
	CU_ASSERT_EQUAL(sent6, 4);
	CU_ASSERT_EQUAL(client.changes, before + 1);
	run_until(start + 86399 * SECOND);
	CU_ASSERT_EQUAL(sent6, 4);
	run_until(start + 86410 * SECOND); /* refresh time */
	CU_ASSERT_EQUAL(sent6, 5);
}

/* T1, T2 and the end, RFC 2131 4.4.5. */
static void renewal(void)
{
	begin();
	short_lease = 800;
	uint64_t start = now;
	run_until(start + 399 * SECOND);
	CU_ASSERT_EQUAL(sent4, 2);
	unsigned changes = client.changes;
	run_until(start + 400 * SECOND);
	CU_ASSERT_EQUAL(sent4, 3);
	CU_ASSERT_EQUAL(last4.type, DHCP4_REQUEST);
	CU_ASSERT_STRING_EQUAL(text(&last4.client), "10.64.0.7");
	CU_ASSERT_EQUAL(last4.requested.version, 0); /* RFC 2131 4.3.6 */
	CU_ASSERT_EQUAL(last4.server.version, 0);
	CU_ASSERT_EQUAL(client.dhcp4, PLAIN_BOUND);
	CU_ASSERT_EQUAL(client.changes, changes); /* the same lease goes on */
	deaf4 = true;
	run_until(start + 800 * SECOND); /* T1 of the second lease */
	CU_ASSERT_EQUAL(sent4, 4);
	CU_ASSERT_EQUAL(client.dhcp4, PLAIN_RENEWING);
	run_until(start + 1099 * SECOND);
	CU_ASSERT_EQUAL(sent4, 7); /* 150, 75, 60 s later */
	run_until(start + 1101 * SECOND);
	CU_ASSERT_EQUAL(client.dhcp4, PLAIN_REBINDING);
	CU_ASSERT_EQUAL(sent4, 8);
	CU_ASSERT_TRUE(plain_client_has_address(&client));
	run_until(start + 1199 * SECOND);
	CU_ASSERT_EQUAL(client.changes, changes);
	run_until(start + 1201 * SECOND);
	CU_ASSERT_EQUAL(client.dhcp4, PLAIN_SELECTING);
	CU_ASSERT_EQUAL(client.changes, changes + 1);
	deaf4 = false;
	run_until(start + 1210 * SECOND);
	CU_ASSERT_EQUAL(client.dhcp4, PLAIN_BOUND);
	CU_ASSERT_EQUAL(client.changes, changes + 2);
}

static void give_nak(void)
{
	struct dhcp4_message nak = {.type = DHCP4_NAK,
		.transaction = client.transaction4,
		.server = address("10.64.0.1")};
	uint8_t octets[DATAGRAM_PAYLOAD_MAX], packet[DATAGRAM_PACKET_MAX];
	struct datagram datagram = {address("10.64.0.1"), address("255.255.255.255"),
		DHCP4_SERVER_PORT, DHCP4_CLIENT_PORT,
		{octets, dhcp4_encode(&nak, octets, DHCP4_ROOM)}};
	CU_ASSERT_TRUE(give(packet, datagram_write(&datagram, packet)));
}

/* A renewal that changes what was told is news, and so is one that is refused. */
static void renewal_with_news(void)
{
	struct control_message grant;
	begin();
	short_lease = 800;
	uint64_t start = now;
	run_until(now);
	unsigned changes = client.changes;
	offer.dns[0] = address("10.99.0.54");
	run_until(start + 401 * SECOND);
	CU_ASSERT_EQUAL(client.changes, changes + 1);
	service.inner4.address = address("10.64.0.8");
	run_until(start + 801 * SECOND);
	CU_ASSERT_EQUAL(client.dhcp4, PLAIN_RENEWING);
	give_nak();
	CU_ASSERT_EQUAL(client.changes, changes + 2);
	run_until(start + 803 * SECOND);
	CU_ASSERT_EQUAL(client.changes, changes + 3);
	plain_client_grant(&client, &grant);
	CU_ASSERT_STRING_EQUAL(text(&grant.inner4.address), "10.64.0.8");
	give_nak(); /* nobody asked */
	CU_ASSERT_EQUAL(client.dhcp4, PLAIN_BOUND);
}

static void prefix_lifetime(void)
{
	begin();
	uint64_t start = now;
	run_until(now);
	CU_ASSERT_EQUAL(sent_router, 1);
	unsigned changes = client.changes;
	run_until(start + 43200 * SECOND);
	CU_ASSERT_EQUAL(sent_router, 2);
	CU_ASSERT_EQUAL(client.changes, changes);
	deaf_router = deaf4 = true;
	run_until(start + (43200 + 86399) * SECOND);
	CU_ASSERT_EQUAL(sent_router, 2 + PLAIN_SOLICIT_TRIES);
	CU_ASSERT_TRUE(plain_client_has_address(&client));
	run_until(start + (43200 + 86401) * SECOND);
	CU_ASSERT_EQUAL(client.advert.prefix.address.version, 0);
	CU_ASSERT_FALSE(plain_client_has_address(&client));
	CU_ASSERT_EQUAL(client.changes, changes + 2); /* both families */
}

/* A sign of life, asked for out of turn. */
static void check(void)
{
	begin();
	uint64_t start = now;
	run_until(start + 10 * SECOND);
	uint64_t before = client.alive;
	plain_client_check(&client, now, 77);
	deaf4 = deaf_router = true;
	run_until(now + SECOND / 10);
	CU_ASSERT_EQUAL(client.alive, before);
	CU_ASSERT_EQUAL(last4.transaction, 77);
	deaf4 = deaf_router = false;
	now += SECOND;
	plain_client_check(&client, now, 78);
	run_until(now);
	CU_ASSERT_EQUAL(client.alive, now);
	CU_ASSERT_EQUAL(client.dhcp4, PLAIN_BOUND);
}

/* The address that it had before is asked for, and another one is taken. */
static void wished(void)
{
	begin();
	deaf4 = true;
	client.wished = address("10.64.0.9");
	run_until(now);
	CU_ASSERT_EQUAL(last4.type, DHCP4_DISCOVER);
	CU_ASSERT_STRING_EQUAL(text(&last4.requested), "10.64.0.9");
	deaf4 = false;
	run_until(now + 6 * SECOND);
	CU_ASSERT_STRING_EQUAL(text(&last4.requested), "10.64.0.7");
	CU_ASSERT_EQUAL(client.dhcp4, PLAIN_BOUND);
}

static void release(void)
{
	uint8_t packet[DATAGRAM_PACKET_MAX];
	begin();
	CU_ASSERT_EQUAL(plain_client_release(&client, 1, packet), 0);
	run_until(now);
	size_t length = plain_client_release(&client, 1, packet);
	CU_ASSERT_TRUE_FATAL(length > 0);
	deliver(packet, length);
	CU_ASSERT_EQUAL(last4.type, DHCP4_RELEASE);
	CU_ASSERT_STRING_EQUAL(text(&last.source), "10.64.0.7");
	CU_ASSERT_STRING_EQUAL(text(&last.destination), "10.64.0.1");
}

/* An answer to the client's DHCPDISCOVER, bent. */
static bool answer4(void (*bend)(struct dhcp4_message *message))
{
	struct dhcp4_message message = {
		.type = DHCP4_OFFER, .transaction = client.transaction4, .lease = 3600};
	uint8_t octets[DATAGRAM_PAYLOAD_MAX], packet[DATAGRAM_PACKET_MAX];
	message.yours = address("10.64.0.7");
	message.server = address("10.64.0.1");
	bend(&message);
	struct datagram datagram = {address("10.64.0.1"), address("10.64.0.7"), DHCP4_SERVER_PORT,
		DHCP4_CLIENT_PORT, {octets, dhcp4_encode(&message, octets, DHCP4_ROOM)}};
	CU_ASSERT_TRUE(give(packet, datagram_write(&datagram, packet)));
	return client.dhcp4 == PLAIN_REQUESTING;
}

static void straight(struct dhcp4_message *message)
{
	(void)message;
}

static void other_transaction(struct dhcp4_message *message)
{
	message->transaction++;
}

static void no_address(struct dhcp4_message *message)
{
	message->yours.version = 0;
}

static void loopback(struct dhcp4_message *message)
{
	message->yours.octets[0] = 127;
}

static void multicast(struct dhcp4_message *message)
{
	message->yours.octets[0] = 224;
}

static void link_local(struct dhcp4_message *message)
{
	message->yours = address("169.254.1.1");
}

static void no_server(struct dhcp4_message *message)
{
	message->server.version = 0;
}

static void no_lease(struct dhcp4_message *message)
{
	message->lease = 0;
}

static void moment(struct dhcp4_message *message)
{
	message->lease = 5;
}

static void not_asked(struct dhcp4_message *message)
{
	message->type = DHCP4_ACK;
}

static void bad_offers(void)
{
	static void (*const bends[])(struct dhcp4_message *) = {other_transaction, no_address,
		loopback, multicast, link_local, no_server, no_lease, moment, not_asked};
	begin();
	deaf4 = deaf_router = true;
	CU_ASSERT_FALSE(answer4(straight)); /* nothing was asked yet */
	run_until(now);
	for (size_t i = 0; i < sizeof(bends) / sizeof(bends[0]); i++)
		CU_ASSERT_FALSE(answer4(bends[i]));
	CU_ASSERT_EQUAL(client.alive, 0);
	CU_ASSERT_TRUE(answer4(straight));
}

/* A server that offers and then says no, over and over, does not make us
 * spin. */
static void nak_loop(void)
{
	begin();
	deaf_router = true;
	service.inner4.address = address("10.64.0.7");
	for (unsigned i = 0; i < 10; i++) {
		deaf4 = true;
		run_until(now + SECOND);
		if (client.dhcp4 == PLAIN_SELECTING)
			answer4(straight);
		run_until(now + 1);
		give_nak();
		CU_ASSERT_EQUAL(client.dhcp4, PLAIN_SELECTING);
		CU_ASSERT_TRUE(client.send4 >= now + SECOND);
	}
	CU_ASSERT_EQUAL(client.changes, 0);
}

/* From a router that is not on this link, and one that gives no prefix. */
static void bad_adverts(void)
{
	uint8_t octets[NDP_ROOM], packet[DATAGRAM_PACKET_MAX];
	struct ndp_advert advert = {.lifetime = 1800, .valid = 600, .preferred = 600};
	begin();
	deaf4 = deaf_router = true;
	run_until(now);
	prefix_parse(&advert.prefix, "fd64:64:64:7::/64");
	struct datagram datagram = {.source = address("fd64::1"),
		.destination = address("ff02::1"),
		.payload = {octets, ndp_encode_advert(&advert, octets, sizeof(octets))}};
	CU_ASSERT_FALSE(give(packet, datagram_write_ndp(&datagram, packet)));
	datagram.source = address("fec0::1");
	CU_ASSERT_FALSE(give(packet, datagram_write_ndp(&datagram, packet)));
	datagram.source = address("fe80::1");
	advert.prefix.address.version = 0;
	datagram.payload.length = ndp_encode_advert(&advert, octets, sizeof(octets));
	CU_ASSERT_TRUE(give(packet, datagram_write_ndp(&datagram, packet)));
	CU_ASSERT_FALSE(plain_client_has_address(&client));
	advert.prefix.address.version = 6;
	datagram.payload.length = ndp_encode_advert(&advert, octets, sizeof(octets));
	CU_ASSERT_TRUE(give(packet, datagram_write_ndp(&datagram, packet)));
	CU_ASSERT_TRUE(plain_client_has_address(&client));
	CU_ASSERT_EQUAL(client.dhcp6, PLAIN_NOT_ASKED); /* no O flag */
}

/* RFC 8415 16.10: to our last request, from a named server, without an error. */
static void bad_replies(void)
{
	struct dhcp6_message good = {.type = DHCP6_REPLY};
	begin();
	deaf4 = deaf6 = true;
	run_until(now);
	CU_ASSERT_EQUAL_FATAL(client.dhcp6, PLAIN_ASKING);
	good.transaction = client.transaction6;
	dhcp6_duid_from_uuid(uuid, &good.client_id);
	dhcp6_duid_from_uuid(service.uuid, &good.server_id);
	for (unsigned bend = 0; bend < 6; bend++) {
		struct dhcp6_message message = good;
		uint8_t octets[DHCP6_ROOM], packet[DATAGRAM_PACKET_MAX];
		message.transaction += bend == 0;
		message.type = bend == 1 ? 2 : DHCP6_REPLY;
		message.client_id.octets[4] ^= bend == 2;
		message.client_id.length = bend == 3 ? 0 : message.client_id.length;
		message.server_id.length = bend == 4 ? 0 : message.server_id.length;
		struct datagram datagram = {address("fe80::1"), address("fe80::2"),
			DHCP6_SERVER_PORT, DHCP6_CLIENT_PORT,
			{octets, dhcp6_encode(&message, octets, sizeof(octets))}};
		CU_ASSERT_TRUE(give(packet, datagram_write(&datagram, packet)));
		CU_ASSERT_EQUAL(client.dhcp6, bend == 5 ? PLAIN_TOLD : PLAIN_ASKING);
	}
}

static const struct unit_test tests[] = {
	{"both families", both_families},
	{"one family is enough", one_family},
	{"nobody answers", nobody_answers},
	{"DHCPv6 does not answer", silent_dhcp6},
	{"renewal, rebinding, expiry", renewal},
	{"a renewal with news", renewal_with_news},
	{"the prefix's lifetime", prefix_lifetime},
	{"a sign of life", check},
	{"an address wished for", wished},
	{"release", release},
	{"offers that are not taken", bad_offers},
	{"a server that always says no", nak_loop},
	{"advertisements that give nothing", bad_adverts},
	{"DHCPv6 replies that are not taken", bad_replies},
};

UNIT_MAIN("plain_client", tests)
