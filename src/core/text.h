/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Questions that text from a peer must answer before anybody shows it, stores
 * it or looks it up.  Nothing here needs a final NUL. */
#ifndef TSCF_CORE_TEXT_H
#define TSCF_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TEXT_HOST_NAME_MAX = 253, TEXT_LABEL_MAX = 63 };

/* Valid UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above
 * U+10FFFF) without the control characters C0, DEL and C1. */
bool text_is_clean(const uint8_t *octets, size_t length);

/* Letters, digits, '-', '_' and dots between labels of 1 to 63, 253 in all; no
 * label begins or ends with '-' (RFC 1123 2.1), so that a name never looks
 * like an option either. */
bool text_is_host_name(const uint8_t *octets, size_t length);

/* "NAME:PORT", "1.2.3.4:PORT" or "[V6]:PORT", with a port from 1 to 65535. */
bool text_is_host_port(const uint8_t *octets, size_t length);

#endif
