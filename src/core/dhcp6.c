/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stateless DHCPv6, octet by octet. */
#include "core/dhcp6.h"

#include <string.h>

enum {
	OPTION_HEADER = 4,
	RELAY_FORWARD = 12, /* relays' messages have another header */
	RELAY_REPLY = 13,
	DUID_LEAST = 3, /* RFC 8415 11.1: a type and at least one octet */
	DUID_UUID = 4,
	VALUE_MAX = 1024,
};

void dhcp6_duid_from_uuid(const uint8_t uuid[16], struct dhcp6_duid *out)
{
	put_u16(out->octets, DUID_UUID);
	memcpy(out->octets + 2, uuid, 16);
	out->length = 18;
}

bool dhcp6_duid_equal(const struct dhcp6_duid *a, const struct dhcp6_duid *b)
{
	return a->length == b->length && memcmp(a->octets, b->octets, a->length) == 0;
}

/* --- decoding -------------------------------------------------------------- */

static bool read_duid(struct view value, struct dhcp6_duid *out)
{
	if (value.length < DUID_LEAST || value.length > DHCP6_DUID_MAX || out->length)
		return false;
	memcpy(out->octets, value.octets, value.length);
	out->length = value.length;
	return true;
}

static bool read_wishes(struct view value, struct dhcp6_message *out)
{
	for (size_t at = 0; at + 2 <= value.length; at += 2) {
		uint16_t code = get_u16(value.octets + at);
		if (code < DHCP6_WISHES_MAX)
			out->wishes[code / 8] |= (uint8_t)(1 << code % 8);
	}
	return value.length % 2 == 0;
}

static bool read_addresses(struct view value, struct address *out, size_t most, size_t *count)
{
	if (value.length == 0 || value.length % 16 != 0)
		return false;
	for (size_t at = 0; at < value.length && *count < most; at += 16)
		address_set(&out[(*count)++], 6, value.octets + at);
	return true;
}

/* A code, and words that we do not show. */
static bool read_status(struct view value, struct dhcp6_message *out)
{
	if (value.length < 2 || !text_is_clean(value.octets + 2, value.length - 2))
		return false;
	out->status = get_u16(value.octets);
	return true;
}

static bool read_option(unsigned code, struct view value, struct dhcp6_message *out)
{
	switch (code) {
	case DHCP6_CLIENT_ID:
		return read_duid(value, &out->client_id);
	case DHCP6_SERVER_ID:
		return read_duid(value, &out->server_id);
	case DHCP6_WISHES:
		return read_wishes(value, out);
	case DHCP6_ELAPSED:
		out->elapsed = value.length == 2 ? get_u16(value.octets) : 0;
		return value.length == 2;
	case DHCP6_STATUS:
		return read_status(value, out);
	case DHCP6_SIP_NAMES:
		return dns_names_read(value, &out->sip_names);
	case DHCP6_SIP_ADDRESSES:
		return read_addresses(value, out->sip, DHCP6_SIP_MAX, &out->sip_count);
	case DHCP6_DNS:
		return read_addresses(value, out->dns, DHCP6_DNS_MAX, &out->dns_count);
	case DHCP6_DOMAINS:
		return dns_names_read(value, &out->domains);
	case DHCP6_REFRESH:
		out->refresh = value.length == 4 ? get_u32(value.octets) : 0;
		return value.length == 4;
	default: /* a number from the wire, no enum of ours */
		return true;
	}
}

bool dhcp6_decode(const uint8_t *octets, size_t length, struct dhcp6_message *out)
{
	memset(out, 0, sizeof(*out));
	if (length < DHCP6_HEADER || octets[0] == RELAY_FORWARD || octets[0] == RELAY_REPLY)
		return false;
	out->type = octets[0];
	out->transaction = get_u32(octets) & 0xffffff;
	for (size_t at = DHCP6_HEADER; at < length;) {
		if (length - at < OPTION_HEADER)
			return false;
		struct view value = {octets + at + OPTION_HEADER, get_u16(octets + at + 2)};
		if (value.length > length - at - OPTION_HEADER ||
			!read_option(get_u16(octets + at), value, out))
			return false;
		at += OPTION_HEADER + value.length;
	}
	return true;
}

/* --- encoding -------------------------------------------------------------- */

struct writer {
	uint8_t *at, *end;
};

static void put_option(struct writer *out, unsigned code, struct view value)
{
	if (value.length == 0 || value.length + OPTION_HEADER > (size_t)(out->end - out->at))
		return;
	put_u16(out->at, (uint16_t)code);
	put_u16(out->at + 2, (uint16_t)value.length);
	memcpy(out->at + OPTION_HEADER, value.octets, value.length);
	out->at += OPTION_HEADER + value.length;
}

static void put_wishes(struct writer *out, const struct dhcp6_message *message)
{
	uint8_t octets[2 * DHCP6_WISHES_MAX];
	size_t used = 0;
	for (unsigned code = 0; code < DHCP6_WISHES_MAX; code++) {
		if (!(message->wishes[code / 8] >> code % 8 & 1))
			continue;
		put_u16(octets + used, (uint16_t)code);
		used += 2;
	}
	put_option(out, DHCP6_WISHES, (struct view){octets, used});
}

static void put_addresses(
	struct writer *out, unsigned code, const struct address *addresses, size_t count)
{
	uint8_t octets[16 * DHCP6_DNS_MAX];
	for (size_t i = 0; i < count; i++)
		memcpy(octets + 16 * i, addresses[i].octets, 16);
	put_option(out, code, (struct view){octets, 16 * count});
}

static void put_names(struct writer *out, unsigned code, const struct dns_names *names)
{
	uint8_t octets[VALUE_MAX];
	size_t used = 0;
	for (size_t i = 0; i < names->count; i++)
		used += dns_name_put(
			(struct view){(const uint8_t *)names->text[i], strlen(names->text[i])},
			octets + used, sizeof(octets) - used);
	put_option(out, code, (struct view){octets, used});
}

size_t dhcp6_encode(const struct dhcp6_message *message, uint8_t *out, size_t room)
{
	struct writer writer = {out + DHCP6_HEADER, out + room};
	const struct dhcp6_duid *client = &message->client_id, *server = &message->server_id;
	uint8_t number[4];

	put_u32(out, (uint32_t)message->type << 24 | (message->transaction & 0xffffff));
	put_option(&writer, DHCP6_CLIENT_ID, (struct view){client->octets, client->length});
	put_option(&writer, DHCP6_SERVER_ID, (struct view){server->octets, server->length});
	put_wishes(&writer, message);
	put_u16(number, message->elapsed);
	if (message->type == DHCP6_INFORMATION_REQUEST)
		put_option(&writer, DHCP6_ELAPSED, (struct view){number, 2});
	put_u32(number, message->refresh);
	if (message->refresh)
		put_option(&writer, DHCP6_REFRESH, (struct view){number, 4});
	put_addresses(&writer, DHCP6_SIP_ADDRESSES, message->sip, message->sip_count);
	put_names(&writer, DHCP6_SIP_NAMES, &message->sip_names);
	put_addresses(&writer, DHCP6_DNS, message->dns, message->dns_count);
	put_names(&writer, DHCP6_DOMAINS, &message->domains);
	return (size_t)(writer.at - out);
}
