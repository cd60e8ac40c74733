/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The addresses that a plain client makes for itself. */
#ifndef TSCF_CORE_PLAIN_GRANT_H
#define TSCF_CORE_PLAIN_GRANT_H

#include "core/plain_client.h"

/* `prefix` (8 octets) and an interface identifier that is always the same for
 * the same prefix, and tells nothing of the machine (after RFC 7217). */
void plain_address(const uint8_t uuid[PLAIN_UUID], const uint8_t prefix[8], struct address *out);
void plain_link_local(const uint8_t uuid[PLAIN_UUID], struct address *out);

#endif
