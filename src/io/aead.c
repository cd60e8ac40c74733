/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wolfSSL's side: the crypto callback, and the choice between the two.
 *
 * The callback finds the cipher contexts of the TLS object at work in a
 * thread-local owner.  Whatever is unusual it leaves to wolfSSL. */
#include "io/aead.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <stdbool.h>

#if defined(HAVE_LIBCRYPTO) && defined(WOLF_CRYPTO_CB)

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <wolfssl/wolfcrypt/cryptocb.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include "io/aead_libcrypto.h"
#include "io/clock.h"

enum {
	AEAD_DEVICE = 24322,  /* any number but INVALID_DEVID */
	TRIAL_RECORD = 16384, /* octets of a full record */
	TRIAL_ROUNDS = 2,     /* the best of */
	WORTH_IT = 2,         /* libcrypto must be this many times faster */
};

static bool ready, gcm_here, p256_here;
static _Thread_local struct aead *owner;

static int wolf_result(enum libcrypto_result result, int rejected)
{
	switch (result) {
	case LIBCRYPTO_OK:
		return 0;
	case LIBCRYPTO_REJECTED:
		return rejected;
	case LIBCRYPTO_UNAVAILABLE:
		break;
	}
	return CRYPTOCB_UNAVAILABLE;
}

static int gcm_seal(const wc_CryptoInfo *info)
{
	const Aes *aes = info->cipher.aesgcm_enc.aes;
	if (info->cipher.aesgcm_enc.ivSz != GCM_NONCE ||
		info->cipher.aesgcm_enc.authTagSz != GCM_TAG)
		return CRYPTOCB_UNAVAILABLE;
	if (!owner->seal && !(owner->seal = libcrypto_gcm_new(true)))
		return CRYPTOCB_UNAVAILABLE;
	struct gcm_record record = {
		.key = (const uint8_t *)aes->devKey,
		.key_length = (size_t)aes->keylen,
		.nonce = info->cipher.aesgcm_enc.iv,
		.in = info->cipher.aesgcm_enc.in,
		.out = info->cipher.aesgcm_enc.out,
		.length = info->cipher.aesgcm_enc.sz,
		.extra = info->cipher.aesgcm_enc.authIn,
		.extra_length = info->cipher.aesgcm_enc.authInSz,
	};
	return wolf_result(
		libcrypto_gcm_seal(owner->seal, &record, info->cipher.aesgcm_enc.authTag), WC_HW_E);
}

static int gcm_open(const wc_CryptoInfo *info)
{
	const Aes *aes = info->cipher.aesgcm_dec.aes;
	if (info->cipher.aesgcm_dec.ivSz != GCM_NONCE ||
		info->cipher.aesgcm_dec.authTagSz != GCM_TAG)
		return CRYPTOCB_UNAVAILABLE;
	if (!owner->open && !(owner->open = libcrypto_gcm_new(false)))
		return CRYPTOCB_UNAVAILABLE;
	struct gcm_record record = {
		.key = (const uint8_t *)aes->devKey,
		.key_length = (size_t)aes->keylen,
		.nonce = info->cipher.aesgcm_dec.iv,
		.in = info->cipher.aesgcm_dec.in,
		.out = info->cipher.aesgcm_dec.out,
		.length = info->cipher.aesgcm_dec.sz,
		.extra = info->cipher.aesgcm_dec.authIn,
		.extra_length = info->cipher.aesgcm_dec.authInSz,
	};
	return wolf_result(
		libcrypto_gcm_open(owner->open, &record, info->cipher.aesgcm_dec.authTag),
		AES_GCM_AUTH_E);
}

static bool is_p256(const ecc_key *key)
{
	return key && key->dp && key->dp->id == ECC_SECP256R1;
}

static bool export_point(ecc_key *key, uint8_t point[P256_POINT])
{
	word32 length = P256_POINT;
	return wc_ecc_export_x963(key, point, &length) == 0 && length == P256_POINT;
}

static bool export_scalar(ecc_key *key, uint8_t scalar[P256_SCALAR])
{
	word32 length = P256_SCALAR;
	return wc_ecc_export_private_only(key, scalar, &length) == 0 && length == P256_SCALAR;
}

static int p256_generate(const wc_CryptoInfo *info)
{
	uint8_t scalar[P256_SCALAR], point[P256_POINT];
	int curve = info->pk.eckg.curveId;
	if (curve != ECC_SECP256R1 &&
		!(curve == ECC_CURVE_DEF && info->pk.eckg.size == P256_SCALAR))
		return CRYPTOCB_UNAVAILABLE;
	enum libcrypto_result result = libcrypto_p256_generate(scalar, point);
	int error = wolf_result(result, CRYPTOCB_UNAVAILABLE);
	if (error == 0)
		error = wc_ecc_import_private_key_ex(scalar, sizeof(scalar), point, sizeof(point),
			info->pk.eckg.key, ECC_SECP256R1);
	explicit_bzero(scalar, sizeof(scalar));
	return error;
}

static int p256_agree(const wc_CryptoInfo *info)
{
	uint8_t scalar[P256_SCALAR], peer[P256_POINT];
	ecc_key *key = info->pk.ecdh.private_key;
	int error = CRYPTOCB_UNAVAILABLE;
	if (is_p256(key) && key->type == ECC_PRIVATEKEY && is_p256(info->pk.ecdh.public_key) &&
		*info->pk.ecdh.outlen >= P256_SCALAR && export_scalar(key, scalar) &&
		export_point(info->pk.ecdh.public_key, peer))
		error = wolf_result(libcrypto_p256_agree(scalar, peer, info->pk.ecdh.out),
			CRYPTOCB_UNAVAILABLE);
	if (error == 0)
		*info->pk.ecdh.outlen = P256_SCALAR;
	explicit_bzero(scalar, sizeof(scalar));
	return error;
}

static int p256_sign(const wc_CryptoInfo *info)
{
	uint8_t scalar[P256_SCALAR], point[P256_POINT], signature[P256_SIGNATURE_MAX];
	ecc_key *key = info->pk.eccsign.key;
	size_t length = 0;
	int error = CRYPTOCB_UNAVAILABLE;
	if (is_p256(key) && key->type == ECC_PRIVATEKEY && export_scalar(key, scalar) &&
		export_point(key, point))
		error = wolf_result(libcrypto_p256_sign(scalar, point, info->pk.eccsign.in,
					    info->pk.eccsign.inlen, signature, &length),
			CRYPTOCB_UNAVAILABLE);
	if (error == 0 && length > *info->pk.eccsign.outlen)
		error = BUFFER_E;
	if (error == 0) {
		memcpy(info->pk.eccsign.out, signature, length);
		*info->pk.eccsign.outlen = (word32)length;
	}
	explicit_bzero(scalar, sizeof(scalar));
	return error;
}

static int p256_verify(const wc_CryptoInfo *info)
{
	uint8_t point[P256_POINT];
	if (!is_p256(info->pk.eccverify.key) || !export_point(info->pk.eccverify.key, point))
		return CRYPTOCB_UNAVAILABLE;
	switch (libcrypto_p256_verify(point, info->pk.eccverify.hash, info->pk.eccverify.hashlen,
		info->pk.eccverify.sig, info->pk.eccverify.siglen)) {
	case LIBCRYPTO_OK:
		*info->pk.eccverify.res = 1;
		return 0;
	case LIBCRYPTO_REJECTED:
		*info->pk.eccverify.res = 0;
		return 0;
	case LIBCRYPTO_UNAVAILABLE:
		break;
	}
	return CRYPTOCB_UNAVAILABLE;
}

/* wolfSSL seeds a generator of its own for every connection, from a device file
 * that it opens each time; the kernel's is there already. */
static int draw(uint8_t *out, size_t length)
{
	while (length > 0) {
		ssize_t got = getrandom(out, length, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return CRYPTOCB_UNAVAILABLE;
		out += got;
		length -= (size_t)got;
	}
	return 0;
}

static int compute(int device, wc_CryptoInfo *info, void *user)
{
	(void)device;
	(void)user;
	if (info->algo_type == WC_ALGO_TYPE_RNG)
		return draw(info->rng.out, info->rng.sz);
	if (info->algo_type == WC_ALGO_TYPE_SEED)
		return draw(info->seed.seed, info->seed.sz);
	if (!owner)
		return CRYPTOCB_UNAVAILABLE;
	if (info->algo_type == WC_ALGO_TYPE_CIPHER && info->cipher.type == WC_CIPHER_AES_GCM &&
		gcm_here)
		return info->cipher.enc ? gcm_seal(info) : gcm_open(info);
	if (info->algo_type != WC_ALGO_TYPE_PK || !p256_here)
		return CRYPTOCB_UNAVAILABLE;
	switch (info->pk.type) {
	case WC_PK_TYPE_EC_KEYGEN:
		return p256_generate(info);
	case WC_PK_TYPE_ECDH:
		return p256_agree(info);
	case WC_PK_TYPE_ECDSA_SIGN:
		return p256_sign(info);
	case WC_PK_TYPE_ECDSA_VERIFY:
		return p256_verify(info);
	}
	return CRYPTOCB_UNAVAILABLE;
}

/* us for one full record, by whoever `device` and `owner` choose. */
static uint64_t time_gcm(int device, uint8_t *record)
{
	static const uint8_t key[16], nonce[GCM_NONCE];
	uint8_t tag[GCM_TAG];
	uint64_t best = UINT64_MAX;
	Aes aes;
	if (wc_AesInit(&aes, NULL, device) != 0)
		return best;
	if (wc_AesGcmSetKey(&aes, key, sizeof(key)) == 0)
		for (int i = 0; i < TRIAL_ROUNDS; i++) {
			uint64_t start = clock_now();
			if (wc_AesGcmEncrypt(&aes, record, record, TRIAL_RECORD, nonce,
				    sizeof(nonce), tag, sizeof(tag), NULL, 0) != 0)
				break;
			uint64_t took = clock_now() - start;
			best = took < best ? took : best;
		}
	wc_AesFree(&aes);
	return best;
}

/* us for one key agreement by `device`, the best of `rounds`. */
static uint64_t time_agreement(ecc_key *ours, ecc_key *theirs, int device, int rounds)
{
	uint64_t best = UINT64_MAX;
	uint8_t secret[P256_SCALAR];
	ours->devId = device;
	for (int i = 0; i < rounds; i++) {
		word32 length = sizeof(secret);
		uint64_t start = clock_now();
		if (wc_ecc_shared_secret(ours, theirs, secret, &length) != 0)
			break;
		uint64_t took = clock_now() - start;
		best = took < best ? took : best;
	}
	return best;
}

/* Between two fresh keys, as in a handshake: wolfSSL keeps tables for points that
 * it has seen before.  It has one round, which is long enough. */
static bool p256_is_worth_it(void)
{
	bool worth = false;
	WC_RNG random;
	ecc_key ours, theirs;
	if (wc_InitRng_ex(&random, NULL, AEAD_DEVICE) != 0)
		return false;
	if (wc_ecc_init_ex(&ours, NULL, AEAD_DEVICE) != 0)
		goto free_random;
	if (wc_ecc_init_ex(&theirs, NULL, AEAD_DEVICE) != 0)
		goto free_ours;
	if (wc_ecc_make_key_ex(&random, P256_SCALAR, &ours, ECC_SECP256R1) == 0 &&
		wc_ecc_make_key_ex(&random, P256_SCALAR, &theirs, ECC_SECP256R1) == 0) {
#ifdef ECC_TIMING_RESISTANT
		wc_ecc_set_rng(&ours, &random);
#endif
		uint64_t here = time_agreement(&ours, &theirs, AEAD_DEVICE, TRIAL_ROUNDS);
		worth = here < time_agreement(&ours, &theirs, INVALID_DEVID, 1) / WORTH_IT;
	}
	wc_ecc_free(&theirs);
free_ours:
	wc_ecc_free(&ours);
free_random:
	wc_FreeRng(&random);
	return worth;
}

static bool gcm_is_worth_it(void)
{
	uint8_t *record = calloc(1, TRIAL_RECORD);
	if (!record)
		return true;
	uint64_t native = time_gcm(INVALID_DEVID, record);
	bool worth = time_gcm(AEAD_DEVICE, record) < native / WORTH_IT;
	free(record);
	return worth;
}

/* wolfSSL without assembly is slower by an order of magnitude; with it, about
 * as fast, and then it keeps the work.  Where it has none for AES, libcrypto is
 * the better one for P-256 too: it has assembly for both.  Timing wolfSSL's
 * P-256 as well would take a millisecond of every start. */
static void choose_by_timing(void)
{
	struct aead trial = {0};
	gcm_here = p256_here = true;
	aead_enter(&trial);
	gcm_here = gcm_is_worth_it();
	p256_here = gcm_here || p256_is_worth_it();
	aead_leave();
	aead_forget(&trial);
}

int aead_init(struct reason *why)
{
	const char *forced = secure_getenv("TSCF_AEAD");
	bool native = forced && strcmp(forced, "wolfssl") == 0;
	bool aes_only = forced && strcmp(forced, "libcrypto-aes") == 0;
	bool foreign = aes_only || (forced && strcmp(forced, "libcrypto") == 0);
	ready = gcm_here = p256_here = false;
	if (forced && !native && !foreign) {
		reason_set(why,
			"TSCF_AEAD is \"%s\"; it may be wolfssl, libcrypto or libcrypto-aes",
			forced);
		return -EINVAL;
	}
	if (native)
		return 0;
	if (libcrypto_open()) {
		ready = wc_CryptoCb_RegisterDevice(AEAD_DEVICE, compute, NULL) == 0;
		if (!ready)
			libcrypto_close();
	}
	if (!ready && foreign) {
		reason_set(why, "TSCF_AEAD=%s, but libcrypto has no AES-GCM or P-256", forced);
		return -ENOTSUP;
	}
	if (!foreign && ready)
		choose_by_timing();
	if (foreign) {
		gcm_here = true;
		p256_here = !aes_only;
	}
	return 0;
}

void aead_fini(void)
{
	if (!ready)
		return;
	wc_CryptoCb_UnRegisterDevice(AEAD_DEVICE);
	libcrypto_close();
	ready = gcm_here = p256_here = false;
}

int aead_device(void)
{
	return gcm_here || p256_here ? AEAD_DEVICE : INVALID_DEVID;
}

const char *aead_name(void)
{
	return gcm_here ? "libcrypto" : "wolfssl";
}

bool aead_has_p256(void)
{
	return p256_here;
}

void aead_thread_init(void)
{
	if (p256_here)
		libcrypto_thread_init();
}

void aead_thread_fini(void)
{
	libcrypto_thread_fini();
}

void aead_enter(struct aead *aead)
{
	owner = aead;
}

void aead_leave(void)
{
	owner = NULL;
}

void aead_forget(struct aead *aead)
{
	libcrypto_gcm_free(aead->seal);
	libcrypto_gcm_free(aead->open);
	*aead = (struct aead){0};
}

#else /* wolfSSL does everything */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int aead_init(struct reason *why)
{
	const char *forced = secure_getenv("TSCF_AEAD");
	if (!forced || strcmp(forced, "wolfssl") == 0)
		return 0;
	reason_set(why, "TSCF_AEAD=%s, but this program was built without libcrypto", forced);
	return -ENOTSUP;
}

void aead_fini(void)
{
}

int aead_device(void)
{
	return INVALID_DEVID;
}

const char *aead_name(void)
{
	return "wolfssl";
}

bool aead_has_p256(void)
{
	return false;
}

void aead_thread_init(void)
{
}

void aead_thread_fini(void)
{
}

void aead_enter(struct aead *aead)
{
	(void)aead;
}

void aead_leave(void)
{
}

void aead_forget(struct aead *aead)
{
	(void)aead;
}

#endif
