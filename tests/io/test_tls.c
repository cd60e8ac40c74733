/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is let in and who is not, and what an administrator reads then.  Each
 * setting of a context has a row here that fails without it. */
#include "../unit/unit.h"
#include "tls_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wolfssl/options.h>

/* Built without OpenSSL's API, wolfSSL has one alert for most that can be wrong
 * with a certificate. */
#ifdef OPENSSL_ALL
#define REVOKED_ALERT "certificate_revoked"
#else
#define REVOKED_ALERT "bad_certificate"
#endif

/* The good case, of which each row below changes one thing. */
static const struct pair_settings good = {
	.server_certificate = "server",
	.client_certificate = "client",
	.server_ca = "ca",
	.client_ca = "ca",
	.host = "tscf.example",
};

/* What a row does not mention is good; "" is none. */
static struct pair_settings merge(const struct pair_settings *change)
{
	struct pair_settings merged = *change;
	if (!merged.server_certificate)
		merged.server_certificate = good.server_certificate;
	if (!merged.client_certificate)
		merged.client_certificate = good.client_certificate;
	else if (!merged.client_certificate[0])
		merged.client_certificate = NULL;
	if (!merged.server_ca)
		merged.server_ca = good.server_ca;
	if (!merged.client_ca)
		merged.client_ca = good.client_ca;
	if (!merged.host)
		merged.host = good.host;
	return merged;
}

static void test_accepts(void)
{
	static const struct {
		const char *what;
		struct pair_settings settings;
		const char *peer; /* as the server sees it; NULL: nobody */
	} rows[] = {
		{"plain good", {0}, "alice"},
		{"RSA", {.server_certificate = "rsa"}, "alice"},
		{"P-384", {.server_certificate = "server384"}, "alice"},
		{"CN only", {.server_certificate = "named"}, "alice"},
		{"upper case", {.host = "TSCF.Example"}, "alice"},
		{"wildcard", {.host = "a.wild.example"}, "alice"},
		{"IPv4", {.server_certificate = "address", .host = "192.0.2.1"}, "alice"},
		{"IPv6", {.server_certificate = "address", .host = "2001:db8:0::1"}, "alice"},
		{"self-signed",
			{.server_certificate = "self", .client_ca = "self", .host = "self.example"},
			"alice"},
		{"bundle of CAs", {.server_certificate = "stranger", .client_ca = "both"}, "alice"},
		{"1.3 only", {.server_tls13_only = true, .client_tls13_only = true}, "alice"},
		{"pin", {.pin = "server.pin"}, "alice"},
		{"RSA pin", {.server_certificate = "rsa", .pin = "rsa.pin"}, "alice"},
		{"CRL", {.crl = "ca.crl"}, "alice"},
		{"empty CRL", {.client_certificate = "revoked", .crl = "empty.crl"}, "mallory"},
		{"CRL for a server", {.client_crl = "ca.crl"}, "alice"},
		{"optional, shown", {.optional_client_auth = true}, "alice"},
		{"optional, not shown", {.client_certificate = "", .optional_client_auth = true},
			NULL},
		{"no client certificates", {.client_certificate = "", .no_client_auth = true},
			NULL},
		{"ALPN", {.client_alpn = "h2"}, "alice"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pair_settings settings = merge(&rows[i].settings);
		struct pair pair;
		char name[64] = "";
		bool open = pair_open(&pair, &settings);
		CU_ASSERT_TRUE(open);
		if (!open) {
			printf("\n    not accepted: %s\n", rows[i].what);
			pair_close(&pair);
			continue;
		}
		pair_settle(&pair);
		CU_ASSERT_EQUAL(pair.client.result, TLS_WANT_READ);
		CU_ASSERT_EQUAL(pair.server.result, TLS_WANT_READ);
		CU_ASSERT_STRING_EQUAL(tls_version(pair.client.tls), "TLSv1.3");
		CU_ASSERT_STRING_EQUAL(tls_cipher(pair.server.tls), "TLS_AES_128_GCM_SHA256");
		CU_ASSERT_FALSE(tls_resumed(pair.server.tls));
		CU_ASSERT_EQUAL(
			tls_peer_name(pair.server.tls, name, sizeof(name)), rows[i].peer != NULL);
		CU_ASSERT_STRING_EQUAL(name, rows[i].peer ? rows[i].peer : "");
		pair_close(&pair);
	}
}

struct refusal {
	const char *what;
	struct pair_settings settings; /* merged with `good` */
	enum tls_failure client, server;
	const char *client_says[4], *server_says[4];
};

static const struct refusal refusals[] = {
	{"wrong name", {.host = "evil.example"}, TLS_FAILURE_WRONG_NAME, TLS_FAILURE_WE_REJECTED,
		{"is for tscf.example, *.wild.example", "not for evil.example",
			"subject CN=tscf.example"},
		{"bad_certificate"}},
	{"wildcard is one label", {.host = "a.b.wild.example"}, TLS_FAILURE_WRONG_NAME,
		TLS_FAILURE_WE_REJECTED, {"not for a.b.wild.example"}, {"bad_certificate"}},
	{"wrong address", {.server_certificate = "address", .host = "192.0.2.2"},
		TLS_FAILURE_WRONG_NAME, TLS_FAILURE_NONE,
		{"is for 192.0.2.1, 2001:db8::1, 203.0.113.7", "not for 192.0.2.2"}, {NULL}},
	{"address as a DNS name", {.server_certificate = "address", .host = "203.0.113.7"},
		TLS_FAILURE_WRONG_NAME, TLS_FAILURE_NONE, {"not for 203.0.113.7"}, {NULL}},
	{"address, certificate of a name", {.host = "192.0.2.1"}, TLS_FAILURE_WRONG_NAME,
		TLS_FAILURE_NONE, {"not for 192.0.2.1"}, {NULL}},
	{"self-signed, wrong name", {.server_certificate = "self", .client_ca = "self"},
		TLS_FAILURE_WRONG_NAME, TLS_FAILURE_WE_REJECTED, {"is for self.example"}, {NULL}},
	{"expired", {.server_certificate = "expired"}, TLS_FAILURE_EXPIRED, TLS_FAILURE_WE_REJECTED,
		{"the TSCF's certificate has expired: subject CN=tscf.example, issuer CN=Example "
		 "CA, "
		 "O=Example, valid 2025-01-01 00:00:00 UTC to 2025-06-01 00:00:00 UTC, now 20",
			"renew it on the TSCF"},
		{"certificate_expired", "renew it"}},
	{"not yet valid", {.server_certificate = "future"}, TLS_FAILURE_EXPIRED,
		TLS_FAILURE_WE_REJECTED,
		{"is not valid yet", "valid 2044-01-01", "check the clock"},
		{"certificate_expired"}},
	{"untrusted server", {.server_certificate = "stranger"}, TLS_FAILURE_UNTRUSTED,
		TLS_FAILURE_WE_REJECTED,
		{"not from a CA that we trust: issued by CN=Other CA, we trust CN=Example CA"},
		{"unknown_ca"}},
	{"a server's certificate given as CA", {.client_ca = "server"}, TLS_FAILURE_UNTRUSTED,
		TLS_FAILURE_WE_REJECTED, {"issued by CN=Example CA", "we trust CN=tscf.example"},
		{NULL}},
	{"revoked server",
		{.server_certificate = "revoked", .host = "mallory", .client_crl = "ca.crl"},
		TLS_FAILURE_REVOKED, TLS_FAILURE_WE_REJECTED, {"has been revoked", "CN=mallory"},
		{REVOKED_ALERT}},
	{"wrong pin", {.pin = "rsa.pin"}, TLS_FAILURE_WRONG_PIN, TLS_FAILURE_NONE,
		{"pinned sha256:", "seen sha256:", "CN=tscf.example"}, {NULL}},
	{"no client certificate", {.client_certificate = ""}, TLS_FAILURE_WE_REJECTED,
		TLS_FAILURE_NO_CERTIFICATE, {"configure cert and key"},
		{"the client showed no certificate", "CN=Example CA"}},
	{"untrusted client", {.client_certificate = "unknown"}, TLS_FAILURE_WE_REJECTED,
		TLS_FAILURE_UNTRUSTED, {"unknown_ca", "not from a CA that it trusts"},
		{"the client's certificate is not from a CA that we trust: issued by CN=Other CA"}},
	{"optional, but untrusted", {.client_certificate = "unknown", .optional_client_auth = true},
		TLS_FAILURE_WE_REJECTED, TLS_FAILURE_UNTRUSTED, {NULL}, {"CN=eve"}},
	{"expired client", {.client_certificate = "outdated"}, TLS_FAILURE_WE_REJECTED,
		TLS_FAILURE_EXPIRED, {"certificate_expired"},
		{"the client's certificate has expired: subject CN=bob", "renew it on the client"}},
	{"revoked client", {.client_certificate = "revoked", .crl = "ca.crl"},
		TLS_FAILURE_WE_REJECTED, TLS_FAILURE_REVOKED, {REVOKED_ALERT},
		{"has been revoked: serial number ", "CN=mallory"}},
	{"no CRL of that CA",
		{.client_certificate = "unknown", .server_ca = "both", .crl = "ca.crl"},
		TLS_FAILURE_WE_REJECTED, TLS_FAILURE_OTHER, {NULL},
		{"no revocation list of CN=Other CA", "ours is from CN=Example CA"}},
};

static void expect_reason(const char *what, const struct tls *tls, const char *const says[4])
{
	for (int i = 0; i < 4 && says[i]; i++) {
		bool said = strstr(tls_reason(tls), says[i]) != NULL;
		CU_ASSERT_TRUE(said);
		if (!said)
			printf("\n    %s: \"%s\" is missing in: %s\n", what, says[i],
				tls_reason(tls));
	}
}

static void expect_refusal(const struct refusal *row)
{
	struct pair_settings settings = merge(&row->settings);
	struct pair pair;
	bool connected =
		pair_contexts(&pair, &settings) == 0 && pair_connect(&pair, &settings, false);
	CU_ASSERT_TRUE(connected);
	if (!connected) {
		printf("\n    %s: %s\n", row->what, pair.why.text);
		pair_close(&pair);
		return;
	}
	pair_handshake(&pair);
	pair_settle(&pair);
	enum tls_failure client = tls_failure(pair.client.tls),
			 server = tls_failure(pair.server.tls);
	bool right = client == row->client &&
		     (server == row->server ||
			     (row->server == TLS_FAILURE_NONE && server == TLS_FAILURE_CONNECTION));
	CU_ASSERT_TRUE(right);
	if (!right)
		printf("\n    %s: client %s (%s), server %s (%s)\n", row->what,
			tls_failure_name(client), tls_reason(pair.client.tls),
			tls_failure_name(server), tls_reason(pair.server.tls));
	expect_reason(row->what, pair.client.tls, row->client_says);
	expect_reason(row->what, pair.server.tls, row->server_says);
	if (getenv("VERBOSE"))
		printf("\n%s\n  client: %s\n  server: %s\n", row->what, tls_reason(pair.client.tls),
			tls_reason(pair.server.tls));
	/* And it stays that way. */
	uint8_t octet;
	size_t got;
	CU_ASSERT_EQUAL(tls_read(pair.client.tls, &octet, 1, &got), TLS_FAILED);
	CU_ASSERT_EQUAL(tls_write(pair.client.tls, &octet, 1), TLS_FAILED);
	pair_close(&pair);
}

static void test_refuses(void)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		expect_refusal(&refusals[i]);
}

/* A bad setting is refused at once, and the reason names it. */
static void test_bad_settings(void)
{
	static const struct {
		struct pair_settings settings;
		const char *says;
	} rows[] = {
		{{.client_ca = "none"}, "ca: none is given"},
		{{.server_ca = "none"}, "client-ca: none is given"},
		{{.crl = "old.crl"},
			"crl: the list issued by CN=Example CA, O=Example has expired: its "
			"next update was due on 2025-02-01 00:00:00 UTC"},
		{{.crl = "other.crl"}, "crl: the list issued by CN=Other CA cannot be used"},
		{{.crl = "server.pem"}, "crl: "},
		{{.crl = "server.key"}, "crl: "},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pair_settings settings = merge(&rows[i].settings);
		struct pair pair;
		if (strcmp(settings.client_ca, "none") == 0)
			settings.client_ca = NULL;
		if (strcmp(settings.server_ca, "none") == 0)
			settings.server_ca = NULL;
		CU_ASSERT_NOT_EQUAL(pair_contexts(&pair, &settings), 0);
		bool said = strstr(pair.why.text, rows[i].says) != NULL;
		CU_ASSERT_TRUE(said);
		if (!said)
			printf("\n    \"%s\" is missing in: %s\n", rows[i].says, pair.why.text);
		pair_close(&pair);
	}
}

/* Certificates, keys and their forms. */
static void test_key_material(void)
{
	static const struct {
		const char *certificate, *key, *ca, *says; /* NULL: good */
	} rows[] = {
		{"server.pem", "server.key", "ca.pem", NULL},
		{"server.der", "server.key.der", "ca.pem", NULL},
		{"server.der", "server.key", "both.pem", NULL},
		{"server.pem", "rsa.key", "ca.pem", "key: the private key does not belong"},
		{"server.pem", "stranger.key", "ca.pem", "key: the private key does not belong"},
		{"server.pem", "locked.key", "ca.pem", "key: the private key is encrypted"},
		{"server.pem", "server.pem", "ca.pem", "key: "},
		{"weak.pem", "weak.key", "ca.pem", "cert: the certificate cannot be used: RSA"},
		{"server.key", "server.key", "ca.pem", "cert: "},
		{"ca.cnf", "server.key", "ca.pem", "cert: "},
		{"server.pem", "server.key", "server.key", "ca: "},
		{"server.pem", "server.key", "ca.cnf", "ca: "},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_settings settings = {
			.server = true,
			.request_client = true,
			.certificate = certificate_file(rows[i].certificate, ""),
			.key = certificate_file(rows[i].key, ""),
			.ca = certificate_file(rows[i].ca, ""),
		};
		struct tls_context *context;
		struct reason why;
		int error = tls_context_new(&context, &settings, &why);
		CU_ASSERT_EQUAL(error == 0, rows[i].says == NULL);
		bool said = !rows[i].says || strstr(why.text, rows[i].says);
		CU_ASSERT_TRUE(said);
		if (!said)
			printf("\n    row %zu: %s\n", i, why.text);
		if (!error)
			CU_ASSERT_EQUAL(tls_context_expiry(context), 2366841600); /* 2045-01-01 */
		tls_context_unref(context);
		free((void *)(uintptr_t)settings.certificate.octets);
		free((void *)(uintptr_t)settings.key.octets);
		free((void *)(uintptr_t)settings.ca.octets);
	}
}

/* A client without anybody to expect would trust every certificate of its CA. */
static void test_host_is_mandatory(void)
{
	struct pair pair;
	struct tls *tls;
	CU_ASSERT_EQUAL(pair_contexts(&pair, &good), 0);
	CU_ASSERT_NOT_EQUAL(tls_new(&tls, pair.client.context, -1, NULL, NULL), 0);
	CU_ASSERT_PTR_NULL(tls);
	pair_close(&pair);
}

static void test_not_tls(void)
{
	static const char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	static const char request[] = "GET / HTTP/1.1\r\n\r\n\x1b[31m";
	struct pair pair;
	CU_ASSERT_EQUAL(pair_contexts(&pair, &good), 0);
	CU_ASSERT_TRUE(pair_connect(&pair, &good, false));
	CU_ASSERT_EQUAL(write(pair.server.fd, answer, strlen(answer)), (ssize_t)strlen(answer));
	CU_ASSERT_EQUAL(tls_handshake(pair.client.tls), TLS_FAILED);
	CU_ASSERT_EQUAL(tls_failure(pair.client.tls), TLS_FAILURE_NOT_TLS);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(tls_reason(pair.client.tls), "what answered for the TSCF does not speak "
						    "TLS: it began with \"HTTP/1.1 400 Bad\""));
	pair_disconnect(&pair);

	CU_ASSERT_TRUE(pair_connect(&pair, &good, false));
	CU_ASSERT_EQUAL(write(pair.client.fd, request, strlen(request)), (ssize_t)strlen(request));
	CU_ASSERT_EQUAL(tls_handshake(pair.server.tls), TLS_FAILED);
	CU_ASSERT_EQUAL(tls_failure(pair.server.tls), TLS_FAILURE_NOT_TLS);
	CU_ASSERT_PTR_NOT_NULL(strstr(tls_reason(pair.server.tls), "\"GET / HTTP/1.1\\x0d\\x0a\""));
	pair_close(&pair);
}

static void test_broken_off(void)
{
	struct pair pair;
	CU_ASSERT_EQUAL(pair_contexts(&pair, &good), 0);
	CU_ASSERT_TRUE(pair_connect(&pair, &good, false));
	CU_ASSERT_EQUAL(tls_handshake(pair.client.tls), TLS_WANT_READ);
	shutdown(pair.server.fd, SHUT_RDWR);
	CU_ASSERT_EQUAL(tls_handshake(pair.client.tls), TLS_FAILED);
	CU_ASSERT_EQUAL(tls_failure(pair.client.tls), TLS_FAILURE_CONNECTION);
	CU_ASSERT_PTR_NOT_NULL(strstr(tls_reason(pair.client.tls), "without a word"));
	pair_disconnect(&pair);

	/* Later, without close_notify: the stream may be cut short. */
	CU_ASSERT_TRUE(pair_connect(&pair, &good, false));
	pair_handshake(&pair);
	CU_ASSERT_EQUAL(pair.client.result, TLS_OK);
	shutdown(pair.server.fd, SHUT_RDWR);
	pair_settle(&pair);
	CU_ASSERT_EQUAL(pair.client.result, TLS_FAILED);
	CU_ASSERT_EQUAL(tls_failure(pair.client.tls), TLS_FAILURE_CONNECTION);
	CU_ASSERT_PTR_NOT_NULL(strstr(tls_reason(pair.client.tls), "close_notify"));
	pair_close(&pair);
}

static void test_closed_properly(void)
{
	struct pair pair;
	CU_ASSERT_TRUE(pair_open(&pair, &good));
	tls_close(pair.client.tls);
	shutdown(pair.client.fd, SHUT_WR);
	uint8_t octet;
	size_t got;
	CU_ASSERT_EQUAL(tls_read(pair.server.tls, &octet, 1, &got), TLS_CLOSED);
	CU_ASSERT_EQUAL(tls_read(pair.server.tls, &octet, 1, &got), TLS_CLOSED);
	CU_ASSERT_EQUAL(tls_failure(pair.server.tls), TLS_FAILURE_NONE);
	pair_close(&pair);
}

static void test_peer_serial(void)
{
	struct pair pair;
	char text[64];
	CU_ASSERT_TRUE(pair_open(&pair, &good));
	CU_ASSERT_TRUE(tls_peer_serial(pair.server.tls, text, sizeof(text)));
	CU_ASSERT_EQUAL(strspn(text, "0123456789abcdef"), strlen(text));
	CU_ASSERT_EQUAL(strncmp(text, "10", 2), 0);
	CU_ASSERT_FALSE(tls_peer_serial(pair.server.tls, text, 3));
	CU_ASSERT_TRUE(tls_peer_name(pair.client.tls, text, sizeof(text)));
	CU_ASSERT_STRING_EQUAL(text, "tscf.example");
	CU_ASSERT_FALSE(tls_peer_name(pair.client.tls, text, 5));
	pair_close(&pair);
}

static void test_failure_names(void)
{
	for (int i = 0; i < TLS_FAILURE_COUNT; i++)
		for (int j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(tls_failure_name((enum tls_failure)i),
				tls_failure_name((enum tls_failure)j));
}

static const struct unit_test tests[] = {
	{"good ones are accepted", test_accepts},
	{"bad ones are refused, with the reason", test_refuses},
	{"bad settings", test_bad_settings},
	{"certificates and keys in all forms", test_key_material},
	{"a client must know whom it expects", test_host_is_mandatory},
	{"what does not speak TLS", test_not_tls},
	{"connections that break off", test_broken_off},
	{"close_notify", test_closed_properly},
	{"name and serial number of the peer", test_peer_serial},
	{"names of failures", test_failure_names},
};

int main(void)
{
	struct reason why;
	if (!certificates_make() || tls_library_init(&why) != 0)
		return EXIT_FAILURE;
	int status = unit_run("tls", tests, sizeof(tests) / sizeof(tests[0]));
	tls_library_fini();
	certificates_remove();
	return status;
}
