/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which of the DNS servers and domains that the TSCF named become the link's, for
 * the program that tells the system's resolver (scripts/tse-dns).
 *
 * A server counts only if it is reached through the tunnel.  A domain counts only
 * if no TSCF's name is in it: that name is needed to set the tunnel up, and so is
 * never asked through it. */
#ifndef TSCF_TSE_LINK_DNS_H
#define TSCF_TSE_LINK_DNS_H

#include "tse/client.h"

/* With spaces between them; both empty without `dns = yes`, or when there would
 * be servers without domains or domains without servers. */
struct link_dns {
	char servers[CONTROL_DNS_MAX * ADDRESS_TEXT_MAX];
	char domains[CONTROL_DOMAINS_MAX * (CLIENT_TEXT + 1)];
};

void link_dns_choose(const struct client *client, struct link_dns *out);
/* Logs what is left out, and why. */
void link_dns_explain(const struct client *client);

#endif
