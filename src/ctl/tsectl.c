/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tsectl: what the tunnel of a profile does right now. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/words.h"
#include "io/control_socket.h"

enum { PATH_ROOM = 4096, NAME_ROOM = 256 };

struct options {
	const char *run_dir, *profile, *config;
	const char *argument; /* of the command, where it takes one */
	bool json, redact;
};

static void print_help(void)
{
	puts("usage: tsectl [options] command [argument]\n"
	     "\n"
	     "  status          the tunnel's state, addresses, routes and counters\n"
	     "  monitor         one line for every change, until interrupted\n"
	     "  kick            try to connect now, or check whether the TSCF is there\n"
	     "  report ok|failed\n"
	     "                  an IMS app says how its registration without the tunnel went\n"
	     "  probe           look at the network, change nothing, tell the verdict\n"
	     "  down            release the tunnel and stop; tse-down does this and waits\n"
	     "\n"
	     "  -p, --profile NAME   of which profile (default: the only one that runs)\n"
	     "  -j, --json           print the daemon's JSON instead of words\n"
	     "  -c, --config FILE    with probe: the profile, if not /etc/tse/PROFILE.conf\n"
	     "      --redact         with probe: without names and addresses\n"
	     "      --run-dir DIR    where the daemons' sockets are (default: /run/tse)\n"
	     "  -h, --help\n"
	     "  -V, --version\n"
	     "\n"
	     "exit status: 0 tunnel up, 1 error, 2 wrong usage, 3 tunnel not up, 4 no daemon");
}

/* --- which profile ------------------------------------------------------- */

/* True when a daemon listens there, also when it may not be asked. */
static bool is_alive(const char *path)
{
	int fd = control_connect(path, NULL);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || fd == -EACCES || fd == -EAGAIN;
}

static bool socket_path(char out[PATH_ROOM], const char *run_dir, const char *profile)
{
	int length = snprintf(out, PATH_ROOM, "%s/%s/control.sock", run_dir, profile);
	return length > 0 && length < PATH_ROOM;
}

/* The only profile that runs, in `profile`. */
static enum ctl_status find_profile(const char *run_dir, char profile[NAME_ROOM])
{
	char path[PATH_ROOM], names[1024] = "";
	unsigned count = 0;
	DIR *directory = opendir(run_dir);
	if (!directory && errno != ENOENT) {
		ctl_complain("cannot read %s: %s", run_dir, strerror(errno));
		return CTL_ERROR;
	}
	for (const struct dirent *entry; directory && (entry = readdir(directory));) {
		if (entry->d_name[0] == '.' || !socket_path(path, run_dir, entry->d_name) ||
			!is_alive(path))
			continue;
		size_t used = strlen(names);
		snprintf(names + used, sizeof(names) - used, "%s%s", count ? ", " : "",
			entry->d_name);
		snprintf(profile, NAME_ROOM, "%s", entry->d_name);
		count++;
	}
	if (directory)
		closedir(directory);
	if (count == 1)
		return CTL_OK;
	if (count == 0) {
		ctl_complain("no profile runs; start one with tse-up");
		return CTL_NO_DAEMON;
	}
	ctl_complain("several profiles run (%s): name one with -p", names);
	return CTL_USAGE;
}

/* The control socket that the options mean. */
static enum ctl_status find_socket(const struct options *options, char path[PATH_ROOM])
{
	char only[NAME_ROOM];
	const char *profile = options->profile;
	if (profile && (!*profile || *profile == '.' || strchr(profile, '/'))) {
		ctl_complain("\"%s\" is not the name of a profile", profile);
		return CTL_USAGE;
	}
	if (!profile) {
		enum ctl_status status = find_profile(options->run_dir, only);
		if (status != CTL_OK)
			return status;
		profile = only;
	}
	if (socket_path(path, options->run_dir, profile))
		return CTL_OK;
	ctl_complain("the path of the control socket is too long");
	return CTL_USAGE;
}

/* --- status -------------------------------------------------------------- */

static enum ctl_status status_of(const json_t *answer)
{
	return strcmp(member_text(answer, "state"), "up") == 0 ? CTL_OK : CTL_NOT_UP;
}

static const char *comma(const char *text)
{
	return *text ? ", " : "";
}

static void print_list(const char *label, const json_t *object, const char *key)
{
	char *list = member_list(object, key);
	words_row(label, "%s", list);
	free(list);
}

static void print_head(const json_t *answer)
{
	char text[WORDS_MAX];
	const char *since = member_text(answer, "since");
	uint64_t up = member_count(answer, "uptime_s");
	const json_t *retry = json_object_get(answer, "retry_in_s");
	words_put(stdout, member_text(answer, "profile"));
	printf(": ");
	words_put(stdout, member_text(answer, "state"));
	if (*since) {
		printf(" since ");
		words_put(stdout, since);
	}
	if (up)
		printf(" (%s)", words_duration((double)up, text));
	putchar('\n');
	words_row("reason", "%s", member_text(answer, "reason"));
	if (json_is_number(retry))
		words_row("next attempt", "in %s", words_duration(json_number_value(retry), text));
}

static void print_peer(const json_t *answer)
{
	const json_t *tscf = json_object_get(answer, "tscf");
	const json_t *tls = json_object_get(answer, "tls");
	const char *address = member_text(tscf, "address");
	const char *name = member_text(tscf, "name");
	if (*member_text(tscf, "host"))
		words_row("TSCF", "%s port %u%s%s%s%s%s", member_text(tscf, "host"),
			(unsigned)member_count(tscf, "port"), *address ? " (" : "", address,
			*address ? ")" : "", comma(name), name);
	if (*member_text(tls, "version"))
		words_row("TLS", "%s, %s, %s, AES-GCM by %s", member_text(tls, "version"),
			member_text(tls, "cipher"),
			json_is_true(json_object_get(tls, "resumed")) ? "resumed"
								      : "full handshake",
			member_text(tls, "aead"));
}

static void print_network(const json_t *answer)
{
	const char *inner4 = member_text(answer, "inner4"), *inner6 = member_text(answer, "inner6");
	const char *transport = member_text(answer, "transport");
	words_row("network", "firewall %s, verdict %s%s%s", member_text(answer, "firewall"),
		member_text(answer, "verdict"), *transport ? ", transport " : "", transport);
	print_peer(answer);
	if (*member_text(answer, "interface"))
		words_row("interface", "%s%s%s%s%s, MTU %u", member_text(answer, "interface"),
			comma(inner4), inner4, comma(inner6), inner6,
			(unsigned)member_count(answer, "mtu"));
	print_list("routes", answer, "routes");
	print_list("P-CSCF", answer, "pcscf");
	print_list("DNS servers", answer, "dns");
	print_list("DNS domains", answer, "domains");
	words_row("IMS security", "%s", member_text(answer, "ims_security"));
}

static void print_counters(const json_t *answer)
{
	char text[WORDS_MAX];
	const json_t *counters = json_object_get(answer, "counters");
	const json_t *queue = json_object_get(answer, "queue");
	double rtt = json_number_value(json_object_get(answer, "rtt_ms"));
	if (rtt > 0)
		words_row("round trip", "%s", words_milliseconds(rtt, text));
	words_lanes(json_object_get(answer, "lanes"));
	words_traffic("sent", counters, "packets_up", "octets_up");
	words_traffic("received", counters, "packets_down", "octets_down");
	if (member_count(queue, "packets"))
		words_traffic("queued", queue, "packets", "octets");
	words_realtime(json_object_get(answer, "realtime"));
	words_drops(counters);
	if (member_count(answer, "reconnects"))
		words_row(
			"reconnects", "%s", words_count(member_count(answer, "reconnects"), text));
	words_row("daemon", "tse %s, process %u", member_text(answer, "version"),
		(unsigned)member_count(answer, "pid"));
}

static enum ctl_status run_status(const struct options *options, const char *path)
{
	enum ctl_status status;
	json_t *answer = ctl_ask_at(path, json_pack("{s:s}", "cmd", "status"), &status);
	if (!answer)
		return status;
	if (options->json) {
		ctl_print_json(answer);
	} else {
		print_head(answer);
		print_network(answer);
		print_counters(answer);
	}
	status = status_of(answer);
	json_decref(answer);
	return status;
}

/* --- monitor, kick, down ---------------------------------------------------- */

/* "2026-07-01 12:00:00 up: tse0 10.64.0.2 via tscf.example (192.0.2.1)" */
static void print_change(const json_t *event)
{
	char text[WORDS_MAX];
	time_t now = time(NULL);
	struct tm broken;
	localtime_r(&now, &broken);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &broken);
	printf("%s  ", text);
	words_put(stdout, member_text(event, "state"));

	const json_t *tscf = json_object_get(event, "tscf");
	const char *inner = member_text(event, "inner4"), *address = member_text(tscf, "address");
	char *line = NULL;
	int length;
	if (status_of(event) == CTL_OK)
		length = asprintf(&line, ": %s %s via %s%s%s%s", member_text(event, "interface"),
			*inner ? inner : member_text(event, "inner6"), member_text(tscf, "host"),
			*address ? " (" : "", address, *address ? ")" : "");
	else
		length = asprintf(&line, "%s%s", *member_text(event, "reason") ? ": " : "",
			member_text(event, "reason"));
	if (length < 0)
		abort();
	words_put(stdout, line);
	free(line);
	const json_t *retry = json_object_get(event, "retry_in_s");
	if (json_is_number(retry))
		printf("; next attempt in %s", words_duration(json_number_value(retry), text));
	putchar('\n');
	fflush(stdout);
}

/* Until the daemon ends, or the output does. */
static enum ctl_status run_monitor(const struct options *options, const char *path)
{
	struct reason why;
	enum ctl_status status;
	int fd = ctl_connect(path, &status);
	if (fd < 0)
		return status;
	json_t *event = ctl_ask(fd, json_pack("{s:s}", "cmd", "monitor"), &status);
	while (event) {
		/* A bare acknowledgement carries no state. */
		if (json_object_get(event, "state")) {
			if (options->json)
				ctl_print_json(event);
			else
				print_change(event);
		}
		json_decref(event);
		if (ferror(stdout))
			break;
		event = control_receive(fd, -1, &why);
		if (!event) {
			ctl_complain("%s", why.text);
			status = CTL_NO_DAEMON;
		}
	}
	close(fd);
	return status;
}

/* Takes a request whose answer is only whether it was accepted. */
static enum ctl_status run_plain(const struct options *options, const char *path, json_t *request)
{
	enum ctl_status status;
	json_t *answer = ctl_ask_at(path, request, &status);
	if (answer && options->json)
		ctl_print_json(answer);
	json_decref(answer);
	return status;
}

static enum ctl_status run_kick(const struct options *options, const char *path)
{
	return run_plain(options, path, json_pack("{s:s}", "cmd", "kick"));
}

static enum ctl_status run_down(const struct options *options, const char *path)
{
	return run_plain(options, path, json_pack("{s:s}", "cmd", "release"));
}

static enum ctl_status run_report(const struct options *options, const char *path)
{
	return run_plain(options, path,
		json_pack("{s:s, s:s}", "cmd", "report", "registration", options->argument));
}

/* tse does it, in a process of its own: a daemon need not run, and one that
 * does is not disturbed.  Does not return if tse is there. */
static enum ctl_status run_probe(const struct options *options)
{
	char config[PATH_ROOM];
	const char *arguments[8] = {"tse", "--probe", "--config", config};
	int count = 4;

	if (options->config)
		snprintf(config, sizeof(config), "%s", options->config);
	else
		snprintf(config, sizeof(config), "/etc/tse/%s.conf",
			options->profile ? options->profile : "default");
	if (options->json)
		arguments[count++] = "--json";
	if (options->redact)
		arguments[count++] = "--redact";
	execvp(arguments[0], (char *const *)arguments);
	execv("/usr/local/sbin/tse", (char *const *)arguments);
	execv("/usr/sbin/tse", (char *const *)arguments);
	ctl_complain("cannot start tse: %s", strerror(errno));
	return CTL_ERROR;
}

/* --- command line -------------------------------------------------------- */

static const char *const commands[] = {
	"status", "monitor", "kick", "down", "report", "probe", NULL};
enum { COMMAND_REPORT = 4, COMMAND_PROBE };
static enum ctl_status (*const runs[])(const struct options *, const char *) = {
	run_status, run_monitor, run_kick, run_down, run_report};

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct options *options)
{
	enum { OPTION_RUN_DIR = 256, OPTION_REDACT };
	static const struct option known[] = {
		{"run-dir", required_argument, NULL, OPTION_RUN_DIR},
		{"config", required_argument, NULL, 'c'},
		{"redact", no_argument, NULL, OPTION_REDACT},
		{"profile", required_argument, NULL, 'p'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	for (int option; (option = getopt_long(argc, argv, "c:p:jhV", known, NULL)) != -1;) {
		switch (option) {
		case OPTION_RUN_DIR:
			options->run_dir = optarg;
			break;
		case OPTION_REDACT:
			options->redact = true;
			break;
		case 'c':
			options->config = optarg;
			break;
		case 'p':
			options->profile = optarg;
			break;
		case 'j':
			options->json = true;
			break;
		case 'h':
			print_help();
			return CTL_OK;
		case 'V':
			ctl_print_version();
			return CTL_OK;
		default: /* getopt has complained */
			return CTL_USAGE;
		}
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct options options = {.run_dir = "/run/tse"};
	char path[PATH_ROOM];
	int early = read_options(argc, argv, &options);
	if (early >= 0)
		return ctl_finish((enum ctl_status)early);
	if (optind == argc) {
		ctl_complain("which command? status, monitor, kick, report, probe or down; "
			     "see --help");
		return CTL_USAGE;
	}
	int command = ctl_find_command(commands, argv[optind]);
	if (command < 0) /* it has said so */
		return CTL_USAGE;
	int wanted = command == COMMAND_REPORT ? 1 : 0;
	if (argc - optind - 1 != wanted) {
		ctl_complain("%s takes %s", commands[command],
			wanted ? "one argument: ok, or failed" : "no argument");
		return CTL_USAGE;
	}
	options.argument = argv[optind + 1];
	if (command == COMMAND_PROBE)
		return run_probe(&options);
	enum ctl_status status = find_socket(&options, path);
	if (status == CTL_OK)
		status = runs[command](&options, path);
	return ctl_finish(status);
}
