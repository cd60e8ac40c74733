/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TLS over a non-blocking TCP socket, by wolfSSL's native API, with our own
 * I/O callbacks: records are collected and leave in few send() calls, one
 * large recv() feeds many records.
 *
 * Threads: a context may be shared, an object belongs to one thread at a time.
 * (TS 33.310 annex E: TLS 1.2 and 1.3, ECDHE with AES-GCM, nothing older.) */
#ifndef TSCF_IO_TLS_H
#define TSCF_IO_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/octets.h"
#include "core/reason.h"

enum tls_result {
	TLS_OK,
	TLS_WANT_READ,
	TLS_WANT_WRITE,
	TLS_CLOSED, /* the peer ended the stream properly */
	TLS_FAILED, /* tls_reason() says why */
};

/* What went wrong, for exit statuses and counters. */
enum tls_failure {
	TLS_FAILURE_NONE,
	TLS_FAILURE_UNTRUSTED,       /* their certificate: no chain to our CA */
	TLS_FAILURE_EXPIRED,         /* their certificate: expired or not yet valid */
	TLS_FAILURE_WRONG_NAME,      /* their certificate is for another name */
	TLS_FAILURE_WRONG_PIN,       /* their key is not the pinned one */
	TLS_FAILURE_REVOKED,         /* their certificate is on the CRL */
	TLS_FAILURE_NO_CERTIFICATE,  /* they sent none, and must */
	TLS_FAILURE_BAD_CERTIFICATE, /* their certificate: anything else */
	TLS_FAILURE_WE_REJECTED,     /* they rejected our certificate, or want one */
	TLS_FAILURE_NO_COMMON,       /* no common version or cipher */
	TLS_FAILURE_NOT_TLS,         /* what answered does not speak TLS */
	TLS_FAILURE_CONNECTION,      /* reset or closed by the network in the middle */
	TLS_FAILURE_OTHER,
	TLS_FAILURE_COUNT,
};
const char *tls_failure_name(enum tls_failure failure); /* "untrusted", "expired", ... */

struct tls_context;
struct tls;
struct tls_session;

struct tls_settings {
	bool server;
	bool tls13_only;
	struct view ca;           /* PEM bundle or one DER; verifies the peer */
	struct view certificate;  /* PEM chain (leaf first) or one DER; may be empty on a client */
	struct view key;          /* PEM or DER; cleanse it yourself */
	struct view crl;          /* PEM or DER; empty: no revocation check */
	bool request_client;      /* server: ask for a client certificate */
	bool require_client;      /* server: and refuse a client without one */
	const uint8_t *pin;       /* client: SHA-256 of the server's SPKI, or NULL */
	const char *alpn;         /* or NULL; borrowed during the call */
	uint32_t ticket_lifetime; /* server: s; 0: 300; at most seven days count */
};

/* Once per process, before anything else; chooses the AEAD provider. */
int tls_library_init(struct reason *why);
void tls_library_fini(void);
/* At the start of a thread, if its first handshake shall not be slower than the
 * others; at the end of every thread that used TLS: gives back its buffers. */
void tls_thread_init(void);
void tls_thread_fini(void);

/* 0 or -errno with a reason that names the file's role and the fault. The
 * views are only read during the call.  Reference counted: tls_context_new
 * returns one reference, every tls object holds one. */
int tls_context_new(
	struct tls_context **out, const struct tls_settings *settings, struct reason *why);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);
/* A server's ticket secrets from now on, 32 octets each: new tickets are made
 * with `current`, those of `previous` are still honoured (NULL: no others are).
 * Any thread. */
void tls_context_set_tickets(
	struct tls_context *context, const uint8_t *current, const uint8_t *previous);
/* When our own certificate ends, in seconds of the epoch; 0 if unknown. */
int64_t tls_context_expiry(const struct tls_context *context);

/* `fd` is borrowed: non-blocking, connected, closed by the caller after
 * tls_free. `host` is what the peer's certificate must be issued for (a name
 * or a numeric address) and `sni` what is sent if it is a name; both NULL on a
 * server. */
int tls_new(
	struct tls **out, struct tls_context *context, int fd, const char *host, const char *sni);
/* Cleanses all keys.  Sends nothing.  Takes NULL. */
void tls_free(struct tls *tls);

/* A client's session, to be resumed by later connections of the same context
 * (hence CA, certificate and pin) to the same host; in memory only.  One may
 * be used for several connections at a time.  Take it once something has been
 * read, since TLS 1.3 sends tickets after the handshake; NULL when there is
 * none.  Returns owned. */
struct tls_session *tls_session_take(struct tls *tls);
void tls_session_free(struct tls_session *session); /* takes NULL */
/* Before the first tls_handshake: offers the session.  False, and an ordinary
 * full handshake follows, when it is for another context or host or too old. */
bool tls_resume(struct tls *tls, const struct tls_session *session);

/* Until OK.  A client's first tls_write may follow at once. OK, the peer's
 * chain, name and pin have been checked, and all of our side is sent, or, on a
 * server that tls_has_more() to read, leaves with the next tls_flush. */
enum tls_result tls_handshake(struct tls *tls);
/* Sends close_notify if the socket takes it. */
void tls_close(struct tls *tls);

/* Decrypts up to `room` octets.  OK with *got > 0, or WANT_READ when the
 * socket has nothing more.  Reads the socket at most once per call; a `room`
 * of 64 KiB and more saves system calls.  The answer to a peer's key update is
 * sent at once if the socket takes it, else tls_unsent() shows it. */
enum tls_result tls_read(struct tls *tls, uint8_t *out, size_t room, size_t *got);
/* True when octets already received wait inside: call tls_read again without
 * waiting for the socket. */
bool tls_has_more(const struct tls *tls);

/* Encrypts all of `octets` (records of at most 16 KiB) into the output
 * buffer, which grows as far as is asked for; nothing is sent before
 * tls_flush.  The caller bounds what it writes by tls_unsent(). */
enum tls_result tls_write(struct tls *tls, const uint8_t *octets, size_t length);
/* Sends what was collected.  OK: all gone.  WANT_WRITE: the socket is full,
 * the remainder is kept.  When the peer has gone, octets vanish and it is
 * tls_read that FAILs, after everything that was received (an alert or a last
 * message may say why). */
enum tls_result tls_flush(struct tls *tls);
/* Encrypted octets that the socket has not taken. */
size_t tls_unsent(const struct tls *tls);

/* After FAILED: what happened, to whom, and what to do; for a certificate its
 * subject, issuer, validity, now, and the expected name. */
const char *tls_reason(const struct tls *tls);
enum tls_failure tls_failure(const struct tls *tls);

/* Octets of the record that so many octets of plaintext become. */
size_t tls_record_size(const struct tls *tls, size_t length);
const char *tls_version(const struct tls *tls); /* "TLSv1.3" */
const char *tls_cipher(const struct tls *tls);  /* "TLS_AES_128_GCM_SHA256" */
bool tls_resumed(const struct tls *tls);
/* The peer's authenticated subject CN into `out`; false when it showed no
 * certificate (or the session was resumed). The text is clean UTF-8. */
bool tls_peer_name(const struct tls *tls, char *out, size_t room);
/* Serial number of the peer's certificate, lower-case hex; false as above. */
bool tls_peer_serial(const struct tls *tls, char *out, size_t room);
/* Both at once, since looking at the certificate is not cheap; "" for what there
 * is not. */
void tls_peer_identity(
	const struct tls *tls, char *name, size_t name_room, char *serial, size_t serial_room);
/* Asks for new keys in both directions with the next write (TLS 1.3); happens
 * by itself before AES-GCM's limits are reached. False under TLS 1.2. */
bool tls_update_keys(struct tls *tls);
/* Whether the CRL of `context` (not necessarily its own) lists the peer's
 * certificate; false when it showed none. */
bool tls_peer_is_revoked(const struct tls *tls, const struct tls_context *context);
/* Octets of memory this object holds beyond what wolfSSL does. */
size_t tls_memory(const struct tls *tls);

/* "libcrypto" or "wolfssl": who runs AES-GCM. The environment variable
 * TSCF_AEAD forces it (io/aead.h); else timing decides. */
const char *tls_aead_name(void);

#endif
