/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One TLS connection: handshake, reading and writing, and who the peer is. */
#include "io/tls_private.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/sha256.h>

/* Sends and expects names only where they are names (RFC 6066 3). */
static int set_names(struct tls *tls, const char *host, const char *sni)
{
	struct address address;
	if (host) {
		tls->host = strdup(host);
		if (!tls->host)
			return -ENOMEM;
		/* A numeric host is compared with iPAddress in check_peer. */
		if (!address_parse(&address, host) &&
			wolfSSL_check_domain_name(tls->wolf, host) != WOLFSSL_SUCCESS)
			return -EINVAL;
	}
	if (sni && !address_parse(&address, sni) &&
		wolfSSL_UseSNI(tls->wolf, WOLFSSL_SNI_HOST_NAME, sni,
			(unsigned short)strlen(sni)) != WOLFSSL_SUCCESS)
		return -EINVAL;
	if (tls->context->alpn && wolfSSL_UseALPN(tls->wolf, tls->context->alpn,
					  (unsigned int)strlen(tls->context->alpn),
					  WOLFSSL_ALPN_CONTINUE_ON_MISMATCH) != WOLFSSL_SUCCESS)
		return -EINVAL;
	return 0;
}

int tls_new(
	struct tls **out, struct tls_context *context, int fd, const char *host, const char *sni)
{
	*out = NULL;
	/* Without a name to check, a client would accept every certificate of its CA. */
	if (!context->server && !host)
		return -EINVAL;
	struct tls *tls = calloc(1, sizeof(*tls));
	if (!tls)
		return -ENOMEM;
	tls->context = tls_context_ref(context);
	tls->fd = fd;
	tls->wolf = wolfSSL_new(context->wolf);
	int error = tls->wolf ? set_names(tls, host, sni) : -ENOMEM;
	if (error) {
		tls_free(tls);
		return error;
	}
	wolfSSL_SetIOReadCtx(tls->wolf, tls);
	wolfSSL_SetIOWriteCtx(tls->wolf, tls);
	wolfSSL_SetCertCbCtx(tls->wolf, tls);
	*out = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	if (tls->wolf)
		wolfSSL_free(tls->wolf);
	aead_forget(&tls->aead);
	tls_io_forget(tls);
	tls_context_unref(tls->context);
	free(tls->host);
	free(tls->reason);
	free(tls->suspect);
	free(tls);
}

/* The peer's certificate as an owned object, with its DER parsed; NULL when it
 * showed none, as in every resumed session. */
static WOLFSSL_X509 *peer_certificate(const struct tls *tls, struct certificate *out)
{
	if (!tls->established || wolfSSL_session_reused(tls->wolf))
		return NULL;
	WOLFSSL_X509 *x509 = wolfSSL_get_peer_certificate(tls->wolf);
	if (!x509)
		return NULL;
	int length = 0;
	const uint8_t *der = wolfSSL_X509_get_der(x509, &length);
	if (der && length > 0 && certificate_parse(out, (struct view){der, (size_t)length}))
		return x509;
	wolfSSL_X509_free(x509);
	return NULL;
}

/* A server's certificate has verified: is it the server we want?  wolfSSL has
 * compared the name already; this comparison is stricter (no wildcard inside a
 * name, no other kind of alternative name) and knows addresses. */
static enum tls_result check_peer(struct tls *tls)
{
	struct certificate certificate;
	uint8_t digest[WC_SHA256_DIGEST_SIZE];
	/* The session that is resumed was checked when it was new. */
	if (tls->context->server || wolfSSL_session_reused(tls->wolf))
		return TLS_OK;
	WOLFSSL_X509 *x509 = peer_certificate(tls, &certificate);
	if (!x509)
		return tls_fail(
			tls, TLS_FAILURE_BAD_CERTIFICATE, "the TSCF's certificate is unreadable");
	enum tls_result result = TLS_OK;
	if (!certificate_is_for(&certificate, tls->host)) {
		result = tls_fail_name(tls, &certificate);
	} else if (tls->context->has_pin) {
		if (wc_Sha256Hash(certificate.key.octets, (word32)certificate.key.length, digest) !=
				0 ||
			memcmp(digest, tls->context->pin, sizeof(digest)) != 0)
			result = tls_fail_pin(tls, &certificate, digest);
	}
	wolfSSL_X509_free(x509);
	return result;
}

/* What a wolfSSL call that did not succeed means. */
static enum tls_result interpret(struct tls *tls, int returned)
{
	int error = wolfSSL_get_error(tls->wolf, returned);
	switch (error) {
	case WOLFSSL_ERROR_WANT_READ:
	case WOLFSSL_ERROR_WANT_WRITE:
		return TLS_WANT_READ; /* the send callback never blocks */
	case WOLFSSL_ERROR_ZERO_RETURN:
		if (tls->established)
			return tls->ended = TLS_CLOSED;
		break;
	}
	return tls_fail_wolf(tls, error);
}

/* One more part of the handshake, with what the socket has. */
static enum tls_result handshake_advance(struct tls *tls)
{
	tls_io_fill(tls, 0);
	aead_enter(&tls->aead);
	int returned =
		tls->context->server ? wolfSSL_accept(tls->wolf) : wolfSSL_connect(tls->wolf);
	aead_leave();
	tls_io_settle(tls);
	if (tls->out_of_memory)
		return tls_fail_wolf(tls, MEMORY_E);
	if (returned != WOLFSSL_SUCCESS)
		return interpret(tls, returned);
	tls->established = true;
	enum tls_result result = check_peer(tls);
	/* Nothing of ours, such as our certificate, goes to the wrong peer. */
	if (result == TLS_FAILED)
		tls_io_forget(tls);
	return result;
}

enum tls_result tls_handshake(struct tls *tls)
{
	if (tls->ended)
		return tls->ended;
	enum tls_result result = TLS_OK;
	if (!tls->established)
		result = handshake_advance(tls);
	if (result == TLS_FAILED) {
		/* The alert that tells the peer why, if there is one. */
		tls_flush(tls);
		return result;
	}
	/* A server's tickets leave with its answer when the client's first message
	 * is here already. */
	if (result == TLS_OK && tls->context->server && tls_has_more(tls))
		return TLS_OK;
	enum tls_result flushed = tls_flush(tls);
	return flushed == TLS_OK ? result : flushed;
}

void tls_close(struct tls *tls)
{
	if (!tls->established || tls->ended == TLS_FAILED)
		return;
	aead_enter(&tls->aead);
	wolfSSL_shutdown(tls->wolf);
	aead_leave();
	tls_flush(tls);
}

/* Decrypts what the window holds. TLS_OK: `room` is full; WANT_READ: the
 * window is empty. */
static enum tls_result drain(struct tls *tls, uint8_t *out, size_t room, size_t *got)
{
	while (*got < room) {
		size_t more = room - *got;
		int length =
			wolfSSL_read(tls->wolf, out + *got, more > INT_MAX ? INT_MAX : (int)more);
		if (length <= 0)
			return interpret(tls, length);
		*got += (size_t)length;
	}
	return TLS_OK;
}

/* Answers to key updates, or the alert that tells the peer why; a peer that
 * makes us answer and never reads shall not fill our memory. */
static enum tls_result send_answers(struct tls *tls, size_t unsent_before, enum tls_result result)
{
	size_t unsent = tls_unsent(tls);
	if (unsent <= unsent_before)
		return result;
	tls->answers += unsent - unsent_before;
	tls_flush(tls);
	if (tls_unsent(tls) == 0)
		tls->answers = 0;
	if (tls->answers <= TLS_ANSWERS_MAX)
		return result;
	return tls_fail(tls, TLS_FAILURE_OTHER,
		"the peer asked for new keys without end and did not read the answers");
}

enum tls_result tls_read(struct tls *tls, uint8_t *out, size_t room, size_t *got)
{
	*got = 0;
	if (tls->ended)
		return tls->ended;
	if (!tls->established || room == 0)
		return TLS_WANT_READ;
	size_t unsent = tls_unsent(tls);
	enum tls_result result;
	bool again;
	do {
		/* What was left over does not count as reading the socket. */
		again = tls->input.octets != NULL;
		bool fill = (size_t)wolfSSL_pending(tls->wolf) < room - *got;
		if (fill)
			tls_io_fill(tls, room - *got);
		aead_enter(&tls->aead);
		result = drain(tls, out, room, got);
		aead_leave();
		if (fill)
			tls_io_settle(tls);
	} while (again && result == TLS_WANT_READ);
	if (tls->out_of_memory)
		result = tls_fail_wolf(tls, MEMORY_E);
	result = send_answers(tls, unsent, result);
	return *got > 0 ? TLS_OK : result;
}

bool tls_has_more(const struct tls *tls)
{
	return !tls->ended && (tls->input.octets || wolfSSL_pending(tls->wolf) > 0);
}

enum tls_result tls_write(struct tls *tls, const uint8_t *octets, size_t length)
{
	if (tls->ended)
		return tls->ended;
	if (!tls->established)
		return TLS_WANT_READ;
	enum tls_result result = TLS_OK;
	aead_enter(&tls->aead);
	while (length > 0 && result == TLS_OK) {
		int part = length > INT_MAX ? INT_MAX : (int)length;
		int taken = wolfSSL_write(tls->wolf, octets, part);
		if (taken <= 0) {
			result = tls_fail_wolf(tls, wolfSSL_get_error(tls->wolf, taken));
			break;
		}
		octets += taken;
		length -= (size_t)taken;
	}
	aead_leave();
	return result;
}

bool tls_update_keys(struct tls *tls)
{
	if (tls->ended || !tls->established)
		return false;
	aead_enter(&tls->aead);
	int returned = wolfSSL_update_keys(tls->wolf);
	aead_leave();
	return returned == WOLFSSL_SUCCESS;
}

const char *tls_reason(const struct tls *tls)
{
	if (tls->ended != TLS_FAILED)
		return "";
	return tls->reason ? tls->reason : "TLS failed, and there is no memory to say why";
}

enum tls_failure tls_failure(const struct tls *tls)
{
	return tls->failure;
}

size_t tls_record_size(const struct tls *tls, size_t length)
{
	int size = wolfSSL_GetOutputSize(tls->wolf, (int)length);
	return size > 0 ? (size_t)size : length;
}

const char *tls_version(const struct tls *tls)
{
	return wolfSSL_get_version(tls->wolf);
}

const char *tls_cipher(const struct tls *tls)
{
	int suite = wolfSSL_get_current_cipher_suite(tls->wolf);
	const char *name = wolfSSL_get_cipher_name_iana_from_suite(
		(unsigned char)(suite >> 8), (unsigned char)suite);
	return name ? name : "none";
}

bool tls_resumed(const struct tls *tls)
{
	return tls->established && wolfSSL_session_reused(tls->wolf);
}

bool tls_peer_name(const struct tls *tls, char *out, size_t room)
{
	struct certificate certificate;
	WOLFSSL_X509 *x509 = peer_certificate(tls, &certificate);
	bool found = x509 && certificate_common_name(&certificate, out, room);
	wolfSSL_X509_free(x509);
	return found;
}

static bool copy_serial(const struct certificate *certificate, char *out, size_t room)
{
	char text[CERTIFICATE_SERIAL_MAX];
	certificate_serial(certificate, text);
	if (strlen(text) >= room)
		return false;
	memcpy(out, text, strlen(text) + 1);
	return true;
}

bool tls_peer_serial(const struct tls *tls, char *out, size_t room)
{
	struct certificate certificate;
	WOLFSSL_X509 *x509 = peer_certificate(tls, &certificate);
	bool found = x509 && copy_serial(&certificate, out, room);
	wolfSSL_X509_free(x509);
	return found;
}

void tls_peer_identity(
	const struct tls *tls, char *name, size_t name_room, char *serial, size_t serial_room)
{
	struct certificate certificate;
	WOLFSSL_X509 *x509 = peer_certificate(tls, &certificate);
	if (!x509 || !certificate_common_name(&certificate, name, name_room))
		name[0] = '\0';
	if (!x509 || !copy_serial(&certificate, serial, serial_room))
		serial[0] = '\0';
	wolfSSL_X509_free(x509);
}
