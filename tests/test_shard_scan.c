/*
 * test_shard_scan.c: what a router asks of its shard: a scan shows each live
 * record once as it was when the scan began, over overwrites, deletes,
 * compactions and restarts, while writes go on; numbers grow over restarts;
 * names come back.
 */
#include <fcntl.h>
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
	uint64_t	 id, lsn;	/* given, of the last change */
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
	struct shard_result	r = { .lsn = 0 };
	enum err		e;

	w.next++;
	while ((e = shard_room(w.s, k.slot, 4096)) == E_AGAIN)
		shard_loop(w.s);
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
	e = gone ? shard_del(w.s, &k, &(struct shard_write){ .ver = 0 }, &r) :
	    shard_put(w.s, &k, &x, &r);
	CU_ASSERT_EQUAL_FATAL(e, gone && w.state[n] == 0 ? E_NOTFOUND : E_OK);
	w.state[n] = gone ? 0 : w.next;
	if (r.lsn > w.lsn)
		w.lsn = r.lsn;
}

/* What has been written is in the log. */
static void
settle(void)
{
	while (shard_released(w.s) < w.lsn)
		shard_loop(w.s);
}

static void
churn(unsigned n)
{
	while (n-- > 0) {
		change(draw(KEYS), draw(3) == 0);
		if (n % 64 == 0)
			shard_loop(w.s);
	}
	shard_loop(w.s);
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
	s = shard_scan_new(w.s, HEAD, 0, quiet, NULL);
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
		settle();
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
	s = shard_scan_new(w.s, HEAD, 0, quiet, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	while (shard_scan_next(s, &x) == E_PENDING)
		usleep(100);
	shard_scan_free(s);
	shard_close(w.s, 1);
	shard_drop(w.base);
}

/* --- what is damaged --- */

#define SOME	300u

/* Bytes of a file of this shard, from where what stands there begins. */
struct spot {
	char		 path[300];
	off_t		 at;
	uint8_t		 old[8];
};

static int
spot_find(struct spot *x, const char *path, const uint8_t *what, size_t n)
{
	static uint8_t	 b[8 << 20];
	int		 fd = open(path, O_RDONLY);
	ssize_t		 len;
	uint8_t		*p;

	CU_ASSERT_FATAL(fd != -1);
	len = pread(fd, b, sizeof(b), 0);
	close(fd);
	CU_ASSERT_FATAL(len > 0 && (size_t)len < sizeof(b));
	if ((p = memmem(b, (size_t)len, what, n)) == NULL)
		return 0;
	snprintf(x->path, sizeof(x->path), "%s", path);
	x->at = p - b + (off_t)n;
	memcpy(x->old, p + n, sizeof(x->old));
	return 1;
}

/* The checksum of a record: it stands behind the key. */
static struct spot
spot_of(unsigned n)
{
	uint8_t			key[4], ekey[64];
	struct shard_key	k = key_of(n, key);
	struct spot		x = { .at = 0 };
	char			path[200];
	size_t			len = record_key_len(k.tablen, k.keylen);

	record_key_put(ekey, k.type, k.tab, k.tablen, k.key, k.keylen);
	snprintf(path, sizeof(path), "%s/data.%u.1.tkh", w.dir,
	    k.slot % FILES);
	CU_ASSERT_FATAL(spot_find(&x, path, ekey, len));
	return x;
}

static void
spot_write(const struct spot *x, const void *p)
{
	int	fd = open(x->path, O_WRONLY);

	CU_ASSERT_FATAL(fd != -1);
	CU_ASSERT_EQUAL(pwrite(fd, p, 8, x->at), 8);
	close(fd);
}

static void
spoil(unsigned n, int doubt)
{
	struct spot	x = spot_of(n);
	uint8_t		p[8];

	memcpy(p, x.old, sizeof(p));
	if (doubt)
		record_doubt(p);
	else
		p[3] ^= 16;
	spot_write(&x, p);
}

static unsigned
expect(unsigned n)
{
	return n % 7 == 0 ? SCAN_DOUBT : n % 7 == 1 ? SCAN_BAD : SCAN_WHOLE;
}

static void
take_ill(const struct scan_entry *x, int ill)
{
	unsigned	n, v;

	memcpy(&n, x->key + x->keylen - 4, sizeof(n));
	CU_ASSERT_FATAL(n < SOME && w.seen[n]++ == 0);
	CU_ASSERT(x->how == expect(n));
	if (x->how == SCAN_WHOLE) {
		CU_ASSERT(!ill && x->vallen == HEAD && !x->dead);
		return;
	}
	if (x->how == SCAN_BAD || !ill || x->dead) {
		CU_ASSERT_EQUAL(x->vallen, 0);
	} else {
		CU_ASSERT_FATAL(x->vallen > HEAD);	/* all of it */
		memcpy(&v, x->val, sizeof(v));
		CU_ASSERT_EQUAL(v, w.state[n]);
	}
	CU_ASSERT(x->how == SCAN_BAD || x->dead == (w.state[n] == 0));
}

/* How many it shows. */
static unsigned
scan_ill(int ill)
{
	struct shard_scan	*s;
	struct scan_entry	 x;
	unsigned		 n = 0;
	enum err		 e;

	memset(w.seen, 0, sizeof(w.seen));
	s = shard_scan_new(w.s, HEAD, ill, quiet, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	while ((e = shard_scan_next(s, &x)) == E_OK || e == E_PENDING) {
		if (e == E_OK)
			take_ill(&x, ill);
		else
			usleep(100);
		n += e == E_OK;
	}
	CU_ASSERT(e == E_NOTFOUND && shard_scan_unread(s) == 0);
	shard_scan_free(s);
	return n;
}

/* The same where nothing is spoilt. */
static unsigned
scan_whole(uint64_t unread)
{
	struct shard_scan	*s = shard_scan_new(w.s, HEAD, 0, quiet, NULL);
	struct scan_entry	 x;
	unsigned		 n = 0;
	enum err		 e;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	while ((e = shard_scan_next(s, &x)) == E_OK || e == E_PENDING)
		n += e == E_OK && x.how == SCAN_WHOLE;
	CU_ASSERT(e == E_NOTFOUND && shard_scan_unread(s) == unread);
	shard_scan_free(s);
	return n;
}

static void
make_some(void)
{
	uint8_t			key[4], val[20] = { 0 };
	struct shard_write	x = { .val = val, .vallen = sizeof(val) };
	struct shard_result	r;
	struct shard_key	k;
	unsigned		n;

	for (n = 0; n < SOME; n++) {
		k = key_of(n, key);
		w.state[n] = n % 14 == 0 ? 0 : n + 1;
		memcpy(val, &w.state[n], sizeof(w.state[n]));
		while (shard_room(w.s, k.slot, 4096) == E_AGAIN)
			shard_loop(w.s);
		CU_ASSERT_EQUAL_FATAL(shard_put(w.s, &k, &x, &r), E_OK);
		shard_loop(w.s);
	}
}

/* Those in doubt are told from those that are damaged; all of them by key. */
static void
test_ill(void)
{
	uint8_t			key[4];
	struct shard_key	k;
	struct shard_result	r;
	struct shard_write	any = { .ver = 0 };
	unsigned		n;

	world_open(&engine_tkrzw);
	make_some();
	for (n = 0; n < SOME; n++) {
		k = key_of(n, key);
		if (w.state[n] == 0)
			CU_ASSERT_EQUAL(shard_del(w.s, &k, &any, &r), E_OK);
	}
	shard_loop(w.s);
	for (n = 0; n < SOME; n++)
		if (w.state[n] != 0 && expect(n) != SCAN_WHOLE)
			spoil(n, expect(n) == SCAN_DOUBT);
	CU_ASSERT_EQUAL(scan_ill(0), SOME - (SOME + 13) / 14);
	CU_ASSERT_EQUAL(scan_ill(1), (SOME + 6) / 7 + (SOME + 5) / 7 -
	    (SOME + 13) / 14);
	shard_close(w.s, 0);
	shard_drop(w.base);
}

/* The others are shown; it can be read again when it can. */
static void
test_unread(void)
{
	struct spot	x = { .at = 0 };
	char		path[200];
	unsigned	n, there;

	world_open(&engine_tkrzw);
	make_some();
	there = SOME;
	snprintf(path, sizeof(path), "%s/data.1.1.tkh", w.dir);
	CU_ASSERT_FATAL(spot_find(&x, path, (const uint8_t *)"Tkrz", 4));
	spot_write(&x, "gone    ");
	for (n = 0; n < SOME; n++)
		if (key_of(n, (uint8_t[4]){ 0 }).slot % FILES == 1)
			there--;
	CU_ASSERT_EQUAL(scan_whole(2), there);
	spot_write(&x, x.old);
	CU_ASSERT_EQUAL(scan_whole(0), SOME);
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
		shard_loop(w.s);
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
	shard_loop(w.s);
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
	{ "ill", test_ill }, { "unread", test_unread },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_shard_scan", UNIT_SUITE("shard_scan", tests))
