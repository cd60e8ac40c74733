/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The model behind linkemu, without a clock, so that it can be tested. */
#include "link.h"

#include <stdlib.h>

enum purpose { FOR_LOSS = 1, FOR_JITTER, FOR_REORDER };

/* splitmix64's finalizer: any two numbers that differ come out unrelated. */
static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9;
	x ^= x >> 27;
	x *= 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* 0 <= chance < 1, for this packet and purpose. */
static double chance(const struct link *link, uint64_t number, enum purpose purpose)
{
	uint64_t bits = mix(mix(link->settings.seed * 0x9e3779b97f4a7c15 + number) + purpose);
	return (double)(bits >> 11) * 0x1p-53;
}

void link_init(struct link *link, const struct link_settings *settings, uint64_t start)
{
	*link = (struct link){.settings = *settings, .start = start};
	link->tail = &link->head;
}

static void free_list(struct link_packet *packet)
{
	while (packet) {
		struct link_packet *next = packet->next;
		free(packet);
		packet = next;
	}
}

void link_fini(struct link *link)
{
	free_list(link->head);
	free_list(link->spare);
	for (size_t i = 0; i < link->wire_count; i++)
		free(link->wire[i]);
	free(link->wire);
}

struct link_packet *link_packet_new(struct link *link)
{
	struct link_packet *packet = link->spare;
	if (!packet)
		return malloc(sizeof(*packet));
	link->spare = packet->next;
	return packet;
}

void link_packet_free(struct link *link, struct link_packet *packet)
{
	packet->next = link->spare;
	link->spare = packet;
}

/* ------------------------------------------------------------ the wire */

static bool before(const struct link_packet *a, const struct link_packet *b)
{
	return a->due != b->due ? a->due < b->due : a->number < b->number;
}

static bool wire_put(struct link *link, struct link_packet *packet)
{
	if (link->wire_count == link->wire_room) {
		size_t room = link->wire_room ? link->wire_room * 2 : 256;
		struct link_packet **wire = realloc(link->wire, room * sizeof(*wire));
		if (!wire)
			return false;
		link->wire = wire;
		link->wire_room = room;
	}
	size_t at = link->wire_count++;
	for (; at > 0 && before(packet, link->wire[(at - 1) / 2]); at = (at - 1) / 2)
		link->wire[at] = link->wire[(at - 1) / 2];
	link->wire[at] = packet;
	return true;
}

static struct link_packet *wire_take(struct link *link)
{
	struct link_packet *first = link->wire[0], *moved = link->wire[--link->wire_count];
	size_t at = 0;
	for (size_t child; (child = 2 * at + 1) < link->wire_count; at = child) {
		if (child + 1 < link->wire_count &&
			before(link->wire[child + 1], link->wire[child]))
			child++;
		if (!before(link->wire[child], moved))
			break;
		link->wire[at] = link->wire[child];
	}
	link->wire[at] = moved;
	return first;
}

static bool is_out(const struct link *link, uint64_t time)
{
	uint64_t since = time - link->start;
	for (unsigned i = 0; i < link->settings.outage_count; i++) {
		const struct link_outage *outage = &link->settings.outages[i];
		if (since >= outage->at && since - outage->at < outage->length)
			return true;
	}
	return false;
}

/* In the bad state a packet is lost, and the state is left with 1/burst; it is
 * entered so often that the share lost is `loss`. */
static bool is_lost(struct link *link, uint64_t number)
{
	const struct link_settings *is = &link->settings;
	if (is->loss <= 0)
		return false;
	double drawn = chance(link, number, FOR_LOSS);
	bool was_bad = link->bad;
	if (is->loss >= 1 || is->burst <= 1)
		link->bad = drawn < is->loss;
	else if (was_bad)
		link->bad = drawn >= 1 / is->burst;
	else
		link->bad = drawn < is->loss / (is->burst * (1 - is->loss));
	if (link->bad && !was_bad)
		link->counts.bursts++;
	return link->bad;
}

/* When a packet comes out that has left the transmitter at `time`. */
static uint64_t arrival(struct link *link, uint64_t number, uint64_t time)
{
	const struct link_settings *is = &link->settings;
	uint64_t due = time + is->delay;
	if (is->jitter > 0)
		due += (uint64_t)((double)is->jitter * chance(link, number, FOR_JITTER));
	if (due < link->latest)
		due = link->latest;
	if (is->reorder > 0 && chance(link, number, FOR_REORDER) < is->reorder) {
		link->counts.reordered++;
		return due + is->reorder_by;
	}
	link->latest = due;
	return due;
}

/* The packet has been transmitted, at `time`; takes it. */
static void transmit(struct link *link, struct link_packet *packet, uint64_t time)
{
	packet->number = link->counts.on_wire++;
	bool lost = is_lost(link, packet->number);
	uint64_t delay = 0;
	if (lost) {
		link->counts.lost++;
	} else if (is_out(link, time)) {
		link->counts.outage_drops++;
		lost = true;
	} else {
		packet->due = arrival(link, packet->number, time);
		delay = packet->due - time;
		lost = !wire_put(link, packet);
	}
	link->counts.decisions = mix(link->counts.decisions * 31 + (lost ? UINT64_MAX : delay));
	if (lost)
		link_packet_free(link, packet);
}

/* ----------------------------------------------------------- the queue */

/* In whole us; what is cut off goes to the next packet, or the rate would be
 * too high. */
static uint64_t transmission_time(struct link *link, uint32_t size)
{
	if (link->settings.rate == 0)
		return 0;
	uint64_t work = (uint64_t)size * 8 * 1000000 + link->carry;
	link->carry = work % link->settings.rate;
	return work / link->settings.rate;
}

static uint64_t transmission_start(const struct link *link)
{
	return link->idle_at > link->head->arrived ? link->idle_at : link->head->arrived;
}

static struct link_packet *queue_take(struct link *link)
{
	struct link_packet *packet = link->head;
	link->head = packet->next;
	if (!link->head)
		link->tail = &link->head;
	link->octets -= packet->size;
	return packet;
}

/* Does all that the transmitter has begun by `now`. */
static void run_queue(struct link *link, uint64_t now)
{
	while (link->head) {
		uint64_t start = transmission_start(link);
		if (start > now)
			break;
		struct link_packet *packet = queue_take(link);
		uint64_t wait = start - packet->arrived;
		uint32_t left = link->octets > UINT32_MAX ? UINT32_MAX : (uint32_t)link->octets;
		if (link->settings.drop == LINK_CODEL &&
			codel_drops(&link->codel, wait, left, 1500, start)) {
			link->counts.codel_drops++;
			link_packet_free(link, packet);
			continue;
		}
		link->counts.queue_wait_sum += wait;
		if (wait > link->counts.queue_wait_max)
			link->counts.queue_wait_max = wait;
		link->idle_at = start + transmission_time(link, packet->size);
		transmit(link, packet, link->idle_at);
	}
}

void link_send(struct link *link, struct link_packet *packet, uint64_t now)
{
	run_queue(link, now);
	link->counts.sent++;
	link->counts.octets_sent += packet->size;
	if (link->settings.queue && link->octets + packet->size > link->settings.queue &&
		link->idle_at > now) {
		link->counts.queue_drops++;
		link_packet_free(link, packet);
		return;
	}
	packet->arrived = now;
	packet->next = NULL;
	*link->tail = packet;
	link->tail = &packet->next;
	link->octets += packet->size;
	run_queue(link, now);
	if (link->octets > link->counts.queue_octets_max)
		link->counts.queue_octets_max = link->octets;
}

struct link_packet *link_receive(struct link *link, uint64_t now)
{
	run_queue(link, now);
	if (link->wire_count == 0 || link->wire[0]->due > now)
		return NULL;
	struct link_packet *packet = wire_take(link);
	link->counts.received++;
	link->counts.octets_received += packet->size;
	return packet;
}

uint64_t link_next(const struct link *link)
{
	uint64_t next = link->wire_count ? link->wire[0]->due : UINT64_MAX;
	/* What still waits cannot come out sooner than this. */
	if (link->head) {
		uint64_t out = transmission_start(link) + link->settings.delay;
		next = out < next ? out : next;
	}
	return next;
}
