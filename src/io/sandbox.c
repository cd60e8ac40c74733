/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Giving up what a daemon that talks to strangers must not have: first the
 * user and the capabilities, then the system calls. */
#include "io/sandbox.h"

#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

int sandbox_find_user(const char *preferred, struct sandbox_user *out, struct reason *why)
{
	const struct passwd *account = getpwnam(preferred);
	if (!account)
		account = getpwnam("nobody");
	if (!account) {
		reason_set(why,
			"there is neither a user %s nor a user nobody to run as: create one "
			"with \"useradd --system %s\"",
			preferred, preferred);
		return -ENOENT;
	}
	snprintf(out->name, sizeof(out->name), "%s", account->pw_name);
	out->uid = account->pw_uid;
	out->gid = account->pw_gid;
	return 0;
}

/* Threads of this process; 1 when there is no /proc to ask, since then nobody
 * can tell. */
static unsigned count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	if (!tasks)
		return 1;
	unsigned count = 0;
	for (const struct dirent *entry; (entry = readdir(tasks));)
		count += entry->d_name[0] != '.';
	closedir(tasks);
	return count;
}

/* A thread that has been joined may still be listed for a moment. */
static bool is_only_thread(void)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	for (int tries = 0; tries < 100 && count_threads() > 1; tries++)
		nanosleep(&moment, NULL);
	return count_threads() == 1;
}

/* Leaves CAP_NET_ADMIN, if wanted and there, as what is to be applied. */
static int choose_capabilities(bool keep_net_admin, struct reason *why)
{
	if (capng_get_caps_process() < 0) {
		reason_set(why, "cannot read our own capabilities: is /proc mounted?");
		return -EPERM;
	}
	bool keep = keep_net_admin && capng_have_capability(CAPNG_PERMITTED, CAP_NET_ADMIN);
	if (keep_net_admin && !keep && geteuid() == 0) {
		reason_set(why, "root has no CAP_NET_ADMIN here: grant it to this container or "
				"service");
		return -EPERM;
	}
	capng_clear(CAPNG_SELECT_ALL);
	if (keep && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN) < 0)
		return -EPERM;
	return 0;
}

static int become(const struct sandbox_user *user, struct reason *why)
{
	if (user->uid == 0 || user->gid == 0) {
		reason_set(
			why, "user %s is root or in root's group: run as another one", user->name);
		return -EINVAL;
	}
	/* Sets the user with capabilities kept, then empties the bounding set,
	 * then applies what was chosen. */
	int failed = capng_change_id((int)user->uid, (int)user->gid,
		CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING | CAPNG_CLEAR_AMBIENT);
	if (failed) {
		reason_set(why,
			"cannot become user %s (step %d of capng_change_id(3) failed): start as "
			"root "
			"with CAP_SETUID, CAP_SETGID and CAP_SETPCAP, or as that user",
			user->name, failed);
		return -EPERM;
	}
	return 0;
}

/* Trusts nothing of the above. */
static int check_dropped(bool keep_net_admin, struct reason *why)
{
	bool back = setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0;
	bool more = true;
	if (capng_get_caps_process() == 0) {
		if (keep_net_admin)
			capng_update(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN);
		more = capng_have_capabilities(CAPNG_SELECT_CAPS) > CAPNG_NONE;
	}
	if (!back && !more)
		return 0;
	reason_set(why, "the kernel did not take our %s away", back ? "user id 0" : "capabilities");
	return -EPERM;
}

int sandbox_drop(const struct sandbox_user *user, bool keep_net_admin, struct reason *why)
{
	if (!is_only_thread()) {
		reason_set(why, "privileges must be dropped before threads start");
		return -EBUSY;
	}
	int error = choose_capabilities(keep_net_admin, why);
	if (error < 0)
		return error;
	if (geteuid() == 0) {
		error = become(user, why);
		if (error < 0)
			return error;
	} else if (capng_apply(CAPNG_SELECT_CAPS) < 0) {
		reason_set(why, "cannot drop capabilities");
		return -EPERM;
	} else if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) {
		reason_set(why, "cannot clear ambient capabilities: %s", strerror(errno));
		return -EPERM;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		error = -errno;
		reason_set(why, "cannot set no_new_privs: %s", strerror(errno));
		return error;
	}
	return check_dropped(keep_net_admin, why);
}

bool sandbox_has_net_admin(void)
{
	return capng_get_caps_process() == 0 &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
}
