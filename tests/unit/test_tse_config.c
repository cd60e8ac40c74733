/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A client profile: defaults, every key, and what must hold between them. */
#include "core/tse_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

/* Every check starts from the smallest profile that passes. */
#define SMALLEST "[tscf]\nserver = tscf.example\nca = /etc/tse/ca.pem\n"

static struct tse_config config;
static struct reason why;

static int read_and_check(const char *text)
{
	memset(&why, 0, sizeof(why));
	tse_config_init(&config);
	int error = config_read(&config, tse_config_keys, text, "tse.conf", &why);
	return error ? error : tse_config_check(&config, &why);
}

static void every_default_can_be_read(void)
{
	struct tse_config zero;
	memset(&zero, 0, sizeof(zero));
	for (const struct config_key *key = tse_config_keys; key->section; key++) {
		char assignment[200];
		if (!key->standard)
			continue;
		snprintf(assignment, sizeof(assignment), "%s.%s=%s", key->section, key->name,
			key->standard);
		CU_ASSERT_EQUAL(config_override(&zero, tse_config_keys, assignment, &why), 0);
	}
	tse_config_fini(&zero);
}

static void defaults(void)
{
	tse_config_init(&config);
	CU_ASSERT_EQUAL(config.servers.count, 0);
	CU_ASSERT_FALSE(config.has_pin);
	CU_ASSERT_EQUAL(config.min_tls, TLS_MINIMUM_1_2);
	CU_ASSERT_EQUAL(config.peer, PEER_AUTO);
	CU_ASSERT_EQUAL(config.mode, MODE_AUTO);
	CU_ASSERT_EQUAL(config.order, ORDER_DIRECT_FIRST);
	CU_ASSERT_FALSE(config.overlap);
	CU_ASSERT_FALSE(config.direct);
	CU_ASSERT_TRUE(config.require_media);
	CU_ASSERT_TRUE(config.end_to_end_security);
	CU_ASSERT_EQUAL(config.probe, PROBE_OPTIONS);
	CU_ASSERT_EQUAL(config.sip_security, SIP_SECURITY_NONE);
	CU_ASSERT_EQUAL(config.sip_timeout, 4000000);
	CU_ASSERT_EQUAL(config.nat_timeout, 3000000);
	CU_ASSERT_EQUAL(config.tls_timeout, 6000000);
	CU_ASSERT_EQUAL(config.proxy_timeout, 10000000);
	CU_ASSERT_STRING_EQUAL(config.proxy, "auto");
	CU_ASSERT_STRING_EQUAL(config.interface, "tse0");
	CU_ASSERT_EQUAL(config.mtu, 1500);
	CU_ASSERT_EQUAL(config.lanes, 0);
	CU_ASSERT_EQUAL(config.lanes_max, 0);
	CU_ASSERT_EQUAL(config.realtime_copies, 0);
	CU_ASSERT_EQUAL(config.realtime_budget, 150000);
	CU_ASSERT_EQUAL(config.keepalive, 45000000);
	CU_ASSERT_TRUE(config.offload);
	CU_ASSERT_EQUAL(config.steer, STEER_TABLE);
	CU_ASSERT_EQUAL(config.table, 24322);
	CU_ASSERT_EQUAL(config.fwmark, 0x24322);
	CU_ASSERT_EQUAL(config.allowed_routes.count, 0);
	CU_ASSERT_FALSE(config.dns);
	CU_ASSERT_EQUAL(config.log.target, LOG_TO_SYSLOG);
	CU_ASSERT_EQUAL(config.log.level, 6);
	CU_ASSERT_EQUAL(config.identities, IDENTITIES_FULL);
	CU_ASSERT_PTR_NULL(config_next_inert(&config, tse_config_keys, NULL));
	tse_config_fini(&config);
}

static void every_key_lands_in_its_field(void)
{
	CU_ASSERT_EQUAL(
		read_and_check(
			"[tscf]\nserver = a.example, [2001:db8::1]:8443\nserver = b.example\n"
			"ca = /ca\ncert = /cert\nkey = base64:Zm9v\n"
			"pin = sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
			"sni = front.example\nalpn = http/1.1\nuser = alice\n"
			"password-file = /pw\nmin-tls = 1.3\npeer = native\n"
			"[traversal]\nmode = probe-only\norder = proxy-first\noverlap = yes\n"
			"p-cscf = pcscf.example:5061, 192.0.2.5\ndirect = yes\n"
			"probe = register\nprobe-identity = sip:alice@ims.example\n"
			"sip-security = ipsec-3gpp\nstun = stun:stun.example:3478\n"
			"require-media = no\nend-to-end-security = no\nsip-timeout = 1\n"
			"nat-timeout = 2s\ntls-timeout = 300ms\nproxy-timeout = 1m\n"
			"proxy = http://proxy.example:3128/\nproxy-user = p\n"
			"proxy-password-file = /ppw\nproxy-keytab = /keytab\n"
			"[tunnel]\ninterface = ims0\nmtu = 9000\nlanes = 4\nlanes-max = 6\n"
			"realtime-copies = 2\nrealtime-budget = 80ms\nkeepalive = 20s\n"
			"offload = off\n"
			"[steering]\nsteer = table\ntable = 100\nfwmark = 7\n"
			"allowed-routes = 10.0.0.0/8, fd00::/8\nroutes = 10.1.0.0/16\n"
			"uid = 1000-1999, asterisk\nnetns = ims\n"
			"[log]\nlevel = debug\ntarget = stderr\nidentities = none\n"),
		0);
	CU_ASSERT_STRING_EQUAL(why.text, "");
	CU_ASSERT_EQUAL(config.servers.count, 3);
	CU_ASSERT_EQUAL(config.servers.items[1].port, 8443);
	CU_ASSERT_STRING_EQUAL(config.ca.path, "/ca");
	CU_ASSERT_STRING_EQUAL(config.cert.path, "/cert");
	CU_ASSERT_EQUAL(config.key.length, 3);
	CU_ASSERT_TRUE(config.has_pin);
	CU_ASSERT_STRING_EQUAL(config.sni, "front.example");
	CU_ASSERT_STRING_EQUAL(config.alpn, "http/1.1");
	CU_ASSERT_STRING_EQUAL(config.user, "alice");
	CU_ASSERT_STRING_EQUAL(config.password_file, "/pw");
	CU_ASSERT_EQUAL(config.min_tls, TLS_MINIMUM_1_3);
	CU_ASSERT_EQUAL(config.peer, PEER_NATIVE);
	CU_ASSERT_EQUAL(config.mode, MODE_PROBE_ONLY);
	CU_ASSERT_EQUAL(config.order, ORDER_PROXY_FIRST);
	CU_ASSERT_TRUE(config.overlap && config.direct);
	CU_ASSERT_FALSE(config.require_media || config.end_to_end_security);
	CU_ASSERT_EQUAL(config.p_cscf.count, 2);
	CU_ASSERT_EQUAL(config.stun.count, 1);
	CU_ASSERT_EQUAL(config.probe, PROBE_REGISTER);
	CU_ASSERT_STRING_EQUAL(config.probe_identity, "sip:alice@ims.example");
	CU_ASSERT_EQUAL(config.sip_security, SIP_SECURITY_IPSEC_3GPP);
	CU_ASSERT_EQUAL(config.sip_timeout, 1000000);
	CU_ASSERT_EQUAL(config.nat_timeout, 2000000);
	CU_ASSERT_EQUAL(config.tls_timeout, 300000);
	CU_ASSERT_EQUAL(config.proxy_timeout, 60000000);
	CU_ASSERT_STRING_EQUAL(config.proxy, "http://proxy.example:3128/");
	CU_ASSERT_STRING_EQUAL(config.proxy_user, "p");
	CU_ASSERT_STRING_EQUAL(config.proxy_password_file, "/ppw");
	CU_ASSERT_STRING_EQUAL(config.proxy_keytab, "/keytab");
	CU_ASSERT_STRING_EQUAL(config.interface, "ims0");
	CU_ASSERT_EQUAL(config.mtu, 9000);
	CU_ASSERT_EQUAL(config.lanes, 4);
	CU_ASSERT_EQUAL(config.lanes_max, 6);
	CU_ASSERT_EQUAL(config.realtime_copies, 2);
	CU_ASSERT_EQUAL(config.realtime_budget, 80000);
	CU_ASSERT_EQUAL(config.keepalive, 20000000);
	CU_ASSERT_FALSE(config.offload);
	CU_ASSERT_EQUAL(config.steer, STEER_TABLE);
	CU_ASSERT_EQUAL(config.table, 100);
	CU_ASSERT_EQUAL(config.fwmark, 7);
	CU_ASSERT_EQUAL(config.allowed_routes.count, 2);
	CU_ASSERT_EQUAL(config.routes.count, 1);
	CU_ASSERT_EQUAL(config.uid.count, 2);
	CU_ASSERT_STRING_EQUAL(config.netns, "ims");
	CU_ASSERT_EQUAL(config.log.level, 7);
	CU_ASSERT_EQUAL(config.log.target, LOG_TO_STDERR);
	CU_ASSERT_EQUAL(config.identities, IDENTITIES_NONE);
	tse_config_fini(&config);
}

static void some_may_have_everything(void)
{
	static const char *const selectors[] = {"uid = 1000", "steer-fwmark = 9", "netns = ims"};
	char text[sizeof(SMALLEST) + 128];
	for (size_t i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++) {
		snprintf(text, sizeof(text), "%s[steering]\n%s\nallowed-routes = 0.0.0.0/0, ::/0\n",
			SMALLEST, selectors[i]);
		CU_ASSERT_EQUAL(read_and_check(text), 0);
		CU_ASSERT_TRUE(tse_config_is_selective(&config));
		tse_config_fini(&config);
	}
	CU_ASSERT_EQUAL(read_and_check(SMALLEST), 0);
	CU_ASSERT_FALSE(tse_config_is_selective(&config));
	tse_config_fini(&config);
}

static void the_smallest_profile_passes(void)
{
	CU_ASSERT_EQUAL(read_and_check(SMALLEST), 0);
	tse_config_fini(&config);
	CU_ASSERT_EQUAL(read_and_check(SMALLEST "[traversal]\nmode = always\n"), 0);
	tse_config_fini(&config);
}

static void what_an_administrator_gets_wrong(void)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{"", "server is missing"},
		{"[tscf]\nserver = a\n", "ca is missing"},
		{SMALLEST "cert = /c\n", "cert is given without key"},
		{SMALLEST "key = /k\n", "key is given without cert"},
		{SMALLEST "user = u\n", "user is given without password-file"},
		{SMALLEST "password-file = /p\n", "password-file is given without user"},
		{SMALLEST "user = u\npassword-file = /p\npeer = 24322\n", "peer = 24322"},
		{SMALLEST "sni = 192.0.2.1\n", "`192.0.2.1' is not a host name"},
		{SMALLEST "alpn = h2, http/1.1\n", "is not one ALPN protocol"},
		{SMALLEST "min-tls = 1.1\n", "not one of: 1.2, 1.3"},
		{SMALLEST "[traversal]\nmode = tunnel\n", "not one of: auto, always, probe-only"},
		{SMALLEST "[traversal]\nprobe = register\n", "needs probe-identity"},
		{SMALLEST "[traversal]\nprobe-identity = alice\n", "is not a SIP URI"},
		{SMALLEST "[traversal]\nproxy = https://p.example:3128\n", "over TLS"},
		{SMALLEST "[traversal]\nproxy = http://u:p@p.example\n", "holds a user name"},
		{SMALLEST "[traversal]\nproxy = p.example\n", "is not auto, none, http://"},
		{SMALLEST "[traversal]\nproxy = http://\n", "is not auto, none, http://"},
		{SMALLEST "[traversal]\nproxy-user = u\n", "needs proxy-password-file"},
		{SMALLEST "[traversal]\nproxy-password-file = /p\n", "without proxy-user"},
		{SMALLEST "[traversal]\nstun = http:x\n", "is not [stun:"},
		{SMALLEST "[tunnel]\ninterface = a-name-too-long0\n", "1 to 15 octets"},
		{SMALLEST "[tunnel]\ninterface = a/b\n", "1 to 15 octets"},
		{SMALLEST "[tunnel]\ninterface = a b\n", "1 to 15 octets"},
		{SMALLEST "[tunnel]\ninterface = tse%d\n", "1 to 15 octets"},
		{SMALLEST "[tunnel]\ninterface =\n", "1 to 15 octets"},
		{SMALLEST "[tunnel]\nmtu = 1279\n", "from 1280 to 65522"},
		{SMALLEST "[tunnel]\nlanes = 17\n", "`auto' or a whole number from 1 to 16"},
		{SMALLEST "[tunnel]\nrealtime-copies = 3\n", "from 1 to 2"},
		{SMALLEST "[tunnel]\nkeepalive = 0\n", "from 1s to 1h"},
		{SMALLEST "[steering]\nfwmark = 0\n", "from 1 to 4294967295"},
		{SMALLEST "[steering]\ntable = 0\n", "from 1 to 4294967295"},
		{SMALLEST "[steering]\ntable = 253\n", "table must be one of our own"},
		{SMALLEST "[steering]\ntable = 254\n", "table must be one of our own"},
		{SMALLEST "[steering]\ntable = 255\n", "table must be one of our own"},
		{SMALLEST "[steering]\nallowed-routes = 10.0.0.0/8, 0.0.0.0/0\n",
			"allowed-routes: 0.0.0.0/0 is the default route"},
		{SMALLEST "[steering]\nroutes = ::/0\n", "routes: ::/0 is the default route"},
		{SMALLEST "[steering]\nallowed-routes = 10.0.0.0/8\nroutes = 10.0.0.0/7\n",
			"does not lie within"},
		{SMALLEST "[steering]\nallowed-routes = 10.0.0.0/8\nroutes = 10.0.0.0/9, "
			  "11.0.0.0/9\n",
			"11.0.0.0/9 does not lie within"},
		{SMALLEST "[steering]\nfwmark = 9\nallowed-routes = ::/0\n",
			"is the default route"},
		{SMALLEST "[steering]\nsteer-fwmark = 0\n", "from 1 to 4294967295"},
		{SMALLEST "[steering]\nsteer-fwmark = 9\nsteer = main\n", "needs steer = table"},
		{SMALLEST "[steering]\nsteer-fwmark = 9\nuid = 1000\n", "give one of them"},
		{SMALLEST "[steering]\nsteer-fwmark = 0x24322\n", "mark of the tunnel's own"},
		{SMALLEST "[steering]\nnetns = ims\ndns = yes\n", "resolv.conf"},
		{SMALLEST "[steering]\nuid = 1000\nsteer = main\n", "needs steer = table"},
		{SMALLEST "[steering]\nuid = 2000-1000\n", "is not a range"},
		{SMALLEST "[steering]\nuid = a b\n", "neither a user's number"},
		{SMALLEST "[steering]\nnetns = /run/netns/ims\n", "without a directory"},
		{SMALLEST "[log]\ntarget = file\n", "not one of: stderr, syslog, journal"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int error = read_and_check(cases[i].text);
		if (error != -EINVAL || !strstr(why.text, cases[i].words)) {
			fprintf(stderr, "\n%s\n  gives %d: %s\n", cases[i].text, error, why.text);
			CU_FAIL("wrong verdict or reason");
		}
		tse_config_fini(&config);
	}
	/* Reserved tables do not matter where no table of ours is used. */
	CU_ASSERT_EQUAL(read_and_check(SMALLEST "[steering]\nsteer = main\ntable = 254\n"), 0);
	tse_config_fini(&config);
	CU_ASSERT_EQUAL(
		read_and_check(SMALLEST "[steering]\nuid = 1000\nallowed-routes = ::/0\n"), 0);
	tse_config_fini(&config);
}

/* A struct that was not filled from a file. */
static void the_check_trusts_no_field(void)
{
	CU_ASSERT_EQUAL(read_and_check(SMALLEST), 0);
	config.fwmark = 0;
	CU_ASSERT_EQUAL(tse_config_check(&config, &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "fwmark must not be 0"));
	config.fwmark = 1;
	config.table = 0;
	CU_ASSERT_EQUAL(tse_config_check(&config, &why), -EINVAL);
	config.table = 1;
	config.mtu = 65523;
	CU_ASSERT_EQUAL(tse_config_check(&config, &why), -EINVAL);
	config.mtu = 65522;
	CU_ASSERT_EQUAL(tse_config_check(&config, &why), 0);
	tse_config_fini(&config);
}

static void keys_without_effect(void)
{
	static const struct {
		const char *text, *key; /* NULL: none */
	} cases[] = {
		{"[traversal]\nmode = always\n", NULL},
		{"[traversal]\nmode = auto\n", NULL},
		{"[traversal]\nmode = probe-only\n", NULL},
		{"[traversal]\ntls-timeout = 9s\nend-to-end-security = no\n", NULL},
		{"[traversal]\nproxy = none\norder = proxy-first\noverlap = yes\n", NULL},
		{"[traversal]\nsip-timeout = 9s\np-cscf = 192.0.2.5\ndirect = yes\n", NULL},
		{"[tunnel]\nlanes = 1\nrealtime-copies = 1\nlanes-max = 1\n", NULL},
		{"[tunnel]\nlanes = 2\nlanes-max = 4\n", NULL},
		{"[tunnel]\nrealtime-copies = 2\n", NULL},
		{"[steering]\nuid = 1000\n", NULL},
		{"[steering]\nroutes = 10.0.0.0/8\n", NULL},
		{"[steering]\nnetns = ims\n", NULL},
		{"[steering]\ndns = yes\n", NULL},
		{"[steering]\nsteer = main\nallowed-routes = 10.0.0.0/8\n", NULL},
		{"[tscf]\npeer = native\n", NULL},
		{"[tscf]\npeer = 24322\n", NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tse_config_init(&config);
		CU_ASSERT_EQUAL(config_read(&config, tse_config_keys, cases[i].text, "c", &why), 0);
		const struct config_key *key = config_next_inert(&config, tse_config_keys, NULL);
		CU_ASSERT_EQUAL(key != NULL, cases[i].key != NULL);
		if (key && cases[i].key) {
			CU_ASSERT_STRING_EQUAL(key->name, cases[i].key);
			CU_ASSERT_PTR_NULL(config_next_inert(&config, tse_config_keys, key));
		}
		tse_config_fini(&config);
	}
}

static const struct unit_test tests[] = {
	{"every default can be read", every_default_can_be_read},
	{"defaults", defaults},
	{"every key lands in its field", every_key_lands_in_its_field},
	{"the smallest profile passes", the_smallest_profile_passes},
	{"some may have everything", some_may_have_everything},
	{"what an administrator gets wrong", what_an_administrator_gets_wrong},
	{"the check trusts no field", the_check_trusts_no_field},
	{"keys without effect", keys_without_effect},
};

UNIT_MAIN("tse_config", tests)
