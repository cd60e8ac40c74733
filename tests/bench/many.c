/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Thousands of clients for one tscfd, and what they cost it.  Speaks the
 * protocol with the project's own core/ and io/tls, without a TUN for each
 * client; tests/bench/many.sh builds the network around it.
 *
 *	many [OPTION]... PHASE...      the phases in turn, one JSON object at the end
 *	many --echo PORT               what stands in the IMS core for the other party
 *
 * Phases: handshakes, idle, calls, storm, resets, recover; see usage(). */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/tse_config.h"
#include "io/clock.h"
#include "io/keeper.h"
#include "many_calls.h"
#include "many_server.h"
#include "many_tunnel.h"

enum {
	FILE_LIMIT = 1024 * 1024,
	PROFILES_MAX = 256,
	ECHO_PORT = 4000,
	RETRY_US = 500000,
	SETTLE_US = 3000000, /* until an idle tunnel has given back what it can */
	QUIET_US = 3000000,  /* of calls before a storm, to compare with */
	RESETS_US = 200000,  /* in which the server hears of all of them */
	FIRST = 50,          /* tunnels before memory is measured */
	STORM_CALLS = 50,
	PHASE_SECONDS = 120, /* longest wait for all of them */
};

struct options {
	const char *profiles[PROFILES_MAX], *address, *host, *echo;
	unsigned profile_count;
	pid_t pid;
	unsigned tunnels, concurrency, calls, seconds;
};

/* The tunnels of this process and where they stand. */
struct load {
	const struct options *options;
	struct many_fleet fleet;
	struct many_tunnel *tunnels;
	uint64_t *retry; /* us, when a lost tunnel is tried again; 0: not lost */
	unsigned next;   /* the next tunnel to start in this round */
	unsigned count;  /* how many take part in it */
	unsigned up, failures, moved, resumed;
	bool comes_back; /* lost tunnels are tried again */
	uint32_t *latency;
	size_t latencies;
	char why[160]; /* of the first failure */
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "many: %s: %s\n", what, why);
	exit(1);
}

/* --- one round: all tunnels up, some at a time ------------------------------ */

static void start_next(struct load *load)
{
	if (load->next < load->count)
		many_tunnel_start(&load->tunnels[load->next++]);
}

static void on_up(struct many_tunnel *tunnel)
{
	struct load *load = tunnel->fleet->owner;
	load->up++;
	load->moved += tunnel->has_moved;
	load->resumed += tunnel->resumed_tls;
	tunnel->has_moved = false;
	load->latency[load->latencies++ % load->options->tunnels] =
		(uint32_t)(tunnel->up_at - tunnel->started);
	start_next(load);
}

static void on_down(struct many_tunnel *tunnel, const char *why)
{
	struct load *load = tunnel->fleet->owner;
	if (tunnel->up_at)
		load->up--;
	tunnel->up_at = 0;
	if (load->failures++ == 0)
		snprintf(load->why, sizeof(load->why), "%s", why);
	if (load->comes_back)
		load->retry[tunnel->number] = clock_now() + RETRY_US + tunnel->number * 100;
	else
		start_next(load);
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	struct load *load = timer->data;
	uint64_t now = clock_now();
	for (unsigned i = 0; load->comes_back && i < load->options->tunnels; i++)
		if (load->retry[i] && load->retry[i] <= now) {
			load->retry[i] = 0;
			many_tunnel_start(&load->tunnels[i]);
		}
}

static void run_for(struct load *load, uint64_t us)
{
	uint64_t end = clock_now() + us;
	while (clock_now() < end)
		ev_run(load->fleet.loop, EVRUN_ONCE);
}

/* Starts those from `first` on, `concurrency` at once; returns the us that it
 * took. */
static uint64_t round_of_all(struct load *load, unsigned first, unsigned concurrency)
{
	uint64_t start = clock_now(), limit = start + PHASE_SECONDS * UINT64_C(1000000);
	load->next = load->up = first;
	load->failures = load->resumed = 0;
	load->latencies = 0;
	for (unsigned i = 0; i < concurrency; i++)
		start_next(load);
	while (load->up + load->failures < load->count && clock_now() < limit)
		ev_run(load->fleet.loop, EVRUN_ONCE);
	return clock_now() - start;
}

static void drop_all(struct load *load, bool silently)
{
	for (unsigned i = 0; i < load->options->tunnels; i++) {
		many_tunnel_drop(&load->tunnels[i], silently);
		load->tunnels[i].up_at = 0;
	}
	load->up = 0;
}

static json_t *round_report(struct load *load, uint64_t us, uint64_t server_ns)
{
	double seconds = (double)us / 1e6, count = load->up;
	return json_pack("{s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:o, s:s}", "tunnels", (int)load->up,
		"failed", (int)load->failures, "resumed", (int)load->resumed, "seconds", seconds,
		"per_second", count / seconds, "server_us_each", (double)server_ns / 1e3 / count,
		"per_second_and_core", count / ((double)server_ns / 1e9), "connect_ms",
		percentiles(load->latency, load->latencies), "first_failure", load->why);
}

/* --- phases ------------------------------------------------------------------ */

static json_t *measure_round(struct load *load, bool resume_tls, unsigned concurrency)
{
	load->fleet.resume_tls = resume_tls;
	uint64_t before = server_cpu(load->options->pid);
	uint64_t took = round_of_all(load, 0, concurrency);
	return round_report(load, took, server_cpu(load->options->pid) - before);
}

/* The first round warms up and brings tokens; then a round of full handshakes,
 * one that brings TLS sessions, and one that resumes them. */
static json_t *phase_handshakes(struct load *load)
{
	unsigned concurrency = load->options->concurrency;
	json_decref(measure_round(load, false, concurrency));
	drop_all(load, false);
	run_for(load, 300000);
	json_t *full = measure_round(load, false, concurrency);
	drop_all(load, false);
	json_decref(measure_round(load, true, concurrency));
	drop_all(load, false);
	run_for(load, 300000);
	json_t *resumed = measure_round(load, true, concurrency);
	drop_all(load, false);
	run_for(load, 300000);
	return json_pack("{s:o, s:o}", "full", full, "resumed", resumed);
}

static json_t *phase_idle(struct load *load)
{
	pid_t pid = load->options->pid;
	/* What only the first connections take is not the others'. */
	unsigned all = load->options->tunnels, first = all / 10;
	load->count = first;
	round_of_all(load, 0, load->options->concurrency);
	run_for(load, SETTLE_US);
	struct server_memory before = server_memory(pid);
	load->count = all;
	round_of_all(load, first, load->options->concurrency);
	run_for(load, SETTLE_US);
	struct server_memory after = server_memory(pid);
	uint64_t cpu = server_cpu(pid);
	run_for(load, SETTLE_US);
	cpu = server_cpu(pid) - cpu;
	double count = load->up > first ? load->up - first : 1;
	json_t *report = json_pack("{s:i, s:i, s:f, s:f, s:f, s:f}", "tunnels", (int)load->up,
		"failed", (int)load->failures, "pss_kib_each",
		((double)after.pss - (double)before.pss) / 1024 / count, "rss_kib_each",
		((double)after.rss - (double)before.rss) / 1024 / count, "pss_mib",
		(double)after.pss / 1048576, "cpu_percent_of_a_core",
		(double)cpu / 1e3 / SETTLE_US * 100);
	drop_all(load, false);
	run_for(load, 500000);
	return report;
}

static struct calls *start_calls(struct load *load, unsigned count)
{
	struct calls *calls = calls_start(&load->fleet, count, load->options->echo, ECHO_PORT);
	if (!calls)
		die("calls", "they do not all get through");
	return calls;
}

static json_t *phase_calls(struct load *load)
{
	const struct options *options = load->options;
	struct calls *calls = start_calls(load, options->calls);
	usleep(1000000);
	uint64_t from = clock_now(), before = server_cpu(options->pid);
	sleep(options->seconds);
	uint64_t to = clock_now(), cpu = server_cpu(options->pid) - before;
	usleep(500000);
	json_t *report = json_pack("{s:i, s:f, s:o}", "calls", (int)options->calls,
		"server_cores_per_1000_calls",
		(double)cpu / 1e3 / (double)(to - from) * 1000. / options->calls, "media",
		calls_report(calls, from, to));
	calls_stop(calls);
	return report;
}

/* All clients lose their network without a word and are back at once. */
static json_t *storm(struct load *load, unsigned count, bool resume_tls)
{
	load->fleet.resume_tls = resume_tls;
	round_of_all(load, 0, load->options->concurrency);
	struct calls *calls = start_calls(load, count);
	usleep(500000);
	uint64_t quiet = clock_now();
	run_for(load, QUIET_US);
	drop_all(load, true);
	uint64_t start = clock_now(), cpu = server_cpu(load->options->pid);
	uint64_t took = round_of_all(load, 0, load->options->tunnels);
	json_t *report = round_report(load, took, server_cpu(load->options->pid) - cpu);
	usleep(300000);
	json_object_set_new(report, "media_before", calls_report(calls, quiet, start));
	json_object_set_new(report, "media_during", calls_report(calls, start, start + took));
	json_object_set_new(report, "moved", json_integer(load->moved));
	calls_stop(calls);
	drop_all(load, false);
	run_for(load, 500000);
	return report;
}

static json_t *phase_storm(struct load *load)
{
	unsigned calls = load->options->calls < STORM_CALLS ? load->options->calls : STORM_CALLS;
	json_t *full = storm(load, calls, false), *resumed = storm(load, calls, true);
	return json_pack("{s:i, s:o, s:o}", "calls", (int)calls, "full", full, "resumed", resumed);
}

/* All clients but the calls end at once. */
static json_t *phase_resets(struct load *load)
{
	unsigned count = load->options->calls < STORM_CALLS ? load->options->calls : STORM_CALLS;
	round_of_all(load, 0, load->options->concurrency);
	struct calls *calls = start_calls(load, count);
	usleep(500000);
	uint64_t quiet = clock_now();
	run_for(load, QUIET_US);
	uint64_t start = clock_now();
	drop_all(load, false);
	run_for(load, RESETS_US);
	json_t *report = json_pack("{s:i, s:i, s:o, s:o}", "tunnels", (int)load->options->tunnels,
		"calls", (int)count, "media_before", calls_report(calls, quiet, start),
		"media_during", calls_report(calls, start, start + RESETS_US));
	calls_stop(calls);
	return report;
}

/* Waits until somebody has restarted tscfd (all are lost) and all are back. */
static json_t *phase_recover(struct load *load)
{
	const struct options *options = load->options;
	uint64_t limit = PHASE_SECONDS * UINT64_C(1000000), first_loss = 0;
	round_of_all(load, 0, options->concurrency);
	struct calls *calls = start_calls(load, options->calls);
	load->comes_back = true;
	load->moved = load->failures = 0;
	uint64_t start = clock_now(), now = start;
	fputs("ready\n", stderr);
	while ((now = clock_now()) < start + limit) {
		ev_run(load->fleet.loop, EVRUN_ONCE);
		if (load->up < options->tunnels && !first_loss)
			first_loss = clock_now();
		if (first_loss && load->up == options->tunnels && calls_up(calls) == options->calls)
			break;
	}
	run_for(load, 1000000);
	json_t *report = json_pack("{s:i, s:i, s:i, s:i, s:i, s:f, s:o}", "tunnels", (int)load->up,
		"calls", (int)calls_up(calls), "attempts_failed", (int)load->failures, "moved",
		(int)load->moved, "calls_moved", (int)calls_moved(calls), "back_after_seconds",
		first_loss ? (double)(now - first_loss) / 1e6 : 0., "media",
		calls_report(calls, start, now));
	load->comes_back = false;
	calls_stop(calls);
	drop_all(load, false);
	return report;
}

static const struct {
	const char *name;
	json_t *(*run)(struct load *load);
} phases[] = {
	{"handshakes", phase_handshakes},
	{"idle", phase_idle},
	{"calls", phase_calls},
	{"storm", phase_storm},
	{"resets", phase_resets},
	{"recover", phase_recover},
};

/* --- start ------------------------------------------------------------------- */

static void read_secret(
	const struct config_secret *secret, struct view *view, uint8_t **owned, struct reason *why)
{
	*view = (struct view){secret->der, secret->length};
	if (!secret->path)
		return;
	if (file_read(secret->path, owned, &view->length, FILE_LIMIT, why) != 0)
		die("profile", why->text);
	view->octets = *owned;
}

static struct tls_context *load_profile(const char *path)
{
	struct tse_config config;
	struct reason why;
	uint8_t *text, *owned[3] = {0};
	size_t length;
	struct tls_settings settings = {0};
	struct tls_context *context;
	tse_config_init(&config);
	if (file_read(path, &text, &length, FILE_LIMIT, &why) != 0 ||
		config_read_octets(
			&config, tse_config_keys, (const char *)text, length, path, &why) != 0)
		die("profile", why.text);
	read_secret(&config.ca, &settings.ca, &owned[0], &why);
	read_secret(&config.cert, &settings.certificate, &owned[1], &why);
	read_secret(&config.key, &settings.key, &owned[2], &why);
	if (tls_context_new(&context, &settings, &why) != 0)
		die("profile", why.text);
	tse_config_fini(&config);
	return context;
}

static void parse_server(struct many_fleet *fleet, const char *text)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&fleet->server;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&fleet->server;
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(443);
		fleet->server_size = sizeof(*in);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(443);
		fleet->server_size = sizeof(*in6);
	} else {
		die("--server", "wants a numeric address");
	}
}

static void usage(FILE *out)
{
	fputs("Usage: many --profile FILE... --server ADDRESS --host NAME --pid PID [OPTION]... "
	      "PHASE...\n"
	      "       many --echo PORT\n"
	      "\n"
	      "      --profile FILE    a client's; given often, the clients use them in turn\n"
	      "      --tunnels N       how many clients (1000)\n"
	      "      --concurrency N   how many connect at a time (32)\n"
	      "      --calls N         how many calls (50)\n"
	      "      --seconds N       how long the calls are measured (10)\n"
	      "      --core ADDRESS    where `many --echo 4000` runs\n"
	      "\n"
	      "handshakes   per second, full and resumed, and what each costs the server\n"
	      "idle         memory of each tunnel that is up and silent\n"
	      "calls        processor time for calls, their delay and loss\n"
	      "storm        the delay of at most 50 calls while all clients come back at once\n"
	      "resets       the same while all clients end\n"
	      "recover      says \"ready\" on stderr, waits until tscfd was restarted and all are "
	      "back\n",
		out);
}

static void read_options(struct options *options, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"profile", required_argument, NULL, 'p'},
		{"server", required_argument, NULL, 's'},
		{"host", required_argument, NULL, 'h'},
		{"pid", required_argument, NULL, 'P'},
		{"tunnels", required_argument, NULL, 'n'},
		{"concurrency", required_argument, NULL, 'c'},
		{"calls", required_argument, NULL, 'C'},
		{"seconds", required_argument, NULL, 'S'},
		{"core", required_argument, NULL, 'e'},
		{"echo", required_argument, NULL, 'E'},
		{"help", no_argument, NULL, 'H'},
		{NULL, 0, NULL, 0},
	};
	int option;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		unsigned number = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;
		if (option == 'p' && options->profile_count < PROFILES_MAX)
			options->profiles[options->profile_count++] = optarg;
		else if (option == 's')
			options->address = optarg;
		else if (option == 'h')
			options->host = optarg;
		else if (option == 'P')
			options->pid = (pid_t)number;
		else if (option == 'n')
			options->tunnels = number;
		else if (option == 'c')
			options->concurrency = number;
		else if (option == 'C')
			options->calls = number;
		else if (option == 'S')
			options->seconds = number;
		else if (option == 'e')
			options->echo = optarg;
		else if (option == 'E')
			die("echo", strerror(calls_echo((uint16_t)number)));
		else if (option == 'H')
			usage(stdout), exit(0);
		else
			usage(stderr), exit(2);
	}
	if (!options->profile_count || !options->address || !options->host || !options->pid ||
		!options->tunnels || optind == argc)
		usage(stderr), exit(2);
}

static void init_load(struct load *load, const struct options *options)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (files.rlim_cur < options->tunnels + options->calls + 64)
		die("--tunnels", "more than the limit of open files; see ulimit -Hn");
	load->options = options;
	load->count = options->tunnels;
	load->fleet = (struct many_fleet){
		.loop = ev_default_loop(EVFLAG_AUTO),
		.host = options->host,
		.up = on_up,
		.down = on_down,
		.owner = load,
	};
	parse_server(&load->fleet, options->address);
	struct reason why;
	if (tls_library_init(&why) != 0)
		die("TLS", why.text);
	load->fleet.contexts = calloc(options->profile_count, sizeof(struct tls_context *));
	for (unsigned i = 0; load->fleet.contexts && i < options->profile_count; i++)
		load->fleet.contexts[load->fleet.context_count++] =
			load_profile(options->profiles[i]);
	load->tunnels = calloc(options->tunnels, sizeof(*load->tunnels));
	load->retry = calloc(options->tunnels, sizeof(*load->retry));
	load->latency = calloc(options->tunnels, sizeof(*load->latency));
	if (!load->fleet.contexts || !load->tunnels || !load->retry || !load->latency)
		die("tunnels", "out of memory");
	for (unsigned i = 0; i < options->tunnels; i++)
		many_tunnel_init(&load->tunnels[i], &load->fleet, i);
}

static json_t *run_phase(struct load *load, const char *name)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		if (strcmp(phases[i].name, name) == 0)
			return phases[i].run(load);
	die(name, "no such phase");
	return NULL;
}

int main(int argc, char **argv)
{
	struct options options = {.tunnels = 1000, .concurrency = 32, .calls = 50, .seconds = 10};
	static struct load load;
	struct ev_timer tick;
	read_options(&options, argc, argv);
	init_load(&load, &options);
	ev_timer_init(&tick, on_tick, 0.02, 0.02);
	tick.data = &load;
	ev_timer_start(load.fleet.loop, &tick);
	json_t *report = json_object();
	for (int i = optind; i < argc; i++)
		json_object_set_new(report, argv[i], run_phase(&load, argv[i]));
	json_dumpf(report, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(report);
	for (unsigned i = 0; i < options.tunnels; i++)
		many_tunnel_fini(&load.tunnels[i]);
	for (unsigned i = 0; i < load.fleet.context_count; i++)
		tls_context_unref(load.fleet.contexts[i]);
	free(load.fleet.contexts);
	tls_library_fini();
	return 0;
}
