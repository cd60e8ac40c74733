/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tunnel in use: how a connection becomes it and stops being it, what the
 * kernel holds meanwhile, and the packets that go through. */
#include "tse/client_private.h"

#include <stdio.h>
#include <string.h>

#include "io/clock.h"
#include "io/log.h"
#include "tse/link_dns.h"
#include "tse/negotiate.h"
#include "tse/report.h"

enum { RESOLVERS_MAX = 8 };

/* --- the connection in use ------------------------------------------------ */

/* Packets wait from now on, or are unreachable without a carrier. */
static void client_detach(struct client *client)
{
	ev_timer_stop(client->loop, &client->keepalive_timer);
	move_abandon(client);
	update_forget(client);
	lanes_end(client);
	plain_end(client);
	tunnel_attach(&client->tunnel, NULL, client->tunnel.mtu, client->tunnel.offload);
	connection_end(client->current);
	client->current = NULL;
	client->configured = false;
}

void client_drop(struct client *client)
{
	if (client->plan_applied)
		steer_carrier(client->steer, client->tun, false);
	client_detach(client);
}

void client_lose(struct client *client, const struct client_failure *failure)
{
	if (!client->current || client->stopped || move_reverted(client, failure->why.text))
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
		client_note_death(client, failure->cause);
		client->reconnects++;
		client->pool.had_tunnel = true;
	}
	client_drop(client);
	client_handle(client, &event);
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

void client_use_tunnel(struct client *client, enum traversal_path path)
{
	enum traversal_step step = path == TRAVERSAL_PATH_PROXY ? TRAVERSAL_PROXY : TRAVERSAL_TLS;
	/* A tunnel that is replaced keeps its carrier: packets wait. */
	if (client->current)
		client_detach(client);
	client->current = *client_pending(client, step);
	*client_pending(client, step) = NULL;
	client->farewell.text[0] = '\0';
	if (!client->current)
		return;
	exempt_outer(client);
	/* Steps that have passed are told before what came of them. */
	report_progress(client);
	report_tls(client);
	plain_negotiate(client);
}

static void forget_session(struct client *client)
{
	tls_session_free(client->pool.session);
	client->pool.session = NULL;
}

void client_forget_token(struct client *client)
{
	client->grant.token_length = 0;
	forget_session(client);
}

/* A ticket has come by the time that the tunnel has been confirmed. */
static void keep_session(struct client *client)
{
	/* Without a resume token a resumed connection would be refused. */
	if (client->tunnel.plain)
		return;
	struct tls_session *session = tls_session_take(client->current->lane.tls);
	if (!session)
		return;
	forget_session(client);
	client->pool.session = session;
}

bool client_dial_again(struct client *client)
{
	enum traversal_step step = client->current->step;
	client_detach(client);
	client->current = connection_start(&client->pool, step, &client_connection_events);
	return client->current;
}

bool client_shake_hands_again(struct client *client)
{
	if (!tls_resumed(client->current->lane.tls))
		return false;
	log_line(LOG_INFO, "the TSCF wants to see our certificate: a full handshake");
	forget_session(client);
	return client_dial_again(client);
}

void client_moved(struct client *client)
{
	keep_session(client);
	client->up_since = clock_now();
	link_dns_explain(client);
	client_regranted(client);
}

void client_regranted(struct client *client)
{
	if (client->traversal.kernel == TRAVERSAL_KERNEL_TUNNEL)
		client_set_kernel(client, TRAVERSAL_KERNEL_TUNNEL);
	client->generation++;
	client->changed(client->user);
}

void client_renegotiate(struct client *client)
{
	exempt_outer(client);
	report_tls(client);
	plain_negotiate(client);
}

/* Time has run out for a connection: what its state means. */
void client_timed_out(struct client *client, const char *why, enum exit_status status)
{
	client->failure = (struct client_failure){
		.outcome = TRAVERSAL_FAILED,
		.cause = TRAVERSAL_CAUSE_TIMEOUT,
		.status = status,
	};
	reason_set(&client->failure.why, "%s", why);
	log_line(LOG_WARNING, "no tunnel: %s", why);
}

/* The tunnel did not come up in time: says what was missing. */
static void explain_timeout(struct client *client)
{
	struct client_failure failure;
	if (client->configured)
		client_timed_out(client, "the TSCF granted a tunnel but does not answer through it",
			STATUS_PROTOCOL);
	else if (plain_explain(client, &failure))
		client_timed_out(client, failure.why.text, failure.status);
	else
		client_timed_out(client,
			"the server speaks TLS but does not answer the Configuration Request: is "
			"it a TSCF?",
			STATUS_PROTOCOL);
}

void client_leave_tunnel(struct client *client)
{
	if (!client->current)
		return;
	if (!client_is_up(client))
		explain_timeout(client);
	if (client->configured) {
		negotiate_release(client);
		forget_session(client); /* the token is void */
	}
	client_drop(client);
}

void client_cut_off(struct client *client)
{
	if (!client->current)
		return;
	client->failure = (struct client_failure){
		.outcome = TRAVERSAL_FAILED,
		.cause = TRAVERSAL_CAUSE_LOST,
		.status = STATUS_UNREACHABLE,
		.why.text = "the tunnel does not answer on this network",
	};
	log_line(LOG_WARNING, "tunnel lost: %s", client->failure.why.text);
	client->reconnects++;
	client->pool.had_tunnel = true;
	client_drop(client);
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
	keep_session(client);
	client->failure = (struct client_failure){.status = STATUS_UP};
	client_set_timer(
		client->loop, &client->keepalive_timer, keepalive_due(&client->keepalive), now);
	log_line(LOG_INFO, "tunnel up: %s port %u, %s %s, after %.0f ms",
		address_format(&client->current->outer, outer), client->current->outer_port,
		tls_version(lane->tls), tls_cipher(lane->tls),
		(double)(now - client->current->started) / 1000.);
	client_handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_TUNNEL_CONFIRMED,
				      .step = client->current->step});
	if (client->traversal.kernel == TRAVERSAL_KERNEL_TUNNEL)
		steer_carrier(client->steer, client->tun, true);
	report_up(client);
	link_dns_explain(client);
	warn_strict_rp_filter(client);
}

void client_check_tunnel(struct client *client)
{
	if (!client_is_up(client))
		return;
	/* What has come already says nothing about now. */
	lane_find(&client->current->lane, client->keepalive.asked);
	if (!client_is_up(client))
		return;
	client->checking = true;
	if (client->tunnel.plain) {
		plain_check(client);
		return;
	}
	keepalive_hurry(&client->keepalive);
	lanes_check(client);
	client_set_timer(client->loop, &client->keepalive_timer, 0, clock_now());
}

void client_alive(struct client *client)
{
	move_confirmed(client);
	if (!client_is_up(client))
		client_came_up(client);
	else if (client->checking)
		client_handle(
			client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_TUNNEL_ALIVE});
	client->checking = false;
}

/* Nobody need wake up for the answer: an idle tunnel wakes us up once in an interval,
 * to ask, and to look whether the last question was answered. */
static void be_quiet(struct client *client)
{
	bool idle = client_is_up(client) && !client->checking && !client->media &&
		    client->lanes.count == 0 && !client->move.next &&
		    client->keepalive.unanswered == 1;
	if (idle && lane_be_quiet(&client->current->lane, CONTROL_KEEPALIVE_LENGTH))
		keepalive_be_quiet(&client->keepalive);
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
	lane_find(&client->current->lane, client->keepalive.asked);
	if (!ev_is_active(watcher))
		return; /* it read that the tunnel is over */
	lane_trim(&client->current->lane);
	switch (keepalive_poll(&client->keepalive, now)) {
	case KEEPALIVE_WAIT:
		break;
	case KEEPALIVE_SEND:
		be_quiet(client);
		negotiate_keepalive(client, &client->current->lane, client->keepalive.transaction);
		break;
	case KEEPALIVE_DEAD:
		if (lanes_take_over(client, "it no longer answers keep-alives"))
			return;
		client_lose(client,
			&(struct client_failure){.outcome = TRAVERSAL_FAILED,
				.cause = TRAVERSAL_CAUSE_LOST,
				.status = STATUS_UNREACHABLE,
				.why.text = "the TSCF no longer answers keep-alives; the network "
					    "has dropped the connection silently"});
		return;
	}
	if (client->current)
		client_set_timer(client->loop, watcher, keepalive_due(&client->keepalive), now);
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
	/* With a selector only some apps are steered, and the others' sockets are good. */
	bool some = client->config->uid.count || client->config->steer_fwmark;
	if (client->config->steer == STEER_NONE || some)
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

void client_set_kernel(struct client *client, enum traversal_kernel kernel)
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

/* --- packets --------------------------------------------------------------- */

/* The first packet of media after a silence. */
static void on_media(struct tunnel *tunnel)
{
	struct client *client = tunnel->owner;
	client->media = true;
	lanes_watch(client);
	stall_watch(client);
	client_set_timer(
		client->loop, &client->media_timer, clock_now() + MEDIA_QUIET_US, clock_now());
	client_handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_MEDIA_STARTED});
}

static void on_lanes(struct tunnel *tunnel)
{
	lanes_hurry(tunnel->owner);
}

static void on_media_timer(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)events;
	struct client *client = watcher->data;
	uint64_t now = clock_now(), end = client->tunnel.last_media + MEDIA_QUIET_US;
	if (now < end) {
		client_set_timer(loop, watcher, end, now);
		return;
	}
	ev_timer_stop(loop, watcher);
	stall_rest(client);
	client->media = false;
	client_handle(client, &(struct traversal_event){.kind = TRAVERSAL_EVENT_MEDIA_STOPPED,
				      .last_media = client->tunnel.last_media});
}

static bool is_own(const struct client *client, uint8_t version, const uint8_t *octets)
{
	const struct steer_plan *plan = &client->grant.plan;
	return prefix_contains_octets(
		version == 4 ? &plan->inner4 : &plan->inner6, version, octets);
}

/* With a table of our own, whatever has the inner address as its source comes
 * here, and an answer to a stranger on the access network is not even to be seen
 * as a record of that size (CVE-2019-14899). */
static bool is_steered(const struct client *client, const struct packet *packet)
{
	const struct steer_plan *plan = &client->grant.plan;
	if (client->config->steer != STEER_TABLE)
		return true;
	for (size_t i = 0; i < plan->route_count; i++)
		if (prefix_contains_octets(&plan->routes[i], packet->version, packet->destination))
			return true;
	return false;
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
		if (!link_local && is_steered(client, packet))
			report_wrong_source(client, packet);
		return NULL;
	}
	if (!is_steered(client, packet)) {
		*drop = COUNTER_DROP_BAD_DESTINATION;
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
	.lanes = on_lanes,
	.tun_failed = tun_failed,
};

int client_start_datapath(struct client *client, struct reason *why)
{
	client->datapath.sends_up = true;
	int error = datapath_init(
		&client->datapath, client->loop, client->tun, 0, &datapath_events, client);
	if (error) {
		reason_set(why, "out of memory for packets");
		return error;
	}
	ev_timer_init(&client->keepalive_timer, on_keepalive_timer, 0., 0.);
	stall_init(client);
	ev_timer_init(&client->media_timer, on_media_timer, 0., 0.);
	client->keepalive_timer.data = client->media_timer.data = client;
	client->datapath.policy.realtime_budget = client->config->realtime_budget;
	class_rules_set(&client->datapath.policy, &client->config->classes);
	tunnel_init(&client->tunnel, &client->datapath, client);
	return 0;
}
