/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a tunnel does for its calls beyond scheduling: copies of audio on a second
 * lane, bulk that yields, and the figures that tell how calls fare.
 *
 *   core/copies     which packets go twice, and which came twice
 *   core/pace       how fast the bulk lane may send while a call is up
 *   core/delay      how long packets waited in the scheduler
 *   core/lane_loss  what the lanes lose */
#ifndef TSCF_REALTIME_H
#define TSCF_REALTIME_H

#include "core/call.h"
#include "core/call_quality.h"
#include "core/copies.h"
#include "core/delay.h"
#include "core/lane_loss.h"
#include "core/pace.h"
#include "lane_set.h"

enum {
	REALTIME_STEP_US = 20000, /* us between two looks at how the lanes do */
	/* us, and four round trips: to open a lane, and for what bulk has under way to
	 * be out of the way of that; but no longer than the most. */
	REALTIME_HOLD_US = 200000,
	REALTIME_HOLD_MAX_US = 2000000,
};

/* All zero to begin with: no copies, and nothing known. */
struct realtime {
	enum copies_mode copies;
	bool peer_knows_copies;
	struct copies *out, *in; /* owned; NULL while there is only one lane, or no need */
	struct call call;
	struct lane_loss loss, stale;
	struct pace pace;
	struct delay delay[SCHED_CLASSES];
	uint64_t stepped;          /* us, the last step */
	uint64_t segments, lost;   /* of all lanes but bulk, at that time */
	uint64_t offered, dropped; /* packets of audio and video, and stale ones */
	const struct lane *paced;  /* borrowed; only compared */
	uint64_t measured;         /* octets delivered there when its round trip was last taken */
	uint64_t pacing;           /* octets/s, as was last set there; 0: never */
	uint64_t copied;           /* us, the last copy */
};

void realtime_fini(struct realtime *realtime);
/* The peer told that it knows copies (capability 3) or that it does not: only in
 * the first case are any sent, and any looked for. */
void realtime_set_copies(struct realtime *realtime, enum copies_mode mode, bool peer_knows);
/* A lane has come or gone. */
void realtime_lanes_changed(struct realtime *realtime, const struct lane_set *set);

/* The lane for a packet that is no bulk, in a tunnel of several lanes; NULL when it
 * waits.  Choosing is taken as sending: its copy will be due, if it has one. */
struct lane *realtime_choose(
	struct realtime *realtime, struct lane_set *set, struct slot *slot, uint64_t now);
/* The next copy that is due and its lane, or NULL.  Set its `sent` to 0 when it has
 * gone. */
struct copies_held *realtime_next_copy(
	struct realtime *realtime, const struct lane_set *set, struct lane **lane, uint64_t now);
/* A packet that came on `lane`, whose class is `service`: is it a copy, to be
 * dropped? */
bool realtime_is_copy(struct realtime *realtime, const struct lane *lane,
	const struct packet *packet, enum sched_class service, uint64_t now);

/* A call has just begun in a tunnel of one lane, and bulk waits for a lane of its own:
 * what is lost of it now would hold up voice behind it. */
bool realtime_holds_bulk(const struct realtime *realtime, const struct lane *lane, uint64_t now);

/* What the lanes' TCP tells: losses, and the pace of bulk, which is set.
 * `offered`: packets of audio and video to send, ever; `stale`: those dropped as
 * such.  After lane_set_look(). */
void realtime_step(struct realtime *realtime, const struct lane_set *set, uint64_t offered,
	uint64_t stale, uint64_t now);
static inline bool realtime_is_due(const struct realtime *realtime, uint64_t now)
{
	return now - realtime->stepped >= REALTIME_STEP_US;
}

/* A packet leaves the scheduler for a lane: it waited there, and now waits for what
 * the lane's kernel has not sent. */
static inline void realtime_waited(
	struct realtime *realtime, const struct slot *slot, const struct lane *lane, uint64_t now)
{
	uint64_t waited = now > slot->arrived ? now - slot->arrived : 0;
	delay_note(&realtime->delay[slot->service], waited + lane_tcp_to_wire(&lane->tcp), now);
}

/* us: the smoothed round trip of the lane for realtime that does best; 0: not known. */
uint32_t realtime_rtt(const struct lane_set *set);
/* An estimate of R of what this end sends; negative while no call is up. */
double realtime_rating(const struct realtime *realtime, const struct lane_set *set, uint64_t now);

#endif
