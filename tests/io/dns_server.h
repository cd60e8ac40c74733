/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A DNS server on 127.0.0.1 port 53 of the test's own network namespace, in
 * the loop of the test: answers A, AAAA, SRV and NAPTR from a table, late if
 * told so. */
#ifndef TSCF_TESTS_IO_DNS_SERVER_H
#define TSCF_TESTS_IO_DNS_SERVER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

enum { DNS_ADDRESSES = 4 };

struct dns_srv {
	unsigned char priority, weight;
	unsigned short port;
	const char *target; /* NULL: end */
};

struct dns_naptr {
	unsigned char order, preference;
	const char *flags, *service, *replacement; /* service NULL: end */
};

/* A table ends with a NULL name. */
struct dns_name {
	const char *name;
	const char *ipv6[DNS_ADDRESSES], *ipv4[DNS_ADDRESSES]; /* NULL-terminated */
	unsigned ipv6_after, ipv4_after;                       /* ms */
	struct dns_srv srv[DNS_ADDRESSES];
	struct dns_naptr naptr[DNS_ADDRESSES];
	int rcode;
	bool silent;
};

struct dns_server {
	struct ev_io io;
	struct ev_loop *loop;
	const struct dns_name *names;
	size_t queries;
};

/* 0 or -errno. Names that are not in the table do not exist. */
int dns_server_open(struct dns_server *server, struct ev_loop *loop, const struct dns_name *names);
void dns_server_close(struct dns_server *server);

#endif
