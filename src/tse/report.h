/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What people are told while tse tries: a line per step, what the tunnel has,
 * and, when there is none, why, and what to do next.  With the verdict the
 * start is over for whoever waits for it. */
#ifndef TSCF_TSE_REPORT_H
#define TSCF_TSE_REPORT_H

#include "tse/client.h"

/* After every event: prints the steps that have ended since, and ends the
 * start once there is a verdict. */
void report_progress(struct client *client);
/* The connection of the tunnel is made. */
void report_tls(struct client *client);
/* The tunnel is up. */
void report_up(struct client *client);
/* What the verdict is as an exit status. */
enum exit_status report_status(const struct client *client);
/* A packet from an address that the tunnel does not have: named once a
 * minute, by its source alone. */
void report_wrong_source(struct client *client, const struct packet *packet);

#endif
