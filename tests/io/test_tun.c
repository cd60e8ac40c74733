/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The TUN as the kernel has it: set-up errors in words, queues, and real TCP
 * between two namespaces in super-packets:
 *
 *   here: a0 10.0.0.1/30 <-- this test carries packets --> b0 10.0.0.2/30 :there
 */
#include "io/tun.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"
#include "unit.h"

static void errors_tell_what_to_do(void)
{
	struct reason why;
	struct tun tun, second;
	CU_ASSERT_EQUAL(tun_open(&tun, "a-name-that-is-too-long", 1, false, &why), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(tun_open(&tun, "", 1, false, &why), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(tun_open(&tun, "t0", 0, false, &why), -EINVAL);
	CU_ASSERT_EQUAL(tun_open(&tun, "t0", TUN_QUEUES_MAX + 1, false, &why), -EINVAL);

	CU_ASSERT_EQUAL(tun_open(&tun, "lo", 1, false, &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "lo cannot be a TUN"));
	CU_ASSERT_PTR_NULL(tun.queues);

	CU_ASSERT_EQUAL(tun_open(&tun, "t0", 1, false, &why), 0);
	CU_ASSERT_EQUAL(tun_open(&second, "t0", 1, false, &why), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "t0 is in use by another process"));
	CU_ASSERT_EQUAL(tun_open(&second, "t0", 2, false, &why), -EINVAL);
	tun_close(&tun);

	/* A further queue would steal packets from a living one. */
	CU_ASSERT_EQUAL(tun_open(&tun, "t0", 2, false, &why), 0);
	CU_ASSERT_EQUAL(tun_open(&second, "t0", 2, false, &why), -EBUSY);
	tun_close(&tun);
	CU_ASSERT_FALSE(lab_run("ip link show t0 2>/dev/null"));
}

static void without_capability(void)
{
	pid_t child = fork();
	if (child == 0) {
		struct reason why;
		struct tun tun;
		int result = setuid(65534) == 0 ? tun_open(&tun, "t0", 1, true, &why) : 0;
		/* The device node's own permissions may come first. */
		_exit((result == -EPERM && strstr(why.text, "CAP_NET_ADMIN")) ||
					(result == -EACCES && strstr(why.text, "start as root"))
				? 0
				: 1);
	}
	int status = -1;
	waitpid(child, &status, 0);
	CU_ASSERT_EQUAL(status, 0);
}

static void descriptors_are_well_behaved(void)
{
	struct reason why;
	struct tun tun;
	size_t before = lab_descriptors();
	CU_ASSERT_EQUAL_FATAL(tun_open(&tun, "t0", 4, true, &why), 0);
	CU_ASSERT_EQUAL(tun.queue_count, 4);
	CU_ASSERT_EQUAL(tun.index, if_nametoindex("t0"));
	CU_ASSERT_TRUE(tun.offload);
	for (unsigned i = 0; i < tun.queue_count; i++) {
		CU_ASSERT_TRUE(fcntl(tun.queues[i], F_GETFL) & O_NONBLOCK);
		CU_ASSERT_TRUE(fcntl(tun.queues[i], F_GETFD) & FD_CLOEXEC);
	}
	tun_close(&tun);
	CU_ASSERT_EQUAL(lab_descriptors(), before);
	CU_ASSERT_EQUAL(if_nametoindex("t0"), 0);
}

static void joins_one_made_beforehand(void)
{
	struct reason why;
	struct tun tun;
	CU_ASSERT_TRUE(lab_run("ip tuntap add p0 mode tun"));
	unsigned index = if_nametoindex("p0");
	CU_ASSERT_EQUAL_FATAL(tun_open(&tun, "p0", 1, true, &why), 0);
	CU_ASSERT_EQUAL(tun.index, index);
	tun_close(&tun);
	CU_ASSERT_EQUAL(if_nametoindex("p0"), index);
	CU_ASSERT_TRUE(lab_run("ip link delete p0"));
}

static void carrier_and_down(void)
{
	struct reason why;
	struct tun tun;
	struct slot *slot = lab_slot();
	CU_ASSERT_EQUAL_FATAL(tun_open(&tun, "t0", 1, false, &why), 0);
	CU_ASSERT_EQUAL(tun_carrier(&tun, false), 0);
	uint8_t *packet = slot_packet(slot);
	memcpy(packet, "\x45\0\0\x14", 4);
	CU_ASSERT_EQUAL(tun_write(&tun, 0, packet, 20, &slot->offload), TUN_DOWN);
	CU_ASSERT_TRUE(lab_run("ip link set t0 up"));
	CU_ASSERT_PTR_NOT_NULL(strstr(lab_output("ip link show t0"), "NO-CARRIER"));
	CU_ASSERT_EQUAL(tun_carrier(&tun, true), 0);
	CU_ASSERT_PTR_NULL(strstr(lab_output("ip link show t0"), "NO-CARRIER"));
	CU_ASSERT_EQUAL(tun_write(&tun, 0, packet, 20, &slot->offload), TUN_OK);
	packet[0] = 0x15; /* no IP version */
	CU_ASSERT_EQUAL(tun_write(&tun, 0, packet, 20, &slot->offload), TUN_REFUSED);

	CU_ASSERT_TRUE(lab_run("ip link delete t0"));
	CU_ASSERT_EQUAL(tun_read(&tun, 0, slot), TUN_FAILED);
	CU_ASSERT_EQUAL(errno, EBADFD);
	tun_close(&tun);
	free(slot);
}

/* A TUN of the given mode in a namespace of its own when `elsewhere`. */
static int open_end(
	struct tun *tun, const char *name, bool offload, bool elsewhere, struct reason *why)
{
	if (elsewhere && unshare(CLONE_NEWNET) < 0)
		return -errno;
	int result = tun_open(tun, name, 1, offload, why);
	if (result == 0 && !lab_run("ip addr add 10.0.0.%d/30 dev %s && ip link set %s up mtu 1400",
				   elsewhere ? 2 : 1, name, name))
		result = -EINVAL;
	return result;
}

static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		abort();
	return fd;
}

struct transfer {
	struct tun *ends[2];
	int sender, receiver;
	size_t sent, received;
	unsigned wrong, super_packets;
};

enum { TRANSFER_OCTETS = 8 << 20 };

/* Everything that waits on one end goes to the other. */
static void carry(struct transfer *transfer, unsigned from, struct slot *slot)
{
	while (tun_read(transfer->ends[from], 0, slot) == TUN_OK) {
		if (slot->length > 1400) {
			transfer->super_packets++;
			CU_ASSERT_NOT_EQUAL(slot->offload.type, OFFLOAD_NONE);
		}
		(void)tun_write(
			transfer->ends[!from], 0, slot_packet(slot), slot->length, &slot->offload);
	}
}

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 13));
}

static void send_some(struct transfer *transfer)
{
	uint8_t chunk[16384];
	ssize_t sent = 1;
	while (sent > 0 && transfer->sent < TRANSFER_OCTETS) {
		size_t left = TRANSFER_OCTETS - transfer->sent;
		size_t length = left < sizeof(chunk) ? left : sizeof(chunk);
		for (size_t i = 0; i < length; i++)
			chunk[i] = pattern(transfer->sent + i);
		sent = send(transfer->sender, chunk, length, MSG_NOSIGNAL);
		if (sent > 0)
			transfer->sent += (size_t)sent;
	}
}

static void receive_some(struct transfer *transfer)
{
	uint8_t chunk[16384];
	ssize_t got;
	while ((got = recv(transfer->receiver, chunk, sizeof(chunk), 0)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			if (chunk[i] != pattern(transfer->received + (size_t)i))
				transfer->wrong++;
		transfer->received += (size_t)got;
	}
}

static void run_transfer(struct transfer *transfer, int listener)
{
	struct slot *slot = lab_slot();
	bool stalled = false;
	while (!stalled && transfer->received < TRANSFER_OCTETS) {
		carry(transfer, 0, slot);
		carry(transfer, 1, slot);
		if (transfer->receiver < 0)
			transfer->receiver = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		else
			receive_some(transfer);
		send_some(transfer);
		struct pollfd wait[] = {{.fd = transfer->ends[0]->queues[0], .events = POLLIN},
			{.fd = transfer->ends[1]->queues[0], .events = POLLIN},
			{.fd = transfer->receiver, .events = POLLIN}};
		stalled = poll(wait, 3, LAB_PATIENCE) == 0;
	}
	free(slot);
}

static void transfer_tcp(bool offload)
{
	struct reason why;
	struct tun here, there;
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(open_end(&here, "a0", offload, false, &why), 0);
	CU_ASSERT_EQUAL_FATAL(open_end(&there, "b0", offload, true, &why), 0);
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons(5060),
		.sin_addr.s_addr = htonl(0x0a000002)};
	int listener = tcp_socket();
	CU_ASSERT_EQUAL(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	CU_ASSERT_EQUAL(listen(listener, 1), 0);
	CU_ASSERT_EQUAL_FATAL(setns(home, CLONE_NEWNET), 0);

	struct transfer transfer = {
		.ends = {&here, &there}, .sender = tcp_socket(), .receiver = -1};
	CU_ASSERT_EQUAL(connect(transfer.sender, (struct sockaddr *)&address, sizeof(address)), -1);
	CU_ASSERT_EQUAL(errno, EINPROGRESS);
	run_transfer(&transfer, listener);
	CU_ASSERT_EQUAL(transfer.received, TRANSFER_OCTETS);
	CU_ASSERT_EQUAL(transfer.wrong, 0);
	if (offload)
		CU_ASSERT_TRUE(transfer.super_packets > 0)
	else
		CU_ASSERT_EQUAL(transfer.super_packets, 0)

	close(transfer.sender);
	close(transfer.receiver);
	close(listener);
	close(home);
	tun_close(&here);
	tun_close(&there);
}

static void tcp_in_super_packets(void)
{
	transfer_tcp(true);
}

static void tcp_without_offload(void)
{
	transfer_tcp(false);
}

static const struct unit_test tests[] = {
	{"errors tell what to do", errors_tell_what_to_do},
	{"without CAP_NET_ADMIN", without_capability},
	{"descriptors are non-blocking, closed on exec and on close", descriptors_are_well_behaved},
	{"joins an interface made beforehand", joins_one_made_beforehand},
	{"carrier, link down, link gone", carrier_and_down},
	{"TCP in super-packets", tcp_in_super_packets},
	{"TCP without offload", tcp_without_offload},
};

int main(void)
{
	lab_enter();
	return unit_run("tun", tests, sizeof(tests) / sizeof(tests[0]));
}
