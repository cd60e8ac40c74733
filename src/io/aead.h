/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who computes AES-GCM and P-256 for TLS: wolfSSL itself, or libcrypto through
 * wolfSSL's crypto callback.  Distributions build wolfSSL without assembly;
 * libcrypto is then many times faster, and constant-time where table look-ups
 * are not. */
#ifndef TSCF_IO_AEAD_H
#define TSCF_IO_AEAD_H

#include <stdbool.h>

#include "core/reason.h"

/* Times both and registers the callback; the environment's TSCF_AEAD decides
 * instead: wolfssl, libcrypto, or libcrypto-aes, which leaves P-256 to wolfSSL.
 * Once per process, after wolfSSL_Init.  0 or -errno. */
int aead_init(struct reason *why);
void aead_fini(void);

/* For wolfSSL_CTX_SetDevId and wolfSSL_SetDevId. */
int aead_device(void);
/* "libcrypto" or "wolfssl". */
const char *aead_name(void);
/* Whether P-256 is libcrypto's, and so faster than X25519, which is not. */
bool aead_has_p256(void);

/* In a thread of its own: makes what its first handshake would otherwise wait
 * for; gives that back, keys cleansed. */
void aead_thread_init(void);
void aead_thread_fini(void);

/* The cipher contexts of one TLS object, one per direction, each with a copy
 * of the key it is set to.  Made on first use. */
struct aead {
	struct libcrypto_gcm *seal, *open;
};

/* Every wolfSSL call for a TLS object runs between these two; without an owner
 * wolfSSL computes for itself.  Calls do not nest. */
void aead_enter(struct aead *aead);
void aead_leave(void);
/* Cleanses keys and frees what the contexts hold. */
void aead_forget(struct aead *aead);

#endif
