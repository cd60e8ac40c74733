/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The keeper: a small child that stays privileged so that the daemon need not.
 * It does one thing: open, for reading, one of the files that were named when
 * it was started, and pass the descriptor back.  So an unprivileged tscfd can
 * reload a key that only root may read.  It ends with the daemon. */
#ifndef TSCF_IO_KEEPER_H
#define TSCF_IO_KEEPER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/reason.h"

enum { KEEPER_PATHS = 8 };

struct keeper {
	int fd;
	pid_t pid;
	char *paths[KEEPER_PATHS];
	size_t count;
};

/* Forks; call before any thread exists. */
int keeper_start(struct keeper *keeper, const char *const *paths, size_t count, struct reason *why);
/* Reads the whole file (at most `limit` octets) into a fresh, NUL-terminated
 * buffer that the caller owns. -ENOENT when `path` was not named at start.
 * Without a keeper (NULL) it is file_read. */
int keeper_read(struct keeper *keeper, const char *path, uint8_t **out, size_t *length,
	size_t limit, struct reason *why);
/* Also for one that did not start, or is all zero. */
void keeper_stop(struct keeper *keeper);

/* The same for a process that may still open the file itself. */
int file_read(const char *path, uint8_t **out, size_t *length, size_t limit, struct reason *why);
/* Cleanses and frees; for keys. Takes NULL. */
void file_forget(uint8_t *octets, size_t length);

#endif
