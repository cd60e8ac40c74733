/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Step 3 alone: opens a connection through a proxy as tse does, runs TLS on it,
 * sends one line and reads one, as from `openssl s_server -rev`.
 *
 *	proxy_connect [-u USER -w PASSWORD] [-k KEYTAB] [-c CACHE] [-t SECONDS] [-m MARK]
 *		-a CA PROXY-URL HOST PORT
 *
 * Prints what happened, one KEY=VALUE a line; `gap` is the longest time in ms
 * for which the event loop stood still.  Exits with the number of the failure
 * (enum proxy_failure), 0 when the line came back reversed, 99 when TLS or that
 * failed, 98 on a wrong command line. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../io/stall.h"
#include "io/clock.h"
#include "io/proxy_dial.h"

enum { EXIT_TLS = 99, EXIT_USAGE = 98 };

static struct proxy_dial_result outcome;

static void on_done(void *user, const struct proxy_dial_result *result)
{
	outcome = *result;
	ev_break(user, EVBREAK_ALL);
}

static void dial(const struct proxy_dial_settings *settings)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct stall stall;
	struct proxy_dial *started;
	uint64_t began = clock_now();
	stall_watch(&stall, loop);
	if (proxy_dial_start(&started, loop, settings, on_done, loop) < 0)
		exit(EXIT_USAGE);
	ev_run(loop, 0);
	uint64_t gap = stall_end(&stall);
	ev_loop_destroy(loop);
	printf("failure=%d\nstatus=%u\nschemes=%s\nportal=%s\nms=%llu\ngap=%llu\nwhy=%s\n",
		outcome.failure, outcome.status, outcome.schemes, outcome.portal,
		(unsigned long long)(clock_now() - began) / 1000, (unsigned long long)gap / 1000,
		outcome.why.text);
}

static void print_port(void)
{
	struct sockaddr_in6 self;
	socklen_t size = sizeof(self);
	/* The port is at the same place in both families. */
	if (getsockname(outcome.fd, (struct sockaddr *)&self, &size) == 0)
		printf("port=%u\n", ntohs(self.sin6_port));
}

/* A line there and back over TLS, with the chain and the name verified. */
static int talk(const char *ca, const char *host)
{
	char answer[64] = "";
	int got = 0;
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = context ? SSL_new(context) : NULL;
	fcntl(outcome.fd, F_SETFL, fcntl(outcome.fd, F_GETFL) & ~O_NONBLOCK);
	if (!ssl || SSL_CTX_load_verify_locations(context, ca, NULL) != 1)
		return EXIT_USAGE;
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	SSL_set1_host(ssl, host);
	SSL_set_tlsext_host_name(ssl, host);
	SSL_set_fd(ssl, outcome.fd);
	if (SSL_connect(ssl) == 1 && SSL_write(ssl, "hello\n", 6) == 6)
		got = SSL_read(ssl, answer, sizeof(answer) - 1);
	if (got <= 0)
		ERR_print_errors_fp(stdout);
	answer[strcspn(answer, "\n")] = '\0';
	printf("answer=%s\n", answer);
	SSL_free(ssl);
	SSL_CTX_free(context);
	return strcmp(answer, "olleh") == 0 ? 0 : EXIT_TLS;
}

int main(int argc, char **argv)
{
	struct proxy_dial_settings settings = {.timeout = 5000000};
	struct proxy_url url;
	struct reason why;
	const char *ca = NULL;
	int option;
	while ((option = getopt(argc, argv, "u:w:k:c:t:m:a:")) != -1) {
		switch (option) {
		case 'u':
			settings.user = optarg;
			break;
		case 'w':
			settings.password = optarg;
			break;
		case 'k':
			settings.keytab = optarg;
			break;
		case 'c':
			settings.credential_cache = optarg;
			break;
		case 't':
			settings.timeout = (uint64_t)(strtod(optarg, NULL) * 1e6);
			break;
		case 'm':
			settings.mark = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'a':
			ca = optarg;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 3 || !ca || proxy_url_parse(&url, argv[optind], &why) < 0)
		return EXIT_USAGE;
	settings.proxy = &url;
	settings.host = argv[optind + 1];
	settings.port = (uint16_t)strtoul(argv[optind + 2], NULL, 10);
	dial(&settings);
	if (outcome.failure != PROXY_OK)
		return (int)outcome.failure;
	print_port();
	return talk(ca, settings.host);
}
