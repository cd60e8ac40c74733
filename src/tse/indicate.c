/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One status object, shown in three ways: as KEY=value lines, as JSON, and as
 * a line for the service manager. */
#include "tse/indicate.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "io/notify.h"
#include "tse/link_dns.h"
#include "lane_json.h"
#include "realtime_json.h"

enum { PATH_ROOM = 4200 };

/* --- what is true now ----------------------------------------------------- */

static const char *verdict(const struct client *client)
{
	return traversal_verdict_name(client->traversal.finding.verdict);
}

static const char *firewall(const struct client *client)
{
	return traversal_firewall_name(client->traversal.finding.firewall);
}

/* How the tunnel runs, or that none is needed. */
static const char *transport(const struct client *client)
{
	const struct traversal *traversal = &client->traversal;
	if (traversal->path == TRAVERSAL_PATH_DIRECT)
		return "none";
	if (!client_is_up(client))
		return "";
	return traversal->path == TRAVERSAL_PATH_PROXY ? "proxy" : "direct";
}

static const char *format_time(int64_t seconds, char text[32])
{
	time_t when = (time_t)seconds;
	struct tm broken;
	gmtime_r(&when, &broken);
	strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &broken);
	return text;
}

static const char *inner_text(const struct prefix *prefix, char text[PREFIX_TEXT_MAX])
{
	return prefix->address.version ? prefix_format(prefix, text) : "";
}

static const char *pcscf_text(
	const struct client_grant *grant, size_t index, char text[ADDRESS_TEXT_MAX])
{
	return grant->pcscf[index].version ? address_format(&grant->pcscf[index], text)
					   : grant->pcscf_names[index];
}

static const char *reason_text(const struct client *client)
{
	return client_is_up(client) ? "" : client->failure.why.text;
}

/* --- the state file ------------------------------------------------------- */

/* A value is one line without anything that a shell would act on. */
static void write_value(FILE *file, const char *key, const char *value)
{
	fprintf(file, "%s='", key);
	for (; *value; value++)
		fputc(*value == '\'' || (unsigned char)*value < ' ' ? ' ' : *value, file);
	fputs("'\n", file);
}

/* The texts of the state, for the file and for hooks. */
struct state_text {
	struct link_dns dns;
	char inner4[PREFIX_TEXT_MAX], inner6[PREFIX_TEXT_MAX], generation[16];
	char pcscf[CONTROL_PCSCF_MAX * (CLIENT_TEXT + 1)];
};

static void list_pcscf(const struct client_grant *grant, char *out, size_t size)
{
	char text[ADDRESS_TEXT_MAX];
	size_t at = 0;
	out[0] = '\0';
	for (size_t i = 0; i < grant->pcscf_count && at < size; i++)
		at += (size_t)snprintf(
			out + at, size - at, "%s%s", i ? " " : "", pcscf_text(grant, i, text));
}

static struct hook_values state_values(const struct client *client, struct state_text *text)
{
	const struct client_grant *grant = &client->grant;
	list_pcscf(grant, text->pcscf, sizeof(text->pcscf));
	link_dns_choose(client, &text->dns);
	snprintf(text->generation, sizeof(text->generation), "%u", client->generation);
	return (struct hook_values){
		.text = {
			[HOOK_STATE] = client_state_name(client),
			[HOOK_FIREWALL] = firewall(client),
			[HOOK_VERDICT] = verdict(client),
			[HOOK_TRANSPORT] = transport(client),
			[HOOK_IFACE] = client->tun ? client->tun->name : "",
			[HOOK_INNER4] = inner_text(&grant->plan.inner4, text->inner4),
			[HOOK_INNER6] = inner_text(&grant->plan.inner6, text->inner6),
			[HOOK_PCSCF] = text->pcscf,
			[HOOK_IMS_SECURITY] = grant->ims_security_off ? "may-disable" : "keep",
			[HOOK_PROFILE] = client->profile,
			[HOOK_GENERATION] = text->generation,
			[HOOK_DNS] = text->dns.servers,
			[HOOK_DOMAINS] = text->dns.domains,
		}};
}

static void write_state(const struct client *client, FILE *file)
{
	struct state_text text;
	char since[32];
	struct hook_values values = state_values(client, &text);

	write_value(file, "STATE", values.text[HOOK_STATE]);
	write_value(file, "FIREWALL", values.text[HOOK_FIREWALL]);
	write_value(file, "VERDICT", values.text[HOOK_VERDICT]);
	write_value(file, "TRANSPORT", values.text[HOOK_TRANSPORT]);
	write_value(file, "IFACE", values.text[HOOK_IFACE]);
	write_value(file, "INNER4", values.text[HOOK_INNER4]);
	write_value(file, "INNER6", values.text[HOOK_INNER6]);
	write_value(file, "PCSCF", values.text[HOOK_PCSCF]);
	write_value(file, "IMS_SECURITY", values.text[HOOK_IMS_SECURITY]);
	write_value(file, "SINCE", format_time(client->since_epoch, since));
	write_value(file, "REASON", reason_text(client));
	write_value(file, "GENERATION", values.text[HOOK_GENERATION]);
}

/* Written aside and renamed, so that a reader never sees half of it. */
static void replace_state_file(struct indicate *indicate)
{
	char path[PATH_ROOM], aside[PATH_ROOM];
	snprintf(path, sizeof(path), "%s/state", indicate->directory);
	snprintf(aside, sizeof(aside), "%s/state.new", indicate->directory);
	FILE *file = fopen(aside, "we");
	if (!file) {
		log_line(LOG_WARNING, "cannot write %s: %s", aside, strerror(errno));
		return;
	}
	write_state(indicate->client, file);
	if (fclose(file) != 0 || rename(aside, path) != 0)
		log_line(LOG_WARNING, "cannot write %s: %s", path, strerror(errno));
}

/* --- JSON ----------------------------------------------------------------- */

static json_t *addresses_json(const struct address *addresses, size_t count)
{
	char text[ADDRESS_TEXT_MAX];
	json_t *array = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_string(address_format(&addresses[i], text)));
	return array;
}

static json_t *routes_json(const struct steer_plan *plan)
{
	char text[PREFIX_TEXT_MAX];
	json_t *array = json_array();
	for (size_t i = 0; i < plan->route_count; i++)
		json_array_append_new(array, json_string(prefix_format(&plan->routes[i], text)));
	return array;
}

static json_t *pcscf_json(const struct client_grant *grant)
{
	char text[ADDRESS_TEXT_MAX];
	json_t *array = json_array();
	for (size_t i = 0; i < grant->pcscf_count; i++)
		json_array_append_new(array, json_string(pcscf_text(grant, i, text)));
	return array;
}

static json_t *domains_json(const struct client_grant *grant)
{
	json_t *array = json_array();
	for (size_t i = 0; i < grant->domain_count; i++)
		json_array_append_new(array, json_string(grant->domains[i]));
	return array;
}

static json_t *counters_json(const struct client *client)
{
	struct counters total = client->tunnel.counters;
	json_t *object = json_object();
	counters_sum(&total, &client->datapath.counters);
	for (enum counter i = 0; i < COUNTER_COUNT; i++)
		json_object_set_new(
			object, counter_name(i), json_integer((json_int_t)total.value[i]));
	return object;
}

static json_t *tls_json(const struct client *client)
{
	const struct lane *lane = client->current ? &client->current->lane : NULL;
	bool open = lane && lane->state == LANE_OPEN;
	return json_pack("{s:s, s:s, s:b, s:s}", "version", open ? tls_version(lane->tls) : "",
		"cipher", open ? tls_cipher(lane->tls) : "", "resumed",
		open && tls_resumed(lane->tls), "aead", tls_aead_name());
}

static json_t *tscf_json(const struct client *client)
{
	char text[ADDRESS_TEXT_MAX];
	const struct connection *current = client->current;
	const struct config_endpoint *server =
		current ? connection_server(current) : &client->config->servers.items[0];
	return json_pack("{s:s, s:s, s:i, s:s}", "host", server->host, "address",
		current && current->outer.version ? address_format(&current->outer, text) : "",
		"port", (int)server->port, "name", client->grant.software);
}

/* Our port of a connection, by which tools such as ss(8) know it. */
static unsigned own_port(int fd)
{
	struct sockaddr_storage address = {0};
	socklen_t size = sizeof(address);
	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return 0;
	/* At the same place in both families. */
	return ntohs(((const struct sockaddr_in *)&address)->sin_port);
}

static json_t *lanes_json(const struct client *client)
{
	const struct lane_set *set = &client->tunnel.lanes;
	json_t *array = json_array();
	for (unsigned i = 0; i < set->count; i++) {
		lane_look(set->lane[i], clock_now());
		json_t *object = lane_json(set->lane[i]);
		json_object_set_new(
			object, "outer", json_sprintf("%u", own_port(set->lane[i]->fd)));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *retry_json(const struct client *client)
{
	uint64_t now = clock_now(), next = client->traversal.next_run;
	if (client_is_up(client) || client->traversal.running || next == TRAVERSAL_NEVER)
		return json_null();
	return json_real(next > now ? (double)(next - now) / 1e6 : 0.);
}

/* One member per step: what was tried, and what came of it. */
static json_t *steps_json(const struct client *client)
{
	json_t *array = json_array();
	for (enum traversal_step step = TRAVERSAL_SIP; step <= TRAVERSAL_PROXY; step++) {
		const struct traversal_record *record = &client->traversal.steps[step];
		char evidence[TRAVERSAL_EVIDENCE];
		bool ended = record->ended >= record->started;
		json_array_append_new(array,
			json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:f}", "step",
				traversal_step_name(step), "state",
				traversal_state_name(record->state), "cause",
				traversal_cause_name(record->cause), "target", record->target,
				"evidence", traversal_evidence(record, evidence, sizeof(evidence)),
				"status", (int)record->status, "ms",
				ended ? (double)(record->ended - record->started) / 1000. : 0.));
	}
	return array;
}

json_t *indicate_status(const struct client *client)
{
	char inner4[PREFIX_TEXT_MAX], inner6[PREFIX_TEXT_MAX], since[32];
	const struct client_grant *grant = &client->grant;
	bool up = client_is_up(client);

	json_t *status = json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "ok", 1,
		"profile", client->profile, "state", client_state_name(client), "firewall",
		firewall(client), "verdict", verdict(client), "transport", transport(client),
		"interface", client->tun ? client->tun->name : "", "inner4",
		inner_text(&grant->plan.inner4, inner4), "inner6",
		inner_text(&grant->plan.inner6, inner6), "mtu", (int)grant->plan.mtu);
	json_t *more = json_pack(
		"{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:s, s:I, s:i, s:i, s:f, s:b}", "routes",
		routes_json(&grant->plan), "pcscf", pcscf_json(grant), "dns",
		addresses_json(grant->dns, grant->dns_count), "domains", domains_json(grant),
		"ims_security", grant->ims_security_off ? "may-disable" : "keep", "tscf",
		tscf_json(client), "tls", tls_json(client), "since",
		format_time(client->since_epoch, since), "uptime_s",
		(json_int_t)(up ? (clock_now() - client->up_since) / 1000000 : 0), "reconnects",
		(int)client->reconnects, "generation", (int)client->generation, "rtt_ms",
		(double)client->keepalive.rtt / 1000., "offload", client->tunnel.offload);
	json_t *rest = json_pack("{s:{s:i, s:i}, s:o, s:s, s:s, s:o, s:i}", "queue", "packets",
		(int)client->tunnel.sched.packets, "octets",
		(int)(client->tunnel.sched.bulk_octets + client->tunnel.sched.realtime_octets),
		"counters", counters_json(client), "reason", reason_text(client), "version",
		PACKAGE_VERSION, "retry_in_s", retry_json(client), "pid", (int)getpid());
	const struct traversal_finding *finding = &client->traversal.finding;
	json_object_set_new(status, "steps", steps_json(client));
	json_object_set_new(status, "lanes", lanes_json(client));
	json_object_set_new(status, "keepalive_s", json_real((double)grant->keepalive / 1e6));
	/* Who only looks at the network has no tunnel to tell of. */
	if (client->tun)
		json_object_set_new(status, "realtime", realtime_json(&client->tunnel));
	json_object_set_new(status, "evidence", json_string(finding->evidence));
	json_object_set_new(status, "next_step",
		json_string(traversal_next_step(finding->verdict, finding->cause)));
	json_object_update(status, more);
	json_object_update(status, rest);
	json_decref(more);
	json_decref(rest);
	return status;
}

/* --- requests and changes ------------------------------------------------- */

/* {"cmd":"report","registration":"ok|failed"}: an app knows best. */
static void on_report(
	struct indicate *indicate, struct control_client *client, const json_t *request)
{
	const char *registration = json_string_value(json_object_get(request, "registration"));
	bool ok = registration && strcmp(registration, "ok") == 0;
	if (!ok && (!registration || strcmp(registration, "failed") != 0)) {
		control_client_refuse(client, "\"registration\" must be \"ok\" or \"failed\"");
		return;
	}
	control_client_send(client, json_pack("{s:b}", "ok", 1));
	client_report(indicate->client, ok);
}

static void on_request(void *user, struct control_client *client, const json_t *request)
{
	struct indicate *indicate = user;
	const char *command = json_string_value(json_object_get(request, "cmd"));

	if (command && strcmp(command, "status") == 0) {
		control_client_send(client, indicate_status(indicate->client));
	} else if (command && strcmp(command, "monitor") == 0) {
		control_client_subscribe(client);
		control_client_send(client, indicate_status(indicate->client));
	} else if (command && strcmp(command, "kick") == 0) {
		control_client_send(client, json_pack("{s:b}", "ok", 1));
		client_kick(indicate->client);
	} else if (command && strcmp(command, "report") == 0) {
		on_report(indicate, client, request);
	} else if (command && strcmp(command, "release") == 0) {
		if (control_client_uid(client) != 0) {
			control_client_refuse(client, "only root may take the tunnel down");
			return;
		}
		control_client_send(client, json_pack("{s:b}", "ok", 1));
		client_stop(indicate->client, STATUS_UP);
	} else if (command) {
		control_client_refuse(
			client, "unknown command: status, monitor, report, kick or release");
	} else {
		control_client_refuse(client, "no \"cmd\" in the request");
	}
}

void indicate_changed(void *user)
{
	struct indicate *indicate = user;
	const struct client *client = indicate->client;
	char text[PREFIX_TEXT_MAX];

	replace_state_file(indicate);
	if (indicate->hooks) {
		struct state_text texts;
		struct hook_values values = state_values(client, &texts);
		hooks_run(indicate->hooks, &values);
	}
	json_t *status = indicate_status(client);
	control_socket_publish(indicate->socket, status);
	json_decref(status);
	if (client_is_up(client)) {
		const struct steer_plan *plan = &client->grant.plan;
		notify_send("READY=1\nSTATUS=tunnel up, %s",
			inner_text(plan->inner4.address.version ? &plan->inner4 : &plan->inner6,
				text));
	} else if (client->stopped) {
		notify_send("STOPPING=1");
	} else {
		notify_send("STATUS=%s%s%s", client_state_name(client),
			*reason_text(client) ? ": " : "", reason_text(client));
	}
}

int indicate_open(struct indicate *indicate, struct ev_loop *loop, const char *directory,
	struct client *client, struct reason *why)
{
	char path[PATH_ROOM];
	indicate->client = client;
	if ((size_t)snprintf(indicate->directory, sizeof(indicate->directory), "%s", directory) >=
		sizeof(indicate->directory)) {
		reason_set(why, "%s: path too long", directory);
		return -ENAMETOOLONG;
	}
	snprintf(path, sizeof(path), "%s/control.sock", directory);
	return control_socket_open(&indicate->socket, loop, path, "tse", on_request, indicate, why);
}

void indicate_close(struct indicate *indicate)
{
	char path[PATH_ROOM];
	control_socket_close(indicate->socket);
	snprintf(path, sizeof(path), "%s/state", indicate->directory);
	unlink(path);
}
