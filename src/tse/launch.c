/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A socket pair between the daemon and the process that waits for it: lines of
 * text one way, then one octet below 0x20 with the exit status. */
#include "tse/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sent in front of the status; never part of a line. */
enum { STATUS_MARK = 0x01 };

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* Prints what comes; returns the status when it has come. */
static bool relay(const char *octets, size_t length, int *status)
{
	const char *mark = memchr(octets, STATUS_MARK, length);
	size_t text = mark ? (size_t)(mark - octets) : length;
	fwrite(octets, 1, text, stdout);
	fflush(stdout);
	if (!mark || text + 1 >= length)
		return false;
	*status = mark[1];
	return true;
}

/* The parent: never returns. */
static void wait_for_daemon(int fd, pid_t daemon)
{
	struct sigaction action = {.sa_handler = on_interrupt};
	char octets[4096];
	int status = STATUS_INTERNAL;
	ssize_t got;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	for (;;) {
		got = recv(fd, octets, sizeof(octets), 0);
		if (got > 0 && relay(octets, (size_t)got, &status))
			break;
		if (got > 0)
			continue;
		if (got < 0 && errno == EINTR && interrupted == 1) {
			/* Half-closed, the daemon sees it and cleans up. */
			interrupted = 2;
			shutdown(fd, SHUT_WR);
			continue;
		}
		if (got < 0 && errno == EINTR)
			continue;
		/* It died without a word: whatever killed it left a status. */
		waitpid(daemon, NULL, 0);
		break;
	}
	/* When the start failed, everything is undone before we return. */
	if (status != STATUS_UP)
		waitpid(daemon, NULL, 0);
	_exit(status);
}

/* The daemon's standard descriptors lead nowhere. */
static void leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

int launch_begin(struct launch *launch, bool foreground)
{
	*launch = (struct launch){.fd = -1, .prints = foreground};
	if (foreground)
		return 0;
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid < 0) {
		int error = errno;
		close(pair[0]);
		close(pair[1]);
		return -error;
	}
	if (pid > 0) {
		close(pair[1]);
		wait_for_daemon(pair[0], pid);
	}
	close(pair[0]);
	setsid();
	if (chdir("/") < 0)
		return -errno;
	leave_terminal();
	launch->fd = pair[1];
	return 0;
}

static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	(void)events;
	struct launch *launch = watcher->data;
	/* Nobody ever sends: this is the end of the stream. */
	ev_io_stop(loop, watcher);
	launch->abandoned(launch->user);
}

void launch_watch(
	struct launch *launch, struct ev_loop *loop, void (*abandoned)(void *user), void *user)
{
	launch->abandoned = abandoned;
	launch->user = user;
	if (launch->fd < 0)
		return;
	ev_io_init(&launch->watcher, on_readable, launch->fd, EV_READ);
	launch->watcher.data = launch;
	ev_io_start(loop, &launch->watcher);
}

void launch_report(struct launch *launch, const char *format, ...)
{
	char line[1200];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	if ((size_t)length > sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	line[length++] = '\n';
	if (launch->prints) {
		fwrite(line, 1, (size_t)length, stdout);
		fflush(stdout);
	} else if (launch->fd >= 0) {
		send(launch->fd, line, (size_t)length, MSG_NOSIGNAL);
	}
}

void launch_end(struct launch *launch, struct ev_loop *loop, enum exit_status status)
{
	if (launch->fd < 0)
		return;
	char octets[2] = {STATUS_MARK, (char)status};
	send(launch->fd, octets, sizeof(octets), MSG_NOSIGNAL);
	if (launch->abandoned)
		ev_io_stop(loop, &launch->watcher);
	close(launch->fd);
	launch->fd = -1;
}
