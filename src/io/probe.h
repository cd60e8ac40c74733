/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Does the network let a protocol through to one address?  One question, SIP
 * or STUN, over UDP (asked again as RFC 3261 and RFC 8489 say), TCP or TLS, on
 * a marked socket, so that it never measures the tunnel. */
#ifndef TSCF_IO_PROBE_H
#define TSCF_IO_PROBE_H

#include <ev.h>
#include <stdint.h>

#include "core/address.h"
#include "core/question.h"
#include "core/reason.h"
#include "core/transport.h"
#include "io/tls.h"

enum probe_outcome {
	PROBE_PASSED,      /* a well-formed answer to our own question, whatever it says */
	PROBE_SILENT,      /* nothing came back in time */
	PROBE_REFUSED,     /* RST, or ICMP says that nobody listens */
	PROBE_UNREACHABLE, /* no route, or ICMP says so; or a local firewall's rule */
	PROBE_CLOSED,      /* connected, then closed or reset without an answer */
	PROBE_GARBAGE,     /* something answered, but not our question */
	PROBE_TLS_FAILED,  /* see `tls` */
	PROBE_LOCAL,       /* our own side: mark refused, no descriptor, no memory */
	PROBE_NOT_TRIED,   /* of a step: not begun or stopped, since it was decided */
};
const char *probe_outcome_name(enum probe_outcome outcome); /* "passed", "silent", ... */

/* `host` is how the server is known, a name or a numeric address: for people,
 * for the Request-URI, and what its certificate must be for.  Borrowed. */
struct probe_target {
	struct address address;
	uint16_t port;
	enum transport transport;
	const char *host;
};

/* What is pointed to is borrowed until the probe is done. */
struct probe_settings {
	enum probe_protocol protocol;
	uint32_t mark;
	uint64_t timeout;        /* us */
	struct tls_context *tls; /* NULL: a target over TLS fails as PROBE_TLS_FAILED */
	enum sip_method method;  /* SIP: what is asked, */
	const char *identity;    /* and who asks; NULL: anonymous */
};

struct probe_result {
	enum probe_outcome outcome;
	int error;             /* errno, where there was one */
	unsigned status;       /* passed: of SIP; of STUN an error's, or 0 */
	enum tls_failure tls;  /* TLS_FAILED: what kind */
	struct address mapped; /* passed: ours, as the server sees it; version 0: not told */
	uint16_t mapped_port;
	struct address reporter; /* who sent the ICMP error, if one did */
	bool forbidden;          /* and that it is a firewall's rule */
	uint64_t took;           /* us */
	struct reason evidence;  /* target, transport, time, and what came: one sentence */
};

struct probe;

/* `done` is called exactly once, never from within probe_start, unless
 * probe_cancel comes first; `result` is borrowed.  0 or -errno. */
int probe_start(struct probe **out, struct ev_loop *loop, const struct probe_target *target,
	const struct probe_settings *settings,
	void (*done)(void *user, const struct probe_result *result), void *user);
/* Frees; `done` will not be called.  Takes NULL.  Not from within `done`, after
 * which the probe is freed by itself. */
void probe_cancel(struct probe *probe);

#endif
