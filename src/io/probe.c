/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One probe: a socket, a question, and the words for what became of it. */
#include "io/probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/text.h"
#include "io/clock.h"
#include "io/mark.h"
#include "io/probe_socket.h"
#include "io/race.h"

enum {
	READ_OCTETS = 65536,
	READS_MAX = 16,  /* per turn of the loop */
	PHRASE_MAX = 64, /* octets of a stranger's words that are shown */
};

enum stage { STAGE_NEW, STAGE_CONNECTING, STAGE_HANDSHAKE, STAGE_ASKED };

struct probe {
	struct ev_loop *loop;
	struct probe_target target;
	struct probe_settings settings;
	void (*done)(void *user, const struct probe_result *result);
	void *user;
	struct ev_timer timer;
	struct ev_io io; /* io.fd is owned; -1: none */
	enum stage stage;
	uint64_t began, deadline, resend; /* us; resend 0: no more */
	struct tls *tls;
	struct question question;
	size_t sent; /* octets of the question, over TCP */
	struct probe_result result;
};

const char *probe_outcome_name(enum probe_outcome outcome)
{
	switch (outcome) {
	case PROBE_PASSED:
		return "passed";
	case PROBE_SILENT:
		return "silent";
	case PROBE_REFUSED:
		return "refused";
	case PROBE_UNREACHABLE:
		return "unreachable";
	case PROBE_CLOSED:
		return "closed";
	case PROBE_GARBAGE:
		return "garbage";
	case PROBE_TLS_FAILED:
		return "tls-failed";
	case PROBE_LOCAL:
		return "local";
	case PROBE_NOT_TRIED:
		break;
	}
	return "not-tried";
}

/* --- the end ----------------------------------------------------------- */

static void release(struct probe *probe)
{
	ev_timer_stop(probe->loop, &probe->timer);
	ev_io_stop(probe->loop, &probe->io);
	tls_free(probe->tls);
	if (probe->io.fd >= 0)
		close(probe->io.fd);
}

/* `result.evidence` names the target and gets what happened to it. */
static void finish(struct probe *probe, enum probe_outcome outcome)
{
	probe->result.outcome = outcome;
	probe->result.took = clock_now() - probe->began;
	release(probe);
	probe->done(probe->user, &probe->result);
	free(probe);
}

static void begin_evidence(struct probe *probe)
{
	const struct probe_target *target = &probe->target;
	bool is_sip = probe->settings.protocol == PROBE_SIP;
	char address[ADDRESS_TEXT_MAX];
	address_format(&target->address, address);
	reason_set(&probe->result.evidence, "%s%s to %s", is_sip ? "SIP " : "STUN",
		is_sip ? sip_method_name(probe->settings.method) : "", target->host);
	if (strcmp(address, target->host) != 0)
		reason_add(&probe->result.evidence, " (%s)", address);
	reason_add(&probe->result.evidence, " port %u over %s: ", target->port,
		transport_name(target->transport));
}

/* strerror for the middle of a sentence. */
static void add_errno(struct reason *evidence, int error)
{
	char words[128];
	snprintf(words, sizeof(words), "%s", strerror(error));
	if (words[0] >= 'A' && words[0] <= 'Z' && words[1] >= 'a')
		words[0] = (char)(words[0] + ('a' - 'A'));
	reason_add(evidence, "%s", words);
}

static void finish_errno(struct probe *probe, int error)
{
	struct reason *evidence = &probe->result.evidence;
	enum probe_outcome outcome = probe_outcome_of_errno(error);
	probe->result.error = error;
	if (outcome == PROBE_CLOSED)
		reason_add(evidence, "connected, but reset before an answer came");
	else if (probe->result.forbidden)
		reason_add(evidence, "forbidden by a firewall");
	else
		add_errno(evidence, error);
	if (probe->result.reporter.version) {
		char text[ADDRESS_TEXT_MAX];
		reason_add(evidence, ", says %s by ICMP",
			address_format(&probe->result.reporter, text));
	}
	if (error == EPERM || error == EACCES)
		reason_add(evidence, " (a local firewall rule or route?)");
	finish(probe, outcome);
}

/* An error of the socket, perhaps with an ICMP message behind it. */
static void finish_socket_error(struct probe *probe, int error)
{
	probe_socket_reporter(probe->io.fd, &probe->result.reporter, &probe->result.forbidden);
	finish_errno(probe, error);
}

static void finish_passed(struct probe *probe, const struct answer *answer)
{
	struct probe_result *result = &probe->result;
	result->status = answer->status;
	result->mapped = answer->mapped;
	result->mapped_port = answer->port;
	unsigned long ms = (unsigned long)((clock_now() - probe->began + 500) / 1000);
	if (answer->status > 0) {
		size_t length = answer->reason.length < PHRASE_MAX ? answer->reason.length : 0;
		bool clean = text_is_clean(answer->reason.octets, length);
		reason_add(&result->evidence, "answered %u%s%.*s", answer->status,
			clean && length > 0 ? " " : "", clean ? (int)length : 0,
			(const char *)answer->reason.octets);
	} else {
		reason_add(&result->evidence, "answered");
	}
	if (answer->mapped.version) {
		char text[ADDRESS_TEXT_MAX];
		reason_add(&result->evidence, ", sees us as %s port %u",
			address_format(&answer->mapped, text), answer->port);
	}
	reason_add(&result->evidence, ", after %lu ms", ms);
	finish(probe, PROBE_PASSED);
}

static const char *protocol_name(const struct probe *probe)
{
	return probe->settings.protocol == PROBE_SIP ? "SIP" : "STUN";
}

static void finish_garbage(struct probe *probe, const char *until)
{
	const struct question *question = &probe->question;
	struct reason *evidence = &probe->result.evidence;
	if (question->foreign > 0 && question->bad == 0)
		reason_add(evidence, "got %s messages, but none that answers our own request",
			protocol_name(probe));
	else if (question->bad > 0)
		reason_add(evidence, "what answers there does not speak %s", protocol_name(probe));
	else
		reason_add(
			evidence, "only %zu octets of an answer came%s", question->received, until);
	finish(probe, PROBE_GARBAGE);
}

static void finish_late(struct probe *probe)
{
	struct reason *evidence = &probe->result.evidence;
	if (probe->question.received > 0) {
		finish_garbage(probe, " in time");
		return;
	}
	if (probe->target.transport != OVER_UDP && probe->stage != STAGE_CONNECTING)
		reason_add(evidence, "connected, but ");
	reason_add_silence(evidence, clock_now() - probe->began);
	if (probe->stage == STAGE_HANDSHAKE)
		reason_add(evidence, " in the TLS handshake");
	if (probe->question.sendings > 1)
		reason_add(evidence, " (asked %u times)", probe->question.sendings);
	finish(probe, PROBE_SILENT);
}

static void finish_tls(struct probe *probe)
{
	probe->result.tls = tls_failure(probe->tls);
	bool broken = probe->result.tls == TLS_FAILURE_CONNECTION;
	reason_add(&probe->result.evidence, "%s: %s", broken ? "connection lost" : "TLS failed",
		tls_reason(probe->tls));
	finish(probe, broken ? PROBE_CLOSED : PROBE_TLS_FAILED);
}

static void finish_closed(struct probe *probe)
{
	if (probe->question.received > 0) {
		finish_garbage(probe, " before it was closed");
		return;
	}
	reason_add(&probe->result.evidence, "connected, but closed before an answer came");
	finish(probe, PROBE_CLOSED);
}

/* --- asking ------------------------------------------------------------ */

static void watch(struct probe *probe, int events)
{
	ev_io_stop(probe->loop, &probe->io);
	ev_io_set(&probe->io, probe->io.fd, events);
	ev_io_start(probe->loop, &probe->io);
}

static void wake(struct probe *probe, uint64_t now)
{
	uint64_t due = probe->deadline;
	if (probe->resend && probe->resend < due)
		due = probe->resend;
	ev_timer_stop(probe->loop, &probe->timer);
	ev_timer_set(&probe->timer, due > now ? (double)(due - now) / 1e6 : 0., 0.);
	ev_timer_start(probe->loop, &probe->timer);
}

/* The request names the socket's own address, so it is made once that is
 * known.  False: the probe has ended. */
static bool build_question(struct probe *probe)
{
	uint8_t random[QUESTION_RANDOM];
	struct sip_request request = {
		.transport = probe->target.transport,
		.host = probe->target.host,
		.identity = probe->settings.identity,
	};
	probe_socket_local(probe->io.fd, &request.local, &request.local_port);
	if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
		reason_add(&probe->result.evidence, "no random numbers to be had");
		finish(probe, PROBE_LOCAL);
		return false;
	}
	if (question_build(&probe->question, probe->settings.protocol, probe->settings.method,
		    &request, random))
		return true;
	reason_add(&probe->result.evidence, "no request can be made of the identity `%s'",
		probe->settings.identity ? probe->settings.identity : "");
	finish(probe, PROBE_LOCAL);
	return false;
}

/* False: the probe has ended. */
static bool send_datagram(struct probe *probe, uint64_t now)
{
	ssize_t sent =
		send(probe->io.fd, probe->question.octets, probe->question.length, MSG_NOSIGNAL);
	/* A full queue is as if the network had lost it. */
	if (sent < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EINTR) {
		finish_socket_error(probe, errno);
		return false;
	}
	uint64_t wait = question_sent(&probe->question);
	probe->resend = wait ? now + wait : 0;
	return true;
}

static void send_over_tcp(struct probe *probe)
{
	while (probe->sent < probe->question.length) {
		ssize_t sent = send(probe->io.fd, probe->question.octets + probe->sent,
			probe->question.length - probe->sent, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		/* Of a connection that broke, reading tells what came before. */
		probe->sent = sent < 0 ? probe->question.length : probe->sent + (size_t)sent;
	}
	watch(probe, EV_READ | (probe->sent < probe->question.length ? EV_WRITE : 0));
}

/* --- hearing ----------------------------------------------------------- */

/* True: the probe has ended. */
static bool hear_stream(struct probe *probe, const uint8_t *octets, size_t length)
{
	struct answer answer;
	switch (question_put_stream(&probe->question, octets, length, &answer)) {
	case QUESTION_ANSWERED:
		finish_passed(probe, &answer);
		return true;
	case QUESTION_VOID:
		finish_garbage(probe, "");
		return true;
	case QUESTION_OPEN:
		break;
	}
	return false;
}

static void read_datagrams(struct probe *probe)
{
	uint8_t octets[READ_OCTETS];
	for (int i = 0; i < READS_MAX; i++) {
		struct answer answer;
		ssize_t got = recv(probe->io.fd, octets, sizeof(octets), 0);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got < 0) {
			finish_socket_error(probe, errno);
			return;
		}
		if (question_put_datagram(&probe->question, octets, (size_t)got, &answer) ==
			QUESTION_ANSWERED) {
			finish_passed(probe, &answer);
			return;
		}
	}
}

static void read_tcp(struct probe *probe)
{
	uint8_t octets[READ_OCTETS];
	ssize_t got = recv(probe->io.fd, octets, sizeof(octets), 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < 0)
		finish_errno(probe, errno);
	else if (got == 0)
		finish_closed(probe);
	else
		hear_stream(probe, octets, (size_t)got);
}

static void read_tls(struct probe *probe)
{
	uint8_t octets[READ_OCTETS];
	do {
		size_t got;
		enum tls_result result = tls_read(probe->tls, octets, sizeof(octets), &got);
		if (result == TLS_FAILED) {
			finish_tls(probe);
			return;
		}
		if (result == TLS_CLOSED) {
			finish_closed(probe);
			return;
		}
		if (got > 0 && hear_stream(probe, octets, got))
			return;
	} while (tls_has_more(probe->tls));
	tls_flush(probe->tls);
	watch(probe, EV_READ | (tls_unsent(probe->tls) > 0 ? EV_WRITE : 0));
}

/* --- getting there ----------------------------------------------------- */

static void advance_handshake(struct probe *probe)
{
	switch (tls_handshake(probe->tls)) {
	case TLS_OK:
		probe->stage = STAGE_ASKED;
		tls_write(probe->tls, probe->question.octets, probe->question.length);
		read_tls(probe);
		return;
	case TLS_WANT_READ:
		watch(probe, EV_READ);
		return;
	case TLS_WANT_WRITE:
		watch(probe, EV_READ | EV_WRITE);
		return;
	case TLS_CLOSED:
		finish_closed(probe);
		return;
	case TLS_FAILED:
		finish_tls(probe);
		return;
	}
}

static void begin_handshake(struct probe *probe)
{
	int error = tls_new(&probe->tls, probe->settings.tls, probe->io.fd, probe->target.host,
		probe->target.host);
	if (error) {
		probe->result.error = -error;
		reason_add(&probe->result.evidence, "cannot set up TLS: %s", strerror(-error));
		finish(probe, PROBE_LOCAL);
		return;
	}
	probe->stage = STAGE_HANDSHAKE;
	advance_handshake(probe);
}

static void on_connected(struct probe *probe)
{
	int error = probe_socket_error(probe->io.fd);
	if (error) {
		finish_socket_error(probe, error);
		return;
	}
	if (!build_question(probe))
		return;
	if (probe->target.transport == OVER_TLS) {
		begin_handshake(probe);
		return;
	}
	probe->stage = STAGE_ASKED;
	send_over_tcp(probe);
}

static void on_socket(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop;
	struct probe *probe = io->data;
	switch (probe->stage) {
	case STAGE_NEW:
		break;
	case STAGE_CONNECTING:
		on_connected(probe);
		break;
	case STAGE_HANDSHAKE:
		advance_handshake(probe);
		break;
	case STAGE_ASKED:
		if (probe->target.transport == OVER_UDP)
			read_datagrams(probe);
		else if (probe->target.transport == OVER_TLS)
			read_tls(probe);
		else if (events & EV_WRITE && probe->sent < probe->question.length)
			send_over_tcp(probe);
		else
			read_tcp(probe);
		break;
	}
}

static void begin(struct probe *probe, uint64_t now)
{
	struct reason why = {{0}};
	begin_evidence(probe);
	if (probe->target.transport == OVER_TLS && !probe->settings.tls) {
		reason_add(&probe->result.evidence,
			"not tried, no CA is known that could vouch for the server");
		finish(probe, PROBE_TLS_FAILED);
		return;
	}
	bool is_udp = probe->target.transport == OVER_UDP;
	int fd = probe_socket_open(&probe->target, probe->settings.mark, &why);
	if (fd < 0 && why.text[0]) {
		probe->result.error = -fd;
		reason_add(&probe->result.evidence, "%s", why.text);
		finish(probe, PROBE_LOCAL);
		return;
	}
	if (fd < 0) {
		finish_errno(probe, -fd);
		return;
	}
	ev_io_init(&probe->io, on_socket, fd, is_udp ? EV_READ : EV_WRITE);
	ev_io_start(probe->loop, &probe->io);
	probe->stage = is_udp ? STAGE_ASKED : STAGE_CONNECTING;
	if (is_udp && (!build_question(probe) || !send_datagram(probe, now)))
		return;
	wake(probe, now);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop, (void)events;
	struct probe *probe = timer->data;
	uint64_t now = clock_now();
	if (probe->stage == STAGE_NEW) {
		begin(probe, now);
		return;
	}
	if (now >= probe->deadline) {
		finish_late(probe);
		return;
	}
	if (probe->resend && now >= probe->resend && !send_datagram(probe, now))
		return;
	wake(probe, now);
}

int probe_start(struct probe **out, struct ev_loop *loop, const struct probe_target *target,
	const struct probe_settings *settings,
	void (*done)(void *user, const struct probe_result *result), void *user)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	if (!probe)
		return -ENOMEM;
	probe->loop = loop;
	probe->target = *target;
	probe->settings = *settings;
	probe->done = done;
	probe->user = user;
	probe->began = clock_now();
	probe->deadline = probe->began + settings->timeout;
	ev_io_init(&probe->io, on_socket, -1, 0);
	probe->io.data = probe;
	ev_timer_init(&probe->timer, on_timer, 0., 0.);
	probe->timer.data = probe;
	ev_timer_start(loop, &probe->timer);
	*out = probe;
	return 0;
}

void probe_cancel(struct probe *probe)
{
	if (!probe)
		return;
	release(probe);
	free(probe);
}
