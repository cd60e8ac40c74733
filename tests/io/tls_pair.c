/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two TLS ends, pumped in turn. */
#include "tls_pair.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANDSHAKE_TURNS = 200, SMALL_BUFFER = 4608 };

char certificates[] = "/tmp/test-tls-XXXXXX";

static int run(const char *program, const char *argument)
{
	pid_t child = fork();
	if (child == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execlp(program, program, argument, (char *)NULL);
		_exit(127);
	}
	int status = -1;
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool certificates_make(void)
{
	const char *source = getenv("srcdir");
	char program[512];
	snprintf(program, sizeof(program), "%s/tests/io/make-certs", source ? source : ".");
	if (!mkdtemp(certificates))
		return false;
	if (run(program, certificates) == 0)
		return true;
	fprintf(stderr, "%s failed; is openssl installed?\n", program);
	return false;
}

void certificates_remove(void)
{
	pid_t child = fork();
	if (child == 0) {
		execlp("rm", "rm", "-rf", certificates, (char *)NULL);
		_exit(127);
	}
	waitpid(child, NULL, 0);
}

struct view certificate_file(const char *name, const char *suffix)
{
	char path[256];
	struct view view = {0};
	struct stat status;
	if (!name)
		return view;
	snprintf(path, sizeof(path), "%s/%s%s", certificates, name, suffix);
	int fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &status) != 0)
		abort();
	uint8_t *octets = malloc((size_t)status.st_size);
	if (!octets || read(fd, octets, (size_t)status.st_size) != status.st_size)
		abort();
	close(fd);
	return (struct view){octets, (size_t)status.st_size};
}

static void forget(struct view view)
{
	free((void *)(uintptr_t)view.octets);
}

static int context(struct end *end, struct tls_settings *settings, const char *certificate,
	const char *ca, const char *crl, struct reason *why)
{
	settings->certificate = certificate_file(certificate, ".pem");
	settings->key = certificate_file(certificate, ".key");
	settings->ca = certificate_file(ca, ".pem");
	settings->crl = certificate_file(crl, "");
	int error = tls_context_new(&end->context, settings, why);
	forget(settings->certificate);
	forget(settings->key);
	forget(settings->ca);
	forget(settings->crl);
	return error;
}

int pair_contexts(struct pair *pair, const struct pair_settings *settings)
{
	*pair = (struct pair){.client.fd = -1, .server.fd = -1};
	struct tls_settings server = {
		.server = true,
		.tls13_only = settings->server_tls13_only,
		.request_client = !settings->no_client_auth,
		.require_client = !settings->no_client_auth && !settings->optional_client_auth,
		.alpn = settings->server_alpn,
		.ticket_lifetime = settings->ticket_lifetime,
	};
	struct tls_settings client = {
		.tls13_only = settings->client_tls13_only,
		.alpn = settings->client_alpn,
	};
	struct view pin = certificate_file(settings->pin, "");
	client.pin = pin.octets;
	int error = context(&pair->server, &server, settings->server_certificate,
		settings->server_ca, settings->crl, &pair->why);
	if (!error)
		error = context(&pair->client, &client, settings->client_certificate,
			settings->client_ca, settings->client_crl, &pair->why);
	if (!error && settings->ticket_secret)
		tls_context_set_tickets(
			pair->server.context, settings->ticket_secret, settings->old_ticket_secret);
	forget(pin);
	return error;
}

bool pair_connect(struct pair *pair, const struct pair_settings *settings, bool small_buffers)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0)
		return false;
	pair->client.fd = fds[0];
	pair->server.fd = fds[1];
	int size = SMALL_BUFFER;
	for (int i = 0; small_buffers && i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return tls_new(&pair->client.tls, pair->client.context, fds[0], settings->host,
		       settings->host) == 0 &&
	       tls_new(&pair->server.tls, pair->server.context, fds[1], NULL, NULL) == 0;
}

/* A failed end closes, as a daemon would. */
static void advance(struct end *end)
{
	if (end->fd < 0 || end->result == TLS_FAILED || end->result == TLS_OK)
		return;
	end->result = tls_handshake(end->tls);
	if (end->result == TLS_FAILED)
		shutdown(end->fd, SHUT_RDWR);
}

void pair_handshake(struct pair *pair)
{
	pair->client.result = pair->server.result = TLS_WANT_READ;
	for (int i = 0; i < HANDSHAKE_TURNS; i++) {
		advance(&pair->client);
		advance(&pair->server);
	}
}

static void look(struct end *end)
{
	uint8_t octets[64];
	size_t got;
	if (end->result == TLS_FAILED)
		return;
	end->result = tls_read(end->tls, octets, sizeof(octets), &got);
	if (end->result == TLS_FAILED)
		shutdown(end->fd, SHUT_RDWR);
}

void pair_settle(struct pair *pair)
{
	look(&pair->client);
	look(&pair->server);
	look(&pair->client);
}

bool pair_open(struct pair *pair, const struct pair_settings *settings)
{
	if (pair_contexts(pair, settings) != 0) {
		fprintf(stderr, "%s\n", pair->why.text);
		return false;
	}
	if (!pair_connect(pair, settings, false))
		return false;
	pair_handshake(pair);
	if (pair->client.result == TLS_OK && pair->server.result == TLS_OK)
		return true;
	fprintf(stderr, "client: %s\nserver: %s\n", tls_reason(pair->client.tls),
		tls_reason(pair->server.tls));
	return false;
}

static void disconnect(struct end *end)
{
	tls_free(end->tls);
	end->tls = NULL;
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
}

void pair_disconnect(struct pair *pair)
{
	disconnect(&pair->client);
	disconnect(&pair->server);
}

void pair_close(struct pair *pair)
{
	pair_disconnect(pair);
	tls_context_unref(pair->client.context);
	tls_context_unref(pair->server.context);
	*pair = (struct pair){.client.fd = -1, .server.fd = -1};
}
