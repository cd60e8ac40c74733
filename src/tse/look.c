/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The client without a TUN and without routes: the traversal in mode
 * probe-only closes every connection that it makes. */
#include "tse/look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/log.h"
#include "io/sandbox.h"
#include "tse/credentials.h"
#include "tse/indicate.h"
#include "tse/redact.h"
#include "tse/report.h"

enum { REPORT_ROOM = 2 * TRAVERSAL_EXPLAIN };

struct look {
	const struct options *options;
	struct client client;
	struct launch launch; /* nobody waits, nothing is printed on the way */
	bool begun;
};

static void print_report(const struct look *look)
{
	static char words[TRAVERSAL_EXPLAIN], shown[REPORT_ROOM];
	traversal_explain(&look->client.traversal, words, sizeof(words));
	if (look->options->redact)
		fputs(redact(look->client.config, words, shown, sizeof(shown)), stdout);
	else
		fputs(words, stdout);
}

static void print_json(const struct look *look)
{
	json_t *status = indicate_status(&look->client);
	char *text = json_dumps(status, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(status);
	if (!text)
		return;
	size_t room = strlen(text) * 2 + 1;
	char *shown = look->options->redact ? malloc(room) : NULL;
	puts(shown ? redact(look->client.config, text, shown, room) : text);
	free(shown);
	free(text);
}

/* A verdict stands once the run is over. */
static void on_changed(void *user)
{
	struct look *look = user;
	look->begun = look->begun || look->client.traversal.running;
	if (!look->begun || look->client.traversal.running || look->client.stopped)
		return;
	if (look->options->json)
		print_json(look);
	else
		print_report(look);
	client_stop(&look->client, report_status(&look->client));
}

static enum exit_status run(struct look *look, struct tse_config *config, struct reason *why)
{
	static const uint8_t no_instance[CONTROL_INSTANCE];
	struct tls_context *tls;
	struct sandbox_user user;
	char *proxy_password;

	if (credentials_proxy_password(config, &proxy_password, why))
		return STATUS_CONFIGURATION;
	if (credentials_load(config, &tls, why)) {
		credentials_forget(proxy_password);
		return STATUS_CONFIGURATION;
	}
	struct client_setup setup = {
		.loop = ev_default_loop(EVFLAG_NOENV),
		.config = config,
		.profile = look->options->profile,
		.launch = &look->launch,
		.tls = tls,
		.instance = no_instance,
		.proxy_password = proxy_password,
		.changed = on_changed,
		.user = look,
	};
	enum exit_status status = STATUS_INTERNAL;
	if (sandbox_find_user("tse", &user, why) == 0 && sandbox_drop(&user, true, why) == 0 &&
		sandbox_filter(true, why) == 0 && client_init(&look->client, &setup, why) == 0) {
		client_start(&look->client);
		ev_run(setup.loop, 0);
		client_fini(&look->client);
		status = look->client.outcome;
		why->text[0] = '\0';
	}
	tls_context_unref(tls);
	tls_library_fini();
	credentials_forget(proxy_password);
	return status;
}

enum exit_status look(const struct options *options, struct tse_config *config, struct reason *why)
{
	static struct look look;
	if (!sandbox_has_net_admin()) {
		reason_set(why, "needs root, or CAP_NET_ADMIN, so that its probes do not take a "
				"tunnel that is up");
		return STATUS_PRIVILEGE;
	}
	config->mode = MODE_PROBE_ONLY;
	look = (struct look){.options = options, .launch = {.fd = -1}};
	struct config_log quiet = {.target = LOG_TO_STDERR, .level = LOG_ERR};
	log_open("tse", &quiet);
	return run(&look, config, why);
}
