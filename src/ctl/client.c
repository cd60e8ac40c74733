/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One request, one answer, and words for whatever comes between. */
#include "ctl/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/words.h"
#include "io/control_socket.h"

enum { WORD_MAX = 32, SUGGEST_DISTANCE = 2 };

void ctl_complain(const char *format, ...)
{
	char text[REASON_MAX + 256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	words_put(stderr, text);
	fputc('\n', stderr);
}

void ctl_print_version(void)
{
	printf("%s (tscf) %s\n", program_invocation_short_name, PACKAGE_VERSION);
}

void ctl_print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
}

int ctl_finish(enum ctl_status status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return (int)status;
	ctl_complain("cannot write the output");
	return CTL_ERROR;
}

/* --- commands ------------------------------------------------------------ */

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;
	return least < c ? least : c;
}

/* Letters to insert, remove or exchange to make one word of the other. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 1];
	size_t width = strlen(b);
	if (width > WORD_MAX || strlen(a) > WORD_MAX)
		return WORD_MAX;
	for (unsigned j = 0; j <= width; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= width; j++) {
			unsigned above = row[j];
			row[j] = smallest(
				above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[width];
}

static const char *closest(const char *const *names, const char *word)
{
	const char *best = NULL;
	unsigned least = SUGGEST_DISTANCE + 1;
	for (size_t i = 0; names[i]; i++) {
		unsigned steps = distance(names[i], word);
		/* The beginning of a command is closer than any other word. */
		if (strlen(word) > 1 && strncmp(names[i], word, strlen(word)) == 0)
			steps = 0;
		if (steps < least) {
			least = steps;
			best = names[i];
		}
	}
	return best;
}

int ctl_find_command(const char *const *names, const char *word)
{
	for (int i = 0; names[i]; i++)
		if (strcmp(names[i], word) == 0)
			return i;
	const char *meant = closest(names, word);
	if (meant)
		ctl_complain("unknown command \"%s\"; did you mean \"%s\"?", word, meant);
	else
		ctl_complain("unknown command \"%s\"; see --help", word);
	return -1;
}

/* --- asking -------------------------------------------------------------- */

int ctl_connect(const char *path, enum ctl_status *status)
{
	struct reason why;
	int fd = control_connect(path, &why);
	if (fd >= 0)
		return fd;
	*status = fd == -ENOENT || fd == -ECONNREFUSED ? CTL_NO_DAEMON : CTL_ERROR;
	ctl_complain("%s", why.text);
	return -1;
}

json_t *ctl_ask(int fd, json_t *request, enum ctl_status *status)
{
	struct reason why;
	*status = CTL_ERROR;
	/* A daemon that turns us away answers before it is asked: what it says
	 * counts more than that it no longer listens. */
	int error = control_send(fd, request);
	json_decref(request);
	json_t *answer = control_receive(fd, CTL_TIMEOUT_MS, &why);
	if (!answer) {
		ctl_complain("%s", error ? strerror(-error) : why.text);
		return NULL;
	}
	if (!json_is_true(json_object_get(answer, "ok"))) {
		const char *words = member_text(answer, "error");
		ctl_complain("%s", *words ? words : "refused without a reason");
		json_decref(answer);
		return NULL;
	}
	*status = CTL_OK;
	return answer;
}

json_t *ctl_ask_at(const char *path, json_t *request, enum ctl_status *status)
{
	int fd = ctl_connect(path, status);
	if (fd < 0) {
		json_decref(request);
		return NULL;
	}
	json_t *answer = ctl_ask(fd, request, status);
	close(fd);
	return answer;
}
