/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kept no longer than it takes to make a TLS context of it. */
#include "io/material.h"

int material_load(struct keeper *keeper, const struct config_secret *secret, size_t limit,
	struct material *out, struct reason *why)
{
	*out = (struct material){.view = {secret->der, secret->length}};
	if (!secret->path)
		return 0;
	int error = keeper_read(keeper, secret->path, &out->owned, &out->view.length, limit, why);
	out->view.octets = out->owned;
	return error;
}

void material_forget(struct material *material)
{
	if (material->owned)
		file_forget(material->owned, material->view.length);
}
