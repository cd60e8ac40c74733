/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks the kernel now and then what the TSCF has acknowledged. */
#include "tse/stall.h"

#include "io/clock.h"
#include "io/log.h"
#include "tse/client_private.h"

enum { STALL_US = 1000000 }; /* us without progress; an outage of a second is TCP's to mend */
static const double interval = .25; /* s */

/* What is on its way, and in *acknowledged what has arrived. */
static uint64_t sum_up(struct client *client, uint64_t now, uint64_t *acknowledged)
{
	const struct lane_set *set = &client->tunnel.lanes;
	uint64_t waiting = 0;
	*acknowledged = 0;
	for (unsigned i = 0; i < set->count; i++) {
		lane_look(set->lane[i], now);
		*acknowledged += set->lane[i]->tcp.acknowledged;
		waiting += set->lane[i]->tcp.unacked;
	}
	return waiting;
}

static void on_timer(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct client *client = watcher->data;
	struct stall *stall = &client->stall;
	uint64_t now = clock_now(), acknowledged;
	uint64_t waiting = sum_up(client, now, &acknowledged);

	if (acknowledged != stall->acknowledged || waiting == 0) {
		stall->acknowledged = acknowledged;
		stall->moved_at = now;
		stall->told = false;
	} else if (now - stall->moved_at < STALL_US || lanes_rescue(client, stall->moved_at)) {
		return; /* a further lane will do, if the network is there */
	} else if (!stall->told) {
		stall->told = true;
		log_line(LOG_NOTICE,
			"nothing has arrived at the TSCF for %llu ms: dialling anew "
			"beside the tunnel",
			(unsigned long long)((now - stall->moved_at) / 1000));
		client_handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_STALLED});
	}
}

void stall_init(struct client *client)
{
	ev_timer_init(&client->stall.timer, on_timer, 0., interval);
	client->stall.timer.data = client;
}

void stall_watch(struct client *client)
{
	client->stall.moved_at = clock_now();
	client->stall.told = false;
	ev_timer_again(client->loop, &client->stall.timer);
}

void stall_rest(struct client *client)
{
	ev_timer_stop(client->loop, &client->stall.timer);
}
