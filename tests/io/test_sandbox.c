/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Power that was given up must be gone, and the daemons' work still possible.
 * Every case runs in a child, which the sandbox may kill.  Needs root. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "io/sandbox.h"
#include "unit.h"

/* --- children --- */

static struct reason why;

/* Ends the child with a word about what failed. */
static void need(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "not so: %s (%s; %s)\n", what, strerror(errno), why.text);
	_exit(EXIT_FAILURE);
}

/* The wait status of a child that ran this. */
static int status_of(void (*run)(void))
{
	int status = -1;
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		run();
		_exit(EXIT_SUCCESS);
	}
	if (waitpid(child, &status, 0) != child)
		abort();
	return status;
}

static bool succeeds(void (*run)(void))
{
	int status = status_of(run);
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

static bool is_killed(void (*run)(void), int by)
{
	int status = status_of(run);
	return WIFSIGNALED(status) && WTERMSIG(status) == by;
}

static struct sandbox_user user;

static void drop(bool keep_net_admin)
{
	need(sandbox_find_user("nobody", &user, &why) == 0, "there is a user");
	need(sandbox_drop(&user, keep_net_admin, &why) == 0, "sandbox_drop");
}

/* --- user and capabilities --- */

static void test_find_user(void)
{
	struct sandbox_user found;
	CU_ASSERT_EQUAL(sandbox_find_user("daemon", &found, &why), 0);
	CU_ASSERT_STRING_EQUAL(found.name, "daemon");
	CU_ASSERT_EQUAL(sandbox_find_user("no-such-user-here", &found, &why), 0);
	CU_ASSERT_STRING_EQUAL(found.name, "nobody");
	CU_ASSERT_NOT_EQUAL(found.uid, 0);
}

/* The value of one line of this thread's status, without blanks in front. */
static const char *status_line(const char *name)
{
	static char line[256];
	FILE *file = fopen("/proc/thread-self/status", "r");
	need(file, "open /proc/thread-self/status");
	size_t length = strlen(name);
	char *value = NULL;
	while (!value && fgets(line, sizeof(line), file))
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			value = line + length + 1;
	fclose(file);
	need(value, name);
	value[strcspn(value, "\n")] = '\0';
	return value + strspn(value, " \t");
}

static const char *expected_capabilities;

static void *check_status(void *unused)
{
	static const char none[] = "0000000000000000";
	need(strcmp(status_line("CapEff"), expected_capabilities) == 0, "CapEff");
	need(strcmp(status_line("CapPrm"), expected_capabilities) == 0, "CapPrm");
	need(strcmp(status_line("CapBnd"), none) == 0, "CapBnd");
	need(strcmp(status_line("CapInh"), none) == 0, "CapInh");
	need(strcmp(status_line("CapAmb"), none) == 0, "CapAmb");
	need(strcmp(status_line("NoNewPrivs"), "1") == 0, "NoNewPrivs");
	need(strcmp(status_line("Groups"), "") == 0, "Groups");
	uid_t uids[3];
	gid_t gids[3];
	need(getresuid(&uids[0], &uids[1], &uids[2]) == 0, "getresuid");
	need(getresgid(&gids[0], &gids[1], &gids[2]) == 0, "getresgid");
	for (int i = 0; i < 3; i++)
		need(uids[i] == user.uid && gids[i] == user.gid, "all ids are the user's");
	need(setuid(0) < 0 && setresuid(0, 0, 0) < 0 && seteuid(0) < 0, "no way back to uid 0");
	need(setgid(0) < 0 && setresgid(0, 0, 0) < 0, "no way back to gid 0");
	gid_t group = 0;
	need(setgroups(1, &group) < 0, "no other groups");
	need(open("/etc/shadow", O_RDONLY) < 0, "no reading of root's files");
	return unused;
}

static void check_everywhere(void)
{
	pthread_t thread;
	check_status(NULL);
	need(pthread_create(&thread, NULL, check_status, NULL) == 0, "pthread_create");
	pthread_join(thread, NULL);
}

static void drop_all(void)
{
	need(sandbox_has_net_admin(), "root has CAP_NET_ADMIN");
	drop(false);
	expected_capabilities = "0000000000000000";
	check_everywhere();
	need(!sandbox_has_net_admin(), "without CAP_NET_ADMIN");
}

static void drop_but_net_admin(void)
{
	drop(true);
	expected_capabilities = "0000000000001000";
	check_everywhere();
	need(sandbox_has_net_admin(), "with CAP_NET_ADMIN");
	/* Once more, now not as root: keeps it, then does not. */
	drop(true);
	check_everywhere();
	drop(false);
	expected_capabilities = "0000000000000000";
	check_everywhere();
	drop(true);
	need(!sandbox_has_net_admin(), "what is gone is not kept");
}

static void drop_to_root(void)
{
	struct sandbox_user root = {.name = "root"};
	need(sandbox_drop(&root, false, &why) == -EINVAL, "root is no user to drop to");
	need(strstr(why.text, "root"), "the reason says so");
}

static pthread_barrier_t tried;

static void *wait_for_try(void *unused)
{
	pthread_barrier_wait(&tried);
	return unused;
}

static void drop_with_threads(void)
{
	pthread_t thread;
	pthread_barrier_init(&tried, NULL, 2);
	need(pthread_create(&thread, NULL, wait_for_try, NULL) == 0, "pthread_create");
	need(sandbox_find_user("nobody", &user, &why) == 0, "there is a user");
	need(sandbox_drop(&user, false, &why) == -EBUSY, "too late with threads");
	pthread_barrier_wait(&tried);
	pthread_join(thread, NULL);
}

static void test_drop(void)
{
	CU_ASSERT_TRUE(succeeds(drop_all));
	CU_ASSERT_TRUE(succeeds(drop_but_net_admin));
	CU_ASSERT_TRUE(succeeds(drop_to_root));
	CU_ASSERT_TRUE(succeeds(drop_with_threads));
}

/* --- what the filter forbids --- */

static void call_ptrace(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void call_fork(void)
{
	if (fork() == 0)
		_exit(0);
}

static void call_execve(void)
{
	execl("/bin/true", "true", (char *)NULL);
}

static void call_kill(void)
{
	kill(getpid(), 0);
}

static void call_mount(void)
{
	mount("none", "/tmp", "tmpfs", 0, NULL);
}

static void call_unshare(void)
{
	unshare(CLONE_NEWUSER);
}

static void call_clone_user(void)
{
	if (syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL) == 0)
		_exit(0);
}

static void call_setns(void)
{
	setns(-1, 0);
}

static void call_bpf(void)
{
	union bpf_attr attributes = {0};
	syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes));
}

static void call_kexec(void)
{
	syscall(SYS_kexec_load, 0, 0, NULL, 0);
}

static void call_init_module(void)
{
	syscall(SYS_init_module, NULL, 0, "");
}

static void call_packet_socket(void)
{
	socket(AF_PACKET, SOCK_RAW, 0);
}

static void call_alg_socket(void)
{
	socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static void call_tiocsti(void)
{
	ioctl(0, TIOCSTI, "x");
}

/* The kernel takes the low half of the request only. */
static void call_tiocsti_disguised(void)
{
	syscall(SYS_ioctl, 0, UINT64_C(0x100000000) | TIOCSTI, "x");
}

static void call_chroot(void)
{
	if (chroot("/tmp") < 0)
		return;
}

static void call_perf(void)
{
	syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
}

static void call_process_vm_writev(void)
{
	process_vm_writev(getppid(), NULL, 0, NULL, 0, 0);
}

static void call_userfaultfd(void)
{
	syscall(SYS_userfaultfd, 0);
}

static void call_open_by_handle(void)
{
	syscall(SYS_open_by_handle_at, -1, NULL, 0);
}

static void call_unknown(void)
{
	syscall(4000);
}

static const struct {
	const char *name;
	void (*call)(void);
	bool hooks_may, instruments_do;
} forbidden[] = {
	{"ptrace", call_ptrace, false, true},
	{"fork", call_fork, true, true},
	{"execve", call_execve, true, true},
	{"kill", call_kill, true, true},
	{"mount", call_mount, false, false},
	{"unshare", call_unshare, false, false},
	{"clone(CLONE_NEWUSER)", call_clone_user, false, true},
	{"setns", call_setns, false, false},
	{"bpf", call_bpf, false, false},
	{"kexec_load", call_kexec, false, false},
	{"init_module", call_init_module, false, false},
	{"socket(AF_PACKET)", call_packet_socket, false, false},
	{"socket(AF_ALG)", call_alg_socket, false, false},
	{"ioctl(TIOCSTI)", call_tiocsti, false, true},
	{"ioctl(TIOCSTI), disguised", call_tiocsti_disguised, false, true},
	{"chroot", call_chroot, false, false},
	{"perf_event_open", call_perf, false, false},
	{"process_vm_writev", call_process_vm_writev, false, false},
	{"userfaultfd", call_userfaultfd, false, false},
	{"open_by_handle_at", call_open_by_handle, false, false},
	{"no such call", call_unknown, false, false},
};

static void (*call_to_try)(void);
static bool filter_may_fork;

static void try_call(void)
{
	/* A core file of every victim helps nobody. */
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	need(sandbox_filter(filter_may_fork, &why) == 0, "sandbox_filter");
	call_to_try();
}

static void try_call_as_nobody(void)
{
	drop(false);
	try_call();
}

static void look_at_filter(void)
{
	need(sandbox_filter(false, &why) == 0, "sandbox_filter");
	need(strcmp(status_line("Seccomp"), "2") == 0, "the filter is on");
}

/* False under valgrind only. */
static bool is_filtering(void)
{
	bool is_on = succeeds(look_at_filter);
	CU_ASSERT_TRUE(is_on || sandbox_is_instrumented());
	return is_on;
}

static void test_forbidden(void)
{
	if (!is_filtering())
		return;
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		for (int may_fork = 0; may_fork < 2; may_fork++) {
			bool allowed = (may_fork && forbidden[i].hooks_may) ||
				       (sandbox_is_instrumented() && forbidden[i].instruments_do);
			call_to_try = forbidden[i].call;
			filter_may_fork = may_fork;
			bool as_root = is_killed(try_call, SIGSYS);
			bool as_nobody = is_killed(try_call_as_nobody, SIGSYS);
			if (as_root == allowed || as_nobody == allowed)
				fprintf(stderr, "%s: killed as root %d, as nobody %d\n",
					forbidden[i].name, as_root, as_nobody);
			CU_ASSERT_EQUAL(as_root, !allowed);
			CU_ASSERT_EQUAL(as_nobody, !allowed);
		}
}

/* A thread that was there before the filter is under it, too. */
static pthread_barrier_t filtered;

static void *forbidden_later(void *unused)
{
	pthread_barrier_wait(&filtered);
	call_mount();
	return unused;
}

static void filter_with_threads(void)
{
	pthread_t thread;
	pthread_barrier_init(&filtered, NULL, 2);
	need(pthread_create(&thread, NULL, forbidden_later, NULL) == 0, "pthread_create");
	need(sandbox_filter(false, &why) == 0, "sandbox_filter");
	pthread_barrier_wait(&filtered);
	pthread_join(thread, NULL);
}

static void test_threads(void)
{
	if (is_filtering())
		CU_ASSERT_TRUE(is_killed(filter_with_threads, SIGSYS));
}

/* --- what the filter allows --- */

static void use_files(void)
{
	char directory[] = "/tmp/sandbox.XXXXXX", path[64], other[64];
	need(mkdtemp(directory), "mkdtemp");
	snprintf(path, sizeof(path), "%s/state", directory);
	snprintf(other, sizeof(other), "%s/state.new", directory);
	int fd = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	need(fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0 && close(fd) == 0, "write a file");
	need(rename(other, path) == 0, "rename");
	struct stat status;
	need(stat(path, &status) == 0 && status.st_size == 1, "stat");
	FILE *file = fopen(path, "r");
	need(file && fgetc(file) == 'x', "fopen");
	fclose(file);
	need(unlink(path) == 0 && rmdir(directory) == 0, "unlink");
	time_t now = time(NULL);
	need(localtime(&now), "localtime");
	openlog("test_sandbox", LOG_NDELAY, LOG_DAEMON);
	syslog(LOG_DEBUG, "from within the sandbox");
}

static void use_sockets(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, unsent = -1;
	need(server >= 0, "socket");
	need(setsockopt(server, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0, "setsockopt");
	need(bind(server, (struct sockaddr *)&address, size) == 0, "bind");
	need(listen(server, 5) == 0, "listen");
	need(getsockname(server, (struct sockaddr *)&address, &size) == 0, "getsockname");
	int client = socket(AF_INET, SOCK_STREAM, 0);
	need(connect(client, (struct sockaddr *)&address, size) == 0, "connect");
	int accepted = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	need(accepted >= 0, "accept4");
	need(ioctl(client, SIOCOUTQ, &unsent) == 0, "SIOCOUTQ");
	struct iovec piece = {(char[]){"hello"}, 5};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	need(sendmsg(client, &message, MSG_NOSIGNAL) == 5, "sendmsg");
	need(writev(client, &piece, 1) == 5, "writev");
	need(shutdown(client, SHUT_WR) == 0, "shutdown");
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	need(epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, &event) == 0, "epoll_ctl");
	need(epoll_wait(epoll, &event, 1, 5000) == 1, "epoll_wait");
	need(recvmsg(accepted, &message, 0) == 5, "recvmsg");
	need(readv(accepted, &piece, 1) == 5, "readv");
	need(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) >= 0, "netlink");
	need(socket(AF_INET6, SOCK_DGRAM, 0) >= 0 || errno == EAFNOSUPPORT, "IPv6");
	need(socket(AF_UNIX, SOCK_DGRAM, 0) >= 0, "unix");
	int tun = open("/dev/net/tun", O_RDWR);
	need(tun < 0 || ioctl(tun, _IOR('T', 207, unsigned), &unsent) == 0, "TUNGETFEATURES");
}

static void use_events(void)
{
	uint64_t count = 1;
	int fd = eventfd(0, EFD_CLOEXEC);
	need(write(fd, &count, 8) == 8 && read(fd, &count, 8) == 8, "eventfd");
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	need(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC) >= 0, "timerfd");
	need(signalfd(-1, &set, SFD_CLOEXEC) >= 0, "signalfd");
	need(inotify_init1(IN_CLOEXEC) >= 0, "inotify");
	struct timespec moment = {0, 1000};
	need(nanosleep(&moment, NULL) == 0, "nanosleep");
	need(clock_gettime(CLOCK_MONOTONIC, &moment) == 0, "clock_gettime");
	uint8_t random[32];
	need(getrandom(random, sizeof(random), 0) == sizeof(random), "getrandom");
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

static void *use_memory(void *unused)
{
	for (size_t size = 16; size < (size_t)1 << 24; size *= 4)
		free(malloc(size));
	void *memory =
		mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(memory != MAP_FAILED, "mmap");
	need(madvise(memory, 1 << 20, MADV_DONTNEED) == 0, "madvise");
	need(mprotect(memory, 1 << 20, PROT_READ) == 0, "mprotect");
	need(munmap(memory, 1 << 20) == 0, "munmap");
	return unused;
}

static void use_threads(void)
{
	pthread_t threads[4];
	cpu_set_t set;
	for (int i = 0; i < 4; i++)
		need(pthread_create(&threads[i], NULL, use_memory, NULL) == 0, "pthread_create");
	need(pthread_setname_np(pthread_self(), "worker") == 0, "name a thread");
	for (int i = 0; i < 4; i++)
		need(pthread_join(threads[i], NULL) == 0, "pthread_join");
	need(sched_getaffinity(0, sizeof(set), &set) == 0, "sched_getaffinity");
	need(pthread_setaffinity_np(pthread_self(), sizeof(set), &set) == 0, "affinity");
	struct sigaction action = {.sa_handler = count_signal};
	need(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
	need(raise(SIGUSR1) == 0 && signals == 1, "raise");
	struct rlimit files;
	need(getrlimit(RLIMIT_NOFILE, &files) == 0, "getrlimit");
	sandbox_has_net_admin();
}

static void use_refused(void)
{
	errno = 0;
	need(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == ENOSYS, "io_uring_setup");
	need(syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS, "clone3");
	need(syscall(SYS_keyctl, 0, 0, 0, 0, 0) < 0 && errno == ENOSYS, "keyctl");
}

static void work(void)
{
	bool is_on = strcmp(status_line("Seccomp"), "2") == 0;
	use_files();
	use_sockets();
	use_events();
	use_threads();
	if (is_on)
		use_refused();
}

static void work_as_nobody(void)
{
	drop(false);
	call_to_try = work;
	try_call();
}

static void work_as_root(void)
{
	call_to_try = work;
	try_call();
}

static void abort_inside(void)
{
	call_to_try = abort;
	try_call();
}

static void run_hook(void)
{
	char *const arguments[] = {(char[]){"sh"}, (char[]){"-c"},
		(char[]){"set -e; cd /; x=$(ls -l /etc | cat | wc -l); test $x -gt 1; d=$(mktemp "
			 "-d);"
			 " cp -p /etc/passwd $d/a; mv $d/a $d/b; ln -s b $d/c; touch $d/b; grep -q "
			 "root"
			 " $d/c; rm -r $d; (sleep 0.01 & wait); date >/dev/null; id -u >/dev/null"},
		NULL};
	pid_t child = fork();
	if (child == 0) {
		execv("/bin/sh", arguments);
		_exit(127);
	}
	int status;
	need(waitpid(child, &status, 0) == child, "waitpid");
	need(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the hook succeeded");
}

static void hook_as_nobody(void)
{
	drop(true);
	call_to_try = run_hook;
	try_call();
}

static void test_allowed(void)
{
	for (int may_fork = 0; may_fork < 2; may_fork++) {
		filter_may_fork = may_fork;
		CU_ASSERT_TRUE(succeeds(work_as_nobody));
		CU_ASSERT_TRUE(succeeds(work_as_root));
		CU_ASSERT_TRUE(is_killed(abort_inside, SIGABRT));
	}
}

static void test_hooks(void)
{
	filter_may_fork = true;
	CU_ASSERT_TRUE(succeeds(hook_as_nobody));
}

static const struct unit_test tests[] = {
	{"the user to become", test_find_user},
	{"user, groups and capabilities are gone", test_drop},
	{"forbidden calls kill", test_forbidden},
	{"in threads that were there before, too", test_threads},
	{"the daemons' calls work", test_allowed},
	{"hooks run", test_hooks},
};

int main(void)
{
	if (geteuid() != 0) {
		fputs("needs root\n", stderr);
		return 77;
	}
	return unit_run("sandbox", tests, sizeof(tests) / sizeof(tests[0]));
}
