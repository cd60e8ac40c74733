/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the octets of a stranger to a control message that holds nothing
 * impossible.  One bad octet rejects the whole message. */
#include "core/control_table.h"

#include <string.h>

struct tlv {
	unsigned tag; /* without TAG_CRITICAL */
	bool critical;
	struct view value;
};

/* Takes the first TLV off `rest`; false when it runs past the end. */
static bool tlv_take(struct view *rest, struct tlv *out)
{
	if (rest->length < CONTROL_TLV_HEADER)
		return false;
	unsigned tag = get_u16(rest->octets);
	size_t length = get_u16(rest->octets + 2);
	if (length > rest->length - CONTROL_TLV_HEADER)
		return false;
	out->tag = tag & ~(unsigned)TAG_CRITICAL;
	out->critical = tag & TAG_CRITICAL;
	out->value = (struct view){rest->octets + CONTROL_TLV_HEADER, length};
	rest->octets += CONTROL_TLV_HEADER + length;
	rest->length -= CONTROL_TLV_HEADER + length;
	return true;
}

/* An address that no host can have as its own. */
static bool is_unusable(const struct address *address)
{
	static const uint8_t zero[15];
	const uint8_t *octets = address->octets;
	if (address->version == 4) {
		bool broadcast = get_u32(octets) == UINT32_MAX;
		bool multicast = (octets[0] & 0xf0) == 0xe0;
		return octets[0] == 0 || octets[0] == 127 || multicast || broadcast;
	}
	bool unspecified_or_loopback = memcmp(octets, zero, sizeof(zero)) == 0 && octets[15] <= 1;
	return octets[0] == 0xff || unspecified_or_loopback;
}

/* The readers below return NULL, or what is wrong in words.  The length of the
 * value is within the field's bounds when they are called. */

static const char *read_prefix(struct view value, struct prefix *out)
{
	size_t size = value.length - 1;
	out->length = value.octets[size];
	if (out->length > size * 8)
		return "a prefix is longer than its address";
	address_set(&out->address, size == 4 ? 4 : 6, value.octets);
	return NULL;
}

static const char *read_inner(struct view value, struct prefix *out)
{
	const char *fault = read_prefix(value, out);
	if (fault)
		return fault;
	if (out->length == 0)
		return "an inner address has prefix length 0";
	if (is_unusable(&out->address))
		return "an inner address is unspecified, multicast or loopback";
	return NULL;
}

static bool has_host_bits(const struct prefix *prefix)
{
	for (size_t bit = prefix->length; bit < address_size(prefix->address.version) * 8; bit++)
		if (prefix->address.octets[bit / 8] >> (7 - bit % 8) & 1)
			return true;
	return false;
}

static const char *read_route(struct view value, struct control_message *out)
{
	if (out->route_count == CONTROL_ROUTES_MAX)
		return "more IMS routes than there is room for";
	struct prefix *route = &out->routes[out->route_count];
	const char *fault = read_prefix(value, route);
	if (fault)
		return fault;
	if (has_host_bits(route))
		return "an IMS route has bits set behind its prefix";
	out->route_count++;
	return NULL;
}

static const char *read_pcscf(struct view value, struct control_message *out)
{
	if (out->pcscf_count == CONTROL_PCSCF_MAX)
		return "more P-CSCFs than there is room for";
	struct control_pcscf *pcscf = &out->pcscf[out->pcscf_count];
	if (value.length == 4 || value.length == 16) {
		address_set(&pcscf->address, value.length == 4 ? 4 : 6, value.octets);
	} else {
		if (value.octets[value.length - 1] == '.')
			value.length--;
		if (!text_is_host_name(value.octets, value.length))
			return "a P-CSCF is neither an address nor a host name";
		pcscf->name = value;
	}
	out->pcscf_count++;
	return NULL;
}

static const char *read_dns(struct view value, struct control_message *out)
{
	if (value.length != 4 && value.length != 16)
		return "a DNS server is neither an IPv4 nor an IPv6 address";
	if (out->dns_count == CONTROL_DNS_MAX)
		return "more DNS servers than there is room for";
	address_set(&out->dns[out->dns_count], value.length == 4 ? 4 : 6, value.octets);
	out->dns_count++;
	return NULL;
}

static const char *read_domain(struct view value, struct control_message *out)
{
	if (out->domain_count == CONTROL_DOMAINS_MAX)
		return "more DNS domains than there is room for";
	if (!text_is_host_name(value.octets, value.length))
		return "a DNS domain is not a host name";
	out->domains[out->domain_count++] = value;
	return NULL;
}

static const char *read_lane(struct view value, struct control_message *out)
{
	out->lane_index = value.octets[0];
	out->lane_class = value.octets[1];
	return out->lane_class > CONTROL_LANE_BULK ? "a lane has an unknown class" : NULL;
}

static const char *check(bool good, const char *fault)
{
	return good ? NULL : fault;
}

static const char *check_range(const struct control_field *field, unsigned number)
{
	return check(number >= field->least && number <= field->most, "a number is out of range");
}

static const char *read_value(
	const struct control_field *field, struct view value, struct control_message *out)
{
	void *member = (uint8_t *)out + field->offset;
	switch (field->shape) {
	case SHAPE_U8:
		*(uint8_t *)member = value.octets[0];
		return check_range(field, value.octets[0]);
	case SHAPE_U16:
		*(uint16_t *)member = get_u16(value.octets);
		return check_range(field, get_u16(value.octets));
	case SHAPE_U32:
		*(uint32_t *)member = get_u32(value.octets);
		return NULL;
	case SHAPE_U64:
		*(uint64_t *)member = get_u64(value.octets);
		return NULL;
	case SHAPE_OPAQUE:
		*(struct view *)member = value;
		return NULL;
	case SHAPE_TEXT:
		*(struct view *)member = value;
		return check(text_is_clean(value.octets, value.length), "text is not clean UTF-8");
	case SHAPE_HOST_PORT:
		*(struct view *)member = value;
		return check(text_is_host_port(value.octets, value.length),
			"another TSCF is not host:port");
	case SHAPE_LANE:
		return read_lane(value, out);
	case SHAPE_INNER:
		return read_inner(value, member);
	case SHAPE_ROUTE:
		return read_route(value, out);
	case SHAPE_PCSCF:
		return read_pcscf(value, out);
	case SHAPE_DNS:
		return read_dns(value, out);
	case SHAPE_DOMAIN:
		return read_domain(value, out);
	case SHAPE_NONE:
		break;
	}
	return "no such tag";
}

static const char *read_tlv(const struct tlv *tlv, struct control_message *out)
{
	const struct control_field *field = control_field(tlv->tag);
	if (tlv->value.length < field->shortest || tlv->value.length > field->longest)
		return "a TLV has the wrong length";
	if (control_has(out, tlv->tag) && !control_shape_repeats(field->shape))
		return "a TLV that may come once comes twice";
	control_set(out, tlv->tag);
	return read_value(field, tlv->value, out);
}

static bool belongs(const struct control_rule *rule, unsigned tag)
{
	return control_field(tag) && (rule->must | rule->may) >> tag & 1;
}

/* True for a response with result 8.  There an empty TLV is no value but the
 * name of a tag that its receiver did not understand, and it may stand before
 * the result; hence a look ahead. */
static bool names_a_tag(enum control_kind kind, const struct control_rule *rule, struct view tlvs)
{
	bool response = kind % 2 == 0;
	if (!response || !belongs(rule, TAG_RESULT))
		return false;
	for (struct tlv tlv; tlv_take(&tlvs, &tlv);)
		if (tlv.tag == TAG_RESULT && tlv.value.length == 2)
			return get_u16(tlv.value.octets) == RESULT_UNKNOWN_CRITICAL;
	return false;
}

static enum control_verdict decode_tlvs(struct control_message *out,
	const struct control_rule *rule, struct view tlvs, const char **fault)
{
	bool empty_names_a_tag = names_a_tag(out->kind, rule, tlvs);
	while (tlvs.length > 0) {
		struct tlv tlv;
		if (!tlv_take(&tlvs, &tlv)) {
			out->fault_tag = 0;
			*fault = "a TLV runs past the end of the message";
			return CONTROL_MALFORMED;
		}
		if (empty_names_a_tag && tlv.value.length == 0) {
			out->fault_tag = (uint16_t)(tlv.tag | TAG_CRITICAL);
			continue;
		}
		if (!belongs(rule, tlv.tag)) {
			if (!tlv.critical)
				continue;
			out->fault_tag = (uint16_t)(tlv.tag | TAG_CRITICAL);
			*fault = "an unknown tag is marked critical";
			return CONTROL_UNKNOWN_CRITICAL;
		}
		*fault = read_tlv(&tlv, out);
		if (*fault) {
			out->fault_tag = (uint16_t)tlv.tag;
			return CONTROL_MALFORMED;
		}
	}
	return CONTROL_OK;
}

static bool grants(const struct control_message *message)
{
	return message->kind == CONTROL_CONFIGURATION_RESPONSE &&
	       (message->result == RESULT_OK || message->result == RESULT_RESUME_REFUSED);
}

/* Sets fault_tag to the lowest tag that is missing. */
static enum control_verdict check_complete(
	struct control_message *out, const struct control_rule *rule, const char **fault)
{
	uint64_t must = rule->must;
	if (grants(out)) {
		must |= control_grant_must();
		if (!control_has(out, TAG_INNER4) && !control_has(out, TAG_INNER6))
			must |= UINT64_C(1) << TAG_INNER4;
	}
	uint64_t missing = must & ~out->present;
	if (missing == 0)
		return CONTROL_OK;
	out->fault_tag = (uint16_t)__builtin_ctzll(missing);
	*fault = "a mandatory TLV is missing";
	return CONTROL_MALFORMED;
}

static bool is_request(enum control_kind kind)
{
	return kind % 2 == 1 && kind != CONTROL_CONFIGURATION_UPDATE;
}

enum control_verdict control_decode(
	const uint8_t *payload, size_t length, struct control_message *out, const char **fault)
{
	memset(out, 0, sizeof(*out));
	*fault = NULL;
	/* Too short to hold kind and transaction: there is nothing to answer. */
	if (length < CONTROL_HEADER || get_u16(payload) != CONTROL_MAGIC) {
		*fault = "no control message: wrong magic or too short";
		return CONTROL_BAD_MAGIC;
	}
	const struct control_rule *rule = control_rule(payload[2]);
	if (!rule) {
		*fault = "a control message of an unknown kind";
		return CONTROL_UNKNOWN_KIND;
	}
	out->kind = payload[2];
	out->transaction = get_u16(payload + 4);

	struct view tlvs = {payload + CONTROL_HEADER, length - CONTROL_HEADER};
	enum control_verdict verdict = decode_tlvs(out, rule, tlvs, fault);
	if (verdict == CONTROL_OK)
		verdict = check_complete(out, rule, fault);
	if (verdict == CONTROL_OK && is_request(out->kind))
		out->raw = tlvs;
	return verdict;
}
