/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DHCPv4, octet by octet. */
#include "core/dhcp4.h"

#include <string.h>

enum {
	COOKIE = 0x63825363,
	OP_REQUEST = 1,
	OP_REPLY = 2,
	FLAG_BROADCAST = 0x8000,
	PLACE_SNAME = 44,
	PLACE_FILE = 108,
	PLACE_COOKIE = 236,
	OPTION_PAD = 0,
	OPTION_END = 255,
	OVERLOAD_FILE = 1,
	OVERLOAD_SNAME = 2,
	OPTION_MAX = 255,
	GATHERED_MAX = 1024, /* octets of an option in all its pieces */
	SIP_NAMES = 0,
	SIP_ADDRESSES = 1,
};

static bool is_request(unsigned type)
{
	return type == DHCP4_DISCOVER || type == DHCP4_REQUEST || type == DHCP4_DECLINE ||
	       type == DHCP4_RELEASE || type == DHCP4_INFORM;
}

/* --- decoding: finding options -------------------------------------------- */

/* The octets in which options are, in the order in which pieces of one option
 * are put together (RFC 3396 5). */
struct areas {
	struct view area[3];
	size_t count;
};

/* One option at *at; OPTION_END also where the area ends without it. */
static unsigned next_option(struct view area, size_t *at, struct view *value)
{
	while (*at < area.length && area.octets[*at] == OPTION_PAD)
		(*at)++;
	if (*at >= area.length || area.octets[*at] == OPTION_END)
		return OPTION_END;
	unsigned code = area.octets[*at];
	*value = (struct view){area.octets + *at + 2, area.octets[*at + 1]};
	*at += 2 + value->length;
	return code;
}

/* Whether all options lie within the area, and its end is marked. */
static bool area_is_whole(struct view area)
{
	size_t at = 0;
	while (at < area.length) {
		uint8_t code = area.octets[at];
		if (code == OPTION_END)
			return true;
		if (code == OPTION_PAD) {
			at++;
			continue;
		}
		if (area.length - at < 2 || area.length - at - 2 < area.octets[at + 1])
			return false;
		at += 2 + (size_t)area.octets[at + 1];
	}
	return false;
}

/* The pieces of one option, put together; its length, or 0 when there is none.
 * `*fits` becomes false when there is no room for it. */
static size_t gather(const struct areas *areas, unsigned wanted, uint8_t *out, bool *fits)
{
	size_t used = 0;
	for (size_t i = 0; i < areas->count; i++) {
		struct view value = {0};
		size_t at = 0;
		unsigned code;
		while ((code = next_option(areas->area[i], &at, &value)) != OPTION_END) {
			if (code != wanted)
				continue;
			if (value.length > GATHERED_MAX - used) {
				*fits = false;
				return 0;
			}
			memcpy(out + used, value.octets, value.length);
			used += value.length;
		}
	}
	return used;
}

/* --- decoding: values ----------------------------------------------------- */

static const uint8_t nobody[4];

/* Version 0 for 0.0.0.0. */
static void read_address(const uint8_t *octets, struct address *out)
{
	*out = (struct address){0};
	if (memcmp(octets, nobody, sizeof(nobody)) != 0)
		address_set(out, 4, octets);
}

static bool read_one_address(struct view value, struct address *out)
{
	if (value.length != 4)
		return false;
	read_address(value.octets, out);
	return true;
}

static bool read_addresses(struct view value, struct address *out, size_t most, size_t *count)
{
	if (value.length == 0 || value.length % 4 != 0)
		return false;
	for (size_t at = 0; at < value.length && *count < most; at += 4)
		address_set(&out[(*count)++], 4, value.octets + at);
	return true;
}

static bool read_u32(struct view value, uint32_t *out)
{
	if (value.length != 4)
		return false;
	*out = get_u32(value.octets);
	return true;
}

static bool read_u16(struct view value, uint16_t least, uint16_t *out)
{
	if (value.length != 2 || get_u16(value.octets) < least)
		return false;
	*out = get_u16(value.octets);
	return true;
}

static bool read_mask(struct view value, uint8_t *length)
{
	if (value.length != 4)
		return false;
	uint32_t host = ~get_u32(value.octets);
	if (host & (host + 1)) /* ones behind a zero */
		return false;
	*length = 32;
	for (; host; host >>= 1)
		(*length)--;
	return true;
}

static bool read_wishes(struct view value, struct dhcp4_message *out)
{
	if (value.length == 0)
		return false;
	out->has_wishes = true;
	for (size_t i = 0; i < value.length; i++)
		out->wishes[value.octets[i] / 8] |= (uint8_t)(1 << value.octets[i] % 8);
	return true;
}

static bool read_client_id(struct view value, struct dhcp4_message *out)
{
	if (value.length < 2) /* RFC 2132 9.14 */
		return false;
	/* A longer one identifies as well by its beginning as we need it. */
	out->client_id_length =
		value.length < sizeof(out->client_id) ? value.length : sizeof(out->client_id);
	memcpy(out->client_id, value.octets, out->client_id_length);
	return true;
}

/* RFC 3361 3: one octet says which. */
static bool read_sip(struct view value, struct dhcp4_message *out)
{
	struct view rest = {value.octets + 1, value.length - 1};
	if (value.length < 2)
		return false;
	if (value.octets[0] == SIP_NAMES)
		return dns_names_read(rest, &out->sip_names);
	return value.octets[0] == SIP_ADDRESSES &&
	       read_addresses(rest, out->sip, DHCP4_SIP_MAX, &out->sip_count);
}

/* RFC 3442: width(1), the significant octets of the destination, router(4). */
static bool read_routes(struct view value, struct dhcp4_message *out)
{
	for (size_t at = 0; at < value.length;) {
		uint8_t width = value.octets[at++];
		size_t significant = ((size_t)width + 7) / 8;
		uint8_t octets[4] = {0};
		if (width > 32 || value.length - at < significant + 4)
			return false;
		memcpy(octets, value.octets + at, significant);
		at += significant + 4;
		struct dhcp4_route route = {.destination.length = width};
		/* Bits behind the width are nothing to us (RFC 3442: the client masks). */
		if (width % 8)
			octets[width / 8] &= (uint8_t)(0xff00u >> width % 8);
		address_set(&route.destination.address, 4, octets);
		read_address(value.octets + at - 4, &route.router);
		if (out->route_count < DHCP4_ROUTES_MAX)
			out->routes[out->route_count++] = route;
	}
	return value.length > 0;
}

static bool read_domain(struct view value, struct dhcp4_message *out)
{
	struct view name = value;
	while (name.length > 0 && name.octets[name.length - 1] == '\0')
		name.length--; /* some servers send the NUL too (RFC 2132 2) */
	if (name.length > 0 && name.octets[name.length - 1] == '.')
		name.length--;
	if (!text_is_host_name(name.octets, name.length))
		return false;
	memcpy(out->domain.text[0], name.octets, name.length);
	out->domain.text[0][name.length] = '\0';
	out->domain.count = 1;
	return true;
}

static bool read_option(unsigned code, struct view value, struct dhcp4_message *out)
{
	size_t routers = 0;
	switch (code) {
	case DHCP4_MASK:
		return read_mask(value, &out->mask_length);
	case DHCP4_ROUTER:
		return read_addresses(value, &out->router, 1, &routers);
	case DHCP4_DNS:
		return read_addresses(value, out->dns, DHCP4_DNS_MAX, &out->dns_count);
	case DHCP4_DOMAIN:
		return read_domain(value, out);
	case DHCP4_MTU:
		return read_u16(value, 68, &out->mtu); /* RFC 2132 5.1 */
	case DHCP4_REQUESTED:
		return read_one_address(value, &out->requested);
	case DHCP4_LEASE_TIME:
		return read_u32(value, &out->lease);
	case DHCP4_SERVER:
		return read_one_address(value, &out->server);
	case DHCP4_WISHES:
		return read_wishes(value, out);
	case DHCP4_MAX_SIZE:
		return read_u16(value, 576, &out->max_size); /* RFC 2132 9.10 */
	case DHCP4_T1:
		return read_u32(value, &out->t1);
	case DHCP4_T2:
		return read_u32(value, &out->t2);
	case DHCP4_ID:
		return read_client_id(value, out);
	case DHCP4_SIP:
		return read_sip(value, out);
	case DHCP4_ROUTES:
		return read_routes(value, out);
	default: /* a number from the wire, no enum of ours */
		return true;
	}
}

static bool read_options(const struct areas *areas, struct dhcp4_message *out)
{
	static const uint8_t known[] = {DHCP4_MASK, DHCP4_ROUTER, DHCP4_DNS, DHCP4_DOMAIN,
		DHCP4_MTU, DHCP4_REQUESTED, DHCP4_LEASE_TIME, DHCP4_SERVER, DHCP4_WISHES,
		DHCP4_MAX_SIZE, DHCP4_T1, DHCP4_T2, DHCP4_ID, DHCP4_SIP, DHCP4_ROUTES};
	uint8_t octets[GATHERED_MAX];
	bool fits = true;
	for (size_t i = 0; i < sizeof(known); i++) {
		size_t length = gather(areas, known[i], octets, &fits);
		if (!fits || (length && !read_option(known[i], (struct view){octets, length}, out)))
			return false;
	}
	return true;
}

/* The options' own area, and the fields that it says hold more of them. */
static bool find_areas(const uint8_t *octets, size_t length, struct areas *out)
{
	uint8_t overload[GATHERED_MAX];
	bool fits = true;
	*out = (struct areas){{{octets + DHCP4_HEADER, length - DHCP4_HEADER}}, 1};
	if (!area_is_whole(out->area[0]))
		return false;
	size_t told = gather(out, DHCP4_OVERLOAD, overload, &fits);
	if (told == 0)
		return fits;
	if (told != 1 || overload[0] == 0 || overload[0] > (OVERLOAD_FILE | OVERLOAD_SNAME))
		return false;
	if (overload[0] & OVERLOAD_FILE)
		out->area[out->count++] = (struct view){octets + PLACE_FILE, 128};
	if (overload[0] & OVERLOAD_SNAME)
		out->area[out->count++] = (struct view){octets + PLACE_SNAME, 64};
	for (size_t i = 1; i < out->count; i++)
		if (!area_is_whole(out->area[i]))
			return false;
	return true;
}

bool dhcp4_decode(const uint8_t *octets, size_t length, struct dhcp4_message *out)
{
	struct areas areas;
	uint8_t type[GATHERED_MAX];
	bool fits = true;

	memset(out, 0, sizeof(*out));
	if (length < DHCP4_HEADER || get_u32(octets + PLACE_COOKIE) != COOKIE || octets[2] > 16 ||
		!find_areas(octets, length, &areas))
		return false;
	if (gather(&areas, DHCP4_TYPE, type, &fits) != 1 || type[0] < DHCP4_DISCOVER ||
		type[0] > DHCP4_INFORM ||
		octets[0] != (is_request(type[0]) ? OP_REQUEST : OP_REPLY))
		return false;
	out->type = (enum dhcp4_type)type[0];
	out->hardware_type = octets[1];
	out->hardware_length = octets[2];
	out->transaction = get_u32(octets + 4);
	out->seconds = get_u16(octets + 8);
	out->broadcast = get_u16(octets + 10) & FLAG_BROADCAST;
	read_address(octets + 12, &out->client);
	read_address(octets + 16, &out->yours);
	read_address(octets + 24, &out->relay);
	memcpy(out->hardware, octets + 28, sizeof(out->hardware));
	return read_options(&areas, out);
}

/* --- encoding -------------------------------------------------------------- */

struct writer {
	uint8_t *at, *end; /* the end leaves room for OPTION_END */
};

/* All of it, in as many pieces as it takes (RFC 3396), or nothing. */
static void put_option(struct writer *out, unsigned code, struct view value)
{
	size_t pieces = (value.length + OPTION_MAX - 1) / OPTION_MAX;
	if (value.length == 0 || value.length + 2 * pieces > (size_t)(out->end - out->at))
		return;
	for (size_t done = 0; done < value.length;) {
		size_t piece = value.length - done < OPTION_MAX ? value.length - done : OPTION_MAX;
		out->at[0] = (uint8_t)code;
		out->at[1] = (uint8_t)piece;
		memcpy(out->at + 2, value.octets + done, piece);
		out->at += 2 + piece;
		done += piece;
	}
}

static void put_address(struct writer *out, unsigned code, const struct address *address)
{
	if (address->version == 4)
		put_option(out, code, (struct view){address->octets, 4});
}

static void put_addresses(
	struct writer *out, unsigned code, const struct address *addresses, size_t count)
{
	uint8_t octets[DHCP4_DNS_MAX * 4];
	for (size_t i = 0; i < count; i++)
		memcpy(octets + 4 * i, addresses[i].octets, 4);
	put_option(out, code, (struct view){octets, 4 * count});
}

static void put_number32(struct writer *out, unsigned code, uint32_t value)
{
	uint8_t octets[4];
	put_u32(octets, value);
	if (value)
		put_option(out, code, (struct view){octets, sizeof(octets)});
}

static void put_number16(struct writer *out, unsigned code, uint16_t value)
{
	uint8_t octets[2];
	put_u16(octets, value);
	if (value)
		put_option(out, code, (struct view){octets, sizeof(octets)});
}

static void put_mask(struct writer *out, uint8_t length)
{
	if (length)
		put_number32(out, DHCP4_MASK, UINT32_MAX << (32 - length));
}

static void put_wishes(struct writer *out, const struct dhcp4_message *message)
{
	uint8_t octets[OPTION_MAX];
	size_t count = 0;
	for (unsigned code = 1; code < OPTION_END; code++)
		if (message->wishes[code / 8] >> code % 8 & 1)
			octets[count++] = (uint8_t)code;
	put_option(out, DHCP4_WISHES, (struct view){octets, count});
}

static void put_sip(struct writer *out, const struct dhcp4_message *message)
{
	uint8_t octets[GATHERED_MAX];
	size_t used = 1;
	octets[0] = message->sip_count ? SIP_ADDRESSES : SIP_NAMES;
	for (size_t i = 0; i < message->sip_count; i++, used += 4)
		memcpy(octets + used, message->sip[i].octets, 4);
	for (size_t i = 0; i < message->sip_names.count && message->sip_count == 0; i++) {
		const char *name = message->sip_names.text[i];
		used += dns_name_put((struct view){(const uint8_t *)name, strlen(name)},
			octets + used, sizeof(octets) - used);
	}
	if (used > 1)
		put_option(out, DHCP4_SIP, (struct view){octets, used});
}

/* As many as fit: some routes are better than none, since this option makes the
 * client ignore the router. */
static void put_routes(struct writer *out, const struct dhcp4_message *message)
{
	uint8_t octets[DHCP4_ROUTES_MAX * 9];
	size_t used = 0, room = (size_t)(out->end - out->at);
	for (size_t i = 0; i < message->route_count; i++) {
		const struct dhcp4_route *route = &message->routes[i];
		size_t significant = ((size_t)route->destination.length + 7) / 8;
		size_t after = used + 5 + significant;
		if (after + 2 * (after / OPTION_MAX + 1) > room)
			break;
		octets[used++] = route->destination.length;
		memcpy(octets + used, route->destination.address.octets, significant);
		used += significant;
		memcpy(octets + used, route->router.octets, 4);
		used += 4;
	}
	put_option(out, DHCP4_ROUTES, (struct view){octets, used});
}

static void put_options(struct writer *out, const struct dhcp4_message *message)
{
	const char *domain = message->domain.text[0];
	uint8_t type = (uint8_t)message->type;
	put_option(out, DHCP4_TYPE, (struct view){&type, 1});
	put_address(out, DHCP4_SERVER, &message->server);
	put_address(out, DHCP4_REQUESTED, &message->requested);
	put_number32(out, DHCP4_LEASE_TIME, message->lease);
	put_number32(out, DHCP4_T1, message->t1);
	put_number32(out, DHCP4_T2, message->t2);
	put_option(out, DHCP4_ID, (struct view){message->client_id, message->client_id_length});
	put_number16(out, DHCP4_MAX_SIZE, message->max_size);
	put_mask(out, message->mask_length);
	put_wishes(out, message);
	put_sip(out, message);
	put_number16(out, DHCP4_MTU, message->mtu);
	put_routes(out, message);
	put_address(out, DHCP4_ROUTER, &message->router);
	put_addresses(out, DHCP4_DNS, message->dns, message->dns_count);
	if (message->domain.count)
		put_option(
			out, DHCP4_DOMAIN, (struct view){(const uint8_t *)domain, strlen(domain)});
}

static void put_field(uint8_t *at, const struct address *address)
{
	if (address->version == 4)
		memcpy(at, address->octets, 4);
}

size_t dhcp4_encode(const struct dhcp4_message *message, uint8_t *out, size_t room)
{
	struct writer writer = {out + DHCP4_HEADER, out + room - 1};
	memset(out, 0, room);
	out[0] = is_request(message->type) ? OP_REQUEST : OP_REPLY;
	out[1] = message->hardware_type;
	out[2] = message->hardware_length;
	put_u32(out + 4, message->transaction);
	put_u16(out + 8, message->seconds);
	put_u16(out + 10, message->broadcast ? FLAG_BROADCAST : 0);
	put_field(out + 12, &message->client);
	put_field(out + 16, &message->yours);
	put_field(out + 24, &message->relay);
	memcpy(out + 28, message->hardware, sizeof(message->hardware));
	put_u32(out + PLACE_COOKIE, COOKIE);
	put_options(&writer, message);
	*writer.at++ = OPTION_END;
	size_t length = (size_t)(writer.at - out);
	return length < DHCP4_LEAST ? DHCP4_LEAST : length;
}
