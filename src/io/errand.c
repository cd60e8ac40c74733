/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fork, a socket pair, a timer. */
#include "io/errand.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_OTHER = 4 }; /* 0 to 2, and 3 to the parent */

struct errand {
	struct ev_loop *loop;
	struct ev_io io; /* io.fd is owned */
	struct ev_timer limit;
	pid_t pid;
	void (*done)(void *user, const struct errand_result *result);
	void *user;
};

/* --- the child --------------------------------------------------------- */

static void reset_signals(void)
{
	sigset_t none;
	struct sigaction standard = {.sa_handler = SIG_DFL};
	for (int number = 1; number < NSIG; number++)
		sigaction(number, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Nothing that is open here belongs to the job: neither the TUN, whose carrier
 * would outlive the daemon, nor the event loop's own descriptors. */
static void keep_only(int parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	if (parent != FIRST_OTHER - 1)
		dup2(parent, FIRST_OTHER - 1);
	close_range(FIRST_OTHER, ~0U, 0);
	fcntl(FIRST_OTHER - 1, F_SETFD, FD_CLOEXEC);
}

/* The alarm is for the case that the job gives up privileges: that clears the
 * signal of the parent's death. */
_Noreturn static void be_child(
	int fd, pid_t parent, uint64_t limit, errand_job *job, const void *argument)
{
	reset_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm((unsigned)(limit / 1000000) + 1);
	if (getppid() == parent) {
		keep_only(fd);
		job(FIRST_OTHER - 1, argument);
	}
	_exit(0);
}

void errand_reply(int parent, const void *message, size_t length, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.room = {0}};
	struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = length};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	if (fd >= 0) {
		header.msg_control = &control;
		header.msg_controllen = sizeof(control.room);
		struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	}
	sendmsg(parent, &header, MSG_NOSIGNAL);
}

/* --- the parent -------------------------------------------------------- */

/* The loop may have reaped it already: libev's default loop waits for all. */
static void end(struct errand *errand, bool kill_it)
{
	ev_io_stop(errand->loop, &errand->io);
	ev_timer_stop(errand->loop, &errand->limit);
	close(errand->io.fd);
	if (kill_it)
		kill(errand->pid, SIGKILL);
	while (waitpid(errand->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(errand);
}

static int received_descriptor(struct msghdr *header)
{
	int fd = -1;
	struct cmsghdr *rights = CMSG_FIRSTHDR(header);
	if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
		rights->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(rights), sizeof(fd));
	return fd;
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop, (void)events;
	struct errand *errand = io->data;
	_Alignas(max_align_t) uint8_t message[ERRAND_MESSAGE_MAX];
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {.iov_base = message, .iov_len = sizeof(message)};
	struct msghdr header = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t length = recvmsg(io->fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	struct errand_result result = {.end = ERRAND_DIED, .fd = -1};
	if (length > 0) {
		result = (struct errand_result){.end = ERRAND_DONE,
			.message = message,
			.length = (size_t)length,
			.fd = received_descriptor(&header)};
	}
	void (*done)(void *, const struct errand_result *) = errand->done;
	void *user = errand->user;
	/* What it still does after its message is of no interest; but one that
	 * has ended by itself may be reaped already, and its number another's. */
	end(errand, length > 0);
	done(user, &result);
}

static void on_limit(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop, (void)events;
	struct errand *errand = timer->data;
	void (*done)(void *, const struct errand_result *) = errand->done;
	void *user = errand->user;
	end(errand, true);
	done(user, &(struct errand_result){.end = ERRAND_LATE, .fd = -1});
}

/* With all signals blocked until the child has dropped the handlers: they would
 * write into this process's event loop.  Returns the child's number or -errno,
 * in this process only. */
static pid_t fork_quietly(int fd, uint64_t limit, errand_job *job, const void *argument)
{
	sigset_t all, before;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t self = getpid();
	pid_t pid = fork();
	if (pid == 0)
		be_child(fd, self, limit, job, argument);
	int error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid < 0 ? -error : pid;
}

int errand_start(struct errand **out, struct ev_loop *loop, uint64_t limit, errand_job *job,
	const void *argument, void (*done)(void *user, const struct errand_result *result),
	void *user)
{
	int pair[2], error = -ENOMEM;
	struct errand *errand = calloc(1, sizeof(*errand));
	if (!errand)
		return error;
	/* One message, whole or not at all. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		error = -errno;
		goto errand;
	}
	pid_t pid = fork_quietly(pair[1], limit, job, argument);
	if (pid < 0) {
		error = (int)pid;
		goto pair;
	}
	close(pair[1]);
	*errand = (struct errand){.loop = loop, .pid = pid, .done = done, .user = user};
	ev_io_init(&errand->io, on_readable, pair[0], EV_READ);
	errand->io.data = errand;
	ev_io_start(loop, &errand->io);
	ev_now_update(loop);
	ev_timer_init(&errand->limit, on_limit, (double)limit / 1e6, 0.);
	errand->limit.data = errand;
	ev_timer_start(loop, &errand->limit);
	*out = errand;
	return 0;

pair:
	close(pair[0]);
	close(pair[1]);
errand:
	free(errand);
	return error;
}

void errand_cancel(struct errand *errand)
{
	if (errand)
		end(errand, true);
}
