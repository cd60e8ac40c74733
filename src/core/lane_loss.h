/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether a tunnel's lanes lose segments, from what TCP counts: copies and
 * further lanes are for those that do.
 *
 * Pure: time comes in as microseconds of a monotonic clock. */
#ifndef TSCF_CORE_LANE_LOSS_H
#define TSCF_CORE_LANE_LOSS_H

#include <stdbool.h>
#include <stdint.h>

enum { LANE_LOSS_PERIOD = 10000000 /* us */ };

/* Of this period and the one before.  All zero to begin with. */
struct lane_loss {
	uint64_t since; /* us, when this period began */
	uint32_t segments[2], lost[2];
};

/* What the lanes that are not for bulk (its losses are of its own making) saw
 * since the last call: segments with payload sent and received
 * (tcpi_data_segs_out, _in), and how many were lost: retransmitted
 * (tcpi_total_retrans) or received out of order (tcpi_rcv_ooopack). */
void lane_loss_measured(struct lane_loss *loss, uint32_t segments, uint32_t lost, uint64_t now);
/* At least two segments, and one in 400, of the last ten to twenty seconds. */
bool lane_loss_seen(const struct lane_loss *loss, uint64_t now);
/* Lost segments in a million, of the same time. */
uint32_t lane_loss_ppm(const struct lane_loss *loss, uint64_t now);

#endif
