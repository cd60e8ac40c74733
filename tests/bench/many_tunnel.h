/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One client's tunnel without a TUN: TCP, TLS, Configuration Request, packets.
 * Thousands of them share a thread, so each holds little: a socket, a TLS
 * object, what is needed to come back to the same address. */
#ifndef TSCF_BENCH_MANY_TUNNEL_H
#define TSCF_BENCH_MANY_TUNNEL_H

#include <ev.h>
#include <sys/socket.h>

#include "core/control.h"
#include "core/envelope.h"
#include "io/tls.h"

enum many_state {
	MANY_DOWN,
	MANY_CONNECTING,
	MANY_HANDSHAKE,
	MANY_ASKING, /* Configuration Request sent */
	MANY_UP,
};

struct many_tunnel;

/* Where they connect to and who is told; shared by the tunnels of a process. */
struct many_fleet {
	struct ev_loop *loop;
	struct tls_context **contexts; /* of the clients in turn: each has its certificate */
	unsigned context_count;
	struct sockaddr_storage server;
	socklen_t server_size;
	const char *host; /* whom the certificate must be for */
	bool resume_tls;  /* offer the TLS session of the connection before */
	/* The tunnel is up; or it is down, again or after all. */
	void (*up)(struct many_tunnel *tunnel);
	void (*down)(struct many_tunnel *tunnel, const char *why);
	/* An IP packet; may be NULL. */
	void (*packet)(struct many_tunnel *tunnel, const uint8_t *packet, size_t length);
	void *owner;
};

struct many_tunnel {
	struct many_fleet *fleet;
	struct ev_io watcher;
	struct tls *tls;
	int fd;
	enum many_state state;
	bool resumed_tls; /* the connection of now */
	uint8_t instance[CONTROL_INSTANCE];
	uint8_t token[CONTROL_TOKEN_MAX];
	size_t token_length;
	struct address inner4;
	bool has_moved; /* it once came back with another address */
	struct tls_session *session;
	uint64_t started, up_at; /* us, of this connection */
	uint8_t *partial;        /* an envelope that has not come whole */
	size_t partial_length;
	unsigned number;
};

void many_tunnel_init(struct many_tunnel *tunnel, struct many_fleet *fleet, unsigned number);
/* Connects; with the resume token if there is one. */
void many_tunnel_start(struct many_tunnel *tunnel);
/* Lets go of the connection, with a word (close_notify and FIN) or without, as
 * a client does whose network is gone; `down` is not called. */
void many_tunnel_drop(struct many_tunnel *tunnel, bool silently);
void many_tunnel_fini(struct many_tunnel *tunnel);
/* One IP packet up; false when it is not up. */
bool many_tunnel_send(struct many_tunnel *tunnel, const uint8_t *packet, size_t length);

#endif
