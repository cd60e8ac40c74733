/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a packet of 200 octets costs at the TUN, by epoll, read and write, by
 * io_uring, and coalesced: CPU time of this process, the kernel's included, per
 * packet, and packets a second while another process sends or receives as fast
 * as it can.  An experiment: the daemons do not use io_uring.
 *
 *   sender --UDP--> u0 --> this process      this process --> u0 --UDP--> socket
 *
 *	uring [SECONDS [PACKETS-PER-BATCH]] */
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/coalesce.h"
#include "io/tun.h"

enum { PACKET = 200, PAYLOAD = PACKET - 28, ROOM = 2048, BATCH_MAX = 256, PORT = 7000 };

static struct tun tun;
static unsigned batch = 64;
static double seconds = 2;
static uint8_t space[BATCH_MAX][OFFLOAD_HEADER + ROOM];

static void must(bool truth, const char *what)
{
	if (truth)
		return;
	perror(what);
	exit(1);
}

static double wall(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Of all threads, those that the kernel starts for io_uring among them. */
static double cpu(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static int udp_socket(const char *local, const char *remote)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = 8 << 20;
	must(fd >= 0, "socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	inet_pton(AF_INET, local, &at.sin_addr);
	must(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0, "bind");
	inet_pton(AF_INET, remote, &at.sin_addr);
	must(connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0, "connect");
	return fd;
}

/* Another process that sends, or receives, until it is ended. */
static pid_t start_traffic(bool sends)
{
	pid_t child = fork();
	if (child != 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int fd = udp_socket("10.7.0.1", "10.7.0.2");
	static uint8_t octets[BATCH_MAX][PACKET];
	struct mmsghdr messages[64] = {0};
	struct iovec pieces[64];
	for (unsigned i = 0; i < 64; i++) {
		pieces[i] = (struct iovec){octets[i], sends ? PAYLOAD : PACKET};
		messages[i].msg_hdr.msg_iov = &pieces[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (;;) {
		if (sends)
			(void)sendmmsg(fd, messages, 64, 0);
		else
			(void)recvmmsg(fd, messages, 64, MSG_WAITFORONE, NULL);
	}
}

/* --- reading ------------------------------------------------------------- */

static unsigned long read_by_epoll(double end)
{
	int poller = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN};
	unsigned long packets = 0;
	must(epoll_ctl(poller, EPOLL_CTL_ADD, tun.queues[0], &event) == 0, "epoll_ctl");
	while (wall() < end) {
		epoll_wait(poller, &event, 1, 100);
		for (unsigned i = 0; i < batch; i++, packets++)
			if (read(tun.queues[0], space[0], sizeof(space[0])) < 0)
				break;
	}
	close(poller);
	return packets;
}

static void prepare_read(struct io_uring *ring, unsigned i)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(ring);
	io_uring_prep_read(entry, 0, space[i], sizeof(space[i]), 0);
	entry->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data64(entry, i);
}

static void open_ring(struct io_uring *ring)
{
	struct io_uring_params how = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
	int error = io_uring_queue_init_params(2 * BATCH_MAX, ring, &how);
	errno = -error;
	must(error == 0, "io_uring_queue_init_params");
	must(io_uring_register_files(ring, tun.queues, 1) == 0, "io_uring_register_files");
}

static unsigned long read_by_uring(double end)
{
	struct io_uring ring;
	unsigned long packets = 0;
	open_ring(&ring);
	for (unsigned i = 0; i < batch; i++)
		prepare_read(&ring, i);
	while (wall() < end) {
		struct io_uring_cqe *done[BATCH_MAX];
		struct __kernel_timespec limit = {.tv_nsec = 100000000};
		struct io_uring_cqe *first;
		(void)io_uring_submit_and_wait_timeout(&ring, &first, 1, &limit, NULL);
		unsigned count = io_uring_peek_batch_cqe(&ring, done, BATCH_MAX);
		for (unsigned i = 0; i < count; i++) {
			packets += done[i]->res > 0;
			prepare_read(&ring, (unsigned)io_uring_cqe_get_data64(done[i]));
		}
		io_uring_cq_advance(&ring, count);
	}
	io_uring_queue_exit(&ring);
	return packets;
}

/* --- writing ------------------------------------------------------------- */

/* 10.7.0.2 to 10.7.0.1, as they lie in a lane's scratch buffer. */
static void fill_batch(void)
{
	for (unsigned i = 0; i < batch; i++) {
		uint8_t *packet = space[i] + OFFLOAD_HEADER;
		static const uint8_t header[28] = {0x45, 0, 0, PACKET, 0, 0, 0x40, 0, 64, 17, 0, 0,
			10, 7, 0, 2, 10, 7, 0, 1, PORT >> 8, PORT & 255, PORT >> 8, PORT & 255, 0,
			PACKET - 20, 0, 0};
		struct packet view;
		memset(space[i], 0, OFFLOAD_HEADER + PACKET);
		memcpy(packet, header, sizeof(header));
		put_u16(packet + 10, (uint16_t)~packet_sum(packet, 20, 0));
		must(packet_parse(packet, PACKET, &view) == PACKET_OK, "packet_parse");
		put_u16(packet + 26, packet_l4_checksum(&view));
	}
}

static unsigned long write_by_write(double end)
{
	static const struct offload plain;
	unsigned long packets = 0;
	while (wall() < end)
		for (unsigned i = 0; i < batch; i++)
			packets += tun_write(&tun, 0, space[i] + OFFLOAD_HEADER, PACKET, &plain) ==
				   TUN_OK;
	return packets;
}

static unsigned long write_by_uring(double end)
{
	struct io_uring ring;
	unsigned long packets = 0;
	open_ring(&ring);
	while (wall() < end) {
		struct io_uring_cqe *done[BATCH_MAX];
		for (unsigned i = 0; i < batch; i++) {
			struct io_uring_sqe *entry = io_uring_get_sqe(&ring);
			io_uring_prep_write(entry, 0, space[i], OFFLOAD_HEADER + PACKET, 0);
			entry->flags |= IOSQE_FIXED_FILE;
		}
		(void)io_uring_submit_and_wait(&ring, batch);
		unsigned count = io_uring_peek_batch_cqe(&ring, done, BATCH_MAX);
		for (unsigned i = 0; i < count; i++)
			packets += done[i]->res > 0;
		io_uring_cq_advance(&ring, count);
	}
	io_uring_queue_exit(&ring);
	return packets;
}

static void write_out(void *owner, const struct coalesced *packet)
{
	unsigned long *packets = owner;
	if (tun_write_pieces(&tun, 0, packet->pieces, packet->piece_count, &packet->offload) ==
		TUN_OK)
		*packets += packet->packets;
}

static unsigned long write_coalesced(double end)
{
	static struct coalesce coalesce;
	unsigned long packets = 0;
	coalesce_init(&coalesce, true, write_out, &packets);
	while (wall() < end) {
		fill_batch(); /* its headers are changed in place */
		for (unsigned i = 0; i < batch; i++) {
			struct packet packet;
			uint8_t *octets = space[i] + OFFLOAD_HEADER;
			must(packet_parse(octets, PACKET, &packet) == PACKET_OK, "packet_parse");
			coalesce_add(&coalesce, &packet, octets);
		}
		coalesce_flush(&coalesce);
	}
	return packets;
}

static void measure(const char *name, bool sends, unsigned long (*run)(double end))
{
	pid_t traffic = start_traffic(sends);
	fill_batch();
	double began = wall(), before = cpu();
	unsigned long packets = run(began + seconds);
	double took = wall() - began, used = cpu() - before;
	printf("%-24s %8.0f packets/s %8.0f ns of CPU per packet\n", name, (double)packets / took,
		used / (double)packets * 1e9);
	kill(traffic, SIGKILL);
	waitpid(traffic, NULL, 0);
}

int main(int argc, char **argv)
{
	struct reason why;
	if (argc > 1)
		seconds = atof(argv[1]);
	if (argc > 2)
		batch = (unsigned)atoi(argv[2]);
	if (batch == 0 || batch > BATCH_MAX || seconds <= 0) {
		fprintf(stderr, "usage: uring [SECONDS [PACKETS-PER-BATCH, at most %d]]\n",
			BATCH_MAX);
		return 2;
	}
	must(unshare(CLONE_NEWNET) == 0, "unshare");
	if (tun_open(&tun, "u0", 1, true, &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		return 1;
	}
	must(system("ip addr add 10.7.0.1/24 dev u0 && ip link set u0 up txqueuelen 5000") == 0,
		"ip");
	printf("%u packets per batch at most\n", batch);
	for (unsigned round = 0; round < 3; round++) {
		measure("read, epoll and read", true, read_by_epoll);
		measure("read, io_uring", true, read_by_uring);
		measure("write, write", false, write_by_write);
		measure("write, io_uring", false, write_by_uring);
		measure("write, coalesced", false, write_coalesced);
	}
	tun_close(&tun);
	return 0;
}
