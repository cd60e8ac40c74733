/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A traversal that has a tunnel: new networks, losses, media, and the way back
 * to the direct path. */
#include <string.h>

#include "traversal_script.h"
#include "unit.h"

static void run_all(const struct traversal_script *scripts, size_t count)
{
	struct traversal traversal;
	for (size_t i = 0; i < count; i++)
		CU_ASSERT_EQUAL(traversal_script_run(&scripts[i], &traversal), 0);
}

#define RUN_ALL(scripts) run_all(scripts, sizeof(scripts) / sizeof((scripts)[0]))

/* Without a STUN server, for brevity; the tunnel is up at 5 s. */
#define UP                                                                          \
	"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n" \
	"4 timer | cancel sip, start tls\n"                                         \
	"4.5 tls passed | use tls\n"                                                \
	"5 confirmed | kernel tunnel, publish tunnel/strict/timeout, timer 905\n"
#define UP_BY_PROXY                                                                 \
	"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n" \
	"4 timer | cancel sip, start tls\n"                                         \
	"4.2 tls failed reset | start proxy\n"                                      \
	"4.5 proxy passed | use proxy\n"                                            \
	"5 confirmed | kernel tunnel, publish tunnel-proxy/strict/timeout, timer 905\n"

static void test_loss(void)
{
	static const struct traversal_script scripts[] = {
		{"the last step at once, step 1 beside it", "no-nat",
			UP "100 lost | kernel unreachable, start tls, start sip, "
			   "publish unknown/strict/lost\n"
			   "100.1 tls passed | use tls\n"
			   "100.2 confirmed | kernel tunnel, publish tunnel/unknown/resumed\n"
			   "104 timer | cancel sip, publish tunnel/strict/timeout, timer 1004\n"},
		{"the proxy, where that was the way", "no-nat",
			UP_BY_PROXY "100 lost | kernel unreachable, start proxy, start sip, "
				    "publish unknown/strict/lost\n"},
		{"the old way is gone: the steps in order", "no-nat",
			UP_BY_PROXY "100 lost | kernel unreachable, start proxy, start sip, "
				    "publish unknown/strict/lost\n"
				    "101 proxy failed reset | \n"
				    "102 sip failed reset | start tls\n"
				    "103 tls failed reset | start proxy\n"
				    "104 proxy failed reset | kernel absent, "
				    "publish dead/strict/reset\n"},
		{"tls passes while the proxy is still dialled", "no-nat",
			UP_BY_PROXY "100 lost | kernel unreachable, start proxy, start sip, "
				    "publish unknown/strict/lost\n"
				    "102 sip failed reset | start tls\n"
				    "103 tls passed | use tls\n"
				    "103 proxy passed | \n"
				    "104 confirmed | cancel proxy, kernel tunnel, "
				    "publish tunnel/strict/reset\n"},
		{"direct only after the old way has failed", "no-nat",
			UP "100 lost | kernel unreachable, start tls, start sip, "
			   "publish unknown/strict/lost\n"
			   "101 sip passed | \n"
			   "102 tls failed reset | kernel absent, use direct, "
			   "publish direct/none/none\n"},
		{"refused on the way back: nothing leaks while waiting", "no-nat",
			UP "100 lost | kernel unreachable, start tls, start sip, "
			   "publish unknown/strict/lost\n"
			   "101 tls refused overloaded 20 | \n"
			   "104 timer | cancel sip, publish refused/strict/overloaded, timer 124\n"
			   "124 timer | start tls, start sip\n"
			   "125 tls passed | use tls\n"
			   "126 confirmed | kernel tunnel, publish tunnel/unknown/resumed\n"},
		{"no network: suspended, nothing leaks", "no-nat no-proxy",
			UP "100 lost | kernel unreachable, start tls, start sip, "
			   "publish unknown/strict/lost\n"
			   "100 tls failed no-network | \n"
			   "100 sip failed no-network | start tls\n"
			   "100 tls failed no-network | publish dead/unknown/no-network, "
			   "timer 100.375\n"
			   "200 network | start tls, start sip, "
			   "publish unknown/unknown/new-network\n"
			   "201 tls passed | use tls\n"
			   "202 confirmed | kernel tunnel, publish tunnel/unknown/resumed\n"},
		{"up and lost, up and lost", "no-nat",
			UP "6 lost | kernel unreachable, publish unknown/strict/lost, timer 6.375\n"
			   "6.375 timer | start tls, start sip\n"
			   "6.5 tls passed | use tls\n"
			   "6.6 confirmed | kernel tunnel, publish tunnel/unknown/resumed\n"
			   "6.7 lost | kernel unreachable, cancel sip, "
			   "publish unknown/unknown/lost, timer 7.45\n"},
		{"not confirmed after a loss", "no-nat no-proxy",
			UP "100 lost | kernel unreachable, start tls, start sip, "
			   "publish unknown/strict/lost\n"
			   "101 tls passed | use tls\n"
			   "104 timer | cancel sip, timer 111\n"
			   "111 timer | leave, kernel absent, publish dead/strict/not-confirmed\n"},
	};
	RUN_ALL(scripts);
}

#define AGAIN(lost, passed, confirmed)                                                   \
	lost " lost reset | kernel unreachable, cancel sip, start tls, start sip, "      \
	     "publish unknown/unknown/lost\n" passed " tls passed | use tls\n" confirmed \
	     " confirmed | kernel tunnel, publish tunnel/unknown/resumed\n"

/* The TSCF was restarted: who has a call comes back at once, the others when
 * they please. */
static void test_restart(void)
{
	static const struct traversal_script scripts[] = {
		{"idle, closed by the TSCF: within half a minute", "no-nat",
			UP "100 lost reset | kernel unreachable, publish unknown/strict/lost, "
			   "timer 115\n"
			   "115 timer | start tls, start sip\n"
			   "115.1 tls passed | use tls\n"
			   "115.2 confirmed | kernel tunnel, publish tunnel/unknown/resumed\n"},
		{"idle, and told that it shuts down", "no-nat",
			UP "100 lost shutting-down | kernel unreachable, "
			   "publish unknown/strict/lost, timer 115\n"
			   "101 kick | start tls, start sip\n"},
		{"sent away for good: asked again when a probe is due", "no-nat",
			UP "99 media on | \n"
			   "100 lost policy | kernel unreachable, publish unknown/strict/lost, "
			   "timer 1000\n"},
		{"idle, short-lived: the longer of both waits", "no-nat",
			UP "6 lost reset | kernel unreachable, publish unknown/strict/lost, "
			   "timer 21\n"},
		{"idle, and the network is to blame", "no-nat",
			UP "100 lost timeout | kernel unreachable, start tls, start sip, "
			   "publish unknown/strict/lost\n"},
		{"with media, before anything else is concluded", "no-nat",
			UP "99 media on | \n"
			   "100 lost reset | kernel unreachable, start tls, start sip, "
			   "publish unknown/strict/lost, timer 104\n"
			   "100 tls failed reset | timer 100.05\n"
			   "100 sip failed reset | \n"
			   "100.05 timer | start tls\n"
			   "100.05 tls failed reset | timer 100.15\n"
			   "100.15 timer | start tls, timer 106.15\n"
			   "100.2 tls passed | use tls\n"
			   "100.3 confirmed | kernel tunnel, publish tunnel/strict/reset\n"},
		{"with media, and it does not come back", "no-nat no-proxy",
			UP "99 media on | \n"
			   "100 lost reset | kernel unreachable, start tls, start sip, "
			   "publish unknown/strict/lost\n"
			   "100 tls failed reset | timer 100.05\n"
			   "100 sip failed reset | \n"
			   "102 timer | start tls\n"
			   "102.9 tls failed unreachable | start tls\n"
			   "103 tls failed reset | kernel absent, publish dead/strict/reset\n"},
		{"with media, short-lived: spared four times", "no-nat",
			UP "5 media on | \n"
			   "6 lost reset | kernel unreachable, start tls, start sip, "
			   "publish unknown/strict/lost\n"
			   "6.1 tls passed | use tls\n"
			   "6.2 confirmed | kernel tunnel, publish tunnel/unknown/resumed\n" AGAIN(
				   "6.3", "6.4", "6.5") AGAIN("6.6", "6.7", "6.8") AGAIN("7", "7.1",
				   "7.2") "7.3 lost reset | kernel unreachable, cancel sip, "
					  "publish unknown/unknown/lost, timer 13.3\n"},
		{"with media, by a proxy that finds nobody", "no-nat",
			UP_BY_PROXY "99 media on | \n"
				    "100 lost reset | kernel unreachable, start proxy, start sip, "
				    "publish unknown/strict/lost\n"
				    "100.1 proxy failed proxy-gateway | timer 100.15\n"
				    "100.15 timer | start proxy\n"
				    "100.2 proxy passed | use proxy\n"},
		{"with media, on another network meanwhile", "no-nat",
			UP "99 media on | \n"
			   "100 lost reset | kernel unreachable, start tls, start sip, "
			   "publish unknown/strict/lost\n"
			   "100 tls failed reset | timer 100.05\n"
			   "102 network | cancel sip, start tls, start proxy, start sip, "
			   "publish unknown/unknown/new-network, timer 106\n"},
	};
	RUN_ALL(scripts);
}

static void test_new_network(void)
{
	static const struct traversal_script scripts[] = {
		{"the tunnel is silent: replaced", "no-nat",
			UP "100 network | check, start tls, start sip, timer 104\n"
			   "100.3 tls passed | kernel unreachable, use tls\n"
			   "100.4 confirmed | kernel tunnel\n"
			   "104 timer | cancel sip, timer 1004\n"},
		{"the tunnel has survived: kept", "no-nat",
			UP "100 resume | check, start tls, start sip\n"
			   "100.1 alive | cancel tls\n"
			   "101 sip failed reset | publish tunnel/strict/reset\n"},
		{"it has survived, and says so late", "no-nat",
			UP "100 network | check, start tls, start sip\n"
			   "101 sip failed reset | publish tunnel/strict/reset\n"
			   "101.1 alive | cancel tls, timer 1001.1\n"},
		{"with media both ways are dialled, and it is given a fifth of a second", "no-nat",
			UP "99 media on | \n"
			   "100 network | check, start tls, start proxy, start sip\n"
			   "100.1 tls passed | timer 100.2\n"
			   "100.2 timer | kernel unreachable, use tls\n"
			   "100.3 confirmed | cancel proxy, kernel tunnel\n"},
		{"with media, the other way is the one that works", "no-nat",
			UP "99 media on | \n"
			   "100 network | check, start tls, start proxy, start sip\n"
			   "100.4 proxy passed | kernel unreachable, cancel tls, use proxy\n"
			   "100.5 confirmed | kernel tunnel, "
			   "publish tunnel-proxy/unknown/resumed\n"},
		{"with media, and nothing of it arrives", "no-nat",
			UP "99 media on | \n"
			   "100 stalled | check, start tls, start sip\n"
			   "100.1 tls passed | timer 100.2\n"
			   "100.2 timer | kernel unreachable, use tls\n"},
		{"with media, alive after all", "no-nat",
			UP "99 media on | \n"
			   "100 network | check, start tls, start proxy, start sip\n"
			   "100.1 tls passed | \n"
			   "100.15 alive | cancel tls, cancel proxy\n"},
		{"alive before the burst has settled", "no-nat",
			UP "100 kick | check, start sip\n"
			   "100.1 network | check, timer 100.15\n"
			   "100.12 alive | \n"
			   "100.15 timer | cancel sip, start sip\n"},
		{"lost while it is dialled", "no-nat",
			UP "100 network | check, start tls, start sip\n"
			   "100.2 lost | kernel unreachable, publish unknown/strict/lost\n"
			   "100.3 tls passed | use tls\n"
			   "100.4 confirmed | kernel tunnel, publish tunnel/unknown/resumed\n"},
		{"the dial fails, the tunnel has two seconds", "no-nat",
			UP "100 network | check, start tls, start sip\n"
			   "101 tls failed reset | timer 102\n"
			   "101.9 alive | timer 104\n"
			   "104 timer | cancel sip, timer 1004\n"},
		{"the dial fails, and the tunnel stays silent", "no-nat",
			UP
			"100 network | check, start tls, start sip\n"
			"101 tls failed reset | timer 102\n"
			"102 timer | drop, kernel unreachable, cancel sip, start tls, start sip, "
			"publish unknown/strict/lost\n"},
		{"there is no network, the tunnel waits for one", "no-nat",
			UP "100 network | check, start tls, start sip\n"
			   "101 tls failed no-network | \n"
			   "104 timer | cancel sip, timer 1004\n"
			   "110 network | check, start tls, start sip\n"},
		{"the replacement does not come up", "no-nat no-proxy",
			UP "100 network | check, start tls, start sip\n"
			   "101 tls passed | kernel unreachable, use tls\n"
			   "102 tls refused policy | publish unknown/strict/lost\n"
			   "103 sip failed reset | publish refused/strict/policy\n"},
		{"another network before the tunnel is confirmed", "no-nat",
			"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
			"4 timer | cancel sip, start tls\n"
			"4.5 tls passed | use tls\n"
			"4.7 network | leave, start sip\n"},
		{"while direct", "no-nat",
			"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
			"1 sip passed | use direct, publish direct/none/none\n"
			"2 network | start sip, publish unknown/unknown/new-network\n"},
		{"the old proxy does not exist here", "no-nat no-proxy",
			UP "100 lost | kernel unreachable, start tls, start sip, "
			   "publish unknown/strict/lost\n"},
		{"changes come in bursts", "no-nat",
			"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
			"0.1 network | timer 0.15\n"
			"0.12 network | \n"
			"0.15 timer | cancel sip, start sip, timer 4.15\n"},
		{"a burst, and a verdict before it settles", "no-nat",
			"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
			"0.1 network | timer 0.15\n"
			"0.12 sip passed | use direct, publish direct/none/none\n"
			"0.14 kick | start sip, publish unknown/unknown/new-network\n"},
		{"changes without end do not keep a verdict away", "no-nat no-proxy",
			"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
			"2 network | cancel sip, start sip\n"
			"4 network | cancel sip, start sip\n"
			"6 network | cancel sip, start sip\n"
			"8 network | \n"
			"9 network | \n"
			"10 timer | cancel sip, start tls\n"
			"11 network | \n"
			"12 tls failed reset | publish dead/strict/reset, timer 12\n"
			"12 timer | start sip, publish unknown/unknown/new-network\n"},
		{"proxy-auth is asked again on a new network", "no-nat",
			"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
			"1 sip failed reset | start tls\n"
			"1 tls failed reset | start proxy\n"
			"1 proxy failed proxy-auth | publish proxy-auth/strict/proxy-auth\n"
			"9 network | start sip, publish unknown/unknown/new-network\n"
			"9 sip failed reset | start tls\n"
			"9 tls failed reset | start proxy\n"},
	};
	RUN_ALL(scripts);
}

#define TWICE                                                                   \
	UP "905 timer | start sip\n"                                            \
	   "905.1 sip passed | publish tunnel/none/direct-works, timer 965.1\n" \
	   "965.1 timer | start sip\n"

static void test_return(void)
{
	static const struct traversal_script scripts[] = {
		{"two successes, 60 s apart", "no-nat",
			TWICE "965.2 sip passed | kernel absent, leave, use direct, "
			      "publish direct/none/none, timer 1865.2\n"},
		{"a failure between them counts from the start", "no-nat",
			TWICE "966 sip failed reset | publish tunnel/strict/reset, timer 1866\n"
			      "1866 timer | start sip\n"
			      "1867 sip passed | publish tunnel/none/direct-works, timer 1927\n"},
		{"five minutes of dwell", "no-nat",
			UP "10 kick | check, start sip\n"
			   "11 sip passed | publish tunnel/none/direct-works, timer 305\n"
			   "305 timer | start sip\n"
			   "306 sip passed | kernel absent, leave, use direct, "
			   "publish direct/none/none\n"},
		{"never while media flows", "no-nat",
			TWICE "965.1 media on | \n"
			      "965.2 sip passed | timer 1865.2\n"
			      "1000 media off 999 | timer 1059\n"
			      "1059 timer | start sip\n"
			      "1060 sip passed | kernel absent, leave, use direct, "
			      "publish direct/none/none\n"},
		{"nor in the minute after", "no-nat",
			TWICE "965.1 media on | \n"
			      "965.15 media off 965.12 | \n"
			      "965.2 sip passed | timer 1025.12\n"
			      "1025.12 timer | start sip\n"
			      "1025.2 sip passed | kernel absent, leave, use direct, "
			      "publish direct/none/none\n"},
		{"media that is blocked is no success", "",
			"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
			"1 sip passed | start nat\n"
			"2 nat failed udp-blocked | start tls\n"
			"3 tls passed | use tls\n"
			"4 confirmed | kernel tunnel, publish tunnel/strict/udp-blocked\n"
			"904 timer | start sip\n"
			"905 sip passed | start nat\n"
			"906 nat failed udp-blocked | timer 1806\n"},
		{"an app's failure stands against every probe", "no-nat",
			"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
			"1 report failed | cancel sip, start tls\n"
			"2 tls passed | use tls\n"
			"3 confirmed | kernel tunnel, publish tunnel/strict/report, timer 903\n"
			"903 timer | timer 1803\n"},
		{"an app's success through the tunnel is none", "no-nat",
			UP "10 report ok | \n"
			   "905 timer | start sip\n"},
		{"nor was its success before the tunnel", "",
			"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
			"1 report ok | cancel sip, start nat\n"
			"2 nat failed udp-blocked | start tls\n"
			"3 tls passed | use tls\n"
			"4 confirmed | kernel tunnel, publish tunnel/strict/udp-blocked\n"
			"904 timer | start sip\n"},
		{"never with mode = always", "always",
			"0 start | kernel unreachable, start tls, publish "
			"unknown/unknown/new-network\n"
			"1 tls passed | use tls\n"
			"2 confirmed | kernel tunnel, publish tunnel/unknown/mode, timer 902\n"
			"902 timer | timer 1802\n"},
	};
	RUN_ALL(scripts);
}

static void test_better_step(void)
{
	static const struct traversal_script scripts[] = {
		{"tls works again", "no-nat",
			UP_BY_PROXY
			"905 timer | start sip\n"
			"906 sip failed reset | start tls, publish tunnel-proxy/strict/reset\n"
			"907 tls passed | kernel unreachable, use tls\n"
			"908 confirmed | kernel tunnel, publish tunnel/strict/reset\n"},
		{"it does not", "no-nat",
			UP_BY_PROXY
			"905 timer | start sip\n"
			"906 sip failed reset | start tls, publish tunnel-proxy/strict/reset\n"
			"907 tls failed reset | timer 1807\n"},
		{"it does, but a call has begun", "no-nat",
			UP_BY_PROXY
			"905 timer | start sip\n"
			"906 sip failed reset | start tls, publish tunnel-proxy/strict/reset\n"
			"906.5 media on | cancel tls, timer 1806.5\n"},
		{"not in the first five minutes", "no-nat",
			UP_BY_PROXY
			"10 kick | check, start sip\n"
			"11 sip failed reset | publish tunnel-proxy/strict/reset, timer 911\n"},
		{"and does not become a tunnel: back to the proxy", "no-nat",
			UP_BY_PROXY
			"905 timer | start sip\n"
			"906 sip failed reset | start tls, publish tunnel-proxy/strict/reset\n"
			"907 tls passed | kernel unreachable, use tls\n"
			"908 lost | start proxy, publish unknown/strict/lost\n"
			"909 proxy passed | use proxy\n"
			"910 confirmed | kernel tunnel, publish tunnel-proxy/strict/reset\n"},
		{"with proxy-first the proxy is the better one", "no-nat proxy-first",
			"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
			"1 sip failed reset | start proxy\n"
			"2 proxy passed | use proxy\n"
			"3 confirmed | kernel tunnel, publish tunnel-proxy/strict/reset\n"
			"903 timer | start sip\n"
			"904 sip failed reset | timer 1804\n"},
	};
	RUN_ALL(scripts);
}

static void test_direct_call(void)
{
	static const struct traversal_script scripts[] = {
		{"a direct call is not moved by a failed probe", "no-nat",
			"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
			"1 sip passed | use direct, publish direct/none/none, timer 901\n"
			"900 media on | \n"
			"901 timer | start sip\n"
			"902 sip failed reset | timer 1802\n"
			"910 media off 910 | timer 970\n"
			"970 timer | start sip\n"
			"971 sip failed reset | start tls\n"
			"972 tls passed | use tls\n"
			"973 confirmed | kernel tunnel, publish tunnel/strict/reset\n"},
		{"nor by a tunnel that comes up as it begins", "no-nat",
			"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
			"1 sip passed | use direct, publish direct/none/none, timer 901\n"
			"901 timer | start sip\n"
			"902 sip failed reset | start tls\n"
			"903 tls passed | use tls\n"
			"903.5 media on | \n"
			"904 confirmed | leave, use direct\n"
			"905 media off 905 | timer 965\n"},
		{"re-probe finds it good still", "no-nat",
			"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
			"1 sip passed | use direct, publish direct/none/none, timer 901\n"
			"901 timer | start sip\n"
			"901 sip passed | publish direct/none/none, timer 1801\n"},
	};
	RUN_ALL(scripts);
}

static void test_reprobe_spread(void)
{
	static const struct {
		uint32_t random;
		uint64_t least, most;
	} cases[] = {{0, 720000000, 720000000}, {UINT32_MAX, 1079900000, 1080000000}};
	static const struct traversal_event start = {.kind = TRAVERSAL_EVENT_START};
	static const struct traversal_event passed = {
		.kind = TRAVERSAL_EVENT_RESULT, .step = TRAVERSAL_SIP, .outcome = TRAVERSAL_PASSED};

	for (size_t i = 0; i < 2; i++) {
		struct traversal traversal;
		traversal_script_setup(&traversal, "no-nat");
		traversal_handle(&traversal, &start, 0, cases[i].random);
		traversal_handle(&traversal, &passed, 0, cases[i].random);
		CU_ASSERT(traversal.next_run >= cases[i].least);
		CU_ASSERT(traversal.next_run <= cases[i].most);
	}
}

/* A timer that the caller lets go off too early is set again. */
static void test_early_timer(void)
{
	static const struct traversal_script script = {"early timer", "",
		"0 start | kernel absent, start sip, publish unknown/unknown/new-network, timer 4\n"
		"3.999 timer | timer 4\n"
		"4 timer | cancel sip, start nat, timer 7\n"};
	struct traversal traversal;
	CU_ASSERT_EQUAL(traversal_script_run(&script, &traversal), 0);
}

static const struct unit_test tests[] = {
	{"loss", test_loss},
	{"restart of the TSCF", test_restart},
	{"new network", test_new_network},
	{"return to direct", test_return},
	{"a better step", test_better_step},
	{"direct calls", test_direct_call},
	{"re-probe spread", test_reprobe_spread},
	{"early timer", test_early_timer},
};

UNIT_MAIN("traversal with a tunnel", tests)
