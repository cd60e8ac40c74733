/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the kernel knows of a running tscfd. */
#ifndef TSCF_BENCH_MANY_SERVER_H
#define TSCF_BENCH_MANY_SERVER_H

#include <stdint.h>
#include <sys/types.h>

struct server_memory {
	uint64_t pss, rss; /* octets */
};

/* Processor time of all its threads, user and system, ns. */
uint64_t server_cpu(pid_t pid);
struct server_memory server_memory(pid_t pid);

#endif
