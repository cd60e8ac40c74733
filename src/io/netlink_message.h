/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One request to the kernel and its answer: what everything in io/netlink is
 * made of.  libnl turns the kernel's errno into codes of its own and forgets
 * its sentence; here both are kept. */
#ifndef TSCF_IO_NETLINK_MESSAGE_H
#define TSCF_IO_NETLINK_MESSAGE_H

#include <netlink/addr.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "io/netlink.h"

/* What an answer is turned into: false for one that is not wanted. */
typedef bool netlink_parser(struct nlmsghdr *header, const void *filter, void *item);

/* Sends `message` (taken, may be NULL after a failed allocation) and waits for
 * the kernel's answer.  0 or -errno. */
int netlink_send(struct netlink *netlink, struct nl_msg *message);
/* The same for a request with one answer, which `parse` turns into `item`;
 * -ENOENT when it takes none. */
int netlink_ask(struct netlink *netlink, struct nl_msg *message, netlink_parser *parse, void *item,
	size_t item_size);

struct netlink_dump {
	int type;           /* RTM_GET... */
	const void *header; /* and its family header */
	size_t header_size;
	uint32_t table; /* RTA_TABLE, 0: none */
	netlink_parser *parse;
	const void *filter;
	size_t item_size;
};
/* All objects of a kind into one array (owned by the caller), read again when
 * they changed while being read. */
int netlink_list(
	struct netlink *netlink, const struct netlink_dump *dump, void **out, size_t *count);

/* Fills `why` with "cannot WHAT: errno in words (the kernel's own words)" and
 * what to do; returns `error`. */
int netlink_explain(struct netlink *netlink, int error, struct reason *why, const char *what, ...)
	__attribute__((format(printf, 4, 5)));

/* For reasons: the name of the link that was found last, when it has that
 * index, else "interface number N". */
void netlink_remember(struct netlink *netlink, const struct netlink_link *link);
const char *netlink_link_name(const struct netlink *netlink, unsigned index, char text[32]);

int netlink_family(uint8_t version);
/* libnl's form of the same address; NULL without memory. Owned by the caller. */
struct nl_addr *netlink_address_new(const struct address *address, unsigned length);
void netlink_address_get(struct address *out, const struct nl_addr *address);

#endif
