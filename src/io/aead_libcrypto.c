/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AES-GCM and P-256 by OpenSSL 3's libcrypto; empty in builds without it. */
#include "io/aead_libcrypto.h"

#ifdef HAVE_LIBCRYPTO

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
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
	uint8_t scalar[P256_SCALAR], point[P256_POINT];
	bool good = libcrypto.aes128 && libcrypto.aes256 &&
		    libcrypto_p256_generate(scalar, point) == LIBCRYPTO_OK;
	OPENSSL_cleanse(scalar, sizeof(scalar));
	if (!good)
		libcrypto_close();
	return good;
}

void libcrypto_close(void)
{
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

/* A key object out of its octets; `scalar` is NULL for a public key. */
static EVP_PKEY *p256_key(const uint8_t *scalar, const uint8_t *point)
{
	EVP_PKEY *key = NULL;
	BIGNUM *number = scalar ? BN_secure_new() : NULL;
	if (scalar && (!number || !BN_bin2bn(scalar, P256_SCALAR, number)))
		goto free_number;
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	if (!build)
		goto free_number;
	OSSL_PARAM *parameters = NULL;
	if (OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) &&
		OSSL_PARAM_BLD_push_octet_string(
			build, OSSL_PKEY_PARAM_PUB_KEY, point, P256_POINT) &&
		(!number || OSSL_PARAM_BLD_push_BN_pad(
				    build, OSSL_PKEY_PARAM_PRIV_KEY, number, P256_SCALAR)))
		parameters = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *maker = parameters ? EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL) : NULL;
	if (maker && EVP_PKEY_fromdata_init(maker) == 1)
		EVP_PKEY_fromdata(
			maker, &key, scalar ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, parameters);
	EVP_PKEY_CTX_free(maker);
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(build);
free_number:
	BN_clear_free(number);
	return key;
}

static enum libcrypto_result done(bool good)
{
	if (!good)
		ERR_clear_error();
	return good ? LIBCRYPTO_OK : LIBCRYPTO_UNAVAILABLE;
}

enum libcrypto_result libcrypto_p256_generate(
	uint8_t scalar[P256_SCALAR], uint8_t point[P256_POINT])
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIGNUM *number = NULL;
	size_t length = 0;
	bool good = key && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1 &&
		    BN_bn2binpad(number, scalar, P256_SCALAR) == P256_SCALAR &&
		    EVP_PKEY_get_octet_string_param(
			    key, OSSL_PKEY_PARAM_PUB_KEY, point, P256_POINT, &length) == 1 &&
		    length == P256_POINT;
	BN_clear_free(number);
	EVP_PKEY_free(key);
	return done(good);
}

enum libcrypto_result libcrypto_p256_agree(const uint8_t scalar[P256_SCALAR],
	const uint8_t own[P256_POINT], const uint8_t peer[P256_POINT], uint8_t out[P256_SCALAR])
{
	EVP_PKEY *ours = p256_key(scalar, own), *theirs = p256_key(NULL, peer);
	EVP_PKEY_CTX *agreement =
		ours && theirs ? EVP_PKEY_CTX_new_from_pkey(NULL, ours, NULL) : NULL;
	size_t length = P256_SCALAR;
	/* No further validation: decoding has checked that the point is on the
	 * curve, and every such point of P-256 has the right order. */
	bool good = agreement && EVP_PKEY_derive_init(agreement) == 1 &&
		    EVP_PKEY_derive_set_peer_ex(agreement, theirs, 0) == 1 &&
		    EVP_PKEY_derive(agreement, out, &length) == 1 && length == P256_SCALAR;
	EVP_PKEY_CTX_free(agreement);
	EVP_PKEY_free(theirs);
	EVP_PKEY_free(ours);
	return done(good);
}

enum libcrypto_result libcrypto_p256_sign(const uint8_t scalar[P256_SCALAR],
	const uint8_t point[P256_POINT], const uint8_t *digest, size_t digest_length,
	uint8_t signature[P256_SIGNATURE_MAX], size_t *length)
{
	EVP_PKEY *key = p256_key(scalar, point);
	EVP_PKEY_CTX *signing = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
	*length = P256_SIGNATURE_MAX;
	bool good = signing && EVP_PKEY_sign_init(signing) == 1 &&
		    EVP_PKEY_sign(signing, signature, length, digest, digest_length) == 1;
	EVP_PKEY_CTX_free(signing);
	EVP_PKEY_free(key);
	return done(good);
}

enum libcrypto_result libcrypto_p256_verify(const uint8_t point[P256_POINT], const uint8_t *digest,
	size_t digest_length, const uint8_t *signature, size_t length)
{
	EVP_PKEY *key = p256_key(NULL, point);
	EVP_PKEY_CTX *verifying = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
	enum libcrypto_result result = LIBCRYPTO_UNAVAILABLE;
	if (verifying && EVP_PKEY_verify_init(verifying) == 1)
		result = EVP_PKEY_verify(verifying, signature, length, digest, digest_length) == 1
				 ? LIBCRYPTO_OK
				 : LIBCRYPTO_REJECTED;
	EVP_PKEY_CTX_free(verifying);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return result;
}

#endif
