/* SPDX-License-Identifier: GPL-3.0-or-later */
/* c-ares on libev: its sockets become watchers, its time-outs one timer. */
#include "io/resolve.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "io/mark.h"

struct resolve_watch {
	struct ev_io io; /* io.fd is -1 while the slot is free */
	struct resolve *resolve;
};

struct resolve {
	struct ev_loop *loop;
	ares_channel channel;
	struct ev_timer timer;
	struct resolve_watch watches[ARES_GETSOCK_MAXNUM];
	uint32_t mark;
	struct reason fault; /* why a socket could not be marked; empty: it could */
	bool cancelled;
	resolve_answered *answered; /* for addresses, or */
	resolve_listed *listed;     /* for records */
	void *user;
};

/* Whatever c-ares did may have moved its next time-out. */
static void arm_timer(struct resolve *resolve)
{
	struct timeval room, *wait = ares_timeout(resolve->channel, NULL, &room);
	ev_timer_stop(resolve->loop, &resolve->timer);
	if (!wait)
		return;
	ev_timer_set(&resolve->timer, (double)wait->tv_sec + (double)wait->tv_usec / 1e6, 0.);
	ev_timer_start(resolve->loop, &resolve->timer);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop, (void)events;
	struct resolve *resolve = timer->data;
	ares_process_fd(resolve->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_timer(resolve);
}

static void on_socket(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop;
	struct resolve *resolve = ((struct resolve_watch *)io)->resolve;
	int fd = io->fd; /* the slot may be freed meanwhile */
	ares_process_fd(resolve->channel, events & EV_READ ? fd : ARES_SOCKET_BAD,
		events & EV_WRITE ? fd : ARES_SOCKET_BAD);
	arm_timer(resolve);
}

static struct resolve_watch *find_watch(struct resolve *resolve, int fd)
{
	for (size_t i = 0; i < ARES_GETSOCK_MAXNUM; i++)
		if (resolve->watches[i].io.fd == fd)
			return &resolve->watches[i];
	return NULL;
}

/* c-ares says what it waits for on a socket; nothing: it is about to close. */
static void on_socket_state(void *user, ares_socket_t fd, int readable, int writable)
{
	struct resolve *resolve = user;
	int events = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
	struct resolve_watch *watch = find_watch(resolve, fd);
	if (!watch && events)
		watch = find_watch(resolve, -1);
	if (!watch)
		return;
	ev_io_stop(resolve->loop, &watch->io);
	ev_io_set(&watch->io, events ? fd : -1, events);
	if (events)
		ev_io_start(resolve->loop, &watch->io);
}

/* Before connect, so that not even the first query leaves unmarked. */
static int on_socket_configure(ares_socket_t fd, int type, void *user)
{
	(void)type;
	struct resolve *resolve = user;
	return mark_socket(fd, resolve->mark, &resolve->fault) == 0 ? 0 : -1;
}

const char *resolve_describe(const struct resolve *resolve, char *text, size_t room)
{
	struct ares_addr_node *servers = NULL;
	if (ares_get_servers(resolve->channel, &servers) != ARES_SUCCESS || !servers) {
		snprintf(text, room, "resolver");
		return text;
	}
	size_t used = (size_t)snprintf(text, room, "resolver%s", servers->next ? "s" : "");
	for (const struct ares_addr_node *at = servers; at && used < room; at = at->next) {
		char one[ADDRESS_TEXT_MAX];
		ares_inet_ntop(at->family, &at->addr, one, sizeof(one));
		used += (size_t)snprintf(
			text + used, room - used, "%s %s", at == servers ? "" : ",", one);
	}
	ares_free_data(servers);
	return text;
}

/* `lacks`: what the name has not, if it exists. */
static enum resolve_status explain(
	const struct resolve *resolve, int status, const char *lacks, char out[RESOLVE_PROBLEM_MAX])
{
	char servers[128];
	resolve_describe(resolve, servers, sizeof(servers));

	if (resolve->fault.text[0]) {
		snprintf(out, RESOLVE_PROBLEM_MAX, "%.*s", RESOLVE_PROBLEM_MAX - 1,
			resolve->fault.text);
		return RESOLVE_LOCAL;
	}
	if (status == ARES_ENOMEM) {
		snprintf(out, RESOLVE_PROBLEM_MAX, "no memory to resolve the name");
		return RESOLVE_LOCAL;
	}
	if (status == ARES_ENOTFOUND) {
		snprintf(out, RESOLVE_PROBLEM_MAX, "no such name, says the %s", servers);
		return RESOLVE_NO_NAME;
	}
	if (status == ARES_ENODATA) {
		snprintf(out, RESOLVE_PROBLEM_MAX, "the name has no %s, says the %s", lacks,
			servers);
		return RESOLVE_NO_ADDRESS;
	}
	if (status == ARES_ETIMEOUT)
		snprintf(out, RESOLVE_PROBLEM_MAX, "no answer from the %s", servers);
	else if (status == ARES_ECONNREFUSED || status == ARES_ESERVFAIL || status == ARES_EREFUSED)
		/* c-ares goes on to the next resolver and forgets which it was. */
		snprintf(out, RESOLVE_PROBLEM_MAX,
			"no useful answer from the %s (not reachable, SERVFAIL or REFUSED)",
			servers);
	else
		snprintf(out, RESOLVE_PROBLEM_MAX, "cannot resolve the name: %s",
			ares_strerror(status));
	return RESOLVE_FAILED;
}

static void collect(const struct ares_addrinfo *found, int family, struct resolve_answer *answer)
{
	const struct ares_addrinfo_node *node = found->nodes;
	for (; node && answer->count < RESOLVE_ADDRESSES; node = node->ai_next) {
		if (node->ai_family != family)
			continue;
		struct address *out = &answer->addresses[answer->count++];
		if (family == AF_INET6) {
			const struct sockaddr_in6 *sin6 = (const void *)node->ai_addr;
			address_set(out, 6, sin6->sin6_addr.s6_addr);
		} else {
			const struct sockaddr_in *sin = (const void *)node->ai_addr;
			address_set(out, 4, (const uint8_t *)&sin->sin_addr);
		}
	}
}

static void answer_family(
	struct resolve *resolve, uint8_t version, int status, struct ares_addrinfo *found)
{
	struct resolve_answer answer = {.status = RESOLVE_FOUND};
	if (!resolve->cancelled) {
		if (found)
			collect(found, version == 6 ? AF_INET6 : AF_INET, &answer);
		if (answer.count == 0)
			answer.status =
				explain(resolve, status == ARES_SUCCESS ? ARES_ENODATA : status,
					"address", answer.problem);
		resolve->answered(resolve->user, version, &answer);
	}
	if (found)
		ares_freeaddrinfo(found);
}

static void on_ipv6(void *user, int status, int timeouts, struct ares_addrinfo *found)
{
	(void)timeouts;
	answer_family(user, 6, status, found);
}

static void on_ipv4(void *user, int status, int timeouts, struct ares_addrinfo *found)
{
	(void)timeouts;
	answer_family(user, 4, status, found);
}

/* A name with a dot is complete.  The search list would be walked by each
 * family on its own, and a wildcard in it would give a TSCF without IPv6
 * somebody else's IPv6 address. */
static int open_channel(struct resolve *resolve, const char *name)
{
	struct ares_options options = {
		.flags = strchr(name, '.') ? ARES_FLAG_NOSEARCH : 0,
		.timeout = RESOLVE_WAIT_MS,
		.tries = RESOLVE_TRIES,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = resolve,
	};
	int status = ares_init_options(&resolve->channel, &options,
		ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
	if (status == ARES_SUCCESS)
		ares_set_socket_configure_callback(resolve->channel, on_socket_configure, resolve);
	return status;
}

/* Everything but the question. */
static int open_resolve(struct resolve **out, struct ev_loop *loop, const char *name, uint32_t mark,
	struct reason *why)
{
	int error = -ENOMEM;
	int status = ares_library_init(ARES_LIB_INIT_ALL);
	if (status != ARES_SUCCESS)
		goto out;
	struct resolve *resolve = calloc(1, sizeof(*resolve));
	if (!resolve) {
		status = ARES_ENOMEM;
		goto library;
	}
	*resolve = (struct resolve){.loop = loop, .mark = mark};
	ev_timer_init(&resolve->timer, on_timer, 0., 0.);
	resolve->timer.data = resolve;
	for (size_t i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		ev_io_init(&resolve->watches[i].io, on_socket, -1, 0);
		resolve->watches[i].resolve = resolve;
	}
	status = open_channel(resolve, name);
	if (status != ARES_SUCCESS) {
		error = status == ARES_ENOMEM ? -ENOMEM : -EIO;
		goto resolve;
	}
	*out = resolve;
	return 0;

resolve:
	free(resolve);
library:
	ares_library_cleanup();
out:
	reason_set(why, "cannot set up the resolver: %s; look at /etc/resolv.conf",
		ares_strerror(status));
	return error;
}

int resolve_start(struct resolve **out, struct ev_loop *loop, const char *name, uint32_t mark,
	resolve_answered *answered, void *user, struct reason *why)
{
	int error = open_resolve(out, loop, name, mark, why);
	if (error)
		return error;
	struct resolve *resolve = *out;
	resolve->answered = answered;
	resolve->user = user;
	struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NOSORT, .ai_socktype = SOCK_STREAM};
	hints.ai_family = AF_INET6;
	ares_getaddrinfo(resolve->channel, name, NULL, &hints, on_ipv6, resolve);
	hints.ai_family = AF_INET;
	ares_getaddrinfo(resolve->channel, name, NULL, &hints, on_ipv4, resolve);
	arm_timer(resolve);
	return 0;
}

/* --- records ----------------------------------------------------------- */

static int collect_naptr(const uint8_t *message, int length, struct resolve_records *out)
{
	struct ares_naptr_reply *found = NULL;
	int status = ares_parse_naptr_reply(message, length, &found);
	const struct ares_naptr_reply *at = found;
	for (; at && out->count < SIP_DNS_RECORDS; at = at->next) {
		struct naptr *record = &out->naptr[out->count];
		record->order = at->order;
		record->preference = at->preference;
		out->count += naptr_set(record, ANY_TRANSPORT, (const char *)at->flags,
			(const char *)at->service, (const char *)at->regexp, at->replacement);
	}
	ares_free_data(found);
	return status;
}

static int collect_srv(const uint8_t *message, int length, struct resolve_records *out)
{
	struct ares_srv_reply *found = NULL;
	int status = ares_parse_srv_reply(message, length, &found);
	const struct ares_srv_reply *at = found;
	for (; at && out->count < SIP_DNS_RECORDS; at = at->next)
		out->count += srv_set(
			&out->srv[out->count], at->priority, at->weight, at->port, at->host);
	ares_free_data(found);
	return status;
}

static void list_records(
	struct resolve *resolve, int status, int type, const uint8_t *message, int length)
{
	struct resolve_records records = {.status = RESOLVE_FOUND};
	if (resolve->cancelled)
		return;
	if (status == ARES_SUCCESS)
		status = type == ns_t_naptr ? collect_naptr(message, length, &records)
					    : collect_srv(message, length, &records);
	if (records.count == 0)
		records.status = explain(resolve, status == ARES_SUCCESS ? ARES_ENODATA : status,
			type == ns_t_naptr ? "NAPTR record for SIP" : "SRV record",
			records.problem);
	resolve->listed(resolve->user, &records);
}

static void on_naptr(void *user, int status, int timeouts, unsigned char *message, int length)
{
	(void)timeouts;
	list_records(user, status, ns_t_naptr, message, length);
}

static void on_srv(void *user, int status, int timeouts, unsigned char *message, int length)
{
	(void)timeouts;
	list_records(user, status, ns_t_srv, message, length);
}

static int ask(struct resolve **out, struct ev_loop *loop, const char *name, uint32_t mark,
	int type, resolve_listed *listed, void *user, struct reason *why)
{
	int error = open_resolve(out, loop, name, mark, why);
	if (error)
		return error;
	struct resolve *resolve = *out;
	resolve->listed = listed;
	resolve->user = user;
	ares_query(resolve->channel, name, ns_c_in, type, type == ns_t_naptr ? on_naptr : on_srv,
		resolve);
	arm_timer(resolve);
	return 0;
}

int resolve_naptr(struct resolve **out, struct ev_loop *loop, const char *name, uint32_t mark,
	resolve_listed *listed, void *user, struct reason *why)
{
	return ask(out, loop, name, mark, ns_t_naptr, listed, user, why);
}

int resolve_srv(struct resolve **out, struct ev_loop *loop, const char *name, uint32_t mark,
	resolve_listed *listed, void *user, struct reason *why)
{
	return ask(out, loop, name, mark, ns_t_srv, listed, user, why);
}

void resolve_cancel(struct resolve *resolve)
{
	if (!resolve)
		return;
	resolve->cancelled = true;
	ev_timer_stop(resolve->loop, &resolve->timer);
	ares_destroy(resolve->channel); /* stops the watchers through on_socket_state */
	ares_library_cleanup();
	free(resolve);
}

size_t resolve_servers(struct address *out, size_t room)
{
	size_t count = 0;
	ares_channel channel;
	struct ares_addr_node *servers = NULL;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		return 0;
	if (ares_init(&channel) != ARES_SUCCESS)
		goto library;
	if (ares_get_servers(channel, &servers) == ARES_SUCCESS) {
		for (const struct ares_addr_node *at = servers; at && count < room; at = at->next)
			address_set(&out[count++], at->family == AF_INET6 ? 6 : 4,
				(const uint8_t *)&at->addr);
		ares_free_data(servers);
	}
	ares_destroy(channel);
library:
	ares_library_cleanup();
	return count;
}
