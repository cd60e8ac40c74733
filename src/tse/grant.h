/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the TSCF grants, as its Configuration Response says, and what a Configuration
 * Update makes of it while the tunnel is up. */
#ifndef TSCF_TSE_GRANT_H
#define TSCF_TSE_GRANT_H

#include "tse/client.h"

/* Reads either message into `grant`, routes narrowed to what the profile allows.
 * An Update with result 0 states all values anew, another one leaves in `grant` what
 * does not appear in it; a list is replaced as a whole. */
void grant_read(const struct client *client, const struct control_message *message,
	struct client_grant *grant);
/* The grant's P-CSCF addresses are signalling, whatever port they use. */
void grant_teach_scheduler(struct client *client);
/* Cut to what there is room for. */
void grant_copy_text(char out[CLIENT_TEXT], const struct view *text);

#endif
