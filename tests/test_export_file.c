/*
 * test_export_file.c: the two files of an export: written in chunks, put into
 * place together, left alone or removed when something fails.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/buf.h"
#include "store/export_file.h"
#include "tests/unit.h"

static char			dir[64];
static struct writing		w;
static const struct snapshot_id	id = { .type = 'S', .end = 1024,
	.tab = (const uint8_t *)"t", .tablen = 1 };

static void
begin(void)
{
	char	name[SNAPSHOT_NAME];

	snapshot_name(name, &id);
	memset(&w, 0, sizeof(w));
	w.job.arg = &w;
	w.dir = dir;
	w.fd[0] = w.fd[1] = -1;
	snprintf(w.path[0], sizeof(w.path[0]), "%s/%s", dir, name);
	snprintf(w.path[1], sizeof(w.path[1]), "%s/%s" SNAPSHOT_DATA, dir,
	    name);
}

static void
set_up(void)
{
	snprintf(dir, sizeof(dir), "/tmp/export.XXXXXX");
	CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
	begin();
}

static void
tear_down(void)
{
	export_close(&w);
	unlink(w.path[0]);
	unlink(w.path[1]);
	CU_ASSERT_EQUAL(rmdir(dir), 0);		/* nothing else is in it */
}

/* A chunk with one line. */
static enum err
put(const char *key, size_t *size)
{
	struct list_item	i = { .type = 'S', .version = 1,
		.key = (const uint8_t *)key, .keylen = (uint32_t)strlen(key) };
	uint8_t			line[512], place[8];

	le64_put(place, *size);
	w.chunk = (struct chunk){ .lines = line, .places = place, .placen = 8 };
	w.chunk.n = snapshot_line_put(line, &i, 0, 0);
	*size += w.chunk.n;
	return export_write(&w.job);
}

static void
make(const char *key, unsigned n)
{
	size_t	size = 0;

	begin();
	while (n-- > 0)
		CU_ASSERT_EQUAL(put(key, &size), E_OK);
	memset(&w.chunk, 0, sizeof(w.chunk));
	CU_ASSERT_EQUAL(export_finish(&w.job), E_OK);
	CU_ASSERT(w.fd[0] == -1 && w.fd[1] == -1);
}

static void
holds(const char *key, unsigned n)
{
	struct snapshot		s;
	struct list_item	i;
	unsigned		k;

	CU_ASSERT_EQUAL_FATAL(snapshot_open(&s, dir, &id), E_OK);
	CU_ASSERT_EQUAL(s.total, n);
	for (k = 0; k < n; k++) {
		CU_ASSERT_EQUAL(snapshot_read(&s, k, &id, &i), E_OK);
		CU_ASSERT(i.keylen == strlen(key) &&
		    memcmp(i.key, key, i.keylen) == 0);
	}
	snapshot_close(&s);
}

static void
test_write(void)
{
	set_up();
	make("first", 50);
	holds("first", 50);
	make("second one", 7);
	holds("second one", 7);
	make("none", 0);
	holds("none", 0);
	tear_down();
}

/* What is there stays whole until the new one is. */
static void
test_drop(void)
{
	size_t	size = 0;

	set_up();
	make("first", 5);
	begin();
	CU_ASSERT_EQUAL(put("second", &size), E_OK);
	holds("first", 5);
	CU_ASSERT_EQUAL(export_drop(&w.job), E_OK);
	holds("first", 5);
	CU_ASSERT_EQUAL(export_drop(&w.job), E_OK);
	tear_down();
}

static void
test_fail(void)
{
	struct snapshot	s;
	char		tmp[EXPORT_PATH + 8];
	size_t		size = 0;

	set_up();
	CU_ASSERT_EQUAL(rmdir(dir), 0);
	CU_ASSERT_EQUAL(put("a", &size), E_INTERNAL);
	CU_ASSERT(w.err != 0 && strcmp(w.what, "open") == 0);
	CU_ASSERT_EQUAL(mkdir(dir, 0700), 0);
	CU_ASSERT_EQUAL(put("a", &size), E_OK);
	/* Somebody took the lines away: there must be no offsets then. */
	snprintf(tmp, sizeof(tmp), "%s" SNAPSHOT_TMP, w.path[1]);
	CU_ASSERT_EQUAL(unlink(tmp), 0);
	CU_ASSERT_EQUAL(export_finish(&w.job), E_INTERNAL);
	CU_ASSERT_STRING_EQUAL(w.what, "rename");
	CU_ASSERT_EQUAL(snapshot_open(&s, dir, &id), E_SNAPSHOT);
	CU_ASSERT_EQUAL(export_drop(&w.job), E_OK);
	tear_down();
}

/* Lines are not left without their offsets, but whole snapshots are left. */
static void
test_fail_between(void)
{
	char	tmp[EXPORT_PATH + 8];
	size_t	size = 0;

	set_up();
	make("first", 5);
	begin();
	CU_ASSERT_EQUAL(put("second", &size), E_OK);
	snprintf(tmp, sizeof(tmp), "%s" SNAPSHOT_TMP, w.path[0]);
	CU_ASSERT_EQUAL(unlink(tmp), 0);
	CU_ASSERT_EQUAL(export_finish(&w.job), E_INTERNAL);
	CU_ASSERT(access(w.path[0], F_OK) != 0);
	CU_ASSERT_EQUAL(access(w.path[1], F_OK), 0);
	CU_ASSERT_EQUAL(export_drop(&w.job), E_OK);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
	CU_ASSERT_EQUAL(mkdir(dir, 0700), 0);
	make("third", 5);
	CU_ASSERT_EQUAL(export_drop(&w.job), E_OK);
	holds("third", 5);
	tear_down();
}

/* The same after a kill: what it left behind is found at the next start. */
static void
test_sweep(void)
{
	size_t	size = 0;

	set_up();
	export_sweep(dir);			/* nothing is there */
	make("first", 5);
	begin();
	CU_ASSERT_EQUAL(put("second", &size), E_OK);
	export_close(&w);
	export_sweep(dir);
	holds("first", 5);
	CU_ASSERT_EQUAL(unlink(w.path[0]), 0);
	export_sweep(dir);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
	export_sweep(dir);			/* no export was ever made */
	CU_ASSERT_EQUAL(mkdir(dir, 0700), 0);
	tear_down();
}

static const CU_TestInfo	tests[] = {
	{ "written and replaced", test_write },
	{ "given up", test_drop },
	{ "the disk refuses", test_fail },
	{ "the disk refuses half", test_fail_between },
	{ "what a kill leaves", test_sweep },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_export_file", UNIT_SUITE("export_file", tests))
