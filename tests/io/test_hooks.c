/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hooks: run when they should, told what they should, and nothing else run.
 * They report through a FIFO; the runner's log goes into a pipe.  Exit status
 * 77 (skipped) without root. */
#include "io/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "io/sandbox.h"
#include "unit.h"

enum {
	SKIPPED = 77,
	PATIENCE = 5000, /* ms, for what must happen */
	LIMIT = 400000,  /* us, in most tests */
	GENEROUS = 60000000,
	TEXT = 65536,
	STRAY = 50, /* a descriptor that no hook may have */
};

static char base[] = "/tmp/hooks.XXXXXX";
static char directory[64], away[64], report[64], gate[64];
static int reports = -1, logs = -1, log_end = -1, own_stderr = -1;
static const struct config_log log_settings = {LOG_TO_STDERR, LOG_INFO};
static struct hooks hooks;
static struct reason why;

static struct hook_values state(const char *name)
{
	return (struct hook_values){{name, "strict", "tunnel", "tls", "tse0", "10.45.0.2/16",
		"fd00:45::2/64", "10.99.0.10 p-cscf.ims.example", "keep", "office", "7"}};
}

/* --- files ----------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void write_hook(
	const char *name, mode_t mode, const char *format, ...)
{
	char path[128];
	va_list arguments;
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0700);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file)
		abort();
	va_start(arguments, format);
	vfprintf(file, format, arguments);
	va_end(arguments);
	if (fclose(file) != 0 || chmod(path, mode) < 0)
		abort();
}

/* `command` is for sh, its output is reported. */
static void write_reporter(const char *name, const char *command)
{
	write_hook(name, 0755, "#!/bin/sh\n{ %s; } >%s\n", command, report);
}

static void clear(void)
{
	char command[256];
	snprintf(command, sizeof(command), "rm -rf %s && mkdir -m 0755 %s", directory, directory);
	if (system(command) != 0)
		abort();
}

/* --- what comes ------------------------------------------------------------ */

static int read_line(int fd, char text[TEXT])
{
	size_t length = 0;
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	while (length + 1 < TEXT && (length == 0 || text[length - 1] != '\n')) {
		if (poll(&wait, 1, PATIENCE) != 1 || read(fd, text + length, 1) != 1)
			break;
		length++;
	}
	text[length] = '\0';
	return (int)length;
}

static bool reported(const char *line)
{
	static char text[TEXT];
	read_line(reports, text);
	text[strcspn(text, "\n")] = '\0';
	bool same = strcmp(text, line) == 0;
	if (!same)
		dprintf(own_stderr, "reported '%s', not '%s'\n", text, line);
	return same;
}

/* The next line of the log has all of these words. */
static bool logged(const char *words, const char *more)
{
	static char text[TEXT];
	read_line(logs, text);
	bool has = strstr(text, words) && strstr(text, more);
	if (!has)
		dprintf(own_stderr, "logged '%s', not '%s' and '%s'\n", text, words, more);
	return has;
}

static bool is_quiet(int fd)
{
	struct pollfd now = {.fd = fd, .events = POLLIN};
	return poll(&now, 1, 0) == 0;
}

/* --- the runner ------------------------------------------------------------ */

static void start(uint64_t limit)
{
	static struct hooks_settings settings;
	settings = (struct hooks_settings){
		.directory = directory, .limit = limit, .program = "tse", .log = &log_settings};
	dup2(log_end, STDERR_FILENO);
	int error = hooks_start(&hooks, &settings, &why);
	dup2(own_stderr, STDERR_FILENO);
	CU_ASSERT_EQUAL_FATAL(error, 0);
}

static void run(const char *name)
{
	struct hook_values values = state(name);
	hooks_run(&hooks, &values);
}

/* When this is over the runner is, and nothing more can come. */
static void stop(void)
{
	hooks_stop(&hooks);
	CU_ASSERT_TRUE(is_quiet(reports));
	CU_ASSERT_TRUE(is_quiet(logs));
	clear();
}

/* --- the tests ------------------------------------------------------------- */

static void test_in_order(void)
{
	write_reporter("20-second", "echo second $TSE_STATE");
	write_reporter("10-first", "echo first $TSE_STATE");
	write_reporter("Z_last", "echo last $TSE_STATE");
	start(GENEROUS);
	run("up");
	CU_ASSERT_TRUE(reported("first up"));
	CU_ASSERT_TRUE(reported("second up"));
	CU_ASSERT_TRUE(reported("last up"));
	CU_ASSERT_TRUE(logged("10-first ran for state up, verdict tunnel: ", " ms"));
	CU_ASSERT_TRUE(logged("20-second ran for state up", "tse: hook "));
	CU_ASSERT_TRUE(logged("Z_last ran for state up", directory));
	run("down");
	CU_ASSERT_TRUE(reported("first down"));
	CU_ASSERT_TRUE(reported("second down"));
	CU_ASSERT_TRUE(reported("last down"));
	for (int i = 0; i < 3; i++)
		CU_ASSERT_TRUE(logged(" ran for state down", ""));
	stop();
}

/* All of it, and nothing of ours. */
static void test_environment(void)
{
	static const char *const lines[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TSE_STATE=up",
		"TSE_FIREWALL=strict", "TSE_VERDICT=tunnel", "TSE_TRANSPORT=tls", "TSE_IFACE=tse0",
		"TSE_INNER4=10.45.0.2/16", "TSE_INNER6=fd00:45::2/64",
		"TSE_PCSCF=10.99.0.10 p-cscf.ims.example", "TSE_IMS_SECURITY=keep",
		"TSE_PROFILE=office", "TSE_GENERATION=7", "TSE_DNS=", "TSE_DOMAINS=", "end"};
	write_reporter("env", "tr '\\0' '\\n' </proc/$$/environ; echo end");
	start(GENEROUS);
	run("up");
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		CU_ASSERT_TRUE(reported(lines[i]));
	CU_ASSERT_TRUE(logged("env ran", ""));
	stop();
}

/* As a fresh process: no descriptor, no blocked signal, its own session.  (The
 * C library may leave the signals that it keeps for itself, 32 and 33, ignored.) */
static void test_process(void)
{
	write_hook("process", 0755,
		"#!/bin/sh\n"
		"a=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2 | tr '\\n' ' ')\n"
		"c=$(awk '/^SigBlk/ { print $2 }' /proc/$$/status)\n"
		"e=$(awk '/^SigIgn/ { print $2 }' /proc/$$/status)\n"
		"d=$(cut -d ' ' -f 5,6 /proc/$$/stat)\n"
		"{ echo $a; [ -e /proc/$$/fd/%d ] && echo stray; echo $c $((0x$e & 0x7fffffff)); "
		"pwd\n"
		"[ \"$d\" = \"$$ $$\" ] && echo leader; umask; } >%s\n",
		STRAY, report);
	CU_ASSERT_EQUAL(dup2(reports, STRAY), STRAY); /* not close-on-exec */
	start(GENEROUS);
	close(STRAY);
	run("up");
	CU_ASSERT_TRUE(reported("/dev/null /dev/null /dev/null"));
	CU_ASSERT_TRUE(reported("0000000000000000 0"));
	CU_ASSERT_TRUE(reported(directory));
	CU_ASSERT_TRUE(reported("leader"));
	CU_ASSERT_TRUE(reported("0022"));
	CU_ASSERT_TRUE(logged("process ran", ""));
	stop();
}

static void test_unfit_files(void)
{
	char path[128];
	write_reporter("10-good", "echo good");
	write_reporter("20-foreign", "echo bad");
	write_reporter("30-group", "echo bad");
	write_reporter("40-others", "echo bad");
	write_reporter("50-name.sh", "echo bad");
	write_reporter(".hidden", "echo bad");
	write_reporter("60-off", "echo bad");
	write_reporter("README", "echo bad");
	write_hook("70-app.example", 0644, "#!/bin/sh\necho bad >%s\n", report);
	snprintf(path, sizeof(path), "%s/20-foreign", directory);
	CU_ASSERT_EQUAL(chown(path, 65534, 0), 0);
	snprintf(path, sizeof(path), "%s/30-group", directory);
	chmod(path, 0775);
	snprintf(path, sizeof(path), "%s/40-others", directory);
	chmod(path, 0757);
	snprintf(path, sizeof(path), "%s/60-off", directory);
	chmod(path, 0644);
	snprintf(path, sizeof(path), "%s/README", directory);
	chmod(path, 0644);
	snprintf(path, sizeof(path), "%s/80-link", directory);
	CU_ASSERT_EQUAL(symlink("10-good", path), 0);
	snprintf(path, sizeof(path), "%s/90-directory", directory);
	mkdir(path, 0755);
	start(GENEROUS);
	run("up");
	/* complaints come in the order of the directory */
	static char all[8 * 1024], line[TEXT];
	for (size_t i = 0, at = 0; i < 6 && at < sizeof(all); i++) {
		read_line(logs, line);
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%.1000s", line);
	}
	CU_ASSERT_TRUE(strstr(all, "20-foreign is not run: it does not belong to root") != NULL);
	CU_ASSERT_TRUE(strstr(all, "30-group is not run: others than root can write it") != NULL);
	CU_ASSERT_TRUE(strstr(all, "40-others is not run: others than root") != NULL);
	CU_ASSERT_TRUE(strstr(all, "50-name.sh is not run: its name may only have") != NULL);
	CU_ASSERT_TRUE(strstr(all, "80-link is not run: it is a symbolic link") != NULL);
	CU_ASSERT_TRUE(strstr(all, "10-good ran for state up") != NULL);
	CU_ASSERT_TRUE(reported("good"));
	stop();
}

static void test_unfit_directory(void)
{
	write_reporter("10-bad", "echo bad");
	start(GENEROUS);
	chmod(directory, 0775);
	run("a");
	CU_ASSERT_TRUE(logged("hooks are not run: directory", "others than root can write it"));
	chmod(directory, 0755);
	CU_ASSERT_EQUAL(chown(directory, 65534, 0), 0);
	run("b");
	CU_ASSERT_TRUE(logged("hooks are not run: directory", "does not belong to root"));
	CU_ASSERT_EQUAL(chown(directory, 0, 0), 0);
	run("c");
	CU_ASSERT_TRUE(reported("bad"));
	CU_ASSERT_TRUE(logged("10-bad ran", "state c"));
	/* none at all is no complaint, and it may come back */
	CU_ASSERT_EQUAL(rename(directory, away), 0);
	run("d");
	hooks_stop(&hooks);
	CU_ASSERT_TRUE(is_quiet(logs));
	CU_ASSERT_EQUAL(rename(away, directory), 0);
	stop();
}

static void test_failures(void)
{
	write_hook("10-status", 0755, "#!/bin/sh\nexit 3\n");
	write_hook("20-signal", 0755, "#!/bin/sh\nkill -SEGV $$\n");
	write_hook("30-format", 0755, "echo no interpreter\n");
	write_hook("40-missing", 0755, "#!/nowhere/sh\n");
	write_reporter("50-after", "echo after");
	start(GENEROUS);
	run("up");
	CU_ASSERT_TRUE(reported("after"));
	CU_ASSERT_TRUE(
		logged("warning: hook ", "10-status failed with exit status 3 for state up"));
	CU_ASSERT_TRUE(logged("20-signal was killed by signal 11", ""));
	CU_ASSERT_TRUE(logged("30-format cannot be run", "#!/bin/sh"));
	CU_ASSERT_TRUE(logged("40-missing cannot be run", "No such file"));
	CU_ASSERT_TRUE(logged("50-after ran", ""));
	stop();
}

/* Dead, whether or not somebody has taken note of it yet. */
static bool is_gone(long pid)
{
	char path[64], line[256];
	for (int waited = 0; waited < PATIENCE; waited += 10) {
		snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
		FILE *file = fopen(path, "re");
		bool alive = file && fgets(line, sizeof(line), file) && !strstr(line, ") Z ");
		if (file)
			fclose(file);
		if (!alive)
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

static void test_time_limit(void)
{
	static char text[TEXT];
	long first = 0, second = 0;
	write_hook("10-hangs", 0755,
		"#!/bin/sh\ntrap '' TERM\nsleep 1000 & echo $$ $! >%s; wait; sleep 1000\n", report);
	write_reporter("20-next", "echo next");
	start(LIMIT);
	uint64_t began = clock_now();
	run("up");
	read_line(reports, text);
	CU_ASSERT_EQUAL(sscanf(text, "%ld %ld", &first, &second), 2);
	CU_ASSERT_TRUE(reported("next"));
	CU_ASSERT_TRUE(clock_now() - began >= LIMIT);
	CU_ASSERT_TRUE(logged("10-hangs took too long and was killed", ""));
	CU_ASSERT_TRUE(logged("20-next ran", ""));
	CU_ASSERT_TRUE(is_gone(first));
	CU_ASSERT_TRUE(is_gone(second)); /* its whole group */
	stop();
}

/* While a hook is at work, many changes: only the last is told. */
static void test_newest_wins(void)
{
	write_hook("10-slow", 0755, "#!/bin/sh\necho $TSE_STATE >%s\nread x <%s\n", report, gate);
	int opened = open(gate, O_RDWR | O_CLOEXEC);
	start(GENEROUS);
	run("first");
	CU_ASSERT_TRUE(reported("first"));
	for (int i = 0; i < 2000; i++) {
		char name[16];
		snprintf(name, sizeof(name), "n%d", i);
		run(name);
		/* the runner takes them off the socket even now */
		struct pollfd room = {.fd = hooks.fd, .events = POLLOUT};
		CU_ASSERT_EQUAL_FATAL(poll(&room, 1, PATIENCE), 1);
	}
	run("last");
	CU_ASSERT_TRUE(is_quiet(reports));
	CU_ASSERT_EQUAL(write(opened, "\n", 1), 1);
	CU_ASSERT_TRUE(logged("ran for state first", ""));
	CU_ASSERT_TRUE(reported("last"));
	CU_ASSERT_EQUAL(write(opened, "\n", 1), 1);
	CU_ASSERT_TRUE(logged("ran for state last", ""));
	close(opened);
	stop();
}

/* The runner does not believe the daemon. */
static void test_hostile_daemon(void)
{
	static char text[3 * HOOK_MESSAGE_MAX];
	static const char shell[] = "up\0strict\0tunnel\0tls\0tse0;reboot\0\0\0\0keep\0x\0"
				    "1\0\0";
	char octets[32];
	write_reporter("10-told", "echo told $TSE_STATE");
	start(GENEROUS);
	CU_ASSERT_TRUE(send(hooks.fd, "x", 1, 0) == 1);
	CU_ASSERT_TRUE(logged("the daemon has sent what is no state", "(1 octets)"));
	CU_ASSERT_TRUE(send(hooks.fd, shell, sizeof(shell), 0) == sizeof(shell));
	CU_ASSERT_TRUE(logged("the daemon has sent what is no state", ""));
	memset(text, 'a', sizeof(text));
	CU_ASSERT_TRUE(send(hooks.fd, text, sizeof(text), 0) == sizeof(text));
	snprintf(octets, sizeof(octets), "(%zu octets)", sizeof(text));
	CU_ASSERT_TRUE(logged("the daemon has sent what is no state", octets));
	run("up");
	CU_ASSERT_TRUE(reported("told up"));
	CU_ASSERT_TRUE(logged("10-told ran", ""));
	stop();
}

static void test_unfit_values(void)
{
	write_reporter("10-bad", "echo bad");
	start(GENEROUS);
	struct hook_values values = state("up");
	values.text[HOOK_PCSCF] = "$(reboot)";
	dup2(log_end, STDERR_FILENO); /* our own log, for this line */
	hooks_run(&hooks, &values);
	dup2(own_stderr, STDERR_FILENO);
	CU_ASSERT_TRUE(logged("hooks are not run", "TSE_PCSCF"));
	stop();
}

static void test_from_the_sandbox(void)
{
	write_reporter("10-root", "id -u");
	start(GENEROUS);
	pid_t daemon = fork();
	if (daemon == 0) {
		struct sandbox_user user;
		if (sandbox_find_user("nobody", &user, &why) || sandbox_drop(&user, true, &why) ||
			sandbox_filter(false, &why))
			_exit(EXIT_FAILURE);
		run("up");
		_exit(EXIT_SUCCESS);
	}
	CU_ASSERT_TRUE(reported("0"));
	CU_ASSERT_TRUE(logged("10-root ran", ""));
	stop();
}

/* The daemon ends: what it said last is still told, but not for ever. */
static void test_farewell(void)
{
	write_reporter("10-last", "echo $TSE_STATE");
	start(GENEROUS);
	run("stopped");
	hooks_stop(&hooks);
	CU_ASSERT_TRUE(reported("stopped"));
	CU_ASSERT_TRUE(logged("10-last ran for state stopped", ""));
	clear();

	write_hook("10-hangs", 0755, "#!/bin/sh\nexec sleep 1000\n");
	write_hook("20-hangs", 0755, "#!/bin/sh\nexec sleep 1000\n");
	start(LIMIT);
	run("stopped");
	uint64_t began = clock_now();
	hooks_stop(&hooks);
	uint64_t took = clock_now() - began;
	CU_ASSERT_TRUE(took >= LIMIT / 2 && took < 10 * LIMIT);
	CU_ASSERT_TRUE(logged("10-hangs took too long", ""));
	stop();
}

/* Signals for the daemon's group end neither the runner nor a hook. */
static void test_signals(void)
{
	static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
	write_reporter("10-told", "echo told");
	start(GENEROUS);
	run("up");
	CU_ASSERT_TRUE(reported("told"));
	CU_ASSERT_TRUE(logged("10-told ran", ""));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		kill(hooks.pid, numbers[i]);
	run("up");
	CU_ASSERT_TRUE(reported("told"));
	CU_ASSERT_TRUE(logged("10-told ran", ""));
	stop();
}

static void test_runner_gone(void)
{
	start(GENEROUS);
	kill(hooks.pid, SIGKILL);
	CU_ASSERT_TRUE(is_gone(hooks.pid));
	dup2(log_end, STDERR_FILENO);
	run("up");
	dup2(own_stderr, STDERR_FILENO);
	CU_ASSERT_TRUE(logged("the process that runs them is gone", ""));
	stop();
}

static void test_never_started(void)
{
	struct hooks none = {0};
	struct hook_values values = state("up");
	hooks_run(&none, &values);
	hooks_stop(&none);
	hooks_stop(&none);
	hooks_run(&none, &values);
}

static const struct unit_test tests[] = {
	{"in order", test_in_order},
	{"environment", test_environment},
	{"process", test_process},
	{"unfit files", test_unfit_files},
	{"unfit directory", test_unfit_directory},
	{"failures", test_failures},
	{"time limit", test_time_limit},
	{"the newest wins", test_newest_wins},
	{"hostile daemon", test_hostile_daemon},
	{"unfit values", test_unfit_values},
	{"from the sandbox", test_from_the_sandbox},
	{"farewell", test_farewell},
	{"signals", test_signals},
	{"runner gone", test_runner_gone},
	{"never started", test_never_started},
};

int main(void)
{
	int ends[2];
	if (geteuid() != 0) {
		fprintf(stderr, "skipped: needs root\n");
		return SKIPPED;
	}
	if (!mkdtemp(base) || pipe2(ends, O_CLOEXEC) < 0)
		abort();
	signal(SIGPIPE, SIG_IGN);
	snprintf(directory, sizeof(directory), "%s/hooks.d", base);
	snprintf(away, sizeof(away), "%s/away", base);
	snprintf(report, sizeof(report), "%s/report", base);
	snprintf(gate, sizeof(gate), "%s/gate", base);
	if (mkdir(directory, 0755) < 0 || mkfifo(report, 0600) < 0 || mkfifo(gate, 0600) < 0)
		abort();
	reports = open(report, O_RDWR | O_CLOEXEC);
	logs = ends[0];
	log_end = ends[1];
	own_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	int status = unit_run("hooks", tests, sizeof(tests) / sizeof(*tests));
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command) == 0 ? status : EXIT_FAILURE;
}
