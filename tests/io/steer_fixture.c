/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The host of the steering tests, and what an application on it can do. */
#include "steer_fixture.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab.h"

struct reason why;
struct tun wan, tun;
struct steer *steer;

const char look[] = "ip rule; ip -6 rule; ip -4 route show table all; "
		    "ip -6 route show table all; ip -br addr; ip link";

struct prefix prefix(const char *text)
{
	struct prefix out;
	if (!prefix_parse(&out, text))
		abort();
	return out;
}

struct address address(const char *text)
{
	return prefix(text).address;
}

struct tse_config config(enum steer_kind kind)
{
	static char name[] = "tse0";
	return (struct tse_config){
		.steer = kind, .table = TABLE, .fwmark = MARK, .interface = name, .mtu = 1500};
}

struct steer_plan plan(void)
{
	return (struct steer_plan){.inner4 = prefix("10.64.0.7/32"),
		.inner6 = prefix("fd24:322:7::7/128"),
		.mtu = 1400,
		.routes = {prefix("10.65.0.0/16"), prefix("fd24:322:ffff::/48")},
		.route_count = 2};
}

bool shows(const char *command, const char *text)
{
	return lab_until_shows(text, command);
}

/* An IPv6 address works a little after it was set. */
bool has_ipv6(void)
{
	return shows("ip -6 route show table local", "local fd24:322:7::7 dev tse0");
}

bool start(const struct tse_config *settings, const struct steer_plan *wanted)
{
	int result = tun_open(&tun, settings->interface, 1, true, &why);
	if (result == 0)
		result = steer_new(&steer, settings, &why);
	if (result == 0) {
		steer_prepare(steer, &tun);
		result = wanted ? steer_apply(steer, &tun, wanted, &why) : 0;
	}
	if (result == 0 && wanted)
		result = steer_carrier(steer, &tun, true);
	if (result < 0)
		fprintf(stderr, "%s: %s\n", strerror(-result), why.text);
	return result == 0 && (!wanted || !steer_has_ipv6(steer) || has_ipv6());
}

void stop(void)
{
	steer_free(steer);
	tun_close(&tun);
	steer = NULL;
}

/* An app's packet goes through the tunnel and the answer comes back. */
bool app_reaches(const char *to, const char *inner)
{
	int socket = lab_udp(to, 5060, 0);
	bool reached = socket >= 0 && lab_echo(&tun, socket, inner);
	if (socket >= 0)
		close(socket);
	return reached;
}

/* Before Linux 6.9 it takes up to a second after the carrier was lost. */
bool app_is_refused(const char *to)
{
	bool refused = false;
	for (int waited = 0; !refused && waited < LAB_PATIENCE; waited += 10) {
		int socket = lab_udp(to, 5060, 0);
		refused = socket < 0 && (errno == EHOSTUNREACH || errno == ENETUNREACH);
		if (socket >= 0)
			close(socket);
		if (!refused)
			poll(NULL, 0, 10);
	}
	return refused;
}

/* A socket of the tunnel's own goes past the tunnel, and back. */
bool outer_reaches(const char *to, const char *from)
{
	int socket = lab_udp(to, 443, MARK);
	bool reached = socket >= 0 && lab_echo(&wan, socket, from);
	if (socket >= 0)
		close(socket);
	return reached;
}

bool strict_rp_filter(int value)
{
	return lab_run("echo %d > /proc/sys/net/ipv4/conf/all/rp_filter", value);
}

int steer_tests(const char *suite, const struct unit_test *tests, size_t count)
{
	lab_enter();
	if (tun_open(&wan, "wan0", 1, true, &why) < 0 ||
		!lab_run("ip addr add 192.0.2.2/24 dev wan0 && ip link set wan0 up && "
			 "ip -6 addr add 2001:db8:f::2/64 dev wan0 nodad && "
			 "ip route add default dev wan0 && ip -6 route add default dev wan0") ||
		!shows("ip -6 route show table local", "local fe80:") ||
		!shows("ip -6 route show table local", "local 2001:db8:f::2")) {
		fprintf(stderr, "no uplink: %s\n", why.text);
		return EXIT_FAILURE;
	}
	int status = unit_run(suite, tests, count);
	tun_close(&wan);
	return status;
}
