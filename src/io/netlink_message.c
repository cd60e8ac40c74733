/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The conversation with the kernel: one socket, one request at a time. */
#include "io/netlink_message.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/socket.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	LIST_ATTEMPTS = 8, /* a listing is begun again when it changed meanwhile */
	ANSWER_SECONDS = 5,
};

/* What has been answered so far. */
struct items {
	netlink_parser *parse;
	const void *filter;
	size_t size, count, room;
	uint8_t *octets; /* owned */
	bool no_memory;
};

struct netlink {
	struct nl_sock *socket;
	struct nl_cb *callbacks;
	struct netlink_link link; /* found last */
	/* The request under way. */
	uint32_t sequence;
	struct items *items;
	bool done, interrupted;
	int error;       /* -errno of its answer */
	char words[160]; /* the kernel's sentence about it, or empty */
};

/* An answer to a request that was given up is not taken for another's. */
static int check_sequence(struct nl_msg *message, void *user)
{
	const struct netlink *netlink = user;
	return nlmsg_hdr(message)->nlmsg_seq == netlink->sequence ? NL_OK : NL_SKIP;
}

static int on_answer(struct nl_msg *message, void *user)
{
	struct items *items = ((struct netlink *)user)->items;
	if (!items)
		return NL_OK;
	if (items->count == items->room) {
		size_t room = items->room ? 2 * items->room : 16;
		uint8_t *octets = reallocarray(items->octets, room, items->size);
		if (!octets) {
			items->no_memory = true;
			return NL_OK;
		}
		items->octets = octets;
		items->room = room;
	}
	void *item = items->octets + items->count * items->size;
	memset(item, 0, items->size);
	if (items->parse(nlmsg_hdr(message), items->filter, item))
		items->count++;
	return NL_OK;
}

static int on_ack(struct nl_msg *message, void *user)
{
	(void)message;
	((struct netlink *)user)->done = true;
	return NL_STOP;
}

/* The end of a listing carries the errno that ended it. */
static int on_finish(struct nl_msg *message, void *user)
{
	struct netlink *netlink = user;
	const struct nlmsghdr *header = nlmsg_hdr(message);
	int error = 0;
	if (nlmsg_datalen(header) >= (int)sizeof(error))
		memcpy(&error, nlmsg_data(header), sizeof(error));
	if (error < 0)
		netlink->error = error;
	netlink->done = true;
	return NL_OK;
}

static int on_interrupted(struct nl_msg *message, void *user)
{
	(void)message;
	((struct netlink *)user)->interrupted = true;
	return NL_OK;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *failure, void *user)
{
	(void)from;
	struct netlink *netlink = user;
	netlink->error = failure->error;
	netlink->done = true;

	/* NETLINK_CAP_ACK: attributes follow right behind. */
	struct nlmsghdr *header = (struct nlmsghdr *)((char *)failure - NLMSG_HDRLEN);
	int length = nlmsg_datalen(header) - (int)sizeof(*failure);
	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS) || !(header->nlmsg_flags & NLM_F_CAPPED) ||
		length <= 0)
		return NL_STOP;
	const struct nlattr *words =
		nla_find((struct nlattr *)(failure + 1), length, NLMSGERR_ATTR_MSG);
	if (words)
		nla_strlcpy(netlink->words, words, sizeof(netlink->words));
	return NL_STOP;
}

static int set_callbacks(struct netlink *netlink)
{
	struct nl_cb *callbacks = netlink->callbacks;
	int result = nl_cb_set(callbacks, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, check_sequence, netlink);
	result |= nl_cb_set(callbacks, NL_CB_VALID, NL_CB_CUSTOM, on_answer, netlink);
	result |= nl_cb_set(callbacks, NL_CB_ACK, NL_CB_CUSTOM, on_ack, netlink);
	result |= nl_cb_set(callbacks, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, netlink);
	result |= nl_cb_set(callbacks, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupted, netlink);
	result |= nl_cb_err(callbacks, NL_CB_CUSTOM, on_error, netlink);
	return result == 0 ? 0 : -EINVAL;
}

/* Kernels that know them give reasons in words, and filter listings for us;
 * for the others we do without. */
static void set_options(int fd)
{
	static const int options[] = {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK};
	int on = 1;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)setsockopt(fd, SOL_NETLINK, options[i], &on, sizeof(on));
	/* It answers at once; if ever it does not, an error beats a daemon that hangs. */
	struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

int netlink_open(struct netlink **out, struct reason *why)
{
	int result = -ENOMEM;
	struct netlink *netlink = calloc(1, sizeof(*netlink));
	if (!netlink)
		goto failed;
	netlink->socket = nl_socket_alloc();
	netlink->callbacks = nl_cb_alloc(NL_CB_DEFAULT);
	if (!netlink->socket || !netlink->callbacks)
		goto close;
	result = set_callbacks(netlink);
	if (result == 0 && nl_connect(netlink->socket, NETLINK_ROUTE) < 0)
		result = errno ? -errno : -EIO;
	if (result < 0)
		goto close;
	set_options(nl_socket_get_fd(netlink->socket));
	*out = netlink;
	return 0;

close:
	netlink_close(netlink);
failed:
	reason_set(why, "cannot talk to the kernel about interfaces and routes (netlink): %s",
		strerror(-result));
	return result;
}

void netlink_close(struct netlink *netlink)
{
	if (!netlink)
		return;
	nl_cb_put(netlink->callbacks);
	nl_socket_free(netlink->socket);
	free(netlink);
}

static int exchange(struct netlink *netlink, struct nl_msg *message, struct items *items)
{
	if (!message)
		return -ENOMEM;
	nl_complete_msg(netlink->socket, message);
	netlink->sequence = nlmsg_hdr(message)->nlmsg_seq;
	netlink->items = items;
	netlink->done = netlink->interrupted = false;
	netlink->error = 0;
	netlink->words[0] = '\0';

	int result = nl_send(netlink->socket, message);
	nlmsg_free(message);
	while (result >= 0 && !netlink->done)
		result = nl_recvmsgs(netlink->socket, netlink->callbacks);
	netlink->items = NULL;
	if (netlink->done)
		return items && items->no_memory ? -ENOMEM : netlink->error;
	switch (-result) {
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
		return -EPERM;
	default:
		return -EIO;
	}
}

int netlink_send(struct netlink *netlink, struct nl_msg *message)
{
	return exchange(netlink, message, NULL);
}

int netlink_ask(struct netlink *netlink, struct nl_msg *message, netlink_parser *parse, void *item,
	size_t item_size)
{
	struct items items = {.parse = parse, .size = item_size};
	int result = exchange(netlink, message, &items);
	if (result == 0 && items.count == 0)
		result = -ENOENT;
	if (result == 0)
		memcpy(item, items.octets, item_size);
	free(items.octets);
	return result;
}

static struct nl_msg *list_request(const struct netlink_dump *dump)
{
	struct nl_msg *message = nlmsg_alloc_simple(dump->type, NLM_F_DUMP);
	if (message && (nlmsg_append(message, (void *)dump->header, dump->header_size,
				NLMSG_ALIGNTO) < 0 ||
			       (dump->table && nla_put_u32(message, RTA_TABLE, dump->table) < 0))) {
		nlmsg_free(message);
		return NULL;
	}
	return message;
}

int netlink_list(
	struct netlink *netlink, const struct netlink_dump *dump, void **out, size_t *count)
{
	struct items items = {
		.parse = dump->parse, .filter = dump->filter, .size = dump->item_size};
	int result = -EAGAIN;
	for (int attempt = 0; attempt < LIST_ATTEMPTS && result == -EAGAIN; attempt++) {
		items.count = 0;
		result = exchange(netlink, list_request(dump), &items);
		if (result == 0 && netlink->interrupted)
			result = -EAGAIN;
	}
	/* A table that nothing was ever put into. */
	if (result == -ENOENT && dump->table)
		result = 0;
	if (result < 0) {
		free(items.octets);
		return result;
	}
	*out = items.octets;
	*count = items.count;
	return 0;
}

int netlink_explain(struct netlink *netlink, int error, struct reason *why, const char *what, ...)
{
	char doing[256];
	va_list arguments;
	va_start(arguments, what);
	vsnprintf(doing, sizeof(doing), what, arguments);
	va_end(arguments);

	bool words = netlink->words[0] != '\0';
	reason_set(why, "cannot %s: %s%s%s%s%s", doing, strerror(-error), words ? " (" : "",
		netlink->words, words ? ")" : "",
		error == -EPERM
			? "; CAP_NET_ADMIN is needed (start as root; in a container add the "
			  "capability NET_ADMIN)"
			: "");
	return error;
}

void netlink_remember(struct netlink *netlink, const struct netlink_link *link)
{
	netlink->link = *link;
}

const char *netlink_link_name(const struct netlink *netlink, unsigned index, char text[32])
{
	if (netlink->link.index == index)
		snprintf(text, 32, "%s", netlink->link.name);
	else
		snprintf(text, 32, "interface number %u", index);
	return text;
}

int netlink_family(uint8_t version)
{
	return version == 4 ? AF_INET : AF_INET6;
}

struct nl_addr *netlink_address_new(const struct address *address, unsigned length)
{
	struct nl_addr *copy = nl_addr_build(
		netlink_family(address->version), address->octets, address_size(address->version));
	if (copy)
		nl_addr_set_prefixlen(copy, (int)length);
	return copy;
}

void netlink_address_get(struct address *out, const struct nl_addr *address)
{
	*out = (struct address){0};
	if (!address)
		return;
	size_t length = nl_addr_get_len(address);
	if (length == 4 || length == 16)
		address_set(out, length == 4 ? 4 : 6, nl_addr_get_binary_addr(address));
}
