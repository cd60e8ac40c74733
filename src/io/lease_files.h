/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lease files of this system's DHCP clients: systemd-networkd, dhclient
 * (also when ifupdown or NetworkManager runs it). */
#ifndef TSCF_IO_LEASE_FILES_H
#define TSCF_IO_LEASE_FILES_H

#include "core/sip_lease.h"

/* The SIP servers that they name; none when there is no such file.  `root` is
 * put before every path: "" but in tests. */
void lease_files_read(struct sip_lease *out, const char *root);

#endif
