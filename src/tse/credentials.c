/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Certificates and keys are read while we may, and kept no longer than the
 * context needs to be made. */
#include "tse/credentials.h"

#include <errno.h>
#include <string.h>

#include "io/material.h"

enum { PASSWORD_LIMIT = 4096 };

int credentials_load(const struct tse_config *config, struct tls_context **out, struct reason *why)
{
	struct material ca = {0}, cert = {0}, key = {0};
	int error = tls_library_init(why);
	if (!error)
		error = material_load(NULL, &config->ca, MATERIAL_LIMIT, &ca, why);
	if (!error)
		error = material_load(NULL, &config->cert, MATERIAL_LIMIT, &cert, why);
	if (!error)
		error = material_load(NULL, &config->key, MATERIAL_LIMIT, &key, why);
	if (!error) {
		struct tls_settings settings = {
			.tls13_only = config->min_tls == TLS_MINIMUM_1_3,
			.ca = ca.view,
			.certificate = cert.view,
			.key = key.view,
			.pin = config->has_pin ? config->pin : NULL,
			.alpn = config->alpn,
		};
		error = tls_context_new(out, &settings, why);
	}
	material_forget(&ca);
	material_forget(&cert);
	material_forget(&key);
	return error;
}

int credentials_proxy_password(const struct tse_config *config, char **out, struct reason *why)
{
	const char *path = config->proxy_password_file;
	uint8_t *octets;
	size_t length;

	*out = NULL;
	if (!path)
		return 0;
	int error = file_read(path, &octets, &length, PASSWORD_LIMIT, why);
	if (error)
		return error;
	size_t line = strcspn((const char *)octets, "\r\n");
	if (line > 0)
		*out = strndup((const char *)octets, line);
	if (line == 0) {
		error = -EINVAL;
		reason_set(why, "%s: its first line must be the password for the proxy", path);
	} else if (!*out) {
		error = -ENOMEM;
		reason_set(why, "out of memory for the password in %s", path);
	}
	file_forget(octets, length);
	return error;
}

void credentials_forget(char *password)
{
	if (password)
		file_forget((uint8_t *)password, strlen(password));
}
