/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What client.c (the traversal and its actions) and client_tunnel.c (the tunnel
 * in use) need of each other; nobody else includes this. */
#ifndef TSCF_TSE_CLIENT_PRIVATE_H
#define TSCF_TSE_CLIENT_PRIVATE_H

#include "tse/client.h"

/* client.c: lets core/traversal decide; the actions are carried out before it
 * returns, or after the event that is being handled now. */
void client_handle(struct client *client, const struct traversal_event *event);
void client_set_timer(struct ev_loop *loop, struct ev_timer *timer, uint64_t at, uint64_t now);
/* The attempt of step 2 or 3 that nobody uses yet. */
struct connection **client_pending(struct client *client, enum traversal_step step);

/* Events of the connection in use, and of those that may become it. */
extern const struct connection_events client_connection_events;

/* client_tunnel.c */
int client_start_datapath(struct client *client, struct reason *why);
/* The pending connection of that path becomes the one in use; a tunnel that it
 * replaces keeps its carrier, so that packets wait. */
void client_use_tunnel(struct client *client, enum traversal_path path);
/* The connection in use is replaced by another, which is dialled now.  False when
 * there is no memory; then there is none in use. */
bool client_dial_again(struct client *client);
/* The TSCF wants to see our certificate, and our resumed TLS session did not show
 * it: the connection in use is replaced by one with a full handshake.  False when
 * it was not resumed, or there is no memory. */
bool client_shake_hands_again(struct client *client);
/* Another TSCF has granted the tunnel in use: everybody is told. */
void client_moved(struct client *client);
/* What the tunnel in use was granted is not what it was: everybody is told. */
void client_regranted(struct client *client);
/* The TSCF has made it void, so that no resumed TLS session is good either. */
void client_forget_token(struct client *client);
/* That one is there. */
void client_renegotiate(struct client *client);
/* Says good-bye first, where there is somebody to say it to. */
void client_leave_tunnel(struct client *client);
/* The tunnel in use does not answer on this network. */
void client_cut_off(struct client *client);
/* The connection in use is gone, and the carrier with it. */
void client_drop(struct client *client);
/* Asks for a sign of life at once. */
void client_check_tunnel(struct client *client);
void client_set_kernel(struct client *client, enum traversal_kernel kernel);
/* Time has run out for a connection: what its state means. */
void client_timed_out(struct client *client, const char *why, enum exit_status status);

/* frail_network.c */

/* How often to ask for a sign of life on this network, us, where the TSCF wants
 * `granted`. */
uint64_t client_keepalive_here(const struct client *client, uint64_t granted);
/* The tunnel in use is about to be lost. */
void client_note_death(struct client *client, enum traversal_cause cause);

#endif
