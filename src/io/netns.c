/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One thread's visit to another network namespace. */
#include "io/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_same_file(int one, int other)
{
	struct stat a, b;
	return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

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
	if (*previous >= 0 && is_same_file(*previous, target)) {
		reason_set(why,
			"the network namespace %s is the one that this program was started in; "
			"start it outside, or leave netns = away",
			name);
		close(*previous);
		close(target);
		*previous = -1;
		return -EINVAL;
	}
	if (*previous < 0 || setns(target, CLONE_NEWNET) < 0) {
		result = -errno;
		reason_set(why, "cannot enter the network namespace %s: %s%s", name,
			strerror(-result),
			result == -EPERM
				? "; CAP_SYS_ADMIN is needed (start as root; under systemd "
				  "see netns in tse.conf(5))"
				: "");
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
