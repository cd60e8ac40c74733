/* SPDX-License-Identifier: GPL-3.0-or-later */
/* P-256 by OpenSSL 3's libcrypto; empty in builds without it.
 *
 * A handshake is five short computations.  A key object made for each of them
 * would cost as much again, since libcrypto then builds the curve anew: so the
 * curve, and one key of each use, live as long as the thread. */
#include "io/aead_libcrypto.h"

#ifdef HAVE_LIBCRYPTO

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

/* A key with the operation that it is ready for. */
struct p256_key {
	EVP_PKEY *key;
	EVP_PKEY_CTX *operation;
};

static _Thread_local struct {
	EC_GROUP *group;
	BN_CTX *numbers;
	EC_POINT *point;
	BIGNUM *scalar;
	struct p256_key signing, verifying;
	/* Which keys these are. */
	uint8_t signing_scalar[P256_SCALAR], verifying_point[P256_POINT];
} p256;

static void key_forget(struct p256_key *key)
{
	EVP_PKEY_CTX_free(key->operation);
	EVP_PKEY_free(key->key);
	*key = (struct p256_key){0};
}

/* A key object out of its octets; `scalar` is NULL for a public key. */
static EVP_PKEY *key_new(const uint8_t *scalar, const uint8_t *point)
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

/* --- key shares ------------------------------------------------------------ */

/* The thread's curve and scratch numbers. */
static bool curve_ready(void)
{
	if (p256.scalar)
		return true;
	p256.group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	p256.numbers = BN_CTX_secure_new();
	p256.point = p256.group ? EC_POINT_new(p256.group) : NULL;
	p256.scalar = p256.point && p256.numbers ? BN_secure_new() : NULL;
	if (!p256.scalar)
		return false;
	BN_set_flags(p256.scalar, BN_FLG_CONSTTIME);
	return true;
}

static bool point_octets(uint8_t out[P256_POINT])
{
	return EC_POINT_point2oct(p256.group, p256.point, POINT_CONVERSION_UNCOMPRESSED, out,
		       P256_POINT, p256.numbers) == P256_POINT;
}

enum libcrypto_result libcrypto_p256_generate(
	uint8_t scalar[P256_SCALAR], uint8_t point[P256_POINT])
{
	bool good = curve_ready();
	do
		good = good && BN_priv_rand_range(p256.scalar, EC_GROUP_get0_order(p256.group));
	while (good && BN_is_zero(p256.scalar));
	good = good &&
	       EC_POINT_mul(p256.group, p256.point, p256.scalar, NULL, NULL, p256.numbers) &&
	       BN_bn2binpad(p256.scalar, scalar, P256_SCALAR) == P256_SCALAR && point_octets(point);
	if (p256.scalar)
		BN_clear(p256.scalar);
	return done(good);
}

/* Decoding checks that the point is on the curve; every such point of P-256 has
 * the right order. */
enum libcrypto_result libcrypto_p256_agree(
	const uint8_t scalar[P256_SCALAR], const uint8_t peer[P256_POINT], uint8_t out[P256_SCALAR])
{
	uint8_t shared[P256_POINT];
	bool good =
		curve_ready() && BN_bin2bn(scalar, P256_SCALAR, p256.scalar) &&
		EC_POINT_oct2point(p256.group, p256.point, peer, P256_POINT, p256.numbers) &&
		EC_POINT_mul(p256.group, p256.point, NULL, p256.point, p256.scalar, p256.numbers) &&
		point_octets(shared);
	if (good)
		memcpy(out, shared + 1, P256_SCALAR); /* the x of 04 x y */
	if (p256.scalar) {
		BN_clear(p256.scalar);
		EC_POINT_clear_free(p256.point);
		p256.point = EC_POINT_new(p256.group);
	}
	OPENSSL_cleanse(shared, sizeof(shared));
	return done(good);
}

/* --- signatures ------------------------------------------------------------- */

static bool signing_ready(const uint8_t scalar[P256_SCALAR], const uint8_t point[P256_POINT])
{
	struct p256_key *signing = &p256.signing;
	if (signing->operation && CRYPTO_memcmp(p256.signing_scalar, scalar, P256_SCALAR) == 0)
		return true;
	key_forget(signing);
	signing->key = key_new(scalar, point);
	signing->operation =
		signing->key ? EVP_PKEY_CTX_new_from_pkey(NULL, signing->key, NULL) : NULL;
	if (signing->operation && EVP_PKEY_sign_init(signing->operation) == 1) {
		memcpy(p256.signing_scalar, scalar, P256_SCALAR);
		return true;
	}
	key_forget(signing);
	return false;
}

enum libcrypto_result libcrypto_p256_sign(const uint8_t scalar[P256_SCALAR],
	const uint8_t point[P256_POINT], const uint8_t *digest, size_t digest_length,
	uint8_t signature[P256_SIGNATURE_MAX], size_t *length)
{
	*length = P256_SIGNATURE_MAX;
	return done(signing_ready(scalar, point) && EVP_PKEY_sign(p256.signing.operation, signature,
							    length, digest, digest_length) == 1);
}

/* One key object, whose point is replaced. */
static bool verifying_ready(const uint8_t point[P256_POINT])
{
	struct p256_key *verifying = &p256.verifying;
	if (verifying->operation && memcmp(p256.verifying_point, point, P256_POINT) == 0)
		return true;
	if (!verifying->operation) {
		verifying->key = key_new(NULL, point);
		verifying->operation =
			verifying->key ? EVP_PKEY_CTX_new_from_pkey(NULL, verifying->key, NULL)
				       : NULL;
		if (!verifying->operation || EVP_PKEY_verify_init(verifying->operation) != 1)
			goto forget;
	} else if (EVP_PKEY_set1_encoded_public_key(verifying->key, point, P256_POINT) != 1) {
		goto forget;
	}
	memcpy(p256.verifying_point, point, P256_POINT);
	return true;
forget:
	key_forget(verifying);
	return false;
}

enum libcrypto_result libcrypto_p256_verify(const uint8_t point[P256_POINT], const uint8_t *digest,
	size_t digest_length, const uint8_t *signature, size_t length)
{
	enum libcrypto_result result = LIBCRYPTO_UNAVAILABLE;
	if (verifying_ready(point))
		result = EVP_PKEY_verify(p256.verifying.operation, signature, length, digest,
				 digest_length) == 1
				 ? LIBCRYPTO_OK
				 : LIBCRYPTO_REJECTED;
	ERR_clear_error();
	return result;
}

/* --- a thread's life --------------------------------------------------------- */

bool libcrypto_thread_init(void)
{
	uint8_t scalar[P256_SCALAR], point[P256_POINT], secret[P256_SCALAR];
	uint8_t signature[P256_SIGNATURE_MAX], digest[P256_SCALAR] = {0};
	size_t length;
	bool good = libcrypto_p256_generate(scalar, point) == LIBCRYPTO_OK &&
		    libcrypto_p256_agree(scalar, point, secret) == LIBCRYPTO_OK &&
		    libcrypto_p256_sign(scalar, point, digest, sizeof(digest), signature,
			    &length) == LIBCRYPTO_OK &&
		    libcrypto_p256_verify(point, digest, sizeof(digest), signature, length) ==
			    LIBCRYPTO_OK;
	OPENSSL_cleanse(scalar, sizeof(scalar));
	OPENSSL_cleanse(secret, sizeof(secret));
	return good;
}

void libcrypto_thread_fini(void)
{
	key_forget(&p256.signing);
	key_forget(&p256.verifying);
	BN_clear_free(p256.scalar);
	EC_POINT_clear_free(p256.point);
	BN_CTX_free(p256.numbers);
	EC_GROUP_free(p256.group);
	OPENSSL_cleanse(&p256, sizeof(p256));
}

#endif
