/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The words about a proxy.  All text of the proxy's own is checked before it
 * is repeated: it may come from anybody on the way. */
#include "io/proxy_answer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/text.h"
#include "io/race.h"

/* --- reading ----------------------------------------------------------- */

static size_t trim(const char **text, size_t length)
{
	while (length > 0 && (**text == ' ' || **text == '\t')) {
		(*text)++;
		length--;
	}
	while (length > 0 && strchr(" \t\r\n", (*text)[length - 1]))
		length--;
	return length;
}

/* Copies what is clean and fits; else leaves it empty. */
static void keep(char *out, size_t room, const char *text, size_t length)
{
	out[0] = '\0';
	if (length >= room || !text_is_clean((const uint8_t *)text, length))
		return;
	memcpy(out, text, length);
	out[length] = '\0';
}

/* "HTTP/1.0 407 Proxy Authentication Required" */
static bool take_status_line(struct proxy_answer *answer, const char *line, size_t length)
{
	unsigned status;
	char copy[16];
	if (length < 12 || strncasecmp(line, "HTTP/", 5) != 0)
		return false;
	memcpy(copy, line, 12);
	copy[12] = '\0';
	if (sscanf(copy + 5, "%*u.%*u %3u", &status) != 1 || status < 100)
		return false;
	answer->status = status;
	answer->schemes[0] = answer->portal[0] = '\0';
	answer->refused += status == 407;
	answer->header = length;
	const char *phrase = line + 12;
	size_t left = trim(&phrase, length - 12);
	keep(answer->phrase, sizeof(answer->phrase), phrase, left);
	return true;
}

static bool is_offered(const struct proxy_answer *answer, const char *scheme)
{
	size_t length = strlen(scheme);
	for (const char *at = answer->schemes; *at; at += strcspn(at, " "), at += *at == ' ')
		if (strncasecmp(at, scheme, length) == 0 && (at[length] == ',' || !at[length]))
			return true;
	return false;
}

static void add_scheme(struct proxy_answer *answer, const char *scheme)
{
	size_t used = strlen(answer->schemes);
	if (!*scheme || is_offered(answer, scheme) ||
		used + strlen(scheme) + 3 > sizeof(answer->schemes))
		return;
	snprintf(answer->schemes + used, sizeof(answer->schemes) - used, "%s%s", used ? ", " : "",
		scheme);
}

/* The value of that field, or NULL. */
static const char *field(const char *line, size_t *length, const char *name)
{
	size_t size = strlen(name);
	if (*length <= size || strncasecmp(line, name, size) != 0 || line[size] != ':')
		return NULL;
	const char *value = line + size + 1;
	*length = trim(&value, *length - size - 1);
	return value;
}

void proxy_answer_line(struct proxy_answer *answer, const char *line, size_t length)
{
	size_t size = length;
	const char *value;
	if (take_status_line(answer, line, length))
		return;
	answer->header += length;
	if (answer->header > PROXY_HEADER_MAX) {
		answer->too_long = true;
	} else if ((value = field(line, &size, "Location"))) {
		keep(answer->portal, sizeof(answer->portal), value, size);
	} else if ((value = field(line, &size, "Proxy-Authenticate"))) {
		char scheme[24];
		size_t token = 0;
		while (token < size && !strchr(" \t,", value[token]))
			token++;
		keep(scheme, sizeof(scheme), value, token);
		add_scheme(answer, scheme);
	}
}

/* Several challenges may stand on one line; libcurl has found those it knows. */
void proxy_answer_offers(struct proxy_answer *answer, long offered)
{
	static const struct {
		long bit;
		const char *name;
	} known[] = {
		{CURLAUTH_NEGOTIATE, "Negotiate"},
		{CURLAUTH_DIGEST, "Digest"},
		{CURLAUTH_NTLM, "NTLM"},
		{CURLAUTH_BEARER, "Bearer"},
		{CURLAUTH_BASIC, "Basic"},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (offered & known[i].bit)
			add_scheme(answer, known[i].name);
}

void proxy_answer_note(struct proxy_answer *answer, const char *text, size_t length)
{
	static const char failure[] = "gss_init_sec_context() failed: ";
	length = trim(&text, length);
	if (length < sizeof(failure) || strncmp(text, failure, sizeof(failure) - 1) != 0)
		return;
	keep(answer->kerberos, sizeof(answer->kerberos), text + sizeof(failure) - 1,
		length - (sizeof(failure) - 1));
}

/* --- judging ----------------------------------------------------------- */

/* "proxy proxy.example.net port 3128 (198.51.100.1): " */
static void begin(struct reason *why, const struct proxy_question *question)
{
	const struct proxy_url *proxy = question->settings->proxy;
	char text[ADDRESS_TEXT_MAX];
	reason_set(why, "proxy %s port %u", proxy->host, proxy->port);
	if (strcmp(address_format(question->address, text), proxy->host) != 0)
		reason_add(why, " (%s)", text);
	reason_add(why, ": ");
}

/* "403 (Forbidden) to CONNECT tscf.example.net:443" */
static void add_status(struct reason *why, const struct proxy_answer *answer,
	const struct proxy_question *question)
{
	reason_add(why, "%u%s%s%s to CONNECT %s:%u", answer->status, answer->phrase[0] ? " (" : "",
		answer->phrase, answer->phrase[0] ? ")" : "", question->settings->host,
		question->settings->port);
}

static void explain_kerberos(struct reason *why, const struct proxy_answer *answer, bool other_ways)
{
	if (answer->kerberos[0])
		reason_add(why, "no Kerberos ticket for it could be had (%s)", answer->kerberos);
	else
		reason_add(why, "it does not accept our Kerberos ticket");
	reason_add(why, "; it offers: %s; run kinit, or set proxy-keytab%s in [traversal]",
		answer->schemes, other_ways ? ", or proxy-user and proxy-password-file," : "");
}

static void explain_auth(struct reason *why, const struct proxy_answer *answer,
	const struct proxy_question *question)
{
	const char *offered = answer->schemes[0] ? answer->schemes : "it does not say which";
	bool password = is_offered(answer, "Digest") || is_offered(answer, "NTLM");
	bool basic = is_offered(answer, "Basic");
	if (question->negotiate)
		explain_kerberos(why, answer, password || basic);
	else if (!password && !basic && !is_offered(answer, "Negotiate"))
		reason_add(why,
			"no supported authentication method (it offers: %s; tse knows "
			"Negotiate, Digest, NTLM and Basic)",
			offered);
	else if (question->may_password && (password || (basic && question->may_basic)))
		reason_add(why,
			"it does not accept the user name and password (it offers: %s); "
			"check proxy-user and proxy-password-file in [traversal]",
			offered);
	else if (question->may_password && basic)
		reason_add(why,
			"it offers only what would send the password readable to all (%s), "
			"which is done only with proxy-user and proxy-password-file in "
			"[traversal]",
			offered);
	else
		reason_add(why, "it wants credentials (it offers: %s); set %s in [traversal]",
			offered,
			password || basic ? "proxy-user and proxy-password-file" : "proxy-keytab");
}

static enum proxy_failure judge_status(struct reason *why, const struct proxy_answer *answer,
	const struct proxy_question *question)
{
	unsigned status = answer->status;
	add_status(why, answer, question);
	if (status == 407) {
		reason_add(why, ": ");
		explain_auth(why, answer, question);
		return PROXY_AUTH;
	}
	if (status == 511 || (status >= 300 && status <= 399)) {
		reason_add(why,
			": a portal wants to be visited first%s%s; log in there with a browser",
			answer->portal[0] ? ": " : "", answer->portal);
		return PROXY_PORTAL;
	}
	if (status >= 500) {
		reason_add(why, ": the proxy itself could not reach the TSCF; ask whoever runs the "
				"proxy whether it can resolve and reach that name");
		return PROXY_GATEWAY;
	}
	if (status >= 400) {
		reason_add(why,
			": the proxy does not allow this connection; ask whoever runs it to "
			"allow CONNECT to port %u of that name",
			question->settings->port);
		return PROXY_FORBIDDEN;
	}
	reason_add(why, ": that is no answer to CONNECT");
	return PROXY_NONSENSE;
}

/* RFC 1928 6, RFC 1929. */
static enum proxy_failure judge_socks(struct reason *why, const struct proxy_end *end)
{
	reason_add(why, "SOCKS: %s", end->words);
	switch ((int)end->socks) { /* libcurl's enum, which grows */
	case CURLPX_NO_AUTH:
	case CURLPX_USER_REJECTED:
	case CURLPX_IDENTD:
	case CURLPX_IDENTD_DIFFER:
		reason_add(why, "; check proxy-user and proxy-password-file in [traversal]");
		return PROXY_AUTH;
	case CURLPX_REPLY_NOT_ALLOWED:
	case CURLPX_REQUEST_FAILED:
		return PROXY_FORBIDDEN;
	case CURLPX_REPLY_GENERAL_SERVER_FAILURE:
	case CURLPX_REPLY_NETWORK_UNREACHABLE:
	case CURLPX_REPLY_HOST_UNREACHABLE:
	case CURLPX_REPLY_CONNECTION_REFUSED:
	case CURLPX_REPLY_TTL_EXPIRED:
		return PROXY_GATEWAY;
	default:
		return PROXY_NONSENSE;
	}
}

static enum proxy_failure judge_transport(
	struct reason *why, const struct proxy_answer *answer, const struct proxy_end *end)
{
	if (answer->too_long) {
		reason_add(why, "its answer to CONNECT is far too long; is that an HTTP proxy?");
		return PROXY_NONSENSE;
	}
	if (end->code == CURLE_COULDNT_CONNECT) {
		reason_add(why, "%s", end->words);
		return PROXY_UNREACHABLE;
	}
	if (end->code == CURLE_PROXY)
		return judge_socks(why, end);
	if (end->code == CURLE_RECV_ERROR || end->code == CURLE_SEND_ERROR)
		reason_add(why, "it hung up %s (%s); is that an HTTP proxy?",
			answer->status ? "in the middle of its answer to CONNECT"
				       : "without an answer to CONNECT",
			end->words);
	else
		reason_add(why, "what it answers to CONNECT is not HTTP; is that an HTTP proxy?");
	return PROXY_NONSENSE;
}

static void copy_facts(const struct proxy_answer *answer, struct proxy_dial_result *result)
{
	result->status = answer->status;
	memcpy(result->schemes, answer->schemes, sizeof(result->schemes));
	memcpy(result->portal, answer->portal, sizeof(result->portal));
}

void proxy_answer_judge(const struct proxy_answer *answer, const struct proxy_question *question,
	const struct proxy_end *end, struct proxy_dial_result *result)
{
	copy_facts(answer, result);
	if (answer->our_side.text[0] || end->code == CURLE_OUT_OF_MEMORY) {
		result->failure = PROXY_LOCAL;
		result->why = answer->our_side;
		if (!answer->our_side.text[0])
			reason_set(&result->why, "no memory to talk to the proxy");
		return;
	}
	begin(&result->why, question);
	if (answer->trailing) {
		add_status(&result->why, answer, question);
		reason_add(&result->why,
			", but more behind it, which cannot come from the TSCF: "
			"nothing was asked of it yet; this proxy does not do CONNECT");
		result->failure = PROXY_NONSENSE;
	} else if (answer->status && answer->status / 100 != 2 && !answer->too_long) {
		result->failure = judge_status(&result->why, answer, question);
	} else {
		result->failure = judge_transport(&result->why, answer, end);
	}
}

void proxy_answer_judge_silence(const struct proxy_answer *answer,
	const struct proxy_question *question, uint64_t octets, struct proxy_dial_result *result)
{
	copy_facts(answer, result);
	result->failure = PROXY_SILENT;
	begin(&result->why, question);
	reason_add(&result->why, "connected, but ");
	reason_add_silence(&result->why, question->settings->timeout);
	reason_add(&result->why, " to CONNECT %s:%u", question->settings->host,
		question->settings->port);
	if (octets)
		reason_add(&result->why, ": only %llu octet%s, not a whole answer",
			(unsigned long long)octets, octets == 1 ? "" : "s");
	if (answer->refused)
		reason_add(
			&result->why, ", after it had asked for credentials (%s)", answer->schemes);
}
