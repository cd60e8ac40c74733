/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a plain UE is told, packet for packet. */
#include "core/plain_server.h"

#include <string.h>

#include "core/dhcp4.h"
#include "core/dhcp6.h"
#include "core/ndp.h"
#include "unit.h"

static struct control_message offer;
static struct plain_service service;
static uint8_t asked[DATAGRAM_PACKET_MAX], answer[DATAGRAM_PACKET_MAX];
static size_t answer_length;

static struct address address(const char *text)
{
	struct address out;
	CU_ASSERT_TRUE_FATAL(address_parse(&out, text));
	return out;
}

static bool is(const struct address *got, const char *wanted)
{
	struct address other = address(wanted);
	return address_equal(got, &other);
}

static struct view name(const char *text)
{
	return (struct view){(const uint8_t *)text, strlen(text)};
}

static void begin(void)
{
	offer = (struct control_message){.mtu = 1400};
	prefix_parse(&offer.routes[offer.route_count++], "10.99.0.0/24");
	prefix_parse(&offer.routes[offer.route_count++], "fd99::/64");
	offer.pcscf[offer.pcscf_count++].address = address("10.99.0.10");
	offer.pcscf[offer.pcscf_count++].address = address("fd99::10");
	offer.pcscf[offer.pcscf_count++].name = name("pcscf.example");
	offer.dns[offer.dns_count++] = address("10.99.0.53");
	offer.dns[offer.dns_count++] = address("fd99::53");
	offer.domains[offer.domain_count++] = name("ims.example");
	service = (struct plain_service){
		.offer = &offer,
		.inner4 = {address("10.64.0.7"), 32},
		.inner6 = {address("fd64:64:64:7::1"), 64},
		.own4 = address("10.64.0.1"),
		.mask_length = 16,
		.uuid = {1, 2, 3},
	};
}

static enum plain_result serve(size_t length)
{
	struct packet packet;
	CU_ASSERT_EQUAL_FATAL(packet_parse(asked, length, &packet), PACKET_OK);
	enum plain_result result = plain_serve(&service, &packet, answer, &answer_length);
	CU_ASSERT_TRUE(result == PLAIN_NOT_OURS || plain_may_be_ours(&packet));
	return result;
}

static enum plain_result ask4(const char *from, const char *to, const struct dhcp4_message *request)
{
	uint8_t octets[DHCP4_ROOM];
	struct datagram datagram = {address(from), address(to), DHCP4_CLIENT_PORT,
		DHCP4_SERVER_PORT, {octets, dhcp4_encode(request, octets, sizeof(octets))}};
	return serve(datagram_write(&datagram, asked));
}

static struct datagram read_answer(void)
{
	struct packet packet;
	struct datagram out = {0};
	CU_ASSERT_EQUAL_FATAL(packet_parse(answer, answer_length, &packet), PACKET_OK);
	CU_ASSERT_TRUE_FATAL(packet.protocol == PROTOCOL_UDP ? datagram_read(&packet, &out)
							     : datagram_read_ndp(&packet, &out));
	return out;
}

static bool answered_to(const char *wanted)
{
	struct datagram datagram = read_answer();
	return is(&datagram.destination, wanted);
}

static struct dhcp4_message read4(void)
{
	struct dhcp4_message out;
	struct datagram datagram = read_answer();
	CU_ASSERT_EQUAL(datagram.source_port, DHCP4_SERVER_PORT);
	CU_ASSERT_EQUAL(datagram.destination_port, DHCP4_CLIENT_PORT);
	CU_ASSERT_TRUE(is(&datagram.source, "10.64.0.1"));
	CU_ASSERT_TRUE_FATAL(dhcp4_decode(datagram.payload.octets, datagram.payload.length, &out));
	return out;
}

static void discover_and_request(void)
{
	struct dhcp4_message request = {.type = DHCP4_DISCOVER,
		.transaction = 7,
		.client_id = {1, 2},
		.client_id_length = 2,
		.hardware_length = 6,
		.hardware = {9}};
	begin();
	CU_ASSERT_EQUAL_FATAL(ask4("0.0.0.0", "255.255.255.255", &request), PLAIN_ANSWER);
	struct dhcp4_message reply = read4();
	CU_ASSERT_EQUAL(reply.type, DHCP4_OFFER);
	CU_ASSERT_EQUAL(reply.transaction, 7);
	CU_ASSERT_TRUE(is(&reply.yours, "10.64.0.7"));
	CU_ASSERT_TRUE(is(&reply.server, "10.64.0.1"));
	CU_ASSERT_EQUAL(reply.lease, PLAIN_LEASE_TIME);
	CU_ASSERT_EQUAL(reply.mask_length, 16);
	CU_ASSERT_TRUE(is(&reply.router, "10.64.0.1"));
	CU_ASSERT_EQUAL(reply.mtu, 1400);
	CU_ASSERT_TRUE(reply.sip_count == 1 && is(&reply.sip[0], "10.99.0.10"));
	CU_ASSERT_TRUE(reply.dns_count == 1 && is(&reply.dns[0], "10.99.0.53"));
	CU_ASSERT_EQUAL(reply.route_count, 1);
	CU_ASSERT_STRING_EQUAL(reply.domain.text[0], "ims.example");
	CU_ASSERT_EQUAL(reply.client_id_length, 2); /* RFC 6842 */
	CU_ASSERT_EQUAL(reply.hardware[0], 9);
	CU_ASSERT_TRUE(answered_to("10.64.0.7"));

	request.broadcast = true;
	CU_ASSERT_EQUAL(ask4("0.0.0.0", "255.255.255.255", &request), PLAIN_ANSWER);
	CU_ASSERT_TRUE(answered_to("255.255.255.255"));

	request.type = DHCP4_REQUEST;
	request.requested = address("10.64.0.7");
	request.server = address("10.64.0.1");
	dhcp4_wish(&request, DHCP4_SIP);
	CU_ASSERT_EQUAL_FATAL(ask4("0.0.0.0", "255.255.255.255", &request), PLAIN_ANSWER);
	reply = read4();
	CU_ASSERT_EQUAL(reply.type, DHCP4_ACK);
	CU_ASSERT_EQUAL(reply.sip_count, 1);
	CU_ASSERT_EQUAL(reply.mtu + reply.dns_count + reply.route_count, 0); /* not asked for */
}

/* RFC 2131 4.3.2: what the REQUEST is, by which fields it has. */
static const struct {
	const char *from, *to, *requested, *server, *client;
	enum plain_result result;
	enum dhcp4_type type;
	const char *sent_to;
} requests[] = {
	{"0.0.0.0", "255.255.255.255", "10.64.0.8", "10.64.0.1", NULL, PLAIN_ANSWER, DHCP4_NAK,
		"255.255.255.255"},
	{"0.0.0.0", "255.255.255.255", "10.64.0.7", "10.64.0.9", NULL, PLAIN_SILENT, 0, NULL},
	{"0.0.0.0", "255.255.255.255", "10.64.0.7", NULL, NULL, PLAIN_ANSWER, DHCP4_ACK,
		"10.64.0.7"},
	{"0.0.0.0", "255.255.255.255", "10.1.1.1", NULL, NULL, PLAIN_ANSWER, DHCP4_NAK,
		"255.255.255.255"},
	{"10.64.0.7", "10.64.0.1", NULL, NULL, "10.64.0.7", PLAIN_ANSWER, DHCP4_ACK, "10.64.0.7"},
	{"10.64.0.7", "255.255.255.255", NULL, NULL, "10.64.0.7", PLAIN_ANSWER, DHCP4_ACK,
		"10.64.0.7"},
	{"10.64.0.7", "10.64.0.1", NULL, NULL, "10.64.0.8", PLAIN_ANSWER, DHCP4_NAK,
		"255.255.255.255"},
	{"0.0.0.0", "255.255.255.255", NULL, NULL, NULL, PLAIN_ANSWER, DHCP4_NAK,
		"255.255.255.255"},
	/* somebody else's address, and another host's server */
	{"10.64.0.8", "10.64.0.1", NULL, NULL, "10.64.0.7", PLAIN_NOT_OURS, 0, NULL},
	{"10.64.0.7", "10.99.0.10", NULL, NULL, "10.64.0.7", PLAIN_NOT_OURS, 0, NULL},
};

static void renewals(void)
{
	begin();
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct dhcp4_message request = {.type = DHCP4_REQUEST};
		if (requests[i].requested)
			request.requested = address(requests[i].requested);
		if (requests[i].server)
			request.server = address(requests[i].server);
		if (requests[i].client)
			request.client = address(requests[i].client);
		CU_ASSERT_EQUAL(
			ask4(requests[i].from, requests[i].to, &request), requests[i].result);
		if (requests[i].result != PLAIN_ANSWER)
			continue;
		struct dhcp4_message reply = read4();
		CU_ASSERT_EQUAL(reply.type, requests[i].type);
		CU_ASSERT_TRUE(answered_to(requests[i].sent_to));
		CU_ASSERT_EQUAL(reply.yours.version, reply.type == DHCP4_ACK ? 4 : 0);
	}
}

static void other_dhcp4(void)
{
	begin();
	struct dhcp4_message request = {.type = DHCP4_INFORM, .client = address("10.64.0.7")};
	CU_ASSERT_EQUAL_FATAL(ask4("10.64.0.7", "255.255.255.255", &request), PLAIN_ANSWER);
	struct dhcp4_message reply = read4();
	CU_ASSERT_EQUAL(reply.type, DHCP4_ACK);
	CU_ASSERT_EQUAL(reply.yours.version, 0);
	CU_ASSERT_EQUAL(reply.lease, 0);
	CU_ASSERT_EQUAL(reply.sip_count, 1);
	request.type = DHCP4_RELEASE;
	CU_ASSERT_EQUAL(ask4("10.64.0.7", "10.64.0.1", &request), PLAIN_SILENT);
	request = (struct dhcp4_message){.type = DHCP4_DISCOVER, .relay = address("10.64.0.7")};
	CU_ASSERT_EQUAL(ask4("0.0.0.0", "255.255.255.255", &request), PLAIN_SILENT);
	service.inner4.address.version = 0;
	request.relay.version = 0;
	CU_ASSERT_EQUAL(ask4("0.0.0.0", "255.255.255.255", &request), PLAIN_NOT_OURS);
}

/* Without addresses, names; and a small maximum is respected. */
static void names_alone(void)
{
	struct dhcp4_message request = {.type = DHCP4_DISCOVER};
	begin();
	offer.pcscf[0] = offer.pcscf[2];
	CU_ASSERT_EQUAL_FATAL(ask4("0.0.0.0", "255.255.255.255", &request), PLAIN_ANSWER);
	struct dhcp4_message reply = read4();
	CU_ASSERT_EQUAL(reply.sip_count, 0);
	CU_ASSERT_STRING_EQUAL(reply.sip_names.text[0], "pcscf.example");
	while (offer.route_count < CONTROL_ROUTES_MAX)
		offer.routes[offer.route_count++] = (struct prefix){address("10.98.1.1"), 32};
	CU_ASSERT_EQUAL(ask4("0.0.0.0", "255.255.255.255", &request), PLAIN_ANSWER);
	CU_ASSERT_TRUE(answer_length <= 576);
	request.max_size = 1500;
	CU_ASSERT_EQUAL(ask4("0.0.0.0", "255.255.255.255", &request), PLAIN_ANSWER);
	CU_ASSERT_TRUE(answer_length > 576 && answer_length <= 1280);
}

static enum plain_result ask_router(const char *from, const char *to)
{
	uint8_t octets[NDP_SOLICIT_LENGTH];
	struct datagram datagram = {.source = address(from),
		.destination = address(to),
		.payload = {octets, ndp_encode_solicit(octets)}};
	return serve(datagram_write_ndp(&datagram, asked));
}

static void router(void)
{
	struct ndp_advert advert;
	char text[PREFIX_TEXT_MAX];
	begin();
	CU_ASSERT_EQUAL_FATAL(ask_router("fe80::9", "ff02::2"), PLAIN_ANSWER);
	struct datagram datagram = read_answer();
	CU_ASSERT_TRUE(is(&datagram.source, "fe80::1"));
	CU_ASSERT_TRUE(is(&datagram.destination, "fe80::9"));
	CU_ASSERT_TRUE_FATAL(ndp_decode_advert(datagram.payload, &advert));
	CU_ASSERT_TRUE(advert.other && !advert.managed);
	CU_ASSERT_STRING_EQUAL(prefix_format(&advert.prefix, text), "fd64:64:64:7::/64");
	CU_ASSERT_EQUAL(advert.mtu, 1400);
	CU_ASSERT_TRUE(advert.dns_count == 1 && is(&advert.dns[0], "fd99::53"));
	CU_ASSERT_EQUAL(advert.route_count, 1);
	CU_ASSERT_TRUE(advert.lifetime > PLAIN_ADVERT_INTERVAL);

	CU_ASSERT_EQUAL(ask_router("::", "ff02::2"), PLAIN_ANSWER);
	CU_ASSERT_TRUE(answered_to("ff02::1"));
	CU_ASSERT_EQUAL(ask_router("fd64:64:64:7::1234", "ff02::2"), PLAIN_ANSWER);
	CU_ASSERT_EQUAL(ask_router("fd64:64:64:8::1234", "ff02::2"), PLAIN_NOT_OURS);
	CU_ASSERT_EQUAL(ask_router("fe80::1", "ff02::2"), PLAIN_NOT_OURS);
	CU_ASSERT_EQUAL(ask_router("fe80::9", "fd99::10"), PLAIN_NOT_OURS);

	answer_length = plain_advertise(&service, answer);
	CU_ASSERT_TRUE(answered_to("ff02::1"));
	service.inner6.address.version = 0;
	CU_ASSERT_EQUAL(plain_advertise(&service, answer), 0);
	CU_ASSERT_EQUAL(ask_router("fe80::9", "ff02::2"), PLAIN_NOT_OURS);
}

static enum plain_result ask_neighbor(const char *from, const char *to, const char *target)
{
	uint8_t octets[NDP_NEIGHBOR_LENGTH];
	struct address about = address(target);
	struct datagram datagram = {.source = address(from),
		.destination = address(to),
		.payload = {octets, ndp_encode_neighbor_solicit(&about, octets)}};
	return serve(datagram_write_ndp(&datagram, asked));
}

static void neighbor(void)
{
	begin();
	CU_ASSERT_EQUAL_FATAL(ask_neighbor("fe80::9", "fe80::1", "fe80::1"), PLAIN_ANSWER);
	struct datagram datagram = read_answer();
	CU_ASSERT_TRUE(is(&datagram.destination, "fe80::9"));
	CU_ASSERT_EQUAL(datagram.payload.octets[0], NDP_NEIGHBOR_ADVERT);
	CU_ASSERT_EQUAL(datagram.payload.octets[4], 0xc0);
	/* Duplicate address detection: nobody has it. */
	CU_ASSERT_EQUAL(ask_neighbor("::", "ff02::1:ff00:9", "fd64:64:64:7::9"), PLAIN_SILENT);
	CU_ASSERT_EQUAL(ask_neighbor("fd64:64:64:8::9", "fe80::1", "fe80::1"), PLAIN_NOT_OURS);
}

static enum plain_result ask6(const char *from, const struct dhcp6_message *request)
{
	uint8_t octets[DHCP6_ROOM];
	struct datagram datagram = {address(from), address("ff02::1:2"), DHCP6_CLIENT_PORT,
		DHCP6_SERVER_PORT, {octets, dhcp6_encode(request, octets, sizeof(octets))}};
	return serve(datagram_write(&datagram, asked));
}

static void dhcp6(void)
{
	struct dhcp6_message request = {.type = DHCP6_INFORMATION_REQUEST, .transaction = 5}, reply;
	begin();
	dhcp6_duid_from_uuid(service.uuid, &request.client_id);
	dhcp6_wish(&request, DHCP6_SIP_ADDRESSES);
	dhcp6_wish(&request, DHCP6_SIP_NAMES);
	dhcp6_wish(&request, DHCP6_DNS);
	dhcp6_wish(&request, DHCP6_DOMAINS);
	CU_ASSERT_EQUAL_FATAL(ask6("fe80::9", &request), PLAIN_ANSWER);
	struct datagram datagram = read_answer();
	CU_ASSERT_EQUAL(datagram.destination_port, DHCP6_CLIENT_PORT);
	CU_ASSERT_TRUE(is(&datagram.destination, "fe80::9"));
	CU_ASSERT_TRUE_FATAL(
		dhcp6_decode(datagram.payload.octets, datagram.payload.length, &reply));
	CU_ASSERT_EQUAL(reply.type, DHCP6_REPLY);
	CU_ASSERT_EQUAL(reply.transaction, 5);
	CU_ASSERT_TRUE(dhcp6_duid_equal(&reply.client_id, &request.client_id));
	CU_ASSERT_EQUAL(reply.server_id.length, 18);
	CU_ASSERT_TRUE(reply.sip_count == 1 && is(&reply.sip[0], "fd99::10"));
	CU_ASSERT_STRING_EQUAL(reply.sip_names.text[0], "pcscf.example");
	CU_ASSERT_EQUAL(reply.dns_count, 1);
	CU_ASSERT_STRING_EQUAL(reply.domains.text[0], "ims.example");
	memset(request.wishes, 0, sizeof(request.wishes));
	CU_ASSERT_EQUAL(ask6("fe80::9", &request), PLAIN_ANSWER);
	datagram = read_answer();
	CU_ASSERT_TRUE(dhcp6_decode(datagram.payload.octets, datagram.payload.length, &reply));
	CU_ASSERT_EQUAL(
		reply.sip_count + reply.sip_names.count + reply.dns_count + reply.domains.count, 0);

	CU_ASSERT_EQUAL(ask6("fd64:64:64:7::9", &request), PLAIN_NOT_OURS);
	request.server_id = request.client_id;
	CU_ASSERT_EQUAL(ask6("fe80::9", &request), PLAIN_ANSWER);
	request.server_id.octets[5]++;
	CU_ASSERT_EQUAL(ask6("fe80::9", &request), PLAIN_SILENT);
	request.server_id.length = 0;
	request.type = 1; /* Solicit: addresses come from the router */
	CU_ASSERT_EQUAL(ask6("fe80::9", &request), PLAIN_SILENT);
}

/* An ordinary packet, and a broken request, go the way of all packets. */
static void not_ours(void)
{
	uint8_t octets[10] = {0};
	begin();
	struct datagram datagram = {
		address("10.64.0.7"), address("10.99.0.10"), 5060, 5060, {octets, sizeof(octets)}};
	CU_ASSERT_EQUAL(serve(datagram_write(&datagram, asked)), PLAIN_NOT_OURS);
	datagram = (struct datagram){
		address("0.0.0.0"), address("255.255.255.255"), 68, 67, {octets, sizeof(octets)}};
	CU_ASSERT_EQUAL(serve(datagram_write(&datagram, asked)), PLAIN_NOT_OURS);
	datagram =
		(struct datagram){address("fe80::9"), address("ff02::1:2"), 546, 547, {octets, 2}};
	CU_ASSERT_EQUAL(serve(datagram_write(&datagram, asked)), PLAIN_NOT_OURS);
}

static const struct unit_test tests[] = {
	{"DHCPDISCOVER and DHCPREQUEST", discover_and_request},
	{"renewals and refusals", renewals},
	{"other DHCPv4 messages", other_dhcp4},
	{"P-CSCF names, and small rooms", names_alone},
	{"Router Advertisements", router},
	{"Neighbor Advertisements", neighbor},
	{"DHCPv6", dhcp6},
	{"what is not ours", not_ours},
};

UNIT_MAIN("plain_server", tests)
