/*
 * test_shard.c: one shard with log, data files and clock: the version tables
 * of contract 1.2, expiry, stamps, a model under restarts and crash images,
 * and a log that fails.  Everything runs on both engines.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "proto/slot.h"
#include "store/shard.h"
#include "tests/shard_rig.h"
#include "tests/unit.h"

#define FILES	3u
#define NODE	0x77686172660001ull

static char		 base[64], dir[128];
static unsigned		 copies;
static struct io	 faulty;
static atomic_int	 fail_writes;

static ssize_t
faulty_pwrite(const struct io *io, int fd, const void *p, size_t n, off_t off)
{
	(void)io;
	if (atomic_load(&fail_writes)) {
		errno = EIO;
		return -1;
	}
	return io_posix.pwrite(&io_posix, fd, p, n, off);
}

static void
fresh_dir(void)
{
	snprintf(base, sizeof(base), "/tmp/test_shard.XXXXXX");
	shard_base(base);
	shard_dir(dir, sizeof(dir), base, 0);
}

/* What a SIGKILL would leave: the files as they are at this moment. */
static void
crash_image(void)
{
	char	was[128];

	snprintf(was, sizeof(was), "%s", dir);
	shard_image(dir, sizeof(dir), base, ++copies, was);
}

static struct shard *
open_shard(const struct engine_ops *ops, struct shard_opened *opened)
{
	static char		 opened_dir[128];	/* stays when dir moves */
	struct shard_conf	 c = {
		.dir = opened_dir, .ops = ops, .io = &faulty, .node = NODE,
		.stores = 1, .files = FILES, .segment = 1 << 20,
		.sync = WAL_ALWAYS, .compact_bytes = 65536, .notify = shard_quiet
	};
	struct shard_opened	 o;
	struct shard		*s = NULL;
	enum err		 e;

	snprintf(opened_dir, sizeof(opened_dir), "%s", dir);
	faulty = io_posix;
	faulty.pwrite = faulty_pwrite;
	atomic_store(&fail_writes, 0);
	e = shard_open(&s, &c, opened == NULL ? &o : opened);
	if (e != E_OK)
		printf("open: %s: %s\n", err_name(e),
		    (opened == NULL ? &o : opened)->error);
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
	return s;
}

static struct shard_key
make_key(const char *name)
{
	return (struct shard_key){ .type = TYPE_KV,
	    .slot = slot_of(name, strlen(name)),
	    .key = (const uint8_t *)name, .keylen = strlen(name) };
}

/* Lets the shard work until lsn is released. */
static void
settle(struct shard *s, uint64_t lsn)
{
	while (shard_released(s) < lsn && shard_failed(s) == E_OK) {
		shard_kick(s);
		usleep(20);
		shard_poll(s);
	}
}

static enum err
write_key(struct shard *s, int del, const char *name, const char *val,
    size_t len, struct shard_write w, struct shard_result *res)
{
	struct shard_key	 k = make_key(name);
	enum err		 e;
	int			 i;

	w.val = (const uint8_t *)val;
	w.vallen = len;
	for (i = 0; i < 20000; i++) {
		shard_turn(s);
		e = del ? shard_del(s, &k, &w, res) : shard_put(s, &k, &w, res);
		shard_work(s);
		if (e != E_AGAIN)
			break;
		usleep(50);
		shard_poll(s);
	}
	settle(s, res->lsn);
	return e;
}

static enum err
put(struct shard *s, const char *name, const char *val, uint32_t ver,
    struct shard_result *res)
{
	return write_key(s, 0, name, val, strlen(val),
	    (struct shard_write){ .ver = ver }, res);
}

static enum err
del(struct shard *s, const char *name, uint32_t ver, struct shard_result *res)
{
	return write_key(s, 1, name, NULL, 0,
	    (struct shard_write){ .ver = ver }, res);
}

static enum err
dup_write(struct shard *s, int is_del, const char *name, uint32_t ver,
    struct shard_result *res)
{
	return write_key(s, is_del, name, "dup", is_del ? 0 : 3,
	    (struct shard_write){ .ver = ver, .is_dup = 1 }, res);
}

struct got {
	char		val[4096];
	size_t		len;
	uint32_t	version;
	struct stamp	stamp;
};

static void
got_seen(void *arg, const struct record *r)
{
	struct got	*g = arg;

	g->len = r->vallen < sizeof(g->val) ? r->vallen : sizeof(g->val);
	memcpy(g->val, r->val, g->len);
	g->version = r->version;
	g->stamp = r->stamp;
}

static enum err
get(struct shard *s, const char *name, struct got *g)
{
	struct shard_key	 k = make_key(name);
	struct shard_result	 res;

	memset(g, 0, sizeof(*g));
	shard_turn(s);
	return shard_get(s, &k, got_seen, g, &res);
}

#define CHECK(expr, e, v, ve) do {					\
	CU_ASSERT_EQUAL((expr), (e));					\
	CU_ASSERT_EQUAL(res.version, (uint32_t)(v));			\
	CU_ASSERT_EQUAL(res.vererror, (ve));				\
} while (0)

static void
versions_on(const struct engine_ops *ops)
{
	struct shard_result	 res;
	struct shard		*s;
	struct got		 g;

	fresh_dir();
	s = open_shard(ops, NULL);
	CHECK(put(s, "a", "1", 7, &res), E_VERSION, 0, 0);
	CHECK(put(s, "a", "1", 0, &res), E_OK, 1, 0);
	CHECK(put(s, "a", "2", 0, &res), E_OK, 2, 0);
	CHECK(put(s, "a", "3", 2, &res), E_OK, 3, 0);
	CHECK(put(s, "a", "4", 2, &res), E_VERSION, 3, 1);
	CU_ASSERT_EQUAL(get(s, "a", &g), E_OK);
	CU_ASSERT_EQUAL(g.version, 3);
	CU_ASSERT_EQUAL(g.val[0], '3');
	CHECK(del(s, "a", 2, &res), E_VERSION, 3, 1);
	CHECK(del(s, "a", 3, &res), E_OK, 3, 0);
	CHECK(del(s, "a", 0, &res), E_NOTFOUND, 0, 0);
	CHECK(del(s, "a", 3, &res), E_NOTFOUND, 0, 0);
	CU_ASSERT_EQUAL(get(s, "a", &g), E_NOTFOUND);
	CHECK(put(s, "a", "5", 0, &res), E_OK, 1, 0);
	CHECK(write_key(s, 0, "a", "6", 1, (struct shard_write){ .create = 1 },
	    &res), E_EXISTS, 1, 0);
	CHECK(write_key(s, 0, "b", "6", 1, (struct shard_write){ .create = 1 },
	    &res), E_OK, 1, 0);
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	shard_drop(base);
}

static void
dups_on(const struct engine_ops *ops)
{
	struct shard_result	 res;
	struct shard		*s;

	fresh_dir();
	s = open_shard(ops, NULL);
	CHECK(dup_write(s, 0, "d", 0, &res), E_VERSION, 0, 0);
	CHECK(dup_write(s, 0, "d", 9, &res), E_OK, 9, 0);
	CHECK(dup_write(s, 0, "d", 9, &res), E_OK, 9, 0);
	CHECK(dup_write(s, 0, "d", 8, &res), E_OK, 9, 1);
	CHECK(dup_write(s, 0, "d", VERSION_MAX - 5, &res), E_OK, VERSION_MAX - 5, 0);
	CHECK(dup_write(s, 0, "d", 100001, &res), E_OK, VERSION_MAX - 5, 1);
	CHECK(dup_write(s, 0, "d", 3, &res), E_OK, 3, 0);
	CHECK(dup_write(s, 0, "d", VERSION_MAX, &res), E_OK, VERSION_MAX, 0);
	CHECK(put(s, "d", "w", 0, &res), E_OK, 1, 0);	/* the wrap */
	CHECK(dup_write(s, 0, "d", 5, &res), E_OK, 5, 0);
	CHECK(dup_write(s, 1, "d", 4, &res), E_OK, 5, 1);
	CHECK(dup_write(s, 1, "d", 6, &res), E_OK, 5, 0);
	CHECK(dup_write(s, 1, "d", 6, &res), E_NOTFOUND, 0, 0);
	CHECK(dup_write(s, 0, "d", 2, &res), E_OK, 2, 0);
	CHECK(dup_write(s, 1, "d", 0, &res), E_OK, 2, 0);
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	shard_drop(base);
}

static void
expiry_on(const struct engine_ops *ops)
{
	struct shard_result	 res;
	struct shard		*s;
	struct got		 g;
	struct shard_write	 w = { .ttl = 30 };

	fresh_dir();
	s = open_shard(ops, NULL);
	CHECK(put(s, "t", "old", 0, &res), E_OK, 1, 0);
	CHECK(write_key(s, 0, "t", "x", 1, w, &res), E_OK, 2, 0);
	CHECK(write_key(s, 0, "u", "x", 1, w, &res), E_OK, 1, 0);
	CHECK(put(s, "u", "kept", 0, &res), E_OK, 2, 0);
	usleep(40000);
	CU_ASSERT_EQUAL(get(s, "t", &g), E_NOTFOUND);
	CU_ASSERT_EQUAL(get(s, "u", &g), E_OK);	/* the last ttl counts */
	CHECK(del(s, "t", 0, &res), E_NOTFOUND, 0, 0);
	CHECK(put(s, "t", "new", 0, &res), E_OK, 1, 0);
	CU_ASSERT_EQUAL(get(s, "t", &g), E_OK);
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	shard_drop(base);
}

static void
stamps_on(const struct engine_ops *ops)
{
	struct shard_opened	 opened;
	struct shard_result	 res;
	struct stamp		 last = { 0, 0, 0, 0 };
	struct shard		*s;
	struct got		 g;
	int			 i;

	fresh_dir();
	for (i = 0; i < 6; i++) {
		s = open_shard(ops, &opened);
		if (i == 1) {		/* after a clean stop */
			CU_ASSERT_TRUE(opened.clean || !ops->files);
			CU_ASSERT_TRUE(opened.replayed == 0 || !ops->files);
		}
		CHECK(put(s, "k", "v", 0, &res), E_OK, i + 1, 0);
		CU_ASSERT_EQUAL(get(s, "k", &g), E_OK);
		CU_ASSERT_TRUE(stamp_cmp(&g.stamp, &last) > 0);
		last = g.stamp;
		/* stamps do not run away from the clock */
		CU_ASSERT_TRUE((int64_t)(g.stamp.hlc >> 16) <=
		    wall_ms() + 1500);
		if (i > 0)
			crash_image();
		CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	}
	shard_drop(base);
}

#define MODEL_KEYS	400

struct model {
	int		there;
	uint32_t	version, seed;
	size_t		len;
};

static uint32_t	rnd_state;

static uint32_t
rnd(uint32_t n)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 17;
	rnd_state ^= rnd_state << 5;
	return rnd_state % n;
}

static void
fill(char *p, size_t n, uint32_t seed)
{
	size_t	i;

	for (i = 0; i < n; i++)
		p[i] = (char)('a' + (seed + i * 7) % 26);
}

static void
model_check(struct shard *s, const struct model *m)
{
	char		name[32], want[4096];
	struct got	g;
	int		i;

	for (i = 0; i < MODEL_KEYS; i++) {
		snprintf(name, sizeof(name), "key-%d", i);
		if (!m[i].there) {
			CU_ASSERT_EQUAL(get(s, name, &g), E_NOTFOUND);
			continue;
		}
		fill(want, m[i].len, m[i].seed);
		CU_ASSERT_EQUAL(get(s, name, &g), E_OK);
		CU_ASSERT_EQUAL(g.version, m[i].version);
		CU_ASSERT_EQUAL(g.len, m[i].len);
		CU_ASSERT_EQUAL(memcmp(g.val, want, m[i].len), 0);
	}
}

static void
model_step(struct shard *s, struct model *m)
{
	struct shard_result	 res;
	struct model		*k;
	char			 name[32], val[4096];
	int			 i = (int)rnd(MODEL_KEYS);

	k = &m[i];
	snprintf(name, sizeof(name), "key-%d", i);
	if (rnd(4) == 0) {
		CHECK(del(s, name, 0, &res), k->there ? E_OK : E_NOTFOUND,
		    k->there ? k->version : 0, 0);
		k->there = 0;
		return;
	}
	k->len = 1 + rnd(2000);
	k->seed = rnd(1 << 20);
	k->version = k->there ? k->version + 1 : 1;
	k->there = 1;
	fill(val, k->len, k->seed);
	CU_ASSERT_EQUAL(write_key(s, 0, name, val, k->len,
	    (struct shard_write){ .ver = 0 }, &res), E_OK);
	CU_ASSERT_EQUAL(res.version, k->version);
}

/* Random writes, with clean stops and crash images in between. */
static void
model_on(const struct engine_ops *ops)
{
	static struct model	 m[MODEL_KEYS];
	struct shard_stat	 st;
	struct shard		*s;
	const char		*seed = getenv("WHARF_SEED");
	int			 round, i;

	rnd_state = seed != NULL ? (uint32_t)atoi(seed) : 4711;
	memset(m, 0, sizeof(m));
	fresh_dir();
	s = open_shard(ops, NULL);
	for (round = 0; round < 12; round++) {
		for (i = 0; i < 500; i++)
			model_step(s, m);
		model_check(s, m);
		if (round == 11)
			shard_stat(s, &st);
		if (round % 3 == 2) {
			CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
		} else {
			crash_image();
			shard_close(s, 0);
		}
		s = open_shard(ops, NULL);
		model_check(s, m);
	}
	if (ops->files) {
		shard_stat(s, &st);
		CU_ASSERT_TRUE(st.data.bytes < 64u << 20);
	}
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	shard_drop(base);
}

static void
failing_log_on(const struct engine_ops *ops)
{
	struct shard_result	 res;
	struct shard_key	 k;
	struct shard		*s;
	struct got		 g;
	struct shard_write	 w = { .val = (const uint8_t *)"new",
	    .vallen = 3 };
	enum err		 e;

	fresh_dir();
	s = open_shard(ops, NULL);
	CHECK(put(s, "safe", "old", 0, &res), E_OK, 1, 0);
	CHECK(put(s, "x", "old", 0, &res), E_OK, 1, 0);
	atomic_store(&fail_writes, 1);
	shard_turn(s);
	k = make_key("x");
	e = shard_put(s, &k, &w, &res);
	CU_ASSERT_EQUAL(e, E_OK);	/* taken; the answer waits for the log */
	settle(s, res.lsn);
	CU_ASSERT_EQUAL(shard_failed(s), E_READONLY);
	CU_ASSERT_TRUE(shard_released(s) < res.lsn);
	CU_ASSERT_EQUAL(get(s, "safe", &g), E_OK);
	CU_ASSERT_EQUAL(get(s, "x", &g), E_READONLY);
	CU_ASSERT_EQUAL(shard_get(s, &k, NULL, NULL, &res), E_READONLY);
	CU_ASSERT_EQUAL(res.lsn, 0);	/* its answer waits for nothing */
	CU_ASSERT_EQUAL(shard_put(s, &k, &w, &res), E_READONLY);
	atomic_store(&fail_writes, 0);
	shard_close(s, 0);
	s = open_shard(ops, NULL);
	CU_ASSERT_EQUAL(get(s, "safe", &g), E_OK);
	CU_ASSERT_EQUAL(get(s, "x", &g), E_OK);
	CHECK(put(s, "x", "newer", 0, &res), E_OK, g.version + 1, 0);
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	shard_drop(base);
}

/*
 * Many short lives: the log of earlier ones must go, or writes would stop when
 * it is as long as it may be.
 */
static void
short_lives_on(const struct engine_ops *ops)
{
	struct shard_result	 res;
	struct shard_stat	 st;
	struct shard		*s;
	int			 i;

	if (!ops->files)
		return;		/* keeps its log */
	fresh_dir();
	for (i = 0; i < 30; i++) {
		s = open_shard(ops, NULL);
		CHECK(put(s, "k", "v", 0, &res), E_OK, i + 1, 0);
		if (i % 2 != 0)
			crash_image();
		CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	}
	s = open_shard(ops, NULL);
	shard_stat(s, &st);
	CU_ASSERT_TRUE(st.wal.segments <= FILES + 5);
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	shard_drop(base);
}

/* What no record can hold never reaches the log. */
/* While a store is in use its clock bound is renewed without any write. */
static void
bound_on(const struct engine_ops *ops)
{
	struct shard_result	 res;
	struct wal_stat		 ws;
	struct shard		*s;

	fresh_dir();
	s = open_shard(ops, NULL);
	do {
		usleep(2000);
		shard_turn(s);
		shard_work(s);
		shard_poll(s);
		shard_log_stat(s, &ws);
	} while (ws.batches < 2);
	CU_ASSERT_EQUAL(shard_released(s), 0);
	CHECK(put(s, "k", "v", 0, &res), E_OK, 1, 0);
	CU_ASSERT_EQUAL(res.lsn, 1);
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	shard_drop(base);
}

static void
out_of_range_on(const struct engine_ops *ops)
{
	struct shard_result	 res;
	struct shard		*s;
	struct got		 g;

	fresh_dir();
	s = open_shard(ops, NULL);
	CHECK(put(s, "k", "v", 0, &res), E_OK, 1, 0);
	CHECK(dup_write(s, 0, "k", VERSION_MAX + 1, &res), E_VERSION,
	    VERSION_MAX + 1, 0);
	CHECK(dup_write(s, 1, "k", UINT32_MAX, &res), E_VERSION, UINT32_MAX, 0);
	CHECK(write_key(s, 0, "k", "w", 1,
	    (struct shard_write){ .ttl = INT64_MAX }, &res), E_PARAM, 0, 0);
	crash_image();
	CU_ASSERT_EQUAL(shard_close(s, 0), E_OK);
	s = open_shard(ops, NULL);
	CU_ASSERT_EQUAL(get(s, "k", &g), E_OK);
	CU_ASSERT_EQUAL(g.version, 1);
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	shard_drop(base);
}

static void
wrong_owner(void)
{
	struct shard_conf	 c = {
		.dir = dir, .ops = &engine_tkrzw, .io = &faulty,
		.node = NODE + 1, .stores = 1, .files = FILES,
		.segment = 1 << 20, .notify = shard_quiet
	};
	struct shard_opened	 o;
	struct shard		*s;

	fresh_dir();
	s = open_shard(&engine_tkrzw, NULL);
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	CU_ASSERT_EQUAL(shard_open(&s, &c, &o), E_STALE);
	CU_ASSERT_TRUE(strlen(o.error) > 0);
	c.node = NODE;
	c.stores = 2;
	CU_ASSERT_EQUAL(shard_open(&s, &c, &o), E_STALE);
	shard_drop(base);
}

BOTH(versions)
BOTH(dups)
BOTH(expiry)
BOTH(stamps)
BOTH(model)
BOTH(failing_log)
BOTH(out_of_range)
BOTH(bound)
BOTH(short_lives)

static const CU_TestInfo tests[] = {
	ROWS(versions, "versions"),
	ROWS(dups, "is_dup"),
	ROWS(expiry, "expiry"),
	ROWS(stamps, "stamps"),
	ROWS(model, "model"),
	ROWS(failing_log, "failing log"),
	ROWS(bound, "clock bound"),
	ROWS(out_of_range, "out of range"),
	ROWS(short_lives, "short lives"),
	{ (char *)"wrong owner", wrong_owner },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_shard", UNIT_SUITE("shard", tests))
