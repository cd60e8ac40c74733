/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The two state files; their order at each step is in state.h. */
#include "tscfd/state.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"

enum {
	FILES = 2,
	BLOCK = 256 * LEASE_RECORD, /* octets read or written at once */
	SLACK = 1 << 20,            /* octets of journal beyond what is needed */
};

#define TICKET_AGE_US (UINT64_C(86400) * 1000000)

struct state {
	char *path[FILES]; /* NULL: in memory only */
	int fd[FILES];
	struct lease_store found; /* what was read at start, until state_restored() */
	bool complete;            /* nothing of it was damaged */
	uint64_t pool;
	struct ticket_record tickets;

	/* Workers append, the main thread makes a new journal. */
	pthread_mutex_t lock;
	unsigned journal; /* which of the files */
	off_t size;       /* of the journal: whole records */
	uint64_t revision;
	bool complained;

	off_t needed; /* what the last snapshot took */
	off_t synced; /* size that the disk has got */
};

static uint64_t wall_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool write_at(int fd, const uint8_t *octets, size_t length, off_t at)
{
	while (length) {
		ssize_t done = pwrite(fd, octets, length, at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		octets += done;
		at += done;
		length -= (size_t)done;
	}
	return true;
}

/* --- reading -------------------------------------------------------------- */

/* Up to `end`, or to the end of the file with -1. */
static int read_file(struct lease_store *store, int fd, off_t end, struct lease_store_count *count)
{
	uint8_t *block = malloc(BLOCK);
	int error = block ? 0 : -ENOMEM;
	for (off_t at = 0; !error && at != end;) {
		size_t want = end >= 0 && end - at < BLOCK ? (size_t)(end - at) : BLOCK;
		ssize_t got = pread(fd, block, want, at);
		if (got < 0 && errno != EINTR)
			error = -errno;
		if (got == 0)
			break;
		if (got > 0) {
			error = lease_store_read(store, block, (size_t)got, count);
			at += got;
		}
	}
	if (block)
		explicit_bzero(block, BLOCK);
	free(block);
	return error;
}

/* --- writing -------------------------------------------------------------- */

/* Appends to the journal; a record that was written in part is overwritten by
 * the next. */
static bool append(struct state *state, const uint8_t *octets, size_t length)
{
	if (!write_at(state->fd[state->journal], octets, length, state->size))
		return false;
	state->size += (off_t)length;
	return true;
}

static void complain(struct state *state, int error)
{
	if (!state->complained)
		log_line(LOG_ERR,
			"cannot write %s: %s; a restart may lose leases, so that calls break",
			state->path[state->journal], strerror(error));
	state->complained = true;
}

void state_note(struct state *state, const struct lease *lease)
{
	struct lease_record record;
	uint8_t octets[LEASE_RECORD];
	uint64_t now = clock_now(), wall = wall_now();

	if (!state->path[0])
		return;
	pthread_mutex_lock(&state->lock);
	lease_record_of(&record, lease, ++state->revision, now, wall);
	lease_record_encode(&record, state->pool, octets);
	if (append(state, octets, sizeof(octets)))
		state->complained = false;
	else
		complain(state, errno);
	pthread_mutex_unlock(&state->lock);
	explicit_bzero(&record, sizeof(record));
	explicit_bzero(octets, sizeof(octets));
}

static void note_tickets(struct state *state)
{
	uint8_t octets[LEASE_RECORD];
	pthread_mutex_lock(&state->lock);
	state->tickets.revision = ++state->revision;
	ticket_record_encode(&state->tickets, octets);
	if (state->path[0] && !append(state, octets, sizeof(octets)))
		complain(state, errno);
	pthread_mutex_unlock(&state->lock);
	explicit_bzero(octets, sizeof(octets));
}

/* The latest of every record, into a file that nobody needs.  Its size, or -1
 * with errno. */
static off_t write_snapshot(struct state *state, const struct lease_store *store, int fd)
{
	uint8_t *block = malloc(BLOCK);
	size_t filled = LEASE_RECORD;
	off_t at = 0;
	bool good = block && ftruncate(fd, 0) == 0;

	if (good)
		ticket_record_encode(&state->tickets, block);
	for (size_t i = 0; good && i < store->count; i++) {
		lease_record_encode(&store->records[i], state->pool, block + filled);
		filled += LEASE_RECORD;
		if (filled < BLOCK)
			continue;
		good = write_at(fd, block, filled, at);
		at += (off_t)filled;
		filled = 0;
	}
	good = good && write_at(fd, block, filled, at);
	int error = errno;
	if (block)
		explicit_bzero(block, BLOCK);
	free(block);
	errno = error;
	return good ? at + (off_t)filled : -1;
}

/* What was appended to the journal while the snapshot of it was written. */
static bool copy_tail(struct state *state, off_t from, int to, off_t at)
{
	uint8_t octets[LEASE_RECORD];
	bool good = true;
	for (; good && from < state->size; from += LEASE_RECORD, at += LEASE_RECORD)
		good = pread(state->fd[state->journal], octets, sizeof(octets), from) ==
			       sizeof(octets) &&
		       write_at(to, octets, sizeof(octets), at);
	explicit_bzero(octets, sizeof(octets));
	return good;
}

/* The snapshot, which holds all up to `from`, becomes the journal. */
static bool switch_journal(struct state *state, off_t from, off_t snapshot)
{
	unsigned other = !state->journal;
	pthread_mutex_lock(&state->lock);
	bool good = copy_tail(state, from, state->fd[other], snapshot);
	if (good) {
		state->size = snapshot + state->size - from;
		state->journal = other;
		state->needed = snapshot;
		state->synced = 0;
	}
	pthread_mutex_unlock(&state->lock);
	return good;
}

/* The old journal goes only when the disk has the new one. */
static int renew(struct state *state, const struct lease_store *store, off_t read)
{
	unsigned old = state->journal, fresh = !old;
	off_t snapshot = write_snapshot(state, store, state->fd[fresh]);
	if (snapshot < 0 || !switch_journal(state, read, snapshot))
		return -errno;
	if (fdatasync(state->fd[fresh]) < 0 || ftruncate(state->fd[old], 0) < 0)
		return -errno;
	state->synced = state->size;
	return 0;
}

static void shorten(struct state *state)
{
	struct lease_store store;
	struct lease_store_count count = {0};
	pthread_mutex_lock(&state->lock);
	off_t end = state->size;
	pthread_mutex_unlock(&state->lock);

	int error = lease_store_init(&store, state->pool);
	if (!error)
		error = read_file(&store, state->fd[state->journal], end, &count);
	if (!error)
		error = renew(state, &store, end);
	if (error)
		complain(state, -error);
	lease_store_fini(&store);
}

/* --- tickets -------------------------------------------------------------- */

const struct ticket_record *state_tickets(const struct state *state)
{
	return &state->tickets;
}

/* New secrets; without `keep_previous` no ticket given out so far is good. */
static void rotate_tickets(struct state *state, bool keep_previous)
{
	struct ticket_record *tickets = &state->tickets;
	tickets->has_previous = keep_previous && tickets->revision;
	if (tickets->has_previous)
		memcpy(tickets->previous, tickets->current, TICKET_SECRET);
	else
		explicit_bzero(tickets->previous, TICKET_SECRET);
	if (getrandom(tickets->current, TICKET_SECRET, 0) != TICKET_SECRET)
		abort(); /* a ticket that can be guessed is anybody's identity */
	tickets->since = wall_now();
	note_tickets(state);
}

void state_trust(struct state *state, uint64_t trust)
{
	bool same = state->tickets.revision && state->tickets.trust == trust;
	state->tickets.trust = trust;
	if (!same)
		rotate_tickets(state, false);
	else if (wall_now() - state->tickets.since >= TICKET_AGE_US)
		rotate_tickets(state, true);
}

/* --- now and then ---------------------------------------------------------- */

bool state_tidy(struct state *state)
{
	uint64_t wall = wall_now();
	if (state->path[0]) {
		pthread_mutex_lock(&state->lock);
		off_t size = state->size;
		pthread_mutex_unlock(&state->lock);
		if (size > 2 * state->needed + SLACK)
			shorten(state);
		else if (size != state->synced && fdatasync(state->fd[state->journal]) == 0)
			state->synced = size;
	}
	/* A clock that was set back must not stop the renewal. */
	if (wall - state->tickets.since < TICKET_AGE_US)
		return false;
	rotate_tickets(state, true);
	return true;
}

/* --- opening -------------------------------------------------------------- */

static int check_owner(
	int fd, const char *path, const struct sandbox_user *user, struct reason *why)
{
	struct stat is;
	if (fstat(fd, &is) < 0)
		return -errno;
	if (!S_ISREG(is.st_mode)) {
		reason_set(why, "[session] state-file: %s is no regular file", path);
	} else if (is.st_uid != 0 && is.st_uid != geteuid() && is.st_uid != user->uid) {
		reason_set(why,
			"[session] state-file: %s belongs to user %u, who could take over every "
			"tunnel; it must be root's or %s's",
			path, (unsigned)is.st_uid, user->name);
	} else if (is.st_mode & 077) {
		reason_set(why,
			"[session] state-file: others may use %s (mode %04o), which holds resume "
			"tokens; chmod 600 it, or remove it",
			path, (unsigned)(is.st_mode & 07777));
	} else {
		return 0;
	}
	return -EPERM;
}

static int open_file(
	struct state *state, unsigned i, const struct sandbox_user *user, struct reason *why)
{
	const char *path = state->path[i];
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	int error = fd < 0 ? -errno : 0;
	if (error == -ELOOP) {
		error = -EPERM;
		reason_set(why, "[session] state-file: %s is a symbolic link", path);
	} else if (error)
		reason_set(why, "[session] state-file: cannot open %s: %s", path, strerror(-error));
	else
		error = check_owner(fd, path, user, why);
	if (!error && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		error = -EBUSY;
		reason_set(why,
			"[session] state-file: another process uses %s: is tscfd running already?",
			path);
	}
	if (error && fd >= 0)
		close(fd);
	else
		state->fd[i] = fd;
	return error;
}

/* Of the directory only the last part is made. */
static int make_directory(const char *path)
{
	char copy[4096];
	if (strlen(path) >= sizeof(copy))
		return -ENAMETOOLONG;
	strcpy(copy, path);
	return mkdir(dirname(copy), 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* Not one record in it is ours: whatever it is, it is not overwritten. */
static int put_aside(
	struct state *state, unsigned i, const struct sandbox_user *user, struct reason *why)
{
	char aside[4096];
	snprintf(aside, sizeof(aside), "%s.damaged", state->path[i]);
	if (rename(state->path[i], aside) < 0) {
		int error = -errno;
		reason_set(
			why, "cannot rename %s to %s: %s", state->path[i], aside, strerror(-error));
		return error;
	}
	log_line(LOG_WARNING, "nothing in %s can be read: it is kept as %s", state->path[i], aside);
	close(state->fd[i]);
	state->fd[i] = -1;
	return open_file(state, i, user, why);
}

static int read_found(struct state *state, unsigned i, struct lease_store_count *total,
	const struct sandbox_user *user, struct reason *why)
{
	struct lease_store_count count = {0};
	int error = read_file(&state->found, state->fd[i], -1, &count);
	if (error) {
		reason_set(why, "cannot read %s: %s", state->path[i], strerror(-error));
		return error;
	}
	if (count.damaged + count.torn && !(count.good + count.versions + count.other_pool))
		error = put_aside(state, i, user, why);
	total->good += count.good;
	total->torn += count.torn;
	total->damaged += count.damaged;
	total->versions += count.versions;
	total->other_pool += count.other_pool;
	return error;
}

static void tell_found(const struct state *state, const struct lease_store_count *count)
{
	size_t resumable = 0;
	for (size_t i = 0; i < state->found.count; i++)
		resumable += state->found.records[i].state != LEASE_RESTING;
	if (state->found.count)
		log_line(LOG_INFO, "%s: %zu leases, of which %zu may be resumed", state->path[0],
			state->found.count, resumable);
	if (count->damaged + count->torn)
		log_line(LOG_WARNING,
			"%s: %zu damaged and %zu torn records were skipped; addresses that they "
			"may have been about rest for [pool] quarantine",
			state->path[0], count->damaged, count->torn);
	if (count->versions)
		log_line(LOG_WARNING, "%s: %zu records of another version of tscfd were skipped",
			state->path[0], count->versions);
	if (count->other_pool)
		log_line(LOG_WARNING,
			"%s: %zu leases were of a [pool] with other addresses, and are void",
			state->path[0], count->other_pool);
}

static int path_of(struct state *state, const char *path)
{
	char other[4096];
	snprintf(other, sizeof(other), "%s.2", path);
	state->path[0] = strdup(path);
	state->path[1] = strdup(other);
	return state->path[0] && state->path[1] ? 0 : -ENOMEM;
}

/* Whatever the files were, one of them holds all of it at every moment: the
 * journal gets a copy of the latest records, then the other one is rewritten. */
static int begin_journal(struct state *state)
{
	state->journal = 0;
	state->size = lseek(state->fd[0], 0, SEEK_END);
	state->size -= state->size % LEASE_RECORD;
	if (state->tickets.revision)
		note_tickets(state);
	for (size_t i = 0; i < state->found.count; i++) {
		uint8_t octets[LEASE_RECORD];
		lease_record_encode(&state->found.records[i], state->pool, octets);
		if (!append(state, octets, sizeof(octets)))
			return -errno;
	}
	return renew(state, &state->found, state->size);
}

static int open_files(
	struct state *state, const char *path, const struct sandbox_user *user, struct reason *why)
{
	struct lease_store_count count = {0};
	int error = path_of(state, path);
	if (!error)
		error = make_directory(path);
	if (error)
		reason_set(why, "[session] state-file: no directory for %s: %s", path,
			strerror(-error));
	for (unsigned i = 0; !error && i < FILES; i++)
		error = open_file(state, i, user, why);
	for (unsigned i = 0; !error && i < FILES; i++)
		error = read_found(state, i, &count, user, why);
	if (error)
		return error;
	state->complete = count.damaged + count.torn + count.versions == 0;
	state->revision = state->found.revision;
	state->tickets = state->found.tickets;
	tell_found(state, &count);
	error = begin_journal(state);
	if (error)
		reason_set(
			why, "[session] state-file: cannot write %s: %s", path, strerror(-error));
	return error;
}

int state_open(struct state **out, const char *path, const struct pool_settings *pool,
	const struct sandbox_user *user, struct reason *why)
{
	struct state *state = calloc(1, sizeof(*state));
	if (!state) {
		reason_set(why, "out of memory");
		return -ENOMEM;
	}
	pthread_mutex_init(&state->lock, NULL);
	state->fd[0] = state->fd[1] = -1;
	state->pool = lease_store_pool(&pool->ipv4, &pool->ipv6);
	int error = lease_store_init(&state->found, state->pool);
	if (error)
		reason_set(why, "out of memory");
	else if (path)
		error = open_files(state, path, user, why);
	if (error) {
		state_close(state);
		return error;
	}
	*out = state;
	return 0;
}

int state_restore(const struct state *state, struct pool *pool)
{
	return lease_store_restore(&state->found, pool, state->complete, clock_now(), wall_now());
}

void state_restored(struct state *state)
{
	lease_store_fini(&state->found);
}

void state_close(struct state *state)
{
	if (!state)
		return;
	for (unsigned i = 0; i < FILES; i++) {
		if (state->fd[i] >= 0) {
			fdatasync(state->fd[i]);
			close(state->fd[i]);
		}
		free(state->path[i]);
	}
	lease_store_fini(&state->found);
	pthread_mutex_destroy(&state->lock);
	explicit_bzero(state, sizeof(*state));
	free(state);
}
