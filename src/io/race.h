/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Happy eyeballs (RFC 8305) for the addresses of one endpoint: connections are
 * attempted one after the other, alternating between the families and starting
 * with IPv6; each has 250 ms before the next joins it, a failed one none.  The
 * first that stands wins.
 *
 * It never acts by itself: events only change states and call `changed`; the
 * owner then asks what happened and starts what is due. */
#ifndef TSCF_IO_RACE_H
#define TSCF_IO_RACE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/reason.h"

enum {
	RACE_ATTEMPTS = 16,
	RACE_ATTEMPT_DELAY = 250000, /* us, RFC 8305 section 8 */
};

enum attempt_state { ATTEMPT_WAITING, ATTEMPT_CONNECTING, ATTEMPT_CONNECTED, ATTEMPT_FAILED };

/* Where an address comes from; it is told with what became of it. */
enum attempt_origin { ATTEMPT_NUMERIC, ATTEMPT_RESOLVED, ATTEMPT_CACHED };

struct attempt {
	struct ev_io io; /* io.fd is owned; -1: none */
	struct race *race;
	struct address address;
	uint32_t scope; /* interface of a link-local address */
	enum attempt_origin origin;
	enum attempt_state state;
	uint64_t began; /* us */
};

struct race {
	struct ev_loop *loop;
	uint32_t mark;
	uint16_t port;
	struct reason *why; /* borrowed; every failure is added to it, in words */
	void (*changed)(void *user);
	void *user;

	struct attempt attempts[RACE_ATTEMPTS];
	size_t count, started;
	uint8_t last_version;
	uint64_t next_attempt; /* us; once one has started */
	int error;             /* errno of the last address that said no; 0: only silence */
	bool local_fault;      /* no other address could mend it; `why` says it */
};

/* Adds an address, unless it is there already or cannot be connected to at
 * all. */
void race_add(struct race *race, const struct address *address, uint32_t scope,
	enum attempt_origin origin);
/* The address to start next; NULL: none waits. */
struct attempt *race_next(struct race *race);
void attempt_start(struct attempt *attempt, uint64_t now);

/* The connection that stands, or NULL. */
struct attempt *race_winner(struct race *race);
bool race_all_failed(const struct race *race);
/* Adds what is still open to `why`. */
void race_give_up(struct race *race, uint64_t now);
/* Closes every descriptor that is still owned. */
void race_fini(struct race *race);

/* More text behind a reason; and "; " before, unless it is the first finding
 * behind "HOST port N: ". */
void reason_add(struct reason *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reason_add_separator(struct reason *why);
/* "no answer within 2.5 s" */
void reason_add_silence(struct reason *why, uint64_t us);

#endif
