/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why a connection failed, in words for an administrator.  An expired
 * certificate that is reported as something else costs days: say whose
 * certificate, issued by whom, valid when, what the clock says, and who has to
 * do what. */
#include "io/tls_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

enum { SUBJECTS_MAX = 400, PIN_TEXT_MAX = 65, FIRST_TEXT_MAX = TLS_FIRST_OCTETS * 4 + 1 };

const char *tls_failure_name(enum tls_failure failure)
{
	switch (failure) {
	case TLS_FAILURE_NONE:
		return "none";
	case TLS_FAILURE_UNTRUSTED:
		return "untrusted";
	case TLS_FAILURE_EXPIRED:
		return "expired";
	case TLS_FAILURE_WRONG_NAME:
		return "wrong-name";
	case TLS_FAILURE_WRONG_PIN:
		return "wrong-pin";
	case TLS_FAILURE_REVOKED:
		return "revoked";
	case TLS_FAILURE_NO_CERTIFICATE:
		return "no-certificate";
	case TLS_FAILURE_BAD_CERTIFICATE:
		return "bad-certificate";
	case TLS_FAILURE_WE_REJECTED:
		return "we-rejected";
	case TLS_FAILURE_NO_COMMON:
		return "no-common";
	case TLS_FAILURE_NOT_TLS:
		return "not-tls";
	case TLS_FAILURE_CONNECTION:
		return "connection";
	case TLS_FAILURE_OTHER:
	case TLS_FAILURE_COUNT:
		break;
	}
	return "other";
}

static const char *versions(const struct tls *tls)
{
	return tls->context->tls13_only ? "TLS 1.3 only (min-tls)" : "TLS 1.2 and 1.3";
}

static const char *peer(const struct tls *tls)
{
	return tls->context->server ? "client" : "TSCF";
}

enum tls_result tls_fail(struct tls *tls, enum tls_failure failure, const char *format, ...)
{
	/* The first failure is the cause; what follows is its consequence. */
	if (tls->ended == TLS_FAILED)
		return TLS_FAILED;
	tls->ended = TLS_FAILED;
	tls->failure = failure;
	char text[REASON_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	tls->reason = strdup(text);
	return TLS_FAILED;
}

int tls_verify(int preverify, WOLFSSL_X509_STORE_CTX *store)
{
	struct tls *tls = store->userCtx;
	int depth = store->error_depth;
	if (preverify || !tls || tls->suspect || depth < 0 || depth >= store->totalCerts)
		return preverify;
	const WOLFSSL_BUFFER_INFO *certificate = &store->certs[depth];
	tls->suspect = malloc(certificate->length);
	if (tls->suspect) {
		memcpy(tls->suspect, certificate->buffer, certificate->length);
		tls->suspect_length = certificate->length;
		tls->suspect_depth = depth;
	}
	return preverify;
}

/* "subject CN=a, issuer CN=b, valid X to Y, now Z" */
struct description {
	char text[2 * CERTIFICATE_NAME_MAX + 3 * CERTIFICATE_TIME_MAX + 64];
};

static struct description describe(const struct certificate *certificate)
{
	struct description description;
	char subject[CERTIFICATE_NAME_MAX], issuer[CERTIFICATE_NAME_MAX];
	char before[CERTIFICATE_TIME_MAX], after[CERTIFICATE_TIME_MAX], now[CERTIFICATE_TIME_MAX];
	snprintf(description.text, sizeof(description.text),
		"subject %s, issuer %s, valid %s to %s, now %s",
		certificate_name(certificate->subject, subject),
		certificate_name(certificate->issuer, issuer),
		certificate_time(certificate->not_before, before),
		certificate_time(certificate->not_after, after), certificate_time(time(NULL), now));
	return description;
}

enum tls_result tls_fail_name(struct tls *tls, const struct certificate *certificate)
{
	char subjects[SUBJECTS_MAX];
	certificate_subjects(certificate, subjects, sizeof(subjects));
	return tls_fail(tls, TLS_FAILURE_WRONG_NAME,
		"the %s's certificate is for %s, not for %s: %s; use one of these names in the "
		"profile, or issue a certificate for %s",
		peer(tls), subjects, tls->host ? tls->host : "this host",
		describe(certificate).text, tls->host ? tls->host : "it");
}

static const char *hex(const uint8_t digest[WC_SHA256_DIGEST_SIZE], char text[PIN_TEXT_MAX])
{
	for (int i = 0; i < WC_SHA256_DIGEST_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	return text;
}

enum tls_result tls_fail_pin(
	struct tls *tls, const struct certificate *certificate, const uint8_t *digest)
{
	char wanted[PIN_TEXT_MAX], seen[PIN_TEXT_MAX];
	return tls_fail(tls, TLS_FAILURE_WRONG_PIN,
		"the %s's public key is not the pinned one: pinned sha256:%s, seen sha256:%s (%s); "
		"if its key was changed on purpose, put the new pin into the profile",
		peer(tls), hex(tls->context->pin, wanted), hex(digest, seen),
		describe(certificate).text);
}

/* A certificate that did not verify, with everything known about it. */
static enum tls_result fail_certificate(struct tls *tls, int error)
{
	struct certificate certificate;
	const struct tls_context *context = tls->context;
	char text[WOLFSSL_MAX_ERROR_SZ], issuer[CERTIFICATE_NAME_MAX],
		serial[CERTIFICATE_SERIAL_MAX];
	const char *which = tls->suspect_depth > 0 ? "intermediate certificate" : "certificate";
	struct view der = {tls->suspect, tls->suspect_length};
	wolfSSL_ERR_error_string_n((unsigned long)(long)error, text, sizeof(text));
	if (!tls->suspect || !certificate_parse(&certificate, der))
		return tls_fail(tls, TLS_FAILURE_BAD_CERTIFICATE,
			"the %s's certificate is unusable: %s", peer(tls), text);
	struct description description = describe(&certificate);
	certificate_name(certificate.issuer, issuer);
	switch (error) {
	case ASN_AFTER_DATE_E:
		return tls_fail(tls, TLS_FAILURE_EXPIRED,
			"the %s's %s has expired: %s; renew it on the %s", peer(tls), which,
			description.text, peer(tls));
	case ASN_BEFORE_DATE_E:
		return tls_fail(tls, TLS_FAILURE_EXPIRED,
			"the %s's %s is not valid yet: %s; check the clocks of both ends",
			peer(tls), which, description.text);
	case DOMAIN_NAME_MISMATCH:
	case IPADDR_MISMATCH:
		return tls_fail_name(tls, &certificate);
	case CRL_CERT_REVOKED:
		return tls_fail(tls, TLS_FAILURE_REVOKED,
			"the %s's %s has been revoked: serial number %s, %s", peer(tls), which,
			certificate_serial(&certificate, serial), description.text);
	case ASN_NO_SIGNER_E:
	case ASN_SELF_SIGNED_E:
	case ASN_SIG_CONFIRM_E:
		return tls_fail(tls, TLS_FAILURE_UNTRUSTED,
			"the %s's %s is not from a CA that we trust: issued by %s, we trust %s%s: "
			"%s; is the right CA configured, and is nobody intercepting TLS?",
			peer(tls), which, issuer, context->ca_name,
			context->ca_count > 1 ? " and others" : "", description.text);
	default:
		return tls_fail(tls, TLS_FAILURE_BAD_CERTIFICATE,
			"the %s's %s is unusable: %s (%s)", peer(tls), which, text,
			description.text);
	}
}

static enum tls_result fail_no_crl(struct tls *tls)
{
	const struct tls_context *context = tls->context;
	char due[CERTIFICATE_TIME_MAX], now[CERTIFICATE_TIME_MAX], issuer[CERTIFICATE_NAME_MAX];
	struct certificate certificate = {0};
	int64_t clock = time(NULL);
	if (context->crl_next_update && clock > context->crl_next_update)
		return tls_fail(tls, TLS_FAILURE_OTHER,
			"our revocation list, issued by %s, has expired: its next update was due "
			"on %s, now %s; nobody can be checked until a fresh one is loaded",
			context->crl_issuer, certificate_time(context->crl_next_update, due),
			certificate_time(clock, now));
	if (tls->suspect)
		certificate_parse(&certificate, (struct view){tls->suspect, tls->suspect_length});
	return tls_fail(tls, TLS_FAILURE_OTHER,
		"we have no revocation list of %s, which issued the %s's certificate; "
		"ours is from %s",
		certificate_name(certificate.issuer, issuer), peer(tls), context->crl_issuer);
}

/* What an alert of the peer means for us (RFC 8446 6.2). */
static const struct alert {
	int code;
	enum tls_failure failure;
	const char *name, *meaning;
} alerts[] = {
	{bad_certificate, TLS_FAILURE_WE_REJECTED, "bad_certificate",
		"it does not accept our certificate; see its log for the cause"},
	{unsupported_certificate, TLS_FAILURE_WE_REJECTED, "unsupported_certificate",
		"our certificate is of a kind that it does not support"},
	{certificate_revoked, TLS_FAILURE_WE_REJECTED, "certificate_revoked",
		"our certificate has been revoked; get a new one"},
	{certificate_expired, TLS_FAILURE_WE_REJECTED, "certificate_expired",
		"our certificate has expired or is not yet valid by its clock; renew it"},
	{certificate_unknown, TLS_FAILURE_WE_REJECTED, "certificate_unknown",
		"it does not accept our certificate; see its log for the cause"},
	{unknown_ca, TLS_FAILURE_WE_REJECTED, "unknown_ca",
		"our certificate is not from a CA that it trusts"},
	{access_denied, TLS_FAILURE_WE_REJECTED, "access_denied",
		"our certificate is valid, but not allowed"},
	{no_certificate, TLS_FAILURE_WE_REJECTED, "no_certificate",
		"it wants a certificate from us; configure cert and key"},
	{certificate_required, TLS_FAILURE_WE_REJECTED, "certificate_required",
		"it wants a certificate from us; configure cert and key"},
	{handshake_failure, TLS_FAILURE_NO_COMMON, "handshake_failure",
		"no common cipher or group, or (TLS 1.2) it wants a certificate and got none"},
	{wolfssl_alert_protocol_version, TLS_FAILURE_NO_COMMON, "protocol_version",
		"no common TLS version: we speak "},
	{insufficient_security, TLS_FAILURE_NO_COMMON, "insufficient_security",
		"it wants stronger ciphers than we offer"},
	{no_application_protocol, TLS_FAILURE_NO_COMMON, "no_application_protocol",
		"it does not know our ALPN protocol"},
	{unrecognized_name, TLS_FAILURE_WRONG_NAME, "unrecognized_name",
		"it does not serve the name that we asked for (SNI)"},
	{decrypt_error, TLS_FAILURE_OTHER, "decrypt_error",
		"a signature or key did not verify: is something changing the traffic?"},
	{bad_record_mac, TLS_FAILURE_OTHER, "bad_record_mac",
		"a record arrived changed: is something changing the traffic?"},
	{internal_error, TLS_FAILURE_OTHER, "internal_error", "an error on its side; see its log"},
	{user_canceled, TLS_FAILURE_OTHER, "user_canceled", "it gave up"},
	{unexpected_message, TLS_FAILURE_OTHER, "unexpected_message",
		"it did not expect what we sent"},
	{illegal_parameter, TLS_FAILURE_OTHER, "illegal_parameter",
		"it did not understand what we sent"},
	{decode_error, TLS_FAILURE_OTHER, "decode_error", "it could not read what we sent"},
};

static enum tls_result fail_alert(struct tls *tls, int code)
{
	bool version = code == wolfssl_alert_protocol_version;
	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++)
		if (alerts[i].code == code)
			return tls_fail(tls, alerts[i].failure,
				"the %s ended TLS with the alert %s: %s%s", peer(tls),
				alerts[i].name, alerts[i].meaning, version ? versions(tls) : "");
	return tls_fail(
		tls, TLS_FAILURE_OTHER, "the %s ended TLS with the alert %d", peer(tls), code);
}

/* Every TLS record begins with its type (20 to 24) and the major version 3. */
static bool looks_like_tls(const struct tls *tls)
{
	const uint8_t *at = tls->first;
	return tls->first_length == 0 ||
	       (at[0] >= 20 && at[0] <= 24 && (tls->first_length < 2 || at[1] == 3));
}

static enum tls_result fail_not_tls(struct tls *tls)
{
	char text[FIRST_TEXT_MAX] = "";
	size_t at = 0;
	for (size_t i = 0; i < tls->first_length; i++) {
		uint8_t octet = tls->first[i];
		bool printable = octet >= ' ' && octet < 0x7f;
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, printable ? "%c" : "\\x%02x", octet);
	}
	return tls_fail(tls, TLS_FAILURE_NOT_TLS, "%s does not speak TLS: it began with \"%s\"; %s",
		tls->context->server ? "the client" : "what answered for the TSCF", text,
		tls->context->server
			? "probably a port scanner or a browser"
			: "is this the right port, or a proxy or captive portal in between?");
}

/* The likely cause of an end in the middle of a handshake. */
static const char *guess_end(const struct tls *tls)
{
	if (tls->context->server)
		return tls->first_length == 0
			       ? " without a word: a port scanner or a health check?"
			       : ": it may not accept our certificate, and then says so itself";
	return tls->first_length == 0
		       ? " without a word: does TLS run on that port, or does a firewall cut it?"
		       : "";
}

static enum tls_result fail_ended(struct tls *tls)
{
	int error = tls->receive_error ? tls->receive_error : tls->send_error;
	if (error)
		return tls_fail(tls, TLS_FAILURE_CONNECTION, "the connection to the %s broke%s: %s",
			peer(tls), tls->established ? "" : " during the TLS handshake",
			strerror(error));
	if (tls->established)
		return tls_fail(tls, TLS_FAILURE_CONNECTION,
			"the %s's connection ended without TLS's close_notify: it, or a middlebox, "
			"went away",
			peer(tls));
	return tls_fail(tls, TLS_FAILURE_CONNECTION,
		"the %s closed the connection during the TLS handshake%s", peer(tls),
		guess_end(tls));
}

/* Which errors of wolfSSL mean that there is no common ground. */
static bool is_no_common(int error)
{
	switch (error) {
	case VERSION_ERROR:
	case UNSUPPORTED_PROTO_VERSION:
	case UNSUPPORTED_SUITE:
	case MATCH_SUITE_ERROR:
	case COMPRESSION_ERROR:
	case KEY_SHARE_ERROR:
	case BAD_KEY_SHARE_DATA:
	case ECC_CURVE_ERROR:
	case ECC_CURVETYPE_ERROR:
	case BAD_KEA_TYPE_E:
	case EXT_MASTER_SECRET_NEEDED_E:
	case UNKNOWN_ALPN_PROTOCOL_NAME_E:
		return true;
	}
	return false;
}

enum tls_result tls_fail_wolf(struct tls *tls, int error)
{
	WOLFSSL_ALERT_HISTORY history;
	char text[WOLFSSL_MAX_ERROR_SZ];
	if (tls->out_of_memory)
		return tls_fail(tls, TLS_FAILURE_OTHER, "not enough memory for a TLS connection");
	if (!tls->established && !looks_like_tls(tls))
		return fail_not_tls(tls);
	if (error == CRL_MISSING || error == CRL_CERT_DATE_ERR)
		return fail_no_crl(tls);
	if (error == NO_PEER_CERT || error == NO_PEER_VERIFY)
		return tls_fail(tls, TLS_FAILURE_NO_CERTIFICATE,
			"the %s showed no certificate, and must; give it one of our CA (%s)",
			peer(tls), tls->context->ca_name);
	if (tls->suspect)
		return fail_certificate(tls, error);
	if (wolfSSL_get_alert_history(tls->wolf, &history) == WOLFSSL_SUCCESS &&
		history.last_rx.level == alert_fatal)
		return fail_alert(tls, history.last_rx.code);
	if (error == SOCKET_ERROR_E || error == SOCKET_PEER_CLOSED_E ||
		error == WOLFSSL_ERROR_SYSCALL || tls->input_ended)
		return fail_ended(tls);
	wolfSSL_ERR_error_string_n((unsigned long)(long)error, text, sizeof(text));
	if (is_no_common(error))
		return tls_fail(tls, TLS_FAILURE_NO_COMMON,
			"no common TLS version or cipher with the %s (%s): we speak %s with ECDHE "
			"and AES-GCM",
			peer(tls), text, versions(tls));
	return tls_fail(
		tls, TLS_FAILURE_OTHER, "TLS with the %s failed: %s (%d)", peer(tls), text, error);
}
