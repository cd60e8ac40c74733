/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of system calls that are left.  Whatever is missing here kills the
 * process, so each group says what it is for.  Names that this machine's
 * libseccomp or architecture does not know are skipped: nobody can call them
 * either (open(2) on aarch64), or they are newer than the library. */
#include "io/sandbox.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||           \
	__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
enum { HAS_SANITIZER = 1 };
#else
enum { HAS_SANITIZER = 0 };
#endif

/* Lists to be read, not columns. */
/* clang-format off */
static const char *const always[] = {
	/* sockets, TUN queues, pipes, files that are open */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
	"pwritev2", "close", "close_range", "lseek", "fcntl", "dup", "dup2", "dup3", "fsync",
	"fdatasync", "ftruncate", "flock", "pipe", "pipe2", "fstat", "fstatfs", "fchmod",
	"fchown", "getdents64",
	/* state files, certificates, resolv.conf, NSS modules, time zone, /proc */
	"open", "openat", "openat2", "stat", "lstat", "newfstatat", "statx", "statfs", "access",
	"faccessat", "faccessat2", "readlink", "readlinkat", "unlink", "unlinkat", "rename",
	"renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "chmod", "fchmodat", "chown",
	"lchown", "fchownat", "umask", "getcwd",
	/* sockets; socket(2) itself is below */
	"socketpair", "bind", "connect", "listen", "accept", "accept4", "getsockname",
	"getpeername", "getsockopt", "setsockopt", "shutdown", "sendto", "recvfrom", "sendmsg",
	"recvmsg", "sendmmsg", "recvmmsg",
	/* the event loop */
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
	"poll", "ppoll", "select", "pselect6", "eventfd", "eventfd2", "signalfd", "signalfd4",
	"timerfd_create", "timerfd_settime", "timerfd_gettime", "inotify_init", "inotify_init1",
	"inotify_add_watch", "inotify_rm_watch",
	/* memory */
	"brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "mlock", "munlock",
	"membarrier",
	/* threads; clone(2) is below */
	"futex", "futex_waitv", "futex_wait", "futex_wake", "futex_requeue", "set_robust_list",
	"get_robust_list", "rseq", "set_tid_address", "arch_prctl", "gettid", "tgkill",
	"sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam",
	"sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min", "getpriority",
	"getcpu", "exit", "exit_group", "restart_syscall",
	/* signals */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait",
	"rt_sigsuspend", "sigaltstack", "pause",
	/* time and chance */
	"clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
	"times", "getrandom",
	/* who am I, and what is this machine */
	"getpid", "getppid", "getpgrp", "getpgid", "getsid", "getuid", "geteuid", "getgid",
	"getegid", "getresuid", "getresgid", "getgroups", "capget", "capset", "uname", "sysinfo",
	"getrusage", "getrlimit",
	/* the end of children that were there before */
	"wait4", "waitid",
};

/* fork, execve, and what shells and ordinary programs call. */
static const char *const for_hooks[] = {
	"fork", "vfork", "execve", "execveat", "prctl", "prlimit64", "setrlimit", "kill", "tkill",
	"setpgid", "setsid", "chdir", "fchdir", "creat", "link", "linkat", "symlink", "symlinkat",
	"mknod", "mknodat", "utime", "utimes", "utimensat", "futimesat", "truncate", "fallocate",
	"fadvise64", "copy_file_range", "sendfile", "splice", "tee", "sync", "syncfs",
	"sync_file_range", "getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr",
	"flistxattr", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr",
	"fremovexattr", "name_to_handle_at", "getdents", "alarm", "getitimer", "setitimer",
	"timer_create", "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete",
	"clock_adjtime", "msync", "mincore", "mlock2", "mlockall", "munlockall", "memfd_create",
	"sched_setparam", "sched_setscheduler", "sched_getattr", "sched_setattr", "setpriority",
	"ioprio_get", "ioprio_set", "set_mempolicy", "personality", "pidfd_open",
	"pidfd_send_signal", "rt_sigqueueinfo", "get_mempolicy", "setresuid", "setresgid",
	"setuid", "setgid", "setreuid", "setregid", "setfsuid", "setfsgid", "fchmodat2",
	"readahead",
};

/* LeakSanitizer stops threads with ptrace, reports are symbolized by a child. */
static const char *const for_sanitizers[] = {
	"clone", "fork", "vfork", "execve", "kill", "tkill", "ptrace", "prctl", "prlimit64",
	"process_vm_readv", "mincore", "msync", "personality", "sched_setscheduler", "setrlimit",
	"getdents", "setitimer", "ioctl", "memfd_create", "fadvise64",
};

/* Answered with an error instead of death, because a library tries them and
 * has another way: glibc's clone3 (its flags are out of a filter's sight), the
 * backends of libev that would pass by any filter, krb5's keyring. */
static const struct {
	const char *name;
	int error;
} refused[] = {
	{"clone3", ENOSYS},
	{"io_uring_setup", ENOSYS},
	{"io_setup", ENOSYS},
	{"map_shadow_stack", ENOSYS},
	{"keyctl", ENOSYS},
	{"add_key", ENOSYS},
	{"request_key", ENOSYS},
};

static const uint32_t families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

/* What isatty(3) asks in newer glibc; <asm/termbits.h> and <termios.h> cannot be
 * included together. */
#define TCGETS_2 0x802c542a

/* Terminals can be asked what they are, but not fed with input (TIOCSTI). */
static const uint32_t requests[] = {
	FIONREAD, FIONBIO, FIOCLEX,
	TIOCOUTQ, /* = SIOCOUTQ */
	TCGETS, TCGETS_2, TIOCGWINSZ, TUNSETIFF, TUNGETIFF, TUNSETPERSIST, TUNSETOWNER,
	TUNSETGROUP, TUNSETLINK, TUNGETFEATURES, TUNSETOFFLOAD, TUNGETSNDBUF, TUNSETSNDBUF,
	TUNGETVNETHDRSZ, TUNSETVNETHDRSZ, TUNSETVNETLE, TUNSETVNETBE, TUNSETQUEUE,
	TUNSETSTEERINGEBPF, TUNSETFILTEREBPF, TUNSETCARRIER,
};
/* Job control, and cp(1). */
static const uint32_t requests_for_hooks[] = {
	TCSETS, TCSETSW, TCSETSF, TIOCGPGRP, TIOCSPGRP, TIOCGSID, TIOCNOTTY, FIONCLEX, FICLONE,
};
/* SIOCGIFMTU and its siblings; the kernel asks for CAP_NET_ADMIN where one changes
 * something. */
enum { SOCKET_REQUESTS = 0x8900 };

static const uint32_t process_options[] = {
	PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG, PR_CAPBSET_READ, PR_CAP_AMBIENT,
	PR_GET_DUMPABLE, PR_GET_KEEPCAPS, PR_GET_SECUREBITS, PR_GET_NO_NEW_PRIVS,
	PR_SET_NO_NEW_PRIVS, PR_GET_SECCOMP,
	0x53564d41, /* PR_SET_VMA: newer glibc names its memory */
};

/* clang-format on */

static int allow(scmp_filter_ctx filter, const char *name, unsigned count,
	const struct scmp_arg_cmp *compare)
{
	int call = seccomp_syscall_resolve_name(name);
	if (call < 0)
		return 0;
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, count, compare);
}

static int allow_all(scmp_filter_ctx filter, const char *const *names, size_t count)
{
	int error = 0;
	for (size_t i = 0; error == 0 && i < count; i++)
		error = allow(filter, names[i], 0, NULL);
	return error;
}

/* The kernel looks at the low half only, where the type is an int; whatever a
 * caller leaves in the high half must not matter here either. */
static int allow_values(scmp_filter_ctx filter, const char *name, unsigned argument,
	const uint32_t *values, size_t count, uint32_t mask)
{
	int error = 0;
	for (size_t i = 0; error == 0 && i < count; i++) {
		struct scmp_arg_cmp compare =
			SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, values[i]);
		error = allow(filter, name, 1, &compare);
	}
	return error;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int allow_ioctl(scmp_filter_ctx filter, bool may_fork)
{
	const uint32_t on_sockets = SOCKET_REQUESTS;
	int error = allow_values(filter, "ioctl", 1, requests, COUNT(requests), UINT32_MAX);
	if (error == 0)
		error = allow_values(filter, "ioctl", 1, &on_sockets, 1, 0xffffff00);
	if (error == 0 && may_fork)
		error = allow_values(filter, "ioctl", 1, requests_for_hooks,
			COUNT(requests_for_hooks), UINT32_MAX);
	return error;
}

/* Threads always, processes with hooks, new namespaces never. */
static int allow_clone(scmp_filter_ctx filter, bool may_fork)
{
	const uint32_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
				    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	const uint32_t thread = CLONE_THREAD, process = 0;
	return may_fork ? allow_values(filter, "clone", 0, &process, 1, namespaces)
			: allow_values(filter, "clone", 0, &thread, 1, namespaces | thread);
}

/* Calls that are harmless with some arguments only. */
static int allow_some(scmp_filter_ctx filter, bool may_fork)
{
	const uint32_t ourselves = 0;
	int error = allow_values(filter, "socket", 0, families, COUNT(families), UINT32_MAX);
	if (error == 0)
		error = allow_ioctl(filter, may_fork);
	if (error == 0)
		error = allow_clone(filter, may_fork);
	if (error == 0)
		error = allow_values(filter, "prlimit64", 0, &ourselves, 1, UINT32_MAX);
	if (error == 0)
		error = allow_values(
			filter, "prctl", 0, process_options, COUNT(process_options), UINT32_MAX);
	return error;
}

static int refuse(scmp_filter_ctx filter)
{
	int error = 0;
	for (size_t i = 0; error == 0 && i < COUNT(refused); i++) {
		int call = seccomp_syscall_resolve_name(refused[i].name);
		if (call >= 0)
			error = seccomp_rule_add(
				filter, SCMP_ACT_ERRNO((uint32_t)refused[i].error), call, 0);
	}
	return error;
}

static int fill(scmp_filter_ctx filter, bool may_fork)
{
	/* One program for all threads, death for calls of foreign ABIs, and a
	 * tree in place of a long row of comparisons where libseccomp has it. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (error == 0)
		error = allow_all(filter, always, COUNT(always));
	if (error == 0)
		error = allow_some(filter, may_fork);
	if (error == 0 && may_fork)
		error = allow_all(filter, for_hooks, COUNT(for_hooks));
	if (error == 0 && HAS_SANITIZER)
		error = allow_all(filter, for_sanitizers, COUNT(for_sanitizers));
	if (error == 0)
		error = refuse(filter);
	return error;
}

bool sandbox_is_instrumented(void)
{
	return HAS_SANITIZER || RUNNING_ON_VALGRIND;
}

int sandbox_filter(bool may_fork, struct reason *why)
{
	if (RUNNING_ON_VALGRIND)
		return 0; /* it has no seccomp(2) */
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int error = filter ? fill(filter, may_fork) : -ENOSYS;
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	if (error < 0)
		reason_set(why,
			"cannot install the system-call filter: %s (it needs Linux 4.14 with "
			"CONFIG_SECCOMP_FILTER)",
			strerror(-error));
	return error;
}
