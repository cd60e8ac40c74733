/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Servers that know TS 24.322 and none of our control messages: when one is taken
 * for such ([tscf] peer), and what the tunnel gets from it by DHCP and Router
 * Advertisements (core/plain_client).
 *
 *   peer = native   never
 *   peer = 24322    at once
 *   peer = auto     Configuration Request --- answered ---> native, for ever
 *                        |          \--- closed ---> dialled anew, asked as plain
 *                        \--- 10 s of silence ---> asked as plain; a late answer wins
 *                   and at once, for a day, after that has worked; never when
 *                   credentials are configured */
#ifndef TSCF_TSE_PLAIN_H
#define TSCF_TSE_PLAIN_H

#include <ev.h>

#include "core/plain_client.h"
#include "core/traversal.h"
#include "tse/connection.h"
#include "tse/peers.h"

struct client;
struct client_failure;

struct plain {
	struct peers peers;
	struct plain_client machine;
	bool active;           /* the machine asks, or has been answered */
	unsigned applied;      /* machine.changes, when it was last applied */
	uint64_t alive;        /* us, machine.alive when it was last looked at */
	struct ev_timer timer; /* of the machine, or for the answer of a native server */
	bool has_closed;       /* on a Configuration Request, and was dialled anew ... */
	size_t closed;         /* ... this one of the profile's servers */
	struct reason first;   /* what was wrong with the native attempt; empty: nothing */
};

/* us from USE_PATH until the tunnel must be confirmed. */
uint64_t plain_patience(const struct tse_config *config);

/* state_dir NULL: nothing is kept. */
void plain_init(struct client *client, const char *state_dir);
/* The connection in use is there: asks it for a tunnel, in the way that its server
 * may understand. */
void plain_negotiate(struct client *client);
/* It has answered a Configuration Request. */
void plain_is_native(struct client *client);
/* One envelope of the connection in use; true when it is dealt with. */
bool plain_takes(struct client *client, const struct envelope *envelope);
/* The connection in use has failed before there was a tunnel; true when another is
 * dialled in its place, to be asked as plain. */
bool plain_tries_again(struct client *client, const struct client_failure *failure);
/* The connection in use is over. */
void plain_end(struct client *client);
/* What it means that a plain attempt has come to nothing: puts it into `failure`,
 * and does not take the server for a plain one any more.  False when there was
 * none. */
bool plain_explain(struct client *client, struct client_failure *failure);

/* Asks for a sign of life; gives the address back. */
void plain_check(struct client *client);
void plain_release(struct client *client);

#endif
