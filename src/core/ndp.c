/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Router and neighbour messages, octet by octet. */
#include "core/ndp.h"

#include <string.h>

enum {
	ADVERT_HEADER = 16,
	FLAG_MANAGED = 0x80,
	FLAG_OTHER = 0x40,
	OPTION_PREFIX = 3,
	OPTION_MTU = 5,
	OPTION_ROUTE = 24, /* RFC 4191 2.3 */
	OPTION_DNS = 25,   /* RFC 8106 5.1 */
	PREFIX_OPTION = 32,
	PREFIX_ON_LINK = 0x80,
	PREFIX_AUTONOMOUS = 0x40,
	FLAG_ROUTER = 0x80,
	FLAG_SOLICITED = 0x40,
	ROUTE_PREFERENCE = 0x18,
	ROUTE_RESERVED = 0x10, /* RFC 4191 2.1: the option is ignored */
};

/* --- decoding -------------------------------------------------------------- */

/* Options: type(1), length(1) in units of 8 octets, never 0 (RFC 4861 4.6). */
static bool options_are_whole(struct view message, size_t at)
{
	while (at < message.length) {
		if (message.length - at < 8 || message.octets[at + 1] == 0 ||
			message.length - at < (size_t)message.octets[at + 1] * 8)
			return false;
		at += (size_t)message.octets[at + 1] * 8;
	}
	return true;
}

static bool begins(struct view message, enum ndp_type type, size_t header)
{
	return message.length >= header && message.octets[0] == type && message.octets[1] == 0 &&
	       options_are_whole(message, header);
}

bool ndp_decode_solicit(struct view message)
{
	return begins(message, NDP_ROUTER_SOLICIT, NDP_SOLICIT_LENGTH);
}

bool ndp_decode_neighbor_solicit(struct view message, struct address *target)
{
	if (!begins(message, NDP_NEIGHBOR_SOLICIT, NDP_NEIGHBOR_LENGTH) ||
		message.octets[8] == 0xff)
		return false;
	address_set(target, 6, message.octets + 8);
	return true;
}

/* Copies a prefix without the bits behind its length. */
static void set_prefix(struct prefix *out, const uint8_t *octets, size_t count, uint8_t length)
{
	uint8_t whole[16] = {0};
	memcpy(whole, octets, count);
	for (unsigned bit = length; bit < 128; bit++)
		whole[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	address_set(&out->address, 6, whole);
	out->length = length;
}

static bool is_link_local(const uint8_t *octets)
{
	return octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80;
}

/* RFC 4862 5.5.3: what is not to be used for addresses is no error. */
static bool read_prefix(struct view option, struct ndp_advert *out)
{
	const uint8_t *at = option.octets;
	if (option.length != PREFIX_OPTION || at[2] > 128)
		return false;
	uint32_t valid = get_u32(at + 4), preferred = get_u32(at + 8);
	if (!(at[3] & PREFIX_AUTONOMOUS) || at[2] != 64 || preferred > valid || valid == 0 ||
		at[16] == 0xff || is_link_local(at + 16) || out->prefix.address.version)
		return true;
	set_prefix(&out->prefix, at + 16, 16, at[2]);
	out->on_link = at[3] & PREFIX_ON_LINK;
	out->valid = valid;
	out->preferred = preferred;
	return true;
}

static bool read_mtu(struct view option, struct ndp_advert *out)
{
	if (option.length != 8)
		return false;
	out->mtu = get_u32(option.octets + 4);
	return true;
}

static bool read_dns(struct view option, struct ndp_advert *out)
{
	if (option.length < 24 || option.length % 16 != 8)
		return false;
	uint32_t lifetime = get_u32(option.octets + 4);
	if (lifetime == 0)
		return true; /* not to be used any more */
	if (out->dns_count == 0 || lifetime < out->dns_lifetime)
		out->dns_lifetime = lifetime;
	for (size_t at = 8; at < option.length && out->dns_count < NDP_DNS_MAX; at += 16)
		address_set(&out->dns[out->dns_count++], 6, option.octets + at);
	return true;
}

static bool read_route(struct view option, struct ndp_advert *out)
{
	uint8_t length = option.octets[2];
	size_t count = option.length - 8;
	if (option.length > 24 || length > 128 || (size_t)length > count * 8)
		return false;
	if ((option.octets[3] & ROUTE_PREFERENCE) == ROUTE_RESERVED ||
		out->route_count == NDP_ROUTES_MAX)
		return true;
	struct ndp_route *route = &out->routes[out->route_count++];
	set_prefix(&route->destination, option.octets + 8, count, length);
	route->lifetime = get_u32(option.octets + 4);
	return true;
}

static bool read_option(struct view option, struct ndp_advert *out)
{
	switch (option.octets[0]) {
	case OPTION_PREFIX:
		return read_prefix(option, out);
	case OPTION_MTU:
		return read_mtu(option, out);
	case OPTION_DNS:
		return read_dns(option, out);
	case OPTION_ROUTE:
		return read_route(option, out);
	default: /* a number from the wire, no enum of ours */
		return true;
	}
}

bool ndp_decode_advert(struct view message, struct ndp_advert *out)
{
	memset(out, 0, sizeof(*out));
	if (!begins(message, NDP_ROUTER_ADVERT, ADVERT_HEADER))
		return false;
	out->hop_limit = message.octets[4];
	out->managed = message.octets[5] & FLAG_MANAGED;
	out->other = message.octets[5] & FLAG_OTHER;
	out->lifetime = get_u16(message.octets + 6);
	for (size_t at = ADVERT_HEADER; at < message.length;) {
		struct view option = {message.octets + at, (size_t)message.octets[at + 1] * 8};
		if (!read_option(option, out))
			return false;
		at += option.length;
	}
	return true;
}

/* --- encoding -------------------------------------------------------------- */

size_t ndp_encode_solicit(uint8_t out[NDP_SOLICIT_LENGTH])
{
	memset(out, 0, NDP_SOLICIT_LENGTH);
	out[0] = NDP_ROUTER_SOLICIT;
	return NDP_SOLICIT_LENGTH;
}

static void put_neighbor(
	enum ndp_type type, const struct address *target, uint8_t out[NDP_NEIGHBOR_LENGTH])
{
	memset(out, 0, NDP_NEIGHBOR_LENGTH);
	out[0] = (uint8_t)type;
	memcpy(out + 8, target->octets, 16);
}

size_t ndp_encode_neighbor_solicit(const struct address *target, uint8_t out[NDP_NEIGHBOR_LENGTH])
{
	put_neighbor(NDP_NEIGHBOR_SOLICIT, target, out);
	return NDP_NEIGHBOR_LENGTH;
}

size_t ndp_encode_neighbor_advert(
	const struct address *target, bool solicited, uint8_t out[NDP_NEIGHBOR_LENGTH])
{
	put_neighbor(NDP_NEIGHBOR_ADVERT, target, out);
	out[4] = (uint8_t)(FLAG_ROUTER | (solicited ? FLAG_SOLICITED : 0));
	return NDP_NEIGHBOR_LENGTH;
}

struct writer {
	uint8_t *at, *end;
};

/* Room for an option, zeroed but for its type and length; NULL when there is
 * none left. */
static uint8_t *put_option(struct writer *out, uint8_t type, size_t length)
{
	uint8_t *option = out->at;
	if (length > (size_t)(out->end - out->at))
		return NULL;
	memset(option, 0, length);
	option[0] = type;
	option[1] = (uint8_t)(length / 8);
	out->at += length;
	return option;
}

static void put_prefix(struct writer *out, const struct ndp_advert *advert)
{
	uint8_t *option = put_option(out, OPTION_PREFIX, PREFIX_OPTION);
	if (!option)
		return;
	option[2] = advert->prefix.length;
	option[3] = (uint8_t)(PREFIX_AUTONOMOUS | (advert->on_link ? PREFIX_ON_LINK : 0));
	put_u32(option + 4, advert->valid);
	put_u32(option + 8, advert->preferred);
	memcpy(option + 16, advert->prefix.address.octets, 16);
}

static void put_mtu(struct writer *out, uint32_t mtu)
{
	uint8_t *option = put_option(out, OPTION_MTU, 8);
	if (option)
		put_u32(option + 4, mtu);
}

static void put_dns(struct writer *out, const struct ndp_advert *advert)
{
	uint8_t *option = put_option(out, OPTION_DNS, 8 + 16 * advert->dns_count);
	if (!option)
		return;
	put_u32(option + 4, advert->dns_lifetime);
	for (size_t i = 0; i < advert->dns_count; i++)
		memcpy(option + 8 + 16 * i, advert->dns[i].octets, 16);
}

static void put_route(struct writer *out, const struct ndp_route *route)
{
	/* The shortest of the three lengths that holds the prefix. */
	size_t octets = route->destination.length == 0    ? 0
			: route->destination.length <= 64 ? 8
							  : 16;
	uint8_t *option = put_option(out, OPTION_ROUTE, 8 + octets);
	if (!option)
		return;
	option[2] = route->destination.length;
	put_u32(option + 4, route->lifetime);
	memcpy(option + 8, route->destination.address.octets, octets);
}

size_t ndp_encode_advert(const struct ndp_advert *advert, uint8_t *out, size_t room)
{
	struct writer writer = {out + ADVERT_HEADER, out + room};
	memset(out, 0, ADVERT_HEADER);
	out[0] = NDP_ROUTER_ADVERT;
	out[4] = advert->hop_limit;
	out[5] = (uint8_t)((advert->managed ? FLAG_MANAGED : 0) | (advert->other ? FLAG_OTHER : 0));
	put_u16(out + 6, advert->lifetime);
	if (advert->prefix.address.version)
		put_prefix(&writer, advert);
	if (advert->mtu)
		put_mtu(&writer, advert->mtu);
	if (advert->dns_count)
		put_dns(&writer, advert);
	for (size_t i = 0; i < advert->route_count; i++)
		put_route(&writer, &advert->routes[i]);
	return (size_t)(writer.at - out);
}
