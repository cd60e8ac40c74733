/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Both ends of a TLS connection in one process and one thread, driven in turn. */
#ifndef TSCF_TESTS_TLS_PAIR_H
#define TSCF_TESTS_TLS_PAIR_H

#include "io/tls.h"

/* Files are names in the directory of make-certs; NULL: none. */
struct pair_settings {
	const char *server_certificate; /* "server" for server.pem and server.key */
	const char *client_certificate;
	const char *server_ca;        /* that verifies clients */
	const char *client_ca;        /* that verifies the server */
	const char *crl, *client_crl; /* with suffix */
	const char *host;
	const char *pin; /* file of 32 octets */
	bool no_client_auth, optional_client_auth;
	bool server_tls13_only, client_tls13_only;
	const char *server_alpn, *client_alpn;
	uint32_t ticket_lifetime;
	const uint8_t *ticket_secret, *old_ticket_secret;
};

struct end {
	struct tls_context *context;
	struct tls *tls;
	int fd;
	enum tls_result result; /* of the handshake, then of the last read */
};

struct pair {
	struct end client, server;
	struct reason why; /* when pair_contexts failed */
};

/* Where the certificates are. */
extern char certificates[];
/* Makes them in a fresh directory with tests/io/make-certs (of $srcdir). */
bool certificates_make(void);
void certificates_remove(void);
/* A file of that directory, owned by the caller, cleared on failure. */
struct view certificate_file(const char *name, const char *suffix);

/* 0 or -errno with pair->why. */
int pair_contexts(struct pair *pair, const struct pair_settings *settings);
/* Two connected sockets (with small buffers when asked) and a TLS object on
 * each; may be called again for a further connection of the same contexts. */
bool pair_connect(struct pair *pair, const struct pair_settings *settings, bool small_buffers);
/* Drives both handshakes until neither gets further. */
void pair_handshake(struct pair *pair);
/* One more tls_read on each end, to see what comes after the handshake. */
void pair_settle(struct pair *pair);
/* All four; true when both handshakes are OK. */
bool pair_open(struct pair *pair, const struct pair_settings *settings);
void pair_disconnect(struct pair *pair);
void pair_close(struct pair *pair);

#endif
