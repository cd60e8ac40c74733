/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Addresses, prefixes and endpoints, and every key that holds several values. */
#include "core/config_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

enum { PORT_DIGITS = 5 };

static int parse_prefix(struct prefix *out, const char *text, struct reason *why)
{
	if (prefix_parse(out, text))
		return 0;
	char host[ADDRESS_TEXT_MAX] = "";
	size_t length = strcspn(text, "/");
	struct address address;
	if (length < sizeof(host))
		memcpy(host, text, length);
	if (address_parse(&address, host) && !strchr(text, ' '))
		reason_set(why, "`%.*s' has bits set behind its length, or no possible length",
			CONFIG_ECHO_MAX, text);
	else
		reason_set(why, "`%.*s' is not a prefix such as 10.1.0.0/16 or fd00:1::/48",
			CONFIG_ECHO_MAX, text);
	return -EINVAL;
}

int config_prefix_set(struct prefix *field, const char *text, struct reason *why)
{
	struct prefix value = {0};
	int error = *text ? parse_prefix(&value, text, why) : 0;
	if (!error)
		*field = value;
	return error;
}

/* A port of decimal digits; 0 is none. */
static uint16_t parse_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || digits > PORT_DIGITS || text[digits] != '\0')
		return 0;
	unsigned long port = strtoul(text, NULL, 10);
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

bool config_endpoint_parse(struct config_endpoint *out, const char *text, uint16_t default_port)
{
	struct address address;
	const char *host = text, *colon = NULL;
	size_t length = strlen(text);
	bool bracketed = *text == '[';
	if (bracketed) {
		host = text + 1;
		length = strcspn(host, "]");
		if (host[length] != ']' || (host[length + 1] && host[length + 1] != ':'))
			return false;
		colon = host[length + 1] ? host + length + 1 : NULL;
	} else if (strchr(text, ':') == strrchr(text, ':') && strchr(text, ':')) {
		colon = strchr(text, ':');
		length = (size_t)(colon - text);
	}
	out->host = NULL;
	out->port = colon ? parse_port(colon + 1) : default_port;
	if (out->port == 0)
		return false;
	char *copy = strndup(host, length);
	bool is_address = copy && address_parse(&address, copy);
	bool valid = bracketed ? is_address && address.version == 6
			       : is_address ||
					 (copy && text_is_host_name((const uint8_t *)copy, length));
	if (!valid) {
		free(copy);
		return false;
	}
	out->host = copy;
	return true;
}

/* Adds one item, that is not empty, to the list `field`. */
typedef int add_item(
	void *field, const struct config_key *key, const char *item, struct reason *why);

static int add_to_list(
	void *field, const struct config_key *key, const char *item, struct reason *why)
{
	struct config_list *list = field;
	char **grown = reallocarray(list->items, list->count + 1, sizeof(*grown));
	if (!grown)
		return config_no_memory(why);
	list->items = grown;
	list->items[list->count] = NULL;
	int error = config_string_set(&list->items[list->count], key, item, why);
	if (!error)
		list->count++;
	return error;
}

static int add_to_prefixes(
	void *field, const struct config_key *key, const char *item, struct reason *why)
{
	(void)key;
	struct config_prefixes *list = field;
	struct prefix prefix;
	int error = parse_prefix(&prefix, item, why);
	if (error)
		return error;
	struct prefix *grown = reallocarray(list->items, list->count + 1, sizeof(*grown));
	if (!grown)
		return config_no_memory(why);
	list->items = grown;
	list->items[list->count++] = prefix;
	return 0;
}

static int add_to_endpoints(
	void *field, const struct config_key *key, const char *item, struct reason *why)
{
	struct config_endpoints *list = field;
	struct config_endpoint endpoint;
	if (!config_endpoint_parse(&endpoint, item, 443)) {
		reason_set(why, "`%.*s' is not HOST, HOST:PORT, an address, or [IPV6]:PORT",
			CONFIG_ECHO_MAX, item);
		return -EINVAL;
	}
	const char *fault = key->fault ? key->fault(endpoint.host) : NULL;
	if (fault) {
		reason_set(why, "`%.*s' %s", CONFIG_ECHO_MAX, endpoint.host, fault);
		free(endpoint.host);
		return -EINVAL;
	}
	struct config_endpoint *grown = reallocarray(list->items, list->count + 1, sizeof(*grown));
	if (!grown) {
		free(endpoint.host);
		return config_no_memory(why);
	}
	list->items = grown;
	list->items[list->count++] = endpoint;
	return 0;
}

static char *trim(char *text)
{
	text += strspn(text, " ");
	size_t length = strlen(text);
	while (length && text[length - 1] == ' ')
		text[--length] = '\0';
	return text;
}

static add_item *adder_of(enum config_type type)
{
	return type == CONFIG_PREFIXES    ? add_to_prefixes
	       : type == CONFIG_ENDPOINTS ? add_to_endpoints
					  : add_to_list;
}

int config_items_add(
	void *field, const struct config_key *key, const char *text, struct reason *why)
{
	char *copy = strdup(text);
	if (!copy)
		return config_no_memory(why);
	int error = 0;
	char *rest = copy, *item;
	while (!error && (item = strsep(&rest, ",\n"))) {
		item = trim(item);
		if (*item)
			error = adder_of(key->type)(field, key, item, why);
	}
	free(copy);
	return error;
}

void config_list_clear(struct config_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct config_list){0};
}

void config_endpoints_clear(struct config_endpoints *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].host);
	free(list->items);
	*list = (struct config_endpoints){0};
}

void config_prefixes_clear(struct config_prefixes *list)
{
	free(list->items);
	*list = (struct config_prefixes){0};
}
