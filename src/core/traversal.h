/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steps 1, 2, 3: does this network let IMS pass, and if not, how is it crossed?
 *
 *   step 1  sip    register as in TS 24.229: does a P-CSCF answer directly?
 *           nat    NAT traversal: does media pass, does SIP pass with outbound?
 *   step 2  tls    TLS to the TSCF, port 443 (TS 24.322 5.2.2.2)
 *   step 3  proxy  HTTP CONNECT to the default proxy, then step 2 on the very
 *                  same connection (TS 24.322 5.2.2.3)
 *
 * The order is that of the founding change request (stage 3, firewall
 * traversal); order = proxy-first puts step 3 before step 2, as TS 24.322
 * 5.2.2.1 does when a proxy is configured.
 *
 * A pure state machine: an event and the time go in, actions come out.  The
 * caller owns every socket, carries out the actions in the order given, and
 * says what came of them with further events.  Nothing is allocated.
 *
 * Invariants:
 *   - A step starts only after all before it have failed or were skipped
 *     (nat, once sip has passed, looks only whether media passes).  With
 *     overlap it may start early, but is used only then.  One exception:
 *     after a new network or a loss, the tunnel's last step is dialled at
 *     once (on a new network with a call up: steps 2 and 3 both), and the steps run again
 *     beside it.
 *   - At most one path is in use, and the kernel holds `tunnel` exactly while
 *     that path is a confirmed tunnel.
 *   - A run ends after traversal_bound() at the latest, whatever happens
 *     outside; new networks put that off until TRAVERSAL_ABANDON_US of work
 *     has been thrown away.
 *   - While media flows nothing is switched by choice.
 *   - A tunnel that is lost with media on it is dialled at once and, if its
 *     TSCF is just not there, again for TRAVERSAL_REDIAL_US, before anything
 *     else is concluded: a restart takes a moment.  One that was idle when its
 *     TSCF closed it waits for a moment of its own within TRAVERSAL_SPREAD_US,
 *     so that the TSCF's thousand others do not come back together. */
#ifndef TSCF_CORE_TRAVERSAL_H
#define TSCF_CORE_TRAVERSAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/backoff.h"
#include "core/tse_config.h"

enum {
	TRAVERSAL_STEPS = 4,
	TRAVERSAL_ACTIONS = 24, /* more than one event can cause */
	TRAVERSAL_TARGET = 160, /* octets of a target's text */
	TRAVERSAL_WORDS = 320,  /* octets of evidence from the caller */
	TRAVERSAL_EVIDENCE = 640,
	TRAVERSAL_LINE = 768,     /* room for one step's line */
	TRAVERSAL_EXPLAIN = 6144, /* room for all of traversal_explain() */
};

#define TRAVERSAL_NEVER UINT64_MAX

/* All in us. */
#define TRAVERSAL_SETTLE_US       UINT64_C(150000)   /* new networks come in bursts */
#define TRAVERSAL_ABANDON_US      UINT64_C(6000000)  /* of unfinished runs */
#define TRAVERSAL_CHECK_US        UINT64_C(2000000)  /* for a sign of life on a new network */
#define TRAVERSAL_PATIENCE_US     UINT64_C(200000)   /* before a call moves to another connection */
#define TRAVERSAL_REDIAL_US       UINT64_C(3000000)  /* a lost call's tunnel is dialled, ... */
#define TRAVERSAL_REDIAL_FIRST_US UINT64_C(50000)    /* ... this apart at first, ... */
#define TRAVERSAL_REDIAL_NEXT_US  UINT64_C(100000)   /* ... and then this */
#define TRAVERSAL_SPREAD_US       UINT64_C(30000000) /* idle clients of a TSCF that went away */
#define TRAVERSAL_SHORT_LIFE_US   UINT64_C(30000000) /* a tunnel lost sooner waits (backoff) */
#define TRAVERSAL_APART_US        UINT64_C(60000000) /* between two direct successes */
#define TRAVERSAL_QUIET_US        UINT64_C(60000000) /* without media before a move by choice */
#define TRAVERSAL_DWELL_US        UINT64_C(300000000) /* in a tunnel before leaving it by choice */
#define TRAVERSAL_REPROBE_US      UINT64_C(900000000) /* +-20 % */
#define TRAVERSAL_CAPTIVE_US      UINT64_C(10000000)  /* a captive portal, the first time */
#define TRAVERSAL_CAPTIVE_NEXT_US UINT64_C(60000000)

enum traversal_step { TRAVERSAL_SIP, TRAVERSAL_NAT, TRAVERSAL_TLS, TRAVERSAL_PROXY };

enum traversal_path {
	TRAVERSAL_PATH_NONE,
	TRAVERSAL_PATH_DIRECT,
	TRAVERSAL_PATH_TLS,
	TRAVERSAL_PATH_PROXY,
};

/* What the kernel holds for IMS prefixes. */
enum traversal_kernel {
	TRAVERSAL_KERNEL_UNSET,       /* before the first event only */
	TRAVERSAL_KERNEL_ABSENT,      /* no rule, no route: apps go direct */
	TRAVERSAL_KERNEL_TUNNEL,      /* via the tunnel's interface */
	TRAVERSAL_KERNEL_UNREACHABLE, /* nothing leaks */
};

/* What the network does. */
enum traversal_firewall {
	TRAVERSAL_FIREWALL_UNKNOWN,
	TRAVERSAL_FIREWALL_NONE,
	TRAVERSAL_FIREWALL_NAT,
	TRAVERSAL_FIREWALL_STRICT,
};

/* What happened. */
enum traversal_verdict {
	TRAVERSAL_UNKNOWN,
	TRAVERSAL_DIRECT,
	TRAVERSAL_TUNNEL,
	TRAVERSAL_TUNNEL_PROXY,
	TRAVERSAL_REFUSED,       /* TLS worked; the TSCF said no */
	TRAVERSAL_CAPTIVE,       /* a captive portal wants a person first */
	TRAVERSAL_INSPECTED,     /* TLS is intercepted, which is never accepted */
	TRAVERSAL_PROXY_AUTH,    /* the proxy wants credentials that we do not have */
	TRAVERSAL_MEDIA_BLOCKED, /* signalling passes, media cannot, and no tunnel */
	TRAVERSAL_DEAD,          /* IMS cannot run through this network */
};
enum { TRAVERSAL_VERDICTS = TRAVERSAL_DEAD + 1 };

/* Why. */
enum traversal_cause {
	TRAVERSAL_CAUSE_NONE,
	/* a step was skipped */
	TRAVERSAL_CAUSE_NO_TARGET,
	TRAVERSAL_CAUSE_PRIVATE_TARGET, /* a private P-CSCF address, and direct = no */
	TRAVERSAL_CAUSE_ONLY_REPORT,    /* sip-security = ipsec-3gpp: no probe can tell */
	TRAVERSAL_CAUSE_MODE,           /* mode = always does without step 1 */
	/* an app's own report decided, over every probe */
	TRAVERSAL_CAUSE_REPORT,
	/* the network */
	TRAVERSAL_CAUSE_TIMEOUT, /* silence */
	TRAVERSAL_CAUSE_NO_NAME, /* the name does not resolve */
	TRAVERSAL_CAUSE_NO_NETWORK,
	TRAVERSAL_CAUSE_UNREACHABLE, /* ICMP, "no route", "prohibited" */
	TRAVERSAL_CAUSE_RESET,       /* connection refused or reset */
	TRAVERSAL_CAUSE_PROTOCOL,    /* what answered is not what we asked for */
	TRAVERSAL_CAUSE_UDP_BLOCKED, /* nat: media cannot pass */
	TRAVERSAL_CAUSE_TLS_STALLED, /* TCP connects, TLS gets no answer */
	TRAVERSAL_CAUSE_CAPTIVE,
	/* certificates */
	TRAVERSAL_CAUSE_CERTIFICATE, /* expired, other name, revoked */
	TRAVERSAL_CAUSE_INSPECTED,   /* issued by somebody we do not trust, or another key */
	TRAVERSAL_CAUSE_CLOCK,       /* our clock is wrong */
	/* the proxy */
	TRAVERSAL_CAUSE_PROXY_AUTH,
	TRAVERSAL_CAUSE_PROXY_DENIED,      /* 403 and its like */
	TRAVERSAL_CAUSE_PROXY_GATEWAY,     /* 502, 504: the proxy does not reach the TSCF */
	TRAVERSAL_CAUSE_PROXY_UNSUPPORTED, /* a kind of proxy that we cannot use */
	/* a refusal by the TSCF */
	TRAVERSAL_CAUSE_AUTHENTICATION,
	TRAVERSAL_CAUSE_NO_ADDRESS,
	TRAVERSAL_CAUSE_OVERLOADED,
	TRAVERSAL_CAUSE_POLICY,
	TRAVERSAL_CAUSE_SHUTTING_DOWN,
	TRAVERSAL_CAUSE_VERSION, /* it does not understand us */
	/* the tunnel */
	TRAVERSAL_CAUSE_NOT_CONFIRMED, /* TLS worked, then no tunnel came of it */
	TRAVERSAL_CAUSE_LOST,
	TRAVERSAL_CAUSE_LOCAL, /* this host: no memory, no permission */
	/* of a verdict only */
	TRAVERSAL_CAUSE_ALL_SILENT,   /* TSCF and P-CSCF: network or operator, cannot tell */
	TRAVERSAL_CAUSE_NEW_NETWORK,  /* nothing is known yet */
	TRAVERSAL_CAUSE_RESUMED,      /* a tunnel taken along, step 1 not yet decided */
	TRAVERSAL_CAUSE_DIRECT_WORKS, /* and the tunnel will be left in time */
};
enum { TRAVERSAL_CAUSES = TRAVERSAL_CAUSE_DIRECT_WORKS + 1 };

enum traversal_state {
	TRAVERSAL_IDLE, /* not tried in this run */
	TRAVERSAL_RUNNING,
	TRAVERSAL_PASSED,
	TRAVERSAL_FAILED,
	TRAVERSAL_SKIPPED,      /* nothing to try: not the same as failed */
	TRAVERSAL_STEP_REFUSED, /* tls, proxy: a TSCF answered and said no */
};

enum traversal_event_kind {
	TRAVERSAL_EVENT_START, /* once, first */
	TRAVERSAL_EVENT_RESULT,
	TRAVERSAL_EVENT_PROGRESS, /* what to say if the step times out now */
	TRAVERSAL_EVENT_REPORT,
	TRAVERSAL_EVENT_NETWORK, /* another network: link, address or route changed */
	TRAVERSAL_EVENT_RESUME,  /* from suspend */
	TRAVERSAL_EVENT_STALLED, /* a call goes on, and nothing of it arrives any more */
	TRAVERSAL_EVENT_MEDIA_STARTED,
	TRAVERSAL_EVENT_MEDIA_STOPPED,
	TRAVERSAL_EVENT_TUNNEL_CONFIRMED, /* the TSCF has answered through the path in use */
	TRAVERSAL_EVENT_TUNNEL_ALIVE,     /* the answer to TRAVERSAL_CHECK_TUNNEL */
	TRAVERSAL_EVENT_TUNNEL_LOST,      /* the path in use is gone, confirmed or not */
	TRAVERSAL_EVENT_KICK,
	TRAVERSAL_EVENT_TIMER,
};
enum { TRAVERSAL_EVENTS = TRAVERSAL_EVENT_TIMER + 1 };

/* Texts are borrowed for the call and copied; either may be NULL.
 *
 * RESULT.  sip: passed by any well-formed SIP response to our own transaction.
 * nat: passed when media passes, else failed; `signalling` tells apart whether
 * SIP itself got an answer by outbound or TURN.  tls, proxy: passed when the
 * TLS handshake is complete; the connection is then kept until USE_PATH or
 * CANCEL_STEP, and the Configuration Request is sent only after USE_PATH.  A
 * refusal or failure after USE_PATH and before TUNNEL_CONFIRMED is a RESULT
 * too; the caller has then dropped the connection.  A result that nobody waits
 * for is ignored. */
struct traversal_event {
	enum traversal_event_kind kind;
	enum traversal_step step;     /* RESULT, PROGRESS */
	enum traversal_state outcome; /* RESULT: passed, failed, skipped or refused */
	enum traversal_cause cause;   /* RESULT, PROGRESS, TUNNEL_LOST */
	const char *target;           /* "udp 192.0.2.1 port 5060": NULL keeps what is known */
	const char *words;            /* certificate problem, schemes, ... in plain words */
	int error;                    /* errno, 0: none */
	unsigned status;              /* SIP or HTTP status code, 0: none */
	bool behind_nat;              /* sip, nat: our address was translated */
	bool signalling;              /* nat */
	uint32_t retry_after;         /* s, refused: as told; 0: not told */
	bool registered;              /* REPORT: registration=ok */
	uint64_t last_media;          /* us, MEDIA_STOPPED */
};

enum traversal_action_kind {
	TRAVERSAL_START_STEP,
	/* Ends the attempt, also a passed one that is not in use; never the tunnel
	 * in use.  No result may follow. */
	TRAVERSAL_CANCEL_STEP,
	/* direct: nothing but the news.  tls, proxy: get a tunnel (with the resume
	 * token, if there is one) on the connection of that step; a tunnel that is
	 * in use is replaced, without a Release. */
	TRAVERSAL_USE_PATH,
	TRAVERSAL_LEAVE_TUNNEL, /* release it and drop its connection */
	TRAVERSAL_DROP_TUNNEL,  /* the same without a Release: it is dead, its token is good */
	TRAVERSAL_CHECK_TUNNEL, /* ask for a sign of life at once */
	TRAVERSAL_SET_KERNEL,
	TRAVERSAL_PUBLISH, /* traversal.finding has changed */
	/* Replaces the timer; TRAVERSAL_NEVER stops it. */
	TRAVERSAL_SET_TIMER,
};

struct traversal_action {
	enum traversal_action_kind kind;
	enum traversal_step step;
	enum traversal_path path;
	enum traversal_kernel kernel;
	uint64_t at; /* us */
};

struct traversal_config {
	enum traversal_mode mode;
	enum traversal_order order;
	bool overlap, require_media;
	uint64_t timeout[TRAVERSAL_STEPS]; /* us */
	uint64_t confirm_timeout;          /* us, from USE_PATH to TUNNEL_CONFIRMED */
};

/* What is known of one step. */
struct traversal_record {
	enum traversal_state state;
	enum traversal_cause cause;
	bool open; /* the caller holds an attempt that nobody uses yet */
	bool behind_nat, signalling;
	int error;
	unsigned status;
	uint32_t retry_after;           /* s */
	uint64_t started, ended;        /* us */
	uint64_t deadline;              /* us */
	enum traversal_cause if_silent; /* the cause should it time out */
	char target[TRAVERSAL_TARGET], words[TRAVERSAL_WORDS];
};

struct traversal_target {
	char text[TRAVERSAL_TARGET];  /* empty: the step is skipped ... */
	enum traversal_cause why_not; /* ... because */
};

/* What is published. */
struct traversal_finding {
	enum traversal_verdict verdict;
	enum traversal_firewall firewall;
	enum traversal_step step; /* that the evidence is from */
	enum traversal_cause cause;
	char evidence[TRAVERSAL_EVIDENCE]; /* may be empty */
};

enum traversal_report { TRAVERSAL_REPORT_NONE, TRAVERSAL_REPORT_OK, TRAVERSAL_REPORT_FAILED };

/* Read by the caller, written by traversal_*() only. */
struct traversal {
	struct traversal_config config;
	struct traversal_target targets[TRAVERSAL_STEPS];
	struct traversal_record steps[TRAVERSAL_STEPS];
	struct traversal_finding finding;
	enum traversal_path path;
	bool confirmed; /* the path in use is a tunnel, and it works */
	enum traversal_kernel kernel;
	bool running;         /* a run is under way; else next_run is awaited */
	uint64_t run_started; /* us */
	uint64_t next_run;    /* us */
	struct traversal_action actions[TRAVERSAL_ACTIONS];
	size_t action_count;

	/* The rest is nobody's business but ours. */
	uint64_t now;
	uint32_t random;
	struct traversal_record in_use;   /* of the tunnel's step, as it passed */
	enum traversal_path last;         /* that worked */
	unsigned redial;                  /* paths (1 << path) dialled out of order */
	bool lost;                        /* a tunnel, and no verdict since */
	enum traversal_path redial_again; /* waits for redial_at; none */
	uint64_t redial_at, redial_until; /* us */
	bool redialled;                   /* since the loss */
	bool moved;                       /* to another network since it was confirmed */
	bool silent;                      /* the tunnel has not answered since the new network */
	bool no_network;                  /* and it could not be dialled anew for want of one */
	uint64_t silent_since;            /* us */
	uint64_t confirm_at;              /* us, deadline */
	uint64_t tunnel_since;            /* us, confirmed */
	bool from_direct;                 /* the unconfirmed path replaces a direct one */
	bool direct_works;                /* beside the tunnel, ... */
	uint64_t direct_since;            /* ... since then without a failure, us */
	bool media, media_known;          /* flows now; has ever flowed */
	uint64_t media_last;              /* us */
	bool awaits_quiet;                /* a decision is put off until media ends */
	enum traversal_report report;     /* of this network, about the direct path */
	enum traversal_report reported_inside; /* about the tunnel: for people only */
	bool proxy_stands;                     /* proxy-auth is not asked again on its own */
	uint64_t abandoned;                    /* us of runs that new networks cut short */
	bool run_again;                        /* one more run as soon as this one ends */
	uint64_t restart_at;                   /* us */
	unsigned captive_tries;
	struct backoff backoff;
	uint64_t timer; /* us, as set */
	bool publish;
};

/* From the profile; confirm_timeout is 10 s. */
void traversal_configure(struct traversal_config *config, const struct tse_config *profile);
void traversal_init(struct traversal *traversal, const struct traversal_config *config);
/* Counts from the step's next start.  NULL: no target, because `why_not`.  All
 * steps are without a target at first. */
void traversal_set_target(struct traversal *traversal, enum traversal_step step, const char *target,
	enum traversal_cause why_not);
/* Replaces traversal->actions.  `now` in us, never going back; `random` is any
 * 32 random bits. */
void traversal_handle(struct traversal *traversal, const struct traversal_event *event,
	uint64_t now, uint32_t random);

/* us that a run may take. */
uint64_t traversal_bound(const struct traversal_config *config);
static inline bool traversal_path_is_tunnel(enum traversal_path path)
{
	return path == TRAVERSAL_PATH_TLS || path == TRAVERSAL_PATH_PROXY;
}

/* --- words: traversal_words.c, traversal_explain.c --- */

const char *traversal_step_name(enum traversal_step step);          /* "sip" */
const char *traversal_path_name(enum traversal_path path);          /* "direct" */
const char *traversal_state_name(enum traversal_state state);       /* "passed" */
const char *traversal_verdict_name(enum traversal_verdict verdict); /* "tunnel-proxy" */
const char *traversal_firewall_name(enum traversal_firewall firewall);
const char *traversal_kernel_name(enum traversal_kernel kernel);
const char *traversal_cause_name(enum traversal_cause cause);  /* "proxy-auth" */
const char *traversal_cause_words(enum traversal_cause cause); /* "no answer" */
const char *traversal_verdict_words(enum traversal_verdict verdict);
/* What the reader, or the help desk, should do now: a whole sentence. */
const char *traversal_next_step(enum traversal_verdict verdict, enum traversal_cause cause);
/* Cause, status code, errno, words and time taken of a record: "no answer,
 * after 4.0 s".  All writers cut what does not fit, and return `out`. */
char *traversal_evidence(const struct traversal_record *record, char *out, size_t size);
/* "step 1 sip    failed   udp 192.0.2.1 port 5060: no answer, after 4.0 s",
 * without a newline. */
char *traversal_line(
	const struct traversal *traversal, enum traversal_step step, char *out, size_t size);
/* One sentence: verdict, cause, evidence. */
char *traversal_sentence(const struct traversal_finding *finding, char *out, size_t size);
/* The four lines, "verdict: ..." and "next step: ...", each with its newline. */
char *traversal_explain(const struct traversal *traversal, char *out, size_t size);

#endif
