/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "handshake_queue.h"

#include <stddef.h>

#include "lane.h"

/* Below lanes that are established (0) and those that shake hands (-1). */
enum { TURN_PRIORITY = -2 };

static void on_awake(struct ev_loop *loop, struct ev_idle *watcher, int events)
{
	(void)loop;
	(void)watcher;
	(void)events;
}

static void on_turn(struct ev_loop *loop, struct ev_check *watcher, int events)
{
	(void)loop;
	(void)events;
	struct handshake_queue *queue = watcher->data;
	struct lane *lane = queue->begun.first ? queue->begun.first : queue->fresh.first;
	if (!lane)
		return;
	handshake_queue_remove(queue, lane);
	lane->place.has_begun = true;
	lane_handshake(lane);
}

void handshake_queue_init(struct handshake_queue *queue, struct ev_loop *loop)
{
	*queue = (struct handshake_queue){.loop = loop};
	ev_check_init(&queue->turn, on_turn);
	ev_idle_init(&queue->awake, on_awake);
	ev_set_priority(&queue->turn, TURN_PRIORITY);
	ev_set_priority(&queue->awake, TURN_PRIORITY);
	queue->turn.data = queue;
	ev_check_start(loop, &queue->turn);
}

void handshake_queue_fini(struct handshake_queue *queue)
{
	ev_check_stop(queue->loop, &queue->turn);
	ev_idle_stop(queue->loop, &queue->awake);
}

void handshake_queue_add(struct handshake_queue *queue, struct lane *lane)
{
	struct handshake_place *place = &lane->place;
	struct handshake_list *list = place->has_begun ? &queue->begun : &queue->fresh;
	place->list = list;
	place->next = NULL;
	place->previous = list->last;
	if (list->last)
		list->last->place.next = lane;
	else
		list->first = lane;
	list->last = lane;
	ev_idle_start(queue->loop, &queue->awake);
}

void handshake_queue_remove(struct handshake_queue *queue, struct lane *lane)
{
	struct handshake_place *place = &lane->place;
	struct handshake_list *list = place->list;
	if (!list)
		return;
	if (place->next)
		place->next->place.previous = place->previous;
	else
		list->last = place->previous;
	if (place->previous)
		place->previous->place.next = place->next;
	else
		list->first = place->next;
	place->list = NULL;
	if (!queue->begun.first && !queue->fresh.first)
		ev_idle_stop(queue->loop, &queue->awake);
}
