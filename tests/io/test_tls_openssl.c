/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against openssl(1) in a process of its own, since our own contexts cannot be
 * made to speak what they must refuse: TLS 1.1, anonymous ciphers, CBC; and to
 * see that TLS 1.2 and 1.3 work with somebody else's implementation. */
#include "../unit/unit.h"
#include "tls_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 32, PATIENCE_MS = 20000, MESSAGE = 40000 };

struct process {
	pid_t pid;
	int in, out; /* its standard input and output */
};

/* `line` is split at spaces and run in the directory of the certificates. */
static struct process start(const char *line)
{
	static char copy[1024];
	char *arguments[ARGUMENTS_MAX], *save = NULL;
	int in[2], out[2], count = 0;
	struct process process = {.pid = -1};
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		arguments[count++] = word;
	arguments[count] = NULL;
	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
		return process;
	process.pid = fork();
	if (process.pid == 0) {
		int null = open("/dev/null", O_WRONLY);
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(null, 2);
		if (chdir(certificates) == 0)
			execvp(arguments[0], arguments);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	process.in = in[1];
	process.out = out[0];
	return process;
}

static void stop(struct process *process)
{
	close(process->in);
	close(process->out);
	kill(process->pid, SIGKILL);
	waitpid(process->pid, NULL, 0);
}

/* Reads lines of the process until one holds `mark`; returns what follows. */
static bool await(const struct process *process, const char *mark, char *rest, size_t room)
{
	char line[512];
	size_t used = 0;
	struct pollfd poller = {.fd = process->out, .events = POLLIN};
	while (poll(&poller, 1, PATIENCE_MS) == 1) {
		if (read(process->out, line + used, 1) != 1)
			return false;
		line[used + 1] = '\0';
		if (line[used++] != '\n' && used < sizeof(line) - 1)
			continue;
		char *found = strstr(line, mark);
		if (found) {
			snprintf(rest, room, "%s", found + strlen(mark));
			return true;
		}
		used = 0;
	}
	return false;
}

static int listener(uint16_t *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, 1) != 0 ||
		getsockname(fd, (struct sockaddr *)&address, &length) != 0)
		abort();
	*port = ntohs(address.sin_port);
	return fd;
}

static int connected_to(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return -1;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static bool ready(const struct tls *tls, int fd)
{
	short events = tls_unsent(tls) > 0 ? POLLIN | POLLOUT : POLLIN;
	struct pollfd poller = {.fd = fd, .events = events};
	return poll(&poller, 1, PATIENCE_MS) == 1;
}

static enum tls_result finish_handshake(struct tls *tls, int fd)
{
	enum tls_result result;
	while ((result = tls_handshake(tls)) == TLS_WANT_READ || result == TLS_WANT_WRITE)
		if (!ready(tls, fd))
			return TLS_WANT_READ;
	return result;
}

/* Reads `length` octets, all of them `expected`. */
static bool read_all(struct tls *tls, int fd, size_t length, uint8_t expected)
{
	static uint8_t octets[65536];
	while (length > 0) {
		size_t got;
		enum tls_result result = tls_read(tls, octets, sizeof(octets), &got);
		for (size_t i = 0; i < got; i++)
			if (octets[i] != expected)
				return false;
		length -= got < length ? got : length;
		if (result == TLS_WANT_READ ? !ready(tls, fd) : result != TLS_OK)
			return false;
	}
	return true;
}

static bool write_all(struct tls *tls, int fd, size_t length, uint8_t octet)
{
	static uint8_t octets[MESSAGE];
	memset(octets, octet, length);
	if (tls_write(tls, octets, length) != TLS_OK)
		return false;
	while (tls_flush(tls) == TLS_WANT_WRITE)
		if (!ready(tls, fd))
			return false;
	return true;
}

static const struct pair_settings good = {
	.server_certificate = "server",
	.client_certificate = "client",
	.server_ca = "ca",
	.client_ca = "ca",
	.host = "tscf.example",
};

struct row {
	const char *options;
	const char *version, *cipher; /* NULL: refused */
	const char *says;             /* when refused */
	enum tls_failure failure;     /* when not NO_COMMON */
};

/* Our server, somebody else's client. */
static void serve(const struct row *row)
{
	struct pair pair;
	struct tls *tls = NULL;
	char line[512];
	uint16_t port;
	int listening = listener(&port);
	CU_ASSERT_EQUAL_FATAL(pair_contexts(&pair, &good), 0);
	snprintf(line, sizeof(line),
		"openssl s_client -connect 127.0.0.1:%u -quiet -cert client.pem -key client.key %s",
		port, row->options);
	struct process process = start(line);
	int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(tls_new(&tls, pair.server.context, fd, NULL, NULL), 0);
	enum tls_result result = finish_handshake(tls, fd);
	CU_ASSERT_EQUAL(result, row->version ? TLS_OK : TLS_FAILED);
	if (result == TLS_OK && row->version) {
		char name[64] = "";
		CU_ASSERT_STRING_EQUAL(tls_version(tls), row->version);
		CU_ASSERT_STRING_EQUAL(tls_cipher(tls), row->cipher);
		CU_ASSERT_TRUE(tls_peer_name(tls, name, sizeof(name)));
		CU_ASSERT_STRING_EQUAL(name, "alice");
		CU_ASSERT_EQUAL(write(process.in, "aaaaaaaaaa", 10), 10);
		CU_ASSERT_TRUE(read_all(tls, fd, 10, 'a'));
	} else if (!row->version) {
		CU_ASSERT_EQUAL(
			tls_failure(tls), row->failure ? row->failure : TLS_FAILURE_NO_COMMON);
		CU_ASSERT_PTR_NOT_NULL(strstr(tls_reason(tls), row->says));
	}
	if (getenv("VERBOSE") || (result == TLS_OK) != (row->version != NULL))
		printf("\n    %s: %s\n", row->options, tls_reason(tls));
	stop(&process);
	tls_free(tls);
	close(fd);
	close(listening);
	pair_close(&pair);
}

static void test_clients(void)
{
	static const struct row rows[] = {
		{"-tls1_3", "TLSv1.3", "TLS_AES_128_GCM_SHA256", NULL, 0},
		{"-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384 -curves P-384", "TLSv1.3",
			"TLS_AES_256_GCM_SHA384", NULL, 0},
		{"-tls1_3 -curves P-256", "TLSv1.3", "TLS_AES_128_GCM_SHA256", NULL, 0},
		{"-tls1_2", "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", NULL, 0},
		{"-tls1_2 -curves P-256", "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
			NULL, 0},
		{"-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2",
			"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", NULL, 0},
		{"-tls1_1 -cipher ALL:@SECLEVEL=0", NULL, NULL, "no common TLS version", 0},
		{"-tls1 -cipher ALL:@SECLEVEL=0", NULL, NULL, "no common TLS version", 0},
		{"-tls1_2 -cipher aNULL:@SECLEVEL=0", NULL, NULL, "no common TLS version or cipher",
			0},
		{"-tls1_2 -cipher eNULL:@SECLEVEL=0", NULL, NULL, "no common TLS version or cipher",
			0},
		{"-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA", NULL, NULL, "no common", 0},
		{"-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305", NULL, NULL, "no common", 0},
		{"-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256", NULL, NULL, "no common", 0},
		{"-tls1_3 -curves P-521", NULL, NULL, "illegal_parameter", TLS_FAILURE_OTHER},
		{"-tls1_3 -curves X448", NULL, NULL, "illegal_parameter", TLS_FAILURE_OTHER},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		serve(&rows[i]);
}

/* Our client, somebody else's server. */
static void visit(const struct row *row, bool must_offer_certificate)
{
	struct pair pair;
	struct tls *tls = NULL;
	char line[512], port[64] = "";
	CU_ASSERT_EQUAL_FATAL(pair_contexts(&pair, &good), 0);
	snprintf(line, sizeof(line), "openssl s_server -accept 127.0.0.1:0 -naccept 1 %s %s",
		must_offer_certificate ? "-cert server.pem -key server.key -CAfile ca.pem -Verify 1"
				       : "",
		row->options);
	struct process process = start(line);
	CU_ASSERT_TRUE_FATAL(await(&process, "ACCEPT 127.0.0.1:", port, sizeof(port)));
	int fd = connected_to((uint16_t)atoi(port));
	CU_ASSERT_EQUAL_FATAL(
		tls_new(&tls, pair.client.context, fd, "tscf.example", "tscf.example"), 0);
	enum tls_result result = finish_handshake(tls, fd);
	CU_ASSERT_EQUAL(result, row->version ? TLS_OK : TLS_FAILED);
	if (result == TLS_OK && row->version) {
		CU_ASSERT_STRING_EQUAL(tls_version(tls), row->version);
		CU_ASSERT_STRING_EQUAL(tls_cipher(tls), row->cipher);
		CU_ASSERT_EQUAL(
			tls_write(tls, (const uint8_t *)"twenty-one characters", 21), TLS_OK);
		CU_ASSERT_EQUAL(tls_unsent(tls), tls_record_size(tls, 21));
		CU_ASSERT_TRUE(write_all(tls, fd, MESSAGE, 'u'));
		CU_ASSERT_EQUAL(write(process.in, "dddddddddd", 10), 10);
		CU_ASSERT_TRUE(read_all(tls, fd, 10, 'd'));
	} else if (!row->version) {
		CU_ASSERT_EQUAL(
			tls_failure(tls), row->failure ? row->failure : TLS_FAILURE_NO_COMMON);
		CU_ASSERT_PTR_NOT_NULL(strstr(tls_reason(tls), row->says));
	}
	if (getenv("VERBOSE") || (result == TLS_OK) != (row->version != NULL))
		printf("\n    %s: %s\n", row->options, tls_reason(tls));
	stop(&process);
	tls_free(tls);
	close(fd);
	pair_close(&pair);
}

static void test_servers(void)
{
	static const struct row rows[] = {
		{"-tls1_3", "TLSv1.3", "TLS_AES_128_GCM_SHA256", NULL, 0},
		{"-tls1_3 -curves P-256", "TLSv1.3", "TLS_AES_128_GCM_SHA256", NULL, 0},
		{"-tls1_2", "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", NULL, 0},
		{"-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2",
			"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", NULL, 0},
		{"-tls1_1 -cipher ALL:@SECLEVEL=0", NULL, NULL, "TLS version", 0},
		{"-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA", NULL, NULL, "handshake_failure", 0},
		{"-tls1_2 -cipher eNULL:@SECLEVEL=0", NULL, NULL, "handshake_failure", 0},
		{"-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256", NULL, NULL,
			"handshake_failure", 0},
		{"-tls1_3 -curves X448", NULL, NULL, "handshake_failure", 0},
	};
	static const struct row anonymous = {
		"-nocert -tls1_2 -cipher aNULL:@SECLEVEL=0", NULL, NULL, "handshake_failure", 0};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		visit(&rows[i], true);
	visit(&anonymous, false);
}

static const struct unit_test tests[] = {
	{"openssl as a client", test_clients},
	{"openssl as a server", test_servers},
};

int main(void)
{
	struct reason why;
	signal(SIGPIPE, SIG_IGN);
	if (!certificates_make() || tls_library_init(&why) != 0)
		return EXIT_FAILURE;
	int status = unit_run("tls and openssl", tests, sizeof(tests) / sizeof(tests[0]));
	tls_library_fini();
	certificates_remove();
	return status;
}
