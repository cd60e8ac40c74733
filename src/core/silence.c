/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Acknowledgements that are due and do not come. */
#include "core/silence.h"

void silence_sent(struct silence *silence, uint64_t now)
{
	uint64_t last = silence->sent[(silence->next + SILENCE_SENDS - 1) % SILENCE_SENDS];
	if (last && now < last + SILENCE_APART_US)
		return;
	silence->sent[silence->next] = now;
	silence->next = (silence->next + 1) % SILENCE_SENDS;
}

void silence_moved(struct silence *silence, uint64_t when)
{
	if (when > silence->moved)
		silence->moved = when;
}

bool silence_is_silent(const struct silence *silence, uint32_t srtt, uint32_t rttvar, uint64_t now)
{
	uint64_t margin = 4 * (uint64_t)rttvar;
	unsigned late = 0;
	if (srtt == 0)
		return false;
	if (margin < SILENCE_MARGIN_US)
		margin = SILENCE_MARGIN_US;
	/* What came last was sent a round trip before: all that was sent later, and
	 * should have been heard of by now, has not been. */
	for (unsigned i = 0; i < SILENCE_SENDS; i++) {
		uint64_t sent = silence->sent[i];
		late += sent && sent + srtt > silence->moved && sent + srtt + margin < now;
	}
	return late >= SILENCE_LATE;
}
