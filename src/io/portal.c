/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One question to whoever answers at port 80.  What comes is only looked at,
 * never followed. */
#include "io/portal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/text.h"
#include "io/clock.h"
#include "io/probe_socket.h"
#include "io/race.h"

enum {
	REQUEST_MAX = 512,
	READS_MAX = 16, /* per turn of the loop */
};

enum stage { STAGE_NEW, STAGE_CONNECTING, STAGE_ASKING, STAGE_ASKED };

struct portal {
	struct ev_loop *loop;
	struct portal_settings settings;
	char host[TEXT_HOST_NAME_MAX + 1];
	void (*done)(void *user, const struct portal_result *result);
	void *user;
	struct ev_timer timer;
	struct ev_io io; /* io.fd is owned; -1: none */
	enum stage stage;
	uint64_t began;
	char request[REQUEST_MAX];
	size_t request_length, sent;
	uint8_t octets[HTTP_ANSWER_MAX];
	size_t length;
	struct http_answer answer;
	struct portal_result result;
};

/* --- the end --------------------------------------------------------------- */

static void release(struct portal *portal)
{
	ev_timer_stop(portal->loop, &portal->timer);
	ev_io_stop(portal->loop, &portal->io);
	if (portal->io.fd >= 0)
		close(portal->io.fd);
}

/* The evidence names the target and what came; this is what it means. */
static void finish(struct portal *portal, bool found)
{
	struct portal_result *result = &portal->result;
	result->found = found;
	result->took = clock_now() - portal->began;
	reason_add(&result->evidence, found ? ": a captive portal wants somebody to sign in first"
					    : ": no captive portal");
	release(portal);
	portal->done(portal->user, result);
	free(portal);
}

static void begin_evidence(struct portal *portal)
{
	char address[ADDRESS_TEXT_MAX];
	struct reason *evidence = &portal->result.evidence;
	reason_set(evidence, "HTTP GET to %s", portal->host);
	if (strcmp(address_format(&portal->settings.address, address), portal->host) != 0)
		reason_add(evidence, " (%s)", address);
	reason_add(evidence, " port %d: ", PORTAL_PORT);
}

static void finish_errno(struct portal *portal, int error)
{
	reason_add(&portal->result.evidence, "%s", strerror(error));
	finish(portal, false);
}

static bool leads_away(const struct portal *portal)
{
	char address[ADDRESS_TEXT_MAX];
	address_format(&portal->settings.address, address);
	return http_location_leaves(portal->answer.location, portal->host) &&
	       http_location_leaves(portal->answer.location, address);
}

/* By what is known of the answer, which has a status. */
static void judge(struct portal *portal)
{
	const struct http_answer *answer = &portal->answer;
	struct reason *evidence = &portal->result.evidence;
	bool redirects = answer->status / 100 == 3 && leads_away(portal);
	bool page = answer->status == 200 && answer->html;
	unsigned long ms = (unsigned long)((clock_now() - portal->began + 500) / 1000);

	portal->result.status = answer->status;
	reason_add(evidence, "answered %u%s%s%s after %lu ms", answer->status,
		answer->phrase[0] ? " (" : "", answer->phrase, answer->phrase[0] ? ")" : "", ms);
	if (redirects) {
		memcpy(portal->result.url, answer->location, sizeof(portal->result.url));
		reason_add(evidence, ", leading to %s", answer->location);
	} else if (page) {
		reason_add(evidence, " with a page, where a TSCF has none");
	}
	finish(portal, redirects || page || answer->status == 511);
}

/* Nothing more comes: closed, too long, or the time is over. */
static void judge_incomplete(struct portal *portal, const char *how)
{
	if (portal->answer.status) {
		judge(portal);
		return;
	}
	reason_add(&portal->result.evidence, "%s", how);
	finish(portal, false);
}

/* --- asking ---------------------------------------------------------------- */

/* Says nothing about us: whoever reads this is a stranger. */
static void build_request(struct portal *portal)
{
	bool brackets = strchr(portal->host, ':');
	int length = snprintf(portal->request, sizeof(portal->request),
		"GET / HTTP/1.1\r\nHost: %s%s%s\r\nAccept: text/html, */*\r\n"
		"Connection: close\r\n\r\n",
		brackets ? "[" : "", portal->host, brackets ? "]" : "");
	portal->request_length = (size_t)length;
}

static void watch(struct portal *portal, int events)
{
	ev_io_stop(portal->loop, &portal->io);
	ev_io_set(&portal->io, portal->io.fd, events);
	ev_io_start(portal->loop, &portal->io);
}

static void ask(struct portal *portal)
{
	while (portal->sent < portal->request_length) {
		ssize_t sent = send(portal->io.fd, portal->request + portal->sent,
			portal->request_length - portal->sent, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent < 0) {
			finish_errno(portal, errno);
			return;
		}
		portal->sent += (size_t)sent;
	}
	portal->stage = STAGE_ASKED;
	watch(portal, EV_READ);
}

static void on_connected(struct portal *portal)
{
	int error = probe_socket_error(portal->io.fd);
	if (error) {
		finish_errno(portal, error);
		return;
	}
	portal->stage = STAGE_ASKING;
	ask(portal);
}

/* False when it is decided, and the portal freed. */
static bool take(struct portal *portal)
{
	switch (http_answer_parse(portal->octets, portal->length, &portal->answer)) {
	case HTTP_OK:
		judge(portal);
		return false;
	case HTTP_BAD:
		reason_add(&portal->result.evidence, "what answered is not HTTP");
		finish(portal, false);
		return false;
	case HTTP_MORE:
		break;
	}
	if (portal->length < sizeof(portal->octets))
		return true;
	judge_incomplete(portal, "its answer is too long");
	return false;
}

static void on_readable(struct portal *portal)
{
	for (int reads = 0; reads < READS_MAX; reads++) {
		ssize_t got = recv(portal->io.fd, portal->octets + portal->length,
			sizeof(portal->octets) - portal->length, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			judge_incomplete(
				portal, got < 0 ? strerror(errno) : "closed without an answer");
			return;
		}
		portal->length += (size_t)got;
		if (!take(portal))
			return;
	}
}

static void on_event(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop, (void)events;
	struct portal *portal = io->data;
	switch (portal->stage) {
	case STAGE_NEW:
		break;
	case STAGE_CONNECTING:
		on_connected(portal);
		break;
	case STAGE_ASKING:
		ask(portal);
		break;
	case STAGE_ASKED:
		on_readable(portal);
		break;
	}
}

static void begin(struct portal *portal)
{
	struct reason problem = {.text = ""};
	struct probe_target target = {.address = portal->settings.address,
		.port = PORTAL_PORT,
		.transport = OVER_TCP,
		.host = portal->host};
	int fd = probe_socket_open(&target, portal->settings.mark, &problem);
	if (fd < 0) {
		reason_add(&portal->result.evidence, "%s",
			problem.text[0] ? problem.text : strerror(-fd));
		finish(portal, false);
		return;
	}
	portal->stage = STAGE_CONNECTING;
	portal->io.fd = fd;
	watch(portal, EV_WRITE);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop, (void)events;
	struct portal *portal = timer->data;
	if (portal->stage == STAGE_NEW) {
		ev_timer_set(timer, (double)portal->settings.timeout / 1e6, 0.);
		ev_timer_start(portal->loop, timer);
		begin(portal);
		return;
	}
	struct reason silence = {.text = ""};
	reason_add_silence(&silence, portal->settings.timeout);
	judge_incomplete(portal, silence.text);
}

static bool is_host(const char *host)
{
	struct address address;
	return address_parse(&address, host) ||
	       text_is_host_name((const uint8_t *)host, strlen(host));
}

int portal_start(struct portal **out, struct ev_loop *loop, const struct portal_settings *settings,
	void (*done)(void *user, const struct portal_result *result), void *user)
{
	if (settings->address.version == 0 || !is_host(settings->host))
		return -EINVAL;
	struct portal *portal = calloc(1, sizeof(*portal));
	if (!portal)
		return -ENOMEM;
	portal->loop = loop;
	portal->settings = *settings;
	snprintf(portal->host, sizeof(portal->host), "%s", settings->host);
	portal->done = done;
	portal->user = user;
	portal->began = clock_now();
	build_request(portal);
	begin_evidence(portal);
	ev_init(&portal->io, on_event);
	portal->io.fd = -1;
	portal->io.data = portal;
	ev_timer_init(&portal->timer, on_timer, 0., 0.);
	portal->timer.data = portal;
	ev_timer_start(loop, &portal->timer);
	*out = portal;
	return 0;
}

void portal_cancel(struct portal *portal)
{
	if (!portal)
		return;
	release(portal);
	free(portal);
}
