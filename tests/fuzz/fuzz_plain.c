/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole packets from a plain peer, to both roles: the server's answers are good
 * packets that the client understands, and neither is led to spin. */
#include <stdlib.h>
#include <string.h>

#include "core/plain_client.h"
#include "core/plain_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void require(bool invariant)
{
	if (!invariant)
		abort();
}

static void serve(const struct packet *packet)
{
	static struct control_message offer;
	struct plain_service service = {.offer = &offer, .mask_length = 16};
	uint8_t answer[DATAGRAM_PACKET_MAX];
	struct packet parsed;
	size_t length = 0;
	offer.mtu = 1400;
	prefix_parse(&service.inner4, "10.64.0.7/32");
	prefix_parse(&service.inner6, "fd64:64:64:7::/64");
	address_parse(&service.own4, "10.64.0.1");
	if (plain_serve(&service, packet, answer, &length) != PLAIN_ANSWER)
		return;
	require(length <= sizeof(answer));
	require(packet_parse(answer, length, &parsed) == PACKET_OK);
}

static void listen(const struct packet *packet)
{
	static const uint8_t uuid[PLAIN_UUID];
	static struct plain_client client;
	static struct control_message grant;
	uint8_t out[DATAGRAM_PACKET_MAX];
	uint64_t now = 1000000;
	plain_client_init(&client, uuid, now);
	unsigned turns = 0;
	/* The random bits are 0, so that a message may guess its transaction. */
	while (plain_client_poll(&client, now, 0, out) > 0)
		require(++turns < 10);
	plain_client_take(&client, packet, now, 0);
	for (unsigned i = 0; i < 20; i++) {
		for (turns = 0; plain_client_poll(&client, now, 0, out) > 0; turns++)
			require(turns < 10);
		uint64_t due = plain_client_due(&client);
		require(due > now);
		now = due == UINT64_MAX ? now : due;
	}
	plain_client_grant(&client, &grant);
	require(grant.mtu >= CONTROL_MTU_MIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct packet packet;
	uint8_t *exact = malloc(size ? size : 1);
	require(exact != NULL);
	if (size)
		memcpy(exact, input, size);
	if (packet_parse(exact, size, &packet) == PACKET_OK) {
		serve(&packet);
		listen(&packet);
	}
	free(exact);
	return 0;
}
