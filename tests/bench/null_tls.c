/* SPDX-License-Identifier: GPL-3.0-or-later */
/* io/tls.h without TLS: the octets go over TCP as they are.  Linked into tse
 * and tscfd in place of io/tls, it shows what the rest of the data path can do
 * (scripts/bench, tscf-null).  It verifies nobody and hides nothing: for
 * measurements between namespaces, never for anything else. */
#include "io/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUTPUT_FIRST = 262144 };

struct tls_context {
	unsigned references; /* atomic */
};

struct tls {
	struct tls_context *context;
	int fd;
	uint8_t *output; /* octets [head, tail) wait */
	size_t head, tail, capacity;
	bool broken;
};

int tls_library_init(struct reason *why)
{
	(void)why;
	return 0;
}

void tls_library_fini(void)
{
}

void tls_thread_init(void)
{
}

void tls_thread_fini(void)
{
}

int tls_context_new(
	struct tls_context **out, const struct tls_settings *settings, struct reason *why)
{
	(void)settings;
	(void)why;
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->references = 1;
	return 0;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
	__atomic_add_fetch(&context->references, 1, __ATOMIC_RELAXED);
	return context;
}

void tls_context_unref(struct tls_context *context)
{
	if (context && __atomic_sub_fetch(&context->references, 1, __ATOMIC_ACQ_REL) == 0)
		free(context);
}

void tls_context_set_tickets(
	struct tls_context *context, const uint8_t *current, const uint8_t *previous)
{
	(void)context;
	(void)current;
	(void)previous;
}

int64_t tls_context_expiry(const struct tls_context *context)
{
	(void)context;
	return 0;
}

int tls_new(
	struct tls **out, struct tls_context *context, int fd, const char *host, const char *sni)
{
	(void)host;
	(void)sni;
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->context = tls_context_ref(context);
	(*out)->fd = fd;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	tls_context_unref(tls->context);
	free(tls->output);
	free(tls);
}

struct tls_session *tls_session_take(struct tls *tls)
{
	(void)tls;
	return NULL;
}

void tls_session_free(struct tls_session *session)
{
	(void)session;
}

bool tls_resume(struct tls *tls, const struct tls_session *session)
{
	(void)tls;
	(void)session;
	return false;
}

enum tls_result tls_handshake(struct tls *tls)
{
	(void)tls;
	return TLS_OK;
}

void tls_close(struct tls *tls)
{
	shutdown(tls->fd, SHUT_WR);
}

enum tls_result tls_read(struct tls *tls, uint8_t *out, size_t room, size_t *got)
{
	ssize_t length;
	do
		length = recv(tls->fd, out, room, 0);
	while (length < 0 && errno == EINTR);
	if (length > 0) {
		*got = (size_t)length;
		return TLS_OK;
	}
	if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return TLS_WANT_READ;
	tls->broken = length < 0;
	return length == 0 ? TLS_CLOSED : TLS_FAILED;
}

bool tls_has_more(const struct tls *tls)
{
	(void)tls;
	return false;
}

static bool reserve(struct tls *tls, size_t more)
{
	size_t used = tls->tail - tls->head;
	if (tls->head > 0) {
		memmove(tls->output, tls->output + tls->head, used);
		tls->head = 0;
		tls->tail = used;
	}
	size_t capacity = tls->capacity ? tls->capacity : OUTPUT_FIRST;
	while (capacity - used < more)
		capacity *= 2;
	if (capacity == tls->capacity)
		return true;
	uint8_t *octets = realloc(tls->output, capacity);
	if (!octets)
		return false;
	tls->output = octets;
	tls->capacity = capacity;
	return true;
}

enum tls_result tls_write(struct tls *tls, const uint8_t *octets, size_t length)
{
	if (tls->capacity - tls->tail < length && !reserve(tls, length))
		return TLS_FAILED;
	memcpy(tls->output + tls->tail, octets, length);
	tls->tail += length;
	return TLS_OK;
}

enum tls_result tls_flush(struct tls *tls)
{
	while (tls->head < tls->tail) {
		ssize_t sent =
			send(tls->fd, tls->output + tls->head, tls->tail - tls->head, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return TLS_WANT_WRITE;
		if (sent < 0)
			break;
		tls->head += (size_t)sent;
	}
	tls->head = tls->tail = 0;
	return TLS_OK;
}

size_t tls_unsent(const struct tls *tls)
{
	return tls->tail - tls->head;
}

/* There are no records. */
size_t tls_record_size(const struct tls *tls, size_t length)
{
	(void)tls;
	return length;
}

const char *tls_reason(const struct tls *tls)
{
	return tls->broken ? "the connection broke" : "no fault";
}

enum tls_failure tls_failure(const struct tls *tls)
{
	return tls->broken ? TLS_FAILURE_CONNECTION : TLS_FAILURE_NONE;
}

const char *tls_failure_name(enum tls_failure failure)
{
	return failure == TLS_FAILURE_NONE ? "none" : "connection";
}

const char *tls_version(const struct tls *tls)
{
	(void)tls;
	return "none";
}

const char *tls_cipher(const struct tls *tls)
{
	(void)tls;
	return "NULL";
}

bool tls_resumed(const struct tls *tls)
{
	(void)tls;
	return false;
}

bool tls_peer_name(const struct tls *tls, char *out, size_t room)
{
	(void)tls;
	snprintf(out, room, "nobody");
	return true;
}

bool tls_peer_serial(const struct tls *tls, char *out, size_t room)
{
	(void)tls;
	snprintf(out, room, "00");
	return true;
}

void tls_peer_identity(
	const struct tls *tls, char *name, size_t name_room, char *serial, size_t serial_room)
{
	tls_peer_name(tls, name, name_room);
	tls_peer_serial(tls, serial, serial_room);
}

bool tls_update_keys(struct tls *tls)
{
	(void)tls;
	return false;
}

bool tls_peer_is_revoked(const struct tls *tls, const struct tls_context *context)
{
	(void)tls;
	(void)context;
	return false;
}

size_t tls_memory(const struct tls *tls)
{
	return sizeof(*tls) + tls->capacity;
}

const char *tls_aead_name(void)
{
	return "none";
}
