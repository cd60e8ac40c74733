/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Privilege separation for key files.
 *
 *     daemon --- number of a path (u8) --------------------> keeper
 *            <-- 0 or -errno (i32), and the descriptor -----
 *
 * The daemon can only choose among the paths that were fixed at start: it
 * sends no text, and the keeper parses none. */
#include "io/keeper.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/sandbox.h"

enum { READ_FIRST = 4096 }; /* octets of buffer for a file that hides its size */

/* --- reading --- */

static uint8_t *enlarge(uint8_t *octets, size_t length, size_t room)
{
	uint8_t *larger = malloc(room);
	if (larger && octets)
		memcpy(larger, octets, length);
	file_forget(octets, length);
	return larger;
}

/* Reads to the end into a buffer with one octet of room for a final NUL. */
static int read_all(int fd, size_t expected, uint8_t **out, size_t *length, size_t limit)
{
	size_t room = expected < READ_FIRST ? READ_FIRST : expected + 1, got = 0;
	uint8_t *octets = malloc(room);
	int error = octets ? 0 : -ENOMEM;
	while (error == 0) {
		/* Always room for one octet more, so that the end is seen. */
		if (got == room) {
			octets = enlarge(octets, got, room * 2);
			room *= 2;
		}
		ssize_t count = octets ? read(fd, octets + got, room - got) : -1;
		if (count == 0)
			break;
		if (count > 0)
			got += (size_t)count;
		if (!octets)
			error = -ENOMEM;
		else if (count < 0 && errno != EINTR)
			error = -errno;
		else if (got > limit)
			error = -EFBIG;
	}
	if (error == 0 && got == room && !(octets = enlarge(octets, got, room + 1)))
		error = -ENOMEM;
	if (error < 0) {
		file_forget(octets, got);
		return error;
	}
	octets[got] = '\0';
	*out = octets;
	*length = got;
	return 0;
}

/* Only regular files: a device or a pipe could keep us waiting for ever. */
static int open_regular(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	struct stat status;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

static int explain(const char *path, int error, size_t limit, struct reason *why)
{
	if (error == -EINVAL)
		reason_set(why, "%s is not a regular file", path);
	else if (error == -EFBIG)
		reason_set(
			why, "%s is larger than the %zu octets that are allowed here", path, limit);
	else if (error == -ENOENT)
		reason_set(why, "%s does not exist: check the path in the configuration", path);
	else if (error == -EACCES || error == -EPERM)
		reason_set(why,
			"%s may not be read: check its owner and mode, and those of its "
			"directories",
			path);
	else
		reason_set(why, "cannot read %s: %s", path, strerror(-error));
	return error;
}

/* Takes the descriptor, or an error in its place. */
static int read_opened(
	const char *path, int fd, uint8_t **out, size_t *length, size_t limit, struct reason *why)
{
	if (fd < 0)
		return explain(path, fd, limit, why);
	struct stat status;
	size_t expected =
		fstat(fd, &status) == 0 && status.st_size > 0 ? (size_t)status.st_size : 0;
	int error = expected > limit ? -EFBIG : read_all(fd, expected, out, length, limit);
	close(fd);
	return error < 0 ? explain(path, error, limit, why) : 0;
}

int file_read(const char *path, uint8_t **out, size_t *length, size_t limit, struct reason *why)
{
	return read_opened(path, open_regular(path), out, length, limit, why);
}

void file_forget(uint8_t *octets, size_t length)
{
	if (octets)
		explicit_bzero(octets, length);
	free(octets);
}

/* --- the child --- */

/* One answer: the outcome, with the descriptor when there is one. */
static bool send_answer(int fd, int outcome)
{
	int32_t error = outcome < 0 ? outcome : 0;
	struct iovec piece = {&error, sizeof(error)};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	if (outcome >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &outcome, sizeof(int));
	}
	ssize_t sent;
	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent >= 0;
}

/* Answers until the daemon is gone. */
static void serve(const struct keeper *keeper, int fd)
{
	for (;;) {
		uint8_t number;
		ssize_t got = recv(fd, &number, 1, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got != 1)
			return;
		int opened = number < keeper->count ? open_regular(keeper->paths[number]) : -ENOENT;
		bool sent = send_answer(fd, opened);
		if (opened >= 0)
			close(opened);
		if (!sent)
			return;
	}
}

/* What serve() needs, and nothing else. */
static bool keep_system_calls(void)
{
	static const int calls[] = {SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
		SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(fstat), SCMP_SYS(newfstatat),
		SCMP_SYS(close), SCMP_SYS(brk), SCMP_SYS(munmap), /* by free(3) */
		SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall), SCMP_SYS(exit_group)};
	if (sandbox_is_instrumented())
		return true;
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	bool done = filter;
	for (size_t i = 0; done && i < sizeof(calls) / sizeof(calls[0]); i++)
		done = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) == 0;
	done = done && seccomp_load(filter) == 0;
	seccomp_release(filter);
	return done;
}

/* Of root's power only reading, where there is such power at all. */
static bool keep_capabilities(void)
{
	if (capng_get_caps_process() < 0)
		return false;
	bool may_read = capng_have_capability(CAPNG_PERMITTED, CAP_DAC_READ_SEARCH);
	bool may_unbound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_BOTH);
	if (may_read &&
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_DAC_READ_SEARCH) < 0)
		return false;
	return capng_apply(may_unbound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) == 0;
}

/* The daemon's other descriptors, its terminal among them, must not stay open
 * here; signals meant for the daemon's group must not end us before it. */
static bool let_go(int fd)
{
	int null = open("/dev/null", O_RDWR);
	if (null < 0)
		return false;
	for (int i = 0; i <= STDERR_FILENO; i++)
		if (dup2(null, i) < 0)
			return false;
	if (fd > STDERR_FILENO + 1 && close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0) < 0)
		return false;
	if (close_range((unsigned)fd + 1, ~0u, 0) < 0)
		return false;
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	prctl(PR_SET_NAME, "tscf-keeper");
	return true;
}

static _Noreturn void be_keeper(const struct keeper *keeper, int fd)
{
	/* A socket among the standard descriptors would be overwritten. */
	int own = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int32_t ready = 0;
	if (own < 0 || !let_go(own) || !keep_capabilities() || !keep_system_calls())
		_exit(EXIT_FAILURE);
	if (send(own, &ready, sizeof(ready), MSG_NOSIGNAL) == sizeof(ready))
		serve(keeper, own);
	_exit(EXIT_SUCCESS);
}

/* --- the daemon's side --- */

/* 0 or the -errno that the keeper found, -EPIPE when it is gone.  `*opened` is
 * owned by the caller, -1 when the answer has no descriptor. */
static int receive_answer(int fd, int *opened)
{
	int32_t error = -EPIPE;
	struct iovec piece = {&error, sizeof(error)};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = {.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t got;
	do
		got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	*opened = -1;
	if (got != sizeof(error))
		return -EPIPE;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
		memcpy(opened, CMSG_DATA(header), sizeof(int));
	return error;
}

static int copy_paths(struct keeper *keeper, const char *const *paths, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		keeper->paths[i] = strdup(paths[i]);
		if (!keeper->paths[i])
			return -ENOMEM;
		keeper->count++;
	}
	return 0;
}

int keeper_start(struct keeper *keeper, const char *const *paths, size_t count, struct reason *why)
{
	int ends[2], opened, error;
	*keeper = (struct keeper){.fd = -1, .pid = -1};
	if (count > KEEPER_PATHS) {
		reason_set(why, "the keeper takes at most %d files, not %zu", KEEPER_PATHS, count);
		return -E2BIG;
	}
	error = copy_paths(keeper, paths, count);
	if (error == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		error = -errno;
	if (error < 0)
		goto stop;
	keeper->fd = ends[0];
	keeper->pid = fork();
	if (keeper->pid == 0)
		be_keeper(keeper, ends[1]);
	error = keeper->pid < 0 ? -errno : 0;
	close(ends[1]);
	if (error == 0)
		error = receive_answer(keeper->fd, &opened);
	if (error == 0)
		return 0;
stop:
	keeper_stop(keeper);
	reason_set(why, "cannot start the process that keeps key files readable: %s",
		error == -EPIPE ? "it could not give up its other powers" : strerror(-error));
	return error;
}

int keeper_read(struct keeper *keeper, const char *path, uint8_t **out, size_t *length,
	size_t limit, struct reason *why)
{
	if (!keeper)
		return file_read(path, out, length, limit, why);
	uint8_t number = 0;
	while (number < keeper->count && strcmp(keeper->paths[number], path) != 0)
		number++;
	if (number == keeper->count) {
		reason_set(why,
			"%s was not in the configuration at start: restart the daemon to use it",
			path);
		return -ENOENT;
	}
	int opened = -1, error = -EPIPE;
	if (keeper->fd >= 0 && send(keeper->fd, &number, 1, MSG_NOSIGNAL) == 1)
		error = receive_answer(keeper->fd, &opened);
	if (error == -EPIPE) {
		reason_set(why, "cannot read %s: the keeper process is gone; restart the daemon",
			path);
		return error;
	}
	if (error == 0 && opened < 0)
		error = -EMFILE; /* the descriptor did not fit into our table */
	return read_opened(path, error < 0 ? error : opened, out, length, limit, why);
}

void keeper_stop(struct keeper *keeper)
{
	/* All zero: never started. */
	if (keeper->pid != 0 && keeper->fd >= 0)
		close(keeper->fd);
	if (keeper->pid > 0)
		while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
			;
	for (size_t i = 0; i < keeper->count; i++)
		free(keeper->paths[i]);
	*keeper = (struct keeper){.fd = -1, .pid = -1};
}
