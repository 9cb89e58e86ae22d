/*
 * test_scrub.c: what the scrub and the check of a shard in use find, and what
 * they do not: damage to blocks, values, keys, log batches, sums of tables and
 * indexes, each planted behind the shard's back; nothing in a sound one, also
 * under writes and compaction.  And compaction by order.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

#include "proto/slot.h"
#include "store/data_impl.h"
#include "store/index_impl.h"
#include "store/scrub.h"
#include "store/shard_impl.h"
#include "tests/shard_rig.h"
#include "tests/unit.h"

#define FILES	2u
#define KEYS	1500u
#define NODE	0x77686172660005ull

static struct catalogue	*cat;
static char		 base[64], dir[128];
static struct shard	*sh;
static int		 disk_full;

/* In place of the C library's, for all of this program. */
int
statvfs(const char *path, struct statvfs *v)
{
	(void)path;
	memset(v, 0, sizeof(*v));
	v->f_frsize = 4096;
	v->f_bavail = disk_full ? 0 : 1 << 20;
	return 0;
}

static struct shard_conf
conf_of(const struct engine_ops *ops)
{
	return (struct shard_conf){ .dir = dir, .ops = ops, .io = &io_posix,
	    .node = NODE, .stores = 1, .files = FILES, .segment = 1 << 20,
	    .catalogue = cat, .inc = 1, .sync = WAL_OS,
	    .compact_bytes = 1 << 30, .notify = shard_quiet };
}

static void
start(const struct engine_ops *ops)
{
	struct shard_conf	c = conf_of(ops);
	struct shard_opened	o;
	enum err		e = shard_open(&sh, &c, &o);

	if (e != E_OK)
		printf("open: %s: %s\n", err_name(e), o.error);
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
}

/* A turn of the loop. */
static void
turn(void)
{
	shard_turn(sh);
	shard_kick(sh);
	shard_poll(sh);
	shard_work(sh);
	usleep(50);
}

static void
put(uint8_t type, const char *tab, unsigned n, size_t len, int64_t ttl)
{
	char			 key[16];
	static uint8_t		 val[4096];
	struct shard_key	 k = { .type = type,
	    .tab = (const uint8_t *)tab,
	    .tablen = strlen(tab), .key = (uint8_t *)key };
	struct shard_write	 w = { .val = val, .vallen = len, .ttl = ttl };
	struct shard_result	 r;
	enum err		 e;

	k.keylen = (size_t)snprintf(key, sizeof(key), "key%u", n);
	k.slot = slot_of(k.key, k.keylen);
	memset(val, (int)(n % 251), len);
	while ((e = shard_put(sh, &k, &w, &r)) == E_AGAIN)
		turn();
	CU_ASSERT_EQUAL(e, E_OK);
}

/* All that was written is below an F, with block checksums. */
static void
checkpoints(void)
{
	unsigned	k, i;

	for (i = 0; i < 20000; i++) {
		turn();
		for (k = 0; k < FILES; k++)
			if (sh->data != NULL && !data_checkpoint(sh->data,
			    wal_last(sh->wal)) && i > 200 * FILES)
				return;
	}
}

static void
fill(void)
{
	unsigned	i;

	for (i = 0; i < KEYS; i++) {
		put(TYPE_KV, "", i, 200 + i % 1000, i % 7 == 0 ? 3600000 : 0);
		put(TYPE_HASH, i % 2 ? "odd" : "even", i, 20, 0);
		if (i % 3 == 0)
			put(TYPE_KV, "", i, 300, 0);
	}
	checkpoints();
}

static void
begin(const struct engine_ops *ops)
{
	int	fd;

	snprintf(base, sizeof(base), "/tmp/test_scrub.XXXXXX");
	CU_ASSERT_FATAL((fd = catalogue_create(1, 100)) != -1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cat = catalogue_map(fd));
	close(fd);
	shard_base(base);
	shard_dir(dir, sizeof(dir), base, 0);
	start(ops);
	wal_hold(sh->wal, 1);	/* so that there are closed segments */
	fill();
}

static void
end(void)
{
	CU_ASSERT_EQUAL(shard_close(sh, 1), E_OK);
	shard_drop(base);
	catalogue_unmap(cat);
}

/* --- the check --- */

struct seen {
	int		 over;
	enum err	 err;
	unsigned	 found;
	uint64_t	 off;		/* of the last one that has any */
	char		 text[8192];
	struct check_result r;
};

static void
saw(void *arg, const char *path, uint64_t off, const char *what)
{
	struct seen	*s = arg;
	size_t		 n = strlen(s->text);

	s->found++;
	if (off != CHECK_NOWHERE)
		s->off = off;
	snprintf(s->text + n, sizeof(s->text) - n, "%s %s\n",
	    strrchr(path, '/'), what);
}

static void
saw_end(void *arg, enum err e, const struct check_result *r)
{
	struct seen	*s = arg;

	s->over = 1;
	s->err = e;
	s->r = *r;
}

/* writes: go on meanwhile. */
static void
check(struct seen *s, int writes)
{
	unsigned	n = 0;

	memset(s, 0, sizeof(*s));
	CU_ASSERT_EQUAL(shard_check(sh, 0, saw, saw_end, s), E_OK);
	CU_ASSERT_EQUAL(shard_check(sh, 0, saw, saw_end, s), E_AGAIN);
	for (; !s->over; n++) {
		turn();
		if (writes)
			put(TYPE_KV, "", n % KEYS, 100 + n % 50, 0);
	}
	CU_ASSERT_EQUAL(s->err, E_OK);
	CU_ASSERT_EQUAL(s->r.bad, s->found);
	if (getenv("WHARF_SHOW") != NULL)
		fputs(s->text, stdout);
}

static void
sound(const struct engine_ops *ops, int writes)
{
	struct seen	s;

	check(&s, writes);
	CU_ASSERT_EQUAL(s.found, 0);
	if (s.found != 0)
		fputs(s.text, stdout);
	CU_ASSERT(s.r.segments > 0);
	CU_ASSERT(!ops->files || s.r.blocks > 0);
	CU_ASSERT(!ops->files || s.r.records >= 2 * KEYS);
}

static void
check_sound_on(const struct engine_ops *ops)
{
	begin(ops);
	sound(ops, 0);
	sound(ops, 1);
	CU_ASSERT_EQUAL(shard_close(sh, 1), E_OK);
	start(ops);
	sound(ops, 0);
	CU_ASSERT(!shard_hurt(sh));
	end();
}

BOTH(check_sound)

/* --- planted damage --- */

static void
file_path(unsigned k, char *out, size_t n)
{
	snprintf(out, n, "%s/data.%u.%llu.tkh", dir, k,
	    (unsigned long long)sh->data->file[k].now.gen);
}

static void
flip(const char *path, uint64_t at)
{
	uint8_t	c;
	int	fd = open(path, O_RDWR);

	CU_ASSERT_FATAL(fd != -1);
	CU_ASSERT_EQUAL(pread(fd, &c, 1, (off_t)at), 1);
	c ^= 0x10;
	CU_ASSERT_EQUAL(pwrite(fd, &c, 1, (off_t)at), 1);
	close(fd);
}

/* Where in file 0 the key or the value of a record of ours begins. */
static uint64_t
place_of(const char *path, int key)
{
	static uint8_t	 p[4 << 20];
	int		 fd = open(path, O_RDONLY);
	ssize_t		 n = pread(fd, p, sizeof(p), 0);
	const uint64_t	 from = sh->data->man.file[0].now.size / 2;
	const uint8_t	*at = memmem(p + from, (size_t)n - from, "key", 3);
	size_t		 len;

	close(fd);
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	len = strspn((const char *)at + 3, "0123456789") + 3;
	return (uint64_t)(at - p) + (key ? 4 : len + RECORD_HEAD + 5);
}

static void
scrub_round(struct scrub_stat *st)
{
	shard_set_scrub(sh, 1 << 30, 1);
	do {
		turn();
		shard_scrub_stat(sh, st);
	} while (st->rounds == 0);
}

static void
scrub_sound(void)
{
	struct scrub_stat	st;
	struct stat		f;
	char			path[256];

	begin(&engine_tkrzw);
	scrub_round(&st);
	CU_ASSERT_EQUAL(st.bad, 0);
	CU_ASSERT(st.blocks > 10);
	CU_ASSERT(st.bytes >= st.blocks * 32768);
	CU_ASSERT(st.segments > 0);
	CU_ASSERT(st.last != 0);
	CU_ASSERT(!shard_hurt(sh));
	snprintf(path, sizeof(path), "%s/SCRUB", dir);
	CU_ASSERT_EQUAL(stat(path, &f), 0);
	/* The next life knows of it, and of when the next round is. */
	CU_ASSERT_EQUAL(shard_close(sh, 1), E_OK);
	start(&engine_tkrzw);
	shard_set_scrub(sh, 1 << 30, 3600);
	shard_scrub_stat(sh, &st);
	CU_ASSERT(st.last != 0);
	checkpoints();
	shard_scrub_stat(sh, &st);
	CU_ASSERT_EQUAL(st.bytes, 0);
	end();
}

/* What is put off in the middle of a file is read again. */
static void
scrub_put_off(void)
{
	struct scrub_stat	st;
	uint64_t		was = 0;
	unsigned		i;

	begin(&engine_tkrzw);
	shard_set_scrub(sh, 1 << 20, 3600);
	do {
		turn();
		shard_scrub_stat(sh, &st);
	} while (st.bytes == 0);
	shard_set_scrub(sh, 0, 3600);
	do {
		was = st.bytes;
		usleep(100000);
		turn();
		shard_scrub_stat(sh, &st);
	} while (st.bytes != was);
	CU_ASSERT_EQUAL(st.blocks, 0);
	shard_set_scrub(sh, 1 << 30, 3600);
	for (i = 0; i < 20000 && st.rounds == 0; i++) {
		turn();
		shard_scrub_stat(sh, &st);
	}
	CU_ASSERT_EQUAL(st.rounds, 1);
	CU_ASSERT_EQUAL(st.bad, 0);
	CU_ASSERT(st.blocks > 10);
	CU_ASSERT(st.segments > 0);
	end();
}

static void
damage(int key)
{
	struct scrub_stat	st;
	struct seen		s;
	char			path[256];
	uint64_t		at;

	begin(&engine_tkrzw);
	file_path(0, path, sizeof(path));
	at = place_of(path, key);
	flip(path, at);
	scrub_round(&st);
	CU_ASSERT_EQUAL(st.bad, 1);
	/* A key leads to a record: then the file is not to be trusted. */
	CU_ASSERT_EQUAL(shard_hurt(sh), key);
	check(&s, 0);
	CU_ASSERT(s.found >= 2);		/* the block, the record */
	CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "block fails its checksum"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "hold no whole record"));
	CU_ASSERT(s.off <= at && at - s.off < 2048);
	CU_ASSERT_EQUAL(strstr(s.text, "header, links") != NULL, key);
	CU_ASSERT_PTR_NOT_NULL(strstr(s.text, strrchr(path, '/')));
	CU_ASSERT_EQUAL(shard_hurt(sh), key);
	flip(path, at);
	check(&s, 0);
	CU_ASSERT_EQUAL(s.found, 0);
	end();
}

static void
damaged_value(void)
{
	damage(0);
}

static void
damaged_key(void)
{
	damage(1);
}

static void
damaged_log(void)
{
	struct scrub_stat	st;
	struct seen		s;
	struct wal_part		p;

	begin(&engine_tkrzw);
	CU_ASSERT_FATAL(wal_part_next(sh->wal, 0, &p));
	flip(p.path, 4096 + 200);
	check(&s, 0);
	CU_ASSERT_EQUAL(s.found, 1);
	CU_ASSERT(s.off >= 4096 && s.off <= 4096 + 200);
	CU_ASSERT_PTR_NOT_NULL(strstr(s.text, strrchr(p.path, '/')));
	scrub_round(&st);
	CU_ASSERT_EQUAL(st.bad, 1);
	flip(p.path, 4096 + 200);
	CU_ASSERT(!shard_hurt(sh));
	end();
}

static void
wrong_sums(void)
{
	struct record	r = { .kind = RECORD_VALUE, .vallen = 5 };
	const uint8_t	key[] = "Hodd\0never";
	struct digest	d = { 1, 2 };
	struct table_sum sum;
	struct seen	s;

	begin(&engine_tkrzw);
	tables_change(sh->tables, key, sizeof(key) - 1, NULL, &r);
	check(&s, 0);
	CU_ASSERT_EQUAL(s.found, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "table H odd: 751 members"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "750 of"));
	r.kind = RECORD_DEAD;
	tables_change(sh->tables, key, sizeof(key) - 1,
	    &(struct record){ .kind = RECORD_VALUE, .vallen = 5 }, &r);
	digest_xor(&sh->data->slot[4].digest, d);
	check(&s, 0);
	CU_ASSERT_EQUAL(s.found, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "slot 4:"));
	digest_xor(&sh->data->slot[4].digest, d);
	check(&s, 0);
	CU_ASSERT_EQUAL(s.found, 0);
	catalogue_get(cat, 0, CATALOGUE_KEYS, &sum);
	CU_ASSERT_EQUAL(sum.count, KEYS);
	sum.size++;
	catalogue_set_keys(cat, 0, &sum);
	check(&s, 0);
	CU_ASSERT_EQUAL(s.found, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "table K : the catalogue shows "
	    "1500 members"));
	sum.size--;
	catalogue_set_keys(cat, 0, &sum);
	check(&s, 0);
	CU_ASSERT_EQUAL(s.found, 0);
	end();
}

static int
see_all(void *arg, const struct index_entry *e)
{
	(void)e;
	++*(unsigned *)arg;
	return 1;
}

static void
wrong_index(void)
{
	struct index_note	 gone = { 0 }, some = { 1, 1, 0, 0 };
	struct shard_range	 r = { .file = 0 };
	const uint8_t		 ghost[] = "Hodd\0ghost";
	struct trees		*t;
	struct btree_iter	 it;
	struct btree_at		 at;
	struct seen		 s;
	unsigned		 n = 0;
	uint64_t		 lsn;

	begin(&engine_tkrzw);
	while (shard_list(sh, &r, see_all, &n, &lsn) == E_BUILDING)
		turn();
	check(&s, 1);
	CU_ASSERT_EQUAL(s.found, 0);
	CU_ASSERT(s.r.entries >= n);
	while (shard_list(sh, &r, see_all, &n, &lsn) == E_BUILDING)
		turn();
	t = &sh->indexes->index[0].t;
	CU_ASSERT(trees_apply(t, ghost, sizeof(ghost) - 1, &some));
	check(&s, 0);
	CU_ASSERT_EQUAL(s.found, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "no live record"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "as many entries"));
	CU_ASSERT(trees_apply(t, ghost, sizeof(ghost) - 1, &gone));
	btree_seek_rank(t->keys, &it, 0);
	CU_ASSERT(btree_next(&it, &at));
	CU_ASSERT(btree_del(t->keys, at.key, at.keylen));
	btree_iter_end(&it);
	check(&s, 0);
	CU_ASSERT_EQUAL(s.found, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "as many entries"));
	end();
}

/* --- compaction --- */

static void
compact_on(const struct engine_ops *ops)
{
	uint64_t	before;
	unsigned	i;
	enum err	why;

	begin(ops);
	for (i = 0; i < KEYS; i++)
		put(TYPE_KV, "", i, 100, 0);
	checkpoints();
	before = shard_compact_bytes(sh, -1);
	shard_compact(sh, 1);
	CU_ASSERT_EQUAL(shard_compact_left(sh, 0, &why), 0);
	CU_ASSERT_EQUAL(shard_compact_left(sh, 1, &why), 2);
	while (shard_compact_left(sh, 1, &why) != 0)
		turn();
	CU_ASSERT_EQUAL(why, E_OK);
	CU_ASSERT_EQUAL(sh->data->compactions, 1);
	shard_compact(sh, -1);
	while (shard_compact_left(sh, -1, &why) != 0)
		turn();
	CU_ASSERT_EQUAL(sh->data->compactions, 1 + FILES);
	CU_ASSERT(shard_compact_bytes(sh, -1) < before);
	sound(ops, 1);
	end();
}

BOTH(compact)

/* There is no room: who ordered it is told of all files, and can come again. */
static void
compact_without_room(void)
{
	enum err	why;

	begin(&engine_tkrzw);
	fill();
	disk_full = 1;
	shard_compact(sh, -1);
	while (shard_compact_left(sh, -1, &why) != 0)
		turn();
	disk_full = 0;
	CU_ASSERT_EQUAL(why, E_NOSPACE);
	CU_ASSERT_EQUAL(sh->data->compactions, 0);
	shard_compact(sh, 1);
	CU_ASSERT_EQUAL(shard_compact_left(sh, 1, &why), 2);
	CU_ASSERT_EQUAL(why, E_OK);
	while (shard_compact_left(sh, 1, &why) != 0)
		turn();
	CU_ASSERT_EQUAL(why, E_OK);
	CU_ASSERT_EQUAL(sh->data->compactions, 1);
	end();
}

/* A check is under way, or the scrub reads, when the shard is closed. */
static void
closed_meanwhile(void)
{
	struct scrub_stat	st;
	struct seen		s = { .over = 0 };
	uint64_t		all;

	begin(&engine_tkrzw);
	CU_ASSERT_EQUAL(shard_check(sh, 65536, saw, saw_end, &s), E_OK);
	do
		turn();
	while (shard_check_bytes(sh, &all) == 0);
	end();
	CU_ASSERT_EQUAL(s.over, 0);
	begin(&engine_tkrzw);
	shard_set_scrub(sh, 65536, 1);
	do {
		turn();
		shard_scrub_stat(sh, &st);
	} while (st.bytes == 0);
	shard_set_scrub(sh, 0, 1);
	end();
}

static const CU_TestInfo	tests[] = {
	ROWS(check_sound, "a sound shard, also under writes"),
	{ (char *)"scrub of a sound shard", scrub_sound },
	{ (char *)"scrub put off", scrub_put_off },
	{ (char *)"a damaged value", damaged_value },
	{ (char *)"a damaged key", damaged_key },
	{ (char *)"a damaged batch of the log", damaged_log },
	{ (char *)"wrong digests and sums of tables", wrong_sums },
	{ (char *)"an index that is not what the records are", wrong_index },
	ROWS(compact, "compaction by order"),
	{ (char *)"compaction by order without room",
	    compact_without_room },
	{ (char *)"closed meanwhile", closed_meanwhile },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_scrub", UNIT_SUITE("scrub", tests))
