/*
 * test_shard_scan.c: what a router asks of its shard: a scan shows each live
 * record once as it was when the scan began, over overwrites, deletes,
 * compactions and restarts, while writes go on; numbers grow over restarts;
 * names come back.
 */
#include <string.h>

#include "proto/slot.h"
#include "store/shard_scan.h"
#include "tests/shard_rig.h"
#include "tests/unit.h"

#define KEYS	3000u
#define FILES	3u
#define HEAD	8u

struct world {
	struct shard	*s;
	const struct engine_ops *ops;
	char		 base[64], dir[128];
	unsigned	 images;
	unsigned	 state[KEYS];	/* 0 none, else the number that it has */
	unsigned	 seen[KEYS];
	unsigned	 next, seed;
	uint64_t	 id;
};

static struct world	w;

static unsigned
draw(unsigned n)
{
	w.seed = w.seed * 1664525u + 1013904223u;
	return (w.seed >> 8) % n;
}

static void
open_shard(int first)
{
	struct shard_conf	c = {
		.dir = w.dir, .ops = w.ops, .io = &io_posix, .node = 1,
		.stores = 1, .files = FILES, .segment = 1 << 20,
		.sync = WAL_OS, .compact_bytes = 65536, .notify = shard_quiet
	};
	struct shard_opened	o;

	CU_ASSERT_EQUAL_FATAL(shard_open(&w.s, &c, &o), E_OK);
	CU_ASSERT(o.fresh == first);
}

static void
world_open(const struct engine_ops *ops)
{
	memset(&w, 0, sizeof(w));
	w.ops = ops;
	w.seed = 7;
	snprintf(w.base, sizeof(w.base), "/tmp/test_shard_scan.XXXXXX");
	shard_base(w.base);
	shard_dir(w.dir, sizeof(w.dir), w.base, 0);
	open_shard(1);
}

static void
turn(void)
{
	shard_turn(w.s);
	shard_work(w.s);
	shard_kick(w.s);
	usleep(20);
	shard_poll(w.s);
}

static struct shard_key
key_of(unsigned n, uint8_t key[4])
{
	static const uint8_t	tab[] = "queue";

	memcpy(key, &n, sizeof(n));
	return (struct shard_key){ .type = TYPE_MESSAGE, .slot = n % 1024,
	    .tab = tab, .tablen = 5, .key = key, .keylen = 4 };
}

/* Overwrites, or deletes; waits as long as the shard has no room. */
static void
change(unsigned n, int gone)
{
	uint8_t			key[4], val[100] = { 0 };
	struct shard_key	k = key_of(n, key);
	struct shard_write	x = { .head = (uint8_t *)&w.next,
	    .headlen = sizeof(w.next), .val = val, .vallen = draw(100) + 1 };
	struct shard_result	r;
	enum err		e;

	w.next++;
	while ((e = shard_room(w.s, k.slot, 4096)) == E_AGAIN)
		turn();
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
	e = gone ? shard_del(w.s, &k, &(struct shard_write){ .ver = 0 }, &r) :
	    shard_put(w.s, &k, &x, &r);
	CU_ASSERT_EQUAL_FATAL(e, gone && w.state[n] == 0 ? E_NOTFOUND : E_OK);
	w.state[n] = gone ? 0 : w.next;
}

static void
churn(unsigned n)
{
	while (n-- > 0) {
		change(draw(KEYS), draw(3) == 0);
		if (n % 64 == 0)
			turn();
	}
	turn();
}

static void
quiet(void *arg)
{
	(void)arg;
}

static void
take(const struct scan_entry *x)
{
	const uint8_t	*tab, *key;
	size_t		 tablen, keylen;
	uint8_t		 type;
	unsigned	 n, v;

	CU_ASSERT_EQUAL_FATAL(record_key_get(x->key, x->keylen, &type, &tab,
	    &tablen, &key, &keylen), E_OK);
	CU_ASSERT_FATAL(type == TYPE_MESSAGE && keylen == 4);
	CU_ASSERT(x->vallen >= 5 && x->vallen <= HEAD);
	memcpy(&n, key, sizeof(n));
	memcpy(&v, x->val, sizeof(v));
	CU_ASSERT_FATAL(n < KEYS);
	CU_ASSERT_EQUAL(w.seen[n], 0);
	w.seen[n] = v;
}

/* busy: changes go on meanwhile. */
static void
scan(int busy)
{
	unsigned		 before[KEYS];
	struct shard_scan	*s;
	struct scan_entry	 x;
	enum err		 e;

	memset(w.seen, 0, sizeof(w.seen));
	memcpy(before, w.state, sizeof(before));
	s = shard_scan_new(w.s, HEAD, quiet, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	while ((e = shard_scan_next(s, &x)) == E_OK || e == E_PENDING) {
		if (e == E_OK)
			take(&x);
		else
			usleep(100);
		if (busy && draw(4) == 0)
			churn(1);
	}
	CU_ASSERT_EQUAL(e, E_NOTFOUND);
	CU_ASSERT_EQUAL(shard_scan_bad(s), 0);
	shard_scan_free(s);
	CU_ASSERT_EQUAL(memcmp(w.seen, before, sizeof(before)), 0);
}

static void
restart(int killed)
{
	char	next[128];

	if (killed) {
		shard_image(next, sizeof(next), w.base, ++w.images, w.dir);
		shard_close(w.s, 0);
		snprintf(w.dir, sizeof(w.dir), "%s", next);
	} else
		CU_ASSERT_EQUAL(shard_close(w.s, 1), E_OK);
	open_shard(0);
}

static void
numbers(void)
{
	unsigned	i;
	uint64_t	id;

	for (i = 0; i < 100; i++) {
		id = shard_id(w.s);
		CU_ASSERT(id > w.id);
		w.id = id;
	}
	change(0, 0);		/* and then it is never given again */
}

static void
scans_on(const struct engine_ops *ops)
{
	unsigned	i;

	world_open(ops);
	scan(0);
	for (i = 0; i < 6; i++) {
		churn(4000);
		numbers();
		scan(0);
		scan(1);
		restart(i % 2 == 0 && ops->files);
		scan(0);
	}
	shard_close(w.s, 1);
	shard_drop(w.base);
}

static void
test_tkrzw(void)
{
	scans_on(&engine_tkrzw);
}

static void
test_mem(void)
{
	scans_on(&engine_mem);
}

/* Freed in the middle: its thread ends. */
static void
test_dropped(void)
{
	struct shard_scan	*s;
	struct scan_entry	 x;

	world_open(&engine_tkrzw);
	churn(6000);
	s = shard_scan_new(w.s, HEAD, quiet, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	while (shard_scan_next(s, &x) == E_PENDING)
		usleep(100);
	shard_scan_free(s);
	shard_close(w.s, 1);
	shard_drop(w.base);
}

static enum err
name_see(void *arg, const uint8_t *name, size_t len)
{
	char	*all = arg;

	CU_ASSERT_EQUAL(len, 2);
	strncat(all, (const char *)name, len);
	return E_OK;
}

static void
settings(const char *name, int gone)
{
	struct shard_key	k = { .type = TYPE_SETTINGS, .slot = slot_of(
	    name, 2), .tab = (const uint8_t *)name, .tablen = 2 };
	struct shard_write	x = { .val = (const uint8_t *)"x",
	    .vallen = 1 };
	struct shard_result	r;

	while (shard_room(w.s, k.slot, 4096) == E_AGAIN)
		turn();
	CU_ASSERT_EQUAL(gone ? shard_del(w.s, &k, &x, &r) :
	    shard_put(w.s, &k, &x, &r), E_OK);
}

static void
names_are(const char *a, const char *b)
{
	char	all[64] = "";

	CU_ASSERT_EQUAL(shard_names(w.s, TYPE_SETTINGS, name_see, all), E_OK);
	CU_ASSERT(strcmp(all, a) == 0 || strcmp(all, b) == 0);
}

static void
test_names(void)
{
	world_open(&engine_tkrzw);
	names_are("", "");
	settings("q1", 0);
	settings("q2", 0);
	settings("q3", 0);
	settings("q3", 1);
	turn();
	names_are("q1q2", "q2q1");
	restart(0);
	names_are("q1q2", "q2q1");
	restart(1);
	names_are("q1q2", "q2q1");
	shard_close(w.s, 1);
	shard_drop(w.base);
}

static const CU_TestInfo tests[] = {
	{ "scans", test_tkrzw },
	{ "scans, memory", test_mem },
	{ "dropped", test_dropped },
	{ "names", test_names },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_shard_scan", UNIT_SUITE("shard_scan", tests))
