/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Plain TS 24.322 clients: when they are served, and what is asked of us inside
 * their tunnel. */
#include "tscfd/plain.h"

#include <string.h>

#include "core/plain_server.h"
#include "core/siphash.h"
#include "io/clock.h"
#include "io/lane_tcp.h"
#include "tscfd/answer.h"
#include "tscfd/session_lane.h"

static const char software[] = "plain TS 24.322 client";

/* No instance id comes from it: its identity alone is what a lease sticks to. */
static const uint8_t no_instance[CONTROL_INSTANCE];

/* --- the lease ------------------------------------------------------------- */

static void refuse(struct session *session, enum control_result result, const char *reason)
{
	struct reason why;
	session->worker->refused[result]++;
	reason_set(&why, "plain TS 24.322 client refused: %s", reason);
	session_end(session, false, why.text);
}

/* The result that a native client would be told, and why; RESULT_OK when there
 * is nothing against this one. */
static enum control_result judge(const struct session *session, const char **why)
{
	const struct worker *worker = session->worker;
	const struct tscfd_config *config = &worker->settings->config;
	if (!config->plain) {
		*why = "this TSCF serves none (plain = yes in [listen] would)";
		return RESULT_FORBIDDEN;
	}
	if (worker->stopping) {
		*why = "this TSCF is shutting down";
		return RESULT_SHUTTING_DOWN;
	}
	if (worker->drain.on) {
		*why = "this TSCF is taken out of service";
		return RESULT_SHUTTING_DOWN;
	}
	if (tls_resumed(session_first(session)->lane.tls) &&
		config->client_auth == CLIENT_AUTH_REQUIRE) {
		*why = "a resumed TLS session shows no certificate, and a plain client has no "
		       "resume token: it must connect with a full handshake";
		return RESULT_AUTHENTICATION_FAILED;
	}
	if (config->max_tunnels && worker->group->tunnels >= config->max_tunnels) {
		*why = "this TSCF has as many tunnels as it may have (max-tunnels)";
		return RESULT_OVERLOADED;
	}
	if (answer_is_beyond_source_limit(session)) {
		*why = "as many tunnels come from this address as may (per-source-limit)";
		return RESULT_OVERLOADED;
	}
	return RESULT_OK;
}

static void begin(struct session *session, struct lease *lease)
{
	struct worker *worker = session->worker;
	lease->tunnel = session;
	session->lease = lease;
	session->plain = session->tunnel.plain = true;
	memcpy(session->software, software, sizeof(software));
	state_note(worker->group->state, lease);
	tunnel_attach(&session->tunnel, &session_first(session)->lane, worker->settings->offer.mtu,
		false);
	session_start_tunnel(session);
}

void plain_first(struct session *session, const struct envelope *envelope)
{
	struct worker *worker = session->worker;
	struct session_lane *at = session_first(session);
	const char *why = "";

	enum control_result result = judge(session, &why);
	if (result != RESULT_OK) {
		refuse(session, result, why);
		return;
	}
	if (answer_goes_home(session, no_instance))
		return;
	if (!answer_claims_identity(session, NULL)) {
		refuse(session, RESULT_FORBIDDEN,
			"this identity has a tunnel already, and may have one (same-identity)");
		return;
	}
	struct lease *lease = pool_lease(worker->pool, session->identity, no_instance, clock_now());
	if (!lease) {
		identity_unclaim(worker->group, &session->claim);
		if (!answer_goes_to_next_worker(session))
			refuse(session, RESULT_NO_ADDRESS, "no inner address is left in the pool");
		return;
	}
	begin(session, lease);
	if (!plain_takes(at, envelope))
		tunnel_receive(&session->tunnel, &at->lane, envelope);
}

/* --- what is asked inside the tunnel --------------------------------------- */

/* The same for every worker and after every restart, and another for each
 * TSCF: made of its pools, as a UUID of version 8 (RFC 9562 5.8). */
static void make_uuid(const struct pool_settings *pools, uint8_t out[PLAIN_DUID])
{
	static const uint8_t key[2][SIPHASH_KEY] = {{0}, {1}};
	uint8_t name[32];
	memcpy(name, pools->ipv4.address.octets, 16);
	memcpy(name + 16, pools->ipv6.address.octets, 16);
	put_u64(out, siphash(key[0], name, sizeof(name)));
	put_u64(out + 8, siphash(key[1], name, sizeof(name)));
	out[6] = (uint8_t)((out[6] & 0x0f) | 0x80);
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

static struct plain_service service_of(const struct session *session)
{
	const struct worker *worker = session->worker;
	struct plain_service service = {
		.offer = &worker->settings->offer,
		.inner4 = pool_inner4(worker->pool, session->lease),
		.inner6 = pool_inner6(worker->pool, session->lease),
		.own4 = worker->datapath.own4,
		.mask_length = worker->pool_settings.ipv4.length,
	};
	make_uuid(&worker->pool_settings, service.uuid);
	return service;
}

static bool serve(struct session_lane *at, const struct envelope *envelope)
{
	struct session *session = at->session;
	struct packet packet;
	uint8_t answer[DATAGRAM_PACKET_MAX];
	size_t length = 0;

	/* What is no packet ends the session, as of every client. */
	if (packet_parse(envelope->payload, envelope->length, &packet) != PACKET_OK)
		return false;
	if (!plain_may_be_ours(&packet))
		return false;
	struct plain_service service = service_of(session);
	switch (plain_serve(&service, &packet, answer, &length)) {
	case PLAIN_NOT_OURS:
		return false;
	case PLAIN_SILENT:
		return true;
	case PLAIN_ANSWER:
		tunnel_packet_on(&session->tunnel, &at->lane, answer, length);
		return true;
	}
	return false;
}

bool plain_takes(struct session_lane *at, const struct envelope *envelope)
{
	if (envelope->type == ENVELOPE_IP)
		return serve(at, envelope);
	/* To it, our own types mean nothing, and so they do when it sends them. */
	counter_add(&at->session->tunnel.counters, COUNTER_UNKNOWN_ENVELOPES, 1);
	return true;
}

/* --- the timer -------------------------------------------------------------- */

/* There is no message to ask it with whether it is alive; TCP can. */
void plain_lane_start(struct session_lane *at)
{
	const struct session *session = at->session;
	const struct worker *worker = session->worker;
	keepalive_init(&at->keepalive, 0, 0, at->since);
	lane_tcp_keep_alive(at->lane.fd, (unsigned)(worker->settings->config.keepalive / 1000000));
	bool router = pool_inner6(worker->pool, session->lease).address.version != 0;
	at->timer.repeat = router ? PLAIN_ADVERT_INTERVAL : 0.;
	ev_timer_again(worker->loop, &at->timer);
}

void plain_on_timer(struct session_lane *at)
{
	uint8_t advert[DATAGRAM_PACKET_MAX];
	struct plain_service service = service_of(at->session);
	lane_trim(&at->lane);
	tunnel_packet_on(
		&at->session->tunnel, &at->lane, advert, plain_advertise(&service, advert));
}
