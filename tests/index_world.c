/*
 * index_world.c: see index_world.h.
 */
#include <sys/resource.h>

#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/slot.h"
#include "tests/index_world.h"
#include "tests/shard_rig.h"

struct item		 items[ITEMS];
static struct item		*in_order[ITEMS];	/* of engine keys */
static const struct engine_ops	*ops;
static char			 base[64];
char				 dir[96];
static struct io		 gated;
atomic_int		 gate;		/* builds wait at it */
sem_t			 opened;
static int		 nice_of_loop;
struct shard		*s;
int64_t			 now;
static size_t			 memory;
uint64_t			 last;		/* LSN */
int			 lazy;		/* no background work */
static uint64_t			 seed;

unsigned
draw(unsigned n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(seed >> 33) % n;
}

unsigned
scaled(unsigned n)
{
	const char	*size = getenv("WHARF_SIZE");

	if (size != NULL && strcmp(size, "small") == 0)
		return n / 2;
	return size != NULL && strcmp(size, "long") == 0 ? n * 10 : n;
}

static int
by_engine_key(const void *a, const void *b)
{
	const struct item	*x = *(struct item *const *)a;
	const struct item	*y = *(struct item *const *)b;
	size_t			 n = x->enginelen < y->enginelen ?
	    x->enginelen : y->enginelen;
	int			 c = memcmp(x->engine, y->engine, n);

	return c != 0 ? c : (x->enginelen > y->enginelen) -
	    (x->enginelen < y->enginelen);
}

static void
make_items(void)
{
	static const struct { uint8_t type; const char *tab; } tables[] = {
		{ 'K', "" }, { 'K', "" }, { 'K', "" }, { 'H', "h" },
		{ 'H', "hh" }, { 'S', "s" }, { 'Z', "z" }, { 'Z', "zz" } };
	struct item	*x;
	unsigned	 i;

	for (i = 0; i < ITEMS; i++) {
		x = &items[i];
		x->type = tables[i % 8].type;
		x->tab = tables[i % 8].tab;
		x->key = calloc(1, LONG + 1);
		x->keylen = (size_t)sprintf(x->key, "%x", i * 2654435761u);
		if (i % 100 < 8)
			for (; x->keylen < LONG - i % 3; x->keylen++)
				x->key[x->keylen] = 'y';
		x->slot = x->type == 'Z' ? slot_of(x->tab, strlen(x->tab)) :
		    slot_of(x->key, x->keylen);
		record_key_put(x->engine, x->type, x->tab, strlen(x->tab),
		    x->key, x->keylen);
		x->enginelen = record_key_len(strlen(x->tab), x->keylen);
		in_order[i] = x;
	}
	qsort(in_order, ITEMS, sizeof(*in_order), by_engine_key);
}

int
live(const struct item *x)
{
	return x->there && (x->expiry == 0 || x->expiry > now);
}

unsigned
file_of(const struct item *x)
{
	return slot_file(x->slot, 1, FILES);
}

/* Who builds is nice; checkpoints read too, and must not wait at the gate. */
static int
builds(void)
{
	return getpriority(PRIO_PROCESS, 0) > nice_of_loop;
}

static ssize_t
gated_pread(const struct io *io, int fd, void *p, size_t n, off_t off)
{
	(void)io;
	if (atomic_load(&gate) && builds())
		sem_wait(&opened);
	return io_posix.pread(&io_posix, fd, p, n, off);
}

void
open_shard(void)
{
	struct shard_conf	c = {
		.dir = dir, .ops = ops, .io = &gated, .node = 0x1234,
		.stores = 1, .files = FILES, .segment = 1 << 20,
		.sync = WAL_OS, .compact_bytes = 65536,
		.index_memory = memory, .notify = shard_quiet
	};
	struct shard_opened	o;
	enum err		e = shard_open(&s, &c, &o);

	if (e != E_OK)
		printf("open: %s: %s\n", err_name(e), o.error);
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
	s->wall = now;
}

void
begin(const struct engine_ops *engine, uint64_t from)
{
	unsigned	i;

	ops = engine;
	seed = from;
	now = wall_ms();
	memory = 0;
	last = 0;
	gated = io_posix;
	gated.pread = gated_pread;
	nice_of_loop = getpriority(PRIO_PROCESS, 0);
	if (items[0].key == NULL)
		make_items();
	for (i = 0; i < ITEMS; i++)
		items[i].there = 0;
	snprintf(base, sizeof(base), "/tmp/test_index.XXXXXX");
	shard_base(base);
	shard_dir(dir, sizeof(dir), base, 0);
	open_shard();
}

void
end(void)
{
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	shard_drop(base);
}

/* A turn of the loop; the shard's wall clock is ours. */
void
turn(void)
{
	shard_kick(s);
	shard_turn(s);
	s->wall = now;
	shard_poll(s);
	if (!lazy)
		shard_work(s);
	s->wall = now;
}

void
settle(void)
{
	while (shard_released(s) < last) {
		turn();
		usleep(20);
	}
}

static struct shard_key
key_of(const struct item *x)
{
	return (struct shard_key){ x->type, x->slot, (const uint8_t *)x->tab,
	    (const uint8_t *)x->key, strlen(x->tab), x->keylen };
}

void
put(struct item *x, int64_t ttl)
{
	struct shard_key	k = key_of(x);
	uint8_t			val[900] = { 0 };
	struct shard_write	w = { .val = val, .ttl = ttl };
	struct shard_result	res;
	enum err		e;

	x->score = (int64_t)draw(50) - 25;
	if (draw(20) == 0)
		x->score = draw(2) ? INT64_MAX : INT64_MIN;
	le64_put(val, (uint64_t)x->score);
	w.vallen = x->type == 'Z' ? 8 : x->type == 'S' ? 0 : draw(900);
	while ((e = shard_put(s, &k, &w, &res)) == E_AGAIN)
		turn();
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
	x->there = 1;
	x->version = res.version;
	x->expiry = ttl == 0 ? 0 : now + ttl;
	last = res.lsn;
}

void
del(struct item *x)
{
	struct shard_key	k = key_of(x);
	struct shard_write	w = { .val = NULL };
	struct shard_result	res;
	enum err		e;

	while ((e = shard_del(s, &k, &w, &res)) == E_AGAIN)
		turn();
	CU_ASSERT_EQUAL_FATAL(e == E_OK, live(x));
	if (e == E_OK) {
		x->there = 0;
		last = res.lsn;
	}
}

void
change(void)
{
	struct item	*x = &items[draw(ITEMS)];
	unsigned	 what = draw(10);

	if (what < 3)
		del(x);
	else
		put(x, what < 6 ? 1 + draw(4000) : 0);
}

/* --- questions --- */

/* Which item an entry is, with all that is said of it. */
static const struct item *
item_of(const struct index_entry *e)
{
	unsigned		 i;
	const struct item	*x;

	for (i = 0; i < ITEMS; i++) {
		x = &items[i];
		if (x->type == e->type && strlen(x->tab) == e->tablen &&
		    memcmp(x->tab, e->tab, e->tablen) == 0 &&
		    x->keylen == e->keylen &&
		    memcmp(x->key, e->key, e->keylen) == 0)
			return x->version == e->version &&
			    x->expiry == e->expiry ? x : NULL;
	}
	return NULL;
}

int
see(void *arg, const struct index_entry *e)
{
	struct seen	*v = arg;

	if (e->expired)
		return 1;
	if (v->passed < v->offset) {
		v->passed++;
		return 1;
	}
	v->x[v->n] = item_of(e);
	v->wrong += v->x[v->n] == NULL || (e->type == 'Z' && e->score != 0 &&
	    v->x[v->n]->score != e->score);
	return ++v->n < v->most && v->n < ITEMS && !v->wrong;
}

/* A listing in pages of random length; wrong ones are counted. */
static unsigned
list_differs(unsigned file, uint8_t type, const char *tab)
{
	struct shard_range	 r = { .file = file, .type = type,
	    .tab = (const uint8_t *)tab, .tablen = tab ? strlen(tab) : 0 };
	static struct seen	 v;
	const struct item	*x;
	uint64_t		 lsn;
	unsigned		 i, at = 0, passed = 0;
	enum err		 e;

	v = (struct seen){ .most = 1 + draw(300),
	    .offset = draw(2) ? draw(300) : 0 };
	r.passed = draw(4) ? &v.passed : NULL;
	r.offset = v.offset;
	for (;;) {
		ASK(e, shard_list(s, &r, see, &v, &lsn));
		if (e != E_OK || v.wrong || lsn > last)
			return 1;
		if (v.n < v.most)
			break;
		r.after = v.x[v.n - 1]->engine;
		r.afterlen = v.x[v.n - 1]->enginelen;
		v.most += 1 + draw(300);
	}
	for (i = 0; i < ITEMS; i++) {
		x = in_order[i];
		if (!live(x) || file_of(x) != file ||
		    (type != 0 && x->type != type) ||
		    (tab != NULL && strcmp(tab, x->tab) != 0))
			continue;
		if (passed < v.offset)
			passed++;
		else if (at >= v.n || v.x[at++] != x)
			return 1;
	}
	return at != v.n || passed != v.passed;
}

static int
by_score(const void *a, const void *b)
{
	const struct item	*x = *(struct item *const *)a;
	const struct item	*y = *(struct item *const *)b;

	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	return by_engine_key(a, b);
}

/* Walks from rank at, or behind the member there. */
static unsigned
walk_differs(const char *tab, struct item **z, unsigned n, unsigned at,
    int reverse, int after)
{
	static struct seen	 v;
	const uint8_t		*t = (const uint8_t *)tab;
	size_t			 len = strlen(tab);
	unsigned		 slot = slot_of(tab, len), i, bad = 0;
	uint64_t		 lsn;
	enum err		 e;

	v = (struct seen){ .most = 1 + draw(60) };
	if (after)
		ASK(e, shard_zafter(s, slot, t, len, z[at]->score,
		    (uint8_t *)z[at]->key, z[at]->keylen, reverse, see, &v,
		    &lsn));
	else
		ASK(e, shard_zwalk(s, slot, t, len, at, reverse, see, &v,
		    &lsn));
	bad += e != E_OK || v.wrong;
	at += (unsigned)(after ? reverse ? -1 : 1 : 0);
	for (i = 0; i < v.n && !bad; i++, at += (unsigned)(reverse ? -1 : 1))
		bad += at >= n || v.x[i] != z[at];
	return bad + (v.n < v.most && at < n);
}

static unsigned
set_differs(const char *tab)
{
	const uint8_t	*t = (const uint8_t *)tab;
	size_t		 len = strlen(tab);
	struct item	*z[ITEMS];
	unsigned	 i, n = 0, low = 0, in = 0, bad = 0;
	int64_t		 min = (int64_t)draw(60) - 30, max = min + draw(20);
	uint64_t	 below, within, rank, lsn;
	enum err	 e;

	for (i = 0; i < ITEMS; i++)
		if (live(&items[i]) && items[i].type == 'Z' &&
		    strcmp(items[i].tab, tab) == 0)
			z[n++] = &items[i];
	qsort(z, n, sizeof(*z), by_score);
	if (draw(4) == 0)
		max = INT64_MAX;
	for (i = 0; i < n; i++) {
		low += z[i]->score < min;
		in += z[i]->score >= min && z[i]->score <= max;
	}
	ASK(e, shard_zcount(s, slot_of(tab, len), t, len, min, max, &below,
	    &within, &lsn));
	bad += e != E_OK || below != low || within != in;
	if (n == 0)
		return bad;
	i = draw(n);
	ASK(e, shard_zrank(s, slot_of(tab, len), t, len, z[i]->score,
	    (uint8_t *)z[i]->key, z[i]->keylen, &rank, &lsn));
	bad += e != E_OK || rank != i;
	for (i = 0; i < 4; i++)
		bad += walk_differs(tab, z, n, draw(n), i & 1, i & 2);
	return bad;
}

unsigned
differs(void)
{
	unsigned	k, bad = 0;

	for (k = 0; k < FILES; k++) {
		bad += list_differs(k, 0, NULL);
		bad += list_differs(k, 'K', NULL);
		bad += list_differs(k, 'H', draw(2) ? "h" : "hh");
		bad += list_differs(k, 'S', "s");
		bad += list_differs(k, 'Z', draw(2) ? "z" : NULL);
	}
	return bad + set_differs("z") + set_differs("zz") + set_differs("no");
}

struct index_stat
stat_of(void)
{
	struct shard_stat	st;

	shard_stat(s, &st);
	return st.index;
}

/* All indexes go, and may come again. */
void
drop_all(void)
{
	shard_set_index_memory(s, 1);
	shard_set_index_memory(s, 0);
}

void
reopen(int clean)
{
	settle();
	CU_ASSERT_EQUAL(shard_close(s, clean), E_OK);
	open_shard();
}
