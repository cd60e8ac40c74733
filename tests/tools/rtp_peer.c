/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the ends of calls in these tests have in common. */
#include "rtp_peer.h"

#include <arpa/inet.h>
#include <err.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <time.h>

enum { GREETING_EVERY = 20000 /* us */, DSCP_EF = 46 };

uint64_t rtp_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void rtp_put32(uint8_t *to, uint32_t value)
{
	value = htonl(value);
	memcpy(to, &value, sizeof(value));
}

uint32_t rtp_get32(const uint8_t *from)
{
	uint32_t value;
	memcpy(&value, from, sizeof(value));
	return ntohl(value);
}

static struct addrinfo *resolve(const char *host, const char *port, int family, int flags)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | flags,
		.ai_family = family,
		.ai_socktype = SOCK_DGRAM};
	struct addrinfo *found;
	int error = getaddrinfo(host, port, &hints, &found);
	if (error)
		errx(2, "%s port %s: %s", host ? host : "local", port, gai_strerror(error));
	return found;
}

void rtp_open(struct rtp_peer *peer, const char *from, const char *port, const char *host,
	const char *peer_port)
{
	struct addrinfo *remote = resolve(host, peer_port, AF_UNSPEC, 0);
	struct addrinfo *local = resolve(from, port, remote->ai_family, AI_PASSIVE);
	memcpy(&peer->address, remote->ai_addr, remote->ai_addrlen);
	peer->address_size = remote->ai_addrlen;
	peer->fd = socket(remote->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (peer->fd < 0)
		err(1, "socket");
	int tos = DSCP_EF << 2;
	if (remote->ai_family == AF_INET6)
		setsockopt(peer->fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	else
		setsockopt(peer->fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	if (bind(peer->fd, local->ai_addr, local->ai_addrlen) < 0)
		err(1, "bind");
	freeaddrinfo(remote);
	freeaddrinfo(local);
}

static void send_octets(struct rtp_peer *peer, const void *octets, size_t size)
{
	if (sendto(peer->fd, octets, size, 0, (struct sockaddr *)&peer->address,
		    peer->address_size) < 0)
		peer->refused++;
}

/* One octet: too short for anybody's RTP. */
static void send_greeting(struct rtp_peer *peer)
{
	send_octets(peer, "", 1);
}

void rtp_send(struct rtp_peer *peer, const uint8_t *packet, size_t size)
{
	peer->sent++;
	send_octets(peer, packet, size);
}

/* All that is there.  Returns true when the peer was heard; one that still greets
 * is answered. */
static bool receive(struct rtp_peer *peer)
{
	bool heard = false;
	for (;;) {
		uint8_t packet[2048];
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		ssize_t length = recvfrom(
			peer->fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &size);
		if (length < 0)
			return heard;
		if (length == 1) {
			if (!heard && peer->sent == 0)
				send_greeting(peer);
			heard = true;
		} else if ((size_t)length >= peer->shortest && packet[0] == RTP_VERSION) {
			peer->from = from;
			heard = true;
			peer->take(peer->user, packet);
		}
	}
}

bool rtp_receive_until(struct rtp_peer *peer, uint64_t deadline, bool until_heard)
{
	bool heard = false;
	for (uint64_t now = rtp_now(); now < deadline; now = rtp_now()) {
		struct pollfd pollfd = {.fd = peer->fd, .events = POLLIN};
		uint64_t left = deadline - now;
		struct timespec timeout = {.tv_sec = (time_t)(left / 1000000),
			.tv_nsec = (long)(left % 1000000 * 1000)};
		if (ppoll(&pollfd, 1, &timeout, NULL) > 0 && receive(peer)) {
			heard = true;
			if (until_heard)
				break;
		}
	}
	return heard;
}

void rtp_greet(struct rtp_peer *peer, uint64_t patience)
{
	uint64_t deadline = rtp_now() + patience;
	while (rtp_now() < deadline) {
		send_greeting(peer);
		if (rtp_receive_until(peer, rtp_now() + GREETING_EVERY, true)) {
			send_greeting(peer);
			break;
		}
	}
	peer->refused = 0;
}
