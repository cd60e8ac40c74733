/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The client's half of the protocol, as little of it as a load needs. */
#include "many_tunnel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "io/clock.h"

enum { SCRATCH = 65536, ENVELOPE_ROOM = 2048 };

static uint8_t scratch[ENVELOPE_MAX + SCRATCH];

static void lose(struct many_tunnel *tunnel, const char *why)
{
	many_tunnel_drop(tunnel, false);
	tunnel->fleet->down(tunnel, why);
}

static void watch(struct many_tunnel *tunnel, int events)
{
	struct ev_loop *loop = tunnel->fleet->loop;
	if (ev_is_active(&tunnel->watcher) && tunnel->watcher.events == events)
		return;
	ev_io_stop(loop, &tunnel->watcher);
	ev_io_set(&tunnel->watcher, tunnel->fd, events);
	ev_io_start(loop, &tunnel->watcher);
}

static bool flush(struct many_tunnel *tunnel)
{
	enum tls_result result = tls_flush(tunnel->tls);
	if (result == TLS_OK || result == TLS_WANT_WRITE) {
		watch(tunnel, EV_READ | (result == TLS_WANT_WRITE ? EV_WRITE : 0));
		return true;
	}
	lose(tunnel, tls_reason(tunnel->tls));
	return false;
}

/* --- control ------------------------------------------------------------- */

static void send_control(struct many_tunnel *tunnel, const struct control_message *message)
{
	uint8_t envelope[ENVELOPE_ROOM];
	size_t length = control_encode(message, envelope, sizeof(envelope));
	if (length && tls_write(tunnel->tls, envelope, length) == TLS_OK)
		flush(tunnel);
}

static void ask(struct many_tunnel *tunnel)
{
	struct control_message message = {
		.kind = CONTROL_CONFIGURATION_REQUEST,
		.transaction = 1,
		.version = CONTROL_VERSION,
		.capabilities = CAPABILITY_RESUME,
		.instance = {tunnel->instance, CONTROL_INSTANCE},
		.resume_token = {tunnel->token, tunnel->token_length},
	};
	control_set(&message, TAG_VERSION);
	control_set(&message, TAG_CAPABILITIES);
	control_set(&message, TAG_INSTANCE);
	if (tunnel->token_length)
		control_set(&message, TAG_RESUME_TOKEN);
	tunnel->resumed_tls = tls_resumed(tunnel->tls);
	tunnel->state = MANY_ASKING;
	send_control(tunnel, &message);
}

static void configured(struct many_tunnel *tunnel, const struct control_message *message)
{
	if (message->result != RESULT_OK && message->result != RESULT_RESUME_REFUSED) {
		lose(tunnel, control_result_name(message->result));
		return;
	}
	if (tunnel->inner4.version && !address_equal(&tunnel->inner4, &message->inner4.address))
		tunnel->has_moved = true;
	tunnel->inner4 = message->inner4.address;
	tunnel->token_length = message->resume_token.length;
	memcpy(tunnel->token, message->resume_token.octets, tunnel->token_length);
	if (tunnel->fleet->resume_tls) {
		tls_session_free(tunnel->session);
		tunnel->session = tls_session_take(tunnel->tls);
	}
	tunnel->state = MANY_UP;
	tunnel->up_at = clock_now();
	/* As every client does: the first envelope confirms the new token. */
	struct control_message alive = {.kind = CONTROL_KEEPALIVE_REQUEST, .transaction = 2};
	send_control(tunnel, &alive);
	if (tunnel->state == MANY_UP)
		tunnel->fleet->up(tunnel);
}

static void on_control(struct many_tunnel *tunnel, const struct envelope *envelope)
{
	struct control_message message;
	const char *fault;
	if (control_decode(envelope->payload, envelope->length, &message, &fault) != CONTROL_OK)
		return;
	if (message.kind == CONTROL_CONFIGURATION_RESPONSE && tunnel->state == MANY_ASKING) {
		configured(tunnel, &message);
	} else if (message.kind == CONTROL_KEEPALIVE_REQUEST) {
		message.kind = CONTROL_KEEPALIVE_RESPONSE;
		send_control(tunnel, &message);
	} else if (message.kind == CONTROL_RELEASE_REQUEST) {
		lose(tunnel, "released by the TSCF");
	}
}

/* --- receiving ------------------------------------------------------------ */

static void keep(struct many_tunnel *tunnel, const uint8_t *octets, size_t length)
{
	free(tunnel->partial);
	tunnel->partial = length ? malloc(length) : NULL;
	tunnel->partial_length = tunnel->partial ? length : 0;
	if (tunnel->partial)
		memcpy(tunnel->partial, octets, length);
}

static void take_in(struct many_tunnel *tunnel, uint8_t *octets, size_t length)
{
	struct envelope envelope;
	size_t done = 0, consumed;
	enum envelope_result result = ENVELOPE_MORE;
	while (tunnel->tls && (result = envelope_next(octets + done, length - done, &envelope,
				       &consumed)) == ENVELOPE_OK) {
		done += consumed;
		if (envelope.type == ENVELOPE_CONTROL)
			on_control(tunnel, &envelope);
		else if (envelope.type == ENVELOPE_IP && tunnel->fleet->packet)
			tunnel->fleet->packet(tunnel, envelope.payload, envelope.length);
	}
	if (!tunnel->tls)
		return;
	if (result == ENVELOPE_BAD)
		lose(tunnel, "an envelope with an impossible length");
	else
		keep(tunnel, octets + done, length - done);
}

static void receive(struct many_tunnel *tunnel)
{
	do {
		size_t held = tunnel->partial_length, got = 0;
		if (held)
			memcpy(scratch, tunnel->partial, held);
		enum tls_result result = tls_read(tunnel->tls, scratch + held, SCRATCH, &got);
		if (result == TLS_WANT_READ || result == TLS_WANT_WRITE)
			break;
		if (result != TLS_OK) {
			lose(tunnel, result == TLS_CLOSED ? "closed by the TSCF"
							  : tls_reason(tunnel->tls));
			return;
		}
		take_in(tunnel, scratch, held + got);
	} while (tunnel->tls && tls_has_more(tunnel->tls));
	if (tunnel->tls)
		flush(tunnel);
}

/* --- connecting ------------------------------------------------------------ */

static void handshake(struct many_tunnel *tunnel)
{
	switch (tls_handshake(tunnel->tls)) {
	case TLS_OK:
		watch(tunnel, EV_READ);
		ask(tunnel);
		if (tunnel->tls)
			receive(tunnel);
		break;
	case TLS_WANT_READ:
		watch(tunnel, EV_READ);
		break;
	case TLS_WANT_WRITE:
		watch(tunnel, EV_READ | EV_WRITE);
		break;
	case TLS_CLOSED:
		lose(tunnel, "closed during the handshake");
		break;
	case TLS_FAILED:
		lose(tunnel, tls_reason(tunnel->tls));
		break;
	}
}

static void connected(struct many_tunnel *tunnel)
{
	struct many_fleet *fleet = tunnel->fleet;
	struct tls_context *context = fleet->contexts[tunnel->number % fleet->context_count];
	int error = 0;
	socklen_t size = sizeof(error);
	getsockopt(tunnel->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (!error)
		error = -tls_new(&tunnel->tls, context, tunnel->fd, fleet->host, fleet->host);
	if (error) {
		lose(tunnel, strerror(error));
		return;
	}
	if (fleet->resume_tls && tunnel->session)
		tls_resume(tunnel->tls, tunnel->session);
	tunnel->state = MANY_HANDSHAKE;
	handshake(tunnel);
}

static void on_event(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	(void)loop;
	struct many_tunnel *tunnel = watcher->data;
	if (tunnel->state == MANY_CONNECTING)
		connected(tunnel);
	else if (tunnel->state == MANY_HANDSHAKE)
		handshake(tunnel);
	else if (events & EV_READ)
		receive(tunnel);
	else
		flush(tunnel);
}

void many_tunnel_start(struct many_tunnel *tunnel)
{
	struct many_fleet *fleet = tunnel->fleet;
	int on = 1;
	tunnel->started = clock_now();
	tunnel->state = MANY_CONNECTING;
	tunnel->fd = socket(fleet->server.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (tunnel->fd < 0) {
		lose(tunnel, strerror(errno));
		return;
	}
	setsockopt(tunnel->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(tunnel->fd, (const struct sockaddr *)&fleet->server, fleet->server_size) < 0 &&
		errno != EINPROGRESS) {
		lose(tunnel, strerror(errno));
		return;
	}
	watch(tunnel, EV_WRITE);
}

void many_tunnel_drop(struct many_tunnel *tunnel, bool silently)
{
	struct linger reset = {.l_onoff = 1};
	int on = 1;
	if (tunnel->fd < 0)
		return;
	ev_io_stop(tunnel->fleet->loop, &tunnel->watcher);
	if (tunnel->tls && !silently)
		tls_close(tunnel->tls);
	tls_free(tunnel->tls);
	tunnel->tls = NULL;
	/* A socket in repair is closed without a word to the peer.  The others end
	 * with RST, for thousands of ports in TIME_WAIT would soon be all. */
	if (silently)
		setsockopt(tunnel->fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on));
	else
		setsockopt(tunnel->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(tunnel->fd);
	tunnel->fd = -1;
	keep(tunnel, NULL, 0);
	tunnel->state = MANY_DOWN;
}

void many_tunnel_init(struct many_tunnel *tunnel, struct many_fleet *fleet, unsigned number)
{
	*tunnel = (struct many_tunnel){.fleet = fleet, .fd = -1, .number = number};
	ev_io_init(&tunnel->watcher, on_event, -1, 0);
	tunnel->watcher.data = tunnel;
	if (getrandom(tunnel->instance, sizeof(tunnel->instance), 0) < 0)
		abort(); /* two clients with one instance would fight for a lease */
}

void many_tunnel_fini(struct many_tunnel *tunnel)
{
	many_tunnel_drop(tunnel, false);
	tls_session_free(tunnel->session);
}

bool many_tunnel_send(struct many_tunnel *tunnel, const uint8_t *packet, size_t length)
{
	uint8_t envelope[ENVELOPE_ROOM];
	if (tunnel->state != MANY_UP || length > sizeof(envelope) - ENVELOPE_HEADER)
		return false;
	envelope_put_header(envelope, ENVELOPE_IP, length);
	memcpy(envelope + ENVELOPE_HEADER, packet, length);
	return tls_write(tunnel->tls, envelope, length + ENVELOPE_HEADER) == TLS_OK &&
	       flush(tunnel);
}
