/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the execution of a program to the first ping that is answered.
 *
 *	first_answer ADDRESS FILE COMMAND...
 *
 * A child pings ADDRESS every millisecond from now on, while this process
 * becomes COMMAND and keeps its process id.  When the first answer is there,
 * the child writes the milliseconds into FILE and ends; it gives up, without a
 * word, after 30 s. */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000 };

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static uint16_t checksum(const struct icmphdr *header)
{
	uint16_t words[sizeof(*header) / 2];
	memcpy(words, header, sizeof(words));
	uint32_t sum = 0;
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sum += words[i];
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t) ~(sum + (sum >> 16));
}

static bool is_answer(int fd, uint16_t id)
{
	uint8_t packet[128];
	ssize_t length = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
	if (length < (ssize_t)(sizeof(struct iphdr) + sizeof(struct icmphdr)))
		return false;
	size_t header = (size_t)(packet[0] & 15) * 4;
	struct icmphdr icmp;
	if ((size_t)length < header + sizeof(icmp))
		return false;
	memcpy(&icmp, packet + header, sizeof(icmp));
	return icmp.type == ICMP_ECHOREPLY && icmp.un.echo.id == id;
}

/* Until the answer, or in vain.  There is no route at first: errors of
 * sending are expected. */
static bool ping(int fd, const struct sockaddr_in *to, double start)
{
	struct icmphdr echo = {.type = ICMP_ECHO};
	echo.un.echo.id = (uint16_t)getpid();
	while (now_ms() - start < PATIENCE_MS) {
		echo.un.echo.sequence++;
		echo.checksum = 0;
		echo.checksum = checksum(&echo);
		(void)!sendto(fd, &echo, sizeof(echo), MSG_DONTWAIT, (const struct sockaddr *)to,
			sizeof(*to));
		double next = now_ms() + 1;
		while (now_ms() < next) {
			if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 1) == 1 &&
				is_answer(fd, echo.un.echo.id))
				return true;
		}
	}
	return false;
}

static void watch(const struct sockaddr_in *to, const char *file, double start)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (fd < 0)
		err(1, "socket");
	if (!ping(fd, to, start))
		exit(1);
	double took = now_ms() - start;
	FILE *out = fopen(file, "w");
	if (out == NULL || fprintf(out, "%.1f\n", took) < 0 || fclose(out) != 0)
		err(1, "%s", file);
	exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	if (argc < 4 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fputs("usage: first_answer ADDRESS FILE COMMAND...\n", stderr);
		return 2;
	}
	/* A grandchild: the program shall not find a child that it did not make. */
	pid_t child = fork();
	if (child < 0)
		err(1, "fork");
	if (child == 0) {
		if (fork() == 0)
			watch(&to, argv[2], now_ms());
		_exit(0);
	}
	waitpid(child, NULL, 0);
	execvp(argv[3], argv + 3);
	err(127, "%s", argv[3]);
}
