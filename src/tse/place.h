/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the TUN lives: in the network namespace of `netns`, while the outer
 * sockets stay in that of tse.  What works there afterwards must have been
 * opened there, and before the sandbox; so between place_enter() and
 * place_leave() the TUN is opened and steering made. */
#ifndef TSCF_TSE_PLACE_H
#define TSCF_TSE_PLACE_H

#include <stdbool.h>

#include "core/reason.h"
#include "io/sock_destroy.h"

struct place {
	int home;   /* leads back; -1: we are there */
	int netmon; /* a socket that watches the other namespace; -1: there is none */
	struct sock_destroy sock_destroy; /* that namespace's sockets */
};

/* `netns` NULL: the TUN lives with us, and neither call does anything.  0 or
 * -errno, as netns_enter(). */
int place_enter(struct place *place, const char *netns, struct reason *why);
/* Back home, whatever happens.  0 or -errno. */
int place_leave(struct place *place, struct reason *why);
/* What the client has not taken. */
void place_close(struct place *place);

#endif
