/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The state files of tscfd under processes that are really killed, at any moment:
 * in the midst of a lease, of a journal that is being shortened, of a start.
 * Whatever a client was told before, the next process knows. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"
#include "tscfd/state.h"
#include "unit.h"
#include "dice.h"

enum { CYCLES = 150, WORKERS = 2, LEASES = 256, LIFE_US = 80000, TEAR = 7 };

/* What clients were told; written by the child, read by the parent when the
 * child is dead. */
struct told {
	volatile bool living, has;
	volatile uint8_t token[POOL_TOKEN];
};
static struct {
	struct told leases[LEASES];
	volatile uint32_t touched; /* the lease that was being changed */
	volatile uint64_t notes;
} * world;

static char directory[64], path[96];
static const struct pool_settings settings = {
	.ipv4 = {.address = {.version = 4, .octets = {10}}, .length = 24},
	.workers = WORKERS,
	.quarantine = 0,
	.resume_lifetime = UINT64_C(3600000000),
};
static struct sandbox_user user = {.name = "us"};

static struct state *open_state(void)
{
	struct state *state = NULL;
	struct reason why = {.text = ""};
	int error = state_open(&state, path, &settings, &user, &why);
	if (error)
		fprintf(stderr, "%s: %s\n", strerror(-error), why.text);
	return state;
}

static void open_pools(struct state *state, struct pool *pools[WORKERS])
{
	for (unsigned i = 0; i < WORKERS; i++) {
		struct pool_settings mine = settings;
		mine.worker = i;
		if (pool_new(&pools[i], &mine, dice_fill) != 0 ||
			state_restore(state, pools[i]) != 0)
			abort();
	}
	state_restored(state);
}

static void close_pools(struct pool *pools[WORKERS])
{
	for (unsigned i = 0; i < WORKERS; i++)
		pool_free(pools[i]);
}

/* --- the child ------------------------------------------------------------ */

static void change_one(struct state *state, struct pool *pool)
{
	uint8_t instance[CONTROL_INSTANCE] = {(uint8_t)dice(250), 1};
	struct lease *lease = dice(2) ? pool_lease(pool, "client", instance, clock_now())
				      : pool_next_live(pool, NULL);
	if (!lease)
		return;
	struct told *told = &world->leases[lease->index];
	world->touched = lease->index;
	if (told->living && dice(2)) {
		bool may_resume = dice(2);
		pool_release(pool, lease, may_resume, clock_now());
		state_note(state, lease);
		told->living = false;
		told->has = may_resume;
	} else {
		state_note(state, lease);
		memcpy((void *)told->token, lease->token, POOL_TOKEN);
		told->living = told->has = true;
	}
	world->touched = 0;
	world->notes++;
}

static void *tidy(void *state)
{
	for (;;)
		state_tidy(state);
	return NULL;
}

static _Noreturn void live(void)
{
	struct pool *pools[WORKERS];
	struct state *state = open_state();
	if (!state)
		_exit(EXIT_FAILURE);
	open_pools(state, pools);
	/* As the daemon does, while workers append. */
	pthread_t thread;
	if (pthread_create(&thread, NULL, tidy, state) != 0)
		_exit(EXIT_FAILURE);
	for (;;)
		change_one(state, pools[dice(WORKERS)]);
}

/* --- the parent ----------------------------------------------------------- */

static void kill_one(void)
{
	dice_state += 0x9e3779b97f4a7c15;
	pid_t pid = fork();
	if (pid == 0)
		live();
	struct timespec life = {.tv_nsec = 1000L * dice(LIFE_US)};
	nanosleep(&life, NULL);
	kill(pid, SIGKILL);
	int status;
	CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE(WIFSIGNALED(status));
}

static void check_lease(struct pool *pools[WORKERS], uint32_t index)
{
	const struct told *told = &world->leases[index];
	if (index == world->touched || !told->has)
		return;
	struct view token = {(const uint8_t *)told->token, POOL_TOKEN};
	const struct lease *lease =
		pool_find_token(pools[index % WORKERS], &token, "client", clock_now());
	CU_ASSERT_PTR_NOT_NULL(lease);
	if (lease)
		CU_ASSERT_EQUAL(lease->index, index);
}

static void forget_all(void)
{
	memset(world, 0, sizeof(*world));
}

/* The machine went down with it: one file is cut, or has a wrong octet. */
static void tear(void)
{
	char name[112];
	snprintf(name, sizeof(name), "%s%s", path, dice(2) ? "" : ".2");
	int fd = open(name, O_RDWR);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	if (size > 0 && dice(2)) {
		CU_ASSERT_EQUAL(ftruncate(fd, (off_t)dice((uint32_t)size)), 0);
	} else if (size > 0) {
		uint8_t octet = (uint8_t)dice(256);
		CU_ASSERT_EQUAL(pwrite(fd, &octet, 1, (off_t)dice((uint32_t)size)), 1);
	}
	close(fd);
	forget_all();
}

static void test_kills(void)
{
	uint64_t notes = 0;
	for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
		struct pool *pools[WORKERS];
		kill_one();
		notes += world->notes;
		world->notes = 0;
		if (dice(TEAR) == 0)
			tear();
		struct state *state = open_state();
		CU_ASSERT_PTR_NOT_NULL_FATAL(state);
		open_pools(state, pools);
		for (uint32_t i = 0; i < LEASES; i++) {
			check_lease(pools, i);
			world->leases[i].living = false;
		}
		/* What it was told last, nobody knows. */
		world->leases[world->touched].has = false;
		world->touched = 0;
		close_pools(pools);
		state_close(state);
	}
	fprintf(stderr, "%llu changes, %d kills\n", (unsigned long long)notes, CYCLES);
	CU_ASSERT_TRUE(notes > CYCLES);
}

/* The journal does not grow without end, and nothing is lost when it shrinks. */
static void test_shortening(void)
{
	struct pool *pools[WORKERS];
	struct stat is;
	off_t most = 0, total = 0;
	char other[112];
	snprintf(other, sizeof(other), "%s.2", path);
	forget_all();
	struct state *state = open_state();
	CU_ASSERT_PTR_NOT_NULL_FATAL(state);
	open_pools(state, pools);
	for (unsigned i = 0; i < 40000; i++) {
		change_one(state, pools[dice(WORKERS)]);
		if (i % 100)
			continue;
		state_tidy(state);
		total = stat(path, &is) == 0 ? is.st_size : 0;
		total += stat(other, &is) == 0 ? is.st_size : 0;
		most = total > most ? total : most;
	}
	CU_ASSERT_TRUE(most > (1 << 20) && most < (3 << 20));
	close_pools(pools);
	state_close(state);
	state = open_state();
	CU_ASSERT_PTR_NOT_NULL_FATAL(state);
	open_pools(state, pools);
	for (uint32_t i = 0; i < LEASES; i++)
		check_lease(pools, i);
	close_pools(pools);
	state_close(state);
}

static void test_tickets(void)
{
	struct state *state = open_state();
	CU_ASSERT_PTR_NOT_NULL_FATAL(state);
	state_trust(state, 1);
	struct ticket_record first = *state_tickets(state);
	state_trust(state, 1);
	CU_ASSERT_EQUAL(memcmp(first.current, state_tickets(state)->current, TICKET_SECRET), 0);
	state_close(state);
	/* Kept over a restart, but not over another CRL. */
	for (uint64_t trust = 1; trust <= 2; trust++) {
		state = open_state();
		CU_ASSERT_PTR_NOT_NULL_FATAL(state);
		state_trust(state, trust);
		CU_ASSERT_EQUAL(
			memcmp(first.current, state_tickets(state)->current, TICKET_SECRET) == 0,
			trust == 1);
		CU_ASSERT_FALSE(state_tickets(state)->has_previous);
		state_close(state);
	}
}

static void test_in_memory(void)
{
	struct pool *pools[WORKERS];
	struct state *state;
	struct reason why;
	CU_ASSERT_EQUAL_FATAL(state_open(&state, NULL, &settings, &user, &why), 0);
	open_pools(state, pools);
	forget_all();
	for (unsigned i = 0; i < 100; i++)
		change_one(state, pools[dice(WORKERS)]);
	state_trust(state, 1);
	CU_ASSERT_FALSE(state_tidy(state));
	close_pools(pools);
	state_close(state);
	state_close(NULL);
}

static void remove_files(void)
{
	DIR *files = opendir(directory);
	for (const struct dirent *entry; files && (entry = readdir(files));)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(files), entry->d_name, 0);
	if (files)
		closedir(files);
	rmdir(directory);
}

static const struct unit_test tests[] = {
	{"in memory alone", test_in_memory},
	{"killed at any moment", test_kills},
	{"the journal is shortened", test_shortening},
	{"ticket secrets", test_tickets},
};

int main(void)
{
	world = mmap(
		NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	/* Where there is one, a file system that waits for no disk. */
	snprintf(directory, sizeof(directory), "%s/tscf-state.XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (world == MAP_FAILED || !mkdtemp(directory))
		return EXIT_FAILURE;
	snprintf(path, sizeof(path), "%s/state", directory);
	user.uid = geteuid();
	int status = unit_run("state", tests, sizeof(tests) / sizeof(tests[0]));
	remove_files();
	return status;
}
