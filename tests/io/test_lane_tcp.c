/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a lane asks of TCP arrives there, and what it is told is true, against the
 * kernel's own TCP over loopback. */
#include "io/lane_tcp.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/unit.h"

enum { RTO_MAX_MS_OPTION = 44, RTO_MIN_US_OPTION = 45, DELACK_MAX_US_OPTION = 46 };

struct pair {
	int near, far;
	struct lane_tcp tcp;
};

static struct pair pair;

/* Non-blocking at this end. */
static void connect_pair(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pair.near = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || pair.near < 0 || bind(listener, (struct sockaddr *)&address, size) ||
		listen(listener, 1) || getsockname(listener, (struct sockaddr *)&address, &size) ||
		connect(pair.near, (struct sockaddr *)&address, size))
		abort();
	pair.far = accept(listener, NULL, NULL);
	close(listener);
	lane_tcp_tune(&pair.tcp, pair.near);
}

static void close_pair(void)
{
	close(pair.near);
	close(pair.far);
}

/* -1 when this kernel has no such option. */
static int option(int which)
{
	int value = -1;
	socklen_t size = sizeof(value);
	return getsockopt(pair.near, IPPROTO_TCP, which, &value, &size) ? -1 : value;
}

static void options_arrive(void)
{
	connect_pair();
	CU_ASSERT_EQUAL(option(TCP_NODELAY), 1);
	CU_ASSERT_EQUAL(option(TCP_THIN_LINEAR_TIMEOUTS), 1);
	CU_ASSERT_EQUAL(option(TCP_USER_TIMEOUT), LANE_TCP_DEAD_MS);
	CU_ASSERT_EQUAL(option(TCP_NOTSENT_LOWAT), LANE_TCP_UNSENT_FIRST);
	/* Newer than many kernels; where they are, they have been set. */
	int maximum = option(RTO_MAX_MS_OPTION), minimum = option(RTO_MIN_US_OPTION);
	CU_ASSERT(maximum == -1 || maximum == 1000);
	CU_ASSERT(minimum == -1 || minimum < 100000);
	int delay = option(DELACK_MAX_US_OPTION);
	CU_ASSERT(delay == -1 || delay == 20000);
	lane_tcp_be_patient(pair.near, true);
	CU_ASSERT(minimum == -1 || option(RTO_MIN_US_OPTION) >= 190000);
	lane_tcp_be_patient(pair.near, false);
	CU_ASSERT_EQUAL(option(RTO_MIN_US_OPTION), minimum);
	close_pair();
}

/* Until everything was acknowledged, or a second has passed. */
static void wait_for_acknowledgement(void)
{
	for (int i = 0; i < 1000; i++) {
		CU_ASSERT_FATAL(lane_tcp_read(&pair.tcp, pair.near, 7));
		if (pair.tcp.unacked + pair.tcp.unsent == 0)
			return;
		usleep(1000);
	}
}

static void what_is_read_is_true(void)
{
	char octets[1000] = {0}, back[3000];
	connect_pair();
	CU_ASSERT_TRUE(lane_tcp_read(&pair.tcp, pair.near, 5));
	CU_ASSERT_EQUAL(pair.tcp.read_at, 5);
	CU_ASSERT_EQUAL(pair.tcp.acknowledged, 0);
	CU_ASSERT_EQUAL(pair.tcp.unacked + pair.tcp.unsent, 0);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL_FATAL(send(pair.near, octets, sizeof(octets), 0), sizeof(octets));
	CU_ASSERT_EQUAL(recv(pair.far, back, sizeof(back), MSG_WAITALL), sizeof(back));
	CU_ASSERT_EQUAL(send(pair.far, back, 10, 0), 10);
	wait_for_acknowledgement();
	CU_ASSERT_EQUAL(pair.tcp.acknowledged, 3000);
	CU_ASSERT_EQUAL(pair.tcp.segments_sent, 3);
	CU_ASSERT_EQUAL(pair.tcp.segments_come, 1);
	CU_ASSERT_EQUAL(pair.tcp.retransmitted, 0);
	CU_ASSERT_EQUAL(pair.tcp.came_out_of_turn, 0);
	CU_ASSERT(pair.tcp.rtt > 0 && pair.tcp.rtt < 1000000);
	CU_ASSERT(pair.tcp.min_rtt > 0 && pair.tcp.min_rtt <= pair.tcp.rtt * 2);
	close_pair();
}

/* A peer that does not read: what its window does not take stays unsent. */
static void unsent_is_counted(void)
{
	static char octets[65536];
	size_t given = 0;
	int all = 64 << 20;
	connect_pair();
	/* Not the bound that is tested elsewhere. */
	setsockopt(pair.near, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &all, sizeof(all));
	for (ssize_t sent; (sent = send(pair.near, octets, sizeof(octets), MSG_DONTWAIT)) > 0;)
		given += (size_t)sent;
	uint64_t last = UINT64_MAX;
	for (int i = 0; i < 100 && last != pair.tcp.acknowledged; i++) {
		last = pair.tcp.acknowledged;
		usleep(20000);
		CU_ASSERT_TRUE(lane_tcp_read(&pair.tcp, pair.near, 1));
	}
	CU_ASSERT(pair.tcp.unsent > 0);
	CU_ASSERT_EQUAL(pair.tcp.acknowledged + pair.tcp.unacked + pair.tcp.unsent, given);
	pair.tcp.delivery_rate = pair.tcp.unsent * 4ULL;
	CU_ASSERT_EQUAL(lane_tcp_to_wire(&pair.tcp), 250000);
	pair.tcp.delivery_rate = 0;
	CU_ASSERT_EQUAL(lane_tcp_to_wire(&pair.tcp), 0);
	close_pair();
}

static void unsent_is_bound_by_rate(void)
{
	static const struct {
		uint64_t rate; /* octets per second */
		bool is_floor;
		int limit;
	} cases[] = {
		{0, false, LANE_TCP_UNSENT_MIN},         /* nothing known, or nothing sent */
		{12500, false, LANE_TCP_UNSENT_MIN},     /* 0.1 Mbit/s */
		{2500000, false, 12500},                 /* 20 Mbit/s: 5 ms of it */
		{5000000, true, 50000},                  /* it may be more */
		{125000000, false, LANE_TCP_UNSENT_MAX}, /* 1 Gbit/s */
		{UINT32_MAX * 4ULL, true, LANE_TCP_UNSENT_MAX},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		connect_pair();
		pair.tcp.delivery_rate = cases[i].rate;
		pair.tcp.rate_is_floor = cases[i].is_floor;
		lane_tcp_bound_unsent(&pair.tcp, pair.near);
		CU_ASSERT_EQUAL(option(TCP_NOTSENT_LOWAT), cases[i].limit);
		close_pair();
	}
}

static void small_changes_are_not_set(void)
{
	connect_pair();
	pair.tcp.delivery_rate = 4000000;
	lane_tcp_bound_unsent(&pair.tcp, pair.near);
	CU_ASSERT_EQUAL(option(TCP_NOTSENT_LOWAT), 20000);
	pair.tcp.delivery_rate = 4400000;
	lane_tcp_bound_unsent(&pair.tcp, pair.near);
	CU_ASSERT_EQUAL(option(TCP_NOTSENT_LOWAT), 20000);
	pair.tcp.delivery_rate = 6000000;
	lane_tcp_bound_unsent(&pair.tcp, pair.near);
	CU_ASSERT_EQUAL(option(TCP_NOTSENT_LOWAT), 30000);
	close_pair();
}

static void no_connection_is_no_knowledge(void)
{
	struct lane_tcp tcp = {.rtt = 3};
	CU_ASSERT_FALSE(lane_tcp_read(&tcp, -1, 9));
	CU_ASSERT_EQUAL(tcp.read_at, 0);
	CU_ASSERT_EQUAL(tcp.rtt, 3);
}

static const struct unit_test tests[] = {
	{"options arrive", options_arrive},
	{"what is read is true", what_is_read_is_true},
	{"unsent is counted", unsent_is_counted},
	{"unsent is bound by the rate", unsent_is_bound_by_rate},
	{"small changes are not set", small_changes_are_not_set},
	{"no connection is no knowledge", no_connection_is_no_knowledge},
};

UNIT_MAIN("lane TCP", tests)
