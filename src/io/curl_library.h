/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libcurl, loaded when the first proxy is asked and not when the program
 * starts: with the thirty libraries behind it that would take a fifth of the
 * time from the start of tse to the first packet, and most networks have no
 * proxy. */
#ifndef TSCF_IO_CURL_LIBRARY_H
#define TSCF_IO_CURL_LIBRARY_H

#include <curl/curl.h>

#include "core/reason.h"

/* Its functions, each under its own name without curl_. */
struct curl_library {
	__typeof__(curl_global_init) *global_init;
	__typeof__(curl_global_cleanup) *global_cleanup;
	__typeof__(curl_easy_init) *easy_init;
	__typeof__(curl_easy_setopt) *easy_setopt;
	__typeof__(curl_easy_getinfo) *easy_getinfo;
	__typeof__(curl_easy_strerror) *easy_strerror;
	__typeof__(curl_easy_cleanup) *easy_cleanup;
	__typeof__(curl_multi_init) *multi_init;
	__typeof__(curl_multi_setopt) *multi_setopt;
	__typeof__(curl_multi_add_handle) *multi_add_handle;
	__typeof__(curl_multi_remove_handle) *multi_remove_handle;
	__typeof__(curl_multi_socket_action) *multi_socket_action;
	__typeof__(curl_multi_info_read) *multi_info_read;
	__typeof__(curl_multi_cleanup) *multi_cleanup;
	__typeof__(curl_slist_append) *slist_append;
	__typeof__(curl_slist_free_all) *slist_free_all;
};

/* The same every time, and never unloaded; NULL: it is not there. */
const struct curl_library *curl_library_open(struct reason *why);

#endif
