/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tse: an ordered list of what must be there, undone in reverse. */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/keeper.h"
#include "io/log.h"
#include "io/notify.h"
#include "io/priority.h"
#include "io/sandbox.h"
#include "tse/client.h"
#include "tse/credentials.h"
#include "tse/indicate.h"
#include "tse/look.h"
#include "tse/options.h"
#include "tse/place.h"
#include "tse/remember.h"

enum { FILE_LIMIT = 1024 * 1024, PATH_ROOM = 4096 };

struct tse {
	struct options options;
	struct tse_config config;
	char run_dir[PATH_ROOM], state_dir[PATH_ROOM]; /* of this profile */
	int lock, table_lock;
	uint8_t instance[CONTROL_INSTANCE];
	struct tls_context *tls;
	struct place place;
	struct tun tun;
	struct steer *steer;
	struct prefix known[CONTROL_ROUTES_MAX];
	size_t known_count;
	char *proxy_password; /* NULL: none */
	bool privileged;      /* CAP_NET_ADMIN, to begin with */
	struct sandbox_user user;
	struct launch launch;
	struct config_log log; /* as it was opened */
	struct hooks hooks;
	struct ev_loop *loop;
	struct indicate indicate;
	struct client client;
	bool has_terminal; /* that hangs up when its user goes */
	struct ev_signal terminate, interrupt, hangup;
	struct ev_timer deadline;
};

static int fail(enum exit_status status, const struct reason *why)
{
	fprintf(stderr, "tse: %s\n", why->text);
	return (int)status;
}

/* --- the profile ---------------------------------------------------------- */

/* A profile with a key in it is as secret as the key. */
static int check_secrecy(const struct tse *tse, struct reason *why)
{
	struct stat info;
	if (!tse->config.key.der || stat(tse->options.config, &info) < 0)
		return 0;
	if ((info.st_mode & 077) == 0)
		return 0;
	reason_set(why,
		"%s holds a private key and others can read it: chmod 600 %s, and if it was "
		"readable for long, have the certificate revoked",
		tse->options.config, tse->options.config);
	return -EPERM;
}

static int read_profile(struct tse *tse, struct reason *why)
{
	uint8_t *octets;
	size_t length;
	int error = file_read(tse->options.config, &octets, &length, FILE_LIMIT, why);
	if (error)
		return error;
	error = config_read_octets(&tse->config, tse_config_keys, (const char *)octets, length,
		tse->options.config, why);
	file_forget(octets, length);
	for (size_t i = 0; !error && i < tse->options.override_count; i++)
		error = config_override(
			&tse->config, tse_config_keys, tse->options.overrides[i], why);
	if (!error)
		error = tse_config_check(&tse->config, why);
	return error ? error : check_secrecy(tse, why);
}

static void warn_inert(const struct tse_config *config)
{
	const struct config_key *key = NULL;
	while ((key = config_next_inert(config, tse_config_keys, key)))
		log_line(LOG_WARNING, "[%s] %s has no effect in this version", key->section,
			key->name);
}

/* --- directories and locks ------------------------------------------------ */

static int make_directory(const char *path, mode_t mode, struct reason *why)
{
	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	int error = errno;
	reason_set(why, "cannot make the directory %s: %s%s", path, strerror(error),
		error == EACCES && geteuid() != 0
			? "; without root give --run-dir and --state-dir, where this user may write"
			: "");
	return -error;
}

/* DIR and DIR/PROFILE; the latter belongs to the user that tse becomes. */
static int make_own_directory(
	struct tse *tse, const char *parent, char *path, mode_t mode, struct reason *why)
{
	int error = make_directory(parent, 0755, why);
	if (error)
		return error;
	if ((size_t)snprintf(path, PATH_ROOM, "%s/%s", parent, tse->options.profile) >= PATH_ROOM) {
		reason_set(why, "%s: path too long", parent);
		return -ENAMETOOLONG;
	}
	error = make_directory(path, mode, why);
	if (!error && geteuid() == 0 && chown(path, tse->user.uid, tse->user.gid) < 0) {
		bool unmapped = errno == EINVAL;
		error = unmapped ? -EPERM : -errno;
		reason_set(why, "cannot give %s to user %s: %s", path, tse->user.name,
			unmapped          ? "this user namespace has no such user; map more than "
					    "root's id into it"
			: error == -EPERM ? "CAP_CHOWN is missing"
					  : strerror(-error));
	}
	return error;
}

/* Held by the descriptor, so that a killed run leaves none. */
static int take_lock(const char *path, int *fd)
{
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0 || flock(*fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return 0;
}

static int take_locks(struct tse *tse, struct reason *why)
{
	char path[PATH_ROOM + NAME_MAX + 32];
	snprintf(path, sizeof(path), "%s/lock", tse->run_dir);
	int error = take_lock(path, &tse->lock);
	if (error) {
		reason_set(why,
			error == -EWOULDBLOCK ? "profile %s runs already: see tsectl status, stop "
						"it with tse-down %s"
					      : "cannot lock profile %s in %s",
			tse->options.profile,
			error == -EWOULDBLOCK ? tse->options.profile : tse->run_dir);
		return error;
	}
	if (tse->config.steer != STEER_TABLE)
		return 0;
	/* Each network namespace has tables of its own. */
	const char *netns = tse->config.netns;
	snprintf(path, sizeof(path), "%s/table-%u%s%s.lock", tse->options.run_dir,
		tse->config.table, netns ? "-" : "", netns ? netns : "");
	error = take_lock(path, &tse->table_lock);
	if (error)
		reason_set(why,
			"another profile uses routing table %u: give this one its own "
			"[steering] table",
			tse->config.table);
	return error;
}

/* --- the kernel's side ---------------------------------------------------- */

/* The IMS prefixes that are known before the TSCF names them: from the profile,
 * else from the last tunnel. */
static void find_known_routes(struct tse *tse)
{
	const struct config_prefixes *known =
		tse->config.routes.count ? &tse->config.routes : &tse->config.allowed_routes;
	tse->known_count = 0;
	for (size_t i = 0; i < known->count && i < CONTROL_ROUTES_MAX; i++)
		tse->known[tse->known_count++] = known->items[i];
	if (tse->known_count == 0)
		tse->known_count = remember_routes(tse->state_dir, tse->known);
}

static enum exit_status tun_status(int error)
{
	return error == -EPERM || error == -EACCES || error == -ENOENT || error == -ENODEV ||
			       error == -ENOTTY
		       ? STATUS_PRIVILEGE
	       : error == -EBUSY ? STATUS_RUNNING
				 : STATUS_INTERNAL;
}

static enum exit_status steer_status(int error)
{
	return error == -EADDRINUSE                   ? STATUS_CONFLICT
	       : error == -EPERM                      ? STATUS_PRIVILEGE
	       : error == -EINVAL || error == -ENOENT ? STATUS_CONFIGURATION
						      : STATUS_INTERNAL;
}

static int start_steering(struct tse *tse, struct reason *why)
{
	int error = steer_new(&tse->steer, &tse->config, why);
	if (error)
		return error;
	if (!tse->config.netns && steer_selects(tse->steer, tse->user.uid)) {
		reason_set(why,
			"[steering] uid includes %s, the user that tse itself runs as: the tunnel "
			"would run through itself; make a user tse (see README), or name others",
			tse->user.name);
		return -EINVAL;
	}
	steer_prepare(tse->steer, &tse->tun);
	find_known_routes(tse);
	/* With mode = always, IMS traffic is unreachable until the tunnel is up. */
	if (tse->config.mode == MODE_ALWAYS)
		return steer_block(tse->steer, tse->known, tse->known_count, why);
	return 0;
}

/* Where the TUN shall live. */
static int prepare_there(struct tse *tse, struct reason *why, enum exit_status *status)
{
	int error = tun_open(&tse->tun, tse->config.interface, 1, tse->config.offload, why);
	if (error) {
		*status = tun_status(error);
		return error;
	}
	error = start_steering(tse, why);
	if (error)
		*status = steer_status(error);
	return error;
}

static void undo_network(struct tse *tse)
{
	steer_free(tse->steer);
	tun_close(&tse->tun);
	place_close(&tse->place);
}

static int prepare_network(struct tse *tse, struct reason *why, enum exit_status *status)
{
	int error = place_enter(&tse->place, tse->config.netns, why);
	if (error) {
		*status = steer_status(error);
		return error;
	}
	struct reason back;
	error = prepare_there(tse, why, status);
	int left = place_leave(&tse->place, error ? &back : why);
	if (!error && left) {
		*status = STATUS_INTERNAL;
		error = left;
	}
	if (error)
		undo_network(tse);
	return error;
}

/* --- running -------------------------------------------------------------- */

static void on_signal(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	(void)loop;
	(void)events;
	struct tse *tse = watcher->data;
	/* Whoever still waits for the tunnel does not get it. */
	client_stop(&tse->client, launch_is_waiting(&tse->launch) ? STATUS_INTERNAL : STATUS_UP);
}

/* Who was not there when the state changed hears of it now: a resolver that was
 * started later, or a hook that somebody has put there. */
static void on_hangup(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	struct tse *tse = watcher->data;
	if (tse->has_terminal) {
		on_signal(loop, watcher, events);
		return;
	}
	log_line(LOG_INFO, "SIGHUP: the state is told once more");
	indicate_changed(&tse->indicate);
}

static void on_abandoned(void *user)
{
	struct tse *tse = user;
	launch_report(&tse->launch, "  failed       interrupted before the tunnel was up");
	client_stop(&tse->client, STATUS_INTERNAL);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct tse *tse = watcher->data;
	/* It has been up, or none is needed. */
	if (tse->client.up_since || tse->client.traversal.path == TRAVERSAL_PATH_DIRECT)
		return;
	launch_report(&tse->launch, "  failed       the tunnel was not up within %u s",
		tse->options.timeout);
	client_stop(&tse->client, STATUS_TIMEOUT);
}

static void on_changed(void *user)
{
	struct tse *tse = user;
	const struct steer_plan *plan = &tse->client.grant.plan;
	indicate_changed(&tse->indicate);
	if (client_is_up(&tse->client))
		remember_save_routes(tse->state_dir, plan->routes, plan->route_count);
}

static void start_watchers(struct tse *tse)
{
	ev_signal_init(&tse->terminate, on_signal, SIGTERM);
	ev_signal_init(&tse->interrupt, on_signal, SIGINT);
	ev_timer_init(&tse->deadline, on_deadline, tse->options.timeout, 0.);
	ev_signal_init(&tse->hangup, on_hangup, SIGHUP);
	tse->terminate.data = tse->interrupt.data = tse->hangup.data = tse->deadline.data = tse;
	ev_signal_start(tse->loop, &tse->terminate);
	ev_signal_start(tse->loop, &tse->interrupt);
	ev_signal_start(tse->loop, &tse->hangup);
	if (tse->options.timeout)
		ev_timer_start(tse->loop, &tse->deadline);
	launch_watch(&tse->launch, tse->loop, on_abandoned, tse);
}

/* Not of its children, which look for proxies and may hang. */
static void raise_priority(void)
{
	struct reason what;
	bool raised = priority_raise(true, &what);
	log_line(raised ? LOG_INFO : LOG_WARNING, "%s", what.text);
}

/* Everything from here on runs in the daemon, in its sandbox. */
static int enter_sandbox(struct tse *tse, struct reason *why)
{
	priority_short_turns();
	if (tse->config.priority)
		raise_priority();
	int error = sandbox_drop(&tse->user, tse->privileged, why);
	/* Children look for the proxy and speak to a KDC: both may hang. */
	return error ? error : sandbox_filter(true, why);
}

static enum exit_status run_client(struct tse *tse, struct reason *why)
{
	struct client_setup setup = {
		.loop = tse->loop,
		.config = &tse->config,
		.profile = tse->options.profile,
		.launch = &tse->launch,
		.steer = tse->steer,
		.tun = &tse->tun,
		.place = &tse->place,
		.tls = tse->tls,
		.instance = tse->instance,
		.known = tse->known,
		.known_count = tse->known_count,
		.state_dir = tse->state_dir,
		.proxy_password = tse->proxy_password,
		.changed = on_changed,
		.user = tse,
	};
	if (client_init(&tse->client, &setup, why))
		return STATUS_INTERNAL;
	start_watchers(tse);
	launch_report(&tse->launch, "%s", tse->options.profile);
	client_start(&tse->client);
	ev_run(tse->loop, 0);
	client_fini(&tse->client);
	return tse->client.outcome;
}

static int start_hooks(struct tse *tse, struct reason *why)
{
	struct hooks_settings settings = {
		.directory = tse->options.hooks_dir,
		.own = tse->config.dns ? tse->options.own_hooks_dir : NULL,
		.limit = HOOKS_LIMIT,
		.program = "tse",
		.log = &tse->log,
	};
	int error = hooks_start(&tse->hooks, &settings, why);
	if (!error)
		tse->indicate.hooks = &tse->hooks;
	return error;
}

static enum exit_status run_daemon(struct tse *tse)
{
	struct reason why;
	enum exit_status status = STATUS_INTERNAL;

	tse->has_terminal = tse->options.foreground && isatty(STDIN_FILENO);
	tse->loop = ev_default_loop(EVFLAG_NOENV);
	if (!tse->loop) {
		launch_report(&tse->launch, "  failed       no event loop");
		return STATUS_INTERNAL;
	}
	if (indicate_open(&tse->indicate, tse->loop, tse->run_dir, &tse->client, &why) == 0) {
		if (start_hooks(tse, &why) == 0 && enter_sandbox(tse, &why) == 0) {
			warn_inert(&tse->config);
			why.text[0] = '\0';
			status = run_client(tse, &why);
		}
		hooks_stop(&tse->hooks);
		indicate_close(&tse->indicate);
	}
	if (why.text[0]) {
		log_line(LOG_ERR, "%s", why.text);
		launch_report(&tse->launch, "  failed       %s", why.text);
	}
	return status;
}

static void open_log(struct tse *tse)
{
	struct config_log *settings = &tse->log;
	*settings = tse->config.log;
	/* In the background there is no stderr to write to. */
	if (tse->options.foreground)
		settings->target = LOG_TO_STDERR;
	else if (settings->target == LOG_TO_STDERR)
		settings->target = LOG_TO_SYSLOG;
	log_open("tse", settings);
}

/* It is read when the proxy asks, and then we are not root any more. */
static int check_keytab(const struct tse *tse, struct reason *why)
{
	const char *path = tse->config.proxy_keytab;
	struct stat info;
	if (!path)
		return 0;
	if (stat(path, &info) < 0) {
		int error = errno;
		reason_set(why, "[traversal] proxy-keytab = %s: %s", path, strerror(error));
		return -error;
	}
	bool ours = info.st_uid == tse->user.uid && info.st_mode & S_IRUSR;
	bool our_groups = info.st_gid == tse->user.gid && info.st_mode & S_IRGRP;
	if (ours || our_groups || info.st_mode & S_IROTH)
		return 0;
	reason_set(why,
		"[traversal] proxy-keytab = %s cannot be read by the user %s, as whom tse runs: "
		"chown %s %s",
		path, tse->user.name, tse->user.name, path);
	return -EACCES;
}

/* Without CAP_NET_ADMIN there are no rules, so no mark is needed; what keeps
 * the tunnel out of itself is the administrator's routes, which are checked. */
static int go_without_privilege(struct tse *tse, struct reason *why)
{
	if (tse->config.steer != STEER_NONE || tse->config.netns) {
		reason_set(why, "needs root, or CAP_NET_ADMIN, to make interfaces and routes (in a "
				"container: --cap-add NET_ADMIN --device /dev/net/tun). Without it "
				"[steering] steer = none works, on an interface made beforehand: "
				"see Without privilege in tse(8)");
		return -EPERM;
	}
	tse->config.fwmark = 0;
	return 0;
}

/* Root becomes `tse`; who is not root stays who he is. */
static int find_user(struct tse *tse, struct reason *why)
{
	if (geteuid() == 0)
		return sandbox_find_user("tse", &tse->user, why);
	tse->user.uid = geteuid();
	tse->user.gid = getegid();
	snprintf(tse->user.name, sizeof(tse->user.name), "%u", tse->user.uid);
	return 0;
}

static int start(struct tse *tse)
{
	struct reason why;
	enum exit_status status = STATUS_INTERNAL;

	tse->privileged = sandbox_has_net_admin();
	if (!tse->privileged && go_without_privilege(tse, &why))
		return fail(STATUS_PRIVILEGE, &why);
	if (find_user(tse, &why))
		return fail(STATUS_INTERNAL, &why);
	int error = make_own_directory(tse, tse->options.run_dir, tse->run_dir, 0755, &why);
	if (!error)
		error = make_own_directory(tse, tse->options.state_dir, tse->state_dir, 0700, &why);
	if (error)
		return fail(error == -EPERM ? STATUS_PRIVILEGE : STATUS_INTERNAL, &why);
	if (check_keytab(tse, &why))
		return fail(STATUS_CONFIGURATION, &why);
	error = take_locks(tse, &why);
	if (error)
		return fail(error == -EWOULDBLOCK ? STATUS_RUNNING : STATUS_INTERNAL, &why);
	if (remember_instance(tse->state_dir, tse->instance, &why))
		return fail(STATUS_INTERNAL, &why);
	if (credentials_proxy_password(&tse->config, &tse->proxy_password, &why) ||
		credentials_load(&tse->config, &tse->tls, &why))
		return fail(STATUS_CONFIGURATION, &why);
	if (prepare_network(tse, &why, &status)) {
		tls_context_unref(tse->tls);
		return fail(status, &why);
	}
	notify_open();
	if (launch_begin(&tse->launch, tse->options.foreground)) {
		reason_set(&why, "cannot start a process: %s", strerror(errno));
		status = fail(STATUS_INTERNAL, &why);
	} else {
		open_log(tse);
		status = run_daemon(tse);
	}
	undo_network(tse);
	tls_context_unref(tse->tls);
	tls_library_fini();
	launch_end(&tse->launch, tse->loop, status);
	notify_close();
	log_close();
	return (int)status;
}

int main(int argc, char **argv)
{
	static struct tse tse;
	struct reason why;

	tse.lock = tse.table_lock = -1;
	signal(SIGPIPE, SIG_IGN);
	int parsed = options_parse(&tse.options, argc, argv, &why);
	if (parsed > 0)
		return EXIT_SUCCESS;
	if (parsed < 0)
		return fail(STATUS_USAGE, &why);

	int status;
	tse_config_init(&tse.config);
	if (read_profile(&tse, &why)) {
		status = fail(STATUS_CONFIGURATION, &why);
	} else if (tse.options.check_config) {
		printf("%s: the profile is good\n", tse.options.config);
		status = EXIT_SUCCESS;
	} else if (tse.options.probe) {
		status = (int)look(&tse.options, &tse.config, &why);
		if (*why.text)
			fail((enum exit_status)status, &why);
	} else if (tse.config.mode == MODE_PROBE_ONLY) {
		reason_set(&why, "[traversal] mode = probe-only: nothing but tsectl probe may use "
				 "this profile");
		status = fail(STATUS_CONFIGURATION, &why);
	} else {
		status = start(&tse);
	}
	credentials_forget(tse.proxy_password);
	tse_config_fini(&tse.config);
	return status;
}
