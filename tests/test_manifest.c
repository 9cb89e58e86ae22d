/*
 * test_manifest.c: MANIFEST there and back, its grammar, mutated texts, and
 * writes that fail half-way.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "store/manifest.h"
#include "tests/unit.h"

static struct manifest	a, b;
static char		err[256];

static void
fill_tables(struct manifest *m)
{
	struct manifest_table	*t = calloc(3, sizeof(*t));

	t[0] = (struct manifest_table){ .type = TYPE_KV, .sum = { 1, 2, 3 } };
	t[1] = (struct manifest_table){ .type = TYPE_SET, .len = 6,
	    .name = { 'a', ':', '\n', '%', 0xff, '-' },
	    .sum = { INT64_MAX, INT64_MAX, INT64_MAX }, .claim = UINT64_MAX,
	    .ends = calloc(2, sizeof(*t->ends)), .nends = 2 };
	t[1].ends[0] = (struct manifest_end){ 1, { 1, 2, 3 } };
	t[1].ends[1] = (struct manifest_end){ UINT32_MAX, { 4, 5, 6 } };
	t[2] = (struct manifest_table){ .type = TYPE_ZSET, .len = 64 };
	memset(t[2].name, 'n', 64);
	m->tables = t;
	m->ntables = 3;
	m->sums = UINT32_MAX - 1;
}

static void
fill(struct manifest *m)
{
	manifest_init(m);
	m->node = 0xc0ffee00c0ffee;
	m->store = 1;
	m->stores = 3;
	m->files = 4;
	snprintf(m->boot, sizeof(m->boot), "0d1cf5bc-1111-2222-3333-444455556666");
	m->clean = 1;
	m->bound = UINT64_MAX;
	m->lsn = 4711;
	m->file[0].now = (struct manifest_gen){ 7, 123456, 4711, 10, 5000 };
	m->file[0].next_gen = 8;
	m->file[3].now = (struct manifest_gen){ 3, 8192, 4700, 0, 0 };
	m->file[3].older = (struct manifest_gen){ 2, 99999, 4600, 7, 44 };
	m->file[3].next_gen = 9;
	m->slot[1] = (struct manifest_slot){ 5, { 1, 2 } };
	m->slot[1023] = (struct manifest_slot){ UINT64_MAX,
	    { UINT64_MAX, UINT64_MAX } };
	m->nexpiry = 2;
	m->expiry = calloc(2, sizeof(*m->expiry));
	m->expiry[0] = (struct manifest_expiry){ 3, 28000000, 600 };
	m->expiry[1] = (struct manifest_expiry){ 0, 0, 1 };
	fill_tables(m);
}

static void
test_round(void)
{
	char	*text, *again;
	size_t	 n = 0, m = 0, i;

	fill(&a);
	text = manifest_text(&a, &n);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_EQUAL(manifest_parse(&b, text, n, err, sizeof(err)), E_OK);
	CU_ASSERT_EQUAL(b.node, a.node);
	CU_ASSERT_EQUAL(b.store, 1);
	CU_ASSERT_EQUAL(b.stores, 3);
	CU_ASSERT_EQUAL(b.files, 4);
	CU_ASSERT_STRING_EQUAL(b.boot, a.boot);
	CU_ASSERT_EQUAL(b.bound, UINT64_MAX);
	CU_ASSERT_EQUAL(b.lsn, 4711);
	CU_ASSERT(memcmp(b.file, a.file, sizeof(a.file)) == 0);
	CU_ASSERT(memcmp(b.slot, a.slot, sizeof(a.slot)) == 0);
	CU_ASSERT_EQUAL(b.nexpiry, 2);
	CU_ASSERT_EQUAL(b.expiry[0].minute, 28000000);
	CU_ASSERT_EQUAL(b.sums, UINT32_MAX - 1);
	CU_ASSERT_EQUAL_FATAL(b.ntables, 3);
	for (i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(b.tables[i].type, a.tables[i].type);
		CU_ASSERT_EQUAL(b.tables[i].len, a.tables[i].len);
		CU_ASSERT(memcmp(b.tables[i].name, a.tables[i].name, 64) == 0);
		CU_ASSERT_EQUAL(b.tables[i].claim, a.tables[i].claim);
		CU_ASSERT_EQUAL(b.tables[i].nends, a.tables[i].nends);
	}
	for (i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(b.tables[1].ends[i].step,
		    a.tables[1].ends[i].step);
		CU_ASSERT(memcmp(&b.tables[1].ends[i].sum,
		    &a.tables[1].ends[i].sum, sizeof(struct table_sum)) == 0);
	}
	again = manifest_text(&b, &m);
	CU_ASSERT(n == m && memcmp(text, again, n) == 0);
	free(text);
	free(again);
	manifest_clear(&a);
	manifest_clear(&b);
}

/* Parses text to which a right checksum is added. */
static enum err
parse_sealed(const char *text)
{
	char		buf[4096];
	int		n;
	enum err	e;

	n = snprintf(buf, sizeof(buf), "%s", text);
	n += snprintf(buf + n, sizeof(buf) - (size_t)n, "end %016llx\n",
	    (unsigned long long)XXH3_64bits(text, strlen(text)));
	e = manifest_parse(&b, buf, (size_t)n, err, sizeof(err));
	manifest_clear(&b);
	return e;
}

#define HEAD_1	"wharf-manifest 1\n" HEAD_2
#define HEAD	"wharf-manifest 2\n" HEAD_2
#define HEAD_2	"node 0000000000000001\n" \
		"store 0 of 1 files 2\nboot x\nclean 0\nbound 1\nlsn 0\n"

static void
test_grammar(void)
{
	static const char *const bad[] = {
		"", "x", "wharf-manifest 0\n", "wharf-manifest 01\n",
		"wharf-manifest 1\n",			/* lines missing */
		HEAD "lsn 0\n", HEAD "node 0000000000000001\n",	/* twice */
		HEAD "what 1\n", HEAD "\n", HEAD "file\n", HEAD "file 0\n",
		HEAD "file 0 1 2 3 4 5 6\nnext 0 2\n",
		HEAD "file 0 1 2 3 4 5\n",		/* no next */
		HEAD "file 0 2 2 3 4 5\nnext 0 2\n",	/* number reused */
		HEAD "file 0 0 2 3 4 5\nnext 0 2\n",
		HEAD "file 2 1 2 3 4 5\nnext 2 2\n",	/* beyond files */
		HEAD "file 64 1 2 3 4 5\nnext 64 2\n",
		HEAD "file 0 1 2 3 4 5\nfile 0 1 2 3 4 5\nnext 0 2\n",
		HEAD "file 0 1 2 3 4 5\nolder 0 1 2 3 4 5\nnext 0 2\n",
		HEAD "file 0 2 2 3 4 5\nolder 0 1 2 3 4 5\nnext 0 3\n"
		    "file 1 2 2 3 4 5\nolder 1 1 2 3 4 5\nnext 1 3\n",
		HEAD "file 0 1 2 3 4 18446744073709551616\nnext 0 2\n",
		HEAD "file 0 1 -2 3 4 5\nnext 0 2\n",
		HEAD "file 0 1 02 3 4 5\nnext 0 2\n",
		HEAD "file 0 1  2 3 4 5\nnext 0 2\n",
		HEAD "slot 1024 1 00000000000000000000000000000000\n",
		HEAD "slot 1 0 00000000000000000000000000000000\n",
		HEAD "slot 1 1 0000000000000000000000000000000\n",
		HEAD "slot 1 1 0000000000000000000000000000000G\n",
		HEAD "slot 1 1 00000000000000000000000000000000 \n",
		HEAD "expiry 64 1 1\n", HEAD "expiry 0 1\n",
		HEAD_1 "sums 1\n", HEAD_1 "table K - 1 1 1 1\n",
		HEAD "sums 1\nsums 1\n", HEAD "sums 4294967295\n",
		HEAD "table K a 1 1 1 1\n", HEAD "table H - 1 1 1 1\n",
		HEAD "table H a 1 1 1\n", HEAD "table H a -1 1 1 1\n",
		HEAD "table Ha 1 1 1 1\n", HEAD "table H %61 1 1 1 1\n",
		HEAD "table H %00 1 1 1 1\n", HEAD "table H %0 1 1 1 1\n",
		HEAD "ends 1 1 1 1\n", HEAD "table H a 1 1 1 1\nends 0 1 1 1\n",
	};
	size_t	i;

	CU_ASSERT_EQUAL(parse_sealed(HEAD), E_OK);
	CU_ASSERT_EQUAL(parse_sealed(HEAD "file 1 1 2 3 4 5\nnext 1 2\n"), E_OK);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		enum err e = parse_sealed(bad[i]);

		if (e != E_DAMAGED)
			fprintf(stderr, "accepted: %s\n", bad[i]);
		CU_ASSERT_EQUAL(e, E_DAMAGED);
	}
	CU_ASSERT_EQUAL(parse_sealed(HEAD_1), E_OK);
	CU_ASSERT_EQUAL(parse_sealed(HEAD_1 "expiry 0 1 1\n"), E_OK);
	CU_ASSERT_EQUAL(parse_sealed(HEAD "sums 1\ntable H %0A_ 1 1 1 1\n"
	    "ends 1 1 1 1\nends 2 1 1 1\n"), E_OK);
	CU_ASSERT_EQUAL(parse_sealed("wharf-manifest 3\nanything\n"), E_UNKNOWN);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "newer"));
	CU_ASSERT_EQUAL(manifest_parse(&b, HEAD, strlen(HEAD), err,
	    sizeof(err)), E_DAMAGED);
}

/* No changed text is taken for a MANIFEST; none crashes the reader. */
static void
test_mutate(void)
{
	char		*text, *m;
	size_t		 n = 0, i, at;
	unsigned	 round;
	enum err	 e;

	fill(&a);
	text = manifest_text(&a, &n);
	m = malloc(n + 64);
	srand(1);
	for (i = 0; i < n * 8; i++) {
		memcpy(m, text, n);
		m[i / 8] = (char)(m[i / 8] ^ 1 << i % 8);
		e = manifest_parse(&b, m, n, err, sizeof(err));
		CU_ASSERT(e == E_DAMAGED || e == E_UNKNOWN);
	}
	for (i = 0; i < n; i++) {
		e = manifest_parse(&b, text, i, err, sizeof(err));
		CU_ASSERT_EQUAL(e, E_DAMAGED);
	}
	for (round = 0; round < 20000; round++) {
		memcpy(m, text, n);
		for (i = 0; i < 1 + (unsigned)rand() % 8; i++) {
			at = (size_t)rand() % n;
			m[at] = (char)rand();
		}
		e = manifest_parse(&b, m, n, err, sizeof(err));
		CU_ASSERT(e != E_OK || memcmp(m, text, n) == 0);
		manifest_clear(&b);
		/* The same with a right checksum: any verdict, no crash. */
		snprintf(m + n - 21, 22, "end %016llx\n",
		    (unsigned long long)XXH3_64bits(m, n - 21));
		manifest_parse(&b, m, n, err, sizeof(err));
		manifest_clear(&b);
	}
	free(m);
	free(text);
	manifest_clear(&a);
}

static int	fail_sync, fail_rename, fail_dir;

static int
bad_sync(const struct io *io, int fd)
{
	(void)io;
	if (fail_sync) {
		errno = fail_sync;
		return -1;
	}
	return fdatasync(fd);
}

static int
bad_fsync(const struct io *io, int fd)
{
	(void)io;
	if (fail_dir) {
		errno = fail_dir;
		return -1;
	}
	return fsync(fd);
}

static int
bad_rename(const struct io *io, const char *from, const char *to)
{
	(void)io;
	if (fail_rename) {
		errno = fail_rename;
		return -1;
	}
	return rename(from, to);
}

static void
test_files(void)
{
	char		 dir[] = "/tmp/wharf-manifest-XXXXXX", path[64], *text;
	struct io	 io = io_posix;
	size_t		 n = 0;

	io.fdatasync = bad_sync;
	io.fsync = bad_fsync;
	io.rename = bad_rename;
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	CU_ASSERT_EQUAL(manifest_load(&b, &io, dir, err, sizeof(err)),
	    E_NOTFOUND);
	fill(&a);
	text = manifest_text(&a, &n);
	CU_ASSERT_EQUAL(manifest_write(&io, dir, text, n), E_OK);
	CU_ASSERT_EQUAL(manifest_load(&b, &io, dir, err, sizeof(err)), E_OK);
	manifest_clear(&b);
	fail_sync = ENOSPC;
	CU_ASSERT_EQUAL(manifest_write(&io, dir, "x", 1), E_NOSPACE);
	fail_sync = EIO;
	CU_ASSERT_EQUAL(manifest_write(&io, dir, "x", 1), E_INTERNAL);
	fail_sync = 0;
	fail_rename = ENOSPC;
	CU_ASSERT_EQUAL(manifest_write(&io, dir, "x", 1), E_NOSPACE);
	fail_rename = 0;
	CU_ASSERT_EQUAL(manifest_load(&b, &io, dir, err, sizeof(err)), E_OK);
	manifest_clear(&b);
	snprintf(path, sizeof(path), "%s/MANIFEST.tmp", dir);
	CU_ASSERT_EQUAL(access(path, F_OK), -1);
	/* Renamed, but perhaps not durably: never "try again". */
	fail_dir = ENOSPC;
	CU_ASSERT_EQUAL(manifest_write(&io, dir, text, n), E_INTERNAL);
	fail_dir = 0;
	free(text);
	manifest_clear(&a);
	snprintf(path, sizeof(path), "%s/MANIFEST", dir);
	CU_ASSERT_EQUAL(truncate(path, 10), 0);
	CU_ASSERT_EQUAL(manifest_load(&b, &io, dir, err, sizeof(err)), E_DAMAGED);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "MANIFEST"));
	unlink(path);
	rmdir(dir);
}

static const CU_TestInfo tests[] = {
	{ "there and back", test_round },
	{ "grammar", test_grammar },
	{ "mutations", test_mutate },
	{ "files", test_files },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_manifest", UNIT_SUITE("manifest", tests))
