/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SIP servers out of lease files, and nothing else out of them. */
#include "core/sip_lease.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

enum { NOW = 1795687200 }; /* 2026-11-26 10:00:00 UTC */

/* The servers, separated by spaces. */
static const char *servers(const struct sip_lease *lease)
{
	static char text[SIP_LEASE_SERVERS * SIP_LEASE_NAME];
	text[0] = '\0';
	for (size_t i = 0; i < lease->count; i++) {
		strcat(text, i ? " " : "");
		strcat(text, lease->servers[i]);
	}
	return text;
}

static const char *dhclient(const char *text)
{
	static struct sip_lease lease;
	size_t length = strlen(text);
	uint8_t *exact = malloc(length ? length : 1);
	memcpy(exact, text, length);
	memset(&lease, 0, sizeof(lease));
	sip_lease_read_dhclient((struct view){exact, length}, NOW, &lease);
	free(exact);
	return servers(&lease);
}

#define ADDRESS  "option unknown-120 1:cb:0:71:5;\n" /* 203.0.113.5 */
#define ADDRESS2 "option unknown-120 1:cb:0:71:6;\n"

static void dhclient_files(void)
{
	static const struct {
		const char *text, *servers;
	} cases[] = {
		{"", ""},
		{"lease {\n  interface \"eth0\";\n  " ADDRESS
		 "  expire 5 2026/11/27 10:00:00;\n}\n",
			"203.0.113.5"},
		{"lease { option unknown-120 1:cb:0:71:5:cb:0:71:6; }", "203.0.113.5 203.0.113.6"},
		/* a.bc, d: names in DNS form */
		{"lease { option unknown-120 0:1:61:2:62:63:0:1:64:0; }", "a.bc d"},
		/* The log goes on: the last of an interface counts. */
		{"lease { interface \"eth0\"; " ADDRESS "} lease { interface \"eth0\"; " ADDRESS2
		 "}",
			"203.0.113.6"},
		{"lease { interface \"eth0\"; " ADDRESS "} lease { interface \"eth1\"; " ADDRESS2
		 "}",
			"203.0.113.5 203.0.113.6"},
		{"lease { interface \"eth0\"; " ADDRESS "} lease { interface \"eth0\"; }", ""},
		/* Until when it holds. */
		{"lease { " ADDRESS "expire 4 2026/11/26 10:00:01; }", "203.0.113.5"},
		{"lease { " ADDRESS "expire 4 2026/11/26 10:00:00; }", ""},
		{"lease { " ADDRESS "expire 4 2026/02/28 23:59:59; }", ""},
		{"lease { " ADDRESS "expire 4 2028/02/29 00:00:00; }", "203.0.113.5"},
		{"lease { " ADDRESS "expire never; }", "203.0.113.5"},
		{"lease { " ADDRESS "expire epoch 1795687201; # Thu\n }", "203.0.113.5"},
		{"lease { " ADDRESS "expire epoch 1795687200; }", ""},
		{"lease { " ADDRESS "expire 4 2026/13/26 10:00:00; }", "203.0.113.5"},
		/* DHCPv6 */
		{"default-duid \"\\000\\001{;}\";\nlease6 {\n interface \"eth0\";\n ia-na 1:2:3:4 "
		 "{\n"
		 "  starts 1795687000;\n  iaaddr 2001:db8::9 {\n   starts 1795687000;\n"
		 "   max-life 7200;\n  }\n }\n"
		 " option dhcp6.sip-servers-addresses 2001:db8::5,2001:db8::6;\n"
		 " option dhcp6.sip-servers-names \"p.example.\",\"q.example.\";\n}\n",
			"2001:db8::5 2001:db8::6 p.example q.example"},
		{"lease6 { ia-na 1 { iaaddr ::1 { starts 1795680000; max-life 7200; } }\n"
		 " option dhcp6.sip-servers-addresses 2001:db8::5; }",
			""},
		/* Of no use, and harmless. */
		{ADDRESS, ""},
		{"lease { # option unknown-120 1:cb:0:71:5;\n }", ""},
		{"lease { option host-name \"x; option unknown-120 1:cb:0:71:5;\"; }", ""},
		{"lease { " ADDRESS, ""},
		{"lease { option unknown-120 ; }", ""},
		{"lease { option unknown-120 1:cb:0:71; }", ""},
		{"lease { option unknown-120 1:cb:0:71:5:; }", ""},
		{"lease { option unknown-120 1:cb:0:71:555; }", ""},
		{"lease { option unknown-120 1:xb:0:71:5; }", ""},
		{"lease { option unknown-120 2:cb:0:71:5; }", ""},
		{"lease { option unknown-120 0:5:61:0; }", ""},
		{"lease { option unknown-120 0:1:61; }", ""},
		{"lease { option unknown-120 0:40:61:0; }", ""},
		{"lease { option unknown-120 0:3:61:3b:62:0; }", ""},
		{"lease { option unknown-120 0:1:0:0; }", ""},
		{"lease { option unknown-120 0:0:0:0; }", ""},
		{"}}}; lease { " ADDRESS "} }", "203.0.113.5"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *found = dhclient(cases[i].text);
		if (strcmp(found, cases[i].servers) != 0)
			printf("\n    %s: %s", cases[i].text, found);
		CU_ASSERT_STRING_EQUAL(found, cases[i].servers);
	}
}

static void networkd_files(void)
{
	static const struct {
		const char *text, *servers;
	} cases[] = {
		{"# This is private data. Do not parse.\nADDRESS=10.0.0.2\nNTP=10.0.0.1\n"
		 "SIP=203.0.113.5 203.0.113.6\nMTU=1500\n",
			"203.0.113.5 203.0.113.6"},
		{"SIP=203.0.113.5", "203.0.113.5"},
		{"SIP=\nXSIP=203.0.113.5\nSIP", ""},
		{"SIP=203.0.113.5 203.0.113.5 none$ 203.0.113.7", "203.0.113.5 203.0.113.7"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sip_lease lease = {0};
		size_t length = strlen(cases[i].text);
		uint8_t *exact = malloc(length);
		memcpy(exact, cases[i].text, length);
		sip_lease_read_networkd((struct view){exact, length}, &lease);
		free(exact);
		CU_ASSERT_STRING_EQUAL(servers(&lease), cases[i].servers);
	}
}

static void list_is_bounded(void)
{
	struct sip_lease lease = {0};
	uint8_t option[1 + 4 * 32] = {1};
	for (size_t i = 0; i < 32; i++)
		option[4 + 4 * i] = (uint8_t)i;
	sip_lease_read_option(option, sizeof(option), &lease);
	CU_ASSERT_EQUAL(lease.count, SIP_LEASE_SERVERS);
	CU_ASSERT_STRING_EQUAL(lease.servers[7], "0.0.0.7");
}

static const struct unit_test tests[] = {
	{"dhclient's files", dhclient_files},
	{"systemd-networkd's files", networkd_files},
	{"the list is bounded", list_is_bounded},
};
UNIT_MAIN("sip_lease", tests)
