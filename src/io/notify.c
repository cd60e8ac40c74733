/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Telling the service manager how we are, sd_notify(3). */
#include "io/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { NOTIFY_MAX = 2048 };

static int notify_fd = -1;

void notify_open(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = name ? strlen(name) : 0;
	if (length < 2 || length >= sizeof(address.sun_path))
		return;
	if (name[0] != '/' && name[0] != '@')
		return;
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0'; /* the abstract namespace */
	notify_close();
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Connected now: later we may not be allowed to look the path up. */
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	if (connect(fd, (struct sockaddr *)&address, size) < 0) {
		close(fd);
		return;
	}
	notify_fd = fd;
}

void notify_send(const char *format, ...)
{
	if (notify_fd < 0)
		return;
	char text[NOTIFY_MAX];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length <= 0)
		return;
	if ((size_t)length >= sizeof(text))
		length = sizeof(text) - 1;
	/* A manager that does not read must not hold up the tunnel. */
	int saved = errno;
	send(notify_fd, text, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
	errno = saved;
}

void notify_close(void)
{
	if (notify_fd >= 0)
		close(notify_fd);
	notify_fd = -1;
}
