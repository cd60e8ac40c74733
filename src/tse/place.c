/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A visit to the namespace of the TUN. */
#include "tse/place.h"

#include <unistd.h>

#include "io/netmon.h"
#include "io/netns.h"

int place_enter(struct place *place, const char *netns, struct reason *why)
{
	*place = (struct place){.home = -1, .netmon = -1};
	return netns ? netns_enter(netns, &place->home, why) : 0;
}

int place_leave(struct place *place, struct reason *why)
{
	if (place->home < 0)
		return 0;
	struct reason later;
	place->netmon = netmon_socket(why);
	int result = place->netmon < 0 ? place->netmon : 0;
	/* Without it apps notice later; the client says so when it matters. */
	(void)sock_destroy_open(&place->sock_destroy, &later);
	int back = netns_leave(place->home, result < 0 ? &later : why);
	place->home = -1;
	return result < 0 ? result : back;
}

void place_close(struct place *place)
{
	if (place->netmon >= 0)
		close(place->netmon);
	place->netmon = -1;
	sock_destroy_close(&place->sock_destroy);
}
