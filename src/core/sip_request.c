/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The request that probes. */
#include "core/sip.h"

#include <stdio.h>
#include <string.h>

const char *sip_method_name(enum sip_method method)
{
	switch (method) {
	case SIP_OPTIONS:
		return "OPTIONS";
	case SIP_REGISTER:
		break;
	}
	return "REGISTER";
}

enum { HOST_MAX = 256 };

/* A host as it stands in a URI or a Via: IPv6 in brackets. */
static const char *bracket(const char *host, char text[HOST_MAX])
{
	struct address address;
	bool is_ipv6 = address_parse(&address, host) && address.version == 6;
	snprintf(text, HOST_MAX, is_ipv6 ? "[%s]" : "%s", host);
	return text;
}

/* The Request-URI of a REGISTER: the identity without its user (RFC 3261
 * 10.2).  False when the identity is no SIP URI. */
static bool domain_uri(const char *identity, char uri[HOST_MAX])
{
	const char *colon = strchr(identity, ':'), *at = strrchr(identity, '@');
	if (!colon || !at || at < colon || !at[1])
		return false;
	int host = (int)strcspn(at + 1, ";?>");
	int written = snprintf(
		uri, HOST_MAX, "%.*s:%.*s", (int)(colon - identity), identity, host, at + 1);
	return written > 0 && written < HOST_MAX;
}

/* Neither of its parts may end a line or a URI. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == '<' || *text == '>' || *text == '"')
			return false;
	return true;
}

size_t sip_build(const struct sip_request *request, char *out, size_t room)
{
	const struct sip_transaction *own = request->transaction;
	const char *method = sip_method_name(own->method);
	char host[HOST_MAX], uri[HOST_MAX], local[HOST_MAX], address[ADDRESS_TEXT_MAX];
	const char *identity = request->identity;
	if (strlen(request->host) >= HOST_MAX - 16 || !is_plain(request->host) ||
		(identity && !is_plain(identity)))
		return 0;
	if (own->method == SIP_OPTIONS)
		snprintf(uri, sizeof(uri), "sip:%.240s", bracket(request->host, host));
	else if (!identity || !domain_uri(identity, uri))
		return 0;
	const char *to = own->method == SIP_OPTIONS ? uri : identity;
	/* RFC 3323 4.1.1.3 */
	const char *from = identity ? identity : "sip:anonymous@anonymous.invalid";
	int length = snprintf(out, room,
		"%s %s SIP/2.0\r\n"
		"Via: SIP/2.0/%s %s:%u;branch=%s%s\r\n"
		"Max-Forwards: 70\r\n"
		"From: <%s>;tag=%s\r\n"
		"To: <%s>\r\n"
		"Call-ID: %s\r\n"
		"CSeq: %u %s\r\n"
		"%s"
		"Content-Length: 0\r\n"
		"\r\n",
		method, uri, transport_name(request->transport),
		bracket(address_format(&request->local, address), local), request->local_port,
		own->branch, request->transport == OVER_UDP ? ";rport" : "", from, own->tag, to,
		own->call_id, own->cseq, method,
		own->method == SIP_OPTIONS ? "Accept: application/sdp\r\n" : "");
	return length > 0 && (size_t)length < room ? (size_t)length : 0;
}
