/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Accepts connections, a bounded number per turn of the loop. */
#include "tscfd/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "core/address.h"

/* Few at a time: to prepare for a handshake is a good part of its work. */
enum { BACKLOG = 1024, ACCEPTS = 2 };

static socklen_t socket_address(
	const struct address *address, uint16_t port, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (address->version == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, address->octets, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, address->octets, 16);
	return sizeof(*in6);
}

static void explain_bind(const struct config_endpoint *address, int error, struct reason *why)
{
	const char *host = address->host;
	unsigned port = address->port;
	if (error == EADDRINUSE)
		reason_set(why,
			"%s port %u is taken by another program; `ss -ltnp sport = :%u` "
			"names it: stop it, or choose another [listen] address",
			host, port, port);
	else if (error == EADDRNOTAVAIL)
		reason_set(why, "%s is no address of this host; correct [listen] address", host);
	else if (error == EACCES)
		reason_set(why, "may not listen on %s port %u: start tscfd as root", host, port);
	else
		reason_set(why, "cannot listen on %s port %u: %s", host, port, strerror(error));
}

/* A bound, listening, non-blocking socket, or -errno. */
static int bind_and_listen(const struct config_endpoint *address, bool share, struct reason *why)
{
	struct address parsed;
	struct sockaddr_storage to;
	int on = 1;

	if (!address_parse(&parsed, address->host)) {
		reason_set(why, "[listen] address = %s: not a numeric address", address->host);
		return -EINVAL;
	}
	socklen_t length = socket_address(&parsed, address->port, &to);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		int error = errno;
		reason_set(why, "no socket for %s: %s", address->host, strerror(error));
		return -error;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (to.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if ((share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) ||
		bind(fd, (const struct sockaddr *)&to, length) < 0 || listen(fd, BACKLOG) < 0) {
		int error = errno;
		explain_bind(address, error, why);
		close(fd);
		return -error;
	}
	return fd;
}

int listener_check_free(const struct config_endpoint *address, struct reason *why)
{
	int fd = bind_and_listen(address, false, why);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int find_handed(const struct activation *handed, const struct config_endpoint *address)
{
	struct address parsed;
	struct sockaddr_storage to;
	if (!address_parse(&parsed, address->host))
		return -1;
	socket_address(&parsed, address->port, &to);
	return activation_find(handed, &to);
}

bool listener_is_handed(const struct activation *handed, const struct config_endpoint *address)
{
	return find_handed(handed, address) >= 0;
}

int listener_open(struct listener *listener, const struct activation *handed,
	const struct config_endpoint *address, struct reason *why)
{
	int shared = find_handed(handed, address), fd;
	if (shared < 0) {
		fd = bind_and_listen(address, true, why);
	} else if ((fd = fcntl(shared, F_DUPFD_CLOEXEC, 0)) < 0) {
		fd = -errno;
		reason_set(why, "no descriptor for %s: %s", address->host, strerror(-fd));
	}
	if (fd < 0)
		return fd;
	listener->fd = fd;
	listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return 0;
}

/* Descriptors have run out: takes one connection off the queue and closes it. */
static bool turn_away(struct listener *listener)
{
	close(listener->reserve);
	int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	listener->exhausted(listener->owner);
	return fd >= 0;
}

static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	(void)loop;
	(void)events;
	struct listener *listener = watcher->data;

	for (int accepts = 0; accepts < ACCEPTS; accepts++) {
		struct sockaddr_storage from;
		socklen_t length = sizeof(from);
		int fd = accept4(listener->fd, (struct sockaddr *)&from, &length,
			SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			listener->accepted(listener->owner, fd, &from);
		else if (errno == EMFILE || errno == ENFILE) {
			if (!turn_away(listener))
				return;
		} else if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

void listener_start(struct listener *listener, struct ev_loop *loop,
	void (*accepted)(void *owner, int fd, const struct sockaddr_storage *from),
	void (*exhausted)(void *owner), void *owner)
{
	listener->loop = loop;
	listener->accepted = accepted;
	listener->exhausted = exhausted;
	listener->owner = owner;
	ev_io_init(&listener->watcher, on_readable, listener->fd, EV_READ);
	ev_set_priority(&listener->watcher, -2);
	listener->watcher.data = listener;
	ev_io_start(loop, &listener->watcher);
}

void listener_stop(struct listener *listener)
{
	if (listener->loop)
		ev_io_stop(listener->loop, &listener->watcher);
}

void listener_close(struct listener *listener)
{
	listener_stop(listener);
	close(listener->fd);
	close(listener->reserve);
}
