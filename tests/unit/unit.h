/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one way in which unit tests run: a table of named functions under
 * CUnit, and an exit status that tells the truth. */
#ifndef TSCF_TESTS_UNIT_H
#define TSCF_TESTS_UNIT_H

#include <CUnit/Basic.h>

struct unit_test {
	const char *name;
	void (*run)(void);
};

/* Runs `count` tests as suite `suite`; returns the exit status of main. */
int unit_run(const char *suite, const struct unit_test *tests, size_t count);

#define UNIT_MAIN(suite, tests)                                                    \
	int main(void)                                                             \
	{                                                                          \
		return unit_run(suite, tests, sizeof(tests) / sizeof((tests)[0])); \
	}

#endif
