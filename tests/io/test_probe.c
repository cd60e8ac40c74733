/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Probes, in a network namespace of its own:
 *
 *   lo    127.0.0.1, ::1        servers of every manner (probe_server)
 *   hole  192.0.2.0/24          a TUN that the test reads: silence, or an ICMP
 *                               error from a router, 192.0.2.254
 *         198.51.100.0/24       unreachable
 *
 * Exit status 77 (skipped) without the right to make one. */
#include "io/probe_step.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "io/clock.h"
#include "io/race.h"
#include "lab.h"
#include "probe_server.h"
#include "tls_pair.h"

enum { MARK = 0x24322, MS = 1000, SECOND = 1000000 };

static struct ev_loop *loop;
static int hole;
static struct tls_context *server_context, *trusting, *distrusting;

/* --- one probe --------------------------------------------------------- */

struct run {
	struct probe_target target;
	struct probe_settings settings;
	struct probe *probe;
	bool done;
	struct probe_result result;
};

static void on_done(void *user, const struct probe_result *result)
{
	struct run *run = user;
	CU_ASSERT_FALSE(run->done);
	run->done = true;
	run->result = *result;
}

static struct run prepare(
	enum probe_protocol protocol, enum transport transport, const char *address, uint16_t port)
{
	struct run run = {
		.target = {.port = port, .transport = transport, .host = address},
		.settings = {.protocol = protocol,
			.mark = MARK,
			.timeout = SECOND,
			.tls = trusting},
	};
	if (!address_parse(&run.target.address, address))
		abort();
	if (transport == OVER_TLS)
		run.target.host = "tscf.example"; /* as the certificate says */
	return run;
}

static void finish(struct run *run)
{
	ev_now_update(loop);
	CU_ASSERT_EQUAL_FATAL(
		probe_start(&run->probe, loop, &run->target, &run->settings, on_done, run), 0);
	CU_ASSERT_FALSE(run->done);
	while (!run->done)
		ev_run(loop, EVRUN_ONCE);
	printf("\n    %s", run->result.evidence.text);
}

static bool evidence_has(const struct run *run, const char *words)
{
	return strstr(run->result.evidence.text, words) != NULL;
}

/* --- every server, every transport ------------------------------------- */

enum { UDP = 1 << OVER_UDP, TCP = 1 << OVER_TCP, TLS = 1 << OVER_TLS, STREAMS = TCP | TLS };

static const struct meeting {
	enum manner manner;
	enum probe_protocol protocol;
	unsigned transports;
	enum probe_outcome outcome;
	unsigned status;
	const char *evidence;
} meetings[] = {
	{MANNER_HONEST, PROBE_SIP, ANY_TRANSPORT, PROBE_PASSED, 401, "answered 401 Unauthorized"},
	{MANNER_HONEST, PROBE_STUN, ANY_TRANSPORT, PROBE_PASSED, 0, "sees us as "},
	{MANNER_ERROR, PROBE_SIP, ANY_TRANSPORT, PROBE_PASSED, 503, "503 Service Unavailable"},
	{MANNER_ERROR, PROBE_STUN, ANY_TRANSPORT, PROBE_PASSED, 500, "answered 500 Oops"},
	{MANNER_FOREIGN_THEN_HONEST, PROBE_SIP, ANY_TRANSPORT, PROBE_PASSED, 401, ""},
	{MANNER_FOREIGN_THEN_HONEST, PROBE_STUN, ANY_TRANSPORT, PROBE_PASSED, 0, ""},
	{MANNER_SILENT, PROBE_SIP, UDP, PROBE_SILENT, 0, "no answer within 1 s (asked 2 times)"},
	{MANNER_SILENT, PROBE_SIP, TCP, PROBE_SILENT, 0, "connected, but no answer within 1 s"},
	{MANNER_SILENT, PROBE_STUN, TLS, PROBE_SILENT, 0,
		"connected, but no answer within 1 s in the TLS handshake"},
	{MANNER_FOREIGN, PROBE_SIP, ANY_TRANSPORT, PROBE_GARBAGE, 0,
		"got SIP messages, but none that answers"},
	{MANNER_FOREIGN, PROBE_STUN, ANY_TRANSPORT, PROBE_GARBAGE, 0,
		"got STUN messages, but none that answers"},
	{MANNER_REFLECT, PROBE_SIP, ANY_TRANSPORT, PROBE_GARBAGE, 0, "none that answers"},
	{MANNER_REFLECT, PROBE_STUN, ANY_TRANSPORT, PROBE_GARBAGE, 0, "none that answers"},
	{MANNER_GARBAGE, PROBE_SIP, ANY_TRANSPORT, PROBE_GARBAGE, 0, "does not speak SIP"},
	{MANNER_GARBAGE, PROBE_STUN, ANY_TRANSPORT, PROBE_GARBAGE, 0, "does not speak STUN"},
	{MANNER_CLOSE, PROBE_SIP, STREAMS, PROBE_CLOSED, 0, ""},
	{MANNER_RESET, PROBE_SIP, TCP, PROBE_CLOSED, 0, "connected, but reset before"},
	{MANNER_RESET, PROBE_SIP, TLS, PROBE_CLOSED, 0, "connection lost"},
	{MANNER_ENDLESS, PROBE_SIP, STREAMS, PROBE_GARBAGE, 0, "does not speak SIP"},
	{MANNER_DRIP, PROBE_SIP, STREAMS, PROBE_GARBAGE, 0, "octets of an answer came in time"},
	{MANNER_DRIP, PROBE_STUN, TCP, PROBE_GARBAGE, 0, "octets of an answer came in time"},
	{MANNER_HALF, PROBE_SIP, TCP, PROBE_GARBAGE, 0, "before it was closed"},
};

static void meet(const struct meeting *meeting, enum transport transport, int family)
{
	struct probe_server server;
	CU_ASSERT_EQUAL_FATAL(probe_server_open(&server, loop, family, meeting->protocol, transport,
				      meeting->manner, server_context),
		0);
	struct run run = prepare(meeting->protocol, transport,
		family == AF_INET6 ? "::1" : "127.0.0.1", server.port);
	finish(&run);
	CU_ASSERT_EQUAL(run.result.outcome, meeting->outcome);
	CU_ASSERT_EQUAL(run.result.status, meeting->status);
	CU_ASSERT_TRUE(evidence_has(&run, meeting->evidence));
	CU_ASSERT_TRUE(run.result.took < 1200 * MS);
	if (meeting->outcome == PROBE_SILENT)
		CU_ASSERT_TRUE(run.result.took >= SECOND);
	probe_server_close(&server);
}

static void every_manner_has_its_outcome(void)
{
	for (size_t i = 0; i < sizeof(meetings) / sizeof(meetings[0]); i++)
		for (enum transport at = OVER_UDP; at <= OVER_TLS; at++)
			if (meetings[i].transports & 1u << at)
				meet(&meetings[i], at, i % 2 ? AF_INET6 : AF_INET);
}

/* --- details ----------------------------------------------------------- */

static void mapped_address_is_told(void)
{
	static const char *const addresses[] = {"127.0.0.1", "::1"};
	for (size_t i = 0; i < 2; i++) {
		struct probe_server server;
		char text[ADDRESS_TEXT_MAX];
		probe_server_open(&server, loop, i ? AF_INET6 : AF_INET, PROBE_STUN, OVER_UDP,
			MANNER_HONEST, NULL);
		struct run run = prepare(PROBE_STUN, OVER_UDP, addresses[i], server.port);
		finish(&run);
		CU_ASSERT_STRING_EQUAL(address_format(&run.result.mapped, text), addresses[i]);
		CU_ASSERT_NOT_EQUAL(run.result.mapped_port, 0);
		probe_server_close(&server);
	}
}

static void lost_requests_are_sent_again(void)
{
	struct probe_server server;
	probe_server_open(&server, loop, AF_INET, PROBE_SIP, OVER_UDP, MANNER_LOSSY, NULL);
	struct run run = prepare(PROBE_SIP, OVER_UDP, "127.0.0.1", server.port);
	run.settings.timeout = 3 * SECOND;
	finish(&run);
	CU_ASSERT_EQUAL(run.result.outcome, PROBE_PASSED);
	CU_ASSERT_EQUAL_FATAL(server.requests, 3);
	uint64_t first = server.at[1] - server.at[0], second = server.at[2] - server.at[1];
	CU_ASSERT_TRUE(first >= 490 * MS && first < 650 * MS);
	CU_ASSERT_TRUE(second >= 990 * MS && second < 1150 * MS);
	probe_server_close(&server);
}

static void streams_are_asked_once(void)
{
	struct probe_server server;
	probe_server_open(&server, loop, AF_INET, PROBE_SIP, OVER_TCP, MANNER_SILENT, NULL);
	struct run run = prepare(PROBE_SIP, OVER_TCP, "127.0.0.1", server.port);
	finish(&run);
	CU_ASSERT_EQUAL(server.requests, 1);
	probe_server_close(&server);
}

static void register_names_its_identity(void)
{
	struct probe_server server;
	probe_server_open(&server, loop, AF_INET, PROBE_SIP, OVER_UDP, MANNER_HONEST, NULL);
	struct run run = prepare(PROBE_SIP, OVER_UDP, "127.0.0.1", server.port);
	run.settings.method = SIP_REGISTER;
	run.settings.identity = "sip:alice@ims.example";
	finish(&run);
	CU_ASSERT_EQUAL(run.result.outcome, PROBE_PASSED);
	CU_ASSERT_EQUAL(memcmp(server.last, "REGISTER sip:ims.example SIP/2.0\r\n", 34), 0);
	CU_ASSERT_PTR_NOT_NULL(
		memmem(server.last, server.last_length, "Via: SIP/2.0/UDP 127.0.0.1:", 27));
	CU_ASSERT_PTR_NULL(memmem(server.last, server.last_length, "Contact", 7));
	run = prepare(PROBE_SIP, OVER_UDP, "127.0.0.1", server.port);
	run.settings.method = SIP_REGISTER;
	finish(&run);
	CU_ASSERT_EQUAL(run.result.outcome, PROBE_LOCAL);
	probe_server_close(&server);
}

static void certificates_are_checked(void)
{
	struct probe_server server;
	probe_server_open(
		&server, loop, AF_INET, PROBE_SIP, OVER_TLS, MANNER_HONEST, server_context);
	struct run run = prepare(PROBE_SIP, OVER_TLS, "127.0.0.1", server.port);
	run.settings.tls = distrusting;
	finish(&run);
	CU_ASSERT_EQUAL(run.result.outcome, PROBE_TLS_FAILED);
	CU_ASSERT_EQUAL(run.result.tls, TLS_FAILURE_UNTRUSTED);
	run = prepare(PROBE_SIP, OVER_TLS, "127.0.0.1", server.port);
	run.target.host = "other.example";
	finish(&run);
	CU_ASSERT_EQUAL(run.result.outcome, PROBE_TLS_FAILED);
	CU_ASSERT_EQUAL(run.result.tls, TLS_FAILURE_WRONG_NAME);
	run = prepare(PROBE_SIP, OVER_TLS, "127.0.0.1", server.port);
	run.settings.tls = NULL;
	finish(&run);
	CU_ASSERT_EQUAL(run.result.outcome, PROBE_TLS_FAILED);
	CU_ASSERT_EQUAL(server.requests, 0);
	probe_server_close(&server);
	/* No TLS at all. */
	probe_server_open(&server, loop, AF_INET, PROBE_SIP, OVER_TCP, MANNER_GARBAGE, NULL);
	run = prepare(PROBE_SIP, OVER_TLS, "127.0.0.1", server.port);
	finish(&run);
	CU_ASSERT_EQUAL(run.result.tls, TLS_FAILURE_NOT_TLS);
	probe_server_close(&server);
}

/* --- the network says no ----------------------------------------------- */

static void nobody_listens(void)
{
	for (enum transport at = OVER_UDP; at <= OVER_TLS; at++) {
		struct run run = prepare(PROBE_SIP, at, "127.0.0.1", 9);
		finish(&run);
		CU_ASSERT_EQUAL(run.result.outcome, PROBE_REFUSED);
		CU_ASSERT_EQUAL(run.result.error, ECONNREFUSED);
		CU_ASSERT_TRUE(run.result.took < 200 * MS);
		if (at == OVER_UDP)
			CU_ASSERT_TRUE(evidence_has(&run, "says 127.0.0.1 by ICMP"));
		run = prepare(PROBE_STUN, at, "198.51.100.5", 9);
		finish(&run);
		CU_ASSERT_EQUAL(run.result.outcome, PROBE_UNREACHABLE);
		CU_ASSERT_EQUAL(run.result.error, EHOSTUNREACH);
	}
}

static uint16_t checksum(const uint8_t *octets, size_t length)
{
	uint32_t sum = 0;
	for (size_t i = 0; i + 1 < length; i += 2)
		sum += get_u16(octets + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* A router, 192.0.2.254, returns what it got with an ICMP error. */
static void on_hole(struct ev_loop *at, struct ev_io *io, int events)
{
	(void)at, (void)events;
	uint8_t packet[2048], reply[56] = {[0] = 0x45, [3] = 56, [8] = 64, [9] = 1};
	uint8_t code = *(uint8_t *)io->data;
	ssize_t got = read(io->fd, packet, sizeof(packet));
	if (got < 28 || packet[0] != 0x45)
		return;
	memcpy(reply + 12, (const uint8_t[]){192, 0, 2, 254}, 4);
	memcpy(reply + 16, packet + 12, 4);
	put_u16(reply + 10, checksum(reply, 20));
	reply[20] = 3; /* destination unreachable */
	reply[21] = code;
	memcpy(reply + 28, packet, 28);
	put_u16(reply + 22, checksum(reply + 20, 36));
	if (write(io->fd, reply, sizeof(reply)) < 0)
		perror("write");
}

static void router_rejects(void)
{
	static const struct {
		uint8_t code;
		enum probe_outcome outcome;
		int error;
	} cases[] = {
		{0, PROBE_UNREACHABLE, ENETUNREACH}, {1, PROBE_UNREACHABLE, EHOSTUNREACH},
		{3, PROBE_REFUSED, ECONNREFUSED},
		{13, PROBE_UNREACHABLE, EHOSTUNREACH}, /* administratively prohibited */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ev_io io;
		uint8_t code = cases[i].code;
		ev_io_init(&io, on_hole, hole, EV_READ);
		io.data = &code;
		ev_io_start(loop, &io);
		struct run run = prepare(PROBE_SIP, OVER_UDP, "192.0.2.66", 5060);
		finish(&run);
		ev_io_stop(loop, &io);
		CU_ASSERT_EQUAL(run.result.outcome, cases[i].outcome);
		CU_ASSERT_EQUAL(run.result.error, cases[i].error);
		CU_ASSERT_EQUAL(run.result.forbidden, code == 13);
		CU_ASSERT_EQUAL(evidence_has(&run, "forbidden by a firewall"), code == 13);
		CU_ASSERT_TRUE(evidence_has(&run, ", says 192.0.2.254 by ICMP"));
		CU_ASSERT_TRUE(run.result.took < 200 * MS);
	}
}

static void black_hole_is_silence(void)
{
	for (enum transport at = OVER_UDP; at <= OVER_TLS; at++) {
		struct run run = prepare(PROBE_SIP, at, "192.0.2.67", 5060);
		run.settings.timeout = 300 * MS;
		finish(&run);
		CU_ASSERT_EQUAL(run.result.outcome, PROBE_SILENT);
		CU_ASSERT_TRUE(run.result.took >= 300 * MS && run.result.took < 450 * MS);
		CU_ASSERT_FALSE(evidence_has(&run, "connected"));
	}
}

/* --- our own side ------------------------------------------------------ */

static bool is_marked(int fd)
{
	int mark = 0;
	socklen_t size = sizeof(mark);
	return getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size) == 0 && mark == MARK;
}

static void sockets_are_marked_and_cancelling_leaves_nothing(void)
{
	for (enum transport at = OVER_UDP; at <= OVER_TLS; at++) {
		size_t before = lab_descriptors(), marked = 0;
		struct run run = prepare(PROBE_SIP, at, "192.0.2.68", 5060);
		CU_ASSERT_EQUAL_FATAL(
			probe_start(&run.probe, loop, &run.target, &run.settings, on_done, &run),
			0);
		while (lab_descriptors() == before)
			ev_run(loop, EVRUN_ONCE);
		for (int fd = 3; fd < 64; fd++)
			marked += is_marked(fd);
		CU_ASSERT_EQUAL(marked, 1);
		probe_cancel(run.probe);
		CU_ASSERT_EQUAL(lab_descriptors(), before);
		CU_ASSERT_FALSE(run.done);
	}
	probe_cancel(NULL);
}

static int probe_without_right(void)
{
	ev_loop_fork(loop);
	if (setgid(65534) || setuid(65534))
		return 2;
	struct run run = prepare(PROBE_SIP, OVER_UDP, "127.0.0.1", 9);
	finish(&run);
	bool told = evidence_has(&run, "cannot set the firewall mark 0x24322");
	return run.result.outcome == PROBE_LOCAL && told ? 0 : 1;
}

static void mark_that_is_refused_ends_it(void)
{
	fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		_exit(probe_without_right());
	int status = -1;
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* --- steps ------------------------------------------------------------- */

struct step_run {
	bool done;
	struct probe_step_result result;
	struct probe_result results[PROBE_STEP_TARGETS];
	uint64_t took;
};

static void on_step(void *user, const struct probe_step_result *result)
{
	struct step_run *run = user;
	CU_ASSERT_FALSE(run->done);
	run->done = true;
	run->result = *result;
	memcpy(run->results, result->results, result->count * sizeof(*result->results));
}

static void step(struct step_run *run, const struct probe_target *targets, size_t count, bool all)
{
	struct probe_step *step = NULL;
	struct probe_step_settings settings = {
		.probe = {.mark = MARK, .timeout = 2 * SECOND, .tls = trusting},
		.targets = targets,
		.count = count,
		.all = all,
	};
	memset(run, 0, sizeof(*run));
	ev_now_update(loop);
	uint64_t began = clock_now();
	CU_ASSERT_EQUAL_FATAL(probe_step_start(&step, loop, &settings, on_step, run), 0);
	CU_ASSERT_FALSE(run->done);
	while (!run->done)
		ev_run(loop, EVRUN_ONCE);
	run->took = clock_now() - began;
	printf("\n    %s", run->result.evidence.text);
}

static struct probe_target target(const char *address, uint16_t port, enum transport transport)
{
	struct run run = prepare(PROBE_SIP, transport, address, port);
	return run.target;
}

static void silent_target_does_not_hide_the_next(void)
{
	struct probe_server server;
	struct step_run run;
	size_t before = lab_descriptors();
	probe_server_open(&server, loop, AF_INET, PROBE_SIP, OVER_TCP, MANNER_HONEST, NULL);
	struct probe_target targets[] = {
		target("127.0.0.1", 9, OVER_UDP), /* refused: costs nothing */
		target("192.0.2.69", 5060, OVER_UDP),
		target("127.0.0.1", server.port, OVER_TCP),
		target("192.0.2.69", 5060, OVER_TCP),
	};
	step(&run, targets, 4, false);
	CU_ASSERT_TRUE(run.result.passed);
	CU_ASSERT_EQUAL(run.result.first, 2);
	CU_ASSERT_TRUE(run.took >= 240 * MS && run.took < 450 * MS);
	CU_ASSERT_EQUAL(run.results[0].outcome, PROBE_REFUSED);
	CU_ASSERT_EQUAL(run.results[1].outcome, PROBE_NOT_TRIED);
	CU_ASSERT_EQUAL(run.results[3].outcome, PROBE_NOT_TRIED);
	CU_ASSERT_PTR_NOT_NULL(strstr(run.result.evidence.text, "over TCP: answered 401"));

	/* And all of them, if one wants to know. */
	step(&run, targets, 4, true);
	CU_ASSERT_TRUE(run.result.passed);
	CU_ASSERT_EQUAL(run.results[1].outcome, PROBE_SILENT);
	CU_ASSERT_EQUAL(run.results[3].outcome, PROBE_SILENT);
	CU_ASSERT_TRUE(run.took >= 2 * SECOND && run.took < 2200 * MS);
	probe_server_close(&server);
	CU_ASSERT_EQUAL(lab_descriptors(), before);
}

static void step_that_fails_tells_all(void)
{
	struct step_run run;
	struct probe_target targets[] = {
		target("127.0.0.1", 9, OVER_UDP),
		target("127.0.0.1", 9, OVER_TCP),
		target("198.51.100.5", 5061, OVER_TLS),
	};
	step(&run, targets, 3, false);
	CU_ASSERT_FALSE(run.result.passed);
	CU_ASSERT_TRUE(run.took < 300 * MS);
	CU_ASSERT_STRING_EQUAL(run.result.evidence.text,
		"SIP OPTIONS to 127.0.0.1 port 9 over UDP: connection refused, says 127.0.0.1 by "
		"ICMP. SIP OPTIONS to 127.0.0.1 port 9 over TCP: connection refused. SIP OPTIONS "
		"to "
		"tscf.example (198.51.100.5) port 5061 over TLS: no route to host");
}

static void step_ends_in_time_and_can_be_cancelled(void)
{
	struct step_run run;
	struct probe_target targets[PROBE_STEP_TARGETS];
	for (size_t i = 0; i < PROBE_STEP_TARGETS; i++)
		targets[i] = target("192.0.2.70", (uint16_t)(6000 + i), OVER_UDP);
	step(&run, targets, PROBE_STEP_TARGETS, false);
	CU_ASSERT_TRUE(run.took >= 2 * SECOND && run.took < 2200 * MS);
	for (size_t i = 0; i < PROBE_STEP_TARGETS; i++)
		CU_ASSERT_EQUAL(run.results[i].outcome, PROBE_SILENT);

	struct probe_step *begun = NULL;
	struct probe_step_settings settings = {.probe = {.mark = MARK, .timeout = SECOND}};
	CU_ASSERT_EQUAL(probe_step_start(&begun, loop, &settings, on_step, &run), -EINVAL);
	settings.targets = targets;
	settings.count = 2;
	run.done = false;
	size_t before = lab_descriptors();
	CU_ASSERT_EQUAL_FATAL(probe_step_start(&begun, loop, &settings, on_step, &run), 0);
	while (lab_descriptors() == before)
		ev_run(loop, EVRUN_ONCE);
	probe_step_cancel(begun);
	CU_ASSERT_EQUAL(lab_descriptors(), before);
	CU_ASSERT_FALSE(run.done);
}

/* --- the stage --------------------------------------------------------- */

static int attach_hole(void)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	strcpy(request.ifr_name, "hole");
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	return fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0 ? fd : -1;
}

static struct tls_context *make_context(bool server, const char *ca)
{
	struct reason why;
	struct tls_context *context = NULL;
	struct tls_settings settings = {
		.server = server,
		.ca = certificate_file(ca, ".pem"),
		.certificate = certificate_file(server ? "server" : NULL, ".pem"),
		.key = certificate_file(server ? "server" : NULL, ".key"),
	};
	if (tls_context_new(&context, &settings, &why) < 0)
		fprintf(stderr, "%s\n", why.text);
	free((void *)(uintptr_t)settings.ca.octets);
	free((void *)(uintptr_t)settings.certificate.octets);
	free((void *)(uintptr_t)settings.key.octets);
	return context;
}

static bool set_stage(void)
{
	struct reason why;
	if (!certificates_make() || tls_library_init(&why) < 0)
		return false;
	server_context = make_context(true, NULL);
	trusting = make_context(false, "ca");
	distrusting = make_context(false, "other");
	hole = attach_hole();
	return server_context && trusting && distrusting && hole >= 0 &&
	       lab_run("ip link set hole up && ip addr add 192.0.2.1/24 dev hole && "
		       "ip route add unreachable 198.51.100.0/24");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"every manner has its outcome", every_manner_has_its_outcome},
		{"mapped address is told", mapped_address_is_told},
		{"lost requests are sent again", lost_requests_are_sent_again},
		{"streams are asked once", streams_are_asked_once},
		{"REGISTER names its identity", register_names_its_identity},
		{"certificates are checked", certificates_are_checked},
		{"nobody listens", nobody_listens},
		{"router rejects", router_rejects},
		{"black hole is silence", black_hole_is_silence},
		{"sockets are marked, cancelling leaves nothing",
			sockets_are_marked_and_cancelling_leaves_nothing},
		{"mark that is refused ends it", mark_that_is_refused_ends_it},
		{"silent target does not hide the next", silent_target_does_not_hide_the_next},
		{"step that fails tells all", step_that_fails_tells_all},
		{"step ends in time and can be cancelled", step_ends_in_time_and_can_be_cancelled},
	};
	lab_enter();
	loop = ev_default_loop(0);
	if (!loop || !set_stage()) {
		fprintf(stderr, "cannot set the stage: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	size_t before = lab_descriptors();
	int status = unit_run("probe", tests, sizeof(tests) / sizeof(tests[0]));
	if (lab_descriptors() != before) {
		fprintf(stderr, "descriptors leaked\n");
		status = EXIT_FAILURE;
	}
	tls_context_unref(server_context);
	tls_context_unref(trusting);
	tls_context_unref(distrusting);
	tls_thread_fini();
	tls_library_fini();
	certificates_remove();
	close(hole);
	ev_loop_destroy(loop);
	return status;
}
