/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DHCPv4, DHCPv6 and neighbour discovery from strangers: what is decoded can be
 * encoded and decoded again, and says the same.  The first octet chooses. */
#include <stdlib.h>
#include <string.h>

#include "core/dhcp4.h"
#include "core/dhcp6.h"
#include "core/ndp.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

enum { ROOM = 65536 };

static void require(bool invariant)
{
	if (!invariant)
		abort();
}

static void check_dhcp4(const uint8_t *octets, size_t length)
{
	static struct dhcp4_message message, again;
	static uint8_t out[ROOM];
	if (!dhcp4_decode(octets, length, &message))
		return;
	require(message.dns_count <= DHCP4_DNS_MAX && message.sip_count <= DHCP4_SIP_MAX);
	require(message.mask_length <= 32 && message.route_count <= DHCP4_ROUTES_MAX);
	size_t written = dhcp4_encode(&message, out, sizeof(out));
	require(written >= DHCP4_LEAST && dhcp4_decode(out, written, &again));
	require(again.type == message.type && again.lease == message.lease);
	require(again.route_count == message.route_count && again.mtu == message.mtu);
	require(again.sip_count == message.sip_count);
	require(dhcp4_encode(&again, out, DHCP4_ROOM) <= DHCP4_ROOM);
}

static void check_dhcp6(const uint8_t *octets, size_t length)
{
	static struct dhcp6_message message, again;
	static uint8_t out[ROOM];
	if (!dhcp6_decode(octets, length, &message))
		return;
	size_t written = dhcp6_encode(&message, out, sizeof(out));
	require(dhcp6_decode(out, written, &again));
	require(again.type == message.type && again.transaction == message.transaction);
	require(again.sip_count == message.sip_count && again.dns_count == message.dns_count);
	require(again.domains.count <= message.domains.count);
	require(dhcp6_encode(&again, out, 64) <= 64);
}

static void check_ndp(const uint8_t *octets, size_t length)
{
	static struct ndp_advert advert, again;
	static uint8_t out[ROOM];
	struct address target;
	struct view message = {octets, length};
	ndp_decode_solicit(message);
	ndp_decode_neighbor_solicit(message, &target);
	if (!ndp_decode_advert(message, &advert))
		return;
	require(advert.prefix.address.version == 0 || advert.prefix.length == 64);
	message = (struct view){out, ndp_encode_advert(&advert, out, sizeof(out))};
	require(ndp_decode_advert(message, &again));
	require(memcmp(&advert.prefix, &again.prefix, sizeof(advert.prefix)) == 0);
	require(again.route_count == advert.route_count && again.dns_count == advert.dns_count);
	require(ndp_encode_advert(&again, out, 64) <= 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	if (size == 0)
		return 0;
	uint8_t *exact = malloc(size);
	require(exact != NULL);
	memcpy(exact, input + 1, size - 1);
	switch (input[0] % 3) {
	case 0:
		check_dhcp4(exact, size - 1);
		break;
	case 1:
		check_dhcp6(exact, size - 1);
		break;
	default: /* of the input, no enum of ours */
		check_ndp(exact, size - 1);
		break;
	}
	free(exact);
	return 0;
}
