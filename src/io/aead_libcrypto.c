/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AES-GCM by OpenSSL 3's libcrypto; empty in builds without it. */
#include "io/aead_libcrypto.h"

#ifdef HAVE_LIBCRYPTO

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* Fetched once: looking an algorithm up costs more than using it. */
static struct {
	EVP_CIPHER *aes128, *aes256;
} libcrypto;

struct libcrypto_gcm {
	EVP_CIPHER_CTX *cipher;
	bool seal;
	size_t key_length; /* 0: no key yet */
	uint8_t key[GCM_KEY_MAX];
};

bool libcrypto_open(void)
{
	libcrypto.aes128 = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	libcrypto.aes256 = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	bool good = libcrypto.aes128 && libcrypto.aes256 && libcrypto_thread_init();
	if (!good)
		libcrypto_close();
	return good;
}

void libcrypto_close(void)
{
	libcrypto_thread_fini();
	EVP_CIPHER_free(libcrypto.aes128);
	EVP_CIPHER_free(libcrypto.aes256);
	libcrypto.aes128 = libcrypto.aes256 = NULL;
}

struct libcrypto_gcm *libcrypto_gcm_new(bool seal)
{
	struct libcrypto_gcm *gcm = calloc(1, sizeof(*gcm));
	if (!gcm)
		return NULL;
	gcm->seal = seal;
	gcm->cipher = EVP_CIPHER_CTX_new();
	if (gcm->cipher)
		return gcm;
	free(gcm);
	return NULL;
}

void libcrypto_gcm_free(struct libcrypto_gcm *gcm)
{
	if (!gcm)
		return;
	EVP_CIPHER_CTX_free(gcm->cipher); /* cleanses the key schedule */
	OPENSSL_cleanse(gcm, sizeof(*gcm));
	free(gcm);
}

/* Handshake keys, application keys, key updates: the caller just passes the
 * key of the moment. */
static bool set_key(struct libcrypto_gcm *gcm, const uint8_t *key, size_t length)
{
	if (gcm->key_length == length && memcmp(gcm->key, key, length) == 0)
		return true;
	gcm->key_length = 0;
	const EVP_CIPHER *cipher = length == 16   ? libcrypto.aes128
				   : length == 32 ? libcrypto.aes256
						  : NULL;
	if (!cipher || !EVP_CipherInit_ex2(gcm->cipher, cipher, key, NULL, gcm->seal, NULL))
		return false;
	memcpy(gcm->key, key, length);
	gcm->key_length = length;
	return true;
}

/* Everything but the tag, with the key that is set. */
static bool run(struct libcrypto_gcm *gcm, const struct gcm_record *record)
{
	int length;
	return record->length <= INT_MAX && record->extra_length <= INT_MAX &&
	       EVP_CipherInit_ex2(gcm->cipher, NULL, NULL, record->nonce, gcm->seal, NULL) &&
	       (record->extra_length == 0 || EVP_CipherUpdate(gcm->cipher, NULL, &length,
						     record->extra, (int)record->extra_length)) &&
	       (record->length == 0 || EVP_CipherUpdate(gcm->cipher, record->out, &length,
					       record->in, (int)record->length));
}

enum libcrypto_result libcrypto_gcm_seal(
	struct libcrypto_gcm *gcm, const struct gcm_record *record, uint8_t tag[GCM_TAG])
{
	uint8_t nothing[GCM_TAG];
	int length;
	/* Before the first octet is written, a failure can still be left to
	 * somebody else; after it, `in` may be gone. */
	if (!set_key(gcm, record->key, record->key_length)) {
		ERR_clear_error();
		return LIBCRYPTO_UNAVAILABLE;
	}
	if (run(gcm, record) && EVP_CipherFinal_ex(gcm->cipher, nothing, &length) &&
		EVP_CIPHER_CTX_ctrl(gcm->cipher, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, tag) == 1)
		return LIBCRYPTO_OK;
	ERR_clear_error();
	return LIBCRYPTO_REJECTED;
}

enum libcrypto_result libcrypto_gcm_open(
	struct libcrypto_gcm *gcm, const struct gcm_record *record, const uint8_t tag[GCM_TAG])
{
	uint8_t nothing[GCM_TAG], expected[GCM_TAG];
	int length;
	memcpy(expected, tag, sizeof(expected));
	if (!set_key(gcm, record->key, record->key_length)) {
		ERR_clear_error();
		return LIBCRYPTO_UNAVAILABLE;
	}
	if (run(gcm, record) &&
		EVP_CIPHER_CTX_ctrl(gcm->cipher, EVP_CTRL_AEAD_SET_TAG, GCM_TAG, expected) == 1 &&
		EVP_CipherFinal_ex(gcm->cipher, nothing, &length))
		return LIBCRYPTO_OK;
	ERR_clear_error();
	return LIBCRYPTO_REJECTED;
}

#endif
