/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reverse of segmentation: packets of one flow that came together become
 * one super-packet, so that the kernel handles them as one.  The rules are
 * those of the kernel's own GRO, so that whoever segments it again gets the
 * packets that came:
 *
 *  - next to each other in their flow; of TCP the sequence goes on exactly;
 *  - both checksums of every packet are right, or it is passed on as it is;
 *  - same TTL, class, flow label, DF, TCP options, acknowledgement and window;
 *  - IPv4 ids count up by one, except under DF, where they mean nothing (RFC
 *    6864 4.1): a socket that serves many calls counts them across all of
 *    these.  They count up by one after segmentation;
 *  - same payload size, only the last one may be shorter;
 *  - PSH and FIN end it; SYN, RST, URG and CWR are never merged;
 *  - no fragment, no IP option, no extension header.
 *
 * Order is kept within a flow.  Nothing waits: who hands in the last packet at
 * hand calls coalesce_flush(). */
#ifndef TSCF_CORE_COALESCE_H
#define TSCF_CORE_COALESCE_H

#include "core/offload.h"

enum {
	COALESCE_FLOWS = 16,    /* built at the same time */
	COALESCE_SEGMENTS = 64, /* in one; of UDP the kernel takes no more */
};

/* A packet on its way out, in pieces that follow each other. */
struct coalesced {
	const struct view *pieces; /* at most COALESCE_SEGMENTS */
	unsigned piece_count;
	unsigned packets; /* that it was made of; 1: as it came in, in one piece */
	size_t length;    /* of it as one packet */
	size_t received;  /* octets of those packets, headers and all */
	struct offload offload;
};

/* Valid until it returns. */
typedef void coalesce_out(void *owner, const struct coalesced *packet);

/* One super-packet in the making. */
struct coalesce_flow {
	struct packet first; /* its headers become those of all */
	uint8_t *octets;     /* of the first packet, writable */
	uint32_t sequence;   /* TCP: of the next octet */
	uint16_t headers;    /* octets of IP and transport header */
	uint16_t segment_size;
	bool is_right;     /* the first packet's checksums were verified */
	uint8_t end_flags; /* FIN, PSH of the last packet */
	unsigned packets;  /* 0: nothing is held */
	size_t length, received;
	struct view pieces[COALESCE_SEGMENTS];
};

struct coalesce {
	coalesce_out *out;
	void *owner;
	bool udp;      /* whoever takes them segments UDP too */
	unsigned used; /* flows that are in the table */
	unsigned next; /* to make room when it is full */
	struct coalesce_flow flows[COALESCE_FLOWS];
};

void coalesce_init(struct coalesce *coalesce, bool udp, coalesce_out *out, void *owner);
/* Takes in `packet`, whose `octets` may be changed and must stay until the
 * flush; what its arrival completes goes out. */
void coalesce_add(struct coalesce *coalesce, const struct packet *packet, uint8_t *octets);
/* Lets out what is held of this packet's flow, because the packet goes there
 * another way. */
void coalesce_pass(struct coalesce *coalesce, const struct packet *packet);
/* Lets everything out. */
void coalesce_flush(struct coalesce *coalesce);

#endif
