/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Three queues by strict priority, and beside them bulk: deficit round robin
 * over hashed flows (RFC 8290), each with its own CoDel.
 *
 * Bulk's share: while bulk waits, each octet of realtime that goes first is
 * written to its account; at BULK_TURN one bulk packet goes before its time
 * and costs nine times its length.  So bulk gets a tenth of the octets even
 * under realtime without end, and a super-packet that overdraws the account is
 * paid for before the next one. */
#include "core/sched.h"

#include <string.h>

enum {
	MTU = 1514,    /* one full packet and a little, as RFC 8290's quantum */
	QUANTUM = MTU, /* octets per flow and round */
	BULK_PRICE = 9,
	BULK_TURN = BULK_PRICE * QUANTUM,
	MILLISECOND = 1000, /* us */
	KIBIBYTE = 1024,
};

_Static_assert(SCHED_FLOWS <= 16, "struct sched has 16 bits for them");

void sched_policy_default(struct sched_policy *policy)
{
	*policy = (struct sched_policy){
		.realtime_budget = 150 * MILLISECOND,
		.bulk_limit = 4096 * KIBIBYTE,
		.realtime_limit = 512 * KIBIBYTE,
		.memory_limit = 8192 * KIBIBYTE,
	};
}

void sched_init(struct sched *sched, const struct sched_policy *policy, struct slab *slab,
	struct counters *counters)
{
	memset(sched, 0, sizeof(*sched));
	sched->policy = policy;
	sched->slab = slab;
	sched->counters = counters;
}

static uint64_t waited(const struct slot *slot, uint64_t now)
{
	return now > slot->arrived ? now - slot->arrived : 0;
}

static struct sched_flow *flow_of(struct sched *sched, const struct slot *slot)
{
	return &sched->flows[slot->flow % SCHED_FLOWS];
}

static struct sched_queue *queue_of(struct sched *sched, const struct slot *slot)
{
	return slot->service < SCHED_BULK ? &sched->realtime[slot->service]
					  : &flow_of(sched, slot)->queue;
}

/* The octets that wait in this packet's half of the scheduler. */
static uint32_t *waiting_of(struct sched *sched, const struct slot *slot)
{
	return slot->service < SCHED_BULK ? &sched->realtime_octets : &sched->bulk_octets;
}

static void account_in(struct sched *sched, struct sched_queue *queue, const struct slot *slot)
{
	queue->octets += slot->length;
	*waiting_of(sched, slot) += slot->length;
	sched->memory += slot_room(slot);
	sched->big += slot->big;
	sched->packets++;
}

static void append(struct sched *sched, struct sched_queue *queue, struct slot *slot)
{
	slot->next = NULL;
	if (queue->head)
		queue->tail->next = slot;
	else
		queue->head = slot;
	queue->tail = slot;
	account_in(sched, queue, slot);
}

static struct slot *take_head(struct sched *sched, struct sched_queue *queue)
{
	struct slot *slot = queue->head;
	if (!slot)
		return NULL;
	queue->head = slot->next;
	slot->next = NULL;
	queue->octets -= slot->length;
	*waiting_of(sched, slot) -= slot->length;
	sched->memory -= slot_room(slot);
	sched->big -= slot->big;
	sched->packets--;
	return slot;
}

static void drop_head(struct sched *sched, struct sched_queue *queue, enum counter why)
{
	slab_give(sched->slab, take_head(sched, queue));
	counter_add(sched->counters, why, 1);
}

void sched_fini(struct sched *sched)
{
	for (unsigned i = 0; i < SCHED_BULK; i++)
		while (sched->realtime[i].head)
			drop_head(sched, &sched->realtime[i], COUNTER_DROP_CLOSED);
	for (unsigned i = 0; i < SCHED_FLOWS; i++)
		while (sched->flows[i].queue.head)
			drop_head(sched, &sched->flows[i].queue, COUNTER_DROP_CLOSED);
}

/* Signalling is late rather than lost; audio and video are not worth sending
 * once they are older than the budget. */
static void drop_stale(struct sched *sched, unsigned service, uint64_t now)
{
	struct sched_queue *queue = &sched->realtime[service];
	if (service == SCHED_SIGNALLING)
		return;
	while (queue->head && waited(queue->head, now) > sched->policy->realtime_budget)
		drop_head(sched, queue, COUNTER_DROP_STALE);
}

static struct sched_queue *longest_flow(struct sched *sched)
{
	struct sched_queue *longest = &sched->flows[0].queue;
	for (unsigned i = 1; i < SCHED_FLOWS; i++)
		if (sched->flows[i].queue.octets > longest->octets)
			longest = &sched->flows[i].queue;
	return longest;
}

/* Nobody holds more slots of a size than are still free for all others: so the
 * fuller the slab is, the less each tunnel may hold of it, and one whose peer
 * does not read never takes the last. */
static bool over_memory(const struct sched *sched)
{
	return sched->memory > sched->policy->memory_limit || sched->big > sched->slab->big_free ||
	       sched->packets - sched->big > sched->slab->small_free;
}

static bool over_bulk(const struct sched *sched)
{
	return sched->bulk_octets > sched->policy->bulk_limit;
}

static bool over_realtime(const struct sched *sched)
{
	return sched->realtime_octets > sched->policy->realtime_limit;
}

static void make_room(struct sched *sched, unsigned service, uint64_t now)
{
	drop_stale(sched, SCHED_AUDIO, now);
	drop_stale(sched, SCHED_VIDEO, now);
	while (over_bulk(sched) || (over_memory(sched) && sched->bulk_octets > 0))
		drop_head(sched, longest_flow(sched), COUNTER_DROP_QUEUE_FULL);
	if (service == SCHED_BULK)
		return;
	while ((over_realtime(sched) || over_memory(sched)) && sched->realtime[service].head)
		drop_head(sched, &sched->realtime[service], COUNTER_DROP_QUEUE_FULL);
}

void sched_enqueue(struct sched *sched, struct slot *slot, uint64_t now)
{
	unsigned service = slot->service;
	if (service == SCHED_BULK) {
		unsigned flow = slot->flow % SCHED_FLOWS;
		if (!(sched->active >> flow & 1)) {
			sched->flows[flow].deficit = QUANTUM;
			sched->active |= (uint16_t)(1U << flow);
			sched->fresh |= (uint16_t)(1U << flow);
		}
	}
	append(sched, queue_of(sched, slot), slot);
	if (over_memory(sched) || over_bulk(sched) || over_realtime(sched))
		make_room(sched, service, now);
}

/* Sets Congestion Experienced; false when the sender could not tell.  The
 * transport checksum does not cover it.  IPv4's header checksum: RFC 1624. */
static bool mark_ecn(uint8_t *octets)
{
	enum { ECN_MASK = 3, IPV4_CHECKSUM = 10 };
	if (octets[0] >> 4 == 6) {
		if (!(octets[1] >> 4 & ECN_MASK))
			return false;
		octets[1] |= ECN_MASK << 4;
		return true;
	}
	if (!(octets[1] & ECN_MASK))
		return false;
	uint32_t before = get_u16(octets);
	octets[1] |= ECN_MASK;
	uint32_t sum = (uint16_t)~get_u16(octets + IPV4_CHECKSUM) + (uint16_t)~before +
		       (uint32_t)get_u16(octets);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put_u16(octets + IPV4_CHECKSUM, (uint16_t)~sum);
	return true;
}

/* The flow's next packet that CoDel lets pass, or NULL when it has none. */
static struct slot *take_managed(struct sched *sched, struct sched_flow *flow, uint64_t now)
{
	struct slot *slot;
	while ((slot = take_head(sched, &flow->queue))) {
		uint32_t unit = slot->length > MTU ? slot->length : MTU;
		uint64_t sojourn = waited(slot, now);
		sojourn -= sojourn < sched->bulk_rtt ? sojourn : sched->bulk_rtt;
		if (!codel_drops(&flow->codel, sojourn, flow->queue.octets, unit, now) ||
			mark_ecn(slot_packet(slot)))
			return slot;
		slab_give(sched->slab, slot);
		counter_add(sched->counters, COUNTER_DROP_CODEL, 1);
	}
	return NULL;
}

/* The first flow of a non-empty set from `turn` on, around the circle. */
static unsigned next_flow(uint16_t set, unsigned turn)
{
	unsigned from_turn = set & ~0U << turn;
	return (unsigned)__builtin_ctz(from_turn ? from_turn : set);
}

static struct slot *dequeue_bulk(struct sched *sched, uint64_t now)
{
	struct slot *slot = NULL;
	while (!slot && sched->bulk_octets > 0) {
		bool fresh = sched->fresh != 0;
		unsigned index = next_flow(fresh ? sched->fresh : sched->active, sched->turn);
		struct sched_flow *flow = &sched->flows[index];
		uint16_t bit = (uint16_t)(1U << index);
		if (!fresh)
			sched->turn = (uint8_t)index;
		if (flow->deficit > 0 && (slot = take_managed(sched, flow, now))) {
			flow->deficit -= (int32_t)slot->length;
			break;
		}
		/* Its turn is over.  A new flow becomes an old one, even if it is
		 * empty (or it could be new again at once, and always first); an
		 * old one that is empty leaves the rounds. */
		if (flow->deficit <= 0)
			flow->deficit += QUANTUM;
		else if (!fresh)
			sched->active &= (uint16_t)~bit;
		if (!fresh)
			sched->turn = (uint8_t)((index + 1) % SCHED_FLOWS);
		sched->fresh &= (uint16_t)~bit;
	}
	if (sched->bulk_octets == 0)
		sched->active = sched->fresh = 0;
	return slot;
}

struct slot *sched_dequeue_from(struct sched *sched, unsigned classes, uint64_t now)
{
	if (sched->packets == 0)
		return NULL;
	bool bulk = (classes >> SCHED_BULK & 1) && sched->bulk_octets > 0;
	if (bulk && sched->bulk_share >= BULK_TURN) {
		struct slot *slot = dequeue_bulk(sched, now);
		if (slot) {
			sched->bulk_share -= BULK_PRICE * (int32_t)slot->length;
			return slot;
		}
	}
	for (unsigned service = 0; service < SCHED_BULK; service++) {
		if (!(classes >> service & 1))
			continue;
		drop_stale(sched, service, now);
		struct slot *slot = take_head(sched, &sched->realtime[service]);
		if (!slot)
			continue;
		if (bulk)
			sched->bulk_share += (int32_t)slot->length;
		return slot;
	}
	/* Nothing is before bulk now, so the account is settled. */
	sched->bulk_share = 0;
	return bulk ? dequeue_bulk(sched, now) : NULL;
}

struct slot *sched_dequeue(struct sched *sched, uint64_t now)
{
	return sched_dequeue_from(sched, (1U << SCHED_CLASSES) - 1, now);
}

void sched_put_back(struct sched *sched, struct slot *slot)
{
	struct sched_queue *queue = queue_of(sched, slot);
	slot->next = queue->head;
	if (!queue->head)
		queue->tail = slot;
	queue->head = slot;
	account_in(sched, queue, slot);
	if (slot->service != SCHED_BULK)
		return;
	sched->active |= (uint16_t)(1U << slot->flow % SCHED_FLOWS);
	flow_of(sched, slot)->deficit += (int32_t)slot->length;
	/* Overdrawn means that it went before its turn and was charged whole. */
	if (sched->bulk_share < 0)
		sched->bulk_share += BULK_PRICE * (int32_t)slot->length;
}
