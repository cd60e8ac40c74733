/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The TCP connection below a lane: what we ask of it, and what it tells.
 *
 * A lane that carries voice is a thin stream: a packet every 20 ms, never enough
 * in flight for TCP's fast recovery.  What a stock kernel makes of a loss in one,
 * above all after an outage, takes seconds; so we ask for what each kernel has.
 * Nothing here can fail a connection: it only makes it better. */
#ifndef TSCF_IO_LANE_TCP_H
#define TSCF_IO_LANE_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* What the kernel may hold and not have sent (TCP_NOTSENT_LOWAT): so many
	 * ms of the lane's rate, but at least and at most so many octets, and so
	 * many before there is a rate. */
	LANE_TCP_UNSENT_MS = 5,
	LANE_TCP_UNSENT_MIN = 2 * 1024,
	LANE_TCP_UNSENT_MAX = 128 * 1024,
	LANE_TCP_UNSENT_FIRST = 32 * 1024,
	LANE_TCP_SAMPLE_US = 100000,   /* us; how old what we know of a lone lane may be */
	LANE_TCP_SHORT_PATH_US = 1000, /* us of round trip: a local network */
	LANE_TCP_LONG_PATH_US = 10000, /* us of round trip: shallow buffers may be on the way */
	LANE_TCP_DEAD_MS = 20000,      /* sent and unacknowledged that long: the peer is gone */
	LANE_TCP_HURRY_MS = 100,       /* between two attempts, while that is asked for */
};

/* What the kernel knows.  Counts are since the connection was made. */
struct lane_tcp {
	uint64_t read_at;          /* us, monotonic; 0: never */
	uint32_t rtt;              /* us, smoothed; 0: not known */
	uint32_t rttvar;           /* us, how much it varies */
	uint32_t min_rtt;          /* us, of the last minutes; 0: not known */
	uint32_t silence;          /* ms, since the peer's last octets came */
	uint32_t unacked;          /* octets sent and not acknowledged */
	uint32_t unsent;           /* octets that the kernel holds and has never sent */
	uint32_t unsent_limit;     /* octets, TCP_NOTSENT_LOWAT as last set */
	uint64_t delivery_rate;    /* octets per second, lately; 0: not known */
	bool rate_is_floor;        /* there was too little to send to measure more */
	uint64_t acknowledged;     /* octets */
	uint64_t delivered;        /* octets, about, that the peer has: in whatever order */
	uint64_t moved;            /* us, when it was last seen that the peer has more; 0: never */
	uint64_t segments_arrived; /* that the peer has told of, in whatever order */
	uint64_t segments_sent;    /* with octets of ours in them */
	uint64_t retransmitted;    /* segments: what was lost on the way to the peer */
	uint64_t segments_come;    /* with octets of the peer's in them */
	uint64_t came_out_of_turn; /* segments: what was lost (or overtaken) on the way to us */
	uint64_t resending;        /* us: that early it may have begun to send again what it
				      still does; 0: it does not */
	uint64_t resent;           /* octets: nothing behind these has been */
	bool blocked;              /* what it is given now would wait in the kernel */
	bool hurried;
};

/* All options of a connected socket that is about to become a lane; fills *tcp
 * with what is known then: nothing. */
void lane_tcp_tune(struct lane_tcp *tcp, int fd);
/* Asks the peer's kernel whether it is there after so many seconds of silence,
 * and then until LANE_TCP_DEAD_MS have passed; for peers that cannot be asked
 * otherwise. */
void lane_tcp_keep_alive(int fd, unsigned seconds);
/* Reads the kernel's knowledge, one system call; false (and nothing changed)
 * when it tells nothing. */
bool lane_tcp_read(struct lane_tcp *tcp, int fd, uint64_t now);
/* us that what the kernel has not sent yet will take at the rate that was read: the way
 * from the scheduler to the wire.  0: nothing waits, or no rate is known. */
static inline uint64_t lane_tcp_to_wire(const struct lane_tcp *tcp)
{
	return tcp->unsent && tcp->delivery_rate
		       ? tcp->unsent * UINT64_C(1000000) / tcp->delivery_rate
		       : 0;
}
/* When the last octets of the peer came, us, to a tick of the kernel (10 ms at most)
 * sharp; reads *tcp for that.  0: not known. */
uint64_t lane_tcp_last_came(struct lane_tcp *tcp, int fd, uint64_t now);
/* Fewer octets than these do not make the socket readable (its end does). */
void lane_tcp_wake_for(int fd, size_t octets);
/* While the network carries nothing: a thin stream is sent again six times at even
 * distances before these grow, and so it covers more of an outage when they are
 * longer.  Off again, a loss is repaired sooner. */
void lane_tcp_be_patient(int fd, bool patient);
/* What is lost is sent again every LANE_TCP_HURRY_MS, however often it was in vain.
 * The price: who asks for that must read and ask again much sooner, or calm it;
 * else the kernel gives the connection up. */
void lane_tcp_hurry(struct lane_tcp *tcp, int fd, uint64_t now);
void lane_tcp_calm(struct lane_tcp *tcp, int fd);
/* Bounds what waits unsent in the kernel, where nothing can be overtaken, to
 * LANE_TCP_UNSENT_MS of the rate that was read. */
void lane_tcp_bound_unsent(struct lane_tcp *tcp, int fd);

#endif
