/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One TCP connection per address, the order among them, and what became of
 * each in words. */
#include "io/race.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/mark.h"

/* --- words ------------------------------------------------------------- */

void reason_add(struct reason *why, const char *format, ...)
{
	size_t used = strlen(why->text);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(why->text + used, REASON_MAX - used, format, arguments);
	va_end(arguments);
}

void reason_add_separator(struct reason *why)
{
	size_t used = strlen(why->text);
	if (used >= 2 && strcmp(why->text + used - 2, ": ") != 0)
		reason_add(why, "; ");
}

void reason_add_silence(struct reason *why, uint64_t us)
{
	unsigned long tenths = (unsigned long)((us + 50000) / 100000);
	if (tenths % 10)
		reason_add(why, "no answer within %lu.%lu s", tenths / 10, tenths % 10);
	else
		reason_add(why, "no answer within %lu s", tenths / 10);
}

/* Starts what is said of one address; a numeric endpoint has named it. */
static void add_address(const struct attempt *attempt)
{
	struct reason *why = attempt->race->why;
	char text[ADDRESS_TEXT_MAX];
	reason_add_separator(why);
	if (attempt->origin != ATTEMPT_NUMERIC)
		reason_add(why, "%s%s: ", address_format(&attempt->address, text),
			attempt->origin == ATTEMPT_CACHED ? " (as resolved earlier)" : "");
}

/* strerror for the middle of a sentence. */
static const char *errno_words(int error, char *out, size_t room)
{
	snprintf(out, room, "%s", strerror(error));
	if (out[0] >= 'A' && out[0] <= 'Z' && out[1] >= 'a')
		out[0] = (char)(out[0] + ('a' - 'A'));
	return out;
}

/* --- one attempt ------------------------------------------------------- */

static void close_attempt(struct attempt *attempt)
{
	if (attempt->io.fd < 0)
		return;
	ev_io_stop(attempt->race->loop, &attempt->io);
	close(attempt->io.fd);
	attempt->io.fd = -1;
}

static void reject(struct attempt *attempt, const char *words)
{
	attempt->state = ATTEMPT_FAILED;
	add_address(attempt);
	reason_add(attempt->race->why, "%s", words);
}

static void fail(struct attempt *attempt, int error)
{
	char words[160];
	errno_words(error, words, sizeof(words));
	if (error == EPERM || error == EACCES)
		strncat(words, " (a local firewall rule or route?)",
			sizeof(words) - strlen(words) - 1);
	close_attempt(attempt);
	reject(attempt, words);
	if (error != ETIMEDOUT)
		attempt->race->error = error;
	attempt->race->next_attempt = 0; /* RFC 8305 5: the next need not wait */
}

static void fail_locally(struct race *race, const char *what, int error)
{
	char words[128];
	race->local_fault = true;
	reason_set(race->why, "%s: %s", what, errno_words(error, words, sizeof(words)));
}

static void on_writable(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)events;
	struct attempt *attempt = io->data;
	int error = 0;
	socklen_t size = sizeof(error);
	ev_io_stop(loop, io);
	if (getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error)
		fail(attempt, error);
	else
		attempt->state = ATTEMPT_CONNECTED;
	attempt->race->changed(attempt->race->user);
}

static socklen_t fill_sockaddr(struct sockaddr_storage *out, const struct attempt *attempt)
{
	memset(out, 0, sizeof(*out));
	if (attempt->address.version == 6) {
		struct sockaddr_in6 *sin6 = (void *)out;
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons(attempt->race->port);
		sin6->sin6_scope_id = attempt->scope;
		memcpy(&sin6->sin6_addr, attempt->address.octets, 16);
		return sizeof(*sin6);
	}
	struct sockaddr_in *sin = (void *)out;
	sin->sin_family = AF_INET;
	sin->sin_port = htons(attempt->race->port);
	memcpy(&sin->sin_addr, attempt->address.octets, 4);
	return sizeof(*sin);
}

/* -1 when it could not be made, which has then been told. */
static int open_socket(struct attempt *attempt)
{
	struct race *race = attempt->race;
	int family = attempt->address.version == 6 ? AF_INET6 : AF_INET;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		if (errno == EAFNOSUPPORT) /* a kernel without this family */
			fail(attempt, errno);
		else
			fail_locally(race, "cannot make a socket", errno);
		return -1;
	}
	if (mark_socket(fd, race->mark, race->why) < 0) {
		race->local_fault = true;
		close(fd);
		return -1;
	}
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

void attempt_start(struct attempt *attempt, uint64_t now)
{
	struct race *race = attempt->race;
	race->started++;
	race->last_version = attempt->address.version;
	race->next_attempt = now + RACE_ATTEMPT_DELAY;
	attempt->began = now;
	attempt->state = ATTEMPT_CONNECTING;
	int fd = open_socket(attempt);
	if (fd < 0)
		return;
	ev_io_init(&attempt->io, on_writable, fd, EV_WRITE);
	attempt->io.data = attempt;

	struct sockaddr_storage to;
	socklen_t size = fill_sockaddr(&to, attempt);
	if (connect(fd, (struct sockaddr *)&to, size) < 0 && errno != EINPROGRESS)
		fail(attempt, errno);
	else
		ev_io_start(race->loop, &attempt->io);
}

/* --- all of them ------------------------------------------------------- */

static bool is_unspecified(const struct address *address)
{
	struct address none = {.version = address->version};
	return address_equal(address, &none);
}

static bool is_link_local6(const struct address *address)
{
	return address->version == 6 && address->octets[0] == 0xfe &&
	       (address->octets[1] & 0xc0) == 0x80;
}

/* IPv4 in IPv6 clothes (RFC 4291 2.5.5.2) is IPv4: the routes that exempt it
 * from the tunnel are IPv4's. */
static struct address unmap(const struct address *address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct address plain = *address;
	if (address->version == 6 && memcmp(address->octets, mapped, sizeof(mapped)) == 0)
		address_set(&plain, 4, address->octets + sizeof(mapped));
	return plain;
}

void race_add(struct race *race, const struct address *address, uint32_t scope,
	enum attempt_origin origin)
{
	struct address plain = unmap(address);
	for (size_t i = 0; i < race->count; i++)
		if (address_equal(&race->attempts[i].address, &plain))
			return;
	if (race->count == RACE_ATTEMPTS)
		return;
	struct attempt *attempt = &race->attempts[race->count++];
	*attempt =
		(struct attempt){.race = race, .address = plain, .scope = scope, .origin = origin};
	attempt->io.fd = -1;

	if (is_unspecified(&plain)) /* connect() would reach this very host */
		reject(attempt, "not the address of a server (a DNS filter's answer?)");
	else if (is_link_local6(&plain) && scope == 0)
		reject(attempt, "link-local, so it needs its interface: ADDRESS%INTERFACE");
}

/* RFC 8305 4: the families alternate; IPv6 comes first. */
struct attempt *race_next(struct race *race)
{
	struct attempt *other = NULL;
	uint8_t preferred = race->last_version == 6 ? 4 : 6;
	for (size_t i = 0; i < race->count; i++) {
		struct attempt *attempt = &race->attempts[i];
		if (attempt->state != ATTEMPT_WAITING)
			continue;
		if (attempt->address.version == preferred)
			return attempt;
		if (!other)
			other = attempt;
	}
	return other;
}

struct attempt *race_winner(struct race *race)
{
	for (size_t i = 0; i < race->count; i++)
		if (race->attempts[i].state == ATTEMPT_CONNECTED)
			return &race->attempts[i];
	return NULL;
}

bool race_all_failed(const struct race *race)
{
	for (size_t i = 0; i < race->count; i++)
		if (race->attempts[i].state != ATTEMPT_FAILED)
			return false;
	return true;
}

void race_give_up(struct race *race, uint64_t now)
{
	for (size_t i = 0; i < race->count; i++) {
		const struct attempt *attempt = &race->attempts[i];
		if (attempt->state == ATTEMPT_FAILED)
			continue;
		add_address(attempt);
		if (attempt->state == ATTEMPT_WAITING)
			reason_add(race->why, "not tried, no time was left");
		else
			reason_add_silence(race->why, now - attempt->began);
	}
}

void race_fini(struct race *race)
{
	for (size_t i = 0; i < race->count; i++)
		close_attempt(&race->attempts[i]);
	race->count = 0;
}
