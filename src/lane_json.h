/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A lane in the status of both programs. */
#ifndef TSCF_LANE_JSON_H
#define TSCF_LANE_JSON_H

#include <jansson.h>

#include "lane.h"

/* Class, times and counts of its TCP as of the last look.  Returns owned. */
json_t *lane_json(const struct lane *lane);

#endif
