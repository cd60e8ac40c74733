/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Events go to core/traversal, its actions are carried out here.  What is said
 * on a tunnel is in negotiate.c, what people are told in report.c. */
#include "tse/client.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "io/clock.h"
#include "io/log.h"
#include "io/sock_destroy.h"
#include "tse/negotiate.h"
#include "tse/remember.h"
#include "tse/report.h"

enum { RESOLVERS_MAX = 8 };

static void handle(struct client *client, const struct traversal_event *event);

static uint32_t draw_random(void)
{
	uint32_t value = 0;
	if (getrandom(&value, sizeof(value), 0) < 0)
		value = (uint32_t)clock_now();
	return value;
}

static struct connection **pending(struct client *client, enum traversal_step step)
{
	return &client->pending[step - TRAVERSAL_TLS];
}

static void set_timer(struct ev_loop *loop, struct ev_timer *timer, uint64_t at, uint64_t now)
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

/* --- the connection in use ------------------------------------------------ */

/* Packets wait from now on, or are unreachable without a carrier. */
static void detach_current(struct client *client)
{
	ev_timer_stop(client->loop, &client->keepalive_timer);
	tunnel_attach(&client->tunnel, NULL, client->tunnel.mtu, client->tunnel.offload);
	connection_end(client->current);
	client->current = NULL;
	client->configured = false;
}

static void drop_current(struct client *client)
{
	if (client->plan_applied)
		steer_carrier(client->steer, client->tun, false);
	detach_current(client);
}

void client_lose(struct client *client, const struct client_failure *failure)
{
	if (!client->current || client->stopped)
		return;
	bool was_up = client_is_up(client);
	struct traversal_event event = {
		.kind = was_up ? TRAVERSAL_EVENT_TUNNEL_LOST : TRAVERSAL_EVENT_RESULT,
		.step = client->current->step,
		.outcome = failure->outcome,
		.cause = failure->cause,
		.retry_after = failure->retry_after,
	};
	if (failure != &client->failure)
		client->failure = *failure;
	event.words = client->failure.why.text;
	log_line(LOG_WARNING, "%s: %s", was_up ? "tunnel lost" : "no tunnel",
		client->failure.why.text);
	if (was_up) {
		client->reconnects++;
		client->pool.had_tunnel = true;
	}
	drop_current(client);
	handle(client, &event);
}

/* Outer addresses never go through the tunnel, also where strict reverse-path
 * filtering looks the route up without our mark. */
static void exempt_outer(struct client *client)
{
	struct address outer[CONNECTION_CACHED + RESOLVERS_MAX + 1];
	size_t count = 0;
	struct reason why;

	outer[count++] = client->current->outer;
	for (size_t i = 0; i < client->pool.cached_count; i++)
		outer[count++] = client->pool.cached[i];
	count += dial_resolvers(outer + count, RESOLVERS_MAX);
	if (steer_outer(client->steer, outer, count, &why))
		log_line(LOG_WARNING, "cannot exempt the outer addresses: %s", why.text);
}

static void use_tunnel(struct client *client, enum traversal_path path)
{
	enum traversal_step step = path == TRAVERSAL_PATH_PROXY ? TRAVERSAL_PROXY : TRAVERSAL_TLS;
	/* A tunnel that is replaced keeps its carrier: packets wait. */
	if (client->current)
		detach_current(client);
	client->current = *pending(client, step);
	*pending(client, step) = NULL;
	client->farewell.text[0] = '\0';
	if (!client->current)
		return;
	exempt_outer(client);
	/* Steps that have passed are told before what came of them. */
	report_progress(client);
	report_tls(client);
	negotiate_request(client);
}

/* With strict reverse-path filtering the kernel drops the answers to probes
 * beside the tunnel, for the way back to the IMS core leads into it. */
static void warn_strict_rp_filter(const struct client *client)
{
	int value = 0;
	FILE *file = fopen("/proc/sys/net/ipv4/conf/all/rp_filter", "re");
	if (!file)
		return;
	if (fscanf(file, "%d", &value) == 1 && value == 1 && client->config->mode == MODE_AUTO)
		log_line(LOG_WARNING,
			"rp_filter = 1: while the tunnel is up tse cannot see whether "
			"IMS works without it again; "
			"sysctl -w net.ipv4.conf.all.rp_filter=2 lets it");
	fclose(file);
}

static void client_came_up(struct client *client)
{
	char outer[ADDRESS_TEXT_MAX];
	uint64_t now = clock_now();
	struct lane *lane = &client->current->lane;

	client->up_since = now;
	client->failure = (struct client_failure){.status = STATUS_UP};
	set_timer(client->loop, &client->keepalive_timer, keepalive_due(&client->keepalive), now);
	log_line(LOG_INFO, "tunnel up: %s port %u, %s %s, after %.0f ms",
		address_format(&client->current->outer, outer), client->current->outer_port,
		tls_version(lane->tls), tls_cipher(lane->tls),
		(double)(now - client->current->started) / 1000.);
	handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_TUNNEL_CONFIRMED,
			       .step = client->current->step});
	if (client->traversal.kernel == TRAVERSAL_KERNEL_TUNNEL)
		steer_carrier(client->steer, client->tun, true);
	report_up(client);
	warn_strict_rp_filter(client);
}

/* --- what the kernel holds ------------------------------------------------- */

static void remember_grant(struct client *client)
{
	const struct steer_plan *plan = &client->grant.plan;
	memcpy(client->known, plan->routes, plan->route_count * sizeof(plan->routes[0]));
	client->known_count = plan->route_count;
}

/* Apps that connected before the tunnel was up would wait for answers that can
 * no longer come. */
static void destroy_old_sockets(struct client *client)
{
	const struct steer_plan *plan = &client->grant.plan;
	const struct address inner[] = {plan->inner4.address, plan->inner6.address};
	struct reason why;
	/* With uid, only some apps are steered, and the others' sockets are good. */
	if (client->config->steer == STEER_NONE || client->config->uid.count)
		return;
	struct sock_destroy_scope scope = {
		.prefixes = plan->routes,
		.prefix_count = plan->route_count,
		.inner = inner,
		.inner_count = 2,
		.mark = client->config->fwmark,
	};
	int destroyed = sock_destroy_old(&client->sock_destroy, &scope, &why);
	if (destroyed > 0)
		log_line(LOG_INFO,
			"%d old TCP connection%s to the IMS core closed, so that apps connect anew",
			destroyed, destroyed == 1 ? "" : "s");
	else if (destroyed < 0)
		log_line(LOG_WARNING, "old TCP connections cannot be closed: %s", why.text);
}

static void set_kernel(struct client *client, enum traversal_kernel kernel)
{
	struct reason why = {.text = ""};
	int error = 0;
	if (!client->steer)
		return;
	switch (kernel) {
	case TRAVERSAL_KERNEL_UNSET:
		return;
	case TRAVERSAL_KERNEL_ABSENT:
		error = steer_block(client->steer, NULL, 0, &why);
		client->plan_applied = false;
		break;
	case TRAVERSAL_KERNEL_UNREACHABLE:
		/* With a plan in place its unreachable twins do it. */
		if (client->plan_applied)
			steer_carrier(client->steer, client->tun, false);
		else if (client->known_count)
			error = steer_block(
				client->steer, client->known, client->known_count, &why);
		break;
	case TRAVERSAL_KERNEL_TUNNEL:
		steer_carrier(client->steer, client->tun, true);
		remember_grant(client);
		destroy_old_sockets(client);
		break;
	}
	if (error)
		log_line(LOG_ERR, "routes: %s", why.text);
}

/* --- actions --------------------------------------------------------------- */

static void progress(struct connection *connection, enum traversal_cause if_silent)
{
	struct client *client = connection->pool->owner;
	if (connection == client->current)
		return;
	handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_PROGRESS,
			       .step = connection->step,
			       .cause = if_silent,
			       .target = connection->target});
}

static void ready(struct connection *connection)
{
	struct client *client = connection->pool->owner;
	handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_RESULT,
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
		client_lose(client, &told);
		return;
	}
	if (failure->outcome != TRAVERSAL_SKIPPED) {
		client->failure = told;
		log_line(LOG_WARNING, "no tunnel: step %s: %s",
			traversal_step_name(connection->step), failure->words);
	}
	*pending(client, connection->step) = NULL;
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
	handle(client, &event);
	connection_end(connection);
}

static void on_envelope(struct connection *connection, const struct envelope *envelope)
{
	struct client *client = connection->pool->owner;
	if (connection != client->current)
		return; /* before we have asked for anything */
	if (!client->configured && envelope->type != ENVELOPE_CONTROL)
		return; /* for a tunnel that we do not have yet */
	keepalive_heard(&client->keepalive, clock_now());
	tunnel_receive(&client->tunnel, envelope);
}

static void on_writable(struct connection *connection)
{
	struct client *client = connection->pool->owner;
	if (connection == client->current)
		tunnel_writable(&client->tunnel);
}

static const struct connection_events connection_events = {
	.progress = progress,
	.ready = ready,
	.failed = connection_failed,
	.envelope = on_envelope,
	.writable = on_writable,
};

static void on_probed(void *user, const struct traversal_event *event)
{
	handle(user, event);
}

static void start_step(struct client *client, enum traversal_step step)
{
	if (step == TRAVERSAL_SIP || step == TRAVERSAL_NAT) {
		probing_start(&client->probing[step]);
		return;
	}
	connection_end(*pending(client, step));
	*pending(client, step) = connection_start(&client->pool, step, &connection_events);
	if (!*pending(client, step))
		handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_RESULT,
				       .step = step,
				       .outcome = TRAVERSAL_FAILED,
				       .cause = TRAVERSAL_CAUSE_LOCAL,
				       .words = "out of memory for a connection"});
}

/* Time has run out for a connection: what its state means. */
static void explain_timeout(struct client *client, const char *why, enum exit_status status)
{
	client->failure = (struct client_failure){
		.outcome = TRAVERSAL_FAILED,
		.cause = TRAVERSAL_CAUSE_TIMEOUT,
		.status = status,
	};
	reason_set(&client->failure.why, "%s", why);
	log_line(LOG_WARNING, "no tunnel: %s", why);
}

static void cancel_connection(struct client *client, enum traversal_step step)
{
	struct connection *connection = *pending(client, step);
	if (connection && client->traversal.steps[step].state == TRAVERSAL_FAILED &&
		!client->stopped)
		explain_timeout(client,
			connection->has_lane
				? "the TLS handshake was not completed in time: something between "
				  "here and the TSCF lets TCP pass and TLS not"
				: "no connection was made in time",
			STATUS_UNREACHABLE);
	connection_end(connection);
	*pending(client, step) = NULL;
}

static void leave_tunnel(struct client *client)
{
	if (!client->current)
		return;
	if (!client->configured)
		explain_timeout(client,
			"the server speaks TLS but does not answer the Configuration Request: is "
			"it a TSCF?",
			STATUS_PROTOCOL);
	else if (!client_is_up(client))
		explain_timeout(client, "the TSCF granted a tunnel but does not answer through it",
			STATUS_PROTOCOL);
	if (client->configured)
		negotiate_release(client);
	drop_current(client);
}

static void cancel_step(struct client *client, enum traversal_step step)
{
	if (step == TRAVERSAL_SIP || step == TRAVERSAL_NAT) {
		probing_cancel(&client->probing[step]);
		return;
	}
	cancel_connection(client, step);
}

static void check_tunnel(struct client *client)
{
	if (!client_is_up(client))
		return;
	client->checking = true;
	keepalive_hurry(&client->keepalive);
	set_timer(client->loop, &client->keepalive_timer, 0, clock_now());
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
			use_tunnel(client, action->path);
		break;
	case TRAVERSAL_LEAVE_TUNNEL:
		leave_tunnel(client);
		break;
	case TRAVERSAL_CHECK_TUNNEL:
		check_tunnel(client);
		break;
	case TRAVERSAL_SET_KERNEL:
		set_kernel(client, action->kernel);
		break;
	case TRAVERSAL_PUBLISH:
		break; /* after every event anyway */
	case TRAVERSAL_SET_TIMER:
		set_timer(client->loop, &client->traversal_timer, action->at, clock_now());
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
static void handle(struct client *client, const struct traversal_event *event)
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
	handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_TIMER});
}

static void on_keepalive_timer(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct client *client = watcher->data;
	uint64_t now = clock_now();

	if (!client->current) {
		ev_timer_stop(loop, watcher);
		return;
	}
	lane_trim(&client->current->lane);
	switch (keepalive_poll(&client->keepalive, now)) {
	case KEEPALIVE_WAIT:
		break;
	case KEEPALIVE_SEND:
		negotiate_keepalive(client);
		break;
	case KEEPALIVE_DEAD:
		client_lose(client,
			&(struct client_failure){.outcome = TRAVERSAL_FAILED,
				.cause = TRAVERSAL_CAUSE_LOST,
				.status = STATUS_UNREACHABLE,
				.why.text = "the TSCF no longer answers keep-alives; the network "
					    "has dropped the connection silently"});
		return;
	}
	if (client->current)
		set_timer(client->loop, watcher, keepalive_due(&client->keepalive), now);
}

/* The first packet of media after a silence. */
static void on_media(struct tunnel *tunnel)
{
	struct client *client = tunnel->owner;
	client->media = true;
	set_timer(client->loop, &client->media_timer, clock_now() + MEDIA_QUIET_US, clock_now());
	handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_MEDIA_STARTED});
}

static void on_media_timer(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)events;
	struct client *client = watcher->data;
	uint64_t now = clock_now(), end = client->tunnel.last_media + MEDIA_QUIET_US;
	if (now < end) {
		set_timer(loop, watcher, end, now);
		return;
	}
	ev_timer_stop(loop, watcher);
	client->media = false;
	handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_MEDIA_STOPPED,
			       .last_media = client->tunnel.last_media});
}

/* --- packets --------------------------------------------------------------- */

static bool is_own(const struct client *client, uint8_t version, const uint8_t *octets)
{
	const struct steer_plan *plan = &client->grant.plan;
	return prefix_contains_octets(
		version == 4 ? &plan->inner4 : &plan->inner6, version, octets);
}

static struct tunnel *route(
	void *owner, const struct packet *packet, enum counter *drop, uint8_t *icmp, size_t *answer)
{
	struct client *client = owner;
	(void)icmp;
	(void)answer;
	/* An app that still uses the address it had before the tunnel was up. */
	if (!is_own(client, packet->version, packet->source)) {
		bool link_local = packet->version == 6 && packet->source[0] == 0xfe;
		*drop = link_local ? COUNTER_DROP_LINK_LOCAL : COUNTER_DROP_BAD_SOURCE;
		if (!link_local)
			report_wrong_source(client, packet);
		return NULL;
	}
	return &client->tunnel; /* without a lane they wait for one */
}

static bool admit(struct tunnel *tunnel, const struct packet *packet, enum counter *drop)
{
	const struct client *client = tunnel->owner;
	if (is_own(client, packet->version, packet->destination))
		return true;
	*drop = COUNTER_DROP_BAD_DESTINATION;
	return false;
}

static void tun_failed(void *owner, int error)
{
	struct client *client = owner;
	log_line(LOG_ERR, "cannot read %s any more: %s", client->tun->name, strerror(error));
	client_stop(client, STATUS_INTERNAL);
}

static const struct datapath_events datapath_events = {
	.route = route,
	.admit = admit,
	.control = negotiate_control,
	.media = on_media,
	.tun_failed = tun_failed,
};

/* --- the network ----------------------------------------------------------- */

static void on_network_change(void *user, const struct netmon_event *event)
{
	struct client *client = user;
	struct reason why;

	if (client->steer) {
		int repaired = steer_repair(client->steer, client->tun, &why);
		if (repaired < 0)
			log_line(LOG_ERR, "cannot restore the routes of %s: %s", client->tun->name,
				why.text);
		else if (repaired > 0)
			log_line(LOG_WARNING, "somebody changed %s or its routes: %d put back",
				client->tun->name, repaired);
		datapath_resume(&client->datapath);
	}
	if (event->others) {
		client->pool.had_tunnel = false;
		handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_NETWORK});
	}
}

void client_kick(struct client *client)
{
	handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_KICK});
	check_tunnel(client);
}

void client_alive(struct client *client)
{
	if (!client_is_up(client))
		client_came_up(client);
	else if (client->checking)
		handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_TUNNEL_ALIVE});
	client->checking = false;
}

void client_report(struct client *client, bool registered)
{
	handle(client, &(struct traversal_event){
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
	connection_describe(client->config, text);
	traversal_set_target(&client->traversal, TRAVERSAL_TLS, text, TRAVERSAL_CAUSE_NONE);
	bool none = client->config->proxy && strcmp(client->config->proxy, "none") == 0;
	traversal_set_target(&client->traversal, TRAVERSAL_PROXY, none ? NULL : text,
		none ? TRAVERSAL_CAUSE_NO_TARGET : TRAVERSAL_CAUSE_NONE);
}

static int start_datapath(struct client *client, struct reason *why)
{
	int error = datapath_init(
		&client->datapath, client->loop, client->tun, 0, &datapath_events, client);
	if (error) {
		reason_set(why, "out of memory for packets");
		return error;
	}
	client->datapath.sends_up = true;
	client->datapath.policy.realtime_budget = client->config->realtime_budget;
	tunnel_init(&client->tunnel, &client->datapath, client);
	return 0;
}

int client_init(struct client *client, const struct client_setup *setup, struct reason *why)
{
	struct traversal_config config;

	memset(client, 0, sizeof(*client));
	client->loop = setup->loop;
	client->config = setup->config;
	client->profile = setup->profile;
	client->launch = setup->launch;
	client->steer = setup->steer;
	client->tun = setup->tun;
	client->changed = setup->changed;
	client->user = setup->user;
	memcpy(client->instance, setup->instance, CONTROL_INSTANCE);
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
	traversal_configure(&config, client->config);
	traversal_init(&client->traversal, &config);
	set_targets(client);

	ev_timer_init(&client->traversal_timer, on_traversal_timer, 0., 0.);
	ev_timer_init(&client->keepalive_timer, on_keepalive_timer, 0., 0.);
	ev_timer_init(&client->media_timer, on_media_timer, 0., 0.);
	ev_prepare_init(&client->reap, on_reap);
	client->traversal_timer.data = client->keepalive_timer.data = client;
	client->media_timer.data = client->reap.data = client;

	int error = netmon_open(&client->netmon, client->loop, on_network_change, client, why);
	if (error)
		return error;
	if (client->tun) {
		client->netmon.own_index = client->tun->index;
		error = start_datapath(client, why);
		if (error) {
			netmon_close(&client->netmon);
			return error;
		}
	}
	if (sock_destroy_open(&client->sock_destroy, why))
		log_line(LOG_WARNING, "old TCP connections cannot be closed: %s", why->text);
	ev_prepare_start(client->loop, &client->reap);
	return 0;
}

void client_start(struct client *client)
{
	client->attempt_started = clock_now();
	handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_START});
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
		drop_current(client);
	ev_timer_stop(client->loop, &client->traversal_timer);
	ev_timer_stop(client->loop, &client->media_timer);
	tell(client);
	ev_break(client->loop, EVBREAK_ALL);
}

void client_fini(struct client *client)
{
	ev_prepare_stop(client->loop, &client->reap);
	connections_reap(&client->pool);
	if (client->tun) {
		tunnel_fini(&client->tunnel);
		datapath_fini(&client->datapath);
	}
	sock_destroy_close(&client->sock_destroy);
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
