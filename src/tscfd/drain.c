/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asking clients to go, and looking whether they have. */
#include "tscfd/drain.h"

#include <stdio.h>
#include <string.h>

#include "io/clock.h"
#include "io/log.h"
#include "tscfd/sessions.h"

enum { TICKS_FOR_ALL = 100 };                   /* all idle clients are asked within that many */
static const double tick = 0.1;                 /* s */
static const uint64_t last_part = 10 * 1000000; /* us before the deadline: media, too */

static bool has_media(const struct session *session, uint64_t now)
{
	uint64_t last = session->tunnel.last_media;
	return last && now - last <= MEDIA_QUIET_US;
}

static void ask_to_go(struct session *session)
{
	static const char reason[] = "this TSCF is taken out of service";
	const struct drain *drain = &session->worker->drain;
	struct control_message message = {
		.kind = CONTROL_CONFIGURATION_UPDATE,
		.transaction = 1,
		.result = RESULT_SHUTTING_DOWN,
		.reason = {(const uint8_t *)reason, sizeof(reason) - 1},
		.other_tscf = {(const uint8_t *)drain->other, strlen(drain->other)},
	};
	control_set(&message, TAG_RESULT);
	control_set(&message, TAG_REASON);
	if (*drain->other)
		control_set(&message, TAG_OTHER_TSCF);
	session->asked_to_go = true;
	if (session->tunnel.plain) /* who knows no messages */
		session_release(session, RESULT_SHUTTING_DOWN, reason);
	else
		tunnel_control(&session->tunnel, &message);
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)events;
	struct worker *worker = timer->data;
	struct drain *drain = &worker->drain;
	uint64_t now = clock_now();
	unsigned asked = 0, most = worker->tunnel_count / TICKS_FOR_ALL + 1;
	struct session *next;

	for (struct session *session = worker->sessions; session; session = next) {
		next = session->next;
		if (session->state != SESSION_TUNNEL || session->moved)
			continue;
		if (now >= drain->deadline) {
			session_release(
				session, RESULT_SHUTTING_DOWN, "this TSCF is shutting down");
		} else if (!session->asked_to_go && asked < most &&
			   (!has_media(session, now) || now >= drain->last_call)) {
			ask_to_go(session);
			asked++;
		}
	}
	if (worker->tunnel_count)
		return;
	ev_timer_stop(loop, timer);
	if (!drain->told_empty)
		mailbox_post(worker->main_thread, &drain->empty);
	drain->told_empty = true;
}

void drain_begin(struct worker *worker, const char *other, uint64_t time_limit, bool calls,
	void (*empty)(struct message *message))
{
	struct drain *drain = &worker->drain;
	uint64_t last = time_limit / 4 < last_part ? time_limit / 4 : last_part;

	drain_end(worker);
	drain->deadline = clock_now() + time_limit;
	drain->last_call = calls ? 0 : drain->deadline - last;
	snprintf(drain->other, sizeof(drain->other), "%s", other);
	drain->empty.run = empty;
	drain->on = true;
	for (struct session *session = worker->sessions; session; session = session->next)
		session->asked_to_go = false;
	ev_timer_init(&drain->timer, on_tick, 0., tick);
	drain->timer.data = worker;
	ev_timer_start(worker->loop, &drain->timer);
}

void drain_end(struct worker *worker)
{
	if (worker->drain.on)
		ev_timer_stop(worker->loop, &worker->drain.timer);
	worker->drain.on = false;
}
