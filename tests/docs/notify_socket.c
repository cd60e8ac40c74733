/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A service manager's ear: prints every sd_notify(3) message, one assignment
 * in a line, until it is ended.
 *
 *	notify_socket PATH */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char text[4096];

	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path))
		return 2;
	strcpy(address.sun_path, argv[1]);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror(argv[1]);
		return 1;
	}
	for (;;) {
		ssize_t length = recv(fd, text, sizeof(text), 0);
		if (length < 0)
			return 1;
		printf("%.*s\n", (int)length, text);
		fflush(stdout);
	}
}
