/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a text in a configuration may be.  Each returns NULL when `text` is
 * right, else static words that follow it: "is not a host name". */
#ifndef TSCF_CORE_CONFIG_FAULT_H
#define TSCF_CORE_CONFIG_FAULT_H

const char *config_fault_host_name(const char *text); /* and no numeric address */
const char *config_fault_host(const char *text);      /* a name or a numeric address */
const char *config_fault_address(const char *text);   /* numeric only */
const char *config_fault_endpoint(const char *text);  /* HOST:PORT */
const char *config_fault_target(const char *text);    /* HOST or HOST:PORT */
const char *config_fault_stun(const char *text);      /* [stun:|turn:]HOST[:PORT], RFC 7064, 7065 */
const char *config_fault_proxy(const char *text);     /* auto, none, or a URL without secrets */
const char *config_fault_sip_uri(const char *text);
const char *config_fault_credential(const char *text); /* a user's name for a peer or proxy */
const char *config_fault_alpn(const char *text);
const char *config_fault_uid(const char *text);       /* NUMBER, NUMBER-NUMBER or a user's name */
const char *config_fault_file_name(const char *text); /* a name without directory */
/* What the kernel takes as the name of a network interface. */
const char *config_fault_interface(const char *text);
const char *config_fault_path(const char *text); /* absolute, since daemons run in / */
/* An absolute path short enough for sun_path (unix(7)). */
const char *config_fault_socket(const char *text);

#endif
