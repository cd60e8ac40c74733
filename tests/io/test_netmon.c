/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each change that somebody makes with ip(8) is told, as what it is and whose
 * it is. */
#include "io/netmon.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"
#include "unit.h"

struct told {
	struct ev_loop *loop;
	struct netmon_event events;
	unsigned wanted;
	int wake_ups;
};

static void on_change(void *user, const struct netmon_event *event)
{
	struct told *told = user;
	told->wake_ups++;
	told->events.changes |= event->changes;
	told->events.ours |= event->ours;
	told->events.others |= event->others;
	if ((told->events.changes & told->wanted) == told->wanted)
		ev_break(told->loop, EVBREAK_ALL);
}

static void on_late(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)timer;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

/* Until the wanted changes were told, or (wanted 0) nothing more comes. */
static void listen_for(struct told *told, unsigned wanted, double seconds)
{
	struct ev_timer limit;
	told->wanted = wanted ? wanted : ~0u;
	told->events = (struct netmon_event){0};
	ev_timer_init(&limit, on_late, seconds, 0.);
	ev_timer_start(told->loop, &limit);
	ev_run(told->loop, 0);
	ev_timer_stop(told->loop, &limit);
}

/* What happened before is not today's news. */
static void drain(struct told *told)
{
	do
		listen_for(told, 0, 0.05);
	while (told->events.changes);
}

static void each_change(void)
{
	static const struct {
		const char *command;
		unsigned changes;
		bool ours, others;
	} cases[] = {
		{"ip link set own0 mtu 1400", NETMON_LINK, true, false},
		{"ip link set else0 mtu 1400", NETMON_LINK, false, true},
		{"ip addr add 192.0.2.1/32 dev own0", NETMON_ADDRESS, true, false},
		{"ip -6 addr add 2001:db8::1/128 dev else0 nodad", NETMON_ADDRESS, false, true},
		{"ip route add 198.51.100.0/24 dev own0", NETMON_ROUTE, true, false},
		{"ip route add 203.0.113.0/24 dev else0", NETMON_ROUTE, false, true},
		{"ip -6 route add 2001:db8:5::/48 dev else0", NETMON_ROUTE, false, true},
		{"ip route add unreachable 10.0.0.0/8 proto 243", NETMON_ROUTE, true, false},
		{"ip route add unreachable 11.0.0.0/8", NETMON_ROUTE, false, true},
		{"ip rule add priority 5 lookup 99 proto 243", NETMON_RULE, true, false},
		{"ip -6 rule add priority 5 lookup 99", NETMON_RULE, false, true},
		{"ip rule del priority 5", NETMON_RULE, true, false},
		{"ip link set own0 down", NETMON_LINK, true, false},
		{"ip link delete else0", NETMON_LINK, false, true},
	};
	struct reason why;
	struct netmon netmon;
	struct told told = {.loop = ev_loop_new(EVFLAG_AUTO)};
	CU_ASSERT_TRUE_FATAL(lab_run("for i in own0 else0; do ip tuntap add $i mode tun && "
				     "ip link set $i up; done"));
	CU_ASSERT_EQUAL_FATAL(netmon_open(&netmon, told.loop, on_change, &told, &why), 0);
	netmon.own_index = if_nametoindex("own0");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		drain(&told);
		CU_ASSERT_TRUE(lab_run("%s", cases[i].command));
		listen_for(&told, cases[i].changes, LAB_PATIENCE / 1000.);
		if ((told.events.changes & cases[i].changes) != cases[i].changes ||
			told.events.ours != cases[i].ours ||
			told.events.others != cases[i].others) {
			CU_FAIL("not told as it was");
			fprintf(stderr, "%s: changes %x ours %d others %d\n", cases[i].command,
				told.events.changes, told.events.ours, told.events.others);
		}
	}
	netmon_close(&netmon);
	netmon_close(&netmon);
	ev_loop_destroy(told.loop);
	CU_ASSERT_TRUE(lab_run("ip link delete own0; ip route flush proto 243; "
			       "ip -6 rule del priority 5"));
}

/* A refresh of its lifetimes changes nothing, be it of an address that was there
 * before or of one that came; its end does, and so does its coming again. */
static void a_refresh_is_no_change(void)
{
	static const struct {
		const char *command;
		unsigned changes;
	} cases[] = {
		{"ip addr change 192.0.2.1/24 dev else0 valid_lft 900 preferred_lft 900", 0},
		{"ip addr change 192.0.2.1/24 dev else0 valid_lft 800 preferred_lft 800", 0},
		{"ip addr change 2001:db8::1/64 dev else0 valid_lft 900 preferred_lft 900", 0},
		{"ip addr change 2001:db8::1/64 dev else0 valid_lft 900 preferred_lft 0",
			NETMON_ADDRESS},
		{"ip addr change 2001:db8::1/64 dev else0 valid_lft 800 preferred_lft 0", 0},
		{"ip addr del 2001:db8::1/64 dev else0", NETMON_ADDRESS},
		{"ip addr add 2001:db8::1/64 dev else0 nodad", NETMON_ADDRESS},
		{"ip addr change 2001:db8::1/64 dev else0 valid_lft 900 preferred_lft 900", 0},
		{"ip addr add 192.0.2.2/24 dev else0", NETMON_ADDRESS},
		{"ip addr change 192.0.2.2/24 dev else0 valid_lft 900 preferred_lft 900", 0},
		{"ip addr del 192.0.2.1/24 dev else0", NETMON_ADDRESS},
	};
	struct reason why;
	struct netmon netmon;
	struct told told = {.loop = ev_loop_new(EVFLAG_AUTO)};
	CU_ASSERT_TRUE_FATAL(lab_run("ip tuntap add else0 mode tun && ip link set else0 up && "
				     "ip addr add 192.0.2.1/24 dev else0 && "
				     "ip addr add 2001:db8::1/64 dev else0 nodad"));
	CU_ASSERT_EQUAL_FATAL(netmon_open(&netmon, told.loop, on_change, &told, &why), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		drain(&told);
		CU_ASSERT_TRUE(lab_run("%s", cases[i].command));
		listen_for(&told, cases[i].changes, cases[i].changes ? LAB_PATIENCE / 1000. : 0.1);
		if ((told.events.changes & NETMON_ADDRESS) != cases[i].changes) {
			CU_FAIL("not told as it was");
			fprintf(stderr, "%s: changes %x\n", cases[i].command, told.events.changes);
		}
	}
	netmon_close(&netmon);
	ev_loop_destroy(told.loop);
	CU_ASSERT_TRUE(lab_run("ip link delete else0"));
}

static void a_flood_is_bounded(void)
{
	struct reason why;
	struct netmon netmon;
	struct told told = {.loop = ev_loop_new(EVFLAG_AUTO)};
	size_t before = lab_descriptors();
	CU_ASSERT_EQUAL_FATAL(netmon_open(&netmon, told.loop, on_change, &told, &why), 0);
	CU_ASSERT_TRUE(lab_run("for i in $(seq 0 255); do for j in $(seq 0 39); do echo route add "
			       "unreachable 10.$j.$i.0/24 table 77; done; done | ip -b -"));
	/* More than the kernel keeps for us: told that something was lost. */
	listen_for(&told, NETMON_ROUTE | NETMON_OVERRUN, LAB_PATIENCE / 1000.);
	CU_ASSERT_TRUE(told.events.changes & NETMON_ROUTE);
	CU_ASSERT_TRUE(told.events.changes & NETMON_OVERRUN);
	CU_ASSERT_TRUE(told.events.ours && told.events.others);
	/* In many wake-ups, so that the loop can do something else between. */
	drain(&told);
	CU_ASSERT_TRUE(told.wake_ups > 10);
	netmon_close(&netmon);
	ev_loop_destroy(told.loop);
	CU_ASSERT_TRUE(lab_descriptors() <= before);
	CU_ASSERT_TRUE(lab_run("ip route flush table 77"));
}

static const struct unit_test tests[] = {
	{"each change is told", each_change},
	{"a refresh is no change", a_refresh_is_no_change},
	{"a flood of changes is bounded", a_flood_is_bounded},
};

int main(void)
{
	lab_enter();
	return unit_run("netmon", tests, sizeof(tests) / sizeof(tests[0]));
}
