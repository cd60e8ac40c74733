/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a daemon tells others about itself: notifications and log lines, read
 * back from the sockets and pipes they were sent to.  The journal's socket has
 * a fixed path, so its test needs root and a mount namespace of its own;
 * without, everything else runs and the exit status is 77. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/log.h"
#include "io/notify.h"
#include "unit.h"

static int bind_datagram(const char *path, size_t length)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	memcpy(address.sun_path, path, length);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = (socklen_t)(sizeof(sa_family_t) + length);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0) {
		perror("bind");
		abort();
	}
	return fd;
}

/* The next datagram as text, or "" when none is there. */
static const char *received(int fd)
{
	static char text[8192];
	ssize_t got = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[got > 0 ? got : 0] = '\0';
	return text;
}

static void test_notify_absent(void)
{
	unsetenv("NOTIFY_SOCKET");
	notify_open();
	notify_send("READY=1");
	setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
	notify_open();
	notify_send("READY=1");
	setenv("NOTIFY_SOCKET", "not-a-path", 1);
	notify_open();
	notify_send("READY=1");
	notify_close();
}

static void test_notify_path(void)
{
	char directory[] = "/tmp/notify.XXXXXX", path[64];
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	int fd = bind_datagram(path, strlen(path));
	setenv("NOTIFY_SOCKET", path, 1);
	notify_open();
	unlink(path); /* connected already */
	rmdir(directory);
	notify_send("READY=1\nSTATUS=tunnel up, %s", "10.0.0.2");
	CU_ASSERT_STRING_EQUAL(received(fd), "READY=1\nSTATUS=tunnel up, 10.0.0.2");
	char longer[5000];
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	notify_send("STATUS=%s", longer);
	CU_ASSERT_EQUAL(strlen(received(fd)), 2047);
	notify_close();
	notify_send("STOPPING=1");
	CU_ASSERT_STRING_EQUAL(received(fd), "");
	close(fd);
}

static void test_notify_abstract(void)
{
	char name[64];
	snprintf(name, sizeof(name), "@test-notify-%d", (int)getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	size_t length = strlen(name);
	name[0] = '\0';
	int fd = bind_datagram(name, length);
	notify_open();
	notify_send("READY=1");
	CU_ASSERT_STRING_EQUAL(received(fd), "READY=1");
	/* A manager that does not read holds nobody up; one that has gone
	 * kills nobody. */
	errno = EDOM;
	for (int i = 0; i < 10000; i++)
		notify_send("STATUS=%d", i);
	close(fd);
	notify_send("STATUS=gone");
	CU_ASSERT_EQUAL(errno, EDOM);
	notify_close();
}

/* Runs `say` with stderr in a pipe and returns what was written. */
static const char *stderr_of(void (*say)(void))
{
	static char text[65536];
	int ends[2], saved = dup(STDERR_FILENO);
	if (saved < 0 || pipe(ends) < 0)
		abort();
	dup2(ends[1], STDERR_FILENO);
	say();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	size_t got = 0;
	ssize_t count;
	while ((count = read(ends[0], text + got, sizeof(text) - 1 - got)) > 0)
		got += (size_t)count;
	close(ends[0]);
	text[got] = '\0';
	return text;
}

static void open_log(enum config_log_target target, int level)
{
	struct config_log settings = {.target = target, .level = level};
	log_open("tse", &settings);
}

static void say_levels(void)
{
	open_log(LOG_TO_STDERR, LOG_INFO);
	log_line(LOG_ERR, "cannot do %s", "it");
	log_line(LOG_WARNING, "careful");
	log_line(LOG_INFO, "done");
	log_line(LOG_DEBUG, "unseen");
	open_log(LOG_TO_STDERR, LOG_ERR);
	log_line(LOG_WARNING, "unseen");
	open_log(LOG_TO_STDERR, LOG_DEBUG);
	log_line(LOG_DEBUG, "seen");
	log_close();
}

static void test_levels(void)
{
	CU_ASSERT_STRING_EQUAL(stderr_of(say_levels),
		"tse: error: cannot do it\ntse: warning: careful\ntse: done\ntse: seen\n");
}

static const char *to_say;

static void say_it(void)
{
	open_log(LOG_TO_STDERR, LOG_INFO);
	errno = EDOM;
	log_line(LOG_INFO, "%s", to_say);
	CU_ASSERT_EQUAL(errno, EDOM);
	log_close();
}

static void test_escapes(void)
{
	static const struct {
		const char *said, *written;
	} cases[] = {
		{"plain", "plain"},
		{"", ""},
		{"a\nb\rc", "a\\x0ab\\x0dc"},
		{"\033[2J", "\\x1b[2J"},
		{"tab\t", "tab\\x09"},
		{"del\177", "del\\x7f"},
		{"M\303\274ller", "M\303\274ller"},
		{"\342\202\254 \360\237\230\200", "\342\202\254 \360\237\230\200"},
		{"c1 \302\233", "c1 \\xc2\\x9b"},
		{"raw \233", "raw \\x9b"},
		{"overlong \300\212", "overlong \\xc0\\x8a"},
		{"cut \342\202", "cut \\xe2\\x82"},
		{"high \377\376", "high \\xff\\xfe"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char expected[64];
		snprintf(expected, sizeof(expected), "tse: %s\n", cases[i].written);
		to_say = cases[i].said;
		CU_ASSERT_STRING_EQUAL(stderr_of(say_it), expected);
	}
}

static void test_long_lines(void)
{
	static char longer[10000];
	memset(longer, 1, sizeof(longer) - 1);
	to_say = longer;
	const char *text = stderr_of(say_it);
	size_t length = strlen(text);
	CU_ASSERT_EQUAL(length, strlen("tse: ") + 4 * 2044 + strlen("...\n"));
	CU_ASSERT_STRING_EQUAL(text + length - 8, "\\x01...\n");
}

enum { THREADS = 4, LINES = 40 };

static void *chatter(void *letter)
{
	char line[101];
	memset(line, *(const char *)letter, sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < LINES; i++)
		log_line(LOG_INFO, "%s", line);
	return NULL;
}

static void say_together(void)
{
	static char letters[THREADS] = {'a', 'b', 'c', 'd'};
	pthread_t threads[THREADS];
	open_log(LOG_TO_STDERR, LOG_INFO);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, chatter, &letters[i]) != 0)
			abort();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	log_close();
}

static void test_whole_lines(void)
{
	const char *at = stderr_of(say_together);
	int lines = 0;
	for (const char *end; (end = strchr(at, '\n')); at = end + 1, lines++) {
		CU_ASSERT_EQUAL(end - at, 5 + 100);
		CU_ASSERT_EQUAL(strspn(at + 5, (char[]){at[5], '\0'}), 100);
	}
	CU_ASSERT_EQUAL(lines, THREADS * LINES);
}

static void say_to_journal(void)
{
	open_log(LOG_TO_JOURNAL, LOG_INFO);
	log_line(LOG_WARNING, "two\nlines");
	log_close();
}

/* In a child, since it takes /run away from this process. */
static void test_journal(void)
{
	pid_t child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
			mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
			mount("none", "/run", "tmpfs", 0, NULL) < 0)
			_exit(2);
		/* Nobody listens: the line is on stderr instead. */
		if (strcmp(stderr_of(say_to_journal), "tse: warning: two\\x0alines\n") != 0)
			_exit(3);
		mkdir("/run/systemd", 0755);
		mkdir("/run/systemd/journal", 0755);
		static const char path[] = "/run/systemd/journal/socket";
		int fd = bind_datagram(path, strlen(path));
		if (strcmp(stderr_of(say_to_journal), "") != 0)
			_exit(4);
		char text[1024], head[256];
		ssize_t got = recv(fd, text, sizeof(text), MSG_DONTWAIT);
		int length = snprintf(head, sizeof(head),
			"PRIORITY=4\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=tse\nSYSLOG_PID=%d\n"
			"MESSAGE\n",
			(int)getpid());
		static const char rest[] = "\x0c\0\0\0\0\0\0\0two\\x0alines\n";
		bool same = got == length + (ssize_t)sizeof(rest) - 1 &&
			    memcmp(text, head, (size_t)length) == 0 &&
			    memcmp(text + length, rest, sizeof(rest) - 1) == 0;
		_exit(same ? 0 : 5);
	}
	int status = -1;
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_TRUE(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

static const struct unit_test tests[] = {
	{"no notification socket, or none that works", test_notify_absent},
	{"notifications by path", test_notify_path},
	{"notifications by abstract name", test_notify_abstract}, {"log levels", test_levels},
	{"nothing forges a line", test_escapes}, {"long lines are cut", test_long_lines},
	{"lines of threads do not mix", test_whole_lines},
	{"the journal", test_journal}, /* last: needs root */
};

int main(void)
{
	enum { SKIPPED = 77 };
	size_t count = sizeof(tests) / sizeof(tests[0]);
	if (geteuid() == 0)
		return unit_run("notify and log", tests, count);
	int status = unit_run("notify and log", tests, count - 1);
	fputs("the journal was not tested: needs root\n", stderr);
	return status == EXIT_SUCCESS ? SKIPPED : status;
}
