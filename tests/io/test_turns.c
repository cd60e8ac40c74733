/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Many tunnels of one thread (src/tunnel_send.c): realtime of all goes before bulk of
 * any, and each has a batch of bulk before one has a second.  Lanes are real TLS over
 * socket pairs; the TUN is a pipe in which nothing ever is. */
#include "tunnel.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/clock.h"
#include "tls_pair.h"
#include "unit.h"

enum {
	BULK = 12, /* tunnels; a turn of the loop serves one */
	TUNNELS = BULK + 1,
	VOICE = BULK, /* the last one's number */
	PACKET = 1400,
	SPOKEN = 200,
	WAITING = 160,       /* packets of bulk in each: more than three batches */
	BATCH = 64 * 1024,   /* octets that a tunnel sends in its turn */
	MORE = PACKET + 100, /* by which a batch may be more or less */
};

static const struct pair_settings good = {
	.server_certificate = "server",
	.client_certificate = "client",
	.server_ca = "ca",
	.client_ca = "ca",
	.host = "tscf.example",
};

static struct party {
	struct pair pair;
	struct lane lane;
	struct tunnel tunnel;
	size_t heard; /* octets of envelopes that came to the other end */
} parties[TUNNELS];

static struct datapath datapath;
static struct ev_loop *loop;
static int nothing[2];
static struct tun tun = {.queue_count = 1, .queues = nothing};
static const struct datapath_events no_events;

static void on_opened(struct lane *lane)
{
	(void)lane;
}

static void on_envelope(struct lane *lane, const struct envelope *envelope)
{
	(void)lane;
	(void)envelope;
}

static void on_writable(struct lane *lane)
{
	struct party *party = lane->owner;
	tunnel_writable(&party->tunnel);
}

static void on_ended(struct lane *lane, enum lane_end end, const char *why)
{
	(void)lane;
	fprintf(stderr, "a lane ended (%d): %s\n", (int)end, why);
	CU_FAIL("a lane ended");
}

static const struct lane_events lane_events = {
	.opened = on_opened, .envelope = on_envelope, .writable = on_writable, .ended = on_ended};

static void start(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	CU_ASSERT_EQUAL_FATAL(pipe(nothing), 0);
	CU_ASSERT_EQUAL_FATAL(datapath_init(&datapath, loop, &tun, 0, &no_events, NULL), 0);
	for (int i = 0; i < TUNNELS; i++) {
		struct party *party = &parties[i];
		memset(party, 0, sizeof(*party));
		CU_ASSERT_TRUE_FATAL(pair_open(&party->pair, &good));
		pair_settle(&party->pair);
		lane_open(&party->lane, loop, party->pair.client.fd, party->pair.client.tls,
			&lane_events, party, &datapath.scratch);
		party->pair.client.fd = -1; /* the lane's now */
		party->pair.client.tls = NULL;
		tunnel_init(&party->tunnel, &datapath, party);
		tunnel_attach(&party->tunnel, &party->lane, 1500, false);
	}
	for (int i = 0; i < 4; i++)
		ev_run(loop, EVRUN_NOWAIT);
	for (int i = 0; i < TUNNELS; i++)
		CU_ASSERT_TRUE_FATAL(lane_is_ready(&parties[i].lane));
}

static void finish(void)
{
	for (int i = 0; i < TUNNELS; i++) {
		tunnel_fini(&parties[i].tunnel);
		lane_stop(&parties[i].lane);
		lane_close(&parties[i].lane);
		pair_close(&parties[i].pair);
	}
	datapath_fini(&datapath);
	close(nothing[0]);
	close(nothing[1]);
	ev_loop_destroy(loop);
}

static void put(struct party *party, enum sched_class service, uint32_t length)
{
	uint64_t now = clock_now();
	struct slot *slot = slab_take(&datapath.slab, length);
	CU_ASSERT_PTR_NOT_NULL_FATAL(slot);
	memset(slot_packet(slot), 0, length);
	slot->length = length;
	slot->service = (uint8_t)service;
	slot->arrived = now;
	slot->flow = 0;
	slot->spread = false;
	slot->offload = (struct offload){0};
	sched_enqueue(&party->tunnel.sched, slot, now);
	tunnel_writable(&party->tunnel);
}

/* One turn of the loop, and what has come of it. */
static void turn(void)
{
	static uint8_t octets[2 * BATCH];
	size_t got;
	ev_run(loop, EVRUN_NOWAIT);
	for (int i = 0; i < TUNNELS; i++)
		while (tls_read(parties[i].pair.server.tls, octets, sizeof(octets), &got) == TLS_OK)
			parties[i].heard += got;
}

static void fill(void)
{
	for (int i = 0; i < BULK; i++)
		for (int k = 0; k < WAITING; k++)
			put(&parties[i], SCHED_BULK, PACKET);
}

static size_t heard_of_all(void)
{
	size_t sum = 0;
	for (int i = 0; i < BULK; i++)
		sum += parties[i].heard;
	return sum;
}

/* It was the last to have something, and all that a turn may send waits before it. */
static void realtime_of_all_goes_first(void)
{
	start();
	fill();
	put(&parties[VOICE], SCHED_AUDIO, SPOKEN);
	turn();
	CU_ASSERT_EQUAL(parties[VOICE].heard, ENVELOPE_HEADER + SPOKEN);
	CU_ASSERT(heard_of_all() >= BATCH);
	CU_ASSERT(heard_of_all() <= BATCH + MORE);
	finish();
}

/* However much one has: a turn of the loop for each, and each has had one batch. */
static void bulk_goes_in_turns(void)
{
	start();
	fill();
	for (int i = 0; i < BULK; i++)
		turn();
	for (int i = 0; i < BULK; i++) {
		CU_ASSERT(parties[i].heard >= BATCH);
		CU_ASSERT(parties[i].heard <= BATCH + MORE);
	}
	for (int i = 0; i < 4 * BULK; i++)
		turn();
	for (int i = 0; i < BULK; i++)
		CU_ASSERT_EQUAL(parties[i].heard, WAITING * (ENVELOPE_HEADER + PACKET));
	finish();
}

static const struct unit_test tests[] = {
	{"realtime of all tunnels goes first", realtime_of_all_goes_first},
	{"bulk of many tunnels goes in turns", bulk_goes_in_turns},
};

int main(void)
{
	struct reason why;
	if (tls_library_init(&why) != 0 || !certificates_make())
		return EXIT_FAILURE;
	int status = unit_run("turns", tests, sizeof(tests) / sizeof(tests[0]));
	certificates_remove();
	tls_library_fini();
	return status;
}
