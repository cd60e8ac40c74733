/* SPDX-License-Identifier: GPL-3.0-or-later */
/* First all sockets are listed, then those that are meant are destroyed, each
 * by the cookie that is no other socket's. */
#include "io/sock_destroy.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	BUFFER = 32768,
	FIRST_ROOM = 16,
	/* What holds an address and is still there to be told: neither listening
	 * nor closed nor only waiting for late segments. */
	STATES = 1 << TCP_ESTABLISHED | 1 << TCP_SYN_SENT | 1 << TCP_SYN_RECV | 1 << TCP_FIN_WAIT1 |
		 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT | 1 << TCP_LAST_ACK | 1 << TCP_CLOSING,
};

struct found {
	uint8_t family;
	struct inet_diag_sockid id;
};

struct listing {
	const struct sock_destroy_scope *scope;
	struct found *items; /* owned */
	size_t count, room;
	int error;
};

/* --- which ----------------------------------------------------------------- */

/* A dual-stack socket shows IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). */
static struct address address_of(uint8_t family, const uint32_t raw[4])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const uint8_t *octets = (const uint8_t *)raw;
	struct address address;
	if (family == AF_INET)
		address_set(&address, 4, octets);
	else if (memcmp(octets, mapped, sizeof(mapped)) == 0)
		address_set(&address, 4, octets + sizeof(mapped));
	else
		address_set(&address, 6, octets);
	return address;
}

/* Stays on this host or its link, whatever the prefixes are. */
static bool is_near(const struct address *remote, const struct address *local)
{
	static const struct prefix near[] = {
		{{4, {127}}, 8},
		{{4, {169, 254}}, 16},
		{{6, {[15] = 1}}, 128},
		{{6, {0xfe, 0x80}}, 10},
	};
	for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++)
		if (prefix_contains(&near[i], remote))
			return true;
	return address_equal(remote, local);
}

static bool is_ims(const struct sock_destroy_scope *scope, const struct address *remote)
{
	for (size_t i = 0; i < scope->prefix_count; i++)
		if (prefix_contains(&scope->prefixes[i], remote))
			return true;
	return false;
}

static bool is_inner(const struct sock_destroy_scope *scope, const struct address *local)
{
	for (size_t i = 0; i < scope->inner_count; i++)
		if (address_equal(&scope->inner[i], local))
			return true;
	return false;
}

static bool is_steered(const struct sock_destroy_scope *scope, uid_t user)
{
	for (size_t i = 0; i < scope->user_count; i++)
		if (user >= scope->users[i].first && user <= scope->users[i].last)
			return true;
	return scope->user_count == 0;
}

static bool is_old(const struct sock_destroy_scope *scope, const struct inet_diag_msg *socket)
{
	struct address local = address_of(socket->idiag_family, socket->id.idiag_src);
	struct address remote = address_of(socket->idiag_family, socket->id.idiag_dst);
	return is_ims(scope, &remote) && !is_near(&remote, &local) && !is_inner(scope, &local) &&
	       is_steered(scope, socket->idiag_uid);
}

/* --- listing --------------------------------------------------------------- */

struct mark {
	bool known;
	uint32_t value;
};

static int find_mark(const struct nlattr *attribute, void *user)
{
	struct mark *mark = user;
	if (mnl_attr_get_type(attribute) != INET_DIAG_MARK ||
		mnl_attr_get_payload_len(attribute) < sizeof(uint32_t))
		return MNL_CB_OK;
	*mark = (struct mark){true, mnl_attr_get_u32(attribute)};
	return MNL_CB_STOP;
}

static int add(struct listing *listing, const struct inet_diag_msg *socket)
{
	if (listing->count == listing->room) {
		size_t room = listing->room ? listing->room * 2 : FIRST_ROOM;
		struct found *items = realloc(listing->items, room * sizeof(*items));
		if (!items)
			return -ENOMEM;
		listing->items = items;
		listing->room = room;
	}
	listing->items[listing->count++] = (struct found){socket->idiag_family, socket->id};
	return 0;
}

static int on_socket(const struct nlmsghdr *header, void *user)
{
	struct listing *listing = user;
	const struct inet_diag_msg *socket = mnl_nlmsg_get_payload(header);
	struct mark mark = {0};
	if (listing->error || header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
		mnl_nlmsg_get_payload_len(header) < sizeof(*socket) ||
		!is_old(listing->scope, socket))
		return MNL_CB_OK;
	(void)mnl_attr_parse(header, sizeof(*socket), find_mark, &mark);
	/* The kernel tells the mark only to who may administer the network; one
	 * that is not told may be ours. */
	if (!mark.known)
		listing->error = -EPERM;
	else if (listing->scope->mark == 0 || mark.value != listing->scope->mark)
		listing->error = add(listing, socket);
	return MNL_CB_OK; /* the rest of the listing has to be read in any case */
}

/* --- asking the kernel ----------------------------------------------------- */

/* All of the kernel's answer; 0 or -errno. */
static int read_answer(struct sock_destroy *destroy, mnl_cb_t callback, void *user)
{
	_Alignas(struct nlmsghdr) char buffer[BUFFER];
	const struct nlmsghdr *first = (const struct nlmsghdr *)buffer;
	unsigned port = mnl_socket_get_portid(destroy->netlink);
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(destroy->netlink, buffer, sizeof(buffer));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if ((size_t)got >= sizeof(*first) && first->nlmsg_seq != destroy->sequence)
			continue; /* what was left when an earlier answer broke off */
		int result =
			mnl_cb_run(buffer, (size_t)got, destroy->sequence, port, callback, user);
		if (result == MNL_CB_STOP)
			return 0;
		if (result == MNL_CB_ERROR)
			return -errno;
	}
}

static int request(struct sock_destroy *destroy, uint16_t type, uint16_t flags,
	const struct inet_diag_req_v2 *what, mnl_cb_t callback, void *user)
{
	_Alignas(struct nlmsghdr) char buffer[256];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	header->nlmsg_type = type;
	header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	header->nlmsg_seq = ++destroy->sequence;
	memcpy(mnl_nlmsg_put_extra_header(header, sizeof(*what)), what, sizeof(*what));
	if (mnl_socket_sendto(destroy->netlink, header, header->nlmsg_len) < 0)
		return -errno;
	return read_answer(destroy, callback, user);
}

static int list(struct sock_destroy *destroy, uint8_t family, struct listing *listing)
{
	struct inet_diag_req_v2 what = {
		.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = STATES};
	int error = request(destroy, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &what, on_socket, listing);
	return listing->error ? listing->error : error;
}

static int destroy_one(struct sock_destroy *destroy, const struct found *found)
{
	struct inet_diag_req_v2 what = {
		.sdiag_family = found->family, .sdiag_protocol = IPPROTO_TCP, .id = found->id};
	return request(destroy, SOCK_DESTROY, NLM_F_ACK, &what, NULL, NULL);
}

/* --- the whole of it ------------------------------------------------------- */

static int explain(int error, struct reason *why)
{
	static const char meaning[] =
		"old TCP connections of IMS apps cannot be destroyed, so that an app may notice "
		"only after minutes that it has to connect again";
	if (error == -ENOENT || error == -EOPNOTSUPP) {
		reason_set(why, "%s: this kernel lacks CONFIG_INET_DIAG%s; restart the apps",
			meaning, error == -ENOENT ? " (module tcp_diag)" : "_DESTROY");
		return -EOPNOTSUPP;
	}
	if (error == -EPERM || error == -EACCES) {
		reason_set(why, "%s: this needs CAP_NET_ADMIN", meaning);
		return -EPERM;
	}
	reason_set(why, "%s: %s; restart the apps", meaning, strerror(-error));
	return error;
}

int sock_destroy_open(struct sock_destroy *destroy, struct reason *why)
{
	destroy->netlink = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (destroy->netlink && mnl_socket_bind(destroy->netlink, 0, MNL_SOCKET_AUTOPID) == 0)
		return 0;
	int error = -errno;
	sock_destroy_close(destroy);
	return explain(error, why);
}

int sock_destroy_old(
	struct sock_destroy *destroy, const struct sock_destroy_scope *scope, struct reason *why)
{
	struct listing listing = {.scope = scope};
	int destroyed = 0;
	if (!destroy->netlink)
		return explain(-ENOENT, why);
	int error = list(destroy, AF_INET, &listing);
	if (!error)
		error = list(destroy, AF_INET6, &listing);
	for (size_t i = 0; !error && i < listing.count; i++) {
		error = destroy_one(destroy, &listing.items[i]);
		destroyed += error == 0;
		if (error == -ENOENT) /* it went by itself */
			error = 0;
	}
	free(listing.items);
	return error ? explain(error, why) : destroyed;
}

void sock_destroy_close(struct sock_destroy *destroy)
{
	if (destroy->netlink)
		mnl_socket_close(destroy->netlink);
	destroy->netlink = NULL;
}
