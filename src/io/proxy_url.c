/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading and writing the address of a proxy. */
#include "io/proxy_url.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/address.h"
#include "core/config.h"
#include "core/text.h"

static const struct {
	const char *prefix;
	enum proxy_scheme scheme;
	uint16_t port;
} schemes[] = {
	{"http://", PROXY_HTTP, 80},
	{"https://", PROXY_HTTPS, 443},
	{"socks5h://", PROXY_SOCKS5, 1080},
	{"socks5://", PROXY_SOCKS5, 1080},
	{"socks://", PROXY_SOCKS5, 1080},
	{"socks4a://", PROXY_SOCKS4, 1080},
	{"socks4://", PROXY_SOCKS4, 1080},
};

/* Indexed by enum proxy_scheme. */
static const char *const spelling[] = {"http", "https", "socks5h", "socks4a"};

/* Steps over the scheme; the port is that scheme's. */
static const char *take_scheme(struct proxy_url *out, const char *text)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t length = strlen(schemes[i].prefix);
		if (strncasecmp(text, schemes[i].prefix, length) != 0)
			continue;
		out->scheme = schemes[i].scheme;
		out->port = schemes[i].port;
		return text + length;
	}
	out->scheme = PROXY_HTTP;
	out->port = 80;
	return strstr(text, "://") ? NULL : text;
}

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

/* Percent-decoding (RFC 3986 2.1); control characters have no business here. */
static bool decode(char out[PROXY_SECRET_MAX], const char *from, const char *end)
{
	size_t length = 0;
	while (from < end) {
		int octet = (unsigned char)*from++;
		if (octet == '%') {
			if (end - from < 2 || hex_value(from[0]) < 0 || hex_value(from[1]) < 0)
				return false;
			octet = hex_value(from[0]) * 16 + hex_value(from[1]);
			from += 2;
		}
		if (length + 1 == PROXY_SECRET_MAX)
			return false;
		out[length++] = (char)octet;
	}
	out[length] = '\0';
	return text_is_clean((const uint8_t *)out, length);
}

/* Steps over USER:PASSWORD@; NULL when it cannot be read.  A password may hold
 * an '@' that somebody forgot to encode, so the last one counts. */
static const char *take_credentials(struct proxy_url *out, const char *text)
{
	const char *at = strrchr(text, '@');
	if (!at)
		return text;
	const char *colon = memchr(text, ':', (size_t)(at - text));
	if (!decode(out->user, text, colon ? colon : at) ||
		(colon && !decode(out->password, colon + 1, at)))
		return NULL;
	return at + 1;
}

static bool is_host(const char *host)
{
	struct address address;
	return text_is_host_name((const uint8_t *)host, strlen(host)) ||
	       address_parse(&address, host);
}

static bool take_endpoint(struct proxy_url *out, const char *text)
{
	char copy[PROXY_URL_MAX];
	size_t length = strcspn(text, "/");
	struct config_endpoint endpoint;
	if (length >= sizeof(copy) || (text[length] && text[length + 1]))
		return false; /* what would a path mean? */
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (!config_endpoint_parse(&endpoint, copy, out->port))
		return false;
	bool fits = strlen(endpoint.host) < sizeof(out->host) && is_host(endpoint.host);
	if (fits)
		memcpy(out->host, endpoint.host, strlen(endpoint.host) + 1);
	out->port = endpoint.port;
	free(endpoint.host);
	return fits;
}

int proxy_url_parse(struct proxy_url *out, const char *text, struct reason *why)
{
	memset(out, 0, sizeof(*out));
	const char *rest = take_scheme(out, text);
	if (!rest) {
		reason_set(why,
			"%.*s:// is no kind of proxy that tse knows: http, socks4a or "
			"socks5h",
			(int)(strcspn(text, ":") & 31), text);
		return -EINVAL;
	}
	rest = take_credentials(out, rest);
	if (!rest) {
		reason_set(why, "the user name or password in the proxy's address is too long, or "
				"not properly percent-encoded");
		return -EINVAL;
	}
	if (take_endpoint(out, rest))
		return 0;
	/* `rest` lies behind the credentials. */
	bool is_clean = text_is_clean((const uint8_t *)rest, strlen(rest));
	reason_set(why, "'%.100s' is not the address of a proxy: http://HOST:PORT is expected",
		is_clean ? rest : "(unreadable)");
	return -EINVAL;
}

const char *proxy_url_format(const struct proxy_url *proxy, char text[PROXY_URL_MAX])
{
	bool is_ipv6 = strchr(proxy->host, ':');
	snprintf(text, PROXY_URL_MAX, "%s://%s%s%s:%u", spelling[proxy->scheme], is_ipv6 ? "[" : "",
		proxy->host, is_ipv6 ? "]" : "", proxy->port);
	return text;
}
