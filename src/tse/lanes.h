/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lanes of the tunnel beyond the one that the client calls `current`: how
 * many there should be is core/lane_demand's decision, carried out here.
 *
 *   wanted -> connecting (TCP, perhaps CONNECT, resumed TLS) -> Join Request
 *          -> Join Response -> in use -> no longer needed: retiring -> gone
 *
 * The tunnel lives as long as any of its lanes. */
#ifndef TSCF_TSE_LANES_H
#define TSCF_TSE_LANES_H

#include "core/keepalive.h"
#include "core/lane_demand.h"
#include "core/lane_loss.h"
#include "tse/connection.h"

struct client;

enum client_lane_state {
	CLIENT_LANE_CONNECTING,
	CLIENT_LANE_ASKING,   /* the Join Request is out */
	CLIENT_LANE_IN_USE,   /* carries packets */
	CLIENT_LANE_RETIRING, /* we send nothing more, and read what is on its way */
};

struct client_lane {
	struct connection *connection; /* owned */
	enum client_lane_state state;
	enum control_lane_class class;
	uint16_t transaction;
	uint64_t since;    /* us, when it was begun */
	uint64_t deadline; /* us, unless it is in use */
	struct keepalive keepalive;
};

struct lanes {
	struct client_lane items[LANES_MAX];
	unsigned count;
	struct lane_demand demand;
	struct lane_loss loss;
	struct ev_timer timer;
	uint8_t join_key[CONTROL_TOKEN_MAX];
	size_t join_key_length;
	uint64_t segments, lost; /* of all lanes that are not for bulk, as last seen */
	unsigned failures;       /* in a row */
	uint64_t failed_at;      /* us, the last attempt that did */
	uint64_t not_before;     /* us, for the next attempt */
	bool told_refusal;
};

void lanes_init(struct client *client);
void lanes_fini(struct client *client);
/* A Configuration Response has come: what it allows. */
void lanes_begin(struct client *client, const struct control_message *response);
/* A Configuration Update has come; it may have changed client->grant. */
void lanes_take_join_key(struct client *client, const struct control_message *update);
void lanes_regranted(struct client *client);
/* The tunnel is over, or starts anew: all further lanes end. */
void lanes_end(struct client *client);
/* Something happens that may want another number of lanes: looks until nothing
 * does. */
void lanes_watch(struct client *client);
/* The same, and looks as soon as the loop turns. */
void lanes_hurry(struct client *client);
/* Asks all of them for a sign of life. */
void lanes_check(struct client *client);
/* The client's current connection is of no use any more: another lane takes its
 * place.  False when there is none, and then nothing has changed. */
bool lanes_take_over(struct client *client, const char *why);
/* Nothing has arrived at the TSCF since `since`: tries whether a new connection gets
 * through.  To be called again until something has; false when that is no use, since
 * no lane may be added or it has taken too long. */
bool lanes_rescue(struct client *client, uint64_t since);
/* A Join Response; false when this lane has not asked. */
bool lanes_answered(
	struct client *client, const struct lane *lane, const struct control_message *message);
/* That of a further lane; NULL for the current one. */
struct keepalive *lanes_keepalive(struct client *client, const struct lane *lane);

#endif
