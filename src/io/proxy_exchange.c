/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libcurl opens the tunnel through the proxy: its sockets become watchers, its
 * time-outs one timer.
 *
 * libcurl reads the answer to CONNECT, with the page behind a 407, octet by
 * octet and without a pause for the loop.  So an answer that we can do nothing
 * about is not read beyond its header, and a flood is cut off before it has
 * held up the loop for long. */
#include "io/proxy_exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "io/curl_library.h"
#include "io/mark.h"
#include "io/proxy_answer.h"

enum {
	WATCHES = 4,       /* one connection, and perhaps the one before */
	BURST_LOOK = 1024, /* octets between two looks at the clock */
	BURST_MAX = 10000, /* us of our own time in one go */
};

static const struct curl_library *curl; /* since the first exchange */

struct watch {
	struct ev_io io; /* io.fd is -1 while the slot is free; owned by libcurl */
	struct proxy_exchange *exchange;
};

struct proxy_exchange {
	struct ev_loop *loop;
	struct proxy_exchange_settings settings;
	struct address address; /* of the proxy */
	CURLM *multi;
	CURL *easy;
	struct curl_slist *resolved;
	struct watch watches[WATCHES];
	struct ev_timer timer;
	int standing; /* connected, not yet handed to libcurl; -1: none */
	int current;  /* the connection in use, for its counters; owned by libcurl */
	char error[CURL_ERROR_SIZE];
	struct proxy_question question;
	struct proxy_answer answer;
	bool negotiate_next;
	long answering; /* the offers of a 407 that libcurl is about to answer */
	bool again;     /* on a fresh connection, because the proxy closed the first */
	size_t octets, burst;
	size_t line_began;    /* octets before the line that is being read */
	uint64_t burst_began; /* us of our own time */
	void (*done)(void *user, const struct proxy_dial_result *result, bool negotiate_next);
	void *user;
};

/* --- the connection ---------------------------------------------------- */

static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *to)
{
	(void)purpose;
	struct proxy_exchange *exchange = user;
	int fd = exchange->standing;
	if (fd < 0)
		fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		reason_set(&exchange->answer.our_side, "cannot make a socket: %s", strerror(errno));
	exchange->current = fd;
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int on_sockopt(void *user, curl_socket_t fd, curlsocktype purpose)
{
	(void)purpose;
	struct proxy_exchange *exchange = user;
	if (fd == exchange->standing) {
		exchange->standing = -1;
		return CURL_SOCKOPT_ALREADY_CONNECTED;
	}
	if (mark_socket(fd, exchange->settings.dial->mark, &exchange->answer.our_side) < 0)
		return CURL_SOCKOPT_ERROR;
	return CURL_SOCKOPT_OK;
}

/* --- what the proxy says ----------------------------------------------- */

/* Whether the 407 can be answered on this connection, or how else. */
static bool can_answer(struct proxy_exchange *exchange, long offered)
{
	const struct proxy_dial_settings *dial = exchange->settings.dial;
	const struct proxy_question *question = &exchange->question;
	if (question->negotiate)
		return offered & CURLAUTH_NEGOTIATE;
	long password = CURLAUTH_DIGEST | CURLAUTH_NTLM;
	if (question->may_basic)
		password |= CURLAUTH_BASIC;
	bool answerable = question->may_password && (offered & password);
	exchange->negotiate_next = (offered & CURLAUTH_NEGOTIATE) && (dial->keytab || !answerable);
	return answerable && !exchange->negotiate_next;
}

/* False: there is no use in reading on. */
static bool header_is_over(struct proxy_exchange *exchange)
{
	struct proxy_answer *answer = &exchange->answer;
	if (answer->status / 100 == 2 || answer->status / 100 == 1)
		return true;
	if (answer->status != 407)
		return false;
	long offered = 0;
	curl->easy_getinfo(exchange->easy, CURLINFO_PROXYAUTH_AVAIL, &offered);
	proxy_answer_offers(answer, offered);
	exchange->answering = can_answer(exchange, offered) ? offered : 0;
	return exchange->answering;
}

static size_t on_header(char *line, size_t size, size_t count, void *user)
{
	struct proxy_exchange *exchange = user;
	size_t length = size * count;
	exchange->line_began = exchange->octets;
	proxy_answer_line(&exchange->answer, line, length);
	if (exchange->answer.too_long)
		return 0;
	bool is_last = length <= 2 && (line[0] == '\r' || line[0] == '\n');
	return is_last && !header_is_over(exchange) ? 0 : length;
}

/* There is none before the tunnel stands. */
static size_t on_body(char *octets, size_t size, size_t count, void *user)
{
	(void)octets, (void)user;
	return size * count;
}

static int on_remark(CURL *easy, curl_infotype type, char *text, size_t length, void *user)
{
	(void)easy;
	struct proxy_exchange *exchange = user;
	if (type == CURLINFO_TEXT)
		proxy_answer_note(&exchange->answer, text, length);
	return 0;
}

static uint64_t own_time(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* libcurl calls it after each octet of the answer. */
static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	(void)a, (void)b, (void)c, (void)d;
	struct proxy_exchange *exchange = user;
	exchange->octets++;
	exchange->burst++;
	if (exchange->octets > PROXY_ANSWER_MAX ||
		(exchange->burst % BURST_LOOK == 0 &&
			own_time() - exchange->burst_began > BURST_MAX))
		exchange->answer.too_long = true;
	return exchange->answer.too_long;
}

/* --- the end ----------------------------------------------------------- */

static void close_all(struct proxy_exchange *exchange)
{
	if (exchange->multi && exchange->easy)
		curl->multi_remove_handle(exchange->multi, exchange->easy);
	curl->easy_cleanup(exchange->easy);
	curl->multi_cleanup(exchange->multi);
	curl->slist_free_all(exchange->resolved);
	for (size_t i = 0; i < WATCHES; i++)
		ev_io_stop(exchange->loop, &exchange->watches[i].io);
	ev_timer_stop(exchange->loop, &exchange->timer);
	if (exchange->standing >= 0)
		close(exchange->standing);
	curl->global_cleanup();
}

/* Our own descriptor of the connection that CONNECT opened; -1 when there is
 * none, or when something lies in it that cannot come from the TSCF. */
static int take_connection(struct proxy_exchange *exchange)
{
	curl_socket_t active = CURL_SOCKET_BAD;
	uint8_t octet;
	int on = 1;
	curl->easy_getinfo(exchange->easy, CURLINFO_ACTIVESOCKET, &active);
	if (active == CURL_SOCKET_BAD)
		return -1;
	if (recv(active, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		exchange->answer.trailing = true;
		return -1;
	}
	int fd = fcntl(active, F_DUPFD_CLOEXEC, 0);
	if (fd < 0) {
		reason_set(
			&exchange->answer.our_side, "no descriptor is left: %s", strerror(errno));
		return -1;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void finish(struct proxy_exchange *exchange, CURLcode code)
{
	struct proxy_dial_result result = {.failure = PROXY_OK,
		.fd = -1,
		.address = exchange->address,
		.port = exchange->settings.dial->proxy->port,
		.status = exchange->answer.status};
	long socks = CURLPX_OK;
	curl->easy_getinfo(exchange->easy, CURLINFO_PROXY_ERROR, &socks);
	if (code == CURLE_OK)
		result.fd = take_connection(exchange);
	else if (exchange->octets - exchange->line_began >= PROXY_HEADER_MAX)
		exchange->answer.too_long = true;
	if (result.fd < 0) {
		struct proxy_end end = {
			.code = code, .socks = (CURLproxycode)socks, .words = exchange->error};
		if (!exchange->error[0])
			end.words = curl->easy_strerror(code);
		proxy_answer_judge(&exchange->answer, &exchange->question, &end, &result);
	}
	bool negotiate_next = exchange->negotiate_next && result.failure == PROXY_AUTH;
	close_all(exchange);
	exchange->done(exchange->user, &result, negotiate_next);
	free(exchange);
}

/* The proxy closed its connection just when the request with credentials was
 * on its way.  libcurl takes that for its last word; but what it knows from the
 * 407, the nonce above all, is still good on a fresh connection. */
static bool try_again(struct proxy_exchange *exchange, CURLcode code)
{
	if (code == CURLE_OK || exchange->question.negotiate || exchange->again ||
		exchange->answer.refused != 1 || !exchange->answering || exchange->answer.too_long)
		return false;
	long scheme = exchange->answering & CURLAUTH_DIGEST ? CURLAUTH_DIGEST
		      : exchange->answering & CURLAUTH_NTLM ? CURLAUTH_NTLM
							    : CURLAUTH_BASIC;
	exchange->again = true;
	exchange->error[0] = '\0';
	curl->easy_setopt(exchange->easy, CURLOPT_PROXYAUTH, scheme);
	return curl->multi_remove_handle(exchange->multi, exchange->easy) == CURLM_OK &&
	       curl->multi_add_handle(exchange->multi, exchange->easy) == CURLM_OK;
}

/* --- libcurl on libev -------------------------------------------------- */

static void act(struct proxy_exchange *exchange, curl_socket_t fd, int events)
{
	int running, left;
	exchange->burst = 0;
	exchange->burst_began = own_time();
	curl->multi_socket_action(exchange->multi, fd, events, &running);
	CURLMsg *message = curl->multi_info_read(exchange->multi, &left);
	if (!message || message->msg != CURLMSG_DONE)
		return;
	CURLcode code = message->data.result; /* gone with the handle */
	if (!try_again(exchange, code))
		finish(exchange, code);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop;
	act(((struct watch *)io)->exchange, io->fd,
		(events & EV_READ ? CURL_CSELECT_IN : 0) |
			(events & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop, (void)events;
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static struct watch *find_watch(struct proxy_exchange *exchange, int fd)
{
	for (size_t i = 0; i < WATCHES; i++)
		if (exchange->watches[i].io.fd == fd)
			return &exchange->watches[i];
	return NULL;
}

static int on_socket_state(CURL *easy, curl_socket_t fd, int what, void *user, void *unused)
{
	(void)easy, (void)unused;
	struct proxy_exchange *exchange = user;
	struct watch *watch = find_watch(exchange, fd);
	int events = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);
	if (what == CURL_POLL_REMOVE)
		events = 0;
	if (!watch && events)
		watch = find_watch(exchange, -1);
	if (!watch)
		return events ? -1 : 0;
	ev_io_stop(exchange->loop, &watch->io);
	ev_io_set(&watch->io, events ? fd : -1, events);
	if (events)
		ev_io_start(exchange->loop, &watch->io);
	return 0;
}

static int on_timeout_change(CURLM *multi, long ms, void *user)
{
	(void)multi;
	struct proxy_exchange *exchange = user;
	ev_timer_stop(exchange->loop, &exchange->timer);
	if (ms < 0)
		return 0;
	ev_timer_set(&exchange->timer, (double)ms / 1e3, 0.);
	ev_timer_start(exchange->loop, &exchange->timer);
	return 0;
}

/* --- the beginning ----------------------------------------------------- */

static void set_address(struct proxy_exchange *exchange)
{
	const struct sockaddr_storage *peer = &exchange->settings.peer;
	if (peer->ss_family == AF_INET6) {
		const struct sockaddr_in6 *sin6 = (const void *)peer;
		address_set(&exchange->address, 6, sin6->sin6_addr.s6_addr);
	} else {
		const struct sockaddr_in *sin = (const void *)peer;
		address_set(&exchange->address, 4, (const uint8_t *)&sin->sin_addr);
	}
}

/* libcurl shall not resolve: what the proxy's name means is settled, and the
 * TSCF's is the proxy's to find out. */
static bool set_proxy(struct proxy_exchange *exchange)
{
	const struct proxy_dial_settings *dial = exchange->settings.dial;
	char proxy[PROXY_URL_MAX], target[PROXY_URL_MAX], numeric[ADDRESS_TEXT_MAX];
	char resolved[PROXY_HOST_MAX + ADDRESS_TEXT_MAX + 16];
	bool is_ipv6 = strchr(dial->host, ':');
	snprintf(target, sizeof(target), "http://%s%s%s:%u/", is_ipv6 ? "[" : "", dial->host,
		is_ipv6 ? "]" : "", dial->port);
	snprintf(resolved, sizeof(resolved), "%s:%u:%s", dial->proxy->host, dial->proxy->port,
		address_format(&exchange->address, numeric));
	if (!strchr(dial->proxy->host, ':'))
		exchange->resolved = curl->slist_append(NULL, resolved);
	curl->easy_setopt(exchange->easy, CURLOPT_RESOLVE, exchange->resolved);
	return curl->easy_setopt(exchange->easy, CURLOPT_PROXY,
		       proxy_url_format(dial->proxy, proxy)) == CURLE_OK &&
	       curl->easy_setopt(exchange->easy, CURLOPT_URL, target) == CURLE_OK;
}

static bool set_credentials(struct proxy_exchange *exchange)
{
	const struct proxy_dial_settings *dial = exchange->settings.dial;
	struct proxy_question *question = &exchange->question;
	const char *user = dial->user, *password = dial->password;
	*question = (struct proxy_question){.settings = dial,
		.address = &exchange->address,
		.negotiate = exchange->settings.negotiate,
		.may_basic = user && password};
	if (!question->may_basic && dial->proxy->user[0]) {
		user = dial->proxy->user;
		password = dial->proxy->password;
	}
	question->may_password = user && password;

	unsigned long schemes = CURLAUTH_DIGEST | CURLAUTH_NTLM;
	if (question->may_basic)
		schemes |= CURLAUTH_BASIC;
	if (question->negotiate) {
		schemes = CURLAUTH_NEGOTIATE;
		user = password = "";
	} else if (!question->may_password) {
		return true;
	}
	/* SOCKS has only one way, and it is as readable as Basic. */
	bool is_http = dial->proxy->scheme == PROXY_HTTP;
	if (!is_http && !question->may_basic)
		return true;
	return curl->easy_setopt(exchange->easy, CURLOPT_PROXYAUTH, schemes) == CURLE_OK &&
	       curl->easy_setopt(exchange->easy, CURLOPT_PROXYUSERNAME, user) == CURLE_OK &&
	       curl->easy_setopt(exchange->easy, CURLOPT_PROXYPASSWORD, password) == CURLE_OK;
}

static void set_callbacks(struct proxy_exchange *exchange)
{
	CURL *easy = exchange->easy;
	curl->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl->easy_setopt(easy, CURLOPT_OPENSOCKETDATA, exchange);
	curl->easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_sockopt);
	curl->easy_setopt(easy, CURLOPT_SOCKOPTDATA, exchange);
	curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl->easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
	curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl->easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl->easy_setopt(easy, CURLOPT_XFERINFODATA, exchange);
	curl->easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->error);
	curl->easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_remark);
	curl->easy_setopt(easy, CURLOPT_DEBUGDATA, exchange);
	curl->easy_setopt(easy, CURLOPT_VERBOSE, (long)exchange->settings.negotiate);
	curl->multi_setopt(exchange->multi, CURLMOPT_SOCKETFUNCTION, on_socket_state);
	curl->multi_setopt(exchange->multi, CURLMOPT_SOCKETDATA, exchange);
	curl->multi_setopt(exchange->multi, CURLMOPT_TIMERFUNCTION, on_timeout_change);
	curl->multi_setopt(exchange->multi, CURLMOPT_TIMERDATA, exchange);
}

static bool set_up(struct proxy_exchange *exchange)
{
	CURL *easy = exchange->easy = curl->easy_init();
	exchange->multi = curl->multi_init();
	if (!easy || !exchange->multi)
		return false;
	set_address(exchange);
	set_callbacks(exchange);
	curl->easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	curl->easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
	curl->easy_setopt(easy, CURLOPT_NOPROXY, ""); /* the environment's was asked before */
	curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
	curl->easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
	return set_proxy(exchange) && set_credentials(exchange) &&
	       curl->multi_add_handle(exchange->multi, easy) == CURLM_OK;
}

int proxy_exchange_start(struct proxy_exchange **out, struct ev_loop *loop,
	const struct proxy_exchange_settings *settings,
	void (*done)(void *user, const struct proxy_dial_result *result, bool negotiate_next),
	void *user, struct reason *why)
{
	curl = curl_library_open(why);
	if (!curl)
		return -ELIBACC;
	struct proxy_exchange *exchange = calloc(1, sizeof(*exchange));
	if (!exchange || curl->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(exchange);
		reason_set(why, "cannot set up libcurl: out of memory");
		return -ENOMEM;
	}
	*exchange = (struct proxy_exchange){.loop = loop,
		.settings = *settings,
		.standing = settings->fd,
		.current = -1,
		.done = done,
		.user = user};
	ev_timer_init(&exchange->timer, on_timer, 0., 0.);
	exchange->timer.data = exchange;
	for (size_t i = 0; i < WATCHES; i++) {
		ev_io_init(&exchange->watches[i].io, on_io, -1, 0);
		exchange->watches[i].exchange = exchange;
	}
	ev_now_update(loop);
	if (!set_up(exchange)) {
		exchange->standing = -1; /* stays the caller's */
		proxy_exchange_cancel(exchange);
		reason_set(why, "cannot set up libcurl: out of memory");
		return -ENOMEM;
	}
	*out = exchange;
	return 0;
}

void proxy_exchange_explain_silence(
	const struct proxy_exchange *exchange, struct proxy_dial_result *result)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);
	if (getsockopt(exchange->current, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		info.tcpi_bytes_received = 0;
	result->address = exchange->address;
	result->port = exchange->settings.dial->proxy->port;
	proxy_answer_judge_silence(
		&exchange->answer, &exchange->question, info.tcpi_bytes_received, result);
}

void proxy_exchange_cancel(struct proxy_exchange *exchange)
{
	if (!exchange)
		return;
	close_all(exchange);
	free(exchange);
}
