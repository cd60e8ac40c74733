/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One thread's visit to another network namespace. */
#include "io/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int netns_enter(const char *name, int *previous, struct reason *why)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : "/run/netns/", name);
	int target = open(path, O_RDONLY | O_CLOEXEC);
	if (target < 0) {
		int error = errno;
		reason_set(why, "cannot enter the network namespace %s (%s): %s%s", name, path,
			strerror(error), error == ENOENT ? "; make it first (ip netns add)" : "");
		return -error;
	}
	int result = 0;
	*previous = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (*previous < 0 || setns(target, CLONE_NEWNET) < 0) {
		result = -errno;
		reason_set(why, "cannot enter the network namespace %s: %s%s", name,
			strerror(-result),
			result == -EPERM ? "; CAP_SYS_ADMIN is needed (start as root)" : "");
		if (*previous >= 0)
			close(*previous);
		*previous = -1;
	}
	close(target);
	return result;
}

int netns_leave(int previous, struct reason *why)
{
	int result = setns(previous, CLONE_NEWNET) < 0 ? -errno : 0;
	if (result < 0)
		reason_set(
			why, "cannot return to the first network namespace: %s", strerror(-result));
	close(previous);
	return result;
}
