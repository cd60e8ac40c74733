/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The highest rate of small UDP packets that a path carries with next to no
 * loss.  One process with a socket in each of two namespaces sends and counts,
 * and searches: the rate grows until too much is lost, then the gap between
 * what passed and what did not is halved.
 *
 *	udp_rate FROM-NS FROM-ADDRESS TO-NS TO-ADDRESS [-s OCTETS] [-t SECONDS] [-l PERCENT]
 *	         [-r FIRST-RATE] [-m LIMIT]
 *
 * The size is that of the IP packet.  The packets belong to FLOWS flows, one
 * after the other, as those of calls do.  A trial is repeated before it counts
 * as failed, since a machine has hiccups.  What a queue still holds GRACE_NS
 * after the end counts as lost: the rate shall be one that lasts.  Prints one line of JSON; the
 *rate is what arrived. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	FLOWS = 8,
	FIRST_PORT = 41000,
	BATCH = 64,       /* packets in one system call */
	HEADERS = 20 + 8, /* IPv4 and UDP */
	SOCKET_BUFFER = 8 << 20,
	PAUSE_NS = 100 * 1000, /* between the sender's bursts, ns */
	GRACE_NS = 25 * 1000 * 1000,
	QUIET_NS = 50 * 1000 * 1000, /* without an arrival: all queues are empty */
	QUIET_TRIES = 100,
};

struct trial {
	double rate; /* wanted, packets per second */
	double sent_rate, received_rate;
	double loss; /* percent */
};

static int receivers[FLOWS], sender;
static struct sockaddr_in targets[FLOWS];
static unsigned payload_size = 200 - HEADERS;
static double seconds = 1;
static atomic_uint current;             /* number of the trial: late packets do not count */
static atomic_ulong received, arrivals; /* of this trial; of all */
static unsigned long total;             /* that arrived, of all trials */

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pause_ns(long ns)
{
	nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

static void enter(const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), "/run/netns/%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
		err(1, "%s", path);
	close(fd);
}

static int udp_socket(int buffer_option)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		err(1, "socket");
	int size = SOCKET_BUFFER;
	if (setsockopt(fd, SOL_SOCKET, buffer_option, &size, sizeof(size)) != 0)
		err(1, "socket buffer");
	return fd;
}

/* Counts for ever.  Only the trial's number is copied of a packet. */
static void *receive(void *unused)
{
	(void)unused;
	static uint32_t numbers[BATCH];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
	for (unsigned i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){&numbers[i], sizeof(numbers[i])};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
	}
	for (;;) {
		bool idle = true;
		for (unsigned flow = 0; flow < FLOWS; flow++) {
			int count = recvmmsg(receivers[flow], messages, BATCH, MSG_DONTWAIT, NULL);
			unsigned long fresh = 0;
			for (int i = 0; i < count; i++)
				fresh += numbers[i] == atomic_load(&current);
			atomic_fetch_add(&received, fresh);
			atomic_fetch_add(&arrivals, count > 0 ? (unsigned long)count : 0);
			idle = idle && count <= 0;
		}
		if (idle)
			pause_ns(2 * PAUSE_NS);
	}
	return NULL;
}

/* Sends up to `count` packets, the next of each flow in turn. */
static unsigned send_burst(unsigned count, const uint8_t *payload)
{
	static unsigned flow;
	struct iovec part = {(void *)(uintptr_t)payload, payload_size};
	struct mmsghdr messages[BATCH];
	if (count > BATCH)
		count = BATCH;
	for (unsigned i = 0; i < count; i++) {
		messages[i].msg_hdr = (struct msghdr){.msg_name = &targets[flow],
			.msg_namelen = sizeof(targets[flow]),
			.msg_iov = &part,
			.msg_iovlen = 1};
		flow = (flow + 1) % FLOWS;
	}
	int sent = sendmmsg(sender, messages, count, 0);
	if (sent < 0 && errno != ENOBUFS && errno != EAGAIN)
		err(1, "sendmmsg");
	/* What the interface's queue did not take was sent, and is lost. */
	return sent < 0 ? 1 : (unsigned)sent;
}

/* Until what the last trial left in queues is gone: seconds, in some. */
static void drain(void)
{
	for (int tries = 0; tries < QUIET_TRIES; tries++) {
		unsigned long before = atomic_load(&arrivals);
		pause_ns(QUIET_NS);
		if (atomic_load(&arrivals) == before)
			return;
	}
}

static struct trial try_rate(double rate)
{
	uint8_t payload[65536] = {0};
	uint32_t number = atomic_fetch_add(&current, 1) + 1;
	memcpy(payload, &number, sizeof(number));
	atomic_store(&received, 0);

	uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), now;
	unsigned long sent = 0;
	while ((now = now_ns()) < end) {
		double due = (double)(now - start) * 1e-9 * rate - (double)sent;
		if (due < 1)
			pause_ns(PAUSE_NS);
		else
			sent += send_burst(due > BATCH ? BATCH : (unsigned)due, payload);
	}
	double took = (double)(now_ns() - start) * 1e-9;
	pause_ns(GRACE_NS);
	double arrived = (double)atomic_load(&received);
	drain();
	total += atomic_load(&received);
	return (struct trial){rate, (double)sent / took, arrived / took,
		sent == 0 ? 100 : 100 * (1 - arrived / (double)sent)};
}

/* A machine has hiccups: what fails is tried again.  Where the sender cannot
 * keep up, more arrived than ever before is a success too. */
static bool passes(double rate, double loss, struct trial *best, unsigned *trials)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		double before = best->received_rate;
		struct trial trial = try_rate(rate);
		++*trials;
		if (trial.loss > loss)
			continue;
		if (trial.received_rate > before)
			*best = trial;
		if (trial.sent_rate > 0.97 * rate || trial.received_rate > 1.03 * before)
			return true;
	}
	return false;
}

static struct trial search(double first, double limit, double loss, unsigned *trials)
{
	struct trial best = {0};
	double good = 0, bad = first;
	while (bad < limit && passes(bad, loss, &best, trials)) {
		good = bad;
		bad *= 1.5;
	}
	/* Where even the first rate is too much, downwards. */
	while (good == 0 && bad > 500 && *trials < 24) {
		bad /= 2;
		if (passes(bad, loss, &best, trials)) {
			good = bad;
			bad *= 2;
		}
	}
	while (good > 0 && bad / good > 1.06 && *trials < 30) {
		double middle = (good + bad) / 2;
		if (passes(middle, loss, &best, trials))
			good = middle;
		else
			bad = middle;
	}
	return best;
}

static void usage(void)
{
	fputs("usage: udp_rate FROM-NS FROM-ADDRESS TO-NS TO-ADDRESS [-s OCTETS] [-t SECONDS] [-l "
	      "PERCENT]"
	      " [-r FIRST-RATE] [-m LIMIT]\n",
		stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	double first = 20000, limit = 2e6, loss = 0.5;
	int option;
	while ((option = getopt(argc, argv, "s:t:l:r:m:")) != -1) {
		double value = optarg == NULL ? 0 : atof(optarg);
		if (option == '?' || value <= 0)
			usage();
		switch (option) {
		case 's':
			payload_size = (unsigned)value - HEADERS;
			break;
		case 't':
			seconds = value;
			break;
		case 'l':
			loss = value;
			break;
		case 'r':
			first = value;
			break;
		case 'm':
			limit = value;
			break;
		}
	}
	struct sockaddr_in source = {.sin_family = AF_INET};
	struct in_addr target;
	if (argc - optind != 4 || inet_pton(AF_INET, argv[optind + 1], &source.sin_addr) != 1 ||
		inet_pton(AF_INET, argv[optind + 3], &target) != 1 ||
		payload_size < sizeof(uint32_t) || payload_size > 1472)
		usage();

	enter(argv[optind + 2]);
	for (unsigned i = 0; i < FLOWS; i++) {
		targets[i] = (struct sockaddr_in){.sin_family = AF_INET,
			.sin_addr = target,
			.sin_port = htons((uint16_t)(FIRST_PORT + i))};
		receivers[i] = udp_socket(SO_RCVBUFFORCE);
		if (bind(receivers[i], (struct sockaddr *)&targets[i], sizeof(targets[i])) != 0)
			err(1, "bind to %s", argv[optind + 3]);
	}
	enter(argv[optind]);
	sender = udp_socket(SO_SNDBUFFORCE);
	if (bind(sender, (struct sockaddr *)&source, sizeof(source)) != 0)
		err(1, "bind to %s", argv[optind + 1]);
	prctl(PR_SET_TIMERSLACK, 1000); /* ns */
	pthread_t thread;
	if (pthread_create(&thread, NULL, receive, NULL) != 0)
		errx(1, "no thread");

	/* It is not the sender that shall yield when the processors are all in use. */
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) != 0)
		err(1, "sched_setscheduler");

	unsigned trials = 0;
	struct trial best = search(first, limit, loss, &trials);
	printf("{\"pps\": %.0f, \"sent\": %.0f, \"loss_percent\": %.3f, \"trials\": %u, \"total\": "
	       "%lu}\n",
		best.received_rate, best.sent_rate, best.loss, trials, total);
	return 0;
}
