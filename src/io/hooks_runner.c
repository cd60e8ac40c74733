/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The privileged side of io/hooks.  It has no system-call filter, since hooks
 * would inherit it, and they are programs of the administrator's own choice. */
#include "io/hooks_runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"

enum {
	NAME_ROOM = NAME_MAX + 1,
	VARIABLE_ROOM = 32, /* "TSE_IMS_SECURITY=" */
	ENVIRONMENT_ROOM = HOOK_MESSAGE_MAX + HOOK_VALUES * VARIABLE_ROOM,
};

struct runner {
	const struct hooks_settings *settings;
	int fd;       /* -1: the daemon is gone */
	uint64_t end; /* us: when all must be over; UINT64_MAX while the daemon lives */
	bool died;    /* the daemon, without a word */
	/* The newest state that no hook has been told. */
	bool pending;
	char message[HOOK_MESSAGE_MAX];
	size_t length;
};

/* One state change. */
struct change {
	char message[HOOK_MESSAGE_MAX];
	struct hook_values values;
	char strings[ENVIRONMENT_ROOM];
	char *environment[HOOK_VALUES + 2]; /* PATH, TSE_..., NULL */
	int directory;
	char names[HOOKS_MAX][NAME_ROOM];
	size_t count;
};

/* --- news from the daemon -------------------------------------------------- */

/* What hooks of our own have set up is undone; the administrator's are told only
 * what the daemon says. */
static void note_death(struct runner *runner)
{
	char last[HOOK_MESSAGE_MAX];
	struct hook_values values;
	enum hook_value fault;
	if (!runner->settings->own)
		return;
	memcpy(last, runner->message, runner->length);
	if (!hook_message_get(last, runner->length, &values) ||
		strcmp(values.text[HOOK_STATE], "stopping") == 0)
		return;
	values.text[HOOK_STATE] = "gone";
	values.text[HOOK_TRANSPORT] = "none";
	runner->length =
		hook_message_put(&values, runner->message, sizeof(runner->message), &fault);
	runner->pending = runner->length > 0;
	runner->died = true;
}

static void take(struct runner *runner, const char *message, size_t length)
{
	struct hook_values values;
	if (length > sizeof(runner->message) || !hook_message_get(message, length, &values)) {
		log_line(LOG_WARNING,
			"hooks are not run: the daemon has sent what is no state (%zu octets)",
			length);
		return;
	}
	memcpy(runner->message, message, length);
	runner->length = length;
	runner->pending = true;
}

/* Everything that waits: only the last counts. */
static void drain(struct runner *runner)
{
	char message[HOOK_MESSAGE_MAX];
	while (runner->fd >= 0) {
		ssize_t got = recv(runner->fd, message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return;
		if (got > 0) {
			take(runner, message, (size_t)got);
			continue;
		}
		close(runner->fd);
		runner->fd = -1;
		note_death(runner);
		runner->end = clock_now() + runner->settings->limit;
	}
}

/* Until there is news, a child has ended, or the time has come. */
static void rest(struct runner *runner, uint64_t until)
{
	uint64_t now = clock_now(), left = until > now ? until - now : 0;
	struct timespec limit = {
		.tv_sec = (time_t)(left / 1000000), .tv_nsec = (long)(left % 1000000) * 1000};
	struct pollfd news = {.fd = runner->fd, .events = POLLIN};
	sigset_t none;
	sigemptyset(&none); /* SIGCHLD comes through only here */
	if (ppoll(&news, 1, until == UINT64_MAX ? NULL : &limit, &none) > 0)
		drain(runner);
}

/* --- which ----------------------------------------------------------------- */

/* Why not to trust it; NULL: it is root's, and root's alone. */
static const char *suspicion(const struct stat *info)
{
	if (info->st_uid != 0)
		return "it does not belong to root";
	if (info->st_mode & (S_IWGRP | S_IWOTH))
		return "others than root can write it";
	return NULL;
}

static bool is_name(const char *name)
{
	static const char alphabet[] = "0123456789-_abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	return strlen(name) < NAME_ROOM && name[strspn(name, alphabet)] == '\0';
}

/* Nobody but root can put anything else in its place before it runs. */
static bool is_hook(const struct change *change, const char *directory, const char *name)
{
	struct stat info;
	const char *problem = NULL;
	if (name[0] == '.' || fstatat(change->directory, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (S_ISLNK(info.st_mode))
		problem = "it is a symbolic link";
	else if (!S_ISREG(info.st_mode) || !(info.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		return false;
	else if (!is_name(name))
		problem = "its name may only have letters, digits, '-' and '_'";
	else
		problem = suspicion(&info);
	if (problem)
		log_line(LOG_WARNING, "hook %s/%s is not run: %s", directory, name, problem);
	return !problem;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void list(struct change *change, const char *directory)
{
	int copy = fcntl(change->directory, F_DUPFD_CLOEXEC, 0);
	DIR *entries = copy < 0 ? NULL : fdopendir(copy);
	if (!entries) {
		log_line(LOG_WARNING, "hooks are not run: cannot read %s: %s", directory,
			strerror(errno));
		if (copy >= 0)
			close(copy);
		return;
	}
	for (const struct dirent *entry; (entry = readdir(entries));) {
		if (!is_hook(change, directory, entry->d_name))
			continue;
		if (change->count == HOOKS_MAX) {
			log_line(LOG_WARNING, "only %d hooks of %s are run", HOOKS_MAX, directory);
			break;
		}
		memcpy(change->names[change->count++], entry->d_name, strlen(entry->d_name) + 1);
	}
	closedir(entries);
	qsort(change->names, change->count, sizeof(change->names[0]), by_name);
}

static bool open_directory(struct change *change, const char *directory)
{
	struct stat info;
	change->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (change->directory < 0) {
		if (errno != ENOENT) /* else there are no hooks */
			log_line(LOG_WARNING, "hooks are not run: cannot open %s: %s", directory,
				strerror(errno));
		return false;
	}
	const char *problem =
		fstat(change->directory, &info) < 0 ? strerror(errno) : suspicion(&info);
	if (!problem)
		return true;
	log_line(LOG_WARNING, "hooks are not run: directory %s: %s", directory, problem);
	close(change->directory);
	return false;
}

/* --- running --------------------------------------------------------------- */

static void fill_environment(struct change *change)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	size_t used = 0, count = 0;
	change->environment[count++] = path;
	for (enum hook_value i = 0; i < HOOK_VALUES; i++) {
		change->environment[count++] = change->strings + used;
		used += (size_t)snprintf(change->strings + used, sizeof(change->strings) - used,
				"%s=%s", hook_variable(i), change->values.text[i]) +
			1;
	}
	change->environment[count] = NULL;
}

/* In a session of its own, with signals as a fresh process has them.  0 or an
 * errno. */
static int spawn(const struct change *change, const char *name, pid_t *pid)
{
	char path[NAME_ROOM + 2];
	char *const arguments[] = {path, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	snprintf(path, sizeof(path), "./%s", name);
	sigfillset(&all);
	sigemptyset(&none);

	int error = posix_spawn_file_actions_init(&actions);
	if (error)
		return error;
	error = posix_spawnattr_init(&attributes);
	if (error) {
		posix_spawn_file_actions_destroy(&actions);
		return error;
	}
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	error = posix_spawnattr_setflags(
		&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	for (int fd = 0; !error && fd <= STDERR_FILENO; fd++)
		error = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
	if (!error)
		error = posix_spawn_file_actions_addfchdir_np(&actions, change->directory);
	if (!error)
		error = posix_spawn(
			pid, path, &actions, &attributes, arguments, change->environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

/* False when it had to be killed. */
static bool await(struct runner *runner, pid_t pid, uint64_t began, int *status)
{
	for (;;) {
		uint64_t until = began + runner->settings->limit;
		if (waitpid(pid, status, WNOHANG) != 0)
			return true;
		if (runner->end < until)
			until = runner->end;
		if (clock_now() >= until)
			break;
		rest(runner, until);
	}
	kill(-pid, SIGKILL);
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	return false;
}

static void describe(struct reason *what, bool in_time, int status)
{
	if (!in_time)
		reason_set(what, "took too long and was killed");
	else if (WIFSIGNALED(status))
		reason_set(what, "was killed by signal %d", WTERMSIG(status));
	else
		reason_set(what, "failed with exit status %d", WEXITSTATUS(status));
}

static void run(
	struct runner *runner, const struct change *change, const char *directory, const char *name)
{
	const char *state = change->values.text[HOOK_STATE];
	const char *verdict = change->values.text[HOOK_VERDICT];
	uint64_t began = clock_now();
	struct reason what;
	int status = 0;
	pid_t pid;
	int error = spawn(change, name, &pid);
	if (error) {
		log_line(LOG_WARNING, "hook %s/%s cannot be run: %s%s", directory, name,
			strerror(error), error == ENOEXEC ? "; does it begin with #!/bin/sh?" : "");
		return;
	}
	bool in_time = await(runner, pid, began, &status);
	unsigned long ms = (unsigned long)((clock_now() - began) / 1000);
	if (in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		log_line(LOG_INFO, "hook %s/%s ran for state %s, verdict %s: %lu ms", directory,
			name, state, verdict, ms);
		return;
	}
	describe(&what, in_time, status);
	log_line(LOG_WARNING, "hook %s/%s %s for state %s, verdict %s: %lu ms", directory, name,
		what.text, state, verdict, ms);
}

static void run_those_of(struct runner *runner, struct change *change, const char *directory)
{
	change->count = 0;
	if (!open_directory(change, directory))
		return;
	list(change, directory);
	for (size_t i = 0; i < change->count && clock_now() < runner->end; i++)
		run(runner, change, directory, change->names[i]);
	close(change->directory);
}

static void run_all(struct runner *runner)
{
	static struct change change;
	runner->pending = false;
	memcpy(change.message, runner->message, runner->length);
	if (!hook_message_get(change.message, runner->length, &change.values))
		return;
	fill_environment(&change);
	if (runner->settings->own)
		run_those_of(runner, &change, runner->settings->own);
	if (!runner->died)
		run_those_of(runner, &change, runner->settings->directory);
}

/* --- being a child --------------------------------------------------------- */

static void ignore_child(int number)
{
	(void)number; /* that it came is enough for ppoll */
}

/* What is meant for the daemon's group must not end us before it has told its
 * last state. */
static void set_signals(void)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGPIPE};
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t child;
	for (int number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
	action.sa_handler = SIG_IGN;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		sigaction(ignored[i], &action, NULL);
	action.sa_handler = ignore_child;
	sigaction(SIGCHLD, &action, NULL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_SETMASK, &child, NULL);
}

/* Of the daemon's descriptors only `fd` stays, as returned, and stderr, for the
 * log. */
static int let_go(int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (own < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return -1;
	if (own > STDERR_FILENO + 1 && close_range(STDERR_FILENO + 1, (unsigned)own - 1, 0) < 0)
		return -1;
	return close_range((unsigned)own + 1, ~0U, 0) < 0 ? -1 : own;
}

_Noreturn void hooks_runner(const struct hooks_settings *settings, int fd)
{
	static struct runner runner;
	set_signals();
	log_close(); /* its descriptor is about to go */
	runner = (struct runner){.settings = settings, .fd = let_go(fd), .end = UINT64_MAX};
	log_open(settings->program, settings->log);
	if (runner.fd < 0 || chdir("/") < 0) {
		log_line(LOG_ERR, "hooks are not run: %s", strerror(errno));
		_exit(EXIT_FAILURE);
	}
	umask(022);
	prctl(PR_SET_NAME, "tse-hooks");
	while (runner.fd >= 0 || (runner.pending && clock_now() < runner.end)) {
		if (runner.pending)
			run_all(&runner);
		else
			rest(&runner, runner.end);
	}
	_exit(EXIT_SUCCESS);
}
