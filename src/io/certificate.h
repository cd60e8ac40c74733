/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What we must say about a certificate or a CRL, read out of its DER: names,
 * validity, serial number, the public key as it is pinned.  Whether it is
 * trusted is wolfSSL's decision, never this file's.  (RFC 5280 4.1, 5.1.)
 *
 * The input may be anything that a peer sent; every view borrows it. */
#ifndef TSCF_IO_CERTIFICATE_H
#define TSCF_IO_CERTIFICATE_H

#include <stdbool.h>

#include "core/address.h"
#include "core/octets.h"

enum { CERTIFICATE_NAME_MAX = 160, CERTIFICATE_TIME_MAX = 32, CERTIFICATE_SERIAL_MAX = 48 };

struct certificate {
	struct view serial;    /* content of the INTEGER */
	struct view issuer;    /* content of the Name */
	struct view subject;   /* likewise */
	struct view key;       /* the whole SubjectPublicKeyInfo, header included */
	struct view alt_names; /* content of subjectAltName's GeneralNames; may be empty */
	int64_t not_before;    /* seconds of the epoch */
	int64_t not_after;
};

struct revocation_list {
	struct view issuer;
	int64_t this_update;
	int64_t next_update; /* 0 when it names none */
};

/* False when `der` is not what it should be. */
bool certificate_parse(struct certificate *out, struct view der);
bool revocation_list_parse(struct revocation_list *out, struct view der);

/* All of these return `text`, which holds clean UTF-8: "CN=tscf.example, O=Example". */
const char *certificate_name(struct view name, char text[CERTIFICATE_NAME_MAX]);
/* "2026-01-01 00:00:00 UTC" */
const char *certificate_time(int64_t seconds, char text[CERTIFICATE_TIME_MAX]);
/* Lower-case hex. */
const char *certificate_serial(
	const struct certificate *certificate, char text[CERTIFICATE_SERIAL_MAX]);
/* The subject's CN alone; false when there is none that is clean text. */
bool certificate_common_name(const struct certificate *certificate, char *text, size_t room);
/* All that the certificate is for: DNS names and addresses of subjectAltName,
 * or the CN when it has none: "a.example, 192.0.2.1". */
void certificate_subjects(const struct certificate *certificate, char *text, size_t room);

/* Is it for this host (RFC 9525, strictly)?  A numeric address must be an
 * iPAddress; a name must equal a dNSName, where "*" stands for the whole
 * leftmost label only.  The CN counts only when there is no subjectAltName of
 * either kind. */
bool certificate_is_for(const struct certificate *certificate, const char *host);

#endif
