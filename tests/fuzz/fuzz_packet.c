/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any octets are either refused or one packet whose parts lie within it; what
 * we answer to it is a packet too, with right checksums, and never a reason
 * for another answer.  An MSS that is lowered leaves a right checksum right and
 * a wrong one wrong, and changes four octets at most. */
#include "core/mss.h"
#include "core/packet.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void require(int invariant)
{
	if (!invariant)
		abort();
}

static void require_inside(const struct packet *p, const uint8_t *input, size_t size)
{
	size_t address = address_size(p->version);
	require(p->octets == input && p->length == size);
	require(p->version == 4 || p->version == 6);
	require(p->source >= input && p->source + address == p->destination);
	require(p->destination + address <= input + p->l4_offset);
	require(p->l4_offset <= size);
	require(!p->has_ports || p->l4_offset + 8u <= size);
	require(!p->later_fragment || (p->fragment && !p->has_ports));
	require(p->dscp < 64 && p->ecn < 4);
}

/* Its own length field says that it is neither longer nor shorter. */
static void require_exact(const uint8_t *input, size_t size)
{
	struct packet other;
	require(packet_parse(input, size - 1, &other) != PACKET_OK);
	uint8_t *longer = malloc(size + 1);
	require(longer != NULL);
	memcpy(longer, input, size);
	longer[size] = 0;
	require(packet_parse(longer, size + 1, &other) != PACKET_OK);
	free(longer);
}

static void require_answer(
	const struct packet *p, const struct address *from, const uint8_t *out, size_t length)
{
	if (length == 0)
		return;
	require(length <= (p->version == 4 ? 576 : 1280));
	struct packet answer;
	require(packet_parse(out, length, &answer) == PACKET_OK);
	require(answer.version == p->version);
	require(memcmp(answer.source, from->octets, address_size(p->version)) == 0);
	require(memcmp(answer.destination, p->source, address_size(p->version)) == 0);
	require(get_u16(out + answer.l4_offset + 2) == packet_l4_checksum(&answer));
	require(p->version == 6 || packet_sum(out, 20, 0) == 0xffff);

	uint8_t again[1280];
	require(packet_too_big(&answer, from, 1280, again) == 0);
	require(packet_unreachable(&answer, from, false, again) == 0);
}

static void require_answers(const struct packet *p)
{
	static const uint8_t octets[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	struct address from;
	address_set(&from, p->version, octets);
	uint8_t *out = malloc(1280); /* its end is watched */
	require(out != NULL);
	require_answer(p, &from, out, packet_too_big(p, &from, 1280, out));
	require_answer(p, &from, out, packet_unreachable(p, &from, false, out));
	require_answer(p, &from, out, packet_unreachable(p, &from, true, out));
	free(out);
}

static bool is_right(const struct packet *p)
{
	size_t length = p->length - p->l4_offset;
	uint32_t sum =
		packet_sum(p->source, 2 * address_size(p->version), p->protocol + (uint32_t)length);
	return packet_sum(p->octets + p->l4_offset, length, sum) == 0xffff;
}

static void require_clamped(const struct packet *p)
{
	uint8_t *copy = malloc(p->length); /* its end is watched */
	require(copy != NULL);
	memcpy(copy, p->octets, p->length);
	bool changed = mss_clamp(p, copy, 1280);
	struct packet after;
	size_t differ = 0;
	require(packet_parse(copy, p->length, &after) == PACKET_OK);
	for (size_t i = 0; i < p->length; i++)
		differ += copy[i] != p->octets[i];
	require(differ <= 4 && changed == (differ > 0));
	require(!changed || is_right(&after) == is_right(p));
	require(!mss_clamp(&after, copy, 1280));
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct packet packet;
	if (packet_parse(input, size, &packet) != PACKET_OK)
		return 0;
	require_inside(&packet, input, size);
	require_exact(input, size);
	require(packet_flow(&packet, 1) == packet_flow(&packet, 1));
	packet_l4_checksum(&packet);
	require_answers(&packet);
	require_clamped(&packet);
	return 0;
}
