/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Host names as DHCP carries them: in the wire format of the DNS (RFC 1035
 * 3.1), never compressed, each ended by the root (RFC 3361 3.1, RFC 8415 10).
 *
 *   5 p c s c f 7 e x a m p l e 3 n e t 0
 */
#ifndef TSCF_CORE_DNS_NAME_H
#define TSCF_CORE_DNS_NAME_H

#include <stdbool.h>

#include "core/octets.h"
#include "core/text.h"

enum { DNS_NAMES_MAX = 8 };

struct dns_names {
	char text[DNS_NAMES_MAX][TEXT_HOST_NAME_MAX + 1]; /* without the dot of the root */
	size_t count;
};

/* Adds the names of a list; those beyond DNS_NAMES_MAX are left out.  False
 * when it is no list of host names; `out` is then undefined. */
bool dns_names_read(struct view list, struct dns_names *out);

/* Writes one name; returns its octets, or 0 when it does not fit or is no host
 * name.  `name` need not end with NUL; the dot of the root may be there. */
size_t dns_name_put(struct view name, uint8_t *out, size_t room);

#endif
