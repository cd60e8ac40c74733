/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TLS contexts.  Distributions compile wolfSSL with OpenSSL's defaults, in
 * which a fresh context verifies nothing and allows old versions and anonymous
 * ciphers: everything is said explicitly here, and each line has a negative
 * test. */
#include "io/tls_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

/* TS 33.310 annex E: ECDHE with AES-GCM only; AES-128 first. */
static const char ciphers[] = "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:"
			      "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
			      "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
enum { RSA_BITS_MIN = 2048, ECC_BITS_MIN = 256 };

int tls_library_init(struct reason *why)
{
	if (wolfSSL_Init() != WOLFSSL_SUCCESS) {
		reason_set(why, "the TLS library wolfSSL could not be initialised");
		return -EIO;
	}
	int error = aead_init(why);
	if (error)
		wolfSSL_Cleanup();
	return error;
}

void tls_library_fini(void)
{
	tls_thread_fini();
	aead_fini();
	wolfSSL_Cleanup();
}

const char *tls_aead_name(void)
{
	return aead_name();
}

static const char *wolf_text(int error, char text[WOLFSSL_MAX_ERROR_SZ])
{
	wolfSSL_ERR_error_string_n(
		(unsigned long)(error < 0 ? error : -error), text, WOLFSSL_MAX_ERROR_SZ);
	return text;
}

static bool is_der(struct view view)
{
	return view.length > 0 && view.octets[0] == 0x30;
}

/* Takes one PEM block off `rest` and decodes it into a DER buffer that the
 * caller frees, or takes all of `rest` when it is DER.  0, -ENOENT at the end,
 * or -EINVAL. */
static int der_take(struct view *rest, int type, DerBuffer **out, struct view *der)
{
	static const char begin[] = "-----BEGIN ", end[] = "-----END ";
	*out = NULL;
	if (is_der(*rest)) {
		*der = *rest;
		*rest = (struct view){0};
		return 0;
	}
	const uint8_t *start = NULL, *stop = NULL;
	if (rest->length > 0)
		start = memmem(rest->octets, rest->length, begin, strlen(begin));
	if (!start)
		return -ENOENT;
	size_t after = rest->length - (size_t)(start - rest->octets);
	stop = memmem(start, after, end, strlen(end));
	if (!stop)
		return -EINVAL;
	const uint8_t *line = memchr(stop, '\n', after - (size_t)(stop - start));
	size_t length = line ? (size_t)(line - start) + 1 : after;
	*rest = (struct view){start + length, after - length};
	if (wc_PemToDer(start, (long)length, type, out, NULL, NULL, NULL) != 0) {
		wc_FreeDer(out);
		return -EINVAL;
	}
	*der = (struct view){(*out)->buffer, (*out)->length};
	return 0;
}

/* Loads one CA certificate; an expired one is left out of a bundle. */
static int load_one_ca(struct tls_context *context, struct view der, struct reason *why)
{
	struct certificate ca;
	char name[CERTIFICATE_NAME_MAX], time_text[CERTIFICATE_TIME_MAX],
		text[WOLFSSL_MAX_ERROR_SZ];
	if (!certificate_parse(&ca, der)) {
		reason_set(why, "ca: this is not an X.509 certificate");
		return -EINVAL;
	}
	certificate_name(ca.subject, name);
	int error = wolfSSL_CTX_load_verify_buffer(
		context->wolf, der.octets, (long)der.length, WOLFSSL_FILETYPE_ASN1);
	if (error == WOLFSSL_SUCCESS) {
		if (context->ca_count++ == 0)
			memcpy(context->ca_name, name, sizeof(name));
		return 0;
	}
	if (time(NULL) > ca.not_after)
		reason_set(why, "ca: the CA certificate of %s has expired on %s; get a new one",
			name, certificate_time(ca.not_after, time_text));
	else if (time(NULL) < ca.not_before)
		reason_set(why,
			"ca: the CA certificate of %s is not valid before %s; check the clock",
			name, certificate_time(ca.not_before, time_text));
	else
		reason_set(why, "ca: the certificate of %s cannot serve as a CA: %s", name,
			wolf_text(error, text));
	return -EINVAL;
}

static int load_ca(struct tls_context *context, struct view ca, struct reason *why)
{
	DerBuffer *decoded;
	struct view der;
	int error;
	reason_set(why, "ca: neither a PEM certificate nor a DER one");
	while ((error = der_take(&ca, CA_TYPE, &decoded, &der)) == 0) {
		(void)load_one_ca(context, der, why);
		wc_FreeDer(&decoded);
	}
	/* With OpenSSL's defaults wolfSSL also made each a "trusted peer", which
	 * would be accepted as it is, whatever its name and dates. */
#ifdef WOLFSSL_TRUST_PEER_CERT
	wolfSSL_CTX_Unload_trust_peers(context->wolf);
#endif
	return context->ca_count > 0 ? 0 : -EINVAL;
}

static int load_one_crl(struct tls_context *context, struct view der, struct reason *why)
{
	struct revocation_list crl;
	char name[CERTIFICATE_NAME_MAX], time_text[CERTIFICATE_TIME_MAX], now[CERTIFICATE_TIME_MAX],
		text[WOLFSSL_MAX_ERROR_SZ];
	if (!revocation_list_parse(&crl, der)) {
		reason_set(why, "crl: this is not a certificate revocation list");
		return -EINVAL;
	}
	certificate_name(crl.issuer, name);
	int64_t clock = time(NULL);
	if (crl.next_update && clock > crl.next_update) {
		reason_set(why,
			"crl: the list issued by %s has expired: its next update was due on %s, "
			"now %s; issue a fresh one",
			name, certificate_time(crl.next_update, time_text),
			certificate_time(clock, now));
		return -EINVAL;
	}
	int error = wolfSSL_CTX_LoadCRLBuffer(
		context->wolf, der.octets, (long)der.length, WOLFSSL_FILETYPE_ASN1);
	if (error != WOLFSSL_SUCCESS) {
		reason_set(why, "crl: the list issued by %s cannot be used%s: %s", name,
			error == ASN_CRL_NO_SIGNER_E ? " with this CA" : "",
			wolf_text(error, text));
		return -EINVAL;
	}
	if (!context->has_crl ||
		(crl.next_update && (!context->crl_next_update ||
					    crl.next_update < context->crl_next_update))) {
		context->has_crl = true;
		context->crl_next_update = crl.next_update;
		memcpy(context->crl_issuer, name, sizeof(name));
	}
	return 0;
}

static int load_crl(struct tls_context *context, struct view crl, struct reason *why)
{
	DerBuffer *decoded;
	struct view der;
	int error;
	if (wolfSSL_CTX_EnableCRL(context->wolf, WOLFSSL_CRL_CHECK) != WOLFSSL_SUCCESS) {
		reason_set(why, "crl: this wolfSSL cannot check revocation lists");
		return -ENOTSUP;
	}
#ifdef HAVE_CRL_IO
	/* Never fetch a URL that a certificate names. */
	wolfSSL_CTX_SetCRL_IOCb(context->wolf, NULL);
#endif
	while ((error = der_take(&crl, CRL_TYPE, &decoded, &der)) == 0) {
		error = load_one_crl(context, der, why);
		wc_FreeDer(&decoded);
		if (error)
			return error;
	}
	if (error == -EINVAL || !context->has_crl) {
		reason_set(why, "crl: neither a PEM X509 CRL nor a DER one");
		return -EINVAL;
	}
	return 0;
}

static int load_certificate(struct tls_context *context, struct view chain, struct reason *why)
{
	DerBuffer *decoded;
	struct view rest = chain, der;
	struct certificate leaf;
	char text[WOLFSSL_MAX_ERROR_SZ];
	int error = der_take(&rest, CERT_TYPE, &decoded, &der);
	if (error || !certificate_parse(&leaf, der)) {
		wc_FreeDer(&decoded);
		reason_set(why, "cert: neither a PEM certificate nor a DER one");
		return -EINVAL;
	}
	context->expiry = leaf.not_after;
	wc_FreeDer(&decoded);
	if (is_der(chain))
		error = wolfSSL_CTX_use_certificate_buffer(
			context->wolf, chain.octets, (long)chain.length, WOLFSSL_FILETYPE_ASN1);
	else
		error = wolfSSL_CTX_use_certificate_chain_buffer(
			context->wolf, chain.octets, (long)chain.length);
	if (error == WOLFSSL_SUCCESS)
		return 0;
	reason_set(why, "cert: the certificate cannot be used: %s", wolf_text(error, text));
	return -EINVAL;
}

/* The point that belongs to the EC key, uncompressed; 0 when it is no EC key.
 * Most files hold it beside the key (RFC 5915 3); to compute it takes wolfSSL
 * more than a millisecond. */
static word32 ec_public_point(struct view key, uint8_t *point, word32 room)
{
	ecc_key ec;
	word32 at = 0;
	if (wc_ecc_init(&ec) != 0)
		return 0;
	bool known = wc_EccPrivateKeyDecode(key.octets, &at, &ec, (word32)key.length) == 0 &&
		     (ec.type == ECC_PRIVATEKEY || wc_ecc_make_pub(&ec, NULL) == 0) &&
		     wc_ecc_export_x963(&ec, point, &room) == 0;
	wc_ecc_free(&ec);
	return known ? room : 0;
}

/* wolfSSL compares RSA keys, but of an EC key only the curve (5.5.4). */
static bool ec_key_fits(struct view chain, struct view key)
{
	uint8_t point[2 * MAX_ECC_BYTES + 1];
	struct view leaf_der, key_der = key;
	struct certificate leaf;
	DerBuffer *decoded = NULL, *decoded_key = NULL;
	word32 length = 0;
	if (!is_der(key) && wc_PemToDer(key.octets, (long)key.length, PRIVATEKEY_TYPE, &decoded_key,
				    NULL, NULL, NULL) == 0)
		key_der = (struct view){decoded_key->buffer, decoded_key->length};
	bool parsed = der_take(&chain, CERT_TYPE, &decoded, &leaf_der) == 0 &&
		      certificate_parse(&leaf, leaf_der);
	if (parsed)
		length = ec_public_point(key_der, point, sizeof(point));
	/* The point is the end of the SubjectPublicKeyInfo (RFC 5480 2). */
	bool fits = length == 0 ||
		    (leaf.key.length > length &&
			    memcmp(leaf.key.octets + leaf.key.length - length, point, length) == 0);
	wc_FreeDer(&decoded);
	wc_FreeDer(&decoded_key);
	return parsed && fits;
}

static int load_key(
	struct tls_context *context, struct view chain, struct view key, struct reason *why)
{
	char text[WOLFSSL_MAX_ERROR_SZ];
	if (key.length == 0) {
		reason_set(why, "key: a certificate is given, but not its private key");
		return -EINVAL;
	}
	if (!is_der(key) && memmem(key.octets, key.length, "ENCRYPTED", 9)) {
		reason_set(why, "key: the private key is encrypted; store it without a passphrase, "
				"readable by its owner only");
		return -EINVAL;
	}
	int error = wolfSSL_CTX_use_PrivateKey_buffer(context->wolf, key.octets, (long)key.length,
		is_der(key) ? WOLFSSL_FILETYPE_ASN1 : WOLFSSL_FILETYPE_PEM);
	if (error != WOLFSSL_SUCCESS) {
		reason_set(why, "key: neither a PEM private key nor a DER one: %s",
			wolf_text(error, text));
		return -EINVAL;
	}
	if (wolfSSL_CTX_check_private_key(context->wolf) != WOLFSSL_SUCCESS ||
		!ec_key_fits(chain, key)) {
		reason_set(why, "key: the private key does not belong to the certificate");
		return -EINVAL;
	}
	return 0;
}

/* Who must show a certificate, by which rules. */
static int set_verification(
	struct tls_context *context, const struct tls_settings *settings, struct reason *why)
{
	int mode = WOLFSSL_VERIFY_PEER;
	if (settings->server && settings->require_client)
		mode |= WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	else if (settings->server && !settings->request_client)
		mode = WOLFSSL_VERIFY_NONE;
	wolfSSL_CTX_set_verify(context->wolf, mode, tls_verify);
	wolfSSL_CTX_SetMinRsaKey_Sz(context->wolf, RSA_BITS_MIN);
	wolfSSL_CTX_SetMinEccKey_Sz(context->wolf, ECC_BITS_MIN);
	if (mode == WOLFSSL_VERIFY_NONE)
		return 0;
	if (settings->ca.length == 0) {
		reason_set(why, "%s: none is given, so that no %s could be trusted",
			settings->server ? "client-ca" : "ca",
			settings->server ? "client" : "TSCF");
		return -EINVAL;
	}
	int error = load_ca(context, settings->ca, why);
	if (!error && settings->crl.length > 0)
		error = load_crl(context, settings->crl, why);
	return error;
}

/* Versions, ciphers, groups: nothing that a default could widen. */
static int set_algorithms(
	struct tls_context *context, const struct tls_settings *settings, struct reason *why)
{
	/* A client's first one gets its key share; the server takes what comes.
	 * With libcrypto P-256 costs half of wolfSSL's X25519. */
	bool p256_first = aead_has_p256();
	int groups[] = {p256_first ? WOLFSSL_ECC_SECP256R1 : WOLFSSL_ECC_X25519,
		p256_first ? WOLFSSL_ECC_X25519 : WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_SECP384R1};
	int count = sizeof(groups) / sizeof(groups[0]);
	bool good = wolfSSL_CTX_SetMinVersion(context->wolf,
			    settings->tls13_only ? WOLFSSL_TLSV1_3 : WOLFSSL_TLSV1_2) ==
			    WOLFSSL_SUCCESS &&
		    wolfSSL_CTX_set_cipher_list(context->wolf, ciphers) == WOLFSSL_SUCCESS &&
		    wolfSSL_CTX_set_groups(context->wolf, groups, count) == WOLFSSL_SUCCESS &&
		    wolfSSL_CTX_SetDevId(context->wolf, aead_device()) == WOLFSSL_SUCCESS;
	if (!good)
		reason_set(
			why, "this wolfSSL lacks TLS 1.3, AES-GCM, or one of X25519, P-256, P-384");
	return good ? 0 : -ENOTSUP;
}

static int set_up(
	struct tls_context *context, const struct tls_settings *settings, struct reason *why)
{
	WOLFSSL_METHOD *method;
	if (settings->tls13_only)
		method = settings->server ? wolfTLSv1_3_server_method()
					  : wolfTLSv1_3_client_method();
	else
		method = settings->server ? wolfSSLv23_server_method() : wolfSSLv23_client_method();
	context->wolf = method ? wolfSSL_CTX_new(method) : NULL;
	if (!context->wolf || (settings->alpn && !(context->alpn = strdup(settings->alpn)))) {
		reason_set(why, "not enough memory for a TLS context");
		return -ENOMEM;
	}
	wolfSSL_CTX_SetIORecv(context->wolf, tls_io_receive);
	wolfSSL_CTX_SetIOSend(context->wolf, tls_io_send);
	int error = set_algorithms(context, settings, why);
	if (!error)
		error = set_verification(context, settings, why);
	if (!error && settings->certificate.length > 0) {
		error = load_certificate(context, settings->certificate, why);
		if (!error)
			error = load_key(context, settings->certificate, settings->key, why);
	} else if (!error && settings->server) {
		reason_set(why, "cert: a server needs a certificate");
		error = -EINVAL;
	}
	if (!error && tls_session_setup(context, settings) != 0) {
		reason_set(why, "TLS session tickets could not be set up");
		error = -EIO;
	}
	return error;
}

int tls_context_new(
	struct tls_context **out, const struct tls_settings *settings, struct reason *why)
{
	*out = NULL;
	struct tls_context *context = calloc(1, sizeof(*context));
	if (!context) {
		reason_set(why, "not enough memory for a TLS context");
		return -ENOMEM;
	}
	context->references = 1;
	pthread_mutex_init(&context->ticket_lock, NULL);
	context->server = settings->server;
	context->tls13_only = settings->tls13_only;
	if (settings->pin && !settings->server) {
		context->has_pin = true;
		memcpy(context->pin, settings->pin, sizeof(context->pin));
	}
	int error = set_up(context, settings, why);
	if (error) {
		tls_context_unref(context);
		return error;
	}
	reason_set(why, "%s", "");
	*out = context;
	return 0;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
	__atomic_add_fetch(&context->references, 1, __ATOMIC_RELAXED);
	return context;
}

void tls_context_unref(struct tls_context *context)
{
	if (!context || __atomic_sub_fetch(&context->references, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (context->wolf)
		wolfSSL_CTX_free(context->wolf);
	explicit_bzero(context->ticket_secrets, sizeof(context->ticket_secrets));
	pthread_mutex_destroy(&context->ticket_lock);
	free(context->alpn);
	free(context);
}

int64_t tls_context_expiry(const struct tls_context *context)
{
	return context->expiry;
}
