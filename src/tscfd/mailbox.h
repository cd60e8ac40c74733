/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The only way in which threads of tscfd touch each other: a message is handed
 * over and runs in the loop of whoever owns the mailbox. Nothing on the data
 * path uses it. */
#ifndef TSCF_TSCFD_MAILBOX_H
#define TSCF_TSCFD_MAILBOX_H

#include <ev.h>
#include <pthread.h>

/* Embedded at the start of what is sent. */
struct message {
	struct message *next;
	void (*run)(struct message *message); /* in the receiver's thread; takes it */
};

struct mailbox {
	struct ev_loop *loop;
	struct ev_async wake;
	pthread_mutex_t lock;
	struct message *first, **last;
};

void mailbox_init(struct mailbox *mailbox, struct ev_loop *loop);
void mailbox_fini(struct mailbox *mailbox);
/* Any thread. Takes the message. */
void mailbox_post(struct mailbox *mailbox, struct message *message);

#endif
