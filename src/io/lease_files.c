/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finding and reading lease files, within bounds. */
#include "io/lease_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	FILES_MAX = 64,       /* of one directory */
	FILE_OCTETS = 262144, /* of a longer one the end: dhclient appends */
};

/* Where they are, and how their names begin and end. */
static const struct place {
	const char *directory, *prefix, *part;
	bool is_dhclient;
} places[] = {
	{"/run/systemd/netif/leases", "", "", false},
	{"/var/lib/dhcp", "dhclient", ".lease", true},
	{"/var/lib/dhclient", "dhclient", ".lease", true},
	{"/var/lib/NetworkManager", "dhclient", ".lease", true},
};

/* The end of a regular file, owned by the caller; NULL when there is none. */
static uint8_t *read_end(int directory, const char *name, size_t *length)
{
	struct stat status;
	uint8_t *octets = NULL;
	*length = 0;
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		octets = malloc(FILE_OCTETS);
	off_t from = octets && status.st_size > FILE_OCTETS ? status.st_size - FILE_OCTETS : 0;
	while (octets && *length < FILE_OCTETS) {
		ssize_t got =
			pread(fd, octets + *length, FILE_OCTETS - *length, from + (off_t)*length);
		if (got <= 0)
			break;
		*length += (size_t)got;
	}
	close(fd);
	return octets;
}

static bool is_of_interest(const struct place *place, const char *name)
{
	return name[0] != '.' && strncmp(name, place->prefix, strlen(place->prefix)) == 0 &&
	       strstr(name, place->part) != NULL;
}

static void read_place(struct sip_lease *out, const struct place *place, const char *root)
{
	char path[4096];
	struct dirent *entry;
	snprintf(path, sizeof(path), "%s%s", root, place->directory);
	DIR *directory = opendir(path);
	for (size_t count = 0; directory && count < FILES_MAX && (entry = readdir(directory));) {
		size_t length;
		if (!is_of_interest(place, entry->d_name))
			continue;
		count++;
		uint8_t *octets = read_end(dirfd(directory), entry->d_name, &length);
		struct view text = {octets, length};
		if (octets && place->is_dhclient)
			sip_lease_read_dhclient(text, time(NULL), out);
		else if (octets)
			sip_lease_read_networkd(text, out);
		free(octets);
	}
	if (directory)
		closedir(directory);
}

void lease_files_read(struct sip_lease *out, const char *root)
{
	*out = (struct sip_lease){0};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		read_place(out, &places[i], root);
}
