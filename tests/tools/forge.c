/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a well-behaved program never sends: packets with any source address, as
 * the envelopes of a client of one's own or straight into an interface.
 *
 *	forge request                                  a Configuration Request
 *	forge keepalive                                a Keep-alive Request
 *	forge packet SOURCE DESTINATION [COUNT]        IP envelopes, one UDP packet each
 *	forge send INTERFACE SOURCE DESTINATION [COUNT]
 *
 * Envelopes go to standard output, e.g. into `openssl s_client`. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ENVELOPE_IP = 0x01,
	ENVELOPE_CONTROL = 0x80,
	ENVELOPE_HEADER = 3,
	CONFIGURATION_REQUEST = 1,
	KEEPALIVE_REQUEST = 5,
	UDP_HEADER = 8,
	PAYLOAD = 32,
	PORT = 40404,
	PACKET_MAX = 40 + UDP_HEADER + PAYLOAD,
};

struct end {
	int version;
	uint8_t octets[16];
};

static void fail(const char *what)
{
	fprintf(stderr, "forge: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct end parse_end(const char *text)
{
	struct end end = {0};
	if (inet_pton(AF_INET, text, end.octets) == 1)
		end.version = 4;
	else if (inet_pton(AF_INET6, text, end.octets) == 1)
		end.version = 6;
	else {
		fprintf(stderr, "forge: %s is no address\n", text);
		exit(2);
	}
	return end;
}

static void put16(uint8_t *to, size_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

/* RFC 1071 */
static uint32_t add(uint32_t sum, const uint8_t *octets, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? octets[i] : (uint32_t)octets[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Returns the length of the IP header, whose addresses the checksum covers. */
static size_t put_ip(uint8_t *packet, const struct end *source, const struct end *destination)
{
	size_t length = UDP_HEADER + PAYLOAD;
	if (source->version == 4) {
		packet[0] = 0x45;
		put16(packet + 2, 20 + length);
		packet[8] = 64;
		packet[9] = IPPROTO_UDP;
		memcpy(packet + 12, source->octets, 4);
		memcpy(packet + 16, destination->octets, 4);
		put16(packet + 10, fold(add(0, packet, 20)));
		return 20;
	}
	packet[0] = 0x60;
	put16(packet + 4, length);
	packet[6] = IPPROTO_UDP;
	packet[7] = 64;
	memcpy(packet + 8, source->octets, 16);
	memcpy(packet + 24, destination->octets, 16);
	return 40;
}

static size_t make_packet(uint8_t packet[PACKET_MAX], const char *from, const char *to)
{
	struct end source = parse_end(from), destination = parse_end(to);
	size_t size = source.version == 4 ? 4 : 16;
	if (source.version != destination.version) {
		fprintf(stderr, "forge: %s and %s are of two families\n", from, to);
		exit(2);
	}
	memset(packet, 0, PACKET_MAX);
	size_t header = put_ip(packet, &source, &destination);
	uint8_t *udp = packet + header;
	size_t length = UDP_HEADER + PAYLOAD;
	put16(udp, PORT);
	put16(udp + 2, PORT);
	put16(udp + 4, length);
	uint32_t sum = add(IPPROTO_UDP + (uint32_t)length, source.octets, size);
	sum = add(add(sum, destination.octets, size), udp, length);
	put16(udp + 6, fold(sum));
	return header + length;
}

static void put_out(const uint8_t *octets, size_t length)
{
	if (write(STDOUT_FILENO, octets, length) != (ssize_t)length)
		fail("write");
}

static void put_envelopes(const uint8_t *packet, size_t length, unsigned count)
{
	uint8_t envelope[ENVELOPE_HEADER + PACKET_MAX];
	envelope[0] = ENVELOPE_IP;
	put16(envelope + 1, ENVELOPE_HEADER + length);
	memcpy(envelope + ENVELOPE_HEADER, packet, length);
	for (unsigned i = 0; i < count; i++)
		put_out(envelope, ENVELOPE_HEADER + length);
}

/* Protocol version 1 and no capability, where the kind has them. */
static void put_control(uint8_t kind)
{
	uint8_t envelope[] = {ENVELOPE_CONTROL, 0, 0, 0x54, 0x53, kind, 0, 0, 1,
		/* version */ 0, 0x01, 0, 2, 0, 1,
		/* capabilities */ 0, 0x02, 0, 4, 0, 0, 0, 0};
	size_t length = kind == CONFIGURATION_REQUEST ? sizeof(envelope) : 9;
	put16(envelope + 1, length);
	put_out(envelope, length);
}

static void send_raw(const char *interface, const uint8_t *packet, size_t length, unsigned count)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(packet[0] >> 4 == 4 ? ETH_P_IP : ETH_P_IPV6),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
	if (fd < 0 || to.sll_ifindex == 0)
		fail(interface);
	for (unsigned i = 0; i < count; i++)
		if (sendto(fd, packet, length, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			fail("sendto");
	close(fd);
}

static unsigned parse_count(int argc, char **argv, int index)
{
	return argc > index ? (unsigned)strtoul(argv[index], NULL, 10) : 1;
}

int main(int argc, char **argv)
{
	uint8_t packet[PACKET_MAX];
	const char *what = argc > 1 ? argv[1] : "";
	if (strcmp(what, "request") == 0) {
		put_control(CONFIGURATION_REQUEST);
	} else if (strcmp(what, "keepalive") == 0) {
		put_control(KEEPALIVE_REQUEST);
	} else if (strcmp(what, "packet") == 0 && argc >= 4) {
		size_t length = make_packet(packet, argv[2], argv[3]);
		put_envelopes(packet, length, parse_count(argc, argv, 4));
	} else if (strcmp(what, "send") == 0 && argc >= 5) {
		size_t length = make_packet(packet, argv[3], argv[4]);
		send_raw(argv[2], packet, length, parse_count(argc, argv, 5));
	} else {
		fputs("usage: forge request | keepalive | packet SOURCE DESTINATION [COUNT] |\n"
		      "             send INTERFACE SOURCE DESTINATION [COUNT]\n",
			stderr);
		return 2;
	}
	return 0;
}
