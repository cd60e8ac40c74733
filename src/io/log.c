/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Log lines, one system call each: lines of several threads never mix, and no
 * lock is held while somebody reads slowly. */
#include "io/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/text.h"

enum {
	LOG_MESSAGE_MAX = 2048,             /* as formatted */
	LOG_LINE_MAX = 4 * LOG_MESSAGE_MAX, /* every octet as \xNN */
};

static const char journal_path[] = "/run/systemd/journal/socket";

/* Written by log_open and log_close only, which no other thread sees. */
static struct {
	const char *program;
	struct config_log settings;
	int journal;
} sink = {.settings = {.target = LOG_TO_STDERR, .level = LOG_INFO}, .journal = -1};

void log_open(const char *program, const struct config_log *settings)
{
	log_close();
	sink.program = program;
	sink.settings = *settings;
	switch (settings->target) {
	case LOG_TO_STDERR:
		break;
	case LOG_TO_SYSLOG:
		openlog(program, LOG_PID | LOG_NDELAY, LOG_DAEMON);
		break;
	case LOG_TO_JOURNAL:
		sink.journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		break;
	}
}

void log_close(void)
{
	if (sink.settings.target == LOG_TO_SYSLOG)
		closelog();
	if (sink.journal >= 0)
		close(sink.journal);
	sink.journal = -1;
	sink.settings.target = LOG_TO_STDERR;
}

/* How many octets from `at` on are one clean character of UTF-8; 0 when the
 * first octet must be escaped. */
static size_t clean_character(const uint8_t *at, size_t length)
{
	size_t size = *at < 0x80 ? 1 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
	return size <= length && text_is_clean(at, size) ? size : 0;
}

/* Copies `text`; what could forge a line or steer a terminal becomes \xNN. */
static size_t escape(const char *text, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *at = (const uint8_t *)text;
	size_t rest = strlen(text), written = 0;
	while (rest > 0) {
		size_t size = clean_character(at, rest);
		if (size > 0) {
			memcpy(out + written, at, size);
			written += size;
		} else {
			size = 1;
			memcpy(out + written, "\\x", 2);
			out[written + 2] = digits[*at >> 4];
			out[written + 3] = digits[*at & 15];
			written += 4;
		}
		at += size;
		rest -= size;
	}
	return written;
}

static struct iovec piece(const char *octets, size_t length)
{
	return (struct iovec){.iov_base = (void *)octets, .iov_len = length};
}

/* stderr is one write even when it is a pipe that several processes share. */
static void write_stderr(int level, const char *line, size_t length)
{
	const char *program = sink.program ? sink.program : program_invocation_short_name;
	const char *name = level <= LOG_ERR ? "error: " : level == LOG_WARNING ? "warning: " : "";
	struct iovec pieces[] = {piece(program, strlen(program)), piece(": ", 2),
		piece(name, strlen(name)), piece(line, length), piece("\n", 1)};
	ssize_t written;
	do
		written = writev(STDERR_FILENO, pieces, sizeof(pieces) / sizeof(pieces[0]));
	while (written < 0 && errno == EINTR);
}

/* systemd.io/JOURNAL_NATIVE_PROTOCOL: FIELD=value lines, or, for a value of any
 * octets: FIELD, newline, its length as a little-endian u64, value, newline. */
static bool send_journal(int level, const char *line, size_t length)
{
	char head[256], size[8];
	int head_length = snprintf(head, sizeof(head),
		"PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=%.64s\nSYSLOG_PID=%"
		"d\nMESSAGE\n",
		level, LOG_FAC(LOG_DAEMON), sink.program, (int)getpid());
	for (int i = 0; i < 8; i++)
		size[i] = (char)((uint64_t)length >> 8 * i);
	struct iovec pieces[] = {piece(head, (size_t)head_length), piece(size, sizeof(size)),
		piece(line, length), piece("\n", 1)};
	/* By name each time: the journal may have been restarted. */
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	memcpy(address.sun_path, journal_path, sizeof(journal_path));
	struct msghdr message = {.msg_name = &address,
		.msg_namelen = sizeof(address),
		.msg_iov = pieces,
		.msg_iovlen = sizeof(pieces) / sizeof(pieces[0])};
	return sendmsg(sink.journal, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

void log_line(int level, const char *format, ...)
{
	if (level > sink.settings.level)
		return;
	int saved = errno;
	char message[LOG_MESSAGE_MAX], line[LOG_LINE_MAX];
	va_list arguments;
	va_start(arguments, format);
	int wanted = vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	if (wanted < 0)
		message[0] = '\0';
	else if ((size_t)wanted >= sizeof(message))
		memcpy(message + sizeof(message) - 4, "...", 4);
	size_t length = escape(message, line);

	switch (sink.settings.target) {
	case LOG_TO_STDERR:
		write_stderr(level, line, length);
		break;
	case LOG_TO_SYSLOG:
		syslog(level, "%.*s", (int)length, line);
		break;
	case LOG_TO_JOURNAL:
		/* Without a journal the line is better here than nowhere. */
		if (sink.journal < 0 || !send_journal(level, line, length))
			write_stderr(level, line, length);
		break;
	}
	errno = saved;
}
