/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Example files and manuals say what the tables of keys say: nothing is
 * missing, every example can be read, every default is the real one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tscfd_config.h"
#include "core/tse_config.h"
#include "unit.h"

enum { FILE_MAX = 64 * 1024 };

static struct reason why;

/* A file of the source tree, owned by the caller; "" when there is none. */
static char *file_text(const char *name)
{
	const char *source = getenv("SOURCE");
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", source ? source : ".", name);
	char *text = calloc(1, FILE_MAX);
	FILE *file = fopen(path, "r");
	if (!file) {
		fprintf(stderr, "\n%s: %s (set SOURCE to the top of the source tree)\n", path,
			strerror(errno));
		CU_FAIL("a file cannot be opened");
		return text;
	}
	CU_ASSERT(fread(text, 1, FILE_MAX - 1, file) > 0);
	fclose(file);
	return text;
}

static void expect_good_profile(const char *text, const char *name)
{
	struct tse_config config;
	tse_config_init(&config);
	memset(&why, 0, sizeof(why));
	if (config_read(&config, tse_config_keys, text, name, &why) == 0)
		tse_config_check(&config, &why);
	CU_ASSERT_STRING_EQUAL(why.text, "");
	if (*why.text)
		fprintf(stderr, "\n%s\n", why.text);
	tse_config_fini(&config);
}

static void expect_good_server(const char *text, const char *name)
{
	struct tscfd_config config;
	tscfd_config_init(&config);
	memset(&why, 0, sizeof(why));
	if (config_read(&config, tscfd_config_keys, text, name, &why) == 0)
		tscfd_config_check(&config, &why);
	CU_ASSERT_STRING_EQUAL(why.text, "");
	if (*why.text)
		fprintf(stderr, "\n%s\n", why.text);
	tscfd_config_fini(&config);
}

/* ---- examples ---- */

/* "#key = value" becomes "key = value"; "# prose" stays. */
static void uncomment(char *text)
{
	char *out = text;
	for (const char *at = text; *at; at++) {
		bool starts = at == text || at[-1] == '\n';
		if (!(starts && at[0] == '#' && at[1] >= 'a' && at[1] <= 'z'))
			*out++ = *at;
	}
	*out = '\0';
}

/* Between its section and the next one, every key stands on a line. */
static void expect_all_keys(const char *text, const struct config_key *keys)
{
	for (const struct config_key *key = keys; key->section; key++) {
		char header[64], line[512];
		snprintf(header, sizeof(header), "\n[%s]\n", key->section);
		const char *section = strstr(text, header);
		const char *end = section ? strstr(section + 1, "\n[") : NULL;
		snprintf(line, sizeof(line), "\n%s = %s", key->name,
			key->standard ? key->standard : "");
		const char *found = section ? strstr(section, line) : NULL;
		/* A key that must be given, or should be, need not show its default. */
		if (!found && section && strcmp(key->name, "mode") == 0)
			found = strstr(section, "\nmode = ");
		bool right = found && (!end || found < end);
		CU_ASSERT(right);
		if (!right)
			fprintf(stderr, "\n[%s] %s is missing, or with another default\n",
				key->section, key->name);
	}
}

/* Makes the key's only line a comment again. */
static void leave_out(char *text, const char *line)
{
	char *found = strstr(text, line);
	CU_ASSERT_PTR_NOT_NULL_FATAL(found);
	found[1] = '#';
}

static void client_example(void)
{
	char *text = file_text("etc/tse.conf.example");
	expect_good_profile(text, "tse.conf.example");
	uncomment(text);
	expect_all_keys(text, tse_config_keys);
	/* They exclude each other, as the example says. */
	leave_out(text, "\nsteer-fwmark = ");
	expect_good_profile(text, "tse.conf.example, with all that is commented out");
	free(text);
}

static void server_example(void)
{
	char *text = file_text("etc/tscfd.conf.example");
	expect_good_server(text, "tscfd.conf.example");
	uncomment(text);
	expect_good_server(text, "tscfd.conf.example, with all that is commented out");
	expect_all_keys(text, tscfd_config_keys);
	free(text);
}

/* ---- manuals ---- */

/* Does `word` stand in [from, until) with nothing that belongs to a name
 * around it? */
static bool has_word(const char *from, const char *until, const char *word)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t length = strlen(word);
	for (const char *at = from; (at = strstr(at, word)) && at < until; at++) {
		char after = at[length];
		if ((at == from || !strchr(name, at[-1])) && (!after || !strchr(name, after)))
			return true;
	}
	return false;
}

static const char *line_end(const char *at)
{
	const char *feed = strchr(at, '\n');
	return feed ? feed : at + strlen(at);
}

/* The ".It Ic" line of a key within ".Ss [section]", or NULL. */
static const char *find_entry(const char *text, const struct config_key *key)
{
	char header[64];
	snprintf(header, sizeof(header), "\n.Ss [%s]\n", key->section);
	const char *at = strstr(text, header);
	const char *section_end = at ? strstr(at + 1, "\n.S") : NULL;
	while (at && (at = strstr(at + 1, "\n.It Ic ")) && at < section_end) {
		const char *value = strstr(at, " No = ");
		if (value && value < line_end(at + 1) && has_word(at + 8, value, key->name))
			return at + 1;
	}
	return NULL;
}

/* The entry shows every choice and the default. */
static void expect_entry(const char *text, const struct config_key *key)
{
	const char *entry = find_entry(text, key);
	const char *end = entry ? strstr(entry, "\n.It ") : NULL;
	const char *list_end = entry ? strstr(entry, "\n.El") : NULL;
	if (entry && (!end || list_end < end))
		end = list_end;
	bool right = entry && end;
	for (size_t i = 0; right && key->choices && key->choices[i]; i++)
		right = has_word(entry, line_end(entry), key->choices[i]);
	if (right && key->standard) {
		const char *told = strstr(entry, "Default");
		right = told && told < end && strstr(told, key->standard) &&
			strstr(told, key->standard) < end;
	}
	CU_ASSERT(right);
	if (!right)
		fprintf(stderr, "\n[%s] %s: not in the manual, or with other values\n",
			key->section, key->name);
}

/* The section on keys without effect names exactly those. */
static void expect_honesty(const char *text, const struct config_key *keys)
{
	const char *from = strstr(text, "\n.Sh KEYS WITHOUT EFFECT YET\n");
	const char *until = from ? strstr(from + 1, "\n.Sh ") : NULL;
	CU_ASSERT_FATAL(from && until);
	for (const struct config_key *key = keys; key->section; key++) {
		bool told = false;
		for (const char *at = from; (at = strstr(at + 1, "\n.Ic ")) && at < until;)
			told |= has_word(at + 5, line_end(at + 1), key->name);
		CU_ASSERT_EQUAL(told, key->inert);
		if (told != key->inert)
			fprintf(stderr, "\n[%s] %s: the manual is wrong about its effect\n",
				key->section, key->name);
	}
}

/* Every literal block that begins with a section is a whole file. */
static void expect_good_examples(
	const char *text, void (*expect_good)(const char *text, const char *name))
{
	static const char begin[] = ".Bd -literal -offset indent\n";
	size_t count = 0;
	for (const char *at = text; (at = strstr(at, begin)); at++) {
		const char *block = at + sizeof(begin) - 1;
		const char *end = strstr(block, ".Ed\n");
		CU_ASSERT_FATAL(end != NULL);
		if (*block != '[')
			continue;
		char *copy = strndup(block, (size_t)(end - block));
		expect_good(copy, "EXAMPLES");
		free(copy);
		count++;
	}
	CU_ASSERT(count > 0);
}

static void client_manual(void)
{
	char *text = file_text("man/tse.conf.5");
	for (const struct config_key *key = tse_config_keys; key->section; key++)
		expect_entry(text, key);
	expect_honesty(text, tse_config_keys);
	expect_good_examples(text, expect_good_profile);
	free(text);
}

static void server_manual(void)
{
	char *text = file_text("man/tscfd.conf.5");
	for (const struct config_key *key = tscfd_config_keys; key->section; key++)
		expect_entry(text, key);
	expect_honesty(text, tscfd_config_keys);
	expect_good_examples(text, expect_good_server);
	free(text);
}

static const struct unit_test tests[] = {
	{"etc/tse.conf.example", client_example},
	{"etc/tscfd.conf.example", server_example},
	{"man/tse.conf.5", client_manual},
	{"man/tscfd.conf.5", server_manual},
};

UNIT_MAIN("config_files", tests)
