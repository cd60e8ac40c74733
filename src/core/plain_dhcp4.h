/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What plain_client.c and its DHCPv4 part need of each other; for the others see
 * core/plain_client.h. */
#ifndef TSCF_CORE_PLAIN_DHCP4_H
#define TSCF_CORE_PLAIN_DHCP4_H

#include "core/plain_client.h"

#define PLAIN_NEVER UINT64_MAX

/* us, `seconds` after `now`; UINT32_MAX is for ever. */
static inline uint64_t plain_after(uint64_t now, uint32_t seconds)
{
	return seconds == UINT32_MAX ? PLAIN_NEVER : now + (uint64_t)seconds * 1000000;
}

/* There is a lease, whatever becomes of it. */
static inline bool plain_dhcp4_is_bound(const struct plain_client *client)
{
	return client->dhcp4 == PLAIN_BOUND || client->dhcp4 == PLAIN_RENEWING ||
	       client->dhcp4 == PLAIN_REBINDING;
}

/* plain_client.c: the result is another. */
void plain_client_changed(struct plain_client *client, uint64_t now);

/* Forgets the lease and asks for one, at once. */
void plain_dhcp4_begin(struct plain_client *client, uint64_t now);
/* Moves on what time alone moves on. */
void plain_dhcp4_age(struct plain_client *client, uint64_t now, uint32_t random);
/* The message that is due; returns the length of its packet. */
size_t plain_dhcp4_send(
	struct plain_client *client, uint64_t now, uint32_t random, uint8_t *packet);
/* A datagram for a DHCP client: true, whether it is believed or not. */
bool plain_dhcp4_take(struct plain_client *client, const struct datagram *datagram, uint64_t now);
/* Renews the lease now. */
void plain_dhcp4_check(struct plain_client *client, uint64_t now, uint32_t random);

#endif
