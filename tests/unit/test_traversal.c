/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One run of the steps: their order, their results, the verdicts. */
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

#define START "0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
/* Step 1 has failed at 7 s by silence. */
#define STRICT                                    \
	START "4 timer | cancel sip, start nat\n" \
	      "7 timer | cancel nat, start tls\n"

static void test_step1(void)
{
	static const struct traversal_script scripts[] = {
		{"open network", "",
			"0 start | kernel absent, start sip, publish unknown/unknown/new-network, "
			"timer 4\n"
			"1 sip passed | start nat\n"
			"2 nat passed | use direct, publish direct/none/none, timer 902\n"},
		{"behind NAT", "",
			START "1 sip passed nat | start nat\n"
			      "2 nat passed nat | use direct, publish direct/nat/none\n"},
		{"no STUN server", "no-nat",
			START "1 sip passed | use direct, publish direct/none/none\n"},
		{"SIP only with outbound", "",
			START "4 timer | cancel sip, start nat, timer 7\n"
			      "5 nat passed signalling | use direct, publish direct/nat/none\n"},
		{"media passes, SIP does not", "",
			START
			"1 sip failed reset | start nat\n"
			"2 nat passed | start tls\n"
			"3 tls passed | use tls, timer 13\n"
			"4 confirmed | kernel tunnel, publish tunnel/strict/reset, timer 904\n"},
		{"strict", "",
			STRICT "8 tls passed | use tls\n"
			       "9 confirmed | kernel tunnel, publish tunnel/strict/timeout\n"},
		{"strict, no STUN server", "no-nat",
			START "4 timer | cancel sip, start tls, timer 10\n"},
		{"step 1a skipped is not failed", "no-sip",
			"0 start | kernel absent, start nat, publish unknown/unknown/new-network\n"
			"1 nat passed | start tls\n"
			"2 tls passed | use tls\n"
			"3 confirmed | kernel tunnel, publish tunnel/unknown/no-target\n"},
		{"skipped, and media fails: still unknown", "no-sip",
			"0 start | kernel absent, start nat, publish unknown/unknown/new-network\n"
			"1 nat failed udp-blocked | start tls\n"
			"2 tls passed | use tls\n"
			"3 confirmed | kernel tunnel, publish tunnel/unknown/no-target\n"},
		{"step 1 skipped", "no-sip no-nat",
			"0 start | kernel absent, start tls, publish unknown/unknown/new-network\n"
			"1 tls passed | use tls\n"
			"2 confirmed | kernel tunnel, publish tunnel/unknown/no-target\n"},
		{"skipped by its own discovery", "no-nat",
			START
			"0.2 sip skipped private-target | start tls\n"
			"1 tls passed | use tls\n"
			"2 confirmed | kernel tunnel, publish tunnel/unknown/private-target\n"},
		{"a refusal of sip or nat is a failure", "",
			START "1 sip refused protocol | start nat\n"
			      "2 nat refused protocol | start tls\n"},
		{"results that nobody waits for", "",
			START "1 tls passed | \n"
			      "1 nat failed timeout | \n"
			      "1 proxy refused policy | \n"
			      "1 confirmed | \n"
			      "1 alive | \n"
			      "1 lost | \n"
			      "2 sip passed | start nat\n"
			      "3 sip failed timeout | \n"
			      "3 nat passed | use direct, publish direct/none/none\n"},
	};
	RUN_ALL(scripts);
}

static void test_media(void)
{
	static const struct traversal_script scripts[] = {
		{"media blocked, tunnel", "",
			START "1 sip passed | start nat\n"
			      "2 nat failed udp-blocked | start tls\n"
			      "3 tls passed | use tls\n"
			      "4 confirmed | kernel tunnel, publish tunnel/strict/udp-blocked\n"},
		{"media blocked, no tunnel", "no-proxy",
			START "1 sip passed | start nat\n"
			      "4 timer | cancel nat, start tls\n"
			      "10 timer | cancel tls, publish media-blocked/strict/timeout, "
			      "timer 10.375\n"},
		{"media by outbound blocked", "no-proxy",
			START "1 sip failed reset | start nat\n"
			      "2 nat failed udp-blocked signalling | start tls\n"
			      "3 tls failed reset | publish media-blocked/strict/udp-blocked\n"},
		{"media not required", "no-media",
			START "1 sip passed | use direct, publish direct/none/none\n"},
		{"media not required, signalling by outbound", "no-media",
			START "1 sip failed reset | start nat\n"
			      "2 nat failed udp-blocked signalling | use direct, "
			      "publish direct/nat/udp-blocked\n"},
	};
	RUN_ALL(scripts);
}

static void test_tunnel_steps(void)
{
	static const struct traversal_script scripts[] = {
		{"through the proxy", "",
			STRICT
			"13 timer | cancel tls, start proxy, timer 23\n"
			"14 proxy passed | use proxy, timer 24\n"
			"15 confirmed | kernel tunnel, publish tunnel-proxy/strict/timeout\n"},
		{"proxy first", "proxy-first",
			START "4 timer | cancel sip, start nat\n"
			      "7 timer | cancel nat, start proxy, timer 17\n"
			      "8 proxy failed proxy-denied | start tls, timer 14\n"
			      "9 tls passed | use tls\n"
			      "10 confirmed | kernel tunnel, publish tunnel/strict/timeout\n"},
		{"proxy first, but there is none", "proxy-first no-proxy",
			START "4 timer | cancel sip, start nat\n"
			      "7 timer | cancel nat, start tls\n"},
		{"a refusal is no firewall", "",
			STRICT
			"8 tls refused authentication | publish refused/strict/authentication, "
			"timer 908\n"},
		{"refused after TLS, as told", "",
			STRICT "8 tls passed | use tls\n"
			       "9 tls refused overloaded 30 | publish refused/strict/overloaded, "
			       "timer 39\n"
			       "39 timer | start sip\n"},
		{"refused, not told when", "",
			STRICT "8 tls refused no-address | publish refused/strict/no-address, "
			       "timer 8.375\n"},
		{"refused through the proxy", "",
			STRICT
			"8 tls failed reset | start proxy\n"
			"9 proxy refused policy | publish refused/strict/policy, timer 909\n"},
		{"proxy first: its refusal does not lead to tls", "proxy-first",
			START "4 timer | cancel sip, start nat\n"
			      "7 timer | cancel nat, start proxy\n"
			      "8 proxy refused policy | publish refused/strict/policy\n"},
		{"TLS works, no tunnel comes of it", "",
			STRICT "8 tls passed | use tls, timer 18\n"
			       "18 timer | leave, start proxy, timer 28\n"
			       "20 proxy passed | use proxy, timer 30\n"
			       "21 lost | publish dead/strict/none, timer 21.375\n"},
		{"the certificate is rejected late (TLS 1.3)", "no-proxy",
			STRICT "8 tls passed | use tls\n"
			       "8.1 tls failed certificate | publish dead/strict/certificate\n"},
		{"a passed step that is not in use breaks", "overlap",
			"0 start | kernel absent, start sip, start nat, start tls, start proxy, "
			"publish unknown/unknown/new-network\n"
			"1 tls passed | \n"
			"2 tls failed reset | \n"
			"2 proxy passed | \n"
			"3 nat failed timeout | \n"
			"4 timer | cancel sip, use proxy\n"},
		{"silence with a reason", "no-proxy",
			STRICT "8 tls progress tls-stalled | \n"
			       "13 timer | cancel tls, publish dead/strict/tls-stalled\n"},
	};
	RUN_ALL(scripts);
}

static void test_verdicts(void)
{
	static const struct traversal_script scripts[] = {
		{"all silent", "no-proxy",
			STRICT
			"13 timer | cancel tls, publish dead/unknown/all-silent, timer 13.375\n"
			"13.375 timer | start sip, timer 17.375\n"},
		{"all silent, the proxy too", "",
			STRICT "13 timer | cancel tls, start proxy\n"
			       "23 timer | cancel proxy, publish dead/unknown/all-silent\n"},
		{"only the TSCF was asked", "no-sip no-nat no-proxy",
			"0 start | kernel absent, start tls, publish unknown/unknown/new-network\n"
			"6 timer | cancel tls, publish dead/unknown/timeout\n"},
		{"the proxy says more than silence", "",
			STRICT "13 timer | cancel tls, start proxy\n"
			       "14 proxy failed proxy-denied | publish dead/strict/proxy-denied\n"},
		{"captive", "",
			STRICT
			"8 tls failed captive | start proxy\n"
			"9 proxy failed timeout | publish captive/unknown/captive, timer 19\n"
			"19 timer | start sip\n"
			"20 sip failed captive | start nat\n"
			"20 nat failed timeout | start tls\n"
			"20 tls failed timeout | start proxy\n"
			"20 proxy failed timeout | publish captive/unknown/captive, timer 80\n"
			"21 kick | start sip\n"},
		{"the portal has let us in", "no-proxy no-nat",
			START "1 sip failed captive | start tls\n"
			      "2 tls failed captive | publish captive/unknown/captive, timer 12\n"
			      "12 timer | start sip\n"
			      "13 sip passed | use direct, publish direct/none/none\n"},
		{"a portal before the proxy only", "",
			STRICT "8 tls failed reset | start proxy\n"
			       "9 proxy failed captive | publish captive/unknown/captive\n"},
		{"inspected, by both", "",
			STRICT "8 tls failed inspected | start proxy\n"
			       "9 proxy failed inspected | publish inspected/strict/inspected, "
			       "timer 909\n"},
		{"inspected, and then the proxy works", "",
			STRICT
			"8 tls failed inspected | start proxy\n"
			"9 proxy passed | use proxy\n"
			"9 confirmed | kernel tunnel, publish tunnel-proxy/strict/timeout\n"},
		{"proxy-auth is not asked again by itself", "",
			STRICT "8 tls failed timeout | start proxy\n"
			       "9 proxy failed proxy-auth | publish proxy-auth/strict/proxy-auth, "
			       "timer 909\n"
			       "909 timer | start sip\n"
			       "910 sip failed reset | start nat\n"
			       "910 nat failed reset | start tls\n"
			       "911 tls failed reset | \n"
			       "912 kick | start sip\n"
			       "913 sip failed reset | start nat\n"
			       "913 nat failed reset | start tls\n"
			       "913 tls failed reset | start proxy\n"},
		{"no network at all", "",
			START "0 sip failed no-network | start nat\n"
			      "0 nat failed no-network | start tls\n"
			      "0 tls failed no-network | start proxy\n"
			      "0 proxy failed no-network | publish dead/unknown/no-network\n"},
		{"no network for the proxy alone", "",
			STRICT "8 tls failed reset | start proxy\n"
			       "9 proxy failed no-network | publish dead/strict/reset\n"},
		{"a wrong clock", "no-proxy",
			STRICT "8 tls failed clock | publish dead/strict/clock\n"},
		{"nothing to try", "no-sip no-nat no-tls no-proxy",
			"0 start | kernel absent, publish unknown/unknown/no-target, timer 900\n"},
		{"dead again and again", "no-proxy no-nat",
			START "0 sip failed reset | start tls\n"
			      "0 tls failed reset | publish dead/strict/reset, timer 0.375\n"
			      "1 timer | start sip\n"
			      "1 sip failed reset | start tls\n"
			      "1 tls failed reset | timer 1.75\n"},
	};
	RUN_ALL(scripts);
}

static void test_modes(void)
{
	static const struct traversal_script scripts[] = {
		{"always", "always",
			"0 start | kernel unreachable, start tls, publish "
			"unknown/unknown/new-network\n"
			"1 tls passed | use tls\n"
			"2 confirmed | kernel tunnel, publish tunnel/unknown/mode\n"
			"100 lost | kernel unreachable, start tls, publish unknown/unknown/lost\n"
			"101 tls failed reset | start tls\n"
			"102 tls failed reset | start proxy\n"
			"103 proxy failed proxy-denied | publish dead/unknown/proxy-denied\n"},
		{"always, a report changes nothing", "always",
			"0 start | kernel unreachable, start tls, publish "
			"unknown/unknown/new-network\n"
			"1 report ok | \n"
			"1 report failed | \n"},
		{"probe-only: direct", "probe-only",
			START "1 sip passed | start nat\n"
			      "2 nat passed | publish direct/none/none, timer 902\n"},
		{"probe-only: tunnel", "probe-only",
			STRICT
			"8 tls passed | cancel tls, publish tunnel/strict/timeout, timer 908\n"
			"9 network | start sip, publish unknown/unknown/new-network\n"},
		{"probe-only: proxy", "probe-only",
			STRICT
			"8 tls failed reset | start proxy\n"
			"9 proxy passed | cancel proxy, publish tunnel-proxy/strict/timeout\n"},
		{"probe-only: dead", "probe-only",
			STRICT
			"8 tls failed reset | start proxy\n"
			"9 proxy failed proxy-gateway | publish dead/strict/proxy-gateway\n"},
	};
	RUN_ALL(scripts);
}

#define EARLY                                                                     \
	"0 start | kernel absent, start sip, start nat, start tls, start proxy, " \
	"publish unknown/unknown/new-network\n"

static void test_overlap(void)
{
	static const struct traversal_script scripts[] = {
		{"a passed step waits for its turn", "overlap",
			EARLY "1 tls passed | \n"
			      "2 proxy passed | \n"
			      "3 timer | cancel nat, timer 4\n"
			      "4 timer | cancel sip, use tls, timer 14\n"
			      "5 confirmed | cancel proxy, kernel tunnel, "
			      "publish tunnel/strict/timeout\n"},
		{"direct after all", "overlap",
			EARLY "1 tls passed | \n"
			      "2 nat passed | \n"
			      "3 sip passed | cancel tls, cancel proxy, use direct, "
			      "publish direct/none/none\n"},
		{"the proxy waits for tls to fail", "overlap",
			EARLY "1 proxy passed | \n"
			      "3 nat failed reset | \n"
			      "3 sip failed reset | timer 6\n"
			      "6 timer | cancel tls, use proxy, timer 16\n"},
		{"a refusal counts for both", "overlap no-nat",
			"0 start | kernel absent, start sip, start tls, start proxy, "
			"publish unknown/unknown/new-network\n"
			"1 proxy passed | \n"
			"1 tls refused policy | \n"
			"2 sip failed reset | cancel proxy, publish refused/strict/policy\n"},
		{"the tunnel does not come up, the held one does", "overlap no-nat",
			"0 start | kernel absent, start sip, start tls, start proxy, "
			"publish unknown/unknown/new-network\n"
			"1 proxy passed | \n"
			"1 tls passed | \n"
			"2 sip failed reset | use tls, timer 12\n"
			"12 timer | leave, use proxy\n"
			"13 confirmed | kernel tunnel, publish tunnel-proxy/strict/reset\n"},
	};
	RUN_ALL(scripts);
}

static void test_reports(void)
{
	static const struct traversal_script scripts[] = {
		{"ok overrides the probe", "",
			START "1 report ok | cancel sip, start nat\n"
			      "2 nat passed | use direct, publish direct/none/report\n"},
		{"failed overrides the probe, and nothing rescues it", "",
			START "1 report failed | cancel sip, start tls\n"
			      "2 tls passed | use tls\n"
			      "3 confirmed | kernel tunnel, publish tunnel/strict/report\n"},
		{"failed after a passed probe", "",
			START "1 sip passed | start nat\n"
			      "2 report failed | start tls\n"
			      "3 nat passed signalling | \n"
			      "4 report ok | cancel tls, use direct, publish direct/none/report\n"},
		{"failed while direct", "no-nat",
			START "1 sip passed | use direct, publish direct/none/none\n"
			      "2 report ok | \n"
			      "9 report failed | start tls\n"
			      "10 tls passed | use tls\n"
			      "11 confirmed | kernel tunnel, publish tunnel/strict/report\n"},
		{"ok while dead", "no-nat no-proxy",
			START "1 sip failed reset | start tls\n"
			      "1 tls failed reset | publish dead/strict/reset\n"
			      "1.1 report failed | \n"
			      "1.2 report ok | use direct, publish direct/none/report\n"},
		{"with ipsec-3gpp the report alone decides", "no-sip no-nat",
			"0 start | kernel absent, start tls, publish unknown/unknown/new-network\n"
			"1 report ok | cancel tls, use direct, publish direct/none/report\n"},
		{"in the tunnel it says nothing about the direct path", "no-nat",
			START "4 timer | cancel sip, start tls\n"
			      "5 tls passed | use tls\n"
			      "6 confirmed | kernel tunnel, publish tunnel/strict/timeout\n"
			      "7 report ok | \n"
			      "8 report failed | \n"},
		{"of another network", "no-nat",
			START "1 report failed | cancel sip, start tls\n"
			      "9 network | cancel tls, start sip\n"},
	};
	RUN_ALL(scripts);
}

/* A discovery that finds a target later counts from the next start. */
static void test_targets(void)
{
	struct traversal traversal;
	static const struct traversal_event start = {.kind = TRAVERSAL_EVENT_START};
	static const struct traversal_event kick = {.kind = TRAVERSAL_EVENT_NETWORK};

	traversal_script_setup(&traversal, "no-sip no-nat");
	traversal_handle(&traversal, &start, 0, 0);
	CU_ASSERT_EQUAL(traversal.steps[TRAVERSAL_SIP].state, TRAVERSAL_SKIPPED);
	traversal_set_target(&traversal, TRAVERSAL_SIP, "new\nP-CSCF", TRAVERSAL_CAUSE_NONE);
	CU_ASSERT_EQUAL(traversal.steps[TRAVERSAL_SIP].state, TRAVERSAL_SKIPPED);
	traversal_handle(&traversal, &kick, 2000000, 0);
	CU_ASSERT_EQUAL(traversal.steps[TRAVERSAL_SIP].state, TRAVERSAL_RUNNING);
	CU_ASSERT_STRING_EQUAL(traversal.steps[TRAVERSAL_SIP].target, "new P-CSCF");
}

static void test_configure(void)
{
	struct tse_config profile = {
		.mode = MODE_ALWAYS,
		.order = ORDER_PROXY_FIRST,
		.overlap = true,
		.sip_timeout = 1,
		.nat_timeout = 2,
		.tls_timeout = 3,
		.proxy_timeout = 4,
	};
	struct traversal_config config;
	traversal_configure(&config, &profile);
	CU_ASSERT_EQUAL(config.mode, MODE_ALWAYS);
	CU_ASSERT_EQUAL(config.order, ORDER_PROXY_FIRST);
	CU_ASSERT(config.overlap && !config.require_media);
	CU_ASSERT_EQUAL(config.timeout[TRAVERSAL_SIP], 1);
	CU_ASSERT_EQUAL(config.timeout[TRAVERSAL_PROXY], 4);
	CU_ASSERT_EQUAL(traversal_bound(&config), 20000010 + TRAVERSAL_REDIAL_US);
}

static const struct unit_test tests[] = {
	{"step 1", test_step1},
	{"media", test_media},
	{"steps 2 and 3", test_tunnel_steps},
	{"verdicts", test_verdicts},
	{"modes", test_modes},
	{"overlap", test_overlap},
	{"reports", test_reports},
	{"targets", test_targets},
	{"configuration", test_configure},
};

UNIT_MAIN("traversal", tests)
