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
	/* The bare paths of a listener are not those of the other one. */
	CU_ASSERT_PTR_NULL(find("/hget", ON_MQ));
	CU_ASSERT_PTR_NULL(find("/evget", ON_DB));
	CU_ASSERT(find("/get", ON_MQ) != find("/get", ON_DB));
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
	const struct path	*del = find("/hustdb/del", ON_DB);
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

/* How many different names these parameters have. */
static int
names(uint64_t ids)
{
	uint64_t	a, b;
	int		n = 0, twice;

	for (a = ids; a != 0; a &= a - 1, n += !twice)
		for (b = a & (a - 1), twice = 0; b != 0; b &= b - 1)
			twice |= strcmp(param_table[__builtin_ctzll(a)].name,
			    param_table[__builtin_ctzll(b)].name) == 0;
	return n;
}

/* One message about one record. */
static void
check_store_row(const struct path *row)
{
	unsigned	body = row->flags & (PF_BODY | PF_KEYBODY | PF_ITEMS);

	CU_ASSERT(row->msg != 0 && strchr("KHSZ", row->type) != NULL &&
	    row->type != 0);
	CU_ASSERT((row->required & B(P_KEY)) != 0);
	CU_ASSERT_EQUAL((row->required & B(P_TB)) != 0, row->type != 'K');
	CU_ASSERT(((row->flags & PF_WRITE) != 0) !=
	    ((row->flags & PF_READ) != 0));
	CU_ASSERT(body == 0 || body == PF_BODY || body == PF_KEYBODY);
	CU_ASSERT_EQUAL(body == PF_BODY, (row->required & B(P_VAL)) != 0);
	/* Sets and sorted sets have long members. */
	CU_ASSERT_EQUAL(body == PF_KEYBODY,
	    row->type == 'S' || row->type == 'Z');
	/* A write never by plain GET, a read never by DELETE. */
	CU_ASSERT_EQUAL(row->methods & ((row->flags & PF_WRITE) != 0 ?
	    M_GET | M_HEAD : M_WRITE_GET | M_DELETE), 0);
}

/* The bare path does what the direct one does, if there is one. */
static void
test_bare(void)
{
	const struct path	*row, *direct;
	char			 path[64];
	size_t			 i;
	int			 n = 0;

	for (i = 0; i < PATH_MAX_; i++) {
		row = &path_table[i];
		(void)snprintf(path, sizeof(path), "/hustdb%s", row->path);
		if (row->on != ON_DB || (direct = find(path, ON_DB)) == NULL)
			continue;
		n++;
		CU_ASSERT_EQUAL(row->act, direct->act);
		CU_ASSERT_EQUAL(row->msg, direct->msg);
		CU_ASSERT_EQUAL(row->type, direct->type);
		CU_ASSERT_EQUAL(row->flags, direct->flags);
		CU_ASSERT_EQUAL(direct->required & ~row->required, 0);
	}
	CU_ASSERT(n >= 21);
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
		/* What has a text answers it; /autost is health without. */
		CU_ASSERT(row->text[0] == '\0' ? row->act != ACT_TEXT :
		    row->act == ACT_TEXT || row->act == ACT_STATUS);
		/* A name has one meaning in a path. */
		CU_ASSERT_EQUAL(names(row->required | row->optional),
		    __builtin_popcountll(row->required | row->optional));
		if (row->act == ACT_STORE)
			check_store_row(row);
	}
}

static enum role
role_of(const char *path, unsigned on)
{
	const struct path	*row = path_find(path, strlen(path), on);

	CU_ASSERT_PTR_NOT_NULL_FATAL(row);
	return path_role(row);
}

/* Who may do what; a write that everybody may do would be a hole. */
static void
test_roles(void)
{
	const struct path	*row;
	size_t			 i;

	CU_ASSERT_EQUAL(role_of("/status.html", ON_DB), ROLE_NONE);
	CU_ASSERT_EQUAL(role_of("/status.html", ON_MQ), ROLE_NONE);
	CU_ASSERT_EQUAL(role_of("/version", ON_MQ), ROLE_NONE);
	CU_ASSERT_EQUAL(role_of("/metrics", ON_DB), ROLE_READ);
	CU_ASSERT_EQUAL(role_of("/hustdb/get", ON_DB), ROLE_READ);
	CU_ASSERT_EQUAL(role_of("/hustdb/mget", ON_DB), ROLE_READ);
	CU_ASSERT_EQUAL(role_of("/hustdb/stat", ON_DB), ROLE_READ);
	CU_ASSERT_EQUAL(role_of("/hustdb/put", ON_MQ), ROLE_WRITE);
	CU_ASSERT_EQUAL(role_of("/hustdb/mput", ON_DB), ROLE_WRITE);
	CU_ASSERT_EQUAL(role_of("/zrem", ON_DB), ROLE_WRITE);
	CU_ASSERT_EQUAL(role_of("/hustdb/expire", ON_DB), ROLE_WRITE);
	CU_ASSERT_EQUAL(role_of("/hustdb/export", ON_DB), ROLE_ADMIN);
	CU_ASSERT_EQUAL(role_of("/export", ON_DB), ROLE_ADMIN);
	for (i = 0; i < PATH_MAX_; i++) {
		row = &path_table[i];
		if (row->act != ACT_STATUS && row->act != ACT_TEXT)
			CU_ASSERT_EQUAL(row->flags & PF_OPEN, 0);
		if (row->methods != M_ANY && (row->methods &
		    (M_WRITE_GET | M_DELETE)) != 0)
			CU_ASSERT(path_role(row) >= ROLE_WRITE);
		if ((row->flags & PF_WRITE) != 0)
			CU_ASSERT(path_role(row) >= ROLE_WRITE);
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
	{ "roles", test_roles },
	{ "bare", test_bare },
	{ "api_page", test_api_page },
	CU_TEST_INFO_NULL
};
UNIT_MAIN("test_paths", UNIT_SUITE("paths", tests))
