/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/segment and core/coalesce against the kernel's own segmentation.  What
 * is written to one TUN as a super-packet is forwarded to another, which takes
 * none, so that the kernel must cut it:
 *
 *   this test --super-packet--> a0 | kernel: TTL - 1, segmentation | b0 --packets--> this test
 */
#include "core/coalesce.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/tun.h"
#include "lab.h"
#include "superpacket.h"
#include "unit.h"

enum { ACK = 0x10, PSH = 0x08, FIN = 0x01, ECE = 0x40, CWR = 0x80, MTU = 1500, PACKETS_MAX = 256 };

static struct tun into, from;
static uint8_t space[OFFLOAD_HEADER + SUPERPACKET_ROOM], room[1 << 19];
static uint8_t *const super = space + OFFLOAD_HEADER;
static struct {
	struct view packets[PACKETS_MAX];
	unsigned count;
	size_t used;
} sent;

static struct packet parse(const uint8_t *octets, size_t length)
{
	struct packet packet;
	CU_ASSERT_EQUAL_FATAL(packet_parse(octets, length, &packet), PACKET_OK);
	return packet;
}

/* As if it had come one hop further; the IPv4 header's checksum follows. */
static void count_hop(uint8_t *octets)
{
	if (octets[0] >> 4 == 6) {
		octets[7]--;
		return;
	}
	octets[8]--;
	put_u16(octets + 10, 0);
	put_u16(octets + 10, (uint16_t)~plain_sum(octets, (size_t)(octets[0] & 15) * 4, 0));
}

/* The next TCP or UDP packet that the kernel made; false when none comes. */
static bool read_packet(struct slot *slot)
{
	for (;;) {
		struct pollfd wait = {.fd = from.queues[0], .events = POLLIN};
		if (poll(&wait, 1, LAB_PATIENCE) != 1 || tun_read(&from, 0, slot) != TUN_OK)
			return false;
		struct packet packet = parse(slot_packet(slot), slot->length);
		if (packet.protocol == PROTOCOL_TCP || packet.protocol == PROTOCOL_UDP)
			return true;
	}
}

/* The kernel made just the packets in `sent`. */
static bool kernel_agrees(void)
{
	struct slot *slot = lab_slot();
	bool agrees = true;
	for (unsigned i = 0; agrees && i < sent.count; i++) {
		static uint8_t expected[SUPERPACKET_ROOM];
		size_t length = sent.packets[i].length;
		memcpy(expected, sent.packets[i].octets, length);
		count_hop(expected);
		agrees = read_packet(slot);
		if (!agrees)
			fprintf(stderr, "packet %u of %u did not come\n", i, sent.count);
		else if (slot->length != length || memcmp(slot_packet(slot), expected, length) != 0)
			agrees = false;
	}
	free(slot);
	return agrees;
}

static void put_segments(const struct offload *offload, const struct packet *packet)
{
	unsigned count = offload_segments(offload, packet);
	for (unsigned i = 0; i < count; i++) {
		uint8_t *at = room + sent.used;
		size_t length = offload_segment(offload, packet, i, at, sizeof(room) - sent.used);
		CU_ASSERT_FATAL(length > 0 && sent.count < PACKETS_MAX);
		sent.packets[sent.count++] = (struct view){at, length};
		sent.used += length;
	}
}

static struct superpacket random_shape(unsigned version, unsigned protocol)
{
	static const uint8_t flags[] = {ACK, ACK | PSH, ACK | FIN, ACK | PSH | FIN, ACK | ECE,
		ACK | CWR, ACK | CWR | ECE | PSH};
	struct superpacket shape = {
		.version = version,
		.protocol = protocol,
		.flags = flags[(unsigned)rand() % sizeof(flags)],
		.tcp_options = (unsigned)rand() % 11 * 4,
	};
	unsigned least = protocol == 17 ? 100 : version == 4 ? 536 : 1220;
	unsigned most =
		MTU - (version == 4 ? 20 : 40) - (protocol == 17 ? 8 : 20 + shape.tcp_options);
	shape.segment_size = least + (unsigned)rand() % (most - least + 1);
	shape.payload = (unsigned)rand() % 60000 + 1;
	if (shape.payload > 60 * shape.segment_size)
		shape.payload = 60 * shape.segment_size;
	return shape;
}

/* Before Linux 6.2 no TUN takes UDP segments, and we make none. */
static bool is_impossible(unsigned protocol)
{
	if (protocol == 6 || into.udp_offload)
		return false;
	fprintf(stderr, "not tested: this kernel's TUN has no UDP segmentation\n");
	return true;
}

/* One super-packet, cut by the kernel and by us. */
static void segments_agree(unsigned version, unsigned protocol)
{
	if (is_impossible(protocol))
		return;
	srand(24325);
	for (unsigned round = 0; round < 60; round++) {
		struct superpacket shape = random_shape(version, protocol);
		struct offload offload;
		size_t length = superpacket_build(&shape, super, &offload);
		if (protocol == 6 && shape.flags & CWR)
			offload.type |= OFFLOAD_ECN;
		struct packet packet = parse(super, length);
		CU_ASSERT_EQUAL(offload_check(&offload, &packet, MTU), OFFLOAD_OK);
		sent.count = 0;
		sent.used = 0;
		put_segments(&offload, &packet);
		CU_ASSERT_EQUAL_FATAL(tun_write(&into, 0, super, length, &offload), TUN_OK);
		CU_ASSERT_TRUE_FATAL(kernel_agrees());
	}
}

static struct coalesce coalesce;
static unsigned written, failed;

static void write_out(void *owner, const struct coalesced *packet)
{
	(void)owner;
	written++;
	if (tun_write_pieces(&into, 0, packet->pieces, packet->piece_count, &packet->offload) !=
		TUN_OK)
		failed++;
}

/* Packets of one flow, some with a wrong checksum; coalesced by us and cut by
 * the kernel they are what they were. */
static void coalescing_agrees(unsigned version, unsigned protocol)
{
	if (is_impossible(protocol))
		return;
	srand(24326);
	unsigned merged = 0;
	for (unsigned round = 0; round < 60; round++) {
		struct superpacket shape = random_shape(version, protocol);
		struct offload offload;
		size_t length = superpacket_build(&shape, super, &offload);
		struct packet packet = parse(super, length);
		sent.count = 0;
		sent.used = 0;
		put_segments(&offload, &packet);
		if (rand() % 4 == 0) {
			struct view bad = sent.packets[(unsigned)rand() % sent.count];
			room[bad.octets + bad.length - 1 - room] ^= 1;
		}
		static uint8_t copies[sizeof(room)];
		memcpy(copies, room, sent.used);
		coalesce_init(&coalesce, true, write_out, NULL);
		written = failed = 0;
		for (unsigned i = 0; i < sent.count; i++) {
			uint8_t *at = copies + (sent.packets[i].octets - room);
			packet = parse(at, sent.packets[i].length);
			coalesce_add(&coalesce, &packet, at);
		}
		coalesce_flush(&coalesce);
		CU_ASSERT_EQUAL_FATAL(failed, 0);
		CU_ASSERT_TRUE_FATAL(kernel_agrees());
		merged += sent.count - written;
	}
	CU_ASSERT_TRUE(merged > 300);
}

static void segments_of_tcp4(void)
{
	segments_agree(4, 6);
}

static void segments_of_tcp6(void)
{
	segments_agree(6, 6);
}

static void segments_of_udp4(void)
{
	segments_agree(4, 17);
}

static void segments_of_udp6(void)
{
	segments_agree(6, 17);
}

static void coalesced_tcp4(void)
{
	coalescing_agrees(4, 6);
}

static void coalesced_tcp6(void)
{
	coalescing_agrees(6, 6);
}

static void coalesced_udp4(void)
{
	coalescing_agrees(4, 17);
}

static void coalesced_udp6(void)
{
	coalescing_agrees(6, 17);
}

static bool set_up(void)
{
	struct reason why;
	if (tun_open(&into, "a0", 1, true, &why) < 0 || tun_open(&from, "b0", 1, false, &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		return false;
	}
	return lab_run("cd /proc/sys/net && echo 1 >ipv4/ip_forward && "
		       "echo 1 >ipv6/conf/all/forwarding && "
		       "echo 0 | tee ipv4/conf/*/rp_filter >/dev/null && "
		       "ip link set a0 up mtu %d && ip link set b0 up mtu %d && "
		       "ip route add default dev b0 && ip -6 route add default dev b0",
		MTU, MTU);
}

static const struct unit_test tests[] = {
	{"the kernel's segments are ours: TCP over IPv4", segments_of_tcp4},
	{"the kernel's segments are ours: TCP over IPv6", segments_of_tcp6},
	{"the kernel's segments are ours: UDP over IPv4", segments_of_udp4},
	{"the kernel's segments are ours: UDP over IPv6", segments_of_udp6},
	{"coalesced here, cut by the kernel: TCP over IPv4", coalesced_tcp4},
	{"coalesced here, cut by the kernel: TCP over IPv6", coalesced_tcp6},
	{"coalesced here, cut by the kernel: UDP over IPv4", coalesced_udp4},
	{"coalesced here, cut by the kernel: UDP over IPv6", coalesced_udp6},
};

int main(void)
{
	lab_enter();
	if (!set_up())
		return EXIT_FAILURE;
	return unit_run("segments", tests, sizeof(tests) / sizeof(tests[0]));
}
