/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a probe of SIP or STUN runs over. */
#ifndef TSCF_CORE_TRANSPORT_H
#define TSCF_CORE_TRANSPORT_H

enum transport { OVER_UDP, OVER_TCP, OVER_TLS };

/* A set of them: bits. */
enum { TRANSPORTS = 3, ANY_TRANSPORT = 1 << OVER_UDP | 1 << OVER_TCP | 1 << OVER_TLS };

/* "UDP", "TCP", "TLS", as in a Via. */
static inline const char *transport_name(enum transport transport)
{
	switch (transport) {
	case OVER_UDP:
		return "UDP";
	case OVER_TCP:
		return "TCP";
	case OVER_TLS:
		break;
	}
	return "TLS";
}

#endif
