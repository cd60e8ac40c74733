/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The keeper reads what its parent may not, and only that.  Needs root. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/keeper.h"
#include "io/sandbox.h"
#include "unit.h"

enum { LIMIT = 100000 };

static char directory[] = "/tmp/keeper.XXXXXX";
static char key_path[64], other_path[64], big_path[64], fifo_path[64], missing_path[64];
static struct reason why;

static void write_file(const char *path, mode_t mode, const char *text, size_t length)
{
	unlink(path);
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, mode);
	if (fd < 0 || write(fd, text, length) != (ssize_t)length || close(fd) < 0)
		abort();
}

static void make_files(void)
{
	static char big[LIMIT + 1];
	if (!mkdtemp(directory))
		abort();
	chmod(directory, 0755);
	snprintf(key_path, sizeof(key_path), "%s/key.pem", directory);
	snprintf(other_path, sizeof(other_path), "%s/other.pem", directory);
	snprintf(big_path, sizeof(big_path), "%s/big", directory);
	snprintf(fifo_path, sizeof(fifo_path), "%s/fifo", directory);
	snprintf(missing_path, sizeof(missing_path), "%s/missing", directory);
	write_file(key_path, 0600, "secret", 6);
	write_file(other_path, 0600, "other", 5);
	memset(big, 'b', sizeof(big));
	write_file(big_path, 0600, big, sizeof(big));
	if (mkfifo(fifo_path, 0600) < 0)
		abort();
}

static void remove_files(void)
{
	unlink(key_path);
	unlink(other_path);
	unlink(big_path);
	unlink(fifo_path);
	rmdir(directory);
}

static bool says(const char *word)
{
	return strstr(why.text, word) != NULL;
}

/* --- file_read --- */

static void test_file_read(void)
{
	uint8_t *octets = NULL;
	size_t length = 0;
	CU_ASSERT_EQUAL_FATAL(file_read(key_path, &octets, &length, LIMIT, &why), 0);
	CU_ASSERT_EQUAL(length, 6);
	CU_ASSERT_STRING_EQUAL((char *)octets, "secret"); /* NUL-terminated */
	file_forget(octets, length);
	file_forget(NULL, 0);

	CU_ASSERT_EQUAL(file_read(missing_path, &octets, &length, LIMIT, &why), -ENOENT);
	CU_ASSERT_TRUE(says(missing_path) && says("does not exist"));
	CU_ASSERT_EQUAL(file_read(directory, &octets, &length, LIMIT, &why), -EINVAL);
	CU_ASSERT_TRUE(says("not a regular file"));
	CU_ASSERT_EQUAL(file_read(fifo_path, &octets, &length, LIMIT, &why), -EINVAL);
	CU_ASSERT_EQUAL(file_read(big_path, &octets, &length, LIMIT, &why), -EFBIG);
	CU_ASSERT_TRUE(says("100000"));
	CU_ASSERT_EQUAL_FATAL(file_read(big_path, &octets, &length, LIMIT + 1, &why), 0);
	CU_ASSERT_EQUAL(length, LIMIT + 1);
	CU_ASSERT_EQUAL(octets[LIMIT], 'b');
	CU_ASSERT_EQUAL(octets[LIMIT + 1], '\0');
	file_forget(octets, length);
}

/* A file that says it is empty, and is not: read to its end all the same. */
static void test_file_without_size(void)
{
	uint8_t *octets = NULL;
	size_t length = 0;
	CU_ASSERT_EQUAL_FATAL(file_read("/proc/kallsyms", &octets, &length, 1 << 26, &why), 0);
	CU_ASSERT(length > 10000);
	CU_ASSERT_EQUAL(octets[length], '\0');
	file_forget(octets, length);
	CU_ASSERT_EQUAL(file_read("/proc/kallsyms", &octets, &length, 5000, &why), -EFBIG);
}

static void test_sizes(void)
{
	static char text[9000];
	memset(text, 'x', sizeof(text));
	static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 8191, 8192, 8193};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *octets = NULL;
		size_t length = 99;
		write_file(other_path, 0600, text, sizes[i]);
		CU_ASSERT_EQUAL_FATAL(file_read(other_path, &octets, &length, sizes[i], &why), 0);
		CU_ASSERT_EQUAL(length, sizes[i]);
		CU_ASSERT_EQUAL(strlen((char *)octets), sizes[i]);
		file_forget(octets, length);
	}
}

/* --- the keeper --- */

static void start(struct keeper *keeper)
{
	const char *paths[] = {key_path, big_path, fifo_path, missing_path};
	CU_ASSERT_EQUAL_FATAL(keeper_start(keeper, paths, 4, &why), 0);
}

static void test_reads(void)
{
	struct keeper keeper;
	uint8_t *octets = NULL;
	size_t length = 0;
	start(&keeper);
	for (int i = 0; i < 3; i++) {
		/* A new file under the old name, as certificate tools write it. */
		char text[16];
		size_t size = (size_t)snprintf(text, sizeof(text), "secret %d", i);
		write_file(key_path, 0600, text, size);
		CU_ASSERT_EQUAL_FATAL(
			keeper_read(&keeper, key_path, &octets, &length, LIMIT, &why), 0);
		CU_ASSERT_EQUAL(length, size);
		CU_ASSERT_STRING_EQUAL((char *)octets, text);
		file_forget(octets, length);
	}
	CU_ASSERT_EQUAL(keeper_read(&keeper, other_path, &octets, &length, LIMIT, &why), -ENOENT);
	CU_ASSERT_TRUE(says(other_path) && says("at start"));
	CU_ASSERT_EQUAL(keeper_read(&keeper, missing_path, &octets, &length, LIMIT, &why), -ENOENT);
	CU_ASSERT_TRUE(says("does not exist"));
	CU_ASSERT_EQUAL(keeper_read(&keeper, big_path, &octets, &length, LIMIT, &why), -EFBIG);
	CU_ASSERT_EQUAL(keeper_read(&keeper, fifo_path, &octets, &length, LIMIT, &why), -EINVAL);
	CU_ASSERT_EQUAL_FATAL(keeper_read(&keeper, key_path, &octets, &length, LIMIT, &why), 0);
	file_forget(octets, length);
	keeper_stop(&keeper);
	CU_ASSERT_EQUAL(keeper_read(&keeper, key_path, &octets, &length, LIMIT, &why), -ENOENT);
	keeper_stop(&keeper);
}

static void test_never_started(void)
{
	struct keeper keeper = {0};
	CU_ASSERT_NOT_EQUAL(fcntl(0, F_GETFD), -1);
	keeper_stop(&keeper);
	CU_ASSERT_NOT_EQUAL(fcntl(0, F_GETFD), -1); /* not taken for its socket */
	keeper_stop(&keeper);
}

static void test_too_many(void)
{
	struct keeper keeper;
	const char *paths[KEEPER_PATHS + 1];
	for (int i = 0; i <= KEEPER_PATHS; i++)
		paths[i] = key_path;
	CU_ASSERT_EQUAL(keeper_start(&keeper, paths, KEEPER_PATHS + 1, &why), -E2BIG);
	CU_ASSERT_EQUAL_FATAL(keeper_start(&keeper, paths, KEEPER_PATHS, &why), 0);
	keeper_stop(&keeper);
}

/* Whatever number the daemon's end sends, nothing else is opened. */
static void test_numbers(void)
{
	struct keeper keeper;
	start(&keeper);
	for (unsigned number = 4; number < 256; number++) {
		uint8_t octet = (uint8_t)number;
		int32_t error = 0;
		CU_ASSERT_EQUAL_FATAL(send(keeper.fd, &octet, 1, MSG_NOSIGNAL), 1);
		CU_ASSERT_EQUAL_FATAL(recv(keeper.fd, &error, sizeof(error), 0), sizeof(error));
		CU_ASSERT_EQUAL(error, -ENOENT);
	}
	keeper_stop(&keeper);
}

static void test_power(void)
{
	struct keeper keeper;
	char path[64], line[256];
	start(&keeper);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)keeper.pid);
	FILE *file = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	int seen = 0;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "CapEff:", 7) == 0 || strncmp(line, "CapPrm:", 7) == 0) {
			CU_ASSERT_STRING_EQUAL(line + 7, "\t0000000000000004\n");
			seen++;
		} else if (strncmp(line, "CapBnd:", 7) == 0) {
			CU_ASSERT_STRING_EQUAL(line + 7, "\t0000000000000000\n");
			seen++;
		} else if (strncmp(line, "Seccomp:", 8) == 0) {
			CU_ASSERT_EQUAL(atoi(line + 8), sandbox_is_instrumented() ? 0 : 2);
			seen++;
		}
	}
	fclose(file);
	CU_ASSERT_EQUAL(seen, 4);
	keeper_stop(&keeper);
}

/* It holds no descriptor of the daemon's but its own end of the pair. */
static void test_descriptors(void)
{
	struct keeper keeper;
	int ends[2];
	char octet;
	CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
	start(&keeper);
	close(ends[1]);
	CU_ASSERT_EQUAL(read(ends[0], &octet, 1), 0); /* the end, at once */
	close(ends[0]);
	keeper_stop(&keeper);
}

static void test_death(void)
{
	struct keeper keeper;
	uint8_t *octets = NULL;
	size_t length = 0;
	start(&keeper);
	/* Signals for the whole group do not end it ... */
	kill(keeper.pid, SIGTERM);
	kill(keeper.pid, SIGINT);
	kill(keeper.pid, SIGHUP);
	CU_ASSERT_EQUAL_FATAL(keeper_read(&keeper, key_path, &octets, &length, LIMIT, &why), 0);
	file_forget(octets, length);
	/* ... and when it is ended, that is said. */
	int status;
	kill(keeper.pid, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(keeper.pid, &status, 0), keeper.pid);
	keeper.pid = -1;
	CU_ASSERT_EQUAL(keeper_read(&keeper, key_path, &octets, &length, LIMIT, &why), -EPIPE);
	CU_ASSERT_TRUE(says("gone"));
	keeper_stop(&keeper);
}

/* The point of it all: a daemon in its sandbox still gets its key. */
static void read_in_sandbox(void)
{
	struct keeper keeper;
	struct sandbox_user user;
	uint8_t *octets = NULL;
	size_t length = 0;
	const char *paths[] = {key_path};
	write_file(key_path, 0600, "secret", 6);
	bool good = keeper_start(&keeper, paths, 1, &why) == 0 &&
		    sandbox_find_user("nobody", &user, &why) == 0 &&
		    sandbox_drop(&user, false, &why) == 0 && sandbox_filter(false, &why) == 0 &&
		    file_read(key_path, &octets, &length, LIMIT, &why) == -EACCES &&
		    keeper_read(&keeper, key_path, &octets, &length, LIMIT, &why) == 0 &&
		    length == 6 && memcmp(octets, "secret", 6) == 0;
	if (!good)
		fprintf(stderr, "%s\n", why.text);
	else
		file_forget(octets, length);
	keeper_stop(&keeper);
	_exit(good ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void test_in_sandbox(void)
{
	int status = -1;
	fflush(NULL);
	pid_t child = fork();
	if (child == 0)
		read_in_sandbox();
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

static const struct unit_test tests[] = {
	{"reading files", test_file_read},
	{"reading a file without a size", test_file_without_size},
	{"every size", test_sizes},
	{"reading through the keeper", test_reads},
	{"stopping what never started", test_never_started},
	{"too many files", test_too_many},
	{"numbers of no file", test_numbers},
	{"it keeps little power", test_power},
	{"it keeps no descriptors", test_descriptors},
	{"signals, and its death", test_death},
	{"from within the sandbox", test_in_sandbox},
};

int main(void)
{
	if (geteuid() != 0) {
		fputs("needs root\n", stderr);
		return 77;
	}
	make_files();
	int status = unit_run("keeper", tests, sizeof(tests) / sizeof(tests[0]));
	remove_files();
	return status;
}
