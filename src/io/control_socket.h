/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A UNIX stream socket that speaks JSON, one object per line, both ways
 * (jansson).  Server side for the daemons, client side for the tools. */
#ifndef TSCF_IO_CONTROL_SOCKET_H
#define TSCF_IO_CONTROL_SOCKET_H

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/reason.h"

enum {
	CONTROL_SOCKET_CLIENTS = 32,       /* at once; the next one is turned away */
	CONTROL_SOCKET_LINE = 65536,       /* octets of a request */
	CONTROL_SOCKET_BACKLOG = 16777216, /* octets that may wait for a slow reader */
};

struct control_socket;
struct control_client;

/* One request came: a JSON object. `request` is borrowed; answer with
 * control_client_send, now or later (see control_client_ref).  What is no JSON
 * object never gets here.  Must not close the socket itself. */
typedef void control_socket_handler(
	void *user, struct control_client *client, const json_t *request);

/* Binds `path` (replacing a socket nobody listens on; -EADDRINUSE when
 * somebody does), mode 0660, group `group` when it exists (NULL: as it is). */
int control_socket_open(struct control_socket **out, struct ev_loop *loop, const char *path,
	const char *group, control_socket_handler *handler, void *user, struct reason *why);
/* Closes every client and unlinks the path.  Takes NULL. */
void control_socket_close(struct control_socket *socket);

/* Sends one line; takes the reference to `answer`. A client that does not read
 * is dropped when its backlog is full. */
void control_client_send(struct control_client *client, json_t *answer);
/* {"ok": false, "error": TEXT} */
void control_client_refuse(struct control_client *client, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Who it is, as the kernel says (SO_PEERCRED): for requests that only root
 * may make. */
uid_t control_client_uid(const struct control_client *client);
/* A handler that answers later holds a reference; sending to a client that
 * has left meanwhile does nothing. */
struct control_client *control_client_ref(struct control_client *client);
void control_client_unref(struct control_client *client);
/* Marks the client as one that wants every published line ("monitor"). */
void control_client_subscribe(struct control_client *client);
/* Sends to all subscribers; borrows `event`. */
void control_socket_publish(struct control_socket *socket, json_t *event);

/* Client side, blocking.  A descriptor, or -errno with a reason (nothing runs
 * there, no permission: which group to be in). */
int control_connect(const char *path, struct reason *why);
/* Sends one line / reads one line (an object, owned by the caller; NULL at the
 * end or after timeout_ms, -1: no limit). */
int control_send(int fd, const json_t *request);
json_t *control_receive(int fd, int timeout_ms, struct reason *why);

#endif
