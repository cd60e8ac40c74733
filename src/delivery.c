/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Few large writes instead of many small ones: the kernel's work for a packet
 * is nearly the same whatever its size. */
#include "delivery.h"

static void count(
	const struct delivery *delivery, enum tun_result result, const struct coalesced *packet)
{
	struct counters *counters = delivery->counters;
	switch (result) {
	case TUN_OK:
		counter_add(counters, delivery->packets, packet->packets);
		counter_add(counters, delivery->octets, packet->received);
		if (packet->packets > 1)
			counter_add(counters, COUNTER_PACKETS_MERGED, packet->packets);
		break;
	case TUN_AGAIN:
	case TUN_DOWN:
		counter_add(counters, COUNTER_DROP_TUN_FULL, packet->packets);
		break;
	case TUN_REFUSED:
	case TUN_FAILED:
		counter_add(counters, COUNTER_DROP_TUN_REFUSED, packet->packets);
		break;
	}
}

static void write_coalesced(void *owner, const struct coalesced *packet)
{
	struct delivery *delivery = owner;
	count(delivery,
		tun_write_pieces(delivery->tun, delivery->queue, packet->pieces,
			packet->piece_count, &packet->offload),
		packet);
}

void delivery_init(struct delivery *delivery, const struct tun *tun, unsigned queue, bool up)
{
	delivery->tun = tun;
	delivery->queue = queue;
	delivery->packets = up ? COUNTER_PACKETS_UP : COUNTER_PACKETS_DOWN;
	delivery->octets = up ? COUNTER_OCTETS_UP : COUNTER_OCTETS_DOWN;
	delivery->counters = NULL;
	coalesce_init(&delivery->coalesce, tun->udp_offload, write_coalesced, delivery);
}

void delivery_flush(struct delivery *delivery)
{
	coalesce_flush(&delivery->coalesce);
	delivery->counters = NULL;
}

void delivery_add(struct delivery *delivery, struct counters *counters, const struct packet *packet,
	uint8_t *octets, const struct offload *offload)
{
	if (delivery->counters != counters)
		delivery_flush(delivery);
	delivery->counters = counters;
	if (delivery->tun->offload && offload->type == OFFLOAD_NONE && offload->flags == 0) {
		coalesce_add(&delivery->coalesce, packet, octets);
		return;
	}
	/* A super-packet, or a TUN that takes none. */
	coalesce_pass(&delivery->coalesce, packet);
	struct view whole = {octets, packet->length};
	struct coalesced alone = {.pieces = &whole,
		.piece_count = 1,
		.packets = 1,
		.length = packet->length,
		.received = packet->length,
		.offload = *offload};
	write_coalesced(delivery, &alone);
}
