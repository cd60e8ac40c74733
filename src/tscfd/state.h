/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tscfd remembers across its own restart: leases with their resume tokens,
 * and the secrets of TLS tickets.
 *
 * Two files, PATH and PATH.2, opened while still root and held from then on, so
 * that the unprivileged process needs no right in their directory.  One of them
 * is the journal; each change of a lease is appended to it before the client
 * hears of it, so that a process killed at any moment has forgotten nothing.
 * When the journal has grown, the latest record of each lease is written to the
 * other file, and that becomes the journal.  At every moment one of the two
 * holds all there is to know; both are read at start (core/lease_store.h).
 *
 * A write goes to the kernel's memory; the disk gets it at leisure.  What may
 * be lost is what a power failure loses. */
#ifndef TSCF_TSCFD_STATE_H
#define TSCF_TSCFD_STATE_H

#include "core/lease_store.h"
#include "core/reason.h"
#include "io/sandbox.h"

struct state;

/* Reads what is there and begins a fresh journal; damage is logged and no
 * error.  With path NULL nothing outlives the process, and everything below
 * works all the same.  -EBUSY: another process has the files; -EPERM: they
 * belong to somebody else or may be read by others. */
int state_open(struct state **out, const char *path, const struct pool_settings *pool,
	const struct sandbox_user *user, struct reason *why);
/* Puts the journal onto the disk.  Takes NULL. */
void state_close(struct state *state);

/* Gives a new pool the leases that are its own.  0 or -ENOMEM. */
int state_restore(const struct state *state, struct pool *pool);
/* When all pools have got theirs. */
void state_restored(struct state *state);

/* Any thread: a lease has changed.  When this returns it will be known to the
 * next process.  Failure (no space) is logged once and tried anew. */
void state_note(struct state *state, const struct lease *lease);

/* In use now.  Changed by state_trust() and state_tidy() alone. */
const struct ticket_record *state_tickets(const struct state *state);
/* What clients are verified with from now on.  If that is something else than
 * before, in this process or the last, new secrets are drawn and no ticket given
 * out so far is good: a ticket shows no certificate, so its owner may have been
 * revoked meanwhile. */
void state_trust(struct state *state, uint64_t trust);

/* Main thread, every STATE_TIDY_SECONDS: shortens the journal when it has
 * grown, sees to it that the disk gets it, and renews the ticket secrets once a
 * day: then true. */
enum { STATE_TIDY_SECONDS = 60 };
bool state_tidy(struct state *state);

#endif
