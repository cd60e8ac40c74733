/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tscfd offers its clients: certificates and IMS parameters, read as one,
 * never changed afterwards, replaced as one by a reload.  Shared by the
 * threads through a reference count. */
#ifndef TSCF_TSCFD_SETTINGS_H
#define TSCF_TSCFD_SETTINGS_H

#include "core/control.h"
#include "core/tscfd_config.h"
#include "io/keeper.h"
#include "io/tls.h"

struct settings {
	_Atomic unsigned references;
	struct tscfd_config config;
	struct tls_context *tls;
	uint64_t trust; /* a hash of what clients are verified with */
	/* Everything of a Configuration Response that is the same for all:
	 * routes, P-CSCF, DNS, domains, MTU, intervals.  Its views borrow from
	 * `config`. */
	struct control_message offer;
};

/* Where the configuration comes from; kept for reloads. */
struct settings_source {
	const char *path;
	const char *const *overrides; /* "section.key=value" */
	size_t override_count;
	struct keeper *keeper; /* NULL: read the files ourselves */
};

/* Only the configuration: for the start and for --check-config. */
int settings_read_config(
	const struct settings_source *source, struct tscfd_config *config, struct reason *why);
/* Configuration and certificates; returns one reference. */
int settings_load(const struct settings_source *source, struct settings **out, struct reason *why);
/* Refuses what a reload cannot change ([listen] address, [tun], [pool],
 * [control], paths): -EINVAL, naming the key that needs a restart. */
int settings_check_reload(
	const struct settings *old, const struct settings *fresh, struct reason *why);

/* Do they offer the same to clients? */
bool settings_offer_same(const struct settings *a, const struct settings *b);

/* TLS tickets by the secrets that outlive these settings, as long as clients are
 * verified with the same CA and CRL. */
struct state;
void settings_use_tickets(struct settings *settings, struct state *state);

struct settings *settings_ref(struct settings *settings);
void settings_unref(struct settings *settings);

#endif
