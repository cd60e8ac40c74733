/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Servers that probes meet, in the loop of the test: honest, silent and
 * hostile ones, for SIP and STUN, over UDP, TCP and TLS.  Each answers out of
 * the request itself, so that a right answer is right for any client. */
#ifndef TSCF_TESTS_IO_PROBE_SERVER_H
#define TSCF_TESTS_IO_PROBE_SERVER_H

#include <ev.h>

#include "core/question.h"
#include "core/transport.h"
#include "io/tls.h"

enum manner {
	MANNER_HONEST,
	MANNER_ERROR, /* 503; of STUN 500 */
	MANNER_SILENT,
	MANNER_LOSSY,   /* hears only every third request */
	MANNER_FOREIGN, /* another branch or transaction */
	MANNER_REFLECT, /* our own request */
	MANNER_GARBAGE, /* a portal's page */
	MANNER_FOREIGN_THEN_HONEST,
	MANNER_CLOSE, /* streams only, from here on */
	MANNER_RESET,
	MANNER_ENDLESS, /* a header of 1 MiB */
	MANNER_DRIP,    /* an octet of the right answer every 100 ms */
	MANNER_HALF,    /* half an answer, then the end */
};

struct probe_server {
	struct ev_io io, client_io; /* client_io.fd is -1: none */
	struct ev_timer drip;
	struct ev_loop *loop;
	enum probe_protocol protocol;
	enum transport transport;
	enum manner manner;
	struct tls_context *context; /* borrowed; for TLS */
	struct tls *tls;
	uint16_t port;
	unsigned requests;
	uint64_t at[16];    /* us, when the first of them came */
	uint8_t last[2048]; /* the last one */
	size_t last_length;
	uint8_t answer[4096];
	size_t answer_length, dripped;
};

/* On 127.0.0.1 or ::1, at a port of the kernel's choice.  0 or -errno. */
int probe_server_open(struct probe_server *server, struct ev_loop *loop, int family,
	enum probe_protocol protocol, enum transport transport, enum manner manner,
	struct tls_context *context);
void probe_server_close(struct probe_server *server);

#endif
