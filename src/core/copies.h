/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copies of audio packets on a second lane (`realtime-copies`), and how the
 * receiver tells a copy from a packet that an application sent twice.
 *
 * A copy is an ordinary envelope; nothing marks it.  The receiver drops a packet
 * only if the very same one came within COPIES_WINDOW on *another* lane, and
 * each arrival accounts for one drop.  So repeats of an application survive
 *
 *   - on the same lane always;
 *   - on different lanes because the sender avoids that: what it has sent within
 *     COPIES_MEMORY goes to the lane of the first again, without a copy.
 *
 * Only what copies_concern() is ever copied, remembered or dropped.
 *
 * Pure: time comes in as microseconds of a monotonic clock. */
#ifndef TSCF_CORE_COPIES_H
#define TSCF_CORE_COPIES_H

#include "core/classify.h"
#include "core/lane_choice.h"
#include "core/siphash.h"

enum {
	COPIES_LARGEST = 400,    /* octets of packet */
	COPIES_WINDOW = 250000,  /* us */
	COPIES_MEMORY = 2000000, /* us */
	COPIES_RATE = 40000,     /* octets/s of copies at most: four calls of G.711 */
	COPIES_BURST = 8000,     /* octets */
	COPIES_HELD = 4,         /* packets whose copies have not gone yet */
	COPIES_LATER = 15000,    /* us, at least, from a packet to its copy: with the next packet */
	COPIES_STALE = 150000,   /* us, after which a copy is not worth sending */
	COPIES_SETS = 64,
	COPIES_WAYS = 4,
};

enum copies_mode {
	COPIES_AUTO = 0, /* while the lanes see loss */
	COPIES_NONE = 1,
	COPIES_ALWAYS = 2,
};

/* A packet that will go once more. */
struct copies_held {
	uint64_t sent;   /* us, when it went first; 0: free */
	uint16_t length; /* octets */
	uint8_t lane;    /* index of the lane on which it went */
	uint8_t octets[COPIES_LARGEST];
};

/* Packets that were seen lately, by hash.  About 6 KiB; zero except for the key,
 * which is random and known to nobody else. */
struct copies {
	uint8_t key[SIPHASH_KEY];
	struct copies_seen {
		uint64_t hash;
		uint32_t when; /* ms, of the last one; 0: free */
		uint8_t lane;
		uint8_t ahead; /* arrivals on `lane` that no other lane has matched yet */
	} seen[COPIES_SETS][COPIES_WAYS];
	/* Sender only: octets that may be copied now, and since when. */
	uint32_t budget;
	uint64_t budget_since; /* us */
	struct copies_held held[COPIES_HELD];
};

void copies_init(struct copies *copies, const uint8_t key[SIPHASH_KEY]);

/* Whether copies have to do with such a packet at all: it may spread
 * (lane_may_spread) and is small.  Large SIP is not among them, and small SIP
 * neither: a packet to or from port 5060 or 5061 never is. */
bool copies_concern(const struct packet *packet);
/* Whether it is also copied: audio. */
static inline bool copies_service(enum sched_class service)
{
	return service == SCHED_AUDIO;
}

/* One number for exactly these octets. */
uint64_t copies_hash(const struct copies *copies, const uint8_t *octets, size_t length);

/* Sender, of what copies_concern() it.  The index of the lane that carried the
 * very same packet within COPIES_MEMORY: take it again, and send no copy;
 * LANE_NONE otherwise. */
int copies_repeated(struct copies *copies, uint64_t hash, uint64_t now);
/* It goes on the lane with this index. */
void copies_sent(struct copies *copies, uint64_t hash, uint8_t lane, uint64_t now);
/* May a copy of `octets` go now?  If so it is charged to the budget.  `loss`:
 * the lanes see loss. */
bool copies_allowed(
	struct copies *copies, enum copies_mode mode, bool loss, uint32_t octets, uint64_t now);

/* Keeps what has just gone on `lane` for its copy; the oldest goes without one
 * when there is no place. */
void copies_hold(
	struct copies *copies, const uint8_t *octets, size_t length, uint8_t lane, uint64_t now);
/* The oldest whose copy is due, or NULL; whose time has passed are forgotten.
 * The caller sends it, or not, and then sets `sent` to 0. */
struct copies_held *copies_due(struct copies *copies, uint64_t now);

/* Receiver, of what copies_concern() it and came on the lane with this index:
 * true when it is a copy of what came already, and is to be dropped. */
bool copies_received(struct copies *copies, uint64_t hash, uint8_t lane, uint64_t now);

#endif
