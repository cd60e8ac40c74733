/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Telling clients what has changed. */
#include "tscfd/update.h"

#include "tscfd/session_lane.h"

enum { CLIENTS_PER_TICK = 64 };
static const double tick = 0.01; /* s */

static void tell(struct session *session)
{
	const struct worker *worker = session->worker;
	struct control_message message = worker->settings->offer;

	session->told = worker->update.version;
	session->updated = true;
	if (session->tunnel.plain) /* who knows no messages asks again by DHCP */
		return;
	message.kind = CONTROL_CONFIGURATION_UPDATE;
	message.transaction = 1;
	message.result = RESULT_OK; /* all values, also lists that are empty now */
	control_set(&message, TAG_RESULT);
	tunnel_control(&session->tunnel, &message);
	/* Telling may have ended lanes: those that are left. */
	for (unsigned i = 0; i < session->lane_count; i++)
		session_lane_regranted(session->lanes[i]);
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)events;
	struct worker *worker = timer->data;
	unsigned told = 0;
	struct session *next;

	for (struct session *session = worker->sessions; session; session = next) {
		next = session->next;
		if (session->state != SESSION_TUNNEL || session->told == worker->update.version)
			continue;
		if (told == CLIENTS_PER_TICK)
			return;
		tell(session);
		told++;
	}
	/* A lane may have ended by being told on, see update_repeat. */
	if (told == 0)
		ev_timer_stop(loop, timer);
}

void update_init(struct worker *worker)
{
	ev_timer_init(&worker->update.timer, on_tick, 0., tick);
	worker->update.timer.data = worker;
}

void update_begin(struct worker *worker)
{
	worker->update.version++;
	ev_timer_again(worker->loop, &worker->update.timer);
}

void update_repeat(struct session *session)
{
	struct worker *worker = session->worker;
	if (!session->updated || session->state != SESSION_TUNNEL || worker->stopping)
		return;
	session->told = worker->update.version - 1;
	ev_timer_again(worker->loop, &worker->update.timer);
}

void update_end(struct worker *worker)
{
	ev_timer_stop(worker->loop, &worker->update.timer);
}
