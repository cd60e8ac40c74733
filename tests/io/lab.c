/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Namespaces, commands and packets for the tests of the kernel's side. */
#include "lab.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/octets.h"

enum { COMMAND_MAX = 1024, OUTPUT_MAX = 65536, LAB_LOOK_AGAIN = 10 /* ms */ };

void lab_enter(void)
{
	if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0 ||
		unshare(CLONE_NEWNET) < 0) {
		fprintf(stderr, "skipped: needs root, /dev/net/tun and namespaces\n");
		exit(LAB_SKIP);
	}
	if (!lab_run("ip link set lo up")) {
		fprintf(stderr, "skipped: needs ip(8)\n");
		exit(LAB_SKIP);
	}
}

__attribute__((format(printf, 2, 0))) static void write_command(
	char command[COMMAND_MAX], const char *format, va_list arguments)
{
	int length = vsnprintf(command, COMMAND_MAX, format, arguments);
	if (length < 0 || length >= COMMAND_MAX)
		abort();
}

bool lab_run(const char *format, ...)
{
	char command[COMMAND_MAX];
	va_list arguments;
	va_start(arguments, format);
	write_command(command, format, arguments);
	va_end(arguments);
	return system(command) == 0;
}

const char *lab_output(const char *format, ...)
{
	static char output[OUTPUT_MAX];
	char command[COMMAND_MAX];
	va_list arguments;
	va_start(arguments, format);
	write_command(command, format, arguments);
	va_end(arguments);
	FILE *pipe = popen(command, "r");
	if (!pipe)
		return "";
	size_t length = fread(output, 1, sizeof(output) - 1, pipe);
	output[length] = '\0';
	return pclose(pipe) == 0 ? output : "";
}

static bool contains(const char *output, const char *text)
{
	return strstr(output, text);
}

static bool is_same(const char *output, const char *text)
{
	return strcmp(output, text) == 0;
}

static bool until(
	bool (*holds)(const char *output, const char *text), const char *text, const char *command)
{
	const char *output = "";
	for (int waited = 0; waited < LAB_PATIENCE; waited += LAB_LOOK_AGAIN) {
		output = lab_output("%s", command);
		if (holds(output, text))
			return true;
		poll(NULL, 0, LAB_LOOK_AGAIN);
	}
	fprintf(stderr, "waited in vain for\n%s\nin the output of %s:\n%s", text, command, output);
	return false;
}

bool lab_until_shows(const char *text, const char *command)
{
	return until(contains, text, command);
}

bool lab_until_is(const char *whole, const char *command)
{
	return until(is_same, whole, command);
}

size_t lab_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t count = 0;
	while (directory && readdir(directory))
		count++;
	if (directory)
		closedir(directory);
	return count;
}

bool lab_readable(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	return poll(&wait, 1, LAB_PATIENCE) == 1 && wait.revents & POLLIN;
}

struct slot *lab_slot(void)
{
	struct slot *slot = calloc(1, sizeof(*slot) + SLOT_HEADROOM + SLOT_BIG);
	if (!slot)
		abort();
	slot->big = true;
	return slot;
}

int lab_udp(const char *to, uint16_t port, uint32_t mark)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool is_four = inet_pton(AF_INET, to, &four.sin_addr) == 1;
	if (!is_four && inet_pton(AF_INET6, to, &six.sin6_addr) != 1)
		abort();
	int fd = socket(is_four ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct sockaddr *address =
		is_four ? (struct sockaddr *)&four : (struct sockaddr *)&six;
	if ((mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0) ||
		connect(fd, address, is_four ? sizeof(four) : sizeof(six)) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

int lab_send(int socket)
{
	return send(socket, "hello", 5, 0) == 5 ? 0 : -errno;
}

/* IP version and protocol of what was read; headers without options only. */
static bool is_protocol(struct slot *slot, uint8_t four, uint8_t six)
{
	const uint8_t *packet = slot_packet(slot);
	if (slot->length >= 28 && packet[0] == 0x45)
		return packet[9] == four;
	return slot->length >= 48 && packet[0] >> 4 == 6 && packet[6] == six;
}

static bool next_packet(const struct tun *tun, struct slot *slot)
{
	enum tun_result result;
	while ((result = tun_read(tun, 0, slot)) == TUN_AGAIN)
		if (!lab_readable(tun->queues[0]))
			return false;
	return result == TUN_OK;
}

bool lab_tun_udp(const struct tun *tun, struct slot *slot, char source[46])
{
	while (next_packet(tun, slot)) {
		if (!is_protocol(slot, IPPROTO_UDP, IPPROTO_UDP))
			continue;
		const uint8_t *packet = slot_packet(slot);
		bool is_four = packet[0] >> 4 == 4;
		inet_ntop(is_four ? AF_INET : AF_INET6, packet + (is_four ? 12 : 8), source, 46);
		return true;
	}
	return false;
}

static void swap(uint8_t *a, uint8_t *b, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		uint8_t octet = a[i];
		a[i] = b[i];
		b[i] = octet;
	}
}

/* Back to where it came from. The checksum is a sum, and so stays right. */
static void turn_round(uint8_t *packet)
{
	if (packet[0] >> 4 == 4)
		swap(packet + 12, packet + 16, 4);
	else
		swap(packet + 8, packet + 24, 16);
}

bool lab_echo(const struct tun *tun, int socket, const char *inner)
{
	struct slot *slot = lab_slot();
	char source[46], answer[5];
	bool came = lab_send(socket) == 0 && lab_tun_udp(tun, slot, source) &&
		    strcmp(source, inner) == 0;
	if (came) {
		uint8_t *packet = slot_packet(slot);
		uint8_t *udp = packet + (packet[0] >> 4 == 4 ? 20 : 40);
		turn_round(packet);
		swap(udp, udp + 2, 2);
		came = tun_write(tun, 0, packet, slot->length, &slot->offload) == TUN_OK &&
		       lab_readable(socket) && recv(socket, answer, 5, MSG_DONTWAIT) == 5;
	}
	free(slot);
	return came;
}

/* Echo request to echo reply, with the checksum adjusted (RFC 1624). */
static void answer_ping(uint8_t *packet)
{
	bool is_four = packet[0] >> 4 == 4;
	uint8_t *icmp = packet + (is_four ? 20 : 40);
	uint32_t sum = (uint16_t)~get_u16(icmp + 2) + (uint16_t)~get_u16(icmp);
	icmp[0] = is_four ? 0 : 129;
	sum += get_u16(icmp);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put_u16(icmp + 2, (uint16_t)~sum);
	turn_round(packet);
}

bool lab_ping(const struct tun *tun, const char *to)
{
	pid_t child = fork();
	if (child == 0) {
		int null = open("/dev/null", O_WRONLY);
		dup2(null, STDOUT_FILENO);
		execlp("ping", "ping", "-n", "-c", "1", "-W", "5", to, (char *)NULL);
		_exit(LAB_SKIP);
	}
	struct slot *slot = lab_slot();
	bool answered = false;
	while (!answered && next_packet(tun, slot)) {
		if (!is_protocol(slot, IPPROTO_ICMP, IPPROTO_ICMPV6))
			continue;
		uint8_t *packet = slot_packet(slot);
		uint8_t type = packet[packet[0] >> 4 == 4 ? 20 : 40];
		if (type != 8 && type != 128)
			continue;
		answer_ping(packet);
		answered = tun_write(tun, 0, packet, slot->length, &slot->offload) == TUN_OK;
	}
	free(slot);
	int status = -1;
	waitpid(child, &status, 0);
	return answered && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
