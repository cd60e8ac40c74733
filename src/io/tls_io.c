/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between wolfSSL and the socket: one large recv feeds many records, many
 * records leave in one send, and a connection that is idle holds no buffer.
 *
 *   recv -> thread's receive buffer -> window -> wolfSSL -> caller
 *              what wolfSSL did not take: tls->input, until the next call
 *   caller -> wolfSSL -> tls->output -> send
 *              an emptied buffer goes to the thread's spare, for the next one
 */
#include "io/tls_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	OUTPUT_FIRST = 32768, /* a new output buffer: a handshake's flight, a record or two */
	SPARE_MAX = 524288,   /* a larger buffer is not worth keeping */
};

/* One set per thread, however many connections. */
static _Thread_local struct {
	uint8_t *receive;        /* TLS_RECEIVE_MAX octets */
	struct tls_buffer spare; /* an output buffer that nobody uses now */
} thread;

static void buffer_forget(struct tls_buffer *buffer)
{
	free(buffer->octets);
	*buffer = (struct tls_buffer){0};
}

void tls_thread_init(void)
{
	aead_thread_init();
}

void tls_thread_fini(void)
{
	aead_thread_fini();
	free(thread.receive);
	thread.receive = NULL;
	buffer_forget(&thread.spare);
#if defined(HAVE_ECC) && defined(FP_ECC)
	wc_ecc_fp_free(); /* wolfSSL's tables are per thread */
#endif
}

/* Room for `more` octets at the tail. */
static bool buffer_reserve(struct tls_buffer *buffer, size_t more)
{
	if (!buffer->octets) {
		*buffer = thread.spare;
		thread.spare = (struct tls_buffer){0};
	}
	if (buffer->capacity - buffer->tail >= more)
		return true;
	size_t used = buffer->tail - buffer->head;
	if (buffer->head > 0) {
		memmove(buffer->octets, buffer->octets + buffer->head, used);
		buffer->head = 0;
		buffer->tail = used;
	}
	size_t capacity = buffer->capacity ? buffer->capacity : OUTPUT_FIRST;
	while (capacity - used < more)
		capacity *= 2;
	if (capacity == buffer->capacity)
		return true;
	uint8_t *octets = realloc(buffer->octets, capacity);
	if (!octets)
		return false;
	buffer->octets = octets;
	buffer->capacity = capacity;
	return true;
}

static void buffer_release(struct tls_buffer *buffer)
{
	if (thread.spare.octets || buffer->capacity > SPARE_MAX) {
		buffer_forget(buffer);
		return;
	}
	thread.spare = (struct tls_buffer){.octets = buffer->octets, .capacity = buffer->capacity};
	*buffer = (struct tls_buffer){0};
}

/* One recv straight into the thread's buffer. */
static void receive(struct tls *tls, size_t room)
{
	if (!thread.receive && !(thread.receive = malloc(TLS_RECEIVE_MAX))) {
		tls->out_of_memory = true;
		return;
	}
	/* Little more than the caller can take, so that little is left over. */
	size_t wanted = TLS_RECEIVE_MAX;
	if (room < TLS_RECEIVE_MAX - 2 * TLS_RECORD_MAX)
		wanted = room + room / 32 + TLS_RECORD_MAX;
	ssize_t got;
	do
		got = recv(tls->fd, thread.receive, wanted, 0);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		tls->input_ended = true;
	else if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
		tls->receive_error = errno;
	if (got <= 0)
		return;
	size_t length = (size_t)got;
	if (tls->first_length < TLS_FIRST_OCTETS) {
		size_t more = TLS_FIRST_OCTETS - tls->first_length;
		more = length < more ? length : more;
		memcpy(tls->first + tls->first_length, thread.receive, more);
		tls->first_length += (uint8_t)more;
	}
	tls->window = (struct tls_buffer){.octets = thread.receive, .tail = length};
}

void tls_io_fill(struct tls *tls, size_t room)
{
	if (tls->input.octets)
		tls->window = tls->input;
	else if (!tls->input_ended && !tls->receive_error)
		receive(tls, room);
}

void tls_io_settle(struct tls *tls)
{
	struct tls_buffer window = tls->window;
	size_t left = window.tail - window.head;
	tls->window = (struct tls_buffer){0};
	if (left == 0) {
		buffer_forget(&tls->input);
		return;
	}
	if (tls->input.octets) {
		tls->input.head = window.head;
		return;
	}
	tls->input.octets = malloc(left);
	if (!tls->input.octets) {
		tls->out_of_memory = true;
		return;
	}
	memcpy(tls->input.octets, window.octets + window.head, left);
	tls->input.tail = tls->input.capacity = left;
}

void tls_io_forget(struct tls *tls)
{
	buffer_forget(&tls->input);
	buffer_forget(&tls->output);
}

int tls_io_receive(WOLFSSL *wolf, char *out, int room, void *user)
{
	(void)wolf;
	struct tls *tls = user;
	size_t length = tls->window.tail - tls->window.head;
	if (length == 0) {
		if (tls->input_ended)
			return WOLFSSL_CBIO_ERR_CONN_CLOSE;
		return tls->receive_error ? WOLFSSL_CBIO_ERR_CONN_RST : WOLFSSL_CBIO_ERR_WANT_READ;
	}
	if (length > (size_t)room)
		length = (size_t)room;
	memcpy(out, tls->window.octets + tls->window.head, length);
	tls->window.head += length;
	return (int)length;
}

/* Always takes everything: wolfSSL never has to try again, and a record is
 * never half of one and half of another. */
int tls_io_send(WOLFSSL *wolf, char *octets, int length, void *user)
{
	(void)wolf;
	struct tls *tls = user;
	if (tls->send_error)
		return length;
	if (!buffer_reserve(&tls->output, (size_t)length)) {
		tls->out_of_memory = true;
		return WOLFSSL_CBIO_ERR_GENERAL;
	}
	memcpy(tls->output.octets + tls->output.tail, octets, (size_t)length);
	tls->output.tail += (size_t)length;
	return length;
}

/* A peer that went away may have said why, in an alert or in its last message:
 * the error waits until tls_read has read everything. */
enum tls_result tls_flush(struct tls *tls)
{
	struct tls_buffer *output = &tls->output;
	if (!output->octets)
		return TLS_OK;
	while (output->head < output->tail) {
		ssize_t sent = send(tls->fd, output->octets + output->head,
			output->tail - output->head, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return TLS_WANT_WRITE;
		if (sent < 0) {
			tls->send_error = errno;
			buffer_forget(output);
			return TLS_OK;
		}
		output->head += (size_t)sent;
		if (output->head < output->tail)
			return TLS_WANT_WRITE;
	}
	buffer_release(output);
	return TLS_OK;
}

size_t tls_unsent(const struct tls *tls)
{
	return tls->output.tail - tls->output.head;
}

size_t tls_memory(const struct tls *tls)
{
	return sizeof(*tls) + tls->input.capacity + tls->output.capacity;
}
