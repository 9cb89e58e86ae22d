/*
 * unit.h: the main of every CUnit test program.  CUnit's own return value says
 * 0 when tests fail, has no time-out and no grep-able last line; this has.
 *
 *	static const CU_TestInfo tests[] = { { "name", fn }, CU_TEST_INFO_NULL };
 *	UNIT_MAIN("test_frame", UNIT_SUITE("frame", tests))
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define UNIT_SUITE(name, tests) \
	{ (char *)name, NULL, NULL, NULL, NULL, (CU_TestInfo *)tests }

static int
unit_run(const char *prog, CU_SuiteInfo *suites)
{
	int	bad;

	alarm(240);
	if (CU_initialize_registry() != CUE_SUCCESS ||
	    CU_register_suites(suites) != CUE_SUCCESS) {
		fprintf(stderr, "%s: %s\n", prog, CU_get_error_msg());
		return 99;
	}
	CU_basic_set_mode(CU_BRM_NORMAL);
	bad = CU_basic_run_tests() != CUE_SUCCESS ||
	    CU_get_number_of_tests_failed() != 0 ||
	    CU_get_number_of_suites_failed() != 0 ||
	    CU_get_number_of_tests_run() == 0;
	printf("SUMMARY %s tests=%u failed=%u asserts=%u result=%s\n", prog,
	    CU_get_number_of_tests_run(), CU_get_number_of_tests_failed(),
	    CU_get_number_of_asserts(), bad ? "FAIL" : "PASS");
	fflush(stdout);
	CU_cleanup_registry();
	return bad;
}

#define UNIT_MAIN(prog, ...)						\
	int								\
	main(void)							\
	{								\
		CU_SuiteInfo suites[] = { __VA_ARGS__, CU_SUITE_INFO_NULL }; \
									\
		return unit_run(prog, suites);				\
	}

#endif
