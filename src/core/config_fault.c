/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The texts of a configuration end in system calls, DNS questions and TLS
 * messages, where a typing error surfaces late and under another name. */
#include "core/config_fault.h"

#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/control.h"
#include "core/text.h"

enum {
	INTERFACE_MAX = 15, /* IFNAMSIZ - 1 */
	SOCKET_PATH_MAX = 107,
	ALPN_MAX = 255, /* RFC 7301, 3.1 */
};

static bool is_address(const char *text)
{
	struct address address;
	return address_parse(&address, text);
}

static bool is_host_name(const char *text)
{
	return text_is_host_name((const uint8_t *)text, strlen(text));
}

static bool is_endpoint(const char *text, uint16_t default_port)
{
	struct config_endpoint endpoint;
	if (!config_endpoint_parse(&endpoint, text, default_port))
		return false;
	free(endpoint.host);
	return true;
}

/* What follows `prefix` in `text`, or NULL. */
static const char *behind(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);
	return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

const char *config_fault_host_name(const char *text)
{
	return is_host_name(text) && !is_address(text) ? NULL : "is not a host name";
}

const char *config_fault_host(const char *text)
{
	return is_host_name(text) || is_address(text) ? NULL
						      : "is neither a host name nor an address";
}

const char *config_fault_address(const char *text)
{
	return is_address(text) ? NULL : "is not a numeric IPv4 or IPv6 address";
}

const char *config_fault_endpoint(const char *text)
{
	return is_endpoint(text, 0) ? NULL : "is not HOST:PORT or [IPV6]:PORT";
}

const char *config_fault_target(const char *text)
{
	return is_endpoint(text, 1) ? NULL : "is not HOST, HOST:PORT, an address, or [IPV6]:PORT";
}

const char *config_fault_stun(const char *text)
{
	static const char *const schemes[] = {"stun:", "stuns:", "turn:", "turns:"};
	const char *target = text;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (behind(text, schemes[i]))
			target = behind(text, schemes[i]);
	return is_endpoint(target, 1) ? NULL : "is not [stun:|stuns:|turn:|turns:]HOST[:PORT]";
}

const char *config_fault_proxy(const char *text)
{
	static const char *const schemes[] = {
		"http://", "socks4://", "socks4a://", "socks5://", "socks5h://"};
	if (strcmp(text, "auto") == 0 || strcmp(text, "none") == 0)
		return NULL;
	if (behind(text, "https://"))
		return "is a proxy that is itself reached over TLS, which is not supported; use "
		       "its http:// address";
	if (strchr(text, '@'))
		return "holds a user name; that belongs in proxy-user and proxy-password-file";
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		const char *target = behind(text, schemes[i]);
		size_t length = target ? strlen(target) : 0;
		if (length == 0 || length > 300)
			continue;
		char endpoint[301];
		memcpy(endpoint, target, length + 1);
		if (endpoint[length - 1] == '/')
			endpoint[length - 1] = '\0';
		if (is_endpoint(endpoint, 1))
			return NULL;
	}
	return "is not auto, none, http://HOST:PORT or socks5h://HOST:PORT";
}

const char *config_fault_sip_uri(const char *text)
{
	const char *rest = behind(text, "sips:") ? behind(text, "sips:") : behind(text, "sip:");
	const char *at = rest ? strchr(rest, '@') : NULL;
	return at && at > rest && is_endpoint(at + 1, 1) && !strpbrk(text, " <>\"")
		       ? NULL
		       : "is not a SIP URI such as sip:user@ims.example";
}

const char *config_fault_credential(const char *text)
{
	return strlen(text) <= CONTROL_TEXT_MAX ? NULL : "is longer than 256 octets";
}

const char *config_fault_alpn(const char *text)
{
	return strlen(text) <= ALPN_MAX && !strpbrk(text, " ,")
		       ? NULL
		       : "is not one ALPN protocol name such as http/1.1";
}

const char *config_fault_uid(const char *text)
{
	static const char digits[] = "0123456789";
	size_t first = strspn(text, digits);
	if (first && text[first] == '-') {
		const char *second = text + first + 1;
		size_t length = strspn(second, digits);
		if (first <= 10 && length && length <= 10 && !second[length] &&
			strtoull(text, NULL, 10) <= strtoull(second, NULL, 10))
			return NULL;
		return "is not a range of user numbers such as 1000-1999";
	}
	return strlen(text) <= 32 && !strpbrk(text, " /:\\\"'")
		       ? NULL
		       : "is neither a user's number or name nor a range of numbers";
}

const char *config_fault_file_name(const char *text)
{
	bool is_name = strlen(text) <= 255 && !strchr(text, '/') && strcmp(text, ".") != 0 &&
		       strcmp(text, "..") != 0;
	return is_name ? NULL : "is not a name without a directory";
}

const char *config_fault_interface(const char *text)
{
	size_t length = strlen(text);
	/* dev_valid_name() of Linux; and '%', which would be a template. */
	if (length == 0 || length > INTERFACE_MAX || strpbrk(text, "/:% \t\r\n\f\v") ||
		strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return "is not the name of a network interface: 1 to 15 octets without /, :, % "
		       "and spaces";
	return NULL;
}

const char *config_fault_path(const char *text)
{
	return *text == '/' ? NULL : "is not an absolute path";
}

const char *config_fault_socket(const char *text)
{
	return *text == '/' && strlen(text) <= SOCKET_PATH_MAX
		       ? NULL
		       : "is not an absolute path of at most 107 octets";
}
