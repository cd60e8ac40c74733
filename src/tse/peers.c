/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A line for each server: "tscf.example.net:443 plain 1795687200". */
#include "tse/peers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "io/log.h"
#include "tse/remember.h"

enum { PLAIN_FOR = 86400 /* s */, PATH_ROOM = 4200, LINE_ROOM = PEERS_NAME + 40 };

static void name_of(const struct config_endpoint *server, char text[PEERS_NAME])
{
	snprintf(text, PEERS_NAME, "%s:%u", server->host, server->port);
}

static void read_line(struct peers *peers, const char *line)
{
	char server[PEERS_NAME], kind[8];
	int64_t until = 0;
	if (peers->count == PEERS_MAX ||
		sscanf(line, "%263s %7s %" SCNd64, server, kind, &until) < 2)
		return;
	bool native = strcmp(kind, "native") == 0;
	if (!native && strcmp(kind, "plain") != 0)
		return;
	memcpy(peers->items[peers->count].server, server, sizeof(server));
	peers->items[peers->count].known = native ? PEER_KNOWN_NATIVE : PEER_KNOWN_PLAIN;
	peers->items[peers->count++].until = until;
}

void peers_load(struct peers *peers, const char *directory)
{
	char path[PATH_ROOM], line[LINE_ROOM];
	*peers = (struct peers){.directory = directory};
	if (!directory)
		return;
	snprintf(path, sizeof(path), "%s/peers", directory);
	FILE *file = fopen(path, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		read_line(peers, line);
	fclose(file);
}

static size_t place_of(const struct peers *peers, const struct config_endpoint *server)
{
	char name[PEERS_NAME];
	size_t place = 0;
	name_of(server, name);
	while (place < peers->count && strcmp(peers->items[place].server, name) != 0)
		place++;
	return place;
}

enum peer_known peers_find(const struct peers *peers, const struct config_endpoint *server)
{
	size_t place = place_of(peers, server);
	if (place == peers->count)
		return PEER_UNKNOWN;
	/* A clock that was set back must not make a day a year. */
	int64_t left = peers->items[place].until - (int64_t)time(NULL);
	if (peers->items[place].known == PEER_KNOWN_PLAIN && (left <= 0 || left > PLAIN_FOR))
		return PEER_UNKNOWN;
	return peers->items[place].known;
}

static void save(const struct peers *peers)
{
	char text[PEERS_MAX * LINE_ROOM] = "";
	size_t at = 0;
	if (!peers->directory)
		return;
	for (size_t i = 0; i < peers->count; i++)
		if (peers->items[i].known == PEER_KNOWN_NATIVE)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s native\n",
				peers->items[i].server);
		else if (peers->items[i].known == PEER_KNOWN_PLAIN)
			at += (size_t)snprintf(text + at, sizeof(text) - at,
				"%s plain %" PRId64 "\n", peers->items[i].server,
				peers->items[i].until);
	int error = remember_save(peers->directory, "peers", text);
	if (error)
		log_line(LOG_WARNING, "cannot write %s/peers: %s", peers->directory,
			strerror(-error));
}

void peers_note(struct peers *peers, const struct config_endpoint *server, enum peer_known known)
{
	size_t place = place_of(peers, server);
	if (place == peers->count) {
		if (known == PEER_UNKNOWN || place == PEERS_MAX)
			return;
		name_of(server, peers->items[place].server);
		peers->count++;
	} else if (peers->items[place].known == known && known != PEER_KNOWN_PLAIN) {
		return;
	}
	peers->items[place].known = known;
	peers->items[place].until = (int64_t)time(NULL) + PLAIN_FOR;
	save(peers);
}
