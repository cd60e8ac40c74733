/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dlopen, and the address of each function that is used. */
#include "io/curl_library.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Its binary interface has been the same since 2006. */
static const char soname[] = "libcurl.so.4";

static const struct {
	const char *name;
	size_t offset; /* in struct curl_library */
} functions[] = {
	{"curl_global_init", offsetof(struct curl_library, global_init)},
	{"curl_global_cleanup", offsetof(struct curl_library, global_cleanup)},
	{"curl_easy_init", offsetof(struct curl_library, easy_init)},
	{"curl_easy_setopt", offsetof(struct curl_library, easy_setopt)},
	{"curl_easy_getinfo", offsetof(struct curl_library, easy_getinfo)},
	{"curl_easy_strerror", offsetof(struct curl_library, easy_strerror)},
	{"curl_easy_cleanup", offsetof(struct curl_library, easy_cleanup)},
	{"curl_multi_init", offsetof(struct curl_library, multi_init)},
	{"curl_multi_setopt", offsetof(struct curl_library, multi_setopt)},
	{"curl_multi_add_handle", offsetof(struct curl_library, multi_add_handle)},
	{"curl_multi_remove_handle", offsetof(struct curl_library, multi_remove_handle)},
	{"curl_multi_socket_action", offsetof(struct curl_library, multi_socket_action)},
	{"curl_multi_info_read", offsetof(struct curl_library, multi_info_read)},
	{"curl_multi_cleanup", offsetof(struct curl_library, multi_cleanup)},
	{"curl_slist_append", offsetof(struct curl_library, slist_append)},
	{"curl_slist_free_all", offsetof(struct curl_library, slist_free_all)},
};

static bool find_functions(void *handle, struct curl_library *library)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *function = dlsym(handle, functions[i].name);
		if (!function)
			return false;
		memcpy((char *)library + functions[i].offset, &function, sizeof(function));
	}
	return true;
}

const struct curl_library *curl_library_open(struct reason *why)
{
	static struct curl_library library;
	static bool ready;
	if (ready)
		return &library;
	void *handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	ready = handle && find_functions(handle, &library);
	if (ready)
		return &library;
	reason_set(why, "libcurl, which speaks to proxies, cannot be loaded: %s", dlerror());
	if (handle)
		dlclose(handle);
	return NULL;
}
