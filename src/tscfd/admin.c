/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Requests of tscfctl: each becomes an inquiry to the workers, whose answers
 * are merged and sent back. */
#include "tscfd/admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "tscfd/calls.h"
#include "tscfd/inquiry.h"
#include "tscfd/metrics.h"

enum { METRICS_SECONDS = 15 };

static const char *format_time(int64_t seconds, char text[32])
{
	time_t when = (time_t)seconds;
	struct tm broken;
	gmtime_r(&when, &broken);
	strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &broken);
	return text;
}

/* --- status -------------------------------------------------------------- */

/* Adds every number of `more` to the same member of `sum`, objects likewise. */
static void add_numbers(json_t *sum, json_t *more)
{
	const char *key;
	json_t *value;
	json_object_foreach(more, key, value)
	{
		json_t *have = json_object_get(sum, key);
		if (!have)
			json_object_set(sum, key, value);
		else if (json_is_object(value))
			add_numbers(have, value);
		else
			json_integer_set(
				have, json_integer_value(have) + json_integer_value(value));
	}
}

static json_t *listen_json(const struct tscfd_config *config)
{
	json_t *array = json_array();
	for (size_t i = 0; i < config->addresses.count; i++) {
		const struct config_endpoint *at = &config->addresses.items[i];
		json_array_append_new(array, strchr(at->host, ':')
						     ? json_sprintf("[%s]:%u", at->host, at->port)
						     : json_sprintf("%s:%u", at->host, at->port));
	}
	return array;
}

static json_t *merge_status(struct admin *admin, json_t *const *answers, size_t count)
{
	const struct tscfd_config *config = &admin->settings->config;
	char expiry[32];
	json_t *warnings = json_array();
	for (size_t i = 0; i < admin->warning_count; i++)
		json_array_append_new(warnings, json_string(admin->warnings[i]));
	json_t *status = json_pack("{s:b, s:s, s:I, s:o, s:s, s:i, s:s, s:s, s:o}", "ok", 1,
		"version", PACKAGE_VERSION, "uptime_s",
		(json_int_t)((clock_now() - admin->started) / 1000000), "listen",
		listen_json(config), "interface", config->interface, "workers",
		(int)admin->worker_count, "aead", tls_aead_name(), "certificate_expires",
		format_time(tls_context_expiry(admin->settings->tls), expiry), "warnings",
		warnings);
	if (admin->draining)
		json_object_set_new(status, "draining", json_true());
	json_t *sum = json_object(), *each = json_array();
	for (size_t i = 0; i < count; i++) {
		add_numbers(sum, answers[i]);
		json_array_append_new(each, json_deep_copy(answers[i]));
	}
	json_object_update(status, sum);
	json_decref(sum);
	json_object_set_new(status, "per_worker", each);
	return status;
}

static json_t *ask_status(struct worker *worker, const struct inquiry *inquiry)
{
	(void)inquiry;
	return worker_status(worker);
}

static void status_done(struct inquiry *inquiry, json_t *const *answers, size_t count)
{
	control_client_send(inquiry->subject, merge_status(inquiry->owner, answers, count));
}

/* --- metrics ------------------------------------------------------------- */

static const char calls_now[] = "calls_now";

static json_t *ask_metrics(struct worker *worker, const struct inquiry *inquiry)
{
	json_t *status = ask_status(worker, inquiry);
	json_object_set_new(status, calls_now, calls_each(worker));
	return status;
}

static char *metrics_text(struct admin *admin, json_t *const *answers, size_t count)
{
	json_t *calls = json_array();
	for (size_t i = 0; i < count; i++) {
		json_array_extend(calls, json_object_get(answers[i], calls_now));
		json_object_del(answers[i], calls_now);
	}
	json_t *status = merge_status(admin, answers, count);
	char *text = metrics_format(status, calls, tls_context_expiry(admin->settings->tls));
	json_decref(status);
	json_decref(calls);
	return text;
}

static void metrics_done(struct inquiry *inquiry, json_t *const *answers, size_t count)
{
	char *text = metrics_text(inquiry->owner, answers, count);
	if (text)
		control_client_send(
			inquiry->subject, json_pack("{s:b, s:s}", "ok", 1, "text", text));
	else
		control_client_refuse(inquiry->subject, "out of memory");
	free(text);
}

/* Written aside and renamed, so that a reader never sees half of it. */
static int replace_file(const char *path, const char *text)
{
	char aside[4096];
	if ((size_t)snprintf(aside, sizeof(aside), "%s.new", path) >= sizeof(aside))
		return -ENAMETOOLONG;
	FILE *file = fopen(aside, "we");
	if (!file)
		return -errno;
	int failed = fputs(text, file) < 0;
	failed |= fclose(file) != 0;
	if (failed || rename(aside, path) != 0) {
		int error = errno;
		unlink(aside);
		return -error;
	}
	return 0;
}

static void metrics_file_done(struct inquiry *inquiry, json_t *const *answers, size_t count)
{
	struct admin *admin = inquiry->owner;
	const char *path = admin->settings->config.metrics;
	char *text = metrics_text(admin, answers, count);
	int error = text ? replace_file(path, text) : -ENOMEM;
	free(text);
	if (!error)
		return;
	log_line(LOG_WARNING, "cannot write metrics to %s: %s; not tried again", path,
		strerror(-error));
	ev_timer_stop(admin->loop, &admin->metrics_timer);
}

static void on_metrics_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	struct admin *admin = timer->data;
	struct inquiry inquiry = {.ask = ask_metrics, .done = metrics_file_done, .owner = admin};
	inquiry_start(&inquiry, &admin->mailbox, admin->workers, admin->worker_count);
}

/* --- what outlives us ------------------------------------------------------ */

static void on_tidy_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	struct admin *admin = timer->data;
	struct state *state = admin->workers->group->state;
	if (state_tidy(state))
		settings_use_tickets(admin->settings, state);
}

/* --- sessions and disconnect --------------------------------------------- */

static json_t *ask_sessions(struct worker *worker, const struct inquiry *inquiry)
{
	(void)inquiry;
	return worker_sessions(worker);
}

static void sessions_done(struct inquiry *inquiry, json_t *const *answers, size_t count)
{
	json_t *all = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_extend(all, answers[i]);
	control_client_send(inquiry->subject, json_pack("{s:b, s:o}", "ok", 1, "sessions", all));
}

static json_t *ask_disconnect(struct worker *worker, const struct inquiry *inquiry)
{
	return json_integer(worker_disconnect(worker,
		json_string_value(json_object_get(inquiry->request, "id")),
		json_string_value(json_object_get(inquiry->request, "identity"))));
}

static void disconnect_done(struct inquiry *inquiry, json_t *const *answers, size_t count)
{
	json_int_t closed = 0;
	for (size_t i = 0; i < count; i++)
		closed += json_integer_value(answers[i]);
	control_client_send(inquiry->subject, json_pack("{s:b, s:I}", "ok", 1, "closed", closed));
}

/* --- reload -------------------------------------------------------------- */

struct renewal {
	struct message message;
	struct worker *worker;
	struct settings *settings;
};

static void use_settings(struct message *message)
{
	struct renewal *renewal = (struct renewal *)message;
	worker_use_settings(renewal->worker, renewal->settings);
	free(renewal);
}

static void hand_to_workers(struct admin *admin)
{
	for (unsigned i = 0; i < admin->worker_count; i++) {
		struct renewal *renewal = calloc(1, sizeof(*renewal));
		if (!renewal) {
			log_line(LOG_ERR, "out of memory: worker %u keeps its settings", i);
			continue;
		}
		renewal->message.run = use_settings;
		renewal->worker = &admin->workers[i];
		renewal->settings = settings_ref(admin->settings);
		mailbox_post(&admin->workers[i].mailbox, &renewal->message);
	}
}

int admin_reload(struct admin *admin, struct reason *why)
{
	struct settings *fresh;
	int error = settings_load(&admin->source, &fresh, why);
	if (error)
		return error;
	error = settings_check_reload(admin->settings, fresh, why);
	if (error) {
		settings_unref(fresh);
		return error;
	}
	settings_use_tickets(fresh, admin->workers->group->state);
	settings_unref(admin->settings);
	admin->settings = fresh;
	hand_to_workers(admin);
	return 0;
}

static void answer_reload(struct admin *admin, struct control_client *client)
{
	struct reason why;
	if (admin_reload(admin, &why)) {
		log_line(LOG_ERR, "reload: %s; the old settings stay in force", why.text);
		control_client_refuse(client, "%s", why.text);
	} else {
		log_line(LOG_INFO, "configuration reloaded");
		control_client_send(client, json_pack("{s:b}", "ok", 1));
	}
}

/* --- requests ------------------------------------------------------------ */

static void release_client(struct inquiry *inquiry)
{
	control_client_unref(inquiry->subject);
}

static void ask_workers(struct admin *admin, struct control_client *client, const json_t *request,
	json_t *(*ask)(struct worker *, const struct inquiry *),
	void (*done)(struct inquiry *, json_t *const *, size_t))
{
	struct inquiry inquiry = {
		.ask = ask,
		.done = done,
		.owner = admin,
		.subject = control_client_ref(client),
		.request = json_deep_copy(request),
		.release = release_client,
	};
	if (inquiry_start(&inquiry, &admin->mailbox, admin->workers, admin->worker_count)) {
		control_client_refuse(client, "out of memory");
		json_decref(inquiry.request);
		control_client_unref(client);
	}
}

static void on_request(void *user, struct control_client *client, const json_t *request)
{
	struct admin *admin = user;
	const char *command = json_string_value(json_object_get(request, "cmd"));

	if (!command)
		control_client_refuse(client, "no \"cmd\" in the request");
	else if (strcmp(command, "status") == 0)
		ask_workers(admin, client, request, ask_status, status_done);
	else if (strcmp(command, "sessions") == 0)
		ask_workers(admin, client, request, ask_sessions, sessions_done);
	else if (strcmp(command, "metrics") == 0)
		ask_workers(admin, client, request, ask_metrics, metrics_done);
	else if (strcmp(command, "disconnect") == 0)
		ask_workers(admin, client, request, ask_disconnect, disconnect_done);
	else if (strcmp(command, "reload") == 0)
		answer_reload(admin, client);
	else if (strcmp(command, "drain") == 0)
		admin_drain(admin, client, request);
	else
		control_client_refuse(client, "unknown command: status, sessions, disconnect, "
					      "reload, drain or metrics");
}

void admin_warn(struct admin *admin, const char *text)
{
	log_line(LOG_WARNING, "%s", text);
	if (admin->warning_count < ADMIN_WARNINGS)
		admin->warnings[admin->warning_count++] = strdup(text);
}

/* The socket is removed by an unprivileged process, so its directory must be
 * ours, unless it is a shared one that was there before. */
static int own_directory(const char *path, const struct sandbox_user *user, struct reason *why)
{
	char directory[4096];
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;
	if (length == 0 || length >= sizeof(directory))
		return 0;
	memcpy(directory, path, length);
	directory[length] = '\0';
	if (mkdir(directory, 0755) < 0) {
		if (errno == EEXIST)
			return 0;
		int error = errno;
		reason_set(why, "cannot make the directory %s: %s", directory, strerror(error));
		return -error;
	}
	if (geteuid() == 0 && chown(directory, user->uid, user->gid) < 0)
		return -errno;
	return 0;
}

int admin_init(struct admin *admin, struct ev_loop *loop, const struct settings_source *source,
	struct settings *settings, struct worker *workers, unsigned worker_count,
	const struct sandbox_user *user, struct reason *why)
{
	*admin = (struct admin){
		.loop = loop,
		.source = *source,
		.settings = settings_ref(settings),
		.workers = workers,
		.worker_count = worker_count,
		.started = clock_now(),
	};
	mailbox_init(&admin->mailbox, loop);
	ev_timer_init(&admin->metrics_timer, on_metrics_timer, 0., METRICS_SECONDS);
	ev_timer_init(&admin->tidy_timer, on_tidy_timer, STATE_TIDY_SECONDS, STATE_TIDY_SECONDS);
	admin->metrics_timer.data = admin->tidy_timer.data = admin;
	ev_timer_start(loop, &admin->tidy_timer);
	if (settings->config.metrics)
		ev_timer_start(loop, &admin->metrics_timer);
	int error = own_directory(settings->config.socket, user, why);
	return error ? error
		     : control_socket_open(&admin->socket, loop, settings->config.socket, "tscf",
			       on_request, admin, why);
}

void admin_fini(struct admin *admin)
{
	control_socket_close(admin->socket);
	ev_timer_stop(admin->loop, &admin->metrics_timer);
	ev_timer_stop(admin->loop, &admin->tidy_timer);
	mailbox_fini(&admin->mailbox);
	settings_unref(admin->settings);
	for (size_t i = 0; i < admin->warning_count; i++)
		free(admin->warnings[i]);
}
