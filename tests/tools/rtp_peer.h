/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One end of an RTP stream: its socket, and how two ends find each other.  Both
 * greet until they hear each other, so nothing is lost only because one started
 * first; and not for ever, so that a blocked path ends too. */
#ifndef RTP_PEER_H
#define RTP_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	RTP_HEADER = 12,
	RTP_VERSION = 0x80, /* version 2, no padding, extension or CSRC */
};

struct rtp_peer {
	int fd;
	struct sockaddr_storage address; /* where to send */
	socklen_t address_size;
	struct sockaddr_storage from; /* of the last packet; family 0: none came */
	uint32_t sent, refused;       /* refused: the kernel or the network said no */
	size_t shortest;              /* octets of a packet that is taken */
	void (*take)(void *user, const uint8_t *packet);
	void *user;
};

uint64_t rtp_now(void); /* us, monotonic */
void rtp_put32(uint8_t *to, uint32_t value);
uint32_t rtp_get32(const uint8_t *from);

/* Sends as EF.  `from`: NULL where the kernel shall choose, as it does for any
 * app.  Ends the process when it cannot. */
void rtp_open(struct rtp_peer *peer, const char *from, const char *port, const char *host,
	const char *peer_port);
void rtp_send(struct rtp_peer *peer, const uint8_t *packet, size_t size);
/* Takes packets until `deadline`; true when the peer was heard, and then at once
 * if wanted. */
bool rtp_receive_until(struct rtp_peer *peer, uint64_t deadline, bool until_heard);
/* At most `patience` us. */
void rtp_greet(struct rtp_peer *peer, uint64_t patience);

#endif
