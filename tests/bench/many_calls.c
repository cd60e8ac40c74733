/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "many_calls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/octets.h"
#include "io/clock.h"

enum {
	INTERVAL_MS = 20,
	PACKET = 200, /* octets, IP header included */
	IP_HEADER = 20,
	UDP_HEADER = 8,
	/* In the packet: RTP header (12), then what we measure with. */
	AT_SENT = IP_HEADER + UDP_HEADER + 12,
	AT_ECHOED = AT_SENT + 8,
	AT_SEQUENCE = AT_ECHOED + 8,
	DSCP_EF = 46,
	SAMPLES_MAX = 4 * 1024 * 1024,
	RETRY_MS = 500, /* as tse does first */
	START_SECONDS = 60,
	ECHO_BATCH = 64,
};

struct sample {
	uint64_t sent;     /* us; 0: not yet written */
	uint32_t up, down; /* us */
};

/* Lives in shared memory. */
struct shared {
	_Atomic unsigned up, moved;
	_Atomic size_t samples;
	_Atomic bool stop;
	struct sample sample[SAMPLES_MAX];
};

/* Gaps need the calls apart: sample i belongs to call caller[i]. */
struct calls {
	struct shared *shared;
	uint32_t *caller; /* shared too */
	pid_t child;
	unsigned count;
};

struct call {
	struct many_tunnel tunnel;
	uint64_t retry; /* us, when it is tried again; 0: it is up or on its way */
	uint32_t sequence;
	bool is_counted; /* in shared->up */
};

/* What the child has. */
struct caller {
	struct calls *calls;
	struct many_fleet fleet;
	struct call *each;
	struct ev_timer tick;
	uint64_t started, ticks;
	struct in_addr echo;
	uint16_t port;
};

/* --- packets --------------------------------------------------------------- */

static uint16_t ip_checksum(const uint8_t *header)
{
	uint32_t sum = 0;
	for (int i = 0; i < IP_HEADER; i += 2)
		sum += get_u16(header + i);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static void send_packet(struct caller *caller, struct call *call)
{
	uint8_t packet[PACKET] = {0x45, DSCP_EF << 2};
	put_u16(packet + 2, PACKET);
	packet[8] = 64;
	packet[9] = IPPROTO_UDP;
	memcpy(packet + 12, call->tunnel.inner4.octets, 4);
	memcpy(packet + 16, &caller->echo, 4);
	put_u16(packet + 10, ip_checksum(packet));
	put_u16(packet + IP_HEADER, 16384);
	put_u16(packet + IP_HEADER + 2, caller->port);
	put_u16(packet + IP_HEADER + 4, PACKET - IP_HEADER); /* no checksum: 0 */
	packet[IP_HEADER + UDP_HEADER] = 0x80;               /* RTP version 2 */
	put_u64(packet + AT_SENT, clock_now());
	put_u32(packet + AT_SEQUENCE, call->sequence++);
	many_tunnel_send(&call->tunnel, packet, sizeof(packet));
}

static void on_packet(struct many_tunnel *tunnel, const uint8_t *packet, size_t length)
{
	struct caller *caller = tunnel->fleet->owner;
	struct shared *shared = caller->calls->shared;
	uint64_t now = clock_now();
	size_t at = shared->samples;
	if (length != PACKET || at >= SAMPLES_MAX)
		return;
	uint64_t sent = get_u64(packet + AT_SENT), echoed = get_u64(packet + AT_ECHOED);
	caller->calls->caller[at] = tunnel->number;
	shared->sample[at] =
		(struct sample){sent, (uint32_t)(echoed - sent), (uint32_t)(now - echoed)};
	shared->samples = at + 1;
}

/* --- the child -------------------------------------------------------------- */

static void on_up(struct many_tunnel *tunnel)
{
	struct caller *caller = tunnel->fleet->owner;
	struct call *call = &caller->each[tunnel->number];
	caller->calls->shared->up++;
	call->is_counted = true;
	if (tunnel->has_moved)
		caller->calls->shared->moved++;
	tunnel->has_moved = false;
}

static void on_down(struct many_tunnel *tunnel, const char *why)
{
	struct caller *caller = tunnel->fleet->owner;
	struct call *call = &caller->each[tunnel->number];
	(void)why;
	if (call->is_counted)
		caller->calls->shared->up--;
	call->is_counted = false;
	call->retry = clock_now() + RETRY_MS * 1000;
}

/* Every ms a twentieth of the calls sends: calls do not beat in time. */
static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)events;
	struct caller *caller = timer->data;
	uint64_t now = clock_now(), due = (now - caller->started) / 1000;
	if (caller->calls->shared->stop)
		ev_break(loop, EVBREAK_ALL);
	for (; caller->ticks < due; caller->ticks++) {
		unsigned slot = (unsigned)(caller->ticks % INTERVAL_MS);
		for (unsigned i = slot; i < caller->calls->count; i += INTERVAL_MS) {
			struct call *call = &caller->each[i];
			if (call->retry && call->retry <= now) {
				call->retry = 0;
				many_tunnel_start(&call->tunnel);
			}
			send_packet(caller, call);
		}
	}
}

static int run_calls(struct caller *caller)
{
	unsigned count = caller->calls->count;
	caller->each = calloc(count, sizeof(*caller->each));
	caller->fleet.loop = ev_loop_new(EVFLAG_AUTO);
	if (!caller->each || !caller->fleet.loop)
		return 1;
	caller->fleet.up = on_up;
	caller->fleet.down = on_down;
	caller->fleet.packet = on_packet;
	caller->fleet.owner = caller;
	calls_take_precedence();
	caller->started = clock_now();
	for (unsigned i = 0; i < count; i++) {
		many_tunnel_init(&caller->each[i].tunnel, &caller->fleet, i);
		caller->each[i].retry = caller->started + i * 2000; /* one every 2 ms */
	}
	ev_timer_init(&caller->tick, on_tick, 0., 1e-3);
	caller->tick.data = caller;
	ev_timer_start(caller->fleet.loop, &caller->tick);
	ev_run(caller->fleet.loop, 0);
	return 0;
}

void calls_take_precedence(void)
{
	struct sched_param high = {.sched_priority = 1};
	if (sched_setscheduler(0, SCHED_FIFO, &high) < 0)
		fprintf(stderr, "many: no real-time priority for the instrument: %s\n",
			strerror(errno));
}

/* --- the parent ------------------------------------------------------------- */

static void *share(size_t octets)
{
	void *memory = mmap(NULL, octets, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

struct calls *calls_start(struct many_fleet *like, unsigned count, const char *echo, uint16_t port)
{
	struct calls *calls = calloc(1, sizeof(*calls));
	if (!calls)
		return NULL;
	calls->count = count;
	calls->shared = share(sizeof(*calls->shared));
	calls->caller = share(SAMPLES_MAX * sizeof(*calls->caller));
	if (!calls->shared || !calls->caller)
		return NULL;
	pid_t parent = getpid();
	calls->child = fork();
	if (calls->child == 0) {
		struct caller caller = {.calls = calls, .fleet = *like, .port = port};
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || inet_pton(AF_INET, echo, &caller.echo) != 1)
			_exit(1);
		_exit(run_calls(&caller));
	}
	uint64_t end = clock_now() + START_SECONDS * UINT64_C(1000000);
	while (calls_up(calls) < count && clock_now() < end)
		usleep(10000);
	if (calls->child > 0 && calls_up(calls) == count)
		return calls;
	calls_stop(calls);
	return NULL;
}

unsigned calls_up(const struct calls *calls)
{
	return calls->shared->up;
}

unsigned calls_moved(const struct calls *calls)
{
	return calls->shared->moved;
}

void calls_stop(struct calls *calls)
{
	if (!calls)
		return;
	calls->shared->stop = true;
	if (calls->child > 0)
		waitpid(calls->child, NULL, 0);
	munmap(calls->caller, SAMPLES_MAX * sizeof(*calls->caller));
	munmap(calls->shared, sizeof(*calls->shared));
	free(calls);
}

static int compare(const void *a, const void *b)
{
	const uint32_t *one = a, *other = b;
	return (*one > *other) - (*one < *other);
}

json_t *percentiles(uint32_t *values, size_t count)
{
	if (count == 0)
		return json_null();
	qsort(values, count, sizeof(*values), compare);
	return json_pack("{s:f, s:f, s:f}", "p50", values[count / 2] / 1e3, "p99",
		values[count - 1 - count / 100] / 1e3, "max", values[count - 1] / 1e3);
}

/* The longest time between two packets of one call to arrive, us. */
static uint64_t worst_gap(const struct calls *calls, uint64_t from, uint64_t to)
{
	uint64_t worst = 0, *last = calloc(calls->count, sizeof(*last));
	for (size_t i = 0; last && i < calls->shared->samples; i++) {
		const struct sample *sample = &calls->shared->sample[i];
		uint64_t *previous = &last[calls->caller[i]];
		uint64_t arrived = sample->sent + sample->up + sample->down;
		if (sample->sent < from || sample->sent >= to)
			continue;
		if (*previous && arrived > *previous && arrived - *previous > worst)
			worst = arrived - *previous;
		*previous = arrived;
	}
	free(last);
	return worst;
}

json_t *calls_report(const struct calls *calls, uint64_t from, uint64_t to)
{
	size_t all = calls->shared->samples, count = 0;
	uint32_t *up = calloc(all + 1, sizeof(*up)), *down = calloc(all + 1, sizeof(*down));
	if (!up || !down)
		abort();
	for (size_t i = 0; i < all; i++) {
		const struct sample *sample = &calls->shared->sample[i];
		if (sample->sent < from || sample->sent >= to)
			continue;
		up[count] = sample->up;
		down[count++] = sample->down;
	}
	uint64_t expected = (to - from) * calls->count / (INTERVAL_MS * 1000);
	json_t *report = json_pack("{s:I, s:I, s:o, s:o, s:f}", "packets", (json_int_t)count,
		"expected", (json_int_t)expected, "up_ms", percentiles(up, count), "down_ms",
		percentiles(down, count), "worst_gap_ms", (double)worst_gap(calls, from, to) / 1e3);
	free(up);
	free(down);
	return report;
}

/* --- the echo --------------------------------------------------------------- */

int calls_echo(uint16_t port)
{
	static uint8_t octets[ECHO_BATCH][2048];
	static struct sockaddr_in from[ECHO_BATCH];
	static struct iovec vector[ECHO_BATCH];
	static struct mmsghdr message[ECHO_BATCH];
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
	int room = 4 * 1024 * 1024;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	calls_take_precedence();
	for (;;) {
		for (int i = 0; i < ECHO_BATCH; i++) {
			vector[i] = (struct iovec){octets[i], sizeof(octets[i])};
			message[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
				.msg_namelen = sizeof(from[i]),
				.msg_iov = &vector[i],
				.msg_iovlen = 1};
		}
		int got = recvmmsg(fd, message, ECHO_BATCH, MSG_WAITFORONE, NULL);
		if (got < 0 && errno != EINTR)
			return errno;
		uint64_t now = clock_now();
		for (int i = 0; i < got; i++) {
			vector[i].iov_len = message[i].msg_len;
			if (message[i].msg_len >= AT_SEQUENCE - IP_HEADER - UDP_HEADER)
				put_u64(octets[i] + AT_ECHOED - IP_HEADER - UDP_HEADER, now);
		}
		if (got > 0)
			sendmmsg(fd, message, (unsigned)got, 0);
	}
}
