/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steering as the kernel, ip(8) and an application see it:
 *
 *   apps --+-- tse0 (inner 10.64.0.7, fd24:322:7::7) -- the test, as the TSCF
 *          |     IMS prefixes 10.65.0.0/16, fd24:322:ffff::/48
 *          +-- wan0 (192.0.2.2, default route) ------- the test, as the world
 */
#ifndef TSCF_TESTS_STEER_FIXTURE_H
#define TSCF_TESTS_STEER_FIXTURE_H

#include "tse/steer.h"
#include "unit.h"

enum { MARK = 0x24322, TABLE = 24322 };

extern struct reason why;
extern struct tun wan, tun;
extern struct steer *steer;
/* A command for all that an administrator could see of us. */
extern const char look[];

/* In a namespace with the uplink; returns the exit status of main. */
int steer_tests(const char *suite, const struct unit_test *tests, size_t count);

struct prefix prefix(const char *text);
struct address address(const char *text);
struct tse_config config(enum steer_kind kind);
/* Both inner addresses, one prefix of each family. */
struct steer_plan plan(void);

/* Opens `tun` and `steer`; with a plan, the tunnel is up afterwards. */
bool start(const struct tse_config *settings, const struct steer_plan *wanted);
void stop(void);

bool shows(const char *command, const char *text);
/* Waits until the inner IPv6 address works, a little after it was set. */
bool has_ipv6(void);
bool strict_rp_filter(int value);
/* An app's packet goes through the tunnel and the answer comes back. */
bool app_reaches(const char *to, const char *inner);
/* The app gets an error at once. */
bool app_is_refused(const char *to);
/* A socket of the tunnel's own goes past the tunnel, and back. */
bool outer_reaches(const char *to, const char *from);

#endif
