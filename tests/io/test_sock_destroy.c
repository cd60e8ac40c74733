/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which connections go when the tunnel comes, in a network namespace of its
 * own, where every address is on lo:
 *
 *   192.0.2.10, 2001:db8:1::10    the host as the hotel's network knows it
 *   10.1.1.1,   2001:db8:2::1     its inner addresses
 *   10.99.0.10, 2001:db8:99::10   the P-CSCF, in an IMS prefix; listens
 *   198.51.100.1                  somebody else; listens
 *   10.99.1.0/24                  of the IMS prefix too; a TUN that nobody reads
 *
 * Exit status 77 (skipped) without the right to make one. */
#include "io/sock_destroy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/sandbox.h"
#include "lab.h"
#include "unit.h"

enum { PORT = 5060, MARK = 0x24322, USER = 12345, BACKLOG = 1024 };

static struct sock_destroy destroy;
static struct prefix prefixes[2];
static struct address inner[2];
static struct sock_destroy_scope scope;
static struct reason why;

/* --- connections ----------------------------------------------------------- */

static socklen_t fill(struct sockaddr_storage *out, const char *text, uint16_t port)
{
	struct sockaddr_in *four = (void *)out;
	struct sockaddr_in6 *six = (void *)out;
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		return sizeof(*four);
	}
	if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1)
		abort();
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(port);
	return sizeof(*six);
}

static int make_socket(const char *from)
{
	struct sockaddr_storage address;
	socklen_t size = fill(&address, from, 0);
	int off = 0, fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0)
		abort();
	return fd;
}

/* As an app has it: connected from one address to another. */
static int connect_from(const char *from, const char *to, uint32_t mark)
{
	struct sockaddr_storage address;
	socklen_t size = fill(&address, to, PORT);
	int fd = make_socket(from);
	if (mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		abort();
	if (connect(fd, (struct sockaddr *)&address, size) < 0)
		abort();
	return fd;
}

static int listen_on_all(void)
{
	struct sockaddr_storage address;
	socklen_t size = fill(&address, "::", PORT);
	int off = 0, on = 1, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, BACKLOG) < 0)
		abort();
	return fd;
}

/* The kernel leaves ECONNABORTED behind. Closes it. */
static bool was_destroyed(int fd)
{
	char octet;
	bool gone = recv(fd, &octet, 1, MSG_DONTWAIT) < 0 && errno == ECONNABORTED;
	close(fd);
	return gone;
}

static int destroy_old(void)
{
	why.text[0] = '\0';
	int count = sock_destroy_old(&destroy, &scope, &why);
	if (count < 0)
		fprintf(stderr, "%s\n", why.text);
	return count;
}

/* --- the tests ------------------------------------------------------------- */

static void test_nothing_to_do(void)
{
	CU_ASSERT_EQUAL(destroy_old(), 0);
}

static void test_old_ones_go(void)
{
	int four = connect_from("192.0.2.10", "10.99.0.10", 0);
	int six = connect_from("2001:db8:1::10", "2001:db8:99::10", 0);
	int mapped = connect_from("::ffff:192.0.2.10", "::ffff:10.99.0.10", 0);
	CU_ASSERT_EQUAL(destroy_old(), 3);
	CU_ASSERT_TRUE(was_destroyed(four));
	CU_ASSERT_TRUE(was_destroyed(six));
	CU_ASSERT_TRUE(was_destroyed(mapped));
	CU_ASSERT_EQUAL(destroy_old(), 0);
}

/* One whose SYN got no answer would go on trying for two minutes. */
static void test_connecting(void)
{
	struct sockaddr_storage address;
	socklen_t size = fill(&address, "10.99.1.1", PORT);
	int fd = make_socket("192.0.2.10");
	fcntl(fd, F_SETFL, O_NONBLOCK);
	CU_ASSERT_TRUE(connect(fd, (struct sockaddr *)&address, size) < 0 && errno == EINPROGRESS);
	CU_ASSERT_EQUAL(destroy_old(), 1);
	CU_ASSERT_TRUE(was_destroyed(fd));
}

/* The app has hung up, the other side has not. */
static void test_half_closed(void)
{
	int fd = connect_from("192.0.2.10", "10.99.0.10", 0);
	shutdown(fd, SHUT_WR);
	CU_ASSERT_EQUAL(destroy_old(), 1);
	close(fd);
}

static void test_others_stay(void)
{
	const struct {
		const char *from, *to;
		uint32_t mark;
	} others[] = {
		{"10.1.1.1", "10.99.0.10", 0}, /* right already */
		{"2001:db8:2::1", "2001:db8:99::10", 0},
		{"::ffff:10.1.1.1", "::ffff:10.99.0.10", 0},
		{"192.0.2.10", "10.99.0.10", MARK}, /* ours */
		{"2001:db8:1::10", "2001:db8:99::10", MARK},
		{"192.0.2.10", "198.51.100.1", 0}, /* outside the prefixes */
		{"10.99.0.10", "10.99.0.10", 0},   /* never leaves this host */
	};
	enum { OTHERS = sizeof(others) / sizeof(others[0]) };
	int fds[OTHERS];
	for (size_t i = 0; i < OTHERS; i++)
		fds[i] = connect_from(others[i].from, others[i].to, others[i].mark);
	int old = connect_from("192.0.2.10", "10.99.0.10", MARK + 1);
	CU_ASSERT_EQUAL(destroy_old(), 1);
	CU_ASSERT_TRUE(was_destroyed(old));
	for (size_t i = 0; i < OTHERS; i++)
		CU_ASSERT_FALSE(was_destroyed(fds[i]));
}

/* With steering for some users all the world is an IMS prefix. */
static void test_all_the_world(void)
{
	const struct prefix world[] = {{{4, {0}}, 0}, {{6, {0}}, 0}};
	struct sock_destroy_scope before = scope;
	scope.prefixes = world;
	int loopback = connect_from("127.0.0.2", "127.0.0.1", 0);
	int loopback6 = connect_from("::1", "::1", 0);
	int old = connect_from("192.0.2.10", "198.51.100.1", 0);
	/* Not the only one: to all the world, other ends are old ones too. */
	CU_ASSERT_TRUE(destroy_old() >= 1);
	CU_ASSERT_TRUE(was_destroyed(old));
	CU_ASSERT_FALSE(was_destroyed(loopback));
	CU_ASSERT_FALSE(was_destroyed(loopback6));
	scope = before;
}

static void test_users(void)
{
	const struct sock_destroy_users users[] = {{1000, 1999}, {USER, USER}};
	struct sock_destroy_scope before = scope;
	scope.users = users;
	scope.user_count = 2;
	int root = connect_from("192.0.2.10", "10.99.0.10", 0);
	int theirs = connect_from("192.0.2.10", "10.99.0.10", 0);
	CU_ASSERT_EQUAL(fchown(theirs, USER, USER), 0);
	CU_ASSERT_EQUAL(destroy_old(), 1);
	CU_ASSERT_FALSE(was_destroyed(root));
	CU_ASSERT_TRUE(was_destroyed(theirs));
	scope = before;
}

/* More than fit into one message of the kernel's. */
static void test_many(void)
{
	enum { MANY = 300 };
	static int fds[MANY];
	destroy_old(); /* what the tests before have closed and the kernel not yet */
	for (size_t i = 0; i < MANY; i++)
		fds[i] = connect_from("192.0.2.10", "10.99.0.10", 0);
	CU_ASSERT_EQUAL(destroy_old(), MANY);
	for (size_t i = 0; i < MANY; i++)
		CU_ASSERT_TRUE(was_destroyed(fds[i]));
}

/* Runs it in a child that has given up something first: how many, or -errno. */
static int destroy_old_after(bool (*give_up)(void))
{
	int status = -1;
	pid_t child = fork();
	if (child == 0) {
		int count = give_up() ? destroy_old() : -ECANCELED;
		_exit(count < 0 ? 100 - count : count);
	}
	waitpid(child, &status, 0);
	if (!WIFEXITED(status))
		return -ECHILD;
	return WEXITSTATUS(status) >= 100 ? 100 - WEXITSTATUS(status) : WEXITSTATUS(status);
}

static bool enter_sandbox(void)
{
	struct sandbox_user user;
	return sandbox_find_user("nobody", &user, &why) == 0 &&
	       sandbox_drop(&user, true, &why) == 0 && sandbox_filter(false, &why) == 0;
}

static void test_in_the_sandbox(void)
{
	int fd = connect_from("192.0.2.10", "10.99.0.10", 0);
	CU_ASSERT_EQUAL(destroy_old_after(enter_sandbox), 1);
	CU_ASSERT_TRUE(was_destroyed(fd));
}

static bool become_nobody(void)
{
	struct sandbox_user user;
	return sandbox_find_user("nobody", &user, &why) == 0 &&
	       sandbox_drop(&user, false, &why) == 0;
}

static void test_without_capability(void)
{
	int fd = connect_from("192.0.2.10", "10.99.0.10", 0);
	CU_ASSERT_EQUAL(destroy_old_after(become_nobody), -EPERM);
	CU_ASSERT_EQUAL(destroy_old(), 1);
	CU_ASSERT_TRUE(was_destroyed(fd));
}

static void test_open_and_close(void)
{
	struct sock_destroy other = {0};
	size_t before = lab_descriptors();
	sock_destroy_close(&other);
	CU_ASSERT_EQUAL(sock_destroy_open(&other, &why), 0);
	CU_ASSERT_EQUAL(lab_descriptors(), before + 1);
	sock_destroy_close(&other);
	sock_destroy_close(&other);
	CU_ASSERT_EQUAL(lab_descriptors(), before);
}

static const struct unit_test tests[] = {
	{"nothing to do", test_nothing_to_do},
	{"old ones go", test_old_ones_go},
	{"connecting", test_connecting},
	{"half closed", test_half_closed},
	{"others stay", test_others_stay},
	{"all the world", test_all_the_world},
	{"of some users", test_users},
	{"many", test_many},
	{"in the sandbox", test_in_the_sandbox},
	{"without the capability", test_without_capability},
	{"open and close", test_open_and_close},
};

int main(void)
{
	struct tun hole;
	lab_enter();
	if (tun_open(&hole, "hole", 1, false, &why) < 0 ||
		!lab_run("for a in 192.0.2.10 10.1.1.1 10.99.0.10 198.51.100.1 "
			 "2001:db8:1::10 2001:db8:2::1 2001:db8:99::10; do "
			 "ip addr add $a dev lo || exit 1; done") ||
		!lab_run("ip link set hole up && ip route add 10.99.1.0/24 dev hole"))
		abort();
	prefix_parse(&prefixes[0], "10.99.0.0/16");
	prefix_parse(&prefixes[1], "2001:db8:99::/48");
	address_parse(&inner[0], "10.1.1.1");
	address_parse(&inner[1], "2001:db8:2::1");
	scope = (struct sock_destroy_scope){.prefixes = prefixes,
		.prefix_count = 2,
		.inner = inner,
		.inner_count = 2,
		.mark = MARK};
	int listening = listen_on_all();
	if (sock_destroy_open(&destroy, &why) < 0)
		abort();
	int status = unit_run("sock_destroy", tests, sizeof(tests) / sizeof(*tests));
	sock_destroy_close(&destroy);
	close(listening);
	tun_close(&hole);
	return status;
}
