/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sockets of probes: marked, connected also when they are UDP, so that ICMP
 * errors find them. */
#include "io/probe_socket.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/errqueue.h>

#include "io/mark.h"

static socklen_t fill_sockaddr(struct sockaddr_storage *out, const struct probe_target *target)
{
	memset(out, 0, sizeof(*out));
	if (target->address.version == 6) {
		struct sockaddr_in6 *sin6 = (void *)out;
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons(target->port);
		memcpy(&sin6->sin6_addr, target->address.octets, 16);
		return sizeof(*sin6);
	}
	struct sockaddr_in *sin = (void *)out;
	sin->sin_family = AF_INET;
	sin->sin_port = htons(target->port);
	memcpy(&sin->sin_addr, target->address.octets, 4);
	return sizeof(*sin);
}

static void read_sockaddr(const void *from, struct address *address, uint16_t *port)
{
	const struct sockaddr_in *sin = from;
	const struct sockaddr_in6 *sin6 = from;
	*address = (struct address){0};
	*port = 0;
	if (sin->sin_family == AF_INET) {
		address_set(address, 4, (const uint8_t *)&sin->sin_addr);
		*port = ntohs(sin->sin_port);
	} else if (sin->sin_family == AF_INET6) {
		address_set(address, 6, sin6->sin6_addr.s6_addr);
		*port = ntohs(sin6->sin6_port);
	}
}

/* By default the kernel keeps the ICMP errors that it holds for passing from a
 * UDP socket; to a probe they are the answer. */
static void want_icmp(int fd, uint8_t version)
{
	int on = 1;
	if (version == 6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
}

int probe_socket_open(const struct probe_target *target, uint32_t mark, struct reason *why)
{
	bool is_udp = target->transport == OVER_UDP;
	int fd = socket(target->address.version == 6 ? AF_INET6 : AF_INET,
		(is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		int error = errno;
		if (error != EAFNOSUPPORT) /* else a kernel without this family */
			reason_set(why, "cannot make a socket: %s", strerror(error));
		return -error;
	}
	int error = mark_socket(fd, mark, why);
	if (error) {
		close(fd);
		return error;
	}
	if (is_udp) {
		want_icmp(fd, target->address.version);
	} else {
		int on = 1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	struct sockaddr_storage to;
	socklen_t size = fill_sockaddr(&to, target);
	if (connect(fd, (struct sockaddr *)&to, size) == 0 || errno == EINPROGRESS)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

int probe_socket_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return errno;
	return error;
}

void probe_socket_local(int fd, struct address *address, uint16_t *port)
{
	struct sockaddr_storage here = {0};
	socklen_t size = sizeof(here);
	getsockname(fd, (struct sockaddr *)&here, &size);
	read_sockaddr(&here, address, port);
}

/* "Communication administratively prohibited", in all its forms (RFC 1812
 * 5.2.7.1, RFC 4443 3.1). */
static bool is_prohibition(const struct sock_extended_err *error)
{
	if (error->ee_origin == SO_EE_ORIGIN_ICMP6)
		return error->ee_type == ICMP6_DST_UNREACH &&
		       error->ee_code == ICMP6_DST_UNREACH_ADMIN;
	return error->ee_type == ICMP_DEST_UNREACH &&
	       (error->ee_code == ICMP_NET_ANO || error->ee_code == ICMP_HOST_ANO ||
		       error->ee_code == ICMP_PKT_FILTERED);
}

void probe_socket_reporter(int fd, struct address *out, bool *forbidden)
{
	union {
		struct cmsghdr header;
		uint8_t octets[512];
	} control;
	struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof(control)};
	uint16_t port;
	*out = (struct address){0};
	*forbidden = false;
	if (recvmsg(fd, &message, MSG_ERRQUEUE) < 0)
		return;
	for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at; at = CMSG_NXTHDR(&message, at)) {
		const struct sock_extended_err *error = (const void *)CMSG_DATA(at);
		bool is_error = (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_RECVERR) ||
				(at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_RECVERR);
		if (!is_error || (error->ee_origin != SO_EE_ORIGIN_ICMP &&
					 error->ee_origin != SO_EE_ORIGIN_ICMP6))
			continue;
		read_sockaddr(SO_EE_OFFENDER(error), out, &port);
		*forbidden = is_prohibition(error);
	}
}

enum probe_outcome probe_outcome_of_errno(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return PROBE_REFUSED;
	case ECONNRESET:
	case EPIPE:
	case ECONNABORTED:
		return PROBE_CLOSED;
	case ETIMEDOUT:
		return PROBE_SILENT;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return PROBE_LOCAL;
	default: /* of the kernel's many, all others mean that there is no way */
		return PROBE_UNREACHABLE;
	}
}
