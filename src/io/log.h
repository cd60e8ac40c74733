/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log: one line per event, to stderr, syslog or the journal.  Never a line
 * per packet; never a key, token, password, inner destination, SIP text or DNS
 * name that a user asked for. */
#ifndef TSCF_IO_LOG_H
#define TSCF_IO_LOG_H

#include <syslog.h>

#include "core/config.h"

/* `program` is borrowed for the life of the process. */
void log_open(const char *program, const struct config_log *settings);
/* level is LOG_ERR, LOG_WARNING, LOG_INFO or LOG_DEBUG.  Any thread. */
void log_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_close(void);

#endif
