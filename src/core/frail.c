/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a network is called here: the prefix of our own address in it. */
#include "core/frail.h"

#include <string.h>

bool frail_knows(const struct frail *frail, const struct address *local)
{
	for (unsigned i = 0; i < FRAIL_NETWORKS; i++)
		if (frail->networks[i].address.version &&
			prefix_contains(&frail->networks[i], local))
			return true;
	return false;
}

void frail_note(struct frail *frail, const struct address *local)
{
	struct prefix *network = &frail->networks[frail->next];
	if (local->version == 0 || frail_knows(frail, local))
		return;
	network->length = local->version == 4 ? 24 : 64;
	memset(&network->address, 0, sizeof(network->address));
	network->address.version = local->version;
	memcpy(network->address.octets, local->octets, network->length / 8);
	frail->next = (frail->next + 1) % FRAIL_NETWORKS;
}
