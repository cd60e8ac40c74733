/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Networks that forget idle connections, and how often to ask there. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "io/clock.h"
#include "io/log.h"
#include "tse/client_private.h"

/* Our end of the connection in use; version 0 when it cannot be told. */
static struct address local_address(const struct client *client)
{
	struct sockaddr_storage here = {0};
	socklen_t size = sizeof(here);
	struct address local = {0};
	if (getsockname(client->current->lane.fd, (struct sockaddr *)&here, &size) < 0)
		return local;
	if (here.ss_family == AF_INET)
		address_set(&local, 4, (const uint8_t *)&((struct sockaddr_in *)&here)->sin_addr);
	else if (here.ss_family == AF_INET6)
		address_set(&local, 6, (const uint8_t *)&((struct sockaddr_in6 *)&here)->sin6_addr);
	return local;
}

uint64_t client_keepalive_here(const struct client *client, uint64_t granted)
{
	struct address local = local_address(client);
	bool frail = granted > FRAIL_INTERVAL_US && frail_knows(&client->frail, &local);
	return frail ? FRAIL_INTERVAL_US : granted;
}

/* Idle, on a network that did not change, and nobody said why. */
void client_note_death(struct client *client, enum traversal_cause cause)
{
	uint64_t now = clock_now();
	struct address local = local_address(client);
	bool explained = cause != TRAVERSAL_CAUSE_LOST && cause != TRAVERSAL_CAUSE_RESET &&
			 cause != TRAVERSAL_CAUSE_TIMEOUT;
	/* A NAT that has forgotten us is noticed when we ask; a TSCF that restarts,
	 * at any time. */
	if (explained || client->keepalive.unanswered == 0 ||
		now - client->keepalive.heard < FRAIL_INTERVAL_US ||
		client->network_changed >= client->keepalive.heard ||
		client->grant.keepalive <= FRAIL_INTERVAL_US)
		return;
	log_line(LOG_NOTICE,
		"idle connections do not last on this network: from now on a "
		"keep-alive every %d s here",
		FRAIL_INTERVAL_US / 1000000);
	frail_note(&client->frail, &local);
}
