/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Labels and dots. */
#include "core/dns_name.h"

#include <string.h>

/* One name at `*at`, without its root; false when it is none. */
static bool read_name(struct view list, size_t *at, char out[TEXT_HOST_NAME_MAX + 1])
{
	size_t used = 0;
	while (*at < list.length) {
		size_t label = list.octets[(*at)++];
		if (label == 0) {
			out[used] = '\0';
			return text_is_host_name((const uint8_t *)out, used);
		}
		size_t dot = used > 0;
		if (label > TEXT_LABEL_MAX || label > list.length - *at ||
			used + dot + label > TEXT_HOST_NAME_MAX)
			return false;
		if (memchr(list.octets + *at, '.', label))
			return false; /* it would look like two labels */
		if (dot)
			out[used++] = '.';
		memcpy(out + used, list.octets + *at, label);
		used += label;
		*at += label;
	}
	return false;
}

bool dns_names_read(struct view list, struct dns_names *out)
{
	for (size_t at = 0; at < list.length;) {
		char name[TEXT_HOST_NAME_MAX + 1] = "";
		if (!read_name(list, &at, name))
			return false;
		if (out->count < DNS_NAMES_MAX)
			memcpy(out->text[out->count++], name, sizeof(name));
	}
	return true;
}

size_t dns_name_put(struct view name, uint8_t *out, size_t room)
{
	size_t length = name.length;
	if (length > 0 && name.octets[length - 1] == '.')
		length--;
	/* A length octet for each label, and the root's. */
	if (!text_is_host_name(name.octets, length) || length + 2 > room)
		return 0;
	size_t label = 0;
	for (size_t i = 0; i < length; i++) {
		out[i + 1] = name.octets[i];
		if (name.octets[i] != '.')
			continue;
		out[label] = (uint8_t)(i - label);
		label = i + 1;
	}
	out[label] = (uint8_t)(length - label);
	out[length + 1] = 0;
	return length + 2;
}
