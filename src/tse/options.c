/* SPDX-License-Identifier: GPL-3.0-or-later */
/* getopt_long and the help text; tse(8) says the same at length. */
#include "tse/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef OWN_HOOKS_DIR
#define OWN_HOOKS_DIR "/usr/libexec/tscf/hooks.d"
#endif

static const char help[] =
	"Usage: tse --config FILE [OPTION]...\n"
	"Carries IMS traffic through a TLS tunnel to a TSCF.  People use tse-up.\n"
	"\n"
	"  -c, --config FILE           the profile, see tse.conf(5)\n"
	"  -p, --profile NAME          its name, if not that of the file\n"
	"  -f, --foreground            stay in the foreground, log to stderr\n"
	"  -t, --timeout SECONDS       give up when the tunnel is not up by then\n"
	"  -o, --option SECTION.KEY=VALUE\n"
	"                              override one key of the profile\n"
	"      --check-config          only check the profile\n"
	"      --probe                 run the steps, change nothing, tell the verdict\n"
	"      --json                  with --probe: tell it as JSON\n"
	"      --redact                with --probe: without names and addresses\n"
	"      --run-dir DIR           state file and control socket (/run/tse)\n"
	"      --state-dir DIR         what is kept between runs (/var/lib/tse)\n"
	"      --hooks-dir DIR         programs to run on changes (/etc/tse/hooks.d)\n"
	"      --own-hooks-dir DIR     hooks of tse's own, which go before those\n"
	"  -h, --help                  show this and exit\n"
	"  -V, --version               show the version and exit\n"
	"\n"
	"Without --foreground, tse goes into the background once the tunnel is up, or\n"
	"exits with a status that says why there is none: see EXIT STATUS in tse(8).\n";

enum {
	OPTION_CHECK = 256,
	OPTION_RUN_DIR,
	OPTION_STATE_DIR,
	OPTION_HOOKS_DIR,
	OPTION_OWN_HOOKS_DIR,
	OPTION_PROBE,
	OPTION_JSON,
	OPTION_REDACT,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"profile", required_argument, NULL, 'p'},
	{"foreground", no_argument, NULL, 'f'},
	{"timeout", required_argument, NULL, 't'},
	{"option", required_argument, NULL, 'o'},
	{"check-config", no_argument, NULL, OPTION_CHECK},
	{"run-dir", required_argument, NULL, OPTION_RUN_DIR},
	{"state-dir", required_argument, NULL, OPTION_STATE_DIR},
	{"hooks-dir", required_argument, NULL, OPTION_HOOKS_DIR},
	{"own-hooks-dir", required_argument, NULL, OPTION_OWN_HOOKS_DIR},
	{"probe", no_argument, NULL, OPTION_PROBE},
	{"json", no_argument, NULL, OPTION_JSON},
	{"redact", no_argument, NULL, OPTION_REDACT},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

/* A name that is also a directory's: no slash, no leading dot. */
static int set_profile(struct options *options, const char *name, size_t length, struct reason *why)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	if (length == 0 || length >= sizeof(options->profile) || name[0] == '.' ||
		strspn(name, allowed) < length) {
		reason_set(why,
			"'%.*s' is no name for a profile: up to %zu letters, digits, '.', '_', '-'",
			(int)length, name, sizeof(options->profile) - 1);
		return -EINVAL;
	}
	memcpy(options->profile, name, length);
	options->profile[length] = '\0';
	return 0;
}

static int profile_from_path(struct options *options, struct reason *why)
{
	const char *slash = strrchr(options->config, '/');
	const char *name = slash ? slash + 1 : options->config;
	size_t length = strlen(name);
	if (length > 5 && strcmp(name + length - 5, ".conf") == 0)
		length -= 5;
	return set_profile(options, name, length, why);
}

static int set_timeout(struct options *options, const char *text, struct reason *why)
{
	char *end;
	unsigned long seconds = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || seconds == 0 || seconds > 86400) {
		reason_set(why, "--timeout %s: seconds from 1 to 86400 are expected", text);
		return -EINVAL;
	}
	options->timeout = (unsigned)seconds;
	return 0;
}

static int add_override(struct options *options, const char *text, struct reason *why)
{
	if (options->override_count == OPTIONS_OVERRIDES) {
		reason_set(why, "more than %d overrides", OPTIONS_OVERRIDES);
		return -EINVAL;
	}
	options->overrides[options->override_count++] = text;
	return 0;
}

static int take(struct options *options, int option, struct reason *why)
{
	switch (option) {
	case 'c':
		options->config = optarg;
		return 0;
	case 'p':
		return set_profile(options, optarg, strlen(optarg), why);
	case 'f':
		options->foreground = true;
		return 0;
	case 't':
		return set_timeout(options, optarg, why);
	case 'o':
		return add_override(options, optarg, why);
	case OPTION_CHECK:
		options->check_config = true;
		return 0;
	case OPTION_RUN_DIR:
		options->run_dir = optarg;
		return 0;
	case OPTION_STATE_DIR:
		options->state_dir = optarg;
		return 0;
	case OPTION_HOOKS_DIR:
		options->hooks_dir = optarg;
		return 0;
	case OPTION_OWN_HOOKS_DIR:
		options->own_hooks_dir = optarg;
		return 0;
	case OPTION_PROBE:
		options->probe = true;
		return 0;
	case OPTION_JSON:
		options->json = true;
		return 0;
	case OPTION_REDACT:
		options->redact = true;
		return 0;
	case 'h':
		fputs(help, stdout);
		return 1;
	case 'V':
		puts("tse " PACKAGE_VERSION);
		return 1;
	default: /* getopt has said what is wrong */
		reason_set(why, "see tse --help");
		return -EINVAL;
	}
}

int options_parse(struct options *options, int argc, char **argv, struct reason *why)
{
	*options = (struct options){.run_dir = "/run/tse",
		.state_dir = "/var/lib/tse",
		.hooks_dir = "/etc/tse/hooks.d",
		.own_hooks_dir = OWN_HOOKS_DIR};
	int option, result = 0;
	while (result == 0 &&
		(option = getopt_long(argc, argv, "c:p:ft:o:hV", long_options, NULL)) != -1)
		result = take(options, option, why);
	if (result)
		return result;
	if (optind < argc) {
		reason_set(why, "unexpected argument '%s': the profile is given with --config FILE",
			argv[optind]);
		return -EINVAL;
	}
	if (!options->config) {
		reason_set(why, "no profile: give --config FILE, or use tse-up NAME");
		return -EINVAL;
	}
	return options->profile[0] ? 0 : profile_from_path(options, why);
}
