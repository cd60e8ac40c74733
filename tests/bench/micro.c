/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What each step of the data path costs for one packet.
 *
 *	micro [--instructions] [--json] [--markdown] [--only NAME [--rounds N]]
 *
 * ns are of the best of several runs.  Instructions are counted by callgrind,
 * in this program itself, run with N and 2N rounds: the difference is what N
 * rounds take, the same on every run.  The kernel's part is not in them. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/coalesce.h"
#include "core/envelope.h"
#include "core/sched.h"
#include "superpacket.h"
#include "tls_pair.h"

enum {
	VOICE = 200,    /* octets of an IP packet of a call */
	SEGMENT = 1448, /* TCP payload of an MTU-sized packet */
	SEGMENTS = 44,  /* in a super-packet of 64 KiB */
	HEADERS = 64,   /* more than they have */
	RECORD = 16384, /* a full TLS record */
	RECORDS = 32,   /* in one send */
	RUNS = 7,       /* the best of */
	RUN_NS = 50000000,
	COUNTED = 2000, /* rounds under callgrind */
};

/* --- packets ---------------------------------------------------------------- */

static uint8_t voice[VOICE], super_octets[SUPERPACKET_ROOM];
static uint8_t segments[SEGMENTS][2048], first_headers[HEADERS];
static struct packet super, one[SEGMENTS];
static struct offload super_offload;
static unsigned segment_count;
static volatile uint64_t sink; /* so that nothing is optimised away */

static void make_packets(void)
{
	static const struct superpacket shape = {
		.version = 4,
		.protocol = 6,
		.tcp_options = 12,
		.payload = SEGMENT * SEGMENTS,
		.segment_size = SEGMENT,
		.flags = 0x10,
	};
	static const struct superpacket small = {
		.version = 4, .protocol = 17, .payload = VOICE - 28, .segment_size = VOICE - 28};
	static uint8_t octets[SUPERPACKET_ROOM];
	struct offload offload;
	size_t length = superpacket_build(&small, octets, &offload);
	struct packet packet;
	packet_parse(octets, length, &packet);
	offload_segment(&offload, &packet, 0, voice, sizeof(voice));
	length = superpacket_build(&shape, super_octets, &super_offload);
	packet_parse(super_octets, length, &super);
	segment_count = offload_segments(&super_offload, &super);
	for (unsigned i = 0; i < segment_count && i < SEGMENTS; i++) {
		length = offload_segment(
			&super_offload, &super, i, segments[i], sizeof(segments[i]));
		packet_parse(segments[i], length, &one[i]);
	}
	memcpy(first_headers, segments[0], sizeof(first_headers));
}

static void run_envelope(unsigned rounds)
{
	uint8_t stream[ENVELOPE_HEADER + VOICE];
	struct envelope envelope;
	size_t consumed;
	for (unsigned i = 0; i < rounds; i++) {
		envelope_put_header(stream, ENVELOPE_IP, VOICE);
		envelope_next(stream, sizeof(stream), &envelope, &consumed);
		sink += consumed;
	}
}

static void run_parse(unsigned rounds)
{
	struct packet packet;
	for (unsigned i = 0; i < rounds; i++)
		sink += packet_parse(voice, sizeof(voice), &packet);
}

static struct sched_policy policy;

static void run_classify(unsigned rounds)
{
	struct packet packet;
	packet_parse(voice, sizeof(voice), &packet);
	for (unsigned i = 0; i < rounds; i++)
		sink += sched_classify(&policy, &packet) + packet_flow(&packet, i);
}

/* --- scheduler --------------------------------------------------------------- */

static struct slab slab;
static struct sched sched;
static struct counters counters;

/* `waiting` packets are there; one comes, one goes. */
static void through_sched(unsigned rounds, unsigned waiting, enum sched_class service)
{
	uint64_t now = 1000000;
	sched_init(&sched, &policy, &slab, &counters);
	for (unsigned i = 0; i < rounds + waiting; i++) {
		struct slot *slot = slab_take(&slab, VOICE);
		slot->service = (uint8_t)service;
		slot->flow = i * 2654435761u;
		slot->arrived = now;
		sched_enqueue(&sched, slot, now);
		if (i < waiting)
			continue;
		slab_give(&slab, sched_dequeue(&sched, now));
		now += 10;
	}
	sched_fini(&sched);
}

static void run_voice(unsigned rounds)
{
	through_sched(rounds, 0, SCHED_AUDIO);
}

static void run_bulk(unsigned rounds)
{
	through_sched(rounds, 100, SCHED_BULK);
}

/* --- segmentation and back ----------------------------------------------------- */

static void run_segment(unsigned rounds)
{
	static uint8_t out[2048];
	for (unsigned i = 0; i < rounds; i++)
		sink += offload_segment(
			&super_offload, &super, i % segment_count, out, sizeof(out));
}

static void on_coalesced(void *owner, const struct coalesced *packet)
{
	(void)owner;
	sink += packet->packets;
}

static void run_coalesce(unsigned rounds)
{
	static struct coalesce coalesce;
	coalesce_init(&coalesce, true, on_coalesced, NULL);
	for (unsigned i = 0; i < rounds; i++) {
		unsigned at = i % segment_count;
		/* The first one's headers became those of all. */
		if (at == 0 && i > 0) {
			coalesce_flush(&coalesce);
			memcpy(segments[0], first_headers, sizeof(first_headers));
		}
		coalesce_add(&coalesce, &one[at], segments[at]);
	}
	coalesce_flush(&coalesce);
}

/* --- TLS ------------------------------------------------------------------------- */

static struct pair pair;
static uint8_t plain[RECORDS * RECORD];

static bool open_pair(void)
{
	static const struct pair_settings settings = {
		.server_certificate = "server",
		.client_certificate = "client",
		.server_ca = "ca",
		.client_ca = "ca",
		.host = "tscf.example",
	};
	return certificates_make() && pair_open(&pair, &settings);
}

/* Encrypted at one end, through a socket, decrypted at the other. */
static void through_tls(unsigned records, size_t length)
{
	static uint8_t out[RECORDS * RECORD];
	size_t got;
	for (unsigned i = 0; i < records;) {
		unsigned batch = length > VOICE ? 4 : RECORDS;
		for (unsigned j = 0; j < batch; j++, i++)
			tls_write(pair.client.tls, plain, length);
		do {
			tls_flush(pair.client.tls);
			while (tls_read(pair.server.tls, out, sizeof(out), &got) == TLS_OK)
				sink += got;
		} while (tls_unsent(pair.client.tls) > 0);
	}
}

static void run_small_records(unsigned rounds)
{
	through_tls(rounds, VOICE + ENVELOPE_HEADER);
}

static void run_full_records(unsigned rounds)
{
	through_tls(rounds, RECORD);
}

/* --- measuring --------------------------------------------------------------------- */

static const struct benchmark {
	const char *name, *what;
	void (*run)(unsigned rounds);
	bool tls;
} benchmarks[] = {
	{"envelope", "envelope header put and parsed", run_envelope, false},
	{"parse", "packet_parse, 200 octets", run_parse, false},
	{"classify", "class and flow of a packet", run_classify, false},
	{"sched-voice", "voice through the empty scheduler", run_voice, false},
	{"sched-bulk", "bulk through the scheduler, 100 waiting", run_bulk, false},
	{"segment", "one MTU-sized segment cut, checksums and all", run_segment, false},
	{"coalesce", "one MTU-sized packet checked and merged", run_coalesce, false},
	{"tls-small", "record of 203 octets, encrypted, sent and decrypted", run_small_records,
		true},
	{"tls-full", "record of 16 KiB, encrypted, sent and decrypted", run_full_records, true},
};
enum { BENCHMARKS = sizeof(benchmarks) / sizeof(benchmarks[0]) };

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static double best_ns(const struct benchmark *benchmark)
{
	unsigned rounds = 100;
	double best = 1e18;
	uint64_t took = 0;
	while (took < RUN_NS / 10) {
		rounds *= 2;
		uint64_t start = now_ns();
		benchmark->run(rounds);
		took = now_ns() - start;
	}
	rounds = (unsigned)((double)rounds * RUN_NS / (double)took);
	for (int i = 0; i < RUNS; i++) {
		uint64_t start = now_ns();
		benchmark->run(rounds);
		double each = (double)(now_ns() - start) / rounds;
		best = each < best ? each : best;
	}
	return best;
}

/* Instructions of `rounds` rounds and the program around them; 0: failed. */
static uint64_t callgrind(const struct benchmark *benchmark, unsigned rounds)
{
	char command[512], line[256];
	unsigned long long collected = 0;
	snprintf(command, sizeof(command),
		"valgrind --tool=callgrind --callgrind-out-file=/dev/null /proc/%d/exe --only %s "
		"--rounds %u 2>&1",
		(int)getpid(), benchmark->name, rounds);
	FILE *pipe = popen(command, "re");
	while (pipe && fgets(line, sizeof(line), pipe)) {
		const char *at = strstr(line, "Collected : ");
		if (at)
			collected = strtoull(at + strlen("Collected : "), NULL, 10);
	}
	if (!pipe || pclose(pipe) != 0)
		return 0;
	return collected;
}

static double instructions(const struct benchmark *benchmark)
{
	/* Under valgrind timing would choose otherwise. */
	setenv("TSCF_AEAD", tls_aead_name(), 1);
	uint64_t once = callgrind(benchmark, COUNTED), twice = callgrind(benchmark, 2 * COUNTED);
	if (!once || twice < once) {
		fprintf(stderr, "micro: valgrind could not count; see scripts/dependencies test\n");
		exit(EXIT_FAILURE);
	}
	return (double)(twice - once) / COUNTED;
}

static const struct benchmark *find(const char *name)
{
	for (size_t i = 0; i < BENCHMARKS; i++)
		if (strcmp(benchmarks[i].name, name) == 0)
			return &benchmarks[i];
	fprintf(stderr, "micro: there is no benchmark %s\n", name);
	exit(2);
}

enum format { TEXT, JSON, MARKDOWN };

static void report_start(enum format format, bool counted)
{
	if (format == JSON)
		printf("{\"aead\": \"%s\", \"benchmarks\": [\n", tls_aead_name());
	else if (format == MARKDOWN)
		printf("### The data path, step by step\n\nAES-GCM by %s; ns by this thread's "
		       "clock, "
		       "the best of %d runs.\n\n| step | what | ns |%s\n|---|---|---|%s\n",
			tls_aead_name(), RUNS, counted ? " instructions |" : "",
			counted ? "---|" : "");
	else
		printf("%-12s %9s %s  (AES-GCM by %s)\n", "step", "ns",
			counted ? "instructions" : "", tls_aead_name());
}

static void report_line(enum format format, const struct benchmark *benchmark, double ns,
	double counted, bool is_last)
{
	char count[32] = "";
	if (counted > 0)
		snprintf(count, sizeof(count), "%.0f", counted);
	if (format == JSON)
		printf(" {\"name\": \"%s\", \"ns\": %.1f, \"instructions\": %s}%s\n",
			benchmark->name, ns, counted > 0 ? count : "null", is_last ? "\n]}" : ",");
	else if (format == MARKDOWN)
		printf("| %s | %s | %.1f |%s%s%s\n", benchmark->name, benchmark->what, ns,
			counted > 0 ? " " : "", count, counted > 0 ? " |" : "");
	else
		printf("%-12s %9.1f %12s  %s\n", benchmark->name, ns, count, benchmark->what);
	fflush(stdout);
}

static void usage(FILE *out)
{
	fputs("Usage: micro [--instructions] [--json | --markdown] [--only NAME [--rounds N]]\n",
		out);
}

struct options {
	enum format format;
	bool counted;
	const struct benchmark *only;
	unsigned rounds; /* with --only: just run it that often */
};

static void read_options(struct options *options, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"instructions", no_argument, NULL, 'i'},
		{"json", no_argument, NULL, 'j'},
		{"markdown", no_argument, NULL, 'm'},
		{"only", required_argument, NULL, 'o'},
		{"rounds", required_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == 'i') {
			options->counted = true;
		} else if (option == 'j') {
			options->format = JSON;
		} else if (option == 'm') {
			options->format = MARKDOWN;
		} else if (option == 'o') {
			options->only = find(optarg);
		} else if (option == 'r') {
			options->rounds = (unsigned)strtoul(optarg, NULL, 10);
		} else {
			usage(option == 'h' ? stdout : stderr);
			exit(option == 'h' ? 0 : 2);
		}
	}
}

static void report(const struct options *options)
{
	const struct benchmark *first = options->only ? options->only : benchmarks;
	const struct benchmark *last = options->only ? options->only : &benchmarks[BENCHMARKS - 1];
	report_start(options->format, options->counted);
	for (const struct benchmark *each = first; each <= last; each++)
		report_line(options->format, each, best_ns(each),
			options->counted ? instructions(each) : 0, each == last);
}

int main(int argc, char **argv)
{
	struct options options = {.format = TEXT};
	struct reason why;
	read_options(&options, argc, argv);
	sched_policy_default(&policy);
	bool tls = !options.only || options.only->tls;
	if (slab_init(&slab, 4096, 4) != 0 || tls_library_init(&why) != 0 ||
		(tls && !open_pair())) {
		fputs("micro: cannot start; it needs openssl and tests/io/make-certs\n", stderr);
		return EXIT_FAILURE;
	}
	make_packets();
	if (options.only && options.rounds)
		options.only->run(options.rounds);
	else
		report(&options);
	if (tls) {
		pair_close(&pair);
		certificates_remove();
	}
	tls_library_fini();
	slab_fini(&slab);
	return EXIT_SUCCESS;
}
