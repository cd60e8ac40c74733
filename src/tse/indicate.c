/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One status object, shown in three ways: as KEY=value lines, as JSON, and as
 * a line for the service manager. */
#include "tse/indicate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "io/notify.h"

enum { PATH_ROOM = 4200 };

/* --- what is true now ----------------------------------------------------- */

static const char *verdict(const struct client *client)
{
	if (client->state == CLIENT_UP)
		return "tunnel";
	if (client->failure.refused)
		return "refused";
	return client->failure.status == STATUS_UP ? "unknown" : "dead";
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
	return client->state == CLIENT_UP ? "" : client->failure.why.text;
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

static void write_state(const struct client *client, FILE *file)
{
	char text[PREFIX_TEXT_MAX], since[32], pcscf[CONTROL_PCSCF_MAX * (CLIENT_TEXT + 1)];
	const struct client_grant *grant = &client->grant;
	size_t at = 0;

	pcscf[0] = '\0';
	for (size_t i = 0; i < grant->pcscf_count; i++)
		at += (size_t)snprintf(pcscf + at, sizeof(pcscf) - at, "%s%s", i ? " " : "",
			pcscf_text(grant, i, text));
	write_value(file, "STATE", client_state_name(client->state));
	write_value(file, "FIREWALL", "unknown");
	write_value(file, "VERDICT", verdict(client));
	write_value(file, "TRANSPORT", client->state == CLIENT_UP ? "direct" : "");
	write_value(file, "IFACE", client->tun->name);
	write_value(file, "INNER4", inner_text(&grant->plan.inner4, text));
	write_value(file, "INNER6", inner_text(&grant->plan.inner6, text));
	write_value(file, "PCSCF", pcscf);
	write_value(file, "IMS_SECURITY", grant->ims_security_off ? "may-disable" : "keep");
	write_value(file, "SINCE", format_time(client->since_epoch, since));
	write_value(file, "REASON", reason_text(client));
	fprintf(file, "GENERATION='%u'\n", client->generation);
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
		json_object_set_new(object, counter_name(i),
			json_integer((json_int_t)total.value[i]));
	return object;
}

static json_t *tls_json(const struct client *client)
{
	bool open = client->lane_in_use && client->lane.state == LANE_OPEN;
	return json_pack("{s:s, s:s, s:b, s:s}", "version",
		open ? tls_version(client->lane.tls) : "", "cipher",
		open ? tls_cipher(client->lane.tls) : "", "resumed",
		open && tls_resumed(client->lane.tls), "aead", tls_aead_name());
}

static json_t *tscf_json(const struct client *client)
{
	char text[ADDRESS_TEXT_MAX];
	const struct config_endpoint *server = &client->config->servers.items[client->endpoint];
	return json_pack("{s:s, s:s, s:i, s:s}", "host", server->host, "address",
		client->outer.version ? address_format(&client->outer, text) : "", "port",
		(int)server->port, "name", client->grant.software);
}

static json_t *retry_json(const struct client *client)
{
	uint64_t now = clock_now();
	if (client->state != CLIENT_WAITING)
		return json_null();
	return json_real(client->retry_at > now ? (double)(client->retry_at - now) / 1e6 : 0.);
}

static json_t *status_json(const struct client *client)
{
	char inner4[PREFIX_TEXT_MAX], inner6[PREFIX_TEXT_MAX], since[32];
	const struct client_grant *grant = &client->grant;
	bool up = client->state == CLIENT_UP;

	json_t *status = json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "ok", 1,
		"profile", client->profile, "state", client_state_name(client->state), "firewall",
		"unknown", "verdict", verdict(client), "transport", up ? "direct" : "", "interface",
		client->tun->name, "inner4", inner_text(&grant->plan.inner4, inner4), "inner6",
		inner_text(&grant->plan.inner6, inner6), "mtu", (int)grant->plan.mtu);
	json_t *more = json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:s, s:I, s:i, s:i, s:f, s:b}",
		"routes", routes_json(&grant->plan), "pcscf", pcscf_json(grant), "dns",
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
	json_object_update(status, more);
	json_object_update(status, rest);
	json_decref(more);
	json_decref(rest);
	return status;
}

/* --- requests and changes ------------------------------------------------- */

static void on_request(void *user, struct control_client *client, const json_t *request)
{
	struct indicate *indicate = user;
	const char *command = json_string_value(json_object_get(request, "cmd"));

	if (command && strcmp(command, "status") == 0) {
		control_client_send(client, status_json(indicate->client));
	} else if (command && strcmp(command, "monitor") == 0) {
		control_client_subscribe(client);
		control_client_send(client, status_json(indicate->client));
	} else if (command && strcmp(command, "kick") == 0) {
		control_client_send(client, json_pack("{s:b}", "ok", 1));
		client_kick(indicate->client);
	} else if (command && strcmp(command, "release") == 0) {
		if (control_client_uid(client) != 0) {
			control_client_refuse(client, "only root may take the tunnel down");
			return;
		}
		control_client_send(client, json_pack("{s:b}", "ok", 1));
		client_stop(indicate->client, STATUS_UP);
	} else if (command) {
		control_client_refuse(client, "unknown command: status, monitor, kick or release");
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
	json_t *status = status_json(client);
	control_socket_publish(indicate->socket, status);
	json_decref(status);
	if (client->state == CLIENT_UP) {
		const struct steer_plan *plan = &client->grant.plan;
		notify_send("READY=1\nSTATUS=tunnel up, %s",
			inner_text(plan->inner4.address.version ? &plan->inner4 : &plan->inner6, text));
	} else if (client->state == CLIENT_STOPPED) {
		notify_send("STOPPING=1");
	} else {
		notify_send("STATUS=%s%s%s", client_state_name(client->state),
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
