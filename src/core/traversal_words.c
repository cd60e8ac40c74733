/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The traversal's words: names for programs, and for people, who must find out
 * without us what is wrong, what it is called and what to do next. */
#include "core/traversal.h"

#include <stddef.h>

/* --- names ---------------------------------------------------------------- */

const char *traversal_step_name(enum traversal_step step)
{
	static const char *const names[] = {"sip", "nat", "tls", "proxy"};
	return names[step];
}

const char *traversal_path_name(enum traversal_path path)
{
	static const char *const names[] = {"none", "direct", "tls", "proxy"};
	return names[path];
}

const char *traversal_state_name(enum traversal_state state)
{
	static const char *const names[] = {
		"idle", "running", "passed", "failed", "skipped", "refused"};
	return names[state];
}

const char *traversal_firewall_name(enum traversal_firewall firewall)
{
	static const char *const names[] = {"unknown", "none", "nat", "strict"};
	return names[firewall];
}

const char *traversal_kernel_name(enum traversal_kernel kernel)
{
	static const char *const names[] = {"unset", "absent", "tunnel", "unreachable"};
	return names[kernel];
}

static const struct {
	const char *name, *words;
} verdicts[TRAVERSAL_VERDICTS] = {
	[TRAVERSAL_UNKNOWN] = {"unknown", "it is not known whether IMS passes this network"},
	[TRAVERSAL_DIRECT] = {"direct", "IMS passes this network without a tunnel"},
	[TRAVERSAL_TUNNEL] = {"tunnel", "all IMS traffic goes through the tunnel to the TSCF"},
	[TRAVERSAL_TUNNEL_PROXY] = {"tunnel-proxy",
		"all IMS traffic goes through the tunnel to the TSCF, over the HTTP proxy"},
	[TRAVERSAL_REFUSED] = {"refused", "TLS to the TSCF works, but the TSCF refuses the tunnel"},
	[TRAVERSAL_CAPTIVE] = {"captive",
		"a captive portal holds all traffic until somebody has signed in"},
	[TRAVERSAL_INSPECTED] = {"inspected",
		"something on the way intercepts TLS, and such a connection is never used"},
	[TRAVERSAL_PROXY_AUTH] = {"proxy-auth",
		"the only way out is an HTTP proxy that does not accept us"},
	[TRAVERSAL_MEDIA_BLOCKED] = {"media-blocked",
		"signalling passes this network, but media does not, and there is no tunnel"},
	[TRAVERSAL_DEAD] = {"dead", "IMS services cannot run through this network"},
};

const char *traversal_verdict_name(enum traversal_verdict verdict)
{
	return verdicts[verdict].name;
}

const char *traversal_verdict_words(enum traversal_verdict verdict)
{
	return verdicts[verdict].words;
}

/* `dead` is the next step when nothing works because of that; NULL: it cannot
 * be the reason, or says no more than the verdict does. */
static const struct {
	const char *name, *words, *dead;
} causes[TRAVERSAL_CAUSES] = {
	[TRAVERSAL_CAUSE_NONE] = {"none", "", NULL},
	[TRAVERSAL_CAUSE_NO_TARGET] = {"no-target", "nothing is configured or found to be tried",
		"Name the TSCF in [tscf] server and the P-CSCF in [traversal] p-cscf."},
	[TRAVERSAL_CAUSE_PRIVATE_TARGET] = {"private-target",
		"the P-CSCF has a private address, which may belong to anybody here",
		"If this is the operator's own network, set [traversal] direct = yes."},
	[TRAVERSAL_CAUSE_ONLY_REPORT] = {"only-report",
		"with sip-security = ipsec-3gpp only an app can tell",
		"Let the app report how its registration went (tsectl report)."},
	[TRAVERSAL_CAUSE_MODE] = {"mode", "mode = always does without step 1", NULL},
	[TRAVERSAL_CAUSE_REPORT] = {"report", "an app reported how its registration went",
		"Ask the app why its registration failed; no tunnel can be had here either."},
	[TRAVERSAL_CAUSE_TIMEOUT] = {"timeout", "no answer",
		"It is the network or the operator, and from here one cannot tell which: try "
		"another network (a phone's hotspot), and ask the operator whether the TSCF "
		"is up."},
	[TRAVERSAL_CAUSE_NO_NAME] = {"no-name", "the name cannot be resolved",
		"Check the spelling in the profile; if it is right, ask the network's "
		"administrator why DNS does not resolve that name here."},
	[TRAVERSAL_CAUSE_NO_NETWORK] = {"no-network", "this host has no network",
		"Connect to a network: there is no route to the outside."},
	[TRAVERSAL_CAUSE_UNREACHABLE] = {"unreachable",
		"the network says that it cannot be reached",
		"Ask the network's administrator to allow TCP port 443 to the TSCF, or to name "
		"an HTTP proxy for [traversal] proxy."},
	[TRAVERSAL_CAUSE_RESET] = {"reset", "the connection was refused or reset",
		"Ask the operator whether the TSCF runs; if it does, the network's firewall "
		"rejects the connection, and its administrator must allow TCP port 443."},
	[TRAVERSAL_CAUSE_PROTOCOL] = {"protocol", "what answered is not what was asked for",
		"Check server and port in the profile; if they are right, something on the way "
		"answers in its place: show this to the network's administrator."},
	[TRAVERSAL_CAUSE_UDP_BLOCKED] = {"udp-blocked", "media cannot pass",
		"Ask the network's administrator to allow UDP to the media network, or TCP "
		"port 443 to the TSCF."},
	[TRAVERSAL_CAUSE_TLS_STALLED] = {"tls-stalled", "TCP connects, but TLS gets no answer",
		"A firewall that looks into connections lets TCP pass and TLS not: ask the "
		"network's administrator to allow TLS to the TSCF."},
	[TRAVERSAL_CAUSE_CAPTIVE] = {"captive", "a portal answered instead", NULL},
	[TRAVERSAL_CAUSE_CERTIFICATE] = {"certificate", "the TSCF's certificate is not acceptable",
		"Show the certificate's particulars to the operator of the TSCF: it must be "
		"valid now, and for the name in the profile."},
	[TRAVERSAL_CAUSE_INSPECTED] = {"inspected",
		"the certificate does not come from an issuer that the profile trusts", NULL},
	[TRAVERSAL_CAUSE_CLOCK] = {"clock", "this host's clock is wrong",
		"Set the clock of this host (timedatectl), then run tsectl kick."},
	[TRAVERSAL_CAUSE_PROXY_AUTH] = {"proxy-auth", "the proxy wants other credentials", NULL},
	[TRAVERSAL_CAUSE_PROXY_DENIED] = {"proxy-denied", "the proxy forbids it",
		"Ask the proxy's administrator to allow CONNECT to port 443 of the TSCF."},
	[TRAVERSAL_CAUSE_PROXY_GATEWAY] = {"proxy-gateway", "the proxy does not reach the TSCF",
		"Ask the operator whether the TSCF runs; if it does, ask the proxy's "
		"administrator why the proxy cannot reach it."},
	[TRAVERSAL_CAUSE_PROXY_UNSUPPORTED] = {"proxy-unsupported",
		"this kind of proxy cannot be used", "Name an http:// proxy in [traversal] proxy."},
	[TRAVERSAL_CAUSE_AUTHENTICATION] = {"authentication",
		"it does not accept our certificate or password", NULL},
	[TRAVERSAL_CAUSE_NO_ADDRESS] = {"no-address", "it has no inner address left", NULL},
	[TRAVERSAL_CAUSE_OVERLOADED] = {"overloaded", "it is overloaded", NULL},
	[TRAVERSAL_CAUSE_POLICY] = {"policy", "its policy forbids it", NULL},
	[TRAVERSAL_CAUSE_SHUTTING_DOWN] = {"shutting-down", "it is shutting down", NULL},
	[TRAVERSAL_CAUSE_VERSION] = {"version", "it does not understand this version", NULL},
	[TRAVERSAL_CAUSE_NOT_CONFIRMED] = {"not-confirmed",
		"the connection was made, but no tunnel came of it",
		"Check that the server in the profile is a TSCF; if it is, show this to its "
		"operator: it connects but does not serve."},
	[TRAVERSAL_CAUSE_LOST] = {"lost", "the tunnel was lost",
		"Nothing to do: it is being built again."},
	[TRAVERSAL_CAUSE_LOCAL] = {"local", "this host itself is the obstacle",
		"See the evidence and the log of tse: memory, permissions or limits of this "
		"host."},
	[TRAVERSAL_CAUSE_ALL_SILENT] = {"all-silent",
		"TSCF and P-CSCF are both silent: network or operator, cannot tell",
		"Try another network (a phone's hotspot): if IMS works there, this network "
		"blocks it, and its administrator must allow TCP port 443 to the TSCF; if it "
		"does not, call the operator."},
	[TRAVERSAL_CAUSE_NEW_NETWORK] = {"new-network", "the network is being examined", NULL},
	[TRAVERSAL_CAUSE_RESUMED] = {"resumed", "the tunnel was taken along to this network", NULL},
	[TRAVERSAL_CAUSE_DIRECT_WORKS] = {"direct-works",
		"the direct path works again, and the tunnel will be left once it has proved "
		"stable and no call is up",
		NULL},
};

const char *traversal_cause_name(enum traversal_cause cause)
{
	return causes[cause].name;
}

const char *traversal_cause_words(enum traversal_cause cause)
{
	return causes[cause].words;
}

/* --- next steps ----------------------------------------------------------- */

static const char *next_when_refused(enum traversal_cause cause)
{
	static const struct {
		enum traversal_cause cause;
		const char *next;
	} table[] = {
		{TRAVERSAL_CAUSE_AUTHENTICATION,
			"Check certificate, user and password in the profile with the operator of "
			"the TSCF, then start tse again."},
		{TRAVERSAL_CAUSE_NO_ADDRESS, "Tell the TSCF's operator that its addresses are used "
					     "up. It is asked again."},
		{TRAVERSAL_CAUSE_OVERLOADED, "Wait: it is asked again by itself. If it lasts, tell "
					     "the TSCF's operator."},
		{TRAVERSAL_CAUSE_POLICY,
			"Ask the TSCF's operator to allow this user, then run tsectl kick."},
		{TRAVERSAL_CAUSE_SHUTTING_DOWN, "Wait: it is asked again by itself."},
		{TRAVERSAL_CAUSE_VERSION,
			"Install a tse whose version suits the TSCF; ask its operator which."},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].cause == cause)
			return table[i].next;
	return "Ask the operator of the TSCF why it refuses the tunnel.";
}

static const char *next_when_unknown(enum traversal_cause cause)
{
	/* With these there is no verdict because there was nothing to try. */
	if (cause == TRAVERSAL_CAUSE_NO_TARGET || cause == TRAVERSAL_CAUSE_PRIVATE_TARGET ||
		cause == TRAVERSAL_CAUSE_ONLY_REPORT || cause == TRAVERSAL_CAUSE_LOST)
		return causes[cause].dead;
	return "Wait a few seconds: the steps are being tried.";
}

static const char *next_in_tunnel(enum traversal_cause cause)
{
	if (cause == TRAVERSAL_CAUSE_PRIVATE_TARGET || cause == TRAVERSAL_CAUSE_ONLY_REPORT)
		return causes[cause].dead;
	return "Nothing to do: IMS apps work through the tunnel.";
}

static const char *next_when_inspected(void)
{
	return "Ask the network's administrator to exempt the TSCF from TLS inspection; if there "
	       "is none here, compare ca and pin in the profile with the operator's.";
}

const char *traversal_next_step(enum traversal_verdict verdict, enum traversal_cause cause)
{
	switch (verdict) {
	case TRAVERSAL_UNKNOWN:
		return next_when_unknown(cause);
	case TRAVERSAL_DIRECT:
		return "Nothing to do: IMS apps work as they are.";
	case TRAVERSAL_TUNNEL:
	case TRAVERSAL_TUNNEL_PROXY:
		return next_in_tunnel(cause);
	case TRAVERSAL_REFUSED:
		return next_when_refused(cause);
	case TRAVERSAL_CAPTIVE:
		return "Open any web page in a browser and sign in to the portal; tse notices, "
		       "or run tsectl kick.";
	case TRAVERSAL_INSPECTED:
		return next_when_inspected();
	case TRAVERSAL_PROXY_AUTH:
		return "Set [traversal] proxy-user with proxy-password-file, or proxy-keytab, for "
		       "one of the schemes that the proxy named, then start tse again.";
	case TRAVERSAL_MEDIA_BLOCKED:
		return "Ask the network's administrator to allow UDP to the media network, or TCP "
		       "port 443 to the TSCF; without media, set [traversal] require-media = no.";
	case TRAVERSAL_DEAD:
		break;
	}
	return causes[cause].dead
		       ? causes[cause].dead
		       : "Show the lines above to the network's administrator and to the "
			 "operator.";
}
