/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small text files; all may be lost without harm, so nonsense in them is
 * treated as absence. */
#include "tse/remember.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4200 };

static bool says_already(const char *path, const char *text)
{
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	while (*text && getc(file) == (unsigned char)*text)
		text++;
	bool same = !*text && getc(file) == EOF;
	fclose(file);
	return same;
}

/* Written aside and renamed: never half of it, whatever happens.  Packets wait
 * for the disk meanwhile, so what is there already is not written again. */
static int replace(const char *path, const char *text)
{
	char aside[PATH_ROOM + 8];
	if (says_already(path, text))
		return 0;
	snprintf(aside, sizeof(aside), "%s.new", path);
	FILE *file = fopen(aside, "we");
	if (!file)
		return -errno;
	bool failed = fputs(text, file) < 0 || fflush(file) != 0 || fsync(fileno(file)) != 0;
	failed |= fclose(file) != 0;
	if (failed || rename(aside, path) != 0) {
		int error = errno ? errno : EIO;
		unlink(aside);
		return -error;
	}
	return 0;
}

static bool read_instance(const char *path, uint8_t instance[CONTROL_INSTANCE])
{
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	bool whole = true;
	for (int i = 0; i < CONTROL_INSTANCE; i++) {
		unsigned octet;
		whole = whole && fscanf(file, "%2x", &octet) == 1;
		instance[i] = whole ? (uint8_t)octet : 0;
	}
	fclose(file);
	return whole;
}

int remember_instance(const char *directory, uint8_t instance[CONTROL_INSTANCE], struct reason *why)
{
	char path[PATH_ROOM], text[2 * CONTROL_INSTANCE + 2];
	snprintf(path, sizeof(path), "%s/instance", directory);
	if (read_instance(path, instance))
		return 0;
	if (getrandom(instance, CONTROL_INSTANCE, 0) != CONTROL_INSTANCE) {
		reason_set(why, "no random numbers for an instance id: %s", strerror(errno));
		return -EIO;
	}
	for (int i = 0; i < CONTROL_INSTANCE; i++)
		snprintf(text + 2 * i, 3, "%02x", instance[i]);
	strcat(text, "\n");
	int error = replace(path, text);
	if (error)
		reason_set(why, "cannot write %s: %s", path, strerror(-error));
	return error;
}

size_t remember_routes(const char *directory, struct prefix routes[CONTROL_ROUTES_MAX])
{
	char path[PATH_ROOM], line[PREFIX_TEXT_MAX + 2];
	size_t count = 0;
	snprintf(path, sizeof(path), "%s/routes", directory);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	while (count < CONTROL_ROUTES_MAX && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (prefix_parse(&routes[count], line))
			count++;
	}
	fclose(file);
	return count;
}

int remember_save_routes(const char *directory, const struct prefix *routes, size_t count)
{
	char path[PATH_ROOM], text[CONTROL_ROUTES_MAX * (PREFIX_TEXT_MAX + 1) + 1],
		prefix[PREFIX_TEXT_MAX];
	size_t at = 0;
	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%s\n", prefix_format(&routes[i], prefix));
	snprintf(path, sizeof(path), "%s/routes", directory);
	return replace(path, text);
}

int remember_save(const char *directory, const char *name, const char *text)
{
	char path[PATH_ROOM];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return replace(path, text);
}
