/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any octets as a configuration file.  The first one chooses the table and
 * whether the rest is an assignment of the command line instead.  Whatever is
 * accepted must hold what its consumers rely on, and whatever is refused must
 * come with a reason. */
#include <stdlib.h>
#include <string.h>

#include "core/tscfd_config.h"
#include "core/tse_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length);

static void expect(bool truth)
{
	if (!truth)
		abort();
}

static void expect_endpoints(const struct config_endpoints *list)
{
	for (size_t i = 0; i < list->count; i++)
		expect(list->items[i].host && *list->items[i].host && list->items[i].port);
}

static void expect_items(const struct config_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		expect(*list->items[i] && !strpbrk(list->items[i], ",\n"));
}

static int feed(void *config, const struct config_key *keys, const uint8_t *octets, size_t length,
	bool is_assignment)
{
	struct reason why = {""};
	int error;
	if (is_assignment) {
		char *text = strndup((const char *)octets, length);
		error = text ? config_override(config, keys, text, &why) : 0;
		free(text);
	} else {
		error = config_read_octets(config, keys, (const char *)octets, length, "f", &why);
	}
	expect(error == 0 || *why.text);
	const struct config_key *key = NULL;
	while ((key = config_next_inert(config, keys, key)))
		expect(key->inert);
	return error;
}

static void fuzz_client(const uint8_t *octets, size_t length, bool is_assignment)
{
	struct tse_config config;
	struct reason why = {""};
	tse_config_init(&config);
	int error = feed(&config, tse_config_keys, octets, length, is_assignment);
	expect_endpoints(&config.servers);
	expect_items(&config.p_cscf);
	expect_items(&config.uid);
	expect(config.mtu >= 1280 && config.mtu <= 65522);
	if (!error && tse_config_check(&config, &why) == 0) {
		expect(config.servers.count > 0 && config_secret_given(&config.ca));
		expect(config.interface && strlen(config.interface) < 16);
		expect(config.fwmark != 0 && config.table != 0);
	} else {
		expect(error || *why.text);
	}
	tse_config_fini(&config);
}

static void fuzz_server(const uint8_t *octets, size_t length, bool is_assignment)
{
	struct tscfd_config config;
	struct reason why = {""};
	tscfd_config_init(&config);
	int error = feed(&config, tscfd_config_keys, octets, length, is_assignment);
	expect_endpoints(&config.addresses);
	expect_items(&config.p_cscf);
	expect_items(&config.dns);
	if (!error && tscfd_config_check(&config, &why) == 0) {
		expect(config_secret_given(&config.cert) && config_secret_given(&config.key));
		expect(config.addresses.count > 0 && config.routes.count > 0);
		expect(config.ipv4.address.version || config.ipv6.address.version);
	} else {
		expect(error || *why.text);
	}
	tscfd_config_fini(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
	if (length == 0)
		return 0;
	bool is_assignment = octets[0] & 2;
	if (octets[0] & 1)
		fuzz_server(octets + 1, length - 1, is_assignment);
	else
		fuzz_client(octets + 1, length - 1, is_assignment);
	return 0;
}
