/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tscfd: an ordered list of what must be there, undone in reverse. */
#include <errno.h>
#include <ev.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/log.h"
#include "io/netlink.h"
#include "io/notify.h"
#include "io/priority.h"
#include "io/sandbox.h"
#include "io/tun_steering.h"
#include "tscfd/admin.h"
#include "tscfd/options.h"
#include "tscfd/preflight.h"

/* The exit statuses; tscfd(8) documents them. */
enum status {
	STATUS_OK = 0,
	STATUS_INTERNAL = 1,
	STATUS_USAGE = 2,
	STATUS_CONFIGURATION = 3,
	STATUS_PRIVILEGE = 4,  /* no privilege, or no /dev/net/tun */
	STATUS_PORT_TAKEN = 5, /* or already running */
};

struct tscfd {
	struct options options;
	struct config_log log;
	struct keeper keeper;
	struct settings_source source;
	struct settings *settings;
	struct sandbox_user user;
	struct tun tun;
	struct netlink *netlink;
	struct worker_group group;
	struct state *state;
	struct activation handed;
	struct ev_loop *loop;
	struct admin admin;
	struct route_back route_back[2];
	struct ev_signal terminate, interrupt, hangup;
};

static int fail(enum status status, const struct reason *why)
{
	fprintf(stderr, "tscfd: %s\n", why->text);
	return (int)status;
}

static enum status status_of(int error)
{
	switch (-error) {
	case EPERM:
	case EACCES:
	case ENOENT:
	case ENODEV:
		return STATUS_PRIVILEGE;
	case EADDRINUSE:
	case EBUSY:
		return STATUS_PORT_TAKEN;
	case EINVAL:
	case EADDRNOTAVAIL:
		return STATUS_CONFIGURATION;
	default:
		return STATUS_INTERNAL;
	}
}

/* --- configuration -------------------------------------------------------- */

static int load_settings(struct tscfd *tscfd, struct reason *why)
{
	tscfd->source = (struct settings_source){
		.path = tscfd->options.config,
		.overrides = tscfd->options.overrides,
		.override_count = tscfd->options.override_count,
	};
	return settings_load(&tscfd->source, &tscfd->settings, why);
}

/* What a reload reads again, when only the keeper can. */
static int start_keeper(struct tscfd *tscfd, struct reason *why)
{
	const struct tscfd_config *config = &tscfd->settings->config;
	const char *const wanted[] = {tscfd->options.config, config->cert.path, config->key.path,
		config->client_ca.path, config->crl.path};
	const char *paths[KEEPER_PATHS];
	size_t count = 0;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (wanted[i])
			paths[count++] = wanted[i];
	return keeper_start(&tscfd->keeper, paths, count, why);
}

/* --- the kernel's side ---------------------------------------------------- */

static int check_ports(const struct tscfd *tscfd, struct reason *why)
{
	const struct config_endpoints *addresses = &tscfd->settings->config.addresses;
	int error = 0;
	for (size_t i = 0; !error && i < addresses->count; i++)
		if (!listener_is_handed(&tscfd->handed, &addresses->items[i]))
			error = listener_check_free(&addresses->items[i], why);
	return error;
}

static int open_tun(struct tscfd *tscfd, struct reason *why)
{
	const struct tscfd_config *config = &tscfd->settings->config;
	struct pool_settings pool = {.ipv4 = config->ipv4, .ipv6 = config->ipv6};
	struct netlink_tun addresses = {.mtu = config->mtu};

	int error = tun_open(&tscfd->tun, config->interface, tscfd->group.count, true, why);
	if (error)
		return error;
	addresses.inner4 = (struct prefix){pool_own4(&pool), config->ipv4.length};
	addresses.inner6 = (struct prefix){pool_own6(&pool), config->ipv6.length};
	error = netlink_open(&tscfd->netlink, why);
	if (!error && tscfd->group.count > 1)
		error = tun_steer(&tscfd->tun, &config->ipv4, &config->ipv6, why);
	if (!error)
		error = netlink_tun_setup(tscfd->netlink, tscfd->tun.index, &addresses, why);
	if (error) {
		netlink_close(tscfd->netlink);
		tscfd->netlink = NULL;
		tun_close(&tscfd->tun);
	}
	return error;
}

/* Where nothing is configured, a file in the directory that the service manager has
 * made for that (StateDirectory=); NULL: nothing is kept. */
static const char *state_path(const struct tscfd_config *config, char path[PATH_MAX])
{
	const char *directory = getenv("STATE_DIRECTORY");
	if (config->state_file)
		return config->state_file;
	/* Several would be separated by colons. */
	if (!directory || *directory != '/' || strchr(directory, ':') ||
		snprintf(path, PATH_MAX, "%s/state", directory) >= PATH_MAX)
		return NULL;
	return path;
}

/* Leases and ticket secrets of the process before this one. */
static int open_state(struct tscfd *tscfd, struct reason *why)
{
	const struct tscfd_config *config = &tscfd->settings->config;
	struct pool_settings pool = {.ipv4 = config->ipv4, .ipv6 = config->ipv6};
	char room[PATH_MAX];
	const char *path = state_path(config, room);
	int error = state_open(&tscfd->state, path, &pool, &tscfd->user, why);
	tscfd->group.state = tscfd->state;
	if (!error)
		settings_use_tickets(tscfd->settings, tscfd->state);
	return error;
}

static int open_workers(struct tscfd *tscfd, struct reason *why)
{
	tscfd->group.workers = calloc(tscfd->group.count, sizeof(*tscfd->group.workers));
	if (!tscfd->group.workers) {
		reason_set(why, "out of memory for %u workers", tscfd->group.count);
		return -ENOMEM;
	}
	identity_table_init(&tscfd->group.identities, tscfd->settings->config.same_identity);
	int error = 0;
	for (unsigned i = 0; !error && i < tscfd->group.count; i++)
		error = worker_init(&tscfd->group.workers[i], &tscfd->group, i, &tscfd->tun,
			tscfd->settings, why);
	state_restored(tscfd->state);
	return error;
}

static void close_workers(struct tscfd *tscfd)
{
	for (unsigned i = 0; tscfd->group.workers && i < tscfd->group.count; i++)
		worker_fini(&tscfd->group.workers[i]);
	if (tscfd->group.workers)
		identity_table_fini(&tscfd->group.identities);
	free(tscfd->group.workers);
}

/* --- running -------------------------------------------------------------- */

static void on_stop(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	(void)watcher;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

static void on_hangup(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	(void)loop;
	(void)events;
	struct tscfd *tscfd = watcher->data;
	struct reason why;
	notify_send("RELOADING=1");
	if (admin_reload(&tscfd->admin, &why))
		log_line(LOG_ERR, "reload: %s; the old settings stay in force", why.text);
	else
		log_line(LOG_INFO, "configuration reloaded");
	notify_send("READY=1");
}

static void watch_signals(struct tscfd *tscfd)
{
	ev_signal_init(&tscfd->terminate, on_stop, SIGTERM);
	ev_signal_init(&tscfd->interrupt, on_stop, SIGINT);
	ev_signal_init(&tscfd->hangup, on_hangup, SIGHUP);
	tscfd->hangup.data = tscfd;
	ev_signal_start(tscfd->loop, &tscfd->terminate);
	ev_signal_start(tscfd->loop, &tscfd->interrupt);
	ev_signal_start(tscfd->loop, &tscfd->hangup);
}

static void on_worker_dying(struct message *message)
{
	(void)message;
	ev_break(ev_default_loop(0), EVBREAK_ALL);
}

/* Only the main thread takes signals. */
static int start_workers(struct tscfd *tscfd, struct reason *why)
{
	sigset_t all, before;
	int error = 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = 0; !error && i < tscfd->group.count; i++)
		error = worker_start(
			&tscfd->group.workers[i], &tscfd->admin.mailbox, on_worker_dying);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		reason_set(why, "cannot start a thread: %s", strerror(-error));
	return error;
}

static void announce(const struct tscfd *tscfd)
{
	const struct tscfd_config *config = &tscfd->settings->config;
	char four[PREFIX_TEXT_MAX], six[PREFIX_TEXT_MAX];
	size_t handed = 0;
	for (size_t i = 0; i < config->addresses.count; i++) {
		const struct config_endpoint *at = &config->addresses.items[i];
		bool given = listener_is_handed(&tscfd->handed, at);
		log_line(LOG_INFO, "listening on %s port %u%s", at->host, at->port,
			given ? ", a socket of the service manager" : "");
		handed += given;
	}
	if (handed < tscfd->handed.count)
		log_line(LOG_WARNING,
			"%zu socket(s) of the service manager are no [listen] address, and are "
			"not used: compare ListenStream= in tscfd.socket",
			tscfd->handed.count - handed);
	log_line(LOG_INFO,
		"tscfd %s is ready: pool %s %s, interface %s, %u worker%s, AES-GCM by %s",
		PACKAGE_VERSION, prefix_format(&config->ipv4, four),
		prefix_format(&config->ipv6, six), tscfd->tun.name, tscfd->group.count,
		tscfd->group.count == 1 ? "" : "s", tls_aead_name());
	notify_send("READY=1\nSTATUS=listening, %u worker(s)", tscfd->group.count);
}

/* All that can go wrong for an administrator's reasons has gone well. */
static int go_into_background(struct tscfd *tscfd, struct reason *why)
{
	if (tscfd->options.foreground)
		return 0;
	if (daemon(1, 0) < 0) {
		int error = errno;
		reason_set(why, "cannot go into the background: %s", strerror(error));
		return -error;
	}
	if (tscfd->log.target == LOG_TO_STDERR)
		tscfd->log.target = LOG_TO_SYSLOG;
	log_open("tscfd", &tscfd->log);
	return 0;
}

/* The workers', which inherit it; the keeper has been started before. */
static void raise_priority(void)
{
	struct reason what;
	bool raised = priority_raise(false, &what);
	log_line(raised ? LOG_INFO : LOG_WARNING, "%s", what.text);
}

/* In the sandbox, until a signal comes. */
static int run(struct tscfd *tscfd, struct reason *why)
{
	int error = go_into_background(tscfd, why);
	if (!error)
		error = start_keeper(tscfd, why);
	priority_short_turns();
	if (!error && tscfd->settings->config.priority)
		raise_priority();
	if (!error)
		error = sandbox_drop(&tscfd->user, false, why);
	if (!error)
		error = sandbox_filter(false, why);
	if (!error)
		error = start_workers(tscfd, why);
	if (!error) {
		watch_signals(tscfd);
		announce(tscfd);
		ev_run(tscfd->loop, 0);
		log_line(LOG_INFO, "stopping");
		notify_send("STOPPING=1");
	}
	for (unsigned i = 0; i < tscfd->group.count; i++)
		worker_stop(&tscfd->group.workers[i]);
	for (unsigned i = 0; i < tscfd->group.count; i++)
		worker_join(&tscfd->group.workers[i]);
	keeper_stop(&tscfd->keeper);
	return error;
}

/* The control socket and the checks; then run. */
static int serve(struct tscfd *tscfd, struct reason *why)
{
	tscfd->source.keeper = &tscfd->keeper; /* which runs before anything is reloaded */
	int error = admin_init(&tscfd->admin, tscfd->loop, &tscfd->source, tscfd->settings,
		tscfd->group.workers, tscfd->group.count, &tscfd->user, why);
	if (!error) {
		const struct datapath *first = &tscfd->group.workers[0].datapath;
		preflight(&tscfd->admin, tscfd->netlink, tscfd->tun.index);
		route_back_start(&tscfd->route_back[0], tscfd->loop, &tscfd->admin, &first->own4);
		route_back_start(&tscfd->route_back[1], tscfd->loop, &tscfd->admin, &first->own6);
		error = run(tscfd, why);
		route_back_stop(&tscfd->route_back[0]);
		route_back_stop(&tscfd->route_back[1]);
	}
	admin_fini(&tscfd->admin);
	return error;
}

/* With everything the kernel gives open, in the right process. */
static int run_daemon(struct tscfd *tscfd, struct reason *why)
{
	tscfd->loop = ev_default_loop(EVFLAG_NOENV);
	if (!tscfd->loop) {
		reason_set(why, "no event loop");
		return -ENOMEM;
	}
	int error = open_state(tscfd, why);
	if (error)
		return error;
	error = open_tun(tscfd, why);
	if (!error) {
		error = open_workers(tscfd, why);
		if (!error)
			error = serve(tscfd, why);
		close_workers(tscfd);
		netlink_close(tscfd->netlink);
		tun_close(&tscfd->tun);
	}
	state_close(tscfd->state);
	return error;
}

static unsigned online_processors(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);
	return count < 1 ? 1 : count > TUN_QUEUES_MAX ? TUN_QUEUES_MAX : (unsigned)count;
}

static int start(struct tscfd *tscfd)
{
	struct reason why;
	struct config_log log = tscfd->settings->config.log;

	if (!sandbox_has_net_admin()) {
		reason_set(&why,
			"needs root to make %s and to listen; afterwards it gives all "
			"privileges up",
			tscfd->settings->config.interface);
		return fail(STATUS_PRIVILEGE, &why);
	}
	activation_take(&tscfd->handed);
	tscfd->group.handed = &tscfd->handed;
	tscfd->group.count = tscfd->settings->config.workers;
	if (tscfd->group.count == 0)
		tscfd->group.count = online_processors();
	int error = sandbox_find_user("tscf", &tscfd->user, &why);
	if (!error)
		error = check_ports(tscfd, &why);
	if (error)
		return fail(status_of(error), &why);
	notify_open();
	/* Until it is in the background, it speaks to who started it. */
	tscfd->log = log;
	log.target = LOG_TO_STDERR;
	log_open("tscfd", &log);
	error = run_daemon(tscfd, &why);
	if (error)
		log_line(LOG_ERR, "%s", why.text);
	activation_close(&tscfd->handed);
	notify_close();
	log_close();
	return error ? (int)status_of(error) : STATUS_OK;
}

int main(int argc, char **argv)
{
	static struct tscfd tscfd;
	struct reason why;

	signal(SIGPIPE, SIG_IGN);
	int parsed = options_parse(&tscfd.options, argc, argv, &why);
	if (parsed > 0)
		return EXIT_SUCCESS;
	if (parsed < 0)
		return fail(STATUS_USAGE, &why);
	if (tls_library_init(&why))
		return fail(STATUS_INTERNAL, &why);
	if (load_settings(&tscfd, &why))
		return fail(STATUS_CONFIGURATION, &why);

	int status = STATUS_OK;
	if (tscfd.options.check_config)
		printf("%s: the configuration is good\n", tscfd.options.config);
	else
		status = start(&tscfd);
	settings_unref(tscfd.settings);
	tls_library_fini();
	return status;
}
