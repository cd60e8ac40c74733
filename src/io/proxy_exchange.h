/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One attempt to get through a proxy whose address is known: libcurl's multi
 * interface on libev.  It has no time limit; whoever starts it has. */
#ifndef TSCF_IO_PROXY_EXCHANGE_H
#define TSCF_IO_PROXY_EXCHANGE_H

#include <netinet/in.h>

#include "io/proxy_dial.h"

struct proxy_exchange_settings {
	const struct proxy_dial_settings *dial; /* borrowed until done */
	struct sockaddr_storage peer;           /* the proxy */
	int fd;         /* connected to it, marked, taken if start succeeds; -1: connect */
	bool negotiate; /* with Kerberos, which may block; else with passwords */
};

struct proxy_exchange;

/* `done` as in proxy_dial_start.  `negotiate_next` tells that the proxy offers
 * Negotiate and nothing else was to be done about its 407.  0 or -errno. */
int proxy_exchange_start(struct proxy_exchange **out, struct ev_loop *loop,
	const struct proxy_exchange_settings *settings,
	void (*done)(void *user, const struct proxy_dial_result *result, bool negotiate_next),
	void *user, struct reason *why);
/* The time is over: says what had come by then. */
void proxy_exchange_explain_silence(
	const struct proxy_exchange *exchange, struct proxy_dial_result *result);
/* Closes and frees. Takes NULL; not from within `done`. */
void proxy_exchange_cancel(struct proxy_exchange *exchange);

#endif
