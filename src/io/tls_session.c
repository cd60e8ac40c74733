/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Resumption by tickets (RFC 8446 4.6.1, RFC 5077).  A ticket is encrypted
 * with keys that are derived from the context's secret and the number of the
 * current period of `ticket_lifetime` seconds, so that keys change by
 * themselves and need no table.  A ticket is honoured in its own period and
 * the next.  The secret is the caller's to keep and to renew; tickets of the
 * one before it are still opened.
 *
 *   key_name = HKDF(secret, "name" | period)   16 octets
 *   key      = HKDF(secret, "key" | period)    AES-256-GCM
 *   iv       = 16 random octets, of which 12 are the nonce
 *   mac      = 16 octets of tag, then the rest of the iv again
 */
#include "io/tls_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/hmac.h>

enum { TICKET_KEY = 32, TICKET_NONCE = 12, TICKET_TAG = 16 };
enum { TICKET_ROOM = 4096 };                            /* octets of a ticket that we would use */
enum { LIFETIME_DEFAULT = 300, LIFETIME_MAX = 604800 }; /* s; RFC 8446 4.6.1: seven days */

struct ticket_key {
	uint8_t name[WOLFSSL_TICKET_NAME_SZ];
	uint8_t key[TICKET_KEY];
};

struct tls_session {
	WOLFSSL_SESSION *wolf;
	struct tls_context *context; /* one reference */
	char *host;
};

/* A copy of one of the secrets; false when there are fewer. */
static bool ticket_secret(
	struct tls_context *context, unsigned which, uint8_t secret[TLS_TICKET_SECRET])
{
	pthread_mutex_lock(&context->ticket_lock);
	bool there = which < context->ticket_secret_count;
	if (there)
		memcpy(secret, context->ticket_secrets[which], TLS_TICKET_SECRET);
	pthread_mutex_unlock(&context->ticket_lock);
	return there;
}

void tls_context_set_tickets(
	struct tls_context *context, const uint8_t *current, const uint8_t *previous)
{
	pthread_mutex_lock(&context->ticket_lock);
	explicit_bzero(context->ticket_secrets, sizeof(context->ticket_secrets));
	memcpy(context->ticket_secrets[0], current, TLS_TICKET_SECRET);
	if (previous)
		memcpy(context->ticket_secrets[1], previous, TLS_TICKET_SECRET);
	context->ticket_secret_count = previous ? 2 : 1;
	pthread_mutex_unlock(&context->ticket_lock);
}

static bool derive(const uint8_t secret[TLS_TICKET_SECRET], const char *purpose, uint64_t period,
	uint8_t *out, size_t length)
{
	uint8_t label[16] = {0};
	strncpy((char *)label, purpose, 8);
	put_u64(label + 8, period);
	return wc_HKDF(WC_SHA256, secret, TLS_TICKET_SECRET, NULL, 0, label, sizeof(label), out,
		       (word32)length) == 0;
}

static uint64_t period_now(const struct tls_context *context)
{
	return (uint64_t)time(NULL) / context->ticket_lifetime;
}

static bool ticket_key(
	struct tls_context *context, unsigned which, uint64_t period, struct ticket_key *out)
{
	uint8_t secret[TLS_TICKET_SECRET];
	bool good = ticket_secret(context, which, secret) &&
		    derive(secret, "name", period, out->name, sizeof(out->name)) &&
		    derive(secret, "key", period, out->key, sizeof(out->key));
	explicit_bzero(secret, sizeof(secret));
	return good;
}

/* In place; the name is authenticated along. */
static bool ticket_crypt(const struct ticket_key *key, bool seal, const uint8_t *iv, uint8_t *tag,
	uint8_t *octets, size_t length)
{
	Aes aes;
	if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0)
		return false;
	int error = wc_AesGcmSetKey(&aes, key->key, sizeof(key->key));
	if (error == 0 && seal)
		error = wc_AesGcmEncrypt(&aes, octets, octets, (word32)length, iv, TICKET_NONCE,
			tag, TICKET_TAG, key->name, sizeof(key->name));
	else if (error == 0)
		error = wc_AesGcmDecrypt(&aes, octets, octets, (word32)length, iv, TICKET_NONCE,
			tag, TICKET_TAG, key->name, sizeof(key->name));
	wc_AesFree(&aes);
	return error == 0;
}

static int ticket_seal(struct tls_context *context, uint8_t *name, uint8_t *iv, uint8_t *mac,
	uint8_t *octets, int length)
{
	struct ticket_key key;
	bool good = ticket_key(context, 0, period_now(context), &key) &&
		    getrandom(iv, WOLFSSL_TICKET_IV_SZ, 0) == WOLFSSL_TICKET_IV_SZ &&
		    ticket_crypt(&key, true, iv, mac, octets, (size_t)length);
	if (good) {
		memcpy(name, key.name, sizeof(key.name));
		memcpy(mac + TICKET_TAG, iv, WOLFSSL_TICKET_MAC_SZ - TICKET_TAG);
	}
	explicit_bzero(&key, sizeof(key));
	return good ? WOLFSSL_TICKET_RET_OK : WOLFSSL_TICKET_RET_REJECT;
}

/* The key with that name, of both secrets and periods; `aging` when a newer one
 * is in use already. */
static bool find_ticket_key(
	struct tls_context *context, const uint8_t *name, struct ticket_key *key, bool *aging)
{
	uint64_t now = period_now(context);
	for (unsigned which = 0; which < TLS_TICKET_SECRETS; which++)
		for (uint64_t age = 0; age < 2; age++) {
			*aging = which || age;
			if (ticket_key(context, which, now - age, key) &&
				memcmp(name, key->name, sizeof(key->name)) == 0)
				return true;
		}
	return false;
}

static int ticket_open(struct tls_context *context, const uint8_t *name, const uint8_t *iv,
	uint8_t *mac, uint8_t *octets, int length)
{
	struct ticket_key key;
	bool aging;
	int result = WOLFSSL_TICKET_RET_REJECT;
	/* An aging ticket is good, and replaced. */
	if (find_ticket_key(context, name, &key, &aging) &&
		ticket_crypt(&key, false, iv, mac, octets, (size_t)length))
		result = aging ? WOLFSSL_TICKET_RET_CREATE : WOLFSSL_TICKET_RET_OK;
	explicit_bzero(&key, sizeof(key));
	return result;
}

static int ticket_callback(WOLFSSL *wolf, unsigned char name[WOLFSSL_TICKET_NAME_SZ],
	unsigned char iv[WOLFSSL_TICKET_IV_SZ], unsigned char mac[WOLFSSL_TICKET_MAC_SZ], int seal,
	unsigned char *octets, int length, int *out_length, void *user)
{
	(void)wolf;
	*out_length = length;
	return seal ? ticket_seal(user, name, iv, mac, octets, length)
		    : ticket_open(user, name, iv, mac, octets, length);
}

int tls_session_setup(struct tls_context *context, const struct tls_settings *settings)
{
	WOLFSSL_CTX *wolf = context->wolf;
	/* Two calls, since "off" is the value 0.  No session is found but by its
	 * ticket: wolfSSL's cache is one for all contexts, whatever they demand. */
	wolfSSL_CTX_set_session_cache_mode(wolf, WOLFSSL_SESS_CACHE_OFF);
	wolfSSL_CTX_set_session_cache_mode(
		wolf, WOLFSSL_SESS_CACHE_NO_INTERNAL | WOLFSSL_SESS_CACHE_NO_AUTO_CLEAR);
	if (!context->server)
		return wolfSSL_CTX_UseSessionTicket(wolf) == WOLFSSL_SUCCESS ? 0 : -EIO;
	context->ticket_lifetime =
		settings->ticket_lifetime ? settings->ticket_lifetime : LIFETIME_DEFAULT;
	if (context->ticket_lifetime > LIFETIME_MAX)
		context->ticket_lifetime = LIFETIME_MAX;
	if (getrandom(context->ticket_secrets[0], TLS_TICKET_SECRET, 0) != TLS_TICKET_SECRET)
		return -EIO;
	context->ticket_secret_count = 1;
	wolfSSL_CTX_set_timeout(wolf, context->ticket_lifetime);
	if (wolfSSL_CTX_set_TicketEncCtx(wolf, context) != WOLFSSL_SUCCESS ||
		wolfSSL_CTX_set_TicketEncCb(wolf, ticket_callback) != WOLFSSL_SUCCESS ||
		wolfSSL_CTX_set_TicketHint(wolf, (int)context->ticket_lifetime) != WOLFSSL_SUCCESS)
		return -EIO;
	return 0;
}

/* A session is found by its ticket or not at all. */
static bool has_ticket(WOLFSSL *wolf)
{
	uint8_t ticket[TICKET_ROOM];
	word32 length = sizeof(ticket);
	return wolfSSL_get_SessionTicket(wolf, ticket, &length) == WOLFSSL_SUCCESS && length > 0;
}

struct tls_session *tls_session_take(struct tls *tls)
{
	if (!tls->established || tls->context->server || tls->ended == TLS_FAILED ||
		!has_ticket(tls->wolf))
		return NULL;
	struct tls_session *session = calloc(1, sizeof(*session));
	if (!session)
		return NULL;
	session->context = tls_context_ref(tls->context);
	session->host = strdup(tls->host);
	session->wolf = wolfSSL_get1_session(tls->wolf);
	if (session->host && session->wolf)
		return session;
	tls_session_free(session);
	return NULL;
}

void tls_session_free(struct tls_session *session)
{
	if (!session)
		return;
	if (session->wolf)
		wolfSSL_SESSION_free(session->wolf);
	tls_context_unref(session->context);
	free(session->host);
	free(session);
}

bool tls_resume(struct tls *tls, const struct tls_session *session)
{
	return !tls->established && !tls->context->server && session->context == tls->context &&
	       strcmp(session->host, tls->host) == 0 &&
	       wolfSSL_set_session(tls->wolf, session->wolf) == WOLFSSL_SUCCESS;
}
