/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A network link between two namespaces, in user space: kernels of test
 * machines often lack netem, and its random numbers have no seed.
 *
 *	namespace A                                      namespace B
 *	TUN interface  == up (A to B) ==> link.c ==>   TUN interface
 *	               <== link.c <== down (B to A) ==
 *
 * It makes both interfaces and sets them up; addresses and routes are the
 * caller's, which waits until the interfaces are there.  It ends after --for
 * seconds, or on SIGTERM or SIGINT, and prints what happened as JSON. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "link.h"

enum {
	TUN_QUEUE = 10000,    /* packets that the kernel keeps for us; the queue is ours */
	LATE_ROOM = 1 << 20,  /* samples; later ones are not recorded */
	READS_PER_TURN = 256, /* then the other descriptors have their turn */
	SECONDS_DEFAULT = 3600,
};

static const char usage[] =
	"usage: linkemu [OPTION]... NETNS:INTERFACE NETNS:INTERFACE\n"
	"A link from the first (up) to the second and back (down).  NETNS is a name of\n"
	"`ip netns`, a path, or the number of an open descriptor.\n"
	"  --up, --down, --both LINK   comma-separated, of\n"
	"      delay=MS jitter=MS rate=BIT/S (20M) queue=OCTETS or queue=MSms of the rate\n"
	"      loss=PERCENT burst=PACKETS (mean run of losses) reorder=PERCENT\n"
	"      reorder-by=MS drop=tail|codel outage=AT+LENGTH (seconds, repeatable)\n"
	"  --seed N      (1) the same seed makes the same decisions\n"
	"  --mtu N       (1500)\n"
	"  --for SECONDS (3600)\n";

static void refuse(const char *what, const char *which)
{
	fprintf(stderr, "linkemu: %s: %s\n%s", what, which, usage);
	exit(2);
}

static void fail(const char *what)
{
	fprintf(stderr, "linkemu: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ------------------------------------------------------------- options */

/* A number, and what stands behind it. */
static double number(const char *text, const char **unit)
{
	char *end;
	double value = strtod(text, &end);
	if (end == text || !(value >= 0 && value < 1e15))
		refuse("not a number", text);
	*unit = end;
	return value;
}

static double plain(const char *text, const char *allowed_unit)
{
	const char *unit;
	double value = number(text, &unit);
	if (*unit && strcmp(unit, allowed_unit) != 0)
		refuse("unknown unit", text);
	return value;
}

static uint64_t milliseconds(const char *text)
{
	return (uint64_t)(plain(text, "ms") * 1000);
}

static double percent(const char *text)
{
	double value = plain(text, "%");
	if (value > 100)
		refuse("more than 100 %", text);
	return value / 100;
}

static uint64_t rate(const char *text)
{
	const char *unit;
	double value = number(text, &unit);
	if (strcmp(unit, "M") == 0)
		value *= 1e6;
	else if (strcmp(unit, "k") == 0)
		value *= 1e3;
	else if (*unit)
		refuse("unknown unit", text);
	return (uint64_t)value;
}

/* The rate may come behind the queue: time is turned into octets last. */
struct direction_options {
	struct link_settings settings;
	double queue_ms;
};

static void set_queue(struct direction_options *to, const char *text)
{
	const char *unit;
	double value = number(text, &unit);
	to->queue_ms = 0;
	to->settings.queue = 0;
	if (strcmp(unit, "ms") == 0)
		to->queue_ms = value;
	else if (*unit)
		refuse("unknown unit", text);
	else
		to->settings.queue = (uint64_t)value;
}

static void add_outage(struct link_settings *to, const char *text)
{
	const char *plus;
	double at = number(text, &plus);
	if (*plus != '+')
		refuse("not AT+LENGTH", text);
	if (to->outage_count == LINK_OUTAGES_MAX)
		refuse("too many outages", text);
	to->outages[to->outage_count++] =
		(struct link_outage){(uint64_t)(at * 1e6), (uint64_t)(plain(plus + 1, "s") * 1e6)};
}

static void set_link(struct direction_options *to, char *options)
{
	enum { DELAY, JITTER, RATE, QUEUE, LOSS, BURST, REORDER, REORDER_BY, DROP, OUTAGE };
	static char *const keys[] = {"delay", "jitter", "rate", "queue", "loss", "burst", "reorder",
		"reorder-by", "drop", "outage", NULL};
	struct link_settings *is = &to->settings;
	while (*options) {
		char *value = NULL, *word = options;
		int key = getsubopt(&options, keys, &value);
		if (key < 0 || !value)
			refuse("not a setting of a link", word);
		if (key == DELAY)
			is->delay = milliseconds(value);
		else if (key == JITTER)
			is->jitter = milliseconds(value);
		else if (key == RATE)
			is->rate = rate(value);
		else if (key == QUEUE)
			set_queue(to, value);
		else if (key == LOSS)
			is->loss = percent(value);
		else if (key == BURST)
			is->burst = plain(value, "");
		else if (key == REORDER)
			is->reorder = percent(value);
		else if (key == REORDER_BY)
			is->reorder_by = milliseconds(value);
		else if (key == DROP && strcmp(value, "codel") == 0)
			is->drop = LINK_CODEL;
		else if (key == DROP && strcmp(value, "tail") == 0)
			is->drop = LINK_TAIL_DROP;
		else if (key == OUTAGE)
			add_outage(is, value);
		else
			refuse("neither tail nor codel", value);
	}
}

static void resolve_queue(struct direction_options *of)
{
	if (of->queue_ms <= 0)
		return;
	if (of->settings.rate == 0)
		refuse("a queue in ms needs a rate", "queue");
	of->settings.queue = (uint64_t)(of->queue_ms * (double)of->settings.rate / 8000);
}

/* --------------------------------------------------------- interfaces */

static int open_namespace(const char *name)
{
	char path[256];
	char *end;
	unsigned long descriptor = strtoul(name, &end, 10);
	if (strchr(name, '/'))
		snprintf(path, sizeof(path), "%s", name);
	else if (*name && !*end)
		snprintf(path, sizeof(path), "/proc/self/fd/%lu", descriptor);
	else
		snprintf(path, sizeof(path), "/run/netns/%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	return fd;
}

/* A TUN in the namespace that this process is in. */
static int open_tun(const char *name, int mtu)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	if (strlen(name) >= sizeof(request.ifr_name))
		refuse("too long a name", name);
	memcpy(request.ifr_name, name, strlen(name));
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fail("/dev/net/tun");
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		fail(name);
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (control < 0)
		fail("socket");
	request.ifr_mtu = mtu;
	if (ioctl(control, SIOCSIFMTU, &request) < 0)
		fail("mtu");
	request.ifr_qlen = TUN_QUEUE;
	if (ioctl(control, SIOCSIFTXQLEN, &request) < 0)
		fail("txqueuelen");
	if (ioctl(control, SIOCGIFFLAGS, &request) < 0)
		fail(name);
	request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
	if (ioctl(control, SIOCSIFFLAGS, &request) < 0)
		fail(name);
	close(control);
	return fd;
}

static int open_end(char *end, int mtu)
{
	char *colon = strrchr(end, ':');
	if (!colon || !colon[1])
		refuse("not NETNS:INTERFACE", end);
	*colon = '\0';
	int namespace = open_namespace(end);
	if (setns(namespace, CLONE_NEWNET) < 0)
		fail(end);
	close(namespace);
	return open_tun(colon + 1, mtu);
}

/* ----------------------------------------------------------- directions */

struct direction {
	const char *name;
	int from, to;
	struct link link;
	uint32_t *late; /* us, how late packets were written */
	size_t late_count;
	uint64_t refused; /* by the kernel, at the far end */
};

static void direction_init(struct direction *d, const char *name, struct direction_options *options,
	uint64_t seed, uint64_t start)
{
	d->name = name;
	resolve_queue(options);
	options->settings.seed = seed;
	link_init(&d->link, &options->settings, start);
	d->late = malloc(LATE_ROOM * sizeof(*d->late));
	if (!d->late)
		fail("memory");
}

static void take_in(struct direction *d)
{
	for (int i = 0; i < READS_PER_TURN; i++) {
		struct link_packet *packet = link_packet_new(&d->link);
		if (!packet)
			fail("memory");
		ssize_t size = read(d->from, packet->octets, sizeof(packet->octets));
		if (size <= 0) {
			link_packet_free(&d->link, packet);
			return;
		}
		packet->size = (uint32_t)size;
		link_send(&d->link, packet, now_us());
	}
}

static void give_out(struct direction *d)
{
	struct link_packet *packet;
	uint64_t now = now_us();
	while ((packet = link_receive(&d->link, now)) != NULL) {
		if (write(d->to, packet->octets, packet->size) < 0)
			d->refused++;
		now = now_us();
		if (d->late_count < LATE_ROOM)
			d->late[d->late_count++] = (uint32_t)(now - packet->due);
		link_packet_free(&d->link, packet);
	}
}

/* ------------------------------------------------------------ the report */

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static double late_ms(const struct direction *d, unsigned permille)
{
	return d->late_count ? d->late[(d->late_count - 1) * permille / 1000] / 1000.0 : 0;
}

static double share(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

static void report(struct direction *d)
{
	const struct link_counts *c = &d->link.counts;
	qsort(d->late, d->late_count, sizeof(*d->late), by_size);
	printf("\"%s\": {\"sent\": %lu, \"octets_sent\": %lu, \"received\": %lu, "
	       "\"octets_received\": %lu, \"on_wire\": %lu, \"lost\": %lu, \"loss_percent\": %.3f, "
	       "\"bursts\": %lu, \"burst_mean\": %.2f, \"queue_drops\": %lu, \"codel_drops\": %lu, "
	       "\"outage_drops\": %lu, \"reordered\": %lu, \"refused\": %lu, ",
		d->name, c->sent, c->octets_sent, c->received, c->octets_received, c->on_wire,
		c->lost, 100 * share((double)c->lost, (double)c->on_wire), c->bursts,
		share((double)c->lost, (double)c->bursts), c->queue_drops, c->codel_drops,
		c->outage_drops, c->reordered, d->refused);
	printf("\"queue_octets_max\": %lu, \"queue_ms\": {\"mean\": %.3f, \"max\": %.3f}, "
	       "\"late_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}, "
	       "\"decisions\": \"%016lx\"}",
		c->queue_octets_max, share((double)c->queue_wait_sum, (double)c->on_wire) / 1000,
		(double)c->queue_wait_max / 1000, late_ms(d, 500), late_ms(d, 990),
		late_ms(d, 1000), c->decisions);
}

/* -------------------------------------------------------------- the loop */

static void watch(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		fail("epoll");
}

static void set_timer(int timer, uint64_t at)
{
	struct itimerspec when = {.it_value = {.tv_sec = (time_t)(at / 1000000),
					  .tv_nsec = (long)(at % 1000000 * 1000)}};
	if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		fail("timer");
}

static uint64_t earliest(const struct direction *up, const struct direction *down, uint64_t end)
{
	uint64_t a = link_next(&up->link), b = link_next(&down->link);
	a = a < b ? a : b;
	return a < end ? a : end;
}

/* Until `end`, or a signal. */
static void run(struct direction *up, struct direction *down, int signals, uint64_t end)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (epoll < 0 || timer < 0)
		fail("epoll or timer");
	watch(epoll, up->from);
	watch(epoll, down->from);
	watch(epoll, timer);
	watch(epoll, signals);
	while (now_us() < end) {
		set_timer(timer, earliest(up, down, end));
		struct epoll_event events[4];
		int count = epoll_wait(epoll, events, 4, -1);
		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == signals)
				return;
			if (events[i].data.fd == up->from)
				take_in(up);
			else if (events[i].data.fd == down->from)
				take_in(down);
		}
		give_out(up);
		give_out(down);
	}
}

static int block_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		fail("signalfd");
	return fd;
}

/* It must not be late because what it measures is busy; without permission it
 * is as late as late_ms says. */
static void be_punctual(void)
{
	struct sched_param one = {.sched_priority = 1};
	prctl(PR_SET_TIMERSLACK, 1);
	(void)sched_setscheduler(0, SCHED_FIFO, &one);
}

struct options {
	struct direction_options up, down;
	uint64_t seed;
	uint64_t duration; /* us */
	int mtu;
};

static void set_both(struct options *to, char *links)
{
	char *copy = strdup(links);
	if (!copy)
		fail("memory");
	set_link(&to->up, copy);
	free(copy);
	set_link(&to->down, links);
}

static void set_option(struct options *to, const char *option, char *value)
{
	if (strcmp(option, "--both") == 0)
		set_both(to, value);
	else if (strcmp(option, "--up") == 0)
		set_link(&to->up, value);
	else if (strcmp(option, "--down") == 0)
		set_link(&to->down, value);
	else if (strcmp(option, "--seed") == 0)
		to->seed = (uint64_t)plain(value, "");
	else if (strcmp(option, "--mtu") == 0)
		to->mtu = (int)plain(value, "");
	else if (strcmp(option, "--for") == 0)
		to->duration = (uint64_t)(plain(value, "s") * 1e6);
	else
		refuse("unknown option", option);
}

int main(int argc, char **argv)
{
	struct options options = {
		.seed = 1, .duration = (uint64_t)SECONDS_DEFAULT * 1000000, .mtu = 1500};
	int at = 1;
	for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2)
		set_option(&options, argv[at], argv[at + 1]);
	if (argc - at != 2)
		refuse("wants two ends", argc > at ? argv[at] : "none");
	if (options.mtu < 1280 || options.mtu > LINK_PACKET_MAX)
		refuse("not in 1280 to 2048", "--mtu");
	int signals = block_signals();
	be_punctual();
	struct direction up = {0}, down = {0};
	up.from = down.to = open_end(argv[at], options.mtu);
	up.to = down.from = open_end(argv[at + 1], options.mtu);
	uint64_t start = now_us();
	direction_init(&up, "up", &options.up, 2 * options.seed, start);
	direction_init(&down, "down", &options.down, 2 * options.seed + 1, start);
	run(&up, &down, signals, start + options.duration);
	printf("{\"seconds\": %.3f, ", (double)(now_us() - start) / 1e6);
	report(&up);
	printf(", ");
	report(&down);
	printf("}\n");
	link_fini(&up.link);
	link_fini(&down.link);
	free(up.late);
	free(down.late);
	return 0;
}
