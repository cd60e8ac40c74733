/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each worker gets a message of its own; the answers come back as messages to
 * the asker, whose thread alone counts them, so nothing needs a lock. */
#include "tscfd/inquiry.h"

#include <errno.h>
#include <stdlib.h>

struct round;

struct question {
	struct message message;
	struct round *round;
	struct worker *worker;
	json_t *answer;
};

struct round {
	struct inquiry inquiry;
	struct mailbox *asker;
	size_t count, missing;
	struct question questions[];
};

static void finish(struct round *round)
{
	json_t *answers[TUN_QUEUES_MAX];
	for (size_t i = 0; i < round->count; i++)
		answers[i] = round->questions[i].answer;
	round->inquiry.done(&round->inquiry, answers, round->count);
	for (size_t i = 0; i < round->count; i++)
		json_decref(answers[i]);
	if (round->inquiry.release)
		round->inquiry.release(&round->inquiry);
	json_decref(round->inquiry.request);
	free(round);
}

static void on_answer(struct message *message)
{
	struct round *round = ((struct question *)message)->round;
	if (--round->missing == 0)
		finish(round);
}

static void on_question(struct message *message)
{
	struct question *question = (struct question *)message;
	struct round *round = question->round;
	question->answer = round->inquiry.ask(question->worker, &round->inquiry);
	question->message.run = on_answer;
	mailbox_post(round->asker, &question->message);
}

int inquiry_start(const struct inquiry *inquiry, struct mailbox *asker, struct worker *workers,
	unsigned worker_count)
{
	struct round *round =
		calloc(1, sizeof(*round) + worker_count * sizeof(round->questions[0]));
	if (!round)
		return -ENOMEM;
	round->inquiry = *inquiry;
	round->asker = asker;
	round->count = round->missing = worker_count;
	for (unsigned i = 0; i < worker_count; i++) {
		struct question *question = &round->questions[i];
		question->message.run = on_question;
		question->round = round;
		question->worker = &workers[i];
		mailbox_post(&workers[i].mailbox, &question->message);
	}
	return 0;
}
