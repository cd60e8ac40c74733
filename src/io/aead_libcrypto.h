/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libcrypto's side of io/aead.  Its headers and wolfSSL's cannot share a
 * translation unit, so nothing of either shows here. Any thread; an object
 * belongs to one at a time. */
#ifndef TSCF_IO_AEAD_LIBCRYPTO_H
#define TSCF_IO_AEAD_LIBCRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GCM_NONCE = 12, GCM_TAG = 16, GCM_KEY_MAX = 32 };
enum { P256_SCALAR = 32, P256_POINT = 65, P256_SIGNATURE_MAX = 72 };

enum libcrypto_result {
	LIBCRYPTO_OK,
	LIBCRYPTO_REJECTED,    /* the tag or signature is wrong */
	LIBCRYPTO_UNAVAILABLE, /* not done: somebody else has to */
};

/* False when this libcrypto lacks AES-GCM or P-256. */
bool libcrypto_open(void);
void libcrypto_close(void);

/* AES-GCM in one direction: a cipher context and a copy of the key that it is
 * set to, since setting it costs more than a small record. */
struct libcrypto_gcm;

/* What is to be sealed or opened; `out` may be `in`. */
struct gcm_record {
	const uint8_t *key, *nonce, *in, *extra;
	size_t key_length, length, extra_length; /* key: 16 or 32; nonce: GCM_NONCE */
	uint8_t *out;
};

struct libcrypto_gcm *libcrypto_gcm_new(bool seal); /* NULL: no memory */
void libcrypto_gcm_free(struct libcrypto_gcm *gcm); /* cleanses; takes NULL */
enum libcrypto_result libcrypto_gcm_seal(
	struct libcrypto_gcm *gcm, const struct gcm_record *record, uint8_t tag[GCM_TAG]);
enum libcrypto_result libcrypto_gcm_open(
	struct libcrypto_gcm *gcm, const struct gcm_record *record, const uint8_t tag[GCM_TAG]);

/* P-256 (p256_libcrypto.c). Points are uncompressed (X9.62), signatures DER.
 * What these need is made once for each thread and kept, the last signing key
 * too: building a group or looking an algorithm up costs more than a signature.
 * thread_init makes it now (a first use costs milliseconds) and is false when
 * there is no P-256; thread_fini cleanses it. */
bool libcrypto_thread_init(void);
void libcrypto_thread_fini(void);
enum libcrypto_result libcrypto_p256_generate(
	uint8_t scalar[P256_SCALAR], uint8_t point[P256_POINT]);
enum libcrypto_result libcrypto_p256_agree(const uint8_t scalar[P256_SCALAR],
	const uint8_t peer[P256_POINT], uint8_t out[P256_SCALAR]);
enum libcrypto_result libcrypto_p256_sign(const uint8_t scalar[P256_SCALAR],
	const uint8_t point[P256_POINT], const uint8_t *digest, size_t digest_length,
	uint8_t signature[P256_SIGNATURE_MAX], size_t *length);
enum libcrypto_result libcrypto_p256_verify(const uint8_t point[P256_POINT], const uint8_t *digest,
	size_t digest_length, const uint8_t *signature, size_t length);

#endif
