/* SPDX-License-Identifier: GPL-3.0-or-later */
/* As much of an HTTP/1.x answer (RFC 9112) as telling a captive portal takes:
 * the status, where a redirection leads, and whether a page for people comes.
 *
 * The answer may come from anybody on the way.  Parsing never allocates; all
 * text that is kept is clean and bounded. */
#ifndef TSCF_CORE_HTTP_ANSWER_H
#define TSCF_CORE_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HTTP_ANSWER_MAX = 8192,  /* octets that are read of an answer */
	HTTP_LOCATION_MAX = 512, /* each with the final NUL */
	HTTP_PHRASE_MAX = 64,
};

enum http_result {
	HTTP_OK,   /* all that can be known of it */
	HTTP_MORE, /* not yet; what is filled in holds already */
	HTTP_BAD,  /* no HTTP/1.x answer */
};

struct http_answer {
	unsigned status; /* of the final answer, 200 to 599; 0: not yet known */
	char phrase[HTTP_PHRASE_MAX];
	/* An http or https URL without userinfo, or a relative reference, as
	 * Location gives it: what is no character of a URI (RFC 3986) is
	 * percent-encoded, a long one loses its query.  Empty: none. */
	char location[HTTP_LOCATION_MAX];
	bool html; /* a page: by its Content-Type, else by its first octet */
};

/* Of an answer's first `length` octets; call it again with more of them.  Who
 * has HTTP_ANSWER_MAX octets need not wait for more. */
enum http_result http_answer_parse(const uint8_t *octets, size_t length, struct http_answer *out);

/* Does `location` lead to another host than `host`, which is a name or a
 * numeric address?  A relative reference does not. */
bool http_location_leaves(const char *location, const char *host);

#endif
