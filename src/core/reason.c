/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sentence that goes with a failure. */
#include "core/reason.h"

#include <stdarg.h>
#include <stdio.h>

void reason_set(struct reason *why, const char *format, ...)
{
	if (!why)
		return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(why->text, sizeof(why->text), format, arguments);
	va_end(arguments);
}
