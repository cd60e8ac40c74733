/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Certificates, keys and pins.  What stands here may be a private key: no
 * reason repeats it, and memory is overwritten before it is freed. */
#include "core/config_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"

enum { PIN_TEXT = 44 }; /* characters of 32 octets in base64 */

void config_secret_clear(struct config_secret *secret)
{
	if (secret->der)
		explicit_bzero(secret->der, secret->length);
	free(secret->der);
	free(secret->path);
	*secret = (struct config_secret){0};
}

static int set_secret_inline(struct config_secret *field, const char *base64, struct reason *why)
{
	uint8_t *der = malloc(base64_room(strlen(base64)) + 1);
	if (!der)
		return config_no_memory(why);
	size_t length;
	if (!base64_decode(base64, der, &length) || length == 0) {
		explicit_bzero(der, base64_room(strlen(base64)));
		free(der);
		reason_set(why, "what stands behind base64: is not base64, or incomplete (whole "
				"groups of four of A-Z a-z 0-9 + /, padded with =)");
		return -EINVAL;
	}
	config_secret_clear(field);
	field->der = der;
	field->length = length;
	return 0;
}

int config_secret_set(struct config_secret *field, const char *text, struct reason *why)
{
	static const char scheme[] = "base64:";
	text += strspn(text, " \n"); /* the value may begin on the next line */
	if (strncmp(text, scheme, sizeof(scheme) - 1) == 0)
		return set_secret_inline(field, text + sizeof(scheme) - 1, why);
	/* All DER certificates and keys begin with a SEQUENCE: "MI" in base64. */
	bool bare = strncmp(text, "MI", 2) == 0 && strlen(text) > 48;
	if (strncmp(text, "-----BEGIN", 10) == 0 || bare || strchr(text, '\n')) {
		reason_set(why, "neither the path of a file nor base64: followed by DER in base64 "
				"(for PEM: without its BEGIN and END lines)");
		return -EINVAL;
	}
	char *path = *text ? strdup(text) : NULL;
	if (*text && !path)
		return config_no_memory(why);
	config_secret_clear(field);
	field->path = path;
	return 0;
}

/* 64 hexadecimal digits to 32 octets. */
static bool parse_hexadecimal(const char *text, uint8_t out[CONFIG_PIN_OCTETS])
{
	if (strlen(text) != 2 * CONFIG_PIN_OCTETS ||
		strspn(text, "0123456789abcdefABCDEF") != 2 * CONFIG_PIN_OCTETS)
		return false;
	for (size_t i = 0; i < CONFIG_PIN_OCTETS; i++) {
		char octet[3] = {text[2 * i], text[2 * i + 1], '\0'};
		out[i] = (uint8_t)strtoul(octet, NULL, 16);
	}
	return true;
}

int config_pin_set(uint8_t *field, const char *text, struct reason *why)
{
	static const char scheme[] = "sha256:";
	uint8_t pin[PIN_TEXT];
	bool given = *text != '\0', valid = !given;
	memset(pin, 0, sizeof(pin));
	if (strncmp(text, scheme, sizeof(scheme) - 1) == 0) {
		const char *value = text + sizeof(scheme) - 1;
		size_t length = 0;
		valid = parse_hexadecimal(value, pin) ||
			(strlen(value) == PIN_TEXT && base64_decode(value, pin, &length) &&
				length == CONFIG_PIN_OCTETS);
	}
	if (!valid) {
		reason_set(why, "not sha256: followed by the SHA-256 of the server's public key "
				"in base64 (44 characters) or hexadecimal (64)");
		return -EINVAL;
	}
	memcpy(field, pin, CONFIG_PIN_OCTETS);
	*(bool *)(field + CONFIG_PIN_OCTETS) = given;
	return 0;
}
