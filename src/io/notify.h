/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The service manager's notification socket (sd_notify(3) protocol), spoken
 * without libsystemd: one datagram to $NOTIFY_SOCKET. */
#ifndef TSCF_IO_NOTIFY_H
#define TSCF_IO_NOTIFY_H

/* Opens the socket named by the environment, before privileges are dropped.
 * Without $NOTIFY_SOCKET everything here does nothing. */
void notify_open(void);
/* printf-style, e.g. notify_send("READY=1\nSTATUS=tunnel up, %s", address). */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));
void notify_close(void);

#endif
