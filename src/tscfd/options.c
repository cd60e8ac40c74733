/* SPDX-License-Identifier: GPL-3.0-or-later */
/* getopt_long and the help text; tscfd(8) says the same at length. */
#include "tscfd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

static const char help[] =
	"Usage: tscfd [OPTION]...\n"
	"Accepts TLS tunnels from tse and moves IP packets between them and the IMS core.\n"
	"\n"
	"  -c, --config FILE           the configuration (/etc/tscf/tscfd.conf), see\n"
	"                              tscfd.conf(5)\n"
	"  -f, --foreground            stay in the foreground, log to stderr\n"
	"  -o, --option SECTION.KEY=VALUE\n"
	"                              override one key of the configuration\n"
	"      --check-config          only check the configuration and what it names\n"
	"  -h, --help                  show this and exit\n"
	"  -V, --version               show the version and exit\n";

enum { OPTION_CHECK = 256 };

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"foreground", no_argument, NULL, 'f'},
	{"option", required_argument, NULL, 'o'},
	{"check-config", no_argument, NULL, OPTION_CHECK},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static int take(struct options *options, int option, struct reason *why)
{
	switch (option) {
	case 'c':
		options->config = optarg;
		return 0;
	case 'f':
		options->foreground = true;
		return 0;
	case 'o':
		if (options->override_count == OPTIONS_OVERRIDES) {
			reason_set(why, "more than %d overrides", OPTIONS_OVERRIDES);
			return -EINVAL;
		}
		options->overrides[options->override_count++] = optarg;
		return 0;
	case OPTION_CHECK:
		options->check_config = true;
		return 0;
	case 'h':
		fputs(help, stdout);
		return 1;
	case 'V':
		puts("tscfd " PACKAGE_VERSION);
		return 1;
	default: /* getopt has said what is wrong */
		reason_set(why, "see tscfd --help");
		return -EINVAL;
	}
}

int options_parse(struct options *options, int argc, char **argv, struct reason *why)
{
	*options = (struct options){.config = "/etc/tscf/tscfd.conf"};
	int option, result = 0;
	while (result == 0 &&
		(option = getopt_long(argc, argv, "c:fo:hV", long_options, NULL)) != -1)
		result = take(options, option, why);
	if (result == 0 && optind < argc) {
		reason_set(why, "unexpected argument '%s'", argv[optind]);
		result = -EINVAL;
	}
	return result;
}
