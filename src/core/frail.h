/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Networks on which an idle tunnel has died and nobody said why: a NAT, a proxy or
 * a firewall there forgets connections sooner than we ask for a sign of life, so
 * there we ask more often.  The newest eight are remembered. */
#ifndef TSCF_CORE_FRAIL_H
#define TSCF_CORE_FRAIL_H

#include "core/address.h"

enum { FRAIL_NETWORKS = 8, FRAIL_INTERVAL_US = 20000000 };

/* All zero: none. */
struct frail {
	struct prefix networks[FRAIL_NETWORKS]; /* /24 or /64; version 0: free */
	unsigned next;                          /* to be overwritten */
};

/* `local` is the address that our side of the connection had. */
void frail_note(struct frail *frail, const struct address *local);
bool frail_knows(const struct frail *frail, const struct address *local);

#endif
