/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who has a tunnel already. */
#include "tscfd/same_identity.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "io/log.h"
#include "tscfd/sessions.h"

void identity_table_init(struct identity_table *table, enum same_identity rule)
{
	memset(table, 0, sizeof(*table));
	pthread_mutex_init(&table->lock, NULL);
	table->rule = rule;
	if (getrandom(table->key, sizeof(table->key), 0) != (ssize_t)sizeof(table->key))
		memset(table->key, 0, sizeof(table->key)); /* then chains may be made long */
}

void identity_table_fini(struct identity_table *table)
{
	pthread_mutex_destroy(&table->lock);
}

static struct identity_claim **bucket_of(struct identity_table *table, const char *identity)
{
	uint64_t hash = siphash(table->key, (const uint8_t *)identity, strlen(identity));
	return &table->buckets[hash % IDENTITY_BUCKETS];
}

/* --- sending away --------------------------------------------------------- */

struct notice {
	struct message message;
	struct worker *worker;
	uint32_t number;
};

/* In the worker's thread; the session may be gone by now. */
static void send_away(struct message *message)
{
	struct notice *notice = (struct notice *)message;
	struct session *session = notice->worker->sessions;
	while (session && session->number != notice->number)
		session = session->next;
	if (session && session->state == SESSION_TUNNEL)
		session_release(session, RESULT_FORBIDDEN,
			"replaced by a newer tunnel of the same identity");
	free(notice);
}

static void post_notice(struct worker_group *group, const struct identity_claim *claim)
{
	struct notice *notice = calloc(1, sizeof(*notice));
	if (!notice) {
		log_line(LOG_ERR, "out of memory: an identity keeps two tunnels");
		return;
	}
	notice->message.run = send_away;
	notice->worker = &group->workers[claim->worker];
	notice->number = claim->number;
	mailbox_post(&notice->worker->mailbox, &notice->message);
}

/* --- claims --------------------------------------------------------------- */

bool identity_claim(struct worker_group *group, struct identity_claim *claim,
	const struct identity_claim *former)
{
	struct identity_table *table = &group->identities;
	bool refused = false;

	if (table->rule == SAME_IDENTITY_ALLOW || claim->made || !*claim->identity)
		return true;
	pthread_mutex_lock(&table->lock);
	struct identity_claim **bucket = bucket_of(table, claim->identity);
	for (struct identity_claim *other = *bucket; other; other = other->next) {
		if (other == former || strcmp(other->identity, claim->identity) != 0)
			continue;
		if (table->rule == SAME_IDENTITY_REPLACE)
			post_notice(group, other);
		else
			refused = true;
	}
	if (!refused) {
		claim->made = true;
		claim->next = *bucket;
		*bucket = claim;
	}
	pthread_mutex_unlock(&table->lock);
	return !refused;
}

void identity_unclaim(struct worker_group *group, struct identity_claim *claim)
{
	struct identity_table *table = &group->identities;
	if (!claim->made)
		return;
	pthread_mutex_lock(&table->lock);
	struct identity_claim **at = bucket_of(table, claim->identity);
	while (*at != claim)
		at = &(*at)->next;
	*at = claim->next;
	claim->made = false;
	pthread_mutex_unlock(&table->lock);
}
