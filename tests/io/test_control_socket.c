/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The control socket, both sides of it: the server in the test's loop, clients
 * as raw sockets in the same thread or, where they block, in a thread. */
#include "io/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "io/control_line.h"

static struct ev_loop *loop;
static struct control_socket *server;
static char directory[] = "/tmp/control.XXXXXX";
static char path[64];
static struct control_client *held; /* by the command "later" */
static unsigned handled;
static uid_t last_uid;

/* echo: answers with the request; big: with a megabyte; later: holds on to
 * the client; watch: subscribes. */
static void on_request(void *user, struct control_client *client, const json_t *request)
{
	CU_ASSERT_PTR_EQUAL(user, &handled);
	const char *command = json_string_value(json_object_get(request, "cmd"));
	handled++;
	last_uid = control_client_uid(client);
	if (!command) {
		control_client_refuse(client, "no \"cmd\" in the request");
	} else if (strcmp(command, "later") == 0) {
		held = control_client_ref(client);
	} else if (strcmp(command, "watch") == 0) {
		control_client_subscribe(client);
		control_client_send(client, json_pack("{s:b}", "ok", 1));
	} else if (strcmp(command, "big") == 0) {
		char *text = malloc(1000001);
		memset(text, 'x', 1000000);
		text[1000000] = '\0';
		control_client_send(client, json_pack("{s:b, s:s}", "ok", 1, "text", text));
		free(text);
	} else {
		control_client_send(client, json_pack("{s:b, s:O}", "ok", 1, "request", request));
	}
}

static int open_server(struct control_socket **out, struct reason *why)
{
	return control_socket_open(out, loop, path, NULL, on_request, &handled, why);
}

static void set_up(void)
{
	struct reason why;
	handled = 0;
	CU_ASSERT_EQUAL_FATAL(open_server(&server, &why), 0);
}

static void tear_down(void)
{
	control_socket_close(server);
	server = NULL;
	CU_ASSERT_EQUAL(access(path, F_OK), -1);
}

static int raw_client(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	strcpy(to.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void put(int fd, const char *text)
{
	CU_ASSERT_EQUAL(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One line from the server, which runs meanwhile; "" when it has closed. */
static const char *line_from(int fd)
{
	static char line[512];
	size_t length = 0;
	for (;;) {
		ssize_t count = recv(fd, line + length, 1, 0);
		if (count == 0 || (count < 0 && errno != EAGAIN))
			return "";
		if (count < 0) {
			ev_run(loop, EVRUN_NOWAIT);
			continue;
		}
		if (line[length] == '\n' || length + 2 == sizeof(line))
			break;
		length++;
	}
	line[length] = '\0';
	return line;
}

static void run_until_handled(unsigned count)
{
	while (handled < count)
		ev_run(loop, EVRUN_ONCE);
}

/* --- server ------------------------------------------------------------ */

static void requests_are_answered_in_order(void)
{
	set_up();
	int fd = raw_client();
	put(fd, "{\"cmd\":\"a\"}\n\n{\"cmd\":\"b\"}\r\n{\"cm");
	CU_ASSERT_STRING_EQUAL(line_from(fd), "{\"ok\":true,\"request\":{\"cmd\":\"a\"}}");
	CU_ASSERT_STRING_EQUAL(line_from(fd), "{\"ok\":true,\"request\":{\"cmd\":\"b\"}}");
	CU_ASSERT_EQUAL(handled, 2);
	put(fd, "d\":\"c\"}\n");
	CU_ASSERT_STRING_EQUAL(line_from(fd), "{\"ok\":true,\"request\":{\"cmd\":\"c\"}}");
	CU_ASSERT_EQUAL(last_uid, geteuid());
	close(fd);
	tear_down();
}

static void bad_lines_are_refused_one_by_one(void)
{
	static const char *const bad[] = {"hello\n", "[1]\n", "\"x\"\n", "{\"a\":1,\"a\":2}\n",
		"{\"a\":\n", "{} {}\n", "{\"a\":\"\xff\"}\n", "{\"a\":\"\\u0000\"}\n", "{}\n"};
	set_up();
	int fd = raw_client();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(fd, bad[i]);
		const char *line = line_from(fd);
		CU_ASSERT_EQUAL(strncmp(line, "{\"ok\":false,\"error\":\"", 21), 0);
	}
	CU_ASSERT_EQUAL(handled, 1); /* the last one is an object */
	put(fd, "{\"cmd\":\"a\"}\n");
	CU_ASSERT_STRING_EQUAL(line_from(fd), "{\"ok\":true,\"request\":{\"cmd\":\"a\"}}");
	close(fd);
	tear_down();
}

static void too_long_a_line_ends_the_client(void)
{
	char *text = malloc(CONTROL_SOCKET_LINE + 2);
	memset(text, ' ', CONTROL_SOCKET_LINE + 1);
	set_up();
	int fd = raw_client();
	size_t sent = 0;
	while (sent < CONTROL_SOCKET_LINE + 1) {
		ssize_t count = send(fd, text + sent, CONTROL_SOCKET_LINE + 1 - sent, MSG_NOSIGNAL);
		if (count > 0)
			sent += (size_t)count;
		ev_run(loop, EVRUN_NOWAIT);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(line_from(fd), "a line of more than 65536 octets"));
	CU_ASSERT_STRING_EQUAL(line_from(fd), "");
	close(fd);
	tear_down();
	free(text);
}

static void longest_line_is_taken(void)
{
	char *text = malloc(CONTROL_SOCKET_LINE + 2);
	memset(text, ' ', CONTROL_SOCKET_LINE);
	memcpy(text, "{}", 2);
	text[CONTROL_SOCKET_LINE] = '\n';
	set_up();
	int fd = raw_client();
	size_t sent = 0;
	while (handled < 1) {
		ssize_t count = send(fd, text + sent, CONTROL_SOCKET_LINE + 1 - sent, MSG_NOSIGNAL);
		if (count > 0)
			sent += (size_t)count;
		ev_run(loop, EVRUN_NOWAIT);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(line_from(fd), "no \\\"cmd\\\""));
	close(fd);
	tear_down();
	free(text);
}

static void answer_comes_after_half_close(void)
{
	set_up();
	int fd = raw_client();
	put(fd, "{\"cmd\":\"later\"}\n");
	shutdown(fd, SHUT_WR);
	run_until_handled(1);
	for (int i = 0; i < 3; i++)
		ev_run(loop, EVRUN_NOWAIT);
	control_client_send(held, json_pack("{s:b}", "ok", 1));
	control_client_unref(held);
	CU_ASSERT_STRING_EQUAL(line_from(fd), "{\"ok\":true}");
	CU_ASSERT_STRING_EQUAL(line_from(fd), "");
	close(fd);
	tear_down();
}

static void answer_to_a_client_that_left_is_dropped(void)
{
	set_up();
	int fd = raw_client();
	put(fd, "{\"cmd\":\"later\"}\n");
	run_until_handled(1);
	struct control_client *first = held;
	close(fd);
	control_client_send(first, json_pack("{s:b}", "ok", 1));
	for (int i = 0; i < 3; i++)
		ev_run(loop, EVRUN_NOWAIT);
	control_client_send(first, json_pack("{s:b}", "ok", 1));
	fd = raw_client();
	put(fd, "{\"cmd\":\"later\"}\n");
	run_until_handled(2);
	tear_down();
	/* References outlive the socket itself. */
	control_client_send(held, json_pack("{s:b}", "ok", 1));
	control_client_unref(held);
	control_client_unref(first);
	CU_ASSERT_STRING_EQUAL(line_from(fd), "");
	close(fd);
}

static void subscribers_get_what_is_published(void)
{
	set_up();
	int watching = raw_client(), gone = raw_client(), other = raw_client();
	put(watching, "{\"cmd\":\"watch\"}\n");
	put(gone, "{\"cmd\":\"watch\"}\n");
	put(other, "{\"cmd\":\"a\"}\n");
	run_until_handled(3);
	close(gone);
	for (int i = 1; i <= 2; i++) {
		json_t *event = json_pack("{s:i}", "event", i);
		control_socket_publish(server, event);
		CU_ASSERT_EQUAL(event->refcount, 1);
		json_decref(event);
	}
	CU_ASSERT_STRING_EQUAL(line_from(watching), "{\"ok\":true}");
	CU_ASSERT_STRING_EQUAL(line_from(watching), "{\"event\":1}");
	CU_ASSERT_STRING_EQUAL(line_from(watching), "{\"event\":2}");
	CU_ASSERT_STRING_EQUAL(line_from(other), "{\"ok\":true,\"request\":{\"cmd\":\"a\"}}");
	char octet;
	CU_ASSERT_EQUAL(recv(other, &octet, 1, 0), -1);
	close(watching);
	close(other);
	tear_down();
}

static void reader_that_stands_still_is_dropped(void)
{
	set_up();
	int fd = raw_client(), other = raw_client();
	for (unsigned i = 0; i < CONTROL_SOCKET_BACKLOG / 1000000 + 2; i++) {
		if (send(fd, "{\"cmd\":\"big\"}\n", 14, MSG_NOSIGNAL) < 0)
			break;
		ev_run(loop, EVRUN_NOWAIT);
	}
	char chunk[65536];
	size_t total = 0;
	ssize_t count;
	while ((count = recv(fd, chunk, sizeof(chunk), 0)) > 0)
		total += (size_t)count;
	CU_ASSERT_TRUE(count == 0 || errno == ECONNRESET);
	CU_ASSERT_TRUE(total < CONTROL_SOCKET_BACKLOG);
	put(other, "{\"cmd\":\"a\"}\n");
	CU_ASSERT_STRING_EQUAL(line_from(other), "{\"ok\":true,\"request\":{\"cmd\":\"a\"}}");
	close(fd);
	close(other);
	tear_down();
}

static void one_client_too_many_is_told(void)
{
	int fds[CONTROL_SOCKET_CLIENTS];
	set_up();
	for (int i = 0; i < CONTROL_SOCKET_CLIENTS; i++)
		fds[i] = raw_client();
	int late = raw_client();
	CU_ASSERT_STRING_EQUAL(line_from(late), "{\"ok\":false,\"error\":\"too many clients\"}");
	CU_ASSERT_STRING_EQUAL(line_from(late), "");
	close(late);
	put(fds[CONTROL_SOCKET_CLIENTS - 1], "{}\n");
	CU_ASSERT_STRING_NOT_EQUAL(line_from(fds[CONTROL_SOCKET_CLIENTS - 1]), "");
	close(fds[0]);
	for (int i = 0; i < 3; i++)
		ev_run(loop, EVRUN_NOWAIT);
	fds[0] = raw_client();
	put(fds[0], "{\"cmd\":\"a\"}\n");
	CU_ASSERT_STRING_EQUAL(line_from(fds[0]), "{\"ok\":true,\"request\":{\"cmd\":\"a\"}}");
	for (int i = 0; i < CONTROL_SOCKET_CLIENTS; i++)
		close(fds[i]);
	tear_down();
}

static void path_is_taken_over_only_when_stale(void)
{
	struct reason why;
	struct control_socket *second = NULL;
	struct stat status;
	set_up();
	CU_ASSERT_EQUAL(stat(path, &status), 0);
	CU_ASSERT_EQUAL(status.st_mode & 07777, 0660);
	CU_ASSERT_EQUAL(open_server(&second, &why), -EADDRINUSE);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "another daemon runs there"));
	CU_ASSERT_PTR_NULL(second);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	tear_down();

	/* A socket that a killed daemon left. */
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	strcpy(where.sun_path, path);
	int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL(bind(stale, (struct sockaddr *)&where, sizeof(where)), 0);
	close(stale);
	set_up();
	/* A successor's socket is not ours to unlink. */
	unlink(path);
	CU_ASSERT_EQUAL_FATAL(open_server(&second, &why), 0);
	control_socket_close(server);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	server = second;
	tear_down();
}

static void paths_that_cannot_be_are_explained(void)
{
	struct reason why;
	char name[160];
	struct control_socket *control = NULL;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CU_ASSERT_EQUAL(control_socket_open(&control, loop, name, NULL, on_request, NULL, &why),
		-ENAMETOOLONG);
	snprintf(name, sizeof(name), "%s/none/sock", directory);
	CU_ASSERT_EQUAL(
		control_socket_open(&control, loop, name, NULL, on_request, NULL, &why), -ENOENT);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	CU_ASSERT_EQUAL(open_server(&control, &why), -EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "remove it"));
	unlink(path);
	control_socket_close(NULL);
}

static void group_may_use_it(void)
{
	const struct group *group = getgrgid(1);
	struct reason why;
	struct stat status;
	if (geteuid() != 0 || !group)
		return;
	char name[64];
	snprintf(name, sizeof(name), "%s", group->gr_name);
	CU_ASSERT_EQUAL_FATAL(
		control_socket_open(&server, loop, path, name, on_request, &handled, &why), 0);
	CU_ASSERT_EQUAL(stat(path, &status), 0);
	CU_ASSERT_EQUAL(status.st_gid, 1);
	CU_ASSERT_EQUAL(status.st_mode & 07777, 0660);

	/* Whoever is not in it is told which group that is. */
	chmod(directory, 0755);
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		int ok = setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0 &&
			 control_connect(path, &why) == -EACCES &&
			 strstr(why.text, "be root or a member of group") && strstr(why.text, name);
		_exit(ok ? 0 : 1);
	}
	int result = -1;
	waitpid(child, &result, 0);
	CU_ASSERT_TRUE(WIFEXITED(result) && WEXITSTATUS(result) == 0);
	tear_down();
	CU_ASSERT_EQUAL_FATAL(control_socket_open(&server, loop, path, "no-such-group", on_request,
				      &handled, &why),
		0);
	tear_down();
}

/* --- client ------------------------------------------------------------ */

/* What a tool does, while the server runs in the main thread. */
struct tool {
	pthread_t thread;
	bool ok;
	struct ev_async ended;
};

static bool ask(int fd, const char *command, json_t **answer)
{
	struct reason why;
	json_t *request = json_pack("{s:s}", "cmd", command);
	bool sent = control_send(fd, request) == 0;
	json_decref(request);
	*answer = sent ? control_receive(fd, 10000, &why) : NULL;
	return *answer && json_is_true(json_object_get(*answer, "ok"));
}

static void *run_tool(void *argument)
{
	struct tool *tool = argument;
	struct reason why;
	json_t *answer = NULL;
	int fd = control_connect(path, &why);
	tool->ok = fd >= 0;
	/* An answer larger than any socket buffer. */
	tool->ok = tool->ok && ask(fd, "big", &answer) &&
		   json_string_length(json_object_get(answer, "text")) == 1000000;
	json_decref(answer);
	/* Two lines that come in one piece are two answers. */
	tool->ok = tool->ok && send(fd, "{\"cmd\":\"a\"}\n{\"cmd\":\"b\"}\n", 24, 0) == 24;
	for (int i = 0; i < 2 && tool->ok; i++) {
		answer = control_receive(fd, 10000, &why);
		const char *command = json_string_value(
			json_object_get(json_object_get(answer, "request"), "cmd"));
		tool->ok = command && command[0] == "ab"[i];
		json_decref(answer);
	}
	/* Nothing more: a time-out, with a reason. */
	tool->ok = tool->ok && !control_receive(fd, 20, &why) &&
		   strcmp(why.text, "the daemon does not answer") == 0;
	close(fd);
	ev_async_send(loop, &tool->ended);
	return NULL;
}

static void on_tool_ended(struct ev_loop *at, struct ev_async *async, int events)
{
	(void)async, (void)events;
	ev_break(at, EVBREAK_ALL);
}

static void tool_asks_and_is_answered(void)
{
	struct tool tool = {0};
	set_up();
	ev_async_init(&tool.ended, on_tool_ended);
	ev_async_start(loop, &tool.ended);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&tool.thread, NULL, run_tool, &tool), 0);
	ev_run(loop, 0);
	pthread_join(tool.thread, NULL);
	ev_async_stop(loop, &tool.ended);
	CU_ASSERT_TRUE(tool.ok);
	tear_down();
}

static void absent_daemon_is_told(void)
{
	struct reason why;
	CU_ASSERT_EQUAL(control_connect(path, &why), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "nothing runs that listens on"));
	set_up();
	int fd = control_connect(path, &why);
	CU_ASSERT_TRUE(fd >= 0);
	ev_run(loop, EVRUN_ONCE);
	tear_down();
	CU_ASSERT_PTR_NULL(control_receive(fd, 1000, &why));
	CU_ASSERT_STRING_EQUAL(why.text, "the daemon has closed the connection");
	json_t *request = json_object();
	CU_ASSERT_EQUAL(control_send(fd, request), -EPIPE);
	json_decref(request);
	close(fd);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"requests are answered in order", requests_are_answered_in_order},
		{"bad lines are refused one by one", bad_lines_are_refused_one_by_one},
		{"too long a line ends the client", too_long_a_line_ends_the_client},
		{"longest line is taken", longest_line_is_taken},
		{"answer comes after half-close", answer_comes_after_half_close},
		{"answer to a client that left is dropped",
			answer_to_a_client_that_left_is_dropped},
		{"subscribers get what is published", subscribers_get_what_is_published},
		{"reader that stands still is dropped", reader_that_stands_still_is_dropped},
		{"one client too many is told", one_client_too_many_is_told},
		{"path is taken over only when stale", path_is_taken_over_only_when_stale},
		{"paths that cannot be are explained", paths_that_cannot_be_are_explained},
		{"group may use it", group_may_use_it},
		{"tool asks and is answered", tool_asks_and_is_answered},
		{"absent daemon is told", absent_daemon_is_told},
	};
	if (!mkdtemp(directory))
		return EXIT_FAILURE;
	snprintf(path, sizeof(path), "%s/sock", directory);
	loop = ev_default_loop(0);
	int status = unit_run("control socket", tests, sizeof(tests) / sizeof(tests[0]));
	ev_loop_destroy(loop);
	rmdir(directory);
	return status;
}
