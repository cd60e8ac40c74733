/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The octets of a certificate, key or CRL, wherever the configuration has them:
 * inline or in a file. */
#ifndef TSCF_IO_MATERIAL_H
#define TSCF_IO_MATERIAL_H

#include "core/config.h"
#include "core/octets.h"
#include "io/keeper.h"

enum { MATERIAL_LIMIT = 1024 * 1024 }; /* octets of any file but a CRL */

struct material {
	struct view view; /* borrows from the configuration what is inline there */
	uint8_t *owned;
};

/* Through the keeper, or without one (NULL) by ourselves.  What is not given is
 * empty.  0 or -errno. */
int material_load(struct keeper *keeper, const struct config_secret *secret, size_t limit,
	struct material *out, struct reason *why);
/* Cleanses; also what was never loaded but is all zero. */
void material_forget(struct material *material);

#endif
