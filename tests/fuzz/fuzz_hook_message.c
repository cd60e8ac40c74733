/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any message is refused, or is exactly the one that its values make. */
#include "core/hook_message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void require(int invariant)
{
	if (!invariant)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static char again[HOOK_MESSAGE_MAX];
	struct hook_values values;
	enum hook_value fault;
	if (!hook_message_get((const char *)input, size, &values))
		return 0;
	for (size_t i = 0; i < HOOK_VALUES; i++)
		for (const char *at = values.text[i]; *at; at++)
			require(*at >= ' ' && *at < 0x7f && !strchr("\"'`$\\;&|<>()*?", *at));
	require(hook_message_put(&values, again, sizeof(again), &fault) == size);
	require(memcmp(again, input, size) == 0);
	return 0;
}
