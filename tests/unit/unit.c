/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CUnit's runner returns success even when assertions failed, and says
 * nothing when no test ran; both are failures here. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

int unit_run(const char *suite, const struct unit_test *tests, size_t count)
{
	if (CU_initialize_registry() != CUE_SUCCESS)
		return EXIT_FAILURE;
	CU_pSuite added = CU_add_suite(suite, NULL, NULL);
	for (size_t i = 0; added && i < count; i++)
		if (!CU_add_test(added, tests[i].name, tests[i].run))
			added = NULL;
	if (!added) {
		fprintf(stderr, "%s: %s\n", suite, CU_get_error_msg());
		CU_cleanup_registry();
		return EXIT_FAILURE;
	}
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned ran = CU_get_number_of_tests_run();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return ran == count && failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
