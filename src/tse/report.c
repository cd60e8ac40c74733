/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Words for the person who waits. */
#include "tse/report.h"

#include "io/clock.h"
#include "io/log.h"

enum { WRONG_SOURCE_US = 60000000 };

/* --- a line per step -------------------------------------------------------- */

static bool has_ended(enum traversal_state state)
{
	return state != TRAVERSAL_IDLE && state != TRAVERSAL_RUNNING;
}

static void report_step(struct client *client, enum traversal_step step)
{
	char line[TRAVERSAL_LINE];
	enum traversal_state state = client->traversal.steps[step].state;
	if (state == client->shown[step])
		return;
	client->shown[step] = state;
	if (!has_ended(state))
		return;
	traversal_line(&client->traversal, step, line, sizeof(line));
	launch_report(client->launch, "  %s", line);
	bool failed = state == TRAVERSAL_FAILED || state == TRAVERSAL_STEP_REFUSED;
	/* In full what a connection died of, once. */
	if (failed && (step == TRAVERSAL_TLS || step == TRAVERSAL_PROXY))
		launch_report(client->launch, "  failed       %s", client->failure.why.text);
}

void report_tls(struct client *client)
{
	const struct tls *tls = client->current->lane.tls;
	launch_report(client->launch, "  tls          %s, %s, AES-GCM by %s", tls_version(tls),
		tls_cipher(tls), tls_aead_name());
}

void report_up(struct client *client)
{
	double after = (double)(clock_now() - client->attempt_started) / 1000.;
	if (client->tunnel.plain) /* has no message that would measure it */
		launch_report(client->launch, "  up           after %.0f ms", after);
	else
		launch_report(client->launch, "  up           after %.0f ms, round trip %.1f ms",
			after, (double)client->keepalive.rtt / 1000.);
	launch_end(client->launch, client->loop, STATUS_UP);
}

/* --- the verdict ------------------------------------------------------------ */

static enum exit_status cause_status(const struct client *client, enum traversal_cause cause)
{
	switch (cause) {
	case TRAVERSAL_CAUSE_NO_NAME:
		return STATUS_NO_NAME;
	case TRAVERSAL_CAUSE_CERTIFICATE:
	case TRAVERSAL_CAUSE_INSPECTED:
	case TRAVERSAL_CAUSE_CLOCK:
		return STATUS_BAD_CERTIFICATE;
	case TRAVERSAL_CAUSE_AUTHENTICATION:
		return STATUS_REJECTED;
	case TRAVERSAL_CAUSE_NO_ADDRESS:
	case TRAVERSAL_CAUSE_OVERLOADED:
	case TRAVERSAL_CAUSE_POLICY:
	case TRAVERSAL_CAUSE_SHUTTING_DOWN:
		return STATUS_REFUSED;
	case TRAVERSAL_CAUSE_PROTOCOL:
	case TRAVERSAL_CAUSE_VERSION:
	case TRAVERSAL_CAUSE_NOT_CONFIRMED:
		return STATUS_PROTOCOL;
	case TRAVERSAL_CAUSE_PROXY_AUTH:
		return STATUS_PROXY_AUTH;
	case TRAVERSAL_CAUSE_PROXY_DENIED:
	case TRAVERSAL_CAUSE_PROXY_GATEWAY:
	case TRAVERSAL_CAUSE_PROXY_UNSUPPORTED:
		return STATUS_PROXY;
	case TRAVERSAL_CAUSE_CAPTIVE:
		return STATUS_CAPTIVE;
	case TRAVERSAL_CAUSE_LOCAL:
		return client->failure.status == STATUS_UP ? STATUS_INTERNAL
							   : client->failure.status;
	case TRAVERSAL_CAUSE_NONE:
	case TRAVERSAL_CAUSE_NO_TARGET:
	case TRAVERSAL_CAUSE_PRIVATE_TARGET:
	case TRAVERSAL_CAUSE_ONLY_REPORT:
	case TRAVERSAL_CAUSE_MODE:
	case TRAVERSAL_CAUSE_REPORT:
	case TRAVERSAL_CAUSE_TIMEOUT:
	case TRAVERSAL_CAUSE_NO_NETWORK:
	case TRAVERSAL_CAUSE_UNREACHABLE:
	case TRAVERSAL_CAUSE_RESET:
	case TRAVERSAL_CAUSE_UDP_BLOCKED:
	case TRAVERSAL_CAUSE_TLS_STALLED:
	case TRAVERSAL_CAUSE_LOST:
	case TRAVERSAL_CAUSE_ALL_SILENT:
	case TRAVERSAL_CAUSE_NEW_NETWORK:
	case TRAVERSAL_CAUSE_RESUMED:
	case TRAVERSAL_CAUSE_DIRECT_WORKS:
		return STATUS_UNREACHABLE;
	}
	return STATUS_INTERNAL;
}

enum exit_status report_status(const struct client *client)
{
	const struct traversal_finding *finding = &client->traversal.finding;
	switch (finding->verdict) {
	case TRAVERSAL_DIRECT:
	case TRAVERSAL_TUNNEL:
	case TRAVERSAL_TUNNEL_PROXY:
		return STATUS_UP;
	case TRAVERSAL_CAPTIVE:
		return STATUS_CAPTIVE;
	case TRAVERSAL_INSPECTED:
		return STATUS_BAD_CERTIFICATE;
	case TRAVERSAL_PROXY_AUTH:
		return STATUS_PROXY_AUTH;
	case TRAVERSAL_MEDIA_BLOCKED:
		return STATUS_MEDIA_BLOCKED;
	case TRAVERSAL_REFUSED:
	case TRAVERSAL_DEAD:
	case TRAVERSAL_UNKNOWN:
		return cause_status(client, finding->cause);
	}
	return STATUS_INTERNAL;
}

static void report_verdict(struct client *client)
{
	const struct traversal_finding *finding = &client->traversal.finding;
	char sentence[TRAVERSAL_EVIDENCE];
	launch_report(client->launch, "  verdict      %s",
		traversal_sentence(finding, sentence, sizeof(sentence)));
	launch_report(client->launch, "  next step    %s",
		traversal_next_step(finding->verdict, finding->cause));
}

void report_progress(struct client *client)
{
	const struct traversal *traversal = &client->traversal;
	for (enum traversal_step step = TRAVERSAL_SIP; step <= TRAVERSAL_PROXY; step++)
		report_step(client, step);
	if (!launch_is_waiting(client->launch) || traversal->running ||
		traversal_path_is_tunnel(traversal->path))
		return;
	report_verdict(client);
	enum exit_status status = report_status(client);
	if (status == STATUS_UP)
		launch_end(client->launch, client->loop, STATUS_UP);
	else
		client_stop(client, status);
}

/* --- apps with an old address ----------------------------------------------- */

void report_wrong_source(struct client *client, const struct packet *packet)
{
	char text[ADDRESS_TEXT_MAX], inner4[PREFIX_TEXT_MAX], inner6[PREFIX_TEXT_MAX];
	const struct steer_plan *plan = &client->grant.plan;
	struct address source;
	uint64_t now = clock_now();

	if (client->wrong_source_told && now - client->wrong_source_told < WRONG_SOURCE_US)
		return;
	client->wrong_source_told = now;
	address_set(&source, packet->version, packet->source);
	log_line(LOG_WARNING,
		"an app sends to the IMS core from %s, which is not this tunnel's %s or %s: it was "
		"started before the tunnel was up and must register again",
		address_format(&source, text), prefix_format(&plan->inner4, inner4),
		prefix_format(&plan->inner6, inner6));
}
