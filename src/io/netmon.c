/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernel's own news about the network, so that nobody has to poll. */
#include "io/netmon.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/netlink.h"

enum {
	/* A flood of events (a routing daemon starts) does not hold up the loop:
	 * what is left wakes it again. */
	NETMON_READS = 64,
	NETMON_BUFFER = 32768,
	NETMON_QUEUE = 1 << 20, /* octets that may wait in the kernel */
};

struct reading {
	struct netmon *netmon;
	struct netmon_event *event;
};

/* What one attribute of an event says, if it is there. */
struct wanted {
	uint16_t type;
	bool found;
	uint32_t value;
};

static int find_number(const struct nlattr *attribute, void *user)
{
	struct wanted *wanted = user;
	if (mnl_attr_get_type(attribute) != wanted->type)
		return MNL_CB_OK;
	if (mnl_attr_get_payload_len(attribute) >= sizeof(uint32_t)) {
		wanted->found = true;
		wanted->value = mnl_attr_get_u32(attribute);
	} else if (mnl_attr_get_payload_len(attribute) >= 1) {
		wanted->found = true;
		wanted->value = mnl_attr_get_u8(attribute);
	}
	return MNL_CB_STOP;
}

static struct wanted attribute_of(const struct nlmsghdr *header, unsigned offset, uint16_t type)
{
	struct wanted wanted = {.type = type};
	(void)mnl_attr_parse(header, offset, find_number, &wanted);
	return wanted;
}

static void note(const struct reading *reading, enum netmon_change change, bool ours)
{
	reading->event->changes |= change;
	if (ours)
		reading->event->ours = true;
	else
		reading->event->others = true;
}

static bool is_own(const struct netmon *netmon, unsigned index)
{
	return netmon->own_index != 0 && index == netmon->own_index;
}

static void note_route(const struct reading *reading, const struct nlmsghdr *header)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(header);
	if (route->rtm_flags & RTM_F_CLONED)
		return;
	/* Unreachable and throw routes have no interface of ours. */
	struct wanted index = attribute_of(header, sizeof(*route), RTA_OIF);
	bool ours = route->rtm_protocol == NETLINK_PROTOCOL ||
		    (index.found && is_own(reading->netmon, index.value));
	note(reading, NETMON_ROUTE, ours);
}

static int take_address(const struct nlattr *attribute, void *user)
{
	struct netmon_address *address = user;
	size_t length = mnl_attr_get_payload_len(attribute);
	uint16_t type = mnl_attr_get_type(attribute);
	if (type == IFA_LOCAL && length <= sizeof(address->local))
		memcpy(address->local, mnl_attr_get_payload(attribute), length);
	else if (type == IFA_ADDRESS && length <= sizeof(address->far))
		memcpy(address->far, mnl_attr_get_payload(attribute), length);
	else if (type == IFA_FLAGS && length >= sizeof(uint32_t))
		address->flags = mnl_attr_get_u32(attribute);
	return MNL_CB_OK;
}

static bool same_address(const struct netmon_address *a, const struct netmon_address *b)
{
	return a->index == b->index && a->family == b->family && a->length == b->length &&
	       memcmp(a->local, b->local, sizeof(a->local)) == 0 &&
	       memcmp(a->far, b->far, sizeof(a->far)) == 0;
}

/* Whether that is news. */
static bool learn(struct netmon *netmon, const struct netmon_address *address, bool gone)
{
	size_t i = 0;
	while (i < netmon->known_count && !same_address(&netmon->known[i], address))
		i++;
	bool known = i < netmon->known_count;
	if (gone) {
		if (known)
			netmon->known[i] = netmon->known[--netmon->known_count];
		return true;
	}
	if (known && netmon->known[i].flags == address->flags)
		return false;
	if (i < NETMON_ADDRESSES)
		netmon->known[i] = *address;
	if (i == netmon->known_count && i < NETMON_ADDRESSES)
		netmon->known_count++;
	return true;
}

static void note_address(const struct reading *reading, const struct nlmsghdr *header)
{
	const struct ifaddrmsg *about = mnl_nlmsg_get_payload(header);
	struct netmon_address address = {.index = about->ifa_index,
		.family = about->ifa_family,
		.length = about->ifa_prefixlen,
		.flags = about->ifa_flags};
	(void)mnl_attr_parse(header, sizeof(*about), take_address, &address);
	address.flags &= IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED;
	bool news = learn(reading->netmon, &address, header->nlmsg_type == RTM_DELADDR);
	/* In several parts comes what was there before, see ask_addresses. */
	if (news && !(header->nlmsg_flags & NLM_F_MULTI))
		note(reading, NETMON_ADDRESS, is_own(reading->netmon, about->ifa_index));
}

static int on_message(const struct nlmsghdr *header, void *user)
{
	const struct reading *reading = user;
	switch (header->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK: {
		const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);
		if (mnl_nlmsg_get_payload_len(header) >= sizeof(*link))
			note(reading, NETMON_LINK,
				is_own(reading->netmon, (unsigned)link->ifi_index));
		break;
	}
	case RTM_NEWADDR:
	case RTM_DELADDR:
		if (mnl_nlmsg_get_payload_len(header) >= sizeof(struct ifaddrmsg))
			note_address(reading, header);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (mnl_nlmsg_get_payload_len(header) >= sizeof(struct rtmsg))
			note_route(reading, header);
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
		if (mnl_nlmsg_get_payload_len(header) >= sizeof(struct fib_rule_hdr))
			note(reading, NETMON_RULE,
				attribute_of(header, sizeof(struct fib_rule_hdr), FRA_PROTOCOL)
						.value == NETLINK_PROTOCOL);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static void note_overrun(struct netmon *netmon, struct netmon_event *event)
{
	event->changes |= NETMON_OVERRUN;
	event->ours = event->others = true;
	netmon->known_count = 0; /* one may have gone unheard */
}

/* One datagram; false when there is no more for now. */
static bool read_once(struct netmon *netmon, struct netmon_event *event)
{
	_Alignas(struct nlmsghdr) char buffer[NETMON_BUFFER];
	struct sockaddr_nl from = {0};
	socklen_t size = sizeof(from);
	ssize_t got = recvfrom(
		netmon->fd, buffer, sizeof(buffer), MSG_TRUNC, (struct sockaddr *)&from, &size);
	if (got < 0) {
		if (errno == EINTR)
			return true;
		if (errno != ENOBUFS)
			return false;
		note_overrun(netmon, event);
		return true;
	}
	if (from.nl_pid != 0) /* not from the kernel */
		return true;
	if ((size_t)got > sizeof(buffer)) {
		note_overrun(netmon, event);
		return true;
	}
	struct reading reading = {.netmon = netmon, .event = event};
	(void)mnl_cb_run(buffer, (size_t)got, 0, 0, on_message, &reading);
	return true;
}

static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	(void)loop;
	(void)events;
	struct netmon *netmon = watcher->data;
	struct netmon_event event = {0};
	for (int i = 0; i < NETMON_READS && read_once(netmon, &event); i++)
		;
	/* Last: the receiver may close the monitor. */
	if (event.changes)
		netmon->changed(netmon->user, &event);
}

static int join_groups(int fd)
{
	static const int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE};
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			    sizeof(groups[i])) < 0)
			return -errno;
	return 0;
}

/* Those of both families that are there.  Without an answer the first refresh of
 * each is taken for a change, no more. */
static void ask_addresses(int fd)
{
	struct {
		struct nlmsghdr header;
		struct ifaddrmsg about;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETADDR,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.about = {.ifa_family = AF_UNSPEC},
	};
	(void)send(fd, &request, sizeof(request), 0);
}

int netmon_socket(struct reason *why)
{
	struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	int queue = NETMON_QUEUE;
	int result = 0;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0 || bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0)
		result = -errno;
	if (result == 0)
		result = join_groups(fd);
	if (result < 0) {
		reason_set(why, "cannot watch the network for changes (netlink): %s",
			strerror(-result));
		if (fd >= 0)
			close(fd);
		return result;
	}
	/* A larger queue only makes overruns rarer. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof(queue)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue));
	ask_addresses(fd);
	return fd;
}

void netmon_watch(struct netmon *netmon, struct ev_loop *loop, int fd,
	void (*changed)(void *user, const struct netmon_event *event), void *user)
{
	*netmon = (struct netmon){.loop = loop, .fd = fd, .changed = changed, .user = user};
	ev_io_init(&netmon->watcher, on_readable, fd, EV_READ);
	netmon->watcher.data = netmon;
	ev_io_start(loop, &netmon->watcher);
}

int netmon_open(struct netmon *netmon, struct ev_loop *loop,
	void (*changed)(void *user, const struct netmon_event *event), void *user,
	struct reason *why)
{
	int fd = netmon_socket(why);
	if (fd < 0) {
		netmon->fd = -1;
		return fd;
	}
	netmon_watch(netmon, loop, fd, changed, user);
	return 0;
}

void netmon_close(struct netmon *netmon)
{
	if (netmon->fd < 0)
		return;
	ev_io_stop(netmon->loop, &netmon->watcher);
	close(netmon->fd);
	netmon->fd = -1;
}
