/*
 * test_engine.c: the same tests on both engines; and what only files can show:
 * restoring up to a size, and opening what was not closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/engine.h"
#include "store/io.h"
#include "store/mapping.h"
#include "store/rewind_tkrzw.h"
#include "tests/unit.h"

#define KEYS	3000

static const struct engine_ops	*ops;
static char			 dir[64], path[128], path2[128];

static void
paths(const struct engine_ops *o)
{
	ops = o;
	snprintf(dir, sizeof(dir), "/tmp/wharf-engine-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a.tkh", dir);
	snprintf(path2, sizeof(path2), "%s/b.tkh", dir);
}

static void
clean(void)
{
	unlink(path);
	unlink(path2);
	CU_ASSERT_EQUAL(rmdir(dir), 0);		/* and nothing else is left */
}

/* What a callback is to do, and what it saw. */
struct act {
	const char	*put;		/* NULL: look only */
	size_t		 putlen;
	char		 seen[256];
	int		 was, calls;
};

static int
act_see(void *arg, const uint8_t *old, size_t oldlen, const uint8_t **val,
    size_t *len)
{
	struct act	*a = arg;

	a->calls++;
	a->was = old != NULL;
	if (old != NULL) {
		memcpy(a->seen, old, oldlen);
		a->seen[oldlen] = '\0';
	}
	*val = (const uint8_t *)a->put;
	*len = a->putlen;
	return a->put != NULL;
}

static struct act
run(struct engine *e, const char *key, const char *put, int writable)
{
	struct act	a = { .put = put, .putlen = put ? strlen(put) : 0 };

	CU_ASSERT_EQUAL(ops->process(e, (const uint8_t *)key, strlen(key),
	    act_see, &a, writable), E_OK);
	CU_ASSERT_EQUAL(a.calls, 1);
	return a;
}

static void
number(char *out, size_t n, const char *what, unsigned i)
{
	snprintf(out, n, "%s%u", what, i);
}

static void
basic(void)
{
	struct engine	*e;
	struct act	 a;
	uint64_t	 size;

	CU_ASSERT_EQUAL_FATAL(ops->open(&e, path, 1, 100), E_OK);
	CU_ASSERT_EQUAL(ops->count(e), 0);
	CU_ASSERT(ops->buckets(e) >= 100);
	CU_ASSERT_EQUAL(ops->size(e), ops->base(e));
	CU_ASSERT(ops->room(100) >= ops->base(e));
	a = run(e, "k", NULL, 0);
	CU_ASSERT_FALSE(a.was);
	a = run(e, "k", "one", 1);
	CU_ASSERT_FALSE(a.was);
	size = ops->size(e);
	CU_ASSERT(size > ops->base(e));
	a = run(e, "k", "second", 1);
	CU_ASSERT(a.was && strcmp(a.seen, "one") == 0);
	CU_ASSERT(ops->size(e) > size);
	CU_ASSERT_EQUAL(ops->count(e), 1);
	a = run(e, "k", "never", 0);		/* read only */
	CU_ASSERT(a.was && strcmp(a.seen, "second") == 0);
	a = run(e, "k", NULL, 1);		/* left as it is */
	CU_ASSERT(a.was && strcmp(a.seen, "second") == 0);
	a = run(e, "empty", "", 1);
	a = run(e, "empty", NULL, 0);
	CU_ASSERT(a.was && a.seen[0] == '\0');
	CU_ASSERT_EQUAL(ops->close(&e), E_OK);
	CU_ASSERT_PTR_NULL(e);
}

/* Many more keys than buckets, each overwritten; every one met once. */
static void
many(void)
{
	static unsigned char	 met[KEYS];
	struct engine_iter	*it;
	struct engine		*e;
	const uint8_t		*k, *v;
	size_t			 kn, vn, met_all = 0;
	char			 key[32], val[32];
	unsigned		 i;
	enum err		 r;

	memset(met, 0, sizeof(met));
	CU_ASSERT_EQUAL_FATAL(ops->open(&e, path, 1, 100), E_OK);
	for (i = 0; i < 2 * KEYS; i++) {
		number(key, sizeof(key), "key", i % KEYS);
		number(val, sizeof(val), "v", i);
		run(e, key, val, 1);
	}
	CU_ASSERT_EQUAL(ops->count(e), KEYS);
	CU_ASSERT_PTR_NOT_NULL_FATAL(it = ops->iter(e));
	while ((r = ops->next(it, &k, &kn, &v, &vn)) == E_OK) {
		i = (unsigned)strtoul((const char *)k + 3, NULL, 10);
		CU_ASSERT_FATAL(kn > 3 && i < KEYS);
		number(val, sizeof(val), "v", i + KEYS);
		CU_ASSERT(vn == strlen(val) && memcmp(v, val, vn) == 0);
		met_all += met[i]++ == 0;
	}
	CU_ASSERT_EQUAL(r, E_NOTFOUND);
	CU_ASSERT_EQUAL(met_all, KEYS);
	ops->iter_free(it);
	CU_ASSERT_EQUAL(ops->close(&e), E_OK);
}

static void
tkrzw_basic(void)
{
	paths(&engine_tkrzw);
	basic();
	clean();
}

static void
tkrzw_many(void)
{
	paths(&engine_tkrzw);
	many();
	clean();
}

static void
mem_basic(void)
{
	paths(&engine_mem);
	basic();
	clean();
}

static void
mem_many(void)
{
	paths(&engine_mem);
	many();
	clean();
}

static void
copy(const char *from, const char *to)
{
	char	cmd[512];

	snprintf(cmd, sizeof(cmd), "cp %s %s", from, to);
	CU_ASSERT_EQUAL(system(cmd), 0);
}

/* Closed: opens again with the size that it had. */
static void
test_reopen(void)
{
	struct engine	*e;
	struct act	 a;
	struct stat	 st;
	uint64_t	 size;

	paths(&engine_tkrzw);
	CU_ASSERT_EQUAL(ops->open(&e, path, 0, 0), E_NOTFOUND);
	CU_ASSERT_EQUAL_FATAL(ops->open(&e, path, 1, 100), E_OK);
	run(e, "k", "v", 1);
	size = ops->size(e);
	copy(path, path2);
	CU_ASSERT_EQUAL(ops->close(&e), E_OK);
	CU_ASSERT(stat(path, &st) == 0 && (uint64_t)st.st_size == size);
	CU_ASSERT_EQUAL_FATAL(ops->open(&e, path, 0, 0), E_OK);
	CU_ASSERT_EQUAL(ops->size(e), size);
	CU_ASSERT_EQUAL(ops->count(e), 1);
	a = run(e, "k", NULL, 0);
	CU_ASSERT(a.was && strcmp(a.seen, "v") == 0);
	CU_ASSERT_EQUAL(ops->close(&e), E_OK);
	/* The copy was never closed: not opened, and not mended either. */
	CU_ASSERT_EQUAL(ops->open(&e, path2, 0, 0), E_DAMAGED);
	CU_ASSERT_EQUAL(ops->open(&e, path2, 0, 0), E_DAMAGED);
	clean();
}

/*
 * What lies below the size noted at some moment, and only that, comes back:
 * later values, later keys and later tombstones do not.  The buckets are not
 * needed for it.
 */
static void
test_restore(void)
{
	static char	 zero[500];
	struct engine	*e;
	struct act	 a;
	char		 key[32], val[32];
	uint64_t	 end;
	unsigned	 i;
	int		 fd;

	paths(&engine_tkrzw);
	CU_ASSERT_EQUAL_FATAL(ops->open(&e, path, 1, 100), E_OK);
	for (i = 0; i < 2 * KEYS; i++) {
		number(key, sizeof(key), "key", i % KEYS);
		number(val, sizeof(val), "v", i);
		run(e, key, val, 1);
	}
	end = ops->size(e);
	for (i = 0; i < 2 * KEYS; i += 3) {
		number(key, sizeof(key), "key", i);
		run(e, key, "later", 1);
	}
	copy(path, path2);
	CU_ASSERT_EQUAL(ops->close(&e), E_OK);
	CU_ASSERT_FATAL((fd = open(path2, O_RDWR)) != -1);
	CU_ASSERT_EQUAL(pwrite(fd, zero, sizeof(zero), 128), sizeof(zero));
	close(fd);
	unlink(path);
	CU_ASSERT_EQUAL_FATAL(ops->restore(path2, path, end), E_OK);
	CU_ASSERT_EQUAL_FATAL(ops->open(&e, path, 0, 0), E_OK);
	CU_ASSERT_EQUAL(ops->count(e), KEYS);
	for (i = 0; i < 2 * KEYS; i++) {
		number(key, sizeof(key), "key", i);
		number(val, sizeof(val), "v", i + KEYS);
		a = run(e, key, NULL, 0);
		CU_ASSERT_EQUAL(a.was, i < KEYS);
		CU_ASSERT(i >= KEYS || strcmp(a.seen, val) == 0);
	}
	CU_ASSERT_EQUAL(ops->close(&e), E_OK);
	CU_ASSERT_EQUAL(ops->restore(path2, path, 0), E_DAMAGED);
	clean();
}

/* How many pages of what is mapped between these offsets we have access to. */
static unsigned
present(const struct mapping *m, uint64_t from, uint64_t to)
{
	uint64_t	 page = 4096, at, entry;
	unsigned	 n = 0;
	int		 fd = open("/proc/self/pagemap", O_RDONLY);

	CU_ASSERT_FATAL(fd != -1);
	for (at = from / page * page; at < to; at += page) {
		CU_ASSERT_EQUAL(pread(fd, &entry, sizeof(entry),
		    (off_t)((m->at + at) / page * sizeof(entry))),
		    sizeof(entry));
		n += entry >> 63;
	}
	close(fd);
	return n;
}

/* Taken from the address space, nothing is lost, nor hard to get back. */
static void
test_unmap(void)
{
	struct engine	*e;
	struct mapping	 m;
	struct act	 a;
	struct stat	 st;
	char		 key[32], val[32];
	uint64_t	 half;
	unsigned	 i;

	paths(&engine_tkrzw);
	CU_ASSERT_EQUAL_FATAL(ops->open(&e, path, 1, 100), E_OK);
	for (half = 0, i = 0; i < 20 * KEYS; i++) {
		number(key, sizeof(key), "key", i % KEYS);
		number(val, sizeof(val), "v", i);
		run(e, key, val, 1);
		if (i == 10 * KEYS)
			half = ops->size(e);
	}
	CU_ASSERT_FATAL(stat(path, &st) == 0);
	m = mapping_find(st.st_dev, st.st_ino);
	CU_ASSERT_FATAL(m.len >= ops->size(e));
	CU_ASSERT(present(&m, half, ops->size(e)) > 100);
	ops->unmap(e, half, ops->size(e));
	CU_ASSERT(present(&m, half, ops->size(e)) <= 2);	/* the ends */
	CU_ASSERT_EQUAL(present(&m, 0, 1), 0);		/* buckets */
	CU_ASSERT(present(&m, ops->base(e), half) > 100);
	ops->unmap(e, 0, UINT64_MAX);
	CU_ASSERT_EQUAL(present(&m, 0, ops->size(e)), 0);
	for (i = 0; i < KEYS; i++) {
		number(key, sizeof(key), "key", i);
		number(val, sizeof(val), "v", i + 19 * KEYS);
		a = run(e, key, NULL, 0);
		CU_ASSERT(a.was && strcmp(a.seen, val) == 0);
	}
	run(e, "key1", "later", 1);
	CU_ASSERT_EQUAL(ops->count(e), KEYS);
	CU_ASSERT_EQUAL(ops->close(&e), E_OK);
	m = mapping_find(st.st_dev, st.st_ino);
	CU_ASSERT_EQUAL(m.len, 0);
	clean();
}

/* What glance says is what process says; 0: it says nothing. */
static int
glances(struct engine *e, const char *key, const char *val)
{
	const uint8_t	*k = (const uint8_t *)key, *p;
	size_t		 n = 0;
	uint64_t	 hint = ops->hint(e, k, strlen(key));

	CU_ASSERT(hint != 0);
	ops->ahead(e, hint);
	if ((p = ops->glance(e, hint, k, strlen(key), &n)) == NULL)
		return 0;
	CU_ASSERT(val != NULL && n == strlen(val) && memcmp(p, val, n) == 0);
	return 1;
}

/* Read in place while the file, and tkrzw's mapping of it, grow and move. */
static void
test_glance(void)
{
	struct engine	*e;
	struct act	 a;
	char		 key[32], val[200];
	unsigned	 i, seen = 0, again = 0;

	paths(&engine_tkrzw);
	memset(val, 'v', sizeof(val) - 1);
	val[sizeof(val) - 1] = '\0';
	CU_ASSERT_EQUAL_FATAL(ops->open(&e, path, 1, KEYS), E_OK);
	CU_ASSERT(!glances(e, "none", NULL));
	for (i = 0; i < 10 * KEYS; i++) {
		number(key, sizeof(key), "key", i);
		val[i % 9] = (char)('a' + i % 26);
		run(e, key, val, 1);
		seen += (unsigned)glances(e, key, val);
		if (i % 100 != 0)
			continue;
		a = run(e, key, NULL, 0);
		CU_ASSERT(a.was && memcmp(a.seen, val, 9) == 0);
		/* The later of two is the one. */
		val[20] = (char)('A' + i % 26);
		run(e, key, val, 1);
		again += (unsigned)glances(e, key, val);
	}
	CU_ASSERT_EQUAL(seen, 10 * KEYS);
	CU_ASSERT_EQUAL(again, 10 * KEYS / 100);
	CU_ASSERT(!glances(e, "none", NULL));
	CU_ASSERT_EQUAL(ops->close(&e), E_OK);
	CU_ASSERT_EQUAL_FATAL(ops->open(&e, path, 0, 0), E_OK);
	number(key, sizeof(key), "key", i - 1);
	val[(i - 1) % 9] = (char)('a' + (i - 1) % 26);
	CU_ASSERT(glances(e, key, val));
	CU_ASSERT_EQUAL(ops->close(&e), E_OK);
	clean();
}

/*
 * Buckets and records that point anywhere: nothing is read that is not there,
 * and nothing is found that has another key.
 */
static void
test_glance_damaged(void)
{
	struct engine	*e;
	const uint8_t	*p;
	char		 key[32];
	uint8_t		 junk[512];
	uint64_t	 hint;
	size_t		 n;
	unsigned	 i, j, round;
	int		 fd;

	for (round = 0; round < 40; round++) {
		paths(&engine_tkrzw);
		CU_ASSERT_EQUAL_FATAL(ops->open(&e, path, 1, 64), E_OK);
		for (i = 0; i < 300; i++) {
			number(key, sizeof(key), "key", i);
			run(e, key, key, 1);
		}
		fd = open(path, O_RDWR);
		CU_ASSERT_FATAL(fd != -1);
		for (j = 0; j < sizeof(junk); j++)
			junk[j] = (uint8_t)random();
		/* The buckets, or some records. */
		CU_ASSERT(pwrite(fd, junk, round % 2 ? 320 : sizeof(junk),
		    round % 2 ? 128 : (off_t)ops->base(e) +
		    random() % 8000) > 0);
		close(fd);
		for (i = 0; i < 300; i++) {
			number(key, sizeof(key), "key", i);
			hint = ops->hint(e, (uint8_t *)key, strlen(key));
			ops->ahead(e, hint);
			p = ops->glance(e, hint, (uint8_t *)key, strlen(key),
			    &n);
			for (j = 0; p != NULL && j < n; j++)
				junk[j % sizeof(junk)] ^= p[j];
		}
		(void)ops->close(&e);
		clean();
	}
}

static const CU_TestInfo tests[] = {
	{ "tkrzw: basics", tkrzw_basic },
	{ "tkrzw: many", tkrzw_many },
	{ "memory: basics", mem_basic },
	{ "memory: many", mem_many },
	{ "tkrzw: opened again", test_reopen },
	{ "tkrzw: restored up to a size", test_restore },
	{ "tkrzw: taken from the address space", test_unmap },
	{ "tkrzw: read in place", test_glance },
	{ "tkrzw: read in place, damaged", test_glance_damaged },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_engine", UNIT_SUITE("engine", tests))
