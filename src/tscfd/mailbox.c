/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A locked list and an ev_async. */
#include "tscfd/mailbox.h"

static void on_wake(struct ev_loop *loop, struct ev_async *watcher, int events)
{
	(void)loop;
	(void)events;
	struct mailbox *mailbox = watcher->data;

	pthread_mutex_lock(&mailbox->lock);
	struct message *message = mailbox->first;
	mailbox->first = NULL;
	mailbox->last = &mailbox->first;
	pthread_mutex_unlock(&mailbox->lock);

	while (message) {
		struct message *next = message->next;
		message->run(message);
		message = next;
	}
}

void mailbox_init(struct mailbox *mailbox, struct ev_loop *loop)
{
	mailbox->loop = loop;
	mailbox->first = NULL;
	mailbox->last = &mailbox->first;
	pthread_mutex_init(&mailbox->lock, NULL);
	ev_async_init(&mailbox->wake, on_wake);
	mailbox->wake.data = mailbox;
	ev_async_start(loop, &mailbox->wake);
}

void mailbox_fini(struct mailbox *mailbox)
{
	ev_async_stop(mailbox->loop, &mailbox->wake);
	pthread_mutex_destroy(&mailbox->lock);
}

void mailbox_post(struct mailbox *mailbox, struct message *message)
{
	message->next = NULL;
	pthread_mutex_lock(&mailbox->lock);
	*mailbox->last = message;
	mailbox->last = &message->next;
	pthread_mutex_unlock(&mailbox->lock);
	ev_async_send(mailbox->loop, &mailbox->wake);
}
