/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Events go to core/traversal, its actions are carried out here.  The tunnel in
 * use is in client_tunnel.c, what is said on it in negotiate.c, and what people
 * are told in report.c. */
#include "tse/client_private.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "io/clock.h"
#include "io/log.h"
#include "tse/negotiate.h"
#include "tse/report.h"

static uint32_t draw_random(void)
{
	uint32_t value = 0;
	if (getrandom(&value, sizeof(value), 0) < 0)
		value = (uint32_t)clock_now();
	return value;
}

struct connection **client_pending(struct client *client, enum traversal_step step)
{
	return &client->pending[step - TRAVERSAL_TLS];
}

void client_set_timer(struct ev_loop *loop, struct ev_timer *timer, uint64_t at, uint64_t now)
{
	timer->repeat = at == TRAVERSAL_NEVER ? 0. : at > now ? (double)(at - now) / 1e6 : 1e-6;
	ev_timer_again(loop, timer);
}

/* Tells what has changed, if anything has that people may see. */
static void tell(struct client *client)
{
	const struct traversal_finding *finding = &client->traversal.finding;
	struct client_news news = {
		.state = client_state_name(client),
		.verdict = finding->verdict,
		.firewall = finding->firewall,
		.next_run = client->traversal.next_run,
	};
	if (client->told.state == news.state && client->told.verdict == news.verdict &&
		client->told.firewall == news.firewall && client->told.next_run == news.next_run)
		return;
	client->told = news;
	client->since_epoch = (int64_t)time(NULL);
	client->generation++;
	client->changed(client->user);
}

/* --- actions --------------------------------------------------------------- */

static void progress(struct connection *connection, enum traversal_cause if_silent)
{
	struct client *client = connection->pool->owner;
	if (connection == client->current || connection == client->move.next)
		return;
	client_handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_PROGRESS,
				      .step = connection->step,
				      .cause = if_silent,
				      .target = connection->target});
}

static void ready(struct connection *connection)
{
	struct client *client = connection->pool->owner;
	if (connection == client->current) {
		client_renegotiate(client);
		return;
	}
	if (move_ready(client, connection))
		return;
	client_handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_RESULT,
				      .step = connection->step,
				      .outcome = TRAVERSAL_PASSED,
				      .target = connection->target});
}

static void connection_failed(
	struct connection *connection, const struct connection_failure *failure)
{
	struct client *client = connection->pool->owner;
	struct client_failure told = {
		.outcome = failure->outcome,
		.cause = failure->cause,
		.status = failure->status,
	};
	reason_set(&told.why, "%s", failure->words);
	if (connection == client->current) {
		negotiate_explain(client, &told);
		if (plain_tries_again(client, &told))
			return;
		if (told.cause != TRAVERSAL_CAUSE_PROTOCOL &&
			lanes_take_over(client, told.why.text))
			return;
		client_lose(client, &told);
		return;
	}
	if (move_failed(client, connection, told.why.text))
		return;
	if (failure->outcome != TRAVERSAL_SKIPPED) {
		client->failure = told;
		log_line(LOG_WARNING, "no tunnel: step %s: %s",
			traversal_step_name(connection->step), failure->words);
	}
	*client_pending(client, connection->step) = NULL;
	struct traversal_event event = {
		.kind = TRAVERSAL_EVENT_RESULT,
		.step = connection->step,
		.outcome = failure->outcome,
		.cause = failure->cause,
		.target = connection->target,
		/* In full they are said already, and kept in client->failure. */
		.words = failure->outcome == TRAVERSAL_SKIPPED ? failure->words : NULL,
		.error = failure->error,
		.status = failure->http,
	};
	client_handle(client, &event);
	connection_end(connection);
}

static void on_envelope(struct connection *connection, const struct envelope *envelope)
{
	struct client *client = connection->pool->owner;
	if (move_is_former(client, connection)) {
		if (envelope->type != ENVELOPE_CONTROL || negotiate_is_question(envelope))
			tunnel_receive(&client->tunnel, &connection->lane, envelope);
		return;
	}
	if (connection != client->current)
		return; /* before we have asked for anything */
	if (plain_takes(client, envelope))
		return;
	if (!client->configured && envelope->type != ENVELOPE_CONTROL)
		return; /* for a tunnel that we do not have yet */
	keepalive_heard(&client->keepalive, lane_now(&connection->lane));
	tunnel_receive(&client->tunnel, &connection->lane, envelope);
}

static void on_writable(struct connection *connection)
{
	struct client *client = connection->pool->owner;
	if (connection == client->current)
		tunnel_writable(&client->tunnel);
}

const struct connection_events client_connection_events = {
	.progress = progress,
	.ready = ready,
	.failed = connection_failed,
	.envelope = on_envelope,
	.writable = on_writable,
};

static void on_probed(void *user, const struct traversal_event *event)
{
	client_handle(user, event);
}

static void start_step(struct client *client, enum traversal_step step)
{
	if (step == TRAVERSAL_SIP || step == TRAVERSAL_NAT) {
		probing_start(&client->probing[step]);
		return;
	}
	connection_end(*client_pending(client, step));
	*client_pending(client, step) =
		connection_start(&client->pool, step, &client_connection_events);
	if (!*client_pending(client, step))
		client_handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_RESULT,
					      .step = step,
					      .outcome = TRAVERSAL_FAILED,
					      .cause = TRAVERSAL_CAUSE_LOCAL,
					      .words = "out of memory for a connection"});
}

static void cancel_connection(struct client *client, enum traversal_step step)
{
	struct connection *connection = *client_pending(client, step);
	if (connection && client->traversal.steps[step].state == TRAVERSAL_FAILED &&
		!client->stopped)
		client_timed_out(client,
			connection->has_lane
				? "the TLS handshake was not completed in time: something between "
				  "here and the TSCF lets TCP pass and TLS not"
				: "no connection was made in time",
			STATUS_UNREACHABLE);
	connection_end(connection);
	*client_pending(client, step) = NULL;
}

static void cancel_step(struct client *client, enum traversal_step step)
{
	if (step == TRAVERSAL_SIP || step == TRAVERSAL_NAT) {
		probing_cancel(&client->probing[step]);
		return;
	}
	cancel_connection(client, step);
}

static void act(struct client *client, const struct traversal_action *action)
{
	switch (action->kind) {
	case TRAVERSAL_START_STEP:
		start_step(client, action->step);
		break;
	case TRAVERSAL_CANCEL_STEP:
		cancel_step(client, action->step);
		break;
	case TRAVERSAL_USE_PATH:
		if (traversal_path_is_tunnel(action->path))
			client_use_tunnel(client, action->path);
		break;
	case TRAVERSAL_LEAVE_TUNNEL:
		client_leave_tunnel(client);
		break;
	case TRAVERSAL_DROP_TUNNEL:
		client_cut_off(client);
		break;
	case TRAVERSAL_CHECK_TUNNEL:
		client_check_tunnel(client);
		break;
	case TRAVERSAL_SET_KERNEL:
		client_set_kernel(client, action->kernel);
		break;
	case TRAVERSAL_PUBLISH:
		break; /* after every event anyway */
	case TRAVERSAL_SET_TIMER:
		client_set_timer(client->loop, &client->traversal_timer, action->at, clock_now());
		break;
	}
}

static void handle_one(struct client *client, const struct traversal_event *event)
{
	struct traversal_action actions[TRAVERSAL_ACTIONS];
	traversal_handle(&client->traversal, event, clock_now(), draw_random());
	size_t count = client->traversal.action_count;
	memcpy(actions, client->traversal.actions, sizeof(actions));
	for (size_t i = 0; i < count && !client->stopped; i++)
		act(client, &actions[i]);
}

/* An action may cause an event at once: it waits for its turn. */
void client_handle(struct client *client, const struct traversal_event *event)
{
	if (client->stopped)
		return;
	if (client->handling) {
		if (client->queued < CLIENT_QUEUE)
			client->queue[client->queued++] = *event;
		return;
	}
	client->handling = true;
	handle_one(client, event);
	for (size_t i = 0; i < client->queued; i++)
		handle_one(client, &client->queue[i]);
	client->queued = 0;
	client->handling = false;
	if (client->stopped)
		return;
	tell(client);
	report_progress(client);
}

/* --- timers ---------------------------------------------------------------- */

static void on_traversal_timer(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)events;
	struct client *client = watcher->data;
	ev_timer_stop(loop, watcher);
	client_handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_TIMER});
}

/* --- the network ----------------------------------------------------------- */

/* Nothing of before need be true any more. */
static void on_resumed(void *user, uint64_t slept)
{
	struct client *client = user;
	log_line(LOG_INFO, "this machine slept for %llu s", (unsigned long long)(slept / 1000000));
	client->pool.had_tunnel = false;
	client_handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_RESUME});
}

static void repair(struct client *client)
{
	struct reason why;
	int repaired = steer_repair(client->steer, client->tun, &why);
	if (repaired < 0)
		log_line(LOG_ERR, "cannot restore the routes of %s: %s", client->tun->name,
			why.text);
	else if (repaired > 0)
		log_line(LOG_WARNING, "somebody changed %s or its routes: %d put back",
			client->tun->name, repaired);
	datapath_resume(&client->datapath);
}

/* In the namespace of the TUN, where nothing of the outer network is. */
static void on_inner_change(void *user, const struct netmon_event *event)
{
	(void)event;
	repair(user);
}

static void on_network_change(void *user, const struct netmon_event *event)
{
	struct client *client = user;

	suspend_ask(&client->suspend);
	if (client->steer && client->inner_netmon.fd < 0)
		repair(client);
	if (event->others) {
		client->network_changed = clock_now();
		client->pool.had_tunnel = false;
		client_handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_NETWORK});
	}
}

void client_kick(struct client *client)
{
	client_handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_KICK});
	client_check_tunnel(client);
}

void client_report(struct client *client, bool registered)
{
	client_handle(client, &(struct traversal_event){
				      .kind = TRAVERSAL_EVENT_REPORT, .registered = registered});
}

/* --- life ------------------------------------------------------------------ */

static void on_reap(struct ev_loop *loop, struct ev_prepare *watcher, int events)
{
	(void)loop;
	(void)events;
	struct client *client = watcher->data;
	connections_reap(&client->pool);
}

static void set_targets(struct client *client)
{
	char text[CONNECTION_TARGET];
	enum traversal_cause why_not;
	for (enum traversal_step step = TRAVERSAL_SIP; step <= TRAVERSAL_NAT; step++) {
		const char *target = probing_target(&client->probing[step], &why_not);
		traversal_set_target(&client->traversal, step, target, why_not);
	}
	connection_describe(&client->config->servers, text);
	traversal_set_target(&client->traversal, TRAVERSAL_TLS, text, TRAVERSAL_CAUSE_NONE);
	bool none = client->config->proxy && strcmp(client->config->proxy, "none") == 0;
	traversal_set_target(&client->traversal, TRAVERSAL_PROXY, none ? NULL : text,
		none ? TRAVERSAL_CAUSE_NO_TARGET : TRAVERSAL_CAUSE_NONE);
}

/* An interface of another namespace may have the number of one of ours. */
static void watch_tun(struct client *client, struct place *place)
{
	if (place->netmon < 0) {
		client->netmon.own_index = client->tun->index;
		return;
	}
	netmon_watch(&client->inner_netmon, client->loop, place->netmon, on_inner_change, client);
	place->netmon = -1;
	client->sock_destroy = place->sock_destroy;
	place->sock_destroy = (struct sock_destroy){0};
}

int client_init(struct client *client, const struct client_setup *setup, struct reason *why)
{
	struct traversal_config config;

	memset(client, 0, sizeof(*client));
	client->inner_netmon.fd = -1;
	client->loop = setup->loop;
	client->config = setup->config;
	client->profile = setup->profile;
	client->launch = setup->launch;
	client->steer = setup->steer;
	client->tun = setup->tun;
	client->changed = setup->changed;
	client->user = setup->user;
	memcpy(client->instance, setup->instance, CONTROL_INSTANCE);
	if (setup->known_count)
		memcpy(client->known, setup->known, setup->known_count * sizeof(client->known[0]));
	client->known_count = setup->known_count;
	client->pool = (struct connection_pool){
		.loop = setup->loop,
		.config = setup->config,
		.tls = setup->tls,
		.scratch = &client->datapath.scratch,
		.session_proxy = setup->session_proxy,
		.proxy_password = setup->proxy_password,
		.owner = client,
	};
	for (enum traversal_step step = TRAVERSAL_SIP; step <= TRAVERSAL_NAT; step++)
		probing_init(&client->probing[step], step, client->loop, client->config, setup->tls,
			on_probed, client);
	plain_init(client, setup->state_dir);
	traversal_configure(&config, client->config);
	config.confirm_timeout = plain_patience(client->config);
	traversal_init(&client->traversal, &config);
	set_targets(client);

	lanes_init(client);
	move_init(client);
	update_init(client);
	ev_timer_init(&client->traversal_timer, on_traversal_timer, 0., 0.);
	ev_prepare_init(&client->reap, on_reap);
	client->traversal_timer.data = client->reap.data = client;

	int error = netmon_open(&client->netmon, client->loop, on_network_change, client, why);
	if (error)
		return error;
	if (client->tun) {
		watch_tun(client, setup->place);
		error = client_start_datapath(client, why);
		if (error) {
			netmon_close(&client->inner_netmon);
			netmon_close(&client->netmon);
			return error;
		}
	}
	if (suspend_open(&client->suspend, client->loop, on_resumed, client, why))
		log_line(LOG_WARNING, "the end of a sleep is noticed late: %s", why->text);
	if (client->inner_netmon.fd < 0 && sock_destroy_open(&client->sock_destroy, why))
		log_line(LOG_WARNING, "old TCP connections cannot be closed: %s", why->text);
	ev_prepare_start(client->loop, &client->reap);
	return 0;
}

void client_start(struct client *client)
{
	client->attempt_started = clock_now();
	client_handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_START});
}

void client_stop(struct client *client, enum exit_status outcome)
{
	if (client->stopped)
		return;
	if (client->current && client->configured)
		negotiate_release(client);
	client->stopped = true;
	client->outcome = outcome;
	for (enum traversal_step step = TRAVERSAL_SIP; step <= TRAVERSAL_PROXY; step++)
		cancel_step(client, step);
	if (client->current)
		client_drop(client);
	plain_end(client);
	ev_timer_stop(client->loop, &client->traversal_timer);
	if (client->tun) {
		ev_timer_stop(client->loop, &client->media_timer);
		stall_rest(client);
	}
	tell(client);
	ev_break(client->loop, EVBREAK_ALL);
}

void client_fini(struct client *client)
{
	ev_prepare_stop(client->loop, &client->reap);
	lanes_fini(client);
	move_fini(client);
	update_forget(client);
	connections_reap(&client->pool);
	tls_session_free(client->pool.session);
	if (client->tun) {
		tunnel_fini(&client->tunnel);
		datapath_fini(&client->datapath);
	}
	sock_destroy_close(&client->sock_destroy);
	suspend_close(&client->suspend);
	netmon_close(&client->inner_netmon);
	netmon_close(&client->netmon);
}

const char *client_state_name(const struct client *client)
{
	const struct traversal *traversal = &client->traversal;
	if (client->stopped)
		return "stopping";
	if (client_is_up(client))
		return "up";
	if (client->current)
		return "configuring";
	for (int i = 0; i < CLIENT_PATHS; i++)
		if (client->pending[i])
			return client->pending[i]->has_lane ? "handshake" : "dialing";
	if (traversal->running)
		return "probing";
	if (traversal->path == TRAVERSAL_PATH_DIRECT)
		return "direct";
	return client->pool.had_tunnel ? "reconnecting" : "waiting";
}
