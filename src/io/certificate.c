/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Certificates and CRLs as administrators want to read about them. */
#include "io/certificate.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/text.h"

/* Universal and context tags (X.690). */
enum {
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_OID = 0x06,
	DER_UTF8 = 0x0c,
	DER_PRINTABLE = 0x13,
	DER_TELETEX = 0x14,
	DER_IA5 = 0x16,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_VERSION = 0xa0,    /* TBSCertificate [0] */
	DER_EXTENSIONS = 0xa3, /* TBSCertificate [3] */
	DER_DNS_NAME = 0x82,   /* GeneralName [2] */
	DER_IP_ADDRESS = 0x87, /* GeneralName [7] */
};

/* One element: its tag, its content, and all of it with the header. */
struct element {
	uint8_t tag;
	struct view content, whole;
};

/* Takes the first element off `rest`; lengths in DER's short form or in one
 * to three octets, which no certificate in a TLS message exceeds. */
static bool element_take(struct view *rest, struct element *out)
{
	const uint8_t *at = rest->octets;
	if (rest->length < 2 || (at[0] & 0x1f) == 0x1f)
		return false;
	size_t header = 2, length = at[1];
	if (length & 0x80) {
		size_t count = length & 0x7f;
		if (count == 0 || count > 3 || rest->length < 2 + count)
			return false;
		length = 0;
		for (size_t i = 0; i < count; i++)
			length = length << 8 | at[2 + i];
		header += count;
	}
	if (length > rest->length - header)
		return false;
	out->tag = at[0];
	out->content = (struct view){at + header, length};
	out->whole = (struct view){at, header + length};
	rest->octets += header + length;
	rest->length -= header + length;
	return true;
}

static bool element_expect(struct view *rest, uint8_t tag, struct element *out)
{
	return element_take(rest, out) && out->tag == tag;
}

static bool element_skip_if(struct view *rest, uint8_t tag)
{
	struct element skipped;
	return rest->length == 0 || rest->octets[0] != tag || element_take(rest, &skipped);
}

static bool view_is(struct view view, const void *octets, size_t length)
{
	return view.length == length && memcmp(view.octets, octets, length) == 0;
}

static int two_digits(const uint8_t *at)
{
	if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
		return -1;
	return (at[0] - '0') * 10 + at[1] - '0';
}

/* YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ, the only forms RFC 5280 4.1.2.5 allows. */
static bool time_parse(const struct element *element, int64_t *seconds)
{
	const uint8_t *at = element->content.octets;
	int century = -1;
	if (element->tag == DER_UTC_TIME && element->content.length == 13) {
		century = 0;
	} else if (element->tag == DER_GENERALIZED_TIME && element->content.length == 15) {
		century = two_digits(at);
		at += 2;
	}
	if (century < 0 || at[12] != 'Z')
		return false;
	int part[6];
	for (int i = 0; i < 6; i++) {
		part[i] = two_digits(at + 2 * i);
		if (part[i] < 0)
			return false;
	}
	int year = century * 100 + part[0];
	if (element->tag == DER_UTC_TIME)
		year = part[0] < 50 ? 2000 + part[0] : 1900 + part[0];
	struct tm tm = {
		.tm_year = year - 1900,
		.tm_mon = part[1] - 1,
		.tm_mday = part[2],
		.tm_hour = part[3],
		.tm_min = part[4],
		.tm_sec = part[5],
	};
	*seconds = timegm(&tm);
	return true;
}

/* Extension ::= SEQUENCE { extnID, critical DEFAULT FALSE, extnValue OCTET STRING } */
static bool alt_names_find(struct view extensions, struct view *names)
{
	static const uint8_t subject_alt_name[] = {0x55, 0x1d, 0x11};
	struct element extension, id, value, list;
	while (extensions.length > 0) {
		if (!element_expect(&extensions, DER_SEQUENCE, &extension) ||
			!element_expect(&extension.content, DER_OID, &id))
			return false;
		if (!view_is(id.content, subject_alt_name, sizeof(subject_alt_name)))
			continue;
		do {
			if (!element_take(&extension.content, &value))
				return false;
		} while (value.tag != DER_OCTET_STRING);
		if (!element_expect(&value.content, DER_SEQUENCE, &list))
			return false;
		*names = list.content;
	}
	return true;
}

bool certificate_parse(struct certificate *out, struct view der)
{
	*out = (struct certificate){0};
	struct element whole, tbs, part, time;
	if (!element_expect(&der, DER_SEQUENCE, &whole) ||
		!element_expect(&whole.content, DER_SEQUENCE, &tbs))
		return false;
	struct view rest = tbs.content;
	if (!element_skip_if(&rest, DER_VERSION) || !element_expect(&rest, DER_INTEGER, &part))
		return false;
	out->serial = part.content;
	if (!element_expect(&rest, DER_SEQUENCE, &part)) /* signature algorithm */
		return false;
	if (!element_expect(&rest, DER_SEQUENCE, &part))
		return false;
	out->issuer = part.content;
	if (!element_expect(&rest, DER_SEQUENCE, &part) || !element_take(&part.content, &time) ||
		!time_parse(&time, &out->not_before) || !element_take(&part.content, &time) ||
		!time_parse(&time, &out->not_after))
		return false;
	if (!element_expect(&rest, DER_SEQUENCE, &part))
		return false;
	out->subject = part.content;
	if (!element_expect(&rest, DER_SEQUENCE, &part))
		return false;
	out->key = part.whole;
	while (rest.length > 0) {
		if (!element_take(&rest, &part))
			return false;
		if (part.tag == DER_EXTENSIONS &&
			(!element_expect(&part.content, DER_SEQUENCE, &whole) ||
				!alt_names_find(whole.content, &out->alt_names)))
			return false;
	}
	return true;
}

bool revocation_list_parse(struct revocation_list *out, struct view der)
{
	*out = (struct revocation_list){0};
	struct element whole, tbs, part;
	if (!element_expect(&der, DER_SEQUENCE, &whole) ||
		!element_expect(&whole.content, DER_SEQUENCE, &tbs))
		return false;
	struct view rest = tbs.content;
	if (!element_skip_if(&rest, DER_INTEGER) ||            /* version */
		!element_expect(&rest, DER_SEQUENCE, &part) || /* signature algorithm */
		!element_expect(&rest, DER_SEQUENCE, &part))
		return false;
	out->issuer = part.content;
	if (!element_take(&rest, &part) || !time_parse(&part, &out->this_update))
		return false;
	if (rest.length > 0 &&
		(rest.octets[0] == DER_UTC_TIME || rest.octets[0] == DER_GENERALIZED_TIME))
		return element_take(&rest, &part) && time_parse(&part, &out->next_update);
	return true;
}

/* Appends what fits, never half a piece. */
static void append(char *text, size_t room, const char *piece, size_t length)
{
	size_t used = strlen(text);
	if (length >= room - used)
		return;
	memcpy(text + used, piece, length);
	text[used + length] = '\0';
}

/* The text of an attribute, or false when it is not clean or not text. */
static bool attribute_text(const struct element *value)
{
	switch (value->tag) {
	case DER_UTF8:
	case DER_PRINTABLE:
	case DER_TELETEX:
	case DER_IA5:
		return text_is_clean(value->content.octets, value->content.length);
	}
	return false;
}

struct attribute {
	struct view type;
	struct element value;
};

/* Name content ::= SET OF SEQUENCE { type, value } ... ; one at a time. */
static bool attribute_next(struct view *name, struct view *set, struct attribute *out)
{
	struct element element, type;
	if (set->length == 0) {
		if (!element_expect(name, DER_SET, &element))
			return false;
		*set = element.content;
	}
	if (!element_expect(set, DER_SEQUENCE, &element) ||
		!element_expect(&element.content, DER_OID, &type) ||
		!element_take(&element.content, &out->value))
		return false;
	out->type = type.content;
	return true;
}

/* The attribute types of 2.5.4.x that people know by a short name. */
static const char *attribute_label(struct view type)
{
	if (type.length != 3 || type.octets[0] != 0x55 || type.octets[1] != 0x04)
		return NULL;
	switch (type.octets[2]) {
	case 3:
		return "CN=";
	case 5:
		return "serialNumber=";
	case 6:
		return "C=";
	case 7:
		return "L=";
	case 8:
		return "ST=";
	case 10:
		return "O=";
	case 11:
		return "OU=";
	}
	return NULL;
}

const char *certificate_name(struct view name, char text[CERTIFICATE_NAME_MAX])
{
	struct view set = {0};
	struct attribute attribute;
	text[0] = '\0';
	while (attribute_next(&name, &set, &attribute)) {
		const char *label = attribute_label(attribute.type);
		if (!label)
			continue;
		struct view value = attribute.value.content;
		if (!attribute_text(&attribute.value))
			value = (struct view){(const uint8_t *)"?", 1};
		if (strlen(text) + 2 + strlen(label) + value.length >= CERTIFICATE_NAME_MAX)
			continue;
		if (text[0])
			append(text, CERTIFICATE_NAME_MAX, ", ", 2);
		append(text, CERTIFICATE_NAME_MAX, label, strlen(label));
		append(text, CERTIFICATE_NAME_MAX, (const char *)value.octets, value.length);
	}
	if (!text[0])
		append(text, CERTIFICATE_NAME_MAX, "(no name)", 9);
	return text;
}

bool certificate_common_name(const struct certificate *certificate, char *text, size_t room)
{
	struct view name = certificate->subject, set = {0};
	struct attribute attribute;
	while (attribute_next(&name, &set, &attribute)) {
		const char *label = attribute_label(attribute.type);
		size_t length = attribute.value.content.length;
		if (!label || strcmp(label, "CN=") != 0)
			continue;
		if (!attribute_text(&attribute.value) || length == 0 || length >= room)
			return false;
		memcpy(text, attribute.value.content.octets, length);
		text[length] = '\0';
		return true;
	}
	return false;
}

const char *certificate_time(int64_t seconds, char text[CERTIFICATE_TIME_MAX])
{
	time_t time = (time_t)seconds;
	struct tm tm;
	if (!gmtime_r(&time, &tm) ||
		strftime(text, CERTIFICATE_TIME_MAX, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		snprintf(text, CERTIFICATE_TIME_MAX, "(no time)");
	return text;
}

const char *certificate_serial(
	const struct certificate *certificate, char text[CERTIFICATE_SERIAL_MAX])
{
	struct view serial = certificate->serial;
	/* DER puts a zero in front of what would else be negative. */
	if (serial.length > 1 && serial.octets[0] == 0) {
		serial.octets++;
		serial.length--;
	}
	text[0] = '\0';
	for (size_t i = 0; i < serial.length && 2 * i + 2 < CERTIFICATE_SERIAL_MAX; i++)
		snprintf(text + 2 * i, 3, "%02x", serial.octets[i]);
	return text;
}

/* The next dNSName or iPAddress. */
static bool alt_name_next(struct view *names, struct element *out)
{
	while (element_take(names, out))
		if (out->tag == DER_DNS_NAME || out->tag == DER_IP_ADDRESS)
			return true;
	return false;
}

void certificate_subjects(const struct certificate *certificate, char *text, size_t room)
{
	struct view names = certificate->alt_names;
	struct element name;
	text[0] = '\0';
	while (alt_name_next(&names, &name)) {
		char address_text[ADDRESS_TEXT_MAX];
		const char *piece = (const char *)name.content.octets;
		size_t length = name.content.length;
		if (name.tag == DER_IP_ADDRESS) {
			struct address address;
			if (length != 4 && length != 16)
				continue;
			address_set(&address, length == 4 ? 4 : 6, name.content.octets);
			piece = address_format(&address, address_text);
			length = strlen(piece);
		} else if (!text_is_clean(name.content.octets, length)) {
			continue;
		}
		if (strlen(text) + 2 + length >= room)
			return;
		if (text[0])
			append(text, room, ", ", 2);
		append(text, room, piece, length);
	}
	if (!text[0] && !certificate_common_name(certificate, text, room))
		snprintf(text, room, "nothing");
}

/* "*" is the whole leftmost label and stands for exactly one. */
static bool name_matches(struct view pattern, const char *host)
{
	size_t length = strlen(host);
	if (length > 0 && host[length - 1] == '.')
		length--;
	if (pattern.length > 2 && pattern.octets[0] == '*' && pattern.octets[1] == '.') {
		const char *dot = memchr(host, '.', length);
		if (!dot || dot == host || !memchr(pattern.octets + 2, '.', pattern.length - 2))
			return false;
		length -= (size_t)(dot - host);
		host = dot;
		pattern.octets++;
		pattern.length--;
	}
	return length > 0 && pattern.length == length &&
	       strncasecmp((const char *)pattern.octets, host, length) == 0;
}

bool certificate_is_for(const struct certificate *certificate, const char *host)
{
	struct address address;
	bool numeric = address_parse(&address, host), any = false;
	struct view names = certificate->alt_names;
	struct element name;
	while (alt_name_next(&names, &name)) {
		any = true;
		if (numeric ? name.tag == DER_IP_ADDRESS && view_is(name.content, address.octets,
								    address_size(address.version))
			    : name.tag == DER_DNS_NAME && name_matches(name.content, host))
			return true;
	}
	char common_name[256];
	return !any && !numeric &&
	       certificate_common_name(certificate, common_name, sizeof(common_name)) &&
	       name_matches((struct view){(const uint8_t *)common_name, strlen(common_name)}, host);
}
