/* SPDX-License-Identifier: GPL-3.0-or-later */
/* THE data path, the same in both programs:
 *
 *   TUN  -> packet_parse -> sched_enqueue | sched_dequeue -> envelope -> lane
 *   lane -> envelope_next -> packet_parse -> admit -> TUN
 *
 * A datapath is what one thread has: a TUN queue, the memory for packets in
 * flight, and a list of the tunnels that have something to send. A tunnel is
 * one peer: a scheduler in front of its lanes.  Towards the TUN nothing is
 * queued: the kernel takes a packet or it is dropped and counted.
 *
 * The two programs differ in two questions, which they answer by callbacks:
 * which tunnel does a packet from the TUN go to, and may a packet from this
 * tunnel go to the TUN. */
#ifndef TSCF_TUNNEL_H
#define TSCF_TUNNEL_H

#include "core/control.h"
#include "core/lane_demand.h"
#include "core/rate_limit.h"
#include "core/sched.h"
#include "delivery.h"
#include "io/tun.h"
#include "lane_set.h"
#include "realtime.h"
#include "stage.h"

enum {
	DATAPATH_CONTROL = CONTROL_ENCODED_MAX,
	MEDIA_QUIET_US = 3000000, /* us; media flows until that long after its last packet */
};

struct tunnel;

struct datapath_events {
	/* A packet from the TUN: its tunnel, or NULL and the counter to blame.
	 * Where the sender deserves an ICMP error, `*answer` octets of it are
	 * written to `icmp` (1280 octets of room). */
	struct tunnel *(*route)(void *owner, const struct packet *packet, enum counter *drop,
		uint8_t *icmp, size_t *answer);
	/* May this packet, received through `tunnel`, go to the TUN? */
	bool (*admit)(struct tunnel *tunnel, const struct packet *packet, enum counter *drop);
	/* A control message (the payload of its envelope), and whence it came. */
	void (*control)(
		struct tunnel *tunnel, struct lane *lane, const uint8_t *payload, size_t length);
	/* The first packet of audio or video from the TUN after MEDIA_QUIET_US
	 * without one; may be NULL. */
	void (*media)(struct tunnel *tunnel);
	/* Of a tunnel with `demand`: another number of lanes may be wanted, now.  May
	 * be NULL where no tunnel has. */
	void (*lanes)(struct tunnel *tunnel);
	/* The TUN cannot be read any more; called once. */
	void (*tun_failed)(void *owner, int error);
};

struct datapath {
	struct ev_loop *loop;
	const struct tun *tun; /* borrowed */
	unsigned queue;
	struct ev_io readable;
	struct ev_prepare push; /* sends what this turn of the loop gathered */
	struct ev_timer held;   /* turns the loop while a tunnel waits for the network */
	struct ev_idle more;    /* and at once while there is more to send than in a turn */
	size_t turn;            /* octets that this turn of the loop has sent */
	size_t in_a_row;        /* and all of them since it gave way to other threads */
	bool sends_up;          /* TUN to lane is "up": the TSE's side; set before datapath_init */
	const struct datapath_events *events;
	void *owner;
	struct sched_policy policy;
	struct slab slab;
	struct slot *spare;                    /* what the next packet is read into */
	struct tunnel *pending, *pending_last; /* tunnels with packets, and a lane for them */
	uint64_t flow_key;                     /* for packet_flow() */
	struct address own4, own6;             /* source of ICMP errors */
	struct rate_limit icmp;                /* and how many of them */
	struct counters counters;              /* of packets that belong to no tunnel */
	struct delivery delivery;              /* from the lanes to the TUN */
	struct lane_scratch scratch;
	struct stage stage;
	/* ICMP errors that are written back to the TUN. */
	uint8_t answer[LANE_HEADROOM + CONTROL_MTU_MIN];
	uint8_t control[DATAPATH_CONTROL];
};

struct tunnel {
	struct datapath *datapath; /* borrowed */
	struct lane_set lanes;     /* empty while there is none */
	struct realtime realtime;  /* copies, pace of bulk, figures */
	struct sched sched;
	struct counters counters;
	uint16_t mtu;               /* inner */
	uint16_t link_mtu;          /* of our own interface, if smaller; else 0 */
	bool plain;                 /* the peer knows type-1 envelopes only */
	bool offload;               /* both ends take type-0x81 envelopes */
	uint64_t last_media;        /* us, when audio or video was last sent; 0: never */
	struct lane_demand *demand; /* borrowed; NULL where the peer decides on lanes */
	bool is_pending;
	struct tunnel *pending_next;
	void *owner;
};

/* Starts to read queue `queue` of the TUN. 0 or -ENOMEM. */
int datapath_init(struct datapath *datapath, struct ev_loop *loop, const struct tun *tun,
	unsigned queue, const struct datapath_events *events, void *owner);
/* Every tunnel must be gone. */
void datapath_fini(struct datapath *datapath);
/* After the TUN was down: read again. */
void datapath_resume(struct datapath *datapath);

void tunnel_init(struct tunnel *tunnel, struct datapath *datapath, void *owner);
void tunnel_fini(struct tunnel *tunnel);
/* From now on packets flow through this lane alone (NULL: they wait). */
void tunnel_attach(struct tunnel *tunnel, struct lane *lane, uint16_t mtu, bool offload);
/* One lane more; false when it has all that it may have. */
bool tunnel_add_lane(struct tunnel *tunnel, struct lane *lane);
/* One lane less; packets that it was given and did not deliver are lost.  One
 * that the tunnel does not have is no error. */
void tunnel_remove_lane(struct tunnel *tunnel, struct lane *lane);

/* One envelope that came on `lane` (struct lane_events.envelope). */
void tunnel_receive(struct tunnel *tunnel, struct lane *lane, const struct envelope *envelope);
/* A lane takes more (struct lane_events.writable). */
void tunnel_writable(struct tunnel *tunnel);
/* Sends a control message at once, before anything that waits: on the tunnel's
 * first lane, or on the one it is about, which need not be the tunnel's yet. */
void tunnel_control(struct tunnel *tunnel, const struct control_message *message);
void tunnel_control_on(
	struct tunnel *tunnel, struct lane *lane, const struct control_message *message);
/* The same for an IP packet that we have made ourselves, for the peer and not
 * for anybody behind it. */
void tunnel_packet_on(
	struct tunnel *tunnel, struct lane *lane, const uint8_t *packet, size_t length);

#endif
