/*
 * test_wal_crash.c: the log after power cuts, kills and damage.  Torn tails
 * are cut, damage is named and never cut, another's log is refused, and
 * recovery may itself be cut short at any call.
 */
#include <inttypes.h>

#include "store/wal_format.h"
#include "tests/wal_rig.h"

/* Every so-manieth byte or call is tried; 1 all. */
#define STEP	(rig_size() == 2 ? 1 : rig_size() == 1 ? 5 : 9)

static void
seg_path(char out[256], const char *dir, unsigned n)
{
	snprintf(out, 256, "%s/%u.seg", dir, n);
}

/* Reads a whole segment. */
static uint8_t *
seg_read(const char *dir, unsigned n, size_t *size)
{
	char		path[256];
	struct stat	st;
	uint8_t		*p;
	int		 fd;

	seg_path(path, dir, n);
	fd = open(path, O_RDONLY);
	if (fd == -1 || fstat(fd, &st) == -1)
		return NULL;
	*size = (size_t)st.st_size;
	p = malloc(*size + 1);
	if (read(fd, p, *size) != (ssize_t)*size) {
		free(p);
		p = NULL;
	}
	close(fd);
	return p;
}

static void
seg_write(const char *dir, unsigned n, const uint8_t *p, size_t size)
{
	char	path[256];
	int	fd;

	seg_path(path, dir, n);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (write(fd, p, size) != (ssize_t)size)
		perror(path);
	close(fd);
}

/* Offset of the k-th batch (from 0) and its span; 0 when there is none. */
static size_t
batch_off(const uint8_t *p, size_t size, unsigned k, struct batch_head *b)
{
	size_t	off = WAL_BLOCK;

	for (;; off += b->span) {
		if (!batch_get(b, p + off, size - off))
			return 0;
		if (k-- == 0)
			return off;
	}
}

/* Opens a copy of the log, expects e, and closes it again. */
static void
expect(struct rig *g, enum err e, uint64_t seen)
{
	enum err	got = rig_open_next(g, g->copy, 0, 1);

	CU_ASSERT_EQUAL(got, e);
	CU_ASSERT(!g->wrong);
	if (got != E_OK) {
		CU_ASSERT(g->found.error[0] != '\0');
		return;
	}
	CU_ASSERT_EQUAL(g->seen, seen);
	CU_ASSERT_EQUAL(g->found.last_lsn, seen);
	/* It goes on, and what was cut does not come back. */
	CU_ASSERT_EQUAL(rig_put(g, 2, 1), E_OK);
	rig_crash(g);
	CU_ASSERT_EQUAL(rig_open_next(g, g->copy, 0, 1), E_OK);
	CU_ASSERT_EQUAL(g->seen, seen + 2);
	CU_ASSERT(!g->wrong);
	wal_close(g->w);
}

/* The log of five batches of two records, in 1.seg. */
static uint8_t *
five(struct rig *g, enum wal_sync sync, size_t *size, size_t *last,
    struct batch_head *b)
{
	uint8_t	*p;

	rig_init(g, sync);
	g->segment = 32 << 10;
	if (rig_open(g, 0) != E_OK || rig_put(g, 10, 2) != E_OK)
		return NULL;
	rig_crash(g);
	rig_copy(g->dir, g->copy);
	if ((p = seg_read(g->dir, 1, size)) != NULL)
		*last = batch_off(p, *size, 4, b);
	return p;
}

/* Every way to end in the middle of the last batch. */
static void
torn(enum wal_sync sync)
{
	struct rig		 g;
	struct batch_head	 b;
	size_t			 size, last, i, full;
	uint8_t			*p, *q;
	uint64_t		 want;

	p = five(&g, sync, &size, &last, &b);
	CU_ASSERT_FATAL(p != NULL && last != 0);
	full = last + WAL_HEAD + b.payload;
	q = malloc(size);
	for (i = last; i < last + b.span; i += STEP) {
		want = i < full ? 8 : 10;
		rig_copy(g.dir, g.copy);
		seg_write(g.copy, 1, p, i);		/* cut off */
		/* A file too short for the padding is torn too. */
		expect(&g, E_OK, 8);
		memcpy(q, p, size);
		memset(q + i, 0, size - i);		/* zeros from here */
		rig_copy(g.dir, g.copy);
		seg_write(g.copy, 1, q, size);
		/* Zeros may be what the record ended with. */
		expect(&g, E_OK, memcmp(p, q, full) == 0 ? 10 : 8);
		memcpy(q, p, size);
		q[i] ^= 0x5a;				/* one bad byte */
		rig_copy(g.dir, g.copy);
		seg_write(g.copy, 1, q, size);
		expect(&g, E_OK, want);
		if (i > full + 8 && i < last + b.span - 16)
			i += 61;			/* only padding */
	}
	free(p);
	free(q);
	rig_rmdir(g.copy);
	rig_done(&g);
}

static void
test_torn(void)
{
	torn(WAL_ALWAYS);
	torn(WAL_1S);
}

/* Any byte of any batch but the last: damage, and never cut. */
static void
test_damage(void)
{
	struct rig		 g;
	struct batch_head	 b;
	size_t			 size, last, off, i;
	uint8_t			*p;
	char			 where[64];
	unsigned		 k;

	p = five(&g, WAL_ALWAYS, &size, &last, &b);
	CU_ASSERT_FATAL(p != NULL);
	for (k = 0; k < 4; k++) {
		off = batch_off(p, size, k, &b);
		for (i = off; i < off + WAL_HEAD + b.payload; i += STEP) {
			p[i] ^= 1;
			seg_write(g.copy, 1, p, size);
			p[i] ^= 1;
			expect(&g, E_DAMAGED, 0);
			snprintf(where, sizeof where, "1.seg offset %zu:", off);
			CU_ASSERT(strstr(g.found.error, where) != NULL);
		}
	}
	/* It changed nothing: mended by hand, it opens. */
	seg_write(g.copy, 1, p, size);
	expect(&g, E_OK, 10);
	free(p);
	rig_rmdir(g.copy);
	rig_done(&g);
}

/* A log that stopped with 10 records, of which nothing is needed. */
static void
unneeded(struct rig *g, unsigned after)
{
	enum err	e;

	g->complete = 1;
	e = rig_open_next(g, g->copy, after, 11);
	g->complete = 0;
	if (after < 10) {
		CU_ASSERT_EQUAL(e, E_DAMAGED);
		return;
	}
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
	CU_ASSERT(g->found.torn && g->seen == 0);
	CU_ASSERT_EQUAL(g->found.error[0], '\0');
	CU_ASSERT_EQUAL(wal_last(g->w), 10);
	/* It goes on behind, for later starts as well. */
	CU_ASSERT_EQUAL(rig_put(g, 3, 1), E_OK);
	rig_crash(g);
	CU_ASSERT_EQUAL(rig_open_next(g, g->copy, 10, 11), E_OK);
	CU_ASSERT(g->seen_first == 11 && g->seen == 13 && !g->wrong);
	wal_close(g->w);
}

/* What data files have in full may be damaged, but for what comes after. */
static void
test_damage_unneeded(void)
{
	struct rig		 g;
	struct batch_head	 b;
	size_t			 size, last, off, i;
	uint8_t			*p;
	unsigned		 k;

	p = five(&g, WAL_ALWAYS, &size, &last, &b);
	CU_ASSERT_FATAL(p != NULL);
	for (k = 0; k < 4; k++) {
		off = batch_off(p, size, k, &b);
		for (i = off; i < off + WAL_HEAD + b.payload; i += 7 * STEP) {
			rig_copy(g.dir, g.copy);
			p[i] ^= 1;
			seg_write(g.copy, 1, p, size);
			p[i] ^= 1;
			unneeded(&g, 9);
			unneeded(&g, 10);
		}
	}
	free(p);
	rig_rmdir(g.copy);
	rig_done(&g);
}

/* Under 1s and os a later batch that survived proves nothing. */
static void
test_reordered(void)
{
	struct rig		 g;
	struct batch_head	 b;
	size_t			 size, last, off;
	uint8_t			*p;

	p = five(&g, WAL_OS, &size, &last, &b);
	CU_ASSERT_FATAL(p != NULL);
	off = batch_off(p, size, 2, &b);
	memset(p + off, 0, b.span);
	seg_write(g.copy, 1, p, size);
	expect(&g, E_OK, 4);
	free(p);
	rig_rmdir(g.copy);
	rig_done(&g);
}

/* A damaged batch without records is damage, too. */
static void
test_damaged_bound(void)
{
	struct rig		 g;
	struct batch_head	 b;
	size_t			 size, off;
	uint8_t			*p;
	int			 n;

	rig_init(&g, WAL_ALWAYS);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(rig_put(&g, 2, 1), E_OK);
	wal_set_bound(g.w, 5);
	wal_kick(g.w, 1);
	for (n = 0; n < 1000 && wal_bound(g.w) != 5; n++) {
		usleep(1000);
		rig_turn(&g);
	}
	CU_ASSERT_EQUAL(rig_put(&g, 1, 1), E_OK);
	rig_crash(&g);
	p = seg_read(g.dir, 1, &size);
	off = batch_off(p, size, 2, &b);
	CU_ASSERT_EQUAL(b.count, 0);
	p[off] ^= 1;
	rig_copy(g.dir, g.copy);
	seg_write(g.copy, 1, p, size);
	expect(&g, E_DAMAGED, 0);
	free(p);
	rig_rmdir(g.copy);
	rig_done(&g);
}

/* A log of several segments; returns the number of the last. */
static unsigned
several(struct rig *g, enum wal_sync sync)
{
	rig_init(g, sync);
	g->size = 2000;
	if (rig_open(g, 0) != E_OK || rig_put(g, 400, 3) != E_OK)
		return 0;
	rig_crash(g);
	rig_copy(g->dir, g->copy);
	return rig_count(g->copy, ".seg");
}

static void
test_missing(void)
{
	struct rig	g;
	char		path[256];
	unsigned	last, n;
	size_t		size;
	uint8_t		*p;
	struct seg_head	h;

	last = several(&g, WAL_ALWAYS);
	CU_ASSERT_FATAL(last > 4);
	for (n = 1; n < last; n++) {
		rig_copy(g.dir, g.copy);
		seg_path(path, g.copy, n);
		unlink(path);
		expect(&g, E_DAMAGED, 0);
		snprintf(path, sizeof path, "%u.seg", n == 1 ? 2 : n);
		CU_ASSERT(strstr(g.found.error, path) != NULL);
	}
	/* Not needed any more: no damage. */
	p = seg_read(g.dir, 3, &size);
	CU_ASSERT_EQUAL(seg_head_get(&h, p), E_OK);
	free(p);
	rig_copy(g.dir, g.copy);
	seg_path(path, g.copy, 2);
	unlink(path);
	CU_ASSERT_EQUAL(rig_open_next(&g, g.copy, h.first - 1, 1), E_OK);
	CU_ASSERT_EQUAL(g.seen_first, h.first);
	CU_ASSERT_EQUAL(g.seen, 400);
	wal_close(g.w);
	rig_rmdir(g.copy);
	rig_done(&g);
}

static void
test_bad_header(void)
{
	struct rig	g;
	unsigned	last, n;
	size_t		size;
	uint8_t		*p;
	char		where[64];
	struct seg_head	h;

	last = several(&g, WAL_ALWAYS);
	CU_ASSERT_FATAL(last > 4);
	for (n = 1; n <= last; n++) {
		p = seg_read(g.dir, n, &size);
		CU_ASSERT_EQUAL(seg_head_get(&h, p), E_OK);
		p[n * 100] ^= 4;
		rig_copy(g.dir, g.copy);
		seg_write(g.copy, n, p, size);
		/* The last one has durable batches as well. */
		expect(&g, E_DAMAGED, 0);
		snprintf(where, sizeof where, "%u.seg offset 0", n);
		CU_ASSERT(strstr(g.found.error, where) != NULL);
		/* With nothing in it, it is a torn activation. */
		if (n == last) {
			memset(p + WAL_BLOCK, 0, size - WAL_BLOCK);
			rig_copy(g.dir, g.copy);
			seg_write(g.copy, n, p, size);
			expect(&g, E_OK, h.first - 1);
			CU_ASSERT(h.first > 1);
		}
		free(p);
	}
	rig_rmdir(g.copy);
	rig_done(&g);
}

/* Under os the kernel may have written a later segment and not this one. */
static void
test_os_hole(void)
{
	struct rig		 g;
	struct batch_head	 b;
	unsigned		 last;
	size_t			 size, off;
	uint8_t			*p;

	last = several(&g, WAL_OS);
	CU_ASSERT_FATAL(last > 4);
	p = seg_read(g.dir, 2, &size);
	off = batch_off(p, size, 3, &b);
	CU_ASSERT_FATAL(off != 0);
	memset(p + off, 0, size - off);
	seg_write(g.copy, 2, p, size);
	expect(&g, E_OK, b.first - 1);
	free(p);
	rig_rmdir(g.copy);
	rig_done(&g);
}

/* Batches of an earlier use of the file stand where new ones will. */
static void
test_stale_salt(void)
{
	struct rig	g;
	unsigned	last;
	size_t		size, n;
	uint8_t		*p, *old;
	struct seg_head	h;

	last = several(&g, WAL_ALWAYS);
	p = seg_read(g.dir, last, &size);
	old = seg_read(g.dir, 2, &n);
	CU_ASSERT_FATAL(p != NULL && old != NULL && n == size);
	/* All its batches are of another salt: it holds nothing. */
	memcpy(p + WAL_BLOCK, old + WAL_BLOCK, size - WAL_BLOCK);
	CU_ASSERT_EQUAL(seg_head_get(&h, p), E_OK);
	seg_write(g.copy, last, p, size);
	expect(&g, E_OK, h.first - 1);
	CU_ASSERT(!g.found.torn);
	free(p);
	free(old);
	rig_rmdir(g.copy);
	rig_done(&g);
}

static void
test_foreign(void)
{
	struct rig	g;
	struct seg_head	h;
	uint8_t		*p;
	size_t		 size;

	rig_init(&g, WAL_ALWAYS);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(rig_put(&g, 3, 1), E_OK);
	rig_crash(&g);
	g.node = 8;
	CU_ASSERT_EQUAL(rig_open(&g, 0), E_STALE);
	CU_ASSERT(strstr(g.found.error, "node") != NULL);
	g.node = 7;
	g.store = 2;
	CU_ASSERT_EQUAL(rig_open(&g, 0), E_STALE);
	CU_ASSERT(strstr(g.found.error, "store 1") != NULL);
	g.store = 1;
	p = seg_read(g.dir, 1, &size);
	CU_ASSERT_EQUAL(seg_head_get(&h, p), E_OK);
	h.format = WAL_FORMAT + 1;
	seg_head_put(p, &h);
	seg_write(g.dir, 1, p, size);
	CU_ASSERT_EQUAL(rig_open(&g, 0), E_STALE);
	CU_ASSERT(strstr(g.found.error, "newer version") != NULL);
	free(p);
	rig_done(&g);
}

/* Strange files, spares of a wrong size, half-made ones. */
static void
test_leftovers(void)
{
	static const char *const names[] = { "spare.77", "new.78", "README",
	    "0.seg", "01.seg", "x.seg", "9.segx", "spare.x" };
	struct rig	g;
	char		path[256];
	size_t		i;

	rig_init(&g, WAL_ALWAYS);
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(rig_put(&g, 3, 1), E_OK);
	rig_crash(&g);
	rig_copy(g.dir, g.copy);
	for (i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", g.copy, names[i]);
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	CU_ASSERT_EQUAL_FATAL(rig_open_next(&g, g.copy, 0, 1), E_OK);
	CU_ASSERT_EQUAL(g.seen, 3);
	CU_ASSERT_EQUAL(rig_count(g.copy, "spare.77"), 0);
	CU_ASSERT_EQUAL(rig_count(g.copy, "new.78"), 0);
	CU_ASSERT_EQUAL(rig_count(g.copy, "README"), 1);
	wal_close(g.w);
	rig_rmdir(g.copy);
	rig_done(&g);
}

/* Garbage in every length and count: refused or cut, never followed. */
static void
test_fuzz(void)
{
	struct rig		 g;
	struct batch_head	 b;
	size_t			 size, last, k;
	uint8_t			*p, *q;
	unsigned		 seed = 4711, i, n;
	enum err		 e;

	p = five(&g, WAL_1S, &size, &last, &b);
	CU_ASSERT_FATAL(p != NULL);
	q = malloc(size);
	for (i = 0; i < 400 / STEP; i++) {
		memcpy(q, p, size);
		for (n = 0; n <= i % 5; n++) {
			seed = seed * 1103515245u + 12345u;
			k = WAL_BLOCK + (seed >> 8) % (last + 200 - WAL_BLOCK);
			q[k] = (uint8_t)(seed >> 3);
		}
		/* Half of them get a right checksum again. */
		if (i % 2 == 0 && batch_get(&b, p + last, size - last)) {
			b.count ^= seed >> 5 & 7;
			b.payload += seed >> 9 & 3;
			b.first += seed >> 12 & 1;
			batch_seal(q + last, &b);
		}
		rig_copy(g.dir, g.copy);
		seg_write(g.copy, 1, q, size);
		e = rig_open_next(&g, g.copy, 0, 1);
		CU_ASSERT(e == E_OK || e == E_DAMAGED);
		if (e == E_OK) {
			CU_ASSERT(g.found.last_lsn <= 12);
			wal_close(g.w);
		}
	}
	free(p);
	free(q);
	rig_rmdir(g.copy);
	rig_done(&g);
}

/*
 * Recovery whose n-th call fails, and all after it, for every n; then a real
 * one.  Twice, so that recoveries cut short pile upon each other.
 */
static void
crash_in_recovery(enum wal_sync sync, unsigned size, uint64_t after)
{
	struct rig	g;
	long		n, calls;
	int		pass;

	rig_init(&g, sync);
	g.size = size;
	CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
	CU_ASSERT_EQUAL(rig_put(&g, 120, 2), E_OK);
	rig_crash(&g);
	for (pass = 0; pass < 2; pass++) {
		rig_copy(g.dir, g.copy);
		for (n = 1, calls = 1000; n < calls; n += STEP) {
			if (pass == 0)
				rig_copy(g.dir, g.copy);
			atomic_store(&g.rio.calls, 0);
			atomic_store(&g.rio.fail_at, n);
			if (rig_open_next(&g, g.copy, after, 1) == E_OK) {
				calls = n;
				wal_close(g.w);
			}
			helper_free(g.helper);
			g.helper = rig_helper(&g);
			atomic_store(&g.rio.fail_at, 0);
			CU_ASSERT_EQUAL(rig_open_next(&g, g.copy, after, 1), E_OK);
			CU_ASSERT_EQUAL(g.seen_first, after + 1);
			CU_ASSERT_EQUAL(g.seen, 120);
			CU_ASSERT(!g.wrong);
			rig_crash(&g);
		}
		CU_ASSERT(calls > 3);
	}
	rig_rmdir(g.copy);
	rig_done(&g);
}

static void
test_crash_in_recovery(void)
{
	crash_in_recovery(WAL_ALWAYS, 100, 0);
	crash_in_recovery(WAL_ALWAYS, 5000, 50);
	crash_in_recovery(WAL_1S, 5000, 0);
	crash_in_recovery(WAL_OS, 5000, 0);
}

/* The same while it is in use: every acknowledged record is there. */
static void
crash_in_use(enum wal_sync sync)
{
	struct rig	g;
	uint64_t	acked, freed;
	long		n;
	unsigned	i;

	for (n = 1; n < 200; n += STEP) {
		rig_init(&g, sync);
		g.size = 4000;
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, 0), E_OK);
		atomic_store(&g.rio.calls, 0);
		atomic_store(&g.rio.fail_at, n);
		acked = freed = 0;
		for (i = 0; i < 60; i++) {
			if (rig_put(&g, 3, 3) != E_OK)
				break;
			acked = wal_released(g.w);
			if (i % 9 == 8 && wal_sync_to(g.w, acked) == E_OK) {
				wal_poll(g.w);
				freed = acked - 20;
				wal_recycle(g.w, freed);
			}
		}
		acked = wal_released(g.w);
		rig_crash(&g);
		CU_ASSERT_EQUAL_FATAL(rig_open(&g, freed), E_OK);
		CU_ASSERT(acked == 0 || g.seen >= acked);
		CU_ASSERT(!g.wrong);
		wal_close(g.w);
		rig_done(&g);
	}
}

static void
test_crash_in_use(void)
{
	crash_in_use(WAL_ALWAYS);
	crash_in_use(WAL_OS);
}

static const CU_TestInfo tests[] = {
	{ "torn tail", test_torn },
	{ "damage in the middle", test_damage },
	{ "damage that is not needed", test_damage_unneeded },
	{ "reordered writes", test_reordered },
	{ "damaged bound", test_damaged_bound },
	{ "missing segment", test_missing },
	{ "bad segment header", test_bad_header },
	{ "hole under os", test_os_hole },
	{ "stale salt", test_stale_salt },
	{ "another's log", test_foreign },
	{ "leftovers", test_leftovers },
	{ "garbage", test_fuzz },
	{ "crash in recovery", test_crash_in_recovery },
	{ "crash in use", test_crash_in_use },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_wal_crash", UNIT_SUITE("wal_crash", tests))
