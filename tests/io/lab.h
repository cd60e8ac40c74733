/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A network of one's own for tests of the kernel's side: a fresh namespace,
 * the commands an administrator would type, and packets by hand. */
#ifndef TSCF_TESTS_LAB_H
#define TSCF_TESTS_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/tun.h"

enum { LAB_SKIP = 77, LAB_PATIENCE = 5000 /* ms, for what must happen */ };

/* Moves this process into a new namespace with only `lo`, up; exits with
 * LAB_SKIP where that is not allowed or there is no TUN driver. */
void lab_enter(void);

/* True when the shell command succeeds. */
bool lab_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Its output, valid until the next call; "" when it fails. */
const char *lab_output(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The kernel does some things a little later (carrier, IPv6 addresses): waits
 * until the command's output contains `text`, or is `whole`; false, with the
 * output on stderr, after LAB_PATIENCE. */
bool lab_until_shows(const char *text, const char *command);
bool lab_until_is(const char *whole, const char *command);
/* How many descriptors this process has open. */
size_t lab_descriptors(void);
/* Waits until the descriptor is readable; false after LAB_PATIENCE. */
bool lab_readable(int fd);

/* A connected UDP socket with that mark; -1 when that fails (errno). */
int lab_udp(const char *to, uint16_t port, uint32_t mark);
/* Sends something on it; 0 or -errno. */
int lab_send(int socket);
/* The next UDP packet on the TUN, other packets are skipped: fills the source
 * address as text; false when none comes. */
bool lab_tun_udp(const struct tun *tun, struct slot *slot, char source[46]);
/* Sends from `socket` and answers from the TUN's end: true when the packet came
 * out of the TUN with the source `inner` and the answer reached the socket. */
bool lab_echo(const struct tun *tun, int socket, const char *inner);
/* The same by ping(8). */
bool lab_ping(const struct tun *tun, const char *to);

/* One big slot; free() it. */
struct slot *lab_slot(void);

#endif
