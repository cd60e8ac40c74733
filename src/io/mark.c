/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SO_MARK and the one sentence about what happens without it. */
#include "io/mark.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int mark_socket(int fd, uint32_t mark, struct reason *why)
{
	if (mark == 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0)
		return 0;
	int error = errno;
	reason_set(why,
		"cannot set the firewall mark 0x%x on our own socket (%s): the tunnel would run "
		"through itself; this needs CAP_NET_ADMIN",
		mark, strerror(error));
	return -error;
}
