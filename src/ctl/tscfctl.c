/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tscfctl: what tscfd does, for whom, and a few things to make it do. */
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/client.h"
#include "ctl/words.h"

struct options {
	const char *socket;
	bool json, identity, calls;
	const char *to;         /* NULL: not said */
	const char *time_limit; /* likewise */
};

static void print_help(void)
{
	puts("usage: tscfctl [options] command\n"
	     "\n"
	     "  status                   listeners, tunnels, addresses, handshakes, counters\n"
	     "  sessions                 one line per tunnel\n"
	     "  disconnect ID|IDENTITY   close one tunnel, or all of an identity\n"
	     "  drain                    ask all clients to go elsewhere, then end\n"
	     "  reload                   read the configuration and certificates again\n"
	     "  metrics                  everything as OpenMetrics text\n"
	     "\n"
	     "  -s, --socket PATH   of the daemon (default: /run/tscf/control.sock)\n"
	     "  -j, --json          print the daemon's JSON instead of words\n"
	     "  -i, --identity      disconnect: the argument is an identity, whatever it looks "
	     "like\n"
	     "  -t, --to HOST:PORT  drain: the TSCF that the clients are sent to\n"
	     "  -c, --calls         drain: do not wait for calls to end\n"
	     "  -l, --time-limit SECONDS\n"
	     "                      drain: what is left then is closed (default: 300)\n"
	     "  -h, --help\n"
	     "  -V, --version\n"
	     "\n"
	     "exit status: 0 done, 1 error, 2 wrong usage, 4 no daemon");
}

/* --- status -------------------------------------------------------------- */

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

/* "expired 2, untrusted 1": the members that are not zero; owned. */
static char *nonzero_list(const json_t *object)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	if (!out)
		abort();
	for (void *at = json_object_iter((json_t *)object); at;
		at = json_object_iter_next((json_t *)object, at)) {
		json_int_t count = json_integer_value(json_object_iter_value(at));
		if (count)
			fprintf(out, "%s%s %" JSON_INTEGER_FORMAT, ftell(out) > 0 ? ", " : "",
				json_object_iter_key(at), count);
	}
	fclose(out);
	return text;
}

static void print_handshakes(const json_t *answer)
{
	char good[WORDS_MAX], bad[WORDS_MAX];
	const json_t *handshakes = json_object_get(answer, "handshakes");
	const json_t *failed = json_object_get(handshakes, "failed");
	char *kinds = nonzero_list(failed);
	words_row("handshakes", "%s good, %s failed%s%s%s",
		words_count(member_count(handshakes, "ok"), good),
		words_count(member_sum(failed), bad), *kinds ? " (" : "", kinds, *kinds ? ")" : "");
	free(kinds);
	kinds = nonzero_list(json_object_get(answer, "refused"));
	words_row("refused", "%s", kinds);
	free(kinds);
	if (member_count(answer, "turned_away"))
		words_row("turned away", "%s connections at a limit",
			words_count(member_count(answer, "turned_away"), good));
	if (member_count(answer, "protocol_errors"))
		words_row("errors", "%s sessions closed for breaking the protocol",
			words_count(member_count(answer, "protocol_errors"), good));
}

static void print_pool(const json_t *answer)
{
	char live[WORDS_MAX], waiting[WORDS_MAX], resting[WORDS_MAX], never[WORDS_MAX],
		capacity[WORDS_MAX];
	const json_t *pool = json_object_get(answer, "pool");
	words_row("addresses",
		"%s in use, %s waiting for their UE, %s resting, %s never used, of %s",
		words_count(member_count(pool, "live"), live),
		words_count(member_count(pool, "waiting"), waiting),
		words_count(member_count(pool, "resting"), resting),
		words_count(member_count(pool, "never"), never),
		words_count(member_count(pool, "capacity"), capacity));
}

/* The daemon gives the start of the epoch when it does not know. */
static void print_expiry(const json_t *answer)
{
	char text[WORDS_MAX];
	struct tm broken = {0};
	const char *expires = member_text(answer, "certificate_expires");
	const char *end = strptime(expires, "%Y-%m-%dT%H:%M:%SZ", &broken);
	time_t when = end && !*end ? timegm(&broken) : 0;
	time_t now = time(NULL);
	if (when <= 0)
		return;
	if (when <= now)
		words_row("certificate", "EXPIRED on %s, %s ago", expires,
			words_duration((double)(now - when), text));
	else
		words_row("certificate", "expires on %s, in %s", expires,
			words_duration((double)(when - now), text));
}

/* How evenly they work; of one there is nothing to compare. */
static void print_workers(const json_t *workers)
{
	const json_t *worker;
	size_t index;
	if (json_array_size(workers) < 2)
		return;
	json_array_foreach(workers, index, worker)
	{
		const json_t *counters = json_object_get(worker, "counters");
		char name[32], tunnels[WORDS_MAX], up[WORDS_MAX], down[WORDS_MAX];
		snprintf(name, sizeof(name), "worker %zu", index);
		words_row(name, "%s tunnels, %s packets from UEs, %s to UEs",
			words_count(member_count(worker, "tunnels"), tunnels),
			words_count(member_count(counters, "packets_up"), up),
			words_count(member_count(counters, "packets_down"), down));
	}
}

static void print_status(const json_t *answer)
{
	char text[WORDS_MAX];
	const json_t *counters = json_object_get(answer, "counters");
	const json_t *warning;
	size_t index;
	uint64_t workers = member_count(answer, "workers");
	printf("tscfd ");
	words_put(stdout, member_text(answer, "version"));
	printf(", running for %s\n",
		words_duration((double)member_count(answer, "uptime_s"), text));
	char *listen = member_list(answer, "listen");
	words_row("listens on", "%s", listen);
	free(listen);
	words_row("interface", "%s, %s worker%s, AES-GCM by %s", member_text(answer, "interface"),
		words_count(workers, text), plural(workers), member_text(answer, "aead"));
	print_expiry(answer);
	words_row("tunnels", "%s", words_count(member_count(answer, "tunnels"), text));
	print_pool(answer);
	print_handshakes(answer);
	words_traffic("from UEs", counters, "packets_up", "octets_up");
	words_traffic("to UEs", counters, "packets_down", "octets_down");
	words_drops(counters);
	print_workers(json_object_get(answer, "per_worker"));
	json_array_foreach(json_object_get(answer, "warnings"), index, warning)
		words_row("warning", "%s", json_string_value(warning));
}

/* --- sessions ------------------------------------------------------------ */

enum column {
	ID,
	IDENTITY,
	OUTER,
	LANES,
	INNER,
	TIME,
	UP,
	DOWN,
	QUEUE,
	RTT,
	DROPS,
	SOFTWARE,
	COLUMNS
};

static const char *const headings[COLUMNS] = {"ID", "IDENTITY", "FROM", "LANES", "INNER ADDRESSES",
	"FOR", "UP", "DOWN", "QUEUE", "RTT", "DROPS", "SOFTWARE"};

/* Text as words_put would write it; owned. */
static char *clean(const char *text)
{
	char *cleaned = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&cleaned, &length);
	if (!out)
		abort();
	words_put(out, *text ? text : "-");
	fclose(out);
	return cleaned;
}

static char *inner_addresses(const json_t *session)
{
	const char *inner4 = member_text(session, "inner4"),
		   *inner6 = member_text(session, "inner6");
	char *both = NULL;
	if (asprintf(&both, "%s%s%s", inner4, *inner4 && *inner6 ? " " : "", inner6) < 0)
		abort();
	char *cleaned = clean(both);
	free(both);
	return cleaned;
}

static char *cell(const json_t *session, enum column column)
{
	char text[WORDS_MAX];
	double rtt = json_number_value(json_object_get(session, "rtt_ms"));
	switch (column) {
	case ID:
		return clean(member_text(session, "id"));
	case IDENTITY:
		return clean(member_text(session, "identity"));
	case OUTER:
		return clean(member_text(session, "outer"));
	case LANES:
		return clean(words_count(json_array_size(json_object_get(session, "lanes")), text));
	case INNER:
		return inner_addresses(session);
	case TIME:
		return clean(words_duration((double)member_count(session, "seconds"), text));
	case UP:
		return clean(words_octets(member_count(session, "octets_up"), text));
	case DOWN:
		return clean(words_octets(member_count(session, "octets_down"), text));
	case QUEUE:
		return clean(words_octets(member_count(session, "queue_octets"), text));
	case RTT:
		return clean(rtt > 0 ? words_milliseconds(rtt, text) : "");
	case DROPS:
		return clean(words_count(member_sum(json_object_get(session, "drops")), text));
	case SOFTWARE:
		return clean(member_text(session, "software"));
	case COLUMNS:
		break;
	}
	return clean("");
}

/* Characters, not octets. */
static size_t width_of(const char *text)
{
	size_t width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void put_cell(const char *text, size_t width, bool last)
{
	printf("%s%*s", text, last ? 0 : (int)(width - width_of(text)) + 2, "");
}

/* What stands under a tunnel's line: its lanes, when there are several, and its
 * call, while it has one. */
static void print_details(const json_t *session)
{
	const json_t *lanes = json_object_get(session, "lanes");
	const json_t *realtime = json_object_get(session, "realtime");
	if (json_array_size(lanes) > 1)
		words_lanes(lanes);
	if (json_is_true(json_object_get(realtime, "call")))
		words_realtime(realtime);
}

static void print_sessions(const json_t *answer)
{
	const json_t *sessions = json_object_get(answer, "sessions");
	size_t count = json_array_size(sessions);
	size_t widths[COLUMNS];
	char **cells = calloc((count + 1) * COLUMNS, sizeof(*cells));
	if (!cells)
		abort();
	for (enum column column = 0; column < COLUMNS; column++) {
		widths[column] = strlen(headings[column]);
		for (size_t row = 0; row < count; row++) {
			char *text = cell(json_array_get(sessions, row), column);
			cells[row * COLUMNS + column] = text;
			if (width_of(text) > widths[column])
				widths[column] = width_of(text);
		}
	}
	for (enum column column = 0; column < COLUMNS; column++)
		put_cell(headings[column], widths[column], column + 1 == COLUMNS);
	putchar('\n');
	for (size_t i = 0; i < count * COLUMNS; i++) {
		bool last = i % COLUMNS + 1 == COLUMNS;
		put_cell(cells[i], widths[i % COLUMNS], last);
		free(cells[i]);
		if (!last)
			continue;
		putchar('\n');
		print_details(json_array_get(sessions, i / COLUMNS));
	}
	free(cells);
}

/* --- the other commands -------------------------------------------------- */

static void print_nothing(const json_t *answer)
{
	(void)answer;
}

/* Line ends are part of the format; anything else is as everywhere. */
static void print_metrics(const json_t *answer)
{
	char *text = strdup(member_text(answer, "text"));
	if (!text)
		abort();
	for (char *line = text, *end; *line; line = end) {
		end = line + strcspn(line, "\n");
		bool whole = *end == '\n';
		*end = '\0';
		words_put(stdout, line);
		putchar('\n');
		end += whole;
	}
	free(text);
}

static void print_draining(const json_t *answer)
{
	uint64_t tunnels = (uint64_t)member_count(answer, "tunnels");
	printf("draining %" PRIu64 " tunnel%s, for at most %lld s; then tscfd ends\n", tunnels,
		plural(tunnels), (long long)member_count(answer, "time_limit"));
}

static void print_closed(const json_t *answer)
{
	char text[WORDS_MAX];
	uint64_t closed = member_count(answer, "closed");
	if (closed)
		printf("closed %s session%s\n", words_count(closed, text), plural(closed));
}

/* "WORKER-NUMBER", as in the first column of "sessions". */
static bool is_session_id(const char *text)
{
	size_t worker = strspn(text, "0123456789");
	if (worker == 0 || text[worker] != '-')
		return false;
	const char *number = text + worker + 1;
	return *number && number[strspn(number, "0123456789")] == '\0';
}

/* --- command line -------------------------------------------------------- */

enum command { STATUS, SESSIONS, DISCONNECT, RELOAD, DRAIN, METRICS };
static const char *const commands[] = {
	"status", "sessions", "disconnect", "reload", "drain", "metrics", NULL};
static void (*const prints[])(const json_t *) = {
	print_status, print_sessions, print_closed, print_nothing, print_draining, print_metrics};

/* False when the words on the command line make no request. */
static bool add_target(json_t *request, const struct options *options, const char *target)
{
	bool id = !options->identity && is_session_id(target);
	json_t *words = json_string(target);
	if (!words) {
		ctl_complain("\"%s\" is not UTF-8", target);
		return false;
	}
	json_object_set_new(request, id ? "id" : "identity", words);
	return true;
}

static bool add_drain(json_t *request, const struct options *options)
{
	if (options->to)
		json_object_set_new(request, "to", json_string(options->to));
	if (options->calls)
		json_object_set_new(request, "calls", json_true());
	if (options->time_limit) {
		char *end;
		long seconds = strtol(options->time_limit, &end, 10);
		if (end == options->time_limit || *end) {
			ctl_complain("--time-limit: \"%s\" is no number of seconds",
				options->time_limit);
			return false;
		}
		json_object_set_new(request, "time_limit", json_integer(seconds));
	}
	return true;
}

static enum ctl_status run(const struct options *options, int command, const char *target)
{
	enum ctl_status status;
	json_t *request = json_pack("{s:s}", "cmd", commands[command]);
	bool good = true;
	if (command == DISCONNECT)
		good = add_target(request, options, target);
	else if (command == DRAIN)
		good = add_drain(request, options);
	if (!good) {
		json_decref(request);
		return CTL_USAGE;
	}
	json_t *answer = ctl_ask_at(options->socket, request, &status);
	if (!answer)
		return status;
	if (options->json)
		ctl_print_json(answer);
	else
		prints[command](answer);
	if (command == DISCONNECT && member_count(answer, "closed") == 0) {
		ctl_complain("no session \"%s\"; see \"tscfctl sessions\"", target);
		status = CTL_ERROR;
	}
	json_decref(answer);
	return status;
}

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"identity", no_argument, NULL, 'i'},
		{"to", required_argument, NULL, 't'},
		{"calls", no_argument, NULL, 'c'},
		{"time-limit", required_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	for (int option; (option = getopt_long(argc, argv, "s:jit:cl:hV", known, NULL)) != -1;) {
		switch (option) {
		case 's':
			options->socket = optarg;
			break;
		case 'j':
			options->json = true;
			break;
		case 'i':
			options->identity = true;
			break;
		case 't':
			options->to = optarg;
			break;
		case 'c':
			options->calls = true;
			break;
		case 'l':
			options->time_limit = optarg;
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
	struct options options = {.socket = "/run/tscf/control.sock"};
	int early = read_options(argc, argv, &options);
	if (early >= 0)
		return ctl_finish((enum ctl_status)early);
	if (optind == argc) {
		ctl_complain(
			"which command? status, sessions, disconnect, reload, drain or metrics");
		return CTL_USAGE;
	}
	int command = ctl_find_command(commands, argv[optind]);
	if (command < 0)
		return CTL_USAGE;
	int wanted = command == DISCONNECT ? 1 : 0;
	if (argc - optind - 1 != wanted) {
		ctl_complain("%s takes %s", commands[command],
			wanted ? "the id or the identity of a session" : "no argument");
		return CTL_USAGE;
	}
	return ctl_finish(run(&options, command, argv[optind + 1]));
}
