/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets from nobody knows where, coalesced.  Whatever comes out must parse,
 * and segmented again give the packets that went in, each flow in its order;
 * IPv4 ids alone may differ, where they were all the same under DF.
 *
 *   input: { length(2) packet }... ; the fuzzer rarely makes checksums right,
 *   so bit 15 of the length has them made right */
#include "core/coalesce.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 18, PACKETS_MAX = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* One after the other: what went in, its copy that is coalesced, what came
 * out. */
static uint8_t before[ROOM], octets[ROOM], after[ROOM], joined[65536];
static struct view sent[PACKETS_MAX], got[PACKETS_MAX];
static unsigned sent_count, got_count;
static size_t got_used;
static struct coalesce coalesce;

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void put_got(const uint8_t *from, size_t length)
{
	require(got_count < PACKETS_MAX && got_used + length <= ROOM);
	memcpy(after + got_used, from, length);
	got[got_count++] = (struct view){after + got_used, length};
	got_used += length;
}

static void take(void *owner, const struct coalesced *packet)
{
	(void)owner;
	size_t length = 0;
	for (unsigned i = 0; i < packet->piece_count; i++) {
		require(length + packet->pieces[i].length <= sizeof(joined));
		memcpy(joined + length, packet->pieces[i].octets, packet->pieces[i].length);
		length += packet->pieces[i].length;
	}
	struct packet whole;
	require(length == packet->length);
	require(packet_parse(joined, length, &whole) == PACKET_OK);
	struct offload offload = packet->offload;
	require(offload_segments(&offload, &whole) == packet->packets);
	require(packet->packets == 1 || offload.flags == OFFLOAD_NEEDS_CHECKSUM);
	for (unsigned i = 0; i < packet->packets; i++) {
		static uint8_t piece[65536];
		put_got(piece, offload_segment(&offload, &whole, i, piece, sizeof(piece)));
	}
}

static void make_right(uint8_t *at, const struct packet *packet)
{
	if (packet->version == 4) {
		put_u16(at + 10, 0);
		put_u16(at + 10, (uint16_t)~packet_sum(at, packet->l4_offset, 0));
	}
	if (offload_headers(packet))
		put_u16(at + packet->l4_offset + (packet->protocol == PROTOCOL_UDP ? 6 : 16),
			packet_l4_checksum(packet));
}

/* One flow, and one of the fragments and the rest. */
static bool same_flow(const struct packet *a, const struct packet *b)
{
	if (a->version != b->version || a->protocol != b->protocol || a->has_ports != b->has_ports)
		return false;
	return !a->has_ports ||
	       (a->source_port == b->source_port && a->destination_port == b->destination_port &&
		       memcmp(a->source, b->source, 2 * address_size(a->version)) == 0);
}

/* The same octets, except for an IPv4 id that means nothing. */
static bool is_same(const struct view *a, const struct view *b)
{
	if (a->length != b->length)
		return false;
	if (a->octets[0] >> 4 == 6 || !(a->octets[6] & 0x40))
		return memcmp(a->octets, b->octets, a->length) == 0;
	return memcmp(a->octets, b->octets, 4) == 0 &&
	       memcmp(a->octets + 6, b->octets + 6, 4) == 0 &&
	       memcmp(a->octets + 12, b->octets + 12, a->length - 12) == 0;
}

static struct packet parse(const struct view *view)
{
	struct packet packet;
	require(packet_parse(view->octets, view->length, &packet) == PACKET_OK);
	return packet;
}

/* Every packet sent is the first of its flow that has not been seen yet. */
static void compare(void)
{
	static bool seen[PACKETS_MAX];
	memset(seen, 0, sizeof(seen));
	require(got_count == sent_count);
	for (unsigned i = 0; i < sent_count; i++) {
		struct packet wanted = parse(&sent[i]);
		unsigned at = 0;
		for (; at < got_count; at++) {
			struct packet packet = parse(&got[at]);
			if (!seen[at] && same_flow(&wanted, &packet))
				break;
		}
		require(at < got_count && is_same(&sent[i], &got[at]));
		seen[at] = true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	size_t used = 0;
	sent_count = got_count = 0;
	got_used = 0;
	while (size >= 2 && sent_count < PACKETS_MAX) {
		bool right = input[0] & 0x80;
		size_t length = get_u16(input) & 0x7fff;
		input += 2;
		size -= 2;
		if (length > size || used + length > ROOM)
			break;
		struct packet packet;
		memcpy(octets + used, input, length);
		if (packet_parse(octets + used, length, &packet) == PACKET_OK) {
			if (right)
				make_right(octets + used, &packet);
			memcpy(before + used, octets + used, length);
			sent[sent_count++] = (struct view){before + used, length};
			used += length;
		}
		input += length;
		size -= length;
	}
	coalesce_init(&coalesce, true, take, NULL);
	for (unsigned i = 0; i < sent_count; i++) {
		uint8_t *at = octets + (sent[i].octets - before);
		struct packet packet;
		require(packet_parse(at, sent[i].length, &packet) == PACKET_OK);
		coalesce_add(&coalesce, &packet, at);
	}
	coalesce_flush(&coalesce);
	compare();
	return 0;
}
