/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a control message to the octets of its envelope. */
#include "core/control_table.h"

#include <string.h>

#include "core/envelope.h"

/* Where the next octet goes.  After the first thing that did not fit nothing
 * is written any more, so that only the end needs to ask. */
struct writer {
	uint8_t *at, *end;
	bool full;
};

/* Room for `length` octets, or NULL. */
static uint8_t *take(struct writer *writer, size_t length)
{
	if (writer->full || length > (size_t)(writer->end - writer->at)) {
		writer->full = true;
		return NULL;
	}
	uint8_t *at = writer->at;
	writer->at += length;
	return at;
}

/* Writes the header of a TLV; returns where its value goes, or NULL. */
static uint8_t *open_tlv(struct writer *writer, unsigned tag, size_t length)
{
	uint8_t *at = take(writer, CONTROL_TLV_HEADER + length);
	if (!at)
		return NULL;
	put_u16(at, (uint16_t)tag);
	put_u16(at + 2, (uint16_t)length);
	return at + CONTROL_TLV_HEADER;
}

static void put_octets(struct writer *writer, unsigned tag, struct view value)
{
	uint8_t *at = open_tlv(writer, tag, value.length);
	if (at && value.length > 0)
		memcpy(at, value.octets, value.length);
}

static void put_number(struct writer *writer, unsigned tag, uint64_t number, size_t size)
{
	uint8_t *at = open_tlv(writer, tag, size);
	for (size_t i = 0; at && i < size; i++)
		at[i] = (uint8_t)(number >> 8 * (size - 1 - i));
}

static void put_prefix(struct writer *writer, unsigned tag, const struct prefix *prefix)
{
	size_t size = address_size(prefix->address.version);
	uint8_t *at = open_tlv(writer, tag, size + 1);
	if (!at)
		return;
	memcpy(at, prefix->address.octets, size);
	at[size] = prefix->length;
}

static void put_address(struct writer *writer, unsigned tag, const struct address *address)
{
	put_octets(writer, tag, (struct view){address->octets, address_size(address->version)});
}

static void put_lane(struct writer *writer, unsigned tag, const struct control_message *message)
{
	put_octets(writer, tag,
		(struct view){(uint8_t[]){message->lane_index, message->lane_class}, 2});
}

/* Both families in one go at the first of their tags: so their order, which is
 * the order of preference, survives. */
static void put_routes(struct writer *writer, unsigned tag, const struct control_message *message)
{
	for (size_t i = 0; tag == TAG_ROUTE4 && i < message->route_count; i++) {
		const struct prefix *route = &message->routes[i];
		put_prefix(writer, route->address.version == 4 ? TAG_ROUTE4 : TAG_ROUTE6, route);
	}
}

/* A name that is as long as an address gets the dot of the root, or it would
 * be read as one. */
static void put_pcscf(struct writer *writer, unsigned tag, const struct control_pcscf *pcscf)
{
	if (pcscf->address.version != 0) {
		put_address(writer, tag, &pcscf->address);
		return;
	}
	size_t length = pcscf->name.length;
	bool dot = length == 4 || length == 16;
	uint8_t *at = open_tlv(writer, tag, length + dot);
	if (!at || length == 0)
		return;
	memcpy(at, pcscf->name.octets, length);
	if (dot)
		at[length] = '.';
}

static void put_field(struct writer *writer, unsigned tag, const struct control_field *field,
	const struct control_message *message)
{
	const void *member = (const uint8_t *)message + field->offset;
	switch (field->shape) {
	case SHAPE_U8:
		put_number(writer, tag, *(const uint8_t *)member, 1);
		break;
	case SHAPE_U16:
		put_number(writer, tag, *(const uint16_t *)member, 2);
		break;
	case SHAPE_U32:
		put_number(writer, tag, *(const uint32_t *)member, 4);
		break;
	case SHAPE_U64:
		put_number(writer, tag, *(const uint64_t *)member, 8);
		break;
	case SHAPE_OPAQUE:
	case SHAPE_TEXT:
	case SHAPE_HOST_PORT:
		put_octets(writer, tag, *(const struct view *)member);
		break;
	case SHAPE_LANE:
		put_lane(writer, tag, message);
		break;
	case SHAPE_INNER:
		put_prefix(writer, tag, member);
		break;
	case SHAPE_ROUTE:
		put_routes(writer, tag, message);
		break;
	case SHAPE_PCSCF:
		for (size_t i = 0; i < message->pcscf_count; i++)
			put_pcscf(writer, tag, &message->pcscf[i]);
		break;
	case SHAPE_DNS:
		for (size_t i = 0; i < message->dns_count; i++)
			put_address(writer, tag, &message->dns[i]);
		break;
	case SHAPE_DOMAIN:
		for (size_t i = 0; i < message->domain_count; i++)
			put_octets(writer, tag, message->domains[i]);
		break;
	case SHAPE_NONE:
		break;
	}
}

static void put_fields(struct writer *writer, const struct control_message *message)
{
	for (unsigned tag = 0; tag < CONTROL_TAGS; tag++) {
		const struct control_field *field = control_field(tag);
		if (field && (control_shape_repeats(field->shape) || control_has(message, tag)))
			put_field(writer, tag, field, message);
	}
	if (message->fault_tag != 0 && control_has(message, TAG_RESULT) &&
		message->result == RESULT_UNKNOWN_CRITICAL)
		open_tlv(writer, message->fault_tag & ~(unsigned)TAG_CRITICAL, 0);
}

size_t control_encode(const struct control_message *message, uint8_t *out, size_t room)
{
	struct writer writer = {out, out + (room < ENVELOPE_MAX ? room : ENVELOPE_MAX), false};
	uint8_t *header = take(&writer, ENVELOPE_HEADER + CONTROL_HEADER);
	if (!header)
		return 0;
	uint8_t *control = header + ENVELOPE_HEADER;
	put_u16(control, CONTROL_MAGIC);
	control[2] = (uint8_t)message->kind;
	control[3] = 0;
	put_u16(control + 4, message->transaction);

	if (message->kind == CONTROL_KEEPALIVE_RESPONSE && message->raw.length > 0) {
		uint8_t *at = take(&writer, message->raw.length);
		if (at)
			memcpy(at, message->raw.octets, message->raw.length);
	} else {
		put_fields(&writer, message);
	}
	if (writer.full)
		return 0;
	size_t length = (size_t)(writer.at - out);
	envelope_put_header(header, ENVELOPE_CONTROL, length - ENVELOPE_HEADER);
	return length;
}
