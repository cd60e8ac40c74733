/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libcrypto behind wolfSSL's crypto callback computes what wolfSSL does. */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include "../unit/unit.h"
#include "io/aead.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NONCE = 12, TAG = 16, LENGTH_MAX = 20000 };

static WC_RNG rng;
static struct aead owner;

struct gcm_case {
	int key_length, length, extra_length, tag_length;
};

/* Lengths around blocks, records, and what libcrypto is not asked for (a
 * short tag). */
static const struct gcm_case cases[] = {
	{16, 0, 0, TAG},
	{16, 1, 5, TAG},
	{16, 15, 13, TAG},
	{32, 16, 5, TAG},
	{32, 17, 0, TAG},
	{16, 1400, 13, TAG},
	{32, 1400, 5, TAG},
	{16, 16384, 5, TAG},
	{32, 16401, 5, TAG},
	{16, 20000, 77, TAG},
	{24, 100, 5, TAG},
	{16, 100, 5, 12},
};

struct gcm_values {
	uint8_t key[32], nonce[NONCE], extra[100], plain[LENGTH_MAX];
	uint8_t native[LENGTH_MAX], foreign[LENGTH_MAX];
	uint8_t native_tag[TAG], foreign_tag[TAG];
};
static struct gcm_values values;

static int seal(Aes *aes, const struct gcm_case *c, uint8_t *out, uint8_t *tag)
{
	return wc_AesGcmEncrypt(aes, out, values.plain, (word32)c->length, values.nonce, NONCE, tag,
		(word32)c->tag_length, values.extra, (word32)c->extra_length);
}

static int open_in_place(Aes *aes, const struct gcm_case *c, uint8_t *octets, const uint8_t *tag)
{
	aead_enter(&owner);
	int error = wc_AesGcmDecrypt(aes, octets, octets, (word32)c->length, values.nonce, NONCE,
		tag, (word32)c->tag_length, values.extra, (word32)c->extra_length);
	aead_leave();
	return error;
}

static void check_case(Aes *native, Aes *foreign, const struct gcm_case *c)
{
	wc_RNG_GenerateBlock(&rng, (byte *)&values, sizeof(values));
	CU_ASSERT_EQUAL(wc_AesGcmSetKey(native, values.key, (word32)c->key_length), 0);
	CU_ASSERT_EQUAL(wc_AesGcmSetKey(foreign, values.key, (word32)c->key_length), 0);
	CU_ASSERT_EQUAL(seal(native, c, values.native, values.native_tag), 0);
	aead_enter(&owner);
	CU_ASSERT_EQUAL(seal(foreign, c, values.foreign, values.foreign_tag), 0);
	aead_leave();
	CU_ASSERT_EQUAL(memcmp(values.native, values.foreign, (size_t)c->length), 0);
	CU_ASSERT_EQUAL(memcmp(values.native_tag, values.foreign_tag, (size_t)c->tag_length), 0);
	/* What wolfSSL sealed opens, in place. */
	CU_ASSERT_EQUAL(open_in_place(foreign, c, values.native, values.native_tag), 0);
	CU_ASSERT_EQUAL(memcmp(values.native, values.plain, (size_t)c->length), 0);
	/* One bit of the tag, the text, or the extra octets. */
	values.foreign_tag[0] ^= 1;
	CU_ASSERT_EQUAL(
		open_in_place(foreign, c, values.foreign, values.foreign_tag), AES_GCM_AUTH_E);
	values.foreign_tag[0] ^= 1;
	memcpy(values.foreign, values.plain, (size_t)c->length);
	aead_enter(&owner);
	seal(foreign, c, values.foreign, values.foreign_tag);
	aead_leave();
	if (c->length > 0) {
		values.foreign[c->length - 1] ^= 0x80;
		CU_ASSERT_EQUAL(open_in_place(foreign, c, values.foreign, values.foreign_tag),
			AES_GCM_AUTH_E);
	} else if (c->extra_length > 0) {
		values.extra[0] ^= 1;
		CU_ASSERT_EQUAL(open_in_place(foreign, c, values.foreign, values.foreign_tag),
			AES_GCM_AUTH_E);
	}
}

/* Each case sets a new key on the same objects, as a key update does. */
static void test_gcm(void)
{
	Aes native, foreign;
	CU_ASSERT_EQUAL_FATAL(wc_AesInit(&native, NULL, INVALID_DEVID), 0);
	CU_ASSERT_EQUAL_FATAL(wc_AesInit(&foreign, NULL, aead_device()), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_case(&native, &foreign, &cases[i]);
	CU_ASSERT_TRUE(owner.seal && owner.open); /* libcrypto was at work */
	wc_AesFree(&native);
	wc_AesFree(&foreign);
	aead_forget(&owner);
	CU_ASSERT_TRUE(!owner.seal && !owner.open);
}

/* Two keys in turn through one owner, record by record. */
static void test_two_keys(void)
{
	Aes keys[2], native;
	const struct gcm_case c = {16, 100, 5, TAG};
	CU_ASSERT_EQUAL_FATAL(wc_AesInit(&native, NULL, INVALID_DEVID), 0);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(wc_AesInit(&keys[i], NULL, aead_device()), 0);
		memset(values.key, i + 1, sizeof(values.key));
		CU_ASSERT_EQUAL(wc_AesGcmSetKey(&keys[i], values.key, 16), 0);
	}
	for (int i = 0; i < 10; i++) {
		values.nonce[0] = (uint8_t)i;
		memset(values.key, i % 2 + 1, sizeof(values.key));
		CU_ASSERT_EQUAL(wc_AesGcmSetKey(&native, values.key, 16), 0);
		CU_ASSERT_EQUAL(seal(&native, &c, values.native, values.native_tag), 0);
		aead_enter(&owner);
		CU_ASSERT_EQUAL(seal(&keys[i % 2], &c, values.foreign, values.foreign_tag), 0);
		aead_leave();
		CU_ASSERT_EQUAL(memcmp(values.native, values.foreign, 100), 0);
		CU_ASSERT_EQUAL(memcmp(values.native_tag, values.foreign_tag, TAG), 0);
	}
	wc_AesFree(&native);
	wc_AesFree(&keys[0]);
	wc_AesFree(&keys[1]);
	aead_forget(&owner);
}

/* Without an owner wolfSSL does it, with the same result. */
static void test_no_owner(void)
{
	Aes native, foreign;
	const struct gcm_case c = {16, 1000, 5, TAG};
	CU_ASSERT_EQUAL_FATAL(wc_AesInit(&native, NULL, INVALID_DEVID), 0);
	CU_ASSERT_EQUAL_FATAL(wc_AesInit(&foreign, NULL, aead_device()), 0);
	CU_ASSERT_EQUAL(wc_AesGcmSetKey(&native, values.key, 16), 0);
	CU_ASSERT_EQUAL(wc_AesGcmSetKey(&foreign, values.key, 16), 0);
	CU_ASSERT_EQUAL(seal(&native, &c, values.native, values.native_tag), 0);
	CU_ASSERT_EQUAL(seal(&foreign, &c, values.foreign, values.foreign_tag), 0);
	CU_ASSERT_EQUAL(memcmp(values.native, values.foreign, 1000), 0);
	CU_ASSERT_TRUE(!owner.seal && !owner.open);
	wc_AesFree(&native);
	wc_AesFree(&foreign);
}

/* A key made with `device`, and a copy of it for the other provider. */
static void make_key(ecc_key *key, int device, ecc_key *copy, int copy_device, int size, int curve)
{
	uint8_t scalar[66], point[140];
	word32 scalar_length = sizeof(scalar), point_length = sizeof(point);
	CU_ASSERT_EQUAL(wc_ecc_init_ex(key, NULL, device), 0);
	CU_ASSERT_EQUAL(wc_ecc_init_ex(copy, NULL, copy_device), 0);
	aead_enter(&owner);
	CU_ASSERT_EQUAL(wc_ecc_make_key_ex(&rng, size, key, curve), 0);
	CU_ASSERT_EQUAL(wc_ecc_check_key(key), 0);
	aead_leave();
	CU_ASSERT_EQUAL(wc_ecc_export_private_only(key, scalar, &scalar_length), 0);
	CU_ASSERT_EQUAL(wc_ecc_export_x963(key, point, &point_length), 0);
	CU_ASSERT_EQUAL(wc_ecc_import_private_key_ex(
				scalar, scalar_length, point, point_length, copy, curve),
		0);
#ifdef ECC_TIMING_RESISTANT
	wc_ecc_set_rng(key, &rng);
	wc_ecc_set_rng(copy, &rng);
#endif
}

/* P-256 by libcrypto, P-384 by wolfSSL: each verifies the other's signatures. */
static void check_signatures(ecc_key *by, ecc_key *other)
{
	uint8_t digest[32] = "digest", signature[ECC_MAX_SIG_SIZE];
	word32 length = sizeof(signature);
	int valid = 0;
	aead_enter(&owner);
	CU_ASSERT_EQUAL(wc_ecc_sign_hash(digest, sizeof(digest), signature, &length, &rng, by), 0);
	CU_ASSERT_EQUAL(
		wc_ecc_verify_hash(signature, length, digest, sizeof(digest), &valid, other), 0);
	CU_ASSERT_EQUAL(valid, 1);
	digest[0] ^= 1;
	int error = wc_ecc_verify_hash(signature, length, digest, sizeof(digest), &valid, other);
	CU_ASSERT_TRUE(error != 0 || valid == 0);
	digest[0] ^= 1;
	signature[length - 1] ^= 1;
	error = wc_ecc_verify_hash(signature, length, digest, sizeof(digest), &valid, other);
	CU_ASSERT_TRUE(error != 0 || valid == 0);
	aead_leave();
}

static void check_agreement(ecc_key *a, ecc_key *b, ecc_key *a_copy, ecc_key *b_copy)
{
	uint8_t first[66], second[66];
	word32 first_length = sizeof(first), second_length = sizeof(second);
	aead_enter(&owner);
	CU_ASSERT_EQUAL(wc_ecc_shared_secret(a, b, first, &first_length), 0);
	CU_ASSERT_EQUAL(wc_ecc_shared_secret(b_copy, a_copy, second, &second_length), 0);
	aead_leave();
	CU_ASSERT_EQUAL(first_length, second_length);
	CU_ASSERT_EQUAL(memcmp(first, second, first_length), 0);
}

static void test_curves(void)
{
	static const struct {
		int size, curve;
	} curves[] = {{32, ECC_SECP256R1}, {48, ECC_SECP384R1}};
	for (int i = 0; i < 20; i++) {
		ecc_key foreign, native, foreign_peer, native_peer;
		int size = curves[i % 2].size, curve = curves[i % 2].curve;
		make_key(&foreign, aead_device(), &native, INVALID_DEVID, size, curve);
		make_key(&native_peer, INVALID_DEVID, &foreign_peer, aead_device(), size, curve);
		check_signatures(&foreign, &native);
		check_signatures(&native, &foreign);
		check_agreement(&foreign, &foreign_peer, &native, &native_peer);
		wc_ecc_free(&foreign);
		wc_ecc_free(&native);
		wc_ecc_free(&foreign_peer);
		wc_ecc_free(&native_peer);
	}
}

/* A point that is not on the curve gives no secret. */
static void test_bad_point(void)
{
	ecc_key ours, peer, copy;
	uint8_t point[65], secret[32];
	word32 length = sizeof(point), secret_length = sizeof(secret);
	make_key(&ours, aead_device(), &copy, aead_device(), 32, ECC_SECP256R1);
	CU_ASSERT_EQUAL(wc_ecc_export_x963(&ours, point, &length), 0);
	point[64] ^= 1;
	CU_ASSERT_EQUAL(wc_ecc_init_ex(&peer, NULL, aead_device()), 0);
	aead_enter(&owner);
	CU_ASSERT_TRUE(wc_ecc_import_x963_ex(point, length, &peer, ECC_SECP256R1) != 0 ||
		       wc_ecc_check_key(&peer) != 0 ||
		       wc_ecc_shared_secret(&ours, &peer, secret, &secret_length) != 0);
	aead_leave();
	wc_ecc_free(&ours);
	wc_ecc_free(&copy);
	wc_ecc_free(&peer);
}

static void test_choice(void)
{
	struct reason why;
	aead_fini();
	setenv("TSCF_AEAD", "wolfssl", 1);
	CU_ASSERT_EQUAL(aead_init(&why), 0);
	CU_ASSERT_STRING_EQUAL(aead_name(), "wolfssl");
	CU_ASSERT_EQUAL(aead_device(), INVALID_DEVID);
	aead_fini();
	setenv("TSCF_AEAD", "fpga", 1);
	CU_ASSERT_NOT_EQUAL(aead_init(&why), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "fpga"));
	unsetenv("TSCF_AEAD");
	CU_ASSERT_EQUAL(aead_init(&why), 0); /* by timing */
	aead_fini();
	setenv("TSCF_AEAD", "libcrypto", 1);
	CU_ASSERT_EQUAL(aead_init(&why), 0);
	CU_ASSERT_STRING_EQUAL(aead_name(), "libcrypto");
}

static const struct unit_test tests[] = {
	{"AES-GCM", test_gcm},
	{"keys in turn", test_two_keys},
	{"no owner", test_no_owner},
	{"elliptic curves", test_curves},
	{"a point off the curve", test_bad_point},
	{"who is chosen", test_choice},
};

int main(void)
{
	struct reason why;
	setenv("TSCF_AEAD", "libcrypto", 1);
	if (wolfSSL_Init() != WOLFSSL_SUCCESS || wc_InitRng(&rng) != 0)
		return EXIT_FAILURE;
	if (aead_init(&why) != 0) {
		fprintf(stderr, "%s\n", why.text);
		return strstr(why.text, "built without") ? 77 : EXIT_FAILURE;
	}
	int status = unit_run("aead", tests, sizeof(tests) / sizeof(tests[0]));
	wc_FreeRng(&rng);
	aead_fini();
#if defined(HAVE_ECC) && defined(FP_ECC)
	wc_ecc_fp_free();
#endif
	wolfSSL_Cleanup();
	return status;
}
