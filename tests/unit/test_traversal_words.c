/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What people read about a traversal. */
#include <errno.h>
#include <string.h>

#include "traversal_script.h"
#include "unit.h"

static void test_names(void)
{
	for (unsigned i = 0; i < TRAVERSAL_CAUSES; i++)
		for (unsigned j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(traversal_cause_name((enum traversal_cause)i),
				traversal_cause_name((enum traversal_cause)j));
	static const char *const names[TRAVERSAL_VERDICTS] = {"unknown", "direct", "tunnel",
		"tunnel-proxy", "refused", "captive", "inspected", "proxy-auth", "media-blocked",
		"dead"};
	for (unsigned i = 0; i < TRAVERSAL_VERDICTS; i++)
		CU_ASSERT_STRING_EQUAL(traversal_verdict_name((enum traversal_verdict)i), names[i]);
}

/* Whatever comes together, there is a sentence, and something to do. */
static void test_every_pair(void)
{
	for (unsigned i = 0; i < TRAVERSAL_VERDICTS; i++)
		for (unsigned j = 0; j < TRAVERSAL_CAUSES; j++) {
			struct traversal_finding finding = {
				.verdict = (enum traversal_verdict)i,
				.cause = (enum traversal_cause)j,
				.step = TRAVERSAL_TLS,
				.evidence = "EVIDENCE",
			};
			char text[TRAVERSAL_LINE * 2];
			const char *next = traversal_next_step(finding.verdict, finding.cause);
			CU_ASSERT_PTR_NOT_NULL_FATAL(next);
			CU_ASSERT(strlen(next) > 20 && next[strlen(next) - 1] == '.');
			CU_ASSERT(next[0] >= 'A' && next[0] <= 'Z');
			traversal_sentence(&finding, text, sizeof(text));
			CU_ASSERT(strncmp(text, traversal_verdict_name(finding.verdict),
					  strlen(traversal_verdict_name(finding.verdict))) == 0);
			CU_ASSERT_PTR_NOT_NULL(strstr(text, traversal_cause_words(finding.cause)));
			CU_ASSERT_PTR_NOT_NULL(strstr(text, "(step 2 tls: EVIDENCE)."));
		}
}

static void test_advice(void)
{
	static const struct {
		enum traversal_verdict verdict;
		enum traversal_cause cause;
		const char *says;
	} cases[] = {
		{TRAVERSAL_DIRECT, TRAVERSAL_CAUSE_NONE, "Nothing to do"},
		{TRAVERSAL_TUNNEL, TRAVERSAL_CAUSE_TIMEOUT, "Nothing to do"},
		{TRAVERSAL_TUNNEL, TRAVERSAL_CAUSE_PRIVATE_TARGET, "direct = yes"},
		{TRAVERSAL_TUNNEL, TRAVERSAL_CAUSE_ONLY_REPORT, "tsectl report"},
		{TRAVERSAL_REFUSED, TRAVERSAL_CAUSE_AUTHENTICATION, "password"},
		{TRAVERSAL_REFUSED, TRAVERSAL_CAUSE_OVERLOADED, "by itself"},
		{TRAVERSAL_CAPTIVE, TRAVERSAL_CAUSE_CAPTIVE, "sign in"},
		{TRAVERSAL_INSPECTED, TRAVERSAL_CAUSE_INSPECTED, "exempt the TSCF"},
		{TRAVERSAL_PROXY_AUTH, TRAVERSAL_CAUSE_PROXY_AUTH, "proxy-user"},
		{TRAVERSAL_MEDIA_BLOCKED, TRAVERSAL_CAUSE_UDP_BLOCKED, "require-media"},
		{TRAVERSAL_DEAD, TRAVERSAL_CAUSE_ALL_SILENT, "another network"},
		{TRAVERSAL_DEAD, TRAVERSAL_CAUSE_TIMEOUT, "network or the operator"},
		{TRAVERSAL_DEAD, TRAVERSAL_CAUSE_CLOCK, "timedatectl"},
		{TRAVERSAL_DEAD, TRAVERSAL_CAUSE_PROXY_DENIED, "proxy's administrator"},
		{TRAVERSAL_DEAD, TRAVERSAL_CAUSE_CERTIFICATE, "valid now"},
		{TRAVERSAL_DEAD, TRAVERSAL_CAUSE_NO_NAME, "DNS"},
		{TRAVERSAL_UNKNOWN, TRAVERSAL_CAUSE_NEW_NETWORK, "Wait"},
		{TRAVERSAL_UNKNOWN, TRAVERSAL_CAUSE_NO_TARGET, "[tscf] server"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(
			traversal_next_step(cases[i].verdict, cases[i].cause), cases[i].says));
}

static void test_evidence(void)
{
	static const struct {
		struct traversal_record record;
		const char *expected;
	} cases[] = {
		{{.state = TRAVERSAL_PASSED}, ""},
		{{.state = TRAVERSAL_PASSED, .status = 401, .started = 5, .ended = 120005},
			"status 401, after 120 ms"},
		{{.state = TRAVERSAL_FAILED,
			 .cause = TRAVERSAL_CAUSE_RESET,
			 .error = ECONNREFUSED,
			 .ended = 1000000},
			"the connection was refused or reset, Connection refused, after 1.00 s"},
		{{.state = TRAVERSAL_FAILED,
			 .cause = TRAVERSAL_CAUSE_PROXY_AUTH,
			 .status = 407,
			 .words = "Basic, Digest"},
			"the proxy wants other credentials, status 407, Basic, Digest"},
		{{.state = TRAVERSAL_SKIPPED, .cause = TRAVERSAL_CAUSE_MODE, .ended = 7000000},
			"mode = always does without step 1"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[TRAVERSAL_EVIDENCE];
		traversal_evidence(&cases[i].record, text, sizeof(text));
		CU_ASSERT_STRING_EQUAL(text, cases[i].expected);
	}
}

static void test_explanation(void)
{
	static const struct traversal_script script = {"explained", "no-nat no-proxy",
		"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
		"4 timer | cancel sip, start tls\n"
		"4.5 tls progress tls-stalled | \n"
		"10 timer | cancel tls, publish dead/strict/tls-stalled\n"};
	static const char expected[] =
		"step 1 sip    failed   P-CSCF 192.0.2.1: no answer, after 4.00 s\n"
		"step 1 nat    skipped  nothing is configured or found to be tried\n"
		"step 2 tls    failed   TSCF 192.0.2.3: TCP connects, but TLS gets no answer, as "
		"scripted, after 6.00 s\n"
		"step 3 proxy  skipped  nothing is configured or found to be tried\n"
		"firewall: strict\n"
		"verdict: dead: IMS services cannot run through this network: TCP connects, but "
		"TLS gets no answer (step 2 tls: TSCF 192.0.2.3, as scripted, after 6.00 s).\n"
		"next step: A firewall that looks into connections lets TCP pass and TLS not: ask "
		"the network's administrator to allow TLS to the TSCF.\n";
	struct traversal traversal;
	char text[TRAVERSAL_EXPLAIN];

	CU_ASSERT_EQUAL(traversal_script_run(&script, &traversal), 0);
	CU_ASSERT_STRING_EQUAL(traversal_explain(&traversal, text, sizeof(text)), expected);
}

static void test_both_silent(void)
{
	static const struct traversal_script script = {"silent", "no-nat no-proxy",
		"0 start | kernel absent, start sip, publish unknown/unknown/new-network\n"
		"4 timer | cancel sip, start tls\n"
		"10 timer | cancel tls, publish dead/unknown/all-silent\n"};
	struct traversal traversal;
	char text[TRAVERSAL_EXPLAIN];

	CU_ASSERT_EQUAL(traversal_script_run(&script, &traversal), 0);
	traversal_explain(&traversal, text, sizeof(text));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "network or operator, cannot tell"));
}

/* The tunnel works, and yet an app cannot register. */
static void test_report_inside(void)
{
	static const struct traversal_script script = {"inside", "always",
		"0 start | kernel unreachable, start tls, publish unknown/unknown/new-network\n"
		"1 tls passed | use tls\n"
		"2 confirmed | kernel tunnel, publish tunnel/unknown/mode\n"
		"3 report failed | \n"};
	struct traversal traversal;
	char text[TRAVERSAL_EXPLAIN];

	CU_ASSERT_EQUAL(traversal_script_run(&script, &traversal), 0);
	traversal_explain(&traversal, text, sizeof(text));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "this is not the network; ask the operator"));
}

/* The longest texts fit, and the smallest buffers hold what fits. */
static void test_sizes(void)
{
	static char long_text[4096];
	struct traversal traversal;
	char text[TRAVERSAL_EXPLAIN];

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[3] = '\033';
	traversal_script_setup(&traversal, "");
	struct traversal_event event = {.kind = TRAVERSAL_EVENT_START};
	traversal_handle(&traversal, &event, 0, 0);
	for (unsigned i = 0; i < TRAVERSAL_STEPS; i++) {
		event = (struct traversal_event){
			.kind = TRAVERSAL_EVENT_RESULT,
			.step = (enum traversal_step)i,
			.outcome = TRAVERSAL_FAILED,
			.cause = TRAVERSAL_CAUSE_PROTOCOL,
			.target = long_text,
			.words = long_text,
			.error = EADDRNOTAVAIL,
			.status = UINT32_MAX,
		};
		traversal_handle(&traversal, &event, 5000000, 0);
	}
	CU_ASSERT_EQUAL(traversal.finding.verdict, TRAVERSAL_DEAD);
	traversal_explain(&traversal, text, sizeof(text));
	CU_ASSERT(strlen(text) < sizeof(text) - 1);
	CU_ASSERT_PTR_NULL(strchr(text, '\033'));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nnext step: "));
	size_t whole = strlen(text);
	for (size_t size = 1; size < whole; size += 97)
		CU_ASSERT_EQUAL(strlen(traversal_explain(&traversal, text, size)), size - 1);
}

static const struct unit_test tests[] = {
	{"names", test_names},
	{"every verdict with every cause", test_every_pair},
	{"advice", test_advice},
	{"evidence", test_evidence},
	{"explanation", test_explanation},
	{"both silent", test_both_silent},
	{"report from inside", test_report_inside},
	{"sizes", test_sizes},
};

UNIT_MAIN("words of the traversal", tests)
