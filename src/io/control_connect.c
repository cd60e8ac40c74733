/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tools' side of the control socket: connect, ask, wait for the answer.
 * It blocks, but never longer than it is told to. */
#include "io/control_socket.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "io/control_line.h"

enum { CONTROL_CONNECT_S = 5, CONTROL_CHUNK = 16384 };

/* The group that may use the socket: its own, or that of a directory which
 * does not even let us see it. */
static const struct group *find_group(const char *path)
{
	struct stat status = {0};
	char *parent = stat(path, &status) < 0 ? strdup(path) : NULL;
	if (parent) {
		char *slash = strrchr(parent, '/');
		if (slash)
			*slash = '\0';
		if (!slash || stat(parent, &status) < 0)
			status.st_gid = 0;
		free(parent);
	}
	return status.st_gid ? getgrgid(status.st_gid) : NULL;
}

static void explain_refused(const char *path, struct reason *why)
{
	const struct group *group = find_group(path);
	if (group)
		reason_set(why, "%s: permission denied; be root or a member of group %s", path,
			group->gr_name);
	else
		reason_set(why, "%s: permission denied; be root", path);
}

static void explain_connect(const char *path, int error, struct reason *why)
{
	if (error == ENOENT || error == ECONNREFUSED)
		reason_set(why, "nothing runs that listens on %s", path);
	else if (error == EACCES || error == EPERM)
		explain_refused(path, why);
	else if (error == EAGAIN)
		reason_set(why, "%s: the daemon does not accept connections; it may hang", path);
	else
		reason_set(why, "cannot connect to %s: %s", path, strerror(error));
}

int control_connect(const char *path, struct reason *why)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(to.sun_path)) {
		reason_set(why, "%s: too long for the path of a socket (%zu octets at most)", path,
			sizeof(to.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(to.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		int error = errno;
		reason_set(why, "cannot make a socket: %s", strerror(error));
		return -error;
	}
	/* Also bounds connect() to a daemon whose backlog is full. */
	struct timeval limit = {.tv_sec = CONTROL_CONNECT_S};
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		int error = errno;
		close(fd);
		explain_connect(path, error, why);
		return -error;
	}
	return fd;
}

int control_send(int fd, const json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	if (!text)
		return -ENOMEM;
	size_t length = strlen(text), sent = 0;
	text[length++] = '\n'; /* over the NUL */
	int error = 0;
	while (sent < length && error == 0) {
		ssize_t count = send(fd, text + sent, length - sent, MSG_NOSIGNAL);
		if (count >= 0)
			sent += (size_t)count;
		else if (errno != EINTR)
			error = errno;
	}
	free(text);
	return -error;
}

static long long clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* True when something can be read before `deadline` (-1: no limit). */
static bool wait_readable(int fd, long long deadline, struct reason *why)
{
	for (;;) {
		long long left = deadline < 0 ? -1 : deadline - clock_ms();
		if (deadline >= 0 && left < 0)
			left = 0;
		struct pollfd waited = {.fd = fd, .events = POLLIN};
		int ready = poll(&waited, 1, (int)left);
		if (ready > 0)
			return true;
		if (ready < 0 && errno == EINTR)
			continue;
		reason_set(why, ready == 0 ? "the daemon does not answer" : "poll failed");
		return false;
	}
}

/* Reads up to the end of the line and not one octet more, since what is
 * behind it belongs to the next call.  1: the line is whole, 0: not yet. */
static int read_to_line_end(int fd, struct control_lines *lines, struct reason *why)
{
	char chunk[CONTROL_CHUNK];
	ssize_t seen = recv(fd, chunk, sizeof(chunk), MSG_PEEK | MSG_DONTWAIT);
	if (seen < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (seen < 0) {
		int error = errno;
		reason_set(why, "cannot read from the daemon: %s", strerror(error));
		return -error;
	}
	if (seen == 0) {
		reason_set(why, "the daemon has closed the connection");
		return -EPIPE;
	}
	const char *end = memchr(chunk, '\n', (size_t)seen);
	size_t wanted = end ? (size_t)(end - chunk) + 1 : (size_t)seen;
	ssize_t got = recv(fd, chunk, wanted, MSG_DONTWAIT);
	if (got != (ssize_t)wanted || !control_lines_put(lines, chunk, wanted)) {
		reason_set(why, "no memory for the daemon's answer");
		return -ENOMEM;
	}
	return end != NULL;
}

json_t *control_receive(int fd, int timeout_ms, struct reason *why)
{
	struct control_lines lines = {.limit = CONTROL_SOCKET_BACKLOG};
	long long deadline = timeout_ms < 0 ? -1 : clock_ms() + timeout_ms;
	json_t *answer = NULL;
	int whole = 0;
	while (whole == 0 && lines.length <= lines.limit && wait_readable(fd, deadline, why))
		whole = read_to_line_end(fd, &lines, why);
	if (whole == 0 && lines.length > lines.limit)
		reason_set(why, "the daemon's answer has more than %zu octets", lines.limit);
	if (whole == 1 && control_lines_next(&lines, &answer, why) == CONTROL_LINE_MORE)
		reason_set(why, "the daemon sent an empty line");
	control_lines_fini(&lines);
	return answer;
}
