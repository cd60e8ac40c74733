/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "many_server.h"

#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PATH_ROOM = 64, LINE_ROOM = 256 };

uint64_t server_cpu(pid_t pid)
{
	char pattern[PATH_ROOM];
	glob_t tasks;
	uint64_t total = 0;
	snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/schedstat", (int)pid);
	if (glob(pattern, 0, NULL, &tasks) != 0)
		return 0;
	for (size_t i = 0; i < tasks.gl_pathc; i++) {
		uint64_t ran = 0;
		FILE *file = fopen(tasks.gl_pathv[i], "re");
		if (file && fscanf(file, "%" SCNu64, &ran) == 1)
			total += ran;
		if (file)
			fclose(file);
	}
	globfree(&tasks);
	return total;
}

struct server_memory server_memory(pid_t pid)
{
	char path[PATH_ROOM], line[LINE_ROOM];
	struct server_memory memory = {0};
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		uint64_t kib;
		if (sscanf(line, "Pss: %" SCNu64, &kib) == 1)
			memory.pss = kib * 1024;
		else if (sscanf(line, "Rss: %" SCNu64, &kib) == 1)
			memory.rss = kib * 1024;
	}
	if (file)
		fclose(file);
	return memory;
}
