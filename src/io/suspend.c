/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two clocks that drift apart while the machine sleeps. */
#include "io/suspend.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Less is the time between reading one clock and the other. */
enum { SLEPT_LEAST = 1000000 }; /* us */

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t read_offset(void)
{
	uint64_t awake = read_clock(CLOCK_MONOTONIC);
	return read_clock(CLOCK_BOOTTIME) - awake;
}

void suspend_ask(struct suspend *suspend)
{
	uint64_t offset = read_offset();
	uint64_t slept = offset - suspend->offset;
	if (offset < suspend->offset || slept < SLEPT_LEAST)
		return;
	suspend->offset = offset;
	suspend->resumed(suspend->user, slept);
}

static void on_clock_set(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	(void)loop;
	(void)events;
	struct suspend *suspend = watcher->data;
	uint64_t expirations;
	/* ECANCELED: and from here on it is armed again. */
	if (read(suspend->fd, &expirations, sizeof(expirations)) < 0 && errno == ECANCELED)
		suspend_ask(suspend);
}

int suspend_open(struct suspend *suspend, struct ev_loop *loop,
	void (*resumed)(void *user, uint64_t slept), void *user, struct reason *why)
{
	static const struct itimerspec never = {.it_value.tv_sec = (time_t)INT32_MAX * 4};
	*suspend = (struct suspend){
		.loop = loop,
		.fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC),
		.offset = read_offset(),
		.resumed = resumed,
		.user = user,
	};
	if (suspend->fd < 0 ||
		timerfd_settime(suspend->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
			NULL) < 0) {
		int error = errno;
		reason_set(why, "cannot watch the clock: %s", strerror(error));
		suspend_close(suspend);
		return -error;
	}
	ev_io_init(&suspend->watcher, on_clock_set, suspend->fd, EV_READ);
	suspend->watcher.data = suspend;
	ev_io_start(loop, &suspend->watcher);
	return 0;
}

void suspend_close(struct suspend *suspend)
{
	if (suspend->watcher.data)
		ev_io_stop(suspend->loop, &suspend->watcher);
	if (suspend->fd >= 0)
		close(suspend->fd);
	suspend->watcher.data = NULL;
	suspend->fd = -1;
}
