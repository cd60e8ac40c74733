/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the TSCF grants: as its Configuration Response says, and as a Configuration
 * Update changes it while the tunnel is up. */
#ifndef TSCF_TSE_GRANT_H
#define TSCF_TSE_GRANT_H

#include "tse/client.h"

/* Reads either message into `grant`, routes narrowed to what the profile allows.
 * An Update with result 0 states all values anew, another one only those that
 * appear in it; a list is replaced as a whole. */
void grant_read(const struct client *client, const struct control_message *message,
	struct client_grant *grant);
/* The grant's P-CSCF addresses are signalling, whatever port they use. */
void grant_teach_scheduler(struct client *client);
/* Makes the tunnel in use what the Update says, without losing a packet.  False,
 * with the reason in the log and nothing changed, when that cannot be or may not. */
bool grant_update(struct client *client, const struct control_message *update);
/* Cut to what there is room for. */
void grant_copy_text(char out[CLIENT_TEXT], const struct view *text);

#endif
