/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pseudonyms are a keyed hash, so that nobody can find an identity by hashing
 * guesses; the key is drawn once and never leaves the process. */
#include "tscfd/identity.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/hmac.h>

enum { KEY_OCTETS = 32, SHOWN_OCTETS = 6 };

static uint8_t key[KEY_OCTETS];

static void draw_key(void)
{
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		memset(key, 0, sizeof(key));
}

static bool pseudonym(const char *identity, char text[IDENTITY_TEXT_MAX])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint8_t digest[WC_SHA256_DIGEST_SIZE];
	Hmac hmac;

	pthread_once(&once, draw_key);
	if (wc_HmacInit(&hmac, NULL, INVALID_DEVID) != 0)
		return false;
	bool ok = wc_HmacSetKey(&hmac, WC_SHA256, key, sizeof(key)) == 0 &&
		  wc_HmacUpdate(&hmac, (const uint8_t *)identity, (word32)strlen(identity)) == 0 &&
		  wc_HmacFinal(&hmac, digest) == 0;
	wc_HmacFree(&hmac);
	if (!ok)
		return false;
	int at = snprintf(text, IDENTITY_TEXT_MAX, "client ");
	for (int i = 0; i < SHOWN_OCTETS; i++)
		at += snprintf(text + at, IDENTITY_TEXT_MAX - (size_t)at, "%02x", digest[i]);
	return true;
}

const char *identity_for_log(
	const char *identity, enum log_identities how, char text[IDENTITY_TEXT_MAX])
{
	if (how == IDENTITIES_FULL)
		snprintf(text, IDENTITY_TEXT_MAX, "%s", *identity ? identity : "anonymous client");
	else if (how == IDENTITIES_NONE || !*identity || !pseudonym(identity, text))
		snprintf(text, IDENTITY_TEXT_MAX, "client");
	return text;
}
