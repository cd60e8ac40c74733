/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The status of tscfd as OpenMetrics text. */
#ifndef TSCF_TSCFD_METRICS_H
#define TSCF_TSCFD_METRICS_H

#include <jansson.h>
#include <stdint.h>

/* `status` is the merged status object; `calls_now` what calls_each() tells of all workers;
 * `expiry` when the server certificate ends, seconds of the epoch.  Returns owned
 * text, NULL without memory. */
char *metrics_format(const json_t *status, const json_t *calls_now, int64_t expiry);

#endif
