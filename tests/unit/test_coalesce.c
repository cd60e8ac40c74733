/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/coalesce: each rule by a pair of packets that breaks just that one, and
 * the property that whatever was merged becomes, segmented again, the packets
 * that came, octet by octet. */
#include "core/coalesce.h"

#include <stdlib.h>
#include <string.h>

#include "superpacket.h"
#include "unit.h"

enum {
	ACK = 0x10,
	PSH = 0x08,
	FIN = 0x01,
	ROOM = 1 << 20,
	PACKETS_MAX = 4096,
	MTU = 1500,
};

/* Packets side by side, as they lie in a lane's scratch buffer. */
static struct {
	uint8_t octets[ROOM];
	size_t used;
	struct view packets[PACKETS_MAX];
	unsigned count;
} in, out;

/* One line for each packet that came out. */
static struct {
	unsigned packets[PACKETS_MAX], flows[PACKETS_MAX];
	size_t lengths[PACKETS_MAX];
	struct offload offloads[PACKETS_MAX];
	unsigned count;
	bool is_well_formed;
} went;

static uint8_t super[SUPERPACKET_ROOM], joined[SUPERPACKET_ROOM], piece[SUPERPACKET_ROOM];

static struct packet parse(const uint8_t *octets, size_t length)
{
	struct packet packet;
	CU_ASSERT_EQUAL_FATAL(packet_parse(octets, length, &packet), PACKET_OK);
	return packet;
}

static void put_in(const uint8_t *octets, size_t length)
{
	CU_ASSERT_FATAL(in.used + length <= ROOM && in.count < PACKETS_MAX);
	in.packets[in.count++] = (struct view){in.octets + in.used, length};
	memcpy(in.octets + in.used, octets, length);
	in.used += length;
}

static void put_out(const uint8_t *octets, size_t length)
{
	CU_ASSERT_FATAL(out.used + length <= ROOM && out.count < PACKETS_MAX);
	out.packets[out.count++] = (struct view){out.octets + out.used, length};
	memcpy(out.octets + out.used, octets, length);
	out.used += length;
}

/* Joins the pieces, judges the whole, and segments it again. */
static void take(void *owner, const struct coalesced *packet)
{
	(void)owner;
	size_t length = 0;
	for (unsigned i = 0; i < packet->piece_count; i++) {
		CU_ASSERT_FATAL(length + packet->pieces[i].length <= sizeof(joined));
		memcpy(joined + length, packet->pieces[i].octets, packet->pieces[i].length);
		length += packet->pieces[i].length;
	}
	CU_ASSERT_EQUAL(length, packet->length);
	struct packet whole = parse(joined, length);
	went.packets[went.count] = packet->packets;
	went.lengths[went.count] = length;
	went.offloads[went.count] = packet->offload;
	went.flows[went.count++] = whole.source_port;
	if (packet->packets == 1) {
		CU_ASSERT_TRUE(is_ordinary(&packet->offload));
		CU_ASSERT_EQUAL(packet->received, length);
		put_out(joined, length);
		return;
	}
	struct offload offload = packet->offload;
	went.is_well_formed = went.is_well_formed && is_partial(joined, length) &&
			      offload_check(&offload, &whole, MTU) == OFFLOAD_OK &&
			      memcmp(&offload, &packet->offload, sizeof(offload)) == 0;
	unsigned count = offload_segments(&offload, &whole);
	CU_ASSERT_EQUAL(count, packet->packets);
	size_t received = 0;
	for (unsigned i = 0; i < count; i++) {
		size_t size = offload_segment(&offload, &whole, i, piece, sizeof(piece));
		CU_ASSERT_TRUE(size > 0);
		put_out(piece, size);
		received += size;
	}
	CU_ASSERT_EQUAL(packet->received, received);
}

static struct coalesce coalesce;

static void start(void)
{
	in.used = in.count = out.used = out.count = went.count = 0;
	went.is_well_formed = true;
	coalesce_init(&coalesce, true, take, NULL);
}

static void add(unsigned i)
{
	uint8_t *octets = in.octets + (in.packets[i].octets - in.octets);
	struct packet packet = parse(octets, in.packets[i].length);
	coalesce_add(&coalesce, &packet, octets);
}

static void run(void)
{
	for (unsigned i = 0; i < in.count; i++)
		add(i);
	coalesce_flush(&coalesce);
}

/* Segments a super-packet of that shape into `in`; its flow is `port`, its
 * first IPv4 id `id`, which goes on by `step`. */
static void put_segments(const struct superpacket *shape, uint16_t port, int id_step)
{
	struct offload offload;
	size_t length = superpacket_build(shape, super, &offload);
	struct packet packet = parse(super, length);
	put_u16(super + packet.l4_offset, port);
	unsigned count = offload_segments(&offload, &packet);
	for (unsigned i = 0; i < count; i++) {
		size_t size = offload_segment(&offload, &packet, i, piece, sizeof(piece));
		if (shape->version == 4 && id_step == 0) {
			put_u16(piece + 4, get_u16(super + 4));
			put_u16(piece + 10, 0);
			put_u16(piece + 10, (uint16_t)~plain_sum(piece, packet.l4_offset, 0));
		}
		put_in(piece, size);
	}
}

static const struct superpacket tcp4 = {4, 6, 0, 12, 4000, 1400, ACK};
static const struct superpacket tcp6 = {6, 6, 0, 12, 4000, 1400, ACK};
static const struct superpacket udp4 = {4, 17, 0, 0, 4000, 1400, 0};
static const struct superpacket udp6 = {6, 17, 0, 0, 4000, 1400, 0};
static const struct superpacket *const shapes[] = {&tcp4, &tcp6, &udp4, &udp6};

static void test_three_become_one(void)
{
	static const struct offload expected[] = {{1, 1, 52, 1400, 20, 16},
		{1, 4, 72, 1400, 40, 16}, {1, 5, 28, 1400, 20, 6}, {1, 5, 48, 1400, 40, 6}};
	for (unsigned i = 0; i < 4; i++) {
		start();
		put_segments(shapes[i], 5060, 1);
		run();
		CU_ASSERT_EQUAL(went.count, 1);
		CU_ASSERT_EQUAL(went.packets[0], 3);
		CU_ASSERT_EQUAL(went.lengths[0], 4000u + expected[i].header_length);
		CU_ASSERT_EQUAL(memcmp(&went.offloads[0], &expected[i], sizeof(expected[i])), 0);
		CU_ASSERT_TRUE(went.is_well_formed);
	}
}

/* --- what is not merged -------------------------------------------------- */

struct change {
	const char *name;
	void (*apply)(uint8_t *packet, uint8_t *l4, size_t length);
};

/* Makes every checksum right again. */
static void mend(uint8_t *octets, size_t length)
{
	struct packet packet = parse(octets, length);
	if (packet.version == 4) {
		put_u16(octets + 10, 0);
		put_u16(octets + 10, (uint16_t)~plain_sum(octets, packet.l4_offset, 0));
	}
	put_u16(octets + packet.l4_offset + (packet.protocol == 17 ? 6 : 16),
		packet_l4_checksum(&packet));
}

#define CHANGE(name, ...)                                             \
	static void name(uint8_t *packet, uint8_t *l4, size_t length) \
	{                                                             \
		(void)packet, (void)l4, (void)length;                 \
		__VA_ARGS__;                                          \
	}
CHANGE(sequence, put_u32(l4 + 4, get_u32(l4 + 4) + 1))
CHANGE(repeated, put_u32(l4 + 4, get_u32(l4 + 4) - 1400))
CHANGE(acknowledgement, l4[11] ^= 1)
CHANGE(window, l4[15] ^= 1)
CHANGE(urgent_pointer, l4[19] ^= 1)
CHANGE(option, l4[31] ^= 1)
CHANGE(no_ack, l4[13] &= 0xef)
CHANGE(syn, l4[13] |= 0x02)
CHANGE(rst, l4[13] |= 0x04)
CHANGE(urg, l4[13] |= 0x20)
CHANGE(ece, l4[13] |= 0x40)
CHANGE(cwr, l4[13] |= 0x80)
CHANGE(accurate_ecn, l4[12] |= 0x01)
CHANGE(tos, packet[1] ^= 0x20)
CHANGE(congestion, packet[1] |= 0x03)
CHANGE(ttl, packet[8] ^= 1)
CHANGE(no_df, packet[6] = 0)
CHANGE(traffic_class, packet[1] ^= 0x40)
CHANGE(congestion6, packet[1] |= 0x30)
CHANGE(flow_label, packet[3] ^= 1)
CHANGE(hop_limit, packet[7] ^= 1)
CHANGE(source, packet[14] ^= 1)
CHANGE(destination, packet[18] ^= 1)
CHANGE(source6, packet[20] ^= 1)
CHANGE(destination6, packet[36] ^= 1)
CHANGE(source_port_changes, l4[1] ^= 1)
CHANGE(destination_port_changes, l4[3] ^= 1)
CHANGE(fragment, packet[6] = 0x20)
CHANGE(late_fragment, packet[7] = 1)

/* The second packet, changed and complete again, is not merged with the first,
 * and nothing is lost. */
static void not_merged(const struct superpacket *shape, const struct change *change)
{
	start();
	put_segments(shape, 5060, 1);
	in.count = 2; /* both of 1400 octets */
	uint8_t *second = in.octets + in.packets[0].length;
	size_t length = in.packets[1].length;
	change->apply(second, second + (shape->version == 4 ? 20 : 40), length);
	mend(second, length);
	run();
	if (went.count != 2)
		fprintf(stderr, "merged in spite of: %s\n", change->name);
	CU_ASSERT_EQUAL(went.count, 2);
	CU_ASSERT_EQUAL(out.used, in.packets[0].length + length);
	CU_ASSERT_EQUAL(memcmp(out.octets, in.octets, out.used), 0);
}

#define ROW(function)               \
	{                           \
#function, function \
	}

static void test_differences(void)
{
	static const struct change tcp[] = {ROW(sequence), ROW(repeated), ROW(acknowledgement),
		ROW(window), ROW(urgent_pointer), ROW(option), ROW(no_ack), ROW(syn), ROW(rst),
		ROW(urg), ROW(ece), ROW(cwr), ROW(accurate_ecn)};
	static const struct change both[] = {
		ROW(source_port_changes), ROW(destination_port_changes)};
	static const struct change ipv4[] = {ROW(tos), ROW(congestion), ROW(ttl), ROW(no_df),
		ROW(source), ROW(destination), ROW(fragment), ROW(late_fragment)};
	static const struct change ipv6[] = {ROW(traffic_class), ROW(congestion6), ROW(flow_label),
		ROW(hop_limit), ROW(source6), ROW(destination6)};
	for (unsigned shape = 0; shape < 4; shape++) {
		for (unsigned i = 0; shape < 2 && i < sizeof(tcp) / sizeof(tcp[0]); i++)
			not_merged(shapes[shape], &tcp[i]);
		for (unsigned i = 0; i < sizeof(both) / sizeof(both[0]); i++)
			not_merged(shapes[shape], &both[i]);
		for (unsigned i = 0; shape % 2 == 0 && i < sizeof(ipv4) / sizeof(ipv4[0]); i++)
			not_merged(shapes[shape], &ipv4[i]);
		for (unsigned i = 0; shape % 2 == 1 && i < sizeof(ipv6) / sizeof(ipv6[0]); i++)
			not_merged(shapes[shape], &ipv6[i]);
	}
}

/* Flags that may not be merged although they are the same in both. */
static void test_equal_flags(void)
{
	static const struct {
		uint8_t flags;
		unsigned packets;
	} cases[] = {{ACK, 1}, {ACK | 0x40, 1}, {ACK | 0x20, 2}, {ACK | 0x80, 2}, {ACK | 0x02, 2},
		{ACK | 0x04, 2}, {0, 2}, {ACK | PSH, 2}, {ACK | FIN, 2}};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start();
		put_segments(&tcp4, 5060, 1);
		in.count = 2;
		for (unsigned at = 0; at < 2; at++) {
			uint8_t *octets = in.octets + at * in.packets[0].length;
			octets[33] = cases[i].flags;
			mend(octets, in.packets[at].length);
		}
		static uint8_t before[4000];
		size_t length = in.packets[0].length * 2;
		memcpy(before, in.octets, length);
		run();
		CU_ASSERT_EQUAL(went.count, cases[i].packets);
		CU_ASSERT_EQUAL(memcmp(out.octets, before, length), 0);
	}
}

/* PSH and FIN of the last one become the super-packet's, and end it. */
static void test_ends(void)
{
	struct superpacket shape = tcp6;
	for (unsigned i = 0; i < 3; i++) {
		static const uint8_t ends[] = {PSH, FIN, PSH | FIN};
		start();
		shape.payload = 4200; /* three whole segments */
		shape.flags = ACK | ends[i];
		put_segments(&shape, 5060, 1);
		for (unsigned at = 0; at < 3; at++)
			add(at);
		CU_ASSERT_EQUAL(went.count, 1); /* before any flush */
		CU_ASSERT_EQUAL(went.packets[0], 3);
		CU_ASSERT_EQUAL(joined[40 + 13], ACK | ends[i]);
		CU_ASSERT_TRUE(went.is_well_formed);
		CU_ASSERT_EQUAL(out.packets[2].octets[40 + 13], ACK | ends[i]);
		CU_ASSERT_EQUAL(out.packets[1].octets[40 + 13], ACK);
	}
}

/* A shorter one is the last; a longer one begins anew. */
static void test_lengths(void)
{
	for (unsigned i = 0; i < 4; i++) {
		start();
		put_segments(shapes[i], 5060, 1);
		/* 1400, 1400, 1200: the other way round, nothing fits. */
		struct view shorter = in.packets[2];
		in.packets[2] = in.packets[1];
		in.packets[1] = shorter;
		run();
		CU_ASSERT_EQUAL(went.packets[0],
			i < 2 ? 1u : 2u); /* without sequence, it fits the second */
		start();
		put_segments(shapes[i], 5060, 1);
		for (unsigned at = 0; at < 3; at++)
			add(at);
		CU_ASSERT_EQUAL(went.count, 1); /* the short one ended it */
	}
	start();
	put_segments(&udp6, 5060, 1);
	add(2);
	add(0);
	CU_ASSERT_EQUAL(went.count, 1);
	CU_ASSERT_EQUAL(went.packets[0], 1);
}

/* --- checksums ----------------------------------------------------------- */

/* Any single bit wrong anywhere in either packet: what goes out is what came
 * in, the wrong packet alone. */
static void test_wrong_checksums(void)
{
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned bad = 0; bad < 3; bad++) {
			start();
			put_segments(shapes[i], 5060, 1);
			size_t at = (size_t)(in.packets[bad].octets - in.octets);
			in.octets[at + in.packets[bad].length - 1 - bad] ^= 0x10;
			static uint8_t before[ROOM];
			memcpy(before, in.octets, in.used);
			run();
			CU_ASSERT_EQUAL(out.used, in.used);
			CU_ASSERT_EQUAL(memcmp(out.octets, before, in.used), 0);
			CU_ASSERT_EQUAL(went.count, bad == 1 ? 3 : 2);
		}
	}
	/* The IPv4 header's own. */
	for (unsigned bad = 0; bad < 2; bad++) {
		start();
		put_segments(&tcp4, 5060, 1);
		in.count = 2;
		in.octets[bad * in.packets[0].length + 10] ^= 1;
		run();
		CU_ASSERT_EQUAL(went.count, 2);
	}
	/* IPv4's UDP without a checksum, although 0 happens to verify. */
	start();
	put_segments(&udp4, 5060, 1);
	in.count = 2;
	for (unsigned at = 0; at < 2; at++) {
		uint8_t *octets = in.octets + at * in.packets[0].length;
		uint16_t checksum = get_u16(octets + 26);
		unsigned word = get_u16(octets + 28) + checksum;
		put_u16(octets + 28, (uint16_t)(word + (word >> 16)));
		put_u16(octets + 26, 0);
	}
	run();
	CU_ASSERT_EQUAL(went.count, 2);
}

/* --- IPv4 ids ------------------------------------------------------------ */

static void set_ids(const uint16_t ids[3], uint16_t fragment)
{
	for (unsigned i = 0; i < 3; i++) {
		uint8_t *octets = in.octets + (in.packets[i].octets - in.octets);
		put_u16(octets + 4, ids[i]);
		put_u16(octets + 6, fragment);
		mend(octets, in.packets[i].length);
	}
}

static void test_ids(void)
{
	static const struct {
		uint16_t ids[3], fragment;
		unsigned count;
	} cases[] = {
		{{7, 8, 9}, 0x4000, 1},
		{{7, 8, 9}, 0, 1},
		{{65535, 0, 1}, 0, 1},
		{{7, 7, 7}, 0x4000, 1},
		{{0, 0, 0}, 0x4000, 1},
		{{7, 7, 7}, 0, 3},      /* one id, three fragmentable packets */
		{{7, 8, 8}, 0x4000, 1}, /* under DF they mean nothing */
		{{7, 15, 23}, 0x4000, 1},
		{{9, 8, 7}, 0x4000, 1},
		{{7, 8, 8}, 0, 2},
		{{7, 7, 8}, 0, 2},
		{{7, 9, 10}, 0, 2},
		{{9, 8, 7}, 0, 3},
		{{7, 8, 10}, 0, 2},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start();
		put_segments(&tcp4, 5060, 1);
		set_ids(cases[i].ids, cases[i].fragment);
		run();
		if (went.count != cases[i].count)
			fprintf(stderr, "ids, case %u: %u packets\n", i, went.count);
		CU_ASSERT_EQUAL(went.count, cases[i].count);
		CU_ASSERT_TRUE(went.is_well_formed);
	}
}

/* --- what never takes part ----------------------------------------------- */

static void test_never(void)
{
	struct offload offload;
	/* No payload: pure acknowledgements are not merged, and let out what is
	 * held before them. */
	start();
	put_segments(&tcp4, 5060, 1);
	in.count = 2;
	size_t held = in.packets[0].length + in.packets[1].length;
	in.used = held;
	struct superpacket empty = tcp4;
	empty.payload = 0;
	put_segments(&empty, 5060, 1);
	for (unsigned i = 0; i < 3; i++)
		add(i);
	CU_ASSERT_EQUAL(went.count, 2);
	CU_ASSERT_EQUAL(went.packets[0], 2);
	CU_ASSERT_EQUAL(went.packets[1], 1);

	/* IPv4 options, IPv6 extension headers. */
	start();
	struct superpacket options = tcp4;
	options.ip_options = 4;
	put_segments(&options, 5060, 1);
	size_t length = superpacket_build(&tcp6, super, &offload);
	length = superpacket_add_extension(super, length, &offload);
	struct packet packet = parse(super, length);
	for (unsigned i = 0; i < 3; i++)
		put_in(piece, offload_segment(&offload, &packet, i, piece, sizeof(piece)));
	run();
	CU_ASSERT_EQUAL(went.count, 6);

	/* UDP where nobody would segment it again. */
	start();
	coalesce_init(&coalesce, false, take, NULL);
	put_segments(&udp6, 5060, 1);
	run();
	CU_ASSERT_EQUAL(went.count, 3);

	/* TCP in crumbs. */
	static const struct {
		unsigned size, held;
	} crumbs[] = {{127, 0}, {128, 2}};
	for (unsigned i = 0; i < 2; i++) {
		struct superpacket small = tcp6;
		small.segment_size = crumbs[i].size;
		small.payload = 2 * crumbs[i].size;
		start();
		put_segments(&small, 5060, 1);
		for (unsigned at = 0; at < 2; at++)
			add(at);
		CU_ASSERT_EQUAL(coalesce.flows[0].packets, crumbs[i].held);
	}

	/* UDP that says less than IP does. */
	start();
	put_segments(&udp4, 5060, 1);
	in.count = 2;
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *octets = in.octets + i * in.packets[0].length;
		put_u16(octets + 24, 1000);
		mend(octets, in.packets[0].length);
	}
	run();
	CU_ASSERT_EQUAL(went.count, 2);
}

/* No super-packet is larger than an IP packet or has more segments than the
 * kernel takes. */
static void test_bounds(void)
{
	struct superpacket many = udp6;
	many.payload = 64 * 10;
	many.segment_size = 10;
	start();
	put_segments(&many, 5060, 1);
	put_segments(&many, 5060, 1);
	run();
	CU_ASSERT_EQUAL(went.count, 2);
	CU_ASSERT_EQUAL(went.packets[0], COALESCE_SEGMENTS);

	/* 47 segments of 1400 are 65,800 octets. */
	struct superpacket large = udp6;
	large.payload = 24 * 1400;
	start();
	put_segments(&large, 5060, 1);
	put_segments(&large, 5060, 1);
	run();
	CU_ASSERT_EQUAL(went.count, 2);
	CU_ASSERT_EQUAL(went.packets[0], 46);
	CU_ASSERT_TRUE(went.lengths[0] <= PACKET_MAX);
	CU_ASSERT_TRUE(went.is_well_formed);
}

/* The packets of one flow, in order, one after the other. */
static size_t collect(const struct view *packets, unsigned count, uint16_t port, uint8_t *to)
{
	size_t at = 0;
	for (unsigned i = 0; i < count; i++) {
		struct packet packet = parse(packets[i].octets, packets[i].length);
		if (packet.source_port != port)
			continue;
		memcpy(to + at, packets[i].octets, packets[i].length);
		at += packets[i].length;
	}
	return at;
}

/* Whether each of `flows` ports from `first` on got what it sent, `sent` being
 * what `in` was before. */
static bool all_flows_arrived(const uint8_t *sent, uint16_t first, unsigned flows)
{
	static uint8_t wanted[ROOM], got[ROOM];
	memcpy(in.octets, sent, in.used);
	for (unsigned flow = 0; flow < flows; flow++) {
		uint16_t port = (uint16_t)(first + flow);
		size_t length = collect(in.packets, in.count, port, wanted);
		if (collect(out.packets, out.count, port, got) != length ||
			memcmp(wanted, got, length) != 0)
			return false;
	}
	return true;
}

/* --- several flows ------------------------------------------------------- */

/* More flows than the table holds, packet by packet in turn. */
static void test_many_flows(void)
{
	enum { FLOWS = COALESCE_FLOWS + 4 };
	for (unsigned flows = 2; flows <= FLOWS; flows += FLOWS - 2 - (flows > 2)) {
		start();
		for (unsigned flow = 0; flow < flows; flow++)
			put_segments(shapes[flow % 4], (uint16_t)(5060 + flow), 1);
		static uint8_t before[ROOM];
		memcpy(before, in.octets, in.used);
		for (unsigned segment = 0; segment < 3; segment++)
			for (unsigned flow = 0; flow < flows; flow++)
				add(flow * 3 + segment);
		coalesce_flush(&coalesce);
		CU_ASSERT_TRUE(all_flows_arrived(before, 5060, flows));
		CU_ASSERT_TRUE(went.is_well_formed);
		if (flows <= COALESCE_FLOWS)
			CU_ASSERT_EQUAL(went.count, flows);
	}
}

/* A packet that goes another way pushes out its own flow alone; a fragment,
 * which could be of any flow, everything. */
static void test_pass(void)
{
	start();
	put_segments(&tcp4, 5060, 1);
	put_segments(&tcp6, 5061, 1);
	add(0);
	add(3);
	struct packet packet = parse(in.packets[4].octets, in.packets[4].length);
	coalesce_pass(&coalesce, &packet);
	CU_ASSERT_EQUAL(went.count, 1);
	CU_ASSERT_EQUAL(went.flows[0], 5061);
	coalesce_pass(&coalesce, &packet);
	CU_ASSERT_EQUAL(went.count, 1);
	packet.fragment = true;
	coalesce_pass(&coalesce, &packet);
	CU_ASSERT_EQUAL(went.count, 2);
	coalesce_flush(&coalesce);
	CU_ASSERT_EQUAL(went.count, 2);
}

/* --- the property -------------------------------------------------------- */

static struct superpacket random_shape(void)
{
	struct superpacket shape = {
		.version = rand() % 2 ? 4 : 6,
		.protocol = rand() % 3 ? 6 : 17,
		.flags = (uint8_t)(rand() % 4 ? ACK : rand()),
		.tcp_options = (unsigned)rand() % 11 * 4,
	};
	unsigned least = shape.version == 4 ? 536 : 1220;
	shape.segment_size = (shape.protocol == 17 ? 1 : least) + (unsigned)rand() % 160;
	shape.payload = (unsigned)rand() % 30000 + 1;
	if (shape.protocol == 17 && shape.payload > 64 * shape.segment_size)
		shape.payload = 64 * shape.segment_size;
	return shape;
}

/* Up to eight flows, at random interleaved, some packets damaged: each flow
 * comes out as it went in. */
static void test_random_flows(void)
{
	srand(24324);
	unsigned merged = 0;
	for (unsigned round = 0; round < 300; round++) {
		unsigned flows = 1 + (unsigned)rand() % 8, first[9] = {0}, next[8];
		start();
		for (unsigned flow = 0; flow < flows; flow++) {
			struct superpacket shape = random_shape();
			next[flow] = first[flow];
			put_segments(&shape, (uint16_t)(1000 + flow), 1);
			first[flow + 1] = in.count;
		}
		for (unsigned i = 0; i < in.count; i++)
			if (rand() % 20 == 0)
				in.octets[in.packets[i].octets - in.octets +
					  (long)in.packets[i].length - 1] ^= 0x41;
		static uint8_t before[ROOM];
		memcpy(before, in.octets, in.used);
		for (unsigned left = in.count; left > 0;) {
			unsigned flow = (unsigned)rand() % flows;
			for (unsigned burst = (unsigned)rand() % 20;
				burst > 0 && next[flow] < first[flow + 1]; burst--, left--)
				add(next[flow]++);
			if (rand() % 50 == 0)
				coalesce_flush(&coalesce);
		}
		coalesce_flush(&coalesce);
		CU_ASSERT_TRUE_FATAL(all_flows_arrived(before, 1000, flows));
		CU_ASSERT_TRUE_FATAL(went.is_well_formed);
		merged += in.count - went.count;
	}
	CU_ASSERT_TRUE(merged > 1000);
}

/* Ids under DF say nothing, and count up afterwards; all else
 * is as it came. */
static void test_fixed_ids(void)
{
	start();
	put_segments(&tcp4, 5060, 0);
	run();
	CU_ASSERT_EQUAL(went.count, 1);
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(get_u16(out.packets[i].octets + 4), (0xfffe + i) & 0xffff);
		CU_ASSERT_TRUE(is_complete(out.packets[i].octets, out.packets[i].length));
	}
}

static const struct unit_test tests[] = {
	{"coalesce: three become one", test_three_become_one},
	{"coalesce: each difference", test_differences},
	{"coalesce: flags that are never merged", test_equal_flags},
	{"coalesce: PSH and FIN end it", test_ends},
	{"coalesce: only the last one is shorter", test_lengths},
	{"coalesce: wrong checksums stay wrong", test_wrong_checksums},
	{"coalesce: IPv4 ids", test_ids},
	{"coalesce: fixed ids", test_fixed_ids},
	{"coalesce: what never takes part", test_never},
	{"coalesce: bounds", test_bounds},
	{"coalesce: many flows", test_many_flows},
	{"coalesce: packets that go another way", test_pass},
	{"coalesce: random flows come out as they went in", test_random_flows},
};

UNIT_MAIN("coalesce", tests)
