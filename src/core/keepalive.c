/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Is the peer still there? */
#include "core/keepalive.h"

void keepalive_init(struct keepalive *keepalive, uint64_t interval, uint32_t random, uint64_t now)
{
	*keepalive = (struct keepalive){
		.heard = now,
		.transaction = (uint16_t)random,
	};
	keepalive_set_interval(keepalive, interval, random);
}

void keepalive_set_interval(struct keepalive *keepalive, uint64_t interval, uint32_t random)
{
	/* Only ever shorter: the interval is what keeps a NAT's or proxy's
	 * state alive, so asking later than agreed could be too late. */
	uint64_t tenth = interval / 10;
	uint64_t jitter =
		(tenth >> 16) * (random >> 16) + ((tenth & 0xffff) * (random >> 16) >> 16);
	keepalive->interval = interval - jitter;
}

uint64_t keepalive_due(const struct keepalive *keepalive)
{
	if (keepalive->hurried)
		return 0;
	if (keepalive->interval == 0 && keepalive->unanswered == 0)
		return UINT64_MAX;
	bool again = keepalive->unanswered && !keepalive->quiet;
	uint64_t start = keepalive->unanswered ? keepalive->asked : keepalive->heard;
	uint64_t wait = again ? KEEPALIVE_RETRY_US : keepalive->interval;
	return start <= UINT64_MAX - wait ? start + wait : UINT64_MAX;
}

enum keepalive_action keepalive_poll(struct keepalive *keepalive, uint64_t now)
{
	uint64_t due = keepalive_due(keepalive);
	if (due == UINT64_MAX || now < due)
		return KEEPALIVE_WAIT;
	keepalive->hurried = false;
	if (keepalive->quiet && keepalive->unanswered)
		keepalive->unanswered += (unsigned)((now - keepalive->asked) / KEEPALIVE_RETRY_US);
	keepalive->quiet = false;
	if (keepalive->unanswered > KEEPALIVE_TRIES)
		return KEEPALIVE_DEAD;
	keepalive->asked = now;
	keepalive->transaction++;
	keepalive->unanswered++;
	/* A peer that sends but never answers keeps only the last series open. */
	if (keepalive->open <= KEEPALIVE_TRIES)
		keepalive->open++;
	return KEEPALIVE_SEND;
}

void keepalive_hurry(struct keepalive *keepalive)
{
	keepalive->hurried = keepalive->unanswered == 0 || keepalive->quiet;
}

void keepalive_be_quiet(struct keepalive *keepalive)
{
	keepalive->quiet = keepalive->interval > 0;
}

void keepalive_heard(struct keepalive *keepalive, uint64_t now)
{
	keepalive->heard = now;
	keepalive->unanswered = 0;
}

bool keepalive_answered(struct keepalive *keepalive, uint16_t transaction, uint64_t came)
{
	keepalive->unanswered = 0;
	if (came > keepalive->heard)
		keepalive->heard = came;
	/* Answers come in the order of their requests: this one closes its own
	 * and those before it. */
	unsigned behind = (uint16_t)(keepalive->transaction - transaction);
	if (behind >= keepalive->open)
		return false;
	keepalive->open = behind;
	if (behind > 0)
		return true;
	if (came)
		keepalive->rtt = came > keepalive->asked ? came - keepalive->asked : 0;
	/* It was there for as long as the question is old, or nearly: the next one is
	 * due an interval after this one. */
	if (keepalive->quiet)
		keepalive->heard = keepalive->asked;
	return true;
}
