/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small set-associative table of hashes; sender and receiver each have one. */
#include "core/copies.h"

#include <string.h>

enum { MILLISECOND = 1000, SECOND = 1000000, PORT_SIP = 5060, PORT_SIPS = 5061 };

void copies_init(struct copies *copies, const uint8_t key[SIPHASH_KEY])
{
	memset(copies, 0, sizeof(*copies));
	memcpy(copies->key, key, SIPHASH_KEY);
}

static bool is_sip(uint16_t port)
{
	return port == PORT_SIP || port == PORT_SIPS;
}

bool copies_concern(const struct packet *packet)
{
	return packet->length <= COPIES_LARGEST && lane_may_spread(packet) &&
	       !is_sip(packet->source_port) && !is_sip(packet->destination_port);
}

uint64_t copies_hash(const struct copies *copies, const uint8_t *octets, size_t length)
{
	return siphash(copies->key, octets, length);
}

/* Never 0, which is a free place. */
static uint32_t in_ms(uint64_t now)
{
	uint32_t ms = (uint32_t)(now / MILLISECOND);
	return ms ? ms : 1;
}

static bool is_younger(const struct copies_seen *seen, uint32_t us, uint64_t now)
{
	return seen->when != 0 && in_ms(now) - seen->when <= us / MILLISECOND;
}

static struct copies_seen *find(struct copies *copies, uint64_t hash)
{
	struct copies_seen *set = copies->seen[hash % COPIES_SETS];
	for (unsigned i = 0; i < COPIES_WAYS; i++)
		if (set[i].when != 0 && set[i].hash == hash)
			return &set[i];
	return NULL;
}

/* A place for a hash that is not there: a free one, or that of the oldest. */
static struct copies_seen *replace(struct copies *copies, uint64_t hash, uint64_t now)
{
	struct copies_seen *set = copies->seen[hash % COPIES_SETS], *oldest = &set[0];
	for (unsigned i = 0; i < COPIES_WAYS; i++) {
		if (set[i].when == 0)
			return &set[i];
		if (in_ms(now) - set[i].when > in_ms(now) - oldest->when)
			oldest = &set[i];
	}
	return oldest;
}

int copies_repeated(struct copies *copies, uint64_t hash, uint64_t now)
{
	const struct copies_seen *seen = find(copies, hash);
	return seen && is_younger(seen, COPIES_MEMORY, now) ? seen->lane : LANE_NONE;
}

static void remember(
	struct copies *copies, struct copies_seen *seen, uint64_t hash, uint8_t lane, uint64_t now)
{
	if (!seen)
		seen = replace(copies, hash, now);
	*seen = (struct copies_seen){.hash = hash, .when = in_ms(now), .lane = lane, .ahead = 1};
}

void copies_sent(struct copies *copies, uint64_t hash, uint8_t lane, uint64_t now)
{
	remember(copies, find(copies, hash), hash, lane, now);
}

/* A token bucket. */
static void refill(struct copies *copies, uint64_t now)
{
	enum { OCTET_TIME = SECOND / COPIES_RATE };
	uint64_t octets = (now - copies->budget_since) / OCTET_TIME;
	if (octets >= COPIES_BURST - copies->budget) {
		copies->budget = COPIES_BURST;
		copies->budget_since = now;
	} else {
		copies->budget += (uint32_t)octets;
		copies->budget_since += octets * OCTET_TIME;
	}
}

bool copies_allowed(
	struct copies *copies, enum copies_mode mode, bool loss, uint32_t octets, uint64_t now)
{
	if (mode == COPIES_NONE || (mode == COPIES_AUTO && !loss))
		return false;
	refill(copies, now);
	if (copies->budget < octets)
		return false;
	copies->budget -= octets;
	return true;
}

void copies_hold(
	struct copies *copies, const uint8_t *octets, size_t length, uint8_t lane, uint64_t now)
{
	struct copies_held *place = &copies->held[0];
	for (unsigned i = 1; i < COPIES_HELD; i++)
		if (copies->held[i].sent < place->sent)
			place = &copies->held[i];
	place->sent = now;
	place->length = (uint16_t)length;
	place->lane = lane;
	memcpy(place->octets, octets, length);
}

struct copies_held *copies_due(struct copies *copies, uint64_t now)
{
	struct copies_held *oldest = NULL;
	for (unsigned i = 0; i < COPIES_HELD; i++) {
		struct copies_held *held = &copies->held[i];
		if (now - held->sent > COPIES_STALE)
			held->sent = 0;
		if (held->sent && (!oldest || held->sent < oldest->sent))
			oldest = held;
	}
	return oldest && now - oldest->sent >= COPIES_LATER ? oldest : NULL;
}

bool copies_received(struct copies *copies, uint64_t hash, uint8_t lane, uint64_t now)
{
	struct copies_seen *seen = find(copies, hash);
	if (!seen || !is_younger(seen, COPIES_WINDOW, now)) {
		remember(copies, seen, hash, lane, now);
		return false;
	}
	if (seen->lane == lane) {
		seen->when = in_ms(now);
		seen->ahead += seen->ahead < UINT8_MAX;
		return false;
	}
	/* Matched: when all are, the place is free. */
	if (--seen->ahead == 0)
		seen->when = 0;
	return true;
}
