/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why something failed, in words for an administrator.  Set-up functions
 * return 0 or -errno and fill a reason; whoever knows the whole context logs
 * it, once. */
#ifndef TSCF_CORE_REASON_H
#define TSCF_CORE_REASON_H

enum { REASON_MAX = 1024 };

struct reason {
	char text[REASON_MAX];
};

/* Replaces the text; cuts it when it does not fit.  Takes NULL. */
void reason_set(struct reason *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
