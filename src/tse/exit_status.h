/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The exit statuses of tse and tse-up; tse-up(8) documents them. */
#ifndef TSCF_TSE_EXIT_STATUS_H
#define TSCF_TSE_EXIT_STATUS_H

enum exit_status {
	STATUS_UP = 0,
	STATUS_INTERNAL = 1,
	STATUS_USAGE = 2,
	STATUS_CONFIGURATION = 3,
	STATUS_PRIVILEGE = 4,       /* no privilege, or no /dev/net/tun */
	STATUS_RUNNING = 5,         /* this profile runs already */
	STATUS_NO_NAME = 6,         /* the TSCF's name cannot be resolved */
	STATUS_UNREACHABLE = 7,     /* no TSCF address answered */
	STATUS_BAD_CERTIFICATE = 8, /* the TSCF's certificate is not acceptable */
	STATUS_REJECTED = 9,        /* the TSCF rejected our certificate or credentials */
	STATUS_REFUSED = 10,        /* TLS works, but the TSCF refuses: no address, policy, ... */
	STATUS_TIMEOUT = 11,
	STATUS_CONFLICT = 12,      /* an IMS prefix overlaps a local network */
	STATUS_PROTOCOL = 13,      /* what answered is no TSCF, or broke the protocol */
	STATUS_PROXY_AUTH = 14,    /* the HTTP proxy wants credentials */
	STATUS_CAPTIVE = 15,       /* a captive portal wants a person first */
	STATUS_MEDIA_BLOCKED = 16, /* SIP passes, media cannot, and there is no tunnel */
	STATUS_PROXY = 17,         /* the HTTP proxy does not let the tunnel through */
};

#endif
