/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The daemons' side of the control socket.  A client costs at most one line
 * of input and a bounded backlog of output, and can delay nobody. */
#include "io/control_socket.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/control_line.h"

enum { CONTROL_SOCKET_MODE = 0660, CONTROL_SOCKET_CHUNK = 16384 };

struct control_client {
	struct control_client *next;
	struct control_socket *socket; /* NULL once it has left */
	struct ev_io readable, writable;
	int fd;
	uid_t uid;
	unsigned references; /* one is the list's */
	bool subscribed;
	bool ended; /* it sends no more requests */
	struct control_lines lines;
	char *out; /* out_sent to out_length still have to go */
	size_t out_sent, out_length, out_room;
};

struct control_socket {
	struct ev_loop *loop;
	struct ev_io acceptable;
	struct ev_timer pause; /* after descriptors ran out */
	int fd;
	char *path;
	dev_t device; /* of the path, so that a successor's is not unlinked */
	ino_t inode;
	struct control_client *clients;
	size_t client_count;
	control_socket_handler *handler;
	void *user;
};

/* --- one client -------------------------------------------------------- */

struct control_client *control_client_ref(struct control_client *client)
{
	client->references++;
	return client;
}

static void release(struct control_client *client)
{
	if (--client->references > 0)
		return;
	control_lines_fini(&client->lines);
	free(client->out);
	free(client);
}

static void drop_client(struct control_client *client)
{
	struct control_socket *owner = client->socket;
	if (!owner)
		return;
	struct control_client **at = &owner->clients;
	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	owner->client_count--;
	ev_io_stop(owner->loop, &client->readable);
	ev_io_stop(owner->loop, &client->writable);
	close(client->fd);
	client->fd = -1;
	client->socket = NULL;
	release(client);
}

/* Nobody means to answer any more.  A client may shut down its side behind the
 * last request and still wants what is on its way; a subscriber that does is
 * gone. */
static void drop_if_finished(struct control_client *client)
{
	bool waiting = client->out_sent < client->out_length;
	if (client->ended && (client->subscribed || !waiting))
		drop_client(client);
}

void control_client_unref(struct control_client *client)
{
	if (client->references == 2) {
		client->references--; /* the list's own is left */
		drop_if_finished(client);
		return;
	}
	release(client);
}

uid_t control_client_uid(const struct control_client *client)
{
	return client->uid;
}

void control_client_subscribe(struct control_client *client)
{
	client->subscribed = true;
}

static void flush(struct control_client *client)
{
	while (client->out_sent < client->out_length) {
		ssize_t count = send(client->fd, client->out + client->out_sent,
			client->out_length - client->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && errno == EAGAIN) {
			ev_io_start(client->socket->loop, &client->writable);
			return;
		}
		if (count < 0) {
			drop_client(client);
			return;
		}
		client->out_sent += (size_t)count;
	}
	client->out_sent = client->out_length = 0;
	ev_io_stop(client->socket->loop, &client->writable);
}

static void on_writable(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop, (void)events;
	struct control_client *client = control_client_ref(io->data);
	flush(client);
	control_client_unref(client);
}

/* Makes room for `length` more octets; false when it would be too many. */
static bool reserve(struct control_client *client, size_t length)
{
	size_t waiting = client->out_length - client->out_sent;
	if (waiting + length > CONTROL_SOCKET_BACKLOG)
		return false;
	if (client->out_sent > 0) {
		memmove(client->out, client->out + client->out_sent, waiting);
		client->out_sent = 0;
		client->out_length = waiting;
	}
	if (waiting + length <= client->out_room)
		return true;
	size_t room = waiting + length + waiting / 2;
	char *grown = realloc(client->out, room);
	if (!grown)
		return false;
	client->out = grown;
	client->out_room = room;
	return true;
}

void control_client_send(struct control_client *client, json_t *answer)
{
	char *text = client->socket ? json_dumps(answer, JSON_COMPACT) : NULL;
	json_decref(answer);
	if (!client->socket)
		return;
	size_t length = text ? strlen(text) : 0;
	if (!text || !reserve(client, length + 1)) {
		free(text);
		drop_client(client);
		return;
	}
	memcpy(client->out + client->out_length, text, length);
	client->out[client->out_length + length] = '\n';
	client->out_length += length + 1;
	free(text);
	flush(client);
}

void control_client_refuse(struct control_client *client, const char *format, ...)
{
	char text[REASON_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_t *words = json_string(text);
	if (!words) /* it quotes, or was cut within, something that is no UTF-8 */
		words = json_string("refused; the reason cannot be shown as UTF-8");
	control_client_send(client, json_pack("{s:b, s:o}", "ok", 0, "error", words));
}

static void answer_lines(struct control_client *client)
{
	struct reason why;
	while (client->socket) {
		json_t *request = NULL;
		switch (control_lines_next(&client->lines, &request, &why)) {
		case CONTROL_LINE_MORE:
			return;
		case CONTROL_LINE_OK:
			client->socket->handler(client->socket->user, client, request);
			json_decref(request);
			break;
		case CONTROL_LINE_BAD:
			control_client_refuse(client, "%s", why.text);
			break;
		case CONTROL_LINE_TOO_LONG:
			control_client_refuse(client, "%s", why.text);
			drop_client(client);
			return;
		}
	}
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)events;
	char chunk[CONTROL_SOCKET_CHUNK];
	struct control_client *client = control_client_ref(io->data);
	ssize_t count = recv(client->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
	if (count > 0 && control_lines_put(&client->lines, chunk, (size_t)count)) {
		answer_lines(client);
	} else if (count == 0) {
		client->ended = true;
		ev_io_stop(loop, &client->readable);
	} else if (count > 0 || (errno != EAGAIN && errno != EINTR)) {
		drop_client(client);
	}
	control_client_unref(client);
}

/* --- the listener ------------------------------------------------------ */

static void turn_away(int fd)
{
	static const char words[] = "{\"ok\":false,\"error\":\"too many clients\"}\n";
	send(fd, words, sizeof(words) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void add_client(struct control_socket *owner, int fd)
{
	struct control_client *client = NULL;
	if (owner->client_count < CONTROL_SOCKET_CLIENTS)
		client = calloc(1, sizeof(*client));
	if (!client) {
		turn_away(fd);
		return;
	}
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t size = sizeof(peer);
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	client->fd = fd;
	client->uid = peer.uid;
	client->socket = owner;
	client->references = 1;
	client->lines.limit = CONTROL_SOCKET_LINE;
	client->next = owner->clients;
	owner->clients = client;
	owner->client_count++;
	ev_io_init(&client->readable, on_readable, fd, EV_READ);
	ev_io_init(&client->writable, on_writable, fd, EV_WRITE);
	client->readable.data = client->writable.data = client;
	ev_io_start(owner->loop, &client->readable);
}

static void on_acceptable(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)events;
	struct control_socket *owner = io->data;
	int fd = accept4(owner->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		add_client(owner, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		/* No descriptor or memory: the event would come again at once. */
		ev_io_stop(loop, io);
		ev_timer_again(loop, &owner->pause);
	}
}

static void on_pause_over(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)events;
	struct control_socket *owner = timer->data;
	ev_timer_stop(loop, timer);
	ev_io_start(loop, &owner->acceptable);
}

/* 0 when the path is a socket that nobody listens on any more. */
static int check_stale(const struct sockaddr_un *where, struct reason *why)
{
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0;
	if (probe < 0 || connect(probe, (const struct sockaddr *)where, sizeof(*where)) < 0)
		error = errno;
	if (probe >= 0)
		close(probe);
	if (error == ECONNREFUSED)
		return 0;
	if (error == 0 || error == EAGAIN) {
		reason_set(why, "%s is in use: another daemon runs there", where->sun_path);
		return -EADDRINUSE;
	}
	reason_set(why, "cannot tell whether %s is in use: %s", where->sun_path, strerror(error));
	return -error;
}

static int clear_path(const struct sockaddr_un *where, struct reason *why)
{
	const char *path = where->sun_path;
	struct stat status;
	if (lstat(path, &status) < 0)
		return 0; /* bind() says what is wrong, if anything is */
	if (!S_ISSOCK(status.st_mode)) {
		reason_set(why, "%s exists and is no socket; remove it", path);
		return -EEXIST;
	}
	int error = check_stale(where, why);
	if (error == 0 && unlink(path) < 0 && errno != ENOENT) {
		error = -errno;
		reason_set(why, "cannot remove the old %s: %s", path, strerror(-error));
	}
	return error;
}

/* The group's members may use it.  Who may not give files away (no root, no
 * member) keeps it for himself. */
static int hand_to_group(const char *path, const char *group, struct reason *why)
{
	const struct group *found = group ? getgrnam(group) : NULL;
	const char *what = "give the group";
	if (!found || chown(path, (uid_t)-1, found->gr_gid) == 0 || errno == EPERM) {
		what = "set the mode of";
		if (chmod(path, CONTROL_SOCKET_MODE) == 0)
			return 0;
	}
	int error = errno;
	reason_set(why, "cannot %s %s: %s", what, path, strerror(error));
	return -error;
}

static int listen_at(struct control_socket *control, const char *group, struct reason *why)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	if (strlen(control->path) >= sizeof(where.sun_path)) {
		reason_set(why, "%s: too long for the path of a socket (%zu octets at most)",
			control->path, sizeof(where.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(where.sun_path, control->path);
	int error = clear_path(&where, why);
	if (error)
		return error;
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* The path gets the socket's own mode: nobody else may come in before
	 * the group is set. */
	if (control->fd < 0 || fchmod(control->fd, S_IRUSR | S_IWUSR) < 0 ||
		bind(control->fd, (struct sockaddr *)&where, sizeof(where)) < 0) {
		error = errno;
		reason_set(why, "cannot listen on %s: %s", control->path, strerror(error));
		return -error;
	}
	struct stat status;
	if (stat(control->path, &status) == 0) {
		control->device = status.st_dev;
		control->inode = status.st_ino;
	}
	error = hand_to_group(control->path, group, why);
	if (error == 0 && listen(control->fd, SOMAXCONN) < 0) {
		error = -errno;
		reason_set(why, "cannot listen on %s: %s", control->path, strerror(-error));
	}
	return error;
}

int control_socket_open(struct control_socket **out, struct ev_loop *loop, const char *path,
	const char *group, control_socket_handler *handler, void *user, struct reason *why)
{
	struct control_socket *control = calloc(1, sizeof(*control));
	if (!control || !(control->path = strdup(path))) {
		free(control);
		reason_set(why, "no memory for the control socket");
		return -ENOMEM;
	}
	control->loop = loop;
	control->fd = -1;
	control->handler = handler;
	control->user = user;
	ev_timer_init(&control->pause, on_pause_over, 0., 1.);
	control->pause.data = control;
	ev_io_init(&control->acceptable, on_acceptable, -1, EV_READ);
	control->acceptable.data = control;

	int error = listen_at(control, group, why);
	if (error) {
		control_socket_close(control);
		return error;
	}
	ev_io_set(&control->acceptable, control->fd, EV_READ);
	ev_io_start(loop, &control->acceptable);
	*out = control;
	return 0;
}

void control_socket_close(struct control_socket *control)
{
	struct stat status;
	if (!control)
		return;
	while (control->clients)
		drop_client(control->clients);
	ev_io_stop(control->loop, &control->acceptable);
	ev_timer_stop(control->loop, &control->pause);
	if (control->fd >= 0)
		close(control->fd);
	if (control->inode && lstat(control->path, &status) == 0 &&
		status.st_dev == control->device && status.st_ino == control->inode)
		unlink(control->path);
	free(control->path);
	free(control);
}

void control_socket_publish(struct control_socket *control, json_t *event)
{
	struct control_client *next;
	for (struct control_client *client = control->clients; client; client = next) {
		next = client->next; /* sending may drop this one, but no other */
		if (client->subscribed)
			control_client_send(client, json_incref(event));
	}
}
