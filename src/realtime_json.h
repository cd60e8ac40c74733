/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a tunnel's calls fare, in the status of both programs. */
#ifndef TSCF_REALTIME_JSON_H
#define TSCF_REALTIME_JSON_H

#include <jansson.h>

#include "tunnel.h"

/* Rating, losses, copies, what bulk may send, and how long packets of each class
 * waited.  Returns owned. */
json_t *realtime_json(const struct tunnel *tunnel);

#endif
