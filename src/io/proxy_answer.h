/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a proxy said to CONNECT, line by line, and what that means: the failure
 * and the sentence for the administrator. */
#ifndef TSCF_IO_PROXY_ANSWER_H
#define TSCF_IO_PROXY_ANSWER_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "io/proxy_dial.h"

enum {
	PROXY_PHRASE_MAX = 80,
	PROXY_KERBEROS_MAX = 256,
	PROXY_HEADER_MAX = 16384,  /* octets of one answer's header */
	PROXY_ANSWER_MAX = 262144, /* octets of all answers, with their pages */
};

/* Facts only.  A new status line forgets those of the answer before. */
struct proxy_answer {
	unsigned status;
	char phrase[PROXY_PHRASE_MAX];
	char schemes[PROXY_SCHEMES_MAX];
	char portal[PROXY_PORTAL_MAX];
	size_t header;                     /* octets of this answer's header so far */
	unsigned refused;                  /* how often it said 407 */
	char kerberos[PROXY_KERBEROS_MAX]; /* why there is no ticket for it */
	bool too_long;
	bool trailing;          /* octets behind its 200 */
	struct reason our_side; /* a mark refused, ...; empty: nothing of that kind */
};

/* One line of a header, as libcurl hands it over. */
void proxy_answer_line(struct proxy_answer *answer, const char *line, size_t length);
/* Adds what libcurl understood of Proxy-Authenticate (CURLAUTH_*). */
void proxy_answer_offers(struct proxy_answer *answer, long offered);

/* What libcurl remarks on the way; only what it says of Kerberos is kept. */
void proxy_answer_note(struct proxy_answer *answer, const char *text, size_t length);

/* How the exchange ended, from libcurl's point of view. */
struct proxy_end {
	CURLcode code;
	CURLproxycode socks;
	const char *words; /* libcurl's own */
};

/* Who was asked for what, and with what. */
struct proxy_question {
	const struct proxy_dial_settings *settings;
	const struct address *address; /* of the proxy */
	bool may_password, may_basic, negotiate;
};

/* Fills failure, status, schemes, portal and why. */
void proxy_answer_judge(const struct proxy_answer *answer, const struct proxy_question *question,
	const struct proxy_end *end, struct proxy_dial_result *result);
/* The same when the time was over first; `octets` of an answer had come. */
void proxy_answer_judge_silence(const struct proxy_answer *answer,
	const struct proxy_question *question, uint64_t octets, struct proxy_dial_result *result);

#endif
