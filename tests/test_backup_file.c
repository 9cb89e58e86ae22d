/*
 * test_backup_file.c: BACKUP there and back, its grammar, its names, every
 * byte of one changed, and writing it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "store/backup_file.h"
#include "tests/unit.h"

static const uint8_t	sum[16] = { 0, 1, 2, 0xab, 0xff };
static char		err[256];

static void
fill(struct backup *b)
{
	backup_init(b);
	b->node = 0xc0ffee00c0ffee;
	snprintf(b->version, sizeof(b->version), "1.2.3");
	b->made = 1795390000123;
	b->stores = 2;
	b->files = 4;
	b->routers = 1;
	snprintf(b->parent, sizeof(b->parent), "20261122T234501-full");
	b->parent_end = UINT64_MAX - 1;
	b->store[0] = (struct backup_store){ 1, 4711, UINT64_MAX };
	b->store[1] = (struct backup_store){ 1, 0, 0 };
	b->store[2] = (struct backup_store){ 1, 12, 34 };
	CU_ASSERT_EQUAL(backup_add(b, "store.1/wal/7.seg", 0, 4096, sum), 0);
	CU_ASSERT_EQUAL(backup_add(b, "store.1/MANIFEST", 0, 12, sum), 0);
	CU_ASSERT_EQUAL(backup_add(b, "store.0/data.3.12.tkh", 65000, 99000,
	    sum), 0);
	CU_ASSERT_EQUAL(backup_add(b, "store.0/data.3.12.sum", 0, 74, sum), 0);
	CU_ASSERT_EQUAL(backup_add(b, "NODE", 0, 60, sum), 0);
	CU_ASSERT_EQUAL(backup_add(b, "router.0/MANIFEST", 0, 11, sum), 0);
}

/* What fill makes, as text; the caller frees it. */
static char *
filled_text(size_t *n)
{
	struct backup	b;
	char		*text;

	fill(&b);
	text = backup_text(&b, n);
	backup_clear(&b);
	return text;
}

static void
test_round(void)
{
	struct backup			 b;
	const struct backup_file	*f;
	char				*text, *again, path[BACKUP_PATH_MAX + 24];
	size_t				 n, m;

	text = filled_text(&n);
	CU_ASSERT_EQUAL_FATAL(backup_parse(&b, text, n, err, sizeof(err)),
	    E_OK);
	CU_ASSERT(backup_whole(&b));
	CU_ASSERT_EQUAL(b.node, 0xc0ffee00c0ffee);
	CU_ASSERT_STRING_EQUAL(b.version, "1.2.3");
	CU_ASSERT_EQUAL(b.made, 1795390000123);
	CU_ASSERT_STRING_EQUAL(b.parent, "20261122T234501-full");
	CU_ASSERT_EQUAL(b.parent_end, UINT64_MAX - 1);
	CU_ASSERT_EQUAL(b.store[0].lsn, 4711);
	CU_ASSERT_EQUAL(b.store[0].bound, UINT64_MAX);
	CU_ASSERT_EQUAL(b.store[2].lsn, 12);
	CU_ASSERT_EQUAL(b.store[2].bound, 34);
	CU_ASSERT_EQUAL(b.nfile, 6);
	f = backup_find(&b, "store.0/data.3.12.tkh");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(f->from, 65000);
	CU_ASSERT_EQUAL(f->to, 99000);
	CU_ASSERT(memcmp(f->sum, sum, 16) == 0);
	backup_path(f, path);
	CU_ASSERT_STRING_EQUAL(path, "store.0/data.3.12.tkh.65000");
	CU_ASSERT_PTR_NULL(backup_find(&b, "store.0/data.3.13.tkh"));
	again = backup_text(&b, &m);
	CU_ASSERT(n == m && memcmp(text, again, n) == 0);
	free(text);
	free(again);
	backup_clear(&b);
}

/* One byte changed anywhere, or the text cut anywhere, is noticed. */
static void
test_damage(void)
{
	struct backup	b;
	size_t		i, n;
	char		*text = filled_text(&n);

	for (i = 0; i < n; i++) {
		text[i] ^= 1;
		CU_ASSERT_NOT_EQUAL(backup_parse(&b, text, n, err,
		    sizeof(err)), E_OK);
		backup_clear(&b);
		text[i] ^= 1;
		CU_ASSERT_EQUAL(backup_parse(&b, text, i, err, sizeof(err)),
		    E_DAMAGED);
	}
	free(text);
}

/* Puts the right checksum behind text; E_OK is what it parses to. */
static enum err
parse_sealed(const char *body)
{
	struct backup	b;
	char		text[4096];
	int		n;
	enum err	e;

	n = snprintf(text, sizeof(text), "%send %016llx\n", body,
	    (unsigned long long)XXH3_64bits(body, strlen(body)));
	e = backup_parse(&b, text, (size_t)n, err, sizeof(err));
	backup_clear(&b);
	return e;
}

#define OLD_ "wharf-backup 1\nnode 00c0ffee00c0ffee\nversion 1\nmade 5\n" \
	"stores 2 files 4 routers 1\n"
#define HEAD_ "wharf-backup 2\nnode 00c0ffee00c0ffee\nversion 1\nmade 5\n" \
	"stores 2 files 4 routers 1\n"
#define PART_ "wharf-backup 2\nnode 00c0ffee00c0ffee\nversion 1\nmade 5\n" \
	"stores 0 files 4 routers 3\nparent -\n"
#define S_ "00000000000000000000000000000000\n"
#define STORES_ "store 0 1 2\nstore 1 3 4\n"

static void
test_grammar(void)
{
	static const char	*const bad[] = {
		"", "wharf-backup 1\n", HEAD_, HEAD_ "parent -\n",
		HEAD_ "parent \nstore 0 1 2\n",
		HEAD_ "parent nobody 0000000000000000\n" STORES_,
		HEAD_ STORES_,
		HEAD_ "parent -\nstore 1 1 2\nstore 0 1 2\n",
		HEAD_ "parent -\nstore 0 1 2\nstore 0 1 2\n",
		HEAD_ "parent -\nstore 2 1 2\n",
		HEAD_ "parent -\nstore 0 01 2\n",
		HEAD_ "parent -\nstore 0 1  2\n",
		HEAD_ "parent -\nstore 0 18446744073709551616 2\n",
		HEAD_ "parent -\n" STORES_ "parent -\n",
		HEAD_ "parent -\n" STORES_ "file NODE 0 1 0\n",
		HEAD_ "parent -\n" STORES_ "file ../NODE 0 1 " S_,
		HEAD_ "parent -\n" STORES_ "file /NODE 0 1 " S_,
		HEAD_ "parent -\n" STORES_ "file NODE 1 2 " S_,
		HEAD_ "parent -\n" STORES_ "file NODE 0 1 " S_ "file NODE 0 1 "
		    S_,
		HEAD_ "parent -\n" STORES_ "file conf 0 1 " S_ "file NODE 0 1 "
		    S_,
		HEAD_ "parent -\n" STORES_ "file store.2/MANIFEST 0 1 " S_,
		HEAD_ "parent -\n" STORES_ "file store.0/data.4.1.tkh 0 1 " S_,
		HEAD_ "parent -\n" STORES_ "file store.0/data.1.1.tkh 5 9 " S_,
		HEAD_ "parent -\n" STORES_ "file store.0/data.1.0.tkh 0 9 " S_,
		HEAD_ "parent -\n" STORES_ "file store.0/wal/0.seg 0 9 " S_,
		HEAD_ "parent -\n" STORES_ "other 1\n",
		HEAD_ "parent -\n" STORES_ "file NODE 0 1 " S_ "x",
		HEAD_ "parent -\n" STORES_ "router 1 1 2\n",
		HEAD_ "parent -\n" STORES_ "router 0 1 2\nrouter 0 1 2\n",
		HEAD_ "parent -\nrouter 0 1 2\n" STORES_,
		HEAD_ "parent -\n" STORES_ "file router.0/MANIFEST 0 1 " S_,
		HEAD_ "parent -\n" STORES_ "router 0 1 2\n"
		    "file router.1/MANIFEST 0 1 " S_,
		HEAD_ "parent -\nfile NODE 0 1 " S_,
		PART_ "store 0 1 2\n",
		OLD_ "parent -\n" STORES_ "router 0 1 2\n",
		OLD_ "parent -\n" STORES_ "file router.0/MANIFEST 0 1 " S_,
	};
	size_t			i;

	CU_ASSERT_EQUAL(parse_sealed(HEAD_ "parent -\n" STORES_), E_OK);
	CU_ASSERT_EQUAL(parse_sealed(HEAD_ "parent -\nstore 1 1 2\n"), E_OK);
	CU_ASSERT_EQUAL(parse_sealed(HEAD_ "parent -\n" STORES_ "router 0 1 2\n"
	    "file router.0/MANIFEST 0 1 " S_), E_OK);
	CU_ASSERT_EQUAL(parse_sealed(PART_ "router 1 1 2\n"
	    "file router.1/data.1.1.sum 0 1 " S_), E_OK);
	CU_ASSERT_EQUAL(parse_sealed(OLD_ "parent -\n" STORES_), E_OK);
	CU_ASSERT_EQUAL(parse_sealed(HEAD_ "parent 20261122T234501-full "
	    "00000000000000aa\n" STORES_ "file store.0/data.1.1.tkh 5 5 " S_),
	    E_OK);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(parse_sealed(bad[i]), E_DAMAGED);
	CU_ASSERT_EQUAL(parse_sealed("wharf-backup 3\nwhatever\n"), E_UNKNOWN);
}

static void
test_names(void)
{
	static const char	*const bad[] = {
		"", "store.0", "store.0/", "store.0/wal/1.segs",
		"store.0/wal/01.seg", "store.64/MANIFEST", "store.0/../NODE",
		"router.64/MANIFEST", "router./MANIFEST", "routers.0/MANIFEST",
		"store.0/data.1.2.tkh.3", "store.0/data.1.2", "NODE ", "LOCK",
		"store.0/data.1.18446744073709551616.tkh",
	};
	struct backup_id	id;
	char			stamp[16];
	size_t			i;
	int			full;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(backup_kind(bad[i], &id), BACKUP_NONE);
	CU_ASSERT_EQUAL(backup_kind("store.63/data.12.345.sum", &id),
	    BACKUP_SUMS);
	CU_ASSERT(id.store == 63 && id.k == 12 && id.gen == 345);
	CU_ASSERT(!id.router);
	CU_ASSERT_EQUAL(backup_kind("store.0/wal/9.seg", &id), BACKUP_SEGMENT);
	CU_ASSERT_EQUAL(id.gen, 9);
	CU_ASSERT_EQUAL(backup_kind("router.5/MANIFEST", &id), BACKUP_MANIFEST);
	CU_ASSERT(id.router && id.store == 5);
	CU_ASSERT(backup_dir_name("20261122T234501-full", stamp, &full));
	CU_ASSERT(full);
	CU_ASSERT_STRING_EQUAL(stamp, "20261122T234501");
	CU_ASSERT(backup_dir_name("20261123T234501-20261122T234501", stamp,
	    &full));
	CU_ASSERT(!full);
	CU_ASSERT(!backup_dir_name("20261122T234501", stamp, &full));
	CU_ASSERT(!backup_dir_name("20261122T234501-fuller", stamp, &full));
	CU_ASSERT(!backup_dir_name("20261122-234501-full", stamp, &full));
}

/* In a row: the stores, then the routers, which format 1 has none of. */
static void
test_shards(void)
{
	struct backup	b = { .format = 2, .stores = 2, .routers = 3 };
	char		name[BACKUP_SHARD_NAME];
	unsigned	i;

	CU_ASSERT_EQUAL(backup_shards(&b), 5);
	for (i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(backup_shard(&b, backup_is_router(&b, i),
		    backup_seat(&b, i)), i);
	backup_shard_name(&b, 1, name);
	CU_ASSERT_STRING_EQUAL(name, "store.1");
	backup_shard_name(&b, 2, name);
	CU_ASSERT_STRING_EQUAL(name, "router.0");
	b.store[0].there = b.store[1].there = 1;
	CU_ASSERT(!backup_whole(&b));
	b.format = 1;
	CU_ASSERT(backup_whole(&b));
	CU_ASSERT_EQUAL(backup_shards(&b), 2);
}

static void
test_files(void)
{
	char		dir[] = "/tmp/wharf-backup.XXXXXX", cmd[64];
	struct backup	b, c;
	int		fd;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	CU_ASSERT_EQUAL(backup_load(&c, fd, BACKUP_NAME, 1, err, sizeof(err)),
	    E_NOTFOUND);
	fill(&b);
	CU_ASSERT_EQUAL(backup_write(&b, fd, BACKUP_NAME), E_OK);
	CU_ASSERT_EQUAL(backup_load(&c, fd, BACKUP_NAME, 1, err, sizeof(err)),
	    E_OK);
	CU_ASSERT_EQUAL(c.end, b.end);
	CU_ASSERT_NOT_EQUAL(c.end, 0);
	backup_clear(&c);
	b.store[1].there = 0;
	b.nfile = 0;
	CU_ASSERT_EQUAL(backup_write(&b, fd, BACKUP_PART), E_OK);
	CU_ASSERT_EQUAL(backup_load(&c, fd, BACKUP_PART, 0, err, sizeof(err)),
	    E_OK);
	CU_ASSERT(!backup_whole(&c));
	backup_clear(&c);
	CU_ASSERT_EQUAL(backup_load(&c, fd, BACKUP_PART, 1, err, sizeof(err)),
	    E_DAMAGED);
	backup_clear(&b);
	close(fd);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	CU_ASSERT_EQUAL(system(cmd), 0);
}

static const CU_TestInfo	tests[] = {
	{ "there and back", test_round },
	{ "every byte counts", test_damage },
	{ "grammar", test_grammar },
	{ "names", test_names },
	{ "shards", test_shards },
	{ "written and loaded", test_files },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_backup_file", UNIT_SUITE("BACKUP", tests))
