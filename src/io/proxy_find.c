/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks the places where a proxy may be set, one after the other. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "io/proxy_find.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifdef HAVE_LIBPROXY
#include <proxy.h>
#endif

#include "core/address.h"
#include "io/errand.h"
#include "io/sandbox.h"

struct proxy_find {
	struct ev_loop *loop;
	struct ev_timer timer;
	struct proxy_find_settings settings;
	struct errand *errand;
	struct proxy_found found;
	void (*done)(void *user, const struct proxy_found *found);
	void *user;
};

static void finish(struct proxy_find *find)
{
	find->done(find->user, &find->found);
	free(find);
}

/* What `text` says, which stands at `place`. */
static void take(
	struct proxy_found *found, enum proxy_source source, const char *place, const char *text)
{
	struct reason why;
	found->source = source;
	if (strcmp(text, "none") == 0) {
		reason_set(&found->why, "no proxy, says %s", place);
	} else if (proxy_url_parse(&found->proxies[0], text, &why) < 0) {
		reason_set(&found->why, "%s: %.*s", place, REASON_MAX - 200, why.text);
	} else {
		char url[PROXY_URL_MAX];
		found->count = 1;
		reason_set(&found->why, "%s, from %s", proxy_url_format(&found->proxies[0], url),
			place);
	}
}

/* --- no_proxy ---------------------------------------------------------- */

/* "192.0.2.0/24", "2001:db8::1", "[2001:db8::1]" */
static bool matches_address(const char *item, size_t length, const struct address *address)
{
	char text[PREFIX_TEXT_MAX];
	struct prefix prefix;
	if (length > 2 && item[0] == '[' && item[length - 1] == ']') {
		item++;
		length -= 2;
	}
	if (length >= sizeof(text))
		return false;
	memcpy(text, item, length);
	text[length] = '\0';
	return prefix_parse(&prefix, text) && prefix_contains(&prefix, address);
}

/* "example.net" and ".example.net" mean the domain and all below it. */
static bool matches_name(const char *item, size_t length, const char *host)
{
	size_t whole = strlen(host);
	while (length > 0 && (*item == '.' || *item == '*')) {
		item++;
		length--;
	}
	if (whole > 0 && host[whole - 1] == '.')
		whole--;
	if (length == 0 || length > whole || strncasecmp(host + whole - length, item, length) != 0)
		return false;
	return length == whole || host[whole - length - 1] == '.';
}

bool proxy_find_is_exempt(const char *no_proxy, const char *host)
{
	struct address address;
	bool is_numeric = address_parse(&address, host);
	for (const char *at = no_proxy; *at;) {
		at += strspn(at, ", \t");
		size_t length = strcspn(at, ", \t");
		if (length == 1 && *at == '*')
			return true;
		if (is_numeric ? matches_address(at, length, &address)
			       : matches_name(at, length, host))
			return true;
		at += length;
	}
	return false;
}

/* --- the environment --------------------------------------------------- */

/* Not HTTP_PROXY: under CGI that is a header of a stranger's request. */
static const char *const variables[] = {
	"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy"};

static const char *from_environment(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

static bool ask_environment(struct proxy_found *found, const char *host)
{
	const char *text = NULL;
	char place[64];
	size_t i = 0;
	while (i < sizeof(variables) / sizeof(variables[0]) &&
		!(text = from_environment(variables[i])))
		i++;
	if (!text)
		return false;
	const char *exempt = from_environment("no_proxy") ? from_environment("no_proxy")
							  : from_environment("NO_PROXY");
	if (exempt && proxy_find_is_exempt(exempt, host)) {
		found->source = PROXY_FROM_ENVIRONMENT;
		reason_set(&found->why, "no proxy, because no_proxy in the environment names %s",
			host);
		return true;
	}
	snprintf(place, sizeof(place), "%s in the environment", variables[i]);
	take(found, PROXY_FROM_ENVIRONMENT, place, text);
	return true;
}

/* --- libproxy ---------------------------------------------------------- */

#ifdef HAVE_LIBPROXY
enum { MEMORY_MAX = 512 << 20 }; /* octets of address space for a PAC script */

static const char place_system[] = "the system's settings (libproxy)";

/* A PAC script is a program from the network. */
static bool give_up_power(void)
{
	struct sandbox_user nobody;
	struct rlimit memory = {.rlim_cur = MEMORY_MAX, .rlim_max = MEMORY_MAX};
	if (!sandbox_is_instrumented() && setrlimit(RLIMIT_AS, &memory) < 0)
		return false;
	if (sandbox_find_user("nobody", &nobody, NULL) < 0 ||
		sandbox_drop(&nobody, false, NULL) < 0)
		return false;
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
}

/* In the child; the answer is one URL a line. */
static void ask_libproxy(int parent, const void *argument)
{
	const struct proxy_find *find = argument;
	char url[PROXY_URL_MAX], answer[ERRAND_MESSAGE_MAX];
	bool is_ipv6 = strchr(find->settings.host, ':');
	size_t used = 0;
	if (!give_up_power())
		return;
	snprintf(url, sizeof(url), "https://%s%s%s:%u/", is_ipv6 ? "[" : "", find->settings.host,
		is_ipv6 ? "]" : "", find->settings.port);
	pxProxyFactory *factory = px_proxy_factory_new();
	char **proxies = factory ? px_proxy_factory_get_proxies(factory, url) : NULL;
	for (size_t i = 0; proxies && proxies[i]; i++) {
		size_t length = strlen(proxies[i]);
		if (length + 1 >= sizeof(answer) - used)
			break;
		memcpy(answer + used, proxies[i], length);
		used += length;
		answer[used++] = '\n';
	}
	answer[used++] = '\0';
	errand_reply(parent, answer, used, -1);
}

/* In order; behind "direct" there is nothing to gain: that is step 2. */
static void take_lines(struct proxy_found *found, char *lines)
{
	char *rest = NULL;
	for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (found->count == PROXY_FOUND_MAX || strncmp(line, "direct://", 9) == 0)
			break;
		if (proxy_url_parse(&found->proxies[found->count], line, NULL) == 0)
			found->count++;
	}
	char url[PROXY_URL_MAX];
	if (found->count > 0)
		reason_set(&found->why, "%s, from %s", proxy_url_format(&found->proxies[0], url),
			place_system);
	else
		reason_set(&found->why,
			"no proxy is set: not in the profile, the environment, or %s",
			place_system);
}

static void on_libproxy(void *user, const struct errand_result *errand)
{
	struct proxy_find *find = user;
	static const char way_out[] = "if this network has a proxy, set `proxy` in [traversal]";
	char lines[ERRAND_MESSAGE_MAX];
	find->errand = NULL;
	switch (errand->end) {
	case ERRAND_DONE:
		memcpy(lines, errand->message, errand->length);
		lines[errand->length - 1] = '\0';
		find->found.source = PROXY_FROM_SYSTEM;
		take_lines(&find->found, lines);
		break;
	case ERRAND_LATE:
		reason_set(&find->found.why,
			"libproxy did not find out within %.1f s whether there is a proxy (does a "
			"PAC "
			"script hang?); %s",
			(double)find->settings.timeout / 1e6, way_out);
		break;
	case ERRAND_DIED:
		reason_set(&find->found.why,
			"libproxy failed while it looked for a proxy (a faulty PAC script?); %s",
			way_out);
		break;
	}
	finish(find);
}

static void ask_system(struct proxy_find *find)
{
	int error = errand_start(&find->errand, find->loop, find->settings.timeout, ask_libproxy,
		find, on_libproxy, find);
	if (error == 0)
		return;
	reason_set(&find->found.why, "cannot start a process for libproxy: %s", strerror(-error));
	finish(find);
}
#else
static void ask_system(struct proxy_find *find)
{
	reason_set(&find->found.why,
		"no proxy is set: not in the profile, and not in the environment");
	finish(find);
}
#endif

/* --- the order --------------------------------------------------------- */

static void on_begin(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop, (void)events;
	struct proxy_find *find = timer->data;
	const struct proxy_find_settings *settings = &find->settings;
	if (settings->configured && strcmp(settings->configured, "auto") != 0) {
		take(&find->found, PROXY_FROM_PROFILE, "the profile", settings->configured);
	} else if (settings->session && *settings->session) {
		take(&find->found, PROXY_FROM_SESSION, "the session of tse-up's caller",
			settings->session);
	} else if (!ask_environment(&find->found, settings->host)) {
		ask_system(find);
		return;
	}
	finish(find);
}

int proxy_find_start(struct proxy_find **out, struct ev_loop *loop,
	const struct proxy_find_settings *settings,
	void (*done)(void *user, const struct proxy_found *found), void *user)
{
	struct proxy_find *find = calloc(1, sizeof(*find));
	if (!find)
		return -ENOMEM;
	find->loop = loop;
	find->settings = *settings;
	find->found.source = PROXY_FROM_NOBODY;
	find->done = done;
	find->user = user;
	ev_timer_init(&find->timer, on_begin, 0., 0.);
	find->timer.data = find;
	ev_timer_start(loop, &find->timer);
	*out = find;
	return 0;
}

void proxy_find_cancel(struct proxy_find *find)
{
	if (!find)
		return;
	ev_timer_stop(find->loop, &find->timer);
	errand_cancel(find->errand);
	free(find);
}
