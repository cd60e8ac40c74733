/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How each call on a worker fares, for metrics. */
#ifndef TSCF_TSCFD_CALLS_H
#define TSCF_TSCFD_CALLS_H

#include <jansson.h>

#include "tscfd/worker.h"

/* An object for each tunnel with a call, by the id that sessions have: no names or
 * addresses.  Asks the kernel nothing, since a thousand calls may be up.  Owned. */
json_t *calls_each(const struct worker *worker);

#endif
