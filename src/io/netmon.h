/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tells when links, addresses, routes or rules change, from the kernel's own
 * events (rtnetlink multicast, parsed by libmnl without allocation). */
#ifndef TSCF_IO_NETMON_H
#define TSCF_IO_NETMON_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/reason.h"

enum netmon_change {
	NETMON_LINK = 1 << 0,
	NETMON_ADDRESS = 1 << 1,
	NETMON_ROUTE = 1 << 2,
	NETMON_RULE = 1 << 3,
	NETMON_OVERRUN = 1 << 4, /* events were lost: look at everything again */
};

struct netmon_event {
	unsigned changes; /* all that came in one wake-up, or-ed */
	/* Whether anything concerned our interface, or another one. */
	bool ours, others;
};

enum { NETMON_ADDRESSES = 64 };

struct netmon_address {
	unsigned index;
	uint8_t family, length;
	uint8_t local[16], far[16];
	uint32_t flags; /* of these only tentative, failed and deprecated */
};

struct netmon {
	struct ev_loop *loop;
	struct ev_io watcher;
	int fd;
	unsigned own_index; /* interface whose events are "ours"; 0: none yet */
	/* The addresses that are there.  The kernel tells of them again whenever their
	 * lifetimes are refreshed, with each Router Advertisement or DHCP renewal, and
	 * that is no change.  Of those that find no room here it is taken for one. */
	struct netmon_address known[NETMON_ADDRESSES];
	size_t known_count;
	void (*changed)(void *user, const struct netmon_event *event);
	void *user;
};

/* 0 or -errno. `changed` is called once per wake-up. */
int netmon_open(struct netmon *netmon, struct ev_loop *loop,
	void (*changed)(void *user, const struct netmon_event *event), void *user,
	struct reason *why);
/* The same in two halves, for a network namespace that the thread only visits:
 * the socket (returned owned, or -errno) watches the one it was made in. */
int netmon_socket(struct reason *why);
/* Takes `fd`. */
void netmon_watch(struct netmon *netmon, struct ev_loop *loop, int fd,
	void (*changed)(void *user, const struct netmon_event *event), void *user);
void netmon_close(struct netmon *netmon);

#endif
