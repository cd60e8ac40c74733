/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the linked wolfSSL keeps for one idle server connection, apart from
 * what tscfd adds: its allocator is counted while a client and a server of
 * io/tls shake hands in this process, the server's part only.
 *
 *	tls_memory TSCFD.CONF PROFILE [COUNT] */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/memory.h>

#include "core/tscfd_config.h"
#include "io/keeper.h"
#include "io/tls.h"

enum { FILE_LIMIT = 1024 * 1024, COUNT = 100, ROUNDS = 20, OWNER = 16, CHUNK = 8 };

/* In front of every block: whether the server took it. */
struct owner {
	bool is_server;
};
_Static_assert(sizeof(struct owner) <= OWNER, "the prefix has no room");

static bool server_at_work;
static long server_octets, server_blocks;

static void count(struct owner *block, long sign)
{
	if (!block->is_server)
		return;
	/* What malloc really takes, its own header included, without our prefix. */
	server_octets += sign * ((long)malloc_usable_size(block) + CHUNK - OWNER);
	server_blocks += sign;
}

static void *take(size_t size)
{
	struct owner *block = malloc(size + OWNER);
	if (!block)
		return NULL;
	block->is_server = server_at_work;
	count(block, 1);
	return (char *)block + OWNER;
}

static void give(void *at)
{
	if (!at)
		return;
	struct owner *block = (struct owner *)((char *)at - OWNER);
	count(block, -1);
	free(block);
}

static void *take_again(void *at, size_t size)
{
	if (!at)
		return take(size);
	struct owner *block = (struct owner *)((char *)at - OWNER);
	count(block, -1);
	struct owner *moved = realloc(block, size + OWNER);
	count(moved ? moved : block, 1);
	return moved ? (char *)moved + OWNER : NULL;
}

static void die(const char *why)
{
	fprintf(stderr, "tls_memory: %s\n", why);
	exit(1);
}

static struct view load(const struct config_secret *secret)
{
	struct view view = {secret->der, secret->length};
	struct reason why;
	uint8_t *octets;
	if (secret->path) {
		if (file_read(secret->path, &octets, &view.length, FILE_LIMIT, &why) != 0)
			die(why.text);
		view.octets = octets;
	}
	return view;
}

static void read_config(void *config, const struct config_key *keys, const char *path)
{
	struct reason why;
	uint8_t *text;
	size_t length;
	if (file_read(path, &text, &length, FILE_LIMIT, &why) != 0 ||
		config_read_octets(config, keys, (const char *)text, length, path, &why) != 0)
		die(why.text);
}

static struct tls_context *server_context(const char *path)
{
	struct tscfd_config config;
	struct tls_context *context;
	struct reason why;
	tscfd_config_init(&config);
	read_config(&config, tscfd_config_keys, path);
	struct tls_settings settings = {
		.server = true,
		.ca = load(&config.client_ca),
		.certificate = load(&config.cert),
		.key = load(&config.key),
		.crl = load(&config.crl),
		.request_client = true,
		.require_client = true,
	};
	if (tls_context_new(&context, &settings, &why) != 0)
		die(why.text);
	return context;
}

static struct tls_context *client_context(const char *path)
{
	struct tse_config config;
	struct tls_context *context;
	struct reason why;
	tse_config_init(&config);
	read_config(&config, tse_config_keys, path);
	struct tls_settings settings = {
		.ca = load(&config.ca),
		.certificate = load(&config.cert),
		.key = load(&config.key),
	};
	if (tls_context_new(&context, &settings, &why) != 0)
		die(why.text);
	return context;
}

static enum tls_result step(struct tls *tls, bool server)
{
	server_at_work = server;
	enum tls_result result = tls_handshake(tls);
	server_at_work = false;
	return result;
}

/* One message each way, as every tunnel begins; then the server is idle. */
static void greet(struct tls *client, struct tls *server)
{
	uint8_t octets[256] = {0};
	size_t got;
	tls_write(client, octets, sizeof(octets));
	tls_flush(client);
	server_at_work = true;
	tls_read(server, octets, sizeof(octets), &got);
	tls_write(server, octets, sizeof(octets));
	tls_flush(server);
	server_at_work = false;
	tls_read(client, octets, sizeof(octets), &got);
}

static struct tls *connect_pair(struct tls_context *to, struct tls_context *from)
{
	int fd[2];
	struct tls *client, *server;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) != 0)
		die("no socket pair");
	server_at_work = true;
	int error = tls_new(&server, to, fd[0], NULL, NULL);
	server_at_work = false;
	if (error || tls_new(&client, from, fd[1], "tscf.example.net", "tscf.example.net") != 0)
		die("out of memory");
	enum tls_result mine = TLS_WANT_READ, theirs = TLS_WANT_READ;
	for (int i = 0; i < ROUNDS && (mine != TLS_OK || theirs != TLS_OK); i++) {
		mine = step(client, false);
		theirs = step(server, true);
	}
	if (mine != TLS_OK || theirs != TLS_OK)
		die(mine == TLS_OK ? tls_reason(server) : tls_reason(client));
	greet(client, server);
	tls_free(client);
	return server;
}

int main(int argc, char **argv)
{
	struct reason why;
	size_t ours = 0;
	if (argc < 3) {
		fputs("Usage: tls_memory TSCFD.CONF PROFILE [COUNT]\n", stderr);
		return 2;
	}
	int connections = argc > 3 ? atoi(argv[3]) : COUNT;
	if (connections < 1 || wolfSSL_SetAllocators(take, give, take_again) != 0 ||
		tls_library_init(&why) != 0)
		die("cannot start");
	struct tls_context *to = server_context(argv[1]), *from = client_context(argv[2]);
	connect_pair(to, from); /* what only the first one needs stays out of it */
	long octets = server_octets, blocks = server_blocks;
	for (int i = 0; i < connections; i++)
		ours += tls_memory(connect_pair(to, from));
	printf("{\"wolfssl_kib_each\": %.2f, \"blocks_each\": %.1f, \"io_tls_kib_each\": %.2f, "
	       "\"version\": \"%s\", \"aead\": \"%s\"}\n",
		(double)(server_octets - octets) / 1024 / connections,
		(double)(server_blocks - blocks) / connections, (double)ours / 1024 / connections,
		wolfSSL_lib_version(), tls_aead_name());
	return 0;
}
