/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The daemon's side: it only sends. */
#include "io/hooks.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/hooks_runner.h"
#include "io/log.h"

int hooks_start(struct hooks *hooks, const struct hooks_settings *settings, struct reason *why)
{
	int ends[2], error = 0;
	sigset_t all, before;
	*hooks = (struct hooks){.fd = -1, .pid = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		error = -errno;
		goto failed;
	}
	/* Until the child has dropped the handlers: they are the daemon's. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	hooks->pid = fork();
	if (hooks->pid == 0)
		hooks_runner(settings, ends[1]);
	error = hooks->pid < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(ends[1]);
	if (error == 0) {
		hooks->fd = ends[0];
		return 0;
	}
	close(ends[0]);
failed:
	reason_set(why, "cannot start the process that runs hooks: %s", strerror(-error));
	return error;
}

void hooks_run(struct hooks *hooks, const struct hook_values *values)
{
	char message[HOOK_MESSAGE_MAX];
	enum hook_value fault;
	if (hooks->pid <= 0)
		return;
	size_t length = hook_message_put(values, message, sizeof(message), &fault);
	if (length == 0) {
		log_line(LOG_WARNING, "hooks are not run: the value of %s is not fit for them",
			hook_variable(fault));
		return;
	}
	ssize_t sent;
	do
		sent = send(hooks->fd, message, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		log_line(LOG_WARNING, "hooks are not run: %s",
			errno == EPIPE || errno == ECONNRESET
				? "the process that runs them is gone; restart the daemon"
				: strerror(errno));
}

void hooks_stop(struct hooks *hooks)
{
	if (hooks->pid > 0) {
		close(hooks->fd);
		while (waitpid(hooks->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	*hooks = (struct hooks){.fd = -1, .pid = -1};
}
