/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tls_*.c files share; nobody else includes this. */
#ifndef TSCF_IO_TLS_PRIVATE_H
#define TSCF_IO_TLS_PRIVATE_H

#include <pthread.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "io/aead.h"
#include "io/certificate.h"
#include "io/tls.h"

enum {
	TLS_RECORD_MAX = 16384 + 512, /* TLSCiphertext, RFC 8446 5.2 and RFC 5246 6.2.3 */
	TLS_RECEIVE_MAX = 262144,     /* one recv */
	TLS_FIRST_OCTETS = 16,        /* of the peer, kept to name what is no TLS */
	TLS_ANSWERS_MAX = 65536,      /* unsent octets that the peer made us write */
	TLS_TICKET_SECRET = 32,
	TLS_TICKET_SECRETS = 2,
};

struct tls_context {
	WOLFSSL_CTX *wolf;
	unsigned references; /* atomic */
	bool server;
	bool has_pin;
	uint8_t pin[WC_SHA256_DIGEST_SIZE];
	char *alpn;
	int64_t expiry;
	uint32_t ticket_lifetime;
	/* Current, previous; read at handshakes by every thread. */
	pthread_mutex_t ticket_lock;
	uint8_t ticket_secrets[TLS_TICKET_SECRETS][TLS_TICKET_SECRET];
	unsigned ticket_secret_count;
	bool tls13_only;
	char ca_name[CERTIFICATE_NAME_MAX]; /* the first one's subject */
	unsigned ca_count;
	/* The CRL that ends first. */
	bool has_crl;
	char crl_issuer[CERTIFICATE_NAME_MAX];
	int64_t crl_next_update;
};

/* Octets [head, tail) wait. */
struct tls_buffer {
	uint8_t *octets;
	size_t head, tail, capacity;
};

struct tls {
	WOLFSSL *wolf;
	struct tls_context *context; /* one reference */
	struct aead aead;
	int fd;
	char *host; /* whom the peer must be; NULL on a server */
	/* Ciphertext: received but not yet decrypted, and not yet sent.  Both
	 * hold no memory while empty. */
	struct tls_buffer input, output;
	struct tls_buffer window; /* what wolfSSL may read during this call; borrowed */
	size_t answers;           /* written while reading, since the output was empty */
	bool established;
	bool input_ended;
	int receive_error, send_error; /* errno of recv and send, or 0 */
	bool out_of_memory;
	uint8_t first[TLS_FIRST_OCTETS];
	uint8_t first_length;
	/* Set once: TLS_CLOSED or TLS_FAILED for every later call. */
	enum tls_result ended;
	enum tls_failure failure;
	char *reason;     /* owned; NULL until it failed */
	uint8_t *suspect; /* owned: DER of the certificate that did not verify */
	size_t suspect_length;
	int suspect_depth; /* 0: the peer's own */
};

/* tls_io.c */
int tls_io_receive(WOLFSSL *wolf, char *out, int room, void *user);
int tls_io_send(WOLFSSL *wolf, char *octets, int length, void *user);
/* Makes octets available to wolfSSL: what was left over, else one recv sized
 * for a caller with `room`. */
void tls_io_fill(struct tls *tls, size_t room);
/* Keeps what wolfSSL has not read.  Ends what tls_io_fill began. */
void tls_io_settle(struct tls *tls);
void tls_io_forget(struct tls *tls);

/* tls_reason.c: each sets the failure and its explanation, once. */
enum tls_result tls_fail_wolf(struct tls *tls, int error);
enum tls_result tls_fail_name(struct tls *tls, const struct certificate *certificate);
enum tls_result tls_fail_pin(
	struct tls *tls, const struct certificate *certificate, const uint8_t *digest);
enum tls_result tls_fail(struct tls *tls, enum tls_failure failure, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Remembers what did not verify; returns `preverify` unchanged. */
int tls_verify(int preverify, WOLFSSL_X509_STORE_CTX *store);

/* tls_session.c */
int tls_session_setup(struct tls_context *context, const struct tls_settings *settings);

#endif
