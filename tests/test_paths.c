/*
 * test_paths.c: the table of paths, its index, and that doc/api.md is what the
 * table says today.
 */
#include <string.h>

#include "tests/unit.h"
#include "worker/paths.h"

static const struct path *
find(const char *path, unsigned on)
{
	return path_find(path, strlen(path), on);
}

static void
test_find(void)
{
	const struct path	*row;
	size_t			 i;

	paths_init();
	for (i = 0; i < PATH_MAX_; i++) {
		row = &path_table[i];
		if ((row->on & ON_DB) != 0)
			CU_ASSERT(find(row->path, ON_DB) == row);
		if ((row->on & ON_MQ) != 0)
			CU_ASSERT(find(row->path, ON_MQ) == row);
	}
	CU_ASSERT_PTR_NULL(find("/get", ON_MQ));
	CU_ASSERT_PTR_NULL(find("/hustdb/pu", ON_DB));
	CU_ASSERT_PTR_NULL(find("/hustdb/putt", ON_DB));
	CU_ASSERT_PTR_NULL(find("/HUSTDB/put", ON_DB));
	CU_ASSERT_PTR_NULL(find("/", ON_DB));
	CU_ASSERT_PTR_NULL(find("", ON_DB));
}

static void
test_version_text(void)
{
	CU_ASSERT_STRING_EQUAL(find("/version", ON_DB)->text, "hustdbha 1.7\n");
	CU_ASSERT_STRING_EQUAL(find("/version", ON_MQ)->text, "hustmqha 1.7\n");
	CU_ASSERT_STRING_EQUAL(find("/status.html", ON_MQ)->text, "ok\n");
}

static void
test_methods(void)
{
	const struct path	*put = find("/put", ON_DB);
	const struct path	*del = find("/del", ON_DB);
	const struct path	*get = find("/get", ON_DB);

	CU_ASSERT(path_takes(put, method_bit("GET"), 1));
	CU_ASSERT(!path_takes(put, method_bit("GET"), 0));
	CU_ASSERT(path_takes(put, method_bit("POST"), 0));
	CU_ASSERT(path_takes(put, method_bit("PUT"), 0));
	CU_ASSERT(!path_takes(put, method_bit("DELETE"), 1));
	CU_ASSERT(!path_takes(put, method_bit("HEAD"), 1));
	CU_ASSERT(!path_takes(del, method_bit("PUT"), 1));
	CU_ASSERT(!path_takes(del, method_bit("GET"), 0));
	CU_ASSERT(path_takes(del, method_bit("DELETE"), 0));
	CU_ASSERT(path_takes(get, method_bit("GET"), 0));
	CU_ASSERT(path_takes(get, method_bit("HEAD"), 0));
	CU_ASSERT(!path_takes(get, method_bit("get"), 1));
	CU_ASSERT(!path_takes(get, method_bit("POST"), 1));
	CU_ASSERT(path_takes(find("/status.html", ON_DB),
	    method_bit("BREW"), 0));
}

/* What later rows must keep to. */
static void
test_rows(void)
{
	const struct path	*row;
	size_t			 i;

	for (i = 0; i < PATH_MAX_; i++) {
		row = &path_table[i];
		CU_ASSERT(row->path[0] == '/' && row->on != 0);
		CU_ASSERT_EQUAL(row->required & row->optional, 0);
		CU_ASSERT_EQUAL((row->required | row->optional) >> 1 >>
		    (PARAM_MAX_ - 1), 0);
		CU_ASSERT((row->act == ACT_STORE) == (row->msg != 0));
		CU_ASSERT((row->act == ACT_STORE || row->act == ACT_METRICS) ==
		    (row->text[0] == '\0'));
		if (row->act == ACT_STORE)
			CU_ASSERT((row->required & B(P_KEY)) != 0);
		if ((row->flags & PF_BODY) != 0)
			CU_ASSERT((row->required & B(P_VAL)) != 0);
	}
}

static void
test_api_page(void)
{
	const char	*dir = getenv("srcdir");
	char		 path[1024], *now = NULL, *kept;
	size_t		 len = 0, n;
	FILE		*f;

	f = open_memstream(&now, &len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	api_print(f);
	CU_ASSERT_EQUAL_FATAL(fclose(f), 0);
	(void)snprintf(path, sizeof(path), "%s/doc/api.md",
	    dir != NULL ? dir : ".");
	f = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_PTR_NOT_NULL_FATAL(kept = malloc(len + 1));
	n = fread(kept, 1, len + 1, f);
	(void)fclose(f);
	/* If not: wharf-worker --print-api > doc/api.md */
	CU_ASSERT(n == len && memcmp(kept, now, len) == 0);
	free(kept);
	free(now);
}

static const CU_TestInfo tests[] = {
	{ "find", test_find },
	{ "version_text", test_version_text },
	{ "methods", test_methods },
	{ "rows", test_rows },
	{ "api_page", test_api_page },
	CU_TEST_INFO_NULL
};
UNIT_MAIN("test_paths", UNIT_SUITE("paths", tests))
