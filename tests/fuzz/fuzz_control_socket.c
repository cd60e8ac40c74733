/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Requests on the control socket, in pieces as a stream brings them.  The
 * first octet says how long the pieces are. */
#include "io/control_line.h"

#include <stdint.h>
#include <stdlib.h>

enum { LIMIT = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length);

/* False when the stream has to be given up. */
static bool drain(struct control_lines *lines)
{
	struct reason why;
	for (;;) {
		json_t *request = NULL;
		switch (control_lines_next(lines, &request, &why)) {
		case CONTROL_LINE_OK:
			if (!json_is_object(request))
				abort();
			json_decref(request);
			break;
		case CONTROL_LINE_BAD:
			break;
		case CONTROL_LINE_TOO_LONG:
			return false;
		case CONTROL_LINE_MORE:
			if (lines->length > LIMIT)
				abort();
			return true;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
	struct control_lines lines = {.limit = LIMIT};
	if (length == 0)
		return 0;
	size_t piece = (size_t)octets[0] + 1;
	bool going = true;
	for (size_t at = 1; at < length && going; at += piece) {
		size_t count = length - at < piece ? length - at : piece;
		going = control_lines_put(&lines, (const char *)octets + at, count) &&
			drain(&lines);
	}
	control_lines_fini(&lines);
	return 0;
}
