/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What each server of the profile has turned out to be, in STATE-DIR/PROFILE/peers:
 * native, for ever, once it has answered a Configuration Request; plain TS 24.322,
 * for a day, once it has given an address without one. */
#ifndef TSCF_TSE_PEERS_H
#define TSCF_TSE_PEERS_H

#include "core/config.h"

enum { PEERS_MAX = 16, PEERS_NAME = 264 };

enum peer_known { PEER_UNKNOWN, PEER_KNOWN_NATIVE, PEER_KNOWN_PLAIN };

struct peers {
	const char *directory; /* borrowed; NULL: nothing is kept */
	struct {
		char server[PEERS_NAME]; /* "HOST:PORT" */
		enum peer_known known;
		int64_t until; /* s of the epoch, of a plain one */
	} items[PEERS_MAX];
	size_t count;
};

/* What the file says; nonsense in it is absence. */
void peers_load(struct peers *peers, const char *directory);
enum peer_known peers_find(const struct peers *peers, const struct config_endpoint *server);
/* Notes it, and writes the file where that changes anything. */
void peers_note(struct peers *peers, const struct config_endpoint *server, enum peer_known known);

#endif
