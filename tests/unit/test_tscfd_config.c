/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The server's configuration: defaults, every key, and what must hold between
 * them. */
#include "core/tscfd_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

/* Parts of the smallest file that passes. */
#define LISTEN "[listen]\ncert = /c\nkey = /k\nclient-ca = /ca\n"
#define POOL4  "[pool]\nipv4 = 10.64.0.0/16\n"
#define POOL6  "[pool]\nipv6 = fd00:1::/48\n"
#define ROUTES "[ims]\nroutes = 10.1.0.0/16\n"

static struct tscfd_config config;
static struct reason why;

static int read_and_check(const char *text)
{
	memset(&why, 0, sizeof(why));
	tscfd_config_init(&config);
	int error = config_read(&config, tscfd_config_keys, text, "tscfd.conf", &why);
	return error ? error : tscfd_config_check(&config, &why);
}

static void every_default_can_be_read(void)
{
	struct tscfd_config zero;
	memset(&zero, 0, sizeof(zero));
	for (const struct config_key *key = tscfd_config_keys; key->section; key++) {
		char assignment[200];
		if (!key->standard)
			continue;
		snprintf(assignment, sizeof(assignment), "%s.%s=%s", key->section, key->name,
			key->standard);
		CU_ASSERT_EQUAL(config_override(&zero, tscfd_config_keys, assignment, &why), 0);
	}
	tscfd_config_fini(&zero);
}

static void defaults(void)
{
	tscfd_config_init(&config);
	CU_ASSERT_EQUAL(config.addresses.count, 2);
	CU_ASSERT_STRING_EQUAL(config.addresses.items[0].host, "::");
	CU_ASSERT_EQUAL(config.addresses.items[0].port, 443);
	CU_ASSERT_STRING_EQUAL(config.addresses.items[1].host, "0.0.0.0");
	CU_ASSERT_EQUAL(config.addresses.items[1].port, 443);
	CU_ASSERT_EQUAL(config.client_auth, CLIENT_AUTH_REQUIRE);
	CU_ASSERT_EQUAL(config.min_tls, TLS_MINIMUM_1_2);
	CU_ASSERT_FALSE(config.plain);
	CU_ASSERT_PTR_NULL(config.fallback);
	CU_ASSERT_STRING_EQUAL(config.interface, "tscf0");
	CU_ASSERT_EQUAL(config.workers, 0);
	CU_ASSERT_EQUAL(config.mtu, 1500);
	CU_ASSERT_EQUAL(config.ipv4.address.version, 0); /* no pool is built in */
	CU_ASSERT_EQUAL(config.ipv6.address.version, 0);
	CU_ASSERT_EQUAL(config.quarantine, UINT64_C(7200000000));
	CU_ASSERT_EQUAL(config.same_identity, SAME_IDENTITY_ALLOW);
	CU_ASSERT_FALSE(config.security_may_disable);
	CU_ASSERT_FALSE(config.inter_client);
	CU_ASSERT_EQUAL(config.keepalive, 45000000);
	CU_ASSERT_EQUAL(config.resume_lifetime, UINT64_C(3600000000));
	CU_ASSERT_EQUAL(config.handshake_timeout, 10000000);
	CU_ASSERT_EQUAL(config.lanes, 16);
	CU_ASSERT_EQUAL(config.max_tunnels, 0);
	CU_ASSERT_EQUAL(config.per_source_limit, 0);
	CU_ASSERT_PTR_NULL(config.state_file);
	CU_ASSERT_STRING_EQUAL(config.socket, "/run/tscf/control.sock");
	CU_ASSERT_PTR_NULL(config.metrics);
	CU_ASSERT_EQUAL(config.log.target, LOG_TO_SYSLOG);
	CU_ASSERT_EQUAL(config.log.level, 6);
	CU_ASSERT_EQUAL(config.identities, IDENTITIES_FULL);
	CU_ASSERT_PTR_NULL(config_next_inert(&config, tscfd_config_keys, NULL));
	tscfd_config_fini(&config);
}

static void every_key_lands_in_its_field(void)
{
	CU_ASSERT_EQUAL(
		read_and_check("[listen]\naddress = 192.0.2.1, [2001:db8::1]:8443\ncert = /cert\n"
			       "key = /key\nclient-ca = base64:Zm9v\ncrl = /crl\n"
			       "client-auth = optional\nmin-tls = 1.3\nplain = yes\n"
			       "fallback = [::1]:8080\n"
			       "[tun]\ninterface = ims1\nworkers = 3\nmtu = 9000\n"
			       "[pool]\nipv4 = 10.64.0.0/16\nipv6 = fd00:1::/48\nquarantine = 1d\n"
			       "same-identity = refuse\n"
			       "[ims]\nroutes = 10.1.0.0/16,\n  fd00:2::/64\n"
			       "p-cscf = 10.1.0.5, pcscf.example\ndns = fd00:2::53\n"
			       "domain = ims.example\nsecurity = keep\ninter-client = allow\n"
			       "[session]\nkeepalive = 30s\nrefresher = both\nresume-lifetime = "
			       "0\nlanes = 4\n"
			       "max-tunnels = 1000\nper-source-limit = 50\nhandshake-timeout = 5s\n"
			       "state-file = /var/lib/tscf/state\n"
			       "[control]\nsocket = /run/x.sock\nmetrics = /run/tscf/metrics\n"
			       "[log]\nlevel = error\ntarget = journal\nidentities = pseudonym\n"),
		0);
	CU_ASSERT_STRING_EQUAL(why.text, "");
	CU_ASSERT_EQUAL(config.addresses.count, 2);
	CU_ASSERT_EQUAL(config.addresses.items[0].port, 443);
	CU_ASSERT_EQUAL(config.addresses.items[1].port, 8443);
	CU_ASSERT_STRING_EQUAL(config.cert.path, "/cert");
	CU_ASSERT_STRING_EQUAL(config.key.path, "/key");
	CU_ASSERT_EQUAL(config.client_ca.length, 3);
	CU_ASSERT_STRING_EQUAL(config.crl.path, "/crl");
	CU_ASSERT_EQUAL(config.client_auth, CLIENT_AUTH_OPTIONAL);
	CU_ASSERT_EQUAL(config.min_tls, TLS_MINIMUM_1_3);
	CU_ASSERT_TRUE(config.plain);
	CU_ASSERT_STRING_EQUAL(config.fallback, "[::1]:8080");
	CU_ASSERT_STRING_EQUAL(config.interface, "ims1");
	CU_ASSERT_EQUAL(config.workers, 3);
	CU_ASSERT_EQUAL(config.mtu, 9000);
	CU_ASSERT_EQUAL(config.ipv4.length, 16);
	CU_ASSERT_EQUAL(config.ipv6.length, 48);
	CU_ASSERT_EQUAL(config.quarantine, UINT64_C(86400000000));
	CU_ASSERT_EQUAL(config.same_identity, SAME_IDENTITY_REFUSE);
	CU_ASSERT_EQUAL(config.routes.count, 2);
	CU_ASSERT_EQUAL(config.p_cscf.count, 2);
	CU_ASSERT_EQUAL(config.dns.count, 1);
	CU_ASSERT_EQUAL(config.domain.count, 1);
	CU_ASSERT_FALSE(config.security_may_disable);
	CU_ASSERT_TRUE(config.inter_client);
	CU_ASSERT_EQUAL(config.keepalive, 30000000);
	CU_ASSERT_EQUAL(config.refresher, REFRESHER_BOTH);
	CU_ASSERT_EQUAL(config.resume_lifetime, 0);
	CU_ASSERT_EQUAL(config.lanes, 4);
	CU_ASSERT_EQUAL(config.max_tunnels, 1000);
	CU_ASSERT_EQUAL(config.per_source_limit, 50);
	CU_ASSERT_EQUAL(config.handshake_timeout, 5000000);
	CU_ASSERT_STRING_EQUAL(config.state_file, "/var/lib/tscf/state");
	CU_ASSERT_STRING_EQUAL(config.socket, "/run/x.sock");
	CU_ASSERT_STRING_EQUAL(config.metrics, "/run/tscf/metrics");
	CU_ASSERT_EQUAL(config.log.level, 3);
	CU_ASSERT_EQUAL(config.log.target, LOG_TO_JOURNAL);
	CU_ASSERT_EQUAL(config.identities, IDENTITIES_PSEUDONYM);
	tscfd_config_fini(&config);
}

static void small_files_that_pass(void)
{
	static const char *const texts[] = {
		LISTEN POOL4 ROUTES,
		LISTEN POOL6 "[ims]\nroutes = fd00:2::/64\np-cscf = fd00:2::5\n",
		LISTEN "[pool]\nipv4 = 10.64.0.0/29\n" ROUTES "[tun]\nworkers = 5\n",
		LISTEN "[pool]\nipv6 = fd00::/62\n[ims]\nroutes = fd00:2::/64\n"
		       "[tun]\nworkers = 2\n",
		/* Clients among each other: the pool itself is routed. */
		LISTEN POOL4 "[ims]\nroutes = 10.0.0.0/8\ninter-client = allow\n",
		LISTEN POOL4 ROUTES "security = may-disable\n",
		LISTEN POOL4
		"[ims]\nroutes = 0.0.0.0/1\n", /* 0.0.0.0 is bound to, not an address */
		"[listen]\ncert = /c\nkey = /k\nclient-auth = none\n" POOL4 ROUTES,
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CU_ASSERT_EQUAL(read_and_check(texts[i]), 0);
		CU_ASSERT_STRING_EQUAL(why.text, "");
		tscfd_config_fini(&config);
	}
}

static void what_an_operator_gets_wrong(void)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{"", "cert is missing"},
		{"[listen]\ncert = /c\n", "key is missing"},
		{"[listen]\ncert = /c\nkey = /k\n" POOL4 ROUTES, "client-ca is missing"},
		{"[listen]\ncert = /c\nkey = /k\nclient-auth = optional\n" POOL4 ROUTES,
			"client-ca is missing"},
		{"[listen]\ncert = /c\nkey = /k\nclient-auth = none\ncrl = /r\n" POOL4 ROUTES,
			"crl has nothing to check"},
		{LISTEN "address =\n" POOL4 ROUTES, "address is empty"},
		{LISTEN "address = tscf.example\n", "`tscf.example' is not a numeric"},
		{LISTEN "address = 192.0.2.1, 192.0.2.1:443\n" POOL4 ROUTES, "stands there twice"},
		{LISTEN "fallback = 127.0.0.1\n", "is not HOST:PORT"},
		{LISTEN "[tun]\ninterface = name-of-16-octets\n", "1 to 15 octets"},
		{LISTEN "[tun]\nmtu = 65523\n", "from 1280 to 65522"},
		{LISTEN "[tun]\nworkers = 257\n", "`auto' or a whole number from 1 to 256"},
		{LISTEN ROUTES, "[pool] has neither ipv4 nor ipv6"},
		{LISTEN "[pool]\nipv4 = 10.64.0.0/30\n" ROUTES, "from a /8 to a /29"},
		{LISTEN "[pool]\nipv4 = 0.0.0.0/0\n" ROUTES, "from a /8 to a /29"},
		{LISTEN "[pool]\nipv4 = 10.64.0.1/16\n" ROUTES, "bits set behind its length"},
		{LISTEN "[pool]\nipv4 = fd00::/48\n" ROUTES, "of their own family"},
		{LISTEN "[pool]\nipv6 = 10.0.0.0/16\n" ROUTES, "of their own family"},
		{LISTEN "[pool]\nipv6 = fd00::/64\n" ROUTES, "every client gets a /64"},
		{LISTEN "[pool]\nipv6 = fd00::/80\n" ROUTES, "every client gets a /64"},
		{LISTEN "[pool]\nipv4 = 10.64.0.0/29\n" ROUTES "[tun]\nworkers = 6\n",
			"6 workers cannot share a [pool] of 5 addresses"},
		{LISTEN "[pool]\nipv6 = fd00::/62\n" ROUTES "[tun]\nworkers = 3\n",
			"3 workers cannot share a [pool] of 2 addresses"},
		{LISTEN "[pool]\nipv4 = 10.64.0.0/29\nipv6 = fd00::/48\n" ROUTES
			"[tun]\nworkers = 6\n",
			"of 5 addresses"},
		{LISTEN POOL4, "routes is missing"},
		{LISTEN POOL4 "[ims]\nroutes = 0.0.0.0/0\n", "is the default route"},
		{LISTEN POOL6 "[ims]\nroutes = ::/0\n", "is the default route"},
		{LISTEN POOL4 "[ims]\nroutes = 127.0.0.0/24\n", "is loopback"},
		{LISTEN POOL6 "[ims]\nroutes = fe80::/64\n", "is link-local"},
		{LISTEN POOL4 "[ims]\nroutes = 239.0.0.0/8\n", "is multicast"},
		{LISTEN POOL4 "[ims]\nroutes = 10.1.0.0/16, fd00:2::/64\n",
			"fd00:2::/64 is of a family of which [pool]"},
		{LISTEN "address = 10.1.2.3\n" POOL4 ROUTES, "the tunnel would lead into itself"},
		{LISTEN POOL4 ROUTES "p-cscf = 10.2.0.5\n",
			"p-cscf: 10.2.0.5 lies in none of the routes"},
		{LISTEN POOL4 ROUTES "dns = 9.9.9.9\n", "dns: 9.9.9.9 lies in none of the routes"},
		{LISTEN POOL4 "[ims]\nroutes = 10.0.0.0/8\np-cscf = 10.64.0.5\n",
			"is an address of [pool]"},
		{LISTEN POOL4 ROUTES "dns = dns.example\n", "is not a numeric"},
		{LISTEN POOL4 ROUTES "domain = 192.0.2.1\n", "is not a host name"},
		{LISTEN POOL4 ROUTES "p-cscf = sip:a@b\n", "neither a host name nor an address"},
		{LISTEN "client-auth = optional\n" POOL4 ROUTES "security = may-disable\n",
			"needs client-auth = require"},
		{LISTEN POOL4 ROUTES "[session]\nresume-lifetime = 8d\n", "from 0ms to 7d"},
		{LISTEN POOL4 ROUTES "[control]\nsocket = control.sock\n", "absolute path"},
		{LISTEN POOL4 ROUTES "[control]\nsocket =\n", "absolute path"},
		{LISTEN POOL4 ROUTES "[control]\nmetrics = tscf.prom\n", "is not an absolute path"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int error = read_and_check(cases[i].text);
		if (error != -EINVAL || !strstr(why.text, cases[i].words)) {
			fprintf(stderr, "\n%s\n  gives %d: %s\n", cases[i].text, error, why.text);
			CU_FAIL("wrong verdict or reason");
		}
		tscfd_config_fini(&config);
	}
}

/* CONTROL_ROUTES_MAX of them fit into one Configuration Response. */
static void more_routes_than_a_client_can_be_told(void)
{
	for (unsigned count = 64; count <= 65; count++) {
		char text[4096] = LISTEN POOL4 "[ims]\n";
		for (unsigned i = 0; i < count; i++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text),
				"routes = 10.1.%u.0/24\n", i);
		CU_ASSERT_EQUAL(read_and_check(text), count == 64 ? 0 : -EINVAL);
		CU_ASSERT_STRING_EQUAL(why.text,
			count == 64 ? ""
				    : "[ims] routes has 65 entries; a client can be told of 64");
		tscfd_config_fini(&config);
	}
}

static void keys_without_effect(void)
{
	static const struct {
		const char *text, *key; /* NULL: none */
	} cases[] = {
		{"[listen]\nplain = yes\n", NULL},
		{"[listen]\nplain = no\n", NULL},
		{"[listen]\nfallback = 127.0.0.1:80\n", "fallback"},
		{"[pool]\nsame-identity = allow\n", NULL},
		{"[pool]\nsame-identity = replace\n", NULL},
		{"[session]\nstate-file = /x\n", NULL},
		{"[session]\nlanes = 1\n", NULL},
		{"[session]\nlanes = 2\n", NULL},
		{"[control]\nmetrics = /m\n", NULL},
		{LISTEN POOL4 ROUTES "dns = 10.1.0.1\n", NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tscfd_config_init(&config);
		CU_ASSERT_EQUAL(
			config_read(&config, tscfd_config_keys, cases[i].text, "c", &why), 0);
		const struct config_key *key = config_next_inert(&config, tscfd_config_keys, NULL);
		CU_ASSERT_EQUAL(key != NULL, cases[i].key != NULL);
		if (key && cases[i].key) {
			CU_ASSERT_STRING_EQUAL(key->name, cases[i].key);
			CU_ASSERT_PTR_NULL(config_next_inert(&config, tscfd_config_keys, key));
		}
		tscfd_config_fini(&config);
	}
}

static const struct unit_test tests[] = {
	{"every default can be read", every_default_can_be_read},
	{"defaults", defaults},
	{"every key lands in its field", every_key_lands_in_its_field},
	{"small files that pass", small_files_that_pass},
	{"what an operator gets wrong", what_an_operator_gets_wrong},
	{"more routes than a client can be told", more_routes_than_a_client_can_be_told},
	{"keys without effect", keys_without_effect},
};

UNIT_MAIN("tscfd_config", tests)
