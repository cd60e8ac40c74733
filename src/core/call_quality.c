/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/call_quality.h"

#include "core/emodel.h"

static const double packet_ms = 20, buffer_ms = 60;
static const double million = 1e6;
/* How long until TCP has noticed and mended, beyond the round trip. */
static const double recovery_us = 50000;

/* Of all packets, how many come too late because a segment was lost. */
static double late_part(const struct call_path *path)
{
	double lost = path->loss_ppm / million;
	double behind = path->rate * (path->rtt + recovery_us) / million;
	double spread = path->lanes ? behind / path->lanes : behind;
	double late = lost * (spread > 1 ? spread : 1);
	if (late > 1)
		late = 1;
	return path->copies > 1 ? late * late : late;
}

double call_quality(const struct call_path *path)
{
	double stale = path->stale_ppm / million;
	struct emodel_path heard = {
		.delay_ms = packet_ms + buffer_ms + (path->rtt / 2. + path->waiting) / 1000.,
		.loss_percent = 100 * (stale + (1 - stale) * late_part(path)),
		.burst_ratio = 1,
	};
	return emodel_rating(EMODEL_G711, &heard);
}
